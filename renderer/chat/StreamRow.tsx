import { History } from 'lucide-react';
import type { ConversationValue } from '../../preload/contract';
import { useTypingWords } from '../chats/ConversationRow';
import { useChorus } from '../desk/desk';
import { Avatar } from '../parts/Avatar';
import { TypingDots } from '../parts/Typing';
import { dayName, sentenceTime, useNow } from '../words/clock';
import { firstName } from '../words/person';
import { words } from '../words/text';
import { Bubble } from './Bubble';
import { GoesOnCard, StartCards } from './ContinuityCards';
import styles from './StreamRow.module.css';
import type { Row } from './timeline';

interface StreamRowProps {
  row: Row;
  conversation: ConversationValue;
  ownDevice: string;
  isAfterDay: boolean;
  isHighlighted: boolean;
}

/** One row of the timeline as it is drawn. */
export function StreamRow({ row, conversation, ownDevice, isAfterDay, isHighlighted }: StreamRowProps) {
  switch (row.row) {
    case 'start':
      return <StartCards conversation={conversation} />;
    case 'day':
      return <Day at={row.at} />;
    case 'late':
      return <Late sentAt={row.sentAt} receivedAt={row.receivedAt} />;
    case 'message':
      return (
        <Bubble
          message={row.message}
          first={row.first}
          last={row.last}
          meta={row.meta}
          isAfterDay={isAfterDay}
          isHighlighted={isHighlighted}
          isGroup={conversation.kind === 'group'}
          ownDevice={ownDevice}
          peerDevice={conversation.peerDevice?.name ?? null}
          peer={conversation.people[0] ?? null}
        />
      );
    case 'continued':
      return <GoesOnCard conversation={conversation} />;
    case 'end':
      return <End conversation={conversation} />;
  }
}

export function Day({ at }: { at: number }) {
  const now = useNow(60_000);
  return (
    <div className={styles.day} data-testid="day">
      {dayName(at, now)}
    </div>
  );
}

export function Late({ sentAt, receivedAt }: { sentAt: number; receivedAt: number }) {
  const now = useNow(60_000);
  return (
    <div className={styles.late}>
      <History size={14} strokeWidth={1.75} />
      <span>
        <b>{words.message.late[0]}</b> {words.message.late[1](sentenceTime(sentAt, now), sentenceTime(receivedAt, now))}
      </span>
    </div>
  );
}

/** The space under the newest message; in a group it says who is typing. */
function End({ conversation }: { conversation: ConversationValue }) {
  const typing = useTypingWords(conversation);
  const address = useChorus((state) => state.composing.get(conversation.conversation)?.[0]);
  if (typing === null || address === undefined || conversation.kind === 'oneToOne') return <div className={styles.streamEnd} />;
  const person = conversation.people.find((other) => other.address === address) ?? { address, name: '' };
  return (
    <div className={styles.streamEnd}>
      <div className={styles.typingNote} data-testid="typing-note" data-name={firstName(person)}>
        <Avatar person={person} size={20} />
        <span>{typing}</span>
        <TypingDots />
      </div>
    </div>
  );
}
