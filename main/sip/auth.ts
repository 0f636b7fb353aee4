/**
 * Digest for every request of the client (RFC 3261 section 22, RFC 7616, RFC 8760): the strongest algorithm offered, one answer a
 * challenge. sip.js repeats a challenged request once, and once more when the nonce was merely stale; it asks here for the credentials,
 * since its own know only MD5 and take the last challenge of several.
 */
import { createHash } from 'node:crypto';
import { DigestAuthentication, type LoggerFactory, type OutgoingRequestMessage } from 'sip.js/lib/core/index.js';
import type { Clock } from '../base';
import { answerChallenge, chooseChallenge, type DigestChallenge, type DigestHash } from '../protocol/digest';
import type { WireMessage } from './wire-message';

const NODE_HASHES: Record<DigestHash, string> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

export function digestHash(algorithm: DigestHash, text: string | Uint8Array): string {
  return createHash(NODE_HASHES[algorithm]).update(text).digest('hex');
}

export interface AuthAccount {
  username: string;
  password: string;
}

export interface AuthDeps {
  clock: Clock;
  loggerFactory: LoggerFactory;
  /** The response that sip.js is working on, as it came over the wire. */
  currentResponse(): WireMessage | null;
  /** A URI of a sip.js message as it stands on the wire: the digest covers that one. */
  wireUri(uri: string): string;
}

/** The challenge of a 401 or 407, null when there is none that can be answered. */
export function challengeOf(response: WireMessage): DigestChallenge | null {
  if (response.start.kind !== 'response') return null;
  return chooseChallenge(response.all(response.start.status === 407 ? 'proxy-authenticate' : 'www-authenticate'));
}

export class Authenticator {
  readonly #account: AuthAccount;
  readonly #deps: AuthDeps;
  /** Requests that have carried an answer to their own challenge. */
  readonly #answered = new WeakSet<OutgoingRequestMessage>();
  /** The registrar's last challenge and how often its nonce has been used. */
  #known: { challenge: DigestChallenge; uses: number } | null = null;

  constructor(account: AuthAccount, deps: AuthDeps) {
    this.#account = account;
    this.#deps = deps;
  }

  /** What the stack gives sip.js as `authenticationFactory`: the credentials of one request. */
  credentials(): DigestAuthentication {
    return new Credentials(this.#deps.loggerFactory, (request) => this.#answerCurrent(request));
  }

  /** True when the password was already tried on this request: a further challenge then refuses it. */
  hasAnswered(request: OutgoingRequestMessage): boolean {
    return this.#answered.has(request);
  }

  /** An Authorization made from the registrar's last challenge, so that a refresh needs one round trip (RFC 3261 section 22.1). */
  repeated(method: string, uri: string): string | null {
    return this.#known === null ? null : this.#header(this.#known.challenge, method, uri, '');
  }

  #answerCurrent(request: OutgoingRequestMessage): string | null {
    const response = this.#deps.currentResponse();
    const challenge = response === null ? null : challengeOf(response);
    if (challenge === null) return null;
    const uri = this.#deps.wireUri(request.ruri.toRaw());
    const header = this.#header(challenge, request.method, uri, request.body?.body ?? '');
    this.#answered.add(request);
    if (request.method === 'REGISTER') this.#known = { challenge, uses: 1 };
    return header;
  }

  #header(challenge: DigestChallenge, method: string, uri: string, body: string): string {
    const known = this.#known?.challenge.nonce === challenge.nonce ? this.#known : null;
    if (known !== null) known.uses += 1;
    const { username, password } = this.#account;
    const cnonce = this.#deps.clock.uuid().replaceAll('-', '');
    return answerChallenge(challenge, { username, password, method, uri, nc: known?.uses ?? 1, cnonce, body }, digestHash);
  }
}

/** Stands where sip.js expects its own digest; only these two methods are ever called. */
class Credentials extends DigestAuthentication {
  readonly #answer: (request: OutgoingRequestMessage) => string | null;
  #header = '';

  constructor(loggerFactory: LoggerFactory, answer: (request: OutgoingRequestMessage) => string | null) {
    super(loggerFactory, undefined, undefined, undefined);
    this.#answer = answer;
  }

  override authenticate(request: OutgoingRequestMessage): boolean {
    const header = this.#answer(request);
    this.#header = header ?? '';
    return header !== null;
  }

  override toString(): string {
    return this.#header;
  }
}
