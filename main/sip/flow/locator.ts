/**
 * Opens the flow: finds the addresses of a server and tries them in order until one answers (RFC 3263 section 4.3). An address that
 * answered but failed its registration is tried last for a while.
 */
import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/log';
import { AppError, toAppError } from '../../../preload/contract/errors';
import { parseServer } from '../../../protocol/server-address';
import type { Connect, NextHop } from './connection';
import { discover, type Resolver } from './discovery';
import { Flow, type FlowDeps } from './flow';

/** LAB: how long an address that failed is tried after the others. */
export const DEMOTED_MS = 300_000;
/** LAB: while other addresses are left, one has this long to answer. */
export const FAILOVER_TIMEOUT_MS = 3_000;

export interface ServerLocatorDeps extends FlowDeps {
  clock: Clock;
  log: Logger;
  connect: Connect;
  resolver: Resolver;
}

const keyOf = ({ host, port, transport }: NextHop) => `${transport} ${host} ${port}`;

export class ServerLocator {
  readonly #server: string;
  readonly #domain: string;
  readonly #deps: ServerLocatorDeps;
  /** Until when an address is tried last. */
  readonly #demoted = new Map<string, number>();
  #current: NextHop | null = null;
  #hasOthers = false;

  /** `server`: the URI of the proxy or of the domain itself. `domain`: the account's domain. */
  constructor(server: string, domain: string, deps: ServerLocatorDeps) {
    this.#server = server;
    this.#domain = domain;
    this.#deps = deps;
  }

  /**
   * Opens a flow to `server`, or to the configured server when null. Rejects with AppError net/unreachable, net/timeout or net/untrusted.
   */
  async open(givenUp: AbortSignal, server: string | null = null): Promise<Flow> {
    const hops = this.#sorted(await this.#discover(server ?? this.#server));
    let failure = new AppError('net/unreachable', { cause: `nothing is known about ${server ?? this.#server}` }, 'auto');
    for (const [index, hop] of hops.entries()) {
      if (givenUp.aborted) break;
      try {
        const connection = await this.#connect(hop, givenUp, index < hops.length - 1);
        this.#current = hop;
        this.#hasOthers = hops.length > 1;
        return new Flow(connection, hop.transport, this.#deps);
      } catch (thrown) {
        const error = toAppError(thrown);
        this.#deps.log.info('A server cannot be used', { at: keyOf(hop), code: error.code, cause: error.detail.cause });
        this.#demote(hop);
        // A false certificate matters more than another address that does not answer.
        if (failure.code !== 'net/untrusted') failure = error;
      }
    }
    throw failure;
  }

  /**
   * The address of the present flow does not work (RFC 3263 section 4.3: 503, or no answer): from now on the others come first. Returns
   * whether there are others.
   */
  failed(): boolean {
    if (this.#current !== null) this.#demote(this.#current);
    return this.#hasOthers;
  }

  async #discover(server: string): Promise<NextHop[]> {
    const { clock, resolver } = this.#deps;
    const address = parseServer(server);
    if (!address.ok) throw new AppError('net/unreachable', { cause: `${server}: ${address.reason}` }, 'user');
    try {
      return await discover(address.value, this.#domain, resolver, () => clock.random());
    } catch (error) {
      throw new AppError('net/unreachable', { cause: `${server}: ${error instanceof Error ? error.message : String(error)}` }, 'auto');
    }
  }

  #demote(hop: NextHop): void {
    this.#demoted.set(keyOf(hop), this.#deps.clock.now() + DEMOTED_MS);
  }

  /** In the order of the name service, except that addresses which failed recently come last. */
  #sorted(hops: readonly NextHop[]): NextHop[] {
    const now = this.#deps.clock.now();
    for (const [key, until] of this.#demoted) if (until <= now) this.#demoted.delete(key);
    const good = hops.filter((hop) => !this.#demoted.has(keyOf(hop)));
    return [...good, ...hops.filter((hop) => this.#demoted.has(keyOf(hop)))];
  }

  async #connect(hop: NextHop, givenUp: AbortSignal, hasOthers: boolean) {
    const { clock, connect } = this.#deps;
    if (!hasOthers) return connect(hop, clock, givenUp);
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    const limit = clock.setTimer(FAILOVER_TIMEOUT_MS, stop);
    givenUp.addEventListener('abort', stop);
    try {
      return await connect(hop, clock, attempt.signal);
    } finally {
      limit.dispose();
      givenUp.removeEventListener('abort', stop);
    }
  }
}
