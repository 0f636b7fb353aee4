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
  /** Seconds. */
  expires: number;
  icsis: string[];
  params: ReadonlyMap<string, string | null>;
  pubGruu: string | null;
  tempGruu: string | null;
}

/** Every binding of a 200 to REGISTER. One unreadable Contact does not hide the others. */
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
 * A GRUU of a Contact. Some registrars leave out its quotes, and its `gr` then stands beside it as a parameter of the Contact; taken
 * without that it would be the address of all devices. What has no `gr` is no GRUU (RFC 5627 section 3.1).
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

/** A header that holds a number of seconds; null when it is absent or no number. */
export function headerSeconds(response: WireMessage, name: string): number | null {
  const digits = /^\d{1,9}/.exec(response.first(name) ?? '')?.[0];
  return digits === undefined ? null : Number(digits);
}
