/**
 * The CPM Participating Function: a Record-Routing stateful proxy that the SIP/IP core puts into the path of every CPM request, once for
 * the one who sends (originating) and once for each who receives (terminating). It decides whether a request goes on at all (R46, R56)
 * and hands it back to the core, along the Route the core has left for that (3GPP TS 24.229 ISC). Which devices are registered it learns
 * from registration events.
 *
 *   core --Route: <pf>, <core;odi=..>; P-Served-User: <user>;sescase=orig|term--> PF --Route: <core;odi=..>--> core
 */
import { INSTANCE_PARAM } from '../main/protocol/feature-tags';
import { parseInstance, sameInstance } from '../main/protocol/instance-urn';
import { addressKey, parseNameAddr, parseUri } from '../main/protocol/uri';
import { assertedIdentity } from './asserted-identity';
import type { NetworkLog } from './clock';
import { isForeign, paramOf, uriOf } from './header-value';
import type { SipRequest } from './message';
import { addressTarget, forward, nextHop, prepareForward } from './proxy';
import { RegistrationWatch } from './registration-watch';
import type { SipServer, Target } from './sip-server';
import type { ServerTransaction } from './transaction';

export type SessionCase = 'orig' | 'term';

/** One refusal that a provider or a user has laid down. `*` stands for everybody. */
export interface DenyRule {
  /** The user whose Participating Function decides. */
  served: string;
  sescase: SessionCase;
  /** The other side: whom the served user calls, or who calls. */
  peer: string;
  /** 403 when absent. */
  status?: number;
}

/** Whether requests go on: what is not denied is allowed. Addresses count in any of their forms. */
export class Policy {
  #rules: DenyRule[] = [];

  constructor(rules: readonly DenyRule[] = []) {
    for (const rule of rules) this.deny(rule);
  }

  deny(rule: DenyRule): void {
    this.#rules.push({ ...rule, served: keyOf(rule.served), peer: keyOf(rule.peer) });
  }

  /** Takes back every rule between the two. */
  allow(rule: Omit<DenyRule, 'status'>): void {
    this.#rules = this.#rules.filter(
      (one) => one.served !== keyOf(rule.served) || one.peer !== keyOf(rule.peer) || one.sescase !== rule.sescase,
    );
  }

  /** The status to refuse with, or null to go on. */
  decide(served: string, sescase: SessionCase, peer: string): number | null {
    const fits = (rule: string, address: string) => rule === '*' || rule === keyOf(address);
    const rule = this.#rules.find((one) => one.sescase === sescase && fits(one.served, served) && fits(one.peer, peer));
    return rule === undefined ? null : (rule.status ?? 403);
  }
}

function keyOf(address: string): string {
  return address === '*' ? address : (addressKey(address) ?? address);
}

export interface ParticipatingOptions {
  server: SipServer;
  /** Where requests go whose Route does not say it. */
  core: Target;
  /** Host in Warning headers. */
  host: string;
  policy?: Policy;
  /** Where requests for people outside of CPM go; without it they are refused. */
  interworking?: Target;
  log?: NetworkLog;
}

export class ParticipatingFunction {
  readonly policy: Policy;
  /** The registered devices it knows of. */
  readonly registrations: RegistrationWatch;
  readonly #options: ParticipatingOptions;

  constructor(options: ParticipatingOptions) {
    this.#options = options;
    this.policy = options.policy ?? new Policy();
    const { server, core, host, log } = options;
    this.registrations = new RegistrationWatch({ server, core, identity: `sip:${host}`, ...(log && { log }) });
    options.server.onRequest = (transaction) => this.#receive(transaction);
    options.server.onAck = (ack) => this.#acknowledge(ack);
  }

