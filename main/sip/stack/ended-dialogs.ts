/**
 * The dialogs that this side has ended a moment ago. The BYEs of both sides may cross; the peer's then belongs to a dialog that sip.js has forgotten,
 * and it would hear 481 for a session that both have ended in good order. RFC 3261 section 15.1.2 has it answered with a 2xx.
 */
import type { Clock } from '../../../base/clock';
import type { WireMessage } from '../wire/wire-message';
import { tagOf } from './normalize';

/** LAB: how long after its own BYE this side still answers the peer's with 200 (64*T1, as long as a BYE is repeated). */
export const crossingByeMs = 32_000;

export class EndedDialogs {
  readonly #clock: Clock;
  /** When each is forgotten, oldest first. */
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  remember({ callId, localTag, remoteTag }: { callId: string; localTag: string; remoteTag: string }): void {
    const now = this.#clock.now();
    for (const [dialog, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(dialog);
    }
    this.#until.set(key(callId, localTag, remoteTag), now + crossingByeMs);
  }

  /** Whether a request is a BYE within one of them: To has this side's tag, From the peer's. */
  isEndedBy(message: WireMessage): boolean {
    if (message.start.kind !== 'request' || message.start.method !== 'BYE') return false;
    const dialog = key(message.first('call-id') ?? '', tagOf(message.first('to')) ?? '', tagOf(message.first('from')) ?? '');
    return (this.#until.get(dialog) ?? 0) > this.#clock.now();
  }
}

const key = (callId: string, localTag: string, remoteTag: string): string => JSON.stringify([callId, localTag, remoteTag]);
