/**
 * A letter: what is kept of a message for somebody whose devices are all off, and the MESSAGE that brings it later (OMA CPM Deferred CPM
 * Message). Pure.
 */
import { type CpimMessage, encodeCpim, parseCpim } from '../../../protocol/cpim';
import { cpmHeader } from '../../../protocol/cpm-headers';
import { ICSI, INSTANCE_PARAM, icsiParam, wantedServices } from '../../../protocol/feature-tags';
import { encodeImdn, type Imdn, parseImdn } from '../../../protocol/imdn';
import { parseInstance } from '../../../protocol/instance-urn';
import { parseContentType, parseMultipart } from '../../../protocol/multipart';
import { addressKey, parseNameAddr, parseUri } from '../../../protocol/uri';
import { assertedIdentity } from '../../sip/asserted-identity';
import { newRequest } from '../../sip/dialog';
import { uriOf } from '../../sip/header-value';
import type { SipRequest } from '../../sip/message';
import { newToken } from '../../sip/sip-server';

/** LAB: how long a message waits whose sender names no time. */
export const DEFAULT_LIFE_MS = 7 * 24 * 3_600_000;
/** LAB: the longest time that a sender's Expires (RFC 3428 section 6) is honoured for. */
export const MAX_LIFE_MS = 30 * 24 * 3_600_000;
/** LAB: the largest content that is kept, bytes. */
export const MAX_LETTER_BYTES = 768 * 1024;
/** LAB: larger content is brought over MSRP: over TCP a MESSAGE may be longer than 1300 bytes, but cores drop long ones (Kamailio: 64 KiB). */
export const MAX_PAGER_BYTES = 16 * 1024;

const CPIM = 'message/cpim';
const IMDN_CONTENT_TYPE = 'message/imdn+xml';
const COMPOSING = 'application/im-iscomposing+xml';

/** Headers that a pushed message has from the original one. */
const KEPT_HEADERS = [
  'P-Asserted-Identity',
  'Privacy',
  'Referred-By',
  'Subject',
  'Reply-To',
  cpmHeader.conversationId,
  cpmHeader.contributionId,
  cpmHeader.inReplyTo,
  cpmHeader.nonCpmService,
] as const;

export interface Letter {
  /** Whom it is for: the address in comparable form. */
  person: string;
  /** The asserted address of its sender. */
  sender: string;
  /** imdn.Message-ID; null when it has none, and then a repetition is not recognised. */
  messageId: string | null;
  isReceipt: boolean;
  /** The only device that it is for, as the sender has named it: an instance URN, or a public GRUU; null: every device of the person. */
  only: string | null;
  /** A temporary GRUU that it must be sent to; null: each device by its own address. */
  target: string | null;
  headers: [name: string, value: string][];
  contentType: string;
  body: Uint8Array;
  /** The sender asks to be told when it could not be delivered. */
  wantsFailed: boolean;
  /** DateTime of the message, epoch milliseconds. */
  sentAt: number;
  /** The sender's device, which its receipts are for. */
  returnTo: Device;
  expiresAt: number;
}

export interface Device {
  gruu: string | null;
  instance: string | null;
}

/** The letter that a MESSAGE for `person` makes; null when it is nothing that can wait. */
export function letterOfMessage(request: SipRequest, person: string, now: number): Letter | null {
  return letter(request, person, { contentType: request.get('content-type') ?? '', body: request.body }, now);
}

/** The letter that the first message inside an INVITE makes; null when there is none. In Large Message Mode it is an envelope without a text. */
export function letterOfInvite(invite: SipRequest, person: string, now: number): Letter | null {
  if (isLargeMessage(invite)) return null;
  const parts = parseMultipart(invite.get('content-type') ?? '', invite.body);
  const first = parts.ok ? parts.value.find((part) => parseContentType(part.contentType).type === CPIM) : undefined;
  return first === undefined ? null : letter(invite, person, first, now);
}

/** The letter that a message of a session makes; `invite` began the session. */
export function letterOfSession(
  invite: SipRequest,
  person: string,
  content: { contentType: string; body: Uint8Array },
  now: number,
): Letter | null {
  return parseContentType(content.contentType).type === CPIM ? letter(invite, person, content, now) : null;
}

