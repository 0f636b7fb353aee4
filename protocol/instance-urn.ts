/**
 * The instance ID of a device: a URN in the Contact parameter `+sip.instance` (RFC 5626 section 4.1), built from a UUID
 * (RFC 4122), an IMEI (RFC 7254, TS 23.003 13.8) or a MEID (RFC 8464).
 */
import { malformed, type Parsed, parsed } from './parsed';

/** Most characters in an instance ID; a longer one is ignored. */
export const MAX_INSTANCE_CHARACTERS = 256;

/** Makes `urn:uuid:` in lower case. `uuid` must be a well-formed UUID. */
export function uuidUrn(uuid: string): string {
  return `urn:uuid:${uuid.trim().toLowerCase()}`;
}

/**
 * The URN of an IMEI (15 digits, check digit verified), an IMEI without its check digit (14) or an IMEISV (16). Other characters are
 * ignored. The last digit of the URN is the spare digit, always 0, never the check digit (TS 23.003 13.8).
 */
export function imeiUrn(text: string): Parsed<string> {
  const digits = text.replace(/\D/g, '');
  if (digits.length < 14 || digits.length > 16) return malformed('an IMEI has 14, 15 or 16 digits');
  if (digits.length === 15 && luhnDigit(digits.slice(0, 14)) !== Number(digits[14]))
    return malformed('the check digit of the IMEI is wrong');
  return parsed(`urn:gsma:imei:${digits.slice(0, 8)}-${digits.slice(8, 14)}-0`);
}

function luhnDigit(digits: string): number {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 0 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return (10 - (sum % 10)) % 10;
}

/** LAB: the grouping 8-6-0 comes from clients in the field, not from a specification. Takes the 14 hexadecimal digits of a MEID. */
export function meidUrn(text: string): Parsed<string> {
  const digits = text.replace(/[\s-]/g, '').toUpperCase();
  if (!/^[0-9A-F]{14}$/.test(digits)) return malformed('a MEID has 14 hexadecimal digits');
  return parsed(`urn:device-id:meid:${digits.slice(0, 8)}-${digits.slice(8)}-0`);
}

/**
 * The URN in a `+sip.instance` value, with or without quotes, brackets and percent-escapes. UUID URNs are lower-cased; of any other URN
 * only `urn:` and the namespace are. Null when the value is not a URN.
 */
export function parseInstance(paramValue: string): string | null {
  let value = paramValue.trim();
  if (value.length > MAX_INSTANCE_CHARACTERS) return null;
  if (/^(?:%22)?%3c/i.test(value)) value = value.replace(/%22/gi, '').replace(/%3c/gi, '<').replace(/%3e/gi, '>').replace(/%3a/gi, ':');
  value = value.replace(/^"+|"+$/g, '').trim();
  value = value.replace(/^<|>$/g, '').trim();
  const urn = /^urn:([a-z0-9][a-z0-9-]{0,31}):([\x21-\x7e]+)$/i.exec(value);
  const namespace = urn?.[1]?.toLowerCase();
  const specific = urn?.[2];
  if (namespace === undefined || specific === undefined || /[<>"\\]/.test(specific)) return null;
  return `urn:${namespace}:${namespace === 'uuid' ? specific.toLowerCase() : specific}`;
}

/**
 * True when both name the same device. Case is ignored for UUIDs. The last digit of an IMEI is ignored too, because some devices put the
 * check digit there.
 */
export function sameInstance(a: string, b: string): boolean {
  const left = comparable(a);
  return left !== null && left === comparable(b);
}

function comparable(instance: string): string | null {
  const urn = parseInstance(instance);
  if (urn === null) return null;
  const imei = /^urn:gsma:imei:(\d{8}-\d{6})-\d(?:;.*)?$/i.exec(urn)?.[1];
  if (imei !== undefined) return `urn:gsma:imei:${imei}`;
  return urn.startsWith('urn:device-id:') ? urn.toLowerCase() : urn;
}

/** The value of `+sip.instance`, with angle brackets inside the quotes. */
export function instanceParam(urn: string): string {
  return `"<${(parseInstance(urn) ?? '').replace(/[<>"\\\s]/g, '')}>"`;
}

const FIRST = (
  'amber ample azure bold brave brief bright brisk calm clear clever cool coral crisp dawn deep early easy fair fast fine fond fresh ' +
  'gentle glad golden grand green happy hazel honest ivory jolly keen kind large lemon light lively loyal lucky lunar mellow merry mild ' +
  'misty modern modest noble olive opal pale plain polar proud quick quiet rapid royal rustic silver smooth steady sunny'
).split(' ');
const SECOND = (
  'acorn apple arrow badger basil beach beaver berry birch bridge brook candle canoe castle cedar cherry cloud clover comet cove crane ' +
  'creek daisy delta eagle elm ember falcon fern field finch fjord forest fox garden glade harbor hazelnut heron hill island jasmine ' +
  'kettle lake lantern lark maple meadow moon otter owl pebble pine planet pond raven reef river robin shell spruce stone swan willow'
).split(' ');

/**
 * Two plain words for an instance ID, the same on every device. They help people to tell devices apart but identify nothing: two IDs can
 * share them.
 */
export function nickname(urn: string): string {
  const key = comparable(urn) ?? urn;
  // FNV-1a, then the two six-bit halves of the folded hash.
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193) >>> 0;
  const folded = (hash ^ (hash >>> 12) ^ (hash >>> 24)) >>> 0;
  return `${FIRST[folded % FIRST.length]} ${SECOND[(folded >>> 6) % SECOND.length]}`;
}
