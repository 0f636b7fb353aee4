/**
 * Outgoing and incoming INVITE sessions (RFC 3261 sections 13 to 15). Offer and answer are passed on as text: the layer above
 * interprets them. Every request of a session uses its recorded route set, so a BYE takes the signalling path (R59, R77).
 *
 *   out:  [inviting] --180--> [ringing] --2xx/ACK--> [established] --BYE--> [ended]
 *             \------2xx/ACK------------------------^
 *             any before the 2xx: refusal, CANCEL, lost flow --> [ended]
 *   in:   [incoming] --accept: 200--> [accepting] --ACK--> [established] --BYE--> [ended]
 *             \--reject, CANCEL--> [ended]   \--no ACK in 32 s--> [ended]
 *
 * Within an established session each side may offer other media, or the same again to refresh it (section 14, RFC 4028).
 */
import type { IncomingInviteRequest, IncomingResponse, Session as SipJsSession } from 'sip.js/lib/core/index.js';
import type { Disposable } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import type { BodyPart } from '../../../protocol/multipart';
import { formatUri, parseUri } from '../../../protocol/uri';
import { type CpmHeaders, type CpmRequest, type RemoteParty, readRemoteParty } from '../stack/cpm-request';
import { ALLOWED_METHODS } from '../stack/normalize';
import type { Stack } from '../stack/stack';
import { headerLine } from '../wire/wire-message';
import { readBody, sdpBody } from './body';
import { ReInvites } from './re-invite';
import { type ByeReason, readReason, reasonLine } from './reason';
import { answerTimer, SessionTimer, type TimerTerms, TimerWish } from './session-timer';

/** LAB: how long to wait for the final answer to a cancelled INVITE, and for the answer to a BYE (64*T1). */
export const END_TIMEOUT_MS = 32_000;
/** LAB: an invitation without an answer for this long is refused with 486; the caller's proxies give up at that time too. */
export const RING_LIMIT_MS = 180_000;

export type SipSessionState = 'inviting' | 'ringing' | 'incoming' | 'accepting' | 'established' | 'ended';

const TRANSITIONS: Record<SipSessionState, readonly SipSessionState[]> = {
  inviting: ['ringing', 'established', 'ended'],
  ringing: ['established', 'ended'],
  incoming: ['accepting', 'ended'],
  accepting: ['established', 'ended'],
  established: ['ended'],
  ended: [],
};

export interface SessionEnd {
  by: 'local' | 'remote';
  status: number | null;
  reason: string | null;
  /** The cause in a Reason header (RFC 3326): 200 in a CANCEL means answered on another device. */
  cause: number | null;
  text: string | null;
}

export interface SipSession {
  readonly id: string;
  readonly callId: string;
  readonly state: SipSessionState;
  readonly onState: Emitter<SipSessionState>;
  readonly remote: RemoteParty;
  readonly headers: CpmHeaders;
  readonly end: SessionEnd | null;
  /**
   * True when the other side does not learn the identity of this side: this side invited anonymously or was called by its temporary GRUU.
   */
  readonly hides?: boolean;
  /** Whether the other side learns the name of this device, as it does unless this is false: it often holds the person's own name. */
  namesDevice?: boolean;
  /** Outgoing: resolves with the 2xx, after its ACK was sent; rejects with AppError. Incoming: resolves at the ACK. */
  readonly answered: Promise<{ sdp: string; headers: CpmHeaders }>;
  /** Ends the session as its state requires: by CANCEL, refusal or BYE. Resolves when the peer has answered or will not. */
  bye(reason?: ByeReason): Promise<void>;
  /**
   * Asks the other side, a focus, to invite somebody (RFC 4579 section 5.5) or, with BYE, to remove somebody (section 5.11). Resolves when
   * the focus has accepted the request; the conference documents show the result.
   * @throws AppError `sip/rejected`, `net/*`, `conversation/no-session`
   */
  refer(target: string, method?: 'INVITE' | 'BYE'): Promise<void>;
  /**
   * Offers other media within the session and resolves with the answer. From then on, refreshes of the session use this offer. `isWanted`
   * is called before each attempt: after a glare the offer is repeated (RFC 3261 section 14.1).
   * @throws AppError `sip/rejected` (481: the other side knows no such session), `net/*`, `conversation/no-session`
   */
  reoffer(sdp: string, isWanted?: () => boolean): Promise<string>;
  /**
   * Answers an offer that the other side makes within the session: with SDP, or null for 488. When not set, the earlier answer is repeated.
   */
  handleOffer: ((sdp: string) => Promise<string | null>) | null;
}

export interface IncomingInvite extends SipSession {
  readonly sdp: string | null;
  /** The other parts of the body. */
  readonly parts: BodyPart[];
  /** The services that the invitation requests. */
  readonly icsis: string[];
  ring(): void;
  /** Resolves at the ACK. */
  accept(sdp: string): Promise<void>;
  reject(status: number, reason?: string): Promise<void>;
}

export interface OutgoingInvite extends CpmRequest {
  require?: string[];
  sdp: string;
  parts?: BodyPart[];
}

