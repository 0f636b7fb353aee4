/**
 * What waits to leave, as a value for each kind of job, and how it is written to the history and read back. A job outlives the program that wrote
 * it, so nothing that is read is believed: what does not parse is `unreadable` and never an exception.
 */
import type { JobRecord, MessageRecord } from '../../history/records';
import type { ReceiptPayload } from '../conversation/envelope';

/** How a text leaves: over the session of its conversation, as a pager message, or in one request with those for other people. */
export type TextMode = 'session' | 'pager' | 'list';

/** What a text may have besides its words; `id` where it is one of several copies, which share a Message-ID. */
export type TextExtras = Partial<Pick<MessageRecord, 'id' | 'onlyWith' | 'replyTo'>>;

/** What is to be done, by kind. */
export type Task =
  | { kind: 'message'; message: string; mode: TextMode }
  | { kind: 'receipt' /** The message that the receipt is about. */; message: string; receipt: ReceiptPayload }
  | { kind: 'invite' /** Always empty. */; message: string; person: string };

export type Job = Task & Pick<JobRecord, 'id' | 'lane' | 'attempts' | 'nextAt'>;

export type ReadJob = { ok: true; job: Job } | { ok: false; reason: string };

/** The job as the history keeps it. `after`: the job that must have left before this one may. */
export function jobDraft(
  task: Task,
  { lane, nextAt, after = null }: { lane: string; nextAt: number; after?: number | null },
): Omit<JobRecord, 'id' | 'attempts'> {
  const { kind, message } = task;
  const payload = JSON.stringify(payloadOf(task));
  return { lane, kind, message, payload, nextAt, ...(after === null ? {} : { after }) };
}

export function readJob(record: JobRecord): ReadJob {
  const payload = parsed(record.payload);
  if (payload === null) return unreadable('the payload is no JSON object');
  const { id, lane, attempts, nextAt, message } = record;
  const common = { id, lane, attempts, nextAt, message };
  switch (record.kind) {
    case 'message':
      return isMode(payload.mode) ? { ok: true, job: { ...common, kind: 'message', mode: payload.mode } } : unreadable('no known mode');
    case 'receipt': {
      const receipt = receiptOf(payload);
      return receipt === null
        ? unreadable('a field of the receipt is missing')
        : { ok: true, job: { ...common, kind: 'receipt', receipt } };
    }
    case 'invite': {
      const person = inviteOf(record.lane)?.person;
      return person === undefined ? unreadable('a lane of no invitation') : { ok: true, job: { ...common, kind: 'invite', person } };
    }
    default:
      return unreadable(`unknown kind ${record.kind.slice(0, 40)}`);
  }
}

/** The lane of receipts. A device that does not come back holds up its own receipts alone. `device`: the one they are for, where that is known. */
export function receiptLane(conversation: string, device: string | null = null): string {
  return device === null ? `receipts ${conversation}` : `receipts ${conversation} ${device}`;
}

/** Null for a lane that holds no receipts. */
export function conversationOfReceipts(lane: string): string | null {
  return /^receipts (\S+)/.exec(lane)?.[1] ?? null;
}

/** The lane of one invitation: a person whom this client has added to a group, and who has not come yet. */
export function inviteLane(group: string, person: string): string {
  return `invite ${group} ${person}`;
}

/** Null for a lane that holds no invitation. */
export function inviteOf(lane: string): { group: string; person: string } | null {
  const [, group, person] = /^invite (\S+) (\S+)$/.exec(lane) ?? [];
  return group === undefined || person === undefined ? null : { group, person };
}

function payloadOf(task: Task): object {
  if (task.kind === 'message') return { mode: task.mode };
  return task.kind === 'receipt' ? task.receipt : {};
}

type Fields = Readonly<Record<string, unknown>>;

function unreadable(reason: string): ReadJob {
  return { ok: false, reason };
}

function parsed(payload: string): Fields | null {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

function isMode(value: unknown): value is TextMode {
  return value === 'session' || value === 'pager' || value === 'list';
}

function receiptOf({ to, toInstance, toGruu, toDevice, disposition, at, sentAt }: Fields): ReceiptPayload | null {
  if (typeof to !== 'string' || (toInstance !== null && typeof toInstance !== 'string')) return null;
  if (disposition !== 'delivered' && disposition !== 'displayed') return null;
  if (!isTime(at) || !isTime(sentAt)) return null;
  if (toGruu !== undefined && typeof toGruu !== 'string') return null;
  if (toDevice !== undefined && toDevice !== null && typeof toDevice !== 'string') return null;
  return {
    to,
    toInstance,
    disposition,
    at,
    sentAt,
    ...(toGruu === undefined ? {} : { toGruu }),
    ...(toDevice === undefined ? {} : { toDevice }),
  };
}

/** A date that toISOString takes (ECMA-262 21.4.1.1). */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 8.64e15;
}
