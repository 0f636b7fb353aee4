/** The ladder's names for people, devices and parts of the network. */
import { ANONYMOUS_URI } from '../../protocol/cpim';
import { parseNameAddr } from '../../protocol/uri';

/** The name for an address: `Alice` for `sip:alice@lab.test`, `the group` for a focus, `Somebody` for an anonymous sender. */
export function nameOf(value: string | null): string {
  const read = value === null ? null : parseNameAddr(value);
  const uri = read?.ok === true ? read.value.uri : (value ?? '');
  if (uri === '' || uri === ANONYMOUS_URI || /^sip:anonymous@/i.test(uri) || /^sips?:tgruu/i.test(uri)) return 'Somebody';
  const [, user, host = ''] = /^[a-z]+:(?:([^@;]+)@)?([^;:>?]*)/i.exec(uri) ?? [];
  if (user === undefined) return functionName(host);
  if (/^conference-factory$/i.test(user)) return 'the group factory';
  if (/^grp-/i.test(user)) return 'the group';
  return capitalised(decoded(user));
}

function functionName(host: string): string {
  const known: Readonly<Record<string, string>> = {
    pf: 'the Participating Function',
    cf: 'the Controlling Function',
    isf: 'the Interworking Function',
    core: 'the core',
  };
  return known[host.split('.')[0] ?? ''] ?? host;
}

export const capitalised = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function decoded(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

/** Several names in a sentence: `Bob, Carol and Dave`. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? 'nobody') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** The longest text that a row quotes. */
const QUOTED_CHARACTERS = 40;

export function quoted(body: Uint8Array): string {
  const text = new TextDecoder().decode(body).replace(/\s+/g, ' ').trim();
  const characters = [...text];
  return characters.length <= QUOTED_CHARACTERS ? `“${text}”` : `“${characters.slice(0, QUOTED_CHARACTERS - 1).join('')}…”`;
}
