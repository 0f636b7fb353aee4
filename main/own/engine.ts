/**
 * Keeps the histories of one person's devices equal. Events of this device leave as ticks at once; what is missed is found by sums and gaps,
 * and pulled in pages. How bytes reach a sibling is not known here: see `Wire`. The life of a sibling is drawn in sibling.ts.
 */
import type { Clock } from '../../base/clock';
import { type Disposable, DisposableStore } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import type { MessageEvent, RawEvent } from './events';
import { type Change, eventOf, isDeleted } from './joins';
import { type DeviceRegister, MAX_LISTED_DEVICES, OwnLog } from './log';
import { entriesOfTick, MAX_TICK_EVENTS, readSum, readTick, type Sum, type Tick } from './messages';
import { answer, type PageLimits, readRequest } from './pages';
import { pull, type Question } from './pull';
import { nextSiblingState, type SiblingEvent, type SiblingState } from './sibling';
import type { OwnStore } from './store';
import { ahead, equalVectors, markOf, type Vector } from './vector';

/** LAB: how long events that follow one another are gathered, and those that can wait: read marks and receipts. */
const GATHER_MS = 200;
const GATHER_SLOW_MS = 2_000;
/** LAB: how long a tick that came too early waits for the one before it, and how many events wait at most for one sibling. */
const GAP_MS = 500;
const MAX_WAITING_EVENTS = 64;
/** LAB: the longest wait before the first sum to a device that has appeared, so that they do not all speak at once. */
const FIRST_SUM_MS = 3_000;
/** LAB: how often one sibling, chosen at random, is told a sum although nothing happened. */
const IDLE_SUM_MS = 15 * 60_000;
/** LAB: pauses between attempts to reach a sibling, doubling; and how often one is reminded that does not answer. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
const MAX_REMINDERS = 6;
/** LAB: how many ticks and sums a second one sibling may send, and how long two sums to one are apart that answer no other. */
const MAX_PER_SECOND = 50;
const NUDGE_MS = 5_000;
/** LAB: how long each further device waits before it tells the others of a message that came to several of them. */
const RANK_MS = 1_000;
/** LAB: how often equal vectors with unequal digests make a device copy the whole state of a sibling, at most. */
const REPAIR_MS = 60 * 60_000;
/** LAB: how long the log is kept at least, and at most; in between, until all listed devices have it. */
const KEEP_LOG_MS = 30 * 86_400_000;
const KEEP_LOG_AT_MOST_MS = 400 * 86_400_000;

/** The ways to a sibling. They end in SIP status codes: 200 taken and on disk, anything else not. */
export interface Wire {
  send(to: string, kind: 'tick' | 'sum', body: Tick | Sum): Promise<number>;
  /** A way for questions, which answers null where it is cut, `REFUSED` where the sibling refuses; null: there is none at present. */
  open(to: string): Promise<{ ask(question: Question): Promise<unknown>; close(): void } | null>;
  /** Whether a tick can travel in one request. */
  fits(tick: Tick): boolean;
}

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
  /** As the last work of each transaction that changed the state. */
  inside?(changes: readonly Change[]): void;
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

interface Sibling {
  instance: string;
  state: SiblingState;
  /** Of the own writer: what was sent to it in ticks. */
  sent: { writer: string; n: number };
  /** Ticks that came before the one they follow. */
  early: Tick[];
  timers: Map<'gap' | 'retry' | 'remind' | 'first', Disposable>;
  failures: number;
  reminders: number;
  nudgedAt: number;
  repairedAt: number;
  /** Requests that came within the current second. */
  second: number;
  requests: number;
}

export class OwnDevices implements Disposable {
  readonly log: OwnLog;
  readonly #deps: OwnDevicesDeps;
  readonly #own = new DisposableStore();
  readonly #siblings = new Map<string, Sibling>();
  #gathering: Disposable | null = null;
  #isResting = false;
  #hasMore = false;
  #isPulling = false;
  #isDisposed = false;

