/**
 * What this device remembers: conversations, messages, receipts, and the jobs that still have to leave. The only SQL of the client.
 *
 * A call that returned is on disk: WAL with synchronous=FULL, so neither a killed process nor a power cut takes it back. That is
 * what lets the layers above acknowledge to the network. Calls that belong together go into one `transaction`.
 * Messages stand in the order (sentAt, insertion): the same order for every page, whenever it is asked.
 *
 * The file is encrypted page by page (libsql, aes256cbc). The cipher is not authenticated: of a damaged page SQLite notices only what
 * makes it senseless. What a message says, by whom and when, is therefore sealed row by row (seal.ts), and shown only while its seal holds.
 */
import { createHash } from 'node:crypto';
import type { Database } from 'libsql';
import type { ConversationValue, ErrorValue, MessageState, PersonValue, ReceiptValue } from '../../preload/contract';
import type { Disposable, Logger } from '../base';
import { AppError } from '../errors';
import { Connection } from './connection';
import { migrate, migrations, sealedVersion } from './migrations';
import {
  conversationColumns,
  conversationOf,
  jobColumns,
  jobOf,
  messageColumns,
  messageOf,
  type Row,
  receiptColumns,
  storable,
} from './rows';
import { Seal, type SealedRow } from './seal';
import { matchExpression, parseSearch, type Snippet, snippetOf } from './search';

/** The most messages one page holds; a larger `limit` is cut to it. */
export const maximumPage = 1000;
/**
 * How many messages one slice of a search looks through: so few that the slice takes some milliseconds at worst, and the window
 * is drawn between two of them.
 */
export const searchSlice = 100_000;

/** Characters of a picture's name, 96 bits. */
const iconNameLength = 16;

/** So many conversations, the newest ones, are looked at when the history is opened. */
const lookedAtFirst = 20;

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
  sentAt: number;
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

/** A message that a search found, and the piece of it that shows why. */
export interface Hit {
  message: MessageRecord;
  snippet: Snippet;
}

/** Every method throws AppError storage/full, storage/unreadable or storage/failed, and has then changed nothing. */
export interface History extends Disposable {
  /** Runs `work`, which must not be asynchronous, wholly or not at all. A transaction inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T;

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

  /** False: a message with this id and direction is there, or was deleted, and nothing has changed. */
  addMessage(record: MessageRecord): boolean;
  /** Where both directions hold the id, `direction` chooses; without it the outgoing one is meant, here and below. */
  message(id: string, direction?: Direction): MessageRecord | null;
  /** The page that ends just before the message `before`, or the last page. Newest last. Empty when `before` is unknown there. */
  messages(conversation: string, page: { before?: string | undefined; limit: number }): MessageRecord[];
  /** The first ones of a conversation, newest last. */
  firstMessages(conversation: string, limit: number): MessageRecord[];
  /** The page that starts just after the message `after`. Newest last. Empty when `after` is unknown there. */
  messagesAfter(conversation: string, page: { after: string; limit: number }): MessageRecord[];
  /**
   * One slice of a search, from the newest message down or from where the slice before ended (`below`). Newest arrival first.
   * `below` of the answer is null once everything was looked through.
   */
  search(typed: string, slice: { below: number | null; limit: number }): { hits: Hit[]; below: number | null };
  lastMessage(conversation: string): MessageRecord | null;
  /**
   * Removes the message with its words in the index, and with an outgoing one its receipts and the job that would still send it. The
   * receipt owed for an incoming one stays. It is never added again, however often it comes.
   */
  removeMessage(id: string, direction?: Direction): void;
  /** Removes every message of a conversation in that way, with its draft, and hides it until a message is added. */
  emptyConversation(id: string): void;
  /** False: nothing changed. The error is replaced by `error`, or cleared. Whether a state may follow another is the caller's law. */
  setMessageState(id: string, state: MessageState, error?: ErrorValue | null, direction?: Direction): boolean;
  /** How many incoming messages are still in state `received`. */
  unread(conversation: string): number;
  /** Incoming messages in state `received`, up to and including the message `upTo`, in order. */
  undisplayed(conversation: string, upTo: string): MessageRecord[];

