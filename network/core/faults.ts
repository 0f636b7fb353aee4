/**
 * Misbehaviour of networks in the field, on request: each rule says which requests the core treats strangely, how often, and how. Chances
 * are drawn from a seed, so that a run can be repeated.
 *
 *   request --rule: answer | drop | disconnect--> never reaches the registrar
 *           --rule: delay--> registrar, later     --rule: rewrite, repeat--> registrar; its answer is changed or sent more than once
 */
import type { Timekeeper } from '../../base/clock';
import type { NetworkLog } from '../log';
import { paramOf, uriOf } from '../sip/header-value';
import { responseTo, type SipRequest, type SipResponse } from '../sip/message';
import { newToken } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';

/** What happens to a request or its answer. Rewriting and repeating apply to the core's own answers to REGISTER. */
export type Fault =
  | { kind: 'answer'; status: number; reason?: string; headers?: readonly (readonly [name: string, value: string])[] }
  | { kind: 'drop' }
  | { kind: 'disconnect' }
  | { kind: 'delay'; ms: number }
  | { kind: 'rewrite'; change: (response: SipResponse, request: SipRequest) => void }
  | { kind: 'repeat'; times: number };

/** The faults that end a request. */
const ENDS: readonly Fault['kind'][] = ['answer', 'drop', 'disconnect'];

export interface FaultRule {
  /** The name in the log. */
  name: string;
  fault: Fault;
  /** REGISTER when absent. */
  method?: string;
  /** User part of To; everybody when absent. */
  user?: string;
  /** True: only requests that bring a Digest response; false: only those that bring none. */
  credentials?: boolean;
  /** Further conditions. */
  when?: (request: SipRequest) => boolean;
  /** Leaves this many fitting requests alone first. */
  after?: number;
  /** Strikes at most this often; until it is removed when absent. */
  times?: number;
  /** The probability that a fitting request is struck, 0 to 1; always when absent. */
  chance?: number;
}

/** A rule in force. */
export interface StandingFault {
  /** How often it struck. */
  readonly hits: number;
  remove(): void;
}

interface Standing extends StandingFault {
  readonly rule: FaultRule;
  hits: number;
  fitting: number;
}

export class Faults {
  readonly #standing: Standing[] = [];
  /** Answers that will be changed before they are sent. */
  readonly #pending = new WeakMap<ServerTransaction, Fault[]>();
  #state: number;

  constructor(
    private readonly clock: Timekeeper,
    seed = 1,
    private readonly log: NetworkLog = () => undefined,
  ) {
    this.#state = seed | 0;
  }

  /** Puts a rule into force. Of several rules that fit, the first that ends a request decides; rewriting rules all apply, in order. */
  add(rule: FaultRule): StandingFault {
    const standing: Standing = {
      rule,
      hits: 0,
      fitting: 0,
      remove: () => {
        const index = this.#standing.indexOf(standing);
        if (index >= 0) this.#standing.splice(index, 1);
      },
    };
    this.#standing.push(standing);
    return standing;
  }

  clear(): void {
    this.#standing.length = 0;
  }

