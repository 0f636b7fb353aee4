/** The nicknames that members use within one group: the Use-Nickname header of MSRP's NICKNAME request (RFC 7701 section 7). */

import { shownName } from './shown-name';

/** LAB: most characters in a nickname. */
export const MAX_NICKNAME_CHARACTERS = 50;

/** The header's value, a quoted string. An empty string gives the nickname up. */
export function encodeNickname(nickname: string): string {
  return `"${nickname.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * The requested nickname as it may be shown; empty when the member gives it up. Null when the value cannot be read or cannot be shown. LAB:
 * a name without quotes, which is none by RFC 7701, can mean but one thing.
 */
export function parseNickname(value: string): string | null {
  const [, quoted] = /^\s*"((?:[^"\\]|\\.)*)"\s*$/su.exec(value) ?? [];
  if (quoted === undefined) return /["\\]/.test(value) || value.trim() === '' ? null : usableNickname(value);
  return usableNickname(quoted.replace(/\\(.)/gsu, '$1'));
}

/**
 * Brings a requested nickname into the form of RFC 8266 section 2.3: single spaces, none at the ends. Null when it cannot be a nickname.
 */
export function usableNickname(wish: string): string | null {
  const name = wish
    .normalize('NFC')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
  // A name that changes when it is cleaned could pass for another one.
  return [...name].length > MAX_NICKNAME_CHARACTERS || shownName(name) !== name ? null : name;
}

/** Equal for two nicknames that RFC 8266 section 2.4 considers the same. `namesLookAlike` tells whether people could confuse two names. */
export function nicknameKey(nickname: string): string {
  return nickname.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}
