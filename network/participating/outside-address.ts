/** The addresses that leave CPM and go to the Interworking Function. */
import { parseUri } from '../../protocol/uri';

/** Whether an address is outside of CPM: not SIP, or a telephone number that no user has. */
export function needsInterworking(uri: string, isUser: (address: string) => boolean): boolean {
  const read = parseUri(uri);
  if (!read.ok) return false;
  return read.value.scheme === 'other' || (read.value.scheme === 'tel' && !isUser(uri));
}