  /** False: this address has already told this disposition of this message. */
  addReceipt(receipt: ReceiptRecord): boolean;
  /** In the order they came about. */
  receipts(message: string): ReceiptValue[];

  addJob(job: Omit<JobRecord, 'id' | 'attempts'>): JobRecord;
  /** In the order they were added. */
  jobs(): JobRecord[];
  /** Counts an attempt and sets the next one. */
  postponeJob(id: number, nextAt: number): void;
  /** Makes every waiting job of a lane due at `nextAt`; that is no attempt. */
  hastenLane(lane: string, nextAt: number): void;
  removeJob(id: number): void;
  removeJobsOf(message: string): void;
}

export interface HistoryOptions {
  file: string;
  key: string;
  log: Logger;
  foundDamaged?: (error: AppError) => void;
}

/**
 * Opens the history, making it when the file is not there.
 * `key` is hex and never leaves this call. Throws AppError: storage/unreadable for a wrong key, a damaged or foreign file, missing
 * rights or a migration that failed; storage/newer; storage/full; storage/failed for the rest.
 * `foundDamaged` is told once, also while it opens, when SQLite notices that the file is not in order: from then on nothing of it can be relied on.
 */
export function openHistory(options: HistoryOptions): History {
  return new LibsqlHistory(options);
}

class LibsqlHistory implements History {
  readonly #log: Logger;
  readonly #connection: Connection;
  readonly #seal: Seal;
  readonly #damaged = new Set<number>();

  constructor({ file, key, log, foundDamaged = () => undefined }: HistoryOptions) {
    this.#log = log;
    const prepare = (database: Database) =>
      migrate({ database, file, key, log }, migrations, (version) => {
        if (version === sealedVersion) new Seal(key).sealAll(database);
      });
    this.#connection = new Connection({ file, key, prepare, foundDamaged });
    this.#seal = new Seal(key);
    try {
      this.#look();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** What is needed at once is read at once, so that damage is found before anything builds on it. */
  #look(): void {
    this.jobs();
    for (const { id } of this.conversations().slice(0, lookedAtFirst)) {
      this.marks(id);
      this.unread(id);
      this.lastMessage(id);
    }
  }

  transaction<T>(work: () => T): T {
    return this.#connection.transaction(work);
  }

  putConversation(record: ConversationRecord): void {
    this.#connection.run(
      `INSERT INTO conversations (id, kind, peer, subject, people, conversation_id, contribution_id, focus, continues, continued_by,
         hides, writes_as, joined, created_at, activity_at)
       VALUES (:id, :kind, :peer, :subject, :people, :conversationId, :contributionId, :focus, :continues, :continuedBy,
         :hides, :writesAs, :joined, :createdAt, :activityAt)
       ON CONFLICT (id) DO UPDATE SET kind = :kind, peer = :peer, subject = :subject, people = :people, conversation_id = :conversationId,
         contribution_id = :contributionId, focus = :focus, continues = :continues, continued_by = :continuedBy, hides = :hides, writes_as = :writesAs,
         joined = :joined, created_at = :createdAt, activity_at = :activityAt`,
      {
        id: record.id,
        kind: record.kind,
        peer: record.peer,
        subject: record.subject,
        people: JSON.stringify(record.people),
        conversationId: record.conversationId,
        contributionId: record.contributionId,
        focus: record.focus,
        continues: record.continues,
        continuedBy: record.continuedBy,
        hides: record.hides ?? null,
        writesAs: record.writesAs ?? null,
        joined: Number(record.joined),
        createdAt: record.createdAt,
        activityAt: record.activityAt,
      },
    );
  }

