/**
 * The seal of a message row. The file's cipher (aes256cbc) is not authenticated: a changed byte in the file changes what is read, unnoticed.
 * So each message carries an HMAC over the fields that never change; a row whose seal does not hold is damaged, whatever the cause.
 * The fields that change in a message's life, its state and its error, are not under the seal.
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { Database } from 'libsql';
import { columnsOf, type RawRow, readable } from './rows';

/** 128 bits: nobody can find another text with the same seal, and a row stays small. */
const sealBytes = 16;
/** Rows read at once while an older history is sealed. */
const batch = 1000;

/** The sealed columns, in the order in which they go into the seal. */
const columns = ['id', 'conversation', 'direction', 'sender', 'sender_name', 'sender_device', 'text', 'sent_at', 'received_at'] as const;
/** Sealed only where they hold something, so that rows from before these columns keep their seal. */
type LaterColumn = 'only_with' | 'moved' | 'kind' | 'content';
export type SealedRow = Readonly<
  Record<(typeof columns)[number], string | number | null> & Partial<Record<LaterColumn, string | number | null>>
>;

export class Seal {
  readonly #key: KeyObject;

  /** `key` is the history's own, hex; the seal's is derived from it. */
  constructor(key: string) {
    this.#key = createSecretKey(Buffer.from(hkdfSync('sha256', Buffer.from(key, 'hex'), '', 'chorus history row', 32)));
  }

  /** Takes the values as they are stored: whatever a text loses on its way into the file must be lost before. */
  of(row: SealedRow): string {
    return Buffer.from(this.#digest(row), 'latin1').toString('base64');
  }

  holds(row: SealedRow, seal: unknown): boolean {
    return typeof seal === 'string' && Buffer.from(seal, 'base64').toString('latin1') === this.#digest(row);
  }

  /** Seals every message of an older history. */
  sealAll(database: Database): void {
    const known = database.prepare(`SELECT name FROM pragma_table_info('messages')`).all() as { name: string }[];
    const read = columnsOf('messages', new Set(known.map(({ name }) => name)));
    const page = database.prepare(`SELECT ${read} FROM messages WHERE seq > ? ORDER BY seq LIMIT ${batch}`);
    const update = database.prepare('UPDATE messages SET seal = ? WHERE seq = ?');
    for (let last = 0; ; ) {
      const rows = (page.all([last]) as RawRow[]).map(readable);
      for (const row of rows) update.run([this.of(row as SealedRow), Number(row.seq)]);
      const end = rows[rows.length - 1];
      if (end === undefined) return;
      last = Number(end.seq);
    }
  }

  /** Every value is preceded by its kind and length, so that no two rows give the same octets. The result has a character for each byte. */
  #digest(row: SealedRow): string {
    let all = '';
    const kind = row.kind ?? 'text';
    const later = [
      row.only_with ?? null,
      (row.moved ?? 0) === 0 ? null : `moved ${row.moved}`,
      kind === 'text' ? null : `kind ${kind}`,
      (row.content ?? null) === null ? null : `content ${row.content}`,
    ].filter((value) => value !== null);
    for (const value of [...columns.map((name) => row[name]), ...later]) {
      const text = value === null ? '' : String(value);
      all += `${value === null ? 'n' : 's'}${text.length}:${text}`;
    }
    return createHmac('sha256', this.#key).update(all, 'utf8').digest('binary').slice(0, sealBytes);
  }
}
