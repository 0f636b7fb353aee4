/** Reads a 200 to REGISTER: what it grants this device, and what it tells about the address and the flow. */
import { AppError } from '../../../preload/contract/errors';
import { sameInstance } from '../../../protocol/instance-urn';
import { parseNameAddr } from '../../../protocol/uri';
import { KEEPALIVE_INTERVAL_MS } from '../flow/flow';
import type { WireMessage } from '../wire/wire-message';
import { type Binding, headerSeconds, readBindings } from './binding';
import { sameContact } from './own-contacts';

/** TS 24.229 5.1.1.4: a registration up to this length is refreshed at half time, a longer one 600 s before it expires. */
const HALF_TIME_LIMIT_SECONDS = 1_200;
export const MAX_TIMER_MS = 2 ** 31 - 1;

export interface Grant {
  /** Every binding of the address, on all devices. */
  bindings: Binding[];
  /** The binding of this device, among `bindings`, with its instance; null when the registrar does not list it, or nothing tells which it is. */
  own: Binding | null;
  /** The seconds granted to this device. */
  seconds: number;
  /** The addresses that this account may use (P-Associated-URI); the registered one if the header is absent. */
  identities: string[];
  serviceRoute: string[];
}

/** @param here this device's Contact URI over its present flow; @param requested the requested seconds */
export function readGrant(response: WireMessage, { aor, instanceId, here, requested }: GrantContext): Grant {
  const listed = readBindings(response);
  const isOwn = (binding: Binding) => binding.instanceId !== null && sameInstance(binding.instanceId, instanceId);
  const nameless = listed.filter((binding) => binding.instanceId === null && binding.expires > 0);
  const found =
    listed.find((binding) => isOwn(binding) && sameContact(binding.contact, here)) ??
    listed.find(isOwn) ??
    nameless.find((binding) => sameContact(binding.contact, here)) ??
    // An edge between has written another Contact, and left the instance out.
    (nameless.length === 1 ? nameless[0] : undefined);
  const own = found === undefined ? null : { ...found, instanceId };
  const bindings = listed.map((binding) => (binding === found && own !== null ? own : binding));
  // One of several is this device's, and none may be over before it is refreshed.
  const shortest = own === null && nameless.length > 0 ? Math.min(...nameless.map(({ expires }) => expires)) : null;
  const associated = response.list('p-associated-uri').map(parseNameAddr);
  const identities = associated.flatMap((value) => (value.ok ? [value.value.uri] : []));
  return {
    bindings,
    own,
    seconds: own !== null && own.expires > 0 ? own.expires : (shortest ?? headerSeconds(response, 'expires') ?? requested),
    identities: identities.length > 0 ? identities : [aor],
    serviceRoute: response.list('service-route'),
  };
}

export interface GrantContext {
  aor: string;
  instanceId: string;
  here: string;
  requested: number;
}

/** A 200 that grants no time is not a registration. */
export function noTimeGranted(): AppError {
  return new AppError('sip/malformed', { status: 200, cause: 'the registrar granted no time' }, 'auto');
}

/** The delay until the refresh of a registration of `expires` seconds, in milliseconds. */
export function refreshDelayMs(expires: number): number {
  const seconds = expires <= HALF_TIME_LIMIT_SECONDS ? expires / 2 : expires - 600;
  return Math.min(Math.max(seconds, 1) * 1000, MAX_TIMER_MS);
}

/** RFC 5626 section 5.4: how often the registrar expects a keep-alive on the flow. */
export function flowTimerMs(response: WireMessage): number {
  const seconds = headerSeconds(response, 'flow-timer') ?? 0;
  return seconds > 0 ? seconds * 1000 : KEEPALIVE_INTERVAL_MS;
}

/** RFC 5626 sections 4.4 and 6: a registrar that supports outbound has an edge proxy that answers pings. */
export function promisesPongs(response: WireMessage): boolean {
  return headerSeconds(response, 'flow-timer') !== null || response.list('require').some((option) => option.toLowerCase() === 'outbound');
}

/**
 * How many milliseconds this computer's clock is ahead of the registrar's Date. The Date was set between `askedAt` and `now` and counts
 * whole seconds, so the result is 0 as long as both clocks may agree.
 */
export function clockAheadMs(response: WireMessage, askedAt: number, now: number): number {
  const date = Date.parse(response.first('date') ?? '');
  return Number.isNaN(date) ? 0 : Math.max(Math.min(0, now - date), askedAt - date - 999);
}
