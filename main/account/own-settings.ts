/**
 * The settings of an account that the person may change while it is signed in: the device's name, its services, the address to write as, the way of
 * the media. A change is on disk first, then it holds here, then the server hears of it.
 */
import type { AccountValue, CapabilityName } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { addressKey } from '../../protocol/uri';
import { type RelayAccount, throughTls } from '../msrp/relay';
import type { MediaWish } from '../msrp/session';
import type { Registration } from '../sip/client';
import { type Credentials, relayOf } from './credentials';
import { canOffer, icsisOf, offersOf } from './services';

/** What is kept of a change. */
export type SettingsChange = Pick<AccountValue, 'deviceName' | 'writesAs' | 'mediaTls' | 'msrpRelay'> & {
  servicesOff: readonly string[];
};

export interface OwnSettingsDeps {
  /** Makes a change last over a restart. @throws AppError storage/* */
  keep(change: Partial<SettingsChange>): void;
  /** The settings show something else than before. */
  changed(): void;
  registration(): Pick<Registration, 'rename' | 'setCapabilities'>;
  /** Whether the present connection to the server is over TLS. */
  isServerOverTls(): boolean;
  /** Media takes this way from the next session on. A relay is tried first, then `beforeChange` runs. @throws AppError msrp/relay */
  goThrough(relay: RelayAccount | null, beforeChange: () => void): Promise<void>;
}

export class OwnSettings {
  readonly #deps: OwnSettingsDeps;
  #credentials: Credentials;
  #deviceName: string;
  #servicesOff: ReadonlySet<string>;
  #writesAs: string | null;
  #addresses: readonly string[];

  constructor(credentials: Credentials, deps: OwnSettingsDeps) {
    this.#deps = deps;
    this.#credentials = credentials;
    this.#deviceName = credentials.deviceName;
    this.#servicesOff = new Set(credentials.servicesOff);
    this.#writesAs = credentials.writesAs ?? null;
    this.#addresses = [credentials.aor];
  }

  get value(): Pick<AccountValue, 'deviceName' | 'addresses' | 'writesAs' | 'offers' | 'mediaTls' | 'msrpRelay'> {
    const { mediaTls = 'auto', msrpRelay = null } = this.#credentials.options;
    const offers = offersOf(this.#servicesOff);
    return { deviceName: this.#deviceName, addresses: [...this.#addresses], writesAs: this.#writesAs, offers, mediaTls, msrpRelay };
  }

  get deviceName(): string {
    return this.#deviceName;
  }

  get writesAs(): string | null {
    return this.#writesAs;
  }

  get icsis(): string[] {
    return icsisOf(this.#servicesOff);
  }

  get relay(): RelayAccount | null {
    return relayOf(this.#credentials);
  }

  /** How this device asks for media. Behind a relay, the relay decides. */
  get mediaWish(): MediaWish {
    const { relay } = this;
    if (relay !== null) return throughTls(relay) ? 'tls' : 'clear';
    const { mediaTls = 'auto' } = this.#credentials.options;
    if (mediaTls === 'auto') return this.#deps.isServerOverTls() ? 'tlsFirst' : 'clear';
    return mediaTls === 'always' ? 'tls' : 'clear';
  }

  offers(name: CapabilityName): boolean {
    return !this.#servicesOff.has(name);
  }

  isSelf(address: string): boolean {
    return this.#addresses.includes(address);
  }

  /** P-Associated-URI of a 200; after a registration ended, its addresses still hold. */
  learnAddresses(identities: readonly string[]): void {
    const told = identities.flatMap((identity) => addressKey(identity) ?? []);
    const addresses = [...new Set([this.#credentials.aor, ...told])];
    if (told.length === 0 || addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#deps.changed();
  }

  /**
   * The name holds from now on; where the server cannot be told, the next registration tells it (R24).
   * @throws AppError storage/*; nothing changes then
   */
  async rename(deviceName: string): Promise<void> {
    this.#deps.keep({ deviceName });
    this.#deviceName = deviceName;
    await this.#tell(this.#deps.registration().rename(deviceName));
  }

  /**
   * Offers a service or stops offering it. That holds from now on; the server is told as in `rename` (R26).
   * @throws AppError ipc/refused, storage/*; nothing changes then
   */
  async setCapability(name: CapabilityName, on: boolean): Promise<void> {
    if (!canOffer(name)) throw new AppError('ipc/refused', { cause: `this version cannot offer ${name}` });
    const servicesOff = [...this.#servicesOff].filter((other) => other !== name).concat(on ? [] : [name]);
    this.#deps.keep({ servicesOff });
    this.#servicesOff = new Set(servicesOff);
    await this.#tell(this.#deps.registration().setCapabilities(this.icsis));
  }

  /**
   * Chats are asked for over TLS or not, and through a relay or not, from now on. A relay is tried first. False where nothing is to change.
   * @throws AppError msrp/relay, storage/*; nothing changes then
   */
  async setMedia({ mediaTls, msrpRelay }: Pick<AccountValue, 'mediaTls' | 'msrpRelay'>): Promise<boolean> {
    const before = this.value;
    if (before.mediaTls === mediaTls && before.msrpRelay === msrpRelay) return false;
    const { msrpRelay: _, ...rest } = this.#credentials.options;
    const options = { ...rest, mediaTls, ...(msrpRelay === null ? {} : { msrpRelay }) };
    const credentials: Credentials = { ...this.#credentials, options };
    const keep = () => this.#deps.keep({ mediaTls, msrpRelay });
    if (before.msrpRelay === msrpRelay) keep();
    else await this.#deps.goThrough(relayOf(credentials), keep);
    this.#credentials = credentials;
    this.#deps.changed();
    return true;
  }

  /** Writes as another of the own addresses; null as usual. @throws AppError account/bad-address, storage/*; nothing changes then */
  writeAs(address: string | null): void {
    const key = this.#ownKey(address);
    const writesAs = key === this.#credentials.aor ? null : key;
    this.#deps.keep({ writesAs });
    this.#writesAs = writesAs;
    this.#deps.changed();
  }

  /** What a conversation keeps that is written as this address; null where that is the usual one. @throws AppError account/bad-address */
  exceptionOf(address: string | null): string | null {
    const key = this.#ownKey(address);
    return key === (this.#writesAs ?? this.#credentials.aor) ? null : key;
  }

  #ownKey(address: string | null): string | null {
    const key = address === null ? null : addressKey(address);
    if (address !== null && (key === null || !this.#addresses.includes(key)))
      throw new AppError('account/bad-address', { cause: `${address} is no address of this account` }, 'user');
    return key;
  }

  /** Shows the change before the server knows of it, and again when it has been asked. */
  async #tell(telling: Promise<void>): Promise<void> {
    this.#deps.changed();
    await telling;
    this.#deps.changed();
  }
}
