import { Ellipsis, Lock, MessageSquare, PenLine, Split, UserRoundMinus } from 'lucide-react';
import type { ConversationValue, ParticipantState, ParticipantValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { isAsked } from '../group/GroupCard';
import { GroupPicture } from '../group/GroupPicture';
import { useOldChat } from '../group/use-old-chat';
import { Avatar, IconDisc } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { DeviceIcon } from '../parts/DeviceIcon';
import { Menu } from '../parts/Menu';
import section from '../parts/Section.module.css';
import { sentenceTime, useNow } from '../words/clock';
import { firstName, fullName, isolated } from '../words/person';
import { capabilityWords, words } from '../words/text';
import styles from './Details.module.css';
import { PersonDetails, useCapabilities } from './PersonDetails';
import personRow from './PersonRow.module.css';
import { SidePane } from './SidePane';

const look = { size: 16, strokeWidth: 1.75 } as const;

export function Details({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const close = () => {
    desk.set({ details: false });
    document.getElementById('details-toggle')?.focus();
  };
  return (
    <SidePane title={words.chat.details} testId="details" onClose={close}>
      {conversation.kind === 'group' ? (
        <GroupDetails conversation={conversation} />
      ) : (
        <PersonDetails key={conversation.conversation} conversation={conversation} />
      )}
    </SidePane>
  );
}

function GroupDetails({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const participants = useChorus((state) => state.participants.get(conversation.conversation)) ?? [];
  const mine = participants.filter((person) => person.self);
  const others = participants.filter((person) => !person.self);
  return (
    <>
      <GroupPicture conversation={conversation} />
      <section className={section.section}>
        <header>
          <h3>{words.group.peopleAndDevices}</h3>
          {conversation.joined ? (
            <button
              type="button"
              className="link"
              onClick={() => desk.set({ dialog: { dialog: 'addPeople', conversation: conversation.conversation } })}
            >
              {words.chat.addPeople}
            </button>
          ) : null}
        </header>
        {participants.length === 0 ? <p className="hint">{words.group.noPeople}</p> : null}
        <ul>
          {[...mine, ...others].map((person) => (
            <Person
              key={person.address}
              person={person}
              conversation={conversation}
              canRemove={conversation.joined && mine.some((one) => one.administrator)}
            />
          ))}
        </ul>
      </section>
      <Continuity conversation={conversation} />
      {conversation.joined ? (
        <section className={section.section}>
          <button
            type="button"
            className="button danger"
            data-testid="leave"
            onClick={() => desk.set({ dialog: { dialog: 'leave', conversation: conversation.conversation } })}
          >
            {words.group.leave}
          </button>
        </section>
      ) : null}
    </>
  );
}

interface PersonProps {
  person: ParticipantValue;
  conversation: ConversationValue;
  /** Whether this account may put others out of the group. */
  canRemove: boolean;
}

function Person({ person, conversation, canRemove }: PersonProps) {
  const ownGruu = useChorus((state) => state.devices.find((device) => device.self)?.pubGruu ?? null);
  const ownName = useChorus((state) => state.account?.deviceName);
  const outcome = person.state === 'connected' ? null : personOutcome(person);
  const capabilities = useCapabilities(person.self || person.state !== 'connected' ? null : person.address);
  return (
    <li className={personRow.person} data-testid="participant" data-address={person.address} data-state={person.state}>
      <Avatar person={person} size={32} />
      <div className="cut">
        <div className={personRow.called}>
          <span className="cut">{fullName(person)}</span>
          {person.self ? <span className="sub">{words.youSmall}</span> : null}
          {person.administrator ? <span className="tag">{words.group.administrator}</span> : null}
          {person.self && conversation.joined ? <ChangeNickname conversation={conversation.conversation} /> : null}
          {person.self ? null : <PersonMenu person={person} conversation={conversation} canRemove={canRemove} />}
        </div>
        {person.nickname === undefined ? null : (
          <div className={personRow.personDevice} data-testid="participant-nickname">
            <span className="cut">{words.group.alias(isolated(person.nickname))}</span>
          </div>
        )}
        {person.devices.map((device) => {
          const isThis = person.self && (ownGruu === null ? device.name === ownName : device.gruu === ownGruu);
          const name = device.name === '' ? words.devices.nothing : isolated(device.name);
          return (
            <div
              key={device.gruu}
              className={cx(personRow.personDevice, deviceLook(device.state))}
              data-testid="participant-device"
              data-state={device.state}
            >
              <DeviceIcon name={device.name} size={14} />
              <span className="cut">{isThis ? words.group.thisDevice(name) : name}</span>
              <span className={personRow.state}>{deviceWord(device.state, person)}</span>
            </div>
          );
        })}
        {person.devices.length > 0 || outcome === null ? null : (
          <div className={cx(personRow.personDevice, outcome.look)}>
            <span className={personRow.outcome}>{outcome.word}</span>
          </div>
        )}
        {capabilities === null ? null : (
          <div className={personRow.personDevice} data-testid="participant-capabilities">
            <span className="cut">{words.group.canDo(capabilityWords(capabilities))}</span>
          </div>
        )}
      </div>
    </li>
  );
}

function ChangeNickname({ conversation }: { conversation: string }) {
  const { desk } = useServices();
  return (
    <button
      type="button"
      className="icon-button small"
      aria-label={words.group.nicknameChange}
      title={words.group.nicknameChange}
      data-testid="change-nickname"
      onClick={() => desk.set({ dialog: { dialog: 'nickname', conversation } })}
    >
      <PenLine {...look} />
    </button>
  );
}

function PersonMenu({ person, conversation, canRemove }: PersonProps) {
  const { store, desk } = useServices();
  const who = firstName(person);
  const write = async () => {
    const answer = await store.call('openConversation', { to: person.address });
    if (answer.ok) desk.openChat(answer.value.conversation);
  };
  const writeAlone = () => {
    // Where the details lie over the chat they would cover what is written.
    if (matchMedia('(max-width: 1019px)').matches) desk.set({ details: false });
    desk.writePrivately(conversation.conversation, person.address);
  };
  const remove = () => desk.set({ dialog: { dialog: 'removePerson', conversation: conversation.conversation, address: person.address } });
  // A person who was not reached is still invited, and joins with the next message.
  const isIn = person.state === 'connected' || isAsked(person) || person.reason === null || person.reason === 'failed';
  return (
    <Menu
      label={words.group.personMore(who)}
      testId="person-menu"
      className="small"
      items={[
        { label: words.group.writeTo(who), testId: 'person-write', icon: <MessageSquare {...look} />, onChoose: () => void write() },
        ...(conversation.joined && isIn
          ? [{ label: words.group.privately, testId: 'person-privately', icon: <Lock {...look} />, onChoose: writeAlone }]
          : []),
        ...(canRemove && isIn
          ? [
              {
                label: words.group.removePerson,
                testId: 'person-remove',
                icon: <UserRoundMinus {...look} />,
                isDangerous: true,
                onChoose: remove,
              },
            ]
          : []),
      ]}
    >
      <Ellipsis {...look} />
    </Menu>
  );
}

const deviceLook = (state: ParticipantState): string | null =>
  state === 'connected' ? personRow.here : state === 'disconnected' || state === 'disconnecting' ? null : personRow.live;

function deviceWord(state: ParticipantState, person: ParticipantValue): string {
  if (state === 'connected') return words.group.here;
  if (state === 'disconnecting') return words.group.leaving;
  if (state !== 'disconnected') return words.group.asked;
  if (person.state !== 'disconnected') return words.group.notIn;
  return person.reason === null ? words.group.away : words.group.word[person.reason];
}

function personOutcome(person: ParticipantValue): { word: string; look: string | null } {
  if (isAsked(person)) return { word: words.group.asked, look: personRow.live };
  if (person.reason === null) return { word: words.group.away, look: null };
  return { word: words.group.word[person.reason], look: person.reason === 'departed' ? null : personRow.warn };
}

function Continuity({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const now = useNow(60_000);
  const from = useOldChat(conversation);
  if (from === null) return null;
  return (
    <section className={section.section}>
      <header>
        <h3>{words.group.continuity}</h3>
      </header>
      <button type="button" className={styles.continuityLine} onClick={() => desk.openChat(from.old.conversation)}>
        <IconDisc size={36}>
          <Split size={18} strokeWidth={1.75} />
        </IconDisc>
        <span className="cut">
          <span className="cut" style={{ display: 'block' }}>
            {words.group.oldChat(from.who)}
          </span>
          <span className="sub cut" style={{ display: 'block' }}>
            {words.group.oldChatBody(sentenceTime(conversation.createdAt, now))}
          </span>
        </span>
      </button>
    </section>
  );
}
