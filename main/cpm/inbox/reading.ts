/** Bytes from the network as one envelope, by whatever path they came. */
import { AppError } from '../../../preload/contract/errors';
import { type CpimMessage, parseCpim } from '../../../protocol/cpim';
import { type BodyPart, parseContentType } from '../../../protocol/multipart';
import type { IncomingPager } from '../../sip/client';
import { composingType, cpimType, imdnType } from '../conversation/envelope';
import { isReadAsText } from './text';

/** What may come without an envelope: texts of clients that know no CPIM, composing states (RFC 3994), and receipts. */
function mayBeBare(contentType: string): boolean {
  const { type } = parseContentType(contentType);
  return isReadAsText(type) || type === composingType || type === imdnType;
}

/**
 * The envelope of one piece of content of a session.
 * @throws AppError `sip/malformed`; `sip/rejected` with 415 (RFC 3428 section 7, RFC 4975 section 10.4): whoever hears "received" believes it
 */
export function readContent(contentType: string, body: Uint8Array): CpimMessage {
  return mayBeBare(contentType) ? bare(contentType, body, null) : readEnvelope(contentType, body);
}

/**
 * The envelope of a pager message. LAB: a bare text or composing state comes from a client that knows no CPIM: it has no ID of its own, asks for no
 * receipt, and is known again by its request.
 * @throws AppError as `readContent`
 */
export function readPager({ remote, requestId, contentType, body }: IncomingPager): CpimMessage {
  return mayBeBare(contentType) ? bare(contentType, body, `${remote.address} ${requestId}`) : readEnvelope(contentType, body);
}

/**
 * The message inside an INVITE: in an envelope, else bare; null where there is none. `id` is that of a bare text.
 * @throws AppError as `readContent`
 */
export function readInvitation(parts: readonly BodyPart[], id: string): CpimMessage | null {
  const typed = parts.map((part) => ({ ...part, type: parseContentType(part.contentType).type }));
  const wrapped = typed.find(({ type }) => type === cpimType);
  if (wrapped !== undefined) return readEnvelope(wrapped.contentType, wrapped.body);
  const text = typed.find(({ type }) => isReadAsText(type));
  return text === undefined ? null : bare(text.contentType, text.body, id);
}

/** The SIP status for content that could not be taken. */
export function refusalStatus(error: unknown): number {
  const status = error instanceof AppError ? error.detail.status : undefined;
  return status !== undefined && [400, 413, 415].includes(status) ? status : 500;
}

function readEnvelope(contentType: string, body: Uint8Array): CpimMessage {
  if (parseContentType(contentType).type !== cpimType)
    throw new AppError('sip/rejected', { status: 415, reason: 'Unsupported Media Type', cause: contentType });
  const envelope = parseCpim(body);
  if (!envelope.ok) throw new AppError('sip/malformed', { status: 400, reason: 'Bad Request', cause: `CPIM: ${envelope.reason}` });
  return envelope.value;
}

function bare(contentType: string, body: Uint8Array, messageId: string | null): CpimMessage {
  return {
    from: null,
    fromName: null,
    to: [],
    dateTime: null,
    subject: null,
    messageId,
    dispositions: [],
    headers: [],
    contentType,
    contentHeaders: new Map(),
    body,
  };
}
