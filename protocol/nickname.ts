/** The names by which people of one group call themselves there: the Use-Nickname header of MSRP's NICKNAME request (RFC 7701 section 7). */

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
  // Controls, and what turns or hides text: such a name could be taken for another one.
  return [...name].length > MAX_NICKNAME_CHARACTERS || /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(name) ? null : name;
}

/** What is the same for two nicknames that nobody could tell apart (RFC 8266 section 2.4). */
export function nicknameKey(nickname: string): string {
  return nickname.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}
