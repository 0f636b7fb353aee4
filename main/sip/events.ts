/**
 * Event subscriptions (RFC 6665): who is in a group (RFC 4575, notified by its focus), and which devices of the own address
 * are registered (RFC 3680, notified by the registrar).
 *
 *   [asking] --first NOTIFY--> [active] --half time--> re-SUBSCRIBE --> [active]
 *       \--refused, no NOTIFY--> [ended] <--terminated, refresh refused, dispose--/
 */
import type { IncomingNotifyRequest, OutgoingSubscribeRequest, RequestOptions, Subscription } from 'sip.js/lib/core/index.js';
import type { Disposable } from '../../base/disposable';
import { Emitter } from '../../base/emitter';
import { acceptContact } from '../../protocol/feature-tags';
import { text } from '../../protocol/octets';
import { REGINFO_CONTENT_TYPE } from '../../protocol/reginfo';
import type { Stack } from './stack/stack';
import { headerLine } from './wire/wire-message';

/** LAB: the duration that a subscription requests. */
const SUBSCRIPTION_SECONDS = 3_600;
const CONFERENCE_INFO = 'application/conference-info+xml';

/** Why no more documents will come. */
interface SubscriptionEnd {
  reason: string;
  /** The status of the notifier's refusal; null when it did not refuse. */
  status: number | null;
}

interface EventSubscription extends Disposable {
  /** Emits each document of the notifier unchanged, full or partial. */
  readonly onDocument: Pick<Emitter<string>, 'on'>;
  /** Emitted once, when no more documents will come; never after `dispose`. */
  readonly onEnd: Pick<Emitter<SubscriptionEnd>, 'on'>;
}

export interface ConferenceSubscription extends Disposable {
  readonly onDocument: Emitter<string>;
  readonly onEnd: { on(listener: () => void): Disposable };
  /** Subscribes again in the same dialog: the focus answers with a full document (RFC 4575 section 4.6: after a gap). */
  renew(): void;
}
export type RegistrationSubscription = EventSubscription;

interface Package {
  target: string;
  routes: readonly string[];
  event: string;
  /** The media type of the documents. */
  contentType: string;
  /** The current Contact. */
  contact: () => string;
  /** The own address that subscribes; the account's when absent. */
  from?: string;
  /** The name in From; the account's when absent. */
  displayName?: string;
  /** Further headers in every SUBSCRIBE. */
  headers: readonly (readonly [string, string])[];
}

/** Who is in the group of `focus`. `icsi` is the service of the group. */
export function subscribeToConference(
  stack: Stack,
  focus: string,
  icsi: string,
  routes: readonly string[],
  { identity, pseudonym }: { identity: string; pseudonym?: string },
): StackSubscription {
  const headers = [
    ['Accept-Contact', acceptContact({ icsis: [icsi] })],
    ['P-Preferred-Identity', `<${identity}>`],
  ] as const;
  return new StackSubscription(stack, {
    target: focus,
    routes,
    event: 'conference',
    contentType: CONFERENCE_INFO,
    contact: () => stack.contact([icsi], false, pseudonym === undefined),
    headers,
    from: identity,
    ...(pseudonym === undefined ? {} : { displayName: pseudonym }),
  });
}

/**
 * Which devices are registered for `aor`, the own address. `contact` must name this flow and not the GRUU: if another computer registers
 * with the same instance ID, the GRUU belongs to that one, and this device still has to learn of it.
 */
export function subscribeToRegistration(stack: Stack, aor: string, contact: () => string, routes: readonly string[]): StackSubscription {
  const headers = [['P-Preferred-Identity', `<${aor}>`]] as const;
  return new StackSubscription(stack, { target: aor, routes, event: 'reg', contentType: REGINFO_CONTENT_TYPE, contact, headers });
}

class StackSubscription implements EventSubscription {
  readonly onDocument = new Emitter<string>();
  readonly onEnd = new Emitter<SubscriptionEnd>();

