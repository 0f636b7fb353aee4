/**
 * THE contract between the client and whoever drives it: the renderer over Electron IPC, a script over NDJSON.
 * Pure types and name lists. Values are plain data: addresses are URI strings, times are epoch milliseconds.
 *
 * How a driver stays right: subscribe, take `snapshot`, then apply every event whose `revision` is higher than the snapshot's.
 * Events carry whole values, never patches, so applying one twice does no harm.
 */
import type { ErrorValue } from '../main/errors';

export type { ErrorCode, ErrorValue, RefusalMeaning, RelayTrouble, Result } from '../main/errors';

// ---------------------------------------------------------------- values

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

/** What last happened to a registration, in the words of RFC 3680. */
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
  /** The last that the server told of it while this client listened; null where only a list is known. */
  lastEvent: { event: DeviceEvent; at: number } | null;
  /** Another computer is registered with this device's own ID, at this contact: a copied profile. Only ever set of `self`. */
  duplicate: { contact: string; since: number } | null;
}

/** A profile that lies elsewhere than where its ID was made. Nothing is registered until `resolveClone` says what it is. */
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
  /** What is read: the history itself, a copy that was made before an update, or nothing, because neither can be. */
  source: 'history' | 'copy' | 'nothing';
  /** When that copy was made. */
  copiedAt: number | null;
  /** Newest activity first. `messages` counts those too that cannot be read any more. */
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
}

export type SessionState = 'none' | 'pending' | 'established' | 'replaced' | 'ended';

