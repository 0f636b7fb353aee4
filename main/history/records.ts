/** What the history holds, as records, and what each of its tables can be asked. */
import type { ConversationValue, ErrorValue, MessageState, PersonValue, ReceiptValue, StandaloneMode } from '../../preload/contract';

/** A person as the history keeps them. */
export interface PersonRecord extends PersonValue {
  /**
   * In a 1-1: since when this account knows the person by this name, epoch milliseconds. Absent: a stranger, whose name is what was said last.
   */
  knownSince?: number;
}

export interface ConversationRecord {
  id: string;
  kind: ConversationValue['kind'];
  /** addressKey of the other person in a 1-1; for an anonymous peer the last temporary GRUU it used; null for a group. */
  peer: string | null;
  subject: string | null;
  people: PersonRecord[];
  /** The CPM Conversation-ID header. */
  conversationId: string;
  /** In a group its chat id, for life; in a 1-1 the Contribution-ID of the last session. */
  contributionId: string | null;
  focus: string | null;
  continues: string | null;
  continuedBy: string | null;
  /** The 1-1 that this group continues is being moved, and its other side has not been seen in the group: the 1-1 may still go on by itself. */
  awaitsPeer?: true;
  joined: boolean;
  /** Which side of a 1-1 is anonymous, for the conversation's life; absent: neither. */
  hides?: 'self' | 'peer';
  /** The own address that this conversation is written as, where it is another than usual. */
  writesAs?: string;
  /** Where the last message of the other side asks for answers, an address; absent: here. */
  replyTo?: string;
  /** The name by which the others know this account here; absent: the usual one. */
  pseudonym?: string;
  createdAt: number;
  activityAt: number;
}

/** What may change of a conversation. Null takes the special address or name away. */
export type ConversationPatch = Partial<
  Pick<
    ConversationRecord,
    'peer' | 'subject' | 'people' | 'conversationId' | 'contributionId' | 'focus' | 'continues' | 'continuedBy' | 'joined' | 'activityAt'
  > & { awaitsPeer: boolean; writesAs: string | null; replyTo: string | null; pseudonym: string | null }
>;

/** What the person did with a conversation on this device; nobody else learns of it. */
export interface ConversationMarks {
  /** Text not sent yet. */
  draft: string;
  markedUnread: boolean;
  /** Deleted here, and nothing was said in it since. */
  isHidden: boolean;
}

export type Direction = 'in' | 'out';

/** What a message says. `text` is what search finds, and what shows where nothing else can. Reactions, edits and cards will be further kinds. */
export type MessageContent = { kind: 'text'; text: string } | FileContent;

/** Something that Chorus cannot show. Its octets are kept apart (`fileOf`). */
export interface FileContent {
  kind: 'file';
  text: string;
  /** Its media type. */
  type: string;
  /** Octets. */
  size: number;
  /** The sender's name for it. */
  name: string | null;
  /** The digest of the octets: the message is sealed, and so is what it holds. */
  digest: string;
}

export interface MessageRecord {
  /** The imdn.Message-ID. Unique together with the direction: a message to oneself is there twice. */
  id: string;
  conversation: string;
  direction: Direction;
  from: string;
  fromName: string;
  fromDevice: string | null;
  content: MessageContent;
  /** addressKey of the one member of the group besides this account who has it; absent where it is everybody's. */
  onlyWith?: string;
  /** How it went or came by itself; absent: over a session, or not at all yet. */
  standalone?: StandaloneMode;
  /** Where it asks for its answers, an address; absent: where it comes from. */
  replyTo?: string;
  state: MessageState;
  /** The message's DateTime, by the sender's clock. */
  sentAt: number;
  /** How much later than that it stands in its conversation, ms; 0 when absent. */
  movedBy?: number;
  receivedAt: number | null;
  error: ErrorValue | null;
  wantsDelivered: boolean;
  wantsDisplayed: boolean;
  /** The row is not as it was written: its words are left out, and its other fields may be wrong. Only ever read, never added. */
  isDamaged?: true;
}

export interface ReceiptRecord {
  message: string;
  address: string;
  /** The name of the device that sent it; absent where it does not say. */
  device?: string | null;
  disposition: ReceiptValue['disposition'];
  at: number;
}

export interface JobRecord {
  id: number;
  /** Jobs of one lane leave one after the other; a lane is a conversation. */
  lane: string;
  /** What is to be done; the outbox knows the kinds. */
  kind: string;
  message: string;
  /** JSON, as the outbox has written it for this kind. */
  payload: string;
  /** The job that must be gone before this one may leave; nothing where it waits for none. */
  after?: number;
  /** It cannot be read: it is kept, and belongs to no lane any more. Only ever read, never added. */
  isAside?: true;
  attempts: number;
  nextAt: number;
}

