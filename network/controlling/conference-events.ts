/**
 * The conference event package of one focus (RFC 4575 over RFC 6665): who watches the roster, and what each watcher is sent.
 *
 *   active --Expires 0, time over, left, group over--> terminated (after a last NOTIFY)
 *
 * The NOTIFY that answers a SUBSCRIBE carries the full document, the next ones the changes since the one before (RFC 4575 section 4.6);
 * versions rise by 1. Changes of one turn of the event loop are sent together, and in a large group no more often than `spacingFor` says.
 * While a NOTIFY is unanswered the next one waits: a slow watcher sees fewer documents, never older ones. A watcher that is too far behind
 * gets a full document.
 */
import { CONFERENCE_INFO_CONTENT_TYPE, type ConferenceInfo, encodeConferenceInfo } from '../../protocol/conference-info';
import { isCpmService, wantedServices } from '../../protocol/feature-tags';
import { isAsserted } from '../sip/asserted-identity';
import { Dialog, dialogIdOf, type Resolve } from '../sip/dialog';
import type { SipRequest } from '../sip/message';
import type { SipServer } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import type { GroupChanges } from './group';

/** LAB: the longest lifetime of a subscription, and the one when none is asked for, seconds. */
const MAX_SUBSCRIPTION_SECONDS = 3600;
/** LAB: watchers of one group. */
const MAX_SUBSCRIPTIONS = 1000;
/** LAB: up to this many watchers hear of every change at once. */
export const UNPACED_WATCHERS = 20;
/** LAB: how much each further watcher adds to the pause between two rounds, ms: 100 NOTIFYs a second for a group, however large. */
const PAUSE_PER_WATCHER_MS = 10;
/** The longest pause, ms: what RFC 4575 section 3.10 recommends for every conference. */
const LONGEST_PAUSE_MS = 5_000;
/** LAB: changes that are kept for slow watchers; a watcher that missed more gets a full document. */
export const MAX_CHANGES_KEPT = 4096;

/** The pause between two rounds of NOTIFYs to this many watchers, ms. */
export function spacingFor(watchers: number): number {
  return Math.min(LONGEST_PAUSE_MS, Math.max(0, watchers - UNPACED_WATCHERS) * PAUSE_PER_WATCHER_MS);
}

interface Subscription {
  readonly dialog: Dialog;
  /** The person who watches. */
  readonly viewer: string;
  /** Whether the watcher is a CPM client. */
  readonly forCpm: boolean;
  /** The Event value, with its id when it has one. */
  readonly event: string;
  version: number;
  /** How many changes of the group it has been sent; null: none, or too few, so that the next document is a full one. */
  told: number | null;
  expiresAt: number;
  timer: { dispose(): void } | null;
  isNotifying: boolean;
}

export interface ConferenceEventsDeps {
  server: SipServer;
  resolve: Resolve;
  /** The focus' own Contact value. */
  contact: string;
  /** The full document, or one of the changes alone. */
  document(viewer: string, version: number, changes: GroupChanges | null): ConferenceInfo;
}

export class ConferenceEvents {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #byViewer = new Map<string, Set<Subscription>>();
  /** The latest changes, oldest first; `#forgotten` earlier ones are no longer kept. */
  #changes: GroupChanges[] = [];
  #forgotten = 0;
  /** The next round of NOTIFYs, when one is due. */
  #round: { dispose(): void } | 'this turn' | null = null;
  #lastRoundAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly deps: ConferenceEventsDeps) {}

  get count(): number {
    return this.#subscriptions.size;
  }

