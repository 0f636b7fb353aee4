/** The values that calls return and events carry: plain data. Addresses are URI strings, times are epoch milliseconds. */
import type { ErrorValue } from './errors';
import type { MediaTls } from './sign-in-options';

export type RegistrationState = 'offline' | 'connecting' | 'registering' | 'registered' | 'refreshing' | 'waiting' | 'rejected';

export interface RegistrationValue {
  state: RegistrationState;
  /** Seconds that the registrar granted to this device; absent before a 200. */
  expires?: number;
  /** The number of bindings of the address, on all devices, as listed by the registrar. */
  bindings: number;
  /** In state `waiting`: when the next attempt starts. */
  retryAt?: number;
  error?: ErrorValue;
}

/** The last event of a registration, as named in RFC 3680. */
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
  /** Two plain words derived from the instance ID, the same on every device. */
  nickname: string;
  self: boolean;
  contact: string;
  /** In seconds, if the server sent it. */
  expires: number;
  /** When the registration expires unless it is refreshed. */
  expiresAt: number;
  capabilities: string[];
  pubGruu: string | null;
  state: 'active' | 'terminated';
  /** The last event reported by the server while this client listened; null when only the list is known. */
  lastEvent: { event: DeviceEvent; at: number } | null;
  /** Another computer is registered with this device's own ID, at this contact: a copied profile. Only for `self`. */
  duplicate: { contact: string; since: number } | null;
}

/**
 * A pairing that is under way, or how the last one ended. `new`: this device shows the digits; `older`: they are typed here.
 *
 * `reaching`: the other device has not answered yet. `code`: the digits are shown, or asked for. `confirm`: they were typed, and this person must
 * say that the older device shows "paired". `over` has a reason in `why`.
 */
export interface PairingValue {
  side: 'new' | 'older';
  state: 'reaching' | 'code' | 'confirm' | 'paired' | 'over';
  /** The other device. */
  instanceId: string;
  name: string;
  /** The six digits; on the new device only, and only while they hold. */
  code: string | null;
  /** When it is over at the latest. */
  until: number;
  why: PairingEnd | null;
}

/**
 * `wrong`: other digits were typed. `late`: two minutes were over. `cancelled`: by a person, on either side. `unreachable`: that device is off.
 * `resting`: there were too many tries, or it is busy with one. `version`: it cannot do this. `broken`: it said what it must not.
 */
export type PairingEnd = 'wrong' | 'late' | 'cancelled' | 'unreachable' | 'resting' | 'version' | 'broken';

/** How much of the chats a new device wants. */
export type HistoryChoice = 'all' | 'days90' | 'none';

/**
 * Chats that are on their way between two own devices. `preparing`: the device that has them gets them ready. `waiting`: the other device is off,
 * and it goes on by itself. `done` is told once.
 */
export interface FillingValue {
  direction: 'in' | 'out';
  state: 'preparing' | 'running' | 'waiting' | 'done';
  /** The other device; empty where it is not known yet. */
  name: string;
  /** How many messages have come of how many; `of` null: not known yet. */
  got: number;
  of: number | null;
}

/** A device that was removed. `asked`: it has agreed to leave. `gone`: it has left. `away`: it was not on, and is told when it is. */
export interface RemovalValue {
  instanceId: string;
  name: string;
  /** Whether its chats go as well. */
  erase: boolean;
  state: 'asked' | 'gone' | 'away';
}

/** Another own device has removed this one, and its chats are erased. */
export interface ErasedValue {
  account: string;
  /** The name of that device. */
  by: string;
  at: number;
}

/** How far this device and the others of its person hold the same. */
export interface OwnDevicesValue {
  /** This device is paired: it has the key that all of them share. */
  paired: boolean;
  /** The instance IDs of the devices that are paired, this one among them. */
  with: string[];
  pairing: PairingValue | null;
  filling: FillingValue[];
  removals: RemovalValue[];
}

/** A profile that was moved or copied since its ID was created. Nothing is registered until `resolveClone` tells which. */
export interface CloneValue {
  instanceId: string;
  nickname: string;
  deviceName: string;
  aor: string | null;
}

