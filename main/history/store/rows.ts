/** How rows of the history become records, and what may be bound to a statement. */
import type { ErrorValue, MessageState, StandaloneMode } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { ConversationRecord, Direction, JobRecord, MessageContent, MessageRecord, PeerClock, PersonRecord } from '../records';

/** What may be bound to a parameter; see `bindable`. */
export type Bound = string | number | null;
export type Row = Record<string, string | number | null>;
/** A row as the driver gives it: texts as octets, see `octets`. */
export type RawRow = Record<string, string | number | null | ArrayBuffer>;

/**
 * Texts are read as octets: the driver ends the whole process at a text that is not UTF-8, and one flipped byte in the file can make such a text.
 */
function octets(table: string, texts: readonly string[], numbers: readonly string[]): string {
  return [...texts.map((name) => `CAST(${table}.${name} AS BLOB) AS ${name}`), ...numbers.map((name) => `${table}.${name}`)].join(', ');
}

const columns = {
  messages: {
    texts: [
      'id',
      'conversation',
      'direction',
      'sender',
      'sender_name',
      'sender_device',
      'text',
      'kind',
      'content',
      'only_with',
      'standalone',
      'reply_to',
      'state',
      'error',
      'seal',
    ],
    numbers: ['seq', 'sent_at', 'received_at', 'moved', 'wants_delivered', 'wants_displayed'],
  },
  conversations: {
    texts: [
      'id',
      'kind',
      'peer',
      'subject',
      'people',
      'conversation_id',
      'contribution_id',
      'focus',
      'continues',
      'continued_by',
      'hides',
      'writes_as',
      'reply_to',
      'pseudonym',
    ],
    numbers: ['joined', 'awaits_peer', 'created_at', 'activity_at'],
  },
} as const;

/** What is read of a table that, being older, may have only those columns that are `known`. */
export function columnsOf(table: keyof typeof columns, known: ReadonlySet<string>): string {
  const { texts, numbers } = columns[table];
  return octets(
    table,
    texts.filter((name) => known.has(name)),
    numbers.filter((name) => known.has(name)),
  );
}

const messageNames = [...columns.messages.texts, ...columns.messages.numbers];
/**
 * A message as one value, which `unpacked` opens: the slow part of reading a page of messages is the transfer of its values from the driver one by
 * one. The casts are for damaged rows, whose values may be of any kind.
 */
export const packedMessage = `CAST(json_array(${[
  ...columns.messages.texts.map((name) => `CAST(messages.${name} AS TEXT)`),
  ...columns.messages.numbers.map((name) => `CAST(messages.${name} AS INTEGER)`),
].join(', ')}) AS BLOB) AS message`;

export function unpacked({ message }: RawRow): Row {
  const values = JSON.parse(Buffer.from(message as ArrayBuffer).toString('utf8')) as Row[string][];
  const row: Row = {};
  for (let index = 0; index < messageNames.length; index += 1) row[messageNames[index] as string] = values[index] ?? null;
  return row;
}

export const conversationColumns = octets('conversations', columns.conversations.texts, columns.conversations.numbers);
export const jobColumns = octets('jobs', ['lane', 'kind', 'message', 'payload'], ['id', 'attempts', 'next_at', 'after', 'aside']);
export const receiptColumns = octets('receipts', ['address', 'disposition', 'device'], ['at']);

/** The row with its texts as texts; octets that are no UTF-8 become U+FFFD. */
export function readable(row: RawRow): Row {
  const made: Row = {};
  for (const [name, value] of Object.entries(row)) {
    made[name] = typeof value === 'object' && value !== null ? Buffer.from(value).toString('utf8') : value;
  }
  return made;
}

/**
 * U+0000 ends a text for the driver, so what followed it would be lost silently; U+FFFD keeps the rest. A boolean would end the
 * whole process, and an undefined become NULL: both are refused even where the types were bypassed.
 */
export function bindable(values: Record<string, Bound>): Record<string, Bound> {
  const bound: Record<string, Bound> = {};
  for (const name in values) {
    const value = values[name] as Bound;
    if (value !== null && typeof value !== 'string' && typeof value !== 'number') {
      throw new AppError('storage/failed', { cause: `${name} is of type ${typeof value}` });
    }
    bound[name] = storableValue(value);
  }
  return bound;
}

/** The values as they will be read again. */
export function storable<T extends Record<string, Bound>>(values: T): Record<keyof T, Bound> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, storableValue(value)])) as Record<keyof T, Bound>;
}

