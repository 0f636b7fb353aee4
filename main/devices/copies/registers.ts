/**
 * The registers of a chat (docs/OWN-DEVICES.md, 3): how each is named, what its value is by the history here, and what becomes of the history when
 * another device has set it. A register that is not there says what an untouched chat says, so that is never written.
 */
import * as v from 'valibot';
import type { Clock } from '../../../base/clock';
import { addressKey } from '../../../protocol/uri';
import { newConversation } from '../../cpm/conversation/record';
import type { History } from '../../history/history';
import type { ConversationMarks, ConversationRecord } from '../../history/records';
import { MAX_DRAFT_CHARS } from '../../own/events';
import { canonical } from '../../own/names';

export interface RegisterDeps {
  clock: Clock;
  history: History;
  /** Whether this device is in a session of this group now: it knows better than any other then. */
  isInGroup(conversation: string): boolean;
}

/** One kind of register of a chat. */
interface ChatRegister {
  /** What follows the kind in its name; null: this chat has none. `name`: what own devices call the chat. */
  about(record: ConversationRecord, name: string): string | null;
  read(history: History, record: ConversationRecord, marks: ConversationMarks): unknown;
  /** What it is worth to tell; the same text, and another device need not be told. */
  essence(value: unknown): unknown;
  apply(deps: RegisterDeps, record: ConversationRecord, value: unknown): void;
}

const text = v.pipe(v.string(), v.maxLength(512));
const groupValue = v.looseObject({
  subject: v.nullable(text),
  /** Address and name; absent where they are too many. */
  people: v.optional(v.array(v.tuple([text, v.string()]))),
  focus: v.nullable(text),
  conversation: text,
  left: v.boolean(),
  /** The name of the 1-1 that this group continues. */
  continues: v.optional(text),
});
type GroupValue = v.InferOutput<typeof groupValue>;
const cardValue = v.looseObject({ name: v.pipe(v.string(), v.minLength(1), v.maxLength(512)), since: v.number() });

/** LAB: how often it is looked whether the focus has ended the session of a person who has left, ms; less than the pause before a group is called again. */
const LOOK_AGAIN_MS = 1_000;
/** LAB: how often at most. A focus that has not ended the session by then knows nothing of the person's leaving. */
const MOST_LOOKS = 30;
/** LAB: the most characters of a group's members in its register, with their names or at least with their addresses. */
const MAX_PEOPLE_CHARS = 3_000;

const group: ChatRegister = {
  about: ({ kind }, name) => (kind === 'group' ? name : null),
  read(history, { id, subject, people, focus, conversationId, joined, continues }): GroupValue {
    const named = people.map(({ address, name }): [string, string] => [address, name]).sort(([one], [other]) => (one < other ? -1 : 1));
    const plain = named.map(([address]): [string, string] => [address, '']);
    const fitting = [named, plain].find((list) => JSON.stringify(list).length <= MAX_PEOPLE_CHARS);
    // Until the 1-1 has really moved, it goes on by itself.
    const hasMoved = continues !== null && history.conversation(continues)?.continuedBy === id;
    const before = hasMoved ? history.nameIn(continues, null) : null;
    return {
      ...{ subject, focus, conversation: conversationId, left: !joined },
      ...(fitting === undefined ? {} : { people: fitting }),
      ...(before === null ? {} : { continues: before.conversation }),
    };
  },
  // Each device knows people by names of its own.
  essence(value) {
    const { people, ...rest } = value as GroupValue;
    return { ...rest, people: people?.map(([address]) => address) };
  },
  apply({ clock, history, isInGroup }, record, value) {
    const read = v.safeParse(groupValue, value);
    if (!read.success) return;
    follow(history, record, read.output);
    const { subject, focus, left } = read.output;
    if (isInGroup(record.id)) {
      // When a person leaves on one device, the focus ends the sessions of the others, and that may come later than the news from that device.
      if (left) awaitEnd({ clock, history, isInGroup }, record.id, MOST_LOOKS);
      return;
    }
    const people = peopleOf(read.output, record);
    history.updateConversation(record.id, {
      ...{ subject, joined: !left, focus: focus ?? record.focus },
      ...(people === null ? {} : { people }),
    });
  },
};

/** Once the session ends, the group was left: the end is not a broken connection, after which it would be called again. */
function awaitEnd({ clock, history, isInGroup }: RegisterDeps, id: string, looks: number): void {
  clock.setTimer(LOOK_AGAIN_MS, () => {
    if (isInGroup(id)) {
      if (looks > 1) awaitEnd({ clock, history, isInGroup }, id, looks - 1);
      return;
    }
    try {
      if (history.conversation(id) !== null) history.updateConversation(id, { joined: false });
    } catch {
      // The history is closed, or its disk takes nothing: the group is called once more, and the focus says that it was left.
    }
  });
}

/** Ties a group to the 1-1 that it continues, unless the person has deleted one of the two here. */
function follow(history: History, group: ConversationRecord, { continues }: GroupValue): void {
  const before = continues === undefined ? null : history.conversationNamed(continues);
  if (before === null || before.continuedBy !== null || group.continues !== null) return;
  if ([before, group].some(({ id }) => history.marks(id).isHidden)) return;
  history.updateConversation(group.id, { continues: before.id });
  history.updateConversation(before.id, { continuedBy: group.id });
}

