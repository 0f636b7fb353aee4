/**
 * The two invitations of a group: the inviter's request to the factory, and the Controlling Function's invitation to each person (OMA CPM
 * group session over RFC 5366). Pure: values in, values out.
 */
import { randomBytes } from 'node:crypto';
import { cpmHeader, isContributionId } from '../../protocol/cpm-headers';
import { acceptContact, ICSI, INSTANCE_PARAM, icsiParam } from '../../protocol/feature-tags';
import { parseInstance } from '../../protocol/instance-urn';
import { type BodyPart, encodeMultipart, multipartType, newBoundary, parseContentType, parseMultipart } from '../../protocol/multipart';
import {
  type EntryDialog,
  encodeResourceLists,
  entryTarget,
  historyEntries,
  parseResourceLists,
  RESOURCE_LISTS_CONTENT_TYPE,
  type ResourceEntry,
} from '../../protocol/resource-lists';
import { encodeSdp, type MsrpDescription, parseSdp } from '../../protocol/sdp';
import { addressKey, formatNameAddr, parseNameAddr } from '../../protocol/uri';
import { type SipMessage, SipRequest } from '../sip/message';
import type { Read, Refusal } from '../sip/refusal';
import { readTimer } from '../sip/session-timer';

/** Extensions that an invitation may require of the Controlling Function. */
const SUPPORTED = ['recipient-list-invite', 'gruu', 'norefersub', 'multiple-refer', 'timer'];

/** One person to invite. */
export interface Invitee {
  /** The person. */
  address: string;
  name: string | null;
  /** Request-URI of the invitation: the GRUU when it is for one device. */
  target: string;
  /** Contribution-ID of the 1-1 session that this device replaces. */
  sessionReplaces: string | null;
  /** The same indication in the form of RFC 3891, when the entry named a dialog (3GPP TS 24.147). */
  replaces: string | null;
  instanceId: string | null;
  copyControl: ResourceEntry['copyControl'];
  anonymize: boolean;
}

/** What the invitations of all people have in common. */
interface GroupFactsOnWire {
  conversationId: string;
  contributionId: string;
  subject: string | null;
}

/** Whether the creator wants a closed group, which takes nobody in later. */
const isClosed = (request: SipRequest) => request.get(cpmHeader.groupType)?.trim().toLowerCase() === 'closed';

export interface GroupInvitation extends GroupFactsOnWire {
  type: 'open' | 'closed';
  offer: MsrpDescription;
  invitees: Invitee[];
}

/** The 420 for required extensions that are unknown here (RFC 3261 section 8.2.2.3), or null. */
export function checkRequired(request: SipRequest): Refusal | null {
  const unknown = request.all('require').filter((token) => !SUPPORTED.includes(token.toLowerCase()));
  return unknown.length === 0 ? null : { ok: false, status: 420, headers: [['Unsupported', unknown.join(', ')]] };
}

/** The SDP offer of a request: its whole body, or the part of a multipart. Null when there is none. */
export function readOffer(parts: readonly BodyPart[]): Read<MsrpDescription> | null {
  const part = parts.find((candidate) => parseContentType(candidate.contentType).type === 'application/sdp');
  if (part === undefined) return null;
  const description = parseSdp(new TextDecoder().decode(part.body));
  if (!description.ok) return { ok: false, status: 488, warning: description.reason };
  if (description.value.port === 0 || description.value.path.length === 0)
    return { ok: false, status: 488, warning: 'The MSRP stream is refused' };
  return { ok: true, value: description.value };
}

/** The body as parts; a body that is no multipart is one part. */
export function readParts(message: SipMessage): Read<BodyPart[]> {
  const contentType = message.get('content-type');
  if (contentType === null || message.body.length === 0) return { ok: true, value: [] };
  if (!parseContentType(contentType).type.startsWith('multipart/')) {
    const disposition = message.get('content-disposition');
    const headers = new Map(disposition === null ? [] : [['content-disposition', disposition] as const]);
    return { ok: true, value: [{ contentType, headers, body: message.body }] };
  }
  const parts = parseMultipart(contentType, message.body);
  return parts.ok ? parts : { ok: false, status: 400, warning: parts.reason };
}

