/**
 * Checks a server before anyone signs in: where DNS locates it, whether it can be reached, what its certificate proves, and whether it
 * speaks SIP. The only request sent, OPTIONS (RFC 3261 section 11), does not reveal who asks.
 */
import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/log';
import { AppError, type ErrorValue, toAppError } from '../../../preload/contract/errors';
import { ANONYMOUS_URI } from '../../../protocol/cpim';
import { utf8 } from '../../../protocol/octets';
import { parseServer, type SipTransport } from '../../../protocol/server-address';
import { shownName } from '../../../protocol/shown-name';
import type { WireTap } from '../../../protocol/wire-record';
import { parseWireMessage } from '../wire/wire-message';
import { type Connect, type Connection, createConnect, type NextHop, type ShownCertificate } from './connection';
import { createResolver, discover, type Resolver } from './discovery';
import { Flow } from './flow';
import { FAILOVER_TIMEOUT_MS } from './locator';

/** LAB: how long a reachable server may take to answer the check. */
export const CHECK_ANSWER_TIMEOUT_MS = 5_000;

export interface ServerCheck {
  /** The addresses from DNS, best first, up to the last one tried. If any was reached, it is the last. */
  places: { host: string; port: number; transport: SipTransport; error: ErrorValue | null }[];
  certificate: ShownCertificate | null;
  /** The first final answer; even a refusal shows that the server speaks SIP. */
  answer: { status: number; reason: string; software: string | null; tookMs: number } | null;
  /** Why the check stopped; null when the server answered. */
  error: ErrorValue | null;
}

export interface ServerCheckDeps {
  clock: Clock;
  log: Logger;
  tap?: WireTap | undefined;
  connect?: Connect;
  resolver?: Resolver;
}

/** `server` is the URI of a proxy or of the domain, `domain` the account's domain. Never rejects: every failure is in the result. */
export async function checkServer(
  server: string,
  domain: string,
  ca: readonly string[] | undefined,
  deps: ServerCheckDeps,
): Promise<ServerCheck> {
  const outcome: ServerCheck = { places: [], certificate: null, answer: null, error: null };
  try {
    const hops = await placesOf(server, domain, deps);
    const connection = await reach(hops, deps.connect ?? createConnect(ca), outcome, deps);
    outcome.certificate = connection.certificate ?? null;
    const transport = outcome.places.at(-1)?.transport ?? 'tcp';
    outcome.answer = await ask(new Flow(connection, transport, deps), domain, deps.clock);
  } catch (error) {
    outcome.error = toAppError(error).toValue();
  }
  return outcome;
}

async function placesOf(server: string, domain: string, { clock, resolver = createResolver() }: ServerCheckDeps): Promise<NextHop[]> {
  const address = parseServer(server);
  if (!address.ok) throw new AppError('account/bad-address', { cause: `${server}: ${address.reason}` }, 'user');
  const hops = await discover(address.value, domain, resolver, () => clock.random()).catch((error: unknown) => {
    throw new AppError('net/unreachable', { cause: `the name service: ${error instanceof Error ? error.message : String(error)}` }, 'auto');
  });
  if (hops.length === 0) throw new AppError('net/unreachable', { cause: `nothing is known about ${server}` }, 'auto');
  return hops;
}

/** The first usable address. A false certificate matters more than another address that does not answer. */
async function reach(hops: readonly NextHop[], connect: Connect, outcome: ServerCheck, { clock }: ServerCheckDeps): Promise<Connection> {
  let failure: AppError | null = null;
  for (const [index, hop] of hops.entries()) {
    const { host, port, transport } = hop;
    const attempt = new AbortController();
    // While others are left, an address has less time, as during a sign-in.
    const limit = index < hops.length - 1 ? clock.setTimer(FAILOVER_TIMEOUT_MS, () => attempt.abort()) : null;
    try {
      const connection = await connect(hop, clock, attempt.signal).finally(() => limit?.dispose());
      outcome.places.push({ host, port, transport, error: null });
      return connection;
    } catch (thrown) {
      const error = toAppError(thrown);
      outcome.places.push({ host, port, transport, error: error.toValue() });
      if (failure?.code !== 'net/untrusted') failure = error;
    }
  }
  throw failure ?? new AppError('net/unreachable', {}, 'auto');
}

function ask(flow: Flow, domain: string, clock: Clock): Promise<NonNullable<ServerCheck['answer']>> {
  const startedAt = clock.now();
  const branch = `z9hG4bK${clock.uuid()}`;
  const { host, port } = flow.local;
  const request = [
    `OPTIONS sip:${domain} SIP/2.0`,
    `Via: SIP/2.0/${flow.transport.toUpperCase()} ${host.includes(':') ? `[${host}]` : host}:${port};branch=${branch};rport`,
    'Max-Forwards: 70',
    `From: <${ANONYMOUS_URI}>;tag=${clock.uuid().slice(0, 8)}`,
    `To: <sip:${domain}>`,
    `Call-ID: ${clock.uuid()}`,
    'CSeq: 1 OPTIONS',
    'Accept: application/sdp',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
  return new Promise((resolve, reject) => {
    const finish = (end: () => void) => {
      limit.dispose();
      flow.dispose();
      end();
    };
    const limit = clock.setTimer(CHECK_ANSWER_TIMEOUT_MS, () =>
      finish(() => reject(new AppError('net/timeout', { cause: 'no answer to OPTIONS' }, 'auto'))),
    );
    flow.onLost = (reason) => finish(() => reject(new AppError('net/unreachable', { cause: reason }, 'auto')));
    flow.onMessage = (bytes, bodyAt, bodySkipped) => {
      const message = parseWireMessage(bytes, bodyAt, bodySkipped);
      if (!message.ok || message.value.start.kind !== 'response' || !message.value.first('via')?.includes(branch)) return;
      const { status, reason } = message.value.start;
      if (status < 200) return;
      const software = message.value.first('server') ?? message.value.first('user-agent');
      finish(() =>
        resolve({
          status,
          reason: shownName(reason),
          software: software === null ? null : shownName(software),
          tookMs: Math.round(clock.now() - startedAt),
        }),
      );
    };
    flow
      .send(utf8(request))
      .catch((error: unknown) => finish(() => reject(new AppError('net/unreachable', { cause: String(error) }, 'auto'))));
  });
}
