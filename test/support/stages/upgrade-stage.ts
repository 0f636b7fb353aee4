/**
 * A stage for the upgrade of a 1-1 to a group, on which each of the six parts can die alone and come back: three real clients, a core, a PF
 * and a CF that only communicate by SIP. Connections over loopback are real, time is virtual: it moves on when nothing is pending any more.
 *
 * The core is our own or a real Kamailio. Kamailio is a process with real time whose reads cannot be observed: they are derived
 * from what the others send, and nothing is pending when no byte has moved for a while.
 */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type Core, startCore } from '../../../network/core/core';
import { freePort, type Kamailio, startKamailio } from '../../../network/kamailio/start-kamailio.mjs';
import { type Network, startNetwork } from '../../../network/network';
import type { CallArgument, CallName, CallValue } from '../../../preload/contract';
import type { WireMessage } from '../../../protocol/wire-record';
import { Actor, ownCallback } from './actors';
import { startClient, type TestClient } from './clients';

export const people = ['alice', 'bob', 'carol'] as const;
export type PersonName = (typeof people)[number];
export const parts = [...people, 'pf', 'cf', 'core'] as const;
export type PartName = (typeof parts)[number];

/** One folder for each process, so that a profile created there can be copied back: a profile remembers its place. */
const stageFolder = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `chorus-stage-${process.pid}`);
/** Profiles as they are after their first start, one for each person: creating one takes longer than most stories. */
const fresh = join(stageFolder, 'fresh');

/** Removes the files of all stages. */
export function clearStages(): void {
  rmSync(stageFolder, { recursive: true, force: true });
}

/** Longer than absorbed repetitions are remembered (64*T1), and longer than any group takes to close. */
const goneMs = 40_000;
/** How often Kamailio, which runs in real time, is asked for its counts. */
const kamailioTries = 40;
/** Another process counts as idle when no byte has moved for this long, in real milliseconds. */
const quietMs = 25;
/** How many idle periods in a row may be ignored because they were measured late. */
const mostLate = 20;
const { setTimeout: reallyLater } = globalThis;
/**
 * Kamailio's own timeouts, in real milliseconds. Here a minute passes in about two seconds: with its usual timeouts it would still wait for
 * a dead device when everybody else has long continued.
 */
const patience = { silence: 400, ringing: 3_000 };
/** After this many turns of the event loop without a byte on any wire, nothing is pending. */
const calmTurns = 12;
/** Outlives each part. */
const functionSecret = 'abcdef0123456789abcdef';
const domain = 'lab.test';
const users = people.map((name) => ({ name, password: 'secret', displayName: name }));
/** Our own core or a real Kamailio. */
export type CoreKind = 'embedded' | 'kamailio';
export const addressOf = (name: PersonName) => `sip:${name}@${domain}`;
const factory = `sip:conference-factory@${domain}`;

/** A message as read by one part. */
export interface Heard {
  by: PartName;
  text: string;
}

/** Puts the whole process on virtual time. `vi.useRealTimers` restores it. */
export function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
  const { setTimeout: later } = globalThis;
  globalThis.setTimeout = Object.assign(
    (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => later(ownCallback(callback), ms, ...args),
    { __promisify__: later.__promisify__ },
  ) as typeof setTimeout;
}

/**
 * Whether the operating system still owes this process an answer: a disk that syncs, a connection that opens, bytes that leave. On a busy machine these
 * take longer than `calmTurns`, and virtual time must not run past them.
 */
function isSystemBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => /^FSReq|ReqWrap$|ConnectWrap$|WriteWrap$|REQUEST$/.test(name));
}

export class Stage {
  /** Called with each SIP message that a part has received, before the part handles it. */
  onHeard: (heard: Heard) => void = () => {};
  readonly #actors = new Map<PartName, Actor>();
  readonly #clients = new Map<PersonName, TestClient>();
  /** Cleanup of the dead parts. */
  readonly #remains: (() => Promise<void>)[] = [];
  #core: Core | null = null;
  #kamailio: Kamailio | null = null;
  #isStarting = false;
  #functions: { pf: Network | null; cf: Network | null } = { pf: null, cf: null };
  #ports = { clients: 0, functions: 0, pf: 0, cf: 0 };
  #activity = 0;

  private constructor(private readonly coreKind: CoreKind) {}

