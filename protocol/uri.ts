/**
 * Addresses: SIP and SIPS URIs (RFC 3261 section 19.1), TEL URIs (RFC 3966), any other URI as opaque text, and the name-addr form of From,
 * To, Contact, Route and similar headers (RFC 3261 section 20.10).
 */
import { hasControl, isToken, oneLine, parseParams, quote, splitOutside, unquote } from './generic-param';
import { malformed, type Parsed, parsed } from './parsed';

/** A longer URI is refused; real ones are far shorter. */
export const MAX_URI_CHARACTERS = 8192;
/** Most parameters, and most headers, in one URI. */
export const MAX_URI_PARAMS = 64;
/** Most characters of a header value that is parsed as addresses. */
export const MAX_ADDRESS_HEADER_CHARACTERS = 65_536;
/** Most addresses in one header value. */
export const MAX_ADDRESSES = 256;

/** User, params and headers are unescaped. The host and all names are in lower case, except header names, which keep their case. */
export interface SipUri {
  scheme: 'sip' | 'sips';
  user: string | null;
  /** The deprecated `user:password@` form, kept so that a foreign URI is not altered. */
  password?: string;
  host: string;
  port: number | null;
  params: ReadonlyMap<string, string | null>;
  headers: ReadonlyArray<readonly [string, string]>;
}

/** `number` has no visual separators. */
interface TelUri {
  scheme: 'tel';
  number: string;
  params: ReadonlyMap<string, string | null>;
}

/** mailto:, wv:, urn:, cid: and any other absolute URI, untouched. */
interface OpaqueUri {
  scheme: 'other';
  text: string;
}

export type Uri = SipUri | TelUri | OpaqueUri;

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_])?\.?$/;
const IPV6 = /^\[[0-9a-f:.]{2,45}\]$/;