  /** Takes a SUBSCRIBE outside a dialog. The caller has checked that `viewer` may watch. */
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
      forCpm: asksForCpm(request),
      event: request.get('event') ?? 'conference',
      version: 0,
      told: null,
      expiresAt: 0,
      timer: null,
      isNotifying: false,
    };
    this.#subscriptions.set(dialog.id, subscription);
    const own = this.#byViewer.get(viewer) ?? new Set();
    this.#byViewer.set(viewer, own.add(subscription));
    this.#grant(subscription, transaction);
  }

  /** Takes an in-dialog request; false when it belongs to no subscription of this focus. */
  handle(transaction: ServerTransaction): boolean {
    const subscription = this.#subscriptions.get(dialogIdOf(transaction.request));
    if (subscription === undefined) return false;
    if (!isAsserted(transaction.request, subscription.viewer)) {
      transaction.reply(403, { reason: 'The subscription of another person' });
      return true;
    }
    const refusal = subscription.dialog.receive(transaction.request);
    if (refusal !== null) transaction.reply(refusal);
    else if (transaction.request.method === 'SUBSCRIBE') this.#grant(subscription, transaction);
    else transaction.reply(405, { headers: [['Allow', 'SUBSCRIBE']] });
    return true;
  }

  /** The group has changed: everybody is told all changes of this turn together. */
  changed(changes: GroupChanges): void {
    if (changes.people.length === 0 && changes.description === 'same') return;
    this.#changes.push(changes);
    if (this.#changes.length > MAX_CHANGES_KEPT) {
      this.#forgotten += 1;
      this.#changes.shift();
    }
    if (this.#round !== null || this.#subscriptions.size === 0) return;
    const { clock } = this.deps.server;
    const pause = this.#lastRoundAt + spacingFor(this.#subscriptions.size) - clock.now();
    if (pause > 0) this.#round = clock.setTimer(pause, () => this.#tellAll());
    else {
      this.#round = 'this turn';
      queueMicrotask(() => this.#tellAll());
    }
  }

  #tellAll(): void {
    this.#round = null;
    this.#lastRoundAt = this.deps.server.clock.now();
    for (const subscription of this.#subscriptions.values()) this.#notify(subscription);
  }

  /** The person has left the group and may no longer watch. */
  drop(viewer: string): void {
    for (const subscription of [...(this.#byViewer.get(viewer) ?? [])]) this.#terminate(subscription, 'noresource');
  }

  /** The group is over. */
  end(): void {
    for (const subscription of [...this.#subscriptions.values()]) this.#terminate(subscription, 'noresource');
  }

  /** Ends without a message: the network closes. */
  abandon(): void {
    if (this.#round !== 'this turn') this.#round?.dispose();
    for (const subscription of this.#subscriptions.values()) {
      subscription.timer?.dispose();
      subscription.dialog.end();
    }
    this.#subscriptions.clear();
    this.#byViewer.clear();
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
    // A new or refreshed subscription gets a full document, also after a gap.
    subscription.told = null;
    this.#notify(subscription);
  }

  #notify(subscription: Subscription): void {
    if (subscription.isNotifying || subscription.told === this.#total) return;
    subscription.isNotifying = true;
    const seconds = Math.max(0, Math.ceil((subscription.expiresAt - this.deps.server.clock.now()) / 1000));
    this.#send(subscription, `active;expires=${seconds}`, (status) => {
      subscription.isNotifying = false;
      // RFC 6665 section 4.2.2: a watcher that refuses or does not answer loses its subscription.
      if (status >= 300) this.#remove(subscription);
      // The next round will bring the rest.
      else if (this.#round === null && this.#subscriptions.has(subscription.dialog.id)) this.#notify(subscription);
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
    const own = this.#byViewer.get(subscription.viewer);
    own?.delete(subscription);
    if (own?.size === 0) this.#byViewer.delete(subscription.viewer);
    if (this.#subscriptions.size > 0) return;
    this.#forgotten = this.#total;
    this.#changes = [];
  }

  get #total(): number {
    return this.#forgotten + this.#changes.length;
  }

  /** The changes that a watcher has not been sent; null when it needs a full document. */
  #news({ told }: Subscription): GroupChanges | null {
    if (told === null || told < this.#forgotten) return null;
    const news = this.#changes.slice(told - this.#forgotten);
    const worst = news.some(({ description }) => description === 'removed') ? 'removed' : 'changed';
    return {
      people: [...new Set(news.flatMap(({ people }) => people))],
      description: news.every(({ description }) => description === 'same') ? 'same' : worst,
    };
  }

  #send(subscription: Subscription, state: string, done: (status: number) => void): void {
    subscription.version += 1;
    const news = this.#news(subscription);
    subscription.told = this.#total;
    const document = this.deps.document(subscription.viewer, subscription.version, news);
    const notify = subscription.dialog
      .request('NOTIFY')
      .append('Event', subscription.event)
      .append('Subscription-State', state)
      .setBody(CONFERENCE_INFO_CONTENT_TYPE, encodeConferenceInfo(document, subscription));
    subscription.dialog.send(notify, { onFinal: (response) => done(response.status) });
  }
}

/** OMA CPM clients name their service in Contact and in Accept-Contact, in the same way. */
function asksForCpm(request: SipRequest): boolean {
  return wantedServices([...request.all('contact'), ...request.all('accept-contact')]).some(isCpmService);
}

function refusalOf(event: string | null, accept: readonly string[], hasContact: boolean): number | null {
  if ((event ?? '').split(';')[0]?.trim().toLowerCase() !== 'conference') return 489;
  if (!hasContact) return 400;
  const types = accept.map((value) => value.split(';')[0]?.trim().toLowerCase() ?? '');
  const fits = types.length === 0 || types.some((type) => [CONFERENCE_INFO_CONTENT_TYPE, 'application/*', '*/*', '*'].includes(type));
  return fits ? null : 406;
}
