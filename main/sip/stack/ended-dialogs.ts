/**
 * Remembers the dialogs that this side has just ended. When the BYEs of both sides cross, sip.js has already forgotten the dialog and would
 * answer the peer's BYE with 481, although both ended the session correctly. RFC 3261 section 15.1.2 requires a 2xx.
 */
import type { Clock } from '../../../base/clock';
import type { WireMessage } from '../wire/wire-message';
import { tagOf } from './normalize';

/** LAB: how long after its own BYE this side answers the peer's with 200 (64*T1, as long as a BYE is retransmitted). */
export const crossingByeMs = 32_000;

export class EndedDialogs {
  readonly #clock: Clock;
  /** When each dialog is forgotten, oldest first. */
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

  /** Whether a request is a BYE in one of these dialogs: To has this side's tag, From the peer's. */
  isEndedBy(message: WireMessage): boolean {
    if (message.start.kind !== 'request' || message.start.method !== 'BYE') return false;
    const dialog = key(message.first('call-id') ?? '', tagOf(message.first('to')) ?? '', tagOf(message.first('from')) ?? '');
    return (this.#until.get(dialog) ?? 0) > this.#clock.now();
  }
}

const key = (callId: string, localTag: string, remoteTag: string): string => JSON.stringify([callId, localTag, remoteTag]);
