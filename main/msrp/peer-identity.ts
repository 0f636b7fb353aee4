/** Whether the other end of a TLS connection is the peer that a description means (RFC 4975 section 14.4). */
import { parseMsrpUri } from '../../protocol/msrp';
import type { Fingerprint } from '../../protocol/sdp';
import { isMadeOutTo, isNamedBy } from './certificate';
import type { PeerIdentity } from './connection';

export interface Described {
  /** Those of the SDP. Without any an authority must vouch for the peer. */
  fingerprints: readonly Fingerprint[];
  /** The first URI of the peer's path. */
  uri: string;
  /** We have called the peer, so the authority was asked about that name already. */
  isCalled: boolean;
}

export function isDescribedBy(tls: PeerIdentity, { fingerprints, uri, isCalled }: Described): boolean {
  if (fingerprints.length > 0) return tls.certificate !== null && isNamedBy(tls.certificate, fingerprints);
  if (isCalled || !tls.isAuthorized) return tls.isAuthorized;
  const first = parseMsrpUri(uri);
  return first.ok && tls.certificate !== null && isMadeOutTo(tls.certificate, first.value.host.replace(/^\[|\]$/g, ''));
}
