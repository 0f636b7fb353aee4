/** Disposition notifications, message/imdn+xml (RFC 5438): "delivered", "displayed" or "failed" for one message. */
import { utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';
import { childOf, escapeXml, isElement, parseXml, textOf } from './xml';

const NAMESPACE = 'urn:ietf:params:xml:ns:imdn';

/** The statuses each kind may report (RFC 5438 section 7.2.1). */
const STATUSES = {
  delivery: ['delivered', 'failed', 'forbidden', 'error'],
  display: ['displayed', 'forbidden', 'error'],
  processing: ['processed', 'stored', 'forbidden', 'error'],
} as const;

type ImdnKind = keyof typeof STATUSES;
type ImdnStatus = (typeof STATUSES)[ImdnKind][number];

export interface Imdn {
  /** The imdn.Message-ID of the reported message. */
  messageId: string;
  /** The date of the reported message in epoch milliseconds. Null when absent or unreadable. */
  dateTime: number | null;
  kind: ImdnKind;
  status: ImdnStatus;
  /** The recipient-uri. Null when absent: some clients leave it out. */
  recipient: string | null;
}

/** Accepts any namespace prefix or none. A status that does not belong to its kind is malformed. */
export function parseImdn(body: Uint8Array | string): Parsed<Imdn> {
  const document = parseXml(body);
  if (!document.ok) return document;
  const root = document.value;
  if (!isElement(root, NAMESPACE, 'imdn')) return malformed('not an imdn document');
  const messageId = textOf(root, NAMESPACE, 'message-id');
  if (messageId === null) return malformed('an imdn without message-id');
  const time = Date.parse(textOf(root, NAMESPACE, 'datetime') ?? '');
  for (const kind of ['delivery', 'display', 'processing'] as const) {
    const notification = childOf(root, NAMESPACE, `${kind}-notification`);
    const reported = notification && childOf(notification, NAMESPACE, 'status')?.children[0]?.name;
    if (!reported) continue;
    const status = STATUSES[kind].find((known) => known === reported);
    if (status === undefined) return malformed('an unknown imdn status');
    const recipient = textOf(root, NAMESPACE, 'recipient-uri');
    return parsed({ messageId, dateTime: Number.isNaN(time) ? null : time, kind, status, recipient });
  }
  return malformed('an imdn without a notification');
}

/** RFC 5438 section 11: both recipients or neither. Chorus sends to nobody in another's name, so the original recipient is the recipient. */
export function encodeImdn(imdn: Imdn): Uint8Array {
  const uri = imdn.recipient === null ? null : escapeXml(imdn.recipient);
  const recipient = uri === null ? '' : `<recipient-uri>${uri}</recipient-uri><original-recipient-uri>${uri}</original-recipient-uri>`;
  return utf8(
    `<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="${NAMESPACE}"><message-id>${escapeXml(imdn.messageId)}</message-id>` +
      `<datetime>${new Date(imdn.dateTime ?? 0).toISOString()}</datetime>${recipient}` +
      `<${imdn.kind}-notification><status><${imdn.status}/></status></${imdn.kind}-notification></imdn>`,
  );
}
