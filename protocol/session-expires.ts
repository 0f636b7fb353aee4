/** Session-Expires and Min-SE (RFC 4028 sections 4 and 5): how long a session lives without being renewed, and who renews it. */
import { parseParams } from './generic-param';
import { malformed, type Parsed, parsed } from './parsed';

/** RFC 4028 section 5: no Min-SE is lower, in seconds. */
export const LOWEST_MIN_SE = 90;
/** LAB: no interval is longer, in seconds: timers count milliseconds in 31 bits. */
const LONGEST_INTERVAL = 2_000_000;

export interface SessionExpires {
  seconds: number;
  /** By the roles in the request that this header stands in, or that is answered with it. */
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

/** The lowest interval that somebody on the way takes, in seconds. A Min-SE that cannot be read, or is lower than allowed, is the lowest one. */
export function parseMinSe(value: string | null): number {
  const seconds = /^\s*(\d{1,10})\s*(?:;.*)?$/.exec(value ?? '')?.[1];
  return seconds === undefined ? LOWEST_MIN_SE : Math.min(Math.max(Number(seconds), LOWEST_MIN_SE), LONGEST_INTERVAL);
}

/** How long before its end a session that was not renewed is ended (RFC 4028 section 10), in seconds. */
export function marginBeforeEnd(seconds: number): number {
  return Math.min(32, Math.floor(seconds / 3));
}
