/** Session-Expires and Min-SE (RFC 4028 sections 4 and 5): how long a session lives without a refresh, and who refreshes it. */
import { parseParams } from './generic-param';
import { malformed, type Parsed, parsed } from './parsed';

/** RFC 4028 section 5: the lowest allowed Min-SE, in seconds. */
export const LOWEST_MIN_SE = 90;
/** LAB: the longest interval in seconds; timers count milliseconds in 31 bits. */
const LONGEST_INTERVAL = 2_000_000;

export interface SessionExpires {
  seconds: number;
  /** The roles are those in the request that carries this header or is answered with it. */
  refresher: 'uac' | 'uas' | null;
}

export function parseSessionExpires(value: string): Parsed<SessionExpires> {
  const match = /^\s*(\d{1,10})\s*(?:;(.*))?$/.exec(value);
  if (match === null) return malformed('not a number of seconds');
  const params = parseParams(match[2] ?? '');
  if (params === null) return malformed('unreadable parameters');
  const refresher = params.get('refresher')?.toLowerCase() ?? null;
  if (params.has('refresher') && refresher !== 'uac' && refresher !== 'uas') return malformed('an unknown refresher');
  return parsed({
    seconds: Math.min(Number(match[1]), LONGEST_INTERVAL),
    refresher: refresher === 'uac' || refresher === 'uas' ? refresher : null,
  });
}

export function formatSessionExpires({ seconds, refresher }: SessionExpires): string {
  return refresher === null ? String(seconds) : `${seconds};refresher=${refresher}`;
}

/** The lowest interval that every hop accepts, in seconds. An unreadable or too low Min-SE counts as the lowest allowed one. */
export function parseMinSe(value: string | null): number {
  const seconds = /^\s*(\d{1,10})\s*(?:;.*)?$/.exec(value ?? '')?.[1];
  return seconds === undefined ? LOWEST_MIN_SE : Math.min(Math.max(Number(seconds), LOWEST_MIN_SE), LONGEST_INTERVAL);
}

/** How long before its expiry an unrefreshed session is ended (RFC 4028 section 10), in seconds. */
export function marginBeforeEnd(seconds: number): number {
  return Math.min(32, Math.floor(seconds / 3));
}
