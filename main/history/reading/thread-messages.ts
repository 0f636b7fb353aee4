/** The messages between the history and its reading thread. */
import type { Logger } from '../../../base/log';
import type { ReceiptValue } from '../../../preload/contract';
import type { ErrorValue } from '../../../preload/contract/errors';
import type { MessageRecord, Messages, Place } from '../records';

/** A message as an export of its conversation shows it. */
export interface TranscriptEntry {
  message: MessageRecord;
  /** Empty for an incoming message. */
  receipts: ReceiptValue[];
}

/** The questions. */
export interface Reading {
  search: Messages['search'];
  /** The messages of a conversation from a place on, or from its beginning, oldest first, and the place after them; null: there are no more. */
  transcript(conversation: string, from: Place | null, limit: number): { entries: TranscriptEntry[]; end: Place | null };
}

/** A call of one account's `Reading`, by its name; `account` is its key in the table of accounts. */
export type ReadQuestion = { account: number } & { [N in keyof Reading]: { what: N; given: Parameters<Reading[N]> } }[keyof Reading];

/** `fold`: fold the write-ahead log into the database, as far as nobody is in the way. Its answer is `Folded`. */
export type Question = ReadQuestion | { what: 'fold' };

/** To the thread. After `close` it lets go of the file and ends. */
export type ToThread = { id: number; question: Question } | { close: true };

/** From the thread: one answer to each question, and lines for the log. */
export type FromThread =
  | { id: number; value: unknown }
  | { id: number; error: ErrorValue }
  | { log: keyof Logger; text: string; fields: Record<string, unknown> | undefined };

/** What a thread is started with. */
export interface ThreadStart {
  file: string;
  /** Hex. */
  key: string;
}
