/** Finds messages by their words, newest first. search.ts reads what was typed. */

import type { Hit, HitPlace, MessageRecord, Messages, Place } from '../records';
import type { Connection } from '../store/connection';
import { packedMessage, type RawRow } from '../store/rows';
import { matchExpression, parseSearch, type SearchQuery, snippetOf } from './search';

/** The most hits of a search; a larger `limit` is cut to it. */
const maximumHits = 1000;

/** Where a hit stands: in the order of messages, and by arrival. */
interface FoundPlace extends Place {
  seq: number;
}

/** The place after all messages: no key begins with a tilde. */
const afterAll: FoundPlace = { orderedAt: Number.MAX_SAFE_INTEGER, key: '~', seq: Number.MAX_SAFE_INTEGER };

/** `indexed` puts the words of all messages into the index. */
export function messageSearch(
  connection: Connection,
  messageOfRow: (row: RawRow) => MessageRecord,
  account: number,
  indexed: () => void,
): Messages['search'] {
  /** The first and last arrival among the messages of a span of time: the index of words knows no dates. */
  const arrivals = (sent: SearchQuery['sent']): { first: number; last: number } => {
    const all = { first: 0, last: Number.MAX_SAFE_INTEGER };
    if (sent === null) return all;
    const sql =
      'SELECT min(seq) AS first, max(seq) AS last FROM messages WHERE account = :account AND ordered_at >= :from AND ordered_at < :to';
    const found = connection.one(sql, { account, ...sent }, (row) => ({ first: Number(row.first ?? 1), last: Number(row.last ?? 0) }));
    return found ?? all;
  };
  const placeOf = (hit: HitPlace): FoundPlace | null => {
    const sql =
      'SELECT ordered_at, CAST(key AS BLOB) AS key, seq FROM messages WHERE account = :account AND id = :id AND direction = :direction';
    return connection.one(sql, { account, id: hit.id, direction: hit.direction }, (row) => ({
      orderedAt: Number(row.ordered_at),
      key: String(row.key),
      seq: Number(row.seq),
    }));
  };
  return (typed, wanted, before) => {
    const query = parseSearch(typed);
    const place = before === undefined ? afterAll : placeOf(before);
    if (query === null || place === null) return [];
    const hitOf = (row: RawRow): Hit => {
      const message = messageOfRow(row);
      return { message, snippet: snippetOf(message.content.text, query) };
    };
    const limit = Math.max(0, Math.min(maximumHits, Math.trunc(wanted)));
    const { from, to } = query.sent ?? { from: 0, to: Number.MAX_SAFE_INTEGER };
    const match = matchExpression(query);
    if (match === null) {
      const sql = `SELECT ${packedMessage} FROM messages WHERE ordered_at >= :from AND ordered_at < :to AND (ordered_at, key) < (:orderedAt, :key)
        AND account = :account ORDER BY ordered_at DESC, key DESC LIMIT :limit`;
      const { orderedAt, key } = place;
      return connection.raw(sql, { account, from, to, orderedAt, key, limit }, hitOf);
    }
    indexed();
    // FTS5 walks the words from the newest message down and stops at the limit: nothing is sorted, and nothing is read twice.
    const sql = `SELECT ${packedMessage} FROM message_words CROSS JOIN messages ON messages.seq = message_words.rowid
      WHERE message_words MATCH :match AND message_words.rowid >= :first AND message_words.rowid <= :last
        AND messages.ordered_at >= :from AND messages.ordered_at < :to AND messages.account = :account
      ORDER BY message_words.rowid DESC LIMIT :limit`;
    const { first, last } = arrivals(query.sent);
    return connection.raw(sql, { account, match, first, last: Math.min(last, place.seq - 1), from, to, limit }, hitOf);
  };
}
