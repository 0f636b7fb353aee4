import { Copy, Ellipsis, Info, Lock, RotateCw, SkipForward, Trash2 } from 'lucide-react';
import type { KeyboardEvent } from 'react';
import type { MessageValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { Menu, type MenuItem } from '../parts/Menu';
import { firstName, senderOfMessage } from '../words/person';
import { words } from '../words/text';
import bubble from './Bubble.module.css';

const look = { size: 16, strokeWidth: 1.75 } as const;

/** What can be done with one message. One Tab stop for all of a chat, at its newest message; the arrows go from one to the next. */
export function MessageMenu({ message, isHidden }: { message: MessageValue; isHidden: boolean }) {
  const { store, desk } = useServices();
  const { message: id, direction, state, text } = message;
  const isNewest = useChorus(({ threads }) => threads.get(message.conversation)?.messages.at(-1)?.message === id);
  const items: MenuItem[] = [
    {
      label: words.chat.deleteHere,
      testId: 'message-delete-here',
      icon: <Trash2 {...look} />,
      isDangerous: true,
      onChoose: () => void store.call('deleteMessage', { message: id, direction }),
    },
  ];
  const onInfo = () => desk.set({ info: { conversation: message.conversation, message: id } });
  items.unshift({ label: words.chat.info, testId: 'message-info-open', icon: <Info {...look} />, onChoose: onInfo });
  if (!isHidden && message.damaged !== true && message.content.kind === 'text') {
    const onChoose = () => void navigator.clipboard.writeText(text);
    items.unshift({ label: words.chat.copy, testId: 'message-copy', icon: <Copy {...look} />, onChoose });
  }
  const mayAnswerAlone = useChorus(({ conversations }) => {
    const conversation = conversations.get(message.conversation);
    return conversation?.kind === 'group' && conversation.joined && conversation.people.some((one) => one.address === message.from);
  });
  if (direction === 'in' && !isHidden && mayAnswerAlone) {
    const onChoose = () => desk.writePrivately(message.conversation, message.from);
    const label = words.chat.answerAlone(firstName(senderOfMessage(message)));
    items.unshift({ label, testId: 'message-answer-privately', icon: <Lock {...look} />, onChoose });
  }
  // Another own device that has written it sends it, and nobody else.
  const sendsHere = message.fromDevice === null;
  if (state === 'queued' && sendsHere) {
    const onChoose = () => void store.call('skip', { message: id });
    items.unshift({ label: words.chat.skip, testId: 'message-skip', icon: <SkipForward {...look} />, onChoose });
  }
  if (state === 'failed' && sendsHere) {
    const onChoose = () => void store.call('retry', { message: id });
    items.unshift({ label: words.chat.retry, testId: 'message-retry-menu', icon: <RotateCw {...look} />, onChoose });
  }
  return (
    <Menu
      label={words.chat.actions}
      testId="message-menu"
      className={bubble.messageMenu}
      tabIndex={isNewest ? 0 : -1}
      items={items}
      onKeyDown={goToNeighbour}
    >
      <Ellipsis {...look} />
    </Menu>
  );
}

function goToNeighbour(event: KeyboardEvent<HTMLButtonElement>): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (step === undefined) return;
  const all = [...document.querySelectorAll<HTMLElement>('[data-testid="message-menu"]')];
  all[all.indexOf(event.currentTarget) + step]?.focus();
  event.preventDefault();
}
