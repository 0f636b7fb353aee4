/**
 * INVITE sessions, going out and coming in (RFC 3261 sections 13 to 15). The offer and the answer are handed through as text: what they
 * mean is decided above. Every request of a session goes over its recorded route set, so a BYE takes the signalling path (R59, R77).
 *
 *   out:  [inviting] --180--> [ringing] --2xx/ACK--> [established] --BYE--> [ended]
 *             \------2xx/ACK------------------------^
 *             any before the 2xx: refusal, CANCEL, lost flow --> [ended]
 *   in:   [incoming] --accept: 200--> [accepting] --ACK--> [established] --BYE--> [ended]
 *             \--reject, CANCEL--> [ended]   \--no ACK in 32 s--> [ended]
 */
import type {
  AckableIncomingResponseWithSession,
  IncomingInviteRequest,
  IncomingRequestMessage,
  IncomingResponse,
  OutgoingInviteRequest,
  Session as SipJsSession,
} from 'sip.js/lib/core/index.js';
import { type Disposable, drop, Emitter } from '../base';
import { AppError } from '../errors';
import { parseParams } from '../protocol/generic-param';
import { type BodyPart, encodeMultipart, parseContentType, parseMultipart } from '../protocol/multipart';
import { text, utf8 } from '../protocol/octets';
import { addressKey } from '../protocol/uri';
import {
  type CpmHeaders,
  type CpmRequest,
  cpmRequestHeaders,
  type RemoteParty,
  readCpmHeaders,
  readIcsis,
  readRemoteParty,
} from './cpm-request';
import { ACCEPTED_TYPES, ALLOWED_METHODS } from './normalize';
import type { Stack } from './stack';
import { headerLine, type WireMessage } from './wire-message';

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

export interface ByeReason {
  cause: number;
  text: string;
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
   * Asks the other side, a focus, to invite somebody (RFC 4579 section 5.5). Resolves when it has taken the request: how it goes is seen in
   * the conference documents. @throws AppError `sip/rejected`, `net/*`, `conversation/no-session`
   */
  refer(target: string): Promise<void>;
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

abstract class Session implements SipSession {
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
    this.transition('ended');
  }

  /** Listens to what the peer does in the dialog. */
  protected adopt(dialog: SipJsSession): void {
    this.dialog = dialog;
    dialog.delegate = {
      onBye: (request) => {
        const message = this.stack.original(request.message);
        request.accept();
        this.finish({ by: 'remote', status: null, reason: null, ...readReason(message) });
      },
      // A repeated offer gets the same answer: our media does not change within a session.
      onInvite: (request) => {
        const message = this.stack.original(request.message);
        if (message !== null) this.remote = { ...readRemoteParty(message, 'from'), address: this.remote.address };
        const contact = headerLine('Contact', this.stack.contact(this.icsis, this.hides));
        request.accept({ statusCode: 200, extraHeaders: [contact], body: sdpBody(this.localSdp) });
      },
    };
  }

  refer(target: string): Promise<void> {
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
            headerLine('Refer-To', target.startsWith('sip') ? `<${target};method=INVITE>` : `<${target}>`),
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
      dialog.bye({ onAccept: done, onReject: done, onRedirect: done }, { extraHeaders });
    });
  }
}

export class OutgoingSession extends Session {
  readonly callId: string;
  readonly #uac: OutgoingInviteRequest;
  readonly #tracked: Disposable;
  /** Set once by bye() before the 2xx. */
  #cancelled: { done: () => void } | null = null;

