/**
 * A MESSAGE to several people in one request (RFC 5365, OMA CPM pager message to a list): each person gets a copy of their own, as if the sender had
 * written to them alone. What becomes of each copy is told by receipts, since the one answer comes before there is anything to tell.
 *
 *   MESSAGE --202--> a copy to each person --200, 202--> the person's own receipts follow
 *                                          \--refused, not there--> "failed" to the sender, for this person
 */
import { randomBytes } from 'node:crypto';
import { type CpimMessage, encodeCpim, parseCpim } from '../../protocol/cpim';
import { cpmHeader } from '../../protocol/cpm-headers';
import { acceptContact, ICSI } from '../../protocol/feature-tags';
import { encodeImdn } from '../../protocol/imdn';
import { type BodyPart, encodeMultipart, multipartType, newBoundary, parseContentType } from '../../protocol/multipart';
import { encodeResourceLists, historyEntries, RESOURCE_LISTS_CONTENT_TYPE } from '../../protocol/resource-lists';
import { addressKey } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import { assertedIdentity } from '../sip/asserted-identity';
import { newRequest } from '../sip/dialog';
import type { SipRequest } from '../sip/message';
import { type Read, refuse } from '../sip/refusal';
import { newToken, type SipServer, type Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { type Invitee, readParts, readRecipients } from './invitation';

/** LAB: people who get copies of one message. */
export const MAX_LIST_RECIPIENTS = 100;
/** LAB: the longest message of which copies are made, bytes. */
export const MAX_LIST_MESSAGE_BYTES = 16 * 1024;
/** LAB: copies that are on their way at a time, and those of one sender; beyond that a message is refused with 503. */
export const MAX_COPIES = 2_000;
export const MAX_COPIES_OF_SENDER = 400;

const CPIM = 'message/cpim';
const EXTENSION = 'recipient-list-message';
/** Headers that each copy has from the original. */
const KEPT_HEADERS = ['Privacy', 'Subject', 'Reply-To', cpmHeader.conversationId, cpmHeader.contributionId, cpmHeader.inReplyTo] as const;

interface ListMessage {
  sender: string;
  recipients: Invitee[];
  envelope: CpimMessage;
  /** The recipients that each recipient may see (RFC 5364); null where nobody may be seen. */
  history: BodyPart | null;
}

export interface ListMessagesDeps {
  server: SipServer;
  core: Target;
  /** Host in Warning headers. */
  host: string;
  log?: NetworkLog | undefined;
}

export class ListMessages {
  /** Copies on their way, by sender. */
  readonly #underWay = new Map<string, number>();

  constructor(private readonly deps: ListMessagesDeps) {}

  receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const read = readListMessage(request);
    if (!read.ok) {
      refuse(transaction, read, this.deps.host);
      return;
    }
    const { sender, recipients } = read.value;
    const all = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0);
    if (all + recipients.length > MAX_COPIES || (this.#underWay.get(sender) ?? 0) + recipients.length > MAX_COPIES_OF_SENDER) {
      transaction.reply(503, { headers: [['Retry-After', '5']] });
      return;
    }
    transaction.reply(202);
    this.deps.log?.('info', 'copies of a message are sent', { sender, people: recipients.length });
    for (const recipient of recipients) this.#send(request, read.value, recipient);
  }

  #send(request: SipRequest, message: ListMessage, recipient: Invitee): void {
    const { server, core } = this.deps;
    const { sender } = message;
    this.#count(sender, 1);
    server.request(copyFor(request, message, recipient), core, {
      onFinal: ({ status }) => {
        this.#count(sender, -1);
        const report = status < 300 ? null : failureReport(request, message, recipient.address, server.clock.now());
        if (report !== null) server.request(report, core, {});
      },
    });
  }

  #count(sender: string, change: 1 | -1): void {
    const count = (this.#underWay.get(sender) ?? 0) + change;
    if (count === 0) this.#underWay.delete(sender);
    else this.#underWay.set(sender, count);
  }
}

