/**
 * What a device can do, as feature tags: the CPM service identifiers (ICSI), capabilities in Contact (RFC 3840) and the
 * caller's preferences that choose among devices (RFC 3841).
 */
import { sameInstance } from './instance-urn';
import { formatHeaderParams, isFeatureParam, parseNameAddr } from './uri';

/** OMA CPM service identifiers (TS 24.229 7.2A.8). */
export const ICSI = {
  session: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session',
  group: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group',
  msg: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg',
  msgToList: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg.group',
  largemsg: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg',
  filetransfer: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.filetransfer',
  deferred: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred',
} as const;

/** Every identifier of OMA CPM begins so, including the ones that are not known here. */
const CPM_FAMILY = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.';

export const ICSI_PARAM = '+g.3gpp.icsi-ref';
export const INSTANCE_PARAM = '+sip.instance';
/** GSMA RCC.07: the device takes pager messages and large messages. It has no value. */
export const PAGER_LARGE_PARAM = '+g.gsma.rcs.cpm.pager-large';
/** Most identifiers read from one parameter; the rest are ignored. */
const MAX_ICSIS = 64;

/** The value of `+g.3gpp.icsi-ref` without its quotes: each colon as %3A, identifiers separated by commas (TS 24.229 7.9.2). */
export function icsiValue(urns: readonly string[]): string {
  return urns.map((urn) => urn.replace(/[^A-Za-z0-9\-._]/g, (character) => encodeURIComponent(character))).join(',');
}

/** `+g.3gpp.icsi-ref="urn%3A..."`, for Contact and Accept-Contact. */
export function icsiParam(urns: readonly string[]): string {
  return `${ICSI_PARAM}="${icsiValue(urns)}"`;
}

/**
 * The identifiers in a `+g.3gpp.icsi-ref` value, percent-decoded, in lower case. Compare whole identifiers: one can be a prefix of another.
 */
export function parseIcsi(paramValue: string): string[] {
  const text = paramValue.trim().replace(/^"|"$/g, '');
  const urns: string[] = [];
  for (const item of text.split(',', MAX_ICSIS)) {
    const urn = decoded(item.trim()).toLowerCase();
    if (urn !== '' && !urns.includes(urn)) urns.push(urn);
  }
  return urns;
}

/**
 * Whether an identifier names a CPM service. Client and network ask here alone: a service that one takes for CPM and the other does not
 * would reach the client past the functions that guard it.
 */
export function isCpmService(urn: string): boolean {
  return urn.toLowerCase().startsWith(CPM_FAMILY);
}

