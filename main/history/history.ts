/**
 * Everything this device remembers: conversations, messages, receipts, and the jobs that still have to leave. The only SQL of the client.
 *
 * When a call returns, its effect is on disk: WAL with synchronous=FULL, so neither a killed process nor a power cut takes it back. This lets
 * the layers above acknowledge to the network. Calls that belong together go into one `transaction`.
 * Messages stand in the order (sentAt + movedBy, key of the message), whatever order they came in: the same on every page and every own device.
 * Each table is written and read in a file of its own; this file is the face of them all. One file holds all accounts of a profile, and each is given
 * its own part alone (`ProfileHistory.of`): two accounts may be in one group, and so have the same message, and each has its own 1-1 with the same person.
 *
 * The file is encrypted page by page (libsql, aes256cbc). The cipher is not authenticated: SQLite notices damage to a page only when the page no
 * longer makes sense. The words, sender and time of each message are therefore sealed row by row (seal.ts), and shown only while the seal holds.
 */
import type { Database } from 'libsql';
import type { Clock, Timekeeper } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Emitter } from '../../base/emitter';
import { drop, type Logger } from '../../base/log';
import { AppError } from '../../preload/contract/errors';
import type { OwnStore } from '../own/store';
import { foldOnThread, type HistoryReader, readerOf, readOnThread, tablesToRead } from './reading/reader';
import type { Change, Conversations, Jobs, Messages, Overviews, Receipts } from './records';
import { fillIndex, indexNew, mayBeOfTheIndex, putAwayIndex, renewIndex } from './search/search-index';
import { Changes, type InsideListener } from './store/changes';
import { Connection, type ConnectionOptions, type SyncFile } from './store/connection';
import { checkLog, type LogLoss } from './store/log-rescue';
import { foldedVersion, migrate, migrations, orderedVersion, readVersion, sealedVersion } from './store/migrations';
import { orderByKey } from './store/order';
import { Seal } from './store/seal';
import { accountTable } from './tables/accounts';
import { conversationTable } from './tables/conversations';
import { jobTable } from './tables/jobs';
import { messageReader } from './tables/messages';
import { overviewTable } from './tables/overview';
import { ownTable } from './tables/own';

/** How many conversations, newest first, are looked at when the history is opened. */
const lookedAtFirst = 20;

/** The history of a profile. */
export interface ProfileHistory extends Disposable {
  /** What an account remembers, by its address of record. @throws AppError storage/* */
  of(account: string): History;
  /** Forgets an account and everything of it; not even the free parts of the file keep any. Nobody may use its part any more. @throws AppError storage/* */
  forget(account: string): void;
  /** Waits for the reader, then disposes. */
  close(): Promise<void>;
}

/** One account's part. Every method throws AppError storage/full, storage/unreadable or storage/failed, and has then changed nothing. */
export interface History extends Conversations, Messages, Receipts, Jobs, Overviews {
  /** What each transaction has changed, every message and conversation once, after its commit: all that drivers are told comes from here. */
  readonly onChange: Pick<Emitter<readonly Change[]>, 'on'>;
  /** Calls `listener` as the last work inside each transaction that changes something; what it throws undoes that transaction. */
  inside(listener: InsideListener): Disposable;
  /** What the own devices share. */
  readonly own: OwnStore;
  /** Puts words into the index for search, a little at a time: those of new messages, and all of them after damage. False: all are in it. */
  fillIndex(): boolean;
  /** Runs `work`, which must not be asynchronous, wholly or not at all. A transaction inside another is a part of it that can fail alone. */
  transaction<T>(work: () => T): T;
  /** Like `transaction`, but is kept for certain only once `onDisk` has resolved, and is told then: many of them are committed and synced together. */
  soon<T>(work: () => T): T;
  /**
   * Resolves when everything written so far is on disk: only then is it acknowledged, and may leave. Many wait for one sync together. Null: there is
   * nothing to wait for. `job`: only that job, and what was written with it or before it, need be there. Rejects with AppError `storage/*`.
   */
  onDisk(job?: number): Promise<void> | null;
  /** For reads that may take long. */
  readonly reader: HistoryReader;
}

export type { LogLoss };

export interface HistoryOptions {
  file: string;
  key: string;
  log: Logger;
  foundDamaged?: (error: AppError) => void;
  /** Told once it is open, that the write-ahead log had lost something that was acknowledged. */
  foundLost?: (loss: LogLoss) => void;
  /** Measures the idle second after which the log is folded in. */
  clock?: Timekeeper | undefined;
  /** On which thread the reader reads: one that runs the built `read-thread.ts`; on this one when absent. */
  thread?: { script: string; clock: Clock } | undefined;
  /** How `soon` is synced, see `Connection`. */
  sync?: SyncFile | undefined;
}

