/** One signed-in account: its SIP client, its media endpoint and its messenger, wired together and ended together. */

import type { Clock } from '../../base/clock';
import { DisposableStore } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import type {
  AccountValue,
  AppEventBody,
  CapabilityName,
  DeviceValue,
  IdentityValue,
  PeerCapabilities,
  PersonValue,
  PreferencesValue,
  RegistrationValue,
} from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { ICSI } from '../../protocol/feature-tags';
import { nickname } from '../../protocol/instance-urn';
import { addressKey } from '../../protocol/uri';
import type { WireTap } from '../../protocol/wire-record';
import { Messenger } from '../cpm/messenger';
import { DeviceControl, defaultTestText } from '../devices/control';
import { capabilitiesOf, DeviceList } from '../devices/list';
import { SignOuts } from '../devices/sign-out';
import type { History } from '../history/history';
import type { MsrpTransport } from '../msrp/connection';
import { MsrpEndpoint } from '../msrp/endpoint';
import { throughTls } from '../msrp/relay';
import { type RegistrationStore, type SipAccount, SipClient, softwareSim } from '../sip/client';
import type { Connect } from '../sip/flow/connection';
import { type Credentials, defaultExpiresSeconds, factoryOf, relayOf } from './credentials';
import { type SignedOut, SignIn } from './sign-in';
import type { KeptOptions } from './sign-in-options';

/** The services that this version can offer, and so the feature tags that it registers (R25). */
const services: Partial<Record<CapabilityName, readonly string[]>> = { session: [ICSI.session, ICSI.group], pager: [ICSI.msg] };

/** What this version can offer, and whether a device without `servicesOff` does. */
export function offersOf(servicesOff: Iterable<string>): AccountValue['offers'] {
  const off = new Set(servicesOff);
  return (Object.keys(services) as CapabilityName[]).map((name) => ({ name, on: !off.has(name) }));
}

/** The settings of an account that the person may change while it is signed in. */
export type OwnSettings = Pick<AccountValue, 'deviceName' | 'writesAs' | 'securesMedia' | 'msrpRelay'> & { servicesOff: readonly string[] };

export interface AccountDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | null;
  userAgent: string;
  history: History;
  knownPeople: readonly PersonValue[];
  preferences(): PreferencesValue;
  isBlocked(address: string): boolean;
  registrationState: RegistrationStore;
  simState: { load(): number; save(sqn: number): void };
  announce(event: AppEventBody): void;
  /** Makes a change of the person last over a restart, before it takes effect here. @throws AppError storage/* */
  keep(change: Partial<OwnSettings>): void;
  /** Who signed this device out before this process began; null for nobody. */
  signedOut: SignedOut | null;
  /** Makes it last over a restart that this device is signed out, or no longer. @throws AppError storage/* */
  keepSignedOut(signedOut: SignedOut | null): void;
  /** The password was forgotten when this device was signed out, so only a new sign-in helps. */
  isForgotten(): boolean;
  /** How servers and peers are reached; over the network when absent. */
  over?: { connect: Connect; media: MsrpTransport };
}

export class Account {
  readonly messenger: Messenger;
  #credentials: Credentials;
  readonly #deps: AccountDeps;
  readonly #sip: SipClient;
  readonly #msrp: MsrpEndpoint;
  readonly #disposables = new DisposableStore();
  readonly #devices: DeviceList;
  readonly #control: DeviceControl;
  #deviceName: string;
  #servicesOff: ReadonlySet<string>;
  #writesAs: string | null;
  /** As last announced. */
  #addresses: readonly string[];
  readonly #signIn: SignIn;
  readonly #signOuts: SignOuts;
  /** As last announced. */
  #wasUntold = false;

