/**
 * What this window knows, and how an event changes it. Pure: the same state and event always give the same state.
 * The law of order: an event counts only when its revision is higher than the state's, so a repeated or late one does no harm.
 */
import type {
  AccountValue,
  AppEvent,
  CloneValue,
  ConversationValue,
  DeviceValue,
  ErasedValue,
  ErrorValue,
  InvitationValue,
  MessageState,
  MessageValue,
  OwnDevicesValue,
  ParticipantValue,
  PersonValue,
  PreferencesValue,
  RegistrationValue,
  RescueValue,
  Snapshot,
  WarningValue,
} from '../../preload/contract';

/** The part of a conversation's messages that has been read into this window, without gaps: its newest end, or what lies around a found one. */
export interface Thread {
  messages: readonly MessageValue[];
  /** True once the first message of the conversation is here. */
  complete: boolean;
  /** True while the newest message of the conversation is here: only then do new ones join. */
  atEnd: boolean;
  status: 'loading' | 'ready' | 'failed';
  error: ErrorValue | null;
}

export interface ChorusState {
  phase: 'loading' | 'ready' | 'failed' | 'closed';
  /** Why the first snapshot could not be taken, in phase `failed`. */
  failure: ErrorValue | null;
  revision: number;
  profile: string;
  account: AccountValue | null;
  tryPeople: readonly PersonValue[];
  registration: RegistrationValue;
  /** When `registration` arrived here: its `expires` counts from then. */
  registrationAt: number;
  devices: readonly DeviceValue[];
  /** When `devices` arrived here. */
  devicesAt: number;
  conversations: ReadonlyMap<string, ConversationValue>;
  threads: ReadonlyMap<string, Thread>;
  invitations: readonly InvitationValue[];
  /** An invitation that another device has answered while this one asked; until it is put away. */
  elsewhere: Pick<InvitationValue, 'invitation' | 'from'> | null;
  participants: ReadonlyMap<string, readonly ParticipantValue[]>;
  /** When this window saw a participant's state change: `conversation address` -> epoch milliseconds. */
  changedAt: ReadonlyMap<string, number>;
  /** Addresses of those who are typing, by conversation. */
  composing: ReadonlyMap<string, readonly string[]>;
  preferences: PreferencesValue;
  blocked: readonly string[];
  warnings: readonly WarningValue[];
  clone: CloneValue | null;
  erased: ErasedValue | null;
  ownDevices: OwnDevicesValue;
  rescue: RescueValue | null;
  fatal: ErrorValue | null;
  /** The revision at which a message last came, was written or went: what a search has found may be another since. */
  messagesChangedAt: number;
  /** The newest message that came in while this window was open, for the screen reader. */
  heard: MessageValue | null;
}

export const emptyState: ChorusState = {
  phase: 'loading',
  failure: null,
  revision: -1,
  profile: '',
  account: null,
  tryPeople: [],
  registration: { state: 'offline', bindings: 0 },
  registrationAt: 0,
  devices: [],
  devicesAt: 0,
  conversations: new Map(),
  threads: new Map(),
  invitations: [],
  elsewhere: null,
  participants: new Map(),
  changedAt: new Map(),
  composing: new Map(),
  preferences: {
    theme: 'system',
    receipts: { delivered: true, displayed: true },
    composing: true,
    accept: 'auto',
    idleSeconds: 180,
    waitDays: 7,
  },
  blocked: [],
  warnings: [],
  clone: null,
  erased: null,
  ownDevices: { paired: false, with: [], pairing: null, filling: [], removals: [] },
  rescue: null,
  fatal: null,
  messagesChangedAt: -1,
  heard: null,
};

export function applySnapshot(state: ChorusState, snapshot: Snapshot, now: number): ChorusState {
  if (snapshot.revision < state.revision) return state;
  const sameAccount = state.account !== null && snapshot.account !== null && state.account.aor === snapshot.account.aor;
  const forgotten = sameAccount
    ? {}
    : { threads: emptyState.threads, participants: emptyState.participants, composing: emptyState.composing };
  return {
    ...state,
    ...forgotten,
    phase: 'ready',
    failure: null,
    revision: snapshot.revision,
    profile: snapshot.profile,
    account: snapshot.account,
    tryPeople: snapshot.tryPeople,
    registration: snapshot.registration,
    registrationAt: now,
    devices: snapshot.devices,
    devicesAt: now,
    conversations: new Map(snapshot.conversations.map((conversation) => [conversation.conversation, conversation])),
    invitations: snapshot.invitations,
    preferences: snapshot.preferences,
    blocked: snapshot.blocked,
    warnings: snapshot.warnings,
    clone: snapshot.clone,
    erased: snapshot.erased,
    ownDevices: snapshot.ownDevices,
    rescue: snapshot.rescue,
    fatal: snapshot.fatal,
  };
}

