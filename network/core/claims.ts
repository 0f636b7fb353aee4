/** The identity of a request's sender, as this network asserts it to the next one (RFC 3325, RFC 6050). */
import { splitOutside } from '../../protocol/generic-param';
import { addressKey, parseNameAddr, parseUri } from '../../protocol/uri';
import { uriOf } from '../sip/header-value';
import type { SipRequest, SipResponse } from '../sip/message';
import type { Directory, Subscriber } from './directory';

/** RFC 3323 section 4.1.1.3: the From of an anonymous sender. */
function isAnonymous(address: string): boolean {
  const uri = parseUri(uriOf(address));
  return uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips') && uri.value.host === 'anonymous.invalid';
}

/** The addresses that a request claims as its sender's: P-Preferred-Identity, and From unless it is anonymous. */
function claims(request: SipRequest): string[] {
  const from = request.get('from') ?? '';
  return [...request.all('p-preferred-identity'), ...(isAnonymous(from) ? [] : [from])];
}

/**
 * The candidate whose address the request claims; null when it claims another address. An anonymous request belongs to the only candidate.
 */
export function claimant(request: SipRequest, directory: Directory, candidates: readonly Subscriber[]): Subscriber | null {
  const claimed = claims(request).map((address) => directory.find(address));
  const [first] = claimed;
  if (first === undefined) return candidates.length === 1 ? (candidates[0] ?? null) : null;
  if (first === null || !candidates.includes(first)) return null;
  return claimed.every((subscriber) => subscriber === first) ? first : null;
}

/**
 * Replaces what the client claims by what the network knows: one P-Asserted-Identity of `subscriber`, with the display name that the client
 * chose, and P-Asserted-Service from P-Preferred-Service. Preferences, and whatever the client asserted itself, are removed.
 */
export function assertIdentity(request: SipRequest, subscriber: Subscriber): void {
  const preferred = request.get('p-preferred-identity');
  const from = request.get('from') ?? '';
  const chosen = preferred ?? (isAnonymous(from) ? null : from);
  const read = chosen === null ? null : parseNameAddr(chosen);
  const claimed = read?.ok === true ? read.value : null;
  const own = claimed === null ? null : subscriber.identities.find((identity) => identity === addressKey(claimed.uri));
  const fromName = isAnonymous(from) ? null : displayName(from);
  const name = claimed?.displayName ?? fromName;
  const services = request.all('p-preferred-service');
  for (const header of ['p-asserted-identity', 'p-preferred-identity', 'p-asserted-service', 'p-preferred-service', 'p-served-user'])
    request.remove(header);
  request.append(
    'P-Asserted-Identity',
    `${name === null ? '' : `"${name.replace(/["\\]/g, '\\$&')}" `}<${own ?? subscriber.identities[0]}>`,
  );
  for (const service of services) request.append('P-Asserted-Service', service);
}

/**
 * Tells the functions who sends a request inside a dialog: every address of the sender, since the dialog may know any of them (RFC 3325; the
 * core removes them again before a device). Null: nobody is known.
 */
export function assertInDialog(request: SipRequest, sender: Subscriber | null): void {
  for (const header of ['p-asserted-identity', 'p-preferred-identity', 'p-served-user']) request.remove(header);
  for (const identity of sender?.identities ?? []) request.append('P-Asserted-Identity', `<${identity}>`);
}

/** No device is a focus (RFC 4579 section 3.2): takes the mark off the Contacts in its answers. */
export function withoutFocus(response: SipResponse): void {
  const written = response.all('contact');
  const plain = written.map((value) =>
    (splitOutside(value, ';', true) ?? [value]).filter((part) => !/^\s*isfocus\s*(?:=|$)/i.test(part)).join(';'),
  );
  if (plain.some((value, index) => value !== written[index])) response.set('Contact', plain);
}

function displayName(address: string): string | null {
  const read = parseNameAddr(address);
  return read.ok ? read.value.displayName : null;
}