  readonly #stack: Stack;
  readonly #package: Package;
  readonly #initial: OutgoingSubscribeRequest;
  readonly #tracked: Disposable;
  #subscription: Subscription | null = null;
  #refresh: Disposable | null = null;
  #ended = false;

  constructor(stack: Stack, wanted: Package) {
    this.#stack = stack;
    this.#package = wanted;
    const { target, routes, from, displayName } = wanted;
    const request = stack.request('SUBSCRIBE', {
      target,
      routes,
      ...(from === undefined ? {} : { from }),
      ...(displayName === undefined ? {} : { displayName }),
      headers: this.#headers(SUBSCRIPTION_SECONDS),
    });
    this.#tracked = stack.track(() => this.#end('the connection was lost'));
    this.#initial = stack.core.subscribe(request, {
      onReject: ({ message }) => {
        const failure = stack.failure(message, request);
        this.#end(`refused: ${failure.message}`, failure.detail.status ?? null);
      },
      onRedirect: () => this.#end('redirected'),
      onNotifyTimeout: () => this.#end('no NOTIFY came'),
      onNotify: ({ request: notify, subscription }) => {
        this.#tracked.dispose();
        this.#subscription = subscription ?? null;
        if (subscription !== undefined) {
          subscription.delegate = {
            onNotify: (next) => this.#notified(next),
            onTerminated: () => this.#end('terminated'),
          };
        }
        this.#notified(notify);
      },
    });
  }

  dispose(): void {
    if (this.#ended) return;
    this.#finish();
    this.#initial.waitNotifyStop();
    if (this.#subscription !== null && this.#stack.flow?.alive) this.#resubscribe(this.#subscription, 0);
  }

  /** Subscribes again in the same dialog, before the subscription expires. */
  renew(): void {
    if (!this.#ended && this.#subscription !== null) this.#resubscribe(this.#subscription, SUBSCRIPTION_SECONDS);
  }

  #headers(expires: number): [string, string][] {
    const { event, contentType, contact, headers } = this.#package;
    return [
      ['Event', event],
      ['Expires', String(expires)],
      ['Accept', contentType],
      ...headers.map(([name, value]): [string, string] => [name, value]),
      ['Contact', contact()],
    ];
  }

  #notified(request: IncomingNotifyRequest): void {
    const message = this.#stack.original(request.message);
    request.accept();
    if (this.#ended || message === null) return;
    const body = text(message.body);
    if (body.trim() !== '') this.onDocument.emit(body);
    const state = (message.first('subscription-state') ?? '').trim().toLowerCase();
    if (state.startsWith('terminated')) {
      this.#end('the notifier ended the subscription');
      return;
    }
    const seconds = /;\s*expires\s*=\s*(\d{1,9})/.exec(state)?.[1];
    if (this.#refresh === null || seconds !== undefined) this.#schedule(Number(seconds ?? SUBSCRIPTION_SECONDS));
  }

  #schedule(seconds: number): void {
    this.#refresh?.dispose();
    this.#refresh = this.#stack.clock.setTimer(Math.max(seconds, 2) * 500, () => {
      if (this.#subscription === null) return;
      // Until the notifier gives another duration, the requested one counts.
      this.#schedule(SUBSCRIPTION_SECONDS);
      this.#resubscribe(this.#subscription, SUBSCRIPTION_SECONDS);
    });
  }

  #resubscribe(subscription: Subscription, expires: number): void {
    const options: RequestOptions = { extraHeaders: this.#headers(expires).map(([name, value]) => headerLine(name, value)) };
    try {
      subscription.subscribe(undefined, options);
    } catch (error) {
      this.#stack.log.info('A subscription could not be renewed', { error: String(error) });
      this.#end('already terminated');
    }
  }

  #end(reason: string, status: number | null = null): void {
    if (this.#ended) return;
    this.#stack.log.info('A subscription has ended', { event: this.#package.event, reason });
    this.#finish();
    this.onEnd.emit({ reason, status });
  }

  #finish(): void {
    this.#ended = true;
    this.#refresh?.dispose();
    this.#tracked.dispose();
  }
}
