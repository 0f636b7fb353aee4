import type { Logger } from '../../../base/log';
import { type SipAccount, SipClient } from '../../../main/sip/client';
import type { Connect, Connection, NextHop } from '../../../main/sip/flow/connection';
import { Framer } from '../../../main/sip/wire/framer';
import { parseWireMessage, type WireMessage } from '../../../main/sip/wire/wire-message';
import type { AppError } from '../../../preload/contract/errors';
import { settled, VirtualClock } from './virtual-clock';

export const INSTANCE = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
export const OTHER_INSTANCE = 'urn:uuid:11111111-2222-4333-8444-555555555555';
export const SESSION_ICSI = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session';
export const MSG_ICSI = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg';
export const GRUU = `sip:alice@lab.test;gr=${INSTANCE}`;

export interface Reply {
  status: number;
  reason?: string;
  headers?: string[];
  body?: string | Uint8Array;
  contentType?: string;
}

/** The server's end of the client's flow, in memory: records the client's messages and sends what the test tells it to. */
export class MemoryServer {
  /** Every message of the client on all connections, in order. */
  readonly received: WireMessage[] = [];
  readonly texts: string[] = [];
  pings = 0;
  pongs = 0;
  connections = 0;
  /** The addresses that the client tried, one for each connection. */
  readonly hops: NextHop[] = [];
  /** Set to refuse connections. */
  refuse: AppError | null = null;
  /** Whether pings are answered as in RFC 5626. */
  answersPings = true;
  /** Called for every request; the default answers REGISTER as a registrar without passwords. */
  onRequest: (request: WireMessage, server: MemoryServer) => void = (request) => {
    if (methodOf(request) === 'REGISTER') this.reply(request, registered(request));
  };

  #connection: Connection | null = null;
  #tags = 0;

  readonly connect: Connect = async (hop) => {
    if (this.refuse !== null) throw this.refuse;
    this.hops.push(hop);
    this.connections += 1;
    const framer = new Framer();
    let open = true;
    const connection: Connection = {
      local: { host: '127.0.0.1', port: 40_000 + this.connections },
      remote: { host: '127.0.0.1', port: 5070 },
      send: async (bytes) => {
        if (!open) throw new Error('closed');
        for (const frame of framer.push(bytes)) {
          if (frame.kind === 'ping') {
            this.pings += 1;
            if (this.answersPings) connection.onBytes(new TextEncoder().encode('\r\n'));
          } else if (frame.kind === 'pong') this.pongs += 1;
          else if (frame.kind === 'message') this.#take(frame.bytes, frame.bodyAt);
          else throw new Error(`the client wrote an unreadable stream: ${frame.reason}`);
        }
      },
      close: () => {
        open = false;
        if (this.#connection === connection) this.#connection = null;
      },
      onBytes: () => undefined,
      onClose: () => undefined,
    };
    this.#connection = connection;
    return connection;
  };

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  #take(bytes: Uint8Array, bodyAt: number): void {
    const message = parseWireMessage(bytes, bodyAt);
    if (!message.ok) throw new Error(`the client wrote an unreadable message: ${message.reason}`);
    this.received.push(message.value);
    this.texts.push(new TextDecoder().decode(bytes));
    if (message.value.start.kind === 'request') {
      const request = message.value;
      Promise.resolve()
        .then(() => this.onRequest(request, this))
        .catch((error: unknown) => console.error(error));
    }
  }

  /** Requests of one method, ACK and CANCEL included, in order. */
  requests(method: string): WireMessage[] {
    return this.received.filter((message) => methodOf(message) === method);
  }

  responses(status?: number): WireMessage[] {
    return this.received.filter(
      (message) => message.start.kind === 'response' && (status === undefined || message.start.status === status),
    );
  }

  bytes(bytes: Uint8Array): void {
    this.#connection?.onBytes(bytes);
  }

  send(text: string): void {
    this.bytes(new TextEncoder().encode(text));
  }

