/** The messages: kept once each, in their order, and in pages of it. A message whose seal does not hold is read as damaged. */

import type { Logger } from '../../../base/log';
import type { ErrorValue, MessageState } from '../../../preload/contract';
import type { Direction, MessageRecord, Messages, Place } from '../records';
import { messageSearch } from '../search/message-search';
import type { AccountChanges } from '../store/changes';
import type { Connection } from '../store/connection';
import { messageKey, nameOfRow } from '../store/order';
import {
  contentRow,
  conversationColumns,
  conversationOf,
  messageOf,
  packedMessage,
  type RawRow,
  readable,
  storable,
  unpacked,
} from '../store/rows';
import type { Seal, SealedRow } from '../store/seal';

/** The most messages one page holds; a larger `limit` is cut to it. */
export const maximumPage = 1000;

/** Reads a row as a message. One whose seal does not hold is shown as damaged: its text is never taken for what somebody wrote. */
export function messageReader(seal: Seal, log: Logger): (row: RawRow) => MessageRecord {
  const damaged = new Set<number>();
  return (packed) => {
    const row = unpacked(packed);
    const message = messageOf(row);
    if (seal.holds(row as SealedRow, row.seal)) return message;
    const seq = Number(row.seq);
    if (!damaged.has(seq)) {
      damaged.add(seq);
      log.error('a message in the history is damaged', { id: message.id, damagedSoFar: damaged.size });
    }
    return { ...message, content: { kind: 'text', text: '' }, isDamaged: true };
  };
}

interface MessageTableParts {
  seal: Seal;
  changes: AccountChanges;
  messageOfRow: (row: RawRow) => MessageRecord;
  account: number;
  /** Puts the words of all messages into the index for search; a reader leaves that to the writer. */
  indexAll?: () => void;
}