  constructor(deps: OwnDevicesDeps) {
    this.#deps = deps;
    const { store, instance, clock } = deps;
    this.log = new OwnLog({
      store,
      instance,
      now: () => clock.now(),
      random: deps.random,
      inside: (changes) => deps.inside?.(changes),
      changed: (changes) => {
        if (changes.some(({ kind, key }) => kind === 'reg' && key.startsWith('dev|'))) this.#listChanged();
        deps.changed?.(changes);
      },
    });
    this.#every(IDLE_SUM_MS, () => this.#sumToOne());
    for (const { key } of store.owed()) this.#writeLater(key);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#own.dispose();
    this.#gathering?.dispose();
    for (const sibling of this.#siblings.values()) for (const timer of sibling.timers.values()) timer.dispose();
  }

  /** Sends what was written into the log by somebody else, once that is on disk. */
  tell(): void {
    this.#gather(0);
  }

  /** Writes events of this device down and sends them to its siblings. */
  write(events: readonly RawEvent[]): void {
    this.log.append(events);
    this.#gather(events.every(({ e }) => e === 'read' || e === 'rcpt') ? GATHER_SLOW_MS : 0);
  }

  /** Sets a register for all devices. */
  set(name: string, value: unknown): void {
    if (this.log.setRegister(name, value)) this.#gather(0);
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
    const { store } = this.#deps;
    const key = message.k;
    if (this.knows(key) || isDeleted(store, key)) return;
    if (mayHave && this.#rank() > 0) {
      store.transaction(() => store.setOwed(key, message));
      this.#writeLater(key);
    } else this.write([message]);
  }

  /** Whether the others know a message, or will be told of it. */
  knows(key: string): boolean {
    const { store } = this.#deps;
    return store.element('msg', key) !== undefined || store.owed().some((owed) => owed.key === key);
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
      this.#sumCame(sibling, sum);
      return 200;
    }
    const tick = readTick(body);
    return tick === null ? 400 : this.#tickCame(sibling, tick);
  }

