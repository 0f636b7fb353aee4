import { EyeOff } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { ConversationValue, PersonValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { DeviceIcon } from '../parts/DeviceIcon';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { PeoplePicker } from '../parts/PeoplePicker';
import { ProgressLine } from '../parts/ProgressLine';
import { deviceOf, firstName, fullName, knownPeople } from '../words/person';
import { names, words } from '../words/text';
import styles from './AddPeople.module.css';
import { GroupStep } from './GroupCard';

/** Chooses people, says what will happen, and stays open until it has happened: a failure keeps the choice. */
export function AddPeople({ conversation }: { conversation: ConversationValue }) {
  const { desk } = useServices();
  const own = useChorus((state) => state.account?.aor ?? '');
  const country = useChorus((state) => state.preferences.country);
  const tryPeople = useChorus((state) => state.tryPeople);
  const conversations = useChorus((state) => state.conversations);
  const participants = useChorus((state) => state.participants.get(conversation.conversation));
  const [chosen, setChosen] = useState<readonly PersonValue[]>([]);
  const { busy, error, call, forget } = useCall();

  const isGroup = conversation.kind === 'group';
  const offered = useMemo(() => {
    const isIn = (person: PersonValue): boolean =>
      !isGroup ||
      participants === undefined ||
      participants.some((other) => other.address === person.address && other.state !== 'disconnected');
    const there = new Set([own, ...conversation.people.filter(isIn).map((person) => person.address)]);
    return knownPeople(tryPeople, conversations.values(), there);
  }, [tryPeople, conversations, conversation, own, isGroup, participants]);

  const submit = async () => {
    if (chosen.length === 0 || busy) return;
    const made = await call('addPeople', {
      conversation: conversation.conversation,
      people: chosen.map((person) => person.address),
    });
    if (made === null) return;
    desk.closeDialog();
    desk.openChat(made.conversation);
  };

  const first = chosen.map(firstName);
  const submitWords = isGroup
    ? chosen.length === 0
      ? words.addPeople.addPlain
      : words.addPeople.add(names(first))
    : chosen.length === 0
      ? words.addPeople.makeGroupPlain
      : words.addPeople.makeGroup(chosen.length + conversation.people.length + 1);
  return (
    <Dialog
      title={isGroup ? words.addPeople.titleGroup : words.addPeople.title}
      testId="add-people-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot
          act={submitWords}
          testId="add-people-submit"
          disabled={chosen.length === 0 || busy}
          onAct={() => void submit()}
          back={busy ? words.close : words.cancel}
        />
      }
    >
      <PeoplePicker
        people={offered}
        chosen={chosen}
        onChange={(people) => {
          setChosen(people);
          forget();
        }}
        ownAor={own}
        country={country}
        disabled={busy}
        label={words.addPeople.input}
        testId="add-people-input"
        onSubmit={() => void submit()}
      />
      {busy ? (
        <Progress conversation={conversation} chosen={chosen} />
      ) : chosen.length === 0 ? null : (
        <Consequences conversation={conversation} chosen={chosen} />
      )}
      {error === null ? null : <ErrorNote error={error} lead={isGroup ? words.addPeople.failedGroup : words.addPeople.failed} />}
    </Dialog>
  );
}

function Consequences({ conversation, chosen }: { conversation: ConversationValue; chosen: readonly PersonValue[] }) {
  const [peer] = conversation.people;
  const device = conversation.peerDevice?.name ?? null;
  return (
    <ul className={styles.consequences} data-testid="add-people-consequences">
      <li>
        <EyeOff size={16} strokeWidth={1.75} />
        <span>{words.addPeople.hidden(names(chosen.map(firstName)))}</span>
      </li>
      {conversation.kind === 'group' || peer === undefined ? null : (
        <li>
          <DeviceIcon name={device ?? ''} size={16} />
          {device === null ? (
            <span>
              {words.addPeople.movesPlain(firstName(peer))} {words.addPeople.stays}
            </span>
          ) : (
            <span>
              {words.addPeople.moves(firstName(peer))}
              <b className="strong">{deviceOf(peer, device)}</b>. {words.addPeople.stays}
            </span>
          )}
        </li>
      )}
    </ul>
  );
}

/** While the call runs: whom it asks, and of each what is known so far. */
function Progress({ conversation, chosen }: { conversation: ConversationValue; chosen: readonly PersonValue[] }) {
  const isGroup = conversation.kind === 'group';
  const group = useChorus((state) => {
    if (isGroup) return state.conversations.get(conversation.conversation);
    return [...state.conversations.values()].find((other) => other.continues === conversation.conversation && other.session === 'pending');
  });
  const participants = useChorus((state) => (group === undefined ? undefined : state.participants.get(group.conversation)));
  const asked = isGroup ? chosen : [...conversation.people, ...chosen];
  const seen = participants?.filter((person) => asked.some((other) => other.address === person.address)) ?? [];
  return (
    <div data-testid="add-people-progress" role="status">
      <ProgressLine>{words.addPeople.inviting(names(asked.map(asked.length > 1 ? firstName : fullName)))}</ProgressLine>
      {group === undefined || seen.length === 0 ? null : (
        <ol>
          {seen.map((person) => (
            <GroupStep key={person.address} conversation={group} person={person} />
          ))}
        </ol>
      )}
    </div>
  );
}