  constructor(stack: Stack, invite: OutgoingInvite, target: string, identity: string, routes: readonly string[]) {
    const address = addressKey(target) ?? target;
    const unknown = { asserted: false, displayName: null, instanceId: null, deviceName: null, gruu: null, contactUri: '', isFocus: false };
    super(stack, 'inviting', { address, ...unknown }, ownHeaders(invite), [invite.icsi], invite.anonymous === true);
    this.localSdp = invite.sdp;
    const parts = invite.parts ?? [];
    const boundary = `b${stack.clock.uuid().replaceAll('-', '')}`;
    const sdpPart = { contentType: 'application/sdp', headers: new Map<string, string>(), body: utf8(invite.sdp) };
    const body =
      parts.length === 0
        ? { contentType: 'application/sdp', content: sdpPart.body }
        : { contentType: `multipart/mixed;boundary=${boundary}`, content: encodeMultipart([sdpPart, ...parts], boundary) };
    const headers: [string, string][] = [
      ['Contact', stack.contact([invite.icsi], this.hides)],
      ...cpmRequestHeaders(invite, identity),
      ['Allow', ALLOWED_METHODS.join(', ')],
      ['Accept', ACCEPTED_TYPES.join(', ')],
    ];
    if (invite.require !== undefined && invite.require.length > 0) headers.push(['Require', invite.require.join(', ')]);
    // sip.js takes a multipart for an offer only when it is told so; the shim keeps this off the wire.
    if (parts.length > 0) headers.push(['Content-Disposition', 'session']);
    const request = stack.request('INVITE', {
      target,
      to: address,
      ...(this.hides ? { hidesFrom: address } : { from: identity }),
      routes,
      headers,
      body,
    });
    this.callId = request.callId;
    this.#tracked = stack.track((error) => this.#fail(error));
    this.#uac = stack.core.invite(request, {
      onProgress: () => {
        if (this.state === 'inviting') this.transition('ringing');
      },
      onAccept: (response) => this.#accepted(response),
      onReject: (response) => this.#refused(response),
      onRedirect: (response) => this.#refused(response),
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
    const message = this.stack.original(response.message);
    // RFC 3261 section 22.3: the ACK repeats the credentials of its INVITE.
    const credentials = ['Authorization', 'Proxy-Authorization'].flatMap((name) => {
      const value = this.#uac.message.getHeader(name.toLowerCase());
      return value === undefined ? [] : [headerLine(name, value)];
    });
    response.ack({ extraHeaders: credentials });
    if (this.state === 'ended' || this.dialog !== null) {
      // The 2xx crossed our CANCEL, or a fork answered twice: acknowledge and hang up (RFC 3261 section 13.2.2.4).
      this.stack.log.info('A second or late answer to an INVITE was ended', { callId: this.callId });
      response.session.bye();
      this.#cancelled?.done();
      return;
    }
    this.#tracked.dispose();
    this.adopt(response.session);
    const { sdp } = readBody(message);
    if (message === null || sdp === null) {
      this.finish({ by: 'local', status: null, reason: null, cause: null, text: null });
      this.rejectAnswered(new AppError('sip/malformed', { cause: 'the answer holds no session description' }));
      response.session.bye();
      return;
    }
    this.headers = { ...this.headers, ...present(readCpmHeaders(message)) };
    const remote = readRemoteParty(message, 'to');
    // Whom we have invited stays whom we talk to, unless the network asserts who has answered.
    this.remote = message.first('p-asserted-identity') === null ? { ...remote, address: this.remote.address } : remote;
    this.transition('established');
    this.resolveAnswered({ sdp, headers: readCpmHeaders(message) });
  }

  #refused(response: IncomingResponse): void {
    this.#fail(this.stack.failure(response.message, this.#uac.message), this.stack.original(response.message));
  }

  #fail(error: AppError, message: WireMessage | null = null): void {
    this.#tracked.dispose();
    const { status = null, reason = null } = error.detail;
    this.finish({ by: message === null ? 'local' : 'remote', status, reason, ...readReason(message) });
    this.rejectAnswered(error);
    this.#cancelled?.done();
  }
}

export class IncomingSession extends Session implements IncomingInvite {
  readonly callId: string;
  readonly sdp: string | null;
  readonly parts: BodyPart[];
  override readonly icsis: string[];
  readonly #uas: IncomingInviteRequest;
  #acknowledged: () => void = () => undefined;

