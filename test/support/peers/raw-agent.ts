/**
 * A user agent built from the network's own stack and a bare socket. It proves that the network works without Chorus' client; it follows
 * the test's instructions and checks nothing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Dialog, dialogIdOf, newRequest } from '../../../network/sip/dialog';
import type { SipRequest, SipResponse } from '../../../network/sip/message';
import { addressTarget } from '../../../network/sip/proxy';
import { SipServer, type Target } from '../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../network/sip/transaction';
import { encodeCpim, parseCpim } from '../../../protocol/cpim';
import { answerChallenge, chooseChallenge } from '../../../protocol/digest';
import { ICSI, icsiParam } from '../../../protocol/feature-tags';
import { encodeMsrp, type MsrpMessage, type MsrpRequest, newTransactionId } from '../../../protocol/msrp';
import { MsrpParser } from '../../../protocol/msrp-parser';
import { parseContentType, parseMultipart } from '../../../protocol/multipart';
import { encodeSdp, parseSdp } from '../../../protocol/sdp';
import { parseNameAddr } from '../../../protocol/uri';
import { until } from '../waiting';

/** One MSRP session over a connection opened by this side. */
export class RawMsrp {
  readonly #parser = new MsrpParser();
  readonly received: MsrpMessage[] = [];
  readonly texts: string[] = [];
  #socket: Socket | null = null;

  constructor(
    readonly path: string,
    readonly owner: string,
  ) {}

  /** Connects to the peer's path and binds the session by an empty SEND. */
  async connect(sdp: string): Promise<void> {
    const description = parseSdp(sdp);
    if (!description.ok) throw new Error(description.reason);
    const { host, port, path } = description.value;
    this.#remote = path;
    const socket = connect({ host, port });
    this.#socket = socket;
    socket.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    await this.#request(null, null);
  }

  #remote: string[] = [];

  /** Sends text to the group (or one member); resolves with the MSRP status. */
  say(to: string, text: string, from = this.owner): Promise<number> {
    return this.#request('message/cpim', encodeCpim({ from, to: [to], contentType: 'text/plain', body: new TextEncoder().encode(text) }));
  }

  /** Sends one message of any type; resolves with the MSRP status. */
  send(contentType: string, body: Uint8Array): Promise<number> {
    return this.#request(contentType, body);
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  hangUp(): void {
    this.#socket?.destroy();
  }

  /** True when the connection has ended, whichever side ended it. */
  get isOver(): boolean {
    return this.#socket?.destroyed === true || this.#socket?.readableEnded === true;
  }

  #request(contentType: string | null, body: Uint8Array | null): Promise<number> {
    const transactionId = newTransactionId(Math.random, body);
    const byteRange = body === null ? null : { start: 1, end: body.length, total: body.length };
    this.#socket?.write(
      encodeMsrp({
        kind: 'request',
        transactionId,
        method: 'SEND',
        toPath: this.#remote,
        fromPath: [this.path],
        headers: [],
        messageId: transactionId,
        byteRange,
        contentType,
        successReport: false,
        failureReport: 'yes',
        status: null,
        body,
        continuation: '$',
      }),
    );
    return until('an MSRP answer', () =>
      this.received.find((message) => message.kind === 'response' && message.transactionId === transactionId),
    ).then((message) => (message.kind === 'response' ? message.status : 0));
  }

  #receive(bytes: Uint8Array): void {
    const messages = this.#parser.push(bytes);
    for (const message of messages.ok ? messages.value : []) {
      this.received.push(message);
      if (message.kind !== 'request' || message.method === 'REPORT') continue;
      const cpim = message.body === null ? null : parseCpim(message.body);
      if (cpim?.ok) this.texts.push(new TextDecoder().decode(cpim.value.body));
      else if (message.contentType?.startsWith('text/plain') === true) this.texts.push(new TextDecoder().decode(message.body ?? undefined));
      this.#socket?.write(
        encodeMsrp({
          kind: 'response',
          transactionId: message.transactionId,
          status: 200,
          reason: 'OK',
          toPath: message.fromPath,
          fromPath: message.toPath,
          continuation: '$',
        }),
      );
      if (this.reports && message.successReport) this.#socket?.write(encodeMsrp(this.#reportOf(message)));
    }
  }

  /** Whether Success-Report is honoured. */
  reports = false;

  #reportOf(message: MsrpRequest): MsrpRequest {
    const size = message.body?.length ?? 0;
    return {
      ...message,
      method: 'REPORT',
      transactionId: newTransactionId(Math.random, null),
      toPath: message.fromPath,
      fromPath: [this.path],
      byteRange: { start: 1, end: size, total: size },
      contentType: null,
      successReport: false,
      status: { code: 200, reason: 'OK' },
      body: null,
      continuation: '$',
    };
  }
}