/**
 * A damaged history. Nothing is registered until `beginHistory`. Until then `messages` reads the readable part, backwards from the end, and
 * `exportConversation` saves it.
 */
export interface RescueValue {
  error: ErrorValue;
  /** What is read: the history itself, a copy made before an update, or nothing because neither is readable. */
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
  /** Every address that this registration may use (P-Associated-URI). */
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
  /** True when the person has marked the conversation as unread. */
  markedUnread: boolean;
  /** The unsent text, as last stored. */
  draft: string;
  /** The unsent texts for single members of a group. */
  privateDrafts: { address: string; text: string }[];
  last: MessageValue | null;
  session: SessionState;
  /**
   * What a pending 1-1 session waits for. `reaching`: our invitation has to find a device of the other person; `ringing`: it has to be
   * answered there; `open`, `reply`: their invitation waits until this person opens the chat or replies.
   */
  pending: 'reaching' | 'ringing' | 'open' | 'reply' | null;
  /** The other person's device in the 1-1 session. */
  peerDevice: { name: string | null; instanceId: string | null } | null;
  /**
   * Whether the media of the open session runs over TLS: in a 1-1 to the other device or the network's relay, in a group to its server. Null
   * without an open session.
   */
  encrypted: boolean | null;
  /** The 1-1 conversation that this group continues. */
  continues: string | null;
  /** The group that has replaced this 1-1 conversation. */
  continuedBy: string | null;
  /** False for a group that this device has left. */
  joined: boolean;
  /** Identifies the group's picture, which `groupIcon` returns: another picture has another value. */
  icon: string | null;
  /** Which side of a 1-1 hides its identity from the other; this never changes. */
  anonymous: 'self' | 'peer' | null;
  /** The own address that this conversation writes from, if it is not the usual one. */
  writesAs: string | null;
  /** Where the other side's last message asks for answers: a text that is sent in this conversation goes there. Absent: it goes to the other side. */
  repliesTo?: string;
  /** The name that the others see in this conversation. Absent: the usual one. */
  pseudonym?: string;
  createdAt: number;
}

export type MessageState = 'queued' | 'sending' | 'sent' | 'delivered' | 'displayed' | 'failed' | 'received';

export interface ReceiptValue {
  address: string;
  /** The name of the device that reported it, if it gave one. */
  device: string | null;
  disposition: 'delivered' | 'displayed' | 'failed';
  at: number;
}

/** How a message goes by itself, without a session: in one piece, as one long message, or in one request to several people. */
export type StandaloneMode = 'pager' | 'large' | 'list';

/** What a message says, by kind. A file is something that Chorus cannot show: `saveFile` writes it to disk. */
export type MessageContentValue =
  | { kind: 'text'; text: string }
  | {
      kind: 'file';
      /** Its name and its type, which search finds. */
      text: string;
      /** Its media type. */
      type: string;
      /** Octets. */
      size: number;
      /** The sender's name for it. */
      name: string | null;
    };

export interface MessageValue {
  /** The imdn.Message-ID: unique, created by the sending client. */
  message: string;
  conversation: string;
  direction: 'in' | 'out';
  /** The sender's address. */
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
  /** When the message was written, by this computer's clock. Messages are in this order. */
  sentAt: number;
  /** The sender's own date, if its clock was found wrong or the message is not placed by that date. */
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
  /** How it went or came by itself. Absent: over a session, or it has not left yet. */
  standalone?: StandaloneMode;
  /** Where it asks for its answers. */
  replyTo?: string;
  /** The stored message was changed or destroyed after it was written: there is no text to show. */
  damaged?: true;
}

