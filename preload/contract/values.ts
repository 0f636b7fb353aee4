/** The values that calls return and events carry: plain data. Addresses are URI strings, times are epoch milliseconds. */
import type { ErrorValue } from './errors';

export type RegistrationState = 'offline' | 'connecting' | 'registering' | 'registered' | 'refreshing' | 'waiting' | 'rejected';

export interface RegistrationValue {
  state: RegistrationState;
  /** Seconds that the registrar granted to this device; absent before a 200. */
  expires?: number;
  /** How many bindings the registrar listed for the address, of all devices. */
  bindings: number;
  /** When the next attempt starts, in state `waiting`. */
  retryAt?: number;
  error?: ErrorValue;
}

/** The last event of a registration, in the words of RFC 3680. */
export type DeviceEvent =
  | 'registered'
  | 'created'
  | 'refreshed'
  | 'shortened'
  | 'expired'
  | 'deactivated'
  | 'probation'
  | 'unregistered'
  | 'rejected';

export interface DeviceValue {
  instanceId: string;
  name: string;
  /** Two plain words made from the instance ID, the same everywhere. */
  nickname: string;
  self: boolean;
  contact: string;
  /** Seconds, when the server told it. */
  expires: number;
  /** When the registration runs out unless it is renewed. */
  expiresAt: number;
  capabilities: string[];
  pubGruu: string | null;
  state: 'active' | 'terminated';
  /** The last event that the server told while this client listened; null where only a list is known. */
  lastEvent: { event: DeviceEvent; at: number } | null;
  /** Another computer is registered with this device's own ID, at this contact: a copied profile. Only for `self`. */
  duplicate: { contact: string; since: number } | null;
}

/** A profile that was moved or copied since its ID was made. Nothing is registered until `resolveClone` says which. */
export interface CloneValue {
  instanceId: string;
  nickname: string;
  deviceName: string;
  aor: string | null;
}

/**
 * A history that is damaged. Nothing is registered until `beginHistory`; meanwhile `messages` reads what can be read, from the end backwards, and
 * `exportConversation` saves it.
 */
export interface RescueValue {
  error: ErrorValue;
  /** What is read: the history itself, a copy that was made before an update, or nothing, because neither is readable. */
  source: 'history' | 'copy' | 'nothing';
  /** When that copy was made. */
  copiedAt: number | null;
  /** Newest activity first. `messages` counts unreadable ones too. */
  conversations: (Pick<ConversationValue, 'conversation' | 'kind' | 'subject' | 'people' | 'anonymous' | 'createdAt'> & {
    messages: number;
  })[];
}

export interface IdentityValue {
  aor: string;
  instanceId: string;
  nickname: string;
  deviceName: string;
  pubGruu: string | null;
  tempGruu: string | null;
  /** Every address this registration may speak as (P-Associated-URI). */
  identities: string[];
}

export interface PersonValue {
  address: string;
  name: string;
  /** The name could be taken for somebody else's, or for another address or number: it is shown with this one's address. */
  showAddress?: true;
}

export type SessionState = 'none' | 'pending' | 'established' | 'replaced' | 'ended';

export interface ConversationValue {
  conversation: string;
  kind: 'oneToOne' | 'group';
  subject: string | null;
  /** The other people; never the account itself. */
  people: PersonValue[];
  unread: number;
  /** The person has marked it as unread. */
  markedUnread: boolean;
  /** Text not sent yet, as it was last kept. */
  draft: string;
  /** The same for one member of a group alone, by member. */
  privateDrafts: { address: string; text: string }[];
  last: MessageValue | null;
  session: SessionState;
  /**
   * What a pending 1-1 session waits for: that the invitation finds a device of the other person, that it is answered there, or, of an invitation of
   * theirs, that this person opens the chat or replies.
   */
  pending: 'reaching' | 'ringing' | 'open' | 'reply' | null;
  /** The device of the other person that holds the 1-1 session. */
  peerDevice: { name: string | null; instanceId: string | null } | null;
  /** The 1-1 conversation that this group continues. */
  continues: string | null;
  /** The group that has replaced this 1-1 conversation. */
  continuedBy: string | null;
  /** False for a group that this device has left. */
  joined: boolean;
  /** Names the picture of a group, which `groupIcon` has: another picture has another name. */
  icon: string | null;
  /** The side of a 1-1 that does not tell the other who it is; this never changes. */
  anonymous: 'self' | 'peer' | null;
  /** The own address that this conversation writes as, where it is not the usual one. */
  writesAs: string | null;
  createdAt: number;
}

