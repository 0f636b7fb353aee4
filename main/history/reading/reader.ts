/**
 * Reads that may take long. They run on another thread, so that this one goes on answering the network, and see everything that was committed
 * before they were asked.
 *
 * The thread only reads. When it meets an error, the same question is put to the history itself, which can rebuild its index and knows what damage
 * means.
 */
import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/log';
import type { Hit, HitPlace, MessageRecord, Messages, Place, Receipts } from '../records';
import { Changes } from '../store/changes';
import { Connection } from '../store/connection';
import type { Folded } from '../store/folding';
import { Seal } from '../store/seal';
import { fileTable } from '../tables/files';
import { messageReader, messageTable } from '../tables/messages';
import { type KnownClocks, receiptTable } from '../tables/receipts';
import { nodeThread, ReadQueue } from './read-queue';
import type { Reading, TranscriptEntry } from './thread-messages';

/** How many messages are read at once when a whole conversation is wanted. */
const transcriptPage = 200;

export interface HistoryReader {
  /**
   * As `Messages.search`. `passing`: somebody is still typing; the next passing search replaces this one, which fails with `search/superseded`.
   * @throws AppError storage/*
   */
  search(typed: string, limit: number, more?: { before?: HitPlace | undefined; passing?: boolean }): Promise<Hit[]>;
  /** Every message of a conversation, oldest first. */
  transcript(conversation: string): AsyncGenerator<TranscriptEntry>;
}

/** What is read of an open history. */
type Read = Pick<Messages & Receipts, 'search' | 'walk' | 'receipts'>;

function readingOf(history: Read): Reading {
  return {
    search: (typed, limit, before) => history.search(typed, limit, before),
    transcript: (conversation, from, limit) => {
      const { messages, end } = history.walk(conversation, from, limit);
      const receiptsOf = ({ direction, id }: MessageRecord) => (direction === 'out' ? history.receipts(id) : []);
      return { entries: messages.map((message) => ({ message, receipts: receiptsOf(message) })), end };
    },
  };
}

/** The tables of one account that a reader reads. */
export function tablesToRead(
  connection: Connection,
  parts: Parameters<typeof messageTable>[1] & { clocks?: KnownClocks },
): Messages & Receipts {
  return {
    ...messageTable(connection, parts),
    ...fileTable(connection, parts.account),
    ...receiptTable(connection, parts.changes, parts.account, parts.clocks),
  };
}

/** A connection of its own that only reads, for every account. @throws AppError storage/* */
export function openForReading({ file, key, log }: { file: string; key: string; log: Logger }): {
  of(account: number): Reading;
  fold(): Folded;
  dispose(): void;
} {
  const connection = new Connection({ file, key });
  const seal = new Seal(key);
  const changes = new Changes(connection);
  const messageOfRow = messageReader(seal, log);
  const of = (account: number) => readingOf(tablesToRead(connection, { seal, messageOfRow, changes: changes.of(account), account }));
  return { of, fold: () => connection.fold(), dispose: () => void connection.close() };
}

/** The questions to a thread that runs `script`, the built `read-thread.ts`. It is started when something is asked. */
export function readOnThread({
  script,
  clock,
  log,
  ...start
}: {
  file: string;
  key: string;
  script: string;
  clock: Clock;
  log: Logger;
}): ReadQueue {
  return new ReadQueue({ clock, log, start: nodeThread(script, start) });
}

interface There {
  queue: Pick<ReadQueue, 'ask'>;
  account: number;
  /** Makes what was written so far visible to other connections, and what was said findable, a little at a time; false: it is all done. */
  prepare(isSearch: boolean): boolean;
}

/** Has the thread fold the log in. @throws AppError `storage/*` */
export async function foldOnThread(queue: Pick<ReadQueue, 'ask'>): Promise<Folded> {
  const answer = await queue.ask({ what: 'fold' });
  if ('error' in answer) throw answer.error;
  return answer.value as Folded;
}

/** Reads one account's part of `history` on the thread behind `there`; null: on the thread that asks. */
export function readerOf(history: Read, there: There | null, log: Logger): HistoryReader {
  const here = readingOf(history);
  const read = async <N extends keyof Reading>(
    what: N,
    given: Parameters<Reading[N]>,
    passing = false,
  ): Promise<ReturnType<Reading[N]>> => {
    while (there?.prepare(what === 'search') === true) await new Promise(setImmediate);
    const answer = await there?.queue.ask({ account: there.account, what, given } as Parameters<ReadQueue['ask']>[0], passing);
    if (answer !== undefined && 'value' in answer) return answer.value as ReturnType<Reading[N]>;
    if (answer !== undefined) log.warn('the history itself is asked what its reader could not read', { what, error: answer.error.message });
    return (here[what] as (...all: typeof given) => ReturnType<Reading[N]>)(...given);
  };
  return {
    search: (typed, limit, { before, passing = false } = {}) => read('search', [typed, limit, before], passing),
    async *transcript(conversation) {
      let from: Place | null = null;
      do {
        const page: ReturnType<Reading['transcript']> = await read('transcript', [conversation, from, transcriptPage]);
        yield* page.entries;
        from = page.end;
      } while (from !== null);
    },
  };
}
