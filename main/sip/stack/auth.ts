/**
 * How this client authenticates (RFC 3261 section 22, RFC 7616, RFC 8760, RFC 3310; TS 33.203, TS 33.978; R37):
 *
 *   what the network offers           auto, no SIM    auto with SIM     digest          aka        early-ims
 *   Digest MD5, SHA-256, SHA-512-256  strongest       strongest         strongest       refused    refused
 *   AKAv1-MD5                         refused         the SIM's answer  refused         SIM        refused
 *   no challenge                      accepted        accepted          accepted        accepted   no Authorization at all
 *
 * No answer is weaker than the minimum that the person has set. `RegisterProof` answers a REGISTER's challenges one by one;
 * for any other request sip.js asks here for the credentials, since its own only know MD5 and use the last of several challenges.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { DigestAuthentication, type LoggerFactory, type OutgoingRequestMessage } from 'sip.js/lib/core/index.js';
import type { Clock } from '../../../base/clock';
import { AppError, type ErrorDetail } from '../../../preload/contract/errors';
import { akaAnswer } from '../../../protocol/aka';
import {
  answerChallenge,
  chooseAka,
  chooseChallenge,
  type DigestChallenge,
  type DigestHash,
  formatAuthorization,
} from '../../../protocol/digest';
import { parseParams } from '../../../protocol/generic-param';
import { type BlockCipher, type MilenageSecret, opcOf } from '../../../protocol/milenage';
import type { WireMessage } from '../wire/wire-message';

const NODE_HASHES: Record<DigestHash, string> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

/** LAB: how many `stale` answers one REGISTER follows. */
export const MAX_STALE = 2;
/** LAB: how often one REGISTER re-synchronises the network's sequence number. */
export const MAX_RESYNCS = 1;

export type AuthScheme = 'auto' | 'digest' | 'aka' | 'early-ims';

/** A software SIM. */
export interface Sim {
  secret: MilenageSecret;
  /** The highest sequence number accepted so far; 0 for a new SIM. */
  loadSqn(): number;
  /** Durable when it returns. Called before the answer that uses the number is sent. */
  saveSqn(sqn: number): void;
}

/** The secrets of a SIM, each as the hexadecimal digits of 16 octets: K with OPc, or with OP, from which OPc is derived. */
export interface SimNumbers {
  k: string;
  op: string | null;
  opc: string | null;
}

/** @throws AppError account/bad-credentials when the numbers cannot belong to a SIM */
export function softwareSim(numbers: SimNumbers, sqn: { load(): number; save(sqn: number): void }): Sim {
  const octets = (hex: string | null) => (hex !== null && /^[0-9a-f]{32}$/i.test(hex) ? Uint8Array.from(Buffer.from(hex, 'hex')) : null);
  const k = octets(numbers.k);
  const op = octets(numbers.op);
  const opc = octets(numbers.opc) ?? (k !== null && op !== null ? opcOf(k, op, aes) : null);
  if (k === null || opc === null)
    throw new AppError('account/bad-credentials', { cause: 'K and OP or OPc of a SIM are 32 hexadecimal digits' }, 'user');
  return { secret: { k, opc }, loadSqn: () => sqn.load(), saveSqn: (number) => sqn.save(number) };
}

export interface AuthAccount {
  /** The user name for Digest; in IMS the private identity. */
  username: string;
  password: string;
  /** The home domain: the realm in the first REGISTER of an IMS client (TS 24.229 5.1.1.2). */
  domain: string;
  scheme: AuthScheme;
  minAlgorithm: DigestHash;
  sim: Sim | null;
}

export interface AuthDeps {
  clock: Clock;
  loggerFactory: LoggerFactory;
  /** The response that sip.js is processing, as it was on the wire. */
  currentResponse(): WireMessage | null;
  /** A URI in a sip.js message as it will be on the wire, which is what the digest covers. */
  wireUri(uri: string): string;
}

export function digestHash(algorithm: DigestHash, data: string | Uint8Array): string {
  return createHash(NODE_HASHES[algorithm]).update(data).digest('hex');
}

const aes: BlockCipher = (key, block) => createCipheriv('aes-128-ecb', key, null).setAutoPadding(false).update(block);

/** How a challenge is answered. */
type Solution =
  | { kind: 'password'; challenge: DigestChallenge; password: string | Uint8Array; isAka: boolean }
  | { kind: 'resync'; challenge: DigestChallenge; auts: string }
  | { kind: 'wrong-network'; challenge: DigestChallenge };

type Field = 'authorization' | 'proxy-authorization';

interface Known {
  solution: Solution;
  /** How often the nonce has been used. */
  uses: number;
}

interface Request {
  method: string;
  /** The digest-uri. */
  uri: string;
  body: Uint8Array;
}

const NO_BODY = new Uint8Array(0);