  constructor(stack: Stack, uas: IncomingInviteRequest, message: WireMessage) {
    const icsis = readIcsis(message);
    const remote = readRemoteParty(message, 'from');
    super(stack, 'incoming', remote, readCpmHeaders(message), icsis, stack.cameHidden(message, remote.address));
    this.icsis = icsis;
    this.#uas = uas;
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
    if (this.state === 'incoming') this.stack.withContact(this.icsis, this.hides, () => this.#uas.progress({ statusCode: 180 }));
  }

  async accept(sdp: string): Promise<void> {
    if (this.state !== 'incoming') throw this.#gone();
    this.localSdp = sdp;
    this.transition('accepting');
    const { session } = this.stack.withContact(this.icsis, this.hides, () =>
      this.#uas.accept({ statusCode: 200, extraHeaders: this.#echo(), body: sdpBody(sdp) }),
    );
    this.adopt(session);
    const acknowledged = new Promise<void>((resolve) => {
      this.#acknowledged = resolve;
    });
    session.delegate = {
      ...session.delegate,
      onAck: () => {
        if (this.state !== 'accepting') return;
        this.transition('established');
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
    // RFC 3261 section 15: whoever was called may not say BYE before the ACK.
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

  /** The answer names the session that it answers. */
  #echo(): string[] {
    const { conversationId, contributionId } = this.headers;
    const lines: string[] = [];
    if (conversationId !== null) lines.push(headerLine('Conversation-ID', conversationId));
    if (contributionId !== null) lines.push(headerLine('Contribution-ID', contributionId));
    return lines;
  }
}

function sdpBody(sdp: string): { contentDisposition: string; contentType: string; content: string } {
  return { contentDisposition: 'session', contentType: 'application/sdp', content: Buffer.from(sdp, 'utf8').toString('latin1') };
}

/** The session description of a message and the other parts of its body. */
export function readBody(message: WireMessage | null): { sdp: string | null; parts: BodyPart[] } {
  const contentType = message?.first('content-type') ?? null;
  if (message === null || contentType === null || message.body.length === 0) return { sdp: null, parts: [] };
  const { type } = parseContentType(contentType);
  if (type === 'application/sdp') return { sdp: text(message.body), parts: [] };
  const multipart = type.startsWith('multipart/') ? parseMultipart(contentType, message.body) : null;
  if (multipart === null || !multipart.ok) return { sdp: null, parts: [{ contentType, headers: new Map(), body: message.body }] };
  const isSdp = (part: BodyPart) => parseContentType(part.contentType).type === 'application/sdp';
  const sdp = multipart.value.find(isSdp);
  return { sdp: sdp === undefined ? null : text(sdp.body), parts: multipart.value.filter((part) => part !== sdp) };
}

/** `Reason: SIP;cause=200;text="Call completed elsewhere"` (RFC 3326); of several the first that names SIP. */
function readReason(message: WireMessage | null): { cause: number | null; text: string | null } {
  const value = message?.list('reason').find((each) => /^\s*SIP\s*(?:;|$)/i.test(each));
  const params = value === undefined ? null : parseParams(value.replace(/^[^;]*;?/, ''));
  const cause = /^\d{3}$/.exec(params?.get('cause') ?? '')?.[0];
  return { cause: cause === undefined ? null : Number(cause), text: params?.get('text') ?? null };
}

function reasonLine({ cause, text: words }: ByeReason): string {
  return headerLine('Reason', `SIP;cause=${cause};text="${headerText(words).replace(/["\\]/g, '\\$&')}"`);
}

function headerText(value: string): string {
  return headerLine('', value).slice(2);
}

function ownHeaders(invite: OutgoingInvite): CpmHeaders {
  const { conversationId, contributionId, inReplyTo = null, subject = null } = invite;
  return { conversationId, contributionId, inReplyTo, sessionReplaces: null, subject, calledAs: null, referredBy: null };
}

/** Only what the answer really says: an answer need not repeat the identifiers of its session. */
function present(headers: CpmHeaders): Partial<CpmHeaders> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== null));
}