  constructor(credentials: Credentials, deps: AccountDeps) {
    this.#credentials = credentials;
    this.#deps = deps;
    this.#deviceName = credentials.deviceName;
    this.#servicesOff = new Set(credentials.servicesOff);
    this.#writesAs = credentials.writesAs ?? null;
    this.#addresses = [credentials.aor];
    const { authUser, registrar, ca, expiresSeconds = defaultExpiresSeconds } = credentials.options;
    const trust = ca === undefined ? {} : { ca };
    const shared = { clock: deps.clock, log: deps.log, ...(deps.tap === null ? {} : { tap: deps.tap }) };
    this.#sip = new SipClient(
      {
        aor: credentials.aor,
        displayName: credentials.displayName,
        password: credentials.password,
        ...(authUser === undefined ? {} : { authUser }),
        ...(registrar === undefined ? {} : { registrar }),
        proxy: credentials.proxy,
        ...trust,
        instanceId: credentials.instanceId,
        deviceName: credentials.deviceName,
        expiresSeconds,
        icsis: this.#icsis,
        registrationState: deps.registrationState,
        ...signInOf(credentials.options, deps),
      },
      { ...shared, userAgent: deps.userAgent, ...(deps.over === undefined ? {} : { connect: deps.over.connect }) },
    );
    // Media leaves by the way that signalling takes: the address that reaches the network is the one peers can reach.
    const media = deps.over === undefined ? {} : { transport: deps.over.media };
    const relay = relayOf(credentials);
    this.#msrp = new MsrpEndpoint({
      ...shared,
      ...media,
      ...trust,
      ...(relay === null ? {} : { relay }),
      host: () => this.#sip.localHost,
    });
    this.messenger = new Messenger({
      clock: deps.clock,
      log: deps.log,
      history: deps.history,
      sip: this.#sip,
      msrp: this.#msrp,
      securesMedia: () => this.#securesMedia,
      self: credentials.aor,
      selfName: credentials.displayName,
      deviceName: () => this.#deviceName,
      factory: factoryOf(credentials),
      isSelf: (address) => this.#isSelf(address),
      writesAs: () => this.#writesAs,
      otherDevices: () => this.#otherDevices(),
      knownPeople: deps.knownPeople,
      preferences: deps.preferences,
      isBlocked: deps.isBlocked,
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
    const self = { aor: credentials.aor, instanceId: credentials.instanceId, deviceName: () => this.#deviceName };
    this.#control = new DeviceControl({
      clock: deps.clock,
      log: deps.log,
      sip: this.#sip,
      self,
      signOut: async (by) => this.#signIn.askedBy(by),
    });
    this.#sip.handleMessage = async (pager) => (await this.#control.receive(pager)) ?? this.messenger.incoming.pager(pager);
    this.#disposables.add(
      this.#sip.onInvite.on((invite) => {
        // What is not offered is not answered either (R76), should the network ask all the same.
        if (this.#servicesOff.has('session')) drop(invite.reject(488, 'Not Acceptable Here'), deps.log, 'refusing an invitation');
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
  }

  get value(): AccountValue {
    const { aor, displayName, kind, instanceId } = this.#credentials;
    return {
      aor,
      displayName,
      deviceName: this.#deviceName,
      instanceId,
      nickname: nickname(instanceId),
      kind,
      addresses: [...this.#addresses],
      writesAs: this.#writesAs,
      offers: offersOf(this.#servicesOff),
      untold: this.#sip.registration.untold,
      securesMedia: this.#credentials.options.securesMedia === true,
      msrpRelay: this.#credentials.options.msrpRelay ?? null,
      relay: this.#msrp.relay?.value ?? null,
    };
  }

  #otherDevices(): string[] {
    const live = this.devices.filter((device) => !device.self && device.state === 'active' && device.capabilities.includes('session'));
    return live.flatMap(({ pubGruu }) => pubGruu ?? []);
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

  /** The devices, asked for where the network does not tell by itself. */
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
    return { aor, instanceId, nickname: nickname(instanceId), deviceName: this.#deviceName, pubGruu, tempGruu, identities };
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

  /**
   * Renames this device. The name holds from now on; where the server could not be told (`untold` of the value), the next registration tells it (R24).
   * @throws AppError storage/* where the name cannot be kept; nothing changes then
   */
  async rename(deviceName: string): Promise<void> {
    this.#deps.keep({ deviceName });
    this.#deviceName = deviceName;
    await this.#tell(this.#sip.registration.rename(deviceName));
  }

  /** @throws AppError account/bad-address, net/*, sip/* */
  async capabilitiesOf(address: string): Promise<PeerCapabilities> {
    const { icsis, instanceId, deviceName } = await this.#sip.queryCapabilities(address);
    return { capabilities: capabilitiesOf(icsis), instanceId, deviceName };
  }

  /** @throws AppError device/unknown, net/*, sip/* */
  testDevice(instanceId: string, text = defaultTestText): Promise<{ message: string; by: 'gruu' | 'instance'; tookMs: number }> {
    return this.#control.test(this.#device(instanceId), text);
  }

  /** @throws AppError device/refuses, device/unknown, net/*, sip/* */
  async signOutDevice(instanceId: string): Promise<void> {
    const device = this.#device(instanceId);
    if (device.self) throw new AppError('ipc/refused', { cause: 'this device is not another one' });
    await this.#signOuts.signOut(device);
  }

  /** Ends every registration of the address. @throws AppError what the network said; nothing is ended then */
  async signOutEverywhere(): Promise<void> {
    this.#devices.leave();
    await this.#sip.registration.signOutEverywhere();
    this.#signIn.endedEverywhere();
    this.#deps.announce({ event: 'registration', ...this.registration });
  }

  /**
   * Offers a service or stops offering it. That holds from now on; the server is told as in `rename` (R26).
   * @throws AppError ipc/refused, storage/*; nothing changes then
   */
  async setCapability(name: CapabilityName, on: boolean): Promise<void> {
    if (services[name] === undefined) throw new AppError('ipc/refused', { cause: `this version cannot offer ${name}` });
    const off = [...this.#servicesOff].filter((other) => other !== name).concat(on ? [] : [name]);
    this.#deps.keep({ servicesOff: off });
    this.#servicesOff = new Set(off);
    await this.#tell(this.#sip.registration.setCapabilities(this.#icsis));
  }

  /** Shows what has changed before the server knows, and again when it has been asked. */
  async #tell(telling: Promise<void>): Promise<void> {
    this.#announceAccount();
    await telling;
    this.#announceAccount();
  }

  #announceAccount(): void {
    this.#wasUntold = this.#sip.registration.untold;
    this.#deps.announce({ event: 'account', account: this.value });
  }

  /**
   * How chats are carried from now on: over TLS alone or not, and through a relay or not. A relay is tried first.
   * @throws AppError `msrp/relay`, storage/*; nothing changes then
   */
  async setMedia({ securesMedia, msrpRelay }: Pick<AccountValue, 'securesMedia' | 'msrpRelay'>): Promise<void> {
    const before = this.value;
    if (before.securesMedia === securesMedia && before.msrpRelay === msrpRelay) return;
    const { msrpRelay: _, ...rest } = this.#credentials.options;
    const options = { ...rest, securesMedia, ...(msrpRelay === null ? {} : { msrpRelay }) };
    const credentials: Credentials = { ...this.#credentials, options };
    const keep = () => this.#deps.keep({ securesMedia, msrpRelay });
    if (before.msrpRelay !== msrpRelay) {
      await this.#msrp.goThrough(relayOf(credentials), keep);
      this.#watchRelay();
    } else keep();
    this.#credentials = credentials;
    this.#announceAccount();
    this.messenger.mediaChanged();
  }

  /** To be called for each relay that is set: the endpoint ends what it tells when another one takes its place. */
  #watchRelay(): void {
    const { relay } = this.#msrp;
    relay?.onChange.on(() => this.#announceAccount());
    relay?.onBack.on(() => this.isRegistered && this.messenger.relayBack());
  }

  /** Behind a relay TLS is the relay's to have or not. */
  get #securesMedia(): boolean {
    const relay = relayOf(this.#credentials);
    return relay === null ? this.#credentials.options.securesMedia === true : throughTls(relay);
  }

  /** Writes as another of the own addresses, everywhere or in one conversation; null as usual. @throws AppError account/bad-address */
  writeAs(address: string | null, conversation: string | undefined): void {
    const key = address === null ? null : addressKey(address);
    if (address !== null && (key === null || !this.#addresses.includes(key)))
      throw new AppError('account/bad-address', { cause: `${address} is no address of this account` }, 'user');
    if (conversation !== undefined) {
      this.messenger.chats.writeAs(conversation, key === (this.#writesAs ?? this.#credentials.aor) ? null : key);
      return;
    }
    const writesAs = key === this.#credentials.aor ? null : key;
    this.#deps.keep({ writesAs });
    this.#writesAs = writesAs;
    this.#announceAccount();
  }

  #isSelf(address: string): boolean {
    return address === this.#credentials.aor || this.#addresses.includes(address);
  }

  get #icsis(): string[] {
    return Object.entries(services).flatMap(([name, urns]) => (this.#servicesOff.has(name) ? [] : urns));
  }

  #device(instanceId: string): DeviceValue {
    const device = this.#devices.device(instanceId);
    if (device === null) throw new AppError('device/unknown', { cause: instanceId }, 'user');
    return device;
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

  /** P-Associated-URI of the last 200; what a registration that is away has told still holds. */
  #learnAddresses(): void {
    const told = this.#sip.registration.identities.flatMap((identity) => addressKey(identity) ?? []);
    const addresses = [...new Set([this.#credentials.aor, ...told])];
    if (told.length === 0 || addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#announceAccount();
  }

  #registrationChanged(): void {
    this.#signIn.registrationIs(this.#sip.registration.state);
    this.#learnAddresses();
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

function signInOf({ scheme, minAlgorithm, sim }: KeptOptions, deps: AccountDeps): Pick<SipAccount, 'authScheme' | 'minAlgorithm' | 'sim'> {
  return {
    ...(scheme === undefined ? {} : { authScheme: scheme }),
    ...(minAlgorithm === undefined ? {} : { minAlgorithm }),
    ...(sim === undefined ? {} : { sim: softwareSim(sim, deps.simState) }),
  };
}