/** What is missing in a conversation on this device. It ends when another device has given what it has. */
export interface GapValue {
  kind: 'gap';
  conversation: string;
  /** Messages from before this time may be missing; null: of any time, as when another device was on while this one was off. */
  before: number | null;
  /** The own devices that may have them. */
  mayHave: { instanceId: string; name: string }[];
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
  /** One line of the text around the match; the beginning of the text when the sender's name matched. */
  snippet: string;
  /** The matching parts of the snippet, in order. */
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
  /** The 1-1 conversation that the group would replace when accepted. */
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
  /** Every address that this account may write from, as named by the network; only its own address before that. */
  addresses: string[];
  /** The address that new messages come from, unless a conversation has its own. Null: the address of the sign-in. */
  writesAs: string | null;
  /** The services that this version can offer, and whether this device offers them. */
  offers: { name: CapabilityName; on: boolean }[];
  /** True while the server has an earlier name or earlier services of this device; the next registration updates them. */
  untold: boolean;
  /** Whether this device asks for chats over TLS, as in `signIn`. */
  mediaTls: MediaTls;
  /** The MSRP relay for every chat; null without one. */
  msrpRelay: string | null;
  /** Whether that relay works; null without a relay, and before this account runs. */
  relay: RelayValue | null;
}

/**
 * The state is `unused` until the first session uses the relay. Messages wait while it is `unreachable` and leave when it is back.
 * `refused` needs the person; `error.relay` tells why the relay cannot be used.
 */
export interface RelayValue {
  state: 'unused' | 'reachable' | 'unreachable' | 'refused';
  error: ErrorValue | null;
  since: number;
}

export interface PreferencesValue {
  theme: 'system' | 'light' | 'dark';
  /**
   * The receipts that a message requests and that this client sends. `unasked`: also send one for a message that has an ID but requests
   * none, as when a network strips the request; false when absent.
   */
  receipts: { delivered: boolean; displayed: boolean; unasked?: boolean | undefined };
  composing: boolean;
  /**
   * When an invitation to a 1-1 session is answered: at once, when the chat is opened, when the person types or writes, or when they
   * confirm. Its first message is shown in any case. For a group, `open` and `reply` mean `auto`.
   */
  accept: 'auto' | 'open' | 'reply' | 'ask';
  /** A 1-1 session is ended after this many seconds without a message, at most 86,400; 0 never. The next text opens another. */
  idleSeconds: number;
  /** Whether messages and invitations of people who do not say who they are are refused; false when absent. */
  refuseAnonymous?: boolean | undefined;
  /** The country whose telephone numbers are typed without a prefix, ISO 3166-1 alpha-2; none when absent. */
  country?: string | undefined;
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
  ownDevices: OwnDevicesValue;
}

export interface Snapshot {
  revision: number;
  profile: string;
  /** Every account of the profile. The window shows the first, which `account` and the other fields of its kind repeat. */
  accounts: AccountSnapshot[];
  account: AccountValue | null;
  /** The people of the embedded network, offered at the first run and as suggestions; empty with a real account. */
  tryPeople: PersonValue[];
  registration: RegistrationValue;
  devices: DeviceValue[];
  conversations: ConversationValue[];
  invitations: InvitationValue[];
  ownDevices: OwnDevicesValue;
  preferences: PreferencesValue;
  /** Addresses of blocked people, in the form of `correspondentKey`. Their calls and messages are refused. */
  blocked: string[];
  warnings: WarningValue[];
  /** Set while the person has to tell whether this profile was moved or copied. */
  clone: CloneValue | null;
  /** Set when another device has removed this one with its chats, until somebody signs in again. */
  erased: ErasedValue | null;
  /** Set while the history is damaged and nothing runs. */
  rescue: RescueValue | null;
  /** Set when this profile cannot work until the person acts; everything else is then empty. */
  fatal: ErrorValue | null;
}

export interface ServerCheckValue {
  /** The address that was looked up. */
  server: string;
  /** The addresses from DNS that were tried, best first. The last one was reached, unless it has an error. */
  places: { host: string; port: number; transport: 'tcp' | 'tls' | 'ws' | 'wss'; error: ErrorValue | null }[];
  /** The certificate of the address that was reached; `until` in epoch milliseconds. Null without TLS. */
  certificate: { names: string[]; issuer: string; until: number } | null;
  /** The server's answer; even a refusal shows that it speaks SIP. */
  answer: { status: number; reason: string; software: string | null; tookMs: number } | null;
  /** Why the check stopped; null when the server answered. */
  error: ErrorValue | null;
}

export interface PeerCapabilities {
  capabilities: string[];
  /** The device that answered, if it said so. */
  instanceId: string | null;
  deviceName: string | null;
}

export type CapabilityName = 'session' | 'pager' | 'large' | 'file';
