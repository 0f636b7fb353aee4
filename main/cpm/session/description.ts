/** The SDP of a CPM session: what this side writes, and what it takes from the other side's (RFC 4975 section 8, OMA CPM). */
import { GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { CEMA, CLEAR_CAPABILITY, cemaAddress, encodeSdp, fingerprintsOf, type MsrpDescription } from '../../../protocol/sdp';
import type { MsrpSession, Peer } from '../../msrp/session';

/**
 * The content that a CPM session may carry. A composing state also comes without an envelope in a 1-1 (RFC 3994), so it is in both lists. In an
 * envelope everything is taken (RFC 4975 section 8.6): what cannot be shown is kept as a file.
 */
const acceptTypes = ['message/cpim', 'application/im-iscomposing+xml'];
const acceptWrappedTypes = ['text/plain', 'message/imdn+xml', 'application/im-iscomposing+xml', GROUP_DATA_CONTENT_TYPE, '*'];

export type Role = 'active' | 'passive';

export interface LocalDescription {
  msrp: Pick<MsrpSession, 'host' | 'port' | 'path' | 'isSecure' | 'fingerprint'>;
  setup: Role | 'actpass';
  /** The o= line; the version grows with each description in the same dialog. */
  origin: { sessionId: string; version: number };
  /** The media replaces earlier media of the same dialog. */
  isReplacement: boolean;
  /** In an answer, that of the offer, mirrored. */
  direction: MsrpDescription['direction'];
  /** The m-lines of the dialog so far: none is ever left out again (RFC 3264 section 8). */
  streams: MsrpDescription['streams'];
  /** Whether CEMA may be written: in every offer, and in the answer to an offer that has it (RFC 6714 section 4.4). */
  knowsCema: boolean;
  /** The other side knows nothing of CPM: it may write texts without an envelope, and must be told that they are taken (RFC 4975 section 8.6). */
  takesBareTexts: boolean;
  /** Whether the session goes on over TCP if the other side refuses TLS. */
  takesClear: boolean;
}

/** This side's SDP. */
export function describe(local: LocalDescription): string {
  const { msrp, setup, origin, direction, streams, isReplacement, knowsCema, takesClear, takesBareTexts } = local;
  return encodeSdp({
    host: msrp.host,
    // RFC 4145 section 4.1: the active side names port 9, since nobody connects to it.
    port: setup === 'active' ? 9 : msrp.port,
    path: [...msrp.path],
    setup,
    acceptTypes: takesBareTexts ? [...acceptTypes, 'text/plain'] : acceptTypes,
    wrappedTypes: acceptWrappedTypes,
    direction,
    ...(streams === undefined ? {} : { streams }),
    ...origin,
    transport: msrp.isSecure ? 'TCP/TLS/MSRP' : 'TCP/MSRP',
    attributes: [
      ...(msrp.fingerprint === null ? [] : [['fingerprint', `${msrp.fingerprint.hash} ${msrp.fingerprint.value}`] as const]),
      ...(takesClear ? [CLEAR_CAPABILITY] : []),
      ...(isReplacement ? [['connection', 'new'] as const] : []),
      // Behind a relay the address in the SDP is the relay's, and no middlebox may take its place.
      ...(knowsCema && msrp.path.length === 1 ? [[CEMA, null] as const] : []),
    ],
  });
}

/** RFC 4975 section 5.4: without a=setup the offerer connects; RFC 6135 lets the answerer choose. */
export function offererRole(answer: MsrpDescription): Role {
  return answer.setup === 'active' ? 'passive' : 'active';
}

export function isOverTls({ transport }: MsrpDescription): boolean {
  return transport === 'TCP/TLS/MSRP';
}

/** Whether an answer refuses the media that was offered over TLS: the whole stream (RFC 3264 section 6), or its TLS. */
export function refusesTls(answer: MsrpDescription): boolean {
  return answer.port === 0 || !isOverTls(answer);
}

export function offersCema({ attributes }: MsrpDescription): boolean {
  return attributes.some(([name]) => name === CEMA);
}

/** `sender`: the address of the other side, where the dialog names it. */
export function peerOf(remote: MsrpDescription, sender: string | undefined): Peer {
  return { fingerprints: fingerprintsOf(remote), address: cemaAddress(remote), ...(sender === undefined ? {} : { sender }) };
}
