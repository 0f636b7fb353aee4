/**
 * One run of the fault campaign: a seed decides who writes what to whom, and what goes wrong meanwhile. Real accounts (SIP client, MSRP,
 * messenger, history on disk) over a faulty network in virtual time. When everything has been mended and time has passed, nothing
 * acknowledged is lost, nothing doubled, each sender's order kept, and every text has come to an end that its sender sees.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Account } from '../../main/account';
import { type Clock, createStderrLogger, disposable, drop, setListenerErrorReporter, silentLogger } from '../../main/base';
import type { History, MessageRecord } from '../../main/history/history';
import { openHistory } from '../../main/history/history';
import type { RegistrationStore } from '../../main/sip/client';
import { type Break, FaultyNetwork, type Mischief, type Mishap } from './faulty-network';
import { type Moment, mortalHistory, ProcessDied, persistedSteps } from './mortal-history';
import { settled, takeOverTimers, VirtualClock } from './virtual-clock';

const moments: readonly Moment[] = ['before', 'after'];
const legs = ['sender', 'receiver'] as const;
const sipBreaks: readonly Break[] = ['mid head', 'mid body', 'after its last byte', 'mid answer'];
const sendBreaks: readonly Break[] = [
  'mid head',
  'mid body',
  'before its end line',
  'between two chunks',
  'after its last byte',
  'mid answer',
];
const mishaps: readonly Mishap[] = ['lost', 'doubled', 'late'];

const deathClass = (step: string, moment: Moment) => `process dies ${moment} “${step}” is on disk`;
const breakClass = (method: string, at: Break, leg: string) =>
  method === 'SEND' ? `media breaks: SEND ${at}` : `connection of the ${leg} breaks: ${method} ${at}`;
const answerClass = (method: string, mishap: Mishap) => `answer to ${method} ${mishap}`;
const doubleClass = (method: string) => `${method} comes twice`;
const outages = ['the servers restart', 'a device loses its network'] as const;

/** Everything that can go wrong here. */
export const faultClasses: readonly string[] = [
  ...persistedSteps.flatMap((step) => moments.map((moment) => deathClass(step, moment))),
  ...['INVITE', 'MESSAGE'].flatMap((method) => legs.flatMap((leg) => sipBreaks.map((at) => breakClass(method, at, leg)))),
  ...sendBreaks.map((at) => breakClass('SEND', at, '')),
  ...['INVITE', 'MESSAGE', 'SEND'].flatMap((method) => mishaps.map((mishap) => answerClass(method, mishap))),
  ...['INVITE', 'MESSAGE'].map(doubleClass),
  ...outages,
];

export interface RunOutcome {
  /** How often which fault struck. */
  struck: ReadonlyMap<string, number>;
  texts: number;
  /** What must not be; empty when all is well. */
  problems: string[];
  /** What happened, in virtual seconds, for whoever looks into a failure. */
  story: string[];
}

const key = 'ab'.repeat(32);
const people = ['alice', 'bob', 'carol'];
/** How long one act of a run is, and how many there are at most: one more while the fault that the run is about has not struck. */
const actMs = 60_000;
const acts = 4;
/** How long everything may take to come right afterwards. */
const calmMs = 40 * 60_000;
const addressOf = (name: string) => `sip:${name}@lab.test`;

