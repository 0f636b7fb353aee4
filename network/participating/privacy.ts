/**
 * What of a user and of a device leaves the user's own network (RFC 3323, RFC 3325, RFC 7255). The Participating Function is the privacy
 * service: it removes what identifies an anonymous sender, and the hardware name of any device.
 */
import { splitOutside } from '../../protocol/generic-param';
import { parseInstance } from '../../protocol/instance-urn';
import { addressKey, parseNameAddr, parseUri } from '../../protocol/uri';
import type { SipMessage, SipRequest } from '../sip/message';

/** Headers that identify a person, a program or a place, and that no request needs beyond its own network. */
const TELLING = [
  'P-Preferred-Identity',
  'P-Access-Network-Info',
  'User-Agent',
  'Server',
  'Organization',
  'Reply-To',
  'Call-Info',
  'Referred-By',
  'Identity',
  // An ACK repeats the credentials of its INVITE (RFC 3261 section 22.1).
  'Proxy-Authorization',
] as const;

/** RFC 3323 section 4.2: whether the sender of the request wants to be anonymous. */
export function asksToHide(request: SipRequest): boolean {
  return request.all('privacy').some((value) =>
    value
      .toLowerCase()
      .split(';')
      .some((word) => ['id', 'user', 'header', 'session'].includes(word.trim())),
  );
}

/** Whether a URI is a temporary GRUU, by its empty `gr` (RFC 5627 section 3.1.2): a person called by it stays unknown to the caller. */
export function isTemporaryGruu(uri: string): boolean {
  const read = parseUri(uri);
  return (
    read.ok &&
    (read.value.scheme === 'sip' || read.value.scheme === 'sips') &&
    read.value.params.get('gr') === null &&
    read.value.params.has('gr')
  );
}

/**
 * LAB: a Reply-to Indication is one address of a person. What is none, or several, does not leave the sender's network: a device would show what it cannot
 * follow.
 */
export function stripBadReplyTo(request: SipRequest): void {
  const values = request.all('reply-to').map(parseNameAddr);
  if (values.length > 1 || values.some((value) => !value.ok || addressKey(value.value.uri) === null)) request.remove('Reply-To');
}

/** Removes from a message what identifies its anonymous sender; keeps the temporary GRUU and the services in its Contact. */
export function hideSender(message: SipMessage): void {
  for (const header of TELLING) message.remove(header);
  if (message.kind === 'response') message.remove('P-Asserted-Identity');
  rewriteContacts(message, (address, params) => [withoutName(address), ...params.filter((param) => !isInstance(param))]);
}

/**
 * RFC 7255 section 5: an IMEI or a MEID names hardware and stays in its own network; a UUID goes on (R43). Where the network gives no GRUU,
 * the instance is the only name of the device and goes anyway (R8). True when an instance leaves this way.
 */
export function stripHardware(message: SipMessage): boolean {
  let leaves = false;
  rewriteContacts(message, (address, params) => {
    const isHardware = (param: string) => isInstance(param) && !/^urn:uuid:/i.test(instanceOf(param));
    if (!params.some(isHardware)) return [address, ...params];
    if (!/;\s*gr(?:[=;>\s]|$)/i.test(address)) {
      leaves = true;
      return [address, ...params];
    }
    return [address, ...params.filter((param) => !isHardware(param))];
  });
  return leaves;
}

function rewriteContacts(message: SipMessage, change: (address: string, params: string[]) => string[]): void {
  const written = message.all('contact');
  if (written.length === 0) return;
  const changed = written.map((value) => {
    const [address, ...params] = splitOutside(value, ';', true) ?? [];
    return address === undefined ? value : change(address, params).join(';');
  });
  if (changed.some((value, index) => value !== written[index])) message.set('Contact', changed);
}

function isInstance(param: string): boolean {
  return /^\s*\+sip\.instance\s*(?:=|$)/i.test(param);
}

function instanceOf(param: string): string {
  return parseInstance(param.slice(param.indexOf('=') + 1).trim()) ?? '';
}

function withoutName(address: string): string {
  const open = address.lastIndexOf('<');
  return open > 0 ? address.slice(open) : address;
}