export interface ConversationValue {
  conversation: string;
  kind: 'oneToOne' | 'group';
  subject: string | null;
  /** The other people; never the account itself. */
  people: PersonValue[];
  unread: number;
  /** The person has put it back among the unread ones. */
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
  /** The 1-1 conversation that this group has grown out of. */
  continues: string | null;
  /** The group that has replaced this 1-1 conversation. */
  continuedBy: string | null;
  /** False for a group that this device has left. */
  joined: boolean;
  /** Names the picture of a group, which `groupIcon` has: another picture has another name. */
  icon: string | null;
  /** Which side of a 1-1 does not tell the other who it is; it stays so. */
  anonymous: 'self' | 'peer' | null;
  /** The own address that it is written as, where it is another than usual. */
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

export interface MessageValue {
  /** The imdn.Message-ID: unique, made by the sending client. */
  message: string;
  conversation: string;
  direction: 'in' | 'out';
  /** Address of the sender. */
  from: string;
  fromName: string;
  fromDevice: string | null;
  text: string;
  state: MessageState;
  /** When it was written, by this computer's clock: messages stand in this order. */
  sentAt: number;
  /** How its sender has dated it, where that clock was found wrong or it stands elsewhere than it was dated. */
  datedAt?: number;
  receivedAt: number | null;
  receipts: ReceiptValue[];
  /** Why it has failed; of one that is `queued` what it waits for, where that is the media relay (`msrp/relay`). */
  error: ErrorValue | null;
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
  /** What the person is called in this group by own choice (RFC 7701); not there without one. */
  nickname?: string;
  self: boolean;
  state: ParticipantState;
  /** Why a participant is `disconnected`. */
  reason: 'departed' | 'booted' | 'failed' | 'busy' | null;
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
  /** Every address that this account may write as, as the network names them; the own one alone before it has. */
  addresses: string[];
  /** The one of them that new messages come from, unless a conversation has another; null: the one signed in with. */
  writesAs: string | null;
  /** The services that this version can offer to others, and whether this device does. */
  offers: { name: CapabilityName; on: boolean }[];
  /** Whether chats are asked for over TLS alone, and the MSRP relay that every chat goes through; null: none. */
  securesMedia: boolean;
  msrpRelay: string | null;
  /** Whether that relay can be used; null without one, and before this account runs. */
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

/** What a sign-in takes beyond address and password. What is not told stays as it was, or as the network says. */
export interface SignInOptions {
  /** The name to authenticate with, where it is another than the address's user part. */
  authUser?: string | undefined;
  /** The registrar's URI, where it is another than the address's domain. */
  registrar?: string | undefined;
  /** Where groups are made. */
  factory?: string | undefined;
  /** Certificates to trust and no others, PEM. */
  ca?: string | undefined;
  scheme?: 'auto' | 'digest' | 'aka' | 'early-ims' | undefined;
  /** No weaker Digest is answered. */
  minAlgorithm?: 'MD5' | 'SHA-256' | 'SHA-512-256' | undefined;
  /** A SIM in software: 32 hexadecimal digits each, and OP or OPc. */
  sim?: { k: string; op: string | null; opc: string | null } | undefined;
  /** This device's IMEI, as its ID: only before it was ever registered. */
  imei?: string | undefined;
  /** How long a registration is asked for, seconds. */
  expiresSeconds?: number | undefined;
  /** Whether chats are asked for over TLS alone. */
  securesMedia?: boolean | undefined;
  /**
   * The MSRP relay that every chat goes through: `msrp:` or `msrps:`; empty for none. Several, with spaces between: the one that this device
   * connects to, and those that are reached through it.
   */
  msrpRelay?: string | undefined;
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
}

export interface WarningValue {
  code: 'secrets-in-file' | 'storage-full' | 'network-stopped' | 'server-deviates' | 'duplicate-device' | 'internal';
  text: string;
}

export interface Snapshot {
  revision: number;
  profile: string;
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

// ---------------------------------------------------------------- calls

type None = Record<string, never>;

/** name -> [argument, value]. Both doors answer every one of these; a missing handler is a type error. */
export interface Calls {
  snapshot: [None, Snapshot];
  identity: [None, IdentityValue];
  register: [None, { state: RegistrationState; expires: number | null; bindings: number }];
  unregister: [None, { state: RegistrationState; expires: number | null; bindings: number }];
  /** Asks the server first where it does not tell by itself what changes. */
  devices: [None, DeviceValue[]];
  renameDevice: [{ name: string }, { name: string }];
  /** What another person's devices can do, asked of them now; the first that answers counts. */
  capabilities: [{ address: string }, PeerCapabilities];
  /** Sends a message to one device of the own address and to no other; resolves once that device has it. */
  testDevice: [{ instanceId: string; text?: string | undefined }, { message: string; by: 'gruu' | 'instance'; tookMs: number }];
  /** Asks another device of the own address to sign itself out; resolves once it has agreed. */
  signOutDevice: [{ instanceId: string }, None];
  /** Ends the registration of every device of the own address, this one last. */
  signOutEverywhere: [None, None];
  /**
   * How chats are carried, as at `signIn`; what is not told stays. A relay is tried first. Sessions that stand go the new way as well: those with one
   * person end, and the next text opens another; groups are come back to.
   * @throws `account/bad-option`, `msrp/relay`; nothing changes then
   */
  setMedia: [{ securesMedia?: boolean | undefined; msrpRelay?: string | undefined }, Pick<AccountValue, 'securesMedia' | 'msrpRelay'>];
  /** As which of the own addresses is written: everywhere, or in one 1-1 from now on. Null: as usual. */
  writeAs: [{ address: string | null; conversation?: string | undefined }, None];
  /** What this device offers to others; registered anew before it resolves. */
  setCapability: [{ name: CapabilityName; on: boolean }, None];
  /** Answers `clone`, or a duplicate: `moved` keeps the ID and uses it here, `newDevice` makes a new one. */
  resolveClone: [{ choice: 'moved' | 'newDevice'; name?: string | undefined }, { instanceId: string }];
  conversations: [None, ConversationValue[]];
  /**
   * Newest last. The last page, or the one just before or just after a message ID, or the one that has a message ID in its middle.
   * `limit` is 50 unless told, 500 at most.
   */
  messages: [
    {
      conversation: string;
      before?: string | undefined;
      after?: string | undefined;
      around?: string | undefined;
      limit?: number | undefined;
    },
    MessageValue[],
  ];
  /**
   * Newest first; `limit` is 50 unless told, 200 at most. Each word is the beginning of a word of the text or of the sender's name,
   * "words in quotes" stand together, 2026-11-23 or 2026-11 is when it was sent.
   */
  search: [
    {
      text: string;
      limit?: number | undefined;
      /** Only what comes after that hit; nothing when the message is not there any more. */
      before?: { message: string; direction: 'in' | 'out' } | undefined;
      /** As somebody types: the next search that is so marked takes the place of this one, which then fails with `search/superseded`. */
      passing?: boolean | undefined;
    },
    SearchHitValue[],
  ];
  sendText: [
    {
      to?: string | undefined;
      conversation?: string | undefined;
      text: string;
      mode?: 'session' | 'pager' | undefined;
      /** With `to`: in the conversation in which the other side does not learn who writes, which is another one. */
      anonymous?: boolean | undefined;
      /** In a group: to this member alone. */
      onlyWith?: string | undefined;
    },
    { message: string; conversation: string },
  ];
  /** Finds or makes the 1-1 conversation with an address, without sending anything. */
  openConversation: [{ to: string; anonymous?: boolean | undefined }, { conversation: string }];
  openSession: [{ to: string }, { conversation: string; state: SessionState }];
  closeSession: [{ conversation: string }, { conversation: string; state: SessionState }];
  answer: [{ invitation: string; accept: boolean; everywhere?: boolean | undefined }, { state: SessionState }];
  /**
   * From a 1-1: makes a group, and resolves with its conversation once the Controlling Function has answered 200.
   * In a group: brings further people in, and resolves with the same conversation once the focus has taken the request.
   */
  addPeople: [{ conversation: string; people: string[]; subject?: string | undefined }, { conversation: string }];
  /**
   * Joins the group at an address that the operator of the network has given it. Resolves with its conversation when messages flow.
   * @throws `group/unknown`, `group/not-a-member`, `group/full`
   */
  joinGroup: [{ address: string }, { conversation: string }];
  participants: [{ conversation: string }, ParticipantValue[]];
  /** Puts somebody out of a group; its administrator may. Resolves when the network has taken the request. */
  removePerson: [{ conversation: string; address: string }, None];
  /** Gives a group another name, for everybody in it. Resolves when it has it. */
  renameGroup: [{ conversation: string; subject: string }, None];
  /**
   * Takes a name of one's own in a group, which nobody else has there, or gives it up (empty). Resolves when the network has it.
   * @throws `group/nickname-taken`, `group/bad-nickname`
   */
  setNickname: [{ conversation: string; nickname: string }, None];
  /**
   * Gives a group another picture, for everybody in it: a data URI of a PNG, JPEG or WebP; null takes it away. Resolves when the network has it.
   * @throws `group/bad-icon` before anything is sent
   */
  setGroupIcon: [{ conversation: string; icon: string | null }, None];
  /** The picture of a group as a data URI. */
  groupIcon: [{ conversation: string }, { icon: string | null }];
  /**
   * Comes back to a group that this device is not in any more, or never came to be in. Resolves when it is in.
   * @throws `conversation/no-session` where the network does not let it in
   */
  comeBack: [{ conversation: string }, None];
  leave: [{ conversation: string }, None];
  /** `onlyWith`: in a group, to this member alone. */
  composing: [{ conversation: string; active: boolean; onlyWith?: string | undefined }, None];
  markDisplayed: [{ conversation: string; upTo: string }, None];
  retry: [{ message: string }, None];
  discard: [{ message: string }, None];
  /** From now on nothing of this person gets through, and nothing goes to them; a session with them ends. Kept on this device. */
  block: [{ address: string }, { blocked: string[] }];
  unblock: [{ address: string }, { blocked: string[] }];
  /** Gives up a waiting message, so that what stands behind it leaves: it is failed and kept. */
  skip: [{ message: string }, None];
  /** Deletes a message on this device alone. It stays deleted, also when it comes once more. */
  deleteMessage: [{ message: string; direction: 'in' | 'out' }, None];
  /**
   * Deletes all messages of a conversation on this device alone. It comes back, empty, when something is said in it; a 1-1 does so without its link to
   * the group that it went on in.
   */
  deleteConversation: [{ conversation: string }, None];
  /** Keeps what is written and not sent; an empty text ends the draft. `onlyWith`: for that member of the group alone, a draft of its own. */
  setDraft: [{ conversation: string; text: string; onlyWith?: string | undefined }, None];
  markUnread: [{ conversation: string; unread: boolean }, None];
  /**
   * Writes a whole conversation into a file: JSON, or one HTML page that stands alone. A script names the `path`, where no file may be yet;
   * in the window the person is asked for it, and `path` of the answer is null when they would rather not.
   */
  exportConversation: [
    { conversation: string; format: 'html' | 'json'; path?: string | undefined },
    { path: string | null; messages: number },
  ];
  /** Sets a damaged history aside, under the name of the answer, and begins a new one: everything runs again. */
  beginHistory: [None, { keptAs: string }];
  setPreferences: [PreferencesValue, PreferencesValue];
  /**
   * Looks for a server, reaches it, reads its certificate and asks it OPTIONS, without signing in and without a word of who asks. `server` and `ca` as
   * for `signIn`.
   */
  checkServer: [{ address: string; server?: string | undefined; ca?: string | undefined }, ServerCheckValue];
  /** Signs in at a SIP service, or again with the address that the server refused or that was signed out. `server` is an outbound proxy's URI (ws: and wss: too) or host[:port]; without it the domain's is found by DNS. */
  signIn: [
    { address: string; password: string; server?: string | undefined; deviceName: string; options?: SignInOptions | undefined },
    AccountValue,
  ];
  /** Signs in as one of `tryPeople` at the embedded network of this computer, starting it when none runs. */
  tryIt: [{ person: string; deviceName: string }, AccountValue];
  /** Opens a further window, another device on this computer, signed in as one of `tryPeople`. Only with a `try` account. */
  openDevice: [{ person: string }, { profile: string }];
  quit: [None, None];
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

export type CallName = keyof Calls;
export type CallArgument<N extends CallName> = Calls[N][0];
export type CallValue<N extends CallName> = Calls[N][1];

// ---------------------------------------------------------------- events

export type AppEventBody =
  | { event: 'account'; account: AccountValue | null }
  | ({ event: 'registration' } & RegistrationValue)
  | { event: 'devices'; devices: DeviceValue[] }
  | ({ event: 'invitation' } & InvitationValue)
  /**
   * `elsewhere`: another device of this person has answered (RFC 3326, cause 200), so nothing was missed; told also of an invitation that waited here
   * without a question.
   */
  | { event: 'invitationEnded'; invitation: string; why: 'answered' | 'elsewhere' | 'withdrawn'; from: PersonValue }
  | ({ event: 'conversation' } & ConversationValue)
  | ({ event: 'message' } & MessageValue)
  | { event: 'messageRemoved'; message: string; direction: 'in' | 'out'; conversation: string }
  | { event: 'conversationRemoved'; conversation: string }
  | { event: 'composing'; conversation: string; from: string; active: boolean }
  | { event: 'participants'; conversation: string; participants: ParticipantValue[] }
  | ({ event: 'preferences' } & PreferencesValue)
  | { event: 'blocked'; blocked: string[] }
  | ({ event: 'warning' } & WarningValue)
  | { event: 'warningEnded'; code: WarningValue['code'] }
  | { event: 'clone'; clone: CloneValue | null }
  | { event: 'rescue'; rescue: RescueValue | null }
  | { event: 'fatal'; error: ErrorValue }
  | { event: 'exit' };

export type AppEvent = AppEventBody & { revision: number };

// ---------------------------------------------------------------- the renderer's door

/** What `window.chorus` offers. Failures are values: an Error thrown across Electron's IPC would arrive as a bare string. */
export interface ChorusBridge {
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<import('../main/errors').Result<CallValue<N>>>;
  /** Calls `listener` for every event; returns the function that stops it. */
  subscribe(listener: (event: AppEvent) => void): () => void;
}

export const ipcCallChannel = 'chorus:call';
export const ipcEventChannel = 'chorus:event';
