/** What a participant asks by REFER: to bring people in (RFC 4579; several at once, RFC 5368), or with method=BYE to remove one. Pure. */
import { addressKey, parseNameAddr, parseUri } from '../../protocol/uri';
import type { SipRequest } from '../sip/message';
import type { Read } from '../sip/refusal';
import { type Invitee, inviteeOf, readParts, readRecipients } from './invitation';

export type Referral = { kind: 'invite'; invitees: Invitee[] } | { kind: 'remove'; address: string };

export function readReferral(request: SipRequest, sender: string): Read<Referral> {
  const referTo = parseNameAddr(request.get('refer-to') ?? '');
  if (!referTo.ok) return { ok: false, status: 400, warning: 'Refer-To is missing or malformed' };
  const { uri, displayName } = referTo.value;
  if (uri.toLowerCase().startsWith('cid:')) {
    const parts = readParts(request);
    const list = parts.ok ? readRecipients(parts.value, sender) : parts;
    if (list === null) return { ok: false, status: 400, warning: 'The recipient list is missing' };
    return list.ok ? { ok: true, value: { kind: 'invite', invitees: list.value } } : list;
  }
  if (methodOf(uri) === 'BYE') return { ok: true, value: { kind: 'remove', address: addressKey(uri) ?? '' } };
  const invitee = inviteeOf({ uri, copyControl: 'to', anonymize: false, ...(displayName === null ? {} : { displayName }) });
  return invitee === null
    ? { ok: false, status: 400, warning: 'Refer-To is no address' }
    : { ok: true, value: { kind: 'invite', invitees: [invitee] } };
}

function methodOf(text: string): string | null {
  const uri = parseUri(text);
  if (!uri.ok || uri.value.scheme === 'tel' || uri.value.scheme === 'other') return null;
  return uri.value.params.get('method')?.toUpperCase() ?? null;
}
