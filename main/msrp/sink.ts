/**
 * The destination of an incoming message's octets as they arrive: a file, any other writable target, or memory for a text.
 *
 *   head --openSink--> write ... write --every octet there--> end --> the 200 leaves
 *                        |
 *                        +--- '#', a limit, an error, too old, session over ---> abort
 */
import { AppError } from '../../preload/contract/errors';
import type { Allowance } from '../../protocol/msrp-allowance';
import { concat } from '../../protocol/octets';

/** The largest message that is collected in memory. */
export const maximumMessageBytes = 16 * 1024 * 1024;
/** Shorter pieces are combined into blocks of this size, so that a message of many small chunks costs little more than its octets. */
const blockBytes = 4096;

/** What is known about a message before any of its body is buffered. */
export interface MessageHead {
  messageId: string;
  contentType: string;
  /** Octets in the whole body; null while the sender does not know. */
  size: number | null;
  /** The MSRP URI of the sender. */
  from: string;
}

/** One message's destination. An exception refuses the message: an AppError with its `status`, any other with 500. */
export interface MessageSink {
  /** Most octets in a body; a larger one is refused with 413. Absent: unlimited. */
  readonly limit?: number;
  /** Whether octets may be written at any position. Otherwise chunks that arrive early are held, within limits, and written in order. */
  readonly takesAnyPosition?: boolean;
  /** Octets it holds in memory. While too many of them wait for their `end`, the peer is not read. Absent: none. */
  readonly heldBytes?: number;
  /** Takes the octets at position `at`, counted from 0; no octet comes twice. While the promise is pending, the peer is not read. */
  write(octets: Uint8Array, at: number): void | Promise<void>;
  /** The message is complete with `size` octets. It counts as received when this has resolved. */
  end(size: number): void | Promise<void>;
  /** The message will not be completed or could not be stored. Called at most once, and never after `end` has resolved. */
  abort(): void;
}

/** Collects a body in memory, within `allowance`. */
export class MemorySink implements MessageSink {
  readonly limit = maximumMessageBytes;
  #blocks: Uint8Array[] = [];
  /** Octets used in the last block, when that block is our own. */
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

/**
 * 413 when the session has used up its own share. LAB: 500 when others have used up the common limit, so that the message may come again.
 */
export function noRoom({ used, limit }: Allowance, bytes: number): AppError {
  return new AppError('msrp/rejected', { status: used + bytes > limit ? 413 : 500, cause: 'no memory is left for this message' });
}