function letter(request: SipRequest, person: string, content: { contentType: string; body: Uint8Array }, now: number): Letter | null {
  const sender = assertedIdentity(request)?.address ?? addressKey(uriOf(request.get('from') ?? ''));
  const lifeMs = lifeOf(request);
  if (sender === null || lifeMs === 0) return null;
  const { type } = parseContentType(content.contentType);
  const read = type === CPIM ? parseCpim(content.body) : null;
  if (read?.ok === false || (read === null && type !== 'text/plain')) return null;
  const envelope = read?.value ?? null;
  const inner = envelope === null ? type : parseContentType(envelope.contentType).type;
  if (inner === COMPOSING) return null;
  const hides = request.has('privacy');
  const headers = KEPT_HEADERS.flatMap((name) => request.all(name).map((value): [string, string] => [name, value]));
  const contact = request.get('contact');
  // LAB: RFC 3428 section 4 forbids a Contact in MESSAGE, but an anonymous sender of an INVITE can be answered nowhere else.
  if (hides && contact !== null && isTemporary(uriOf(contact))) headers.push(['Contact', `<${uriOf(contact)}>`]);
  return {
    person,
    sender,
    messageId: envelope?.messageId ?? null,
    isReceipt: inner === IMDN_CONTENT_TYPE,
    only: deviceAsked(request),
    target: isTemporary(request.uri) ? request.uri : null,
    headers: [
      ['From', withoutTag(request.get('from') ?? `<${sender}>`)],
      ['To', withoutTag(request.get('to') ?? `<${person}>`)],
      ...headers,
    ],
    contentType: content.contentType,
    // What has no DateTime would be dated by the device that gets it much later.
    body: envelope !== null && envelope.dateTime === null ? encodeCpim({ ...envelope, dateTime: now }) : content.body,
    wantsFailed: envelope?.dispositions.includes('negative-delivery') ?? false,
    sentAt: envelope?.dateTime ?? now,
    returnTo: senderDevice(request, envelope, sender),
    expiresAt: now + lifeMs,
  };
}

/** RFC 3428 section 6. The Expires of an INVITE limits its ringing (RFC 3261 section 13.2.1), not the life of the text. */
function lifeOf(request: SipRequest): number {
  const written = request.method === 'MESSAGE' ? request.get('expires') : null;
  return written !== null && /^\d{1,10}$/.test(written.trim()) ? Math.min(Number(written) * 1000, MAX_LIFE_MS) : DEFAULT_LIFE_MS;
}

/** The device that a request is for alone: its public GRUU, or its instance in Accept-Contact. */
export function deviceAsked(request: SipRequest): string | null {
  const inUri = publicGruu(request.uri);
  if (inUri !== null) return inUri;
  for (const value of request.all('accept-contact')) {
    const preference = parseNameAddr(value);
    const instance = preference.ok ? parseInstance(preference.value.params.get(INSTANCE_PARAM) ?? '') : null;
    if (instance !== null) return instance;
  }
  return null;
}

/** A MESSAGE has no Contact: the envelope may name the device, as Chorus does (`urn:chorus:device`). */
function senderDevice(request: SipRequest, envelope: CpimMessage | null, sender: string): Device {
  const contact = parseNameAddr(request.get('contact') ?? '');
  if (contact.ok) {
    const { uri, params } = contact.value;
    return { gruu: grOf(uri) === undefined ? null : uri, instance: parseInstance(params.get(INSTANCE_PARAM) ?? '') };
  }
  const named = envelope?.headers.find(({ namespace, name }) => namespace === 'urn:chorus:device' && name === 'Gruu')?.value.trim() ?? '';
  return { gruu: publicGruu(named) !== null && addressKey(named) === sender ? named : null, instance: null };
}

function grOf(uri: string): string | null | undefined {
  const read = parseUri(uri);
  return read.ok && (read.value.scheme === 'sip' || read.value.scheme === 'sips') ? read.value.params.get('gr') : undefined;
}

/** RFC 5627 section 3.1.2: the `gr` of a temporary GRUU is empty. */
export function isTemporary(uri: string): boolean {
  return grOf(uri) === null;
}

/** A public GRUU in comparable form; null for any other URI. Its `gr` is no instance: only a registration event tells whose it is. */
export function publicGruu(uri: string): string | null {
  const address = addressKey(uri);
  const gr = grOf(uri);
  return address === null || !gr ? null : `${address};gr=${gr.toLowerCase()}`;
}

