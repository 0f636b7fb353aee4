/**
 * The devices of one's own address: the binding list of each 200 (R30) brought together with the registration events (RFC 3680, RFC 5628).
 * The later news wins. Where the network sends no events, the binding list alone counts, and the server is asked for it when somebody looks.
 *
 * The same events tell this device how its own registration ended (`own-registration.ts`), and whether another computer uses its instance ID:
 *
 *   another contact, own instance
 *     beside ours ................. a warning
 *     in place of ours ............ a warning, and this device stops: two that register against each other help nobody
 */

import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import type { DeviceValue } from '../../preload/contract';
import { sameInstance } from '../../protocol/instance-urn';
import { mergeRegInfo, parseRegInfo, type RegInfo, type RegInfoContact } from '../../protocol/reginfo';
import { addressKey } from '../../protocol/uri';
import type { Registration, RegistrationSubscription } from '../sip/client';
import { contactKey, deviceValue, type Entry, entryOfBinding, entryOfContact, rankOf } from './entry';
import { OwnRegistration } from './own-registration';

/** LAB: how long after its end a subscription is tried again. */
export const SUBSCRIBE_AGAIN_MS = 60_000;
/** LAB: a list that is no older than this is not asked for again. */
export const FRESH_LIST_MS = 2_000;
/** Refusals of a network that has no registration events, or none for its users: it is not asked again. */
const NO_EVENTS = new Set([400, 403, 404, 405, 415, 420, 481, 483, 486, 488, 489, 501, 603]);

export interface DeviceListDeps {
  clock: Clock;
  log: Logger;
  registration: Pick<Registration, 'state' | 'onState' | 'bindings' | 'contact' | 'expires' | 'icsis' | 'pubGruu' | 'register' | 'halt'>;
  subscribe(): RegistrationSubscription;
  self: { aor: string; instanceId: string; deviceName(): string };
  /** The list, or the duplicate, is another than before. */
  changed(): void;
  /** The network says that this device was signed out, and not by itself. */
  signedOut(): void;
}

export class DeviceList implements Disposable {
  readonly #deps: DeviceListDeps;
  readonly #listening: Disposable;
  #entries = new Map<string, Entry>();
  #listedAt = 0;
  /** Keys of the contacts that this process has registered itself: the current ones, and those of earlier flows. */
  #current = new Set<string>();
  readonly #earlier = new Set<string>();
  #flow: string | null = null;
  #subscription: Disposable | null = null;
  #info: RegInfo | null = null;
  #hasEvents: boolean | null = null;
  #gaps = 0;
  #timer: Disposable | null = null;
  readonly #own: OwnRegistration;
  #duplicate: DeviceValue['duplicate'] = null;

