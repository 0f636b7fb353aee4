/** A binding of an address to a device, as a 200 to REGISTER lists it (RFC 3261 section 10.2.4, RFC 5627 section 4.2; R26, R30). */

import { ICSI_PARAM, INSTANCE_PARAM, parseIcsi } from '../../../protocol/feature-tags';
import { parseInstance } from '../../../protocol/instance-urn';
import { shownName } from '../../../protocol/shown-name';
import { type NameAddr, parseNameAddr, parseUri } from '../../../protocol/uri';
import type { WireMessage } from '../wire/wire-message';

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
  return response.list('contact').flatMap((value) => {
    const contact = parseNameAddr(value);
    return contact.ok && contact.value.uri !== '*' ? [readBinding(contact.value, header)] : [];
  });
}

function readBinding({ displayName, uri, params }: NameAddr, defaultExpires: number): Binding {
  const instance = params.get(INSTANCE_PARAM);
  const description = params.get('description')?.replace(/^<|>$/g, '');
  const expires = /^\d{1,9}$/.exec(params.get('expires') ?? '')?.[0];
  return {
    contact: uri,
    instanceId: instance ? parseInstance(instance) : null,
    deviceName: shownName(displayName ?? description ?? '') || null,
    expires: expires === undefined ? defaultExpires : Number(expires),
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
  const digits = /^\d{1,9}/.exec(response.first(name) ?? '')?.[0];
  return digits === undefined ? null : Number(digits);
}
