/** The names by which people of one group call themselves there: the Use-Nickname header of MSRP's NICKNAME request (RFC 7701 section 7). */

import { shownName } from './shown-name';

/** LAB: characters of a nickname. */
export const MAX_NICKNAME_CHARACTERS = 50;

/** The header's value: a quoted string; an empty one gives the nickname up. */
export function encodeNickname(nickname: string): string {
  return `"${nickname.replace(/["\\]/g, '\\$&')}"`;
}

/** What the header asks for, as it is to be shown; empty: none any more. Null for what is no quoted string, or no name that can be shown. */
export function parseNickname(value: string): string | null {
  const [, quoted] = /^\s*"((?:[^"\\]|\\.)*)"\s*$/su.exec(value) ?? [];
  return quoted === undefined ? null : usableNickname(quoted.replace(/\\(.)/gsu, '$1'));
}

/** A wish brought into the form of RFC 8266 section 2.3: white space single, none around it. Null when it cannot be a nickname. */
export function usableNickname(wish: string): string | null {
  const name = wish
    .normalize('NFC')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
  // A name that changes when it is cleaned could be taken for another one.
  return [...name].length > MAX_NICKNAME_CHARACTERS || shownName(name) !== name ? null : name;
}

/** Equal for two nicknames that RFC 8266 section 2.4 calls the same. Whether a person could confuse them is for `namesLookAlike` to say. */
export function nicknameKey(nickname: string): string {
  return nickname.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}
