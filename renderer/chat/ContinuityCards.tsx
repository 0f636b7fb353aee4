import { Split } from 'lucide-react';
import type { ConversationValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { GroupCard } from '../group/GroupCard';
import { useOldChat } from '../group/use-old-chat';
import { cx } from '../parts/cx';
import { conversationTitle, firstName, fullName } from '../words/person';
import { names, words } from '../words/text';
import styles from './ContinuityCards.module.css';

/** The cards above the first message: where a group comes from and how it was formed, or that a chat begins here. */
export function StartCards({ conversation }: { conversation: ConversationValue }) {
  if (conversation.kind === 'oneToOne') {
    const [person] = conversation.people;
    return <p className={styles.beginning}>{words.chat.start(person === undefined ? words.nobody : fullName(person))}</p>;
  }
  return (
    <div style={{ paddingTop: 12 }}>
      <GrownCard conversation={conversation} />
      <GroupCard conversation={conversation} />
    </div>
  );
}

function GrownCard({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const from = useOldChat(conversation);
  if (from === null) return null;
  const others = conversation.people.filter((person) => person.address !== from.old.people[0]?.address).map(firstName);
  return (
    <section className={cx('card well', styles.continuity)} data-testid="grown-card">
      <Split size={20} strokeWidth={1.75} />
      <div>
        <h2>{words.group.grown(from.who)}</h2>
        <p>{others.length === 0 ? words.group.grownBodyPlain : words.group.grownBody(names(others))}</p>
        <button type="button" className="link" data-testid="grown-open" onClick={() => desk.openChat(from.old.conversation)}>
          {words.group.openOld(from.who)}
        </button>
      </div>
    </section>
  );
}

/** In the 1-1 chat: the way to the group that continues it. */
export function GoesOnCard({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const group = useChorus((state) => (conversation.continuedBy === null ? undefined : state.conversations.get(conversation.continuedBy)));
  if (group === undefined) return null;
  return (
    <section className={cx('card well', styles.continuity)} data-testid="goes-on-card">
      <Split size={20} strokeWidth={1.75} />
      <div>
        <h2>{words.group.goesOn(conversationTitle(group))}</h2>
        <p>{words.group.goesOnBody}</p>
        <button type="button" className="link" data-testid="goes-on-open" onClick={() => desk.openChat(group.conversation)}>
          {words.group.openGroup}
        </button>
      </div>
    </section>
  );
}