  /** Answers a sibling's question; null: it is none, or not a sibling's. */
  serve(from: string, question: unknown): unknown {
    const sibling = this.#believed(from);
    const request = readRequest(question);
    if (sibling === null || request === null) return null;
    // Page by page of a state it says the same as before.
    if ('want' in request && !('full' in request)) this.#compare(sibling, request.want, null);
    return answer(this.log, request, this.#deps.page);
  }

  /** Removes what every listed device has from the log. For once a day. */
  prune(): void {
    const { store, clock, instance } = this.#deps;
    const others = this.#list().filter((one) => one !== instance);
    const upTo: Record<string, number> = {};
    for (const writer of Object.keys(this.log.vector)) {
      const known = others.map((one) => this.#provenMark(store.told(one) ?? {}, writer));
      const all = Math.min(...known, markOf(this.log.vector, writer)[0]);
      for (const row of store.rows(writer, this.log.head.floor[writer] ?? 0, Number.MAX_SAFE_INTEGER)) {
        const age = clock.now() - row.at;
        if (age < KEEP_LOG_MS || (row.n > all && age < KEEP_LOG_AT_MOST_MS)) break;
        upTo[writer] = row.n;
      }
    }
    this.log.prune(upTo);
  }

  /** A sibling's mark counts only where it stands in the same log as ours. */
  #provenMark(told: Vector, writer: string): number {
    const [n, h] = markOf(told, writer);
    return this.log.hashAt(writer, n) === h ? n : 0;
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
      if (sibling.state === 'behind?') this.#sum(sibling, true);
    });
  }

  #sibling(instance: string): Sibling {
    const here = this.#siblings.get(instance);
    if (here !== undefined) return here;
    const sibling: Sibling = {
      instance,
      state: 'absent',
      sent: { writer: '', n: 0 },
      early: [],
      timers: new Map(),
      failures: 0,
      reminders: 0,
      nudgedAt: Number.NEGATIVE_INFINITY,
      repairedAt: Number.NEGATIVE_INFINITY,
      second: 0,
      requests: 0,
    };
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
    if (sibling.state === 'pulling' && before !== 'filling') drop(this.#pump(), this.#deps.log, 'A pull from a sibling');
  }

  #isReachable({ state }: Sibling): boolean {
    return state === 'behind?' || state === 'level' || state === 'waiting' || state === 'pulling' || state === 'filling';
  }

  // Ticks out.

  /** Sends what is new after `delay`, or when the pause after the last ticks is over. The wall clock may jump, so timers alone measure. */
  #gather(delay: number): void {
    if (this.#isResting) this.#hasMore = true;
    else if (delay === 0) this.#flush();
    else this.#gathering ??= this.#deps.clock.setTimer(delay, () => this.#safely(() => this.#flush()));
  }

  #flush(): void {
    this.#gathering?.dispose();
    this.#gathering = null;
    if (this.#isDisposed || this.isRemoved) return;
    const sent = [...this.#siblings.values()].filter((sibling) => this.#isReachable(sibling) && this.#tick(sibling));
    if (sent.length === 0) return;
    this.#isResting = true;
    this.#own.add(this.#deps.clock.setTimer(GATHER_MS, () => this.#safely(() => this.#rested())));
  }

  #rested(): void {
    this.#isResting = false;
    if (this.#hasMore) this.#flush();
    this.#hasMore = false;
  }

  /** Sends a sibling the events that it was not sent yet. @returns false: there were none */
  #tick(sibling: Sibling): boolean {
    const { writer, vector, floor } = this.log.head;
    const [last] = markOf(vector, writer);
    const from = sibling.sent.writer === writer ? sibling.sent.n : 0;
    const start = Math.max(from, floor[writer] ?? 0, last - MAX_TICK_EVENTS);
    if (start >= last) return false;
    const rows = this.#deps.store.rows(writer, start, MAX_TICK_EVENTS);
    let before = this.log.hashAt(writer, start);
    let at = start;
    while (rows.length > 0 && before !== null) {
      let size = rows.length;
      const tickOf = (count: number): Tick => {
        const taken = rows.slice(0, count);
        const end = taken.at(-1);
        const ev = taken.flatMap((row) => (row.ev === null ? [] : [row.ev]));
        return { w: writer, p: [at, before ?? ''], n: [end?.n ?? at, end?.h ?? ''], ev };
      };
      while (size > 1 && !this.#deps.wire.fits(tickOf(size))) size -= 1;
      const tick = tickOf(size);
      this.#send(sibling, this.#deps.wire.fits(tick) ? tick : { ...tick, ev: [] });
      at = tick.n[0];
      before = tick.n[1];
      rows.splice(0, size);
    }
    sibling.sent = { writer, n: last };
    return true;
  }

  #send(sibling: Sibling, tick: Tick): void {
    this.#answered(this.#deps.wire.send(sibling.instance, 'tick', tick), (status) => {
      if (status === 200) this.#told(sibling, { ...this.#deps.store.told(sibling.instance), [tick.w]: tick.n });
      else if (status === 415 || status === 488) this.#move(sibling, 'other version');
      else if (status === 403) this.#move(sibling, 'gone');
      else if (status !== 202) this.#remind(sibling);
    });
  }

  /** A tick or a sum was not taken. A sum says the same again, and says it all. */
  #remind(sibling: Sibling): void {
    if (sibling.reminders >= MAX_REMINDERS || sibling.timers.has('remind')) return;
    const pause = Math.min(RETRY_MS * 2 ** sibling.reminders, LONGEST_RETRY_MS);
    sibling.reminders += 1;
    this.#timer(sibling, 'remind', pause, () => {
      if (this.#isReachable(sibling)) this.#sum(sibling, true);
    });
  }

  #sum(sibling: Sibling, ask: boolean): void {
    const { vector, digest } = this.log.head;
    const dig = this.#isWhole ? { dig: digest } : {};
    const sum: Sum = { vec: { ...vector } as Sum['vec'], ends: { ...this.log.ends }, ask, ...dig };
    this.#answered(this.#deps.wire.send(sibling.instance, 'sum', sum), (status) => {
      if (status === 200) sibling.reminders = 0;
      else if (status === 415 || status === 488) this.#move(sibling, 'other version');
      else if (status === 403) this.#move(sibling, 'gone');
      else this.#remind(sibling);
    });
  }

  #sumToOne(): void {
    const reachable = [...this.#siblings.values()].filter((sibling) => this.#isReachable(sibling));
    const one = reachable[Math.floor(this.#deps.clock.random() * reachable.length)];
    if (one !== undefined && !this.isRemoved) this.#sum(one, true);
  }

  // Ticks and sums in.

  #tickCame(sibling: Sibling, tick: Tick): number {
    if (this.log.limit(tick.w) < tick.n[0]) return 412;
    if ([tick.p, tick.n].some((mark) => this.log.differing({ [tick.w]: mark }).length > 0)) {
      this.#move(sibling, 'differs');
      return 412;
    }
    const [reached] = this.log.reached(tick.w);
    if (tick.n[0] <= reached) return 200;
    const entries = entriesOfTick(tick);
    if (entries === null || tick.p[0] > reached) {
      this.#early(sibling, tick, entries !== null);
      return 202;
    }
    this.log.take(new Map([[tick.w, entries]]));
    this.#takeEarly(sibling);
    this.#gather(0);
    return this.log.reached(tick.w)[0] >= tick.n[0] ? 200 : 202;
  }

  #early(sibling: Sibling, tick: Tick, isWhole: boolean): void {
    const waiting = sibling.early.reduce((sum, { ev }) => sum + ev.length, 0);
    if (isWhole && waiting + tick.ev.length <= MAX_WAITING_EVENTS) sibling.early.push(tick);
    this.#move(sibling, 'gap');
    if (!sibling.timers.has('gap')) this.#timer(sibling, 'gap', isWhole ? GAP_MS : 0, () => this.#late(sibling));
  }

  #late(sibling: Sibling): void {
    sibling.early = [];
    this.#move(sibling, 'late');
  }

  #takeEarly(sibling: Sibling): void {
    for (let found = true; found; ) {
      found = false;
      for (const tick of [...sibling.early]) {
        const [reached] = this.log.reached(tick.w);
        if (tick.p[0] > reached) continue;
        sibling.early.splice(sibling.early.indexOf(tick), 1);
        if (tick.n[0] > reached) this.log.take(new Map([[tick.w, entriesOfTick(tick) ?? []]]));
        found = true;
      }
    }
    if (sibling.early.length > 0 || sibling.state !== 'waiting') return;
    sibling.timers.get('gap')?.dispose();
    sibling.timers.delete('gap');
    this.#move(sibling, 'came');
  }

  #sumCame(sibling: Sibling, sum: Sum): void {
    this.#compare(sibling, sum.vec, sum.dig ?? null);
    if (sum.ask) this.#sum(sibling, false);
    else if (this.#lacks(sum.vec, sum.ends)) this.#nudge(sibling);
  }

  /** Whether the sibling lacks something that it may have. */
  #lacks(vector: Vector, ends: Readonly<Record<string, number>>): boolean {
    return Object.entries(this.log.vector).some(([writer, [n]]) => markOf(vector, writer)[0] < Math.min(n, ends[writer] ?? n));
  }

  #nudge(sibling: Sibling): void {
    const now = this.#deps.clock.now();
    if (Math.abs(now - sibling.nudgedAt) < NUDGE_MS) return;
    sibling.nudgedAt = now;
    this.#sum(sibling, false);
  }

  /** A sibling has told how far it is. */
  #compare(sibling: Sibling, vector: Vector, digest: string | null): void {
    const { writer } = this.log.head;
    this.log.meet(vector);
    if (this.log.head.writer !== writer) this.#renewed();
    this.#told(sibling, vector);
    const wants = Object.entries(vector).some(([one, [n]]) => markOf(this.log.vector, one)[0] < Math.min(n, this.log.limit(one)));
    if (wants || this.log.differing(vector).length > 0) {
      this.#move(sibling, 'differs');
      return;
    }
    if (!equalVectors(vector, this.log.vector)) return;
    this.#move(sibling, 'equal');
    const { clock, log } = this.#deps;
    const isRepair = digest !== null && digest !== this.log.head.digest && this.#isWhole;
    if (!isRepair || Math.abs(clock.now() - sibling.repairedAt) < REPAIR_MS) return;
    log.warn('A sibling has the same events and another state: its state is taken', { sibling: sibling.instance });
    sibling.repairedAt = clock.now();
    this.#wholeState.add(sibling.instance);
    this.#move(sibling, 'differs');
  }

  /** Whether the state here is what the vector says, so that digests can be compared. */
  get #isWhole(): boolean {
    const { filling, since } = this.log.head;
    return filling === null && since === undefined;
  }

  /** Siblings whose whole state this device must copy, although no event is missing. */
  readonly #wholeState = new Set<string>();

  #told(sibling: Sibling, vector: Vector): void {
    this.#deps.store.transaction(() => this.#deps.store.setTold(sibling.instance, vector));
    this.#deps.siblingsChanged?.();
  }

  /** This device writes under another name since it met a sibling that knew more of it: its disk is an old copy, or another one writes, too. */
  #renewed(): void {
    const own = this.#listed(this.#deps.instance);
    if (own !== null && own.removed === undefined) this.enlist(own.name);
    this.#gather(0);
  }

  // Pulls.

  /** One pull at a time: what two siblings have is mostly the same. */
  async #pump(): Promise<void> {
    if (this.#isPulling || this.#isDisposed) return;
    const sibling = [...this.#siblings.values()].find(({ state }) => state === 'pulling');
    if (sibling === undefined) return;
    this.#isPulling = true;
    const { writer } = this.log.head;
    const wholeState = this.#wholeState.delete(sibling.instance);
    const outcome = await this.#pullFrom(sibling, wholeState).finally(() => {
      this.#isPulling = false;
    });
    if (this.#isDisposed) return;
    if (this.log.head.writer !== writer) this.#renewed();
    this.#move(sibling, outcome);
    if (outcome === 'cut') this.#again(sibling);
    else {
      sibling.failures = 0;
      this.#takeEarly(sibling);
    }
    this.#gather(0);
    drop(this.#pump(), this.#deps.log, 'A pull from a sibling');
  }

  async #pullFrom(sibling: Sibling, wholeState: boolean): Promise<'done' | 'cut' | 'gone'> {
    try {
      const channel = await this.#deps.wire.open(sibling.instance);
      if (channel === null) return 'cut';
      const isStopped = () => this.#isDisposed || (sibling.state !== 'pulling' && sibling.state !== 'filling');
      const moved = (event: 'page' | 'below floor' | 'done') => this.#move(sibling, event);
      const told = (vector: Vector) => this.#told(sibling, vector);
      return await pull({ log: this.log, ask: (question) => channel.ask(question), isStopped, moved, told, wholeState }).finally(() =>
        channel.close(),
      );
    } catch (error) {
      this.#deps.log.warn('A pull from a sibling failed', { sibling: sibling.instance, error: String(error) });
      return 'cut';
    }
  }

  #again(sibling: Sibling): void {
    const pause = Math.min(RETRY_MS * 2 ** Math.min(sibling.failures, 16), LONGEST_RETRY_MS);
    sibling.failures += 1;
    this.#timer(sibling, 'retry', pause, () => this.#move(sibling, 'late'));
  }

  // Messages that came to several devices.

  /** The place of this device among the present ones. */
  #rank(): number {
    const present = [...this.#siblings.values()].filter((sibling) => this.#isReachable(sibling)).map(({ instance }) => instance);
    return [...present, this.#deps.instance].sort().indexOf(this.#deps.instance);
  }

  #writeLater(key: string): void {
    this.#own.add(
      this.#deps.clock.setTimer(this.#rank() * RANK_MS, () => {
        this.#safely(() => {
          const owed = this.#deps.store.owed().find((one) => one.key === key);
          if (owed !== undefined) this.write([owed.event]);
        });
      }),
    );
  }

  // Small tools.

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

  #timer(sibling: Sibling, name: 'gap' | 'retry' | 'remind' | 'first', delay: number, callback: () => void): void {
    sibling.timers.get(name)?.dispose();
    const timer = this.#deps.clock.setTimer(delay, () => {
      sibling.timers.delete(name);
      this.#safely(callback);
    });
    sibling.timers.set(name, timer);
  }

  #every(ms: number, callback: () => void): void {
    const turn = () => {
      this.#own.add(
        this.#deps.clock.setTimer(ms, () => {
          turn();
          this.#safely(callback);
        }),
      );
    };
    turn();
  }
}
