/**
 * The Contact values of a 200 to REGISTER, each for itself. Registrars and edges write what no grammar allows, and what is wrong with one device's
 * value, even an unclosed quote, must cost no other device its registration.
 */
import { isToken, splitOutside, unquote } from '../../../protocol/generic-param';
import { type NameAddr, parseNameAddr } from '../../../protocol/uri';
import type { WireMessage } from '../wire/wire-message';

/** Every value that names an address, as well as it can be read. */
export function listedContacts(response: WireMessage): NameAddr[] {
  return response.all('contact').flatMap((header) => (splitOutside(header, ',', true) ?? [header]).flatMap(readValue));
}

function readValue(text: string): NameAddr[] {
  const contact = parseNameAddr(text);
  if (contact.ok) return [contact.value];
  return text.split(NEXT_ADDRESS).flatMap((piece) => {
    const one = parseNameAddr(piece);
    return one.ok ? [one.value] : salvaged(piece);
  });
}

/** A comma behind which another address begins, whatever is open before it. */
const NEXT_ADDRESS = /,(?=\s*(?:"[^"]*"\s*|"?[^",;<>]*)<sips?:)/i;

/** What can be read: the address in brackets, a closed name before it, and each parameter that is one. */
function salvaged(text: string): NameAddr[] {
  const found = /<(sips?:[^<>\s"]+)>/i.exec(text);
  if (found?.[1] === undefined) return [];
  const name = /"(?:[^"\\]|\\.)*"\s*$/.exec(text.slice(0, found.index))?.[0];
  const tail = text.slice(found.index + found[0].length);
  const params = new Map<string, string | null>();
  for (const item of splitOutside(tail, ';') ?? tail.split(';')) {
    const [key = '', ...value] = item.split('=');
    const param = key.trim().toLowerCase();
    if (isToken(param) && !params.has(param)) params.set(param, value.length === 0 ? null : unquote(value.join('=')));
  }
  return [{ displayName: name === undefined ? null : unquote(name) || null, uri: found[1], params }];
}
