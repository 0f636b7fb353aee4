/** Whether the device in a request's Contact belongs to its sender (R43): a GRUU or an instance of somebody else is refused. */
import { INSTANCE_PARAM } from '../../protocol/feature-tags';
import { parseInstance, sameInstance } from '../../protocol/instance-urn';
import { addressKey, parseNameAddr, parseUri } from '../../protocol/uri';
import { isForeign } from '../sip/header-value';
import type { SipRequest } from '../sip/message';
import { isTemporaryGruu } from './privacy';
import type { RegistrationWatch } from './registration-watch';

/** The only answer that later news from the core may change. */
export const NOT_REGISTERED = 'The device is not registered';

/** The fault in the Contact of a request of `served`, or null. What cannot be checked passes. */
export function foreignDevice(served: string, request: SipRequest, registrations: RegistrationWatch): string | null {
  const contact = request.get('contact');
  const value = contact === null ? null : parseNameAddr(contact);
  if (value === null || !value.ok) return null;
  // Whom a focus speaks for stands in its Referred-By, and devices believe that: none of them may pass for one.
  // Somebody outside of CPM believes nothing of the kind, and is asked into a group by its focus.
  if (value.value.params.has('isfocus')) return isForeign(request.uri) ? null : 'Only a Controlling Function is a focus';
  const gruu = grOf(value.value.uri);
  if (isTemporaryGruu(value.value.uri)) {
    // It hides its owner from everybody but the network (RFC 5627 section 3.1.2). One that was never announced here
    // passes: the registrar checks too.
    const owners = registrations.ownersOfTemporary(value.value.uri);
    if (owners.length > 0 && !owners.includes(served)) return 'The GRUU is of somebody else';
  }
  if (gruu !== null && addressKey(value.value.uri) !== served) return 'The GRUU is of somebody else';
  const written = value.value.params.get(INSTANCE_PARAM) ?? null;
  const instance = written === null ? null : parseInstance(written);
  const devices = registrations.devices(served) ?? [];
  // Whose a GRUU is only the registration events tell: its `gr` need not be the instance (TS 24.229 5.4.7A.2).
  const owner = gruu === null ? undefined : devices.find(({ pubGruu }) => grOf(pubGruu ?? '')?.toLowerCase() === gruu.toLowerCase());
  if (instance !== null && owner?.instanceId && !sameInstance(owner.instanceId, instance)) return 'The GRUU is of another device';
  const known = devices.flatMap((device) => device.instanceId ?? []);
  if (instance !== null && known.length > 0 && !known.some((one) => sameInstance(one, instance))) return NOT_REGISTERED;
  return null;
}

function grOf(text: string): string | null {
  const uri = parseUri(text);
  return uri.ok && uri.value.scheme !== 'tel' && uri.value.scheme !== 'other' ? (uri.value.params.get('gr') ?? null) : null;
}
