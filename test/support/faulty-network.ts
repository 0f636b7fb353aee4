/**
 * A network in memory and in virtual time that misbehaves to order: a registrar and proxy for SIP, and the way of the media. Every message
 * takes a while; connections break at a chosen byte; answers are lost, come twice or late; everything restarts. What it does to whom is
 * asked of `Mischief` at each message, so that one seed decides a whole run.
 *
 *   client --leg--> registrar and proxy (stateless, RFC 3261 section 16.11) --leg--> client
 *   client --pipe, message by message--> client                                     media
 */
import { type Duplex, duplexPair } from 'node:stream';
import { AppError } from '../../main/errors';
import type { MsrpStream, MsrpTransport } from '../../main/msrp/connection';
import { parseNameAddr, parseUri } from '../../main/protocol/uri';
import type { Connect, Connection } from '../../main/sip/connection';
import { parseWireMessage, type WireMessage } from '../../main/sip/wire-message';
import type { VirtualClock } from './virtual-clock';

/** Where a connection breaks, seen from one request that it carries. */
export type Break = 'mid head' | 'mid body' | 'before its end line' | 'after its last byte' | 'mid answer' | 'between two chunks';
/** What happens to an answer. */
export type Mishap = 'lost' | 'doubled' | 'late';

/** Decides what goes wrong. Each question is asked once for each message that it could befall; a yes is done. */
export interface Mischief {
  /** `leg`: of SIP, whether it is the connection of who asks or of who is asked. */
  breaks(method: string, at: Break, leg: 'sender' | 'receiver'): boolean;
  answer(method: string): Mishap | null;
  doubles(method: string): boolean;
}

const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const halfOf = (bytes: Uint8Array, from = 0) => bytes.subarray(0, from + Math.max(1, Math.floor((bytes.length - from) / 2)));
const PING = '\r\n\r\n';
/** How much later than it should a late answer comes, at least; up to three times as much. */
const lateMs = 5_000;
const refused = () => new AppError('net/unreachable', { cause: 'nobody answers there' }, 'auto');

interface Leg {
  readonly user: string;
  isOpen: boolean;
  contact: string | null;
  /** Requests handed to this device that it has not answered finally: branch to who asked. */
  readonly asked: Map<string, { from: Leg; request: WireMessage }>;
  /** Bytes to the client, or the end of the connection. */
  give(bytes: Uint8Array): void;
  cut(): void;
}

export class FaultyNetwork {
  readonly #clock: VirtualClock;
  readonly #mischief: Mischief;
  readonly #latencyMs: number;
  /** Whether who asks hears of it when a device goes while it was being asked: some proxies say 408, some nothing. */
  readonly #tellsOfLoss: boolean;
  readonly #legs = new Set<Leg>();
  readonly #pipes = new Set<{ users: readonly string[]; cut(): void }>();
  readonly #listeners = new Map<number, { user: string; onStream: (stream: MsrpStream) => void }>();
  readonly #away = new Set<string>();
  #isDown = false;
  #ports = 40_000;
  #tags = 0;

  constructor(clock: VirtualClock, mischief: Mischief) {
    this.#clock = clock;
    this.#mischief = mischief;
    this.#latencyMs = 1 + Math.floor(clock.random() * 30);
    this.#tellsOfLoss = clock.random() < 0.5;
  }

  /** Every connection to the servers ends, every registration is forgotten, and nobody is let in for so long. Media goes on. */
  restart(downMs: number): void {
    this.#isDown = true;
    for (const leg of [...this.#legs]) leg.cut();
    this.#clock.setTimer(downMs, () => {
      this.#isDown = false;
    });
  }

  /** One device has no network for so long. */
  cutOff(user: string, ms: number): void {
    this.#away.add(user);
    this.vanish(user);
    this.#clock.setTimer(ms, () => this.#away.delete(user));
  }

