/**
 * The index of words behind search. It holds nothing that the messages do not.
 *
 *   messages by arrival:   below `unindexed.below` | in the index | above `indexed.up_to`
 *
 * New messages come above, and their words go into the index many together, which costs a fraction of one after the other: when nothing else is to do,
 * or before the next search. Damage to the index loses nothing: it is put away, made again, and filled from the messages, newest first and a little
 * at a time. A process that ends meanwhile continues at the next start.
 */
import type { Database } from 'libsql';
import { foldedWords, isPlain } from '../../../protocol/folded-words';
import type { Connection } from '../store/connection';

/** Old messages whose words go into a new index at once: some ten milliseconds of work, in whatever script. */
export const indexBatch = 200;
/** New messages whose words go into the index at once, while other work waits. */
const newBatch = 50;

/**
 * The index as in the newest schema; see migrations.ts for its history. SQLite only divides at what is no letter and no digit of ASCII: the words are
 * folded before, by `foldedWords`, and kept in `message_words_folded` where they are not what SQLite makes of the text itself. While the index is being
 * filled, `unindexed` names the message below which nothing is in it yet: the words of those messages are never taken out.
 */
const schema = `
  CREATE TABLE message_words_folded (seq INTEGER PRIMARY KEY, text TEXT NOT NULL, sender TEXT NOT NULL) STRICT;
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
  INSERT INTO indexed SELECT coalesce(max(seq), 0) FROM messages;`;

/**
 * Whether the error of a statement may come from the index alone. SQLite does not say whose page is damaged: for a statement that goes through the
 * index, the index is suspected, and if that is wrong the error comes again.
 */
export function mayBeOfTheIndex(error: unknown, sql: string): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'SQLITE_CORRUPT_VTAB') return true;
  const goesThrough = /message_words|^\s*(DELETE FROM messages|UPDATE indexed)/.test(sql);
  if (code.startsWith('SQLITE_CORRUPT')) return goesThrough;
  return (
    goesThrough && code === 'SQLITE_ERROR' && error instanceof Error && /message_words|searchable|^SQL logic error/.test(error.message)
  );
}

/**
 * Puts an empty index in the place of whatever there is; inside a transaction it is a part of it. What SQLite throws passes through.
 * What can be dropped is dropped. Dropping may go through the damage, and then only a whole transaction can be taken back: the index is then, and
 * always inside another transaction, forgotten by the schema alone, and its pages stay unused in the file until it is copied.
 */
export function renewIndex(database: Database): void {
  if (database.inTransaction)
    wholly(database, 'SAVEPOINT renewed', 'RELEASE renewed', 'ROLLBACK TO renewed; RELEASE renewed', forget, schema);
  else replace(database, schema);
}

/** Puts the index away, whatever it is like, before a step of the schema that makes another one. Not within a transaction. */
export function putAwayIndex(database: Database): void {
  replace(database, '');
}

function replace(database: Database, by: string): void {
  try {
    wholly(database, 'BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', drop, by);
  } catch {
    wholly(database, 'BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', forget, by);
  }
}

function wholly(database: Database, begin: string, end: string, undo: string, putAway: (database: Database) => void, by: string): void {
  database.exec(begin);
  try {
    database.exec('DROP TRIGGER IF EXISTS message_words_added; DROP TRIGGER IF EXISTS message_words_removed');
    putAway(database);
    database.exec(by);
    database.exec(end);
  } catch (error) {
    if (database.inTransaction) database.exec(undo);
    throw error;
  }
}

const parts = `name LIKE 'message\\_words%' ESCAPE '\\'`;

function drop(database: Database): void {
  database.exec('DROP TABLE IF EXISTS message_words; DROP TABLE IF EXISTS message_words_folded');
  const [row] = database.prepare(`SELECT count(*) AS left FROM sqlite_schema WHERE ${parts}`).all() as { left: number }[];
  if (row?.left !== 0) throw new Error('parts of the index are left');
}

function forget(database: Database): void {
  database.exec('PRAGMA writable_schema = ON');
  try {
    database.exec(`DELETE FROM sqlite_schema WHERE ${parts} OR tbl_${parts}`);
  } finally {
    database.exec('PRAGMA writable_schema = RESET');
  }
}

/** Keeps the folded words of a batch of messages, which `select` gives in the order of their arrival or against it; the last one's number, or null. */
function keepFolded(connection: Connection, select: string, values: Record<string, number>): number | null {
  const sql = `SELECT seq, CAST(text AS BLOB) AS text, CAST(CASE direction WHEN 'in' THEN sender_name ELSE '' END AS BLOB) AS sender FROM messages ${select}`;
  const rows = connection.all(sql, values, (row) => ({ seq: Number(row.seq), text: String(row.text), sender: String(row.sender) }));
  const folded = rows
    .filter(({ text, sender }) => !isPlain(text) || !isPlain(sender))
    .map(({ seq, text, sender }) => [seq, inWords(text), inWords(sender)]);
  if (folded.length > 0) {
    // One statement, as a transaction of its own where there is none: what is kept twice does no harm.
    const keep = `INSERT OR REPLACE INTO message_words_folded SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:folded)`;
    connection.runSoon(keep, { folded: JSON.stringify(folded) });
  }
  return rows.at(-1)?.seq ?? null;
}

const inWords = (text: string): string =>
  foldedWords(text)
    .map(({ folded }) => folded)
    .join(' ');

/** Puts the words of new messages into the index, at most `limit` of them. False: all are in it. */
export function indexNew(connection: Connection, limit: number = newBatch): boolean {
  const last = keepFolded(connection, 'WHERE seq > (SELECT up_to FROM indexed) ORDER BY seq LIMIT :limit', { limit });
  if (last === null) return false;
  // One statement, so that an index that is found damaged here can be made again outside of any transaction. A trigger does the work, and has
  // the index written down at once: a damaged page is met here, and not by the commit of what others have written.
  if (!connection.runSoon('UPDATE indexed SET up_to = :last WHERE up_to < :last', { last })) return false;
  const left = 'SELECT EXISTS (SELECT 1 FROM messages WHERE seq > (SELECT up_to FROM indexed)) AS is_left';
  return connection.one(left, {}, (row) => row.is_left === 1) ?? false;
}

/** Fills a renewed index by one batch. False: everything is in it. */
export function fillIndex(connection: Connection): boolean {
  const below = connection.one('SELECT below FROM unindexed', {}, (row) => Number(row.below));
  if (below === null) return false;
  const first = keepFolded(connection, 'WHERE seq < :below ORDER BY seq DESC LIMIT :limit', { below, limit: indexBatch });
  connection.transaction(() => {
    if (first === null) {
      connection.run('DELETE FROM unindexed', {});
      return;
    }
    // Nothing when the index was renewed meanwhile: it is then filled from the newest message again.
    const words =
      'SELECT seq, text, sender FROM searchable WHERE seq >= :first AND seq < (SELECT below FROM unindexed WHERE below = :below)';
    connection.run(`INSERT INTO message_words (rowid, text, sender) ${words} ORDER BY seq DESC`, { first, below });
    connection.run('UPDATE unindexed SET below = :first WHERE below = :below', { first, below });
  });
  return true;
}