export type MessageState = 'queued' | 'sending' | 'sent' | 'delivered' | 'displayed' | 'failed' | 'received';

export interface ReceiptValue {
  address: string;
  /** The device that told it, by its name, where it says so. */
  device: string | null;
  disposition: 'delivered' | 'displayed' | 'failed';
  at: number;
}

/** What a message says, by kind. */
export type MessageContentValue = { kind: 'text'; text: string };

export interface MessageValue {
  /** The imdn.Message-ID: unique, made by the sending client. */
  message: string;
  conversation: string;
  direction: 'in' | 'out';
  /** Address of the sender. */
  from: string;
  /** The sender's name when it was written. */
  fromName: string;
  /** As of a person. */
  showAddress?: true;
  fromDevice: string | null;
  /** The words of `content`. */
  text: string;
  content: MessageContentValue;
  state: MessageState;
  /** When it was written, by this computer's clock: messages stand in this order. */
  sentAt: number;
  /** How its sender has dated it, where that clock was found wrong or it stands elsewhere than it was dated. */
  datedAt?: number;
  receivedAt: number | null;
  receipts: ReceiptValue[];
  /** Why it has failed; of one that waits, what the last attempt met. */
  error: ErrorValue | null;
  /**
   * What an own message that is `queued` (`sending`, while it is tried) waits for: a device of the person, the group's server, the media relay. It
   * leaves by itself. Absent: it waits for its turn or for this device's own connection.
   */
  waitsFor?: 'person' | 'group' | 'relay';
  /** When it is given up, epoch ms; for those that wait for a person or a group. */
  expiresAt?: number;
  /** In a group: the one member besides this account who has it, its recipient or its sender. Absent: it is everybody's. */
  onlyWith?: string;
  /** What is stored of it was changed or destroyed since it was written: there is no text to show. */
  damaged?: true;
}

/** A message that a search found. */
export interface SearchHitValue {
  message: string;
  conversation: string;
  direction: 'in' | 'out';
  from: string;
  fromName: string;
  /** As of a person. */
  showAddress?: true;
  /** As of the message. */
  onlyWith?: string;
  sentAt: number;
  /** One line of the message's text around what was found; its beginning when the sender's name was. */
  snippet: string;
  /** The parts of the snippet that were searched for, in order. */
  marks: { at: number; length: number }[];
}

export type ParticipantState = 'pending' | 'dialing-out' | 'alerting' | 'connected' | 'disconnecting' | 'disconnected';

export interface ParticipantValue {
  address: string;
  name: string;
  /** As of a person; also where the nickname could be mistaken. */
  showAddress?: true;
  /** What the person is called in this group by own choice (RFC 7701); not there without one. */
  nickname?: string;
  self: boolean;
  state: ParticipantState;
  /** Why a participant is `disconnected`. */
  reason: 'departed' | 'booted' | 'failed' | 'busy' | null;
  /** True: `pending` because none of their devices was on; this client invites them again until they come. */
  awaited?: true;
  /** Whether this person may put others out. */
  administrator: boolean;
  devices: { name: string; gruu: string; state: ParticipantState }[];
}

export interface InvitationValue {
  invitation: string;
  kind: 'oneToOne' | 'group';
  from: PersonValue;
  subject: string | null;
  people: PersonValue[];
  /** The 1-1 conversation that accepting would replace. */
  replaces: string | null;
}

export interface AccountValue {
  aor: string;
  displayName: string;
  deviceName: string;
  instanceId: string;
  nickname: string;
  /** `try` is the embedded network on this computer. */
  kind: 'try' | 'sip';
  /** Every address that this account may write as, as the network names them; before it does, the own one alone. */
  addresses: string[];
  /** The address that new messages come from, unless a conversation has another; null: the one signed in with. */
  writesAs: string | null;
  /** The services that this version can offer to others, and whether this device does. */
  offers: { name: CapabilityName; on: boolean }[];
  /** The server still has an earlier name, or earlier services, of this device: the next registration tells it these. */
  untold: boolean;
  /** Whether chats are asked for over TLS alone, and the MSRP relay that every chat goes through; null: none. */
  securesMedia: boolean;
  msrpRelay: string | null;
  /** Whether that relay works; null without one, and before this account runs. */
  relay: RelayValue | null;
}

