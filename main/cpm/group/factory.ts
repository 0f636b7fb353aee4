/**
 * Requests to the factory of the Controlling Function (R51): for a new group, or for one that the network has forgotten, which is restarted under its
 * Contribution-ID (OMA CPM: restart). The factory answers 200 as soon as anybody has joined (R65).
 */

import { delay } from '../../../base/clock';
import { AppError, type ErrorCode } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import { encodeResourceLists, type ResourceEntryDraft } from '../../../protocol/resource-lists';
import { correspondentKey } from '../../../protocol/uri';
import type { ConversationRecord, PersonRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { identityOf, person } from '../conversation/values';
import { type ContentHandler, CpmSession } from '../session/session';

/** LAB: the longest time that a member waits before it restarts a forgotten group, so that not all restart it at once. */
export const restartSpreadMs = 2_000;

export interface FactoryRequest {
  /** The people to invite. */
  entries: readonly ResourceEntryDraft[];
  /** The Contribution-ID of the 1-1 that the group replaces. */
  inReplyTo?: string | undefined;
  receive: ContentHandler;
}

/** Asks for a group with these people. */
export function inviteThroughFactory(
  context: CpmContext,
  group: ConversationRecord,
  { entries, inReplyTo, receive }: FactoryRequest,
): CpmSession {
  const list = new TextEncoder().encode(encodeResourceLists(entries));
  const recipients = {
    contentType: 'application/resource-lists+xml',
    headers: new Map([['content-disposition', 'recipient-list']]),
    body: list,
  };
  return CpmSession.invite(
    context,
    group.id,
    {
      target: context.factory,
      icsi: ICSI.group,
      conversationId: group.conversationId,
      contributionId: group.contributionId ?? '',
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      ...(group.subject === null ? {} : { subject: group.subject }),
      ...identityOf(group, context),
      require: ['recipient-list-invite'],
      parts: [recipients],
    },
    receive,
  );
}

/**
 * Restarts a group that the network has forgotten. Members who do so at the same time come into one group. Resolves with a session that is answered:
 * `current()` where another member's restart has brought this device in meanwhile.
 * @throws AppError `group/nobody-joined`, `sip/rejected` with 403 where this account is no member, `net/*`
 */
export async function restartGroup(
  context: CpmContext,
  group: ConversationRecord,
  { current, receive }: { current: () => CpmSession | null; receive: ContentHandler },
): Promise<CpmSession> {
  const { clock } = context;
  await delay(clock, Math.round(clock.random() * restartSpreadMs));
  const meanwhile = current();
  if (meanwhile !== null) return meanwhile;
  const entries = group.people.map((one): ResourceEntryDraft => ({ uri: one.address, copyControl: 'to' }));
  const session = inviteThroughFactory(context, group, { entries, receive });
  try {
    await session.answered;
    return session;
  } catch (error) {
    const invited = current();
    if (invited !== null) return invited;
    if (!(error instanceof AppError) || error.code !== 'sip/rejected' || error.detail.status === 403) throw error;
    // Nobody else is there yet. The next text tries again, and so does the next member who comes back.
    throw new AppError('group/nobody-joined', error.detail, 'auto');
  }
}

/** The final answers with which a Controlling Function says that everybody refused or could not be reached. */
export function nobodyJoined(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return error;
  return [408, 480, 486, 600, 603].includes(error.detail.status ?? 0) ? new AppError('group/nobody-joined', error.detail, 'user') : error;
}

/** What a final answer means to somebody who joins a group at its address. LAB: a full group answers as a busy person does. */
const joinRefusals: Readonly<Record<number, ErrorCode>> = {
  403: 'group/not-a-member',
  404: 'group/unknown',
  410: 'group/unknown',
  486: 'group/full',
  600: 'group/full',
  604: 'group/unknown',
};

/** Why the group at an address was not joined. @throws AppError `group/*`, or the error as it is */
export function notLetIn(error: unknown): never {
  const isRefusal = error instanceof AppError && (error.code === 'sip/rejected' || error.code === 'conversation/no-session');
  const code = isRefusal ? joinRefusals[error.detail.status ?? 0] : undefined;
  throw isRefusal && code !== undefined ? new AppError(code, error.detail, 'user') : error;
}

/**
 * The people named who are not there yet, each once.
 * @throws AppError `account/bad-address`, `ipc/refused` where all are there
 */
export function invitedPeople(
  people: readonly string[],
  isPresent: (address: string) => boolean,
  known: readonly PersonRecord[],
): PersonRecord[] {
  const invited = new Map<string, PersonRecord>();
  for (const address of people) {
    const key = correspondentKey(address);
    if (key === null) throw new AppError('account/bad-address', { cause: address }, 'user');
    if (!isPresent(key)) invited.set(key, person(key, null, known));
  }
  if (invited.size === 0) throw new AppError('ipc/refused', { cause: 'everybody named is in this conversation already' }, 'user');
  return [...invited.values()];
}

/** Whether a group refuses an offer because it takes media over TLS only (LAB: 488). */
export function needsTls(error: unknown): boolean {
  return error instanceof AppError && error.code === 'sip/rejected' && error.detail.status === 488;
}