  conversation(id: string): ConversationRecord | null {
    return this.#connection.one(`SELECT ${conversationColumns} FROM conversations WHERE id = :id`, { id }, conversationOf);
  }

  oneToOneWith(peer: string, hides?: 'self'): ConversationRecord | null {
    const sql = `SELECT ${conversationColumns} FROM conversations WHERE kind = 'oneToOne' AND peer = :peer AND hides IS :hides ORDER BY created_at DESC, rowid DESC LIMIT 1`;
    return this.#connection.one(sql, { peer, hides: hides ?? null }, conversationOf);
  }

  hiddenBy(conversationId: string, hides: 'self' | 'peer'): ConversationRecord | null {
    const sql = `SELECT ${conversationColumns} FROM conversations WHERE conversation_id = :conversationId AND hides = :hides ORDER BY created_at DESC LIMIT 1`;
    return this.#connection.one(sql, { conversationId, hides }, conversationOf);
  }

  groupByContribution(contributionId: string): ConversationRecord | null {
    const sql = `SELECT ${conversationColumns} FROM conversations WHERE kind = 'group' AND contribution_id = :contributionId ORDER BY created_at DESC LIMIT 1`;
    return this.#connection.one(sql, { contributionId }, conversationOf);
  }

  conversations(): ConversationRecord[] {
    return this.#connection.all(
      `SELECT ${conversationColumns} FROM conversations ORDER BY activity_at DESC, rowid DESC`,
      {},
      conversationOf,
    );
  }

  marks(conversation: string): ConversationMarks {
    const sql = 'SELECT CAST(draft AS BLOB) AS draft, marked_unread, hidden FROM conversations WHERE id = :conversation';
    const marks = this.#connection.one(sql, { conversation }, (row) => ({
      draft: String(row.draft),
      markedUnread: row.marked_unread === 1,
      isHidden: row.hidden === 1,
    }));
    return marks ?? { draft: '', markedUnread: false, isHidden: false };
  }

  setMarks(conversation: string, { draft, markedUnread, isHidden }: Partial<ConversationMarks>): void {
    const sql = `UPDATE conversations SET draft = coalesce(:draft, draft), marked_unread = coalesce(:unread, marked_unread),
      hidden = coalesce(:hidden, hidden) WHERE id = :conversation`;
    const flag = (value: boolean | undefined) => (value === undefined ? null : Number(value));
    this.#connection.run(sql, { conversation, draft: draft ?? null, unread: flag(markedUnread), hidden: flag(isHidden) });
  }

  setPrivateDraft(conversation: string, address: string, text: string): void {
    const sql =
      text === ''
        ? 'DELETE FROM private_drafts WHERE conversation = :conversation AND address = :address'
        : `INSERT INTO private_drafts (conversation, address, draft) VALUES (:conversation, :address, :text)
           ON CONFLICT (conversation, address) DO UPDATE SET draft = :text`;
    this.#connection.run(sql, text === '' ? { conversation, address } : { conversation, address, text });
  }

  privateDrafts(conversation: string): { address: string; text: string }[] {
    const sql = `SELECT CAST(address AS BLOB) AS address, CAST(draft AS BLOB) AS draft FROM private_drafts
      WHERE conversation = :conversation ORDER BY address`;
    return this.#connection.all(sql, { conversation }, (row) => ({ address: String(row.address), text: String(row.draft) }));
  }

  setIcon(conversation: string, icon: string | null): boolean {
    if (icon === null) return this.#connection.run('DELETE FROM group_icons WHERE conversation = :conversation', { conversation });
    const name = createHash('sha256').update(icon).digest('base64url').slice(0, iconNameLength);
    return this.#connection.run(
      `INSERT INTO group_icons (conversation, name, icon) VALUES (:conversation, :name, :icon)
       ON CONFLICT (conversation) DO UPDATE SET name = :name, icon = :icon WHERE name IS NOT :name`,
      { conversation, name, icon },
    );
  }

  icon(conversation: string): string | null {
    const sql = 'SELECT CAST(icon AS BLOB) AS icon FROM group_icons WHERE conversation = :conversation';
    return this.#connection.one(sql, { conversation }, (row) => String(row.icon));
  }

  iconName(conversation: string): string | null {
    const sql = 'SELECT CAST(name AS BLOB) AS name FROM group_icons WHERE conversation = :conversation';
    return this.#connection.one(sql, { conversation }, (row) => String(row.name));
  }

  addMessage(record: MessageRecord): boolean {
    const sealed = storable({
      id: record.id,
      conversation: record.conversation,
      direction: record.direction,
      sender: record.from,
      sender_name: record.fromName,
      sender_device: record.fromDevice,
      text: record.text,
      sent_at: record.sentAt,
      received_at: record.receivedAt,
      only_with: record.onlyWith ?? null,
    });
    return this.#connection.run(
      `INSERT INTO messages (id, conversation, direction, sender, sender_name, sender_device, text, only_with, state, sent_at, received_at,
         error, wants_delivered, wants_displayed, seal)
       SELECT :id, :conversation, :direction, :sender, :sender_name, :sender_device, :text, :only_with, :state, :sent_at, :received_at,
         :error, :wantsDelivered, :wantsDisplayed, :seal
       WHERE NOT EXISTS (SELECT 1 FROM deleted_messages WHERE id = :id AND direction = :direction)
       ON CONFLICT (id, direction) DO NOTHING`,
      {
        ...sealed,
        seal: this.#seal.of(sealed),
        state: record.state,
        error: record.error === null ? null : JSON.stringify(record.error),
        wantsDelivered: Number(record.wantsDelivered),
        wantsDisplayed: Number(record.wantsDisplayed),
      },
    );
  }

  message(id: string, direction?: Direction): MessageRecord | null {
    const sql = `SELECT ${messageColumns} FROM messages WHERE id = :id AND direction = coalesce(:direction, direction) ORDER BY direction DESC LIMIT 1`;
    return this.#connection.one(sql, { id, direction: direction ?? null }, this.#messageOf);
  }

  messages(conversation: string, page: { before?: string | undefined; limit: number }): MessageRecord[] {
    const limit = Math.max(0, Math.min(maximumPage, Math.trunc(page.limit)));
    if (page.before === undefined) {
      const sql = `SELECT ${messageColumns} FROM messages WHERE conversation = :conversation ORDER BY sent_at DESC, seq DESC LIMIT :limit`;
      return this.#connection.all(sql, { conversation, limit }, this.#messageOf).reverse();
    }
    const sql = `SELECT ${messageColumns} FROM messages WHERE conversation = :conversation AND (sent_at, seq) <
        (SELECT sent_at, seq FROM messages WHERE id = :before AND conversation = :conversation ORDER BY sent_at, seq LIMIT 1)
      ORDER BY sent_at DESC, seq DESC LIMIT :limit`;
    return this.#connection.all(sql, { conversation, before: page.before, limit }, this.#messageOf).reverse();
  }

  firstMessages(conversation: string, limit: number): MessageRecord[] {
    const sql = `SELECT ${messageColumns} FROM messages WHERE conversation = :conversation ORDER BY sent_at, seq LIMIT :limit`;
    return this.#connection.all(sql, { conversation, limit: Math.max(0, Math.min(maximumPage, Math.trunc(limit))) }, this.#messageOf);
  }

  messagesAfter(conversation: string, page: { after: string; limit: number }): MessageRecord[] {
    const limit = Math.max(0, Math.min(maximumPage, Math.trunc(page.limit)));
    const sql = `SELECT ${messageColumns} FROM messages WHERE conversation = :conversation AND (sent_at, seq) >
        (SELECT sent_at, seq FROM messages WHERE id = :after AND conversation = :conversation ORDER BY sent_at DESC, seq DESC LIMIT 1)
      ORDER BY sent_at, seq LIMIT :limit`;
    return this.#connection.all(sql, { conversation, after: page.after, limit }, this.#messageOf);
  }

  search(typed: string, slice: { below: number | null; limit: number }): { hits: Hit[]; below: number | null } {
    const query = parseSearch(typed);
    if (query === null) return { hits: [], below: null };
    const hitOf = (row: Row): Hit => {
      const message = this.#messageOf(row);
      return { message, snippet: snippetOf(message.text, query) };
    };
    const limit = Math.max(0, Math.min(maximumPage, Math.trunc(slice.limit)));
    const { from, to } = query.sent ?? { from: 0, to: Number.MAX_SAFE_INTEGER };
    const match = matchExpression(query);
    if (match === null) {
      const sql = `SELECT ${messageColumns} FROM messages WHERE sent_at >= :from AND sent_at < :to ORDER BY sent_at DESC, seq DESC LIMIT :limit`;
      return { hits: this.#connection.all(sql, { from, to, limit }, hitOf), below: null };
    }
    const newest = this.#connection.one('SELECT max(seq) AS seq FROM messages', {}, (row) => Number(row.seq)) ?? 0;
    const below = slice.below ?? newest + 1;
    const above = Math.max(0, below - 1 - searchSlice);
    const sql = `SELECT ${messageColumns} FROM message_words CROSS JOIN messages ON messages.seq = message_words.rowid
      WHERE message_words MATCH :match AND message_words.rowid > :above AND message_words.rowid < :below
        AND messages.sent_at >= :from AND messages.sent_at < :to
      ORDER BY message_words.rowid DESC LIMIT :limit`;
    return { hits: this.#connection.all(sql, { match, above, below, from, to, limit }, hitOf), below: above === 0 ? null : above + 1 };
  }

  lastMessage(conversation: string): MessageRecord | null {
    return this.messages(conversation, { limit: 1 })[0] ?? null;
  }

  removeMessage(id: string, direction?: Direction): void {
    this.transaction(() => {
      const message = this.message(id, direction);
      if (message === null) return;
      const { direction: side } = message;
      this.#connection.run('INSERT INTO deleted_messages (id, direction) VALUES (:id, :side) ON CONFLICT DO NOTHING', { id, side });
      this.#connection.run('DELETE FROM messages WHERE id = :id AND direction = :side', { id, side });
      if (side === 'in') return;
      this.#connection.run('DELETE FROM receipts WHERE message = :id', { id });
      this.#connection.run(`DELETE FROM jobs WHERE message = :id AND kind = 'message'`, { id });
    });
  }

  emptyConversation(id: string): void {
    const own = `(SELECT id FROM messages WHERE conversation = :id AND direction = 'out')`;
    this.transaction(() => {
      this.#connection.run(
        'INSERT INTO deleted_messages (id, direction) SELECT id, direction FROM messages WHERE conversation = :id ON CONFLICT DO NOTHING',
        { id },
      );
      this.#connection.run(`DELETE FROM jobs WHERE kind = 'message' AND message IN ${own}`, { id });
      this.#connection.run(`DELETE FROM receipts WHERE message IN ${own}`, { id });
      this.#connection.run('DELETE FROM messages WHERE conversation = :id', { id });
      this.#connection.run('DELETE FROM private_drafts WHERE conversation = :id', { id });
      this.setMarks(id, { draft: '', markedUnread: false, isHidden: true });
    });
  }

  setMessageState(id: string, state: MessageState, error: ErrorValue | null = null, direction?: Direction): boolean {
    return this.#connection.run(
      `UPDATE messages SET state = :state, error = :error
       WHERE seq = (SELECT seq FROM messages WHERE id = :id AND direction = coalesce(:direction, direction) ORDER BY direction DESC LIMIT 1)
         AND (state IS NOT :state OR error IS NOT :error)`,
      { id, state, error: error === null ? null : JSON.stringify(error), direction: direction ?? null },
    );
  }

  unread(conversation: string): number {
    const sql = `SELECT count(*) AS unread FROM messages WHERE conversation = :conversation AND direction = 'in' AND state = 'received'`;
    return this.#connection.one(sql, { conversation }, (row) => Number(row.unread)) ?? 0;
  }

  undisplayed(conversation: string, upTo: string): MessageRecord[] {
    const sql = `SELECT ${messageColumns} FROM messages WHERE conversation = :conversation AND direction = 'in' AND state = 'received' AND (sent_at, seq) <=
        (SELECT sent_at, seq FROM messages WHERE id = :upTo AND conversation = :conversation ORDER BY sent_at DESC, seq DESC LIMIT 1)
      ORDER BY sent_at, seq`;
    return this.#connection.all(sql, { conversation, upTo }, this.#messageOf);
  }

  addReceipt(receipt: ReceiptRecord): boolean {
    return this.#connection.run(
      `INSERT INTO receipts (message, address, disposition, device, at) VALUES (:message, :address, :disposition, :device, :at)
       ON CONFLICT (message, address, disposition, device) DO NOTHING`,
      {
        message: receipt.message,
        address: receipt.address,
        disposition: receipt.disposition,
        device: receipt.device ?? '',
        at: receipt.at,
      },
    );
  }

  receipts(message: string): ReceiptValue[] {
    const sql = `SELECT ${receiptColumns} FROM receipts WHERE message = :message ORDER BY at, address, disposition, device`;
    return this.#connection.all(sql, { message }, (row) => ({
      address: String(row.address),
      device: row.device === '' ? null : String(row.device),
      disposition: row.disposition as ReceiptValue['disposition'],
      at: Number(row.at),
    }));
  }

  addJob(job: Omit<JobRecord, 'id' | 'attempts'>): JobRecord {
    const { lane, kind, message, payload, nextAt } = job;
    const sql = `INSERT INTO jobs (lane, kind, message, payload, attempts, next_at) VALUES (:lane, :kind, :message, :payload, 0, :nextAt)
      RETURNING ${jobColumns}`;
    const added = this.#connection.one(sql, { lane, kind, message, payload, nextAt }, jobOf);
    if (added === null) throw new AppError('storage/failed', { cause: 'the job was not added' });
    return added;
  }

  jobs(): JobRecord[] {
    return this.#connection.all(`SELECT ${jobColumns} FROM jobs ORDER BY id`, {}, jobOf);
  }

  postponeJob(id: number, nextAt: number): void {
    this.#connection.run('UPDATE jobs SET attempts = attempts + 1, next_at = :nextAt WHERE id = :id', { id, nextAt });
  }

  hastenLane(lane: string, nextAt: number): void {
    this.#connection.run('UPDATE jobs SET next_at = :nextAt WHERE lane = :lane AND next_at > :nextAt', { lane, nextAt });
  }

  removeJob(id: number): void {
    this.#connection.run('DELETE FROM jobs WHERE id = :id', { id });
  }

  removeJobsOf(message: string): void {
    this.#connection.run('DELETE FROM jobs WHERE message = :message', { message });
  }

  dispose(): void {
    const error = this.#connection.close();
    // Nothing is lost: what is in the -wal file is read at the next opening.
    if (error !== null) this.#log.warn('the history was closed without folding in its write-ahead log', { error: String(error) });
  }

  /** A message whose seal does not hold is shown as damaged: its text is never taken for what somebody wrote. */
  #messageOf = (row: Row): MessageRecord => {
    const message = messageOf(row);
    if (this.#seal.holds(row as SealedRow, row.seal)) return message;
    const seq = Number(row.seq);
    if (!this.#damaged.has(seq)) {
      this.#damaged.add(seq);
      this.#log.error('a message in the history is damaged', { id: message.id, damagedSoFar: this.#damaged.size });
    }
    return { ...message, text: '', isDamaged: true };
  };
}