export function parseUri(input: string): Parsed<Uri> {
  const text = input.trim();
  if (text.length > MAX_URI_CHARACTERS) return malformed('URI too long');
  if (hasControl(text) || /[\s<>"]/.test(text)) return malformed('a character that no URI may hold');
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return malformed('no URI scheme');
  const rest = text.slice(scheme.length + 1);
  if (rest === '') return malformed('nothing after the URI scheme');
  if (scheme === 'sip' || scheme === 'sips') return parseSip(scheme, rest);
  if (scheme === 'tel') return parseTel(rest);
  return parsed({ scheme: 'other', text });
}

function parseSip(scheme: 'sip' | 'sips', rest: string): Parsed<SipUri> {
  // The first "@" ends the userinfo: a user may contain ";" and "?", but "@" only escaped (RFC 3261 section 25.1).
  const at = rest.indexOf('@');
  let user: string | null = null;
  let password: string | undefined;
  if (at >= 0) {
    const userinfo = rest.slice(0, at);
    const colon = userinfo.indexOf(':');
    const name = percentDecoded(colon < 0 ? userinfo : userinfo.slice(0, colon));
    const secret = colon < 0 ? undefined : percentDecoded(userinfo.slice(colon + 1));
    if (name === null || secret === null) return malformed('a bad escape in the user part');
    if (name === '') return malformed('an empty user part');
    user = name;
    password = secret;
  }
  const tail = rest.slice(at + 1);
  const question = tail.indexOf('?');
  const [hostport = '', ...paramTexts] = (question < 0 ? tail : tail.slice(0, question)).split(';');
  const place = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(hostport);
  const host = place?.[1]?.toLowerCase() ?? '';
  if (!HOST_NAME.test(host) && !IPV6.test(host)) return malformed('a bad host');
  const port = place?.[2] === undefined ? null : Number(place[2]);
  if (port !== null && port > 65_535) return malformed('a bad port');
  const params = unescapedParams(paramTexts);
  if (params === null) return malformed('bad URI parameters');
  const headers: [string, string][] = [];
  const headerTexts = question < 0 ? [] : tail.slice(question + 1).split('&');
  if (headerTexts.length > MAX_URI_PARAMS) return malformed('too many URI headers');
  for (const item of headerTexts) {
    if (item === '') continue;
    const equals = item.indexOf('=');
    const name = percentDecoded(equals < 0 ? item : item.slice(0, equals));
    const value = equals < 0 ? '' : percentDecoded(item.slice(equals + 1));
    if (name === null || name === '' || value === null) return malformed('a bad URI header');
    headers.push([name, value]);
  }
  const uri: SipUri = { scheme, user, host, port, params, headers };
  if (password !== undefined) uri.password = password;
  return parsed(uri);
}

function parseTel(rest: string): Parsed<TelUri> {
  const [written = '', ...paramTexts] = rest.split(';');
  const number = withoutSeparators(written);
  // Global numbers are digits; local ones may contain hex digits, "*" and "#" (RFC 3966 section 3).
  if (!/^(?:\+\d{1,32}|[0-9A-Fa-f*#]{1,32})$/.test(number)) return malformed('a bad telephone number');
  const params = unescapedParams(paramTexts);
  if (params === null) return malformed('bad URI parameters');
  return parsed({ scheme: 'tel', number, params });
}

function unescapedParams(items: readonly string[]): Map<string, string | null> | null {
  if (items.length > MAX_URI_PARAMS) return null;
  const params = new Map<string, string | null>();
  for (const item of items) {
    if (item === '') continue;
    const equals = item.indexOf('=');
    const name = percentDecoded(equals < 0 ? item : item.slice(0, equals))?.toLowerCase();
    const value = equals < 0 ? null : percentDecoded(item.slice(equals + 1));
    if (name === undefined || name === '' || (equals >= 0 && value === null)) return null;
    if (!params.has(name)) params.set(name, value);
  }
  return params;
}

/** Null when an escape is broken or is not UTF-8. */
function percentDecoded(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/**
 * The characters that need no escape in each part (RFC 3261 section 25.1). "+" is escaped in headers, where some readers take it for a
 * space.
 */
const PLAIN = {
  user: /^[A-Za-z0-9\-_.!~*'()&=+$,;?/]$/,
  password: /^[A-Za-z0-9\-_.!~*'()&=+$,]$/,
  param: /^[A-Za-z0-9\-_.!~*'()[\]/:&+$]$/,
  header: /^[A-Za-z0-9\-_.!~*'()[\]/?:$]$/,
} as const;

function percentEncoded(text: string, part: keyof typeof PLAIN): string {
  let out = '';
  // A lone surrogate has no UTF-8 form; toWellFormed is newer than our oldest runtime's types.
  for (const character of text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD')) {
    out += PLAIN[part].test(character) ? character : escapedOctets(character);
  }
  return out;
}

function escapedOctets(character: string): string {
  return encodeURIComponent(character).replace(/^[^%]$/, (plain) => `%${plain.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The URI as text. No value can add a parameter, a header or a line. */
export function formatUri(uri: Uri): string {
  if (uri.scheme === 'other') return addressText(uri.text);
  if (uri.scheme === 'tel') return `tel:${addressText(uri.number)}${formatUriParams(uri.params)}`;
  const password = uri.password === undefined ? '' : `:${percentEncoded(uri.password, 'password')}`;
  const userinfo = uri.user === null ? '' : `${percentEncoded(uri.user, 'user')}${password}@`;
  const port = uri.port === null ? '' : `:${uri.port}`;
  const headers = uri.headers.map(([name, value]) => `${percentEncoded(name, 'header')}=${percentEncoded(value, 'header')}`).join('&');
  const host = uri.host.replace(/[^A-Za-z0-9_.:[\]-]/g, '');
  return `${uri.scheme}:${userinfo}${host}${port}${formatUriParams(uri.params)}${headers === '' ? '' : `?${headers}`}`;
}

function formatUriParams(params: ReadonlyMap<string, string | null>): string {
  let out = '';
  for (const [name, value] of params)
    out += `;${percentEncoded(name, 'param')}${value === null ? '' : `=${percentEncoded(value, 'param')}`}`;
  return out;
}

/** The text without characters that would end a `<...>`: spaces, control characters, quotes and brackets. */
function addressText(text: string): string {
  return oneLine(text).replace(/[\s<>"]/g, '');
}

/**
 * The person behind an address as one comparable text: `sip:bob@lab.test` or `tel:+15550100;ext=12`. Takes a bare URI or a name-addr. Drops gr,
 * port, headers, and the parameters that do not tell people apart; `sips` counts as `sip`. Null when the address is neither SIP nor TEL.
 */
export function addressKey(text: string): string | null {
  let raw = text;
  if (text.includes('<') || text.includes('"')) {
    const named = parseNameAddr(text);
    if (!named.ok) return null;
    raw = named.value.uri;
  }
  const uri = parseUri(raw);
  if (!uri.ok || uri.value.scheme === 'other') return null;
  if (uri.value.scheme === 'tel') return telKey(uri.value);
  return formatUri({ scheme: 'sip', user: uri.value.user, host: uri.value.host, port: null, params: new Map(), headers: [] });
}

/** RFC 3966 section 4: a number, its extension and its subaddress name a person together; a local number only within its context. */
function telKey({ number, params }: TelUri): string | null {
  const context = number.startsWith('+') ? null : params.get('phone-context');
  const named: [string, string | null | undefined][] = [
    ['ext', params.get('ext') && withoutSeparators(params.get('ext') ?? '')],
    ['isub', params.get('isub')],
    ['phone-context', context?.startsWith('+') ? withoutSeparators(context) : context?.toLowerCase()],
  ];
  const kept = named.flatMap(([name, value]): [string, string][] => (value ? [[name, value]] : []));
  if (kept.some(([name, value]) => name === 'ext' && !/^\d+$/.test(value))) return null;
  return formatUri({ scheme: 'tel', number: number.toLowerCase(), params: new Map(kept) });
}

const withoutSeparators = (number: string): string => number.replace(/[-.()]/g, '');

/** Schemes of people outside of CPM, whom an interworking function may reach (R3). A URI is ASCII (RFC 3986 section 2): what is not could deceive on a screen. */
const FOREIGN_SCHEMES = /^(mailto|wv):([!#-;=@-~]+)(?:\?|$)/i;

/** The address to write to: a person as `addressKey` names them, or somebody outside CPM by their own URI without its headers. */
export function correspondentKey(text: string): string | null {
  const key = addressKey(text);
  if (key !== null) return key;
  const foreign = FOREIGN_SCHEMES.exec(text.trim());
  return foreign === null ? null : `${foreign[1]?.toLowerCase()}:${foreign[2]}`;
}

/** `uri` is the raw text between the brackets, or `*`. The params are unquoted, with lower-case names. */
export interface NameAddr {
  displayName: string | null;
  uri: string;
  params: ReadonlyMap<string, string | null>;
}

export function parseNameAddr(input: string): Parsed<NameAddr> {
  const text = input.trim();
  if (text.length > MAX_ADDRESS_HEADER_CHARACTERS) return malformed('address header too long');
  const open = bracketAt(text);
  if (open === null) return malformed('a quoted string without an end');
  let displayName: string | null = null;
  let uri: string;
  let tail: string;
  if (open >= 0) {
    const close = text.indexOf('>', open);
    if (close < 0) return malformed('an address without its closing bracket', open);
    const before = text.slice(0, open).trim();
    if (before.includes('"') && !(before.startsWith('"') && before.length > 1 && before.endsWith('"'))) {
      return malformed('a bad display name');
    }
    displayName = (before.startsWith('"') ? unquote(before) : before.replace(/\s+/g, ' ')) || null;
    uri = text.slice(open + 1, close).trim();
    tail = text.slice(close + 1).trim();
    if (tail !== '' && !tail.startsWith(';')) return malformed('text after the address', close + 1);
  } else {
    // Without brackets, everything from the first ";" belongs to the header and not to the URI (RFC 3261 section 20).
    const semicolon = text.indexOf(';');
    uri = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
    tail = semicolon < 0 ? '' : text.slice(semicolon);
  }
  if (uri === '') return malformed('an empty address');
  if (hasControl(uri) || /[\s<>"]/.test(uri)) return malformed('a character that no URI may hold');
  const params = parseParams(tail);
  if (params === null) return malformed('bad header parameters');
  return parsed({ displayName, uri, params });
}

/** The position of the address's `<`: -1 when there is none, null when a quoted string before it is not closed. */
function bracketAt(text: string): number | null {
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '<') return index;
    // The address has no brackets: a later "<" belongs to a parameter.
    else if (character === ';') return -1;
  }
  return quoted ? null : -1;
}

/** Every address in a header value, split at commas outside quoted strings and brackets. Empty items are skipped. */
export function parseNameAddrList(text: string): Parsed<NameAddr[]> {
  if (text.length > MAX_ADDRESS_HEADER_CHARACTERS) return malformed('address header too long');
  const items = splitOutside(text, ',', true);
  if (items === null) return malformed('a quoted string or bracket without an end');
  if (items.length > MAX_ADDRESSES) return malformed('too many addresses');
  const out: NameAddr[] = [];
  for (const item of items) {
    if (item.trim() === '') continue;
    const one = parseNameAddr(item);
    if (!one.ok) return one;
    out.push(one.value);
  }
  return parsed(out);
}

/** RFC 3840 section 9: the feature parameters without "+". Their values are always quoted, like those with "+". */
const BASE_FEATURES = new Set(
  (
    'audio automata class duplex data control mobility description events priority methods extensions schemes application video ' +
    'language type isfocus actor text'
  ).split(' '),
);

/** True when a Contact parameter of this name states a capability (RFC 3840 section 9). */
export function isFeatureParam(name: string): boolean {
  return name.startsWith('+') || BASE_FEATURES.has(name.toLowerCase());
}

/** The header value: display name quoted, URI in brackets, params quoted where the grammar requires it. Line breaks are dropped. */
export function formatNameAddr(value: NameAddr): string {
  const uri = addressText(value.uri);
  const name = value.displayName === null || value.displayName === '' ? '' : `${quote(value.displayName)} `;
  return `${uri === '*' ? '*' : `${name}<${uri}>`}${formatHeaderParams(value.params)}`;
}

/** `;name=value` for a header. A name that is not a token is left out. */
export function formatHeaderParams(params: ReadonlyMap<string, string | null>): string {
  let out = '';
  for (const [name, value] of params) {
    if (!isToken(name)) continue;
    if (value === null) out += `;${name}`;
    else out += `;${name}=${!isFeatureParam(name) && isToken(value) ? value : quote(value)}`;
  }
  return out;
}
