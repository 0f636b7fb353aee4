/** Supplies the octets of an outgoing message: a file, or anything else that gives them on demand. Octets in memory need no source. */
import { AppError } from '../../preload/contract/errors';
import { concat } from '../../protocol/octets';

export interface MessageSource {
  /** Octets in the whole body; null when unknown before the end. */
  readonly size: number | null;
  /**
   * The next octets, about `wanted` of them; null at the end. Called again only after the promise has resolved and when there is room to
   * send. The octets must not change afterwards. A rejection ends the message and tells the peer.
   */
  read(wanted: number): Promise<Uint8Array | null>;
  /** Called once, when everything has left or the message has failed; nothing more is read. */
  close(): void;
}

/** A source made from pieces of any length. */
export function sourceOf(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, size: number | null = null): MessageSource {
  const iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array> =
    Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  return {
    size,
    async read() {
      const { done, value } = await iterator.next();
      return done === true ? null : value;
    },
    close() {
      // An error while an iterator is closed early concerns nobody here.
      void (async () => iterator.return?.())().catch(() => undefined);
    },
  };
}

/** Reads a source in chunks, one chunk ahead, so that the last chunk is known to be the last when it leaves. */
export class Feed {
  #pieces: Uint8Array[] = [];
  #length = 0;
  #taken = 0;
  #hasEnded = false;
  #isReading = false;
  #isClosed = false;

  constructor(
    private readonly source: MessageSource,
    private readonly onReady: () => void,
    private readonly onFailed: (error: AppError) => void,
  ) {}

  /** The size of the whole body; null while unknown. */
  get size(): number | null {
    return this.source.size ?? (this.#hasEnded ? this.#taken + this.#length : null);
  }

  /** The next chunk, at most `room` octets. Null while the source has not supplied it; `onReady` then follows. */
  next(room: number): { octets: Uint8Array; isLast: boolean } | null {
    const { size } = this;
    const rest = size === null ? Number.POSITIVE_INFINITY : size - this.#taken;
    if (this.#length < Math.min(room, rest) || (size === null && this.#length === room)) {
      this.#read(room);
      return null;
    }
    const octets = this.#take(Math.min(room, rest));
    const isLast = octets.length === rest;
    if (!isLast && this.#length <= room) this.#read(room);
    return { octets, isLast };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pieces = [];
    this.source.close();
  }

  #read(wanted: number): void {
    if (this.#isReading || this.#hasEnded || this.#isClosed) return;
    this.#isReading = true;
    // A source that throws synchronously is treated like one that rejects.
    (async () => this.source.read(wanted))().then(
      (piece) => {
        this.#isReading = false;
        if (!this.#isClosed) this.#add(piece);
      },
      (error: unknown) => {
        if (!this.#isClosed) this.onFailed(new AppError('internal', { cause: `the source of a message failed: ${String(error)}` }, 'user'));
      },
    );
  }

  #add(piece: Uint8Array | null): void {
    if (piece === null) this.#hasEnded = true;
    else if (piece.length > 0) {
      this.#pieces.push(piece);
      this.#length += piece.length;
    }
    const { size } = this.source;
    const given = this.#taken + this.#length;
    if (size !== null && (given > size || (this.#hasEnded && given < size)))
      this.onFailed(new AppError('internal', { cause: `the source of a message announced ${size} octets and gave ${given}` }, 'user'));
    else this.onReady();
  }

  #take(count: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      const piece = this.#pieces[0];
      if (piece === undefined) break;
      if (piece.length > missing) this.#pieces[0] = piece.subarray(missing);
      else this.#pieces.shift();
      taken.push(piece.subarray(0, missing));
      missing -= Math.min(missing, piece.length);
    }
    this.#length -= count;
    this.#taken += count;
    const [only] = taken;
    return taken.length === 1 && only !== undefined ? only : concat(taken);
  }
}
