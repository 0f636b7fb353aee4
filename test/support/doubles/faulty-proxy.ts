/**
 * A faulty registrar and proxy in memory and in virtual time: every message is delayed, connections break at a chosen
 * byte, answers are lost, repeated or late, and everything restarts. `Mischief` decides at each message which fault strikes.
 *
 *   client --leg--> registrar and stateless proxy (RFC 3261 section 16.11) --leg--> client
 *
 * A request to somebody with several devices goes to all of them and is tracked until one has accepted it (section 16.7): see `Fork`.
 */

import type { Connect, Connection } from '../../../main/sip/flow/connection';
import { parseWireMessage, type WireMessage } from '../../../main/sip/wire/wire-message';
import { AppError } from '../../../preload/contract/errors';
import { parseNameAddr, parseUri } from '../../../protocol/uri';
import { type Break, halfOf, lateMs, type Mischief } from './mischief';
import type { VirtualClock } from './virtual-clock';

const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const PING = '\r\n\r\n';

interface Asked {
  from: Leg;
  request: WireMessage;
  fork?: Fork;
}

/**
 * One request at several devices. The first success is the answer and the others are cancelled; without a success, the last answer counts.
 */
interface Fork {
  /** The devices that have not answered, by branch. */
  readonly pending: Map<string, Leg>;
  isTaken: boolean;
  /** The request as sent to the devices, without its first line and its Via. */
  readonly rest: string[];
}

/** A client's connection. */
interface Leg {
  readonly user: string;
  readonly device: string;
  isOpen: boolean;
  contact: string | null;
  instance: string;
  /** The requests that this device has not finally answered, by branch. */
  readonly asked: Map<string, Asked>;
  /** Writes bytes to the client. */
  give(bytes: Uint8Array): void;
  cut(): void;
}

export class FaultyProxy {
  readonly #clock: VirtualClock;
  readonly #mischief: Mischief;
  readonly #latencyMs: number;
  /** Whether the caller is told when a device disappears while ringing: some proxies answer 408, some nothing. */
  readonly #tellsOfLoss: boolean;
  readonly #legs = new Set<Leg>();
  /** The callee repeats its 200 until the ACK arrives (RFC 3261 section 13.3.1.4). */
  readonly #answered = new Map<string, Asked>();
  readonly #forks = new Map<string, Fork>();
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

  /** Ends every connection, forgets every registration, and accepts nobody for this long. */
  restart(downMs: number): void {
    this.#isDown = true;
    for (const leg of [...this.#legs]) leg.cut();
    this.#clock.setTimer(downMs, () => {
      this.#isDown = false;
    });
  }

  /** One device cannot connect for this long. */
  cutOff(device: string, ms: number): void {
    this.#away.add(device);
    this.vanish(device);
    this.#clock.setTimer(ms, () => this.#away.delete(device));
  }

