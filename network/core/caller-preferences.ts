/** Chooses the devices that a request is for: RFC 3841, applied to the feature parameters in their registered Contacts. */
import { INSTANCE_PARAM, isCpmService, matchesAcceptContact, matchesRejectContact, wantedServices } from '../../protocol/feature-tags';
import { sameInstance } from '../../protocol/instance-urn';
import { type NameAddr, parseNameAddr } from '../../protocol/uri';
import type { SipRequest } from '../sip/message';
import type { Binding } from './registrar';

function preferences(request: SipRequest, header: 'accept-contact' | 'reject-contact'): NameAddr[] {
  const read: NameAddr[] = [];
  for (const value of request.all(header)) {
    const preference = parseNameAddr(value);
    if (preference.ok) read.push(preference.value);
  }
  return read;
}

/** Whether a request asks for a CPM service. */
export function isCpm(request: SipRequest): boolean {
  return wantedServices(request.all('accept-contact')).some(isCpmService);
}

/** A binding and how well it fits. Bindings are tried in falling order of `q`, equal ones together. */
export interface Chosen {
  binding: Binding;
  /** The q-value of its Contact, lowered a little when it fits the preferences less well (RFC 3841 section 7.2.4: Qa orders within equal q). */
  q: number;
}

/**
 * The bindings that a request may reach. LAB: `Accept-Contact` with `+sip.instance` names one device, with or without `require`, as clients in
 * the field read it: an instance is never only a preference.
 */
export function chooseBindings(request: SipRequest, bindings: readonly Binding[]): Chosen[] {
  const accepts = preferences(request, 'accept-contact');
  const rejects = preferences(request, 'reject-contact');
  const chosen: Chosen[] = [];
  for (const binding of bindings) {
    if (rejects.some((preference) => matchesRejectContact(binding.params, preference))) continue;
    const instances = accepts.map((preference) => preference.params.get(INSTANCE_PARAM) ?? null).filter((instance) => instance !== null);
    if (instances.some((instance) => binding.instanceId === null || !sameInstance(binding.instanceId, instance))) continue;
    const matches = accepts.map((preference) => matchesAcceptContact(binding.params, preference));
    if (matches.some((match) => match.dropped)) continue;
    const score = matches.length === 0 ? 1 : matches.reduce((sum, match) => sum + match.score, 0) / matches.length;
    // q has three decimals (RFC 3261 section 25.1): anything below a thousandth orders only among equals.
    chosen.push({ binding, q: binding.q - (1 - score) * 0.0005 });
  }
  return chosen;
}
