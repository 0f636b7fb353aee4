/**
 * "Try it on this computer": one embedded network for all profiles of one person on this machine. It runs inside the profile that started
 * first.
 *
 * Binding the port is the lock: each folder has its own small range of ports, and the first to listen hosts the network. When the host
 * quits, the first profile that notices takes over on the same port; the bindings come back with the registrations.
 */
import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Clock, delay } from '../../base/clock';
import type { Logger } from '../../base/log';
import type { Network } from '../../network/network';
import { startNetwork } from '../../network/network';
import type { PersonValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';

/**
 * LAB: the domain and the people of the embedded network. They all have the same password, which is no secret because the network listens
 * on loopback only.
 */
const tryDomain = 'lab.test';
export const tryPassword = 'secret';
const tryNames = ['Alice', 'Bob', 'Carol', 'Dave'] as const;

/**
 * LAB: the number of ports tried for one folder, counted from a base derived from its path. They are below Linux's ephemeral range, so that
 * no client socket uses them.
 */
const portsPerFolder = 8;
const lowestPort = 20_000;
const portSpan = 10_000;
/** How long another profile may take between binding the port and announcing it. */
const announceMs = 400;
const connectTimeoutMs = 500;
const loopback = '127.0.0.1';

export const tryPeople: PersonValue[] = tryNames.map((name) => ({ address: `sip:${name.toLowerCase()}@${tryDomain}`, name }));

export interface TryNetworkAddress {
  /** The outbound proxy's URI. */
  proxy: string;
  factory: string;
}

export class TryNetwork {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #hosted: Network | null = null;
  #joining: Promise<TryNetworkAddress> | null = null;

  constructor(folder: string, clock: Clock, log: Logger) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
  }

  get isHost(): boolean {
    return this.#hosted !== null;
  }

  /** Finds the network of this folder, or starts it here. @throws AppError `net/unreachable` */
  join(): Promise<TryNetworkAddress> {
    this.#joining ??= this.#join().finally(() => {
      this.#joining = null;
    });
    return this.#joining;
  }

  /**
   * The key by which the devices of one person in this network keep each other's history equal, 32 bytes in hex: whoever can read this folder is
   * that person anyway. Null where it can be neither read nor written; the devices are not paired then.
   */
  ownKeyOf(address: string): string | null {
    const file = join(this.#folder, `${createHash('sha256').update(address).digest('hex').slice(0, 16)}.own-devices.key`);
    try {
      mkdirSync(this.#folder, { recursive: true });
      const draft = `${file}.${process.pid}`;
      writeFileSync(draft, randomBytes(32).toString('hex'), { mode: 0o600 });
      try {
        // The first profile makes it; a link, unlike a rename, replaces none that is there.
        linkSync(draft, file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      } finally {
        rmSync(draft, { force: true });
      }
      const key = readFileSync(file, 'utf8').trim();
      if (/^[0-9a-f]{64}$/.test(key)) return key;
      throw new Error('it is no key');
    } catch (error) {
      this.#log.warn('The windows of one person are not paired', { error: String(error) });
      return null;
    }
  }

  async close(): Promise<void> {
    const hosted = this.#hosted;
    this.#hosted = null;
    await hosted?.close();
  }

  async #join(): Promise<TryNetworkAddress> {
    if (this.#hosted !== null) return addressOf(portOf(this.#hosted.uris.tcp));
    const said = this.#announcedPort();
    if (said !== null && (await answers(said))) return addressOf(said);
    const base = lowestPort + (createHash('sha256').update(this.#folder).digest().readUInt32BE(0) % portSpan);
    for (let offset = 0; offset < portsPerFolder; offset++) {
      const port = base + offset;
      if (await this.#host(port)) return addressOf(port);
      // Another process listens there: a profile of this folder announces the port soon, a stranger never does.
      if (this.#announcedPort() !== port) await delay(this.#clock, announceMs);
      if (this.#announcedPort() === port && (await answers(port))) return addressOf(port);
    }
    throw new AppError('net/unreachable', { cause: `no free port from ${base} to ${base + portsPerFolder - 1}` }, 'auto');
  }

  async #host(port: number): Promise<boolean> {
    try {
      this.#hosted = await startNetwork({
        domain: tryDomain,
        users: tryNames.map((name) => ({ name: name.toLowerCase(), password: tryPassword, displayName: name })),
        tcpPort: port,
        log: (level, text, fields) => this.#log[level](text, fields),
      });
    } catch (error) {
      this.#log.info('the embedded network does not start on this port', { port, error: String(error) });
      return false;
    }
    this.#announce(port);
    this.#log.info('the embedded network runs here', { port });
    return true;
  }

  #announce(port: number): void {
    mkdirSync(this.#folder, { recursive: true });
    const temporary = join(this.#folder, `network.${process.pid}.tmp`);
    writeFileSync(temporary, JSON.stringify({ port, pid: process.pid }));
    renameSync(temporary, this.#file);
  }

  #announcedPort(): number | null {
    try {
      const said: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      const port = typeof said === 'object' && said !== null && 'port' in said ? said.port : null;
      return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
    } catch (error) {
      this.#log.debug('no network is announced', { error: String(error) });
      return null;
    }
  }

  get #file(): string {
    return join(this.#folder, 'network.json');
  }
}

function addressOf(port: number): TryNetworkAddress {
  return { proxy: `sip:${loopback}:${port};transport=tcp`, factory: `sip:conference-factory@${tryDomain}` };
}

function portOf(uri: string): number {
  return Number(/:(\d+);/.exec(uri)?.[1] ?? 0);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: loopback, port });
    const done = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(connectTimeoutMs, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
