/**
 * A self-signed certificate. Its fingerprint in the SDP authenticates it (RFC 4975 section 14.4, RFC 8122 section 5). This writes DER in
 * the one form that Chorus needs (RFC 5280); the caller passes key, signature function and hash.
 */
import { concat, utf8 } from './octets';
import type { Fingerprint } from './sdp';

/** LAB: longer than any session lives. */
const validDays = 30;
const dayMs = 86_400_000;

/** ecdsa-with-SHA256 (RFC 5758 section 3.2). */
const algorithm = der(0x30, der(0x06, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));
/** The format requires a name; this one identifies nobody. */
const name = der(0x30, der(0x31, der(0x30, der(0x06, Uint8Array.of(0x55, 0x04, 0x03)), der(0x0c, utf8('msrp')))));

/**
 * The certificate. `publicKey`: SubjectPublicKeyInfo of a P-256 key; `serial`: 15 random octets; `sign`: ECDSA with SHA-256 by that key, in
 * DER.
 */
export function selfSigned(about: {
  now: number;
  publicKey: Uint8Array;
  serial: Uint8Array;
  sign: (body: Uint8Array) => Uint8Array;
}): Uint8Array {
  const { now, publicKey, serial, sign } = about;
  const body = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    // The first bit is zero, so that the number is positive.
    der(0x02, Uint8Array.of(0x40), serial),
    algorithm,
    name,
    der(0x30, time(now - dayMs), time(now + validDays * dayMs)),
    name,
    publicKey,
  );
  return der(0x30, body, algorithm, der(0x03, Uint8Array.of(0), sign(body)));
}

/** Formats a hexadecimal hash as in a=fingerprint. */
export function fingerprintText(hex: string): string {
  return (hex.toUpperCase().match(/../g) ?? []).join(':');
}

/** Whether the other side's SDP names this certificate (DER). One match with a trusted hash function is enough. */
export function isNamedBy(
  certificate: Uint8Array,
  fingerprints: readonly Fingerprint[],
  hash: (name: Fingerprint['hash'], data: Uint8Array) => string,
): boolean {
  return fingerprints.some((one) => fingerprintText(hash(one.hash, certificate)) === one.value.toUpperCase());
}

function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const content = concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concat([Uint8Array.of(tag, ...size), content]);
}

/** UTCTime (RFC 5280 section 4.1.2.5.1), valid until 2049. */
function time(at: number): Uint8Array {
  return der(0x17, utf8(`${new Date(at).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}
