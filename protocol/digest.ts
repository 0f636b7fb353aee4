/**
 * Digest access authentication (RFC 7616, in SIP RFC 3261 section 22 and RFC 8760). Pure: the caller passes the hash function.
 */
import { isToken, oneLine, parseParams, quote } from './generic-param';
import { concat, utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';

/** Most characters in one challenge or credentials header. */
export const MAX_DIGEST_CHARACTERS = 8192;

/** Weakest first. AKA is not in this list: `chooseChallenge` skips its challenges, `chooseAka` finds them. */
const STRENGTH = ['MD5', 'SHA-256', 'SHA-512-256'] as const;
export type DigestHash = (typeof STRENGTH)[number];

/** Hashes octets, or the UTF-8 octets of a text; the result is in lower-case hexadecimal. */
export type HashFunction = (algorithm: DigestHash, text: string | Uint8Array) => string;

export interface DigestChallenge {
  realm: string;
  nonce: string;
  opaque: string | null;
  /** Known names are spelled as in the standard: MD5, MD5-sess, SHA-256, SHA-256-sess, SHA-512-256, SHA-512-256-sess. */
  algorithm: string;
  /** False when the header named no algorithm. That means MD5, and the answer then names none either. */
  algorithmGiven: boolean;
  /** Empty for a challenge in the style of RFC 2069. */
  qop: ('auth' | 'auth-int')[];
  stale: boolean;
}

export interface DigestCredentials {
  username: string;
  realm: string;
  nonce: string;
  uri: string;
  /** Empty in the first REGISTER of an IMS client. */
  response: string;
  algorithm: string | null;
  opaque: string | null;
  qop: 'auth' | 'auth-int' | null;
  cnonce: string | null;
  /** How often this nonce has been used, starting at 1. */
  nc: number | null;
  /** Only for AKA: carries the SIM's sequence number so that the network can re-synchronise (RFC 3310 section 3.4). */
  auts?: string | null;
}

export interface DigestAnswer {
  challenge: Pick<DigestChallenge, 'realm' | 'nonce' | 'algorithm' | 'qop'>;
  username: string;
  /** A text, or for AKA the octets of RES (RFC 3310 section 3.3). */
  password: string | Uint8Array;
  method: string;
  /** The digest-uri, exactly as in the header. */
  uri: string;
  nc: number;
  cnonce: string;
  /** Only needed for auth-int. */
  body?: string | Uint8Array;
}

/** Reads the value of WWW-Authenticate or Proxy-Authenticate. */
export function parseChallenge(headerValue: string): Parsed<DigestChallenge> {
  const params = digestParams(headerValue);
  if (typeof params === 'string') return malformed(params);
  const realm = params.get('realm');
  const nonce = params.get('nonce');
  if (typeof realm !== 'string' || typeof nonce !== 'string') return malformed('a Digest challenge without realm or nonce');
  const offered = (params.get('qop') ?? '').split(',').map((token) => token.trim().toLowerCase());
  const algorithm = params.get('algorithm') ?? null;
  return parsed({
    realm,
    nonce,
    opaque: params.get('opaque') ?? null,
    algorithm: spelling(algorithm ?? 'MD5'),
    algorithmGiven: algorithm !== null,
    qop: (['auth', 'auth-int'] as const).filter((qop) => offered.includes(qop)),
    stale: params.get('stale')?.toLowerCase() === 'true',
  });
}

/** The strongest challenge that can be answered; the first one if several are equally strong. Null when there is none. */
export function chooseChallenge(headers: readonly string[], minimum: DigestHash = 'MD5'): DigestChallenge | null {
  let best: DigestChallenge | null = null;
  let bestStrength = STRENGTH.indexOf(minimum) - 1;
  for (const header of headers) {
    const challenge = parseChallenge(header);
    if (!challenge.ok) continue;
    const hash = hashOf(challenge.value.algorithm);
    const strength = hash === null ? -1 : STRENGTH.indexOf(hash);
    if (strength > bestStrength) {
      best = challenge.value;
      bestStrength = strength;
    }
  }
  return best;
}

/** The first AKA challenge in the list, or null. */
export function chooseAka(headers: readonly string[]): DigestChallenge | null {
  for (const header of headers) {
    const challenge = parseChallenge(header);
    if (challenge.ok && /^AKAv1-MD5$/i.test(challenge.value.algorithm)) return challenge.value;
  }
  return null;
}

/** The quality of protection for an answer to this challenge: auth is preferred to auth-int. Null when the challenge offers neither. */
function chosenQop(challenge: Pick<DigestChallenge, 'qop'>): 'auth' | 'auth-int' | null {
  return challenge.qop.includes('auth') ? 'auth' : (challenge.qop[0] ?? null);
}

/** The `response` value (RFC 7616 section 3.4.1). Servers compute the same value from the client's fields. */
export function digestResponse(answer: DigestAnswer, hash: HashFunction): string {
  const { challenge, username, password, method, uri, nc, cnonce, body = '' } = answer;
  const algorithm = hashOf(challenge.algorithm) ?? 'MD5';
  const h = (text: string | Uint8Array) => hash(algorithm, text).toLowerCase();
  const qop = chosenQop(challenge);
  const prefix = `${username}:${challenge.realm}:`;
  const secret = h(typeof password === 'string' ? `${prefix}${password}` : concat([utf8(prefix), password]));
  const ha1 = /-sess$/i.test(challenge.algorithm) ? h(`${secret}:${challenge.nonce}:${cnonce}`) : secret;
  const ha2 = h(qop === 'auth-int' ? `${method}:${uri}:${h(body)}` : `${method}:${uri}`);
  return qop === null ? h(`${ha1}:${challenge.nonce}:${ha2}`) : h(`${ha1}:${challenge.nonce}:${formatNc(nc)}:${cnonce}:${qop}:${ha2}`);
}

/** The complete Authorization or Proxy-Authorization value that answers the challenge. */
export function answerChallenge(
  challenge: DigestChallenge,
  answer: Omit<DigestAnswer, 'challenge'> & { auts?: string },
  hash: HashFunction,
): string {
  const qop = chosenQop(challenge);
  return formatAuthorization({
    username: answer.username,
    realm: challenge.realm,
    nonce: challenge.nonce,
    uri: answer.uri,
    response: digestResponse({ ...answer, challenge }, hash),
    algorithm: challenge.algorithmGiven ? challenge.algorithm : null,
    opaque: challenge.opaque,
    qop,
    // A -sess algorithm needs the cnonce on the wire even when no qop is offered.
    cnonce: qop !== null || /-sess$/i.test(challenge.algorithm) ? answer.cnonce : null,
    nc: qop === null ? null : answer.nc,
    auts: answer.auts ?? null,
  });
}

export function formatAuthorization(credentials: DigestCredentials): string {
  const { username, realm, nonce, uri, response, algorithm, opaque, qop, cnonce, nc, auts } = credentials;
  const items = [
    `username=${quote(username)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `response=${quote(response)}`,
  ];
  if (algorithm !== null) items.push(`algorithm=${bare(algorithm)}`);
  if (cnonce !== null) items.push(`cnonce=${quote(cnonce)}`);
  if (opaque !== null) items.push(`opaque=${quote(opaque)}`);
  if (qop !== null) items.push(`qop=${qop}`);
  if (nc !== null) items.push(`nc=${formatNc(nc)}`);
  if (auts) items.push(`auts=${quote(auts)}`);
  return `Digest ${items.join(', ')}`;
}

/** Reads the value of Authorization or Proxy-Authorization. */
export function parseAuthorization(headerValue: string): Parsed<DigestCredentials> {
  const params = digestParams(headerValue);
  if (typeof params === 'string') return malformed(params);
  const text = (name: string) => params.get(name) ?? '';
  if (text('username') === '' || text('uri') === '') return malformed('Digest credentials without username or uri');
  const nc = params.get('nc') ?? null;
  if (nc !== null && !/^[0-9a-f]{1,8}$/i.test(nc)) return malformed('a bad nonce count');
  const qop = params.get('qop')?.toLowerCase() ?? null;
  if (qop !== null && qop !== 'auth' && qop !== 'auth-int') return malformed('an unknown qop');
  const algorithm = params.get('algorithm') ?? null;
  return parsed({
    username: text('username'),
    realm: text('realm'),
    nonce: text('nonce'),
    uri: text('uri'),
    response: text('response'),
    algorithm: algorithm === null ? null : spelling(algorithm),
    opaque: params.get('opaque') ?? null,
    qop,
    cnonce: params.get('cnonce') ?? null,
    nc: nc === null ? null : Number.parseInt(nc, 16),
    auts: params.get('auts') || null,
  });
}

/** Writes the value of WWW-Authenticate or Proxy-Authenticate; runs in the network. */
export function formatChallenge(challenge: DigestChallenge): string {
  const items = [`realm=${quote(challenge.realm)}`, `nonce=${quote(challenge.nonce)}`];
  if (challenge.algorithmGiven) items.push(`algorithm=${bare(challenge.algorithm)}`);
  if (challenge.qop.length > 0) items.push(`qop="${challenge.qop.join(',')}"`);
  if (challenge.opaque !== null) items.push(`opaque=${quote(challenge.opaque)}`);
  if (challenge.stale) items.push('stale=true');
  return `Digest ${items.join(', ')}`;
}

function digestParams(headerValue: string): Map<string, string | null> | string {
  if (headerValue.length > MAX_DIGEST_CHARACTERS) return 'an authentication header that is too long';
  const rest = /^\s*Digest\s+([\s\S]*)$/i.exec(headerValue)?.[1];
  if (rest === undefined) return 'not the Digest scheme';
  const params = parseParams(rest, ',');
  // A name with a space is the scheme of a second challenge in the same value. An answer to a mix of the two would be valid for neither.
  return params === null || [...params.keys()].some((name) => !isToken(name)) ? 'bad Digest parameters' : params;
}

function spelling(algorithm: string): string {
  const upper = algorithm.trim().toUpperCase();
  const base = upper.replace(/-SESS$/, '');
  if (!STRENGTH.some((known) => known === base)) return algorithm.trim();
  return upper === base ? base : `${base}-sess`;
}

function hashOf(algorithm: string): DigestHash | null {
  const base = algorithm.toUpperCase().replace(/-SESS$/, '');
  return STRENGTH.find((known) => known === base) ?? null;
}

function formatNc(nc: number): string {
  return (nc >>> 0).toString(16).padStart(8, '0');
}

function bare(text: string): string {
  return isToken(text) ? text : oneLine(text).replace(/[^A-Za-z0-9-]/g, '');
}