/** Runs the campaign of one seed. It takes over `setTimeout` while it runs, so one runs at a time. */
export async function runCampaign(seed: number): Promise<RunOutcome> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'chorus-faults-'));
  const clock = new VirtualClock({ seed });
  const timers = takeOverTimers(clock);
  const run = new Run(seed, clock, folder);
  setListenerErrorReporter((error) => run.failed(error));
  try {
    await run.play();
    return run.outcome;
  } finally {
    run.dispose();
    await settled();
    timers.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Run {
  readonly #clock: VirtualClock;
  readonly #folder: string;
  readonly #network: FaultyNetwork;
  readonly #devices: Device[] = [];
  /** Fault classes still to strike, and how many occasions each lets pass first. */
  readonly #armed = new Map<string, number>();
  readonly #struck = new Map<string, number>();
  readonly #story: string[] = [];
  readonly #problems: string[] = [];
  /** What `sendText` has said yes to. */
  readonly #accepted: { device: Device; message: string }[] = [];
  /** The fault that this run is about. */
  readonly #main: string;
  #texts = 0;

  constructor(seed: number, clock: VirtualClock, folder: string) {
    this.#clock = clock;
    this.#folder = folder;
    this.#network = new FaultyNetwork(clock, this.#mischief());
    this.#main = faultClasses[seed % faultClasses.length] as string;
    this.#arm(this.#main);
    for (let more = Math.floor(clock.random() * 3); more > 0; more -= 1) this.#arm(this.#pick(faultClasses));
  }

  get outcome(): RunOutcome {
    return { struck: this.#struck, texts: this.#texts, problems: this.#problems, story: this.#story };
  }

  async play(): Promise<void> {
    const count = this.#clock.random() < 0.25 ? 3 : 2;
    for (const name of people.slice(0, count)) this.#devices.push(new Device(name, this.#folder, this.#clock, this.#network, this));
    for (const device of this.#devices) device.start();
    await this.#clock.advance(1_000);
    for (let act = 0; act < acts && (act === 0 || this.#armed.has(this.#main)); act += 1) {
      // What has found no occasion yet takes the first one.
      if (act > 0) this.#armed.set(this.#main, 0);
      this.#script();
      await this.#clock.advance(actMs);
    }
    this.tell('all is mended');
    this.#armed.clear();
    for (const device of this.#devices) device.start();
    await this.#clock.advance(calmMs / 2);
    // The person presses Retry, as the program says.
    for (const device of this.#devices) for (const failed of device.sent().filter(({ state }) => state === 'failed')) device.retry(failed.id);
    await this.#clock.advance(calmMs / 2);
    this.#judge();
  }

  dispose(): void {
    for (const device of this.#devices) device.stop();
  }

  /** Somebody threw where nobody catches; a process that is gone may. */
  failed(error: unknown): void {
    if (!(error instanceof ProcessDied)) this.#problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  tell(what: string): void {
    this.#story.push(`${((this.#clock.now() - 1_700_000_000_000) / 1000).toFixed(3).padStart(9)}  ${what}`);
  }

  /** Whether this occasion is the one for which the fault is armed. */
  strikes(fault: string): boolean {
    const left = this.#armed.get(fault);
    if (left === undefined) return false;
    if (left > 0) {
      this.#armed.set(fault, left - 1);
      return false;
    }
    this.#armed.delete(fault);
    this.#struck.set(fault, (this.#struck.get(fault) ?? 0) + 1);
    this.tell(`* ${fault}`);
    return true;
  }

  #mischief(): Mischief {
    return {
      breaks: (method, at, leg) => this.strikes(breakClass(method, at, leg)),
      answer: (method) => mishaps.find((mishap) => this.strikes(answerClass(method, mishap))) ?? null,
      doubles: (method) => this.strikes(doubleClass(method)),
    };
  }

  #arm(fault: string): void {
    this.#armed.set(fault, Math.floor(this.#clock.random() * 4));
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#clock.random() * from.length)] as T;
  }

  // ---------------------------------------------------------------- what people do

  #script(): void {
    const soon = () => Math.floor(this.#clock.random() * actMs * 0.7);
    const at = (ms: number, work: () => void) => this.#clock.setTimer(ms, work);
    for (let cluster = 2 + Math.floor(this.#clock.random() * 3); cluster > 0; cluster -= 1) {
      const start = soon();
      for (let text = 1 + Math.floor(this.#clock.random() * 4); text > 0; text -= 1) {
        const device = this.#pick(this.#devices);
        const to = this.#pick(this.#devices.filter((each) => each !== device));
        const length = this.#clock.random() < (/chunks/.test(this.#main) ? 0.3 : 0.03) ? 150_000 : 0;
        const pagers = /MESSAGE/.test(this.#main) ? 0.6 : 0.25;
        const mode = this.#clock.random() < pagers && length === 0 ? ('pager' as const) : ('session' as const);
        // Some are written at once, some while the one before is on its way.
        const afterMs = this.#clock.random() < 0.3 ? 0 : Math.floor(this.#clock.random() * 400);
        at(start + afterMs, () => this.#write(device, to, mode, length));
      }
    }
    if (this.#clock.random() < 0.5) at(soon(), () => this.#pick(this.#devices).closeSessions());
    for (const device of this.#devices) if (this.#clock.random() < 0.7) at(soon(), () => device.readAll());
    for (const outage of outages) {
      if (!this.#armed.has(outage)) continue;
      this.#armed.set(outage, 0);
      at(soon(), () => {
        if (!this.strikes(outage)) return;
        const ms = Math.floor(this.#clock.random() * 20_000);
        if (outage === 'the servers restart') this.#network.restart(ms);
        else this.#network.cutOff(this.#pick(this.#devices).name, ms);
      });
    }
    // Nobody is there for a while: what is written then fails, or waits.
    if ([...this.#armed.keys()].some((fault) => /fail|wait/.test(fault))) {
      const device = this.#pick(this.#devices);
      at(0, () => this.#network.cutOff(device.name, 5_000 + Math.floor(this.#clock.random() * 25_000)));
      at(2_000, () => this.#write(this.#pick(this.#devices.filter((each) => each !== device)), device, 'session', 0));
    }
  }

  #write(device: Device, to: Device, mode: 'session' | 'pager', length: number): void {
    this.#texts += 1;
    const text = `${this.#texts} ${device.name} to ${to.name} ${'x'.repeat(length)}`;
    const message = device.write(to.name, text, mode);
    this.tell(`${device.name} writes ${text.slice(0, 30)} by ${mode}: ${message}`);
    if (message !== null) this.#accepted.push({ device, message });
  }

  // ---------------------------------------------------------------- the judgement

  #judge(): void {
    for (const { device, message } of this.#accepted)
      if (device.sent().every(({ id }) => id !== message)) this.#problems.push(`${device.name} has lost the text ${message} of its own`);
    for (const from of this.#devices)
      for (const to of this.#devices) if (from !== to) this.#judgePair(from.sentTo(to.name), to.receivedFrom(from.name), `${from.name} to ${to.name}`);
    for (const device of this.#devices) {
      const jobs = device.jobs();
      if (jobs.length > 0) this.#problems.push(`${device.name} still has jobs: ${JSON.stringify(jobs).slice(0, 400)}`);
    }
  }

  #judgePair(sent: MessageRecord[], received: MessageRecord[], way: string): void {
    const problem = (what: string, { id, text, state }: MessageRecord) =>
      this.#problems.push(`${way}: ${what}: “${text.slice(0, 30)}” (${id}, ${state})`);
    for (const message of sent) {
      const copies = received.filter(({ text }) => text === message.text).length;
      if (copies > 1) problem(`is there ${copies} times`, message);
      const isThere = ['sent', 'delivered', 'displayed'].includes(message.state);
      if (isThere && copies === 0) problem('is lost', message);
      if (message.state === 'sent') problem('was never confirmed', message);
      if (message.state === 'failed' && message.error === null) problem('has failed without a reason', message);
      if (!isThere && message.state !== 'failed') problem('has come to no end', message);
    }
    for (const message of received) if (sent.every(({ text }) => text !== message.text)) problem('was never written', message);
    const texts = (messages: readonly MessageRecord[]) => messages.map(({ text }) => text);
    const both = texts(sent).filter((text) => texts(received).includes(text));
    if (both.join() !== texts(received).join()) this.#problems.push(`${way}: another order: ${numbers(both)} became ${numbers(texts(received))}`);
  }
}

const numbers = (texts: readonly string[]) => texts.map((text) => text.split(' ')[0]).join(' ');

/** One person's device: processes that die and come again, over one disk. */
class Device {
  readonly name: string;
  readonly #folder: string;
  readonly #clock: VirtualClock;
  readonly #network: FaultyNetwork;
  readonly #run: Run;
  /** Call-ID and CSeq of the registration, as settings.json keeps them. */
  #registration: ReturnType<RegistrationStore['load']> = null;
  #generation = 0;
  #process: { account: Account; history: History; end: () => void } | null = null;

  constructor(name: string, folder: string, clock: VirtualClock, network: FaultyNetwork, run: Run) {
    this.name = name;
    this.#folder = folder;
    this.#clock = clock;
    this.#network = network;
    this.#run = run;
  }

  /** Nothing while it runs. */
  start(): void {
    if (this.#process !== null) return;
    const file = this.#file(this.#generation);
    const own = openHistory({ file, key, log: silentLogger });
    let isAlive = true;
    const clock: Clock = {
      now: () => this.#clock.now(),
      random: () => this.#clock.random(),
      uuid: () => this.#clock.uuid(),
      setTimer: (ms, callback) => (isAlive ? this.#clock.setTimer(ms, () => isAlive && callback()) : disposable(() => undefined)),
    };
    const end = () => {
      isAlive = false;
      this.#process = null;
      this.#network.stopListening(this.name);
      this.#network.vanish(this.name);
      // Out of the call that it died in: a process that is gone runs no line more.
      setImmediate(() => {
        account.dispose();
        own.dispose();
      });
    };
    const history = mortalHistory({
      history: own,
      file,
      relic: this.#file(this.#generation + 1),
      dies: (step, moment) => isAlive && this.#run.strikes(deathClass(step, moment)),
      onDeath: () => {
        this.#generation += 1;
        this.#run.tell(`${this.name} is dead`);
        end();
        this.#clock.setTimer(Math.floor(this.#clock.random() ** 2 * 40_000), () => this.start());
      },
    });
    const account = new Account(
      {
        kind: 'sip',
        aor: addressOf(this.name),
        displayName: this.name,
        authUser: null,
        password: 'secret',
        proxy: 'sip:127.0.0.1:5070;transport=tcp',
        registrar: null,
        factory: 'sip:factory@lab.test',
        deviceName: this.name,
        instanceId: `urn:uuid:00000000-0000-4000-8000-00000000000${people.indexOf(this.name)}`,
        expiresSeconds: 3_600,
        servicesOff: [],
      },
      {
        clock,
        log: process.env.CHORUS_LOG === 'debug' ? createStderrLogger(this.name, 'debug') : silentLogger,
        tap: null,
        userAgent: 'Chorus/test',
        history,
        knownPeople: [],
        preferences: () => ({ theme: 'system', receipts: { delivered: true, displayed: true }, composing: true, accept: 'auto' }),
        isBlocked: () => false,
        registrationState: {
          load: () => this.#registration,
          save: (state) => {
            this.#registration = state;
          },
        },
        simState: { load: () => 0, save: () => undefined },
        announce: () => undefined,
        signedOut: () => undefined,
        over: { connect: this.#network.connectAs(this.name), media: this.#network.mediaOf(this.name) },
      },
    );
    this.#process = { account, history, end };
    this.#run.tell(`${this.name} starts`);
    drop(account.register(), silentLogger, 'registration');
  }

  stop(): void {
    this.#process?.end();
  }

  /** The id of the text, or null when no process lives to take it, or lived to say so. */
  write(to: string, text: string, mode: 'session' | 'pager'): string | null {
    return this.#attempt((account) => account.messenger.sendText({ to: addressOf(to) }, text, mode).message) ?? null;
  }

  retry(message: string): void {
    this.#attempt((account) => account.messenger.retry(message));
  }

  closeSessions(): void {
    this.#attempt((account) => {
      for (const { conversation } of account.messenger.conversations())
        drop(account.messenger.closeSession(conversation), silentLogger, 'closing a session');
    });
  }

  readAll(): void {
    this.#attempt((account) => {
      for (const { conversation, last } of account.messenger.conversations())
        if (last !== null) account.messenger.markDisplayed(conversation, last.message);
    });
  }

  sent(): MessageRecord[] {
    return this.#messages().filter(({ direction }) => direction === 'out');
  }

  sentTo(name: string): MessageRecord[] {
    return this.#messages(name).filter(({ direction }) => direction === 'out');
  }

  receivedFrom(name: string): MessageRecord[] {
    return this.#messages(name).filter(({ direction }) => direction === 'in');
  }

  jobs() {
    return this.#process?.history.jobs() ?? [];
  }

  /** In the order that the person sees. */
  #messages(peer?: string): MessageRecord[] {
    const history = this.#process?.history;
    if (history === undefined) return [];
    const conversations = history.conversations().filter((each) => peer === undefined || each.peer === addressOf(peer));
    return conversations.flatMap(({ id }) => history.messages(id, { limit: 1000 }));
  }

  #attempt<T>(work: (account: Account) => T): T | undefined {
    if (this.#process === null) return undefined;
    try {
      return work(this.#process.account);
    } catch (error) {
      if (error instanceof ProcessDied) return undefined;
      throw error;
    }
  }

  /** Each process begins with the disk as the one before has left it. */
  #file(generation: number): string {
    const file = join(this.#folder, `${this.name}-${generation}.db`);
    if (generation === 0 && !existsSync(file)) copyFileSync(emptyHistory(), file);
    return file;
  }
}

let template: string | null = null;

/** A history that holds nothing, made once: making one takes longer than a whole run. */
function emptyHistory(): string {
  if (template !== null) return template;
  const folder = mkdtempSync(join(tmpdir(), 'chorus-faults-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  template = join(folder, 'empty.db');
  openHistory({ file: template, key, log: silentLogger }).dispose();
  return template;
}