export abstract class Session implements SipSession {
  readonly id: string;
  readonly onState = new Emitter<SipSessionState>();
  abstract readonly callId: string;
  remote: RemoteParty;
  headers: CpmHeaders;
  end: SessionEnd | null = null;
  namesDevice = true;
  readonly answered: Promise<{ sdp: string; headers: CpmHeaders }>;

  protected readonly stack: Stack;
  protected dialog: SipJsSession | null = null;
  protected localSdp = '';
  protected icsis: readonly string[];
  handleOffer: SipSession['handleOffer'] = null;
  /** The session interval that this side requests. */
  protected readonly wish = new TimerWish();
  readonly #timer: SessionTimer;
  #reInvites: ReInvites | null = null;
  /** Pending until the ACK to the last answer within the session. */
  #ackGuard: Disposable | null = null;
  #state: SipSessionState;
  protected resolveAnswered: (value: { sdp: string; headers: CpmHeaders }) => void = () => undefined;
  protected rejectAnswered: (error: AppError) => void = () => undefined;

  constructor(
    stack: Stack,
    state: SipSessionState,
    remote: RemoteParty,
    headers: CpmHeaders,
    icsis: readonly string[],
    readonly hides: boolean,
  ) {
    this.stack = stack;
    this.id = stack.clock.uuid();
    this.#state = state;
    this.remote = remote;
    this.headers = headers;
    this.icsis = icsis;
    this.#timer = new SessionTimer(stack.clock, {
      renew: () => drop(this.#renew(), stack.log, 'renewing a session'),
      expire: () => this.#hangUp('the session was not renewed'),
    });
    this.answered = new Promise((resolve, reject) => {
      this.resolveAnswered = resolve;
      this.rejectAnswered = reject;
    });
    // A caller that only watches the state need not handle the promise.
    this.answered.catch((error: unknown) => stack.log.debug('A session was not answered', { id: this.id, error: String(error) }));
  }

  get state(): SipSessionState {
    return this.#state;
  }

  abstract bye(reason?: ByeReason): Promise<void>;

  /** The client is closed: the session ends on this side, and nothing more is sent. */
  abandon(): void {
    if (this.#state === 'ended') return;
    this.finish({ by: 'local', status: null, reason: 'the client was closed', cause: null, text: null });
    this.rejectAnswered(new AppError('net/unreachable', { cause: 'the client was closed' }, 'auto'));
  }

  protected transition(to: SipSessionState): void {
    if (!TRANSITIONS[this.#state].includes(to)) throw new Error(`A session cannot go from ${this.#state} to ${to}`);
    this.#state = to;
    this.onState.emit(to);
  }

  protected finish(end: SessionEnd): void {
    if (this.#state === 'ended') return;
    this.end = end;
    this.#timer.dispose();
    this.#ackGuard?.dispose();
    this.transition('ended');
  }

  /** Handles the peer's requests in the dialog. `isOwn`: this side created its Call-ID. */
  protected adopt(dialog: SipJsSession, isOwn: boolean): void {
    this.dialog = dialog;
    this.#reInvites = new ReInvites(this.stack, dialog, isOwn);
    dialog.delegate = {
      onAck: () => this.answerAcknowledged(),
      onBye: (request) => {
        const message = this.stack.original(request.message);
        request.accept();
        this.finish({ by: 'remote', status: null, reason: null, ...readReason(message) });
      },
      onInvite: (request) => drop(this.#answer(request), this.stack.log, 'answering a re-INVITE'),
    };
  }

  protected startTimer(terms: TimerTerms | null): void {
    if (terms !== null) this.wish.keep(terms);
    this.#timer.restart(terms);
  }

  protected answerAcknowledged(): void {
    this.#ackGuard?.dispose();
  }

  async reoffer(sdp: string, isWanted = () => true): Promise<string> {
    const answer = await this.#reInvite(sdp, isWanted);
    this.localSdp = sdp;
    return answer;
  }

  /** Sends a re-INVITE with this offer; resolves with the answer's SDP. */
  async #reInvite(sdp: string, isWanted = () => true): Promise<string> {
    const isOver = () => this.state !== 'established' || !isWanted();
    if (this.#reInvites === null || isOver()) throw new AppError('conversation/no-session', { cause: 'no dialog' });
    const answer = await this.#reInvites.send(
      {
        body: sdpBody(sdp),
        lines: () => [
          headerLine('Contact', this.stack.contact(this.icsis, this.hides, this.namesDevice)),
          headerLine('Allow', ALLOWED_METHODS.join(', ')),
          ...this.wish.lines(true).map(([name, value]) => headerLine(name, value)),
        ],
        raise: (refusal) => this.wish.raise(refusal),
      },
      isOver,
    );
    if (this.state === 'established') this.startTimer(this.wish.agreed(answer));
    const described = readBody(answer).sdp;
    if (described === null) throw new AppError('sip/malformed', { cause: 'the answer holds no session description' });
    return described;
  }

  async #renew(): Promise<void> {
    try {
      await this.#reInvite(this.localSdp);
    } catch (error) {
      if (this.state !== 'established') return;
      const { code, detail } = error instanceof AppError ? error : new AppError('sip/malformed', { cause: String(error) });
      this.stack.log.info('A session could not be renewed', { code, status: detail.status });
      // RFC 4028 section 10: the session is gone. Any other failure may be temporary while the interval lasts.
      if (detail.status === 481 || detail.status === 408 || code === 'net/timeout') this.#hangUp('the other side is gone');
      else this.#timer.renewAgain();
    }
  }

  /** Answers an offer within the session. A refresh gets the same answer again; the layer above decides about other media. */
  async #answer(request: IncomingInviteRequest): Promise<void> {
    const message = this.stack.original(request.message);
    if (message === null) {
      request.reject({ statusCode: 500 });
      return;
    }
    const timer = answerTimer(message);
    if (!timer.ok) {
      request.reject({ statusCode: timer.status, extraHeaders: timer.lines });
      return;
    }
    const offer = readBody(message).sdp;
    const answer = offer === null || this.handleOffer === null ? this.localSdp : await this.#lookAt(this.handleOffer(offer));
    // RFC 3261 section 15.1.2: a request that is still unanswered when the session ends also gets its final answer.
    if (this.state === 'ended' || typeof answer === 'number') {
      request.reject({ statusCode: typeof answer === 'number' ? answer : 487 });
      return;
    }
    this.remote = { ...readRemoteParty(message, 'from'), address: this.remote.address };
    this.localSdp = answer;
    const contact = headerLine('Contact', this.stack.contact(this.icsis, this.hides, this.namesDevice));
    request.accept({ statusCode: 200, extraHeaders: [contact, ...timer.lines], body: sdpBody(answer) });
    this.startTimer(timer.terms);
    // RFC 3261 section 14.2: an answer that is not acknowledged ends the session; sip.js would only block every further INVITE.
    this.#ackGuard?.dispose();
    this.#ackGuard = this.stack.clock.setTimer(END_TIMEOUT_MS, () => this.#hangUp('no ACK to the answer of a re-INVITE'));
  }

  /** The answer to an offer, or the status that refuses it. */
  #lookAt(answer: Promise<string | null>): Promise<string | 488 | 500> {
    return answer.then(
      (sdp) => sdp ?? 488,
      (error: unknown) => {
        this.stack.log.warn('An offer within a session could not be looked at', { callId: this.callId, error: String(error) });
        return 500;
      },
    );
  }

  /** Ends the session because the other side is silent; a BYE is sent in case it is still there. */
  #hangUp(cause: string): void {
    const { dialog } = this;
    if (dialog === null || this.state !== 'established') return;
    this.stack.log.info('A session was given up', { cause, callId: this.callId });
    this.finish({ by: 'local', status: 408, reason: 'Request Timeout', cause: null, text: cause });
    drop(this.sendBye(dialog, undefined), this.stack.log, 'ending a session that is gone');
  }

  refer(target: string, method: 'INVITE' | 'BYE' = 'INVITE'): Promise<void> {
    const { dialog } = this;
    if (dialog === null || this.state !== 'established')
      return Promise.reject(new AppError('conversation/no-session', { cause: 'no dialog' }));
    return new Promise((resolve, reject) => {
      const finish = (end: () => void) => {
        timer.dispose();
        tracked.dispose();
        end();
      };
      const timer = this.stack.clock.setTimer(END_TIMEOUT_MS, () =>
        finish(() => reject(new AppError('net/timeout', { cause: 'no answer to a REFER' }, 'user'))),
      );
      const tracked = this.stack.track((error) => finish(() => reject(error)));
      const refused = (response: IncomingResponse) => finish(() => reject(this.stack.failure(response.message, request.message)));
      const request = dialog.refer(
        { onAccept: () => finish(resolve), onReject: refused, onRedirect: refused },
        {
          extraHeaders: [
            headerLine('Refer-To', `<${referTo(target, method)}>`),
            // RFC 4488: no implicit subscription, because the conference documents show the result.
            'Refer-Sub: false',
            'Supported: norefersub',
            headerLine('Contact', this.stack.contact(this.icsis, this.hides, this.namesDevice)),
          ],
        },
      );
    });
  }

  protected sendBye(dialog: SipJsSession, reason: ByeReason | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.dispose();
        tracked.dispose();
        resolve();
      };
      const timer = this.stack.clock.setTimer(END_TIMEOUT_MS, done);
      const tracked = this.stack.track(done);
      const extraHeaders = reason === undefined ? [] : [reasonLine(reason)];
      this.stack.ends(dialog);
      dialog.bye({ onAccept: done, onReject: done, onRedirect: done }, { extraHeaders });
    });
  }
}

/** A tel: URI has no method parameter; a REFER without one means INVITE (RFC 3515 section 2.1). Headers in the URI come after it. */
function referTo(target: string, method: 'INVITE' | 'BYE'): string {
  const uri = parseUri(target);
  if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return target;
  return formatUri({ ...uri.value, params: new Map([...uri.value.params, ['method', method]]) });
}
