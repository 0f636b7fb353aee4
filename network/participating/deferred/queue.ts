/**
 * The letters that wait for devices, in a file or in memory. A call that has returned is on disk: a sender hears 202 only after `keep`.
 *
 *   kept --a device's 200--> taken --every other known device's 200--> gone
 *     \--expired, or refused, by all means before a device took it--> gone, and the report `failed` is kept for the sender
 *
 * Each letter waits for every device of the person that was registered within `REMEMBERED_MS`. While nobody has taken it, any other
 * device of the person may take it too.
 *
 * A letter for one device waits under its instance; where only a GRUU names the device, under that, until a registration event tells whose it is.
 */
import { StateDatabase } from '../../state/database';
import { failureReport, type Letter } from './letter';

/** LAB: a device that has not been registered for this long is forgotten, ms. */
export const REMEMBERED_MS = 30 * 24 * 3_600_000;
/** LAB: devices of one person that are remembered; the one seen longest ago goes first. */
export const MAX_REMEMBERED = 32;
/** LAB: public GRUUs of one device that are remembered: a core may give another one after its restart. */
export const MAX_REMEMBERED_GRUUS = 4;
/** LAB: letters for one person, and their bytes. */
export const MAX_LETTERS_PER_PERSON = 1000;
export const MAX_BYTES_PER_PERSON = 16 * 1024 * 1024;
/** LAB: of those, the share of one sender. */
export const MAX_LETTERS_OF_SENDER = 250;
export const MAX_BYTES_OF_SENDER = 4 * 1024 * 1024;
/** LAB: letters for all, and their bytes. */
export const MAX_LETTERS = 100_000;
export const MAX_BYTES = 512 * 1024 * 1024;
/** LAB: a device that is seen again is noted at most this often, ms. */
const NOTE_SEEN_MS = 3_600_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS deferred_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, sender TEXT NOT NULL, message_id TEXT, only_for TEXT NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL, expires_at INTEGER NOT NULL, rest TEXT NOT NULL, body BLOB NOT NULL,
    UNIQUE (person, sender, message_id, only_for));
  CREATE INDEX IF NOT EXISTS deferred_by_expiry ON deferred_letters (expires_at);
  CREATE TABLE IF NOT EXISTS deferred_waiting (
    letter INTEGER NOT NULL REFERENCES deferred_letters (id), instance TEXT NOT NULL, PRIMARY KEY (letter, instance));
  CREATE TABLE IF NOT EXISTS deferred_devices (
    person TEXT NOT NULL, instance TEXT NOT NULL, seen_at INTEGER NOT NULL, PRIMARY KEY (person, instance));
  CREATE TABLE IF NOT EXISTS deferred_gruus (
    id INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, gruu TEXT NOT NULL, instance TEXT NOT NULL, UNIQUE (person, gruu));
  CREATE TABLE IF NOT EXISTS deferred_reports (
    person TEXT NOT NULL, sender TEXT NOT NULL, message_id TEXT NOT NULL, gruu TEXT, instance TEXT,
    delivered INTEGER NOT NULL DEFAULT 0, until INTEGER NOT NULL, PRIMARY KEY (person, message_id, sender));
  CREATE INDEX IF NOT EXISTS deferred_reports_by_end ON deferred_reports (until);
  CREATE TABLE IF NOT EXISTS deferred_load (
    person TEXT NOT NULL, sender TEXT NOT NULL, letters INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (person, sender));
  CREATE TRIGGER IF NOT EXISTS deferred_added AFTER INSERT ON deferred_letters BEGIN
    INSERT INTO deferred_load VALUES ('', '', 1, NEW.size), (NEW.person, '', 1, NEW.size), (NEW.person, NEW.sender, 1, NEW.size)
      ON CONFLICT (person, sender) DO UPDATE SET letters = letters + 1, bytes = bytes + NEW.size;
  END;
  CREATE TRIGGER IF NOT EXISTS deferred_removed AFTER DELETE ON deferred_letters BEGIN
    DELETE FROM deferred_waiting WHERE letter = OLD.id;
    UPDATE deferred_load SET letters = letters - 1, bytes = bytes - OLD.size
      WHERE (person = '' AND sender = '') OR (person = OLD.person AND sender IN ('', OLD.sender));
    DELETE FROM deferred_load WHERE letters <= 0 AND person = OLD.person;
  END;