  close(): void {
    this.registrations.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { server, interworking } = this.#options;
    const { method } = transaction.request;
    if (method === 'REGISTER') {
      this.registrations.registered(transaction);
      return;
    }
    if (method === 'NOTIFY' && this.registrations.notified(transaction)) return;
    const prepared = prepareForward(server, transaction.request);
    if (!prepared.ok) {
      transaction.respond(prepared.response);
      return;
    }
    const { request } = prepared;
    const recordRoute = `<${server.uri};lr>`;
    if (request.toTag !== null) {
      forward(server, transaction, request, [{ target: this.#target(request) }], { recordRoute });
      return;
    }
    const served = servedUser(request);
    if (served === null) {
      // Only the core calls here, and it always says for whom.
      this.#refuse(transaction, 403, 'P-Served-User is missing');
      return;
    }
    const refusal = served.sescase === 'orig' ? this.#originating(served.address, request) : this.#terminating(served.address, request);
    if (refusal !== null) {
      this.#refuse(transaction, refusal.status, refusal.warning);
      return;
    }
    if (served.sescase === 'orig' && isForeign(request.uri)) {
      if (interworking === undefined) this.#refuse(transaction, 416, 'Interworking is not available');
      else forward(server, transaction, request.remove('Route'), [{ target: interworking }], { recordRoute });
      return;
    }
    forward(server, transaction, request, [{ target: this.#target(request) }], { recordRoute });
  }

  /** The one who sends: may it, and is it the device it says it is? */
  #originating(served: string, request: SipRequest): { status: number; warning: string } | null {
    const status = this.policy.decide(served, 'orig', request.uri);
    if (status !== null) return { status, warning: 'Not allowed by the policy of the sender' };
    const spoof = this.#spoof(served, request);
    return spoof === null ? null : { status: 403, warning: spoof };
  }

  /** The one who receives: does it want to hear from that one? A group speaks with its focus' address; the inviter stands in Referred-By. */
  #terminating(served: string, request: SipRequest): { status: number; warning: string } | null {
    const callers = [assertedIdentity(request)?.address ?? uriOf(request.get('from') ?? ''), uriOf(request.get('referred-by') ?? '')];
    for (const caller of callers) {
      const status = caller === '' ? null : this.policy.decide(served, 'term', caller);
      if (status !== null) return { status, warning: 'Not allowed by the policy of the recipient' };
    }
    return null;
  }

  /** What is wrong with the device that a Contact names, or null. What cannot be known passes (a temporary GRUU hides its owner). */
  #spoof(served: string, request: SipRequest): string | null {
    const contact = request.get('contact');
    const value = contact === null ? null : parseNameAddr(contact);
    if (value === null || !value.ok) return null;
    // Whom a focus speaks for stands in its Referred-By, and devices believe that: none of them may pass for one.
    // Somebody outside of CPM believes nothing of the kind, and is asked into a group by its focus.
    if (value.value.params.has('isfocus')) return isForeign(request.uri) ? null : 'Only a Controlling Function is a focus';
    const uri = parseUri(value.value.uri);
    const gruu = uri.ok && uri.value.scheme !== 'tel' && uri.value.scheme !== 'other' ? (uri.value.params.get('gr') ?? null) : null;
    if (gruu !== null && addressKey(value.value.uri) !== served) return 'The GRUU is of somebody else';
    const written = value.value.params.get(INSTANCE_PARAM) ?? null;
    const instance = written === null ? null : parseInstance(written);
    if (gruu?.toLowerCase().startsWith('urn:uuid:') && instance?.startsWith('urn:uuid:') && !sameInstance(gruu, instance)) {
      return 'The GRUU is of another device';
    }
    const known = (this.registrations.devices(served) ?? []).flatMap((device) => device.instanceId ?? []);
    if (instance !== null && known.length > 0 && !known.some((one) => sameInstance(one, instance))) return 'The device is not registered';
    return null;
  }

  #acknowledge(ack: SipRequest): void {
    const prepared = prepareForward(this.#options.server, ack);
    if (prepared.ok) this.#options.server.sendAck(prepared.request, this.#target(prepared.request));
  }

  #target(request: SipRequest): Target {
    return addressTarget(nextHop(request)) ?? this.#options.core;
  }

  #refuse(transaction: ServerTransaction, status: number, warning: string): void {
    transaction.reply(status, { headers: [['Warning', `399 ${this.#options.host} "${warning}"`]] });
  }
}

/** P-Served-User (RFC 5502). */
function servedUser(request: SipRequest): { address: string; sescase: SessionCase } | null {
  const value = request.get('p-served-user');
  const sescase = paramOf(value, 'sescase')?.toLowerCase();
  if (value === null || (sescase !== 'orig' && sescase !== 'term')) return null;
  const address = addressKey(uriOf(value));
  return address === null ? null : { address, sescase };
}
