/**
 * Keeps the histories of one person's devices equal. Events of this device leave as ticks at once; what is missed is found by sums and gaps,
 * and pulled in pages. How bytes reach a sibling is not known here: see `Wire`. The life of a sibling is drawn in sibling.ts.
 */
import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import type { MessageEvent, RawEvent } from './events';
import { type Gap, gapsOf } from './gaps';
import { type Change, eventOf } from './joins';
import { type DeviceRegister, MAX_LISTED_DEVICES, OwnLog } from './log';
import { readSum, readTick } from './messages';
import { answer, type PageLimits, readRequest } from './pages';
import { prunable } from './pruning';
import { Pulls } from './pulls';
import { nextSiblingState, type SiblingEvent, type SiblingState } from './sibling';
import { isReachable, newSibling, type Sibling, type SiblingTimer, type SiblingWork } from './siblings';
import type { OwnStore } from './store';
import { Sums } from './sums';
import { Ticks } from './ticks';
import { Turns } from './turns';
import { ahead, type Vector } from './vector';
import type { Wire } from './ways';

/** LAB: how long events are gathered that can wait: read marks and receipts. */
const GATHER_SLOW_MS = 2_000;
/** LAB: the longest wait before the first sum to a device that has appeared, so that they do not all speak at once. */
const FIRST_SUM_MS = 3_000;
/** LAB: how often one sibling, chosen at random, is told a sum although nothing happened. */
const IDLE_SUM_MS = 15 * 60_000;
/** LAB: how many ticks and sums a second one sibling may send. */
const MAX_PER_SECOND = 50;

export type { Wire };

export interface OwnDevicesDeps {
  store: OwnStore;
  instance: string;
  clock: Clock;
  random(bytes: number): Uint8Array;
  wire: Wire;
  log: Logger;
  /** The X25519 key of this device, as its siblings list it. */
  publicKey?: string;
  /** How large a page of an answer may be, where the way to a sibling takes less than usual. */
  page?: PageLimits;
  /** As the last work of each transaction that changed the state. `isState`: they were copied with the whole state of a sibling, and are no news. */
  inside?(changes: readonly Change[], isState: boolean): void;
  /** Whether a device that is not listed has been paired all the same. */
  isPaired?(instance: string): boolean;
  /** After each transaction that changed the state. */
  changed?(changes: readonly Change[]): void;
  /** A sibling has another state, or is further. */
  siblingsChanged?(): void;
}

/** What the devices page shows of a sibling. */
export interface SiblingValue {
  instance: string;
  state: SiblingState;
  /** How many events it lacks, as far as it has told; null: it never did. */
  behind: number | null;
}

export class OwnDevices implements Disposable {
  readonly log: OwnLog;
  readonly #deps: OwnDevicesDeps;
  readonly #timers = new Set<Disposable>();
  readonly #siblings = new Map<string, Sibling>();
  readonly #ticks: Ticks;
  readonly #sums: Sums;
  readonly #pulls: Pulls;
  readonly #turns: Turns;
  #isDisposed = false;

