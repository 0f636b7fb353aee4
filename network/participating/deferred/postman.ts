/**
 * Brings letters to devices: one after the other to each device, oldest first, the next one only after the answer for the one before.
 *
 *   idle --device registered, or a letter kept--> bringing --200: next letter; no more letters--> idle
 *                                                  |  ^--refused for good: the queue is told, next letter
 *                                                  \--out of reach--> pausing --the pause is over, or the device registers--> bringing
 *                                                                        \--no longer registered--> idle
 */
import type { NetworkLog } from '../../log';
import type { SipServer, Target } from '../../sip/sip-server';
import type { LargeLetters } from './large';
import { type Device, MAX_PAGER_BYTES, push } from './letter';
import type { DeferredQueue, KeptLetter } from './queue';

/** LAB: the pause after a device was out of reach although it is registered; each further one is twice as long, up to the longest. ms. */
export const FIRST_PAUSE_MS = 30_000;
export const LONGEST_PAUSE_MS = 3_600_000;
/** LAB: devices to which letters are brought at a time; others wait for their turn. */
export const MAX_ROUNDS = 64;

/** Statuses that say nothing against the letter itself: the device may take it later. */
const LATER = new Set([401, 407, 408, 430, 480, 481, 486, 487, 491, 500, 502, 503, 504]);

/** A registered device. LAB: one that names no instance is known by the empty name. */
export interface RegisteredDevice {
  instanceId: string | null;
  pubGruu: string | null;
}

export interface PostmanDeps {
  server: SipServer;
  core: Target;
  queue: DeferredQueue;
  large: LargeLetters;
  /** The registered devices of a person. */
  devicesOf(person: string): readonly RegisteredDevice[];
  log?: NetworkLog | undefined;
}

interface Round {
  person: string;
  instance: string;
  isBringing: boolean;
  /** The device has registered, or a letter was kept, while one was on its way. */
  isWoken: boolean;
  failures: number;
  pause: { dispose(): void } | null;
}

export class Postman {
  readonly #rounds = new Map<string, Round>();
  /** Call-IDs of the letters that are on their way. */
  readonly #underWay = new Set<string>();
  readonly #turns: Round[] = [];
  #bringing = 0;
  #isClosed = false;

  constructor(private readonly deps: PostmanDeps) {}

  /** Whether a request is one of this postman's, on its way through this function. */
  isOwn(callId: string): boolean {
    return this.#underWay.has(callId);
  }

  /** Devices of a person have registered: what waits is brought now, to those out of reach before too. */
  wake(person: string): void {
    for (const round of this.#roundsOf(person)) {
      round.failures = 0;
      round.pause?.dispose();
      round.pause = null;
    }
    this.notice(person);
  }

  /** Something was kept for a person: devices that are registered get it, those out of reach after their pause. */
  notice(person: string): void {
    for (const round of this.#roundsOf(person)) {
      if (round.isBringing) round.isWoken = true;
      else if (round.pause === null) this.#begin(round);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { pause } of this.#rounds.values()) pause?.dispose();
    this.#rounds.clear();
    this.#turns.length = 0;
  }

  #roundsOf(person: string): Round[] {
    return this.#isClosed ? [] : this.deps.devicesOf(person).map(({ instanceId }) => this.#roundOf(person, instanceId ?? ''));
  }

  #roundOf(person: string, instance: string): Round {
    const key = `${person} ${instance}`;
    const round = this.#rounds.get(key) ?? { person, instance, isBringing: false, isWoken: false, failures: 0, pause: null };
    this.#rounds.set(key, round);
    return round;
  }

  #begin(round: Round): void {
    round.isBringing = true;
    if (this.#bringing >= MAX_ROUNDS) {
      this.#turns.push(round);
      return;
    }
    this.#bringing += 1;
    this.#bring(round);
  }

  /** Brings the next letter, or ends the round. */
  #bring(round: Round): void {
    round.isWoken = false;
    const { deps } = this;
    const device = deps.devicesOf(round.person).find(({ instanceId }) => (instanceId ?? '') === round.instance);
    const letter = device === undefined || this.#isClosed ? null : this.#next(round);
    if (device === undefined || letter === null) {
      this.#rounds.delete(`${round.person} ${round.instance}`);
      this.#end(round);
      return;
    }
    const to: Device = { gruu: device.pubGruu, instance: device.instanceId };
    const isLarge = letter.body.length > MAX_PAGER_BYTES;
    const request = push(letter, to, isLarge ? 'INVITE' : 'MESSAGE');
    const { callId } = request;
    this.#underWay.add(callId);
    const done = (status: number) => {
      this.#underWay.delete(callId);
      if (!this.#isClosed) this.#answered(round, letter, status);
    };
    if (isLarge) deps.large.bring(request, letter.sender, letter, done);
    else deps.server.request(request, deps.core, { onFinal: ({ status }) => done(status) });
  }

  #next(round: Round): KeptLetter | null {
    try {
      return this.deps.queue.next(round.person, round.instance);
    } catch (error) {
      this.#storeFailed(error);
      return null;
    }
  }

  #answered(round: Round, letter: KeptLetter, status: number): void {
    const { queue, log } = this.deps;
    let told: string | null = null;
    let isLater = status >= 300 && LATER.has(status);
    try {
      if (status < 300) queue.taken(letter.id, round.instance);
      else if (!isLater) {
        log?.('info', 'a device refuses a deferred message', { person: round.person, status });
        told = queue.refused(letter.id, round.instance);
      }
    } catch (error) {
      // Not noted: the device gets it once more, and knows it by its Message-ID.
      this.#storeFailed(error);
      isLater = true;
    }
    if (isLater && !round.isWoken) this.#pause(round);
    else this.#bring(round);
    if (told !== null) this.notice(told);
  }

  #pause(round: Round): void {
    const { server } = this.deps;
    const ms = Math.min(FIRST_PAUSE_MS * 2 ** round.failures, LONGEST_PAUSE_MS);
    round.failures += 1;
    this.#end(round);
    round.pause = server.clock.setTimer(ms, () => {
      round.pause = null;
      if (!round.isBringing) this.#begin(round);
    });
  }

  #end(round: Round): void {
    round.isBringing = false;
    this.#bringing -= 1;
    const next = this.#turns.shift();
    if (next === undefined) return;
    this.#bringing += 1;
    this.#bring(next);
  }

  #storeFailed(error: unknown): void {
    this.deps.log?.('error', 'the store of deferred messages failed', { error: String(error) });
  }
}
