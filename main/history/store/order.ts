/**
 * The order of messages, which own devices can agree on: (when it was written, key of the message). No counter of this device decides it.
 *
 * The key names a message in whatever way it came to a device: the conversation's name, the direction, in a group the sender, and the
 * imdn.Message-ID. The conversation and the sender are in it so that nobody can suppress another's message by using its ID. LAB: SHA-256, its
 * first 15 bytes.
 */
import type { Database } from 'libsql';
import { digest } from '../../../base/digest';
import type { ConversationRecord, MessageRecord } from '../records';
import { columnsOf, type RawRow, readable } from './rows';
import type { Seal, SealedRow } from './seal';

/** Messages read at once while an older history is brought into this order. */
const batch = 1000;

/** The same on every own device: whom it is with, or which group or anonymous exchange it is. */
export function conversationName({
  id,
  kind,
  peer,
  conversationId,
  contributionId,
  hides,
}: Pick<ConversationRecord, 'id' | 'kind' | 'peer' | 'conversationId' | 'contributionId' | 'hides'>): string {
  if (hides !== undefined) return `h|${hides}|${conversationId}`;
  return kind === 'group' ? `g|${contributionId ?? id}` : `1|${peer ?? id}`;
}

/** `conversation` as `conversationName` gives it. What follows a line end in an id only tells it from others on this device. */
export function messageKey(conversation: string, { direction, from, id }: Pick<MessageRecord, 'direction' | 'from' | 'id'>): string {
  const sender = conversation.startsWith('g|') ? from : '';
  return digest(JSON.stringify(['own1', conversation, direction, sender, id.split('\n', 1)[0]]));
}

const indexes = `
  DROP INDEX messages_in_order;
  DROP INDEX messages_unread;
  DROP INDEX messages_by_time;
  CREATE INDEX messages_in_order ON messages (conversation, ordered_at, key);
  CREATE INDEX messages_unread ON messages (conversation, ordered_at, key) WHERE direction = 'in' AND state = 'received';
  CREATE INDEX messages_by_time ON messages (ordered_at, key);
  CREATE INDEX messages_by_key ON messages (key);`;

/**
 * Brings an older history into this order, inside the migration's transaction. Messages with the same time, so far ordered by their
 * arrival, get times a millisecond apart, so that nothing a person has seen changes places.
 */
export function orderByKey(database: Database, seal: Seal): void {
  const names = namesOf(database);
  const page = database.prepare(`SELECT seq, ordered_at, CAST(conversation AS BLOB) AS conversation, CAST(direction AS BLOB) AS direction,
      CAST(sender AS BLOB) AS sender, CAST(id AS BLOB) AS id FROM messages
    WHERE (conversation, ordered_at, seq) > (?, ?, ?) ORDER BY conversation, ordered_at, seq LIMIT ${batch}`);
  const setKey = database.prepare('UPDATE messages SET key = ? WHERE seq = ?');
  const moved: { seq: number; by: number }[] = [];
  let place: [string, number, number] = ['', Number.MIN_SAFE_INTEGER, 0];
  let newest = { conversation: '', at: Number.MIN_SAFE_INTEGER };
  for (;;) {
    const rows = (page.all(...place) as RawRow[]).map(readable);
    for (const row of rows) {
      const [conversation, at, seq] = [String(row.conversation), Number(row.ordered_at), Number(row.seq)];
      const from = { direction: row.direction as MessageRecord['direction'], from: String(row.sender), id: String(row.id) };
      setKey.run(messageKey(names.get(conversation) ?? conversation, from), seq);
      if (newest.conversation !== conversation) newest = { conversation, at: Number.MIN_SAFE_INTEGER };
      const free = Math.max(at, newest.at + 1);
      if (free !== at) moved.push({ seq, by: free - at });
      newest.at = free;
      place = [conversation, at, seq];
    }
    if (rows.length < batch) break;
  }
  move(database, seal, moved);
  database.exec(indexes);
}

function namesOf(database: Database): Map<string, string> {
  const sql = `SELECT CAST(id AS BLOB) AS id, CAST(kind AS BLOB) AS kind, CAST(peer AS BLOB) AS peer, CAST(conversation_id AS BLOB) AS conversation_id,
    CAST(contribution_id AS BLOB) AS contribution_id, CAST(hides AS BLOB) AS hides FROM conversations`;
  const rows = (database.prepare(sql).all() as RawRow[]).map(readable);
  return new Map(rows.map((row) => [String(row.id), nameOfRow(row)]));
}

/** The name of a conversation by its row. */
export function nameOfRow(row: Readonly<Record<string, string | number | null>>): string {
  const textOrNull = (value: string | number | null | undefined) => (typeof value === 'string' ? value : null);
  return conversationName({
    id: String(row.id),
    kind: row.kind === 'group' ? 'group' : 'oneToOne',
    peer: textOrNull(row.peer),
    conversationId: String(row.conversation_id),
    contributionId: textOrNull(row.contribution_id),
    ...(row.hides === 'self' || row.hides === 'peer' ? { hides: row.hides } : {}),
  });
}

/** Where a message stands is under its seal. One whose seal does not hold keeps it, and so goes on showing as damaged. */
function move(database: Database, seal: Seal, moved: readonly { seq: number; by: number }[]): void {
  const known = database.prepare(`SELECT name FROM pragma_table_info('messages')`).all() as { name: string }[];
  const one = database.prepare(`SELECT ${columnsOf('messages', new Set(known.map(({ name }) => name)))} FROM messages WHERE seq = ?`);
  const update = database.prepare('UPDATE messages SET moved = ?, seal = ? WHERE seq = ?');
  for (const { seq, by } of moved) {
    const [row] = (one.all(seq) as RawRow[]).map(readable);
    if (row === undefined) continue;
    const placed = { ...row, moved: Number(row.moved) + by } as unknown as SealedRow & { moved: number };
    update.run(placed.moved, seal.holds(row as SealedRow, row.seal) ? seal.of(placed) : String(row.seal), seq);
  }
}
