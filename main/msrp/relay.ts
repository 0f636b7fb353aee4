/**
 * A path through a relay (RFC 4976), for one session: a connection of its own, on which this client has authenticated by Digest. Each
 * session has its own path, because a shared path would reveal that two sessions belong to the same device.
 *
 *   connecting --AUTH--> 401 --AUTH with the answer--> open --refresh, the same path--> open
 *       |                 |                             |
 *       +-----------------+--- refused, no answer       +--- connection lost, the path would expire ---> closed
 *
 * In a chain of relays this client connects only to the first one and requests a path from each further one through those before it.
 *
 * The relay answers only for its own hop. The success REPORT confirms that the other side has a message (`outgoing.ts`).
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import { AppError, type ErrorDetail, type RelayTrouble } from '../../preload/contract/errors';
import { answerChallenge, chooseChallenge, type DigestHash } from '../../protocol/digest';
import { bodilessRequest, type MsrpResponse, maximumRelays, msrpHeader, newTransactionId, parseMsrpUri } from '../../protocol/msrp';
import type { MsrpConnection } from './connection';

/** RFC 4975 section 6: the default port. */
const defaultPort = 2855;
/** LAB: how long a relay may take until it gives a path. The person who writes waits for it. */
export const relayTimeoutMs = 10_000;
/** LAB: the lifetime of a path, in seconds, when the relay's answer has no Expires; RFC 4976 section 5.1 leaves it to the relay. */
export const defaultPathSeconds = 600;
/** LAB: a path is refreshed after this share of its lifetime. */
export const refreshShare = 0.8;
/** LAB: most AUTHs in one attempt: the first, the answer to its challenge, one for a stale nonce, one for a different Expires. */
const maximumAttempts = 4;

export interface RelayAccount {
  /**
   * `msrp:` or `msrps:`, the same scheme throughout. The first is the relay that this client connects to; each further one is reached
   * through those before.
   */
  uris: readonly string[];
  username: string;
  password: string;
  minAlgorithm: DigestHash;
}

export function throughTls({ uris: [first = ''] }: RelayAccount): boolean {
  return /^msrps:/i.test(first);
}

export interface RelayDeps {
  clock: Clock;
  log: Logger;
  connect(host: string, port: number, signal: AbortSignal): Promise<MsrpConnection>;
}

export class RelayPath implements Disposable {
  /** The path outwards, as it begins a To-Path. Peers are told the reverse (RFC 4976 section 5.1). */
  readonly usePath: readonly string[];
  readonly connection: MsrpConnection;
  readonly #auths: Authorisation[];
  readonly #deps: RelayDeps;
  #timer: Disposable | null = null;

  private constructor(connection: MsrpConnection, auths: Authorisation[], granted: Grant, deps: RelayDeps) {
    this.connection = connection;
    this.usePath = granted.usePath;
    this.#auths = auths;
    this.#deps = deps;
    this.#expect(granted.seconds);
    connection.onClose.on(() => this.dispose());
  }

