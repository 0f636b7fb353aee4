/**
 * A registrar and proxy in memory and in virtual time that misbehaves to order: every message takes a while, connections break at a chosen
 * byte, answers are lost, come twice or late, and everything restarts. What it does to whom is asked of `Mischief` at each message.
 *
 *   client --leg--> registrar and stateless proxy (RFC 3261 section 16.11) --leg--> client
 */
import { AppError } from '../../main/errors';
import { parseNameAddr, parseUri } from '../../main/protocol/uri';
import type { Connect, Connection } from '../../main/sip/connection';
import { parseWireMessage, type WireMessage } from '../../main/sip/wire-message';
import { type Break, halfOf, lateMs, type Mischief } from './mischief';
import type { VirtualClock } from './virtual-clock';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const PING = '\r\n\r\n';

interface Asked {
  from: Leg;
  request: WireMessage;
}

/** A client's connection. */
interface Leg {
  readonly user: string;
  isOpen: boolean;
  contact: string | null;
  /** What this device was asked and has not answered finally, by branch. */
  readonly asked: Map<string, Asked>;
  /** Bytes to the client. */
  give(bytes: Uint8Array): void;
  cut(): void;
}

export class FaultyProxy {
  readonly #clock: VirtualClock;
  readonly #mischief: Mischief;
  readonly #latencyMs: number;
  /** Whether who asks hears of it when a device goes while it was being asked: some proxies say 408, some nothing. */
  readonly #tellsOfLoss: boolean;
  readonly #legs = new Set<Leg>();
  /** The callee repeats its 200 until the ACK comes (RFC 3261 section 13.3.1.4). */
  readonly #answered = new Map<string, Asked>();
  readonly #away = new Set<string>();
  #isDown = false;
  #ports = 40_000;
  #tags = 0;

  constructor(clock: VirtualClock, mischief: Mischief, latencyMs: number) {
    this.#clock = clock;
    this.#mischief = mischief;
    this.#latencyMs = latencyMs;
    this.#tellsOfLoss = clock.random() < 0.5;
  }

  /** Every connection ends, every registration is forgotten, and nobody is let in for so long. */
  restart(downMs: number): void {
    this.#isDown = true;
    for (const leg of [...this.#legs]) leg.cut();
    this.#clock.setTimer(downMs, () => {
      this.#isDown = false;
    });
  }

  /** One device cannot come here for so long. */
  cutOff(user: string, ms: number): void {
    this.#away.add(user);
    this.vanish(user);
    this.#clock.setTimer(ms, () => this.#away.delete(user));
  }

  /** Whatever a device had open is gone, as when its process dies. */
  vanish(user: string): void {
    for (const leg of [...this.#legs]) if (leg.user === user) leg.cut();
  }

  connectAs(user: string): Connect {
    return async () => {
      await new Promise<void>((resolve) => this.#clock.setTimer(this.#latencyMs, resolve));
      if (this.#isDown || this.#away.has(user)) throw new AppError('net/unreachable', { cause: 'nobody answers there' }, 'auto');
      return this.#open(user);
    };
  }

  #open(user: string): Connection {
    this.#ports += 1;
    const connection: Connection = {
      local: { host: '127.0.0.1', port: this.#ports },
      remote: { host: '127.0.0.1', port: 5070 },
      send: async (bytes) => {
        if (!leg.isOpen) throw new Error('the connection is closed');
        // What was written before a connection ends still arrives.
        this.#clock.setTimer(this.#latencyMs, () => this.#take(leg, bytes));
      },
      close: () => this.#gone(leg),
      onBytes: () => undefined,
      onClose: () => undefined,
    };
    const leg: Leg = {
      user,
      isOpen: true,
      contact: null,
      asked: new Map(),
      give: (bytes) => {
        this.#clock.setTimer(this.#latencyMs, () => {
          if (leg.isOpen) connection.onBytes(bytes);
        });
      },
      cut: () => {
        if (!leg.isOpen) return;
        this.#gone(leg);
        connection.onClose('cut');
      },
    };
    this.#legs.add(leg);
    return connection;
  }

  #gone(leg: Leg): void {
    if (!leg.isOpen) return;
    leg.isOpen = false;
    this.#legs.delete(leg);
    const asked = [...leg.asked.values()];
    leg.asked.clear();
    if (this.#tellsOfLoss) for (const { from, request } of asked) this.#answer(from, request, 408, 'Request Timeout');
  }

  #take(leg: Leg, bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString('latin1');
    if (text === PING) {
      leg.give(bytesOf('\r\n'));
      return;
    }
    const bodyAt = text.indexOf('\r\n\r\n') + 4;
    const message = bodyAt < 4 ? null : parseWireMessage(bytes, bodyAt);
    if (message === null || !message.ok) throw new Error(`a client wrote what cannot be read: ${text.slice(0, 200)}`);
    if (message.value.start.kind === 'response') this.#pass(leg, text, message.value);
    // Who asked may be gone: the request had left.
    else this.#serve(leg, text, message.value, message.value.start.method);
  }

  #serve(leg: Leg, text: string, request: WireMessage, method: string): void {
    if (method === 'REGISTER') {
      if (leg.isOpen) this.#register(leg, request);
    } else if (method === 'SUBSCRIBE') this.#answer(leg, request, 489, 'Bad Event');
    else this.#forward(leg, text, request, method);
  }

