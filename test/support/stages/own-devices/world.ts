/**
 * People with several devices, in virtual time: real engines and logs of main/own, on disks that lose power, over a network that
 * loses, doubles, delays and reorders. What ought to be true in the end is kept here, by the stories' own words, and checked in check.ts.
 */
import type { Clock } from '../../../../base/clock';
import { silentLogger } from '../../../../base/log';
import { decide, type Origin } from '../../../../main/cpm/inbox/door';
import { OwnDevices, type Wire } from '../../../../main/own/engine';
import type { MessageEvent } from '../../../../main/own/events';
import { REFUSED } from '../../../../main/own/pull';
import { MemoryOwnStore, PowerLost } from '../../doubles/own-store';
import { seededRandom } from '../../doubles/seeded-random';
import { QuickClock } from './quick-clock';

/** A message as people speak of it; `id` is unique in the world. */
export interface Said {
  id: string;
  from: Device;
  /** The other person, or the group. */
  to: Person | 'group';
  at: number;
}

/** Something that a device has acknowledged, to the network or to its person. */
export type Fact = `${'has' | 'read' | 'deleted'} ${string}`;

export class Device {
  engine: OwnDevices | null = null;
  isOn = false;
  /** Gone for good, or removed by another one: nothing is expected of it. */
  isLost = false;
  isRemoved = false;
  hasBeenRestored = false;
  skew = 0;
  backup: MemoryOwnStore | null = null;
  /** What the network keeps for it. */
  readonly waiting: Said[] = [];

  constructor(
    readonly person: Person,
    readonly name: string,
    readonly instance: string,
    public store: MemoryOwnStore,
  ) {}

  get isCounted(): boolean {
    return !this.isLost && !this.isRemoved;
  }
}

export class Person {
  readonly devices: Device[] = [];
  readonly facts = new Set<Fact>();
  /** The keys by which this person's devices know what was said. */
  readonly keys = new Map<string, string>();
  /** Messages that no device of this person could take yet. */
  readonly waiting: Said[] = [];

  constructor(
    readonly name: string,
    readonly address: string,
  ) {}
}

/** How the network treats messages and ticks. Chances, but for the first three. */
export interface Weather {
  forks: boolean;
  copies: boolean;
  defers: boolean;
  lost: number;
  doubled: number;
  late: number;
  cut: number;
}

export const fairWeather: Omit<Weather, 'forks' | 'copies' | 'defers'> = { lost: 0, doubled: 0, late: 0, cut: 0 };
const GROUP = 'g|the-group';