/**
 * Opens the history, making it when the file is not there.
 * `key` is hex and never leaves this call. Throws AppError: storage/unreadable for a wrong key, a damaged or foreign file, missing
 * rights or a migration that failed; storage/newer; storage/full; storage/failed for the rest.
 * `foundDamaged` is told once, also while it opens, when SQLite notices that the file is not in order: from then on nothing of it can be relied on.
 */
export function openHistory(options: HistoryOptions): ProfileHistory {
  const { file, key, log, thread, sync, clock, foundDamaged = () => undefined } = options;
  const seal = new Seal(key);
  const raise = (database: Database) =>
    migrate({ database, file, key, log }, migrations, (version) => {
      if (version === sealedVersion) seal.sealAll(database);
      if (version === orderedVersion) orderByKey(database, seal);
    });
  const prepare = (database: Database) => {
    try {
      raise(database);
    } catch (error) {
      const isUnreadable = error instanceof AppError && error.code === 'storage/unreadable';
      if (!isUnreadable || readVersion(database) !== foldedVersion - 1) throw error;
      log.error('the index for search is damaged and is put away', { error: String(error) });
      putAwayIndex(database);
      raise(database);
    }
  };
  const mend: ConnectionOptions['mend'] = (database, error, sql) => {
    if (!mayBeOfTheIndex(error, sql)) return false;
    log.error('the index for search is damaged and is made anew', { error: String(error) });
    try {
      renewIndex(database);
      return true;
    } catch (again) {
      log.error('the index for search cannot be made anew', { error: String(again) });
      return false;
    }
  };
  const loss = checkLog({ file, key, log });
  const queue = thread === undefined ? null : readOnThread({ file, key, log, ...thread });
  const fold = queue === null ? undefined : () => foldOnThread(queue);
  const connection = new Connection({ file, key, prepare, foundDamaged, mend, sync, clock, fold });
  if (loss !== null) options.foundLost?.(loss);
  const dispose = () => {
    drop(queue?.close() ?? Promise.resolve(), log, 'closing the reader');
    changes.dispose();
    const error = connection.close();
    // Nothing is lost: what is in the -wal file is read at the next opening.
    if (error !== null) log.warn('the history was closed without folding in its write-ahead log', { error: String(error) });
  };
  const changes = new Changes(connection);
  const messageOfRow = messageReader(seal, log);
  const accounts = accountTable(connection);
  const parts = { seal, messageOfRow, clocks: new Map() };
  connection.onUndone(() => parts.clocks.clear());
  /** What cannot be indexed, because the disk is full for example, is not found; the rest is. */
  const indexSome = (): boolean => {
    try {
      return indexNew(connection);
    } catch (error) {
      log.error('new messages are not in the index for search', { error: String(error) });
      return false;
    }
  };
  const indexAll = () => {
    while (indexSome());
  };
  const histories = new Map<number, History>();
  /** One for each account: it remembers what it has read. */
  const historyOf = (account: number): History => {
    const history = histories.get(account) ?? newHistory(account);
    histories.set(account, history);
    return history;
  };
  const newHistory = (account: number): History => {
    const own = changes.of(account);
    const tables = tablesToRead(connection, { ...parts, changes: own, account, indexAll });
    const prepare = (isSearch: boolean): boolean => {
      const isLeft = isSearch && indexSome();
      connection.settle();
      return isLeft;
    };
    return {
      ...conversationTable(connection, own, account),
      ...overviewTable(connection, messageOfRow, account),
      ...tables,
      ...jobTable(connection, account),
      own: ownTable(connection, own, account),
      fillIndex: () => indexNew(connection) || fillIndex(connection),
      onChange: own.onChange,
      inside: own.inside,
      transaction: own.transaction,
      soon: own.soon,
      onDisk: (job) => connection.onDisk(job),
      reader: readerOf(tables, queue === null ? null : { queue, account, prepare }, log),
    };
  };
  try {
    for (const account of accounts.keys()) look(historyOf(account));
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    of: (account) => historyOf(accounts.keyOf(account)),
    forget: (account) => accounts.forget(account),
    dispose,
    close: () => (queue?.close() ?? Promise.resolve()).finally(dispose),
  };
}

/** Reads what the first screen needs, so that damage is found before anything builds on it. */
function look(history: History): void {
  history.jobs();
  for (const { id } of history.conversations().slice(0, lookedAtFirst)) {
    history.marks(id);
    history.unread(id);
    history.lastMessage(id);
  }
}
