/**
 * The devices of one's own address: the binding list of each 200 (R30) brought together with the registration events (RFC 3680, RFC 5628).
 * What comes later is truer. Where the network sends no events, the binding list alone counts, and is asked for when somebody looks.
 *
 * The same events tell this device what has become of its own registration, and whether another computer uses its instance ID:
 *
 *   own contact terminated
 *     deactivated, expired ........ register again at once; more than twice a minute would be a fight, and stops
 *     probation ................... register again after the time told
 *     unregistered, rejected ...... not by us: stop, and tell the person
 *   another contact, own instance
 *     beside ours ................. a warning
 *     in place of ours ............ a warning, and this device stops: two that register against each other help nobody
 */

import type { Clock } from '../../base/clock';
import type { Disposable } from '../../base/disposable';
import { drop, type Logger } from '../../base/log';
import type { DeviceValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { ICSI, ICSI_PARAM, INSTANCE_PARAM, parseIcsi } from '../../protocol/feature-tags';
import { nickname, parseInstance, sameInstance } from '../../protocol/instance-urn';
import { mergeRegInfo, parseRegInfo, type RegInfo, type RegInfoContact } from '../../protocol/reginfo';
import { addressKey, parseUri } from '../../protocol/uri';
import type { Registration, RegistrationSubscription } from '../sip/client';

/** LAB: how long after an end that may pass the events are asked for again. */
export const SUBSCRIBE_AGAIN_MS = 60_000;
/** LAB: a list that the server told so short a time ago is not asked for again. */
export const FRESH_LIST_MS = 2_000;
/** LAB: how often within `REVIVAL_WINDOW_MS` a binding that the network ended is made anew. */
export const MAX_REVIVALS = 2;
export const REVIVAL_WINDOW_MS = 60_000;
/** LAB: how long a probation lasts that does not say so. */
export const PROBATION_MS = 60_000;

/** Refusals of a network that has no registration events, or none for its users: it is not asked again. */
const NO_EVENTS = new Set([400, 403, 404, 405, 415, 420, 481, 483, 486, 488, 489, 501, 603]);

const capabilityOf: Record<string, string> = {
  [ICSI.session]: 'session',
  [ICSI.group]: 'group',
  [ICSI.msg]: 'pager',
  [ICSI.largemsg]: 'large',
  [ICSI.filetransfer]: 'file',
};

/** Service identifiers as the contract's words; what has none is left out. */
export function capabilitiesOf(icsis: readonly string[]): string[] {
  return icsis.flatMap((urn) => capabilityOf[urn] ?? []);
}

/** One contact that the server knows of. */
interface Entry {
  contact: string;
  /** The name of the contact in the events; null while only a list has told of it. */
  id: string | null;
  instanceId: string | null;
  name: string | null;
  expires: number;
  toldAt: number;
  icsis: readonly string[];
  pubGruu: string | null;
  state: DeviceValue['state'];
  lastEvent: DeviceValue['lastEvent'];
}

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
  /** Keys of the contacts that this process has registered itself: those of now, and of earlier flows. */
  #current = new Set<string>();
  readonly #earlier = new Set<string>();
  #flow: string | null = null;
  #subscription: Disposable | null = null;
  #info: RegInfo | null = null;
  #hasEvents: boolean | null = null;
  #gaps = 0;
  #timer: Disposable | null = null;
  #revivals: number[] = [];
  #duplicate: DeviceValue['duplicate'] = null;

  constructor(deps: DeviceListDeps) {
    this.#deps = deps;
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
      // Several flows of one device, or what it has left behind: the one of now.
      if (other === undefined || this.#rank(entry) > this.#rank(other)) chosen.set(key, entry);
    }
    const values = [...chosen.values()].map((entry) => this.#value(entry));
    return values.sort((one, other) => Number(other.self) - Number(one.self));
  }

  device(instanceId: string): DeviceValue | null {
    return this.values.find((device) => device.instanceId === instanceId || sameInstance(device.instanceId, instanceId)) ?? null;
  }

  /** Asks the server for a list no older than this, where it does not tell by itself. Nothing fails: the list is then as old as it is. */
  async refresh(maxAgeMs = FRESH_LIST_MS): Promise<void> {
    const { registration, clock, log } = this.#deps;
    if (this.isWatching || registration.state !== 'registered' || clock.now() - this.#listedAt < maxAgeMs) return;
    await registration.register().catch((error: unknown) => log.info('The list of devices is not newer', { error: String(error) }));
  }

  /** This device is about to end its own registration: what the network says of that is no news. Until it registers again. */
  leave(): void {
    this.#subscription?.dispose();
    this.#subscription = null;
    this.#info = null;
    this.#timer?.dispose();
  }

  dispose(): void {
    this.#listening.dispose();
    this.leave();
  }

  // ---------------------------------------------------------------- the binding list

  #registered(): void {
    const { registration } = this.#deps;
    const isNewFlow = registration.contact !== this.#flow;
    const before = this.#entries;
    this.#list();
    this.#learnOwnContacts(isNewFlow);
    const foreign = this.#foreignContact();
    if (foreign === null) this.#duplicate = null;
    // What lies there at the start may be left from an earlier run; what comes later is somebody.
    else if (!isNewFlow && !before.has(contactKey(foreign.contact))) this.#sawDuplicate(foreign);
    this.#flow = registration.contact;
    if (isNewFlow || this.#subscription === null) this.#watch();
    this.#deps.changed();
  }

  /** What the answer to signing off has left; nothing is told any more. */
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
        const known = before.get(key);
        const entry: Entry = {
          contact: binding.contact,
          id: known?.id ?? null,
          instanceId: binding.instanceId,
          name: binding.deviceName,
          expires: binding.expires,
          toldAt: this.#listedAt,
          icsis: binding.icsis,
          pubGruu: binding.pubGruu,
          state: 'active',
          lastEvent: known?.state === 'active' ? known.lastEvent : null,
        };
        return [key, entry];
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
    // An edge may have rewritten the contact that we gave; the answer to our own request has it.
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
      // RFC 3680 section 4.6: one was missed. Asked again at once, unless that did not help either.
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
      entries.set(key, this.#entryOf(contact, before.get(key) ?? sameId?.[1]));
    }
    this.#entries = entries;
    if (!isFirst || info.state === 'partial') this.#judge(registration.contacts);
    else this.#judge(registration.contacts.filter((contact) => contact.state === 'active' && this.#current.has(contactKey(contact.uri))));
  }

  #entryOf(contact: RegInfoContact, known: Entry | undefined): Entry {
    const now = this.#deps.clock.now();
    const instance = contact.params.get(INSTANCE_PARAM);
    const icsis = contact.params.get(ICSI_PARAM);
    const description = contact.params.get('description')?.replace(/^<|>$/g, '');
    return {
      contact: contact.uri,
      id: contact.id,
      instanceId: (instance ? parseInstance(instance) : null) ?? known?.instanceId ?? null,
      name: contact.displayName ?? description ?? (contact.params.size === 0 ? (known?.name ?? null) : null),
      expires: contact.state === 'terminated' ? 0 : (contact.expires ?? known?.expires ?? 0),
      toldAt: contact.expires === null && contact.state === 'active' ? (known?.toldAt ?? now) : now,
      icsis: icsis ? parseIcsi(icsis) : contact.params.size === 0 ? (known?.icsis ?? []) : [],
      pubGruu: contact.pubGruu ?? known?.pubGruu ?? null,
      state: contact.state,
      lastEvent: { event: contact.event, at: now },
    };
  }

  // ---------------------------------------------------------------- one's own registration

  /** What news of `contacts` means for this device. A registration under way is judged when its 200 is here. */
  #judge(contacts: readonly RegInfoContact[]): void {
    const { registration, clock, log } = this.#deps;
    if (registration.state !== 'registered') return;
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
    if (own.state === 'active') {
      if (own.event === 'shortened' && own.expires !== null) this.#registerAfter((own.expires * 1000) / 2);
      return;
    }
    log.warn('The network has ended the registration of this device', { event: own.event });
    switch (own.event) {
      case 'unregistered':
        this.#deps.signedOut();
        return;
      case 'rejected':
        registration.halt(new AppError('sip/rejected', { reason: 'registration rejected' }, 'user'));
        return;
      case 'probation': {
        const waitMs = own.retryAfter === null ? PROBATION_MS : own.retryAfter * 1000;
        registration.halt(new AppError('sip/rejected', { reason: 'probation', retryAfterMs: waitMs }, 'auto'));
        this.#registerAfter(waitMs);
        return;
      }
      default: {
        const now = clock.now();
        this.#revivals = [...this.#revivals.filter((at) => now - at < REVIVAL_WINDOW_MS), now];
        if (this.#revivals.length > MAX_REVIVALS) this.#stop('the network ends the registration again and again');
        else this.#registerAfter(0);
      }
    }
  }

  #registerAfter(delayMs: number): void {
    const { clock, registration, log } = this.#deps;
    this.#timer?.dispose();
    this.#timer = clock.setTimer(delayMs, () => drop(registration.register(), { ...log, error: log.info }, 'registering again'));
  }

  #stop(cause: string): void {
    this.#subscription?.dispose();
    this.#subscription = null;
    this.#deps.registration.halt(new AppError('identity/duplicate', { cause }, 'user'));
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

  #rank(entry: Entry): number {
    const isCurrent = this.#current.has(contactKey(entry.contact)) ? 4e15 : 0;
    // Among what is over, the last that was told.
    return isCurrent + (entry.state === 'active' ? 2e15 : 0) + entry.toldAt + entry.expires * 1000;
  }

  #value(entry: Entry): DeviceValue {
    const { instanceId, deviceName } = this.#deps.self;
    const isSelf = this.#isOwnInstance(entry.instanceId) || (entry.instanceId === null && this.#current.has(contactKey(entry.contact)));
    const id = isSelf ? instanceId : (entry.instanceId ?? entry.contact);
    return {
      instanceId: id,
      name: isSelf ? deviceName() : (entry.name ?? ''),
      nickname: nickname(id),
      self: isSelf,
      contact: entry.contact,
      expires: entry.expires,
      expiresAt: entry.toldAt + entry.expires * 1000,
      capabilities: capabilitiesOf(entry.icsis),
      pubGruu: entry.pubGruu,
      state: entry.state,
      lastEvent: entry.lastEvent,
      duplicate: isSelf ? this.#duplicate : null,
    };
  }
}

/** What makes two contacts the same place: user, host and port, whatever the parameters. */
function contactKey(contact: string): string {
  const uri = parseUri(contact);
  if (!uri.ok || uri.value.scheme === 'other' || uri.value.scheme === 'tel') return contact;
  return `${uri.value.user ?? ''}@${uri.value.host.toLowerCase()}:${uri.value.port ?? ''}`;
}