/** The people of a recipient list: no duplicates, never `inviter`. Null when the body has no list. */
export function readRecipients(parts: readonly BodyPart[], inviter: string): Read<Invitee[]> | null {
  const part = parts.find(
    (candidate) => parseContentType(candidate.contentType).type === RESOURCE_LISTS_CONTENT_TYPE && isRecipientList(candidate),
  );
  if (part === undefined) return null;
  const list = parseResourceLists(part.body);
  if (!list.ok) return { ok: false, status: 400, warning: list.reason };
  const invitees = new Map<string, Invitee>();
  for (const entry of list.value) {
    const invitee = inviteeOf(entry);
    if (invitee === null) return { ok: false, status: 400, warning: 'A list entry is no address' };
    if (invitee.address !== inviter && !invitees.has(invitee.address)) invitees.set(invitee.address, invitee);
  }
  return { ok: true, value: [...invitees.values()] };
}

/** The offer of somebody who joins an existing group. A list of people, or a message inside the INVITE, is refused. */
export function readRejoin(request: SipRequest, address: string): Read<MsrpDescription> {
  const required = checkRequired(request);
  const timer = readTimer(request);
  const parts = required ?? (timer.ok ? null : timer) ?? readParts(request);
  if (!parts.ok) return parts;
  if (readRecipients(parts.value, address) !== null) return { ok: false, status: 403, warning: 'People are added by REFER' };
  // A text written to the group's address as to a person: nobody would read it.
  if (parts.value.some(({ contentType }) => parseContentType(contentType).type === 'message/cpim'))
    return { ok: false, status: 403, warning: 'A group is joined before anything is said' };
  return readOffer(parts.value) ?? { ok: false, status: 606, warning: 'An SDP offer is missing' };
}

function isRecipientList(part: BodyPart): boolean {
  const disposition = part.headers.get('content-disposition') ?? '';
  return disposition.split(';')[0]?.trim().toLowerCase() === 'recipient-list';
}

/** Reads one person from a list entry or a Refer-To. Null for what is no address at all. */
export function inviteeOf(entry: ResourceEntry): Invitee | null {
  const target = entryTarget(entry.uri);
  if (!target.ok) return null;
  const { uri, sessionReplaces, acceptContactInstance, dialog } = target.value;
  const address = target.value.address ?? uri;
  return {
    address,
    name: entry.displayName ?? null,
    target: uri,
    sessionReplaces,
    replaces: dialog === null ? null : replacesOf(dialog, address),
    instanceId: acceptContactInstance,
    copyControl: entry.copyControl,
    anonymize: entry.anonymize,
  };
}

/** RFC 3891: to-tag is the tag of the receiver of the header, whichever of the two had called. */
function replacesOf(dialog: EntryDialog, invitee: string): string | null {
  const [own, other] = addressKey(dialog.from) === invitee ? [dialog.fromTag, dialog.toTag] : [dialog.toTag, dialog.fromTag];
  return own === null || other === null ? null : `${dialog.callId};to-tag=${own};from-tag=${other}`;
}

/** The invitation that creates a group. */
export function readGroupInvitation(request: SipRequest, inviter: string, maximum: number): Read<GroupInvitation> {
  const required = checkRequired(request);
  if (required !== null) return required;
  const timer = readTimer(request);
  if (!timer.ok) return timer;
  // RFC 5079: everybody learns who the inviter is (Referred-By), so an anonymous inviter is refused rather than exposed.
  if (request.all('privacy').some((value) => value.toLowerCase().split(';').includes('id'))) return { ok: false, status: 433 };
  const contributionId = request.get(cpmHeader.contributionId);
  // LAB: without it a group has no identity.
  if (contributionId === null || !isContributionId(contributionId))
    return { ok: false, status: 400, warning: 'Contribution-ID is missing' };
  const parts = readParts(request);
  if (!parts.ok) return parts;
  const offer = readOffer(parts.value);
  if (offer === null) return { ok: false, status: 606, warning: 'An SDP offer is missing' };
  if (!offer.ok) return offer;
  const invitees = readRecipients(parts.value, inviter);
  if (invitees === null) return { ok: false, status: 400, warning: 'The recipient list is missing' };
  if (!invitees.ok) return invitees;
  if (invitees.value.length === 0) return { ok: false, status: 400, warning: 'The recipient list names nobody else' };
  const tooMany = checkSize(1 + invitees.value.length, maximum);
  if (tooMany !== null) return tooMany;
  const value: GroupInvitation = {
    conversationId: request.get(cpmHeader.conversationId) ?? contributionId,
    contributionId,
    subject: request.get('subject'),
    type: isClosed(request) ? 'closed' : 'open',
    offer: offer.value,
    invitees: invitees.value,
  };
  return { ok: true, value };
}

