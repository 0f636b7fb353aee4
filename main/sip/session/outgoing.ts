/** An INVITE session started by this side (RFC 3261 section 13.2). */
import type {
  AckableIncomingResponseWithSession,
  IncomingResponse,
  OutgoingInviteRequest,
  OutgoingRequestMessage,
} from 'sip.js/lib/core/index.js';
import type { Disposable } from '../../../base/disposable';
import { AppError } from '../../../preload/contract/errors';
import { encodeMultipart } from '../../../protocol/multipart';
import { utf8 } from '../../../protocol/octets';
import { addressKey } from '../../../protocol/uri';
import { type CpmHeaders, cpmRequestHeaders, readCpmHeaders, readRemoteParty, saysCpm } from '../stack/cpm-request';
import { ACCEPTED_TYPES, ALLOWED_METHODS } from '../stack/normalize';
import type { Stack } from '../stack/stack';
import { headerLine, type WireMessage } from '../wire/wire-message';
import { readBody } from './body';
import { type ByeReason, readReason, reasonLine } from './reason';
import { END_TIMEOUT_MS, type OutgoingInvite, Session } from './session';

/**
 * LAB: how long an accepted invitation may stay silent (RFC 3261 section 17.1.1.2: after a 1xx no timer runs here). A proxy gives up at its
 * Timer C, after more than 3 minutes (section 16.6), and the callee reports every minute that it still rings (section 13.3.1). A longer
 * silence means that the invitation was lost.
 */
export const FORGOTTEN_AFTER_MS = 200_000;

export class OutgoingSession extends Session {
  readonly callId: string;
  #uac: OutgoingInviteRequest;
  readonly #ask: (callId: string, cseq: number) => OutgoingRequestMessage;
  readonly #tracked: Disposable;
  #forgotten: Disposable | null = null;
  /** Set once, by bye() before the 2xx. */
  #cancelled: { done: () => void } | null = null;

  constructor(stack: Stack, invite: OutgoingInvite, target: string, identity: string, routes: readonly string[]) {
    const address = addressKey(target) ?? target;
    const unknown = { asserted: false, displayName: null, instanceId: null, deviceName: null, gruu: null, contactUri: '', isFocus: false };
    super(stack, 'inviting', { address, ...unknown }, ownHeaders(invite), [invite.icsi], invite.anonymous === true);
    this.localSdp = invite.sdp;
    this.namesDevice = invite.pseudonym === undefined;
    const parts = invite.parts ?? [];
    const boundary = `b${stack.clock.uuid().replaceAll('-', '')}`;
    const sdpPart = { contentType: 'application/sdp', headers: new Map<string, string>(), body: utf8(invite.sdp) };
    const body =
      parts.length === 0
        ? { contentType: 'application/sdp', content: sdpPart.body }
        : { contentType: `multipart/mixed;boundary=${boundary}`, content: encodeMultipart([sdpPart, ...parts], boundary) };
    const headers: [string, string][] = [
      ['Contact', stack.contact([invite.icsi], this.hides, this.namesDevice)],
      ...cpmRequestHeaders(invite, identity),
      ['Allow', ALLOWED_METHODS.join(', ')],
      ['Accept', ACCEPTED_TYPES.join(', ')],
    ];
    if (invite.require !== undefined && invite.require.length > 0) headers.push(['Require', invite.require.join(', ')]);
    // sip.js accepts a multipart as an offer only with this header; the shim keeps it off the wire.
    if (parts.length > 0) headers.push(['Content-Disposition', 'session']);
    const name = invite.pseudonym === undefined ? {} : { displayName: invite.pseudonym };
    const identityParts = this.hides ? { hidesFrom: address } : { from: identity, ...name };
    const request = { target, to: address, ...identityParts, routes, headers, body, fromTag: stack.clock.uuid().slice(0, 8) };
    this.#ask = (callId, cseq) => stack.request('INVITE', { ...request, callId, cseq, headers: [...headers, ...this.wish.lines()] });
    this.callId = stack.clock.uuid();
    this.#tracked = stack.track((error) => this.#fail(error));
    this.#uac = this.#send(1);
  }