  /** Closes everything that a device had open, as when its process dies. */
  vanish(device: string): void {
    for (const leg of [...this.#legs]) if (leg.device === device) leg.cut();
  }

  connectAs(device: string, user: string): Connect {
    return async () => {
      await new Promise<void>((resolve) => this.#clock.setTimer(this.#latencyMs, resolve));
      if (this.#isDown || this.#away.has(device)) throw new AppError('net/unreachable', { cause: 'nobody answers there' }, 'auto');
      return this.#open(device, user);
    };
  }

  #open(device: string, user: string): Connection {
    this.#ports += 1;
    const connection: Connection = {
      local: { host: '127.0.0.1', port: this.#ports },
      remote: { host: '127.0.0.1', port: 5070 },
      send: async (bytes) => {
        if (!leg.isOpen) throw new Error('the connection is closed');
        // Bytes written before a connection ends still arrive.
        this.#clock.setTimer(this.#latencyMs, () => this.#take(leg, bytes));
      },
      close: () => this.#gone(leg),
      onBytes: () => undefined,
      onClose: () => undefined,
    };
    const leg: Leg = {
      user,
      device,
      isOpen: true,
      contact: null,
      instance: '',
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
    // Its earlier answers are still on their way.
    this.#clock.setTimer(this.#latencyMs + 1, () => {
      const asked = [...leg.asked];
      leg.asked.clear();
      if (!this.#tellsOfLoss) return;
      for (const [branch, { from, request, fork }] of asked) {
        fork?.pending.delete(branch);
        if (fork === undefined || (fork.pending.size === 0 && !fork.isTaken)) this.#answer(from, request, 408, 'Request Timeout');
      }
    });
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
    // The caller may be gone, but its request had already left.
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
    const branch = this.#branch(request);
    const known = this.#forks.get(branch);
    if (known !== undefined && (method === 'CANCEL' || method === 'ACK')) {
      // For a forked request the proxy itself answers the CANCEL and has acknowledged the refusals (RFC 3261 sections 16.10 and 17.1.1.3).
      if (method === 'ACK') return;
      this.#answer(leg, request, 200, 'OK');
      this.#cancel(known);
      return;
    }
    const targets = this.#targets(request);
    if (targets.length === 0) {
      if (method !== 'ACK') this.#answer(leg, request, 480, 'Temporarily Unavailable');
      return;
    }
    const asserted = `P-Asserted-Identity: <sip:${leg.user}@lab.test>`;
    const rest = [asserted, ...text.split('\r\n').slice(1)].filter((line) => !/^(?:route|p-preferred-identity):/i.test(line));
    const fork: Fork | undefined = targets.length > 1 ? { pending: new Map(), isTaken: false, rest } : undefined;
    if (fork !== undefined) this.#forks.set(branch, fork);
    for (const [index, target] of targets.entries()) {
      const own = fork === undefined ? branch : `${branch}-${index}`;
      fork?.pending.set(own, target);
      if (method !== 'ACK' && method !== 'CANCEL') target.asked.set(own, { from: leg, request, ...(fork === undefined ? {} : { fork }) });
      const bytes = this.#bytesFor(target, method, own, rest);
      this.#hand(target, bytes, method);
      if (this.#mischief.doubles(method)) target.give(bytes);
    }
    if (breaksHere('after its last byte')) leg.cut();
  }

  #bytesFor({ contact }: Leg, method: string, branch: string, rest: readonly string[]): Buffer {
    const lines = [`${method} ${contact} SIP/2.0`, `Via: SIP/2.0/TCP 127.0.0.1:5070;branch=${branch}`, ...rest];
    return bytesOf(lines.join('\r\n'));
  }

  /** The targets of a request: one device named by its GRUU, its instance (RFC 3841) or its own Contact, else all devices of the person. */
  #targets(request: WireMessage): Leg[] {
    const uri = request.start.kind === 'request' ? parseUri(request.start.uri) : null;
    if (uri?.ok !== true || uri.value.scheme !== 'sip') return [];
    const { user } = uri.value;
    const legs = [...this.#legs].filter((each) => each.user === user && each.contact !== null);
    const wanted = (request.start.kind === 'request' ? request.start.uri : '') + (request.first('accept-contact') ?? '');
    const instance = /urn:uuid:[0-9a-f-]+/i.exec(wanted)?.[0];
    if (instance !== undefined) return legs.filter((each) => each.instance === instance).slice(-1);
    const own = legs.filter((each) => request.start.kind === 'request' && each.contact === request.start.uri);
    if (own.length > 0) return own.slice(-1);
    const devices = new Map(legs.map((each) => [each.device, each]));
    return [...devices.values()];
  }

  /** Cancels the pending branches of a forked INVITE. */
  #cancel(fork: Fork): void {
    for (const [branch, target] of fork.pending) {
      this.#mischief.forks('one answers');
      const headers = fork.rest.slice(0, fork.rest.indexOf('')).filter((line) => /^(?:from|to|call-id|max-forwards|via):/i.test(line));
      const cseq = fork.rest.find((line) => /^cseq:/i.test(line))?.replace(/INVITE/, 'CANCEL') ?? '';
      const reason = fork.isTaken ? ['Reason: SIP;cause=200;text="Call completed elsewhere"'] : [];
      target.give(
        this.#bytesFor(target, 'CANCEL', branch, [
          ...headers.filter((line) => !/^via:/i.test(line)),
          cseq,
          ...reason,
          'Content-Length: 0',
          '',
          '',
        ]),
      );
    }
  }

  /** Handles a device's response to a forked request; true when the caller must receive it. */
  #decides(fork: Fork, leg: Leg, branch: string, response: WireMessage, status: number, method: string): boolean {
    fork.pending.delete(branch);
    if (status < 300) {
      // Every success of an INVITE is passed on, so that the caller can end the unwanted ones (RFC 3261 section 16.7).
      if (fork.isTaken) return method === 'INVITE' && this.#mischief.forks('both answer');
      fork.isTaken = true;
      if (method === 'INVITE') this.#cancel(fork);
      return true;
    }
    if (method === 'INVITE') {
      const headers = fork.rest.filter((line) => /^(?:from|call-id|max-forwards):/i.test(line));
      const cseq = `CSeq: ${response.first('cseq')?.split(' ')[0]} ACK`;
      leg.give(this.#bytesFor(leg, 'ACK', branch, [...headers, `To: ${response.first('to')}`, cseq, 'Content-Length: 0', '', '']));
    }
    return !fork.isTaken && fork.pending.size === 0;
  }

  /** Delivers a request to a device, completely or only in part. */
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
    if (entry.fork !== undefined && method === 'CANCEL') return;
    leg.asked.delete(branch);
    this.#answered.set(branch, entry);
    if (entry.fork !== undefined && !this.#decides(entry.fork, leg, branch, response, status, method)) return;
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
    for (const other of [...this.#legs]) if (other !== leg && other.device === leg.device) other.contact = null;
    leg.contact = parsed.value.uri;
    leg.instance = /urn:uuid:[0-9a-f-]+/i.exec(contact)?.[0] ?? '';
    const gruu = `sip:${leg.user}@lab.test;gr=${leg.instance}`;
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

  /** Derived from the incoming branch, so that CANCEL and ACK match their INVITE (RFC 3261 section 16.11). */
  #branch(request: WireMessage): string {
    return `z9hG4bKp${/branch=([^;,\s]+)/.exec(request.first('via') ?? '')?.[1] ?? ''}`;
  }
}
