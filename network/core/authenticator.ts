/**
 * How the core authenticates a sender: SIP Digest (RFC 3261 section 22, RFC 7616, RFC 8760) with nonces that expire, nonce counts that must
 * rise, and `stale=true` when only the nonce was too old; Digest with a SIM (RFC 3310, TS 33.203); or, in early IMS (TS 33.978), by the
 * network address of the request.
 *
 *   md5, sha256, sha512-256, both    401/407 --response with the password--> proven
 *   aka    401 RAND, AUTN --response with RES--> proven;  --auts--> SQN set right, new challenge;  --empty response--> 403
 *   early                 --from an address of the subscriber--> proven, else 403
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Timekeeper } from '../../base/clock';
import { AKA_ALGORITHM } from '../../protocol/aka';
import { type DigestCredentials, type DigestHash, digestResponse, formatChallenge, parseAuthorization } from '../../protocol/digest';
import type { SipRequest } from '../sip/message';
import type { Flow } from '../sip/sip-server';
import type { Directory, Subscriber } from './directory';
import { HomeSubscribers } from './home-subscribers';
import { WrongPasswords } from './wrong-passwords';

/** LAB: how long a nonce is good, milliseconds. */
export const NONCE_LIFETIME_MS = 300_000;
/** The most nonces that are remembered; the oldest go first, and their users are challenged again. */
export const MAX_NONCES = 10_000;

export const authPolicies = ['md5', 'sha256', 'sha512-256', 'both', 'aka', 'early'] as const;
/** How the network authenticates; `both` is SHA-256 and MD5. */
export type AuthPolicy = (typeof authPolicies)[number];

/** RFC 8760 section 2.3: the preferred one stands on top. */
const OFFERED: Readonly<Record<AuthPolicy, readonly DigestHash[]>> = {
  md5: ['MD5'],
  sha256: ['SHA-256'],
  'sha512-256': ['SHA-512-256'],
  both: ['SHA-256', 'MD5'],
  aka: [],
  early: [],
};
const NODE_HASH: Readonly<Record<DigestHash, string>> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

/** Hash function for `main/protocol/digest`. */
export function digestHash(algorithm: DigestHash, text: string | Uint8Array): string {
  return createHash(NODE_HASH[algorithm]).update(text).digest('hex');
}

export interface AuthenticatorOptions {
  /** `both` when absent. */
  auth?: AuthPolicy;
  /** The qop values in challenges; only `auth` when absent. */
  qop?: readonly ('auth' | 'auth-int')[];
  /** True: the answer to every proof carries the next nonce (RFC 7616 section 3.5). */
  nextNonce?: boolean;
  nonceLifetimeMs?: number;
}

/**
 * The proven subscriber, with the next nonce where the network gives one; or a failed proof: `forbidden` when a further challenge would not
 * help, `stale` when a fresh nonce would; `waitMs` where too many passwords were wrong and none is looked at yet.
 */
export type Verdict =
  | { ok: true; subscriber: Subscriber; nextNonce: string | null }
  | { ok: false; stale: boolean; forbidden: boolean; reason: string; waitMs?: number };

interface Nonce {
  at: number;
  /** The highest count it was used with. */
  count: number;
  /** AKA: the subscriber of the SIM, and the response that it must give. */
  sim: { subscriber: Subscriber; res: Uint8Array } | null;
}

function equal(a: string, b: string): boolean {
  const left = Buffer.from(a.toLowerCase());
  const right = Buffer.from(b.toLowerCase());
  return left.length === right.length && timingSafeEqual(left, right);
}

const refuse = (reason: string, stale = false): Verdict => ({ ok: false, stale, forbidden: false, reason });
const forbid = (reason: string): Verdict => ({ ok: false, stale: false, forbidden: true, reason });

const WRONG = 'wrong user name or password';

/** The network address at the other end. */
function placeOf(flow: Flow | undefined): string {
  return flow === undefined ? '' : flow.remote.slice(0, flow.remote.lastIndexOf(':')).replace(/^\[|\]$|^::ffff:/g, '');
}

