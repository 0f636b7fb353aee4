/**
 * Addresses as people type and paste them: with blanks, brackets and slashes, with marks that a copied line brings along, in the digits of any
 * script. The same reading for the window and for scripts.
 */
import {
  type CountryCode,
  getCountries,
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/min';
import { addressKey, correspondentKey, MAX_URI_CHARACTERS, parseNameAddr } from './uri';

/** LAB: a number of at most so many digits is an extension in one's own network, and stays a name there. */
const MAX_EXTENSION_DIGITS = 6;
/** RFC 3966 sets no limit; this is the one of `parseUri`. */
const MAX_NUMBER_DIGITS = 32;

/** Who types: their own address, and the country whose numbers they write without a prefix (ISO 3166-1 alpha-2), if they have chosen one. */
export interface Typist {
  aor: string;
  country?: string | undefined;
}

/** The key of the person that is meant (`correspondentKey`), a bare name being somebody in one's own domain; null where nobody can be meant. */
export function typedAddress(typed: string, { aor, country }: Typist): string | null {
  const text = cleaned(typed);
  if (text === '' || text.length > MAX_URI_CHARACTERS) return null;
  const bracketed = text.includes('<') ? parseNameAddr(text) : null;
  if (bracketed?.ok) return /^[a-z]+:/i.test(bracketed.value.uri) ? typedAddress(bracketed.value.uri, { aor, country }) : null;
  const number = typedNumber(text, country);
  if (number !== null) return number;
  if (/^(?:sips?:)?[^\s@:<>"]+@[^\s@<>"]+$/i.test(text)) return addressKey(/^sips?:/i.test(text) ? text : `sip:${text}`);
  if (/^(?:mailto|wv):/i.test(text)) return correspondentKey(text);
  const domain = aor.split('@')[1]?.split(/[;:?]/)[0];
  return domain !== undefined && BARE_NAME.test(text) ? addressKey(`sip:${text.toLowerCase()}@${domain}`) : null;
}

/** Whether a typed text is a number that needs a country to be called. */
export function wantsCountry(typed: string): boolean {
  const parts = numberParts(cleaned(typed).replace(/^tel:/i, ''));
  return parts !== null && !parts.isGlobal && parts.digits.length > MAX_EXTENSION_DIGITS && !parts.digits.startsWith('00');
}

/** Every country that can be chosen, with its calling code: `['DE', '49']`. */
export const countryCodes = (): [country: string, code: string][] =>
  getCountries().map((country) => [country, getCountryCallingCode(country)]);

const BARE_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._+'-]*$/u;

function typedNumber(text: string, country: string | undefined): string | null {
  if (/^tel:/i.test(text)) {
    const key = addressKey(text.replace(/\s/g, ''));
    if (key !== null && (key.startsWith('tel:+') || key.includes(';phone-context='))) return key;
  }
  const parts = numberParts(text.replace(/^tel:/i, ''));
  if (parts === null) return null;
  const { written, digits, isGlobal, extension } = parts;
  const national = country !== undefined && isSupportedCountry(country) && digits.length > MAX_EXTENSION_DIGITS ? country : null;
  const global = isGlobal
    ? globalNumber(written)
    : ((national === null ? null : nationalNumber(written, national)) ??
      // The prefix of most countries, also where one's own has another.
      (digits.startsWith('00') && digits.length > MAX_EXTENSION_DIGITS ? globalNumber(written.replace(/^([\s(]*)00/, '$1+')) : null));
  return global === null ? null : addressKey(`tel:${global}${extension === null ? '' : `;ext=${extension}`}`);
}

interface NumberParts {
  /** Digits and separators. */
  written: string;
  digits: string;
  isGlobal: boolean;
  extension: string | null;
}

/** Null where a text holds anything that belongs to no number. */
function numberParts(text: string): NumberParts | null {
  const found = /^([\s(]*\+?[\d\s()./-]*)(?:(?:;ext=|(?:ext(?:ension)?\b\.?|x\b|x(?=\d)|#|,)\s*)(\d{1,10}))?$/i.exec(text);
  const written = found?.[1] ?? '';
  const digits = written.replace(/\D/g, '');
  if (digits.length < 3 || digits.length > MAX_NUMBER_DIGITS) return null;
  return { written, digits, isGlobal: written.includes('+'), extension: found?.[2] ?? null };
}

/** A number with its country code, however unusual: who writes a + knows what they write. */
function globalNumber(written: string): string {
  // "(0)" behind a country code is dialled within the country alone; where the 0 is part of the number, nobody brackets it so.
  return parsePhoneNumberFromString(written)?.number ?? `+${written.replace(/\(0\)/, '').replace(/\D/g, '')}`;
}

function nationalNumber(written: string, country: CountryCode): string | null {
  const number = parsePhoneNumberFromString(written, country);
  return number?.isPossible() === true ? number.number : null;
}

/** Without marks that cannot be seen; full-width forms, blanks, hyphens and digits of all scripts as their plain ones. */
function cleaned(typed: string): string {
  return typed
    .slice(0, MAX_URI_CHARACTERS + 1)
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Cc}]/gu, '')
    .replace(/\p{Zs}/gu, ' ')
    .replace(/[\p{Pd}\u2212]/gu, '-')
    .replace(/[\u2044\u2215]/gu, '/')
    .replace(/\p{Nd}/gu, plainDigit)
    .trim();
}

/** Unicode has the ten digits of each script in a row, in their order. */
function plainDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(code - value - 1))) value += 1;
  return String(value % 10);
}