  /** @throws AppError `msrp/relay`; its `retry` tells whether trying again may help */
  static async open(account: RelayAccount, sessionId: string, deps: RelayDeps): Promise<{ path: RelayPath; ownUri: string }> {
    const [first = ''] = account.uris;
    const target = parseMsrpUri(first);
    if (!target.ok) throw trouble('unusable', { cause: `${first}: ${target.reason}` });
    const { scheme, host, port } = target.value;
    const abort = new AbortController();
    const limit = deps.clock.setTimer(relayTimeoutMs, () => abort.abort());
    let connection: MsrpConnection | null = null;
    try {
      const opened = await deps.connect(host.replace(/^\[|\]$/g, ''), port ?? defaultPort, abort.signal);
      connection = opened;
      if (scheme === 'msrps' && opened.tls?.isAuthorized !== true)
        throw trouble('untrusted', { cause: `the certificate of the relay: ${opened.tls?.problem ?? 'no authority vouches for it'}` });
      const ownUri = `${scheme}://${authorityOf(opened.local)}/${sessionId};tcp`;
      const auths = account.uris.slice(0, maximumRelays).map((uri) => new Authorisation({ ...account, uri }, ownUri, opened, deps.clock));
      const granted = await askAll(auths, abort.signal);
      deps.log.info('a path through the media relay', { path: granted.usePath.join(' '), seconds: granted.seconds });
      return { path: new RelayPath(opened, auths, granted, deps), ownUri };
    } catch (error) {
      connection?.destroy('the relay gave no path');
      throw asTrouble(error);
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

  /**
   * If the relay gives another path instead of extending this one, the session needs a new description, because peers know the old path.
   */
  async #refresh(): Promise<void> {
    const abort = new AbortController();
    const limit = this.#deps.clock.setTimer(relayTimeoutMs, () => abort.abort());
    try {
      const granted = await askAll(this.#auths, abort.signal);
      if (!this.connection.isOpen) return;
      if (granted.usePath.join(' ') === this.usePath.join(' ')) this.#expect(granted.seconds);
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
  usePath: readonly string[];
  seconds: number;
}

/** Requests paths from the inside outwards, each through the relays before it. The whole path lives as long as its shortest part. */
async function askAll(auths: readonly Authorisation[], signal: AbortSignal): Promise<Grant> {
  let granted: Grant = { usePath: [], seconds: Number.POSITIVE_INFINITY };
  for (const auth of auths) {
    const next = await auth.ask(granted.usePath, signal);
    granted = { usePath: next.usePath, seconds: Math.min(granted.seconds, next.seconds) };
  }
  return granted;
}

/** The AUTH transactions with one relay (RFC 4976 sections 5.1 and 9.1). */
class Authorisation {
  /** The relay's latest challenge; a refresh answers it at once. */
  #challenge: ReturnType<typeof chooseChallenge> = null;
  #uses = 0;
  /** Null until the relay has named its limits; some relays accept no Expires before. */
  #expires: number | null = null;

  constructor(
    private readonly account: Omit<RelayAccount, 'uris'> & { uri: string },
    private readonly ownUri: string,
    private readonly connection: MsrpConnection,
    private readonly clock: Clock,
  ) {}

  /** `through`: the path to this relay. */
  async ask(through: readonly string[], signal: AbortSignal): Promise<Grant> {
    let hasAnswered = false;
    for (let attempt = 0; attempt < maximumAttempts; attempt += 1) {
      const response = await this.#transact(through, signal);
      const { status, reason } = response;
      if (status === 200) return this.#grantOf(response, through);
      if (status === 401) {
        const challenge = chooseChallenge(allOf(response, 'WWW-Authenticate'), this.account.minAlgorithm);
        if (challenge === null) throw trouble('unusable', { status, reason, cause: 'the relay offers no Digest that is strong enough' });
        if (hasAnswered && !challenge.stale) throw trouble('refused', { status, reason });
        this.#challenge = challenge;
        this.#uses = 0;
        hasAnswered = true;
      } else if (status === 423) {
        const bound = Number(msrpHeader(response, 'Min-Expires') ?? msrpHeader(response, 'Max-Expires'));
        if (!Number.isInteger(bound) || bound <= 0) throw trouble('unusable', { status, reason });
        this.#expires = bound;
      } else throw trouble(status === 403 ? 'refused' : mayPass(status) ? 'unreachable' : 'unusable', { status, reason });
    }
    throw trouble('unusable', { cause: 'the relay asks again and again' });
  }

  /** A relay that was asked over TLS must give a path over TLS. A further relay must be reached by the path through which it was asked. */
  #grantOf(response: MsrpResponse, through: readonly string[]): Grant {
    const given = (msrpHeader(response, 'Use-Path') ?? '').split(/\s+/).filter((uri) => uri !== '');
    const usePath = given.length > 0 && !through.every((uri, index) => uri === given[index]) ? [...through, ...given] : given;
    const uris = usePath.map((uri) => parseMsrpUri(uri));
    const isSecure = /^msrps:/i.test(this.account.uri);
    const fits = uris.every((uri) => uri.ok && (uri.value.scheme === 'msrps') === isSecure);
    if (usePath.length === through.length || usePath.length > 2 * maximumRelays || !fits)
      throw trouble('unusable', { cause: `the relay gave no path: ${given.join(' ')}` });
    const seconds = Number(msrpHeader(response, 'Expires') ?? defaultPathSeconds);
    return { usePath, seconds: Number.isInteger(seconds) && seconds > 0 ? seconds : defaultPathSeconds };
  }

  #transact(through: readonly string[], signal: AbortSignal): Promise<MsrpResponse> {
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
        reject(trouble('unreachable', { cause }));
      };
      if (!connection.isOpen) return fail('the connection to the relay has ended');
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort, { once: true });
      connection.request(
        bodilessRequest({ transactionId, method: 'AUTH', toPath: [...through, account.uri], fromPath: [ownUri], headers: this.#headers() }),
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

/** `address:port` in the form of a URI. */
function authorityOf(local: string): string {
  const colon = local.lastIndexOf(':');
  const address = local.slice(0, colon);
  return `${address.includes(':') ? `[${address}]` : address}:${local.slice(colon + 1)}`;
}

function allOf({ headers = [] }: MsrpResponse, name: string): string[] {
  return headers.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** 408 and 5xx may be temporary; 501 comes from a server without AUTH. */
function mayPass(status: number): boolean {
  return status === 408 || (status >= 500 && status !== 501);
}

function trouble(relay: RelayTrouble, detail: ErrorDetail): AppError {
  return new AppError('msrp/relay', { ...detail, relay }, relay === 'unreachable' ? 'auto' : 'user');
}

function asTrouble(error: unknown): AppError {
  if (error instanceof AppError && error.code === 'msrp/relay') return error;
  return trouble('unreachable', { cause: error instanceof Error ? error.message : String(error) });
}