/** The messages of one account, by its key in the table of accounts. */
export function messageTable(
  connection: Connection,
  { seal, changes, messageOfRow, account, indexAll = () => undefined }: MessageTableParts,
): Omit<Messages, 'keepFile' | 'fileOf' | 'fileBytesOf'> {
  /** Names never change, and a conversation is added under an id of its own. */
  const names = new Map<string, string>();
  const nameOf = (conversation: string): string => {
    const sql = `SELECT ${conversationColumns} FROM conversations WHERE id = :conversation`;
    const name = names.get(conversation) ?? connection.one(sql, { conversation }, nameOfRow);
    if (name !== null) names.set(conversation, name);
    return name ?? conversation;
  };
  const one = (id: string, direction?: Direction): MessageRecord | null => {
    const sql = `SELECT ${packedMessage} FROM messages WHERE account = :account AND id = :id AND direction = coalesce(:direction, direction)
      ORDER BY direction DESC LIMIT 1`;
    return connection.raw(sql, { account, id, direction: direction ?? null }, messageOfRow)[0] ?? null;
  };
  const lastOnes = (conversation: string, limit: number): MessageRecord[] => {
    const sql = `SELECT ${packedMessage} FROM messages WHERE conversation = :conversation ORDER BY ordered_at DESC, key DESC LIMIT :limit`;
    return connection.raw(sql, { conversation, limit }, messageOfRow).reverse();
  };
  return {
    addMessage: (record) =>
      changes.write(() => {
        const sealed = storable({
          id: record.id,
          conversation: record.conversation,
          direction: record.direction,
          sender: record.from,
          sender_name: record.fromName,
          sender_device: record.fromDevice,
          ...contentRow(record.content),
          sent_at: record.sentAt,
          received_at: record.receivedAt,
          moved: record.movedBy ?? 0,
          only_with: record.onlyWith ?? null,
        });
        const isAdded = connection.run(
          `INSERT INTO messages (account, id, conversation, direction, sender, sender_name, sender_device, text, kind, content, key, only_with, standalone, reply_to, state, sent_at, received_at, moved, error,
           wants_delivered, wants_displayed, seal)
         SELECT :account, :id, :conversation, :direction, :sender, :sender_name, :sender_device, :text, :kind, :content, :key, :only_with, :standalone, :reply_to, :state, :sent_at, :received_at, :moved, :error,
           :wantsDelivered, :wantsDisplayed, :seal
         WHERE NOT EXISTS (SELECT 1 FROM deleted_messages WHERE account = :account AND id = :id AND direction = :direction)
           AND NOT EXISTS (SELECT 1 FROM messages WHERE key = :key AND account = :account)
         ON CONFLICT (account, id, direction) DO NOTHING`,
          {
            ...sealed,
            account,
            key: messageKey(nameOf(record.conversation), record),
            seal: seal.of(sealed),
            standalone: record.standalone ?? null,
            reply_to: record.replyTo ?? null,
            state: record.state,
            error: record.error === null ? null : JSON.stringify(record.error),
            wantsDelivered: Number(record.wantsDelivered),
            wantsDisplayed: Number(record.wantsDisplayed),
          },
        );
        const { id, direction, conversation } = record;
        if (isAdded) changes.note({ what: 'message', how: 'added', id, direction, conversation });
        return isAdded;
      }),

    nameIn(conversation, message) {
      const name = nameOf(conversation);
      if (!name.startsWith('1|') && !name.startsWith('g|')) return null;
      return { conversation: name, key: message === null ? '' : messageKey(name, message) };
    },

    conversationNamed(name) {
      const [kind, rest] = [name.slice(0, 2), name.slice(2)];
      if (kind !== '1|' && kind !== 'g|') return null;
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE account = :account AND hides IS NULL
          AND ${kind === '1|' ? `kind = 'oneToOne' AND peer = :rest` : `kind = 'group' AND contribution_id = :rest`}
        ORDER BY created_at DESC, rowid DESC LIMIT 1`;
      return connection.one(sql, { account, rest }, conversationOf);
    },

    messageByKey(key) {
      const sql =
        'SELECT CAST(id AS BLOB) AS id, CAST(direction AS BLOB) AS direction FROM messages WHERE account = :account AND key = :key';
      return connection.one(sql, { account, key }, (row) => ({ id: String(row.id), direction: row.direction as Direction }));
    },

    message: one,

    messages(conversation: string, page: { before?: string | undefined; limit: number }): MessageRecord[] {
      const limit = cut(page.limit);
      if (page.before === undefined) return lastOnes(conversation, limit);
      const sql = `SELECT ${packedMessage} FROM messages WHERE conversation = :conversation AND (ordered_at, key) <
          (SELECT ordered_at, key FROM messages WHERE id = :before AND conversation = :conversation ORDER BY ordered_at, key LIMIT 1)
        ORDER BY ordered_at DESC, key DESC LIMIT :limit`;
      return connection.raw(sql, { conversation, before: page.before, limit }, messageOfRow).reverse();
    },

    walk(conversation, from, limit) {
      const sql = `SELECT ${packedMessage}, messages.ordered_at, CAST(messages.key AS BLOB) AS key FROM messages
        WHERE conversation = :conversation AND (ordered_at, key) > (:orderedAt, :key) ORDER BY ordered_at, key LIMIT :limit`;
      const { orderedAt, key } = from ?? { orderedAt: Number.MIN_SAFE_INTEGER, key: '' };
      let end: Place | null = null;
      const messages = connection.raw(sql, { conversation, orderedAt, key, limit: cut(limit) }, (row) => {
        end = { orderedAt: Number(row.ordered_at), key: String(readable(row).key) };
        return messageOfRow(row);
      });
      return { messages, end: messages.length < cut(limit) ? null : end };
    },

    messagesAfter(conversation: string, page: { after: string; limit: number }): MessageRecord[] {
      const limit = cut(page.limit);
      const sql = `SELECT ${packedMessage} FROM messages WHERE conversation = :conversation AND (ordered_at, key) >
          (SELECT ordered_at, key FROM messages WHERE id = :after AND conversation = :conversation ORDER BY ordered_at DESC, key DESC LIMIT 1)
        ORDER BY ordered_at, key LIMIT :limit`;
      return connection.raw(sql, { conversation, after: page.after, limit }, messageOfRow);
    },

    search: messageSearch(connection, messageOfRow, account, indexAll),

    lastMessage(conversation: string): MessageRecord | null {
      return lastOnes(conversation, 1)[0] ?? null;
    },

    newestTime(conversation) {
      const sql = 'SELECT max(ordered_at) AS newest FROM messages WHERE conversation = :conversation';
      return connection.one(sql, { conversation }, (row) => (row.newest === null ? null : Number(row.newest))) ?? null;
    },

    freeTime(conversation, from, mostSteps) {
      const sql = `WITH RECURSIVE taken (at) AS (SELECT :from UNION ALL SELECT at + 1 FROM taken
          WHERE at < :last AND EXISTS (SELECT 1 FROM messages WHERE conversation = :conversation AND ordered_at = taken.at))
        SELECT max(at) AS free FROM taken`;
      return connection.one(sql, { conversation, from, last: from + mostSteps }, (row) => Number(row.free)) ?? from;
    },

    removeMessage(id: string, direction?: Direction): void {
      changes.transaction(() => {
        const message = one(id, direction);
        if (message === null) return;
        const { direction: side, conversation } = message;
        const key = messageKey(nameOf(conversation), message);
        changes.note({ what: 'message', how: 'removed', id, direction: side, conversation, key });
        const named = { account, id, side };
        connection.run('INSERT INTO deleted_messages (account, id, direction) VALUES (:account, :id, :side) ON CONFLICT DO NOTHING', named);
        connection.run('DELETE FROM messages WHERE account = :account AND id = :id AND direction = :side', named);
        if (side === 'in') return;
        connection.run('DELETE FROM receipts WHERE account = :account AND message = :id', { account, id });
        connection.run(`DELETE FROM jobs WHERE account = :account AND message = :id AND kind = 'message'`, { account, id });
      });
    },

    emptyConversation(id: string): void {
      const own = `(SELECT id FROM messages WHERE conversation = :id AND direction = 'out')`;
      changes.transaction(() => {
        changes.note({ what: 'conversation', how: 'emptied', id });
        connection.run(
          `INSERT INTO deleted_messages (account, id, direction) SELECT account, id, direction FROM messages WHERE conversation = :id
           ON CONFLICT DO NOTHING`,
          { id },
        );
        connection.run(`DELETE FROM jobs WHERE account = :account AND kind = 'message' AND message IN ${own}`, { account, id });
        connection.run(`DELETE FROM receipts WHERE account = :account AND message IN ${own}`, { account, id });
        connection.run('DELETE FROM messages WHERE conversation = :id', { id });
        connection.run('DELETE FROM private_drafts WHERE conversation = :id', { id });
        connection.run(`UPDATE conversations SET draft = '', marked_unread = 0, hidden = 1, continued_by = NULL WHERE id = :id`, { id });
        const sql = 'UPDATE conversations SET continues = NULL WHERE continues = :id RETURNING CAST(id AS BLOB) AS id';
        for (const freed of connection.all(sql, { id }, (row) => String(row.id)))
          changes.note({ what: 'conversation', how: 'changed', id: freed });
      });
    },

    setMessageState(id: string, state: MessageState, error: ErrorValue | null = null, direction?: Direction): boolean {
      const sql = `UPDATE messages SET state = :state, error = :error
        WHERE seq = (SELECT seq FROM messages WHERE account = :account AND id = :id AND direction = coalesce(:direction, direction) ORDER BY direction DESC LIMIT 1)
          AND (state IS NOT :state OR error IS NOT :error)
        RETURNING CAST(conversation AS BLOB) AS conversation, CAST(direction AS BLOB) AS direction`;
      const values = { account, id, state, error: error === null ? null : JSON.stringify(error), direction: direction ?? null };
      return changes.write(() => {
        const [changed] = connection.all(sql, values, (row) => ({
          conversation: String(row.conversation),
          direction: row.direction as Direction,
        }));
        if (changed !== undefined) changes.note({ what: 'message', how: 'changed', id, ...changed });
        return changed !== undefined;
      });
    },

    setStandalone(id, mode) {
      const sql = `UPDATE messages SET standalone = :mode WHERE account = :account AND id = :id AND direction = 'out' AND standalone IS NOT :mode
        RETURNING CAST(conversation AS BLOB) AS conversation`;
      changes.write(() => {
        const [changed] = connection.all(sql, { account, id, mode }, (row) => String(row.conversation));
        if (changed !== undefined) changes.note({ what: 'message', how: 'changed', id, direction: 'out', conversation: changed });
      });
    },

    moveMessage(id, direction, movedBy) {
      const named = { account, id, direction };
      const sql = `SELECT ${packedMessage} FROM messages WHERE account = :account AND id = :id AND direction = :direction`;
      return changes.write(() => {
        const [row] = connection.raw(sql, named, unpacked);
        if (row === undefined || row.moved === movedBy || !seal.holds(row as SealedRow, row.seal)) return false;
        const moved = { ...row, moved: movedBy } as SealedRow;
        const set = 'UPDATE messages SET moved = :movedBy, seal = :seal WHERE account = :account AND id = :id AND direction = :direction';
        connection.run(set, { ...named, movedBy, seal: seal.of(moved) });
        changes.note({ what: 'message', how: 'changed', id, direction, conversation: String(row.conversation) });
        return true;
      });
    },

    unread(conversation: string): number {
      const sql = `SELECT count(*) AS unread FROM messages WHERE conversation = :conversation AND direction = 'in' AND state = 'received'`;
      return connection.one(sql, { conversation }, (row) => Number(row.unread)) ?? 0;
    },

    undisplayed(conversation: string, upTo: string): MessageRecord[] {
      const sql = `SELECT ${packedMessage} FROM messages WHERE conversation = :conversation AND direction = 'in' AND state = 'received' AND (ordered_at, key) <=
          (SELECT ordered_at, key FROM messages WHERE id = :upTo AND conversation = :conversation ORDER BY ordered_at DESC, key DESC LIMIT 1)
        ORDER BY ordered_at, key`;
      return connection.raw(sql, { conversation, upTo }, messageOfRow);
    },
  };
}

function cut(limit: number): number {
  return Math.max(0, Math.min(maximumPage, Math.trunc(limit)));
}