`;

/** What became of a letter: it is on disk; it was before; or there is no room. */
export type Keeping = 'kept' | 'known' | 'full';

export interface KeptLetter extends Letter {
  id: number;
}

/** A deferred message whose receipts may come. */
export interface Report {
  sender: string;
  gruu: string | null;
  instance: string | null;
  /** The sender has been told that it was delivered. */
  isDelivered: boolean;
}

interface Row {
  id: number;
  rest: string;
  body: Buffer;
  taken: number;
}

export class DeferredQueue {
  readonly #database: StateDatabase;

  /** Opens the file, or memory when it is null. @throws Error with one sentence that names the file when it cannot be used */
  constructor(
    file: string | null,
    private readonly now: () => number,
    /** For all people together. */
    private readonly limits = { letters: MAX_LETTERS, bytes: MAX_BYTES },
  ) {
    this.#database = new StateDatabase(file, 'Messages for people who are away', SCHEMA);
  }

  /** Keeps a letter for the devices of its person. One that was kept before, by its sender and Message-ID, is not kept twice. @throws Error */
  keep(letter: Letter): Keeping {
    return this.#database.transaction(() => {
      if (this.#isKnown(letter)) return 'known';
      if (this.#isFull(letter)) return 'full';
      this.#add(letter);
      return 'kept';
    });
  }

  /** These devices of a person are registered, by their instances and comparable public GRUUs. */
  seen(person: string, devices: readonly { instance: string; gruu: string | null }[]): void {
    for (const { instance, gruu } of devices)
      if (gruu !== null && this.#instanceOf(person, gruu) !== instance)
        this.#database.transaction(() => this.#learn(person, gruu, instance));
    const known = new Map(
      this.#database
        .rows<{ instance: string; seen_at: number }>('SELECT instance, seen_at FROM deferred_devices WHERE person = ?', person)
        .map((row) => [row.instance, row.seen_at]),
    );
    const now = this.now();
    const stale = [...new Set(devices.map(({ instance }) => instance))].filter(
      (instance) => Math.abs(now - (known.get(instance) ?? 0)) >= NOTE_SEEN_MS,
    );
    if (stale.length === 0) return;
    this.#database.transaction(() => {
      for (const instance of stale)
        this.#database.run(
          'INSERT INTO deferred_devices VALUES (?, ?, ?) ON CONFLICT (person, instance) DO UPDATE SET seen_at = excluded.seen_at',
          person,
          instance,
          now,
        );
      this.#database.run(
        `DELETE FROM deferred_devices WHERE person = ?1 AND instance IN
         (SELECT instance FROM deferred_devices WHERE person = ?1 ORDER BY seen_at DESC LIMIT -1 OFFSET ?2)`,
        person,
        MAX_REMEMBERED,
      );
    });
  }

  /** Whether the device of this public GRUU has been registered lately. */
  remembers(person: string, gruu: string): boolean {
    const instance = this.#instanceOf(person, gruu);
    const since = this.now() - REMEMBERED_MS;
    const sql = 'SELECT 1 FROM deferred_devices WHERE person = ? AND instance = ? AND seen_at > ?';
    return instance !== null && this.#database.row(sql, person, instance, since) !== null;
  }

  /** A registration event has told whose GRUU it is. What waits under it waits for that device. */
  #learn(person: string, gruu: string, instance: string): void {
    this.#database.run('DELETE FROM deferred_gruus WHERE person = ? AND gruu = ?', person, gruu);
    this.#database.run('INSERT INTO deferred_gruus (person, gruu, instance) VALUES (?, ?, ?)', person, gruu, instance);
    this.#database.run(
      `DELETE FROM deferred_gruus WHERE id IN (SELECT id FROM deferred_gruus WHERE person = ?1 AND instance = ?2
       ORDER BY id DESC LIMIT -1 OFFSET ?3)`,
      ...[person, instance, MAX_REMEMBERED_GRUUS],
    );
    const waiting = 'SELECT id FROM deferred_letters WHERE person = ?3 AND only_for = ?2';
    this.#database.run(
      `UPDATE OR IGNORE deferred_waiting SET instance = ?1 WHERE instance = ?2 AND letter IN (${waiting})`,
      ...[instance, gruu, person],
    );
    this.#database.run('UPDATE OR IGNORE deferred_letters SET only_for = ?1 WHERE person = ?3 AND only_for = ?2', instance, gruu, person);
  }

  #instanceOf(person: string, gruu: string): string | null {
    const sql = 'SELECT instance FROM deferred_gruus WHERE person = ? AND gruu = ?';
    return this.#database.row<{ instance: string }>(sql, person, gruu)?.instance ?? null;
  }

  /** What a letter waits under that one device is to get; empty where it is for all. */
  #waitsUnder({ person, only }: Letter): string {
    return only === null ? '' : (this.#instanceOf(person, only) ?? only);
  }

  /** The oldest letter that a device has to get; null when there is none. */
  next(person: string, instance: string): KeptLetter | null {
    const row = this.#database.row<Row>(
      `SELECT id, rest, body, taken FROM deferred_letters WHERE person = ?1 AND expires_at > ?3 AND (
         EXISTS (SELECT 1 FROM deferred_waiting WHERE letter = id AND instance = ?2) OR (taken = 0 AND only_for IN ('', ?2)))
       ORDER BY id LIMIT 1`,
      person,
      instance,
      this.now(),
    );
    return row === null ? null : keptLetter(row);
  }

  /** A device has answered for a letter. It stays for the other devices, and goes when the last one has it. */
  taken(id: number, instance: string): void {
    this.#database.transaction(() => {
      this.#database.run('DELETE FROM deferred_waiting WHERE letter = ? AND instance = ?', id, instance);
      this.#database.run('UPDATE deferred_letters SET taken = 1 WHERE id = ?', id);
      this.#removeIfDone(id);
    });
  }

  /**
   * A device refuses a letter for good. LAB: it speaks for its person, and the sender is told unless another device had it before. Returns
   * the person for whom a report is kept now, or null.
   */
  refused(id: number, instance: string): string | null {
    return this.#database.transaction(() => {
      const row = this.#database.row<Row>('SELECT id, rest, body, taken FROM deferred_letters WHERE id = ?', id);
      if (row === null) return null;
      if (row.taken === 0) return this.#fail(row);
      this.#database.run('DELETE FROM deferred_waiting WHERE letter = ? AND instance = ?', id, instance);
      this.#removeIfDone(id);
      return null;
    });
  }

  /** Removes what is out of date. Returns the people for whom reports are kept now. */
  expire(): string[] {
    const now = this.now();
    return this.#database.transaction(() => {
      const rows = this.#database.rows<Row>('SELECT id, rest, body, taken FROM deferred_letters WHERE expires_at <= ? ORDER BY id', now);
      const told = rows.flatMap((row) => this.#fail(row) ?? []);
      this.#database.run('DELETE FROM deferred_reports WHERE until <= ?', now);
      this.#database.run('DELETE FROM deferred_devices WHERE seen_at <= ?', now - REMEMBERED_MS);
      this.#database.run('DELETE FROM deferred_gruus WHERE (person, instance) NOT IN (SELECT person, instance FROM deferred_devices)');
      // A letter that somebody has taken no longer waits for a device that is forgotten.
      this.#database.run(
        `DELETE FROM deferred_waiting WHERE NOT EXISTS (SELECT 1 FROM deferred_letters JOIN deferred_devices USING (person)
         WHERE deferred_letters.id = letter AND deferred_devices.instance = deferred_waiting.instance)`,
      );
      this.#database.run('DELETE FROM deferred_letters WHERE taken = 1 AND id NOT IN (SELECT letter FROM deferred_waiting)');
      return [...new Set(told)];
    });
  }

  /** When the next letter expires, epoch milliseconds; null when none waits. */
  get nextExpiry(): number | null {
    return this.#database.row<{ at: number | null }>('SELECT MIN(expires_at) AS at FROM deferred_letters')?.at ?? null;
  }

  /** Everybody for whom something waits. */
  people(): string[] {
    return this.#database.rows<{ person: string }>('SELECT DISTINCT person FROM deferred_letters').map(({ person }) => person);
  }

  /**
   * The deferred message of `sender` for `person`, whose receipts may still come; null when there is none. An anonymous sender is not known
   * to the device that reports, and is found by the Message-ID alone (null).
   */
  report(person: string, messageId: string, sender: string | null): Report | null {
    const row = this.#database.row<{ sender: string; gruu: string | null; instance: string | null; delivered: number }>(
      'SELECT sender, gruu, instance, delivered FROM deferred_reports WHERE person = ?1 AND message_id = ?2 AND (?3 IS NULL OR sender = ?3)',
      person,
      messageId,
      sender,
    );
    return row === null ? null : { sender: row.sender, gruu: row.gruu, instance: row.instance, isDelivered: row.delivered !== 0 };
  }

  /** The sender of a deferred message has been told that it was delivered. */
  delivered(person: string, messageId: string, sender: string): void {
    this.#database.run(
      'UPDATE deferred_reports SET delivered = 1 WHERE person = ? AND message_id = ? AND sender = ?',
      person,
      messageId,
      sender,
    );
  }

  close(): void {
    this.#database.close();
  }

  /** A message that has been taken and is sent once more, since the sender had missed the answer, is known by its report. */
  #isKnown(letter: Letter): boolean {
    const { person, sender, messageId, isReceipt } = letter;
    if (messageId === null) return false;
    const waits = this.#database.row(
      'SELECT 1 FROM deferred_letters WHERE person = ? AND sender = ? AND message_id = ? AND only_for = ?',
      person,
      sender,
      messageId,
      this.#waitsUnder(letter),
    );
    if (waits !== null || isReceipt) return waits !== null;
    return (
      this.#database.row('SELECT 1 FROM deferred_reports WHERE person = ? AND message_id = ? AND sender = ?', person, messageId, sender) !==
      null
    );
  }

  #isFull(letter: Letter): boolean {
    const { person, sender } = letter;
    const size = sizeOf(letter);
    const limits = [
      ['', '', this.limits.letters, this.limits.bytes],
      [person, '', MAX_LETTERS_PER_PERSON, MAX_BYTES_PER_PERSON],
      [person, sender, MAX_LETTERS_OF_SENDER, MAX_BYTES_OF_SENDER],
    ] as const;
    return limits.some(([whose, from, letters, bytes]) => {
      const load = this.#database.row<{ letters: number; bytes: number }>(
        'SELECT letters, bytes FROM deferred_load WHERE person = ? AND sender = ?',
        whose,
        from,
      );
      return load !== null && (load.letters >= letters || load.bytes + size > bytes);
    });
  }

  #add(letter: Letter): void {
    const { person, sender, messageId, body, expiresAt, returnTo, isReceipt } = letter;
    const only = this.#waitsUnder(letter);
    const values = [person, sender, messageId, only, sizeOf(letter), expiresAt, restOf(letter), Buffer.from(body)];
    this.#database.run(
      'INSERT INTO deferred_letters (person, sender, message_id, only_for, size, expires_at, rest, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      ...values,
    );
    const id = this.#database.lastId;
    if (only !== '') this.#database.run('INSERT INTO deferred_waiting VALUES (?, ?)', id, only);
    else
      this.#database.run(
        'INSERT INTO deferred_waiting SELECT ?, instance FROM deferred_devices WHERE person = ? AND seen_at > ?',
        ...[id, person, this.now() - REMEMBERED_MS],
      );
    if (messageId !== null && !isReceipt)
      this.#database.run(
        'INSERT OR IGNORE INTO deferred_reports (person, sender, message_id, gruu, instance, until) VALUES (?, ?, ?, ?, ?, ?)',
        ...[person, sender, messageId, returnTo.gruu, returnTo.instance, expiresAt + REMEMBERED_MS],
      );
  }

  #removeIfDone(id: number): void {
    this.#database.run('DELETE FROM deferred_letters WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deferred_waiting WHERE letter = ?1)', id);
  }

  /** Removes a letter, and keeps the report for its sender when no device had it. Returns the sender then. */
  #fail(row: Row): string | null {
    const letter = keptLetter(row);
    this.#database.run('DELETE FROM deferred_letters WHERE id = ?', row.id);
    if (row.taken !== 0) return null;
    // Its sender may send it once more.
    if (letter.messageId !== null)
      this.#database.run(
        'DELETE FROM deferred_reports WHERE person = ? AND message_id = ? AND sender = ?',
        letter.person,
        letter.messageId,
        letter.sender,
      );
    const report = failureReport(letter, this.now());
    // It takes the place of a letter, so no limit holds for it.
    if (report !== null) this.#add(report);
    return report?.person ?? null;
  }
}

/** Everything but the body. */
function restOf(letter: Letter): string {
  return JSON.stringify({ ...letter, body: undefined });
}

/** What a letter takes of its limits, bytes. */
export function sizeOf(letter: Letter): number {
  return letter.body.length + restOf(letter).length;
}

function keptLetter({ id, rest, body }: Row): KeptLetter {
  return { ...(JSON.parse(rest) as Omit<Letter, 'body'>), body: new Uint8Array(body), id: Number(id) };
}
