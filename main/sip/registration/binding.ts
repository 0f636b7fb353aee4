/** A binding of an address to a device, as a 200 to REGISTER lists it (RFC 3261 section 10.2.4, RFC 5627 section 4.2; R26, R30). */

import { ICSI_PARAM, INSTANCE_PARAM, parseIcsi } from '../../../protocol/feature-tags';
import { parseInstance } from '../../../protocol/instance-urn';
import { shownName } from '../../../protocol/shown-name';
import { type NameAddr, parseUri } from '../../../protocol/uri';
import type { WireMessage } from '../wire/wire-message';
import { listedContacts } from './listed-contacts';

export interface Binding {
  contact: string;
  instanceId: string | null;
  deviceName: string | null;
  /** In seconds. */
  expires: number;
  icsis: string[];
  params: ReadonlyMap<string, string | null>;
  pubGruu: string | null;
  tempGruu: string | null;
}

/** Every binding in a 200 to REGISTER. An unreadable Contact does not hide the others. */
export function readBindings(response: WireMessage): Binding[] {
  const header = headerSeconds(response, 'expires') ?? 0;
  return listedContacts(response).flatMap((contact) => (contact.uri === '*' ? [] : [readBinding(contact, header)]));
}

function readBinding({ displayName, uri, params }: NameAddr, defaultExpires: number): Binding {
  const instance = params.get(INSTANCE_PARAM);
  const description = params.get('description')?.replace(/^<|>$/g, '');
  return {
    contact: uri,
    instanceId: instance ? parseInstance(instance) : null,
    deviceName: shownName(displayName ?? description ?? '') || null,
    expires: secondsIn(params.get('expires') ?? '') ?? defaultExpires,
    icsis: parseIcsi(params.get(ICSI_PARAM) ?? ''),
    params,
    pubGruu: gruuOf(params, 'pub-gruu'),
    tempGruu: gruuOf(params, 'temp-gruu'),
  };
}

/**
 * A GRUU in a Contact. Some registrars leave out its quotes, so that its `gr` becomes a parameter of the Contact; without `gr` it would be
 * the address of all devices. A URI without `gr` is not a GRUU (RFC 5627 section 3.1).
 */
function gruuOf(params: ReadonlyMap<string, string | null>, name: 'pub-gruu' | 'temp-gruu'): string | null {
  const value = params.get(name);
  if (!value) return null;
  const names = [...params.keys()];
  const next = names[names.indexOf(name) + 1] ?? '';
  const beside = /^gr>?$/.test(next) ? params.get(next) : undefined;
  const isTorn = beside !== undefined && !value.includes(';');
  const text = `${value}${isTorn ? `;gr${beside === null ? '' : `=${beside}`}` : ''}`.replace(/^<|>$/g, '');
  const uri = parseUri(text);
  return uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips') && uri.value.params.has('gr') ? text : null;
}

/** The value of a header in seconds; null when the header is absent or not a number. */
export function headerSeconds(response: WireMessage, name: string): number | null {
  return secondsIn(response.first(name) ?? '');
}

/** RFC 3261 section 20.19: at most 2^32 - 1. Registrars also write "60.0" and "60s". */
function secondsIn(text: string): number | null {
  const digits = /^\s*(\d+)/.exec(text)?.[1];
  return digits === undefined ? null : Math.min(Number(digits), 2 ** 32 - 1);
}
