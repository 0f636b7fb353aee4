/**
 * The session timer (RFC 4028): a session whose other side has vanished ends. One side, the refresher, renews it by a re-INVITE at half of its
 * interval; whoever does not see it renewed ends it shortly before the interval is over.
 *
 *   off --2xx with Session-Expires--> running --2xx--> running --(not renewed)--> expired: BYE
 *                                        \--2xx without, end of the session--> off
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { formatSessionExpires, LOWEST_MIN_SE, marginBeforeEnd, parseMinSe, parseSessionExpires } from '../../../protocol/session-expires';
import { headerLine, type WireMessage } from '../wire/wire-message';

/** How long a session lives without being renewed, in seconds, as this side asks for it (RFC 4028 section 4 recommends it). */
export const SESSION_INTERVAL_S = 1800;
/** LAB: how long after a renewal that failed for the moment the next one is tried. */
export const RENEW_AGAIN_MS = 10_000;

export interface TimerTerms {
  seconds: number;
  /** Whether this side renews. */
  isRefresher: boolean;
}

/** What a request asks of the one who is called: terms and the header lines that say so, or the status that refuses it. */
export type TimerAnswer = { ok: true; terms: TimerTerms | null; lines: string[] } | { ok: false; status: number; lines: string[] };

/** The called side's answer (RFC 4028 section 9, table 2). */
export function answerTimer(request: WireMessage): TimerAnswer {
  const asked = request.first('session-expires');
  const supports = request.list('supported').some((tag) => tag.trim().toLowerCase() === 'timer');
  const minSe = parseMinSe(request.first('min-se'));
  const wish = asked === null ? null : parseSessionExpires(asked);
  if (wish !== null && !wish.ok) return { ok: false, status: 400, lines: [] };
  // Who does not know the timer could neither understand a 422 nor renew.
  if (wish === null && !supports) return { ok: true, terms: null, lines: [] };
  if (wish !== null && supports && wish.value.seconds < LOWEST_MIN_SE)
    return { ok: false, status: 422, lines: [headerLine('Min-SE', String(LOWEST_MIN_SE))] };
  const seconds = Math.max(wish?.value.seconds ?? SESSION_INTERVAL_S, minSe);
  const refresher = supports ? (wish?.value.refresher ?? 'uac') : 'uas';
  const lines = [headerLine('Session-Expires', formatSessionExpires({ seconds, refresher }))];
  if (supports) lines.push('Require: timer');
  return { ok: true, terms: { seconds, isRefresher: refresher === 'uas' }, lines };
}

/** What the calling side asks for, and learns from the answers. */
export class TimerWish {
  #seconds = SESSION_INTERVAL_S;
  #minSe = LOWEST_MIN_SE;

  /** `renews`: the request renews a session, so whoever sends it remains the refresher. */
  lines(renews = false): [string, string][] {
    return [
      ['Session-Expires', formatSessionExpires({ seconds: this.#seconds, refresher: renews ? 'uac' : null })],
      ['Min-SE', String(this.#minSe)],
    ];
  }

  /** A 422: from now on no less is asked for than it wants. False when that is what was asked for, so that asking again is of no use. */
  raise(refusal: WireMessage): boolean {
    const minSe = parseMinSe(refusal.first('min-se'));
    if (minSe <= this.#minSe) return false;
    this.#minSe = minSe;
    this.#seconds = Math.max(this.#seconds, minSe);
    return true;
  }

  /** The terms in a 2xx; null: nobody there or on the way wants a timer (RFC 4028 section 7.2). */
  agreed(answer: WireMessage): TimerTerms | null {
    const value = answer.first('session-expires');
    const read = value === null ? null : parseSessionExpires(value);
    if (read === null || !read.ok) return null;
    return { seconds: Math.max(read.value.seconds, LOWEST_MIN_SE), isRefresher: read.value.refresher !== 'uas' };
  }

  /** Terms that hold for the session are asked for again when it is renewed. */
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

  /** A 2xx came or went: the interval begins anew; without terms there is no timer any more. */
  restart(terms: TimerTerms | null): void {
    this.dispose();
    if (terms === null) return;
    const { seconds, isRefresher } = terms;
    this.#end = this.#clock.setTimer((seconds - marginBeforeEnd(seconds)) * 1000, this.#act.expire);
    if (isRefresher) this.#renewal = this.#clock.setTimer(seconds * 500, this.#act.renew);
  }

  /** The renewal failed for the moment; the end stays where it is. */
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
