import type { ConversationValue } from '../../preload/contract';
import styles from './ConversationList.module.css';
import { ConversationRow } from './ConversationRow';

/** Rows of chats, one of them open, one of them the stop of the Tab key. */
export function ConversationList({
  all,
  selected,
  stop,
}: {
  all: readonly ConversationValue[];
  selected: string | null;
  stop: string | null;
}) {
  return (
    <ul className={styles.list} data-testid="conversation-list">
      {all.map((conversation) => (
        <li key={conversation.conversation}>
          <ConversationRow
            conversation={conversation}
            isSelected={conversation.conversation === selected}
            isStop={conversation.conversation === stop}
          />
        </li>
      ))}
    </ul>
  );
}
