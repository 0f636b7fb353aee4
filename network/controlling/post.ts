/**
 * How a message reaches the people of a group. It is stored until one device of each person has answered for it. A person who comes back,
 * by the same leg or another, gets what they missed, in order, before anything newer.
 *
 *   kept --sent to a leg--> in flight --200--> taken (by the person, on any device)
 *     ^------leg or its media gone----'
 */
import type { Timekeeper } from '../../base/clock';
import type { NetworkLog } from '../log';
import type { SwitchSession } from '../msrp/switch';
import { shapedFor, type Takes } from './shaping';
import type { GroupContent, GroupStore } from './store';

/** LAB: messages in flight to a leg whose media may come back; one more, and the leg is given up. */
export const MAX_HELD_MESSAGES = 64;

/**
 * LAB: answers are stored together, this long after the first of them, ms. A crash before that repeats what was taken; devices recognise
 * repetitions.
 */
const NOTE_ANSWERS_AFTER_MS = 50;

/** What the post needs of a signalling leg. */
export interface PostLeg {
  readonly address: string;
  media: SwitchSession;
  /** Sent and not yet answered for, by its number in the store. */
  readonly inFlight: Map<number, GroupContent>;
  /** Its media is lost and may come back. */
  readonly isLost: boolean;
  /** What its session takes, by its SDP. */
  readonly takes: Takes;
}

export interface GroupPostDeps {
  clock: Timekeeper;
  store: GroupStore;
  /** The group, as the store names it. */
  focus: string;
  log?: NetworkLog | undefined;
  /** A leg holds more than it may. */
  onOverfull(leg: PostLeg): void;
}

export class GroupPost {
  #answers: { address: string; id: number }[] = [];
  #noting: { dispose(): void } | null = null;

  constructor(private readonly deps: GroupPostDeps) {}

  /** Sends to the legs. When it returns, the message is on disk for all of `people`. @throws Error when it cannot be stored */
  send(content: GroupContent, legs: readonly PostLeg[], people: readonly string[]): void {
    const id = people.length === 0 ? null : this.deps.store.keep(this.deps.focus, people, content);
    for (const leg of legs) {
      if (id !== null) this.#give(leg, id, content);
      else if (!leg.isLost) {
        const shaped = shapedFor(content, leg.takes);
        if (shaped !== null) leg.media.send(shaped);
      }
    }
  }

  /** The leg has media, again or for the first time: sends what was in flight, then what has waited for the person. */
  resume(leg: PostLeg): void {
    for (const [id, content] of [...leg.inFlight]) this.#transmit(leg, id, content);
    this.deliver(leg);
  }

  /** What no device of the person has taken goes to this one. */
  deliver(leg: PostLeg): void {
    this.noteAnswers();
    for (const { id, contentType, body } of this.deps.store.waiting(this.deps.focus, leg.address))
      if (!leg.inFlight.has(id)) this.#give(leg, id, { contentType, body });
  }

  /** Stores who has taken what. */
  noteAnswers(): void {
    this.#noting?.dispose();
    this.#noting = null;
    const answers = this.#answers;
    this.#answers = [];
    if (answers.length === 0) return;
    try {
      this.deps.store.taken(this.deps.focus, answers);
    } catch (error) {
      this.deps.log?.('error', 'What was taken could not be noted and will come again', { error: String(error) });
    }
  }

  #give(leg: PostLeg, id: number, content: GroupContent): void {
    leg.inFlight.set(id, content);
    if (!leg.isLost) this.#transmit(leg, id, content);
    else if (leg.inFlight.size > MAX_HELD_MESSAGES) this.deps.onOverfull(leg);
  }

  #transmit(leg: PostLeg, id: number, content: GroupContent): void {
    const shaped = shapedFor(content, leg.takes);
    const onAnswered = () => {
      if (!leg.inFlight.delete(id)) return;
      this.#answers.push({ address: leg.address, id });
      this.#noting ??= this.deps.clock.setTimer(NOTE_ANSWERS_AFTER_MS, () => this.noteAnswers());
    };
    // What this device does not take in any form has been dealt with, as if it had refused it.
    if (shaped === null) onAnswered();
    else leg.media.send({ ...shaped, onAnswered });
  }
}
