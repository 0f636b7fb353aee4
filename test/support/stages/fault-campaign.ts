/**
 * One run of the fault campaign: a seed decides who writes to whom, and which faults strike. Real accounts (SIP client, MSRP, messenger,
 * history on disk) run over a faulty network in virtual time. After all faults are repaired and time has passed, no acknowledged text is
 * lost, none is repeated, each sender's order is kept, and every text has a final state that its sender sees.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setListenerErrorReporter } from '../../../base/emitter';
import type { MessageRecord } from '../../../main/history/records';
import { FaultyMedia } from '../doubles/faulty-media';
import { FaultyProxy } from '../doubles/faulty-proxy';
import type { Break, Mischief, Mishap } from '../doubles/mischief';
import { MortalDevice as Device } from '../doubles/mortal-device';
import { type Moment, type PersistedStep, ProcessDied, persistedSteps, survive, unsyncedSteps } from '../doubles/mortal-history';
import { settled, takeOverTimers, VirtualClock } from '../doubles/virtual-clock';

const moments = ['before', 'after'] as const;
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

const deathClass = (step: string, moment: Moment) =>
  moment === 'unsynced' ? `the power fails before “${step}” is synced` : `process dies ${moment} “${step}” is on disk`;
const fullClass = (step: string) => `the disk is full at “${step}”`;
const breakClass = (method: string, at: Break, leg: string) =>
  method === 'SEND' ? `media breaks: SEND ${at}` : `connection of the ${leg} breaks: ${method} ${at}`;
const answerClass = (method: string, mishap: Mishap) => `answer to ${method} ${mishap}`;
const doubleClass = (method: string) => `${method} comes twice`;
const outages = ['the servers restart', 'a device loses its network'] as const;
const forkClass = (how: 'one answers' | 'both answer') => `an invitation goes to two devices, and ${how}`;
const forks = [forkClass('one answers'), forkClass('both answer')] as const;

/** Every fault of the campaign. */
export const faultClasses: readonly string[] = [
  ...persistedSteps.flatMap((step) => moments.map((moment) => deathClass(step, moment))),
  ...unsyncedSteps.map((step) => deathClass(step, 'unsynced')),
  ...persistedSteps.map(fullClass),
  ...['INVITE', 'MESSAGE'].flatMap((method) => legs.flatMap((leg) => sipBreaks.map((at) => breakClass(method, at, leg)))),
  ...sendBreaks.map((at) => breakClass('SEND', at, '')),
  ...['INVITE', 'MESSAGE', 'SEND'].flatMap((method) => mishaps.map((mishap) => answerClass(method, mishap))),
  ...['INVITE', 'MESSAGE'].map(doubleClass),
  ...outages,
  ...forks,
];

export interface RunOutcome {
  /** How often each fault struck. */
  struck: ReadonlyMap<string, number>;
  texts: number;
  /** Violations; empty when all is well. */
  problems: string[];
  /** The events in virtual seconds, for the analysis of a failure. */
  story: string[];
}

const people = ['alice', 'bob', 'carol'];
/** The length of one act. The next constant limits the acts: another one is played while the main fault of the run has not struck. */
const actMs = 60_000;
const acts = 4;
/** The time allowed for recovery afterwards. */
const calmMs = 40 * 60_000;

