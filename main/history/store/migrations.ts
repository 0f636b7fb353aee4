/**
 * The history of the schema. The file's `user_version` says how many of these steps it has been through; a released step never changes.
 * Each step runs in a transaction of its own together with its `user_version`, so a killed process leaves either the old schema or
 * the new one. Before a step touches a file that already holds data, a whole copy of that file is made beside it.
 */
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Database } from 'libsql';
import type { Logger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { openDatabase } from './open-file';
import { syncFolder } from './synced-names';

/** SQL that brings a file from version `index` to version `index + 1`. */
export const migrations: readonly string[] = [
  // 1: conversations, messages, receipts, and the jobs that still have to leave this device.
  // Text columns that hold JSON: people, error, payload. Times are epoch milliseconds.
  `CREATE TABLE conversations (
     id              TEXT PRIMARY KEY,
     kind            TEXT NOT NULL CHECK (kind IN ('oneToOne', 'group')),
     peer            TEXT,
     subject         TEXT,
     people          TEXT NOT NULL,
     conversation_id TEXT NOT NULL,
     contribution_id TEXT,
     focus           TEXT,
     continues       TEXT,
     continued_by    TEXT,
     joined          INTEGER NOT NULL,
     created_at      INTEGER NOT NULL,
     activity_at     INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX conversations_by_peer ON conversations (peer, created_at) WHERE kind = 'oneToOne';
   CREATE INDEX conversations_by_contribution ON conversations (contribution_id) WHERE kind = 'group';
   CREATE INDEX conversations_by_activity ON conversations (activity_at);

   CREATE TABLE messages (
     seq             INTEGER PRIMARY KEY AUTOINCREMENT,
     id              TEXT NOT NULL,
     conversation    TEXT NOT NULL REFERENCES conversations (id),
     direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),
     sender          TEXT NOT NULL,
     sender_name     TEXT NOT NULL,
     sender_device   TEXT,
     text            TEXT NOT NULL,
     state           TEXT NOT NULL,
     sent_at         INTEGER NOT NULL,
     received_at     INTEGER,
     error           TEXT,
     wants_delivered INTEGER NOT NULL,
     wants_displayed INTEGER NOT NULL,
     UNIQUE (id, direction)
   ) STRICT;
   CREATE INDEX messages_in_order ON messages (conversation, sent_at, seq);
   CREATE INDEX messages_unread ON messages (conversation, sent_at, seq) WHERE direction = 'in' AND state = 'received';

   CREATE TABLE receipts (
     message     TEXT NOT NULL,
     address     TEXT NOT NULL,
     disposition TEXT NOT NULL CHECK (disposition IN ('delivered', 'displayed', 'failed')),
     at          INTEGER NOT NULL,
     PRIMARY KEY (message, address, disposition)
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE jobs (
     id       INTEGER PRIMARY KEY AUTOINCREMENT,
     lane     TEXT NOT NULL,
     kind     TEXT NOT NULL CHECK (kind IN ('message', 'receipt')),
     message  TEXT NOT NULL,
     payload  TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     next_at  INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX jobs_by_message ON jobs (message);`,

  // 2: the index for search. It holds the words alone, not the texts; a name finds what that person wrote, never what oneself wrote.
  // secure-delete: a removed message leaves none of its words behind.
  `CREATE INDEX messages_by_time ON messages (sent_at, seq);
   CREATE VIEW searchable AS
     SELECT seq, text, CASE direction WHEN 'in' THEN sender_name ELSE '' END AS sender FROM messages;
   CREATE VIRTUAL TABLE message_words USING fts5 (text, sender, content = 'searchable', content_rowid = 'seq',
     tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4');
   INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
   INSERT INTO message_words (message_words) VALUES ('rebuild');
   CREATE TRIGGER message_words_added AFTER INSERT ON messages BEGIN
     INSERT INTO message_words (rowid, text, sender)
       VALUES (new.seq, new.text, CASE new.direction WHEN 'in' THEN new.sender_name ELSE '' END);
   END;
   CREATE TRIGGER message_words_removed AFTER DELETE ON messages BEGIN
     INSERT INTO message_words (message_words, rowid, text, sender)
       VALUES ('delete', old.seq, old.text, CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END);
   END;`,

  // 3: what shows that a message is still as it was written; see seal.ts.
  `ALTER TABLE messages ADD COLUMN seal TEXT NOT NULL DEFAULT ''`,

  // 4: the 1-1 conversations in which one side does not say who it is.
  `ALTER TABLE conversations ADD COLUMN hides TEXT CHECK (hides IN ('self', 'peer'));
   CREATE INDEX conversations_hidden ON conversations (conversation_id) WHERE hides IS NOT NULL`,

  // 5: as which of several own addresses one writes there.
  `ALTER TABLE conversations ADD COLUMN writes_as TEXT`,

  // 6: what the person did with a conversation here, and which messages they have deleted: those stay away when they come once more.
  // A deleted conversation is out of sight until something is said in it again.
  `ALTER TABLE conversations ADD COLUMN draft TEXT NOT NULL DEFAULT '';
   ALTER TABLE conversations ADD COLUMN marked_unread INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE conversations ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE deleted_messages (
     id        TEXT NOT NULL,
     direction TEXT NOT NULL,
     PRIMARY KEY (id, direction)
   ) STRICT, WITHOUT ROWID;
   CREATE TRIGGER conversation_seen_again AFTER INSERT ON messages BEGIN
     UPDATE conversations SET hidden = 0 WHERE id = new.conversation AND hidden = 1;
   END`,

  // 7: which device of a person has told a receipt; empty where it does not say.
  `CREATE TABLE receipts_by_device (
     message     TEXT NOT NULL,
     address     TEXT NOT NULL,
     disposition TEXT NOT NULL CHECK (disposition IN ('delivered', 'displayed', 'failed')),
     device      TEXT NOT NULL DEFAULT '',
     at          INTEGER NOT NULL,
     PRIMARY KEY (message, address, disposition, device)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO receipts_by_device (message, address, disposition, at) SELECT message, address, disposition, at FROM receipts;
   DROP TABLE receipts;
   ALTER TABLE receipts_by_device RENAME TO receipts`,

  // 8: of a group's message that was not for everybody, the one member besides this account who has it.
  // Text not sent yet that is for that member. The picture of a group, a data URI, and the name under which a window that has it knows it again.
  `ALTER TABLE messages ADD COLUMN only_with TEXT;
   CREATE TABLE group_icons (
     conversation TEXT PRIMARY KEY REFERENCES conversations (id),
     name         TEXT NOT NULL,
     icon         TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE private_drafts (
     conversation TEXT NOT NULL REFERENCES conversations (id),
     address      TEXT NOT NULL,
     draft        TEXT NOT NULL,
     PRIMARY KEY (conversation, address)
   ) STRICT, WITHOUT ROWID`,

  // 9: messages stand where their sender's clock, corrected, puts them; what is known of those clocks; the jobs of a lane; how far an
  // index for search that had to be rebuilt is filled.
  `ALTER TABLE messages ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE messages ADD COLUMN ordered_at INTEGER NOT NULL GENERATED ALWAYS AS (sent_at + moved) VIRTUAL;
   DROP INDEX messages_in_order;
   DROP INDEX messages_unread;
   DROP INDEX messages_by_time;
   CREATE INDEX messages_in_order ON messages (conversation, ordered_at, seq);
   CREATE INDEX messages_unread ON messages (conversation, ordered_at, seq) WHERE direction = 'in' AND state = 'received';
   CREATE INDEX messages_by_time ON messages (ordered_at, seq);
   CREATE TABLE peer_clocks (
     device      TEXT PRIMARY KEY,
     at_least    INTEGER,
     at_most     INTEGER,
     measured_at INTEGER NOT NULL,
     shown       INTEGER,
     dated       INTEGER,
     placed      INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX jobs_by_lane ON jobs (lane);
   CREATE TABLE unindexed (below INTEGER NOT NULL) STRICT;
   DROP TRIGGER message_words_removed;
   CREATE TRIGGER message_words_removed AFTER DELETE ON messages WHEN old.seq >= coalesce((SELECT below FROM unindexed), 0) BEGIN
     INSERT INTO message_words (message_words, rowid, text, sender)
       VALUES ('delete', old.seq, old.text, CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END);
   END`,

  // 10: whether the other side of the 1-1 that a group continues has yet to be seen in the group: until then the 1-1 may still go on by itself.
  `ALTER TABLE conversations ADD COLUMN awaits_peer INTEGER NOT NULL DEFAULT 0`,

  // 11: a message may hold something else than a text (`kind`; what is not text of it is JSON in `content`, its words stay in `text`), and has a
  // key, which order.ts fills in. A job may be of any kind, may wait for another one, and is set aside where it cannot be read.
  `CREATE TABLE jobs_of_any_kind (
     id       INTEGER PRIMARY KEY AUTOINCREMENT,
     lane     TEXT NOT NULL,
     kind     TEXT NOT NULL,
     message  TEXT NOT NULL,
     payload  TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     next_at  INTEGER NOT NULL,
     after    INTEGER,
     aside    INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   INSERT INTO jobs_of_any_kind (id, lane, kind, message, payload, attempts, next_at)
     SELECT id, lane, kind, message, payload, attempts, next_at FROM jobs;
   INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs_of_any_kind', 0
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs_of_any_kind');
   UPDATE sqlite_sequence SET seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0) WHERE name = 'jobs_of_any_kind';
   DROP TABLE jobs;
   ALTER TABLE jobs_of_any_kind RENAME TO jobs;
   CREATE INDEX jobs_by_message ON jobs (message);
   CREATE INDEX jobs_by_lane ON jobs (lane);
   CREATE INDEX jobs_by_after ON jobs (after) WHERE after IS NOT NULL;
   ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'text';
   ALTER TABLE messages ADD COLUMN content TEXT;
   ALTER TABLE messages ADD COLUMN key TEXT NOT NULL DEFAULT ''`,

  // 12: people to whom this account has written are known by the names that they have now.
  `UPDATE conversations SET people = json_set(people, '$[0].knownSince', created_at)
   WHERE kind = 'oneToOne' AND hides IS NULL AND json_array_length(people) = 1
     AND EXISTS (SELECT 1 FROM messages WHERE messages.conversation = conversations.id AND messages.direction = 'out')`,
  // 13: everything belongs to one of the profile's accounts: two of them may have the same message, and each its own 1-1 with the same person. An
  // earlier file has one account, whose address is filled in when it is first asked for (tables/accounts.ts).
  `CREATE TABLE accounts (
     id      INTEGER PRIMARY KEY,
     address TEXT NOT NULL UNIQUE
   ) STRICT;
   INSERT INTO accounts (id, address) SELECT 1, '' WHERE EXISTS (SELECT 1 FROM conversations) OR EXISTS (SELECT 1 FROM jobs)
     OR EXISTS (SELECT 1 FROM deleted_messages);
   ALTER TABLE conversations ADD COLUMN account INTEGER NOT NULL DEFAULT 1;
   DROP INDEX conversations_by_peer;
   DROP INDEX conversations_by_contribution;
   DROP INDEX conversations_by_activity;
   DROP INDEX conversations_hidden;
   CREATE INDEX conversations_by_peer ON conversations (account, peer, created_at) WHERE kind = 'oneToOne';
   CREATE INDEX conversations_by_contribution ON conversations (account, contribution_id) WHERE kind = 'group';
   CREATE INDEX conversations_by_activity ON conversations (account, activity_at);
   CREATE INDEX conversations_hidden ON conversations (account, conversation_id) WHERE hides IS NOT NULL;
   ALTER TABLE jobs ADD COLUMN account INTEGER NOT NULL DEFAULT 1;
   DROP INDEX jobs_by_lane;
   DROP INDEX jobs_by_message;
   CREATE INDEX jobs_by_lane ON jobs (account, lane);
   CREATE INDEX jobs_by_message ON jobs (account, message);

   CREATE TABLE deleted_by_account (
     account   INTEGER NOT NULL,
     id        TEXT NOT NULL,
     direction TEXT NOT NULL,
     PRIMARY KEY (account, id, direction)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO deleted_by_account (account, id, direction) SELECT 1, id, direction FROM deleted_messages;
   DROP TABLE deleted_messages;
   ALTER TABLE deleted_by_account RENAME TO deleted_messages;

   CREATE TABLE receipts_by_account (
     account     INTEGER NOT NULL,
     message     TEXT NOT NULL,
     address     TEXT NOT NULL,
     disposition TEXT NOT NULL CHECK (disposition IN ('delivered', 'displayed', 'failed')),
     device      TEXT NOT NULL DEFAULT '',
     at          INTEGER NOT NULL,
     PRIMARY KEY (account, message, address, disposition, device)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO receipts_by_account (account, message, address, disposition, device, at)
     SELECT 1, message, address, disposition, device, at FROM receipts;
   DROP TABLE receipts;
   ALTER TABLE receipts_by_account RENAME TO receipts;

   DROP VIEW searchable;
   CREATE TABLE messages_by_account (
     seq             INTEGER PRIMARY KEY AUTOINCREMENT,
     account         INTEGER NOT NULL,
     id              TEXT NOT NULL,
     conversation    TEXT NOT NULL REFERENCES conversations (id),
     direction       TEXT NOT NULL CHECK (direction IN ('in', 'out')),
     sender          TEXT NOT NULL,
     sender_name     TEXT NOT NULL,
     sender_device   TEXT,
     text            TEXT NOT NULL,
     state           TEXT NOT NULL,
     sent_at         INTEGER NOT NULL,
     received_at     INTEGER,
     error           TEXT,
     wants_delivered INTEGER NOT NULL,
     wants_displayed INTEGER NOT NULL,
     seal            TEXT NOT NULL DEFAULT '',
     only_with       TEXT,
     moved           INTEGER NOT NULL DEFAULT 0,
     ordered_at      INTEGER NOT NULL GENERATED ALWAYS AS (sent_at + moved) VIRTUAL,
     kind            TEXT NOT NULL DEFAULT 'text',
     content         TEXT,
     key             TEXT NOT NULL DEFAULT '',
     UNIQUE (account, id, direction)
   ) STRICT;
   INSERT INTO messages_by_account (seq, account, id, conversation, direction, sender, sender_name, sender_device, text, state, sent_at, received_at,
       error, wants_delivered, wants_displayed, seal, only_with, moved, kind, content, key)
     SELECT seq, 1, id, conversation, direction, sender, sender_name, sender_device, text, state, sent_at, received_at,
       error, wants_delivered, wants_displayed, seal, only_with, moved, kind, content, key FROM messages;
   INSERT INTO sqlite_sequence (name, seq) SELECT 'messages_by_account', 0
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'messages_by_account');
   UPDATE sqlite_sequence SET seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0) WHERE name = 'messages_by_account';
   DROP TABLE messages;
   ALTER TABLE messages_by_account RENAME TO messages;
   CREATE INDEX messages_in_order ON messages (conversation, ordered_at, key);
   CREATE INDEX messages_unread ON messages (conversation, ordered_at, key) WHERE direction = 'in' AND state = 'received';
   CREATE INDEX messages_by_time ON messages (account, ordered_at, key);
   CREATE INDEX messages_by_key ON messages (account, key);
   CREATE VIEW searchable AS
     SELECT seq, text, CASE direction WHEN 'in' THEN sender_name ELSE '' END AS sender FROM messages;
   CREATE TRIGGER conversation_seen_again AFTER INSERT ON messages BEGIN
     UPDATE conversations SET hidden = 0 WHERE id = new.conversation AND hidden = 1;
   END;
   CREATE TRIGGER message_words_added AFTER INSERT ON messages BEGIN
     INSERT INTO message_words (rowid, text, sender)
       VALUES (new.seq, new.text, CASE new.direction WHEN 'in' THEN new.sender_name ELSE '' END);
   END;
   CREATE TRIGGER message_words_removed AFTER DELETE ON messages WHEN old.seq >= coalesce((SELECT below FROM unindexed), 0) BEGIN
     INSERT INTO message_words (message_words, rowid, text, sender)
       VALUES ('delete', old.seq, old.text, CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END);
   END`,

  // 14: what the own devices of an account share (docs/OWN-DEVICES.md): their logs, the state that the events make, and how far each has told to be.
  `CREATE TABLE own_head (account INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE own_log (
     account INTEGER NOT NULL,
     writer  TEXT NOT NULL,
     n       INTEGER NOT NULL,
     h       TEXT NOT NULL,
     ev      TEXT,
     at      INTEGER NOT NULL,
     key     TEXT,
     PRIMARY KEY (account, writer, n)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX own_log_by_key ON own_log (account, key) WHERE key IS NOT NULL;
   CREATE TABLE own_elements (
     account INTEGER NOT NULL,
     kind    TEXT NOT NULL,
     key     TEXT NOT NULL,
     value   TEXT NOT NULL,
     place   INTEGER,
     PRIMARY KEY (account, kind, key)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX own_messages_in_order ON own_elements (account, place, key) WHERE kind = 'msg';
   CREATE TABLE own_owed (account INTEGER NOT NULL, key TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID;
   CREATE TABLE own_told (account INTEGER NOT NULL, instance TEXT NOT NULL, vector TEXT NOT NULL, PRIMARY KEY (account, instance)) STRICT, WITHOUT ROWID`,

  // 15: what cannot be shown is kept as a file, base64; its message names it (`kind` 'file').
  `CREATE TABLE files (
     account   INTEGER NOT NULL,
     message   TEXT NOT NULL,
     direction TEXT NOT NULL,
     size      INTEGER NOT NULL,
     octets    TEXT NOT NULL,
     PRIMARY KEY (account, message, direction)
   ) STRICT;
   CREATE TRIGGER file_removed AFTER DELETE ON messages WHEN old.kind = 'file' BEGIN
     DELETE FROM files WHERE account = old.account AND message = old.id AND direction = old.direction;
   END`,

  // 16: the words of new messages go into the index for search some time later, many together; up to which message they are in it.
  `CREATE TABLE indexed (up_to INTEGER NOT NULL) STRICT;
   INSERT INTO indexed SELECT coalesce(max(seq), 0) FROM messages;
   DROP TRIGGER message_words_added;
   DROP TRIGGER message_words_removed;
   CREATE TRIGGER message_words_removed AFTER DELETE ON messages
     WHEN old.seq >= coalesce((SELECT below FROM unindexed), 0) AND old.seq <= (SELECT up_to FROM indexed) BEGIN
     INSERT INTO message_words (message_words, rowid, text, sender)
       VALUES ('delete', old.seq, old.text, CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END);
   END;
   CREATE TRIGGER message_words_added AFTER UPDATE ON indexed BEGIN
     INSERT INTO message_words (rowid, text, sender) SELECT seq, text, sender FROM searchable WHERE seq > old.up_to AND seq <= new.up_to;
     INSERT INTO message_words (message_words) VALUES ('flush');
   END`,

  // 17: messages by themselves, without a session: how each went or came, and where it wants its answers; by what name a person is known in a chat.
  `ALTER TABLE messages ADD COLUMN standalone TEXT;
   ALTER TABLE messages ADD COLUMN reply_to TEXT;
   ALTER TABLE conversations ADD COLUMN reply_to TEXT;
   ALTER TABLE conversations ADD COLUMN pseudonym TEXT`,

  // 18: the words of the index for search are folded before they go in, and kept where SQLite would not make the same of the text. The index is
  // filled again afterwards, a little at a time, newest messages first.
  `DROP TRIGGER IF EXISTS message_words_added;
   DROP TRIGGER IF EXISTS message_words_removed;
   DROP TABLE IF EXISTS message_words;
   DROP VIEW searchable;
   CREATE TABLE message_words_folded (seq INTEGER PRIMARY KEY, text TEXT NOT NULL, sender TEXT NOT NULL) STRICT;
   CREATE VIEW searchable AS SELECT messages.seq AS seq, coalesce(folded.text, messages.text) AS text,
       coalesce(folded.sender, CASE messages.direction WHEN 'in' THEN messages.sender_name ELSE '' END) AS sender
     FROM messages LEFT JOIN message_words_folded AS folded ON folded.seq = messages.seq;
   CREATE VIRTUAL TABLE message_words USING fts5 (text, sender, content = 'searchable', content_rowid = 'seq', tokenize = 'ascii', prefix = '2 3 4');
   INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
   CREATE TRIGGER message_words_removed AFTER DELETE ON messages BEGIN
     INSERT INTO message_words (message_words, rowid, text, sender) SELECT 'delete', old.seq,
         coalesce((SELECT text FROM message_words_folded WHERE seq = old.seq), old.text),
         coalesce((SELECT sender FROM message_words_folded WHERE seq = old.seq), CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END)
       WHERE old.seq >= coalesce((SELECT below FROM unindexed), 0) AND old.seq <= (SELECT up_to FROM indexed);
     DELETE FROM message_words_folded WHERE seq = old.seq;
   END;
   CREATE TRIGGER message_words_added AFTER UPDATE ON indexed BEGIN
     INSERT INTO message_words (rowid, text, sender) SELECT seq, text, sender FROM searchable WHERE seq > old.up_to AND seq <= new.up_to;
     INSERT INTO message_words (message_words) VALUES ('flush');
   END;
   DELETE FROM unindexed;
   INSERT INTO unindexed SELECT max(seq) + 1 FROM messages HAVING max(seq) IS NOT NULL;
   DELETE FROM indexed;
   INSERT INTO indexed SELECT coalesce(max(seq), 0) FROM messages`,
];

/** The version from which on messages are sealed. */
export const sealedVersion = 3;
/** The version from which on the words of the index are folded. */
export const foldedVersion = 18;
/** The version from which on messages stand in the order of their keys. */
export const orderedVersion = 11;

/** Where the copy of `file` as it was at `version` stands. It is encrypted with the same key. */
export function copyBefore(file: string, version: number): string {
  return `${file}.version-${version}`;
}

/** The copies that lie beside `file`, newest version first. */
export function copiesOf(file: string): string[] {
  const start = `${basename(file)}.version-`;
  const version = (name: string) => (name.startsWith(start) ? /^\d{1,6}$/.exec(name.slice(start.length))?.[0] : undefined);
  return readdirSync(dirname(file))
    .filter((name) => version(name) !== undefined)
    .sort((a, b) => Number(version(b)) - Number(version(a)))
    .map((name) => join(dirname(file), name));
}

/** A history that may have to be brought up to date. */
export interface Outdated {
  database: Database;
  file: string;
  /** Hex; the copies are opened with it. */
  key: string;
  log: Logger;
}

/**
 * Brings the open database to the newest version of `steps`. Throws AppError `storage/newer` for a file that a newer Chorus has
 * written; `storage/unreadable` when a step fails or its copy does not hold everything: the file is then as it was. That the disk is full or the file held
 * by another program passes through as SQLite throws it. `raised` does what SQL cannot, inside the transaction of its step.
 */
export function migrate(
  { database, file, key, log }: Outdated,
  steps: readonly string[] = migrations,
  raised: (version: number) => void = () => undefined,
): void {
  const version = readVersion(database);
  if (version > steps.length) {
    const cause = `the history has schema version ${version}, this program knows ${steps.length}`;
    throw new AppError('storage/newer', { cause }, 'user');
  }
  steps.forEach((step, index) => {
    if (index < version) return;
    try {
      // A file that was just made holds nothing to keep.
      if (version > 0) copyFile(database, copyBefore(file, index), key);
      database.exec('BEGIN IMMEDIATE');
      database.exec(step);
      raised(index + 1);
      database.exec(`PRAGMA user_version = ${index + 1}`);
      database.exec('COMMIT');
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      if (error instanceof AppError || isOfTheMoment(error)) throw error;
      const cause = `the history cannot be brought to version ${index + 1}: ${error instanceof Error ? error.message : String(error)}`;
      throw new AppError('storage/unreadable', { cause }, 'user');
    }
    log.info('history schema raised', { from: index, to: index + 1 });
  });
}

/** Whether the error says nothing about the file, so that another start may succeed. */
function isOfTheMoment(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(SQLITE_(FULL|BUSY|LOCKED|IOERR|NOMEM|INTERRUPT)|ENOSPC|EDQUOT)/.test(code);
}

export function readVersion(database: Database): number {
  const row = database.prepare('SELECT user_version AS version FROM pragma_user_version').all()[0] as { version: number } | undefined;
  return row?.version ?? 0;
}

/** A copy gets its final name only when it is complete, checked and on disk. The copy of an earlier attempt that failed is replaced. */
function copyFile(database: Database, target: string, key: string): void {
  const draft = `${target}.draft`;
  rmSync(draft, { force: true });
  // VACUUM INTO keeps the key of the source; the file appears with the mode of the umask, hence the descriptor made first.
  closeSync(openSync(draft, 'wx', 0o600));
  database.prepare('VACUUM INTO ?').run(draft);
  verifyCopy(draft, key, contents(database));
  const descriptor = openSync(draft, 'r+');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, target);
  syncFolder(dirname(target));
}

/** A copy that cannot be opened, or holds something else than the file, does not count: no new version without a way back. */
export function verifyCopy(copy: string, key: string, expected: string): void {
  let opened: Database | null = null;
  try {
    opened = openDatabase(copy, key);
    const found = contents(opened);
    if (found !== expected) throw new Error(`it holds ${found}, not ${expected}`);
    const [check] = opened.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
    if (check?.quick_check !== 'ok') throw new Error(check?.quick_check ?? 'it was not checked');
  } catch (error) {
    if (isOfTheMoment(error)) throw error;
    const cause = `the copy before a migration is not whole: ${error instanceof Error ? error.message : String(error)}`;
    throw new AppError('storage/unreadable', { cause }, 'user');
  } finally {
    opened?.close();
  }
}

/** The version, and the rows of every table: `version 5, jobs 0, messages 12`. */
export function contents(database: Database): string {
  const tables = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`).all();
  const counts = (tables as { name: string }[]).map(({ name }) => {
    const [row] = database.prepare(`SELECT count(*) AS rows FROM "${name}"`).all() as { rows: number }[];
    return `${name} ${row?.rows}`;
  });
  return [`version ${readVersion(database)}`, ...counts].join(', ');
}
