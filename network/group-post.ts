/**
 * How what is said in a group reaches its people. A message that must reach somebody is kept until one device of that person has answered
 * for it; whoever comes back, by the same leg or by another, gets what it has missed, in order, before anything newer.
 *
 *   kept --sent to a leg--> in flight --200--> taken (by the person, on any of its devices)
 *     ^------leg or its media gone----'
 */
import type { GroupContent, GroupStore } from './group-store';
import type { SwitchSession } from './media';

/** LAB: messages in flight to a leg whose media may come back; one more and the leg is given up. */
export const MAX_HELD_MESSAGES = 64;

/** What the post needs of a signalling leg. */
export interface PostLeg {
  readonly address: string;
  media: SwitchSession;
  /** Sent and not answered for; by what it is kept as. */
  readonly inFlight: Map<number, GroupContent>;
  /** Its media is lost and may come back. */
  readonly isLost: boolean;
}

export class GroupPost {
  constructor(
    private readonly store: GroupStore,
    private readonly focus: string,
    /** A leg holds more than it may. */
    private readonly onOverfull: (leg: PostLeg) => void,
  ) {}

  /** Sends to the legs; what comes back when it returns is on disk for every one of `people`. @throws Error when it cannot be kept */
  send(content: GroupContent, legs: readonly PostLeg[], people: readonly string[]): void {
    const id = people.length === 0 ? null : this.store.keep(this.focus, people, content);
    for (const leg of legs) {
      if (id !== null) this.#give(leg, id, content);
      else if (!leg.isLost) leg.media.send(content);
    }
  }

  /** The leg has media, anew or for the first time: first what was in flight, then what has waited for the person. */
  resume(leg: PostLeg): void {
    for (const [id, content] of [...leg.inFlight]) this.#transmit(leg, id, content);
    this.deliver(leg);
  }

  /** What no device of the person has taken goes to this one. */
  deliver(leg: PostLeg): void {
    for (const { id, contentType, body } of this.store.waiting(this.focus, leg.address))
      if (!leg.inFlight.has(id)) this.#give(leg, id, { contentType, body });
  }

  #give(leg: PostLeg, id: number, content: GroupContent): void {
    leg.inFlight.set(id, content);
    if (!leg.isLost) this.#transmit(leg, id, content);
    else if (leg.inFlight.size > MAX_HELD_MESSAGES) this.onOverfull(leg);
  }

  #transmit(leg: PostLeg, id: number, content: GroupContent): void {
    const { media } = leg;
    media.send({
      ...content,
      onAnswered: () => {
        if (leg.inFlight.delete(id)) this.store.taken(this.focus, leg.address, id);
      },
    });
  }
}
