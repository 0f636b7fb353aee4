/** Checks that the other end of a TLS connection is the peer named in the SDP (RFC 4975 section 14.4). */
import { parseMsrpUri } from '../../protocol/msrp';
import type { Fingerprint } from '../../protocol/sdp';
import { isMadeOutTo, isNamedBy } from './certificate';
import type { PeerIdentity } from './connection';

export interface Described {
  /** The fingerprints in the SDP. Without any, an authority must vouch for the peer. */
  fingerprints: readonly Fingerprint[];
  /** The first URI of the peer's path. */
  uri: string;
  /** True when we opened the connection; the authority was then already checked against that name. */
  isCalled: boolean;
}

export function isDescribedBy(tls: PeerIdentity, { fingerprints, uri, isCalled }: Described): boolean {
  if (fingerprints.length > 0) return tls.certificate !== null && isNamedBy(tls.certificate, fingerprints);
  if (isCalled || !tls.isAuthorized) return tls.isAuthorized;
  const first = parseMsrpUri(uri);
  return first.ok && tls.certificate !== null && isMadeOutTo(tls.certificate, first.value.host.replace(/^\[|\]$/g, ''));
}