/** An agent's dialog with its media. */
export interface RawCall {
  dialog: Dialog;
  invite: SipRequest;
  answer: SipResponse;
  media: RawMsrp;
  /** The other side's SDP. */
  sdp: string;
}

export interface RawAgentOptions {
  /** A client of RFC 4975: its Contact names no service, and its SDP what `accepts` says. */
  isPlain?: boolean;
  /** The lines a=accept-types and a=accept-wrapped-types. */
  accepts?: { types: string[]; wrapped: string[] };
  name: string;
  device: string;
  password?: string;
  proxy: string;
  domain?: string;
}

export class RawAgent {
  readonly server = new SipServer();
  readonly instanceId = `urn:uuid:${randomUUID()}`;
  readonly address: string;
  readonly received: SipRequest[] = [];
  readonly acks: SipRequest[] = [];
  /** The offer and the new media of each re-INVITE it has answered. */
  readonly renewed: { media: RawMsrp; sdp: string }[] = [];
  readonly calls: RawCall[] = [];
  /** How INVITEs are answered: with a status, or 'hold' to leave them ringing in `ringing`. */
  answerWith: number | 'hold' = 200;
  readonly ringing: ServerTransaction[] = [];
  gruu: string | null = null;
  bindings: string[] = [];
  readonly #options: RawAgentOptions;
  readonly #proxy: Target;
  readonly #dialogs = new Map<string, Dialog>();

  constructor(options: RawAgentOptions) {
    this.#options = options;
    this.address = `sip:${options.name}@${options.domain ?? 'lab.test'}`;
    const proxy = addressTarget(options.proxy);
    if (proxy === null) throw new Error(options.proxy);
    this.#proxy = proxy;
    this.server.onRequest = (transaction) => this.#receive(transaction);
    this.server.onAck = (ack) => this.acks.push(ack);
  }

  get contact(): string {
    const { name, device } = this.#options;
    const services = this.#options.isPlain === true ? '' : `;${icsiParam([ICSI.session, ICSI.group])}`;
    return `"${device}" <${this.gruu ?? `sip:${name}@${this.server.sentBy};transport=tcp`}>;+sip.instance="<${this.instanceId}>"${services}`;
  }

