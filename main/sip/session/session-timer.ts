/**
 * The session timer (RFC 4028) ends a session whose other side has vanished. One side, the refresher, sends a re-INVITE at half of the
 * interval; a side that sees no refresh ends the session shortly before the interval is over.
 *
 *   off --2xx with Session-Expires--> running --2xx--> running --(no refresh)---> expired: BYE
 *                                        \--2xx without, end of the session--> off
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { formatSessionExpires, LOWEST_MIN_SE, marginBeforeEnd, parseMinSe, parseSessionExpires } from '../../../protocol/session-expires';
import { headerLine, type WireMessage } from '../wire/wire-message';

/** How long a session lives without a refresh, in seconds, as requested by this side (RFC 4028 section 4 recommends it). */
export const SESSION_INTERVAL_S = 1800;
/** LAB: the pause before the next attempt after a temporary failure of a refresh. */
export const RENEW_AGAIN_MS = 10_000;

export interface TimerTerms {
  seconds: number;
  /** Whether this side refreshes the session. */
  isRefresher: boolean;
}

/** The called side's answer to a request: the terms with the header lines that state them, or the status that refuses it. */
export type TimerAnswer = { ok: true; terms: TimerTerms | null; lines: string[] } | { ok: false; status: number; lines: string[] };

/** The called side's answer (RFC 4028 section 9, table 2). */
export function answerTimer(request: WireMessage): TimerAnswer {
  const asked = request.first('session-expires');
  const supports = request.list('supported').some((tag) => tag.trim().toLowerCase() === 'timer');
  const minSe = parseMinSe(request.first('min-se'));
  const wish = asked === null ? null : parseSessionExpires(asked);
  if (wish !== null && !wish.ok) return { ok: false, status: 400, lines: [] };
  // A caller without timer support can neither understand a 422 nor refresh.
  if (wish === null && !supports) return { ok: true, terms: null, lines: [] };
  if (wish !== null && supports && wish.value.seconds < LOWEST_MIN_SE)
    return { ok: false, status: 422, lines: [headerLine('Min-SE', String(LOWEST_MIN_SE))] };
  const seconds = Math.max(wish?.value.seconds ?? SESSION_INTERVAL_S, minSe);
  const refresher = supports ? (wish?.value.refresher ?? 'uac') : 'uas';
  const lines = [headerLine('Session-Expires', formatSessionExpires({ seconds, refresher }))];
  if (supports) lines.push('Require: timer');
  return { ok: true, terms: { seconds, isRefresher: refresher === 'uas' }, lines };
}

/** The interval that the calling side requests, adjusted by the answers. */
export class TimerWish {
  #seconds = SESSION_INTERVAL_S;
  #minSe = LOWEST_MIN_SE;

  /** `renews`: the request refreshes a session, so its sender stays the refresher. */
  lines(renews = false): [string, string][] {
    return [
      ['Session-Expires', formatSessionExpires({ seconds: this.#seconds, refresher: renews ? 'uac' : null })],
      ['Min-SE', String(this.#minSe)],
    ];
  }

  /** Handles a 422: from now on its minimum is requested. False when that was already requested, so that a repetition is useless. */
  raise(refusal: WireMessage): boolean {
    const minSe = parseMinSe(refusal.first('min-se'));
    if (minSe <= this.#minSe) return false;
    this.#minSe = minSe;
    this.#seconds = Math.max(this.#seconds, minSe);
    return true;
  }

  /** The terms in a 2xx; null when no one on the path wants a timer (RFC 4028 section 7.2). */
  agreed(answer: WireMessage): TimerTerms | null {
    const value = answer.first('session-expires');
    const read = value === null ? null : parseSessionExpires(value);
    if (read === null || !read.ok) return null;
    return { seconds: Math.max(read.value.seconds, LOWEST_MIN_SE), isRefresher: read.value.refresher !== 'uas' };
  }

  /** A refresh requests the terms that the session already has. */
  keep({ seconds }: TimerTerms): void {
    this.#seconds = Math.max(seconds, this.#minSe);
  }
}

export class SessionTimer implements Disposable {
  readonly #clock: Clock;
  readonly #act: { renew: () => void; expire: () => void };
  #renewal: Disposable | null = null;
  #end: Disposable | null = null;

  constructor(clock: Clock, act: { renew: () => void; expire: () => void }) {
    this.#clock = clock;
    this.#act = act;
  }

  /** A 2xx was sent or received: the interval starts again, or without terms the timer stops. */
  restart(terms: TimerTerms | null): void {
    this.dispose();
    if (terms === null) return;
    const { seconds, isRefresher } = terms;
    this.#end = this.#clock.setTimer((seconds - marginBeforeEnd(seconds)) * 1000, this.#act.expire);
    if (isRefresher) this.#renewal = this.#clock.setTimer(seconds * 500, this.#act.renew);
  }

  /** The refresh failed for now; the end of the interval stays. */
  renewAgain(): void {
    this.#renewal?.dispose();
    if (this.#end !== null) this.#renewal = this.#clock.setTimer(RENEW_AGAIN_MS, this.#act.renew);
  }

  dispose(): void {
    this.#renewal?.dispose();
    this.#end?.dispose();
    this.#renewal = null;
    this.#end = null;
  }
}
