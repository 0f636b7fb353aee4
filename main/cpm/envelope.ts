/** What Chorus puts into CPIM (RFC 3862): a text with its IMDN request (RFC 5438), and the IMDN that answers one. */
import type { MessageRecord } from '../history/history';
import { encodeCpim } from '../protocol/cpim';
import { encodeImdn } from '../protocol/imdn';

export const cpimType = 'message/cpim';
export const imdnType = 'message/imdn+xml';
export const composingType = 'application/im-iscomposing+xml';

const textType = 'text/plain;charset=UTF-8';

/** What an IMDN job holds: enough to send it long after the message has been read. */
export interface ReceiptPayload {
  /** Address of the message's sender. */
  to: string;
  /** The sender's device, where it is known: the receipt belongs to the device that asked for it. */
  toInstance: string | null;
  disposition: 'delivered' | 'displayed';
  /** When it was delivered or displayed. */
  at: number;
  /** When the message itself was sent: RFC 5438 section 7.2.1.2 names a message by its ID and its time. */
  sentAt: number;
}

/** A text message as it leaves; `to` is the other person in a 1-1, the focus in a group. */
export function textEnvelope(message: MessageRecord, to: string): Uint8Array {
  return encodeCpim({
    from: message.from,
    to: [to],
    dateTime: message.sentAt,
    messageId: message.id,
    dispositions: [
      ...(message.wantsDelivered ? (['positive-delivery', 'negative-delivery'] as const) : []),
      ...(message.wantsDisplayed ? (['display'] as const) : []),
    ],
    contentType: textType,
    body: new TextEncoder().encode(message.text),
  });
}

/** The delivery or display notification of one message. `id` is its own imdn.Message-ID. */
export function receiptEnvelope(options: { id: string; from: string; message: string; payload: ReceiptPayload }): Uint8Array {
  const { payload } = options;
  return encodeCpim({
    from: options.from,
    to: [payload.to],
    dateTime: payload.at,
    messageId: options.id,
    dispositions: [],
    contentType: imdnType,
    contentHeaders: new Map([['content-disposition', 'notification']]),
    body: encodeImdn({
      messageId: options.message,
      dateTime: payload.sentAt,
      kind: payload.disposition === 'displayed' ? 'display' : 'delivery',
      status: payload.disposition,
      recipient: options.from,
    }),
  });
}

/** A composing state wrapped for a group, where it must say whose it is. */
export function wrappedComposing(from: string, to: string, at: number, body: Uint8Array): Uint8Array {
  return encodeCpim({ from, to: [to], dateTime: at, messageId: null, dispositions: [], contentType: composingType, body });
}
