/**
 * A faulty media path in memory and in virtual time: MSRP from client to client, message by message, each with a delay. `Mischief` decides
 * which connections break at which byte and which answers are lost, repeated or late.
 */
import { type Duplex, duplexPair } from 'node:stream';
import type { MsrpStream, MsrpTransport } from '../../../main/msrp/connection';
import { AppError } from '../../../preload/contract/errors';
import { type Break, halfOf, lateMs, type Mischief } from './mischief';
import type { VirtualClock } from './virtual-clock';

interface Pipe {
  /** The client that connected, and the one it connected to. */
  users: readonly [string, string];
  cut(): void;
  /** This end stops sending; bytes already sent arrive, then the connection ends. */
  silence(user: string): void;
}

export class FaultyMedia {
  readonly #clock: VirtualClock;
  readonly #mischief: Mischief;
  readonly #latencyMs: number;
  readonly #pipes = new Set<Pipe>();
  readonly #listeners = new Map<number, { user: string; onStream: (stream: MsrpStream) => void }>();
  readonly #away = new Set<string>();
  #ports = 50_000;

  constructor(clock: VirtualClock, mischief: Mischief, latencyMs: number) {
    this.#clock = clock;
    this.#mischief = mischief;
    this.#latencyMs = latencyMs;
  }

  /** Disconnects one device from everybody for this long. */
  cutOff(user: string, ms: number): void {
    this.#away.add(user);
    for (const pipe of [...this.#pipes]) if (pipe.users.includes(user)) pipe.cut();
    this.#clock.setTimer(ms, () => this.#away.delete(user));
  }

  /** Closes everything that a device had open, including its listeners, as when its process dies. */
  vanish(user: string): void {
    for (const pipe of [...this.#pipes]) if (pipe.users.includes(user)) pipe.silence(user);
    for (const [port, listener] of this.#listeners) if (listener.user === user) this.#listeners.delete(port);
  }

  mediaOf(user: string): MsrpTransport {
    return {
      listen: async (_host, onStream) => {
        this.#ports += 1;
        const port = this.#ports;
        this.#listeners.set(port, { user, onStream });
        return { port, close: () => void this.#listeners.delete(port) };
      },
      connect: async (_host, port, signal) => {
        await new Promise<void>((resolve) => this.#clock.setTimer(this.#latencyMs, resolve));
        const listener = this.#listeners.get(port);
        if (listener === undefined || signal.aborted || this.#away.has(user) || this.#away.has(listener.user))
          throw new AppError('net/unreachable', { cause: 'nobody listens there' }, 'auto');
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

  #join(near: Duplex, far: Duplex, users: readonly [string, string]): void {
    const silent = new Set<string>();
    const pipe: Pipe = {
      users,
      cut: () => {
        this.#pipes.delete(pipe);
        near.destroy();
        far.destroy();
      },
      silence: (user) => {
        silent.add(user);
        this.#clock.setTimer(this.#latencyMs + 1, pipe.cut);
      },
    };
    this.#pipes.add(pipe);
    const carry = (from: Duplex, to: Duplex, user: string) => {
      const cutter = new MessageCutter();
      let clearAt = 0;
      const later = (work: () => void, extraMs = 0) => {
        clearAt = Math.max(clearAt, this.#clock.now() + this.#latencyMs + extraMs);
        this.#clock.setTimer(clearAt - this.#clock.now(), work);
      };
      const write = (bytes: Uint8Array, extraMs = 0) => later(() => void (to.destroyed || to.write(bytes)), extraMs);
      from.on('error', () => undefined);
      from.on('data', (bytes: Buffer) => {
        if (silent.has(user)) return;
        for (const whole of cutter.push(bytes)) this.#carry(whole, write, () => later(pipe.cut));
      });
      // Bytes written before the end still arrive.
      from.on('end', () => later(() => to.end()));
      from.on('close', () => later(pipe.cut));
    };
    carry(near, far, users[0]);
    carry(far, near, users[1]);
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
        cut();
        return;
      }
      const mishap = this.#mischief.answer('SEND');
      if (mishap === 'doubled') write(whole);
      if (mishap !== 'lost') write(whole, mishap === 'late' ? lateMs * (1 + 2 * this.#clock.random()) : 0);
    } else write(whole);
  }
}

/** Splits a stream of MSRP into its messages by their end lines (RFC 4975 section 7.1). */
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
