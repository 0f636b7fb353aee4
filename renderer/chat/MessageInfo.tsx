import { Copy } from 'lucide-react';
import { useEffect } from 'react';
import type { ConversationValue, MessageState, MessageValue, PersonValue, ReceiptValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { isMessageHidden } from '../desk/state';
import { Avatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { DeviceIcon } from '../parts/DeviceIcon';
import section from '../parts/Section.module.css';
import { StateMark } from '../parts/StateMark';
import { fullTime, sentenceTime, useNow } from '../words/clock';
import { detailsOf } from '../words/errors';
import { deviceOf, firstName, fullName, isolated, memberOf, plainAddress } from '../words/person';
import { words } from '../words/text';
import bubble from './Bubble.module.css';
import styles from './MessageInfo.module.css';
import personRow from './PersonRow.module.css';
import { SidePane } from './SidePane';

/** Who received and read a message, on which device and when, and its IDs on the wire. */
export function MessageInfo({ conversation, message: id }: { conversation: ConversationValue; message: string }) {
  const { desk } = useServices();
  const thread = useChorus(({ threads }) => threads.get(conversation.conversation));
  const message = thread?.messages.find((one) => one.message === id);
  const close = () => {
    desk.set({ info: null });
    document
      .querySelector<HTMLElement>(`[data-testid="message-row"]:has([data-message="${CSS.escape(id)}"]) [data-testid="message-menu"]`)
      ?.focus();
  };
  const isGone = thread?.status === 'ready' && message === undefined;
  useEffect(() => {
    if (isGone) desk.set({ info: null });
  }, [desk, isGone]);
  if (message === undefined) return null;
  const details = message.error === null ? '' : detailsOf(message.error);
  return (
    <SidePane title={words.info.title} testId="message-info" onClose={close}>
      <Said message={message} conversation={conversation} />
      {message.direction === 'out' ? <Receivers conversation={conversation} message={message} /> : null}
      <section className={section.section}>
        <header>
          <h3>{words.info.ids}</h3>
        </header>
        <Id label={words.info.message} value={message.message} />
        <Id label={words.info.conversation} value={conversation.conversation} />
        {details === '' ? null : <Id label={words.info.answer} value={details} />}
      </section>
    </SidePane>
  );
}

/** A sender's clock that is wrong by at least this much is mentioned. */
const tellsFromMs = 60_000;

function Said({ message, conversation }: { message: MessageValue; conversation: ConversationValue }) {
  const isHidden = useChorus((state) => isMessageHidden(state, message));
  const own = useChorus((state) => state.account?.deviceName ?? '');
  const isOut = message.direction === 'out';
  const device = message.fromDevice ?? (isOut ? own : null);
  return (
    <section className={section.section}>
      <div className={cx(bubble.said, isOut ? bubble.out : bubble.in, styles.quoted)}>
        <div className={bubble.bubbleLine}>
          <div className={cx(bubble.bubble, styles.quote)}>
            {isHidden ? words.message.blocked : message.damaged === true ? words.message.damaged : message.text}
          </div>
        </div>
      </div>
      <p className="sub">{words.info.sent(fullTime(message.sentAt), device === null ? null : isolated(device))}</p>
      {message.onlyWith === undefined ? null : (
        <p className="sub" data-testid="message-info-private">
          {words.info.onlyWith(firstName(memberOf(conversation, message.onlyWith)))}
        </p>
      )}
      {message.standalone === undefined ? null : (
        <p className="sub" data-testid="message-info-standalone">
          {words.info.standalone[message.standalone]}
        </p>
      )}
      {message.replyTo === undefined ? null : (
        <p className="sub" data-testid="message-info-reply-to">
          {words.repliesTo.asked(plainAddress(message.replyTo))}
        </p>
      )}
      {isOut || message.datedAt === undefined || Math.abs(message.datedAt - message.sentAt) < tellsFromMs ? null : (
        <p className="sub" data-testid="message-dated">
          {words.info.dated(fullTime(message.datedAt))}
        </p>
      )}
      {isOut || message.receivedAt === null ? null : <p className="sub">{words.info.arrived(fullTime(message.receivedAt))}</p>}
    </section>
  );
}

function Receivers({ conversation, message }: { conversation: ConversationValue; message: MessageValue }) {
  const reporters = new Map(message.receipts.map((receipt) => [receipt.address, { address: receipt.address, name: '' }]));
  const { onlyWith } = message;
  const meant = onlyWith === undefined ? conversation.people : [memberOf(conversation, onlyWith)];
  const people = new Map([...reporters, ...meant.map((person) => [person.address, person] as const)]);
  return (
    <section className={section.section}>
      <header>
        <h3>{words.info.receivers}</h3>
      </header>
      <ul>
        {[...people.values()].map((person) => (
          <Receiver
            key={person.address}
            person={person}
            state={message.state}
            receipts={message.receipts.filter((receipt) => receipt.address === person.address)}
          />
        ))}
      </ul>
    </section>
  );
}

function Receiver({ person, state, receipts }: { person: PersonValue; state: MessageState; receipts: readonly ReceiptValue[] }) {
  const lines = furthestByDevice(receipts);
  return (
    <li className={personRow.person} data-testid="message-receiver" data-address={person.address}>
      <Avatar person={person} size={32} />
      <div className="cut">
        <div className={personRow.called}>
          <span className="cut">{fullName(person)}</span>
        </div>
        {lines.length === 0 ? (
          <div className={personRow.personDevice}>
            <span className="cut">{state === 'failed' ? words.message.state.failed : words.info.waiting}</span>
          </div>
        ) : (
          lines.map((receipt) => <ReceiptLine key={receipt.device ?? ''} person={person} receipt={receipt} />)
        )}
      </div>
    </li>
  );
}

function ReceiptLine({ person, receipt }: { person: PersonValue; receipt: ReceiptValue }) {
  const now = useNow(60_000);
  return (
    <div className={personRow.personDevice} data-testid="message-receipt" data-state={receipt.disposition}>
      <DeviceIcon name={receipt.device ?? ''} size={14} />
      <span className="cut">{receipt.device === null ? words.info.aDevice : deviceOf(person, receipt.device)}</span>
      <span className={personRow.state}>
        {receipt.disposition === 'failed' ? null : <StateMark state={receipt.disposition} title={null} />}{' '}
        {receipt.disposition === 'failed' ? words.info.failed : words.message.state[receipt.disposition]}{' '}
        <time dateTime={new Date(receipt.at).toISOString()}>{sentenceTime(receipt.at, now)}</time>
      </span>
    </div>
  );
}

/** The last state that each device reported. */
function furthestByDevice(receipts: readonly ReceiptValue[]): ReceiptValue[] {
  const order = ['failed', 'delivered', 'displayed'];
  const lines = new Map<string | null, ReceiptValue>();
  for (const receipt of receipts) {
    const known = lines.get(receipt.device);
    if (known === undefined || order.indexOf(receipt.disposition) > order.indexOf(known.disposition)) lines.set(receipt.device, receipt);
  }
  return [...lines.values()];
}

function Id({ label, value }: { label: string; value: string }) {
  return (
    <div className={styles.idLine}>
      <span className="sub">{label}</span>
      <code className="cut">{value}</code>
      <button
        type="button"
        className="icon-button small"
        aria-label={words.info.copy(label)}
        title={words.info.copy(label)}
        onClick={() => void navigator.clipboard.writeText(value)}
      >
        <Copy size={14} strokeWidth={1.75} />
      </button>
    </div>
  );
}
