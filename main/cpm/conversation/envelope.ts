/** The CPIM envelopes (RFC 3862) that Chorus writes: a text with its IMDN request (RFC 5438), and the IMDN that answers one. */

import { type CpimMessage, encodeCpim } from '../../../protocol/cpim';
import { GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { encodeImdn } from '../../../protocol/imdn';
import { shownName } from '../../../protocol/shown-name';
import { addressKey, parseUri } from '../../../protocol/uri';
import type { ConversationRecord, MessageRecord } from '../../history/records';

export const cpimType = 'message/cpim';
export const imdnType = 'message/imdn+xml';
export const composingType = 'application/im-iscomposing+xml';

const textType = 'text/plain;charset=UTF-8';

/** A receipt that waits to leave: enough to send it long after the message has been read. */
export interface ReceiptPayload {
  /** Address of the message's sender. */
  to: string;
  /** The sender's device, where it is known: the receipt belongs to the device that asked for it. */
  toInstance: string | null;
  /** The device's public GRUU, where nothing names its instance. */
  toGruu?: string;
  /** The device's name, where nothing else is kept of it; null where the name was not told either. */
  toDevice?: string | null;
  disposition: 'delivered' | 'displayed';
  /** When it was delivered or displayed. */
  at: number;
  /** When the message itself was sent: RFC 5438 section 7.2.1.2 names a message by its ID and its time. */
  sentAt: number;
}

/** Whom an envelope names. A null sender and an empty recipient list are written as the anonymous address. */
export interface Parties {
  from: string | null;
  to: readonly string[];
  /** How the sender wants to be called by those who read it; nothing is said where absent. */
  name?: string;
  /** The name of the sending device, where several people read it and the signalling cannot tell them: in a group. */
  device?: string;
  /** Its public GRUU, where the signalling names no device: in a pager message (RFC 3428 section 4). */
  gruu?: string;
}

/** LAB: the namespace of the CPIM header that names the sending device of a group message; others leave it out (RFC 3862 section 4.3). */
const deviceNamespace = 'urn:chorus:device';
/** LAB: its second header tells what the device's clock shows when a text leaves: DateTime is when it was written, and it may have waited since. */
const leftName = 'Left';
/** LAB: its third header says where its receipts belong, so that no other device of the person takes them for its own. */
const gruuName = 'Gruu';
/** LAB: how many characters of a device's name are kept. */
const maxDeviceName = 64;

const deviceHeaders = ({ device, gruu }: Pick<Parties, 'device' | 'gruu'>, leftAt?: number) => [
  ...(gruu === undefined ? [] : [{ namespace: deviceNamespace, name: gruuName, value: gruu }]),
  ...(device === undefined || device === '' ? [] : [{ namespace: deviceNamespace, name: 'Name', value: device.slice(0, maxDeviceName) }]),
  ...(leftAt === undefined ? [] : [{ namespace: deviceNamespace, name: leftName, value: new Date(leftAt).toISOString() }]),
];

const saidOfDevice = (envelope: CpimMessage, wanted: string) =>
  envelope.headers.find(({ namespace, name }) => namespace === deviceNamespace && name === wanted)?.value.trim() ?? '';

/** The device that an envelope says it comes from, by its name. */
export function deviceNamedBy(envelope: CpimMessage): string | null {
  const value = saidOfDevice(envelope, 'Name');
  return shownName(value, maxDeviceName) || null;
}

/** The public GRUU that a text of `sender` names as its own device's; null where it names none, or somebody else's. */
export function gruuNamedBy(envelope: CpimMessage, sender: string): string | null {
  const value = saidOfDevice(envelope, gruuName);
  return isGruuOf(value, sender) ? value : null;
}

/** Whether a URI is a public GRUU of this address. */
export function isGruuOf(text: string, address: string): boolean {
  const uri = parseUri(text);
  const isGruu = uri.ok && uri.value.scheme !== 'tel' && uri.value.scheme !== 'other' && Boolean(uri.value.params.get('gr'));
  return isGruu && addressKey(text) === address;
}

/** What the sender's clock showed when the text left, epoch milliseconds; null where it does not say. */
export function leftAtBy(envelope: CpimMessage): number | null {
  const time = Date.parse(saidOfDevice(envelope, leftName));
  return Number.isNaN(time) ? null : time;
}

/** Whom the envelopes of a conversation name: nobody where this account is anonymous, and no recipient where the peer is. */
export function partiesOf(
  conversation: Pick<ConversationRecord, 'kind' | 'peer' | 'focus' | 'hides' | 'writesAs' | 'pseudonym'>,
  self: string,
): Parties {
  if (conversation.hides === 'self') return { from: null, to: [] };
  const to = conversation.kind === 'group' ? conversation.focus : conversation.peer;
  const name = conversation.pseudonym === undefined ? {} : { name: conversation.pseudonym };
  return { from: conversation.writesAs ?? self, to: to === null || conversation.hides === 'peer' ? [] : [to], ...name };
}

/** A text message as it leaves, at `leftAt` by this computer's clock. */
export function textEnvelope(message: MessageRecord, { from, to, name, ...sender }: Parties, leftAt?: number): Uint8Array {
  return encodeCpim({
    headers: deviceHeaders(sender, leftAt),
    from,
    fromName: name ?? null,
    to: [...to],
    dateTime: message.sentAt,
    messageId: wireId(message.id),
    dispositions: [
      ...(message.wantsDelivered ? (['positive-delivery', 'negative-delivery'] as const) : []),
      ...(message.wantsDisplayed ? (['display'] as const) : []),
    ],
    contentType: textType,
    body: new TextEncoder().encode(message.content.text),
  });
}

/** The same for a client that knows no CPIM: only the SIP answer comes back. */
export function bareText(message: MessageRecord): { contentType: string; body: Uint8Array } {
  return { contentType: textType, body: new TextEncoder().encode(message.content.text) };
}

/** The id of a text whose Message-ID is taken here by another one. No header value holds a line end, so no Message-ID looks like it. */
export function ambiguousId(messageId: string, whose: string): string {
  return `${messageId}\n${whose}`;
}

/** The imdn.Message-ID of the text with this id. */
export function wireId(id: string): string {
  return id.split('\n', 1)[0] ?? id;
}

/** The delivery or display notification of one message. `id` is its own imdn.Message-ID. */
export function receiptEnvelope(options: { id: string; parties: Parties; message: string; payload: ReceiptPayload }): Uint8Array {
  const { payload, parties } = options;
  return encodeCpim({
    headers: deviceHeaders(parties),
    from: parties.from,
    to: [...parties.to],
    dateTime: payload.at,
    messageId: options.id,
    dispositions: [],
    contentType: imdnType,
    contentHeaders: new Map([['content-disposition', 'notification']]),
    body: encodeImdn({
      messageId: wireId(options.message),
      dateTime: payload.sentAt,
      kind: payload.disposition === 'displayed' ? 'display' : 'delivery',
      status: payload.disposition,
      recipient: parties.from,
    }),
  });
}

/** A composing state wrapped for a group, where it must say whose it is. */
export function wrappedComposing(from: string, to: string, at: number, body: Uint8Array): Uint8Array {
  return encodeCpim({ from, to: [to], dateTime: at, messageId: null, dispositions: [], contentType: composingType, body });
}

/** Group data as it goes to the focus. */
export function groupDataEnvelope(from: string, focus: string, at: number, body: Uint8Array): Uint8Array {
  return encodeCpim({ from, to: [focus], dateTime: at, messageId: null, dispositions: [], contentType: GROUP_DATA_CONTENT_TYPE, body });
}
