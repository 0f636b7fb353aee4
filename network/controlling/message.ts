/** Whether a message of one endpoint may go to the group, under whose name, and to whom. Pure. */
import { type CpimMessage, encodeCpim, parseCpim } from '../../protocol/cpim';
import { parseContentType } from '../../protocol/multipart';
import type { CompleteMessage } from '../msrp/assembly';
import type { Group } from './group';
import type { Endpoint } from './participant';

/** The bytes to send, the endpoints that get them, the people they must reach, and whether they are of the moment alone; or the MSRP status of the refusal. */
export type Admission =
  | { ok: true; body: Uint8Array; envelope: CpimMessage; endpoints: Endpoint[]; people: string[]; isPassing: boolean }
  | { ok: false; status: number; reason: string };

/** Checks a message of the endpoint on `leg`: only CPIM, only in the sender's own name, only to the group or its members. */
export function admitMessage(group: Group, leg: string, message: CompleteMessage): Admission {
  if (parseContentType(message.contentType).type !== 'message/cpim') return { ok: false, status: 415, reason: 'Only message/cpim' };
  const envelope = parseCpim(message.body);
  if (!envelope.ok) return { ok: false, status: 400, reason: 'Malformed CPIM' };
  const isOwn = group.isOwnAddress(leg, envelope.value.from);
  if (isOwn === false) return { ok: false, status: 403, reason: 'CPIM From Is Not The Sender' };
  const recipients = group.recipients(leg, envelope.value.to, isSaid(envelope.value));
  if (!recipients.ok) return recipients;
  // LAB: a sender who gives no address gets the one that the core asserted.
  const from = group.endpoint(leg)?.address ?? null;
  const body = isOwn === null ? encodeCpim({ ...envelope.value, from }) : message.body;
  // A composing state is worthless to somebody who comes back later.
  const passes = isPassing(envelope.value);
  const people = passes ? [] : recipients.people;
  return { ok: true, body, envelope: envelope.value, endpoints: recipients.endpoints, people, isPassing: passes };
}

function isSaid({ contentType }: CpimMessage): boolean {
  return !['application/im-iscomposing+xml', 'message/imdn+xml'].includes(parseContentType(contentType).type);
}

function isPassing(envelope: CpimMessage): boolean {
  return parseContentType(envelope.contentType).type === 'application/im-iscomposing+xml';
}
