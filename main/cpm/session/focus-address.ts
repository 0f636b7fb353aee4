/**
 * The address of a group's focus, which its roster is asked of and its envelopes name. The focus tells it by its Contact (RFC 4579 section 5.2).
 *
 * LAB: some name only where their connection ends: a Contact without a user, or at another host than the address by which the group was joined. Then
 * that address is the likelier one. Where the first gives no roster, the second is asked.
 */
import { addressKey, parseUri } from '../../../protocol/uri';

/** The likeliest first. `joined`: the address that was called; null where the focus has called, or where it was made at the call. */
export function focusAddresses(contact: string, joined: string | null): string[] {
  if (joined === null) return contact === '' ? [] : [contact];
  if (contact === '' || addressKey(contact) === addressKey(joined)) return [contact || joined];
  return isLikely(contact, joined) ? [contact, joined] : [joined, contact];
}

function isLikely(contact: string, joined: string): boolean {
  const [one, other] = [parseUri(contact), parseUri(joined)].map((uri) =>
    uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips') ? uri.value : null,
  );
  return one != null && other != null && Boolean(one.user) && one.host.toLowerCase() === other.host.toLowerCase();
}
