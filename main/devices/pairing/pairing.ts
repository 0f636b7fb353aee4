/**
 * One pairing at a time, as this device takes part in it: the exchange of main/own/pairing.ts between two devices of one address, its limits, and
 * what the person is shown of it.
 *
 *   new     [reaching] --pair 2, answer pair 3--> [code] --pair 4--> [confirm] --the person says so--> [paired]
 *   older   --pair 1, answer pair 2, pair 3--> [code] --the right digits; pair 4 is taken--> [paired]
 *   either  --wrong digits | pair 5 | two minutes | the other one does not answer--> [over]
 *
 * Pair 5 says that it is over, and why. Whoever can send one can also flood the network: it ends a pairing and nothing else.
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { drop, type Logger } from '../../../base/log';
import type { DeviceValue, PairingEnd, PairingValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { Doorkeeper, NewDevice, type OlderDevice, PAIRING_MS } from '../../own/pairing';
import type { Note } from './notes';

/** LAB: how often, and after which pause, a device that is not there yet is asked again. */
const REACH_TRIES = 3;
const REACH_PAUSE_MS = 1_000;

export interface PairingDeps {
  clock: Clock;
  log: Logger;
  self: { aor: string; instanceId: string; deviceName(): string };
  /** @returns the status that answers; 408 for none */
  send(instance: string, note: Omit<Note, 'i'>): Promise<number>;
  /** What this device gives to the one whose digits were typed, which takes part from then on. */
  gift(instance: string, name: string): unknown;
  /** The gift did not arrive, or the new device's person says that this device does not show "paired": somebody else may have the gift. */
  withdraw(instance: string): void;
  changed(): void;
}

type Role = { side: 'new'; device: NewDevice } | { side: 'older'; device: OlderDevice };

export class Pairing implements Disposable {
  readonly #deps: PairingDeps;
  readonly #door = new Doorkeeper();
  #role: Role | null = null;
  #value: PairingValue | null = null;
  #timer: Disposable | null = null;
  #pause: Disposable | null = null;
  /** The person has seen how it ended. For a while more the new device may still say that something is wrong. */
  #isSeen = false;

  constructor(deps: PairingDeps) {
    this.#deps = deps;
  }

  /** Null: there is none, or none that the person needs to know of. */
  get value(): PairingValue | null {
    const value = this.#value;
    return this.#isSeen || (value?.side === 'older' && value.state === 'reaching') ? null : value;
  }

