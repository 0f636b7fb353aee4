/**
 * The conference event package of one focus (RFC 4575 over RFC 6665): who watches the roster, and what each is told.
 *
 *   active --Expires 0, time over, left, group over--> terminated (after a last NOTIFY)
 *
 * Every NOTIFY carries a full document with a rising version. While one is unanswered the next waits, and only the newest is sent: a
 * slow watcher sees fewer documents, never older ones.
 */
import { CONFERENCE_INFO_CONTENT_TYPE, type ConferenceInfo, encodeConferenceInfo } from '../main/protocol/conference-info';
import { Dialog, dialogIdOf, type Resolve } from './dialog';
import type { SipServer } from './sip-server';
import type { ServerTransaction } from './transaction';

/** LAB: seconds a subscription lives at most, and without a wish of its own. */
export const MAX_SUBSCRIPTION_SECONDS = 3600;
/** LAB: watchers of one group. */
export const MAX_SUBSCRIPTIONS = 500;

interface Subscription {
  readonly dialog: Dialog;
  /** The person who watches. */
  readonly viewer: string;
  /** The Event value, with its id when it has one. */
  readonly event: string;
  version: number;
  expiresAt: number;
  timer: { dispose(): void } | null;
  isNotifying: boolean;
  isOutdated: boolean;
}

export interface ConferenceEventsDeps {
  server: SipServer;
  resolve: Resolve;
  /** The focus' own Contact value. */
  contact: string;
  document(viewer: string, version: number): ConferenceInfo;
}

export class ConferenceEvents {
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(private readonly deps: ConferenceEventsDeps) {}

  get count(): number {
    return this.#subscriptions.size;
  }

  /** Takes a SUBSCRIBE outside a dialog. The caller has made sure that `viewer` may watch. */
  subscribe(transaction: ServerTransaction, viewer: string): void {
    const { request } = transaction;
    const refusal = refusalOf(request.get('event'), request.all('accept'), request.has('contact'));
    if (refusal !== null) {
      transaction.reply(refusal, { headers: refusal === 489 ? [['Allow-Events', 'conference']] : [] });
      return;
    }
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) {
      transaction.reply(503);
      return;
    }
    const dialog = Dialog.ofReceived(this.deps.server, transaction, this.deps.contact, this.deps.resolve);
    const subscription: Subscription = {
      dialog,
      viewer,
      event: request.get('event') ?? 'conference',
      version: 0,
      expiresAt: 0,
      timer: null,
      isNotifying: false,
      isOutdated: false,
    };
    this.#subscriptions.set(dialog.id, subscription);
    this.#grant(subscription, transaction);
  }

  /** Takes an in-dialog request; false when it belongs to no subscription of this focus. */
  handle(transaction: ServerTransaction): boolean {
    const subscription = this.#subscriptions.get(dialogIdOf(transaction.request));
    if (subscription === undefined) return false;
    const refusal = subscription.dialog.receive(transaction.request);
    if (refusal !== null) transaction.reply(refusal);
    else if (transaction.request.method === 'SUBSCRIBE') this.#grant(subscription, transaction);
    else transaction.reply(405, { headers: [['Allow', 'SUBSCRIBE']] });
    return true;
  }

  /** The roster has changed: everybody gets the new document. */
  changed(): void {
    for (const subscription of this.#subscriptions.values()) this.#notify(subscription);
  }

  /** The person watches no longer: it has left the group. */
  drop(viewer: string): void {
    for (const subscription of [...this.#subscriptions.values()])
      if (subscription.viewer === viewer) this.#terminate(subscription, 'noresource');
  }

  /** The group is over. */
  end(): void {
    for (const subscription of [...this.#subscriptions.values()]) this.#terminate(subscription, 'noresource');
  }

  /** Lets go without a word: the network closes. */
  abandon(): void {
    for (const subscription of this.#subscriptions.values()) {
      subscription.timer?.dispose();
      subscription.dialog.end();
    }
    this.#subscriptions.clear();
  }

  /** RFC 6665 section 4.2.1: answer with the granted time, then notify at once. */
  #grant(subscription: Subscription, transaction: ServerTransaction): void {
    const { clock } = this.deps.server;
    const wish = Number(transaction.request.get('expires') ?? MAX_SUBSCRIPTION_SECONDS);
    const seconds = Number.isInteger(wish) && wish >= 0 ? Math.min(wish, MAX_SUBSCRIPTION_SECONDS) : MAX_SUBSCRIPTION_SECONDS;
    transaction.respond(subscription.dialog.response(transaction, 200).set('Expires', String(seconds)));
    subscription.timer?.dispose();
    subscription.expiresAt = clock.now() + seconds * 1000;
    if (seconds === 0) {
      this.#terminate(subscription, 'timeout');
      return;
    }
    subscription.timer = clock.setTimer(seconds * 1000, () => this.#terminate(subscription, 'timeout'));
    this.#notify(subscription);
  }

  #notify(subscription: Subscription): void {
    if (subscription.isNotifying) {
      subscription.isOutdated = true;
      return;
    }
    subscription.isNotifying = true;
    subscription.isOutdated = false;
    const seconds = Math.max(0, Math.ceil((subscription.expiresAt - this.deps.server.clock.now()) / 1000));
    this.#send(subscription, `active;expires=${seconds}`, (status) => {
      subscription.isNotifying = false;
      // RFC 6665 section 4.2.2: a watcher that does not know the subscription, or does not answer, has none.
      if (status >= 300) this.#remove(subscription);
      else if (subscription.isOutdated && this.#subscriptions.has(subscription.dialog.id)) this.#notify(subscription);
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
  }

  #send(subscription: Subscription, state: string, done: (status: number) => void): void {
    subscription.version += 1;
    const notify = subscription.dialog
      .request('NOTIFY')
      .append('Event', subscription.event)
      .append('Subscription-State', state)
      .setBody(CONFERENCE_INFO_CONTENT_TYPE, encodeConferenceInfo(this.deps.document(subscription.viewer, subscription.version)));
    subscription.dialog.send(notify, { onFinal: (response) => done(response.status) });
  }
}

function refusalOf(event: string | null, accept: readonly string[], hasContact: boolean): number | null {
  if ((event ?? '').split(';')[0]?.trim().toLowerCase() !== 'conference') return 489;
  if (!hasContact) return 400;
  const types = accept.map((value) => value.split(';')[0]?.trim().toLowerCase() ?? '');
  const fits = types.length === 0 || types.some((type) => [CONFERENCE_INFO_CONTENT_TYPE, 'application/*', '*/*', '*'].includes(type));
  return fits ? null : 406;
}