/** A telephone number in an address, in its SIP or its TEL form. */
const numberIn = (address: string): string | undefined => /^(?:tel:|sips?:)(\+\d{5,})(?:@|$)/.exec(address)?.[1];

/** Whether an address is on the list of blocked ones, in either form of a telephone number. */
export function isAddressBlocked(blocked: readonly string[], address: string): boolean {
  if (blocked.includes(address)) return true;
  const number = numberIn(address);
  return number !== undefined && blocked.some((one) => numberIn(one) === number);
}

/** What somebody blocked has written in a group is hidden wherever it would stand. In a chat of two what was written before stays to be read. */
export function isMessageHidden(
  { blocked, conversations }: Pick<ChorusState, 'blocked' | 'conversations'>,
  { conversation, direction, from }: { conversation: string; direction: 'in' | 'out'; from: string },
): boolean {
  return direction === 'in' && isAddressBlocked(blocked, from) && conversations.get(conversation)?.kind === 'group';
}

export function applyEvent(state: ChorusState, event: AppEvent, now: number): ChorusState {
  if (event.revision <= state.revision) return state;
  if (isOfAnother(state, event)) return { ...state, revision: event.revision };
  const messagesChangedAt = changesMessages(event) ? event.revision : state.messagesChangedAt;
  return { ...state, ...change(state, event, now), messagesChangedAt, revision: event.revision };
}

/** The window shows the first account of its profile, and hears of all. */
function isOfAnother({ account }: ChorusState, event: AppEvent): boolean {
  return account !== null && 'account' in event && typeof event.account === 'string' && event.account !== account.aor;
}

function changesMessages(event: AppEvent): boolean {
  if (event.event === 'message') return event.state === 'received' || event.state === 'queued';
  return event.event === 'messageRemoved' || event.event === 'conversationRemoved';
}

function change(state: ChorusState, event: AppEvent, now: number): Partial<ChorusState> {
  switch (event.event) {
    case 'account':
      return { account: event.account };
    case 'registration': {
      const { event: _name, revision: _revision, account: _account, ...registration } = event;
      return { registration, registrationAt: now };
    }
    case 'devices':
      return { devices: event.devices, devicesAt: now };
    case 'invitation': {
      const { event: _name, revision: _revision, account: _account, ...invitation } = event;
      return { invitations: replaceBy(state.invitations, invitation, (other) => other.invitation === invitation.invitation) };
    }
    case 'invitationEnded':
      return {
        elsewhere: event.why === 'elsewhere' ? { invitation: event.invitation, from: event.from } : state.elsewhere,
        invitations: state.invitations.filter((invitation) => invitation.invitation !== event.invitation),
      };
    case 'conversation': {
      const { event: _name, revision: _revision, account: _account, ...conversation } = event;
      return { conversations: withEntry(state.conversations, conversation.conversation, conversation) };
    }
    case 'message': {
      const { event: _name, revision: _revision, account: _account, ...message } = event;
      return hearMessage(state, message);
    }
    case 'messageRemoved': {
      const thread = state.threads.get(event.conversation);
      if (thread === undefined) return {};
      const messages = thread.messages.filter((one) => one.message !== event.message || one.direction !== event.direction);
      return { threads: withEntry(state.threads, event.conversation, { ...thread, messages }) };
    }
    case 'conversationRemoved': {
      const { conversation: gone } = event;
      return { conversations: without(state.conversations, gone), threads: without(state.threads, gone) };
    }
    // Nothing of it is kept: it is for whoever shows notifications.
    case 'attention':
      return {};
    case 'composing': {
      const others = (state.composing.get(event.conversation) ?? []).filter((address) => address !== event.from);
      return { composing: withEntry(state.composing, event.conversation, event.active ? [...others, event.from] : others) };
    }
    case 'participants':
      return seeParticipants(state, event.conversation, event.participants, now);
    case 'preferences': {
      const { event: _name, revision: _revision, ...preferences } = event;
      return { preferences };
    }
    case 'blocked':
      return { blocked: event.blocked };
    case 'warning': {
      const { event: _name, revision: _revision, ...warning } = event;
      return { warnings: replaceBy(state.warnings, warning, (other) => other.code === warning.code) };
    }
    case 'warningEnded':
      return { warnings: state.warnings.filter((warning) => warning.code !== event.code) };
    case 'clone':
      return { clone: event.clone };
    case 'rescue':
      return { rescue: event.rescue };
    case 'ownDevices': {
      const { event: _name, revision: _revision, account: _account, ...ownDevices } = event;
      return { ownDevices };
    }
    case 'erased':
      return { erased: event.erased, account: null };
    case 'fatal':
      return { fatal: event.error };
    case 'exit':
      return { phase: 'closed' };
  }
}