  reply(request: WireMessage, { status, reason = 'Whatever', headers = [], body = '', contentType = 'application/sdp' }: Reply): void {
    const to = request.first('to') ?? '';
    this.#tags += 1;
    const lines = [`SIP/2.0 ${status} ${reason}`, ...request.all('via').map((via) => `Via: ${via}`)];
    lines.push(`From: ${request.first('from')}`, `To: ${to}${to.includes(';tag=') || status === 100 ? '' : `;tag=server${this.#tags}`}`);
    lines.push(`Call-ID: ${request.first('call-id')}`, `CSeq: ${request.first('cseq')}`, ...headers);
    this.bytes(wire(lines, body, contentType));
  }

  /** Sends a request to the client; `headers` need no Via, Max-Forwards and Content-Length. */
  request(method: string, uri: string, headers: string[], body: string | Uint8Array = '', contentType = 'application/sdp'): void {
    this.#tags += 1;
    const via = headers.some((line) => /^via:/i.test(line)) ? [] : [`Via: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bKserver${this.#tags}`];
    this.bytes(wire([`${method} ${uri} SIP/2.0`, ...via, 'Max-Forwards: 70', ...headers], body, contentType));
  }

  /** Breaks the connection. */
  cut(): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.onClose('cut by the test');
  }
}

function wire(lines: string[], body: string | Uint8Array = '', contentType = 'application/sdp'): Uint8Array {
  const content = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const head = [...lines, ...(content.length > 0 ? [`Content-Type: ${contentType}`] : []), `Content-Length: ${content.length}`, '', ''];
  const start = new TextEncoder().encode(head.join('\r\n'));
  const whole = new Uint8Array(start.length + content.length);
  whole.set(start);
  whole.set(content, start.length);
  return whole;
}

export function methodOf(message: WireMessage): string | null {
  return message.start.kind === 'request' ? message.start.method : null;
}

/** The 200 of a registrar with GRUU support that lists one further device. */
export function registered(request: WireMessage, expires = 3600): Reply {
  const contact = request.first('contact') ?? '';
  const ends = request.first('expires') === '0';
  const granted = contact.replace(/;expires=\d+/, `;expires=${expires}`);
  const own = `Contact: ${granted};pub-gruu="${GRUU}";temp-gruu="sip:tgruu.${request.first('cseq')?.split(' ')[0]}@lab.test;gr"`;
  const other = `Contact: "Alice phone" <sip:alice@127.0.0.1:5999;transport=tcp>;+sip.instance="<${OTHER_INSTANCE}>";expires=2100;pub-gruu="sip:alice@lab.test;gr=${OTHER_INSTANCE}"`;
  return { status: 200, reason: 'OK', headers: [...(ends ? [] : [own]), other] };
}

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export function account(changes: Partial<SipAccount> = {}): SipAccount {
  return {
    aor: 'sip:alice@lab.test',
    displayName: 'Alice',
    password: 'secret',
    proxy: 'sip:127.0.0.1:5070;transport=tcp',
    instanceId: INSTANCE,
    deviceName: 'Alice laptop',
    expiresSeconds: 3600,
    icsis: [SESSION_ICSI, MSG_ICSI],
    ...changes,
  };
}

export interface MemoryLab {
  clock: VirtualClock;
  server: MemoryServer;
  client: SipClient;
}

const open = new Set<SipClient>();

/** A client and its server. `closeMemoryLabs` releases them. */
export function memoryLab(changes: Partial<SipAccount> = {}, log: Logger = silent, clock = new VirtualClock()): MemoryLab {
  const server = new MemoryServer();
  const client = new SipClient(account(changes), { clock, log, userAgent: 'Chorus/test', connect: server.connect });
  open.add(client);
  return { clock, server, client };
}

export async function registeredLab(changes: Partial<SipAccount> = {}, clock = new VirtualClock()): Promise<MemoryLab> {
  const lab = memoryLab(changes, silent, clock);
  await lab.client.registration.register();
  await settled();
  return lab;
}

export function closeMemoryLabs(): void {
  for (const client of open) client.dispose();
  open.clear();
}
