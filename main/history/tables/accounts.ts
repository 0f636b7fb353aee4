/** The accounts whose conversations a history holds. Every other table names them by a short key. */
import type { Connection } from '../store/connection';

/** The address of the account of a file from before there were several, until that account first asks for its history. */
const unnamed = '';

export interface Accounts {
  /** The key of an address, which is made where it is not there. The account of an earlier file is the first one that asks. @throws AppError storage/* */
  keyOf(address: string): number;
  /** Every account that has something here. */
  keys(): number[];
}

export function accountTable(connection: Connection): Accounts {
  const found = (address: string): number | null =>
    connection.one('SELECT id FROM accounts WHERE address = :address', { address }, (row) => Number(row.id));
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
    keys: () => connection.all('SELECT id FROM accounts ORDER BY id', {}, (row) => Number(row.id)),
  };
}