  /** Whatever a device had open is gone, as when its process dies. */
  vanish(user: string): void {
    for (const leg of [...this.#legs]) if (leg.user === user) leg.cut();
    for (const pipe of [...this.#pipes]) if (pipe.users.includes(user)) pipe.cut();
  }

  /** The listeners of a process that is no more. */
  stopListening(user: string): void {
    for (const [port, listener] of this.#listeners) if (listener.user === user) this.#listeners.delete(port);
  }

  // ---------------------------------------------------------------- SIP

  connectAs(user: string): Connect {
    return async () => {
      await this.#pause();
      if (this.#isDown || this.#away.has(user)) throw refused();
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
    if (text === PING) return leg.give(bytesOf('\r\n'));
    const bodyAt = text.indexOf('\r\n\r\n') + 4;
    const message = bodyAt < 4 ? null : parseWireMessage(bytes, bodyAt);
    if (message === null || !message.ok) throw new Error(`a client wrote what cannot be read: ${text.slice(0, 200)}`);
    if (message.value.start.kind === 'response') this.#pass(leg, text, message.value);
    // Who asked may be gone: the request had left.
    else this.#serve(leg, text, message.value, message.value.start.method);
  }

  #serve(leg: Leg, text: string, request: WireMessage, method: string): void {
    if (method === 'REGISTER') return leg.isOpen ? this.#register(leg, request) : undefined;
    if (method === 'SUBSCRIBE') return this.#answer(leg, request, 489, 'Bad Event');
    const breaksHere = (at: Break) => leg.isOpen && this.#mischief.breaks(method, at, 'sender');
    if (breaksHere('mid head') || breaksHere('mid body')) return leg.cut();
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
    if (status < 200) return entry.from.give(bytes);
    leg.asked.delete(branch);
    // The callee repeats its 200 until the ACK comes (RFC 3261 section 13.3.1.4).
    this.#answered.set(branch, entry);
    if (status < 300) {
      if (this.#mischief.breaks(method, 'mid answer', 'receiver')) return leg.cut();
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

  readonly #answered = new Map<string, { from: Leg; request: WireMessage }>();

  #register(leg: Leg, request: WireMessage): void {
    const contact = request.first('contact') ?? '';
    const parsed = parseNameAddr(contact);
    if (!parsed.ok) return this.#answer(leg, request, 400, 'Bad Request');
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

  // ---------------------------------------------------------------- media

  mediaOf(user: string): MsrpTransport {
    return {
      listen: async (_host, onStream) => {
        this.#ports += 1;
        const port = this.#ports;
        this.#listeners.set(port, { user, onStream });
        return { port, close: () => void this.#listeners.delete(port) };
      },
      connect: async (_host, port, signal) => {
        await this.#pause();
        const listener = this.#listeners.get(port);
        if (listener === undefined || signal.aborted || this.#away.has(user) || this.#away.has(listener.user)) throw refused();
        this.#ports += 1;
        const from = `127.0.0.1:${this.#ports}`;
        const to = `127.0.0.1:${port}`;
        const [here, near] = duplexPair();
        const [there, far] = duplexPair();
        this.#join(near, far, [user, listener.user]);
        listener.onStream({ stream: there, local: to, remote: from });
        return { stream: here, local: from, remote: to };
      },
    };
  }

  #join(near: Duplex, far: Duplex, users: readonly string[]): void {
    const pipe = {
      users,
      cut: () => {
        this.#pipes.delete(pipe);
        near.destroy();
        far.destroy();
      },
    };
    this.#pipes.add(pipe);
    const carry = (from: Duplex, to: Duplex) => {
      const cutter = new MessageCutter();
      let clearAt = 0;
      const later = (work: () => void, extraMs = 0) => {
        clearAt = Math.max(clearAt, this.#clock.now() + this.#latencyMs + extraMs);
        this.#clock.setTimer(clearAt - this.#clock.now(), work);
      };
      const write = (bytes: Uint8Array, extraMs = 0) => later(() => void (to.destroyed || to.write(bytes)), extraMs);
      from.on('error', () => undefined);
      from.on('data', (bytes: Buffer) => {
        for (const whole of cutter.push(bytes)) this.#carry(whole, write, () => later(pipe.cut));
      });
      // What was written before the end still arrives.
      from.on('end', () => later(() => to.end()));
      from.on('close', () => later(pipe.cut));
    };
    carry(near, far);
    carry(far, near);
  }

  #carry(whole: Buffer, write: (bytes: Uint8Array, extraMs?: number) => void, cut: () => void): void {
    const text = whole.toString('latin1');
    const breaks = (at: Break) => this.#mischief.breaks('SEND', at, 'sender');
    const bodyAt = text.indexOf('\r\n\r\n') + 4;
    if (/^MSRP \S+ SEND/.test(text) && bodyAt >= 4) {
      const endAt = text.lastIndexOf('\r\n-------');
      const broken = breaks('mid head')
        ? halfOf(whole.subarray(0, bodyAt))
        : breaks('mid body')
          ? halfOf(whole.subarray(0, endAt), bodyAt)
          : breaks('before its end line')
            ? whole.subarray(0, endAt)
            : breaks('after its last byte') || (text.endsWith('+\r\n') && breaks('between two chunks'))
              ? whole
              : null;
      write(broken ?? whole);
      if (broken !== null) cut();
    } else if (/^MSRP \S+ 200/.test(text)) {
      if (breaks('mid answer')) {
        write(halfOf(whole));
        return cut();
      }
      const mishap = this.#mischief.answer('SEND');
      if (mishap === 'doubled') write(whole);
      if (mishap !== 'lost') write(whole, mishap === 'late' ? lateMs * (1 + 2 * this.#clock.random()) : 0);
    } else write(whole);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(this.#latencyMs, resolve));
  }
}

/** Cuts a stream of MSRP into its messages by their end lines (RFC 4975 section 7.1). */
class MessageCutter {
  #kept: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Buffer[] {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    const whole: Buffer[] = [];
    for (;;) {
      const id = /^MSRP (\S+) /.exec(this.#kept.subarray(0, 100).toString('latin1'))?.[1];
      const at = id === undefined ? -1 : this.#kept.indexOf(`-------${id}`);
      const end = at < 0 ? -1 : this.#kept.indexOf('\r\n', at) + 2;
      if (end < 2) return whole;
      whole.push(this.#kept.subarray(0, end));
      this.#kept = this.#kept.subarray(end);
    }
  }
}
