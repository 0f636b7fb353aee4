/** A bare SIP user agent for tests of the network: the network's own stack as the client of one connection. */
import { randomUUID } from 'node:crypto';
import { digestHash } from '../../../network/core/authenticator';
import { newRequest } from '../../../network/sip/dialog';
import { paramOf } from '../../../network/sip/header-value';
import type { SipRequest, SipResponse } from '../../../network/sip/message';
import { addressTarget } from '../../../network/sip/proxy';
import { newToken, SipServer } from '../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../network/sip/transaction';
import { answerChallenge, chooseChallenge } from '../../../protocol/digest';
import { ICSI, icsiParam } from '../../../protocol/feature-tags';

export interface DeviceOptions {
  /** The core's URI. */
  proxy: string;
  aor: string;
  password?: string;
  name?: string;
  instanceId?: string;
  regId?: number;
  icsis?: string[];
  contactParams?: string;
}

export class SipDevice {
  readonly server = new SipServer();
  readonly instanceId: string;
  readonly callId = newToken();
  /** Received requests, including ACKs. */
  readonly received: SipRequest[] = [];
  /** Answers what arrives; 200 when not set. */
  answer: (transaction: ServerTransaction) => void = (transaction) => transaction.reply(200, { headers: this.answerHeaders(transaction) });
  pubGruu: string | null = null;
  tempGruu: string | null = null;
  #sequence = 0;
  readonly #waiting = new Set<() => void>();

  private constructor(readonly options: DeviceOptions) {
    this.instanceId = options.instanceId ?? `urn:uuid:${randomUUID()}`;
  }

  static async start(options: DeviceOptions): Promise<SipDevice> {
    const device = new SipDevice(options);
    await device.server.listen({ host: '127.0.0.1', port: 0 });
    device.server.onRequest = (transaction) => {
      device.#note(transaction.request);
      device.answer(transaction);
    };
    device.server.onAck = (ack) => device.#note(ack);
    return device;
  }

  get user(): string {
    return /^sip:([^@]+)@/.exec(this.options.aor)?.[1] ?? 'nobody';
  }

  get contactUri(): string {
    return `sip:${this.user}-${this.callId.slice(0, 6)}@${this.callId.slice(0, 8)}.invalid;transport=tcp`;
  }

  /** The Contact of requests and responses: the public GRUU once there is one. */
  get contact(): string {
    return `<${this.pubGruu ?? this.contactUri}>;+sip.instance="<${this.instanceId}>"`;
  }

  /** What a 2xx of this device repeats and adds (RFC 3261 section 12.1.1). */
  answerHeaders({ request }: ServerTransaction, contact = this.contact): (readonly [string, string])[] {
    return [['Contact', contact], ...request.all('record-route').map((route) => ['Record-Route', route] as const)];
  }

  /** The request of `method` that came, or comes. */
  async next(method: string): Promise<SipRequest> {
    for (;;) {
      const index = this.received.findIndex((request) => request.method === method);
      if (index >= 0) return this.received.splice(index, 1)[0] ?? Promise.reject(new Error('gone'));
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #note(request: SipRequest): void {
    this.received.push(request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** A REGISTER like that of a client, without credentials. */
  registerRequest(change: (request: SipRequest) => void = () => undefined): SipRequest {
    const { aor, name, regId, icsis, contactParams } = this.options;
    this.#sequence += 1;
    const request = newRequest('REGISTER', `sip:${aor.split('@')[1]}`, {
      from: `<${aor}>`,
      to: `<${aor}>`,
      callId: this.callId,
      sequence: this.#sequence,
    });
    const display = name === undefined ? '' : `"${name}" `;
    const flow = regId === undefined ? '' : `;reg-id=${regId}`;
    const services = icsiParam(icsis ?? [ICSI.session, ICSI.msg]);
    request.append(
      'Contact',
      `${display}<${this.contactUri}>;+sip.instance="<${this.instanceId}>"${flow};${services}${contactParams ?? ''}`,
    );
    request.append('Expires', '3600').append('Supported', 'path, gruu, outbound');
    change(request);
    return request;
  }

  async register(change: (request: SipRequest) => void = () => undefined): Promise<SipResponse> {
    let response = await this.send(this.registerRequest(change));
    if (response.status === 401) response = await this.send(this.authorised(this.registerRequest(change), response));
    for (const contact of response.status === 200 ? response.all('contact') : []) {
      if (!contact.includes(this.instanceId)) continue;
      this.pubGruu = paramOf(contact, 'pub-gruu');
      this.tempGruu = paramOf(contact, 'temp-gruu');
    }
    return response;
  }

  /** `request` with the credentials requested by a 401 or 407. */
  authorised(request: SipRequest, challenged: SipResponse): SipRequest {
    const proxy = challenged.status === 407;
    const challenge = chooseChallenge(challenged.all(proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'));
    if (challenge === null) throw new Error('no challenge');
    const answer = {
      username: this.user,
      password: this.options.password ?? 'secret',
      method: request.method,
      uri: request.uri,
      nc: 1,
      cnonce: newToken(4),
    };
    return request.append(proxy ? 'Proxy-Authorization' : 'Authorization', answerChallenge(challenge, answer, digestHash));
  }

  /** A request outside a dialog, from this device's address. */
  request(method: string, uri: string, headers: readonly (readonly [string, string])[] = []): SipRequest {
    const request = newRequest(method, uri, {
      from: `<${this.options.aor}>`,
      to: `<${uri}>`,
      ...(method === 'MESSAGE' ? {} : { contact: this.contact }),
    });
    for (const [name, value] of headers) request.append(name, value);
    return request;
  }

  /** Sends a request to the core over this device's only connection. */
  send(request: SipRequest, onProvisional?: (response: SipResponse) => void): Promise<SipResponse> {
    return this.invite(request, onProvisional).final;
  }

  invite(request: SipRequest, onProvisional?: (response: SipResponse) => void) {
    const target = addressTarget(this.options.proxy);
    if (target === null) throw new Error('no proxy');
    return this.server.request(request, target, { onProvisional });
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** The URI in a Contact, Route or Record-Route value. */