  static async open(coreKind: CoreKind): Promise<Stage> {
    const stage = new Stage(coreKind);
    if (coreKind === 'kamailio') {
      const [clients, functions, pf, cf] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
      stage.#ports = { clients, functions, pf, cf };
    }
    await stage.#startCore();
    await stage.#startFunction('pf');
    await stage.#startFunction('cf');
    if (!existsSync(fresh)) await stage.#makeProfiles();
    for (const name of people) cpSync(join(fresh, name), stage.#folderOf(name), { recursive: true });
    for (const name of people) await stage.#startClient(name);
    return stage;
  }

  client(name: PersonName): TestClient {
    const client = this.#clients.get(name);
    if (client === undefined) throw new Error(`${name} is not there`);
    return client;
  }

  isAlive(part: PartName): boolean {
    return this.#actors.get(part)?.isAlive ?? false;
  }

  /** A call to somebody's client; time passes until it is answered. */
  call<N extends CallName>(name: PersonName, call: N, argument: CallArgument<N>): Promise<CallValue<N>> {
    return this.passing(this.as(name, () => this.client(name).call(call, argument)));
  }

  /** Runs a function as that part. */
  as<T>(part: PartName, act: () => T): T {
    const actor = this.#actors.get(part);
    if (actor === undefined) throw new Error(`${part} is not there`);
    return actor.play(act);
  }

  /** Kills that part at once. When it comes back, it finds its disk as it was at this moment. */
  kill(part: PartName): void {
    const actor = this.#actors.get(part);
    if (actor?.isAlive !== true) return;
    actor.die();
    if (part === 'core') {
      const core = this.#core;
      const kamailio = this.#kamailio;
      this.#core = this.#kamailio = null;
      kamailio?.kill();
      this.#remains.push(async () => {
        await core?.close();
        await kamailio?.exited;
      });
    } else if (part === 'pf' || part === 'cf') {
      const network = this.#functions[part];
      this.#functions[part] = null;
      this.#leave(this.#folderOf(part), async () => network?.close());
    } else {
      const client = this.client(part);
      this.#clients.delete(part);
      this.#leave(client.dataDir, () => client.close());
    }
  }

  /** Disk changes by a dead part before its cleanup do not count. */
  #leave(folder: string, end: () => Promise<void>): void {
    const kept = `${folder}.kept`;
    cpSync(folder, kept, { recursive: true });
    this.#remains.push(async () => {
      await end();
      rmSync(folder, { recursive: true });
      renameSync(kept, folder);
    });
  }

  #folderOf(part: PartName): string {
    const folder = join(stageFolder, part);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Brings a killed part back. */
  async revive(part: PartName): Promise<void> {
    await this.#bury();
    if (part === 'core') await this.#startCore();
    else if (part === 'pf' || part === 'cf') await this.#startFunction(part);
    else await this.#startClient(part);
  }

  /** Lets everything happen that needs no time. */
  async calm(): Promise<void> {
    let seen = this.#activity;
    for (let late = 0; this.#kamailio !== null || this.#isStarting; ) {
      const begunAt = performance.now();
      await new Promise((resolve) => reallyLater(resolve, quietMs));
      // When this process is delayed, Kamailio's are too: such an idle period means nothing, up to a limit.
      const isLate = performance.now() - begunAt > quietMs * 1.5;
      if (seen === this.#activity && (!isLate || ++late > mostLate)) break;
      seen = this.#activity;
    }
    for (let turns = 0; turns < calmTurns; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (seen !== this.#activity || isSystemBusy()) turns = 0;
      seen = this.#activity;
    }
  }

  /** Lets time pass, from timer to timer. */
  async pass(ms: number): Promise<void> {
    let isOver = false;
    setTimeout(() => {
      isOver = true;
    }, ms);
    while (!isOver) {
      await this.calm();
      vi.advanceTimersToNextTimer();
    }
    await this.calm();
  }

  /** Lets time pass until a condition holds. @throws when it does not hold within the limit */
  async passUntil(limitMs: number, isSo: () => boolean): Promise<void> {
    const limit = Date.now() + limitMs;
    for (;;) {
      await this.calm();
      if (isSo()) return;
      if (Date.now() > limit) throw new Error('waited in vain');
      vi.advanceTimersToNextTimer();
    }
  }

  /** Whether the client is registered. */
  isRegistered(name: PersonName): boolean {
    const last = this.#clients.get(name)?.events.findLast((event) => event.event === 'registration');
    return last?.event === 'registration' && last.state === 'registered';
  }

  /** Lets time pass until a promise has settled. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (;;) {
      await this.calm();
      if (isSettled) return promise;
      vi.advanceTimersToNextTimer();
    }
  }

  /**
   * Everybody ends in order. Returns what the network still holds when every timer of RFC 3261 has expired, according to the functions and
   * our core, or to Kamailio's counts.
   */
  async farewell(): Promise<Readonly<Record<string, number>>[]> {
    for (const name of people) {
      const client = this.#clients.get(name);
      if (client === undefined) continue;
      await this.passing(this.as(name, () => client.close()));
      this.#clients.delete(name);
      this.#actors.get(name)?.die();
    }
    await this.pass(goneMs);
    const counts = this.#kamailio === null ? [] : [await this.#countsOfKamailio(this.#kamailio)];
    const core = this.#core === null ? [] : [{ transactions: this.#core.transactionCount }];
    return [...[this.#functions.pf, this.#functions.cf].flatMap((one) => (one === null ? [] : { ...one.load() })), ...core, ...counts];
  }

  /** Kamailio runs in real time, so it may need a little longer. */
  async #countsOfKamailio(kamailio: Kamailio): Promise<Record<string, number>> {
    const names = ['dialog:active_dialogs', 'dialog:early_dialogs', 'usrloc:location_contacts'];
    for (let tries = 0; ; tries += 1) {
      const all = kamailio.counts();
      const counts = Object.fromEntries(names.map((name) => [name, all[name] ?? Number.NaN]));
      if (tries === kamailioTries || Object.values(counts).every((count) => count === 0)) return counts;
      await new Promise((resolve) => reallyLater(resolve, quietMs * 10));
    }
  }

  async close(): Promise<void> {
    this.onHeard = () => {};
    for (const part of parts) this.kill(part);
    await this.#bury();
    for (const part of parts) rmSync(this.#folderOf(part), { recursive: true });
  }

  async #bury(): Promise<void> {
    await this.passing(Promise.all(this.#remains.splice(0).map((clear) => clear())));
  }

  #newActor(part: PartName): Actor {
    const actor = new Actor(part);
    this.#actors.set(part, actor);
    return actor;
  }

  #tap(part: PartName, actor: Actor) {
    return (record: WireMessage) => {
      this.#activity += 1;
      if (!actor.isAlive || record.protocol !== 'sip') return;
      const text = new TextDecoder().decode(record.bytes);
      if (record.direction === 'in') this.onHeard({ by: part, text });
      else if (this.#kamailio !== null) this.onHeard({ by: 'core', text });
    };
  }

  async #startCore(): Promise<void> {
    const actor = this.#newActor('core');
    const { clients, functions, pf, cf } = this.#ports;
    if (this.coreKind === 'kamailio') {
      const uri = (port: number) => `sip:127.0.0.1:${port};transport=tcp`;
      this.#isStarting = true;
      const starting = startKamailio({
        port: clients,
        servicePort: functions,
        functions: { pf: uri(pf), cf: uri(cf), secret: functionSecret },
        patience,
        counts: true,
      });
      this.#kamailio = await this.passing(actor.play(() => starting));
      this.#isStarting = false;
      return;
    }
    this.#core = await actor.play(() =>
      startCore({ domain, users, port: clients, servicePort: functions, functionSecret, tap: this.#tap('core', actor) }),
    );
    this.#ports = { ...this.#ports, clients: this.#core.port, functions: Number(/:(\d+);/.exec(this.#core.serviceUri)?.[1]) };
    for (const role of ['pf', 'cf'] as const) this.#acquaint(role);
  }

  async #startFunction(role: 'pf' | 'cf'): Promise<void> {
    const actor = this.#newActor(role);
    const core = `sip:127.0.0.1:${this.#ports.functions};transport=tcp`;
    // The CF is the only function with a disk.
    const disk = role === 'cf' ? { stateFile: join(this.#folderOf('cf'), 'groups.db') } : {};
    this.#functions[role] = await actor.play(() =>
      startNetwork({
        functionSecret,
        domain,
        users,
        roles: [role],
        core,
        pfPort: this.#ports.pf,
        cfPort: this.#ports.cf,
        ...disk,
        tap: this.#tap(role, actor),
      }),
    );
    this.#acquaint(role);
  }

  /** Tells the core the address of a function, like an operator. */
  #acquaint(role: 'pf' | 'cf'): void {
    const uri = this.#functions[role]?.uris[role] ?? null;
    const core = this.#core;
    if (uri === null || core === null) return;
    this.as('core', () => {
      if (role === 'pf') core.setParticipating(uri, `sip:pf.${domain}`);
      else {
        core.addService({ host: domain, user: 'conference-factory', target: uri });
        core.addService({ host: `cf.${domain}`, target: uri });
      }
    });
  }

  async #makeProfiles(): Promise<void> {
    mkdirSync(fresh, { recursive: true });
    for (const name of people) {
      const client = await this.#newClient(name, this.#newActor(name));
      await this.passing(client.close());
      renameSync(this.#folderOf(name), join(fresh, name));
    }
  }

  #newClient(name: PersonName, actor: Actor): Promise<TestClient> {
    return actor.play(() =>
      startClient({
        name,
        address: addressOf(name),
        proxy: `sip:127.0.0.1:${this.#ports.clients};transport=tcp`,
        factory,
        dataDir: this.#folderOf(name),
        register: false,
        onWire: this.#tap(name, actor),
      }),
    );
  }

  async #startClient(name: PersonName): Promise<void> {
    const actor = this.#newActor(name);
    const client = await this.#newClient(name, actor);
    this.#clients.set(name, client);
    await this.passing(actor.play(() => client.tryCall('register', {})));
    await this.calm();
  }
}
