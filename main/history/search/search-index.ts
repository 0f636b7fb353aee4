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
import type { Connection } from '../store/connection';

/** Old messages whose words go into a new index at once: some ten milliseconds of work. */
export const indexBatch = 500;
/** New messages whose words go into the index at once, while other work waits. */
const newBatch = 50;

/**
 * The index as in the newest schema; see migrations.ts for its history. While it is being filled, `unindexed` names the message below which nothing is
 * in it yet: the words of those messages are never taken out.
 */
const schema = `
  CREATE VIRTUAL TABLE message_words USING fts5 (text, sender, content = 'searchable', content_rowid = 'seq',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4');
  INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
  CREATE TRIGGER message_words_removed AFTER DELETE ON messages
    WHEN old.seq >= coalesce((SELECT below FROM unindexed), 0) AND old.seq <= (SELECT up_to FROM indexed) BEGIN
    INSERT INTO message_words (message_words, rowid, text, sender)
      VALUES ('delete', old.seq, old.text, CASE old.direction WHEN 'in' THEN old.sender_name ELSE '' END);
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
  if (database.inTransaction) {
    wholly(database, 'SAVEPOINT renewed', 'RELEASE renewed', 'ROLLBACK TO renewed; RELEASE renewed', forget);
    return;
  }
  try {
    wholly(database, 'BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', drop);
  } catch {
    wholly(database, 'BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK', forget);
  }
}

function wholly(database: Database, begin: string, end: string, undo: string, putAway: (database: Database) => void): void {
  database.exec(begin);
  try {
    database.exec('DROP TRIGGER IF EXISTS message_words_added; DROP TRIGGER IF EXISTS message_words_removed');
    putAway(database);
    database.exec(schema);
    database.exec(end);
  } catch (error) {
    if (database.inTransaction) database.exec(undo);
    throw error;
  }
}

const parts = `name LIKE 'message\\_words%' ESCAPE '\\'`;

function drop(database: Database): void {
  database.exec('DROP TABLE IF EXISTS message_words');
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

/** Puts the words of new messages into the index, at most `limit` of them. False: all are in it. */
export function indexNew(connection: Connection, limit: number = newBatch): boolean {
  // One statement, so that an index that is found damaged here can be made again outside of any transaction. A trigger does the work, and has
  // the index written down at once: a damaged page is met here, and not by the commit of what others have written.
  const sql = `UPDATE indexed SET up_to = last FROM (SELECT max(seq) AS last FROM
    (SELECT seq FROM messages WHERE seq > (SELECT up_to FROM indexed) ORDER BY seq LIMIT :limit)) WHERE last IS NOT NULL`;
  if (!connection.runSoon(sql, { limit })) return false;
  const left = 'SELECT EXISTS (SELECT 1 FROM messages WHERE seq > (SELECT up_to FROM indexed)) AS is_left';
  return connection.one(left, {}, (row) => row.is_left === 1) ?? false;
}

/** Fills a renewed index by one batch. False: everything is in it. */
export function fillIndex(connection: Connection): boolean {
  const below = connection.one('SELECT below FROM unindexed', {}, (row) => Number(row.below));
  if (below === null) return false;
  connection.transaction(() => {
    const batch = `FROM searchable WHERE seq < :below ORDER BY seq DESC LIMIT ${indexBatch}`;
    const first = connection.one(`SELECT min(seq) AS seq FROM (SELECT seq ${batch})`, { below }, (row) => row.seq ?? null) ?? null;
    if (first === null) {
      connection.run('DELETE FROM unindexed', {});
      return;
    }
    connection.run(`INSERT INTO message_words (rowid, text, sender) SELECT seq, text, sender ${batch}`, { below });
    connection.run('UPDATE unindexed SET below = :first', { first });
  });
  return true;
}
