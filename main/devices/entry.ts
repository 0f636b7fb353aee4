/** One contact that the server knows of, as a binding list or a registration event tells it. */
import type { DeviceValue } from '../../preload/contract';
import { acceptContact, ICSI, ICSI_PARAM, INSTANCE_PARAM, parseIcsi } from '../../protocol/feature-tags';
import { nickname, parseInstance } from '../../protocol/instance-urn';
import type { RegInfoContact } from '../../protocol/reginfo';
import { shownName } from '../../protocol/shown-name';
import { formatUri, parseUri } from '../../protocol/uri';
import type { Binding } from '../sip/client';

const capabilityOf: Record<string, string> = {
  [ICSI.session]: 'session',
  [ICSI.group]: 'group',
  [ICSI.msg]: 'pager',
  [ICSI.largemsg]: 'large',
  [ICSI.filetransfer]: 'file',
};

/** Service identifiers as the contract's words; one without a word is left out. */
export function capabilitiesOf(icsis: readonly string[]): string[] {
  return icsis.flatMap((urn) => capabilityOf[urn] ?? []);
}

export interface Entry {
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

/** @param known the same contact as it was known before */
export function entryOfBinding(binding: Binding, known: Entry | undefined, now: number): Entry {
  return {
    contact: binding.contact,
    id: known?.id ?? null,
    instanceId: binding.instanceId,
    name: binding.deviceName,
    expires: binding.expires,
    toldAt: now,
    icsis: binding.icsis,
    pubGruu: binding.pubGruu,
    state: 'active',
    lastEvent: known?.state === 'active' ? known.lastEvent : null,
  };
}

/** A contact of an event that tells no parameters keeps those known before. @param known the same contact as it was known before */
export function entryOfContact(contact: RegInfoContact, known: Entry | undefined, now: number): Entry {
  const instance = contact.params.get(INSTANCE_PARAM);
  const icsis = contact.params.get(ICSI_PARAM);
  const description = contact.params.get('description')?.replace(/^<|>$/g, '');
  const said = contact.displayName ?? description;
  const isBare = contact.params.size === 0;
  return {
    contact: contact.uri,
    id: contact.id,
    instanceId: (instance ? parseInstance(instance) : null) ?? known?.instanceId ?? null,
    name: said === undefined ? (isBare ? (known?.name ?? null) : null) : shownName(said),
    expires: contact.state === 'terminated' ? 0 : (contact.expires ?? known?.expires ?? 0),
    toldAt: contact.expires === null && contact.state === 'active' ? (known?.toldAt ?? now) : now,
    icsis: icsis ? parseIcsi(icsis) : isBare ? (known?.icsis ?? []) : [],
    pubGruu: contact.pubGruu ?? known?.pubGruu ?? null,
    state: contact.state,
    lastEvent: { event: contact.event, at: now },
  };
}

/** An active contact is truer than one that is over, and a later one than an earlier one. */
export function rankOf(entry: Entry): number {
  return (entry.state === 'active' ? 2e15 : 0) + entry.toldAt + entry.expires * 1000;
}

/** A device that is not this one, by its ID. */
export function deviceValue(entry: Entry, instanceId: string): DeviceValue {
  const { name, contact, expires, toldAt, icsis, pubGruu, state, lastEvent } = entry;
  return {
    ...{ instanceId, name: name ?? '', nickname: nickname(instanceId), self: false, contact, expires, expiresAt: toldAt + expires * 1000 },
    ...{ capabilities: capabilitiesOf(icsis), pubGruu, state, lastEvent, duplicate: null },
  };
}

/** How a device is invited into a group, and known there; null where nothing names it alone. */
export function ownDevice(
  { instanceId, pubGruu, contact }: DeviceValue,
  aor: string,
): { instanceId: string; target: string; isAt(contact: string): boolean } | null {
  if (pubGruu !== null) return { instanceId, target: pubGruu, isAt: (other) => other === pubGruu };
  const uri = parseUri(aor);
  if (!instanceId.startsWith('urn:') || !uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return null;
  const target = formatUri({ ...uri.value, headers: [['Accept-Contact', acceptContact({ instanceId })]] });
  return { instanceId, target, isAt: (other) => contactKey(other) === contactKey(contact) };
}

/** Two contacts are the same place by user, host and port, whatever the parameters. */
export function contactKey(contact: string): string {
  const uri = parseUri(contact);
  if (!uri.ok || uri.value.scheme === 'other' || uri.value.scheme === 'tel') return contact;
  return `${uri.value.user ?? ''}@${uri.value.host.toLowerCase()}:${uri.value.port ?? ''}`;
}