  /** Applies the rules to a request; `serve` does what would happen without them. */
  serve(transaction: ServerTransaction, serve: () => void): void {
    const struck: Fault[] = [];
    for (const standing of this.#standing) {
      const isEnd = ENDS.includes(standing.rule.fault.kind);
      // A request ends only once: the later rule is not counted and can strike next time.
      if (isEnd && struck.some(({ kind }) => ENDS.includes(kind))) continue;
      if (this.#strikes(standing, transaction.request)) struck.push(standing.rule.fault);
    }
    const changes = struck.filter(({ kind }) => kind === 'rewrite' || kind === 'repeat');
    if (changes.length > 0) this.#pending.set(transaction, changes);
    const delay = struck.reduce((sum, fault) => sum + (fault.kind === 'delay' ? fault.ms : 0), 0);
    const ends = struck.find(({ kind }) => ENDS.includes(kind));
    const act = () => {
      if (ends?.kind === 'answer') {
        const response = responseTo(transaction.request, ends.status, { reason: ends.reason, toTag: newToken(8) });
        for (const [name, value] of ends.headers ?? []) response.append(name, value);
        this.respond(transaction, response);
      } else if (ends?.kind === 'drop') transaction.abandon();
      else if (ends?.kind === 'disconnect') transaction.flow.close();
      else serve();
    };
    if (delay > 0) this.clock.setTimer(delay, act);
    else act();
  }

  /** Sends an answer of the core, changed and repeated by the rules. */
  respond(transaction: ServerTransaction, response: SipResponse): void {
    const changes = this.#pending.get(transaction) ?? [];
    this.#pending.delete(transaction);
    for (const fault of changes) if (fault.kind === 'rewrite') fault.change(response, transaction.request);
    transaction.respond(response);
    for (const fault of changes)
      if (fault.kind === 'repeat') for (let more = 0; more < fault.times; more += 1) transaction.flow.send(response);
  }

  #strikes(standing: Standing, request: SipRequest): boolean {
    const { rule } = standing;
    if (request.method !== (rule.method ?? 'REGISTER')) return false;
    if (rule.user !== undefined && userOf(request.get('to') ?? '') !== rule.user.toLowerCase()) return false;
    if (rule.credentials !== undefined && hasCredentials(request) !== rule.credentials) return false;
    if (rule.when !== undefined && !rule.when(request)) return false;
    standing.fitting += 1;
    if (standing.fitting <= (rule.after ?? 0) || standing.hits >= (rule.times ?? Number.POSITIVE_INFINITY)) return false;
    if (rule.chance !== undefined && this.#random() >= rule.chance) return false;
    standing.hits += 1;
    this.log('info', 'a fault strikes', { fault: rule.name, method: request.method });
    return true;
  }

  /** mulberry32: the same seed gives the same numbers. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }
}

/** RFC 3261 section 21.5.4: try again later. Retry-After in seconds. */
export function unavailable(retryAfter: number): FaultRule {
  return { name: '503', times: 1, fault: { kind: 'answer', status: 503, headers: [['Retry-After', String(retryAfter)]] } };
}

/** RFC 3261 sections 21.3.3 and 21.3.4: use another place (302) or another proxy (305). */
export function redirected(contact: string, status: 302 | 305 = 302): FaultRule {
  return { name: String(status), times: 1, fault: { kind: 'answer', status, headers: [['Contact', `<${contact}>`]] } };
}

/** RFC 5626 section 6: a first hop that does not know outbound. */
export function noOutbound(): FaultRule {
  return {
    name: '439',
    credentials: true,
    when: (request) =>
      request.hasToken('supported', 'outbound') && request.all('contact').some((value) => paramOf(value, 'reg-id') !== null),
    fault: { kind: 'answer', status: 439 },
  };
}

/** RFC 3261 section 10.3: shorter registrations are refused. Several such rules make a ladder. Seconds. */
export function tooBrief(minimum: number): FaultRule {
  const asked = (request: SipRequest) => Number(paramOf(request.get('contact'), 'expires') ?? request.get('expires') ?? '3600');
  return {
    name: '423',
    credentials: true,
    when: (request) => asked(request) > 0 && asked(request) < minimum,
    fault: { kind: 'answer', status: 423, headers: [['Min-Expires', String(minimum)]] },
  };
}

/** The 200 shows other Contact URIs than the registered ones, as gateways in the path do. */
export function rewrittenContacts(hostAndPort: string): FaultRule {
  return contactRule('Contact rewritten', (value) => value.replace(/<(sips?:[^@>]*@)[^;>]*/i, `<$1${hostAndPort}`));
}

/** The 200 shows the instance without its angle brackets. */
export function bareInstances(): FaultRule {
  return contactRule('instance without brackets', (value) => value.replace(/(\+sip\.instance=")<([^>]*)>"/i, '$1$2"'));
}

/** The 200 shows GRUUs without quotes. */
export function bareGruus(): FaultRule {
  return contactRule('GRUU without quotes', (value) => value.replace(/((?:pub|temp)-gruu=)"([^"]*)"/gi, '$1$2'));
}

/** The 200 contains no GRUUs. */
export function noGruus(): FaultRule {
  return contactRule('no GRUU', (value) => value.replace(/;(?:pub|temp)-gruu="[^"]*"/gi, ''));
}

/** The 200 lists no binding at all. */
export function noContacts(): FaultRule {
  return onSuccess('no Contact', (response) => response.remove('Contact'));
}

/** The 200 has these Service-Routes, first hop first (RFC 3608). */
export function serviceRoutes(...uris: string[]): FaultRule {
  return onSuccess('Service-Route', (response) =>
    response.set(
      'Service-Route',
      uris.map((uri) => `<${uri}>`),
    ),
  );
}

/** Every answer is delayed, milliseconds. */
export function slow(ms: number): FaultRule {
  return { name: 'slow', fault: { kind: 'delay', ms } };
}

/** Every answer is sent more than once. */
export function repeated(times = 1): FaultRule {
  return { name: 'repeated', fault: { kind: 'repeat', times } };
}

/** A rule that changes the core's 200 to a REGISTER. */
export function onSuccess(name: string, change: (response: SipResponse) => void): FaultRule {
  return {
    name,
    credentials: true,
    fault: {
      kind: 'rewrite',
      change: (response) => {
        if (response.status === 200) change(response);
      },
    },
  };
}

function contactRule(name: string, change: (value: string) => string): FaultRule {
  return onSuccess(name, (response) => response.set('Contact', response.all('contact').map(change)));
}

function hasCredentials(request: SipRequest): boolean {
  return [...request.all('authorization'), ...request.all('proxy-authorization')].some((value) => /response\s*=\s*"[^"]/i.test(value));
}

function userOf(address: string): string {
  return (/^(?:sips?|tel):([^@;>]*)/i.exec(uriOf(address))?.[1] ?? '').toLowerCase();
}
