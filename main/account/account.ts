/** One signed-in account: its SIP client, its media endpoint and its messenger, wired together and ended together. */

import { DisposableStore } from '../../base/disposable';
import { drop } from '../../base/log';
import type {
  AccountValue,
  CapabilityName,
  DeviceValue,
  GapValue,
  IdentityValue,
  OwnDevicesValue,
  PeerCapabilities,
  RegistrationValue,
  RemovalValue,
} from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { nickname } from '../../protocol/instance-urn';
import { correspondentKey } from '../../protocol/uri';
import { Messenger } from '../cpm/messenger';
import { DeviceControl, defaultTestText } from '../devices/control';
import { capabilitiesOf, ownDevice } from '../devices/entry';
import { DeviceList } from '../devices/list';
import { EqualDevices } from '../devices/pairing/equal-devices';
import { SignOuts } from '../devices/sign-out';
import type { MsrpEndpoint } from '../msrp/endpoint';
import type { SipClient } from '../sip/client';
import { type Credentials, factoryOf } from './credentials';
import type { AccountDeps } from './deps';
import { OwnSettings } from './own-settings';
import { SignIn } from './sign-in';
import { createMsrp, createSip } from './wire';

export class Account {
  readonly messenger: Messenger;
  readonly #credentials: Credentials;
  readonly #deps: AccountDeps;
  readonly #sip: SipClient;
  readonly #msrp: MsrpEndpoint;
  readonly #disposables = new DisposableStore();
  readonly #devices: DeviceList;
  readonly #control: DeviceControl;
  readonly #settings: OwnSettings;
  readonly #signIn: SignIn;
  readonly #signOuts: SignOuts;
  readonly equal: EqualDevices;
  #isMade = false;
  /** As last announced. */
  #wasUntold = false;

