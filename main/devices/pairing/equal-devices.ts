/**
 * This device as one of several that hold the same: whether it is paired, the pairing that is under way, the copies that run while it is paired, and
 * the keys (docs/OWN-DEVICES.md).
 *
 *   alone --it has paired another, or was paired; or the key was given--> paired --signed out, or removed by another: keys erased--> alone
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import { drop, type Logger } from '../../../base/log';
import type { DeviceValue, GapValue, HistoryChoice, OwnDevicesValue, RemovalValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { parseContentType } from '../../../protocol/multipart';
import type { History } from '../../history/history';
import type { RawEvent } from '../../own/events';
import { newDeviceKeys, readLetter, writeLetter } from '../../own/letter';
import { type AccountKey, newAccountKey, newerKey, sharedKey } from '../../own/seal';
import { OWN_DEVICES_TYPE } from '../../own/wire';
import type { IncomingPager, SipClient } from '../../sip/client';
import { OwnCopies, type OwnCopiesDeps } from '../copies/copies';
import { type Keyring, type KeyStore, keyringText, newKeyring, REMOVED, readKey, readKeyring, told } from './keyring';
import { isNote, type Letter, letterOf, type Note, readNote } from './notes';
import { Pairing } from './pairing';

/** LAB: how often at most a device is sent the newest key because it seems to lack it, ms. */
const KEY_AGAIN_MS = 10_000;
/** LAB: how far the times of two devices may be apart for an order to count, ms. */
const ORDER_MS = 70_000;
const DAY_MS = 86_400_000;

/** What the copies need of the rest of the account. */
type ForCopies = Pick<OwnCopiesDeps, 'door' | 'isInGroup' | 'blocks' | 'devices' | 'refreshDevices'>;

export interface EqualDevicesDeps extends ForCopies {
  clock: Clock;
  log: Logger;
  history: History;
  sip: Pick<SipClient, 'sendPlain'>;
  self: { aor: string; instanceId: string; name(): string; deviceName(): string };
  keys: KeyStore;
  /** An account key that was given beforehand, hex. */
  givenKey: string | null;
  /** How far the own clock is ahead of the network's, ms. */
  clockAhead(): number;
  changed(): void;
  /** Another device has removed this one: it signs out, and erases its chats where `erase` is set. */
  removed(by: string, erase: boolean): void;
}

interface Gift {
  key: unknown;
  devices: RawEvent[];
}

export class EqualDevices implements Disposable {
  readonly #deps: EqualDevicesDeps;
  readonly #pairing: Pairing;
  #keyring: Keyring | null;
  #copies: OwnCopies | null = null;
  /** When a device was last sent the key, and removed devices that were told to leave since they appeared. */
  readonly #keySentAt = new Map<string, number>();
  readonly #toldToLeave = new Map<string, 'asked' | 'telling'>();
  #isDisposed = false;

