/** A text that came. One in which nothing can be seen makes no message: there would be nothing to show. */
import { AppError } from '../../../preload/contract/errors';
import { decodeText } from '../../../protocol/charset';
import type { CpimMessage } from '../../../protocol/cpim';
import { parseContentType } from '../../../protocol/multipart';
import { isVisible } from '../../../protocol/visible-text';
import type { CpmContext } from '../conversation/context';
import type { Incoming } from './door';
import { keepMessage, type MessageEffects } from './keeping';

/** LAB: text that is written to be read by a program: its markup would stand in the chat. It becomes a file. */
const documents: ReadonlySet<string> = new Set([
  'text/html',
  'text/rtf',
  'text/richtext',
  'text/calendar',
  'text/vcard',
  'text/x-vcard',
  'text/directory',
]);

/** Whether content of a type stands in the chat as it is: text/plain, and other kinds of text that people read (RFC 2046 section 4.1.4). */
export function isReadAsText(type: string): boolean {
  return type.startsWith('text/') && !documents.has(type);
}

/** The longest text taken into the history, in UTF-16 code units; a longer one is refused with 413. */
export const maxIncomingTextLength = 200_000;

export function takeText(context: CpmContext, effects: MessageEffects, incoming: Incoming): void {
  const text = textOf(incoming.envelope);
  if (text.length > maxIncomingTextLength) throw new AppError('msrp/rejected', { status: 413, reason: 'Message too large' });
  if (isVisible(text)) keepMessage(context, effects, incoming, { kind: 'text', text });
  else effects.stopComposing(incoming.conversation.id, incoming.sender);
}

export function textOf({ contentType, body }: CpimMessage): string {
  return decodeText(body, parseContentType(contentType).params.get('charset'));
}