function readListMessage(request: SipRequest): Read<ListMessage> {
  const unknown = request.all('require').filter((token) => token.toLowerCase() !== EXTENSION);
  if (unknown.length > 0) return { ok: false, status: 420, headers: [['Unsupported', unknown.join(', ')]] };
  const sender = assertedIdentity(request)?.address ?? null;
  if (sender === null) return { ok: false, status: 403, warning: 'The core asserts nobody' };
  if (request.body.length > MAX_LIST_MESSAGE_BYTES) return { ok: false, status: 413, warning: '133 Size exceeded' };
  const parts = readParts(request);
  if (!parts.ok) return parts;
  const recipients = readRecipients(parts.value, sender);
  const content = parts.value.find(({ contentType }) => parseContentType(contentType).type === CPIM);
  if (recipients === null || content === undefined)
    return { ok: false, status: 400, warning: 'A recipient list and a CPIM message are needed' };
  if (!recipients.ok) return recipients;
  if (recipients.value.length === 0) return { ok: false, status: 400, warning: 'The list names nobody' };
  if (recipients.value.length > MAX_LIST_RECIPIENTS) return { ok: false, status: 403, warning: 'The list names too many people' };
  const envelope = parseCpim(content.body);
  if (!envelope.ok) return { ok: false, status: 400, warning: 'Malformed CPIM' };
  const from = envelope.value.from === null ? null : addressKey(envelope.value.from);
  // LAB: a sender with several asserted addresses writes the first of them here.
  if (from !== null && from !== sender) return { ok: false, status: 403, warning: 'CPIM From is not the sender' };
  return { ok: true, value: { sender, recipients: recipients.value, envelope: envelope.value, history: historyOf(recipients.value) } };
}

/** The list as each recipient may see it (RFC 5365 section 7.3); whoever has no copyControl is not shown (RFC 5364 section 4). */
function historyOf(recipients: readonly Invitee[]): BodyPart | null {
  const entries = recipients.map(({ address, copyControl, anonymize }) => ({ uri: address, copyControl: copyControl ?? 'bcc', anonymize }));
  const visible = historyEntries(entries);
  if (visible.length === 0) return null;
  return {
    contentType: RESOURCE_LISTS_CONTENT_TYPE,
    headers: new Map([['content-disposition', 'recipient-list-history;handling=optional']]),
    body: new TextEncoder().encode(encodeResourceLists(visible)),
  };
}

function copyFor(request: SipRequest, { envelope, history }: ListMessage, { address, target, instanceId }: Invitee): SipRequest {
  // The envelope of a copy names nobody but its recipient.
  const cpim = encodeCpim({ ...envelope, to: [address] });
  const copy = newRequest('MESSAGE', target, {
    from: (request.get('from') ?? '').replace(/;\s*tag=[^;]*/i, ''),
    to: `<${address}>`,
    callId: `list-${newToken(16)}`,
  });
  for (const value of request.all('p-asserted-identity')) copy.append('P-Asserted-Identity', value);
  copy.append('P-Asserted-Service', ICSI.msg).append('Accept-Contact', acceptContact({ icsis: [ICSI.msg] }));
  if (instanceId !== null) copy.append('Accept-Contact', acceptContact({ instanceId }));
  for (const name of KEPT_HEADERS) for (const value of request.all(name)) copy.append(name, value);
  if (history === null) return copy.setBody(CPIM, cpim);
  const parts = [{ contentType: CPIM, headers: new Map<string, string>(), body: cpim }, history];
  const boundary = newBoundary(() => randomBytes(4).readUInt32BE(0) / 0x1_0000_0000, parts);
  return copy.setBody(multipartType(boundary), encodeMultipart(parts, boundary));
}

/** Tells the sender that one person did not get the message (RFC 5438 section 7.2.1.2); null where nobody asks for that. */
function failureReport(request: SipRequest, { sender, envelope }: ListMessage, person: string, now: number): SipRequest | null {
  const { messageId, dateTime } = envelope;
  if (messageId === null || !envelope.dispositions.includes('negative-delivery')) return null;
  const body = encodeImdn({ messageId, dateTime: dateTime ?? now, kind: 'delivery', status: 'failed', recipient: person });
  const contentHeaders = new Map([['content-disposition', 'notification']]);
  const cpim = encodeCpim({
    from: person,
    to: [sender],
    dateTime: now,
    messageId: newToken(16),
    contentType: 'message/imdn+xml',
    contentHeaders,
    body,
  });
  const report = newRequest('MESSAGE', deviceOf(envelope, sender), {
    from: `<${person}>`,
    to: `<${sender}>`,
    callId: `list-${newToken(16)}`,
  });
  report
    .append('P-Asserted-Identity', `<${person}>`)
    .append('P-Asserted-Service', ICSI.msg)
    .append('Accept-Contact', acceptContact({ icsis: [ICSI.msg] }))
    .append(cpmHeader.contributionId, newToken(16));
  const conversation = request.get(cpmHeader.conversationId);
  if (conversation !== null) report.append(cpmHeader.conversationId, conversation);
  return report.setBody(CPIM, cpim);
}

/** A MESSAGE has no Contact: the envelope may name the sender's device, as Chorus does (`urn:chorus:device`). */
function deviceOf(envelope: CpimMessage, sender: string): string {
  const named = envelope.headers.find(({ namespace, name }) => namespace === 'urn:chorus:device' && name === 'Gruu')?.value.trim() ?? '';
  return /;gr=./.test(named) && addressKey(named) === sender ? named : sender;
}