  constructor(deps: OwnDevicesDeps) {
    this.#deps = deps;
    const { store, instance, clock } = deps;
    this.log = new OwnLog({
      store,
      instance,
      now: () => clock.now(),
      random: deps.random,
      inside: (changes, isState) => deps.inside?.(changes, isState),
      changed: (changes) => {
        if (changes.some(({ kind, key }) => kind === 'reg' && key.startsWith('dev|'))) this.#listChanged();
        deps.changed?.(changes);
      },
    });
    const work = this.#work();
    this.#ticks = new Ticks(work, deps.wire);
    this.#pulls = new Pulls({
      ...{ work, open: (to: string) => deps.wire.open(to), isDisposed: () => this.#isDisposed },
      over: (sibling, outcome, isRenewed) => this.#pulled(sibling, outcome, isRenewed),
    });
    this.#sums = new Sums({
      ...{ work, send: (to, kind, body) => deps.wire.send(to, kind, body) },
      renewed: () => this.#renewed(),
      copyWhole: (sibling) => this.#pulls.copyWhole(sibling),
    });
    this.#every(IDLE_SUM_MS, () => this.#sums.sendToOne());
    this.#turns = new Turns({ work, store, instance, write: (events) => this.write(events) });
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#ticks.dispose();
    for (const timer of this.#timers) timer.dispose();
    for (const sibling of this.#siblings.values()) for (const timer of sibling.timers.values()) timer.dispose();
  }

  /** Sends what was written into the log by somebody else, once that is on disk. */
  tell(): void {
    this.#ticks.gather(0);
  }

  /** Writes events of this device down and sends them to its siblings. */
  write(events: readonly RawEvent[]): void {
    this.log.append(events);
    this.#ticks.gather(events.every(({ e }) => e === 'read' || e === 'rcpt') ? GATHER_SLOW_MS : 0);
  }

  /** Sets a register for all devices. */
  set(name: string, value: unknown): void {
    if (this.log.setRegister(name, value)) this.#ticks.gather(0);
  }

  /** This device as its siblings list it; it takes part from the moment it is listed. */
  enlist(name: string): void {
    this.log.renewWhereEnded();
    const own = this.#listed(this.#deps.instance);
    const { writer } = this.log.head;
    const since = own?.since ?? this.#deps.clock.now();
    const w = [...(own?.w ?? []).filter((one) => one !== writer), writer];
    const { publicKey: pk } = this.#deps;
    this.set(`dev|${this.#deps.instance}`, { name, w, since, ...(pk === undefined ? {} : { pk }) } satisfies DeviceRegister);
  }

  /**
   * Takes part in what a sibling has: this device was paired by it. `devices`: the registers of the devices, as that sibling told them. The
   * sibling calls `admit`. `since`: from when on messages are wanted; null: all.
   */
  join(devices: readonly RawEvent[], name: string, since: number | null = null): void {
    this.log.learn(devices.filter(({ e, name }) => e === 'reg' && String(name).startsWith('dev|')));
    this.log.wantState(since);
    this.enlist(name);
  }

  /** Copies the state of a sibling again, with messages from another time on; null: all. */
  copyAgain(since: number | null): void {
    this.log.wantState(since);
    this.hurry();
  }

  /** Pulls from whoever is there, without waiting for what they say. */
  hurry(): void {
    for (const sibling of this.#siblings.values()) this.#move(sibling, 'differs');
  }

  /** Lists a device that the person has paired here. @returns the registers of all devices, for it */
  admit(instance: string, name: string): RawEvent[] {
    this.set(`dev|${instance}`, { name, w: [], since: this.#deps.clock.now() } satisfies DeviceRegister);
    return this.#deps.store.keys('reg', 'dev|', '', MAX_LISTED_DEVICES * 4).map((key) => eventOf(this.#deps.store, 'reg', key));
  }

  /** Removes a device: what it writes from now on is taken by nobody. `erase`: it shall leave, with its chats or without. */
  remove(instance: string, erase?: boolean): void {
    const listed = this.#listed(instance);
    if (listed === null || listed.removed !== undefined) return;
    const others = this.#list().flatMap((one) => (one === instance ? [] : (this.#listed(one)?.w ?? [])));
    const names = listed.w.filter((writer) => !others.includes(writer));
    const removed = Object.fromEntries(names.map((writer) => [writer, this.log.reached(writer)[0]]));
    this.set(`dev|${instance}`, { ...listed, removed, ...(erase === undefined ? {} : { erase }) });
  }

  /**
   * A message has come from the network. Where other devices `mayHave` it, too, each waits for its turn before it tells, and all but one find it told.
   * Until then it is owed: on disk when this returns, so that the network may be answered.
   */
  came(message: MessageEvent, { mayHave }: { mayHave: boolean }): void {
    this.#turns.came(message, mayHave);
  }

  /** Whether the others know a message, or will be told of it. */
  knows(key: string): boolean {
    return this.#turns.knows(key);
  }

  /** The devices of this person that are reachable at present. */
  setPresent(instances: readonly string[]): void {
    const others = instances.filter((one) => one !== this.#deps.instance).slice(0, MAX_LISTED_DEVICES);
    for (const instance of others) {
      const sibling = this.#sibling(instance);
      if (sibling.state !== 'absent' && sibling.state !== 'other version') continue;
      this.#move(sibling, 'seen');
      this.#pairedWith(sibling);
    }
    for (const sibling of this.#siblings.values()) if (!others.includes(sibling.instance)) this.#move(sibling, 'gone');
  }

  get siblings(): SiblingValue[] {
    return [...this.#siblings.values()].map(({ instance, state }) => {
      const told = this.#deps.store.told(instance);
      return { instance, state, behind: told === null ? null : ahead(this.log.vector, told) };
    });
  }

  /** A tick or a sum has come from a sibling that has proved to be one. @returns the status that answers it */
  receive(from: string, kind: 'tick' | 'sum', body: unknown): number {
    const sibling = this.#believed(from);
    if (sibling === null) return 403;
    if (!this.#hasShare(sibling)) return 503;
    if (kind === 'sum') {
      const sum = readSum(body);
      if (sum === null) return 400;
      this.#sums.came(sibling, sum);
      return 200;
    }
    const tick = readTick(body);
    return tick === null ? 400 : this.#ticks.came(sibling, tick);
  }

  /** Answers a sibling's question; null: it is none, or not a sibling's. */
  serve(from: string, question: unknown): unknown {
    const sibling = this.#believed(from);
    const request = readRequest(question);
    if (sibling === null || request === null) return null;
    // Page by page of a state it says the same as before.
    if ('want' in request && !('full' in request)) this.#sums.compare(sibling, request.want, null);
    return answer(this.log, request, this.#deps.page);
  }

  /** What is missing here and cannot be filled at present. */
  get gaps(): Gap[] {
    const others = this.#list().filter((one) => one !== this.#deps.instance);
    return gapsOf(
      this.log,
      others.map((instance) => {
        const sibling = this.#siblings.get(instance);
        return { instance, told: this.#deps.store.told(instance), isThere: sibling !== undefined && isReachable(sibling) };
      }),
    );
  }

  /** Removes what every listed device has from the log. For once a day. */
  prune(): void {
    const { store, clock, instance } = this.#deps;
    const others = this.#list().filter((one) => one !== instance);
    this.log.prune(
      prunable(
        this.log,
        others.map((one) => store.told(one)),
        clock.now(),
      ),
    );
  }

  // The devices that count as siblings.

  #list(): string[] {
    const names = this.#deps.store.keys('reg', 'dev|', '', MAX_LISTED_DEVICES * 4);
    return names.map((name) => name.slice('dev|'.length)).filter((instance) => this.#listed(instance)?.removed === undefined);
  }

  /** What is known of a device that takes part, or did; null: it never did. */
  listed(instance: string): DeviceRegister | null {
    return this.#listed(instance);
  }

  /** Every device that takes part, or did, by its instance ID. */
  get listedDevices(): { instance: string; register: DeviceRegister }[] {
    return this.#deps.store.keys('reg', 'dev|', '', MAX_LISTED_DEVICES * 4).flatMap((key) => {
      const instance = key.slice('dev|'.length);
      const register = this.#listed(instance);
      return register === null ? [] : [{ instance, register }];
    });
  }

  #listed(instance: string): DeviceRegister | null {
    const value = this.log.register(`dev|${instance}`)?.val;
    return typeof value === 'object' && value !== null && Array.isArray((value as DeviceRegister).w) ? (value as DeviceRegister) : null;
  }

  /**
   * The sibling that a request comes from; null for one that was removed. One that is not listed yet was paired by a device that has not told of
   * it: that its request could be opened proves that.
   */
  #believed(instance: string): Sibling | null {
    if (this.#listed(instance)?.removed !== undefined || this.isRemoved || instance === this.#deps.instance) return null;
    const sibling = this.#sibling(instance);
    if (sibling.state === 'absent') this.#move(sibling, 'seen');
    this.#move(sibling, 'paired');
    return sibling;
  }

  /** Whether another device has removed this one. */
  get isRemoved(): boolean {
    return this.#listed(this.#deps.instance)?.removed !== undefined;
  }

  #listChanged(): void {
    for (const sibling of this.#siblings.values()) {
      if (this.#listed(sibling.instance)?.removed !== undefined) this.#move(sibling, 'removed');
      else this.#pairedWith(sibling);
    }
  }

  #pairedWith(sibling: Sibling): void {
    const listed = this.#listed(sibling.instance);
    const isPaired = listed !== null || this.#deps.isPaired?.(sibling.instance) === true;
    if (sibling.state !== 'present' || !isPaired || listed?.removed !== undefined || this.isRemoved) return;
    this.#move(sibling, 'paired');
    const delay = this.#deps.instance < sibling.instance ? this.#deps.clock.random() * FIRST_SUM_MS : FIRST_SUM_MS * 2;
    this.#timer(sibling, 'first', delay, () => {
      if (sibling.state === 'behind?') this.#sums.send(sibling, true);
    });
  }

  #sibling(instance: string): Sibling {
    const here = this.#siblings.get(instance);
    if (here !== undefined) return here;
    const sibling = newSibling(instance);
    this.#siblings.set(instance, sibling);
    return sibling;
  }

  #move(sibling: Sibling, event: SiblingEvent): void {
    const before = sibling.state;
    sibling.state = nextSiblingState(before, event);
    if (sibling.state === before) return;
    if (event === 'gone' || event === 'removed') {
      for (const timer of sibling.timers.values()) timer.dispose();
      sibling.timers.clear();
      sibling.early = [];
      sibling.failures = 0;
      sibling.reminders = 0;
    }
    this.#deps.siblingsChanged?.();
    if (sibling.state === 'pulling' && before !== 'filling') this.#pulls.pump();
  }

  #told(sibling: Sibling, vector: Vector): void {
    this.#deps.store.transaction(() => this.#deps.store.setTold(sibling.instance, vector));
    this.#deps.siblingsChanged?.();
  }

  /** This device writes under another name since it met a sibling that knew more of it: its disk is an old copy, or another one writes, too. */
  #renewed(): void {
    const own = this.#listed(this.#deps.instance);
    if (own !== null && own.removed === undefined) this.enlist(own.name);
    this.#ticks.gather(0);
  }

  #pulled(sibling: Sibling, outcome: 'done' | 'cut' | 'gone', isRenewed: boolean): void {
    if (isRenewed) this.#renewed();
    if (outcome !== 'cut') this.#ticks.takeEarly(sibling);
    this.#ticks.gather(0);
  }

  // Small tools.

  #work(): SiblingWork {
    const { clock, log: logger } = this.#deps;
    return {
      ...{ clock, logger, log: this.log },
      siblings: () => [...this.#siblings.values()],
      isSilent: () => this.#isDisposed || this.isRemoved,
      move: (sibling, event) => this.#move(sibling, event),
      told: (sibling, vector) => this.#told(sibling, vector),
      remind: (sibling) => this.#sums.remind(sibling),
      timer: (sibling, name, delay, callback) => this.#timer(sibling, name, delay, callback),
      after: (ms, callback) => this.#after(ms, callback),
      answered: (sent, then) => this.#answered(sent, then),
    };
  }

  #hasShare(sibling: Sibling): boolean {
    const second = Math.floor(this.#deps.clock.now() / 1_000);
    if (sibling.second !== second) Object.assign(sibling, { second, requests: 0 });
    sibling.requests += 1;
    return sibling.requests <= MAX_PER_SECOND;
  }

  /** A disk that fails within a timer or an answer ends nothing but that work: what was not written is pulled again. */
  #safely(work: () => void): void {
    if (this.#isDisposed) return;
    try {
      work();
    } catch (error) {
      this.#deps.log.error('Own devices: the history failed', { error: String(error) });
    }
  }

  #answered(sent: Promise<number>, then: (status: number) => void): void {
    drop(
      sent.then((status) => this.#safely(() => then(status))),
      this.#deps.log,
      'A message to a sibling',
    );
  }

  #timer(sibling: Sibling, name: SiblingTimer, delay: number, callback: () => void): void {
    sibling.timers.get(name)?.dispose();
    const timer = this.#deps.clock.setTimer(delay, () => {
      sibling.timers.delete(name);
      this.#safely(callback);
    });
    sibling.timers.set(name, timer);
  }

  #after(ms: number, callback: () => void): Disposable {
    const timer = this.#deps.clock.setTimer(ms, () => {
      this.#timers.delete(timer);
      this.#safely(callback);
    });
    this.#timers.add(timer);
    return {
      dispose: () => {
        this.#timers.delete(timer);
        timer.dispose();
      },
    };
  }

  #every(ms: number, callback: () => void): void {
    this.#after(ms, () => {
      this.#every(ms, callback);
      callback();
    });
  }
}
