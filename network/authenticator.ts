/**
 * SIP Digest on the side that asks (RFC 3261 section 22, RFC 7616, RFC 8760): MD5 and SHA-256 offered, nonces that expire, nonce counts
 * that must rise, `stale=true` when only the nonce was too old.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type DigestCredentials, type DigestHash, digestResponse, formatChallenge, parseAuthorization } from '../main/protocol/digest';
import type { Clock } from './clock';
import type { Directory, Subscriber } from './directory';
import type { SipRequest } from './message';

/** LAB: how long a nonce is good, milliseconds. */
export const NONCE_LIFETIME_MS = 300_000;
/** Nonces remembered at most; the oldest go first, and their users are asked again. */
export const MAX_NONCES = 10_000;

/** RFC 8760 section 2.3: the preferred one stands on top. */
const OFFERED: readonly DigestHash[] = ['SHA-256', 'MD5'];
const NODE_HASH: Readonly<Record<DigestHash, string>> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

/** Hash function for `main/protocol/digest`. */
export function digestHash(algorithm: DigestHash, text: string | Uint8Array): string {
  return createHash(NODE_HASH[algorithm]).update(text).digest('hex');
}

/** Who proved to be whom; or that the proof failed, and whether asking again with a fresh nonce would help. */
export type Verdict = { ok: true; subscriber: Subscriber } | { ok: false; stale: boolean; reason: string };

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a.toLowerCase());
  const right = Buffer.from(b.toLowerCase());
  return left.length === right.length && timingSafeEqual(left, right);
}

export class Authenticator {
  /** Nonce -> when it was made, and the highest count it was used with. Insertion order is age. */
  readonly #nonces = new Map<string, { at: number; count: number }>();

  constructor(
    private readonly directory: Directory,
    private readonly clock: Clock,
  ) {}

  /** Values for WWW-Authenticate or Proxy-Authenticate, preferred first. They share one nonce. */
  challenges(stale: boolean): string[] {
    const nonce = randomBytes(18).toString('base64url');
    if (this.#nonces.size >= MAX_NONCES) {
      const oldest = this.#nonces.keys().next();
      if (oldest.done !== true) this.#nonces.delete(oldest.value);
    }
    this.#nonces.set(nonce, { at: this.clock.now(), count: 0 });
    const realm = this.directory.domain;
    return OFFERED.map((algorithm) =>
      formatChallenge({ realm, nonce, opaque: null, algorithm, algorithmGiven: true, qop: ['auth'], stale }),
    );
  }

  /** Checks the credentials for this domain in `header` of `request`. */
  verify(request: SipRequest, header: 'authorization' | 'proxy-authorization'): Verdict {
    const refuse = (reason: string, stale = false): Verdict => ({ ok: false, stale, reason });
    const credentials = this.#credentials(request, header);
    if (credentials === null) return refuse('no credentials');
    const { algorithm, qop, nc, cnonce } = credentials;
    const name = algorithm ?? 'MD5';
    if (!OFFERED.some((offered) => name === offered || name === `${offered}-sess`)) return refuse('an algorithm that was not offered');
    // LAB: the form of RFC 2069, without qop, could be replayed; it is not taken.
    if (qop !== 'auth' || nc === null || cnonce === null) return refuse('no qop');
    if (credentials.uri !== request.uri) return refuse('the digest-uri is not the Request-URI');
    const subscriber = this.directory.findByUserName(credentials.username);
    const expected = digestResponse(
      {
        challenge: { realm: this.directory.domain, nonce: credentials.nonce, algorithm: name, qop: ['auth'] },
        username: credentials.username,
        password: subscriber?.password ?? '',
        method: request.method,
        uri: credentials.uri,
        nc,
        cnonce,
      },
      digestHash,
    );
    if (subscriber === null || !equal(expected, credentials.response)) return refuse('wrong user name or password');
    const known = this.#nonces.get(credentials.nonce);
    if (known === undefined || this.clock.now() - known.at > NONCE_LIFETIME_MS) {
      this.#nonces.delete(credentials.nonce);
      return refuse('the nonce is too old', true);
    }
    // RFC 7616 section 3.4: a count seen before is a replay. The sender may have its reasons (a repeated request): a fresh nonce settles it.
    if (nc <= known.count) return refuse('the nonce count did not rise', true);
    known.count = nc;
    return { ok: true, subscriber };
  }

  #credentials(request: SipRequest, header: string): DigestCredentials | null {
    for (const value of request.all(header)) {
      const read = parseAuthorization(value);
      if (read.ok && read.value.realm === this.directory.domain) return read.value;
    }
    return null;
  }
}
