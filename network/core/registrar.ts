/**
 * The registrar of the domain (RFC 3261 section 10.3, RFC 5626 section 6, RFC 5627 section 5, TS 24.229 5.4.1.2): which devices reach whom.
 * Bindings belong to the subscriber, and so to every address of the implicit set. Works on messages and a clock, without sockets; the
 * caller has authenticated the request.
 *
 *   binding:  (none) --REGISTER--> registered --REGISTER--> registered (refreshed) --expires=0 | time--> (none)
 */

import type { Timekeeper } from '../../base/clock';
import { sameInstance } from '../../protocol/instance-urn';
import { addressKey, parseUri } from '../../protocol/uri';
import { responseTo, type SipRequest, type SipResponse } from '../sip/message';
import { type Flow, newToken } from '../sip/sip-server';
import { type Answer, type Asked, contactKey, readContact } from './contact';
import type { Directory, Subscriber } from './directory';
import { GruuMint, gruuOf, newGeneration } from './gruu';

/** LAB: bindings of one subscriber. One more is refused with 403. */
export const MAX_BINDINGS = 32;
/** LAB: Contact values of one REGISTER. More are refused with 413. */
export const MAX_CONTACTS_PER_REGISTER = 8;
/** LAB: instances of one subscriber that are remembered after they have gone, so that their GRUU gives 480 and not 404. */
export const MAX_KNOWN_INSTANCES = 256;
/** LAB: how often a client on a flow sends a keep-alive, seconds (RFC 5626 section 4.4). */
const FLOW_TIMER_SECONDS = 120;

const EXTENSIONS = ['path', 'gruu', 'outbound'] as const;

export interface Binding {
  /** Stays the same over refreshes. */
  readonly id: string;
  /** The address it was registered for, in comparable form. */
  readonly aor: string;
  /** Contact URI, as written. */
  readonly contact: string;
  readonly displayName: string | null;
  readonly instanceId: string | null;
  readonly regId: number | null;
  readonly q: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly registeredAt: number;
  /** Contact parameters, names lower case, values without quotes. */
  readonly params: ReadonlyMap<string, string | null>;
  /** The same, as written: they go into every 200 unchanged. */
  readonly writtenParams: readonly string[];
  readonly callId: string;
  readonly cseq: number;
  readonly path: readonly string[];
  /** The connection that the REGISTER came over, by which the device is reached. */
  readonly flow: Flow;
  readonly pubGruu: string | null;
  /** The latest temporary GRUU. Only its own device sees it. */
  readonly tempGruu: string | null;
  /** CSeq of the REGISTER that brought the first temporary GRUU that is still valid (RFC 5628 section 5.2). */
  readonly tempGruuCseq: number | null;
  /** The last event of this binding. */
  readonly event: BindingEvent;
}

/** The last event of a binding, in the words of RFC 3680 section 5.2. */
type BindingEvent = 'registered' | 'refreshed' | 'shortened' | BindingEnd;
/** How a binding ended: by its client, by time, or by the operator (the last three). */
export type BindingEnd = 'unregistered' | 'expired' | 'deactivated' | 'probation' | 'rejected';

export interface BindingChange {
  subscriber: Subscriber;
  kind: BindingEvent;
  binding: Binding;
  /** Seconds until the client may try again, after `probation`. */
  retryAfter?: number;
}

export interface RegistrarOptions {
  directory: Directory;
  clock: Timekeeper;
  /** False: the registrar gives no GRUUs. */
  gruu?: boolean;
  gruuNamespace?: string;
  minExpiresSeconds?: number;
  /** Service-Route value of the 200 (RFC 3608). */
  serviceRoute?: (flow: Flow) => string;
  /** Every change of a binding, after it happened. Third-party REGISTER and the reg event package begin here. */
  onChange?: (change: BindingChange) => void;
}

/** What is kept for one subscriber. */
interface Holding {
  bindings: Map<string, Binding & { uriKey: string }>;
  timers: Map<string, { dispose(): void }>;
  /** gr value -> instance, for every instance ever seen. */
  instances: Map<string, string>;
  /** Binding key -> generation of the temporary GRUUs made for it. */
  generations: Map<string, string>;
}

