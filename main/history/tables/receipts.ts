/** What other people's devices have said: that a message has arrived or was seen, and what time their clocks show. */
import type { ReceiptValue } from '../../../preload/contract';
import type { PeerClock, ReceiptRecord, Receipts } from '../records';
import type { AccountChanges } from '../store/changes';
import type { Connection } from '../store/connection';
import { clockOf, receiptColumns } from '../store/rows';

/** How many clocks are remembered. */
const maximumKnownClocks = 500;

/** The clocks that were read lately; null: nothing is known of it. Whoever makes it empties it when a write is undone. */
export type KnownClocks = Map<string, PeerClock | null>;

/** The receipts of one account's messages, by its key in the table of accounts. Every account meets the same clocks. */
export function receiptTable(connection: Connection, changes: AccountChanges, account: number, clocks: KnownClocks = new Map()): Receipts {
  const remember = (device: string, clock: PeerClock | null) => {
    if (clocks.size >= maximumKnownClocks) clocks.clear();
    clocks.set(device, clock);
    return clock;
  };
  return {
    addReceipt(receipt: ReceiptRecord): boolean {
      const values = {
        account,
        message: receipt.message,
        address: receipt.address,
        disposition: receipt.disposition,
        device: receipt.device ?? '',
        at: receipt.at,
      };
      const sql = `INSERT INTO receipts (account, message, address, disposition, device, at)
        VALUES (:account, :message, :address, :disposition, :device, :at)
        ON CONFLICT (account, message, address, disposition, device) DO NOTHING
        RETURNING (SELECT CAST(conversation AS BLOB) FROM messages WHERE account = :account AND id = :message AND direction = 'out') AS conversation`;
      return changes.write(() => {
        const [added] = connection.all(sql, values, ({ conversation }) => ({ conversation }));
        if (added === undefined) return false;
        // A receipt for a message that is not here is kept, and changes nothing that is shown.
        if (typeof added.conversation === 'string')
          changes.note({ what: 'message', how: 'changed', id: receipt.message, direction: 'out', conversation: added.conversation });
        return true;
      });
    },

    receipts(message: string): ReceiptValue[] {
      const sql = `SELECT ${receiptColumns} FROM receipts WHERE account = :account AND message = :message ORDER BY at, address, disposition, device`;
      return connection.all(sql, { account, message }, (row) => ({
        address: String(row.address),
        device: row.device === '' ? null : String(row.device),
        disposition: row.disposition as ReceiptValue['disposition'],
        at: Number(row.at),
      }));
    },

    clockOf(device) {
      const sql = 'SELECT at_least, at_most, measured_at, shown, dated, placed FROM peer_clocks WHERE device = :device';
      const known = clocks.get(device);
      return known === undefined ? remember(device, connection.one(sql, { device }, clockOf)) : known;
    },

    putClock(device, clock) {
      const sql = `INSERT INTO peer_clocks (device, at_least, at_most, measured_at, shown, dated, placed)
        VALUES (:device, :atLeast, :atMost, :measuredAt, :shown, :dated, :placed)
        ON CONFLICT (device) DO UPDATE SET at_least = :atLeast, at_most = :atMost, measured_at = :measuredAt, shown = :shown, dated = :dated, placed = :placed`;
      connection.run(sql, { device, ...clock });
      remember(device, clock);
    },
  };
}
