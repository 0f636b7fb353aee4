/** Telephone numbers in addresses: `tel:+4712` and `sip:+4712@lab.test;user=phone` reach the same person (RFC 3261 section 19.1.6). */
import { parseUri } from './uri';

/** LAB: fewer digits than this are an extension, which says nothing outside of its own network. */
const MIN_DIGITS = 5;

/** The global number that an address stands for, `+` and digits; null where it stands for none. */
export function phoneNumberOf(address: string): string | null {
  const uri = parseUri(address);
  if (!uri.ok || uri.value.scheme === 'other') return null;
  const user = uri.value.scheme === 'tel' ? uri.value.number : (uri.value.user ?? '');
  const number = user.split(';')[0]?.replace(/[-.()]/g, '') ?? '';
  return /^\+\d+$/.test(number) && number.length > MIN_DIGITS ? number : null;
}
