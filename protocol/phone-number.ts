/** Telephone numbers in addresses: `tel:+4712` and `sip:+4712@lab.test;user=phone` reach the same person (RFC 3261 section 19.1.6). */
import { addressKey, parseUri } from './uri';

/** LAB: fewer digits than this are an extension, which says nothing outside of its own network. */
const MIN_DIGITS = 5;

/** The global number that an address stands for, `+` and digits, with its extension as in `+15550100;ext=12`; null where it stands for none. */
export function phoneNumberOf(address: string): string | null {
  const uri = parseUri(address);
  if (!uri.ok || uri.value.scheme === 'other') return null;
  // The user part is the rest of the `tel:` URI, extension included (RFC 3261 section 19.1.6).
  const number = addressKey(uri.value.scheme === 'tel' ? address : `tel:${uri.value.user ?? ''}`)?.slice('tel:'.length) ?? '';
  return (/^\+(\d+)/.exec(number)?.[1]?.length ?? 0) >= MIN_DIGITS ? number : null;
}
