/**
 * Where a message that comes in is put, octet by octet as it comes: a file, or anything else that can be written, or memory for a text.
 *
 *   head --openSink--> write ... write --every octet there--> end --> the 200 leaves
 *                        |
 *                        +--- '#', a limit, an error, too old, session over ---> abort
 */
import { AppError } from '../../preload/contract/errors';
import type { Allowance } from '../../protocol/msrp-allowance';
import { concat } from '../../protocol/octets';

/** The largest message that is gathered in memory. */
export const maximumMessageBytes = 16 * 1024 * 1024;
/** Shorter pieces are put together in blocks of this size, so that a message of many small chunks does not cost more than its octets. */
const blockBytes = 4096;

/** What is known of a message before any of its body is kept. */
export interface MessageHead {
  messageId: string;
  contentType: string;
  /** Octets of the whole body; null when the sender does not know yet. */
  size: number | null;
  /** The MSRP URI of the sender. */
  from: string;
}

/** One message's destination. Whatever it throws refuses the message: an AppError with its `status`, anything else with 500. */
export interface MessageSink {
  /** Octets of the largest body that it takes; a larger one is refused with 413. Absent: any. */
  readonly limit?: number;
  /** Whether it takes octets at any position. Otherwise chunks that come before their turn are held, within limits, and written in order. */
  readonly takesAnyPosition?: boolean;
  /** Octets that it holds in memory: while too many of them wait for their `end`, nothing more is read from the peer. Absent: none. */
  readonly heldBytes?: number;
  /** Takes octets that belong at `at`, counted from 0; no octet comes twice. While the promise is pending nothing more is read from the peer. */
  write(octets: Uint8Array, at: number): void | Promise<void>;
  /** The message is whole, `size` octets. It counts as received when this has resolved. */
  end(size: number): void | Promise<void>;
  /** The message will not become whole, or could not be taken. Called at most once, and never after `end` has resolved. */
  abort(): void;
}

/** Gathers a body in memory, within `allowance`. */
export class MemorySink implements MessageSink {
  readonly limit = maximumMessageBytes;
  #blocks: Uint8Array[] = [];
  /** Octets used of the last block, when that is one of our own. */
  #filled = blockBytes;
  #held = 0;

  constructor(
    private readonly allowance: Allowance,
    private readonly take: (body: Uint8Array) => Promise<void>,
  ) {}

  get heldBytes(): number {
    return this.#held;
  }

  write(octets: Uint8Array): void {
    if (octets.length >= blockBytes) {
      this.#hold(octets.length);
      this.#closeBlock();
      this.#blocks.push(octets);
      return;
    }
    for (let at = 0; at < octets.length; ) {
      if (this.#filled === blockBytes) this.#openBlock();
      const piece = octets.subarray(at, at + blockBytes - this.#filled);
      this.#blocks.at(-1)?.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
    }
  }

  async end(): Promise<void> {
    this.#closeBlock();
    const [only] = this.#blocks;
    const body = this.#blocks.length === 1 && only !== undefined ? only : concat(this.#blocks);
    this.#blocks = [];
    try {
      await this.take(body);
    } finally {
      this.#release();
    }
  }

  abort(): void {
    this.#blocks = [];
    this.#release();
  }

  #openBlock(): void {
    this.#hold(blockBytes);
    this.#blocks.push(new Uint8Array(blockBytes));
    this.#filled = 0;
  }

  #closeBlock(): void {
    const block = this.#blocks.at(-1);
    if (block !== undefined && this.#filled < blockBytes) this.#blocks[this.#blocks.length - 1] = block.subarray(0, this.#filled);
    this.#filled = blockBytes;
  }

  #hold(bytes: number): void {
    if (!this.allowance.take(bytes)) throw noRoom(this.allowance, bytes);
    this.#held += bytes;
  }

  #release(): void {
    this.allowance.give(this.#held);
    this.#held = 0;
  }
}

/** 413 when the session has used up its own share. LAB: 500 when others have used up what is left for all, so that it may come again. */
export function noRoom({ used, limit }: Allowance, bytes: number): AppError {
  return new AppError('msrp/rejected', { status: used + bytes > limit ? 413 : 500, cause: 'no memory is left for this message' });
}
