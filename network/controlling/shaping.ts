/**
 * A message of the group as one member's session takes it, by its a=accept-types and a=accept-wrapped-types (RFC 4975 section 8.6):
 *
 *   in its envelope | LAB: a text without one, as "NAME: TEXT", where no envelope is taken | not at all
 *
 * What a session does not take would be refused with 415, and is never sent.
 */
import { waysOf } from '../../protocol/accepted-types';
import { decodeText } from '../../protocol/charset';
import { type CpimMessage, parseCpim } from '../../protocol/cpim';
import { parseContentType } from '../../protocol/multipart';
import type { MsrpDescription } from '../../protocol/sdp';
import type { GroupContent } from './store';

export type Takes = Pick<MsrpDescription, 'acceptTypes' | 'wrappedTypes'>;

/** Each message is read once, however many members it goes to. */
const read = new WeakMap<GroupContent, CpimMessage | null>();

/** Null: the member's session takes it in no form. */
export function shapedFor(content: GroupContent, takes: Takes): GroupContent | null {
  const envelope = envelopeOf(content);
  if (envelope === null) return content;
  const { type, params } = parseContentType(envelope.contentType);
  const ways = waysOf(takes, type);
  if (ways.wrapped) return content;
  if (!ways.bare || type !== 'text/plain') return null;
  const text = `${envelope.fromName ?? envelope.from}: ${decodeText(envelope.body, params.get('charset'))}`;
  return { contentType: 'text/plain;charset=UTF-8', body: new TextEncoder().encode(text) };
}

function envelopeOf(content: GroupContent): CpimMessage | null {
  const known = read.get(content);
  if (known !== undefined) return known;
  const parsed = parseCpim(content.body);
  const envelope = parsed.ok ? parsed.value : null;
  read.set(content, envelope);
  return envelope;
}
