/** A binding of an address to a device, as a 200 to REGISTER lists it (RFC 3261 section 10.2.4, RFC 5627 section 4.2; R26, R30). */
import { ICSI_PARAM, INSTANCE_PARAM, parseIcsi } from '../protocol/feature-tags';
import { parseInstance } from '../protocol/instance-urn';
import { type NameAddr, parseNameAddr } from '../protocol/uri';
import type { WireMessage } from './wire-message';

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
    deviceName: displayName ?? (description || null),
    expires: expires === undefined ? defaultExpires : Number(expires),
    icsis: parseIcsi(params.get(ICSI_PARAM) ?? ''),
    params,
    pubGruu: params.get('pub-gruu') ?? null,
    tempGruu: params.get('temp-gruu') ?? null,
  };
}

/** A header that holds a number of seconds; null when it is absent or no number. */
export function headerSeconds(response: WireMessage, name: string): number | null {
  const digits = /^\d{1,9}/.exec(response.first(name) ?? '')?.[0];
  return digits === undefined ? null : Number(digits);
}
