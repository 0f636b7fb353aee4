/**
 * Content that Chorus cannot show is kept as a file, which the person may save: what was acknowledged is never lost. Its words, which search finds and an
 * older Chorus shows, are its name and its type.
 */
import { digest } from '../../../base/digest';
import { AppError } from '../../../preload/contract/errors';
import type { CpimMessage } from '../../../protocol/cpim';
import { parseParams } from '../../../protocol/generic-param';
import { parseContentType } from '../../../protocol/multipart';
import { shownName } from '../../../protocol/shown-name';
import type { CpmContext } from '../conversation/context';
import type { Incoming } from './door';
import { keepMessage, type MessageEffects } from './keeping';

/** LAB: the largest file that is kept, in octets. */
export const maxFileBytes = 1024 * 1024;
/** LAB: most octets in all files of one sender; nobody can fill the disk of another. */
export const maxFileBytesOfSender = 64 * maxFileBytes;

export function takeFile(context: CpmContext, effects: MessageEffects, incoming: Incoming): void {
  const { envelope, sender } = incoming;
  const { body } = envelope;
  const isTooLarge = body.length > maxFileBytes || context.history.fileBytesOf(sender.address) + body.length > maxFileBytesOfSender;
  if (isTooLarge) throw new AppError('msrp/rejected', { status: 413, reason: 'Message too large' });
  const { type: named } = parseContentType(envelope.contentType);
  // What is still encoded is not of its type.
  const type = named === '' || envelope.contentHeaders.has('content-transfer-encoding') ? 'application/octet-stream' : named;
  const name = nameOf(envelope);
  const text = name === null ? type : `${name} (${type})`;
  keepMessage(context, effects, incoming, { kind: 'file', text, type, size: body.length, name, digest: digest(body) }, body);
}

/** The name that the sender gives it (RFC 2183 section 2.3), or gave it once (RFC 2045); made safe to show. */
function nameOf({ contentType, contentHeaders }: CpimMessage): string | null {
  const disposition = contentHeaders.get('content-disposition') ?? '';
  const at = disposition.indexOf(';');
  const params = at < 0 ? null : parseParams(disposition.slice(at));
  const said = params?.get('filename') ?? parseContentType(contentType).params.get('name') ?? '';
  return shownName(said.split(/[/\\]/).at(-1) ?? '') || null;
}
