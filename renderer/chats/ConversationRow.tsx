import { memo } from 'react';
import type { ConversationValue, MessageValue } from '../../preload/contract';
import { privateDrafts, useChorus, useDesk, useServices } from '../desk/desk';
import { activityOf, isAddressBlocked, isMessageHidden } from '../desk/state';
import { AnonymousMark } from '../parts/AnonymousMark';
import { ConversationAvatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { StateMark } from '../parts/StateMark';
import { TypingDots } from '../parts/Typing';
import { listTime, useNow } from '../words/clock';
import { conversationTitle, firstName, memberOf, senderOfMessage } from '../words/person';
import { words } from '../words/text';
import styles from './ConversationRow.module.css';

interface ConversationRowProps {
  conversation: ConversationValue;
  isSelected: boolean;
  isStop: boolean;
}

export const ConversationRow = memo(function ConversationRow({ conversation, isSelected, isStop }: ConversationRowProps) {
  const { desk } = useServices();
  const now = useNow(60_000);
  const title = conversationTitle(conversation);
  const unread = conversation.unread;
  const isUnread = unread > 0 || conversation.markedUnread;
  return (
    <button
      type="button"
      className={cx(styles.row, isSelected && styles.on, isUnread && styles.unread)}
      aria-current={isSelected ? 'true' : undefined}
      tabIndex={isStop ? 0 : -1}
      data-left-row=""
      data-testid="conversation"
      data-conversation={conversation.conversation}
      data-name={title}
      data-kind={conversation.kind}
      data-unread={unread}
      data-marked={conversation.markedUnread ? '' : undefined}
      onClick={() => desk.openChat(conversation.conversation)}
    >
      <ConversationAvatar conversation={conversation} />
      <div className="cut">
        <div className={styles.line}>
          <span className={cx('cut', styles.name)}>
            {conversation.anonymous === 'self' ? <AnonymousMark size={15} /> : null}
            {title}
          </span>
          <time>{listTime(activityOf(conversation), now)}</time>
        </div>
        <div className={cx(styles.line, styles.two)}>
          <LastLine conversation={conversation} />
        </div>
      </div>
    </button>
  );
});

/** Who is typing; if nobody is, the draft; without one, the last message and its state. */
function LastLine({ conversation }: { conversation: ConversationValue }) {
  const { last, unread } = conversation;
  const isLastHidden = useChorus((state) => last !== null && isMessageHidden(state, last));
  const drafts = useDesk((state) => state.drafts);
  const draft = drafts.get(conversation.conversation) ?? conversation.draft;
  const [alone] = privateDrafts(drafts, conversation);
  const typing = useTypingWords(conversation);
  const successor = useChorus((state) =>
    conversation.continuedBy === null ? undefined : state.conversations.get(conversation.continuedBy),
  );
  const badge =
    unread > 0 ? (
      <span className={styles.badge}>
        <span aria-hidden="true">{unread}</span>
        <span className="hidden-text">{words.me.unread(unread)}</span>
      </span>
    ) : conversation.markedUnread ? (
      <span className={cx(styles.badge, styles.unreadDot)}>
        <span className="hidden-text">{words.me.markedUnread}</span>
      </span>
    ) : null;

  if (typing !== null) {
    return (
      <>
        <span className={cx('cut', styles.last, styles.accent)}>{typing}</span>
        {badge ?? (
          <span className={styles.typing}>
            <TypingDots />
          </span>
        )}
      </>
    );
  }
  if (draft.trim() !== '' || alone !== undefined) {
    const whose =
      draft.trim() !== '' || alone === undefined ? words.me.draft : words.me.draftAlone(firstName(memberOf(conversation, alone.address)));
    return (
      <>
        <span className={cx('cut', styles.last)}>
          <span className={cx(styles.accent, styles.draft)}>{whose}</span> {draft.trim() || alone?.text.trim()}
        </span>
        {badge}
      </>
    );
  }
  if (conversation.kind === 'group' && !conversation.joined) return <span className={cx('cut', styles.last)}>{words.me.leftGroup}</span>;
  if (successor !== undefined && (last === null || last.sentAt <= successor.createdAt)) {
    return <span className={cx('cut', styles.last)}>{words.me.goesOn}</span>;
  }
  if (last === null) return <span className={cx('cut', styles.last)}>{conversation.kind === 'group' ? words.me.newGroup : ''}</span>;
  const text = isLastHidden ? words.message.blocked : saidIn(last);
  return (
    <>
      <span className={cx('cut', styles.last)}>
        {conversation.kind === 'group' ? words.me.from(senderOf(conversation, last), '') : null}
        <bdi>{text}</bdi>
      </span>
      {badge}
      {badge !== null || last.direction === 'in' ? null : <StateMark state={last.state} failedSize={16} />}
    </>
  );
}

function saidIn({ damaged, content, text }: MessageValue): string {
  if (damaged === true) return words.message.damaged;
  return content.kind === 'file' ? words.message.cannotShow(content.type, content.size) : text.replaceAll(/\s+/g, ' ');
}

/** The sender of a message; for a private one in a group, its recipient, too. */
export function senderOf(
  conversation: ConversationValue,
  message: Pick<MessageValue, 'direction' | 'from' | 'fromName' | 'showAddress' | 'onlyWith'>,
): string {
  const { direction, onlyWith } = message;
  const sender = direction === 'out' ? words.you : firstName(senderOfMessage(message));
  if (onlyWith === undefined) return sender;
  return words.me.alone(sender, direction === 'out' ? firstName(memberOf(conversation, onlyWith)) : words.youSmall);
}

/** "Carol is typing", or null. */
export function useTypingWords(conversation: ConversationValue): string | null {
  const blocked = useChorus((state) => state.blocked);
  const all = useChorus((state) => state.composing.get(conversation.conversation));
  const typing = all?.filter((address) => !isAddressBlocked(blocked, address));
  if (typing === undefined || typing.length === 0) return null;
  if (typing.length > 1) return words.me.typingMany(typing.length);
  const address = typing[0] ?? '';
  const person = conversation.people.find((other) => other.address === address) ?? { address, name: '' };
  return words.me.typing(firstName(person));
}