  constructor(credentials: Credentials, deps: AccountDeps) {
    this.#credentials = credentials;
    this.#deps = deps;
    this.#settings = new OwnSettings(credentials, {
      keep: deps.keep,
      changed: () => this.#announceAccount(),
      registration: () => this.#sip.registration,
      isServerOverTls: () => this.#sip.isOverTls,
      goThrough: async (relay, beforeChange) => {
        await this.#msrp.goThrough(relay, beforeChange);
        this.#watchRelay();
      },
    });
    this.#sip = createSip(credentials, this.#settings, deps);
    this.#msrp = createMsrp(credentials, this.#settings.relay, () => this.#sip.localHost, deps);
    this.messenger = new Messenger({
      clock: deps.clock,
      log: deps.log,
      history: deps.history,
      sip: this.#sip,
      msrp: this.#msrp,
      mediaWish: () => this.#settings.mediaWish,
      self: credentials.aor,
      selfName: credentials.displayName,
      deviceName: () => this.#settings.deviceName,
      factory: factoryOf(credentials),
      isSelf: (address) => this.#settings.isSelf(address),
      writesAs: () => this.#settings.writesAs,
      otherDevices: () => this.#otherDevices(),
      knownPeople: deps.knownPeople,
      preferences: deps.preferences,
      isBlocked: deps.isBlocked,
      alsoBlock: deps.alsoBlock,
      isRegistered: () => this.isRegistered,
      clockAhead: () => this.#sip.registration.clockAhead,
      announce: deps.announce,
    });
    this.#signIn = this.#disposables.add(
      new SignIn({
        clock: deps.clock,
        log: deps.log,
        kept: deps.signedOut,
        keep: deps.keepSignedOut,
        beforeLeaving: () => this.#devices.leave(),
        unregister: () => this.#sip.registration.unregister(),
      }),
    );
    const self = { aor: credentials.aor, instanceId: credentials.instanceId, deviceName: () => this.#settings.deviceName };
    this.#control = new DeviceControl({
      clock: deps.clock,
      log: deps.log,
      sip: this.#sip,
      self,
      signOut: async (by) => this.#signIn.askedBy(by),
    });
    this.#sip.handleMessage = async (pager) =>
      (await this.#control.receive(pager)) ?? (await this.equal.receive(pager)) ?? this.messenger.incoming.pager(pager);
    this.#disposables.add(
      this.#sip.onInvite.on((invite) => {
        // A service that is not offered is refused (R76), should the network ask for it all the same.
        if (!this.#settings.offers('session')) drop(invite.reject(488, 'Not Acceptable Here'), deps.log, 'refusing an invitation');
        else this.messenger.incoming.invite(invite);
      }),
    );
    this.#disposables.add(this.#sip.registration.onState.on(() => this.#registrationChanged()));
    this.#watchRelay();
    this.#devices = this.#disposables.add(
      new DeviceList({
        clock: deps.clock,
        log: deps.log,
        registration: this.#sip.registration,
        subscribe: () => this.#sip.subscribeRegistration(),
        self,
        changed: () => {
          deps.announce({ event: 'devices', devices: this.devices });
          this.messenger.devicesChanged();
          this.equal.devicesChanged();
          this.#signOuts.listChanged();
        },
        signedOut: () => this.#signIn.endedByNetwork(),
      }),
    );
    this.#signOuts = this.#disposables.add(
      new SignOuts({
        clock: deps.clock,
        log: deps.log,
        ask: (device) => this.#control.signOut(device),
        refresh: () => this.#devices.refresh(0),
        devices: () => this.devices,
      }),
    );
    this.equal = this.#disposables.add(
      new EqualDevices({
        ...{ clock: deps.clock, log: deps.log, history: deps.history, sip: this.#sip, keys: deps.keys, givenKey: deps.ownKey },
        self: { ...self, name: () => credentials.displayName },
        door: this.messenger.copied,
        isInGroup: (group) => this.messenger.groups.state(group) === 'established',
        blocks: deps.blocks,
        devices: () => this.devices,
        refreshDevices: () => this.#devices.refresh(),
        clockAhead: () => this.#sip.registration.clockAhead,
        changed: () => this.#equalChanged(),
        removed: (by, erase) => this.#removed(by, erase),
      }),
    );
    this.#isMade = true;
  }

  get aor(): string {
    return this.#credentials.aor;
  }

  get value(): AccountValue {
    const { aor, displayName, kind, instanceId } = this.#credentials;
    return {
      ...{ aor, displayName, kind, instanceId, nickname: nickname(instanceId) },
      ...this.#settings.value,
      untold: this.#sip.registration.untold,
      relay: this.#msrp.relay?.value ?? null,
    };
  }

  #otherDevices() {
    const live = this.devices.filter((device) => !device.self && device.state === 'active' && device.capabilities.includes('session'));
    return live.flatMap((device) => ownDevice(device, this.#credentials.aor) ?? []);
  }

  get isRegistered(): boolean {
    const state = this.#sip.registration.state;
    return state === 'registered' || state === 'refreshing';
  }

  get registration(): RegistrationValue {
    const { state, expires, bindings, retryAt, error } = this.#sip.registration;
    const signedOut = this.#signIn.error;
    if (signedOut !== null && state === 'offline') return { state, bindings: bindings.length, error: signedOut.toValue() };
    return {
      state,
      bindings: bindings.length,
      ...(expires === null ? {} : { expires }),
      ...(retryAt === null ? {} : { retryAt }),
      ...(error === null ? {} : { error: error.toValue() }),
    };
  }

  get devices(): DeviceValue[] {
    return this.#devices.values;
  }

  /** The devices, after asking the server where it does not tell by itself. */
  async freshDevices(): Promise<DeviceValue[]> {
    await this.#devices.refresh();
    return this.#devices.values;
  }

  /** Another computer is registered with this device's ID. */
  get isDuplicated(): boolean {
    return this.#devices.duplicate !== null || this.#sip.registration.error?.code === 'identity/duplicate';
  }

  /** Nothing goes on here until the person signs in again. */
  get isOver(): boolean {
    return this.#signIn.isOver;
  }

  get identity(): IdentityValue {
    const { pubGruu, tempGruu, identities } = this.#sip.registration;
    const { aor, instanceId } = this.#credentials;
    return { aor, instanceId, nickname: nickname(instanceId), deviceName: this.#settings.deviceName, pubGruu, tempGruu, identities };
  }

  /**
   * Signs in; resolves after the final answer.
   * @throws AppError account/signed-out where the password went with the sign-out, or the registrar's or the network's refusal
   */
  async register(): Promise<void> {
    const { error } = this.#signIn;
    if (error !== null && (this.#signIn.state === 'leaving' || this.#deps.isForgotten())) throw error;
    await this.#sip.registration.register();
  }

  unregister(): Promise<void> {
    return this.#signIn.signOut();
  }

  /** The network may be back, or another one: try now instead of at the next pause's end. */
  networkChanged(): void {
    this.#sip.registration.networkChanged();
  }

  /** As `OwnSettings.rename`. */
  rename(deviceName: string): Promise<void> {
    const told = this.#settings.rename(deviceName);
    this.equal.renamed();
    return told;
  }

  /** The person has blocked or unblocked somebody: it holds on their other devices, too. */
  blocksChanged(): void {
    this.equal.blocksChanged();
  }

  /** As `OwnSettings.setCapability`. */
  setCapability(name: CapabilityName, on: boolean): Promise<void> {
    return this.#settings.setCapability(name, on);
  }

  /** As `OwnSettings.setMedia`, also for the chats that are open. */
  async setMedia(way: Pick<AccountValue, 'mediaTls' | 'msrpRelay'>): Promise<void> {
    if (await this.#settings.setMedia(way)) this.messenger.mediaChanged();
  }

  /** Writes as another of the own addresses, everywhere or in one conversation; null as usual. @throws AppError account/bad-address */
  writeAs(address: string | null, conversation: string | undefined): void {
    if (conversation === undefined) this.#settings.writeAs(address);
    else this.messenger.chats.writeAs(conversation, this.#settings.exceptionOf(address));
  }

  /** @throws AppError account/bad-address, net/*, sip/* */
  async capabilitiesOf(address: string): Promise<PeerCapabilities> {
    const { icsis, instanceId, deviceName } = await this.#sip.queryCapabilities(address);
    // A device has answered: what waits for its person leaves.
    this.messenger.seen(correspondentKey(address) ?? address);
    return { capabilities: capabilitiesOf(icsis), instanceId, deviceName };
  }

  /** @throws AppError device/unknown, net/*, sip/* */
  testDevice(instanceId: string, text = defaultTestText): Promise<{ message: string; by: 'gruu' | 'instance'; tookMs: number }> {
    return this.#control.test(this.#device(instanceId), text);
  }

  /** Resolves once the network lists that device no longer. @throws AppError device/refuses, device/stays, device/unknown, net/*, sip/* */
  async signOutDevice(instanceId: string): Promise<void> {
    const device = this.#device(instanceId);
    if (device.self) throw new AppError('ipc/refused', { cause: 'this device is not another one' });
    await this.#signOuts.signOut(device);
  }

  /** Ends every registration of the address. @throws AppError the network's refusal; nothing is ended then */
  async signOutEverywhere(): Promise<void> {
    this.#devices.leave();
    await this.#sip.registration.signOutEverywhere();
    this.#signIn.endedEverywhere();
    this.#deps.announce({ event: 'registration', ...this.registration });
  }

  get ownDevices(): OwnDevicesValue {
    return this.equal.value;
  }

  /**
   * Removes another own device. One that is not paired is signed out, and no more.
   * @throws AppError device/refuses, device/unknown, net/*, sip/*
   */
  async removeDevice(instanceId: string, erase: boolean): Promise<RemovalValue> {
    if (instanceId === this.#credentials.instanceId) throw new AppError('ipc/refused', { cause: 'this device is not another one' });
    if (this.ownDevices.with.includes(instanceId)) return this.equal.remove(instanceId, erase);
    const { name } = this.#device(instanceId);
    const state = await this.signOutDevice(instanceId).then(
      () => 'gone' as const,
      (error: unknown) => {
        if (error instanceof AppError && error.code === 'device/stays') return 'asked' as const;
        throw error;
      },
    );
    return { instanceId, name, erase: false, state };
  }

  /** Signs this device out for good; its chats stay. The others are told first. */
  async leave(): Promise<void> {
    await this.equal.leave();
    await this.#signIn.leave();
  }

  /** Another device has removed this one. */
  #removed(by: string, erase: boolean): void {
    this.#signIn.askedBy(by);
    if (erase) this.#deps.eraseChats(by);
  }

  #equalChanged(): void {
    // While this account is being made, nobody has heard of it.
    if (this.#isMade) this.#deps.announce({ event: 'ownDevices', ...this.ownDevices });
  }

  /** What a chat may lack that no other own device can give at present. */
  gaps(conversation: string): GapValue[] {
    return this.equal.gaps(conversation);
  }

  #announceAccount(): void {
    this.#wasUntold = this.#sip.registration.untold;
    this.#deps.announce({ event: 'account', account: this.value });
  }

  /** For each relay that is set: the endpoint ends the emitters of a relay when another one takes its place. */
  #watchRelay(): void {
    const { relay } = this.#msrp;
    relay?.onChange.on(() => this.#announceAccount());
    relay?.onBack.on(() => this.isRegistered && this.messenger.relayBack());
  }

  #device(instanceId: string): DeviceValue {
    const device = this.#devices.device(instanceId);
    if (device === null) throw new AppError('device/unknown', { cause: instanceId }, 'user');
    return device;
  }

  /** As `Messenger.has`. */
  has(which: Parameters<Messenger['has']>[0]): boolean {
    return this.messenger.has(which);
  }

  /** Ends sessions, de-registers this device alone, and lets go of everything. */
  async close(): Promise<void> {
    await this.messenger.close();
    await this.#sip.close();
    this.dispose();
  }

  /** Lets go without a word to the network. */
  dispose(): void {
    this.#disposables.dispose();
    this.messenger.dispose();
    this.#msrp.dispose();
    this.#sip.dispose();
  }

  #registrationChanged(): void {
    this.#signIn.registrationIs(this.#sip.registration.state);
    this.#settings.learnAddresses(this.#sip.registration.identities);
    this.#deps.announce({ event: 'registration', ...this.registration });
    const { state, error, untold } = this.#sip.registration;
    if (untold !== this.#wasUntold) this.#announceAccount();
    if (state === 'waiting' && error?.code === 'net/unreachable') this.messenger.disconnected();
    if (state === 'registered') {
      drop(
        Promise.resolve().then(() => this.messenger.registered()),
        this.#deps.log,
        'sending what waited',
      );
    }
  }
}