  /** This device is new, and asks an older one. */
  start({ instanceId, name }: Pick<DeviceValue, 'instanceId' | 'name'>): void {
    this.cancel();
    const { clock, self } = this.#deps;
    const device = new NewDevice({ address: self.aor, newInstance: self.instanceId, olderInstance: instanceId }, clock.now());
    this.#begin({ side: 'new', device }, instanceId, name);
    drop(this.#reach(device, REACH_TRIES), this.#deps.log, 'Asking an older device');
  }

  /** The person has typed the digits. @throws AppError device/wrong-code, device/unknown */
  async type(code: string): Promise<void> {
    const [role, value] = [this.#role, this.#value];
    if (role?.side !== 'older' || value?.state !== 'code') throw new AppError('device/unknown', { cause: 'no pairing' }, 'user');
    const { clock } = this.#deps;
    const last = role.device.typed(code, () => this.#deps.gift(value.instanceId, value.name), clock.now());
    if (last === null) {
      this.#tell('wrong');
      this.#over('wrong');
      throw new AppError('device/wrong-code', {}, 'user');
    }
    const status = await this.#send(value.instanceId, last);
    if (status !== 200) {
      this.#deps.withdraw(value.instanceId);
      this.#over(reasonOf(status));
      throw new AppError('device/unknown', { status }, 'user');
    }
    this.#show({ state: 'paired' });
  }

  /** The person says that the older device shows "paired". @returns what that device gave. @throws AppError device/unknown */
  confirm(): unknown {
    const role = this.#role;
    if (role?.side !== 'new' || this.#value?.state !== 'confirm') throw new AppError('device/unknown', { cause: 'no pairing' }, 'user');
    role.device.confirm(this.#deps.clock.now());
    const { gift } = role.device;
    if (gift === null) {
      this.#over('late');
      throw new AppError('device/unknown', { cause: 'too late' }, 'user');
    }
    this.#show({ state: 'paired' });
    return gift;
  }

  /** The person gives it up, or has seen how it ended. */
  cancel(): void {
    const value = this.#value;
    if (value === null) return;
    if (value.state !== 'over' && value.state !== 'paired') {
      this.#tell('cancelled');
      this.#role?.device.end();
    }
    if (value.state === 'paired' && this.#timer !== null) this.#isSeen = true;
    else this.#clear();
    this.#deps.changed();
  }

  /** @returns the status that answers the request */
  receive(note: Note): number {
    const { i: from, name = '' } = note;
    if (note.pair === 1) return this.#asked(from, name, note);
    const [role, value] = [this.#role, this.#value];
    if (role === null || value === null || value.instanceId !== from) return 481;
    if (note.pair === 5) return this.#ended(role, value, note);
    if (value.state === 'over' || value.state === 'paired') return 481;
    const now = this.#deps.clock.now();
    if (role.side === 'older') {
      if (note.pair !== 3 || !role.device.revealed(note, now)) return this.#broken();
      this.#show({ state: 'code', name: name === '' ? value.name : name });
    } else if (note.pair === 2) {
      const third = role.device.answered(note, now);
      if (third === null) return this.#broken();
      this.#show({ state: 'code', code: role.device.code, name: name === '' ? value.name : name });
      drop(this.#sendOrEnd(third), this.#deps.log, 'Showing what was committed to');
    } else {
      if (note.pair !== 4 || !role.device.given(note, now)) return this.#broken();
      this.#show({ state: 'confirm', code: null });
    }
    return 200;
  }

  dispose(): void {
    this.#clear();
  }

  /** A new device asks to be let in. Nobody is asked before it has shown what it committed to. */
  #asked(from: string, name: string, note: Note): number {
    const { clock, self } = this.#deps;
    const now = clock.now();
    const current = this.#value;
    if (current !== null && current.state !== 'over' && current.state !== 'paired') return 486;
    const device = this.#door.asked(note, { address: self.aor, newInstance: from, olderInstance: self.instanceId }, now);
    if (device === null) return this.#door.restsUntil(now) === null ? 486 : 503;
    this.#begin({ side: 'older', device }, from, name);
    drop(this.#sendOrEnd(device.answer), this.#deps.log, 'Answering a new device');
    return 200;
  }

  #ended(role: Role, value: PairingValue, note: Note): number {
    const why = note.why === 'wrong' ? 'wrong' : 'cancelled';
    if (value.state === 'paired') {
      if (role.side === 'older' && this.#timer !== null) {
        this.#deps.withdraw(value.instanceId);
        this.#over('cancelled');
      }
      return 200;
    }
    role.device.end();
    if (value.state !== 'over') this.#over(why);
    return 200;
  }

  async #reach(device: NewDevice, tries: number): Promise<void> {
    const status = await this.#send(this.#value?.instanceId ?? '', device.first);
    if (this.#role?.device !== device || this.#value?.state !== 'reaching' || status === 200) return;
    if (reasonOf(status) !== 'unreachable' || tries <= 1) this.#over(reasonOf(status));
    else
      this.#pause = this.#deps.clock.setTimer(REACH_PAUSE_MS, () =>
        drop(this.#reach(device, tries - 1), this.#deps.log, 'Asking an older device'),
      );
  }

  async #sendOrEnd(note: Omit<Note, 'i'>): Promise<void> {
    const role = this.#role;
    const status = await this.#send(this.#value?.instanceId ?? '', note);
    if (status !== 200 && this.#role === role && this.#value?.state !== 'over') this.#over(reasonOf(status));
  }

  #send(instance: string, note: Omit<Note, 'i'>): Promise<number> {
    return this.#deps.send(instance, { ...note, name: this.#deps.self.deviceName() });
  }

  #tell(why: PairingEnd): void {
    if (this.#value !== null) drop(this.#send(this.#value.instanceId, { pair: 5, why }), this.#deps.log, 'Ending a pairing');
  }

  #broken(): number {
    this.#over('broken');
    return 400;
  }

  #begin(role: Role, instanceId: string, name: string): void {
    this.#clear();
    const { clock } = this.#deps;
    this.#role = role;
    this.#value = { side: role.side, state: 'reaching', instanceId, name, code: null, until: clock.now() + PAIRING_MS, why: null };
    this.#timer = clock.setTimer(PAIRING_MS, () => {
      this.#timer = null;
      if (this.#isSeen) this.#clear();
      else if (this.#value?.state !== 'paired') this.#over('late');
    });
    this.#deps.changed();
  }

  #show(patch: Partial<PairingValue>): void {
    if (this.#value !== null) this.#value = { ...this.#value, ...patch };
    this.#deps.changed();
  }

  #over(why: PairingEnd): void {
    this.#role?.device.end();
    this.#timer?.dispose();
    this.#pause?.dispose();
    // Whom nobody was asked about is not told about either.
    if (this.value === null && !this.#isSeen) this.#value = null;
    this.#isSeen = false;
    this.#show({ state: 'over', code: null, why });
  }

  #clear(): void {
    this.#timer?.dispose();
    this.#pause?.dispose();
    this.#timer = null;
    this.#pause = null;
    this.#role = null;
    this.#value = null;
    this.#isSeen = false;
  }
}

/** What a status other than 200 means for the person. */
function reasonOf(status: number): PairingEnd {
  if (status === 486 || status === 503) return 'resting';
  if (status === 404 || status === 408 || status === 410 || status === 430 || status === 480) return 'unreachable';
  if (status === 400 || status === 481) return 'broken';
  return 'version';
}
