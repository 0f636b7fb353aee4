/** What the history holds, as records, and what each of its tables can be asked. */
import type { ConversationValue, ErrorValue, MessageState, PersonValue, ReceiptValue } from '../../preload/contract';

export interface ConversationRecord {
  id: string;
  kind: ConversationValue['kind'];
  /** addressKey of the other person of a 1-1, or where one who hides was last to be reached (a temporary GRUU); null for a group. */
  peer: string | null;
  subject: string | null;
  people: PersonValue[];
  /** The CPM Conversation-ID header. */
  conversationId: string;
  /** A group's chat id for its life; of a 1-1 the Contribution-ID of its last session. */
  contributionId: string | null;
  focus: string | null;
  continues: string | null;
  continuedBy: string | null;
  /** The 1-1 that this group continues is being moved, and its other side has not been seen in the group: the 1-1 may still go on by itself. */
  awaitsPeer?: true;
  joined: boolean;
  /** Which side of a 1-1 does not say who it is; nobody when absent. It stays so for the conversation's life. */
  hides?: 'self' | 'peer';
  /** The own address that this conversation is written as, where it is another than usual. */
  writesAs?: string;
  createdAt: number;
  activityAt: number;
}

/** What the person did with a conversation on this device; nobody else learns of it. */
export interface ConversationMarks {
  /** Text not sent yet. */
  draft: string;
  markedUnread: boolean;
  /** Deleted here, and nothing was said in it since. */
  isHidden: boolean;
}

export type Direction = 'in' | 'out';

export interface MessageRecord {
  /** The imdn.Message-ID. Unique together with the direction: a message to oneself is there twice. */
  id: string;
  conversation: string;
  direction: Direction;
  from: string;
  fromName: string;
  fromDevice: string | null;
  text: string;
  /** addressKey of the one member of the group besides this account who has it; absent where it is everybody's. */
  onlyWith?: string;
  state: MessageState;
  /** Its DateTime: as the sender's clock told it. */
  sentAt: number;
  /** By how much it stands later than that in its conversation, ms; 0 when absent. */
  movedBy?: number;
  receivedAt: number | null;
  error: ErrorValue | null;
  wantsDelivered: boolean;
  wantsDisplayed: boolean;
  /** The row is not as it was written: its text is left out, and its other fields may be wrong. Only ever read, never added. */
  isDamaged?: true;
}

export interface ReceiptRecord {
  message: string;
  address: string;
  /** The device that told it, by its name; absent where it does not say. */
  device?: string | null;
  disposition: ReceiptValue['disposition'];
  at: number;
}

export interface JobRecord {
  id: number;
  /** Jobs of one lane leave one after the other; a lane is a conversation. */
  lane: string;
  kind: 'message' | 'receipt';
  message: string;
  /** JSON; what the sender needs besides the message itself. */
  payload: string;
  attempts: number;
  nextAt: number;
}

/** What is known of the clock of one device, milliseconds; null where nothing is. What it means is said in cpm/peer-clocks.ts. */
export interface PeerClock {
  /** Bounds of what must be added to what it shows. */
  readonly atLeast: number | null;
  readonly atMost: number | null;
  /** When `atMost` was measured. */
  readonly measuredAt: number;
  /** What it showed when it was last seen. */
  readonly shown: number | null;
  /** Of the texts since it was last set: the DateTime of the newest one, and where that one stands. */
  readonly dated: number | null;
  readonly placed: number | null;
}

/** A message that a search has found, as the place before which the next hits are. */
export type HitPlace = Pick<MessageRecord, 'id' | 'direction'>;

/** A place in the order of the messages of a conversation. */
export interface Place {
  orderedAt: number;
  seq: number;
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

export interface Conversations {
  /** Adds the conversation or replaces the one with the same id. */
  putConversation(record: ConversationRecord): void;
  conversation(id: string): ConversationRecord | null;
  /** The newest one in which nobody hides, should there be several; with `hides` the newest in which the account does. */
  oneToOneWith(peer: string, hides?: 'self'): ConversationRecord | null;
  /** The 1-1 of a Conversation-ID in which that side hides. */
  hiddenBy(conversationId: string, hides: 'self' | 'peer'): ConversationRecord | null;
  groupByContribution(contributionId: string): ConversationRecord | null;
  /** Newest activity first. */
  conversations(): ConversationRecord[];
  /** Of an unknown conversation: no marks. */
  marks(conversation: string): ConversationMarks;
  /** What is not named stays as it is. */
  setMarks(conversation: string, marks: Partial<ConversationMarks>): void;

  /** Text not sent yet that is for one member of a group alone, by member. An empty text ends a draft. */
  setPrivateDraft(conversation: string, address: string, text: string): void;
  privateDrafts(conversation: string): { address: string; text: string }[];
  /** The picture of a group, a data URI; null takes it away. False: nothing changed. */
  setIcon(conversation: string, icon: string | null): boolean;
  icon(conversation: string): string | null;
  /** Made from the picture, so that another one has another name. */
  iconName(conversation: string): string | null;
}

export interface Messages {
  /** False: a message with this id and direction is there, or was deleted, and nothing has changed. */
  addMessage(record: MessageRecord): boolean;
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
   * What was typed, read as search.ts says. Newest arrival first; what is found by a date alone, newest first. Where the index for it was found
   * damaged, what `fillIndex` has not come to yet is missing. `before`: only what comes after that hit; nothing when that message is not there.
   */
  search(typed: string, limit: number, before?: HitPlace): Hit[];
  lastMessage(conversation: string): MessageRecord | null;
  /**
   * Removes the message with its words in the index, and with an outgoing one its receipts and the job that would still send it. The
   * receipt owed for an incoming one stays. It is never added again, however often it comes.
   */
  removeMessage(id: string, direction?: Direction): void;
  /**
   * Removes every message of a conversation in that way, with its draft, and hides it until a message is added. It begins anew then: a 1-1 that
   * went on in a group has nothing to do with that group any more.
   */
  emptyConversation(id: string): void;
  /** False: nothing changed. The error is replaced by `error`, or cleared. Whether a state may follow another is the caller's law. */
  setMessageState(id: string, state: MessageState, error?: ErrorValue | null, direction?: Direction): boolean;
  /** How many incoming messages are still in state `received`. */
  unread(conversation: string): number;
  /** Incoming messages in state `received`, up to and including the message `upTo`, in order. */
  undisplayed(conversation: string, upTo: string): MessageRecord[];
}

/** What other people's devices have told: of messages, and of their clocks. */
export interface Receipts {
  /** False: this address has already told this disposition of this message. */
  addReceipt(receipt: ReceiptRecord): boolean;
  /** In the order they came about. */
  receipts(message: string): ReceiptValue[];
  /** Null: nothing is known of the device's clock. */
  clockOf(device: string): PeerClock | null;
  putClock(device: string, clock: PeerClock): void;
}

export interface Jobs {
  addJob(job: Omit<JobRecord, 'id' | 'attempts'>): JobRecord;
  /** In the order they were added. */
  jobs(): JobRecord[];
  /** The one of a lane that was added first, of those that are not in `except`. */
  nextJob(lane: string, except?: Iterable<number>): JobRecord | null;
  /** The lanes in which something waits. */
  lanes(): string[];
  /** Counts an attempt and sets the next one. */
  postponeJob(id: number, nextAt: number): void;
  /** Makes every waiting job of a lane due at `nextAt`; that is no attempt. */
  hastenLane(lane: string, nextAt: number): void;
  removeJob(id: number): void;
  removeJobsOf(message: string): void;
}