/** Null where they are the same, by whatever names. */
function peopleOf({ people }: GroupValue, record: ConversationRecord): ConversationRecord['people'] | null {
  if (people === undefined) return null;
  const known = new Map(record.people.map((one) => [one.address, one]));
  const isSame = people.length === known.size && people.every(([address]) => known.has(address));
  return isSame ? null : people.map(([address, name]) => known.get(address) ?? { address, name: name === '' ? address : name });
}

const mark: ChatRegister = {
  about: (_, name) => name,
  read: (_history, _record, { markedUnread }) => markedUnread || undefined,
  essence: (value) => value === true,
  apply: ({ history }, { id }, value) => history.setMarks(id, { markedUnread: value === true }),
};

/** The chat was deleted, and nothing was said in it since. */
const hide: ChatRegister = {
  about: (_, name) => name,
  read: (_history, _record, { isHidden }) => isHidden || undefined,
  essence: (value) => value === true,
  apply({ history }, { id }, value) {
    if (value !== true) history.setMarks(id, { isHidden: false });
    // Something was said that the other device did not know.
    else if (history.lastMessage(id) === null) history.emptyConversation(id);
  },
};

const draft: ChatRegister = {
  about: (_, name) => name,
  // A longer one stays on its device.
  read(_history, _record, { draft }) {
    return draft === '' || JSON.stringify(draft).length > MAX_DRAFT_CHARS ? undefined : draft;
  },
  essence: (value) => (typeof value === 'string' ? value : ''),
  apply: ({ history }, { id }, value) => history.setMarks(id, { draft: typeof value === 'string' ? value : '' }),
};

/** The name by which this person knows somebody. */
const card: ChatRegister = {
  about: ({ kind, peer, people }) => (kind === 'oneToOne' && people[0]?.address === peer ? peer : null),
  read(_, { people: [peer] }) {
    return peer?.knownSince === undefined ? undefined : { name: peer.name, since: peer.knownSince };
  },
  essence: (value) => (value as { name?: unknown } | undefined)?.name,
  apply({ history }, record, value) {
    const read = v.safeParse(cardValue, value);
    const [peer] = record.people;
    if (!read.success || peer === undefined) return;
    const { name, since } = read.output;
    if (peer.name === name && peer.knownSince !== undefined) return;
    history.updateConversation(record.id, { people: [{ ...peer, name, knownSince: Math.min(peer.knownSince ?? since, since) }] });
  },
};

const kinds = { group, mark, hide, draft, card };
type RegisterKind = keyof typeof kinds;

/** A register of a chat as it should be by the history here; `value` undefined: as untouched. */
export interface ChatState {
  kind: RegisterKind;
  name: string;
  value: unknown;
}

/** What the registers of a chat should say. */
export function registersOf(history: History, record: ConversationRecord): ChatState[] {
  const name = history.nameIn(record.id, null)?.conversation;
  if (name === undefined) return [];
  const marks = history.marks(record.id);
  return (Object.keys(kinds) as RegisterKind[]).flatMap((kind) => {
    const about = kinds[kind].about(record, name);
    return about === null ? [] : [{ kind, name: `${kind}|${about}`, value: kinds[kind].read(history, record, marks) }];
  });
}

/** What of a register is worth to be told: of two that are equal in this, the other devices need hear of one only. */
export const essenceOf = ({ kind, value }: ChatState): unknown => (value === undefined ? null : kinds[kind].essence(value));

/** Whether the register that stands in the shared state must be written to say what is so here. */
export function differs({ kind, value }: ChatState, told: { val: unknown } | undefined): boolean {
  const { essence } = kinds[kind];
  if (told === undefined) return value !== undefined;
  return canonical(essence(value) ?? null) !== canonical(essence(told.val) ?? null);
}

/** What is written. What a chat has no more is written as null. */
export const writtenValue = ({ value }: ChatState): unknown => value ?? null;

/** A register has another value: brings it into the chat that it is about. False: of no kind that is known here. */
export function applyRegister(deps: RegisterDeps, name: string, value: unknown): boolean {
  const kind = name.slice(0, name.indexOf('|'));
  if (!Object.hasOwn(kinds, kind)) return false;
  const about = name.slice(kind.length + 1);
  const record =
    deps.history.conversationNamed(kind === 'card' ? `1|${addressKey(about) ?? about}` : about) ?? beginning(deps, kind, about, value);
  if (record !== null) kinds[kind as RegisterKind].apply(deps, record, value);
  return true;
}

/** A group that begins here because another device is in it. */
function beginning({ clock, history }: RegisterDeps, kind: string, name: string, value: unknown): ConversationRecord | null {
  const read = v.safeParse(groupValue, value);
  if (kind !== 'group' || !name.startsWith('g|') || !read.success) return null;
  const { subject, focus, conversation, left } = read.output;
  const people = (read.output.people ?? []).map(([address, called]) => ({ address, name: called === '' ? address : called }));
  const ids = { contributionId: name.slice(2), conversationId: conversation };
  const record = newConversation(clock, { kind: 'group', subject, focus, people, ...ids, joined: !left });
  history.addConversation(record);
  return record;
}
