/**
 * A path through a relay (RFC 4976), for one session: a connection of its own, on which this client has proved by Digest who it is. One a
 * session, as with everything that a session shows: two sessions over one path would be known to be of the same device.
 *
 *   connecting --AUTH--> 401 --AUTH with the answer--> open --refresh, the same path--> open
 *       |                 |                             |
 *       +-----------------+--- refused, no answer       +--- connection lost, the path would expire ---> closed
 *
 * The relay answers for the hop to it alone. Whether a message has come to the other side, its success REPORT tells (`outgoing.ts`).
 */
import { createHash } from 'node:crypto';
import type { Clock, Disposable, Logger } from '../base';
import { AppError } from '../errors';
import { answerChallenge, chooseChallenge, type DigestHash } from '../protocol/digest';
import { bodilessRequest, type MsrpResponse, msrpHeader, newTransactionId, parseMsrpUri } from '../protocol/msrp';
import type { MsrpConnection } from './connection';

/** RFC 4975 section 6: where a URI names no port. */
const defaultPort = 2855;
/** LAB: how long a relay may take from the first octet to the path. Whoever writes waits for it. */
export const relayTimeoutMs = 10_000;
/** RFC 4976 section 5.1 leaves it to the relay; LAB: what holds where its answer names no Expires, seconds. */
export const defaultPathSeconds = 600;
/** LAB: the share of its life after which a path is refreshed. */
export const refreshShare = 0.8;
/** LAB: AUTHs that one attempt may take: the first, one that answers its challenge, one for a stale nonce, one for another Expires. */
const maximumAttempts = 4;

export interface RelayAccount {
  /** `msrp:` or `msrps:`, of the relay itself. */
  uri: string;
  username: string;
  password: string;
  minAlgorithm: DigestHash;
}

export interface RelayDeps {
  clock: Clock;
  log: Logger;
  connect(host: string, port: number, signal: AbortSignal): Promise<MsrpConnection>;
}

export class RelayPath implements Disposable {
  /** What peers are told: it stands before the session's own URI (RFC 4976 section 5.1). */
  readonly uri: string;
  readonly connection: MsrpConnection;
  readonly #auth: Authorisation;
  readonly #deps: RelayDeps;
  #timer: Disposable | null = null;

  private constructor(connection: MsrpConnection, auth: Authorisation, granted: Grant, deps: RelayDeps) {
    this.connection = connection;
    this.uri = granted.uri;
    this.#auth = auth;
    this.#deps = deps;
    this.#expect(granted.seconds);
    connection.onClose.on(() => this.dispose());
  }

  /** @throws AppError `msrp/relay`: `retry` says whether trying again may help. */
  static async open(account: RelayAccount, sessionId: string, deps: RelayDeps): Promise<{ path: RelayPath; ownUri: string }> {
    const target = parseMsrpUri(account.uri);
    if (!target.ok) throw new AppError('msrp/relay', { cause: `${account.uri}: ${target.reason}` }, 'user');
    const { scheme, host, port } = target.value;
    const abort = new AbortController();
    const limit = deps.clock.setTimer(relayTimeoutMs, () => abort.abort());
    let connection: MsrpConnection | null = null;
    try {
      connection = await deps.connect(host.replace(/^\[|\]$/g, ''), port ?? defaultPort, abort.signal);
      if (scheme === 'msrps' && connection.tls?.isAuthorized !== true)
        throw new AppError('msrp/relay', { cause: 'no trusted authority vouches for the certificate of the relay' }, 'user');
      const ownUri = `${scheme}://${authorityOf(connection.local)}/${sessionId};tcp`;
      const auth = new Authorisation(account, ownUri, connection, deps.clock);
      const granted = await auth.ask(abort.signal);
      deps.log.info('a path through the media relay', { path: granted.uri, seconds: granted.seconds });
      return { path: new RelayPath(connection, auth, granted, deps), ownUri };
    } catch (error) {
      connection?.destroy('the relay gave no path');
      throw relayError(error);
    } finally {
      limit.dispose();
    }
  }

  dispose(): void {
    this.#timer?.dispose();
    this.#timer = null;
  }

  #expect(seconds: number): void {
    this.#timer = this.#deps.clock.setTimer(seconds * 1000 * refreshShare, () => void this.#refresh());
  }

  /** A relay that gives another path instead of more time leaves no choice: peers know the old one, so the session has to describe itself anew. */
  async #refresh(): Promise<void> {
    const abort = new AbortController();
    const limit = this.#deps.clock.setTimer(relayTimeoutMs, () => abort.abort());
    try {
      const granted = await this.#auth.ask(abort.signal);
      if (!this.connection.isOpen) return;
      if (granted.uri === this.uri) this.#expect(granted.seconds);
      else this.connection.destroy('its path through the relay ends');
    } catch (error) {
      this.#deps.log.warn('a path through the media relay was not refreshed', { error: String(error) });
      this.connection.destroy('its path through the relay was not refreshed');
    } finally {
      limit.dispose();
    }
  }
}

