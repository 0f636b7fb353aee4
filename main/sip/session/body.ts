/** The body of INVITE, its answers and ACK: a session description, alone or together with other parts (RFC 5621). */
import { type BodyPart, parseContentType, parseMultipart } from '../../../protocol/multipart';
import { text } from '../../../protocol/octets';
import type { WireMessage } from '../wire/wire-message';

/** The offer or answer for sip.js to write. */
export function sdpBody(sdp: string): { contentDisposition: string; contentType: string; content: string } {
  return { contentDisposition: 'session', contentType: 'application/sdp', content: Buffer.from(sdp, 'utf8').toString('latin1') };
}

/** The session description in a message, and the other parts of its body. */
export function readBody(message: WireMessage | null): { sdp: string | null; parts: BodyPart[] } {
  const contentType = message?.first('content-type') ?? null;
  if (message === null || contentType === null || message.body.length === 0) return { sdp: null, parts: [] };
  const { type } = parseContentType(contentType);
  if (type === 'application/sdp') return { sdp: text(message.body), parts: [] };
  const multipart = type.startsWith('multipart/') ? parseMultipart(contentType, message.body) : null;
  if (multipart === null || !multipart.ok) return { sdp: null, parts: [{ contentType, headers: new Map(), body: message.body }] };
  const isSdp = (part: BodyPart) => parseContentType(part.contentType).type === 'application/sdp';
  const sdp = multipart.value.find(isSdp);
  return { sdp: sdp === undefined ? null : text(sdp.body), parts: multipart.value.filter((part) => part !== sdp) };
}