/** The services that the Accept-Contact values of a request ask for (RFC 3841 section 9.2). What cannot be read asks for nothing. */
export function wantedServices(acceptContacts: readonly string[]): string[] {
  return acceptContacts.flatMap((value) => {
    const preference = parseNameAddr(value);
    return preference.ok ? parseIcsi(preference.value.params.get(ICSI_PARAM) ?? '') : [];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The content of an Accept-Contact header. */
export interface CallerPreference {
  icsis?: readonly string[];
  /** Only this device may receive the request; the header is then strict. */
  instanceId?: string;
  require?: boolean;
  explicit?: boolean;
}

/** An Accept-Contact value: `*;+g.3gpp.icsi-ref="..."`. With an instance it carries `require` and `explicit`. */
export function acceptContact(preference: CallerPreference): string {
  const params = new Map<string, string | null>();
  if (preference.icsis && preference.icsis.length > 0) params.set(ICSI_PARAM, icsiValue(preference.icsis));
  if (preference.instanceId !== undefined) params.set(INSTANCE_PARAM, `<${preference.instanceId.replace(/[<>]/g, '')}>`);
  if (preference.require ?? preference.instanceId !== undefined) params.set('require', null);
  if (preference.explicit ?? preference.instanceId !== undefined) params.set('explicit', null);
  return `*${formatHeaderParams(params)}`;
}

export interface PreferenceMatch {
  /** True when no feature contradicts the request. A feature that the contact does not mention contradicts nothing. */
  matches: boolean;
  /** The share of requested features that the contact names and fulfils, from 0 to 1. With `explicit` the score is all or nothing. */
  score: number;
  /** The contact must not receive the request. */
  dropped: boolean;
  require: boolean;
  explicit: boolean;
}

/** Matches one Accept-Contact value against the parameters of one Contact (RFC 3841 section 7.2.4). */
export function matchesAcceptContact(
  contactParams: ReadonlyMap<string, string | null>,
  preference: { params: ReadonlyMap<string, string | null> },
): PreferenceMatch {
  const require = preference.params.has('require');
  const explicit = preference.params.has('explicit');
  let asked = 0;
  let fulfilled = 0;
  let matches = true;
  for (const [name, value] of preference.params) {
    if (!isFeatureParam(name)) continue;
    asked += 1;
    const offered = contactParams.get(name.toLowerCase());
    if (offered === undefined) continue;
    if (featureMatches(name, offered, value)) fulfilled += 1;
    else matches = false;
  }
  const share = !matches ? 0 : asked === 0 ? 1 : fulfilled / asked;
  const score = explicit && share < 1 ? 0 : share;
  return { matches, score, dropped: require && (!matches || (explicit && share < 1)), require, explicit };
}

/**
 * True when a Reject-Contact value rules the contact out: the contact names every requested feature and all match (RFC 3841 section 7.2.4).
 */
export function matchesRejectContact(
  contactParams: ReadonlyMap<string, string | null>,
  preference: { params: ReadonlyMap<string, string | null> },
): boolean {
  let asked = 0;
  for (const [name, value] of preference.params) {
    if (!isFeatureParam(name)) continue;
    asked += 1;
    const offered = contactParams.get(name.toLowerCase());
    if (offered === undefined || !featureMatches(name, offered, value)) return false;
  }
  return asked > 0;
}

function featureMatches(name: string, offered: string | null, asked: string | null): boolean {
  if (name.toLowerCase() === INSTANCE_PARAM) return sameInstance(offered ?? '', asked ?? '');
  const left = featureValues(offered);
  return featureValues(asked).some((one) => left.some((other) => intersects(one, other)));
}

interface FeatureValue {
  negated: boolean;
  /** Strings in angle brackets are case-sensitive, tokens are not (RFC 3840 section 9). */
  text: string;
  range: { from: number; to: number } | null;
}

/** The alternatives in a feature value. A feature without a value is TRUE. */
function featureValues(value: string | null): FeatureValue[] {
  if (value === null) return [{ negated: false, text: 'true', range: null }];
  if (value.startsWith('<')) return [{ negated: false, text: value, range: null }];
  return value.split(',', MAX_ICSIS).map((item) => {
    const trimmed = item.trim();
    const negated = trimmed.startsWith('!');
    const text = decoded(negated ? trimmed.slice(1) : trimmed).toLowerCase();
    return { negated, text, range: text.startsWith('#') ? numericRange(text) : null };
  });
}

/** `#=1`, `#>=1`, `#<=3` and `#1:5` (RFC 3840 section 9). */
function numericRange(text: string): { from: number; to: number } | null {
  const found = /^#(?:(>=|<=|=)([+-]?\d+(?:\.\d+)?)|([+-]?\d+(?:\.\d+)?):([+-]?\d+(?:\.\d+)?))$/.exec(text);
  if (found === null) return null;
  if (found[1] === undefined) return { from: Number(found[3]), to: Number(found[4]) };
  const bound = Number(found[2]);
  return { from: found[1] === '<=' ? Number.NEGATIVE_INFINITY : bound, to: found[1] === '>=' ? Number.POSITIVE_INFINITY : bound };
}

function intersects(a: FeatureValue, b: FeatureValue): boolean {
  const overlap = a.range !== null && b.range !== null ? a.range.from <= b.range.to && b.range.from <= a.range.to : a.text === b.text;
  if (a.negated && b.negated) return true;
  return a.negated !== b.negated ? !overlap : overlap;
}
