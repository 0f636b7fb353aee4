/**
 * Reads a history that does not open properly, as far as that is possible. Nothing is written.
 *
 * A damaged page loses only the rows in it. So the index says which messages there were, and each is read by itself: a message that cannot be read
 * is shown as damaged, in its place, and never left out silently. Where the index itself is damaged, the table is read row by row. When nothing of
 * the file can be read, the newest readable copy from before a migration is used instead.
 */
import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Database, Statement } from 'libsql';
import type { Disposable } from '../../../base/disposable';
import type { Logger } from '../../../base/log';
import type { PersonValue } from '../../../preload/contract';
import type { ConversationRecord, MessageRecord } from '../records';
import { copiesOf } from './migrations';
import { openDatabase } from './open-file';
import { columnsOf, conversationOf, messageOf, type RawRow, type Row, readable } from './rows';
import { Seal, type SealedRow } from './seal';

/** Rows read at once while they can be read. */
const batch = 200;
/** A table is given up after this many row numbers in a row that lead nowhere: more than one damaged inner page can lose. */
const longestGap = 10_000;
/** A conversation whose record is lost is named after the senders of this many messages. */
const sendersLookedAt = 50;

interface RescuedConversation {
  record: ConversationRecord;
  /** How many there were, as far as is known, including those that can no longer be read. */
  messages: number;
}

export interface RescuedHistory extends Disposable {
  /** Where it is read from: the file itself, a copy from before a migration, or neither. */
  readonly source: 'history' | 'copy' | 'nothing';
  /** When that copy was made, epoch milliseconds. */
  readonly copiedAt: number | null;
  /** Newest activity first. */
  readonly conversations: readonly RescuedConversation[];
  /** In order. A message that cannot be read, or is not as it was written, is marked as damaged. */
  messages(conversation: string): Generator<MessageRecord>;
  /** The page that ends just before a message that another page has given, or the last page. In order; empty when that message is unknown. */
  page(conversation: string, before: string | undefined, limit: number): MessageRecord[];
}

/** Never throws: what cannot be read is left out. `key` is hex. */
export function rescueHistory({ file, key, log }: { file: string; key: string; log: Logger }): RescuedHistory {
  for (const path of [file, ...copiesOf(file)]) {
    const source = path === file ? 'history' : 'copy';
    try {
      if (!existsSync(path) || statSync(path).size === 0) continue;
      const opened = new Wreck(path, key, source, log);
      if (opened.conversations.length > 0) return opened;
      opened.dispose();
    } catch (error) {
      log.warn('nothing can be rescued from a file', { file: basename(path), error: String(error) });
    }
  }
  return { source: 'nothing', copiedAt: null, conversations: [], messages: function* () {}, page: () => [], dispose: () => undefined };
}

/** Where a message stands in its conversation. */
interface Place {
  seq: number;
  orderedAt: number;
  /** What tells messages of one time apart: their key; in a copy from before there were keys, their arrival. */
  standing: string | number;
}

class Wreck implements RescuedHistory {
  readonly copiedAt: number | null;
  readonly conversations: readonly RescuedConversation[];
  readonly #log: Logger;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  readonly #seal: Seal;
  readonly #messageColumns: string;
  /** A copy from before messages were sealed has nothing to hold them to. */
  readonly #isSealed: boolean;
  /** The time by which messages are ordered; in a copy from before clocks were measured it is their DateTime. */
  readonly #order: 'ordered_at' | 'sent_at';
  readonly #then: 'key' | 'seq';
  /** The messages that pages have given, and where they stand. */
  readonly #given = new Map<string, number>();
  /** By conversation, once the index was found damaged. */
  #walked: Map<string, Place[]> | null = null;