/** Runs the campaign of one seed. It replaces `setTimeout` while it runs, so only one can run at a time. */
export async function runCampaign(seed: number): Promise<RunOutcome> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'chorus-faults-'));
  const clock = new VirtualClock({ seed });
  const timers = takeOverTimers({ setTimer: (ms, callback) => clock.setTimer(ms, () => survive(callback)) });
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
  readonly #proxy: FaultyProxy;
  readonly #media: FaultyMedia;
  readonly #latencyMs: number;
  readonly #devices: Device[] = [];
  /** Faults that have yet to strike, with the number of occasions to skip first. */
  readonly #armed = new Map<string, number>();
  readonly #struck = new Map<string, number>();
  readonly #story: string[] = [];
  readonly #problems: string[] = [];
  /** The texts accepted by `sendText`. */
  readonly #accepted: { device: Device; message: string }[] = [];
  /** The main fault of this run. */
  readonly #main: string;
  #texts = 0;

  constructor(seed: number, clock: VirtualClock, folder: string) {
    this.#clock = clock;
    this.#folder = folder;
    this.#latencyMs = 1 + Math.floor(clock.random() * 30);
    this.#proxy = new FaultyProxy(clock, this.#mischief(), this.#latencyMs);
    this.#media = new FaultyMedia(clock, this.#mischief(), this.#latencyMs);
    this.#main = faultClasses[seed % faultClasses.length] as string;
    this.#arm(this.#main);
    // The first text by session is the one in the invitation.
    if (/has arrived/.test(this.#main)) this.#armed.set(this.#main, 0);
    for (let more = Math.floor(clock.random() * 3); more > 0; more -= 1) this.#arm(this.#pick(faultClasses));
  }

  get outcome(): RunOutcome {
    return { struck: this.#struck, texts: this.#texts, problems: this.#problems, story: this.#story };
  }

  async play(): Promise<void> {
    const count = this.#clock.random() < 0.25 ? 3 : 2;
    const world = {
      clock: this.#clock,
      folder: this.#folder,
      proxy: this.#proxy,
      media: this.#media,
      dies: (step: PersistedStep, moment: Moment) => this.#strikes(deathClass(step, moment)),
      fills: (step: PersistedStep) => this.#strikes(fullClass(step)),
      tell: (what: string) => this.#tell(what),
    };
    for (const name of people.slice(0, count)) this.#devices.push(new Device(name, world));
    // The last person has a second device, which either answers automatically too or rings until somebody replies there.
    if (forks.includes(this.#main) || this.#clock.random() < 0.2) {
      const of = people[count - 1] as string;
      const both = forks.includes(this.#main) ? this.#main === forkClass('both answer') : this.#clock.random() < 0.5;
      this.#devices.push(new Device(`${of}-2`, world, { of, accept: both ? 'auto' : 'reply' }));
    }
    for (const device of this.#devices) device.start();
    await this.#clock.advance(1_000);
    for (let act = 0; act < acts && (act === 0 || this.#armed.has(this.#main)); act += 1) {
      // A fault without an occasion so far strikes at the first one.
      if (act > 0) this.#armed.set(this.#main, 0);
      this.#script();
      await this.#clock.advance(actMs);
    }
    this.#tell('all is mended');
    this.#armed.clear();
    for (const device of this.#devices) device.start();
    await this.#clock.advance(calmMs / 2);
    // The person presses Retry, as the program suggests.
    for (const device of this.#devices)
      for (const failed of device.sent().filter(({ state }) => state === 'failed')) device.retry(failed.id);
    await this.#clock.advance(calmMs / 2);
    this.#judge();
  }

  dispose(): void {
    for (const device of this.#devices) device.stop();
  }

  /** An exception that nobody caught; only a dead process may cause one. */
  failed(error: unknown): void {
    if (!(error instanceof ProcessDied)) this.#problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  #tell(what: string): void {
    this.#story.push(`${((this.#clock.now() - 1_700_000_000_000) / 1000).toFixed(3).padStart(9)}  ${what}`);
  }

  /** Whether the armed fault strikes at this occasion. */
  #strikes(fault: string): boolean {
    const left = this.#armed.get(fault);
    if (left === undefined) return false;
    if (left > 0) {
      this.#armed.set(fault, left - 1);
      return false;
    }
    this.#armed.delete(fault);
    this.#struck.set(fault, (this.#struck.get(fault) ?? 0) + 1);
    this.#tell(`* ${fault}`);
    return true;
  }

  #mischief(): Mischief {
    return {
      breaks: (method, at, leg) => this.#strikes(breakClass(method, at, leg)),
      answer: (method) => mishaps.find((mishap) => this.#strikes(answerClass(method, mishap))) ?? null,
      doubles: (method) => this.#strikes(doubleClass(method)),
      forks: (how) => {
        this.#armed.delete(forkClass(how));
        this.#struck.set(forkClass(how), (this.#struck.get(forkClass(how)) ?? 0) + 1);
        this.#tell(`* ${forkClass(how)}`);
        return true;
      },
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
        const to = this.#pick(this.#devices.filter((each) => each.person !== device.person));
        const length = this.#clock.random() < (/chunks/.test(this.#main) ? 0.3 : 0.03) ? 150_000 : 0;
        const pagers = /MESSAGE|by pager/.test(this.#main) ? 0.6 : 0.25;
        const mode = this.#clock.random() < pagers && length === 0 ? ('pager' as const) : ('session' as const);
        // Some texts are written at once, some while the previous one is on its way.
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
        if (!this.#strikes(outage)) return;
        const ms = Math.floor(this.#clock.random() * 20_000);
        if (outage === 'the servers restart') this.#proxy.restart(ms);
        else this.#cutOff(this.#pick(this.#devices), ms);
      });
    }
    // The sender is gone before the receipt arrives.
    if (/receipt waits/.test(this.#main)) {
      const [writer, reader] = this.#devices as [Device, Device];
      const ms = actMs * 0.9;
      at(ms, () => this.#write(writer, reader, 'pager', 0));
      at(ms + 2 * this.#latencyMs + 1, () => this.#cutOff(writer, 5_000 + Math.floor(this.#clock.random() * 20_000)));
    }
    // Nobody is reachable for a while: texts written then fail or wait.
    if (/a text waits|has failed|hastened/.test(this.#main)) {
      const device = this.#pick(this.#devices);
      at(0, () => this.#cutOff(device, 5_000 + Math.floor(this.#clock.random() * 25_000)));
      at(2_000, () => this.#write(this.#pick(this.#devices.filter((each) => each.person !== device.person)), device, 'session', 0));
    }
  }

  #cutOff({ name }: Device, ms: number): void {
    this.#tell(`${name} has no network for ${ms} ms`);
    this.#proxy.cutOff(name, ms);
    this.#media.cutOff(name, ms);
  }

  #write(device: Device, to: Device, mode: 'session' | 'pager', length: number): void {
    this.#texts += 1;
    const text = `${this.#texts} ${device.name} to ${to.person} by ${mode} ${'x'.repeat(length)}`;
    const message = device.write(to.person, text, mode);
    this.#tell(`${device.name} writes ${text.slice(0, 40)}: ${message}`);
    if (message !== null) this.#accepted.push({ device, message });
  }

  // ---------------------------------------------------------------- the judgement

  #judge(): void {
    for (const { device, message } of this.#accepted)
      if (device.sent().every(({ id }) => id !== message)) this.#problems.push(`${device.name} has lost the text ${message} of its own`);
    const persons = [...new Set(this.#devices.map(({ person }) => person))];
    for (const from of persons) for (const to of persons) if (from !== to) this.#judgePair(from, to);
    for (const device of this.#devices) {
      const jobs = device.jobs();
      if (jobs.length > 0) this.#problems.push(`${device.name} still has jobs: ${JSON.stringify(jobs).slice(0, 400)}`);
    }
  }

  /** Every text is on one of the reader's devices and at most once on each; the order of each sending device is kept. */
  #judgePair(from: string, to: string): void {
    const of = (person: string) => this.#devices.filter((device) => device.person === person);
    const senders = of(from).map((device) => ({ name: device.name, sent: device.sentTo(to) }));
    const readers = of(to).map((device) => ({ name: device.name, received: device.receivedFrom(from) }));
    const problem = (way: string, what: string, { id, content: { text }, state }: MessageRecord) =>
      this.#problems.push(`${way}: ${what}: “${text.slice(0, 30)}” (${id}, ${state})`);
    const texts = (messages: readonly MessageRecord[]) => messages.map(({ content }) => content.text);
    for (const { name, sent } of senders) {
      for (const message of sent) {
        const way = `${name} to ${to}`;
        const copies = readers.map(({ received }) => received.filter(({ content }) => content.text === message.content.text).length);
        if (copies.some((count) => count > 1)) problem(way, `is there ${Math.max(...copies)} times`, message);
        const isThere = ['sent', 'delivered', 'displayed'].includes(message.state);
        if (isThere && copies.every((count) => count === 0)) problem(way, 'is lost', message);
        if (message.state === 'sent') problem(way, 'was never confirmed', message);
        if (message.state === 'failed' && message.error === null) problem(way, 'has failed without a reason', message);
        if (!isThere && message.state !== 'failed') problem(way, 'has come to no end', message);
      }
      for (const reader of readers) {
        const came = texts(reader.received).filter((text) => texts(sent).includes(text));
        const both = texts(sent).filter((text) => came.includes(text));
        if (both.join() !== came.join())
          this.#problems.push(`${name} to ${reader.name}: another order: ${numbers(both)} became ${numbers(came)}`);
      }
    }
    for (const { name, received } of readers)
      for (const message of received)
        if (senders.every(({ sent }) => sent.every(({ content }) => content.text !== message.content.text)))
          problem(`${from} to ${name}`, 'was never written', message);
  }
}

const numbers = (texts: readonly string[]) => texts.map((text) => text.split(' ')[0]).join(' ');
