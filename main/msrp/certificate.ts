/**
 * A key of one session's own, in a certificate that nobody signed: what vouches for it is its fingerprint in the SDP (RFC 4975 section
 * 14.4, RFC 8122 section 5). One a session, so that nobody can tell by it that two sessions are of the same device.
 *
 * Node reads certificates but writes none; the few lines of DER below are the one certificate that is ever needed.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import type { Fingerprint } from '../protocol/sdp';

/** LAB: longer than any session lives. */
const validDays = 30;
const dayMs = 86_400_000;

export interface SessionCertificate {
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
  readonly fingerprint: Fingerprint;
}

export function createSessionCertificate(now: number): SessionCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
  // A name has to stand there; it says nothing of anybody.
  const name = der(0x30, der(0x31, der(0x30, der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from('msrp')))));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    // A positive number: its first bit is zero.
    der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    der(0x30, time(now - dayMs), time(now + validDays * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const certificate = der(0x30, body, ecdsaWithSha256, signature);
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: new X509Certificate(certificate).toString(),
    fingerprint: { hash: 'sha-256', value: fingerprintOf(certificate, 'sha-256') },
  };
}

/** Whether the certificate (DER) is one that the other side's SDP named. One match of a hash that is still good is enough. */
export function isNamedBy(certificate: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
  return fingerprints.some(({ hash, value }) => fingerprintOf(certificate, hash) === value.toUpperCase());
}

function fingerprintOf(certificate: Uint8Array, hash: Fingerprint['hash']): string {
  const hex = createHash(hash.replace('-', '')).update(certificate).digest('hex').toUpperCase();
  return (hex.match(/../g) ?? []).join(':');
}

function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const length =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

/** UTCTime (RFC 5280 section 4.1.2.5.1), good until 2049. */
function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}
