/** The octets of messages that hold a file. They go with their message, by a trigger of the schema. */
import { digest } from '../../../base/digest';
import type { Messages } from '../records';
import type { Connection } from '../store/connection';

/** The files of one account, by its key in the table of accounts. */
export function fileTable(connection: Connection, account: number): Pick<Messages, 'keepFile' | 'fileOf' | 'fileBytesOf'> {
  return {
    keepFile({ id, direction }, octets) {
      const sql = `INSERT INTO files (account, message, direction, size, octets) VALUES (:account, :id, :direction, :size, :octets)
        ON CONFLICT (account, message, direction) DO NOTHING`;
      connection.run(sql, { account, id, direction, size: octets.length, octets: Buffer.from(octets).toString('base64') });
    },

    fileOf({ id, direction, content }) {
      if (content.kind !== 'file') return null;
      const sql = 'SELECT octets FROM files WHERE account = :account AND message = :id AND direction = :direction';
      const octets = connection.one(sql, { account, id, direction }, (row) => Buffer.from(String(row.octets), 'base64'));
      const isWhole = octets !== null && digest(octets) === content.digest;
      return isWhole ? octets : null;
    },

    fileBytesOf(sender) {
      const sql = `SELECT coalesce(sum(files.size), 0) AS bytes FROM files JOIN messages
        ON messages.account = files.account AND messages.id = files.message AND messages.direction = files.direction
        WHERE files.account = :account AND messages.sender = :sender`;
      return connection.one(sql, { account, sender }, (row) => Number(row.bytes)) ?? 0;
    },
  };
}
