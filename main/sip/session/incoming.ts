/** An INVITE session started by the other side (RFC 3261 section 13.3). */
import type { IncomingInviteRequest, IncomingRequestMessage } from 'sip.js/lib/core/index.js';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import type { BodyPart } from '../../../protocol/multipart';
import { readCaller, readCpmHeaders, readIcsis, saysCpm } from '../stack/cpm-request';
import type { Stack } from '../stack/stack';
import { headerLine, type WireMessage } from '../wire/wire-message';
import { readBody, sdpBody } from './body';
import { type ByeReason, headerText, readReason } from './reason';
import { type IncomingInvite, RING_LIMIT_MS, Session } from './session';
import type { TimerAnswer } from './session-timer';

export class IncomingSession extends Session implements IncomingInvite {
  readonly callId: string;
  readonly sdp: string | null;
  readonly parts: BodyPart[];
  override readonly icsis: string[];
  readonly #uas: IncomingInviteRequest;
  readonly #timer: TimerAnswer & { ok: true };
  #acknowledged: () => void = () => undefined;

  constructor(stack: Stack, uas: IncomingInviteRequest, message: WireMessage, timer: TimerAnswer & { ok: true }) {
    const icsis = readIcsis(message);
    const remote = { ...readCaller(message, stack.home), ...(saysCpm(message) ? {} : { lacksCpm: true as const }) };
    super(stack, 'incoming', remote, readCpmHeaders(message), icsis, stack.cameHidden(message, remote.address));
    this.icsis = icsis;
    this.#uas = uas;
    this.#timer = timer;
    this.callId = uas.message.callId;
    const body = readBody(message);
    this.sdp = body.sdp;
    this.parts = body.parts;
    uas.delegate = { onCancel: (request) => this.#cancelledByPeer(request) };
    uas.trying();
    const limit = stack.clock.setTimer(RING_LIMIT_MS, () => drop(this.reject(486), stack.log, 'refusing an unanswered invitation'));
    const decided = this.onState.on(() => {
      limit.dispose();
      decided.dispose();
    });
  }

  ring(): void {
    if (this.state === 'incoming')
      this.stack.withContact(this.icsis, this.hides, this.namesDevice, () => this.#uas.progress({ statusCode: 180 }));
  }

  async accept(sdp: string): Promise<void> {
    if (this.state !== 'incoming') throw this.#gone();
    this.localSdp = sdp;
    this.transition('accepting');
    const { session } = this.stack.withContact(this.icsis, this.hides, this.namesDevice, () =>
      this.#uas.accept({ statusCode: 200, extraHeaders: [...this.#echo(), ...this.#timer.lines], body: sdpBody(sdp) }),
    );
    this.adopt(session, false);
    const acknowledged = new Promise<void>((resolve) => {
      this.#acknowledged = resolve;
    });
    session.delegate = {
      ...session.delegate,
      onAck: () => {
        this.answerAcknowledged();
        if (this.state !== 'accepting') return;
        this.transition('established');
        this.startTimer(this.#timer.terms);
        this.#acknowledged();
        this.resolveAnswered({ sdp, headers: this.headers });
      },
      onAckTimeout: () => {
        this.#acknowledged();
        this.finish({ by: 'remote', status: 408, reason: 'no ACK', cause: null, text: null });
        this.rejectAnswered(new AppError('net/timeout', { cause: 'no ACK to the 200' }, 'auto'));
        session.bye();
      },
    };
    const stopped = this.onState.on((state) => {
      if (state === 'ended') this.#acknowledged();
    });
    await acknowledged;
    stopped.dispose();
    if (this.end !== null) throw this.#gone();
  }

  async reject(status: number, reason?: string): Promise<void> {
    if (this.state !== 'incoming') throw this.#gone();
    this.#uas.reject(reason === undefined ? { statusCode: status } : { statusCode: status, reasonPhrase: headerText(reason) });
    this.finish({ by: 'local', status, reason: reason ?? null, cause: null, text: null });
    this.rejectAnswered(this.#gone());
  }

  async bye(reason?: ByeReason): Promise<void> {
    if (this.state === 'incoming') return this.reject(486);
    // RFC 3261 section 15: the called side must not send BYE before the ACK.
    if (this.state === 'accepting') await this.#untilAcknowledged();
    if (this.state !== 'established' || this.dialog === null) return;
    const dialog = this.dialog;
    this.finish({ by: 'local', status: null, reason: null, cause: reason?.cause ?? null, text: reason?.text ?? null });
    await this.sendBye(dialog, reason);
  }

  #untilAcknowledged(): Promise<void> {
    return this.answered.then(
      () => undefined,
      (error: unknown) => this.stack.log.debug('A session ended before its ACK', { error: String(error) }),
    );
  }

  #cancelledByPeer(request: IncomingRequestMessage): void {
    if (this.state !== 'incoming') return;
    const { cause, text: words } = readReason(this.stack.original(request));
    this.#uas.reject({ statusCode: 487 });
    this.finish({ by: 'remote', status: 487, reason: 'Request Terminated', cause, text: words });
    this.rejectAnswered(this.#gone());
  }

  #gone(): AppError {
    const detail = { status: this.end?.status ?? 487, reason: this.end?.reason ?? 'Request Terminated', cause: 'the invitation is over' };
    return new AppError('sip/rejected', detail);
  }

  /** The identifiers of the session, repeated in the answer. */
  #echo(): string[] {
    const { conversationId, contributionId } = this.headers;
    const lines: string[] = [];
    if (conversationId !== null) lines.push(headerLine('Conversation-ID', conversationId));
    if (contributionId !== null) lines.push(headerLine('Contribution-ID', contributionId));
    return lines;
  }
}