function hearMessage(state: ChorusState, message: MessageValue): Partial<ChorusState> {
  const thread = state.threads.get(message.conversation);
  const joins = thread !== undefined && (thread.atEnd || message.sentAt < (thread.messages[thread.messages.length - 1]?.sentAt ?? 0));
  const known = thread?.messages.some((other) => sameMessage(other, message)) === true;
  const typing = state.composing.get(message.conversation);
  return {
    ...(thread === undefined || !(joins || known)
      ? {}
      : { threads: withEntry(state.threads, message.conversation, { ...thread, messages: insertMessage(thread.messages, message) }) }),
    ...(message.direction === 'in' && typing?.includes(message.from) === true && !known
      ? {
          composing: withEntry(
            state.composing,
            message.conversation,
            typing.filter((address) => address !== message.from),
          ),
        }
      : {}),
    ...(message.direction === 'in' && message.state === 'received' && !known ? { heard: message } : {}),
  };
}

/** A person first seen in a group younger than this has just joined; in an older one the time is unknown. */
export const freshGroupMs = 60_000;

export function seeParticipants(
  state: ChorusState,
  conversation: string,
  participants: readonly ParticipantValue[],
  now: number,
): Partial<ChorusState> {
  const before = new Map(state.participants.get(conversation)?.map((person) => [person.address, person.state]));
  const changedAt = new Map(state.changedAt);
  const isFresh = now - (state.conversations.get(conversation)?.createdAt ?? now) < freshGroupMs;
  for (const person of participants) {
    const known = before.get(person.address);
    if (known === undefined ? isFresh : known !== person.state) changedAt.set(`${conversation} ${person.address}`, now);
  }
  return { participants: withEntry(state.participants, conversation, participants), changedAt };
}

/** The same text sent to oneself comes in as well as out, with one Message-ID. */
const sameMessage = (a: MessageValue, b: MessageValue): boolean => a.message === b.message && a.direction === b.direction;

const rank: Record<MessageState, number> = { queued: 0, sending: 1, failed: 1, received: 1, sent: 2, delivered: 3, displayed: 4 };

/**
 * Brings a page read from the store together with what events brought while it was read. A page may be older than an event that
 * overtook it: a message never falls back from `delivered`.
 */
export function mergePage(known: readonly MessageValue[], page: readonly MessageValue[]): readonly MessageValue[] {
  return page.reduce((messages, message) => {
    const other = messages.find((candidate) => sameMessage(candidate, message));
    return other !== undefined && rank[other.state] > rank[message.state] ? messages : insertMessage(messages, message);
  }, known);
}

/** Ordered by the sender's time; of equal times the one that came first stays first. */
export function insertMessage(messages: readonly MessageValue[], message: MessageValue): readonly MessageValue[] {
  const at = messages.findIndex((other) => sameMessage(other, message));
  if (at >= 0 && messages[at]?.sentAt === message.sentAt) return messages.with(at, message);
  const others = at >= 0 ? messages.toSpliced(at, 1) : messages;
  const before = others.findLastIndex((other) => other.sentAt <= message.sentAt);
  return others.toSpliced(before + 1, 0, message);
}

export function activityOf(conversation: ConversationValue): number {
  const last = conversation.last;
  const lastAt = last === null ? 0 : last.direction === 'in' ? (last.receivedAt ?? last.sentAt) : last.sentAt;
  return Math.max(conversation.createdAt, lastAt);
}

const ordered = new WeakMap<ChorusState['conversations'], readonly ConversationValue[]>();

/** Newest activity first. The same array as long as no conversation changed. */
export function orderedConversations(state: ChorusState): readonly ConversationValue[] {
  const known = ordered.get(state.conversations);
  if (known !== undefined) return known;
  const list = [...state.conversations.values()].sort((a, b) => activityOf(b) - activityOf(a));
  ordered.set(state.conversations, list);
  return list;
}

export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  return new Map([...map].filter(([other]) => other !== key));
}

function replaceBy<T>(list: readonly T[], value: T, same: (other: T) => boolean): readonly T[] {
  const at = list.findIndex(same);
  return at < 0 ? [...list, value] : list.with(at, value);
}
