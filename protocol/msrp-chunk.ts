/**
 * Where the octets of a SEND belong in their message (RFC 4975 sections 5.1 and 7.1.1). Client and switch read chunks in the same way: the octets that
 * came and the end line count, and what Byte-Range claims about them is believed only where nothing better is known.
 */
import type { MsrpRequest } from './msrp';

/** The first and the last octet, counted from 1, and the size of the message where the chunk tells it. */
export interface ChunkPlace {
  start: number;
  last: number;
  total: number | null;
}

type Chunk = Pick<MsrpRequest, 'byteRange' | 'continuation' | 'goesOn'> & { body: Uint8Array };

/** Null for a chunk that contradicts itself, so that nobody knows where its octets belong. */
export function placeOf({ byteRange, body, continuation, goesOn }: Chunk): ChunkPlace | null {
  const { start, end, total } = byteRange ?? { start: 1, end: null, total: null };
  const last = start + body.length - 1;
  // The end of a part's chunk is not known yet.
  if (goesOn === true) return { start, last, total: total !== null && total >= last ? total : null };
  const isEnd = continuation === '$';
  // One chunk with everything needs no Byte-Range. Clients in the field count characters in theirs.
  if (isEnd && start === 1) return { start, last, total: last };
  // Only an interrupted chunk may be shorter than announced.
  const isAsAnnounced = end === null || end === last || (end > last && !isEnd);
  const isWithin = total === null || (isEnd ? total <= last : last <= total);
  return isAsAnnounced && isWithin ? { start, last, total: isEnd ? last : total } : null;
}

/** Whether a SEND has no octets and ends a message whose octets came before it. */
export function endsWithoutOctets({ body, continuation, goesOn }: Pick<MsrpRequest, 'body' | 'continuation' | 'goesOn'>): boolean {
  return continuation === '$' && goesOn !== true && (body === null || body.length === 0);
}
