/**
 * The session timer of the called side (RFC 4028 section 9): it accepts what the caller asks for and leaves the renewal to the caller. When
 * a focus calls, it asks for no timer.
 */
import { formatSessionExpires, LOWEST_MIN_SE, marginBeforeEnd, parseMinSe, parseSessionExpires } from '../../protocol/session-expires';
import type { SipRequest } from './message';
import type { Refusal } from './refusal';

export interface TimerTerms {
  headers: readonly (readonly [string, string])[];
  /** How long after the answer the session ends unless it is renewed. */
  endsAfterMs: number;
}

/** The terms of an INVITE or UPDATE; null when there is no timer. */
export function readTimer(request: SipRequest): { ok: true; value: TimerTerms | null } | Refusal {
  const asked = request.get('session-expires');
  if (asked === null) return { ok: true, value: null };
  const wish = parseSessionExpires(asked);
  if (!wish.ok) return { ok: false, status: 400, warning: `Session-Expires: ${wish.reason}` };
  // LAB: the focus renews nothing; a caller that cannot or will not renew gets a session without a timer.
  if (!request.hasToken('supported', 'timer') || wish.value.refresher === 'uas') return { ok: true, value: null };
  if (wish.value.seconds < LOWEST_MIN_SE) return { ok: false, status: 422, headers: [['Min-SE', String(LOWEST_MIN_SE)]] };
  const seconds = Math.max(wish.value.seconds, parseMinSe(request.get('min-se')));
  const headers = [
    ['Session-Expires', formatSessionExpires({ seconds, refresher: 'uac' })],
    ['Require', 'timer'],
  ] as const;
  return { ok: true, value: { headers, endsAfterMs: (seconds - marginBeforeEnd(seconds)) * 1000 } };
}
