import { CircleCheck, CircleMinus, Clock, LoaderCircle } from 'lucide-react';
import type { ConversationValue, ParticipantValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { sentenceTime, useNow } from '../words/clock';
import { deviceOf, firstName } from '../words/person';
import { words } from '../words/text';
import styles from './GroupCard.module.css';
import { useOldChat } from './use-old-chat';

/** How a group comes together: a line for each person, with its own outcome, its time and, where one is needed, its remedy. */
export function GroupCard({ conversation }: { conversation: ConversationValue }) {
  const participants = useChorus((state) => state.participants.get(conversation.conversation));
  const others = participants?.filter((person) => !person.self) ?? [];
  if (others.length === 0) return null;
  const there = others.filter((person) => person.state === 'connected').length;
  const isMaking = others.some(isAsked);
  const title = isMaking ? words.group.making : words.group.made;
  return (
    <section className={cx('card', styles.steps)} aria-label={title} data-testid="group-card" data-making={isMaking}>
      <header>
        <h2>{title}</h2>
        <span className="tag">{words.group.count(there, others.length)}</span>
      </header>
      <ol aria-live="polite">
        {others.map((person) => (
          <GroupStep key={person.address} conversation={conversation} person={person} />
        ))}
      </ol>
    </section>
  );
}

export const isAsked = (person: ParticipantValue): boolean =>
  person.state === 'pending' || person.state === 'dialing-out' || person.state === 'alerting';

/** `done`, `live` (still being asked) or `part` (not in). Declining is no error, so it is amber, never red. */
type Look = 'done' | 'live' | 'part';
const looks = { done: styles.done, part: styles.part, live: styles.live } as const satisfies Record<Look, string>;
const icons = { done: CircleCheck, live: LoaderCircle, part: CircleMinus };

export function GroupStep({ conversation, person }: { conversation: ConversationValue; person: ParticipantValue }) {
  const now = useNow(60_000);
  const changedAt = useChorus((state) => state.changedAt.get(`${conversation.conversation} ${person.address}`));
  const from = useOldChat(conversation);
  const look: Look = person.state === 'connected' ? 'done' : isAsked(person) ? 'live' : 'part';
  const isAwaited = person.awaited === true;
  const Icon = isAwaited ? Clock : icons[look];
  const who = firstName(person);
  const isMoved = from !== null && from.old.people[0]?.address === person.address;
  const { before, after, why } = stepWords(person, who, isMoved);
  return (
    <li className={cx(styles.step, looks[look])} data-testid="group-step" data-address={person.address} data-state={person.state}>
      <Icon className={look === 'live' && !isAwaited ? 'spin' : undefined} size={18} strokeWidth={1.75} />
      <div>
        <div className={styles.what}>
          {before} <b className="strong">{who}</b> {after}
        </div>
        {why === undefined ? null : <div className={styles.why}>{why}</div>}
        {look === 'part' && person.state === 'disconnected' && conversation.joined ? (
          <Remedies conversation={conversation} person={person} />
        ) : null}
      </div>
      {changedAt === undefined || look === 'live' ? null : <time>{sentenceTime(changedAt, now)}</time>}
    </li>
  );
}

function stepWords(person: ParticipantValue, who: string, isMoved: boolean): { before?: string; after?: string; why?: string } {
  const { group } = words;
  const device = person.devices.find((each) => each.state === 'connected')?.name;
  const on = device === undefined || device === '' ? null : deviceOf(person, device);
  switch (person.state) {
    case 'pending':
      return person.awaited === true ? { before: group.awaiting, why: group.awaitingWhy(who) } : { before: group.inviting };
    case 'dialing-out':
      return { before: group.inviting };
    case 'alerting':
      return { before: group.asking };
    case 'connected':
      if (isMoved) return { after: on === null ? group.movedPlain : group.moved(on) };
      return { after: on === null ? group.joinedPlain : group.joined(on) };
    case 'disconnecting':
      return { after: group.left };
    case 'disconnected':
      if (person.reason === 'busy') return { after: group.declined, why: group.declinedWhy(who) };
      if (person.reason === 'failed') return { after: group.unreachable, why: group.unreachableWhy(who) };
      return { after: person.reason === 'departed' ? group.left : person.reason === 'booted' ? group.removed : group.gone };
  }
}

function Remedies({ conversation, person }: { conversation: ConversationValue; person: ParticipantValue }) {
  const { desk } = useServices();
  const inviting = useCall();
  const opening = useCall();
  const who = firstName(person);

  const invite = () => inviting.call('addPeople', { conversation: conversation.conversation, people: [person.address] });
  const write = async () => {
    const opened = await opening.call('openConversation', { to: person.address });
    if (opened !== null) desk.openChat(opened.conversation);
  };
  const error = inviting.error ?? opening.error;
  return (
    <>
      <div className={styles.do}>
        {inviting.busy ? (
          <span className={styles.why}>{words.group.inviting2(who)}</span>
        ) : (
          <button type="button" className="link" data-testid="invite-again" onClick={() => void invite()}>
            {words.group.inviteAgain}
          </button>
        )}
        <button type="button" className="link" data-testid="write-to" onClick={() => void write()}>
          {words.group.writeTo(who)}
        </button>
      </div>
      {error === null ? null : <ErrorNote error={error} />}
    </>
  );
}
