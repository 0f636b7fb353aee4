/**
 * One Contact of a REGISTER, read and judged (RFC 3261 section 10.3, RFC 5626 section 4.2, RFC 5627 section 5.1). Which binding it makes or
 * changes is the registrar's business.
 */
import { splitOutside } from '../../protocol/generic-param';
import { parseInstance } from '../../protocol/instance-urn';
import { formatUri, parseNameAddr, parseUri, type SipUri } from '../../protocol/uri';
import type { SipRequest } from '../sip/message';
import { gruuOf } from './gruu';

/** LAB: the expiry when a client asks for none, seconds. */
const DEFAULT_EXPIRES_SECONDS = 3_600;
/** LAB: shorter registrations are refused with 423, seconds. */
const MIN_EXPIRES_SECONDS = 60;
/** TS 24.229 5.1.1.2.1: the expiry that clients ask for; a longer one is shortened, seconds. */
export const MAX_EXPIRES_SECONDS = 600_000;
/** LAB: characters of one Contact value. More are refused with 413. */
export const MAX_CONTACT_CHARACTERS = 4_096;

/** A Contact as the client asks for it. */
export interface Asked {
  value: string;
  uri: string;
  uriKey: string;
  displayName: string | null;
  params: ReadonlyMap<string, string | null>;
  writtenParams: string[];
  instanceId: string | null;
  regId: number | null;
  q: number;
  expires: number;
}

/** What the registrar answers. */
export interface Answer {
  status: number;
  reason?: string;
  headers?: readonly (readonly [string, string])[];
}

export interface ContactRules {
  domain: string;
  /** Shorter registrations are refused with 423, seconds; MIN_EXPIRES_SECONDS when absent. */
  minExpiresSeconds?: number | undefined;
  /** Whether the client takes part in RFC 5626. */
  outbound: boolean;
}

/** Reads one Contact value; an answer instead where the REGISTER must be refused for it. */
export function readContact(value: string, request: SipRequest, rules: ContactRules): Asked | Answer {
  if (value.length > MAX_CONTACT_CHARACTERS)
    return { status: 413, reason: `A contact is longer than ${MAX_CONTACT_CHARACTERS} characters` };
  const read = parseNameAddr(value);
  if (!read.ok) return { status: 400, reason: `Contact: ${read.reason}` };
  const uri = parseUri(read.value.uri);
  if (!uri.ok || uri.value.scheme === 'other' || uri.value.scheme === 'tel') return { status: 400, reason: 'A contact must be a SIP URI' };
  // RFC 5627 section 5.1: a GRUU bound to itself would loop.
  if (gruuOf(read.value.uri, rules.domain) !== null) return { status: 403, reason: 'A contact must not be a GRUU' };
  const { params } = read.value;
  const instance = params.get('+sip.instance');
  const instanceId = instance === undefined ? null : parseInstance(instance ?? '');
  if (instance !== undefined && instanceId === null) return { status: 400, reason: 'The +sip.instance is not a URN' };
  const regIdText = params.get('reg-id') ?? null;
  if (params.has('reg-id') && (regIdText === null || !/^[1-9]\d{0,8}$/.test(regIdText)))
    return { status: 400, reason: 'The reg-id is not a number above 0' };
  const expires = expiresOf(params.get('expires') ?? request.get('expires'));
  const minimum = rules.minExpiresSeconds ?? MIN_EXPIRES_SECONDS;
  if (expires > 0 && expires < minimum) return { status: 423, headers: [['Min-Expires', String(minimum)]] };
  const q = Number(params.get('q') ?? '1');
  const written = splitOutside(value.slice(parameterStart(value)), ';', true) ?? [];
  return {
    value,
    uri: read.value.uri,
    uriKey: contactKey(uri.value),
    displayName: read.value.displayName,
    params,
    writtenParams: written
      .map((param) => param.trim())
      .filter((param) => param !== '' && !/^(?:expires|pub-gruu|temp-gruu(?:-cookie)?)\s*(?:=|$)/i.test(param)),
    instanceId,
    regId: instanceId !== null && rules.outbound && regIdText !== null ? Number(regIdText) : null,
    q: Number.isFinite(q) && q >= 0 && q <= 1 ? q : 1,
    expires: Math.min(expires, MAX_EXPIRES_SECONDS),
  };
}

/** One key for all Contact URIs that are equal by RFC 3261 section 19.1.4. */
export function contactKey(uri: SipUri): string {
  return formatUri({ ...uri, params: new Map([...uri.params].sort(([a], [b]) => (a < b ? -1 : 1))) });
}

/** Where the header parameters of a Contact value begin. */
function parameterStart(value: string): number {
  let quoted = false;
  for (let index = 0; index < value.length; index += 1) {
    if (quoted && value[index] === '\\') index += 1;
    else if (value[index] === '"') quoted = !quoted;
    else if (!quoted && value[index] === '<') {
      const close = value.indexOf('>', index);
      return close < 0 ? value.length : close + 1;
    } else if (!quoted && value[index] === ';') return index;
  }
  return value.length;
}

/** RFC 3261 sections 10.2.1.1 and 20.19: a malformed or absent value counts as 3600; more than 2^32-1 seconds is malformed. */
function expiresOf(text: string | null): number {
  if (text === null || !/^\d{1,10}$/.test(text) || Number(text) >= 2 ** 32) return DEFAULT_EXPIRES_SECONDS;
  return Number(text);
}
