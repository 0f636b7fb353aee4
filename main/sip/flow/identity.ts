/**
 * Whether a certificate belongs to the domain that the client wants to reach (RFC 5922). That its chain ends at a trusted authority and
 * that it is in force has been checked before by TLS; here only names are compared.
 */
import { isIP } from 'node:net';

/** What Node hands to `checkServerIdentity`, as far as it counts here. */
export interface ServerCertificate {
  subjectaltname?: string | undefined;
  subject?: { CN?: string | string[] | undefined } | undefined;
}

/** A kind, a colon and a value; a value with commas or quotes stands in JSON quotes, so that no value can pass for two. */
const ALTERNATIVE = /(?:^|, )([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/g;

function alternatives(text: string): { kind: string; value: string }[] {
  return [...text.matchAll(ALTERNATIVE)].flatMap(([, kind = '', written = '']) => {
    // A quoted value holds what no domain name and no address holds.
    return written.startsWith('"') ? [] : [{ kind, value: written.toLowerCase() }];
  });
}

/**
 * The SIP domains a certificate speaks for (RFC 5922 section 7.1): `sip` URIs without a user; DNS names only where there is no such URI;
 * the common name only where there are no alternative names at all. And its IP addresses, for a proxy that is given as one.
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

/** Whether the certificate speaks for one of `names`, compared whole: RFC 5922 section 7.2 knows no wildcards and no suffixes. */
export function speaksFor(certificate: ServerCertificate, names: readonly string[]): boolean {
  const { domains, addresses } = identitiesOf(certificate);
  return names.some((name) =>
    isIP(name) === 0 ? domains.includes(name.toLowerCase()) : addresses.some((each) => sameAddress(each, name)),
  );
}

/** Node writes IPv6 addresses of certificates in full. */
function sameAddress(one: string, other: string): boolean {
  return plainAddress(one) === plainAddress(other);
}

function plainAddress(text: string): string {
  return isIP(text) === 6 ? new URL(`http://[${text}]/`).hostname : text;
}