  constructor(deps: EqualDevicesDeps) {
    this.#deps = deps;
    this.#pairing = new Pairing({
      ...{ clock: deps.clock, log: deps.log, self: deps.self, changed: deps.changed },
      send: (instance, note) => this.#note(instance, note),
      gift: (instance, name) => this.#gift(instance, name),
      withdraw: (instance) => this.#exclude(instance),
    });
    this.#keyring = this.#kept();
    if (this.#keyring !== null) this.#start(this.#keyring, null);
  }

  get value(): OwnDevicesValue {
    const list = this.#copies?.list ?? [];
    return {
      paired: this.#copies !== null,
      with: list.filter(({ register }) => register.removed === undefined).map(({ instance }) => instance),
      pairing: this.#pairing.value,
      filling: this.#copies?.filling ?? [],
      removals: list.flatMap(({ instance, register }) => (register.erase === undefined ? [] : [this.#removal(instance)])),
    };
  }

  /** @returns the status for a message of another own device; null for every other message */
  async receive(pager: IncomingPager): Promise<number | null> {
    if (parseContentType(pager.contentType).type !== OWN_DEVICES_TYPE) return null;
    if (pager.remote.asserted && pager.remote.address !== this.#deps.self.aor) return 403;
    if (!isNote(pager.body)) return (await this.#copies?.receive(pager)) ?? 493;
    const note = readNote(pager.body);
    if (note === null || note.i === this.#deps.self.instanceId) return 400;
    return note.letter === undefined ? this.#pairing.receive(note) : this.#letterCame(note.i, note.letter);
  }

  devicesChanged(): void {
    this.#copies?.devicesChanged();
    for (const instance of this.#toldToLeave.keys()) if (this.#active(instance) === null) this.#toldToLeave.delete(instance);
    for (const { instance, register } of this.#copies?.list ?? [])
      if (register.removed !== undefined && register.erase !== undefined && register.left !== true && this.#active(instance) !== null)
        drop(this.#tellToLeave(instance), this.#deps.log, 'Telling a removed device');
  }

  /** This device has another name. */
  renamed(): void {
    this.#copies?.renamed();
  }

  /** The person has blocked or unblocked somebody on this device. */
  blocksChanged(): void {
    this.#copies?.blocksChanged();
  }

  /** As `OwnCopies.gaps`. */
  gaps(conversation: string): GapValue[] {
    return this.#copies?.gaps(conversation) ?? [];
  }

  /** @throws AppError device/paired, device/unknown */
  startPairing(instanceId: string | undefined): void {
    if (this.#copies !== null) throw new AppError('device/paired', {}, 'user');
    const others = this.#deps.devices().filter(({ self, state, instanceId: id }) => !self && state === 'active' && id.startsWith('urn:'));
    const chosen = instanceId === undefined ? others[0] : others.find((device) => device.instanceId === instanceId);
    if (chosen === undefined || (instanceId === undefined && others.length > 1)) throw new AppError('device/unknown', {}, 'user');
    this.#pairing.start(chosen);
  }

  /** As `Pairing.type`. */
  type(code: string): Promise<void> {
    return this.#pairing.type(code);
  }

  /** As `Pairing.confirm`; the chats come over from then on. */
  confirm(choice: HistoryChoice): void {
    const gift = this.#pairing.confirm() as Partial<Gift> | null;
    const key = readKey(gift?.key);
    if (key === null || !Array.isArray(gift?.devices)) throw new AppError('device/unknown', { cause: 'what the device gave' }, 'never');
    const keyring: Keyring = { account: key, device: newDeviceKeys() };
    this.#keep(keyring);
    this.#start(keyring, { devices: gift.devices, since: this.#since(choice) });
    this.#deps.changed();
  }

  cancel(): void {
    this.#pairing.cancel();
  }

  /** @throws AppError device/unpaired */
  fetchHistory(choice: HistoryChoice): void {
    if (this.#copies === null) throw new AppError('device/unpaired', {}, 'user');
    this.#copies.copyAgain(this.#since(choice));
  }

  /** Removes another device of the list: its events and its key count no more. Resolves when it was told, or cannot be. @throws AppError device/unpaired */
  async remove(instance: string, erase: boolean): Promise<RemovalValue> {
    if (this.#copies === null || this.#copies.listed(instance) === null) throw new AppError('device/unpaired', {}, 'user');
    this.#exclude(instance, erase);
    await this.#tellToLeave(instance);
    return this.#removal(instance);
  }

  /** This device is being signed out: the others are told, and its keys are erased. With a key that was given it stays one of them. */
  async leave(): Promise<void> {
    this.#pairing.cancel();
    if (this.#deps.givenKey !== null) return;
    await this.#copies?.leave();
    this.#forget();
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#pairing.dispose();
    this.#copies?.dispose();
  }

  // Keys.

  #kept(): Keyring | null {
    const { keys, givenKey } = this.#deps;
    const text = keys.load();
    const kept = readKeyring(text);
    if (givenKey === null || text === REMOVED) return kept;
    const given = sharedKey(givenKey);
    if (kept !== null) return { ...kept, account: given };
    const keyring: Keyring = { account: given, device: newDeviceKeys() };
    this.#keep(keyring);
    return keyring;
  }

  #keep(keyring: Keyring): void {
    this.#deps.keys.save(keyringText(keyring));
    this.#keyring = keyring;
  }

  #forget(): void {
    this.#copies?.dispose();
    this.#copies = null;
    this.#keyring = null;
    this.#deps.keys.save(this.#deps.givenKey === null ? null : REMOVED);
    this.#deps.changed();
  }

  #start(keyring: Keyring, joins: { devices: RawEvent[]; since: number | null } | null): OwnCopies {
    const { clock, log, history, sip, self, door, isInGroup, blocks, devices, refreshDevices, givenKey } = this.#deps;
    this.#copies?.dispose();
    this.#copies = new OwnCopies({
      ...{ clock, log, history, sip, self, door, isInGroup, blocks, devices, refreshDevices },
      ...{ joins, key: keyring.account, publicKey: keyring.device.publicKey },
      isKeyGiven: givenKey !== null,
      keysDiffer: (instance) => this.#keysDiffer(instance),
      changed: () => {
        if (!this.#isDisposed) this.#deps.changed();
      },
    });
    return this.#copies;
  }

  /** The first device that pairs another one makes the key. */
  #started(): OwnCopies {
    if (this.#copies !== null) return this.#copies;
    const keyring = newKeyring(this.#deps.self.instanceId);
    this.#keep(keyring);
    return this.#start(keyring, null);
  }

  #gift(instance: string, name: string): Gift {
    const copies = this.#started();
    return { devices: copies.admit(instance, name), key: told(copies.key) };
  }

  /** A device is out: it is marked, and the others get another key, which it never had. */
  #exclude(instance: string, erase?: boolean): void {
    const [copies, keyring] = [this.#copies, this.#keyring];
    if (copies === null || keyring === null) return;
    copies.remove(instance, erase);
    this.#toldToLeave.delete(instance);
    // A key that was given beforehand is not this device's to change.
    if (this.#deps.givenKey === null) this.#renew(newAccountKey(this.#deps.self.instanceId, keyring.account));
    this.#deps.changed();
  }

  /** @returns false: the key here is newer */
  #renew(key: AccountKey): boolean {
    const [copies, keyring] = [this.#copies, this.#keyring];
    if (copies === null || keyring === null || newerKey(key, keyring.account) === keyring.account) return false;
    this.#keep({ ...keyring, account: key });
    copies.renew(key);
    for (const { instance } of copies.list) this.#sendKey(instance);
    return true;
  }

  #keysDiffer(instance: string): void {
    const now = this.#deps.clock.now();
    const last = this.#keySentAt.get(instance);
    if (this.#deps.givenKey !== null || (last !== undefined && Math.abs(now - last) < KEY_AGAIN_MS)) return;
    this.#sendKey(instance);
  }

  #sendKey(instance: string): void {
    const listed = this.#copies?.listed(instance);
    if (this.#keyring === null || !listed || listed.removed !== undefined || instance === this.#deps.self.instanceId) return;
    if (this.#active(instance) === null) return;
    this.#keySentAt.set(instance, this.#deps.clock.now());
    drop(this.#letter(instance, { key: told(this.#keyring.account) }), this.#deps.log, 'Sending another device the key');
  }

  // Letters.

  /** @returns the status that answers; 488: that device has told no key */
  async #letter(to: string, letter: Letter): Promise<number> {
    const [pk, from] = [this.#copies?.listed(to)?.pk, this.#deps.self.instanceId];
    if (this.#keyring === null || pk === undefined) return 488;
    const sealed = writeLetter(letter, this.#keyring.device, pk, { from, to });
    return sealed === null ? 488 : this.#note(to, { letter: sealed });
  }

  #letterCame(from: string, sealed: string): number {
    const listed = this.#copies?.listed(from);
    if (this.#keyring === null || !listed?.pk || listed.removed !== undefined) return 403;
    const read = readLetter(sealed, this.#keyring.device, listed.pk, { from, to: this.#deps.self.instanceId });
    if (read === null) return 493;
    const letter = letterOf(read.value);
    if (letter === null) return 400;
    if ('key' in letter) {
      const key = readKey(letter.key);
      if (key === null) return 400;
      if (this.#deps.givenKey === null && !this.#renew(key)) this.#keysDiffer(from);
      return 200;
    }
    const { leave } = letter;
    if (Math.abs(leave.at - this.#networkTime) > ORDER_MS) return 400;
    this.#forget();
    this.#deps.removed(leave.by, leave.erase);
    return 200;
  }

  /** The network's time, as far as this device knows it. */
  get #networkTime(): number {
    return Math.round(this.#deps.clock.now() - this.#deps.clockAhead());
  }

  async #tellToLeave(instance: string): Promise<void> {
    const erase = this.#copies?.listed(instance)?.erase === true;
    if (this.#active(instance) === null || this.#toldToLeave.has(instance)) return;
    this.#toldToLeave.set(instance, 'telling');
    const status = await this.#letter(instance, { leave: { erase, at: this.#networkTime, by: this.#deps.self.deviceName() } });
    if (this.#isDisposed) return;
    if (status === 200) {
      this.#toldToLeave.set(instance, 'asked');
      this.#copies?.left(instance);
    } else this.#toldToLeave.delete(instance);
    this.#deps.changed();
  }

  #removal(instance: string): RemovalValue {
    const register = this.#copies?.listed(instance);
    const isHere = this.#active(instance) !== null;
    const state = register?.left === true ? (isHere ? 'asked' : 'gone') : 'away';
    return { instanceId: instance, name: register?.name ?? '', erase: register?.erase === true, state };
  }

  // The wire.

  #active(instance: string): DeviceValue | null {
    return this.#deps.devices().find((device) => device.instanceId === instance && device.state === 'active') ?? null;
  }

  /** @returns the status that answers; 480 where that device is not there, 408 for no answer */
  async #note(to: string, note: Omit<Note, 'i'>): Promise<number> {
    const { sip, self, refreshDevices, log } = this.#deps;
    const device = this.#active(to);
    if (device === null) {
      drop(refreshDevices(), log, 'Looking at the devices');
      return 480;
    }
    try {
      const { status } = await sip.sendPlain({
        target: device.pubGruu ?? self.aor,
        icsi: null,
        contentType: `${OWN_DEVICES_TYPE};v=1`,
        body: new TextEncoder().encode(JSON.stringify({ i: self.instanceId, ...note })),
        ...(device.pubGruu === null ? { acceptContactInstance: to } : {}),
      });
      return status;
    } catch (error) {
      return error instanceof AppError ? (error.detail.status ?? 408) : 408;
    }
  }

  /** From when on messages are wanted; null: all. */
  #since(choice: HistoryChoice): number | null {
    if (choice === 'all') return null;
    return this.#networkTime - (choice === 'days90' ? 90 * DAY_MS : 0);
  }
}
