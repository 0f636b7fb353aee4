/**
 * The registration event package of the core (RFC 3680 over RFC 6665, RFC 5628): who watches the registrations of an address, and what each
 * watcher is sent.
 *
 *   active --Expires 0, time over, last binding of the address gone--> terminated (with a last NOTIFY)
 *      \--a NOTIFY refused or unanswered--> terminated (silently)
 *
 * The first NOTIFY and the answer to every refresh hold a full document, the others only changes; the version rises by one with each.
 * Several NOTIFYs may be on their way at once, in order over one connection; a watcher that falls behind gets the changes it missed in one
 * document.
 */
import { encodeRegInfo, REGINFO_CONTENT_TYPE, type RegInfoContact, type RegInfoRegistration } from '../../protocol/reginfo';
import { Dialog, dialogIdOf } from '../sip/dialog';
import { addressTarget } from '../sip/proxy';
import type { Flow, SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import type { Subscriber } from './directory';
import type { Binding, BindingChange } from './registrar';

/** LAB: the longest lifetime of a subscription, seconds; TS 24.229 5.1.1.3 has clients ask for as much. */
export const MAX_REG_SUBSCRIPTION_SECONDS = 600_000;
/** RFC 3680 section 4.4: the lifetime when the watcher asks for none. */
export const DEFAULT_REG_SUBSCRIPTION_SECONDS = 3_761;
/** LAB: subscriptions to one person's registrations; a further one is refused with 503. */
export const MAX_REG_SUBSCRIPTIONS = 64;
/** LAB: NOTIFYs of one subscription that wait for their answer; further changes are held back and sent together. */
export const MAX_UNANSWERED_NOTIFIES = 8;

/** Contact parameters that stand elsewhere in the document, or over which a client has no control. */
const NOT_UNKNOWN = ['q', 'expires', 'pub-gruu', 'temp-gruu', 'temp-gruu-cookie'];

interface Subscription {
  readonly dialog: Dialog;
  /** The connection over which it began. */
  readonly flow: Flow;
  readonly watched: Subscriber;
  /** Null for a function of the network, which may see everything. */
  readonly device: { instanceId: string | null } | null;
  readonly event: string;
  version: number;
  expiresAt: number;
  timer: { dispose(): void } | null;
  unanswered: number;
  /** Binding id -> the last change that has not been sent. */
  readonly untold: Map<string, BindingChange>;
  isFullDue: boolean;
}

export interface RegistrationEventsDeps {
  server: SipServer;
  /** The notifier's own Contact value. */
  contact: () => string;
  bindings: (subscriber: Subscriber) => readonly Binding[];
  /** The device of a person that a Contact URI or GRUU reaches now, or null. */
  deviceAt: (uri: string, owner: Subscriber) => Binding | null;
  /** Every NOTIFY holds a full document, as in networks that send no partial ones. */
  alwaysFull?: boolean;
}

export class RegistrationEvents {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #watching = new Map<Subscriber, Set<Subscription>>();

  constructor(private readonly deps: RegistrationEventsDeps) {}

  get count(): number {
    return this.#subscriptions.size;
  }

  /**
   * Takes a SUBSCRIBE outside a dialog. The caller has checked that the watcher may watch; `isFunction`: it is a function of the network.
   */
  subscribe(transaction: ServerTransaction, watched: Subscriber, isFunction: boolean): void {
    const { request, flow } = transaction;
    const refusal = refusalOf(request.get('event'), request.all('accept'), request.has('contact'));
    if (refusal !== null) {
      transaction.reply(refusal, { headers: refusal === 489 ? [['Allow-Events', 'reg']] : [] });
      return;
    }
    if ((this.#watching.get(watched)?.size ?? 0) >= MAX_REG_SUBSCRIPTIONS) {
      transaction.reply(503, { reason: `More than ${MAX_REG_SUBSCRIPTIONS} subscriptions` });
      return;
    }
    const device = isFunction ? null : (this.deps.bindings(watched).find((binding) => binding.flow === flow) ?? { instanceId: null });
    const dialog = Dialog.ofReceived(this.deps.server, transaction, this.deps.contact(), (uri) =>
      this.#reach(uri, flow, isFunction ? null : watched),
    );
    const subscription: Subscription = {
      dialog,
      flow,
      watched,
      device: device === null ? null : { instanceId: device.instanceId },
      event: request.get('event') ?? 'reg',
      version: 0,
      expiresAt: 0,
      timer: null,
      unanswered: 0,
      untold: new Map(),
      isFullDue: true,
    };
    this.#subscriptions.set(dialog.id, subscription);
    this.#watching.set(watched, (this.#watching.get(watched) ?? new Set()).add(subscription));
    this.#grant(subscription, transaction);
  }

  /**
   * Takes an in-dialog request; false when it belongs to no subscription here. `speaksFor`: whether it comes from a person, or from a function
   * (null).
   */
  handle(transaction: ServerTransaction, speaksFor: (watcher: Subscriber | null) => boolean): boolean {
    const subscription = this.#subscriptions.get(dialogIdOf(transaction.request));
    if (subscription === undefined) return false;
    const watcher = subscription.device === null ? null : subscription.watched;
    if (transaction.flow !== subscription.flow && !speaksFor(watcher)) {
      transaction.reply(481, { reason: 'No dialog of this sender' });
      return true;
    }
    const refusal = subscription.dialog.receive(transaction.request);
    if (refusal !== null) transaction.reply(refusal);
    else if (transaction.request.method !== 'SUBSCRIBE') transaction.reply(405, { headers: [['Allow', 'SUBSCRIBE']] });
    else if (refusalOf(transaction.request.get('event'), transaction.request.all('accept'), true) === null)
      this.#grant(subscription, transaction);
    else transaction.reply(489, { headers: [['Allow-Events', 'reg']] });
    return true;
  }

  /** Bindings of one subscriber have changed. When none is left, the subscriptions end with this change. */
  changed(subscriber: Subscriber, changes: readonly BindingChange[]): void {
    const isOver = this.deps.bindings(subscriber).length === 0;
    for (const subscription of [...(this.#watching.get(subscriber) ?? [])]) {
      for (const change of changes) subscription.untold.set(change.binding.id, change);
      if (isOver) this.#terminate(subscription, 'noresource');
      else this.#notify(subscription);
    }
  }

  /** Ends without a message: the network closes. */
  abandon(): void {
    for (const subscription of this.#subscriptions.values()) {
      subscription.timer?.dispose();
      subscription.dialog.end();
    }
    this.#subscriptions.clear();
    this.#watching.clear();
  }

  /** A device is reached where it is registered now, else over the connection that its SUBSCRIBE came over (RFC 5626). */
  #reach(uri: string, flow: Flow, owner: Subscriber | null): Target | null {
    const place = owner === null ? addressTarget(uri) : this.deps.deviceAt(uri, owner)?.flow;
    return place ?? (flow.isOpen ? flow : null);
  }

  /** RFC 6665 section 4.2.1: answer with the granted time, then notify at once. */
  #grant(subscription: Subscription, transaction: ServerTransaction): void {
    const { clock } = this.deps.server;
    const written = transaction.request.get('expires');
    const wish = written !== null && /^\d{1,10}$/.test(written) ? Number(written) : DEFAULT_REG_SUBSCRIPTION_SECONDS;
    const seconds = Math.min(wish, MAX_REG_SUBSCRIPTION_SECONDS);
    transaction.respond(subscription.dialog.response(transaction, 200).set('Expires', String(seconds)));
    subscription.timer?.dispose();
    subscription.expiresAt = clock.now() + seconds * 1000;
    subscription.isFullDue = true;
    if (seconds === 0) {
      this.#terminate(subscription, 'timeout');
      return;
    }
    subscription.timer = clock.setTimer(seconds * 1000, () => this.#terminate(subscription, 'timeout'));
    this.#notify(subscription);
  }

  #notify(subscription: Subscription): void {
    if (subscription.unanswered >= MAX_UNANSWERED_NOTIFIES) return;
    const seconds = Math.max(0, Math.ceil((subscription.expiresAt - this.deps.server.clock.now()) / 1000));
    subscription.unanswered += 1;
    this.#send(subscription, `active;expires=${seconds}`, (status) => {
      subscription.unanswered -= 1;
      // RFC 6665 section 4.2.2: a watcher that refuses or does not answer has no subscription any more.
      if (status >= 300) this.#remove(subscription);
      else if (this.#subscriptions.has(subscription.dialog.id) && (subscription.untold.size > 0 || subscription.isFullDue))
        this.#notify(subscription);
    });
  }

  #terminate(subscription: Subscription, reason: 'timeout' | 'noresource'): void {
    this.#remove(subscription);
    this.#send(subscription, `terminated;reason=${reason}`, () => undefined);
    subscription.dialog.end();
  }

  #remove(subscription: Subscription): void {
    subscription.timer?.dispose();
    this.#subscriptions.delete(subscription.dialog.id);
    this.#watching.get(subscription.watched)?.delete(subscription);
  }

  #send(subscription: Subscription, state: string, done: (status: number) => void): void {
    const { dialog } = subscription;
    const notify = dialog
      .request('NOTIFY')
      .append('Event', subscription.event)
      .append('Subscription-State', state)
      .setBody(REGINFO_CONTENT_TYPE, this.#document(subscription));
    // The core is also the proxy of its own NOTIFY: it replaces the device's GRUU by the contact.
    const device =
      subscription.device === null || dialog.routeSet.length > 0 ? null : this.deps.deviceAt(dialog.remoteTarget, subscription.watched);
    if (device !== null) notify.uri = device.contact;
    dialog.send(notify, { onFinal: (response) => done(response.status) });
  }

  #document(subscription: Subscription): string {
    const { watched, untold } = subscription;
    const isFull = subscription.isFullDue || this.deps.alwaysFull === true;
    const bindings = this.deps.bindings(watched);
    const changes: BindingChange[] = bindings.map((binding) => ({ subscriber: watched, kind: binding.event, binding }));
    // A binding that ended is listed once, also in a full document: only so does its device learn the reason.
    const told = isFull ? [...changes, ...[...untold.values()].filter(({ kind }) => stateOf(kind) === 'terminated')] : [...untold.values()];
    const state = bindings.length > 0 ? 'active' : told.length > 0 ? 'terminated' : 'init';
    const registrations = watched.identities.map(
      (aor, index): RegInfoRegistration => ({
        aor,
        id: `r${index}`,
        state,
        contacts: told.map((change) => this.#contact(change, aor, index, subscription)),
      }),
    );
    const document = encodeRegInfo({ version: subscription.version, state: isFull ? 'full' : 'partial', registrations });
    subscription.version += 1;
    subscription.isFullDue = false;
    untold.clear();
    return document;
  }

  #contact({ binding, kind, retryAfter }: BindingChange, aor: string, index: number, { device }: Subscription): RegInfoContact {
    const now = this.deps.server.clock.now();
    const isActive = stateOf(kind) === 'active';
    // LAB: a temporary GRUU goes only to its own device and to the functions: with it another device could unmask an anonymous caller.
    const isOwn = device === null || (device.instanceId !== null && device.instanceId === binding.instanceId);
    return {
      id: `${binding.id}.${index}`,
      state: isActive ? 'active' : 'terminated',
      // TS 24.229 5.4.2.1.2: the other addresses of the implicit set were registered without a request.
      event: kind === 'registered' && binding.aor !== aor ? 'created' : kind,
      uri: binding.contact,
      displayName: binding.displayName,
      expires: isActive ? Math.max(0, Math.round((binding.expiresAt - now) / 1000)) : 0,
      durationRegistered: Math.round((now - binding.registeredAt) / 1000),
      retryAfter: retryAfter ?? null,
      q: String(binding.q),
      callId: binding.callId,
      cseq: binding.cseq,
      params: new Map([...binding.params].filter(([name]) => !NOT_UNKNOWN.includes(name))),
      pubGruu: isActive ? binding.pubGruu : null,
      tempGruu:
        isActive && isOwn && binding.tempGruu !== null ? { uri: binding.tempGruu, firstCseq: binding.tempGruuCseq ?? binding.cseq } : null,
    };
  }
}

function stateOf(kind: BindingChange['kind']): 'active' | 'terminated' {
  return kind === 'registered' || kind === 'refreshed' || kind === 'shortened' ? 'active' : 'terminated';
}

/** Whether a request subscribes to registrations. */
export function isRegistrationSubscribe(request: { method: string; get(name: string): string | null }): boolean {
  return request.method === 'SUBSCRIBE' && packageOf(request.get('event')) === 'reg';
}

function packageOf(event: string | null): string {
  return (event ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function refusalOf(event: string | null, accept: readonly string[], hasContact: boolean): number | null {
  if (packageOf(event) !== 'reg') return 489;
  if (!hasContact) return 400;
  const types = accept.map((value) => value.split(';')[0]?.trim().toLowerCase() ?? '');
  const fits = types.length === 0 || types.some((type) => [REGINFO_CONTENT_TYPE, 'application/*', '*/*', '*'].includes(type));
  return fits ? null : 406;
}
