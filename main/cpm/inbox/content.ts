/**
 * Takes the wrappers off content: a multipart, and an envelope inside an envelope. What is inside counts as said by whom the outer envelope names.
 *
 *   multipart/alternative   the last part that can be shown, else the last one
 *   multipart/signed        the part that is signed
 *   any other multipart     each part: text stands as a text, and what cannot be shown as a file
 *   message/cpim            what it holds
 *
 * What cannot be taken apart stays as it is.
 */
import { type CpimMessage, IMDN_NAMESPACE, parseCpim } from '../../../protocol/cpim';
import { type BodyPart, parseContentType, parseMultipart } from '../../../protocol/multipart';
import { cpimType } from '../conversation/envelope';

/** LAB: how many wrappers are taken off. */
export const maxWrappers = 4;
/** LAB: a multipart with more parts than this is kept whole. */
export const maxPieces = 8;

/** `isKnown`: whether a type can be shown, or is understood otherwise. */
export function piecesOf(envelope: CpimMessage, isKnown: (type: string) => boolean): CpimMessage[] {
  const pieces = unwrapped(envelope, isKnown, maxWrappers);
  return pieces.length > maxPieces ? [envelope] : pieces.map((piece, index) => (index === 0 ? piece : furtherPiece(piece, index)));
}

function unwrapped(envelope: CpimMessage, isKnown: (type: string) => boolean, left: number): CpimMessage[] {
  const { type } = parseContentType(envelope.contentType);
  if (left === 0 || envelope.contentHeaders.has('content-transfer-encoding')) return [envelope];
  if (type === cpimType) {
    const inner = parseCpim(envelope.body);
    if (!inner.ok) return [envelope];
    const { messageId, dateTime } = envelope;
    const known = { messageId: messageId ?? inner.value.messageId, dateTime: dateTime ?? inner.value.dateTime };
    return unwrapped({ ...withContent(envelope, inner.value, inner.value.contentHeaders), ...known }, isKnown, left - 1);
  }
  if (!type.startsWith('multipart/')) return [envelope];
  const parts = parseMultipart(envelope.contentType, envelope.body);
  const chosen = parts.ok ? chosenParts(type, parts.value, isKnown) : [];
  const pieces = chosen.flatMap((part) => unwrapped(withContent(envelope, part, part.headers), isKnown, left - 1));
  return pieces.length === 0 ? [envelope] : pieces;
}

function chosenParts(type: string, parts: readonly BodyPart[], isKnown: (type: string) => boolean): BodyPart[] {
  const nested = (one: string) => one === cpimType || one.startsWith('multipart/');
  const canBeShown = ({ contentType }: BodyPart) => {
    const part = parseContentType(contentType).type;
    return isKnown(part) || nested(part);
  };
  if (type === 'multipart/alternative') return [parts.findLast(canBeShown) ?? parts.at(-1)].filter((part) => part !== undefined);
  if (type === 'multipart/signed') return parts.slice(0, 1);
  // An encrypted one is only of use whole.
  return type === 'multipart/encrypted' ? [] : [...parts];
}

function withContent(
  envelope: CpimMessage,
  { contentType, body }: Pick<BodyPart, 'contentType' | 'body'>,
  contentHeaders: BodyPart['headers'],
): CpimMessage {
  return { ...envelope, contentType: contentType || 'text/plain', contentHeaders, body };
}

/** A message of its own, for which no receipt is owed. */
function furtherPiece(piece: CpimMessage, index: number): CpimMessage {
  const messageId = piece.messageId === null ? null : `${piece.messageId}/part-${index}`;
  return { ...piece, messageId, dispositions: [], headers: piece.headers.filter(({ namespace }) => namespace !== IMDN_NAMESPACE) };
}