  /** Opens a listener, so that its Via has a port, and registers with Digest. Resolves with the final status. */
  async register(): Promise<number> {
    await this.server.listen({ host: '127.0.0.1', port: 0 });
    const domain = this.#options.domain ?? 'lab.test';
    const build = (sequence: number) =>
      newRequest('REGISTER', `sip:${domain}`, {
        from: `<${this.address}>;tag=r1`,
        to: `<${this.address}>`,
        contact: this.contact,
        callId: `reg-${this.instanceId}`,
        sequence,
      })
        .append('Supported', 'path, gruu')
        .append('Expires', '600');
    const challenged = await this.server.request(build(1), this.#proxy).final;
    const challenge = chooseChallenge(challenged.all('www-authenticate'));
    if (challenge === null) return challenged.status;
    const credentials = answerChallenge(
      challenge,
      {
        username: this.#options.name,
        password: this.#options.password ?? 'secret',
        method: 'REGISTER',
        uri: `sip:${domain}`,
        nc: 1,
        cnonce: 'c0ffee01',
      },
      (algorithm, text) =>
        createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
          .update(text)
          .digest('hex'),
    );
    const answer = await this.server.request(build(2).append('Authorization', credentials), this.#proxy).final;
    this.bindings = answer.all('contact');
    for (const binding of this.bindings) {
      const value = parseNameAddr(binding);
      if (value.ok && value.value.params.get('+sip.instance') === `<${this.instanceId}>`)
        this.gruu = value.value.params.get('pub-gruu') ?? null;
    }
    return answer.status;
  }

  /** A request outside a dialog, through the core. */
  request(method: string, uri: string, icsi: string | null): SipRequest {
    const request = newRequest(method, uri, { from: `<${this.address}>`, to: `<${uri}>`, contact: this.contact });
    if (icsi !== null) request.append('Accept-Contact', `*;${icsiParam([icsi])}`).append('P-Preferred-Service', icsi);
    return request.append('P-Preferred-Identity', `<${this.address}>`);
  }

  send(request: SipRequest): Promise<SipResponse> {
    return this.server.request(request, this.#proxy).final;
  }

  newMedia(): RawMsrp {
    return new RawMsrp(`msrp://127.0.0.1:9/${randomUUID().slice(0, 13)};tcp`, this.address);
  }

  sdpOf(media: RawMsrp, setup: 'active' | 'actpass'): string {
    return encodeSdp({
      host: '127.0.0.1',
      port: 9,
      path: [media.path],
      setup,
      acceptTypes: this.#options.accepts?.types ?? ['message/cpim'],
      wrappedTypes: this.#options.accepts?.wrapped ?? ['*'],
      direction: 'sendrecv',
      sessionId: '1',
      version: 1,
      transport: 'TCP/MSRP',
      attributes: [],
    });
  }

  /** Sends an INVITE from `request` with its body already set; acknowledges a 2xx. */
  async invite(invite: SipRequest, media: RawMsrp): Promise<{ answer: SipResponse; call: RawCall | null }> {
    const answer = await this.send(invite);
    if (answer.status >= 300) return { answer, call: null };
    const dialog = Dialog.ofSent(this.server, invite, answer, () => this.#proxy);
    if (dialog === null) throw new Error('no dialog');
    dialog.ack();
    this.#dialogs.set(dialog.id, dialog);
    const call = { dialog, invite, answer, media, sdp: answer.text };
    this.calls.push(call);
    return { answer, call };
  }

  /** Answers an INVITE that was left ringing. */
  answer(transaction: ServerTransaction, status: number): void {
    const dialog = Dialog.ofReceived(this.server, transaction, this.contact, () => this.#proxy);
    const response = dialog.response(transaction, status);
    if (status < 200 || status >= 300) {
      transaction.respond(response);
      return;
    }
    const media = this.newMedia();
    response.setBody('application/sdp', this.sdpOf(media, 'active'));
    transaction.respond(response);
    this.#dialogs.set(dialog.id, dialog);
    this.calls.push({ dialog, invite: transaction.request, answer: response, media, sdp: sdpIn(transaction.request) });
  }

  last(method: string): SipRequest | undefined {
    return this.received.filter((request) => request.method === method).at(-1);
  }

  async close(): Promise<void> {
    for (const { media } of [...this.calls, ...this.renewed]) media.hangUp();
    await this.server.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    this.received.push(request);
    if (request.method === 'INVITE' && request.toTag === null) {
      if (this.answerWith === 'hold') {
        this.ringing.push(transaction);
        this.answer(transaction, 180);
      } else this.answer(transaction, this.answerWith);
      return;
    }
    const dialog = this.#dialogs.get(dialogIdOf(request));
    const refusal = request.method === 'NOTIFY' ? null : (dialog?.receive(request) ?? null);
    if (request.method === 'INVITE' && dialog !== undefined && refusal === null) {
      const media = this.newMedia();
      this.renewed.push({ media, sdp: sdpIn(request) });
      const response = dialog.response(transaction, 200);
      transaction.respond(response.setBody('application/sdp', this.sdpOf(media, 'active')));
      return;
    }
    transaction.reply(refusal ?? 200);
  }
}

/** The SDP in a request: its body, or a part of a multipart. */
function sdpIn(request: SipRequest): string {
  const type = request.get('content-type') ?? '';
  if (!type.startsWith('multipart/')) return request.text;
  const parts = parseMultipart(type, request.body);
  const part = parts.ok ? parts.value.find((candidate) => parseContentType(candidate.contentType).type === 'application/sdp') : undefined;
  return new TextDecoder().decode(part?.body);
}