interface Grant {
  uri: string;
  seconds: number;
}

/** The AUTH transactions of one connection (RFC 4976 sections 5.1 and 9.1). */
class Authorisation {
  /** As the relay last challenged: a refresh answers it at once. */
  #challenge: ReturnType<typeof chooseChallenge> = null;
  #uses = 0;
  /** None unless the relay has named the bounds: some take no other. */
  #expires: number | null = null;

  constructor(
    private readonly account: RelayAccount,
    private readonly ownUri: string,
    private readonly connection: MsrpConnection,
    private readonly clock: Clock,
  ) {}

  async ask(signal: AbortSignal): Promise<Grant> {
    let hasAnswered = false;
    for (let attempt = 0; attempt < maximumAttempts; attempt += 1) {
      const response = await this.#transact(signal);
      const { status, reason } = response;
      if (status === 200) return grantOf(response);
      if (status === 401) {
        const challenge = chooseChallenge(allOf(response, 'WWW-Authenticate'), this.account.minAlgorithm);
        if (challenge === null)
          throw new AppError('msrp/relay', { status, reason, cause: 'the relay offers no Digest that is strong enough' }, 'user');
        if (hasAnswered && !challenge.stale) throw new AppError('msrp/relay', { status, reason }, 'user');
        this.#challenge = challenge;
        this.#uses = 0;
        hasAnswered = true;
      } else if (status === 423) {
        const bound = Number(msrpHeader(response, 'Min-Expires') ?? msrpHeader(response, 'Max-Expires'));
        if (!Number.isInteger(bound) || bound <= 0) throw new AppError('msrp/relay', { status, reason }, 'user');
        this.#expires = bound;
      } else throw new AppError('msrp/relay', { status, reason }, status === 403 || status < 400 ? 'user' : 'auto');
    }
    throw new AppError('msrp/relay', { cause: 'the relay asks again and again' }, 'user');
  }

  #transact(signal: AbortSignal): Promise<MsrpResponse> {
    const { connection, clock, account, ownUri } = this;
    const transactionId = newTransactionId(() => clock.random(), null);
    return new Promise((resolve, reject) => {
      const lost = connection.onClose.on((reason) => fail(`the relay closed the connection: ${reason}`));
      const abort = () => fail('the relay does not answer');
      const done = () => {
        lost.dispose();
        signal.removeEventListener('abort', abort);
        connection.forget(transactionId);
      };
      const fail = (cause: string) => {
        done();
        reject(new AppError('msrp/relay', { cause }, 'auto'));
      };
      if (!connection.isOpen) return fail('the connection to the relay has ended');
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort, { once: true });
      connection.request(
        bodilessRequest({ transactionId, method: 'AUTH', toPath: [account.uri], fromPath: [ownUri], headers: this.#headers() }),
        (response) => {
          done();
          resolve(response);
        },
      );
    });
  }

  #headers(): [string, string][] {
    const headers: [string, string][] = this.#expires === null ? [] : [['Expires', String(this.#expires)]];
    if (this.#challenge === null) return headers;
    this.#uses += 1;
    const { username, password, uri } = this.account;
    const cnonce = this.clock.uuid().replaceAll('-', '');
    const answer = { username, password, method: 'AUTH', uri, nc: this.#uses, cnonce };
    return [...headers, ['Authorization', answerChallenge(this.#challenge, answer, hash)]];
  }
}

function hash(algorithm: DigestHash, text: string | Uint8Array): string {
  return createHash(algorithm === 'SHA-512-256' ? 'sha512-256' : algorithm.replace('-', '').toLowerCase())
    .update(text)
    .digest('hex');
}

/** LAB: a chain of relays is not walked; what a relay of one gives is one URI. */
function grantOf(response: MsrpResponse): Grant {
  const [uri, ...more] = (msrpHeader(response, 'Use-Path') ?? '').split(/\s+/).filter((each) => each !== '');
  if (uri === undefined || more.length > 0 || !parseMsrpUri(uri).ok)
    throw new AppError('msrp/relay', { cause: 'the relay gave no path of one URI' }, 'user');
  const seconds = Number(msrpHeader(response, 'Expires') ?? defaultPathSeconds);
  return { uri, seconds: Number.isInteger(seconds) && seconds > 0 ? seconds : defaultPathSeconds };
}

/** `address:port` as a URI says it. */
function authorityOf(local: string): string {
  const colon = local.lastIndexOf(':');
  const address = local.slice(0, colon);
  return `${address.includes(':') ? `[${address}]` : address}:${local.slice(colon + 1)}`;
}

function allOf({ headers = [] }: MsrpResponse, name: string): string[] {
  return headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

function relayError(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'msrp/relay') return error;
  return new AppError('msrp/relay', { cause: error instanceof Error ? error.message : String(error) }, 'auto');
}
