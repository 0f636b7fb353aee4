/**
 * A key and a self-signed certificate for one session; the fingerprint in the SDP authenticates it. Each session has its own, so that
 * nobody can link two sessions to the same device.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Fingerprint } from '../../protocol/sdp';
import { fingerprintText, isNamedBy as isNamed, selfSigned } from '../../protocol/self-signed';

export interface SessionCertificate {
  /** In PEM, like the certificate. */
  readonly key: string;
  readonly certificate: string;
  readonly fingerprint: Fingerprint;
}

export function createSessionCertificate(now: number): SessionCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = selfSigned({
    now,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    serial: randomBytes(15),
    sign: (body) => sign('sha256', body, privateKey),
  });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: new X509Certificate(certificate).toString(),
    fingerprint: { hash: 'sha-256', value: fingerprintText(hexOf('sha-256', certificate)) },
  };
}

export function isNamedBy(certificate: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
  return isNamed(certificate, fingerprints, hexOf);
}

/** Whether a certificate (DER) was issued for a host, given as a name or an address. */
export function isMadeOutTo(certificate: Uint8Array, host: string): boolean {
  const read = new X509Certificate(certificate);
  return (isIP(host) === 0 ? read.checkHost(host) : read.checkIP(host)) !== undefined;
}

function hexOf(hash: Fingerprint['hash'], data: Uint8Array): string {
  return createHash(hash.replace('-', '')).update(data).digest('hex');
}