export class Authenticator {
  readonly #nonces = new Map<string, Nonce>();
  readonly #homes = new HomeSubscribers();
  readonly #wrong: WrongPasswords;
  readonly #policy: AuthPolicy;
  readonly #qop: readonly ('auth' | 'auth-int')[];
  readonly #lifetimeMs: number;

  constructor(
    private readonly directory: Directory,
    private readonly clock: Timekeeper,
    private readonly options: AuthenticatorOptions = {},
  ) {
    this.#wrong = new WrongPasswords(clock);
    this.#policy = options.auth ?? 'both';
    this.#qop = options.qop ?? ['auth'];
    this.#lifetimeMs = options.nonceLifetimeMs ?? NONCE_LIFETIME_MS;
  }

  /**
   * Values for WWW-Authenticate or Proxy-Authenticate, preferred first, with one nonce in common. Empty when `request` cannot be
   * challenged.
   */
  challenges(stale: boolean, request?: SipRequest): string[] {
    const form = { realm: this.directory.domain, opaque: null, algorithmGiven: true, qop: [...this.#qop], stale };
    if (this.#policy === 'aka') {
      const subscriber = request === undefined ? null : this.#claimed(request);
      const vector = subscriber === null ? null : this.#homes.vector(subscriber);
      if (subscriber === null || vector === null) return [];
      this.#remember(vector.nonce, { subscriber, res: vector.res });
      return [formatChallenge({ ...form, nonce: vector.nonce, algorithm: AKA_ALGORITHM })];
    }
    const offered = OFFERED[this.#policy];
    if (offered.length === 0) return [];
    const nonce = this.#newNonce();
    return offered.map((algorithm) => formatChallenge({ ...form, nonce, algorithm }));
  }

  /** Checks the credentials for this domain in `header` of `request`, or the address that it comes from. */
  verify(request: SipRequest, header: 'authorization' | 'proxy-authorization', flow?: Flow): Verdict {
    if (this.#policy === 'early') return this.#byAddress(request, flow);
    const credentials = this.#credentials(request, header);
    if (this.#policy === 'aka' && this.#claimed(request)?.sim == null) return forbid('nobody with a SIM');
    if (credentials === null || credentials.nonce === '') return refuse('no credentials');
    return this.#policy === 'aka' ? this.#bySim(request, credentials) : this.#byPassword(request, credentials, placeOf(flow));
  }

  #byPassword(request: SipRequest, credentials: DigestCredentials, source: string): Verdict {
    const waitMs = this.#wrong.waitFor(credentials.username, source);
    if (waitMs > 0) return { ok: false, stale: false, forbidden: false, reason: 'too many wrong passwords', waitMs };
    const verdict = this.#checkPassword(request, credentials);
    if (verdict.ok) this.#wrong.right(credentials.username, source);
    else if (verdict.reason === WRONG) this.#wrong.wrong(credentials.username, source);
    return verdict;
  }

  #checkPassword(request: SipRequest, credentials: DigestCredentials): Verdict {
    const name = credentials.algorithm ?? 'MD5';
    if (!OFFERED[this.#policy].some((offered) => name === offered || name === `${offered}-sess`))
      return refuse('an algorithm that was not offered');
    const subscriber = this.directory.findByUserName(credentials.username);
    const password = subscriber?.password ?? '';
    const defect = this.#defect(request, credentials, password);
    if (defect !== null) return refuse(defect);
    // No subscriber has an empty password: such a subscriber signs in by SIM or address.
    if (subscriber === null || password === '') return refuse(WRONG);
    return this.#count(credentials, subscriber);
  }

  /** RFC 3310 sections 3.3 and 3.4; TS 24.229 5.4.1.2.1 and 5.4.1.2.3. */
  #bySim(request: SipRequest, credentials: DigestCredentials): Verdict {
    const known = this.#nonces.get(credentials.nonce);
    const sim = known?.sim ?? null;
    if (known === undefined || sim === null) return refuse('no nonce of this network', true);
    if (this.directory.findByUserName(credentials.username) !== sim.subscriber) return forbid('the nonce is for another SIM');
    if (credentials.auts) {
      if (this.#defect(request, credentials, '') !== null) return forbid('the re-synchronisation is not proven');
      this.#nonces.delete(credentials.nonce);
      if (!this.#homes.resynchronise(sim.subscriber, credentials.nonce, credentials.auts)) return forbid('the AUTS is not of that SIM');
      return refuse('the sequence number was put right');
    }
    if (credentials.response === '') {
      this.#nonces.delete(credentials.nonce);
      return forbid('the SIM does not know this network');
    }
    if (credentials.algorithm !== AKA_ALGORITHM) return forbid('an algorithm that was not offered');
    if (this.#defect(request, credentials, sim.res) !== null) {
      this.#nonces.delete(credentials.nonce);
      return forbid('the SIM has another key');
    }
    return this.#count(credentials, sim.subscriber);
  }

  /** TS 33.978 section 6: the address assigned by the access network stands for the subscriber. */
  #byAddress(request: SipRequest, flow: Flow | undefined): Verdict {
    const subscriber = this.#claimed(request);
    if (subscriber?.early.includes(placeOf(flow)) !== true) return forbid('not from an address of this subscriber');
    return { ok: true, subscriber, nextNonce: null };
  }

  /** What is wrong with a response, or null. */
  #defect(request: SipRequest, credentials: DigestCredentials, password: string | Uint8Array): string | null {
    const { qop, nc, cnonce } = credentials;
    // LAB: the form of RFC 2069, without qop, could be replayed and is not accepted.
    if (qop === null || !this.#qop.includes(qop) || nc === null || cnonce === null) return 'no qop';
    if (credentials.uri !== request.uri) return 'the digest-uri is not the Request-URI';
    const expected = digestResponse(
      {
        challenge: { realm: this.directory.domain, nonce: credentials.nonce, algorithm: credentials.algorithm ?? 'MD5', qop: [qop] },
        username: credentials.username,
        password,
        method: request.method,
        uri: credentials.uri,
        nc,
        cnonce,
        body: request.body,
      },
      digestHash,
    );
    return equal(expected, credentials.response) ? null : WRONG;
  }

  /** The proof is right; checks whether its nonce is still good. */
  #count(credentials: DigestCredentials, subscriber: Subscriber): Verdict {
    const known = this.#nonces.get(credentials.nonce);
    if (known === undefined || this.clock.now() - known.at > this.#lifetimeMs) {
      this.#nonces.delete(credentials.nonce);
      return refuse('the nonce is too old', true);
    }
    const nc = credentials.nc ?? 0;
    // RFC 7616 section 3.4: a count seen before is a replay. It may also be an honest repeated request, so a fresh nonce settles it.
    if (nc <= known.count) return refuse('the nonce count did not rise', true);
    known.count = nc;
    return { ok: true, subscriber, nextNonce: this.options.nextNonce === true && known.sim === null ? this.#newNonce() : null };
  }

  #newNonce(): string {
    const nonce = randomBytes(18).toString('base64url');
    this.#remember(nonce, null);
    return nonce;
  }

  #remember(nonce: string, sim: Nonce['sim']): void {
    if (this.#nonces.size >= MAX_NONCES) {
      const oldest = this.#nonces.keys().next();
      if (oldest.done !== true) this.#nonces.delete(oldest.value);
    }
    this.#nonces.set(nonce, { at: this.clock.now(), count: 0, sim });
  }

  /** The subscriber that a request names before any proof: by the user name of its credentials, else by its From. */
  #claimed(request: SipRequest): Subscriber | null {
    const credentials = this.#credentials(request, 'authorization') ?? this.#credentials(request, 'proxy-authorization');
    if (credentials !== null) return this.directory.findByUserName(credentials.username);
    return this.directory.find(request.get('p-preferred-identity') ?? request.get('from') ?? '');
  }

  #credentials(request: SipRequest, header: string): DigestCredentials | null {
    for (const value of request.all(header)) {
      const read = parseAuthorization(value);
      if (read.ok && read.value.realm === this.directory.domain) return read.value;
    }
    return null;
  }
}
