/** One signed-in account: its SIP client, its media endpoint and its messenger, wired together and ended together. */
import type {
  AccountValue,
  AppEventBody,
  DeviceValue,
  IdentityValue,
  PersonValue,
  PreferencesValue,
  RegistrationValue,
} from '../preload/contract';
import { type Clock, DisposableStore, drop, type Logger } from './base';
import { devicesOf } from './cpm/devices';
import { Messenger } from './cpm/messenger';
import type { History } from './history/history';
import { MsrpEndpoint } from './msrp/endpoint';
import { ICSI } from './protocol/feature-tags';
import { nickname } from './protocol/instance-urn';
import type { WireTap } from './protocol/wire-record';
import { SipClient } from './sip/client';

/** The services that this version offers, and so the feature tags that it registers (R25). */
const services = [ICSI.session, ICSI.group, ICSI.msg];

/** What it takes to sign in. */
export interface Credentials {
  kind: AccountValue['kind'];
  aor: string;
  displayName: string;
  authUser: string | null;
  password: string;
  proxy: string;
  registrar: string | null;
  factory: string;
  deviceName: string;
  instanceId: string;
  expiresSeconds: number;
}

export interface AccountDeps {
  clock: Clock;
  log: Logger;
  tap: WireTap | null;
  userAgent: string;
  history: History;
  knownPeople: readonly PersonValue[];
  preferences(): PreferencesValue;
  announce(event: AppEventBody): void;
}

export class Account {
  readonly messenger: Messenger;
  readonly #credentials: Credentials;
  readonly #deps: AccountDeps;
  readonly #sip: SipClient;
  readonly #msrp: MsrpEndpoint;
  readonly #disposables = new DisposableStore();
  #deviceName: string;

  constructor(credentials: Credentials, deps: AccountDeps) {
    this.#credentials = credentials;
    this.#deps = deps;
    this.#deviceName = credentials.deviceName;
    const shared = { clock: deps.clock, log: deps.log, ...(deps.tap === null ? {} : { tap: deps.tap }) };
    this.#sip = new SipClient(
      {
        aor: credentials.aor,
        displayName: credentials.displayName,
        password: credentials.password,
        ...(credentials.authUser === null ? {} : { authUser: credentials.authUser }),
        ...(credentials.registrar === null ? {} : { registrar: credentials.registrar }),
        proxy: credentials.proxy,
        instanceId: credentials.instanceId,
        deviceName: credentials.deviceName,
        expiresSeconds: credentials.expiresSeconds,
        icsis: services,
      },
      { ...shared, userAgent: deps.userAgent },
    );
    this.#msrp = new MsrpEndpoint(shared);
    this.messenger = new Messenger({
      clock: deps.clock,
      log: deps.log,
      history: deps.history,
      sip: this.#sip,
      msrp: this.#msrp,
      self: credentials.aor,
      selfName: credentials.displayName,
      factory: credentials.factory,
      knownPeople: deps.knownPeople,
      preferences: deps.preferences,
      isRegistered: () => this.isRegistered,
      announce: deps.announce,
    });
    this.#sip.handleMessage = (pager) => this.messenger.receivePager(pager);
    this.#disposables.add(this.#sip.onInvite.on((invite) => this.messenger.receiveInvite(invite)));
    this.#disposables.add(this.#sip.registration.onState.on(() => this.#registrationChanged()));
  }

  get value(): AccountValue {
    const { aor, displayName, kind, instanceId } = this.#credentials;
    return { aor, displayName, deviceName: this.#deviceName, instanceId, nickname: nickname(instanceId), kind };
  }

  get isRegistered(): boolean {
    const state = this.#sip.registration.state;
    return state === 'registered' || state === 'refreshing';
  }

  get registration(): RegistrationValue {
    const { state, expires, bindings, retryAt, error } = this.#sip.registration;
    return {
      state,
      bindings: bindings.length,
      ...(expires === null ? {} : { expires }),
      ...(retryAt === null ? {} : { retryAt }),
      ...(error === null ? {} : { error: error.toValue() }),
    };
  }

  get devices(): DeviceValue[] {
    return devicesOf(this.#sip.registration.bindings, { instanceId: this.#credentials.instanceId, deviceName: this.#deviceName });
  }

  get identity(): IdentityValue {
    const { pubGruu, tempGruu, identities } = this.#sip.registration;
    const { aor, instanceId } = this.#credentials;
    return { aor, instanceId, nickname: nickname(instanceId), deviceName: this.#deviceName, pubGruu, tempGruu, identities };
  }

  /** Registers; resolves after the final answer. @throws AppError what the registrar or the network said */
  async register(): Promise<void> {
    await this.#sip.registration.register();
  }

  async unregister(): Promise<void> {
    await this.#sip.registration.unregister();
  }

  /** The network may be back, or another one: try now instead of at the next pause's end. */
  networkChanged(): void {
    this.#sip.registration.networkChanged();
  }

  /** Renames this device; registered anew with the same instance ID before this resolves (R24). */
  async rename(deviceName: string): Promise<void> {
    const before = this.#deviceName;
    this.#deviceName = deviceName;
    try {
      await this.#sip.registration.rename(deviceName);
    } catch (error) {
      this.#deviceName = before;
      throw error;
    }
    this.#deps.announce({ event: 'account', account: this.value });
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
    this.#deps.announce({ event: 'registration', ...this.registration });
    const { state, error } = this.#sip.registration;
    if (state === 'waiting' && error?.code === 'net/unreachable') this.messenger.disconnected();
    if (this.#sip.registration.state === 'registered') {
      this.#deps.announce({ event: 'devices', devices: this.devices });
      drop(
        Promise.resolve().then(() => this.messenger.registered()),
        this.#deps.log,
        'sending what waited',
      );
    }
  }
}
