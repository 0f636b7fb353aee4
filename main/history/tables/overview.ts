/** What is told of a conversation or a message when it has changed, each in one read. */
import type { ReceiptValue } from '../../../preload/contract';
import type { Direction, MessageRecord, Overview, Overviews, ToldMessage } from '../records';
import type { Connection } from '../store/connection';
import { conversationColumns, conversationOf, packedMessage, type RawRow, readable } from '../store/rows';

/** The receipts of the outgoing message at hand, as JSON; see `packedMessage` for the casts. */
const packedReceipts = `(SELECT CAST(json_group_array(json_array(address, device, disposition, at)) AS BLOB) FROM
  (SELECT CAST(address AS TEXT) AS address, CAST(device AS TEXT) AS device, CAST(disposition AS TEXT) AS disposition, at FROM receipts
   WHERE receipts.account = messages.account AND receipts.message = messages.id AND messages.direction = 'out' ORDER BY at, address, disposition, device)) AS receipts`;

const overviewSql = `SELECT ${conversationColumns}, CAST(conversations.draft AS BLOB) AS draft, conversations.marked_unread, conversations.hidden,
    (SELECT count(*) FROM messages WHERE conversation = conversations.id AND direction = 'in' AND state = 'received') AS unread,
    (SELECT CAST(name AS BLOB) FROM group_icons WHERE conversation = conversations.id) AS icon_name,
    (SELECT CAST(json_group_array(json_array(address, draft)) AS BLOB) FROM
      (SELECT CAST(address AS TEXT) AS address, CAST(draft AS TEXT) AS draft FROM private_drafts
       WHERE conversation = conversations.id ORDER BY private_drafts.address)) AS private_drafts,
    messages.seq, ${packedMessage}, ${packedReceipts}
  FROM conversations LEFT JOIN messages ON messages.seq =
    (SELECT seq FROM messages WHERE conversation = conversations.id ORDER BY ordered_at DESC, key DESC LIMIT 1)`;

/** What is told of one account's conversations and messages; `account` is its key in the table of accounts. */
export function overviewTable(connection: Connection, messageOfRow: (row: RawRow) => MessageRecord, account: number): Overviews {
  const toldOf = (row: RawRow): ToldMessage => ({
    message: messageOfRow(row),
    receipts: listOf<[string, string, ReceiptValue['disposition'], number]>(row.receipts).map(([address, device, disposition, at]) => ({
      address,
      device: device === '' ? null : device,
      disposition,
      at,
    })),
  });
  const overviewOf = (raw: RawRow): Overview => {
    const row = readable(raw);
    return {
      record: conversationOf(row),
      marks: { draft: String(row.draft), markedUnread: row.marked_unread === 1, isHidden: row.hidden === 1 },
      unread: Number(row.unread),
      iconName: typeof row.icon_name === 'string' ? row.icon_name : null,
      privateDrafts: listOf<[string, string]>(raw.private_drafts).map(([address, text]) => ({ address, text })),
      last: row.seq === null ? null : toldOf(raw),
    };
  };
  return {
    overview: (conversation) =>
      connection.raw(
        `${overviewSql} WHERE conversations.id = :conversation AND conversations.account = :account`,
        { conversation, account },
        overviewOf,
      )[0] ?? null,
    overviews: () =>
      connection.raw(
        `${overviewSql} WHERE conversations.account = :account ORDER BY conversations.activity_at DESC, conversations.rowid DESC`,
        { account },
        overviewOf,
      ),
    toldMessage: (id: string, direction: Direction) => {
      const sql = `SELECT ${packedMessage}, ${packedReceipts} FROM messages WHERE account = :account AND id = :id AND direction = :direction`;
      return connection.raw(sql, { account, id, direction }, toldOf)[0] ?? null;
    },
  };
}

function listOf<T>(packed: RawRow[string] | undefined): T[] {
  return packed === null || packed === undefined ? [] : (JSON.parse(Buffer.from(packed as ArrayBuffer).toString('utf8')) as T[]);
}
