/** The accounts whose conversations a history holds. Every other table names them by a short key. */
import type { Connection } from '../store/connection';

/** The address of the account of a file from before there were several, until that account first asks for its history. */
const unnamed = '';

export interface Accounts {
  /** The key of an address, which is made where it is not there. The account of an earlier file is the first one that asks. @throws AppError storage/* */
  keyOf(address: string): number;
  /** Removes an account with everything that any table has of it, and writes the file again without that. @throws AppError storage/* */
  forget(address: string): void;
  /** Every account that has something here. */
  keys(): number[];
}

export function accountTable(connection: Connection): Accounts {
  const found = (address: string): number | null =>
    connection.one('SELECT id FROM accounts WHERE address = :address', { address }, (row) => Number(row.id));
  const tablesWith = (column: string): string[] =>
    connection.all(
      `SELECT CAST(t.name AS BLOB) AS name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = :column`,
      { column },
      (row) => String(row.name),
    );
  return {
    keyOf: (address) => {
      const known = found(address);
      if (known !== null) return known;
      connection.transaction(() => {
        if (connection.run('UPDATE accounts SET address = :address WHERE address = :unnamed', { address, unnamed })) return;
        connection.run('INSERT INTO accounts (address) VALUES (:address)', { address });
      });
      return found(address) as number;
    },
    forget: (address) => {
      const account = found(address);
      if (account === null) return;
      connection.transaction(() => {
        // What belongs to a message or a conversation goes before it; a table that names no account belongs to a conversation.
        for (const table of tablesWith('account'))
          if (table !== 'conversations') connection.run(`DELETE FROM ${table} WHERE account = :account`, { account });
        for (const table of tablesWith('conversation'))
          connection.run(`DELETE FROM ${table} WHERE conversation IN (SELECT id FROM conversations WHERE account = :account)`, { account });
        connection.run('DELETE FROM conversations WHERE account = :account', { account });
        connection.run('DELETE FROM accounts WHERE id = :account', { account });
      });
      connection.compact();
    },
    keys: () => connection.all('SELECT id FROM accounts ORDER BY id', {}, (row) => Number(row.id)),
  };
}