export class Registrar {
  readonly #holdings = new Map<Subscriber, Holding>();
  /** Contact URI (comparable) -> the bindings of it, each by its ID. Anybody may register anybody's URI, so it names no device by itself. */
  readonly #byContact = new Map<string, Map<string, { subscriber: Subscriber; binding: Binding }>>();
  /** Generation of temporary GRUUs -> the binding it belongs to. */
  readonly #byGeneration = new Map<string, { subscriber: Subscriber; key: string }>();
  /** Subscribers that have ever registered over a flow; `ownsFlow` says which still do. */
  readonly #onFlow = new WeakMap<Flow, Set<Subscriber>>();
  readonly #mint: GruuMint;
  readonly #options: RegistrarOptions;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#mint = new GruuMint(options.directory.domain, options.gruuNamespace);
  }

  /** The live bindings of a subscriber, oldest first. */
  bindings(subscriber: Subscriber): Binding[] {
    return [...(this.#holdings.get(subscriber)?.bindings.values() ?? [])];
  }

  /** Whether a binding of `subscriber` was registered over `flow`; requests over that flow are then this subscriber's. */
  ownsFlow(subscriber: Subscriber, flow: Flow): boolean {
    return this.bindings(subscriber).some((binding) => binding.flow === flow);
  }

  /** The subscribers with a binding over `flow`. */
  ownersOf(flow: Flow): Subscriber[] {
    return [...(this.#onFlow.get(flow) ?? [])].filter((subscriber) => this.ownsFlow(subscriber, flow));
  }

  /** The bindings whose Contact URI is `uri`, by which in-dialog requests find a device without a GRUU, and whose they are. */
  boundTo(uri: string): { subscriber: Subscriber; binding: Binding }[] {
    const read = parseUri(uri);
    if (!read.ok || read.value.scheme === 'other' || read.value.scheme === 'tel') return [];
    return [...(this.#byContact.get(contactKey(read.value))?.values() ?? [])];
  }

  /**
   * Whom a GRUU reaches: the bindings of one instance; none when the device is known and gone (480); null when there is no such GRUU (404).
   * Undefined when the URI is not a GRUU of this domain.
   */
  resolveGruu(uri: string): { subscriber: Subscriber; bindings: Binding[] } | null | undefined {
    const gruu = gruuOf(uri, this.#options.directory.domain);
    if (gruu === null) return undefined;
    if (this.#options.gruu === false) return null;
    if (gruu.kind === 'public') {
      const subscriber = this.#options.directory.find(uri);
      const instance = subscriber === null ? undefined : this.#holdings.get(subscriber)?.instances.get(gruu.gr.toLowerCase());
      if (subscriber === null || instance === undefined) return null;
      return {
        subscriber,
        bindings: this.bindings(subscriber).filter((binding) => binding.instanceId !== null && sameInstance(binding.instanceId, instance)),
      };
    }
    const generation = this.#mint.open(gruu.user);
    const owner = generation === null ? undefined : this.#byGeneration.get(generation);
    const binding = owner === undefined ? undefined : this.#holdings.get(owner.subscriber)?.bindings.get(owner.key);
    return owner === undefined || binding === undefined ? null : { subscriber: owner.subscriber, bindings: [binding] };
  }

  /** Answers an authenticated REGISTER of `subscriber`. Nothing changes unless the answer is 200. */
  register(request: SipRequest, subscriber: Subscriber, flow: Flow): SipResponse {
    const answer = this.#process(request, subscriber, flow);
    const response = responseTo(request, answer.status, { reason: answer.reason, toTag: newToken(8) });
    for (const [name, value] of answer.headers ?? []) response.append(name, value);
    const route = answer.status === 200 ? this.#options.serviceRoute?.(flow) : undefined;
    if (route !== undefined) response.append('Service-Route', route);
    return response;
  }

  /** Ends bindings of a subscriber, of one instance or all, as an operator would (TS 24.229 5.4.1.5). Returns how many. */
  end(subscriber: Subscriber, instanceId: string | null, kind: BindingEnd, retryAfter?: number): number {
    const chosen = this.#chosen(subscriber, instanceId);
    for (const binding of chosen) this.#remove(subscriber, this.#holding(subscriber), binding.id, kind, retryAfter);
    return chosen.length;
  }

  /** Shortens bindings, so that their clients must authenticate again (TS 24.229 5.4.1.6). Returns how many. */
  shorten(subscriber: Subscriber, instanceId: string | null, seconds: number): number {
    const holding = this.#holding(subscriber);
    const expiresAt = this.#options.clock.now() + seconds * 1000;
    const chosen = this.#chosen(subscriber, instanceId).filter((binding) => binding.expiresAt > expiresAt);
    for (const { id } of chosen) {
      const old = holding.bindings.get(id);
      if (old === undefined) continue;
      const binding = { ...old, expiresAt, event: 'shortened' as const };
      holding.bindings.set(id, binding);
      this.#place(subscriber, binding, old.uriKey);
      this.#expireAt(subscriber, holding, id, seconds);
      this.#options.onChange?.({ subscriber, kind: 'shortened', binding });
    }
    return chosen.length;
  }

  #chosen(subscriber: Subscriber, instanceId: string | null): Binding[] {
    return this.bindings(subscriber).filter(
      (binding) => instanceId === null || (binding.instanceId !== null && sameInstance(binding.instanceId, instanceId)),
    );
  }

  /** Stops every timer. */
  close(): void {
    for (const holding of this.#holdings.values()) for (const timer of holding.timers.values()) timer.dispose();
    this.#holdings.clear();
  }

  #process(request: SipRequest, subscriber: Subscriber, flow: Flow): Answer {
    const aor = addressKey(request.get('to') ?? '');
    if (aor === null || this.#options.directory.find(aor) === null) return { status: 404, reason: 'No such address here' };
    const from = addressKey(request.get('from') ?? '');
    if (this.#options.directory.find(aor) !== subscriber || from === null || this.#options.directory.find(from) !== subscriber) {
      return { status: 403, reason: 'Not your address' };
    }
    const unknown = request.all('require').filter((option) => !EXTENSIONS.some((extension) => extension === option.toLowerCase()));
    if (unknown.length > 0) return { status: 420, headers: [['Unsupported', unknown.join(', ')]] };

    const contacts = request.all('contact');
    const outbound = request.hasToken('supported', 'outbound') || request.hasToken('require', 'outbound');
    if (contacts.length === 0) return this.#success(request, subscriber, new Set(), false);
    if (contacts.includes('*')) {
      if (contacts.length > 1 || request.get('expires') !== '0')
        return { status: 400, reason: 'Contact * needs Expires 0 and stands alone' };
      return this.#removeAll(request, subscriber);
    }
    if (contacts.length > MAX_CONTACTS_PER_REGISTER) return { status: 413, reason: `More than ${MAX_CONTACTS_PER_REGISTER} contacts` };
    const rules = { domain: this.#options.directory.domain, minExpiresSeconds: this.#options.minExpiresSeconds, outbound };
    const asked: Asked[] = [];
    for (const value of contacts) {
      const read = readContact(value, request, rules);
      if ('status' in read) return read;
      asked.push(read);
    }
    const isOutbound = asked.some((contact) => contact.regId !== null);
    if (isOutbound && request.all('via').length > 1 && !/;\s*ob\b/i.test(request.all('path').at(-1) ?? '')) return { status: 439 };
    return this.#commit(request, subscriber, aor, asked, flow, isOutbound);
  }

  /** RFC 5626 section 6: the key is (instance, reg-id), else the instance, else the contact URI. */
  #existing(holding: Holding, contact: Asked): string[] {
    const keys: string[] = [];
    for (const [key, binding] of holding.bindings) {
      if (contact.instanceId === null) {
        if (binding.instanceId === null && binding.uriKey === contact.uriKey) keys.push(key);
      } else if (binding.instanceId !== null && sameInstance(binding.instanceId, contact.instanceId)) {
        if (contact.regId === null || binding.regId === null || binding.regId === contact.regId) keys.push(key);
      }
    }
    return keys;
  }

  #commit(request: SipRequest, subscriber: Subscriber, aor: string, asked: readonly Asked[], flow: Flow, isOutbound: boolean): Answer {
    const holding = this.#holding(subscriber);
    const { number } = request.cseq;
    let count = holding.bindings.size;
    for (const contact of asked) {
      const existing = this.#existing(holding, contact);
      for (const key of existing) {
        const binding = holding.bindings.get(key);
        // RFC 3261 section 10.3 step 7: an older request of the same client arrived late.
        if (binding !== undefined && binding.callId === request.callId && number <= binding.cseq)
          return { status: 500, reason: 'CSeq did not rise' };
      }
      count += (contact.expires > 0 ? 1 : 0) - existing.length;
    }
    if (count > MAX_BINDINGS) return { status: 403, reason: `More than ${MAX_BINDINGS} contacts of one address` };
    const touched = new Set<string>();
    for (const contact of asked) {
      if (contact.expires === 0) for (const key of this.#existing(holding, contact)) this.#remove(subscriber, holding, key, 'unregistered');
      else touched.add(this.#bind(request, subscriber, aor, holding, contact, flow));
    }
    return this.#success(request, subscriber, touched, isOutbound);
  }

  #bind(request: SipRequest, subscriber: Subscriber, aor: string, holding: Holding, asked: Asked, flow: Flow): string {
    const [key, ...others] = this.#existing(holding, asked);
    for (const other of others) this.#remove(subscriber, holding, other, 'unregistered');
    const old = key === undefined ? undefined : holding.bindings.get(key);
    const id = key ?? newToken(8);
    const now = this.#options.clock.now();
    const gruu = this.#options.gruu === false || asked.instanceId === null ? null : asked.instanceId;
    const renews = old?.callId !== request.callId;
    if (gruu !== null) {
      // RFC 5627 section 3.1.2.2: a new Call-ID ends every earlier temporary GRUU.
      if (renews) this.#renewGeneration(subscriber, holding, id);
      holding.instances.set(this.#mint.gr(gruu).toLowerCase(), gruu);
      const first = holding.instances.keys().next();
      if (holding.instances.size > MAX_KNOWN_INSTANCES && first.done !== true) holding.instances.delete(first.value);
    }
    const sipAor = aor.startsWith('sip:') ? aor : (subscriber.identities[0] ?? aor);
    const event: BindingEvent = old === undefined ? 'registered' : 'refreshed';
    const binding = {
      id,
      aor,
      contact: asked.uri,
      uriKey: asked.uriKey,
      displayName: asked.displayName,
      instanceId: asked.instanceId,
      regId: asked.regId,
      q: asked.q,
      expiresAt: now + asked.expires * 1000,
      registeredAt: old?.registeredAt ?? now,
      params: asked.params,
      writtenParams: asked.writtenParams,
      callId: request.callId,
      cseq: request.cseq.number,
      path: request.all('path'),
      flow,
      pubGruu: gruu === null ? null : this.#mint.publicGruu(sipAor, gruu),
      tempGruu: gruu === null ? null : this.#mint.temporaryGruu(holding.generations.get(id) ?? newGeneration()),
      tempGruuCseq: gruu === null ? null : renews ? request.cseq.number : (old?.tempGruuCseq ?? request.cseq.number),
      event,
    };
    holding.bindings.set(id, binding);
    if (old !== undefined) this.#displace(id, old.uriKey);
    this.#place(subscriber, binding, asked.uriKey);
    this.#onFlow.set(flow, (this.#onFlow.get(flow) ?? new Set()).add(subscriber));
    this.#expireAt(subscriber, holding, id, asked.expires);
    this.#options.onChange?.({ subscriber, kind: event, binding });
    return id;
  }

  #place(subscriber: Subscriber, binding: Binding, uriKey: string): void {
    const there = this.#byContact.get(uriKey) ?? new Map<string, { subscriber: Subscriber; binding: Binding }>();
    this.#byContact.set(uriKey, there.set(binding.id, { subscriber, binding }));
  }

  #displace(id: string, uriKey: string): void {
    const there = this.#byContact.get(uriKey);
    there?.delete(id);
    if (there?.size === 0) this.#byContact.delete(uriKey);
  }

  #expireAt(subscriber: Subscriber, holding: Holding, id: string, seconds: number): void {
    holding.timers.get(id)?.dispose();
    holding.timers.set(
      id,
      this.#options.clock.setTimer(seconds * 1000, () => this.#remove(subscriber, holding, id, 'expired')),
    );
  }

  #renewGeneration(subscriber: Subscriber, holding: Holding, key: string): void {
    this.#byGeneration.delete(holding.generations.get(key) ?? '');
    const generation = newGeneration();
    holding.generations.set(key, generation);
    this.#byGeneration.set(generation, { subscriber, key });
  }

  #removeAll(request: SipRequest, subscriber: Subscriber): Answer {
    const holding = this.#holding(subscriber);
    for (const binding of holding.bindings.values()) {
      if (binding.callId === request.callId && request.cseq.number <= binding.cseq) return { status: 500, reason: 'CSeq did not rise' };
    }
    for (const key of [...holding.bindings.keys()]) this.#remove(subscriber, holding, key, 'unregistered');
    return this.#success(request, subscriber, new Set(), false);
  }

  #remove(subscriber: Subscriber, holding: Holding, key: string, kind: BindingEnd, retryAfter?: number): void {
    const binding = holding.bindings.get(key);
    holding.timers.get(key)?.dispose();
    holding.timers.delete(key);
    holding.bindings.delete(key);
    this.#byGeneration.delete(holding.generations.get(key) ?? '');
    holding.generations.delete(key);
    if (binding !== undefined) this.#displace(key, binding.uriKey);
    if (binding !== undefined)
      this.#options.onChange?.({ subscriber, kind, binding: { ...binding, event: kind }, ...(retryAfter !== undefined && { retryAfter }) });
  }

  #success(request: SipRequest, subscriber: Subscriber, touched: ReadonlySet<string>, isOutbound: boolean): Answer {
    const now = this.#options.clock.now();
    const gruu = request.hasToken('supported', 'gruu') || request.hasToken('require', 'gruu');
    const headers: (readonly [string, string])[] = [];
    for (const [key, binding] of this.#holding(subscriber).bindings) {
      let value = `${written(binding)};expires=${Math.max(1, Math.round((binding.expiresAt - now) / 1000))}`;
      if (gruu && binding.pubGruu !== null) value += `;pub-gruu="${binding.pubGruu}"`;
      // A temporary GRUU is for its own device: with it another device could unmask an anonymous caller.
      if (gruu && touched.has(key) && binding.tempGruu !== null) value += `;temp-gruu="${binding.tempGruu}"`;
      headers.push(['Contact', value]);
    }
    for (const path of request.all('path')) headers.push(['Path', path]);
    // RFC 7315 section 4.1: the default identity stands first, whichever of the set was registered.
    headers.push(['P-Associated-URI', subscriber.identities.map((identity) => `<${identity}>`).join(', ')]);
    headers.push(['Supported', EXTENSIONS.filter((extension) => extension !== 'gruu' || this.#options.gruu !== false).join(', ')]);
    if (isOutbound) headers.push(['Require', 'outbound'], ['Flow-Timer', String(FLOW_TIMER_SECONDS)]);
    headers.push(['Date', new Date(now).toUTCString()]);
    return { status: 200, headers };
  }

  #holding(subscriber: Subscriber): Holding {
    let holding = this.#holdings.get(subscriber);
    if (holding === undefined) {
      holding = { bindings: new Map(), timers: new Map(), instances: new Map(), generations: new Map() };
      this.#holdings.set(subscriber, holding);
    }
    return holding;
  }
}

/** The Contact value of a binding as its device wrote it, without expiry and GRUUs. */
function written(binding: Binding): string {
  const name = binding.displayName === null ? '' : `"${binding.displayName.replace(/["\\]/g, '\\$&')}" `;
  return [`${name}<${binding.contact}>`, ...binding.writtenParams].join(';');
}
