/** Opens the encrypted file of a history. */
import { chmodSync, closeSync, openSync } from 'node:fs';
import Libsql from 'libsql';

/** How much of the file is kept decrypted in memory. */
const cacheKibibytes = 16_384;
/** How long a write waits for another process that holds the file, such as a backup program. */
const busyTimeoutMs = 2000;

/** The bare database of a file that is there. `key` is hex. What the driver throws passes through. */
export function openDatabase(file: string, key: string): Libsql.Database {
  return new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
}

export function openToWrite(file: string, key: string, prepare: (database: Libsql.Database) => void): Libsql.Database {
  // Made first, so that the file and the -wal and -shm files that inherit its mode belong to this user alone.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  return opened(file, key, (database) => {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    prepare(database);
  });
}

export function openToRead(file: string, key: string): Libsql.Database {
  // The driver would make a file that is not there.
  closeSync(openSync(file, 'r'));
  return opened(file, key, (database) => database.exec('PRAGMA query_only = ON'));
}

function opened(file: string, key: string, prepare: (database: Libsql.Database) => void): Libsql.Database {
  const database = openDatabase(file, key);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    database.exec(`PRAGMA cache_size = -${cacheKibibytes}`);
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