/** LAB: 403 with a Warning when a group would hold more people than it may. */
export function checkSize(people: number, maximum: number): Refusal | null {
  return people > maximum ? { ok: false, status: 403, warning: `Too many participants: at most ${maximum}` } : null;
}

/**
 * LAB: people that the history list of an invitation names; the roster tells of a larger group, or the lists would grow with its square.
 */
const MAX_HISTORY_ENTRIES = 100;

/** The parts of one invitation by the Controlling Function. */
export interface OutgoingInvitation extends GroupFactsOnWire {
  focus: string;
  inviter: { address: string; name: string | null };
  invitee: Invitee;
  /** The history list of all who are invited with it, from `encodeHistory`. */
  history: Uint8Array;
  offer: MsrpDescription;
  fromTag: string;
  callId: string;
}

/** The focus' Contact in every request and response (RFC 4579: isfocus). */
export function focusContact(focus: string): string {
  return `<${focus}>;isfocus;${icsiParam([ICSI.group])}`;
}

export function createInvitation(facts: OutgoingInvitation): SipRequest {
  const { focus, invitee } = facts;
  const request = new SipRequest('INVITE', invitee.target)
    .append('From', `<${focus}>;tag=${facts.fromTag}`)
    .append('To', `<${invitee.address}>`)
    .append('Call-ID', facts.callId)
    .append('CSeq', '1 INVITE')
    .append('Contact', focusContact(focus))
    .append('P-Asserted-Identity', `<${focus}>`)
    .append('P-Asserted-Service', ICSI.group)
    .append('Referred-By', formatNameAddr({ displayName: facts.inviter.name, uri: facts.inviter.address, params: new Map() }))
    .append('Accept-Contact', acceptContact({ icsis: [ICSI.group] }));
  if (invitee.instanceId !== null) {
    request.append('Accept-Contact', acceptContact({ instanceId: invitee.instanceId }));
  }
  if (invitee.sessionReplaces !== null) request.append(cpmHeader.sessionReplaces, invitee.sessionReplaces);
  if (invitee.replaces !== null) request.append('Replaces', invitee.replaces);
  if (facts.subject !== null) request.append('Subject', facts.subject);
  request
    .append(cpmHeader.conversationId, facts.conversationId)
    .append(cpmHeader.contributionId, facts.contributionId)
    .append('Allow', 'INVITE, ACK, CANCEL, BYE, REFER, SUBSCRIBE, NOTIFY, UPDATE, OPTIONS')
    .append('Supported', 'gruu, norefersub');
  const parts: BodyPart[] = [
    { contentType: 'application/sdp', headers: new Map(), body: new TextEncoder().encode(encodeSdp(facts.offer)) },
    {
      contentType: RESOURCE_LISTS_CONTENT_TYPE,
      headers: new Map([['content-disposition', 'recipient-list-history;handling=optional']]),
      body: facts.history,
    },
  ];
  const boundary = newBoundary(() => randomBytes(4).readUInt32BE(0) / 0x1_0000_0000, parts);
  return request.setBody(multipartType(boundary), encodeMultipart(parts, boundary));
}

/** What invited people may see of one another: plain addresses only (RFC 5366 section 7), at most MAX_HISTORY_ENTRIES of them. */
export function encodeHistory(invitees: readonly Invitee[]): Uint8Array {
  const entries = historyEntries(
    invitees.slice(0, MAX_HISTORY_ENTRIES).map(({ address, name, copyControl, anonymize }) => ({
      uri: address,
      copyControl: copyControl ?? 'to',
      anonymize,
      ...(name === null ? {} : { displayName: name }),
    })),
  );
  return new TextEncoder().encode(encodeResourceLists(entries));
}

/** What a device says of itself in its Contact: its GRUU (or contact) and its name. */
export function deviceOf(contact: string | null): { entity: string; deviceName: string | null; instanceId: string | null } | null {
  const value = contact === null ? null : parseNameAddr(contact);
  if (value === null || !value.ok) return null;
  return {
    entity: value.value.uri,
    deviceName: value.value.displayName,
    instanceId: parseInstance(value.value.params.get(INSTANCE_PARAM) ?? ''),
  };
}
