/**
 * Checks that a certificate belongs to the domain that the client wants to reach (RFC 5922). TLS has already checked its chain and its
 * validity period; only names are compared here.
 */
import { isIP } from 'node:net';

/** The fields used here of the certificate that Node passes to `checkServerIdentity`. */
export interface ServerCertificate {
  subjectaltname?: string | undefined;
  subject?: { CN?: string | string[] | undefined } | undefined;
}

/** A kind, a colon and a value. A value with commas or quotes is in JSON quotes, so that no value can pass for two. */
const ALTERNATIVE = /(?:^|, )([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/g;

function alternatives(text: string): { kind: string; value: string }[] {
  return [...text.matchAll(ALTERNATIVE)].flatMap(([, kind = '', written = '']) => {
    // A quoted value contains characters that occur in no domain name and no address.
    return written.startsWith('"') ? [] : [{ kind, value: written.toLowerCase() }];
  });
}

/**
 * The SIP domains for which a certificate is valid (RFC 5922 section 7.1): `sip` URIs without a user; DNS names only if there is no such
 * URI; the common name only if there are no alternative names at all. Also its IP addresses, for a proxy given by address.
 */
export function identitiesOf(certificate: ServerCertificate): { domains: string[]; addresses: string[] } {
  const { subjectaltname, subject } = certificate;
  if (subjectaltname === undefined || subjectaltname === '') {
    const names = subject?.CN === undefined ? [] : [subject.CN].flat();
    return { domains: names.map((name) => name.toLowerCase()), addresses: [] };
  }
  const given = alternatives(subjectaltname);
  const uris = given.flatMap(({ kind, value }) => {
    const domain = /^sip:([^@:;?/]+)$/.exec(value)?.[1];
    return kind === 'URI' && domain !== undefined ? [domain] : [];
  });
  const names = given.filter(({ kind }) => kind === 'DNS').map(({ value }) => value);
  const addresses = given.filter(({ kind }) => kind === 'IP Address').map(({ value }) => value);
  return { domains: uris.length > 0 ? uris : names, addresses };
}

/**
 * Whether the certificate is valid for one of `names`. Names are compared whole: RFC 5922 section 7.2 allows no wildcards and no suffixes.
 */
export function speaksFor(certificate: ServerCertificate, names: readonly string[]): boolean {
  const { domains, addresses } = identitiesOf(certificate);
  return names.some((name) =>
    isIP(name) === 0 ? domains.includes(name.toLowerCase()) : addresses.some((each) => sameAddress(each, name)),
  );
}

/** Compares two addresses; Node writes the IPv6 addresses of a certificate in full. */
function sameAddress(one: string, other: string): boolean {
  return plainAddress(one) === plainAddress(other);
}

function plainAddress(text: string): string {
  return isIP(text) === 6 ? new URL(`http://[${text}]/`).hostname : text;
}