function storableValue(value: Bound): Bound {
  return typeof value === 'string' && value.includes('\u0000') ? value.replaceAll('\u0000', '\ufffd') : value;
}

function textOrNull(value: Row[string] | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

export function conversationOf(row: Row): ConversationRecord {
  return {
    id: String(row.id),
    kind: row.kind as ConversationRecord['kind'],
    peer: textOrNull(row.peer),
    subject: textOrNull(row.subject),
    people: JSON.parse(String(row.people)) as PersonRecord[],
    conversationId: String(row.conversation_id),
    contributionId: textOrNull(row.contribution_id),
    focus: textOrNull(row.focus),
    continues: textOrNull(row.continues),
    continuedBy: textOrNull(row.continued_by),
    joined: row.joined === 1,
    ...(row.hides === 'self' || row.hides === 'peer' ? { hides: row.hides } : {}),
    ...(typeof row.writes_as === 'string' ? { writesAs: row.writes_as } : {}),
    ...(typeof row.reply_to === 'string' ? { replyTo: row.reply_to } : {}),
    ...(typeof row.pseudonym === 'string' ? { pseudonym: row.pseudonym } : {}),
    ...(row.awaits_peer === 1 ? { awaitsPeer: true } : {}),
    createdAt: Number(row.created_at),
    activityAt: Number(row.activity_at),
  };
}

export function messageOf(row: Row): MessageRecord {
  return {
    id: String(row.id),
    conversation: String(row.conversation),
    direction: row.direction as Direction,
    from: String(row.sender),
    fromName: String(row.sender_name),
    fromDevice: textOrNull(row.sender_device),
    content: contentOf(row),
    ...(typeof row.only_with === 'string' ? { onlyWith: row.only_with } : {}),
    ...(isStandalone(row.standalone) ? { standalone: row.standalone } : {}),
    ...(typeof row.reply_to === 'string' ? { replyTo: row.reply_to } : {}),
    state: row.state as MessageState,
    sentAt: Number(row.sent_at),
    ...(row.moved === 0 || row.moved === undefined ? {} : { movedBy: Number(row.moved) }),
    receivedAt: row.received_at === null || row.received_at === undefined ? null : Number(row.received_at),
    error: row.error === null || row.error === undefined ? null : (JSON.parse(String(row.error)) as ErrorValue),
    wantsDelivered: row.wants_delivered === 1,
    wantsDisplayed: row.wants_displayed === 1,
  };
}

function isStandalone(value: Row[string] | undefined): value is StandaloneMode {
  return value === 'pager' || value === 'large' || value === 'list';
}

/** The words of a message, which search finds, and the rest of its content as JSON. */
export function contentRow(content: MessageContent): { text: string; kind: string; content: string | null } {
  const { kind, text, ...rest } = content;
  return { text, kind, content: Object.keys(rest).length === 0 ? null : JSON.stringify(rest) };
}

/** A kind that this version does not know, or a content that cannot be read, is shown by its words. */
function contentOf(row: Row): MessageContent {
  const text = String(row.text);
  return (row.kind === 'file' ? fileContent(text, row.content) : null) ?? { kind: 'text', text };
}

function fileContent(text: string, content: Row[string] | undefined): MessageContent | null {
  const said = jsonOf(content);
  const { type, size, name, digest } = said;
  if (typeof type !== 'string' || typeof size !== 'number' || typeof digest !== 'string') return null;
  return { kind: 'file', text, type, size, name: typeof name === 'string' ? name : null, digest };
}

function jsonOf(value: Row[string] | undefined): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(String(value));
    return typeof read === 'object' && read !== null ? { ...read } : {};
  } catch {
    return {};
  }
}

export function jobOf(row: Row): JobRecord {
  return {
    id: Number(row.id),
    lane: String(row.lane),
    kind: String(row.kind),
    message: String(row.message),
    payload: String(row.payload),
    attempts: Number(row.attempts),
    nextAt: Number(row.next_at),
    ...(typeof row.after === 'number' ? { after: row.after } : {}),
    ...(row.aside === 1 ? { isAside: true } : {}),
  };
}

export function clockOf(row: Row): PeerClock {
  const known = (value: Row[string] | undefined) => (typeof value === 'number' ? value : null);
  return {
    atLeast: known(row.at_least),
    atMost: known(row.at_most),
    measuredAt: Number(row.measured_at),
    shown: known(row.shown),
    dated: known(row.dated),
    placed: known(row.placed),
  };
}
