import { Lock } from 'lucide-react';
import { memo, useState } from 'react';
import type { MessageValue, PersonValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { isMessageHidden } from '../desk/state';
import { Avatar, hueClass } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { DeviceIcon } from '../parts/DeviceIcon';
import { StateMark } from '../parts/StateMark';
import { clockTime, fullTime, untilTime } from '../words/clock';
import { detailsOf, explainLine, waitingLine } from '../words/errors';
import { deviceOf, firstName, isolated, memberOf, nameInGroup, senderOfMessage } from '../words/person';
import { names, words } from '../words/text';
import styles from './Bubble.module.css';
import { FileCard } from './FileCard';
import { MessageMenu } from './MessageMenu';
import { takeBack } from './take-back';

interface BubbleProps {
  message: MessageValue;
  first: boolean;
  last: boolean;
  meta: boolean;
  isAfterDay: boolean;
  /** It was looked for, and stands out for a moment. */
  isHighlighted: boolean;
  isGroup: boolean;
  /** Nothing can be done with it: it is only there to be read. */
  isReadOnly?: boolean;
  /** The name of this device: own messages of another one say from which. */
  ownDevice: string;
  peerDevice: string | null;
  peer: PersonValue | null;
}

/** One message. Its text is a text node and nothing else, whatever it contains. */
export const Bubble = memo(function Bubble(props: BubbleProps) {
  const { message, first, last, meta, isAfterDay, isHighlighted, isGroup, ownDevice, isReadOnly = false } = props;
  const isOut = message.direction === 'out';
  const [isAskedFor, setAskedFor] = useState(false);
  const isFromBlocked = useChorus((state) => isMessageHidden(state, message));
  const isHidden = isFromBlocked && !isAskedFor;
  const isNamed = isGroup && !isOut;
  const member = useChorus(({ participants }) =>
    isNamed ? participants.get(message.conversation)?.find((one) => one.address === message.from) : undefined,
  );
  const sender = senderOfMessage({ ...message, showAddress: message.showAddress ?? member?.showAddress });
  const who = nameInGroup(sender, member?.nickname);
  const { onlyWith } = message;
  const alone = useChorus(({ conversations }) =>
    onlyWith === undefined ? null : firstName(memberOf(conversations.get(message.conversation), onlyWith)),
  );
  const via = isOut && message.fromDevice !== null && message.fromDevice !== ownDevice ? message.fromDevice : null;
  const classes = [
    styles.said,
    isOut ? styles.out : styles.in,
    first && styles.first,
    isNamed && styles.many,
    isNamed && hueClass(message.from),
    isAfterDay && styles.dayBefore,
    isHighlighted && styles.highlighted,
    alone !== null && styles.private,
  ];
  return (
    <div className={cx(...classes)} data-testid="message-row" data-highlighted={isHighlighted ? '' : undefined}>
      {isNamed && first ? <div className={styles.who}>{who}</div> : null}
      <div className={styles.bubbleLine}>
        <div
          className={styles.bubble}
          data-testid="message"
          data-message={message.message}
          data-state={message.state}
          data-direction={message.direction}
          data-from={message.from}
        >
          {isNamed && first ? null : <span className="hidden-text">{isOut ? words.you : who}: </span>}
          {alone === null ? null : (
            <span className={styles.privateLine} data-testid="message-private">
              <Lock size={12} strokeWidth={2} aria-hidden />
              {words.message.onlyWith(alone)}
              <span className="hidden-text">: </span>
            </span>
          )}
          {isHidden ? (
            <span className={cx(styles.saidText, styles.damaged)} data-message-text="" data-testid="message-blocked">
              {words.message.blocked}{' '}
              <button type="button" className="link" data-testid="message-show" onClick={() => setAskedFor(true)}>
                {words.message.show}
              </button>
            </span>
          ) : message.damaged === true ? (
            <span className={cx(styles.saidText, styles.damaged)} data-message-text="" data-testid="message-damaged">
              {words.message.damaged}
            </span>
          ) : message.content.kind === 'file' ? (
            <FileCard message={message} isReadOnly={isReadOnly} />
          ) : (
            <span className={styles.saidText} dir="auto" data-message-text="">
              {message.text}
            </span>
          )}
          {meta || via !== null ? (
            <span className={styles.meta}>
              {via === null ? null : (
                <span className={styles.via}>
                  <DeviceIcon name={via} size={12} />
                  {words.message.fromDevice(isolated(via))}
                </span>
              )}
              <time dateTime={new Date(message.sentAt).toISOString()} title={timeTitle(message, sender)}>
                {clockTime(message.sentAt)}
              </time>
              {isOut ? <StateMark state={message.state} title={receiptTitle(message)} /> : null}
            </span>
          ) : null}
        </div>
        {isReadOnly ? null : <MessageMenu message={message} isHidden={isHidden} />}
      </div>
      {(last || message.waitsFor === 'relay') && !isReadOnly && message.waitsFor !== undefined ? (
        <Waiting message={message} who={alone ?? (props.peer === null ? words.message.theGroup : firstName(props.peer))} />
      ) : null}
      {message.state === 'failed' && !isReadOnly ? <Remedy message={message} who={alone ?? peerWords(props)} /> : null}
      {isNamed && last ? (
        <span className={styles.sender}>
          <Avatar person={sender} size={28} />
        </span>
      ) : null}
    </div>
  );
});

/** Under the last of the texts that wait: it is no error, and needs nobody. */
function Waiting({ message, who }: { message: MessageValue; who: string }) {
  const services = useServices();
  const { waitsFor, expiresAt } = message;
  const until = expiresAt === undefined ? null : untilTime(expiresAt, Date.now());
  const sendNow = () => void services.store.call('retry', { message: message.message });
  const sendsHere = message.fromDevice === null;
  return (
    <div
      className={cx(styles.remedy, styles.waits)}
      data-testid="message-waiting"
      data-code={message.error?.code}
      data-waits-for={waitsFor}
    >
      <span>{waitingLine(message, who, until)}</span>
      {waitsFor === 'relay' ? null : (
        <>
          {sendsHere ? (
            <button type="button" className="link" data-testid="message-send-now" onClick={sendNow}>
              {words.message.sendNow}
            </button>
          ) : null}
          <button type="button" className="link" data-testid="message-cancel" onClick={() => void takeBack(services, message)}>
            {words.message.cancel}
          </button>
        </>
      )}
    </div>
  );
}

function Remedy({ message, who }: { message: MessageValue; who: string }) {
  const { store } = useServices();
  return (
    <div
      className={styles.remedy}
      title={message.error === null ? undefined : detailsOf(message.error) || undefined}
      data-testid="message-error"
      data-code={message.error?.code}
    >
      <span>{message.error === null ? words.message.notSent : explainLine(message.error, who)}</span>
      {message.fromDevice === null ? (
        <button
          type="button"
          className="link"
          data-testid="message-retry"
          onClick={() => void store.call('retry', { message: message.message })}
        >
          {words.chat.retry}
        </button>
      ) : null}
      <button
        type="button"
        className="link"
        data-testid="message-delete"
        onClick={() => void store.call('discard', { message: message.message })}
      >
        {words.chat.remove}
      </button>
    </div>
  );
}

/** The name of the side that did not accept the message: the other person's device, the person, or the group's server. */
function peerWords({ isGroup, peer, peerDevice }: BubbleProps): string {
  if (isGroup || peer === null) return words.message.theGroup;
  return peerDevice === null ? firstName(peer) : deviceOf(peer, peerDevice);
}

function timeTitle(message: MessageValue, sender: PersonValue): string {
  const at = fullTime(message.sentAt);
  return message.direction === 'in' && message.fromDevice !== null ? `${at}, ${words.chat.on(deviceOf(sender, message.fromDevice))}` : at;
}

/** "Read by Bob; Delivered to Carol": what is known of each, the furthest first. */
function receiptTitle(message: MessageValue): string {
  const label = words.message.state[message.state];
  if (message.receipts.length < 2) return label;
  const person = (address: string): string => firstName({ address, name: '' });
  const of = (disposition: string): string[] => [
    ...new Set(message.receipts.filter((receipt) => receipt.disposition === disposition).map((receipt) => receipt.address)),
  ];
  const displayed = of('displayed');
  const delivered = of('delivered').filter((address) => !displayed.includes(address));
  const failed = of('failed');
  return [
    displayed.length === 0 ? '' : words.message.readBy(names(displayed.map(person))),
    delivered.length === 0 ? '' : words.message.deliveredTo(names(delivered.map(person))),
    failed.length === 0 ? '' : words.message.failedFor(names(failed.map(person))),
  ]
    .filter((part) => part !== '')
    .join('; ');
}