  constructor(deps: DeviceListDeps) {
    this.#deps = deps;
    this.#own = new OwnRegistration({ ...deps, fights: () => this.#stop('the network ends the registration again and again') });
    this.#listening = deps.registration.onState.on((state) => {
      if (state === 'registered') this.#registered();
      else if (state === 'offline') this.#signedOff();
    });
  }

  /** Another computer that is registered with this device's ID, as far as the network tells. */
  get duplicate(): DeviceValue['duplicate'] {
    return this.#duplicate;
  }

  /** True while the network tells by itself what changes. */
  get isWatching(): boolean {
    return this.#subscription !== null && this.#info !== null;
  }

  /** One value a device, this one first. A contact without an instance ID is shown as itself. */
  get values(): DeviceValue[] {
    const chosen = new Map<string, Entry>();
    for (const entry of this.#entries.values()) {
      const key = entry.instanceId === null ? entry.contact : this.#isOwnInstance(entry.instanceId) ? '' : entry.instanceId;
      const other = chosen.get(key);
      // A device may have several flows, and contacts that it has left behind: the current one counts.
      if (other === undefined || this.#isTruer(entry, other)) chosen.set(key, entry);
    }
    const values = [...chosen.values()].map((entry) => this.#value(entry));
    return values.sort((one, other) => Number(other.self) - Number(one.self));
  }

  device(instanceId: string): DeviceValue | null {
    return this.values.find((device) => device.instanceId === instanceId || sameInstance(device.instanceId, instanceId)) ?? null;
  }

  /** Asks the server for a list no older than this, where it does not tell by itself. Where that fails, the known list stays. */
  async refresh(maxAgeMs = FRESH_LIST_MS): Promise<void> {
    const { registration, clock, log } = this.#deps;
    if (this.isWatching || registration.state !== 'registered' || clock.now() - this.#listedAt < maxAgeMs) return;
    await registration.register().catch((error: unknown) => log.info('The list of devices is not newer', { error: String(error) }));
  }

  /** This device is about to end its own registration: until it registers again, the network's word on that is no news. */
  leave(): void {
    this.#subscription?.dispose();
    this.#subscription = null;
    this.#info = null;
    this.#timer?.dispose();
    this.#own.dispose();
  }

  dispose(): void {
    this.#listening.dispose();
    this.leave();
  }

  // ---------------------------------------------------------------- the binding list

  #registered(): void {
    const { registration } = this.#deps;
    const isNewFlow = registration.contact !== this.#flow;
    this.#own.dispose();
    const before = this.#entries;
    this.#list();
    this.#learnOwnContacts(isNewFlow);
    const foreign = this.#foreignContact();
    if (foreign === null) this.#duplicate = null;
    // A contact that is there at the start may be left from an earlier run; one that comes later is somebody.
    else if (!isNewFlow && !before.has(contactKey(foreign.contact))) this.#sawDuplicate(foreign);
    this.#flow = registration.contact;
    if (isNewFlow || this.#subscription === null) this.#watch();
    this.#deps.changed();
  }

  /** The bindings that the answer to signing off has left; no event comes after it. */
  #signedOff(): void {
    this.leave();
    this.#flow = null;
    this.#list();
    this.#deps.changed();
  }

  #list(): void {
    const { registration, clock } = this.#deps;
    const before = this.#entries;
    this.#listedAt = clock.now();
    this.#entries = new Map(
      registration.bindings.map((binding) => {
        const key = contactKey(binding.contact);
        return [key, entryOfBinding(binding, before.get(key), this.#listedAt)];
      }),
    );
    this.#listSelf();
  }

  /** A registrar that answers 200 and does not list this device (against RFC 3261 section 10.3) has registered it all the same. */
  #listSelf(): void {
    const { contact, expires, icsis, pubGruu } = this.#deps.registration;
    const key = contact === null ? null : contactKey(contact);
    if (contact === null || key === null || expires === null || this.#entries.has(key)) return;
    if ([...this.#entries.values()].some((entry) => this.#isOwnInstance(entry.instanceId))) return;
    const { instanceId, deviceName } = this.#deps.self;
    const rest = { id: null, toldAt: this.#listedAt, state: 'active', lastEvent: null } as const;
    this.#entries.set(key, { contact, instanceId, name: deviceName(), expires, icsis, pubGruu, ...rest });
  }

  #learnOwnContacts(isNewFlow: boolean): void {
    if (isNewFlow) for (const key of this.#current) this.#earlier.add(key);
    const { contact } = this.#deps.registration;
    this.#current = new Set(contact === null ? [] : [contactKey(contact)]);
    const own = [...this.#entries].filter(([, entry]) => this.#isOwnInstance(entry.instanceId));
    // An edge may have rewritten our contact; the answer to our own request shows it.
    if (own.length === 1 && own[0] !== undefined) this.#current.add(own[0][0]);
  }

  // ---------------------------------------------------------------- the events

  #watch(): void {
    this.#subscription?.dispose();
    this.#subscription = null;
    this.#info = null;
    this.#timer?.dispose();
    if (this.#hasEvents === false) return;
    const subscription = this.#deps.subscribe();
    this.#subscription = subscription;
    subscription.onDocument.on((document) => {
      if (this.#subscription === subscription) this.#read(document);
    });
    subscription.onEnd.on(({ reason, status }) => {
      if (this.#subscription !== subscription) return;
      this.#subscription = null;
      this.#info = null;
      if (this.#hasEvents === null && status !== null && NO_EVENTS.has(status)) {
        this.#deps.log.info('This network sends no registration events', { reason });
        this.#hasEvents = false;
      } else {
        this.#watchAfter(SUBSCRIBE_AGAIN_MS);
      }
      this.#deps.changed();
    });
  }

  #watchAfter(delayMs: number): void {
    this.#timer?.dispose();
    this.#timer = this.#deps.clock.setTimer(delayMs, () => {
      if (this.#deps.registration.state === 'registered') this.#watch();
    });
  }

  #read(document: string): void {
    const parsed = parseRegInfo(document);
    if (!parsed.ok) {
      this.#deps.log.warn('A registration event cannot be read', { reason: parsed.reason });
      return;
    }
    const merged = mergeRegInfo(this.#info, parsed.value);
    if (merged === null) {
      // RFC 3680 section 4.6: an event was missed. Subscribes again at once, unless that did not help the last time.
      this.#gaps += 1;
      this.#deps.log.info('A registration event was missed', { version: parsed.value.version });
      if (this.#gaps === 1) this.#watch();
      else {
        this.#subscription?.dispose();
        this.#subscription = null;
        this.#watchAfter(SUBSCRIBE_AGAIN_MS);
      }
      return;
    }
    if (merged === this.#info) return;
    const isFirst = this.#info === null;
    this.#info = merged;
    this.#hasEvents = true;
    if (parsed.value.state === 'full' && !isFirst) this.#gaps = 0;
    this.#apply(parsed.value, isFirst);
    this.#deps.changed();
  }

  #apply(info: RegInfo, isFirst: boolean): void {
    const registration =
      info.registrations.find(({ aor }) => addressKey(aor) === this.#deps.self.aor) ??
      (info.registrations.length === 1 ? info.registrations[0] : undefined);
    if (registration === undefined) return;
    const before = this.#entries;
    const entries = new Map(info.state === 'full' ? [] : before);
    for (const contact of registration.contacts) {
      const key = contactKey(contact.uri);
      const sameId = [...before].find(([, entry]) => entry.id === contact.id);
      // RFC 3680 lets a contact keep its id while its address changes.
      if (sameId !== undefined && sameId[0] !== key) entries.delete(sameId[0]);
      entries.set(key, entryOfContact(contact, before.get(key) ?? sameId?.[1], this.#deps.clock.now()));
    }
    this.#entries = entries;
    if (!isFirst || info.state === 'partial') this.#judge(registration.contacts);
    else this.#judge(registration.contacts.filter((contact) => contact.state === 'active' && this.#current.has(contactKey(contact.uri))));
  }

  // ---------------------------------------------------------------- one's own registration

  /** What news of `contacts` means for this device. During a REGISTER nothing is judged: its 200 decides. */
  #judge(contacts: readonly RegInfoContact[]): void {
    if (this.#deps.registration.state !== 'registered') return;
    const own = contacts.findLast((contact) => this.#current.has(contactKey(contact.uri)));
    const isGone = own?.state === 'terminated' || ![...this.#current].some((key) => this.#entries.get(key)?.state === 'active');
    const foreign = this.#foreignContact();
    if (foreign !== null && (isGone || contacts.some((contact) => contactKey(contact.uri) === contactKey(foreign.contact)))) {
      this.#sawDuplicate(foreign);
      if (isGone) this.#stop('another contact took the place of this device');
      return;
    }
    if (foreign === null) this.#duplicate = null;
    if (own === undefined) return;
    if (own.state === 'terminated') this.#own.ended(own);
    else if (own.event === 'shortened' && own.expires !== null) this.#own.registerAfter((own.expires * 1000) / 2);
  }

  #stop(cause: string): void {
    this.#subscription?.dispose();
    this.#subscription = null;
    this.#own.stop(cause);
  }

  #sawDuplicate(entry: Entry): void {
    this.#deps.log.warn('Another device is registered with the instance ID of this one', { contact: entry.contact });
    this.#duplicate ??= { contact: entry.contact, since: this.#deps.clock.now() };
  }

  /** An active contact with this device's instance ID that this process never had. */
  #foreignContact(): Entry | null {
    for (const [key, entry] of this.#entries) {
      const isOurs = this.#current.has(key) || this.#earlier.has(key);
      if (entry.state === 'active' && !isOurs && this.#isOwnInstance(entry.instanceId)) return entry;
    }
    return null;
  }

  #isOwnInstance(instanceId: string | null): boolean {
    return instanceId !== null && sameInstance(instanceId, this.#deps.self.instanceId);
  }

  #isTruer(entry: Entry, other: Entry): boolean {
    const [one, two] = [entry, other].map(({ contact }) => this.#current.has(contactKey(contact)));
    return one === two ? rankOf(entry) > rankOf(other) : one === true;
  }

  #value(entry: Entry): DeviceValue {
    const { instanceId, deviceName } = this.#deps.self;
    const isSelf = this.#isOwnInstance(entry.instanceId) || (entry.instanceId === null && this.#current.has(contactKey(entry.contact)));
    const value = deviceValue(entry, isSelf ? instanceId : (entry.instanceId ?? entry.contact));
    return isSelf ? { ...value, name: deviceName(), self: true, duplicate: this.#duplicate } : value;
  }
}