  constructor(
    file: string,
    key: string,
    readonly source: 'history' | 'copy',
    log: Logger,
  ) {
    this.#log = log;
    this.#seal = new Seal(key);
    this.copiedAt = source === 'copy' ? Math.round(statSync(file).mtimeMs) : null;
    this.#database = openDatabase(file, key);
    try {
      this.#database.exec('PRAGMA query_only = ON');
      const known = this.#columnsOf('messages');
      this.#messageColumns = columnsOf('messages', known);
      this.#isSealed = known.has('seal');
      this.#order = known.has('moved') ? 'ordered_at' : 'sent_at';
      this.#then = known.has('key') ? 'key' : 'seq';
      this.conversations = this.#findConversations();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  *messages(conversation: string): Generator<MessageRecord> {
    for (const place of this.#placesOf(conversation)) yield this.#read(conversation, place);
  }

  page(conversation: string, before: string | undefined, limit: number): MessageRecord[] {
    const places = this.#placesOf(conversation);
    const given = before === undefined ? undefined : this.#given.get(before);
    const end = before === undefined ? places.length : places.findIndex(({ seq }) => seq === given);
    return places.slice(Math.max(0, end - limit), Math.max(0, end)).map((place) => {
      const message = this.#read(conversation, place);
      this.#given.set(message.id, place.seq);
      return message;
    });
  }

  #read(conversation: string, place: Place): MessageRecord {
    const [row] = this.#tried(`SELECT ${this.#messageColumns} FROM messages WHERE seq = ?`, place.seq) ?? [];
    return this.#messageOf(row, conversation, place);
  }

  dispose(): void {
    this.#database.close();
  }

  #findConversations(): RescuedConversation[] {
    const counts = this.#counts();
    const found: RescuedConversation[] = [];
    for (const row of this.#walk('conversations', columnsOf('conversations', this.#columnsOf('conversations')))) {
      try {
        const record = conversationOf(row);
        found.push({ record, messages: counts.get(record.id) ?? 0 });
        counts.delete(record.id);
      } catch (error) {
        this.#log.warn('the record of a conversation is damaged', { error: String(error) });
      }
    }
    for (const [id, messages] of counts) found.push({ record: this.#recordFromMessages(id), messages });
    return found.sort((a, b) => b.record.activityAt - a.record.activityAt);
  }

  #counts(): Map<string, number> {
    const sql =
      'SELECT CAST(conversation AS BLOB) AS conversation, count(*) AS messages FROM messages INDEXED BY messages_in_order GROUP BY conversation';
    const rows = this.#tried(sql);
    if (rows !== null) return new Map(rows.map((row) => [String(row.conversation), Number(row.messages)]));
    return new Map([...this.#walkMessages()].map(([id, places]) => [id, places.length]));
  }

  /** Who took part in a conversation whose own record is lost. */
  #recordFromMessages(id: string): ConversationRecord {
    const people = new Map<string, PersonValue>();
    const places = this.#placesOf(id);
    let looked = 0;
    for (const message of this.messages(id)) {
      if (message.direction === 'in' && message.isDamaged !== true)
        people.set(message.from, { address: message.from, name: message.fromName });
      looked += 1;
      if (looked === sendersLookedAt) break;
    }
    return {
      id,
      kind: people.size > 1 ? 'group' : 'oneToOne',
      peer: null,
      subject: null,
      people: [...people.values()],
      conversationId: id,
      contributionId: null,
      focus: null,
      continues: null,
      continuedBy: null,
      joined: false,
      createdAt: places[0]?.orderedAt ?? 0,
      activityAt: places[places.length - 1]?.orderedAt ?? 0,
    };
  }

  #placesOf(conversation: string): Place[] {
    if (this.#walked !== null) return this.#walked.get(conversation) ?? [];
    const sql = `SELECT seq, ${this.#placeColumns} FROM messages INDEXED BY messages_in_order WHERE conversation = ? ORDER BY ${this.#order}, ${this.#then}`;
    const rows = this.#tried(sql, conversation);
    if (rows !== null) return rows.map(placeOf);
    return this.#walkMessages().get(conversation) ?? [];
  }

  get #placeColumns(): string {
    return `${this.#order} AS ordered_at, ${this.#then === 'key' ? 'CAST(key AS BLOB)' : 'seq'} AS standing`;
  }

  #walkMessages(): Map<string, Place[]> {
    if (this.#walked !== null) return this.#walked;
    const walked = new Map<string, Place[]>();
    for (const row of this.#walk('messages', `seq, ${this.#placeColumns}, CAST(conversation AS BLOB) AS conversation`)) {
      const id = String(row.conversation);
      const places = walked.get(id) ?? [];
      places.push(placeOf(row));
      walked.set(id, places);
    }
    for (const places of walked.values()) places.sort(inOrder);
    this.#walked = walked;
    return walked;
  }

  /** Every row of a table that can be read, without its indexes. */
  *#walk(table: 'conversations' | 'messages', columns: string): Generator<Row> {
    for (let at = 0, gap = 0; gap < longestGap; ) {
      const rows = this.#tried(`SELECT rowid AS place, ${columns} FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${batch}`, at);
      if (rows?.length === 0) return;
      if (rows !== null) {
        yield* rows;
        at = Number(rows[rows.length - 1]?.place);
        gap = 0;
        continue;
      }
      for (let place = at + 1; place <= at + batch; place += 1) {
        const [row] = this.#tried(`SELECT rowid AS place, ${columns} FROM ${table} WHERE rowid = ?`, place) ?? [];
        gap = row === undefined ? gap + 1 : 0;
        if (row !== undefined) yield row;
      }
      at += batch;
    }
  }

  #messageOf(row: Row | undefined, conversation: string, place: Place): MessageRecord {
    try {
      if (row !== undefined) {
        const message = messageOf(row);
        return !this.#isSealed || this.#seal.holds(row as SealedRow, row.seal)
          ? message
          : { ...message, content: { kind: 'text', text: '' }, isDamaged: true };
      }
    } catch (error) {
      this.#log.debug('a message cannot be read', { seq: place.seq, error: String(error) });
    }
    return {
      id: `unreadable-${place.seq}`,
      conversation,
      direction: 'in',
      from: '',
      fromName: '',
      fromDevice: null,
      content: { kind: 'text', text: '' },
      state: 'received',
      sentAt: place.orderedAt,
      receivedAt: null,
      error: null,
      wantsDelivered: false,
      wantsDisplayed: false,
      isDamaged: true,
    };
  }

  #columnsOf(table: 'conversations' | 'messages'): Set<string> {
    const rows = this.#database.prepare('SELECT name FROM pragma_table_info(?)').all(table) as { name: string }[];
    return new Set(rows.map((row) => row.name));
  }

  /** Null where the file is damaged on the way to the answer. */
  #tried(sql: string, ...values: (string | number)[]): Row[] | null {
    try {
      const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
      this.#statements.set(sql, statement);
      return (statement.all(...values) as RawRow[]).map(readable);
    } catch {
      return null;
    }
  }
}

function placeOf(row: Row): Place {
  return { seq: Number(row.seq), orderedAt: Number(row.ordered_at), standing: row.standing ?? 0 };
}

function inOrder(a: Place, b: Place): number {
  return a.orderedAt - b.orderedAt || (a.standing < b.standing ? -1 : Number(a.standing > b.standing));
}
