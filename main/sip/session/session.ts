/**
 * INVITE sessions, going out and coming in (RFC 3261 sections 13 to 15). The offer and the answer are handed through as text: what they
 * mean is decided above. Every request of a session goes over its recorded route set, so a BYE takes the signalling path (R59, R77).
 *
 *   out:  [inviting] --180--> [ringing] --2xx/ACK--> [established] --BYE--> [ended]
 *             \------2xx/ACK------------------------^
 *             any before the 2xx: refusal, CANCEL, lost flow --> [ended]
 *   in:   [incoming] --accept: 200--> [accepting] --ACK--> [established] --BYE--> [ended]
 *             \--reject, CANCEL--> [ended]   \--no ACK in 32 s--> [ended]
 *
 * Within an established session each side may offer other media, or the same again to renew it (section 14, RFC 4028).
 */
import type { IncomingInviteRequest, IncomingResponse, Session as SipJsSession } from 'sip.js/lib/core/index.js';
import type { Disposable } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import type { BodyPart } from '../../../protocol/multipart';
import { type CpmHeaders, type CpmRequest, type RemoteParty, readRemoteParty } from '../stack/cpm-request';
import { ALLOWED_METHODS } from '../stack/normalize';
import type { Stack } from '../stack/stack';
import { headerLine } from '../wire/wire-message';
import { readBody, sdpBody } from './body';
import { ReInvites } from './re-invite';
import { type ByeReason, readReason, reasonLine } from './reason';
import { answerTimer, SessionTimer, type TimerTerms, TimerWish } from './session-timer';

/** LAB: how long to wait for the end of an INVITE after its CANCEL, and for the answer to a BYE (64*T1). */
export const END_TIMEOUT_MS = 32_000;
/** LAB: an invitation that nobody answers for so long is refused with 486; the caller's proxies give up then too. */
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
  /** Of a Reason header (RFC 3326): 200 in a CANCEL means answered on another device. */
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
  /** The other side does not learn who this is: this side has invited anonymously, or was called by its temporary GRUU. */
  readonly hides?: boolean;
  /** Outgoing: the 2xx, after its ACK was sent. Rejects with AppError. Incoming: at the ACK. */
  readonly answered: Promise<{ sdp: string; headers: CpmHeaders }>;
  /** Ends the session in whatever way its state asks for: CANCEL, a refusal or BYE. Resolves when the peer has answered, or will not. */
  bye(reason?: ByeReason): Promise<void>;
  /**
   * Asks the other side, a focus, to invite somebody (RFC 4579 section 5.5), or with BYE to put somebody out (section 5.11). Resolves when it has taken the request: how it goes is seen in
   * the conference documents. @throws AppError `sip/rejected`, `net/*`, `conversation/no-session`
   */
  refer(target: string, method?: 'INVITE' | 'BYE'): Promise<void>;
  /**
   * Offers other media within the session and resolves with the answer. The offer that stands when the session is renewed is this one then.
   * `isWanted` is asked before each time that it goes out: after a glare it goes again (RFC 3261 section 14.1).
   * @throws AppError `sip/rejected` (481: the other side knows no such session), `net/*`, `conversation/no-session`
   */
  reoffer(sdp: string, isWanted?: () => boolean): Promise<string>;
  /** Answers an offer that the other side makes within the session: with SDP, or null for 488. Nobody set: the answer is what it was. */
  handleOffer: ((sdp: string) => Promise<string | null>) | null;
}

export interface IncomingInvite extends SipSession {
  readonly sdp: string | null;
  /** The other parts of the body. */
  readonly parts: BodyPart[];
  /** The services that the invitation asks for. */
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
  readonly answered: Promise<{ sdp: string; headers: CpmHeaders }>;

  protected readonly stack: Stack;
  protected dialog: SipJsSession | null = null;
  protected localSdp = '';
  protected icsis: readonly string[];
  handleOffer: SipSession['handleOffer'] = null;
  /** What this side asks for as the session's interval. */
  protected readonly wish = new TimerWish();
  readonly #timer: SessionTimer;
  #reInvites: ReInvites | null = null;
  /** Until the ACK to the last answer within the session. */
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
    // Who only watches the state need not look at the promise.
    this.answered.catch((error: unknown) => stack.log.debug('A session was not answered', { id: this.id, error: String(error) }));
  }

  get state(): SipSessionState {
    return this.#state;
  }

  abstract bye(reason?: ByeReason): Promise<void>;

  /** The client is closed: the session is over for this side, and nothing is sent any more. */
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

  /** Listens to what the peer does in the dialog; `isOwn`: this side has made its Call-ID. */
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

  /** A re-INVITE with this offer; resolves with the answer's SDP. */
  async #reInvite(sdp: string, isWanted = () => true): Promise<string> {
    const isOver = () => this.state !== 'established' || !isWanted();
    if (this.#reInvites === null || isOver()) throw new AppError('conversation/no-session', { cause: 'no dialog' });
    const answer = await this.#reInvites.send(
      {
        body: sdpBody(sdp),
        lines: () => [
          headerLine('Contact', this.stack.contact(this.icsis, this.hides)),
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
      // RFC 4028 section 10: then the session is gone. Anything else may pass before its time is over.
      if (detail.status === 481 || detail.status === 408 || code === 'net/timeout') this.#hangUp('the other side is gone');
      else this.#timer.renewAgain();
    }
  }

  /** An offer within the session. One that renews it gets the same answer again; other media are for the layer above. */
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
    // RFC 3261 section 15.1.2: what is still unanswered when the session ends gets its final answer too.
    if (this.state === 'ended' || typeof answer === 'number') {
      request.reject({ statusCode: typeof answer === 'number' ? answer : 487 });
      return;
    }
    this.remote = { ...readRemoteParty(message, 'from'), address: this.remote.address };
    this.localSdp = answer;
    const contact = headerLine('Contact', this.stack.contact(this.icsis, this.hides));
    request.accept({ statusCode: 200, extraHeaders: [contact, ...timer.lines], body: sdpBody(answer) });
    this.startTimer(timer.terms);
    // RFC 3261 section 14.2: an answer that nobody acknowledges ends the session; sip.js would only let no other INVITE through.
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

  /** The session is over since the other side is not heard of any more; it is told, should it be there after all. */
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
            // A tel: URI has no method parameter; INVITE is what a REFER means without one (RFC 3515 section 2.1).
            headerLine('Refer-To', target.startsWith('sip') ? `<${target};method=${method}>` : `<${target}>`),
            // RFC 4488: no subscription of its own, the conference documents tell.
            'Refer-Sub: false',
            'Supported: norefersub',
            headerLine('Contact', this.stack.contact(this.icsis, this.hides)),
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