/** What is known of one device's clock, in milliseconds; null where nothing is. cpm/inbox/clocks.ts says what it means. */
export interface PeerClock {
  /** The bounds of what must be added to the time it shows. */
  readonly atLeast: number | null;
  readonly atMost: number | null;
  /** When `atMost` was measured. */
  readonly measuredAt: number;
  /** The time it showed when it was last seen. */
  readonly shown: number | null;
  /** The DateTime of the newest text since the clock was last set, and where that text stands. */
  readonly dated: number | null;
  readonly placed: number | null;
}

/** A hit of a search; the next hits come before it. */
export type HitPlace = Pick<MessageRecord, 'id' | 'direction'>;

/** A place in the order of messages, which is the same on every own device; see store/order.ts. */
export interface Place {
  orderedAt: number;
  key: string;
}

/** A part of a snippet that was searched for. */
export interface Mark {
  at: number;
  length: number;
}

export interface Snippet {
  text: string;
  marks: Mark[];
}

/** A message that a search found, and the piece of it that shows why. */
export interface Hit {
  message: MessageRecord;
  snippet: Snippet;
}

/** A message with what others have told about it. */
export interface ToldMessage {
  message: MessageRecord;
  /** Empty for an incoming one. */
  receipts: ReceiptValue[];
}

/** A conversation with everything that the list of conversations shows of it. */
export interface Overview {
  record: ConversationRecord;
  marks: ConversationMarks;
  unread: number;
  iconName: string | null;
  privateDrafts: { address: string; text: string }[];
  last: ToldMessage | null;
}

/**
 * What a transaction has changed. A message that is added, changed or removed changes its conversation as well, without saying so. `key`: of a
 * removed message, whose row can be asked no more.
 */
export type Change =
  | { what: 'message'; how: 'added' | 'changed' | 'removed'; id: string; direction: Direction; conversation: string; key?: string }
  | { what: 'conversation'; how: 'added' | 'changed' | 'emptied'; id: string };

/** What is told of a change, in one read each. */
export interface Overviews {
  overview(conversation: string): Overview | null;
  /** Newest activity first. */
  overviews(): Overview[];
  toldMessage(id: string, direction: Direction): ToldMessage | null;
}

export interface Conversations {
  /** False: a conversation with this id is there, and nothing has changed. */
  addConversation(record: ConversationRecord): boolean;
  /** Writes the named fields alone, so that two patches made from older reads do not undo each other. False: nothing changed. */
  updateConversation(id: string, patch: ConversationPatch): boolean;
  /** Removes a conversation in which nothing was ever written, and which nobody was shown; any other stays. */
  removeUnbegun(id: string): void;
  conversation(id: string): ConversationRecord | null;
  /** The newest one in which nobody hides, should there be several; with `hides` the newest in which the account does. */
  oneToOneWith(peer: string, hides?: 'self'): ConversationRecord | null;
  /** The 1-1 of a Conversation-ID in which that side hides. */
  hiddenBy(conversationId: string, hides: 'self' | 'peer'): ConversationRecord | null;
  groupByContribution(contributionId: string): ConversationRecord | null;
  /** Newest activity first. */
  conversations(): ConversationRecord[];
  /** No marks for an unknown conversation. */
  marks(conversation: string): ConversationMarks;
  /** Marks that are not named stay as they are. */
  setMarks(conversation: string, marks: Partial<ConversationMarks>): void;

  /** A draft for one member of a group alone. An empty text removes it. */
  setPrivateDraft(conversation: string, address: string, text: string): void;
  privateDrafts(conversation: string): { address: string; text: string }[];
  /** The picture of a group, a data URI; null takes it away. False: nothing changed. */
  setIcon(conversation: string, icon: string | null): boolean;
  icon(conversation: string): string | null;
  /** Made from the picture, so that another picture has another name. */
  iconName(conversation: string): string | null;
}

