/** One message that is coming in: which octets are there, which wait for their turn, and where they go. */
import type { Allowance } from '../../protocol/msrp-allowance';
import { OctetRanges } from '../../protocol/msrp-ranges';
import { type MessageHead, type MessageSink, noRoom } from './sink';

/** Gaps that a message may have, and chunks that may be held because they came before their turn. */
export const maximumChunksAhead = 16_384;
/** What a held chunk costs besides its octets, about. */
const chunkOverheadBytes = 128;

export class Arriving {
  /** Where the message ends, once the chunk with "$" has come. */
  total: number | null = null;
  wantsReport = false;
  touchedAt = 0;
  readonly #ranges = new OctetRanges();
  /** By first octet, never overlapping: so each is found by the end of the one before it. */
  readonly #ahead = new Map<number, Uint8Array>();
  #held = 0;
  /** The first octet, counted from 1, that the sink has not been given; only where it wants them in order. */
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

  /** Octets that wait in memory for `finish`. */
  get heldBytes(): number {
    return this.sink.heldBytes ?? 0;
  }

  /** Pending while the sink is slow; rejects when it has failed. */
  get writing(): Promise<void> | null {
    return this.#writing;
  }

  /** Whether a body with these last octets, or of this size, fits. */
  fits(octets: number): boolean {
    return octets <= (this.sink.limit ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Takes the octets from `start`, counted from 1. Those that are there already are left out.
   * @throws what the sink throws; AppError with a status when too much came before its turn
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

  /** Resolves when the sink has it all and has kept it. */
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

  /** The sink gets one piece at a time, in the order in which they came. */
  #write(octets: Uint8Array, first: number): void {
    const before = this.#writing;
    const done = before === null ? this.sink.write(octets, first - 1) : before.then(() => this.sink.write(octets, first - 1));
    if (done === undefined) return;
    this.#writing = done;
    done.then(
      () => {
        if (this.#writing === done) this.#writing = null;
      },
      // Whoever awaits `writing` or `finish` hears of it.
      () => undefined,
    );
  }
}
