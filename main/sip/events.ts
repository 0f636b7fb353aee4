/**
 * The conference event package (RFC 4575 over RFC 6665): who is in a group, told by its focus.
 *
 *   [asking] --first NOTIFY--> [active] --half time--> re-SUBSCRIBE --> [active]
 *       \--refused, no NOTIFY--> [ended] <--terminated, refresh refused, dispose--/
 */
import type { IncomingNotifyRequest, OutgoingSubscribeRequest, RequestOptions, Subscription } from 'sip.js/lib/core/index.js';
import { type Disposable, Emitter } from '../base';
import { acceptContact } from '../protocol/feature-tags';
import { text } from '../protocol/octets';
import type { Stack } from './stack';
import { headerLine } from './wire-message';

/** LAB: what a subscription asks for. */
export const SUBSCRIPTION_SECONDS = 3_600;
const CONFERENCE_INFO = 'application/conference-info+xml';

export interface ConferenceSubscription extends Disposable {
  /** Each document of the focus, full or partial, as it came. */
  readonly onDocument: Emitter<string>;
  /** No more documents will come; told once, and not after `dispose`. */
  readonly onEnd: Emitter<void>;
}

export class ConferenceEvents implements ConferenceSubscription {
  readonly onDocument = new Emitter<string>();
  readonly onEnd = new Emitter<void>();

  readonly #stack: Stack;
  readonly #icsi: string;
  readonly #initial: OutgoingSubscribeRequest;
  readonly #tracked: Disposable;
  #subscription: Subscription | null = null;
  #refresh: Disposable | null = null;
  #ended = false;

  constructor(stack: Stack, focus: string, icsi: string, routes: readonly string[]) {
    this.#stack = stack;
    this.#icsi = icsi;
    const request = stack.request('SUBSCRIBE', { target: focus, routes, headers: this.#headers(SUBSCRIPTION_SECONDS) });
    this.#tracked = stack.track(() => this.#end('the connection was lost'));
    this.#initial = stack.core.subscribe(request, {
      onReject: ({ message }) => this.#end(`refused: ${stack.failure(message, request).message}`),
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

  #headers(expires: number): [string, string][] {
    return [
      ['Event', 'conference'],
      ['Expires', String(expires)],
      ['Accept', CONFERENCE_INFO],
      ['Accept-Contact', acceptContact({ icsis: [this.#icsi] })],
      ['Contact', this.#stack.contact([this.#icsi])],
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
      this.#end('the focus ended the subscription');
      return;
    }
    const seconds = /;\s*expires\s*=\s*(\d{1,9})/.exec(state)?.[1];
    if (this.#refresh === null || seconds !== undefined) this.#schedule(Number(seconds ?? SUBSCRIPTION_SECONDS));
  }

  #schedule(seconds: number): void {
    this.#refresh?.dispose();
    this.#refresh = this.#stack.clock.setTimer(Math.max(seconds, 2) * 500, () => {
      if (this.#subscription === null) return;
      // Until the focus names a new time, the one asked for counts.
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

  #end(reason: string): void {
    if (this.#ended) return;
    this.#stack.log.info('The conference subscription has ended', { reason });
    this.#finish();
    this.onEnd.emit();
  }

  #finish(): void {
    this.#ended = true;
    this.#refresh?.dispose();
    this.#tracked.dispose();
  }
}
