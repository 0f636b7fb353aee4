/** Bytes from the network as one envelope, by whatever path they came. */
import { AppError } from '../../../preload/contract/errors';
import { type CpimMessage, parseCpim } from '../../../protocol/cpim';
import { type BodyPart, parseContentType } from '../../../protocol/multipart';
import type { IncomingPager } from '../../sip/client';
import { composingType, cpimType, imdnType } from '../conversation/envelope';

/** What may come without an envelope: texts of clients that know no CPIM, composing states (RFC 3994), and receipts. */
const bareTypes: ReadonlySet<string> = new Set(['text/plain', composingType, imdnType]);

/**
 * The envelope of one piece of content of a session.
 * @throws AppError `sip/malformed`; `sip/rejected` with 415 (RFC 3428 section 7, RFC 4975 section 10.4): whoever hears "received" believes it
 */
export function readContent(contentType: string, body: Uint8Array): CpimMessage {
  return bareTypes.has(parseContentType(contentType).type) ? bare(contentType, body, null) : readEnvelope(contentType, body);
}

/**
 * The envelope of a pager message. LAB: a bare text or composing state comes from a client that knows no CPIM: it has no ID of its own, asks for no
 * receipt, and is known again by its request.
 * @throws AppError as `readContent`
 */
export function readPager({ remote, requestId, contentType, body }: IncomingPager): CpimMessage {
  return bareTypes.has(parseContentType(contentType).type)
    ? bare(contentType, body, `${remote.address} ${requestId}`)
    : readEnvelope(contentType, body);
}

/** The envelope of the message inside an INVITE; `id` is that of a bare text. @throws AppError as `readContent` */
export function readInvitation({ contentType, body }: BodyPart, id: string): CpimMessage {
  return parseContentType(contentType).type === 'text/plain' ? bare(contentType, body, id) : readEnvelope(contentType, body);
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