export interface Messages {
  /**
   * The names by which other own devices know a conversation and a message of it; null where nobody else can know them: in an anonymous
   * conversation. `message` null: the conversation's alone, and an empty key.
   */
  nameIn(
    conversation: string,
    message: Pick<MessageRecord, 'direction' | 'id' | 'from'> | null,
  ): { conversation: string; key: string } | null;
  /** The conversation of a name that `nameIn` gives. */
  conversationNamed(name: string): ConversationRecord | null;
  /** The message of a key that `nameIn` gives. */
  messageByKey(key: string): { id: string; direction: Direction } | null;
  /** False: a message with this id and direction is there, or was deleted, and nothing has changed. */
  addMessage(record: MessageRecord): boolean;
  /** Keeps the octets of a message whose content is a file; they go when the message goes. */
  keepFile(of: Pick<MessageRecord, 'id' | 'direction'>, octets: Uint8Array): void;
  /** The octets of a file. Null: they are not there, or not as they were written. */
  fileOf(of: Pick<MessageRecord, 'id' | 'direction' | 'content'>): Uint8Array | null;
  /** How many octets of files there are from one sender. */
  fileBytesOf(sender: string): number;
  /** Where both directions hold the id, `direction` chooses; without it the outgoing one is meant, here and below. */
  message(id: string, direction?: Direction): MessageRecord | null;
  /** The page that ends just before the message `before`, or the last page. Newest last. Empty when `before` is unknown there. */
  messages(conversation: string, page: { before?: string | undefined; limit: number }): MessageRecord[];
  /**
   * The messages of a conversation that stand after a place, or from its beginning, newest last, and the place at which to go on whatever is deleted
   * meanwhile; null: there are no more.
   */
  walk(conversation: string, from: Place | null, limit: number): { messages: MessageRecord[]; end: Place | null };
  /** The page that starts just after the message `after`. Newest last. Empty when `after` is unknown there. */
  messagesAfter(conversation: string, page: { after: string; limit: number }): MessageRecord[];
  /**
   * What was typed, read as search.ts says. What is found by a date alone comes newest first; words find newest arrival first, which is nearly the
   * same: the index of words can only be walked by arrival. Where the index for it was found
   * damaged, what `fillIndex` has not come to yet is missing. `before`: only what comes after that hit; nothing when that message is not there.
   */
  search(typed: string, limit: number, before?: HitPlace): Hit[];
  lastMessage(conversation: string): MessageRecord | null;
  /** The time at which the last message stands; null in an empty conversation. */
  newestTime(conversation: string): number | null;
  /** The first time from `from` on at which no message of the conversation stands; `mostSteps` ms later at the latest. */
  freeTime(conversation: string, from: number, mostSteps: number): number;
  /**
   * Removes the message with its words in the index, and with an outgoing one its receipts and the job that would still send it. The
   * receipt owed for an incoming one stays. It is never added again, however often it comes.
   */
  removeMessage(id: string, direction?: Direction): void;
  /**
   * Removes every message of a conversation in that way, with its draft, and hides it until a message is added. A 1-1 that went on in a group is
   * no longer tied to that group then.
   */
  emptyConversation(id: string): void;
  /** False: nothing changed. The error is replaced by `error`, or cleared. Whether a state may follow another is the caller's law. */
  setMessageState(id: string, state: MessageState, error?: ErrorValue | null, direction?: Direction): boolean;
  /** How an outgoing message leaves by itself. */
  setStandalone(id: string, mode: StandaloneMode | null): void;
  /** Puts a message at another place in its conversation: `movedBy` as in its record. A damaged one stays. False: nothing changed. */
  moveMessage(id: string, direction: Direction, movedBy: number): boolean;
  /** How many incoming messages are still in state `received`. */
  unread(conversation: string): number;
  /** Incoming messages in state `received`, up to and including the message `upTo`, in order. */
  undisplayed(conversation: string, upTo: string): MessageRecord[];
}

/** What other people's devices have said about messages and about their clocks. */
export interface Receipts {
  /** False: this address has already told this disposition of this message. */
  addReceipt(receipt: ReceiptRecord): boolean;
  /** In the order of their times. */
  receipts(message: string): ReceiptValue[];
  /** Null: nothing is known of the device's clock. */
  clockOf(device: string): PeerClock | null;
  putClock(device: string, clock: PeerClock): void;
}

export interface Jobs {
  addJob(job: Omit<JobRecord, 'id' | 'attempts'>): JobRecord;
  /** Every job, in the order they were added. */
  jobs(): JobRecord[];
  /** The first job of a lane that waits for no other job and is not in `except`. */
  nextJob(lane: string, except?: Iterable<number>): JobRecord | null;
  /** What waits in a lane, in order. */
  jobsIn(lane: string): JobRecord[];
  /** The jobs that wait for this one. */
  jobsAfter(id: number): JobRecord[];
  /** Takes a job out of its lane for good, and keeps it. */
  setJobAside(id: number): void;
  /** The lanes in which something waits. */
  lanes(): string[];
  /** Counts an attempt and sets the next one. `attempts`: what the count is from now on. */
  postponeJob(id: number, nextAt: number, attempts?: number): void;
  /** Makes every waiting job of a lane due at `nextAt`. This counts as no attempt. */
  hastenLane(lane: string, nextAt: number): void;
  removeJob(id: number): void;
  removeJobsOf(message: string): void;
}