  #forward(leg: Leg, text: string, request: WireMessage, method: string): void {
    const breaksHere = (at: Break) => leg.isOpen && this.#mischief.breaks(method, at, 'sender');
    if (breaksHere('mid head') || breaksHere('mid body')) {
      leg.cut();
      return;
    }
    const uri = request.start.kind === 'request' ? parseUri(request.start.uri) : null;
    const user = uri?.ok === true && uri.value.scheme === 'sip' ? uri.value.user : null;
    const target = [...this.#legs].findLast((each) => each.user === user && each.contact !== null);
    if (target === undefined) {
      if (method !== 'ACK') this.#answer(leg, request, 480, 'Temporarily Unavailable');
      return;
    }
    const branch = this.#branch(request);
    if (method !== 'ACK' && method !== 'CANCEL') target.asked.set(branch, { from: leg, request });
    const lines = text.split('\r\n');
    const asserted = `P-Asserted-Identity: <sip:${leg.user}@lab.test>`;
    lines.splice(0, 1, `${method} ${target.contact} SIP/2.0`, `Via: SIP/2.0/TCP 127.0.0.1:5070;branch=${branch}`, asserted);
    const bytes = bytesOf(lines.filter((line) => !/^(?:route|p-preferred-identity):/i.test(line)).join('\r\n'));
    this.#hand(target, bytes, method);
    if (this.#mischief.doubles(method)) target.give(bytes);
    if (breaksHere('after its last byte')) leg.cut();
  }

  /** A request reaches the device that is asked, wholly or not. */
  #hand(target: Leg, bytes: Uint8Array, method: string): void {
    const bodyAt = Buffer.from(bytes).indexOf('\r\n\r\n') + 4;
    const cutAfter = (part: Uint8Array) => {
      target.give(part);
      this.#clock.setTimer(this.#latencyMs, () => target.cut());
    };
    if (this.#mischief.breaks(method, 'mid head', 'receiver')) cutAfter(halfOf(bytes.subarray(0, bodyAt)));
    else if (this.#mischief.breaks(method, 'mid body', 'receiver')) cutAfter(halfOf(bytes, bodyAt));
    else if (this.#mischief.breaks(method, 'after its last byte', 'receiver')) cutAfter(bytes);
    else target.give(bytes);
  }

  #pass(leg: Leg, text: string, response: WireMessage): void {
    const branch = /branch=([^;,\s]+)/.exec(response.first('via') ?? '')?.[1] ?? '';
    const entry = leg.asked.get(branch) ?? this.#answered.get(branch);
    if (entry === undefined) return;
    const status = response.start.kind === 'response' ? response.start.status : 0;
    const method = response.first('cseq')?.split(' ')[1] ?? '';
    const lines = text.split('\r\n');
    lines.splice(
      lines.findIndex((line) => /^via:/i.test(line)),
      1,
    );
    const bytes = bytesOf(lines.join('\r\n'));
    if (status < 200) {
      entry.from.give(bytes);
      return;
    }
    leg.asked.delete(branch);
    this.#answered.set(branch, entry);
    if (status < 300) {
      if (this.#mischief.breaks(method, 'mid answer', 'receiver')) {
        leg.cut();
        return;
      }
      if (this.#mischief.breaks(method, 'mid answer', 'sender')) {
        entry.from.give(halfOf(bytes));
        this.#clock.setTimer(this.#latencyMs, () => entry.from.cut());
        return;
      }
      const mishap = this.#mischief.answer(method);
      if (mishap === 'lost') return;
      if (mishap === 'doubled') entry.from.give(bytes);
      if (mishap === 'late') {
        this.#clock.setTimer(lateMs * (1 + 2 * this.#clock.random()), () => entry.from.give(bytes));
        return;
      }
    }
    entry.from.give(bytes);
  }

  #register(leg: Leg, request: WireMessage): void {
    const contact = request.first('contact') ?? '';
    const parsed = parseNameAddr(contact);
    if (!parsed.ok) throw new Error(`a client registers ${contact}`);
    for (const other of [...this.#legs]) if (other !== leg && other.user === leg.user) other.contact = null;
    leg.contact = parsed.value.uri;
    const gruu = `sip:${leg.user}@lab.test;gr=${/urn:uuid:[0-9a-f-]+/i.exec(contact)?.[0] ?? ''}`;
    const granted = `${contact.replace(/;expires=\d+/, '')};expires=3600;pub-gruu="${gruu}"`;
    this.#answer(leg, request, 200, 'OK', [`Contact: ${granted}`]);
  }

  #answer(leg: Leg, request: WireMessage, status: number, reason: string, headers: string[] = []): void {
    const to = request.first('to') ?? '';
    this.#tags += 1;
    const lines = [`SIP/2.0 ${status} ${reason}`, ...request.all('via').map((via) => `Via: ${via}`), `From: ${request.first('from')}`];
    lines.push(`To: ${to}${to.includes(';tag=') ? '' : `;tag=n${this.#tags}`}`, `Call-ID: ${request.first('call-id')}`);
    lines.push(`CSeq: ${request.first('cseq')}`, ...headers, 'Content-Length: 0', '', '');
    leg.give(bytesOf(lines.join('\r\n')));
  }

  /** Made of the branch that came, so that CANCEL and ACK find their INVITE (RFC 3261 section 16.11). */
  #branch(request: WireMessage): string {
    return `z9hG4bKp${/branch=([^;,\s]+)/.exec(request.first('via') ?? '')?.[1] ?? ''}`;
  }
}