/** The challenge headers in a 401 or 407. */
function challengesOf(response: WireMessage): { field: Field; values: string[]; detail: ErrorDetail } {
  const start = response.start.kind === 'response' ? response.start : { status: 0, reason: '' };
  const isProxy = start.status === 407;
  return {
    field: isProxy ? 'proxy-authorization' : 'authorization',
    values: response.all(isProxy ? 'proxy-authenticate' : 'www-authenticate'),
    detail: { status: start.status, reason: start.reason },
  };
}

export class Authenticator {
  readonly #account: AuthAccount;
  readonly #deps: AuthDeps;
  /** Requests that have already carried an answer to their own challenge. */
  readonly #answered = new WeakSet<OutgoingRequestMessage>();
  /** The last solved challenges to REGISTER, of the registrar and of a proxy. */
  readonly #known = new Map<Field, Known>();

  constructor(account: AuthAccount, deps: AuthDeps) {
    this.#account = account;
    this.#deps = deps;
  }

  /** The `authenticationFactory` of sip.js: the credentials of one request. */
  credentials(): DigestAuthentication {
    return new Credentials(this.#deps.loggerFactory, (request) => this.#answerCurrent(request));
  }

  /** True when the password was already tried on this request; a further challenge then means that it is wrong. */
  hasAnswered(request: OutgoingRequestMessage): boolean {
    return this.#answered.has(request);
  }

  /** The authentication of one registration attempt: any number of REGISTERs, each answering the last challenge. */
  startRegister(): RegisterProof {
    return new RegisterProof(
      this.#known,
      (response) => this.#solve(response),
      (known, uri) => this.#header(known, { method: 'REGISTER', uri, body: NO_BODY }),
      (uri) => this.#firstHeader(uri),
    );
  }

  #answerCurrent(request: OutgoingRequestMessage): string | null {
    const response = this.#deps.currentResponse();
    // RegisterProof answers the challenges to REGISTER.
    if (response === null || request.method === 'REGISTER') return null;
    const solution = this.#solve(response);
    if (solution instanceof AppError || solution.kind === 'wrong-network') return null;
    this.#answered.add(request);
    const body = Uint8Array.from(Buffer.from(request.body?.body ?? '', 'latin1'));
    const uri = this.#deps.wireUri(request.ruri.toRaw());
    // The registrar's nonce may also guard other requests, so the nonce count must rise across both.
    const known = this.#known.get('authorization');
    const isKnown = known?.solution.kind === 'password' && known.solution.challenge.nonce === solution.challenge.nonce;
    return this.#header(isKnown ? known : { solution, uses: 0 }, { method: request.method, uri, body });
  }

  /** Chooses and solves one of the challenges in a 401 or 407, or tells why none can be answered. */
  #solve(response: WireMessage): Solution | AppError {
    const { values, detail } = challengesOf(response);
    const { scheme, sim, minAlgorithm, password } = this.#account;
    if (scheme === 'early-ims') {
      return new AppError('sip/rejected', { ...detail, cause: 'early IMS is set, and the network asks for a proof' }, 'user');
    }
    const aka = scheme === 'digest' ? null : chooseAka(values);
    if (aka !== null && sim !== null) return solveAka(aka, sim, detail);
    if (scheme === 'aka') return new AppError('sip/rejected', { ...detail, cause: 'the network offers no AKA' }, 'user');
    const challenge = chooseChallenge(values, minAlgorithm);
    if (challenge !== null) return { kind: 'password', challenge, password, isAka: false };
    const weaker = chooseChallenge(values);
    if (weaker !== null) {
      return new AppError('account/weak-sign-in', { ...detail, cause: `${weaker.algorithm} is below ${minAlgorithm}` }, 'user');
    }
    return new AppError('sip/rejected', { ...detail, cause: 'no challenge that can be answered' }, 'user');
  }

  #header(known: Known, { method, uri, body }: Request): string {
    const { username } = this.#account;
    const { solution } = known;
    known.uses += 1;
    const shared = { username, method, uri, nc: known.uses, cnonce: this.#deps.clock.uuid().replaceAll('-', ''), body };
    switch (solution.kind) {
      case 'password':
        return answerChallenge(solution.challenge, { ...shared, password: solution.password }, digestHash);
      case 'resync':
        // RFC 3310 section 3.4: the response is computed with an empty password.
        return answerChallenge(solution.challenge, { ...shared, password: '', auts: solution.auts }, digestHash);
      case 'wrong-network':
        return this.#emptyHeader(solution.challenge, uri);
    }
  }

  /** TS 24.229 5.1.1.2: an IMS client states its identity in the first request. Null for any other client. */
  #firstHeader(uri: string): string | null {
    const { scheme, sim, domain } = this.#account;
    if (sim === null || (scheme !== 'aka' && scheme !== 'auto')) return null;
    return this.#emptyHeader({ realm: domain, nonce: '', opaque: null, algorithm: '', algorithmGiven: false }, uri);
  }

  #emptyHeader(challenge: Pick<DigestChallenge, 'realm' | 'nonce' | 'opaque' | 'algorithm' | 'algorithmGiven'>, uri: string): string {
    const { realm, nonce, opaque, algorithm, algorithmGiven } = challenge;
    return formatAuthorization({
      username: this.#account.username,
      realm,
      nonce,
      uri,
      response: '',
      algorithm: algorithmGiven ? algorithm : null,
      opaque,
      qop: null,
      cnonce: null,
      nc: null,
    });
  }
}