  /** RFC 4028 section 7.3: after a 422 the request is repeated with the same Call-ID and From and the next CSeq. */
  #send(cseq: number): OutgoingInviteRequest {
    this.#expectNews();
    return this.stack.core.invite(this.#ask(this.callId, cseq), {
      onProgress: () => {
        if (this.state === 'inviting') this.transition('ringing');
        if (this.state === 'ringing') this.#expectNews();
      },
      onAccept: (response) => this.#accepted(response),
      onReject: (response) => this.#refused(response),
      onRedirect: (response) => this.#refused(response),
    });
  }

  #expectNews(): void {
    this.#forgotten?.dispose();
    this.#forgotten = this.stack.clock.setTimer(FORGOTTEN_AFTER_MS, () => {
      this.#uac.cancel();
      this.#fail(new AppError('net/timeout', { cause: 'nothing more was heard of an invitation' }, 'auto'));
    });
  }

  async bye(reason?: ByeReason): Promise<void> {
    if (this.state === 'established' && this.dialog !== null) {
      const dialog = this.dialog;
      this.finish({ by: 'local', status: null, reason: null, cause: reason?.cause ?? null, text: reason?.text ?? null });
      await this.sendBye(dialog, reason);
      return;
    }
    if (this.state === 'ended') return;
    await this.#cancel(reason);
  }

  #cancel(reason: ByeReason | undefined): Promise<void> {
    this.#forgotten?.dispose();
    return new Promise((resolve) => {
      const timer = this.stack.clock.setTimer(END_TIMEOUT_MS, () => done());
      const done = () => {
        timer.dispose();
        this.#tracked.dispose();
        this.#uac.dispose();
        resolve();
      };
      this.#cancelled = { done };
      this.#uac.cancel(undefined, { extraHeaders: reason === undefined ? [] : [reasonLine(reason)] });
      this.finish({ by: 'local', status: 487, reason: 'Request Terminated', cause: reason?.cause ?? null, text: reason?.text ?? null });
      this.rejectAnswered(
        new AppError('sip/rejected', { status: 487, reason: 'Request Terminated', cause: 'cancelled by this side' }, 'user'),
      );
    });
  }

  #accepted(response: AckableIncomingResponseWithSession): void {
    this.#forgotten?.dispose();
    const message = this.stack.original(response.message);
    // RFC 3261 section 22.3: the ACK repeats the credentials of its INVITE.
    const credentials = ['Authorization', 'Proxy-Authorization'].flatMap((name) => {
      const value = this.#uac.message.getHeader(name.toLowerCase());
      return value === undefined ? [] : [headerLine(name, value)];
    });
    response.ack({ extraHeaders: credentials });
    if (this.state === 'ended' || this.dialog !== null) {
      // The 2xx crossed our CANCEL, or a fork answered twice: acknowledge it and hang up (RFC 3261 section 13.2.2.4).
      this.stack.log.info('A second or late answer to an INVITE was ended', { callId: this.callId });
      response.session.bye();
      this.#cancelled?.done();
      return;
    }
    this.#tracked.dispose();
    this.adopt(response.session, true);
    const { sdp } = readBody(message);
    if (message === null || sdp === null) {
      this.finish({ by: 'local', status: null, reason: null, cause: null, text: null });
      this.rejectAnswered(new AppError('sip/malformed', { cause: 'the answer holds no session description' }));
      response.session.bye();
      return;
    }
    this.headers = { ...this.headers, ...present(readCpmHeaders(message)) };
    const remote = { ...readRemoteParty(message, 'to'), ...(saysCpm(message) ? {} : { lacksCpm: true as const }) };
    // The peer stays the one we invited, unless the network asserts who answered.
    this.remote = message.first('p-asserted-identity') === null ? { ...remote, address: this.remote.address } : remote;
    this.transition('established');
    this.startTimer(this.wish.agreed(message));
    this.resolveAnswered({ sdp, headers: readCpmHeaders(message) });
  }

  #refused(response: IncomingResponse): void {
    const message = this.stack.original(response.message);
    const isUnwanted = this.state === 'ended';
    if (!isUnwanted && message !== null && response.message.statusCode === 422 && this.wish.raise(message)) {
      this.#uac = this.#send(this.#uac.message.cseq + 1);
      return;
    }
    this.#fail(this.stack.failure(response.message, this.#uac.message), message);
  }

  #fail(error: AppError, message: WireMessage | null = null): void {
    this.#forgotten?.dispose();
    this.#tracked.dispose();
    const { status = null, reason = null } = error.detail;
    this.finish({ by: message === null ? 'local' : 'remote', status, reason, ...readReason(message) });
    this.rejectAnswered(error);
    this.#cancelled?.done();
  }
}

function ownHeaders(invite: OutgoingInvite): CpmHeaders {
  const { conversationId, contributionId, inReplyTo = null, subject = null } = invite;
  return { conversationId, contributionId, inReplyTo, sessionReplaces: null, subject, calledAs: null, referredBy: null };
}

/** Only the headers that the answer really has: it need not repeat the identifiers of its session. */
function present(headers: CpmHeaders): Partial<CpmHeaders> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== null));
}
