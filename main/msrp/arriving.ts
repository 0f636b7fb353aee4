/** One incoming message: which octets have arrived, which of them wait for earlier ones, and where they are written. */
import type { Allowance } from '../../protocol/msrp-allowance';
import { OctetRanges } from '../../protocol/msrp-ranges';
import { type MessageHead, type MessageSink, noRoom } from './sink';

/** Most gaps in one message, and most chunks held because they arrived ahead of their turn. */
export const maximumChunksAhead = 16_384;
/** Approximate cost of a held chunk besides its octets. */
const chunkOverheadBytes = 128;

export class Arriving {
  /** The size of the message, once the chunk with "$" has arrived. */
  total: number | null = null;
  wantsReport = false;
  touchedAt = 0;
  readonly #ranges = new OctetRanges();
  /** Keyed by first octet, never overlapping, so the end of one chunk finds the next. */
  readonly #ahead = new Map<number, Uint8Array>();
  #held = 0;
  /** The next octet for the sink, counted from 1. Only used when the sink wants the octets in order. */
  #next = 1;
  #writing: Promise<void> | null = null;
  #isOver = false;

  constructor(
    readonly head: MessageHead,
    private readonly sink: MessageSink,
    private readonly allowance: Allowance,
  ) {}

  get isWhole(): boolean {
    return this.total !== null && this.#ranges.covers(this.total);
  }

  /** The last octet that has come, counted from 1. */
  get lastOctet(): number {
    return this.#ranges.last;
  }

  /** Octets held in memory until `finish`. */
  get heldBytes(): number {
    return this.sink.heldBytes ?? 0;
  }

  /** Pending while the sink is slow; rejects when the sink has failed. */
  get writing(): Promise<void> | null {
    return this.#writing;
  }

  /** Whether a body that ends at this octet, or has this size, is within the limit. */
  fits(octets: number): boolean {
    return octets <= (this.sink.limit ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Takes the octets from `start`, counted from 1. Octets that are already there are left out.
   * @throws what the sink throws; AppError with a status when too much arrived ahead of its turn
   */
  add(start: number, body: Uint8Array): void {
    for (const [first, last] of this.#ranges.add(start, start + body.length - 1)) {
      const fresh = body.subarray(first - start, last - start + 1);
      if (this.sink.takesAnyPosition === true) this.#write(fresh, first);
      else if (first === this.#next) this.#advance(fresh);
      else this.#hold(first, fresh);
    }
    if (this.#ranges.count > maximumChunksAhead) throw noRoom(this.allowance, Number.POSITIVE_INFINITY);
  }

  /** Resolves when the sink has stored the whole message. */
  async finish(): Promise<void> {
    try {
      await this.#writing;
      await this.sink.end(this.total ?? 0);
      this.#isOver = true;
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ahead.clear();
    this.allowance.give(this.#held);
    this.#held = 0;
    this.sink.abort();
  }

  #advance(fresh: Uint8Array): void {
    for (let octets: Uint8Array | undefined = fresh; octets !== undefined; octets = this.#ahead.get(this.#next)) {
      this.#release(this.#next);
      const first = this.#next;
      this.#next += octets.length;
      this.#write(octets, first);
    }
  }

  #hold(first: number, octets: Uint8Array): void {
    const bytes = octets.length + chunkOverheadBytes;
    if (this.#ahead.size >= maximumChunksAhead) throw noRoom(this.allowance, Number.POSITIVE_INFINITY);
    if (!this.allowance.take(bytes)) throw noRoom(this.allowance, bytes);
    this.#held += bytes;
    this.#ahead.set(first, octets);
  }

  #release(first: number): void {
    const octets = this.#ahead.get(first);
    if (octets === undefined) return;
    this.#ahead.delete(first);
    this.#held -= octets.length + chunkOverheadBytes;
    this.allowance.give(octets.length + chunkOverheadBytes);
  }

  /** Passes the sink one piece at a time, in order of arrival. */
  #write(octets: Uint8Array, first: number): void {
    const before = this.#writing;
    const done = before === null ? this.sink.write(octets, first - 1) : before.then(() => this.sink.write(octets, first - 1));
    if (done === undefined) return;
    this.#writing = done;
    done.then(
      () => {
        if (this.#writing === done) this.#writing = null;
      },
      // The error reaches whoever awaits `writing` or `finish`.
      () => undefined,
    );
  }
}