/**
 * `unused` until the first session asks it. Messages wait while it is `unreachable`, and leave when it is back; `refused` wants the person:
 * `error.relay` says why it cannot be used.
 */
export interface RelayValue {
  state: 'unused' | 'reachable' | 'unreachable' | 'refused';
  error: ErrorValue | null;
  since: number;
}

export interface PreferencesValue {
  theme: 'system' | 'light' | 'dark';
  /**
   * What a message asks for and what this client answers. `unasked`: also what names itself and asks for nothing, as where a network strips the
   * request; false when absent.
   */
  receipts: { delivered: boolean; displayed: boolean; unasked?: boolean | undefined };
  composing: boolean;
  /**
   * When an invitation to a 1-1 session is answered: at once, when the chat is opened, when the person types or writes, or when they say so. Its
   * first message is there in any case. To a group, `open` and `reply` mean `auto`.
   */
  accept: 'auto' | 'open' | 'reply' | 'ask';
  /** A 1-1 session in which nothing is said for so long is ended, seconds, 86,400 at most; 0 never. The next text opens another. */
  idleSeconds: number;
  /** Whether messages and invitations of people who do not say who they are are refused; false when absent. */
  refuseAnonymous?: boolean | undefined;
  /** For how many days a text waits for somebody who is away, 1 to 30. A change holds for the texts that wait already. */
  waitDays: number;
}

export interface WarningValue {
  code:
    | 'secrets-in-file'
    | 'storage-full'
    | 'network-stopped'
    | 'server-deviates'
    | 'duplicate-device'
    | 'unreadable-job'
    | 'history-lost' // the disk has lost part of what was last written
    | 'history-mended' // it had, and all of it could be read again
    | 'profile-mended' // a damaged file of the profile was replaced by its second copy
    | 'internal';
  text: string;
  /** The account that it concerns; absent where it concerns the whole profile. */
  account?: string;
}

/** One account as it now stands. */
export interface AccountSnapshot {
  account: AccountValue;
  registration: RegistrationValue;
  devices: DeviceValue[];
  conversations: ConversationValue[];
  invitations: InvitationValue[];
}

export interface Snapshot {
  revision: number;
  profile: string;
  /** Every account of the profile. The window shows the first, which `account` and the other fields of its kind repeat. */
  accounts: AccountSnapshot[];
  account: AccountValue | null;
  /** People the embedded network knows, offered at first run and as suggestions; empty with a real account. */
  tryPeople: PersonValue[];
  registration: RegistrationValue;
  devices: DeviceValue[];
  conversations: ConversationValue[];
  invitations: InvitationValue[];
  preferences: PreferencesValue;
  /** Addresses of people whose calls and messages are refused, as `correspondentKey` writes them. */
  blocked: string[];
  warnings: WarningValue[];
  /** Set while the person has to say whether this profile was moved or copied. */
  clone: CloneValue | null;
  /** Set while the history is damaged and nothing runs. */
  rescue: RescueValue | null;
  /** Set when this profile cannot work until the person acts; everything else is then empty. */
  fatal: ErrorValue | null;
}

export interface ServerCheckValue {
  /** What was looked up. */
  server: string;
  /** The places that the name service knows and that were tried, best first; the last is the one that was reached, unless it has an error. */
  places: { host: string; port: number; transport: 'tcp' | 'tls' | 'ws' | 'wss'; error: ErrorValue | null }[];
  /** Of the place that was reached; `until` in epoch milliseconds. Null without TLS. */
  certificate: { names: string[]; issuer: string; until: number } | null;
  /** Its answer, whatever it is: even a refusal is SIP. */
  answer: { status: number; reason: string; software: string | null; tookMs: number } | null;
  /** Why it stops there; null when the server has answered. */
  error: ErrorValue | null;
}

export interface PeerCapabilities {
  capabilities: string[];
  /** The device that answered, where it says which. */
  instanceId: string | null;
  deviceName: string | null;
}

export type CapabilityName = 'session' | 'pager' | 'large' | 'file';