export class World {
  readonly clock = new QuickClock();
  readonly people: readonly [Person, Person] = [new Person('Alice', 'sip:alice@lab.test'), new Person('Bob', 'sip:bob@lab.test')];
  readonly said: Said[] = [];
  readonly problems: string[] = [];
  readonly counts = { ticks: 0, sums: 0, questions: 0, deaths: 0, fills: 0, forks: 0, displayed: new Map<string, number>() };
  /** What somebody tried to say or to read; where the power went in between, it may have happened or not. */
  readonly attempted = new Set<string>();
  /** What was shown before the end; several unconnected devices may have told it. */
  readonly displayedBefore = new Set<string>();
  readonly displayedKeys = new Set<string>();
  /** Requests that have arrived hours late. */
  lateOnes = 0;
  /** What the device that has written it has said to be sent, and has not lost since. */
  readonly sent = new Set<string>();
  weather: Weather = { forks: true, copies: false, defers: false, lost: 0.15, doubled: 0.1, late: 0.02, cut: 0.08 };
  readonly #random: () => number;
  #made = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed * 7_919 + 13);
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }

  // Devices.

  /** A new device, paired with an older one where there is one. */
  add(person: Person, name: string, older: Device | null, store = new MemoryOwnStore()): Device | null {
    this.#made += 1;
    const instance = `urn:${Math.floor(this.#random() * 900 + 100)}-${person.name}-${this.#made}`;
    const device = new Device(person, name, instance, store);
    if (older !== null && !older.isOn) return null;
    this.#start(device);
    try {
      if (older === null) device.engine?.enlist(name);
      else device.engine?.join(older.engine?.admit(instance, name) ?? [], name);
    } catch (error) {
      if (!(error instanceof PowerLost)) throw error;
      device.isLost = true;
      device.isRemoved = true;
      this.off(device);
      return null;
    }
    person.devices.push(device);
    this.#presence(person);
    return device;
  }

  #start(device: Device): void {
    device.store.wake();
    device.store.onDeath = () => {
      this.counts.deaths += 1;
      this.clock.setTimer(0, () => this.#crashed(device));
    };
    const clock: Clock = {
      now: () => this.clock.now() + device.skew,
      setTimer: (ms, callback) => this.clock.setTimer(ms, callback),
      random: () => this.#random(),
      uuid: () => String(this.#random()),
    };
    device.engine = new OwnDevices({
      store: device.store,
      instance: device.instance,
      clock,
      random: (bytes) => Uint8Array.from({ length: bytes }, () => Math.floor(this.#random() * 256)),
      wire: this.#wire(device),
      log: silentLogger,
      page: { events: 12, chars: 4_000 },
    });
    device.isOn = true;
  }

  on(device: Device): void {
    if (device.isOn || device.isLost) return;
    this.#start(device);
    this.#presence(device.person);
    this.clock.setTimer(50, () => this.#deliverWaiting(device));
  }

  off(device: Device): void {
    if (!device.isOn) return;
    device.isOn = false;
    device.engine?.dispose();
    device.engine = null;
    this.#presence(device.person);
  }

  #crashed(device: Device): void {
    this.off(device);
    device.store.wake();
    this.clock.setTimer(1_000 + this.#random() * 60_000, () => this.on(device));
  }

  /** The disk becomes an old copy of itself. */
  restore(device: Device): void {
    if (device.backup === null) return;
    this.off(device);
    device.store = device.backup.copy();
    device.hasBeenRestored = true;
    this.forgive(device, device.store);
    this.on(device);
  }

  lose(device: Device): void {
    this.off(device);
    device.isLost = true;
    this.forgive(device, null);
  }

  remove(by: Device, device: Device): void {
    if (!by.isOn || by === device) return;
    this.act(by, null, (engine) => engine.remove(device.instance));
    device.isRemoved = true;
    this.forgive(device, null);
  }

  /** What only this disk held is gone with it: nobody can be asked for it. */
  forgive(device: Device, left: MemoryOwnStore | null): void {
    const others = device.person.devices.filter((one) => one !== device && one.isCounted).map(({ store }) => store);
    for (const fact of device.person.facts) {
      if (![...others, ...(left === null ? [] : [left])].some((one) => one.inspect((store) => holds(device.person, store, fact))))
        device.person.facts.delete(fact);
    }
  }

  /** The others learn who is there, each after a while. */
  #presence(person: Person): void {
    for (const device of person.devices) {
      this.clock.setTimer(this.#random() * 2_000, () => {
        const present = person.devices.filter((one) => one.isOn).map(({ instance }) => instance);
        this.act(device, null, (engine) => engine.setPresent(present));
      });
    }
  }

  // Between the devices of one person.

  #wire(from: Device): Wire {
    const find = (instance: string) => from.person.devices.find((device) => device.instance === instance);
    const wait = (ms: number) => new Promise<void>((resolve) => this.clock.setTimer(ms, resolve));
    return {
      fits: (tick) => JSON.stringify(tick).length <= 1_500,
      send: async (to, kind, body) => {
        this.counts[kind === 'tick' ? 'ticks' : 'sums'] += 1;
        const text = JSON.stringify(body);
        const deliver = async (delay: number) => {
          await wait(delay);
          const target = find(to);
          if (!target?.isOn || target.engine === null) return 480;
          try {
            return target.engine.receive(from.instance, kind, JSON.parse(text));
          } catch (error) {
            if (!(error instanceof PowerLost)) throw error;
            return 408;
          }
        };
        if (this.chance(this.weather.doubled)) void deliver(20 + this.#random() * 3_000);
        if (this.chance(this.weather.late)) {
          void deliver(3_600_000 * this.#random() * 6).finally(() => {
            this.lateOnes += 1;
          });
          return 408;
        }
        if (this.chance(this.weather.lost)) {
          if (this.chance(0.5)) void deliver(10);
          await wait(2_000);
          return 408;
        }
        return deliver(5 + this.#random() * 300);
      },
      open: async (to) => {
        await wait(20);
        if (!find(to)?.isOn || this.chance(this.weather.cut)) return null;
        return {
          ask: async (question) => {
            this.counts.questions += 1;
            if ('full' in question) this.counts.fills += 1;
            if ('hashes' in question) this.counts.forks += 1;
            await wait(5 + this.#random() * 50);
            const target = find(to);
            if (!target?.isOn || target.engine === null || this.chance(this.weather.cut)) return null;
            try {
              const reply = JSON.stringify(target.engine.serve(from.instance, JSON.parse(JSON.stringify(question))));
              await wait(5);
              if (reply === 'null') return REFUSED;
              return this.chance(this.weather.cut) ? null : JSON.parse(reply);
            } catch (error) {
              if (!(error instanceof PowerLost)) throw error;
              return null;
            }
          },
          close() {},
        };
      },
    };
  }

  // What people do.

  /** Does something on a device; where it survives it, what it acknowledged counts from now on. */
  act(device: Device, fact: Fact | null, work: (engine: OwnDevices) => void): boolean {
    if (device.engine === null) return false;
    try {
      work(device.engine);
      if (fact !== null && device.isCounted) device.person.facts.add(fact);
      return true;
    } catch (error) {
      if (!(error instanceof PowerLost)) throw error;
      return false;
    }
  }

  say(from: Device, to: Person | 'group'): void {
    // No two texts of a device have one date, whatever its clock was set to.
    const last = from.engine === null || from.store.isDead ? 0 : Math.max(0, ...sentBy(from));
    const said: Said = { id: `m${this.attempted.size + 1}`, from, to, at: Math.max(this.clock.now() + from.skew, last + 1) };
    this.attempted.add(said.id);
    for (const person of this.people) person.keys.set(said.id, keyOf(person, said));
    const done = this.act(from, `has ${said.id}`, (engine) => {
      const message = { ...messageFor(from.person, said, null), po: said.at };
      engine.write([message, { e: 'st', k: message.k, st: 'queued', ver: 1 }]);
    });
    if (!done) return;
    this.said.push(said);
    const [alice, bob] = this.people;
    const other = from.person === alice ? bob : alice;
    this.#deliver(other, said, this.weather.forks || to === 'group');
    if (to === 'group' || this.weather.copies) {
      for (const device of from.person.devices)
        if (device !== from && device.isOn)
          this.clock.setTimer(30 + this.#random() * 3_000, () => this.#arrive(device, said, 'copy', true));
    }
  }

  #deliver(person: Person, said: Said, toAll: boolean): void {
    const present = person.devices.filter((device) => device.isOn && !device.isLost);
    const one = this.pick(present);
    const targets = toAll ? present : one === undefined ? [] : [one];
    for (const device of targets) {
      this.clock.setTimer(10 + this.#random() * 400, () => this.#arrive(device, said, 'live', toAll));
      if (this.chance(0.1)) this.clock.setTimer(this.#random() * 20_000, () => this.#arrive(device, said, 'deferred', toAll));
    }
    if (targets.length === 0) person.waiting.push(said);
    if (!this.weather.defers) return;
    for (const device of person.devices) if (!device.isOn) device.waiting.push(said);
  }

  #arrive(device: Device, said: Said, path: Exclude<Origin, 'ownDevice'>, shared: boolean): void {
    const { person } = device;
    if (device.isLost) {
      if (path !== 'copy') person.waiting.push(said);
      return;
    }
    const taken = this.act(device, `has ${said.id}`, (engine) => {
      // What an own device has sent stands by its date; what others have, by the clock of who took it.
      const po = path === 'copy' ? said.at : this.clock.now() + device.skew - 20;
      const message = { ...messageFor(person, said, device.instance), po };
      const isRead = device.store.element('read', message.k) !== undefined;
      const isDeleted = device.store.element('del', message.k) !== undefined;
      if (decide(path, { isHere: engine.knows(message.k), isRead, isDeleted }).writes) engine.came(message, { mayHave: shared });
    });
    if (taken) {
      if (path === 'copy') return;
      const key = keyOf(said.from.person, said);
      const receipt = { e: 'rcpt', k: [key], a: person.address, dev: device.name, x: 'delivered', at: this.clock.now() };
      this.clock.setTimer(20, () => {
        this.act(said.from, null, (engine) => engine.write([receipt]));
        this.#sent(said, key);
      });
    } else if (path !== 'copy') device.waiting.push(said);
  }

  /** The network has taken it: the device that has written it says so, once. */
  #sent({ from, id }: Said, key: string): void {
    const here = from.store.isDead ? undefined : (from.store.element('st', key) as { st: string; ver: number } | undefined);
    if (here?.st !== 'queued') return;
    const isSent = this.act(from, null, (engine) => engine.write([{ e: 'st', k: key, st: 'sent', ver: here.ver + 1 }]));
    if (isSent) this.sent.add(`${from.person.name} ${id}`);
  }

  #deliverWaiting(device: Device): void {
    if (!device.isOn) return;
    for (const list of [device.waiting, device.person.waiting])
      for (const said of list.splice(0)) this.#arrive(device, said, 'deferred', list === device.person.waiting);
  }

  /** The messages that a device shows, oldest first: their ids. */
  shown(device: Device): string[] {
    return device.store.inspect((store) => {
      const rows = store.keys('msg', '', '', 100_000).map((key) => store.element('msg', key) as MessageEvent);
      const owed = store.owed().map(({ event }) => event as MessageEvent);
      return [...rows, ...owed].sort((one, other) => one.po - other.po || (one.k < other.k ? -1 : 1)).map(({ id }) => id);
    });
  }

  read(device: Device, id: string): void {
    const said = this.said.find((one) => one.id === id);
    if (said === undefined || said.from.person === device.person) return;
    const key = keyOf(device.person, said);
    if (device.store.isDead || device.store.element('read', key) !== undefined) return;
    this.displayedKeys.add(`${device.person.name} ${key}`);
    if (!this.act(device, `read ${id}`, (engine) => engine.write([{ e: 'read', k: [key] }]))) return;
    const name = `${device.person.name} ${id}`;
    this.counts.displayed.set(name, (this.counts.displayed.get(name) ?? 0) + 1);
  }

  delete(device: Device, id: string): void {
    const said = this.said.find((one) => one.id === id);
    if (said === undefined) return;
    this.act(device, `deleted ${id}`, (engine) => engine.write([{ e: 'del', k: [keyOf(device.person, said)] }]));
  }
}

function keyOf(person: Person, said: Said): string {
  return messageFor(person, said, null).k;
}

function messageFor(person: Person, said: Said, pb: string | null): MessageEvent {
  const own = said.from.person === person;
  const other = own ? (said.to === 'group' ? '' : said.to.address) : said.from.person.address;
  const c = said.to === 'group' ? GROUP : `1|${person.address}|${other}`;
  const d = own ? 'o' : 'i';
  const f = said.from.person.address;
  return {
    e: 'msg',
    // The model's own key: what it names, in one text.
    k: [c, d, f, said.id].join('/'),
    c,
    d,
    id: said.id,
    f,
    fd: said.from.name,
    at: said.at,
    po: 0,
    ...(pb === null ? {} : { pb }),
    ct: 'text/plain',
    t: `text ${said.id}`,
  };
}

function sentBy(device: Device): number[] {
  const { store } = device;
  return store
    .keys('msg', '', '', 100_000)
    .map((key) => store.element('msg', key) as MessageEvent)
    .filter(({ d }) => d === 'o')
    .map(({ po }) => po);
}

/** Whether a disk shows that something happened; a deletion has the last word on a message. */
export function holds(person: Person, store: MemoryOwnStore, fact: Fact): boolean {
  const [what, id = ''] = fact.split(' ');
  const key = person.keys.get(id) ?? '';
  if (what === 'has' && (store.element('msg', key) !== undefined || store.owed().some((owed) => owed.key === key))) return true;
  if (what === 'read' && store.element('read', key) !== undefined) return true;
  return store.element('del', key) !== undefined;
}