function withoutTag(value: string): string {
  return value.replace(/;\s*tag\s*=[^;]*/i, '').trim();
}

/** Whether an INVITE asks for a 1-1 session or brings one large message; a group, a file and a call that replaces another cannot wait. */
export function isOneToOne(invite: SipRequest): boolean {
  const asked = wantedServices(invite.all('accept-contact'));
  const replaces = invite.has('replaces') || invite.has(cpmHeader.sessionReplaces);
  return !replaces && (asked.includes(ICSI.session) || asked.includes(ICSI.largemsg));
}

/** Whether an INVITE brings one long message instead of a chat (OMA CPM Large Message Mode). */
export function isLargeMessage(invite: SipRequest): boolean {
  return wantedServices(invite.all('accept-contact')).includes(ICSI.largemsg);
}

/** The request that brings a letter to one device of the person; an INVITE lacks its body and Contact. */
export function push(letter: Letter, device: Device, method: 'MESSAGE' | 'INVITE'): SipRequest {
  const { person, target, headers } = letter;
  const header = (wanted: string) => headers.find(([name]) => name === wanted)?.[1] ?? '';
  const request = newRequest(method, target ?? device.gruu ?? person, {
    from: header('From'),
    to: header('To'),
    callId: `deferred-${newToken(16)}`,
  });
  const leftOut = new Set(['From', 'To', ...(method === 'INVITE' ? ['Contact'] : [])]);
  for (const [name, value] of headers) if (!leftOut.has(name)) request.append(name, value);
  request.append('Accept-Contact', `*;${icsiParam([ICSI.deferred])}`);
  if (target === null && device.gruu === null && device.instance !== null)
    request.append('Accept-Contact', `*;${INSTANCE_PARAM}="<${device.instance}>"`);
  return method === 'MESSAGE' ? request.setBody(letter.contentType, letter.body) : request;
}

/** The report to the sender's device of a letter that no device has taken (RFC 5438 section 7.2.1.2); null when the sender wants none. */
export function failureReport(failed: Letter, now: number): Letter | null {
  if (!failed.wantsFailed || failed.messageId === null || failed.isReceipt) return null;
  const { person, sender, returnTo } = failed;
  const body = encodeImdn({ messageId: failed.messageId, dateTime: failed.sentAt, kind: 'delivery', status: 'failed', recipient: person });
  const messageId = newToken(16);
  const isHidden = returnTo.gruu !== null && isTemporary(returnTo.gruu);
  const [conversation] = failed.headers.filter(([name]) => name === cpmHeader.conversationId);
  return {
    person: sender,
    sender: person,
    messageId,
    isReceipt: true,
    only: isHidden ? null : (returnTo.instance ?? publicGruu(returnTo.gruu ?? '')),
    target: isHidden ? returnTo.gruu : null,
    // The Participating Function speaks for its user, who alone can say that a message did not arrive.
    headers: [
      ['From', `<${person}>`],
      ['To', isHidden ? `<${returnTo.gruu}>` : `<${sender}>`],
      ['P-Asserted-Identity', `<${person}>`],
      ...(conversation === undefined ? [] : [conversation]),
      [cpmHeader.contributionId, newToken(16)],
    ],
    contentType: CPIM,
    body: encodeCpim({
      from: person,
      to: isHidden ? [] : [sender],
      dateTime: now,
      messageId,
      contentType: IMDN_CONTENT_TYPE,
      contentHeaders: new Map([['content-disposition', 'notification']]),
      body,
    }),
    wantsFailed: false,
    sentAt: now,
    returnTo: { gruu: null, instance: null },
    expiresAt: now + DEFAULT_LIFE_MS,
  };
}

/** The receipt in a MESSAGE; null when it holds none. */
export function receiptIn(request: SipRequest): Imdn | null {
  if (request.method !== 'MESSAGE' || parseContentType(request.get('content-type') ?? '').type !== CPIM) return null;
  const envelope = parseCpim(request.body);
  if (!envelope.ok || parseContentType(envelope.value.contentType).type !== IMDN_CONTENT_TYPE) return null;
  const imdn = parseImdn(envelope.value.body);
  return imdn.ok ? imdn.value : null;
}