function solveAka(challenge: DigestChallenge, sim: Sim, detail: ErrorDetail): Solution | AppError {
  const answer = akaAnswer(sim.secret, challenge.nonce, sim.loadSqn(), aes);
  if (!answer.ok) return new AppError('sip/malformed', { ...detail, cause: answer.reason }, 'user');
  switch (answer.value.kind) {
    case 'res':
      sim.saveSqn(answer.value.sqn);
      return { kind: 'password', challenge, password: answer.value.res, isAka: true };
    case 'resync':
      return { kind: 'resync', challenge, auts: answer.value.auts };
    case 'wrongNetwork':
      return { kind: 'wrong-network', challenge };
  }
}

/** Answers the challenges of one registration attempt. */
export class RegisterProof {
  readonly #known: Map<Field, Known>;
  readonly #solve: (response: WireMessage) => Solution | AppError;
  readonly #header: (known: Known, uri: string) => string;
  readonly #first: (uri: string) => string | null;
  /** Fields for which the password has been tried on a challenge in this attempt. */
  readonly #tried = new Set<Field>();
  #stale = 0;
  #resyncs = 0;
  #wrongNetwork: AppError | null = null;

  constructor(
    known: Map<Field, Known>,
    solve: (response: WireMessage) => Solution | AppError,
    header: (known: Known, uri: string) => string,
    first: (uri: string) => string | null,
  ) {
    this.#known = known;
    this.#solve = solve;
    this.#header = header;
    this.#first = first;
  }

  /** Name and value of each credentials header for the next REGISTER. Answering the last challenge in advance saves a round trip. */
  headers(uri: string): [Field, string][] {
    const made = [...this.#known].map(([field, known]): [Field, string] => [field, this.#header(known, uri)]);
    if (this.#known.has('authorization')) return made;
    const first = this.#first(uri);
    return first === null ? made : [['authorization', first], ...made];
  }

  /** Handles a 401 or 407. Null: send again. Otherwise the attempt has failed. */
  challenged(response: WireMessage): AppError | null {
    const { field, detail } = challengesOf(response);
    if (this.#wrongNetwork !== null) return this.#wrongNetwork;
    const solution = this.#solve(response);
    if (solution instanceof AppError) return solution;
    if (this.#tried.has(field)) {
      const isStale = solution.challenge.stale;
      this.#stale += 1;
      if (!isStale) return new AppError('account/bad-credentials', detail, 'user');
      if (this.#stale > MAX_STALE) return new AppError('sip/rejected', { ...detail, cause: 'every nonce is stale' }, 'auto');
    }
    const before = this.#known.get(field);
    const isSameNonce = before?.solution.challenge.nonce === solution.challenge.nonce && before.solution.kind === solution.kind;
    this.#known.set(field, { solution, uses: isSameNonce ? before.uses : 0 });
    if (solution.kind === 'password') this.#tried.add(field);
    if (solution.kind === 'resync') {
      this.#resyncs += 1;
      if (this.#resyncs > MAX_RESYNCS) {
        this.#known.delete(field);
        return new AppError('account/unproven-network', { ...detail, cause: 'the network does not follow the SIM' }, 'user');
      }
    }
    if (solution.kind === 'wrong-network') {
      this.#wrongNetwork = new AppError('account/unproven-network', { ...detail, cause: 'the network does not know the key' }, 'user');
    }
    return null;
  }

  /** The error of a final refusal. A network that could not prove itself gets one answer, and its reply no longer matters. */
  refused(error: AppError): AppError {
    for (const [field, { solution }] of [...this.#known]) if (solution.kind !== 'password') this.#known.delete(field);
    return this.#wrongNetwork ?? error;
  }

  /** Handles the 200: `nextnonce` saves the next challenge (RFC 7616 section 3.5). Returns an error when the network is not trusted. */
  accepted(response: WireMessage): AppError | null {
    if (this.#wrongNetwork !== null) return this.#wrongNetwork;
    this.#learnNonce(response);
    return null;
  }

  #learnNonce(response: WireMessage): void {
    const next = parseParams(response.first('authentication-info') ?? '', ',')?.get('nextnonce');
    const known = this.#known.get('authorization');
    if (!next || known === undefined || known.solution.kind !== 'password') return;
    // The SIM has to judge a nonce of AKA, so the next challenge must bring it.
    if (known.solution.isAka) this.#known.delete('authorization');
    else
      this.#known.set('authorization', {
        solution: { ...known.solution, challenge: { ...known.solution.challenge, nonce: next } },
        uses: 0,
      });
  }
}

/** Replaces sip.js' own digest; sip.js only calls these two methods. */
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
