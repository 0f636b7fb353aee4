/**
 * How a new device gets the account key: six digits, shown on the new device and typed on an older one (docs/OWN-DEVICES.md, 8).
 *
 *   new    idle --begin, commit--> committed --pair2, reveal--> showing --confirmed here and pair4 came--> paired
 *   older  idle --pair1, answer with pk--> answered --pair3 that fits--> asking --code typed: right, send pair4--> paired
 *   any    --wrong code | odd message | two minutes--> over
 *
 * The commitment comes first, so whoever stands in the middle has one guess in a million a try. The person types the code rather than
 * answering yes, and says on the new device as well that the older one shows "paired": else the core could pair the new device with itself.
 */
import { createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { type DeviceKeys, newDeviceKeys, sharedSecret, unwrap, wrap } from './letter';

/** LAB: how long a pairing lasts at most. */
export const PAIRING_MS = 2 * 60_000;
/** LAB: how many pairings an older device takes part in within `TRIES_MS`, whoever asks; after that none for `PAUSE_MS`. */
export const MAX_TRIES = 3;
export const TRIES_MS = 10 * 60_000;
export const PAUSE_MS = 60 * 60_000;

export interface Names {
  /** The own address, the same on both. */
  address: string;
  newInstance: string;
  olderInstance: string;
}

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const messages = {
  pair1: v.object({ pair: v.literal(1), commitment: text }),
  pair2: v.object({ pair: v.literal(2), pk: text, r: text }),
  pair3: v.object({ pair: v.literal(3), pk: text, r: text }),
  pair4: v.object({ pair: v.literal(4), sealed: v.pipe(v.string(), v.maxLength(64 * 1024)) }),
};

export type Pair1 = v.InferOutput<typeof messages.pair1>;
type Pair2 = v.InferOutput<typeof messages.pair2>;
export type Pair3 = v.InferOutput<typeof messages.pair3>;
type Pair4 = v.InferOutput<typeof messages.pair4>;

/** Public key and random number of one side, base64. */
interface Share {
  pk: string;
  r: string;
}

class Side {
  readonly #keys: DeviceKeys = newDeviceKeys();
  readonly share: Share = { pk: this.#keys.publicKey, r: randomBytes(32).toString('base64') };

  /** The code and the key that both sides have if nobody stands between them; null: the other side's key is none. */
  agree(other: Share, names: Names, parts: { newer: Share; older: Share; commitment: string }): { code: string; wrap: Buffer } | null {
    const secret = sharedSecret(this.#keys, other.pk);
    if (secret === null) return null;
    const { newer, older, commitment } = parts;
    const transcript = createHash('sha256')
      .update(
        JSON.stringify(['own1', commitment, older.pk, older.r, newer.pk, newer.r, names.address, names.newInstance, names.olderInstance]),
      )
      .digest();
    const derive = (use: string, bytes: number) => Buffer.from(hkdfSync('sha256', secret, transcript, `own1|${use}`, bytes));
    const code = (derive('code', 8).readBigUInt64BE() % 1_000_000n).toString().padStart(6, '0');
    return { code, wrap: derive('wrap', 32) };
  }
}

function commitmentTo({ pk, r }: Share): string {
  return createHash('sha256').update(`own1|${pk}|${r}`).digest('base64');
}

type NewState = 'committed' | 'showing' | 'paired' | 'over';

/** The side of the device that has nothing yet. */
export class NewDevice {
  readonly #side = new Side();
  readonly #names: Names;
  readonly #ends: number;
  #state: NewState = 'committed';
  #agreed: { code: string; wrap: Buffer } | null = null;
  #gift: unknown = null;
  #isConfirmed = false;

  constructor(names: Names, now: number) {
    this.#names = names;
    this.#ends = now + PAIRING_MS;
  }

  get first(): Pair1 {
    return { pair: 1, commitment: commitmentTo(this.#side.share) };
  }

  state(now: number): NewState {
    if (now > this.#ends && this.#state !== 'paired') this.#state = 'over';
    return this.#state;
  }

  /** The six digits to show; null: not yet, or not any more. */
  get code(): string | null {
    return this.#state === 'showing' ? (this.#agreed?.code ?? null) : null;
  }

  /** The older device's key has come. @returns what answers it; null: the pairing is over */
  answered(message: unknown, now: number): Pair3 | null {
    const read = v.safeParse(messages.pair2, message);
    if (this.state(now) !== 'committed' || !read.success) return this.#over();
    const { pk, r } = read.output;
    const commitment = commitmentTo(this.#side.share);
    this.#agreed = this.#side.agree({ pk, r }, this.#names, { newer: this.#side.share, older: { pk, r }, commitment });
    if (this.#agreed === null) return this.#over();
    this.#state = 'showing';
    return { pair: 3, ...this.#side.share };
  }

  /** What the older device gives has come. It counts once the person has confirmed it. @returns false: the pairing is over */
  given(message: unknown, now: number): boolean {
    const read = v.safeParse(messages.pair4, message);
    if (this.state(now) !== 'showing' || !read.success || this.#agreed === null || this.#gift !== null) return this.#over() !== null;
    const opened = unwrap(read.output.sealed, this.#agreed.wrap);
    if (opened === null) return this.#over() !== null;
    this.#gift = opened.value;
    this.#finish();
    return true;
  }

  /** The person has seen that the older device shows "paired". */
  confirm(now: number): void {
    if (this.state(now) !== 'showing') return;
    this.#isConfirmed = true;
    this.#finish();
  }

  /** The person, or the other device, has given it up. */
  end(): void {
    this.#over();
  }

  /** What the older device gave; null before the pairing is complete. */
  get gift(): unknown {
    return this.#state === 'paired' ? this.#gift : null;
  }

  #finish(): void {
    if (this.#gift !== null && this.#isConfirmed) this.#state = 'paired';
  }

  #over(): null {
    if (this.#state !== 'paired') {
      this.#state = 'over';
      this.#agreed = null;
      this.#gift = null;
    }
    return null;
  }
}

type OlderState = 'answered' | 'asking' | 'paired' | 'over';

/** The side of a device that has the account key. Made by `Doorkeeper`. */
class OlderDevice {
  readonly #side = new Side();
  readonly #names: Names;
  readonly #commitment: string;
  readonly #ends: number;
  #state: OlderState = 'answered';
  #agreed: { code: string; wrap: Buffer } | null = null;

  constructor(names: Names, commitment: string, now: number) {
    this.#names = names;
    this.#commitment = commitment;
    this.#ends = now + PAIRING_MS;
  }

  get answer(): Pair2 {
    return { pair: 2, ...this.#side.share };
  }

  state(now: number): OlderState {
    if (now > this.#ends && this.#state !== 'paired') this.#state = 'over';
    return this.#state;
  }

  /** The new device has shown what it committed to. @returns false: it is something else, and the pairing is over */
  revealed(message: unknown, now: number): boolean {
    const read = v.safeParse(messages.pair3, message);
    if (this.state(now) !== 'answered' || !read.success) return this.#over();
    const { pk, r } = read.output;
    if (!isSame(commitmentTo({ pk, r }), this.#commitment)) return this.#over();
    const parts = { newer: { pk, r }, older: this.#side.share, commitment: this.#commitment };
    this.#agreed = this.#side.agree({ pk, r }, this.#names, parts);
    if (this.#agreed === null) return this.#over();
    this.#state = 'asking';
    return true;
  }

  /** The person has typed the code. @returns what gives the new device `gift`, made only now; null: it is wrong, and the pairing is over */
  typed(code: string, gift: () => unknown, now: number): Pair4 | null {
    if (this.state(now) !== 'asking' || this.#agreed === null || !isSame(code.replace(/\D/g, ''), this.#agreed.code)) {
      this.#over();
      return null;
    }
    this.#state = 'paired';
    return { pair: 4, sealed: wrap(gift(), this.#agreed.wrap) };
  }

  /** The person, or the other device, has given it up. */
  end(): void {
    this.#over();
  }

  #over(): false {
    if (this.#state !== 'paired') {
      this.#state = 'over';
      this.#agreed = null;
    }
    return false;
  }
}

export type { OlderDevice };

/** Lets pairings in: one at a time, and few, so that nobody can guess at leisure or flood the person with questions. */
export class Doorkeeper {
  #tries: number[] = [];
  #closedUntil = Number.NEGATIVE_INFINITY;
  #current: OlderDevice | null = null;

  /** Nobody is let in before; null: it is open. */
  restsUntil(now: number): number | null {
    return now < this.#closedUntil ? this.#closedUntil : null;
  }

  /** A new device has committed itself. Null: not now, or not understood. A pairing that the person is being asked about stays. */
  asked(message: unknown, names: Names, now: number): OlderDevice | null {
    const read = v.safeParse(messages.pair1, message);
    if (!read.success || now < this.#closedUntil) return null;
    const state = this.#current?.state(now);
    if (state === 'answered' || state === 'asking') return null;
    this.#tries = [...this.#tries.filter((at) => Math.abs(now - at) < TRIES_MS), now];
    if (this.#tries.length > MAX_TRIES) {
      this.#closedUntil = now + PAUSE_MS;
      this.#tries = [];
      return null;
    }
    this.#current = new OlderDevice(names, read.output.commitment, now);
    return this.#current;
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
