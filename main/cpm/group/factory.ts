/**
 * What the Controlling Function's factory is asked for (R51): a group that begins, or one that the network has forgotten, which gets it anew under
 * the same Contribution-ID (OMA CPM: restart). It answers 200 as soon as anybody has joined (R65).
 */

import { delay } from '../../../base/clock';
import type { PersonValue } from '../../../preload/contract';
import { AppError, type ErrorCode } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import { encodeResourceLists, type ResourceEntryDraft } from '../../../protocol/resource-lists';
import { correspondentKey } from '../../../protocol/uri';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { identityOf, person } from '../conversation/values';
import { type ContentHandler, CpmSession } from '../session/session';

/** LAB: by how much members let others go first who give a forgotten group to the network anew, at most. */
export const restartSpreadMs = 2_000;

export interface Founding {
  /** Who shall be invited. */
  entries: readonly ResourceEntryDraft[];
  /** The Contribution-ID of the 1-1 that the group replaces. */
  inReplyTo?: string | undefined;
  receive: ContentHandler;
}

/** Asks for a group with these people. */
export function found(context: CpmContext, group: ConversationRecord, { entries, inReplyTo, receive }: Founding): CpmSession {
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
 * Gives a forgotten group to the network anew: several who do so at once come into one. Resolves with a session that is answered; it is `current()`
 * where somebody else's restart has brought this device in meanwhile.
 * @throws AppError `group/nobody-joined`, `sip/rejected` with 403 where this account has no business there, `net/*`
 */
export async function restart(
  context: CpmContext,
  group: ConversationRecord,
  { current, receive }: { current: () => CpmSession | null; receive: ContentHandler },
): Promise<CpmSession> {
  const { clock } = context;
  await delay(clock, Math.round(clock.random() * restartSpreadMs));
  const meanwhile = current();
  if (meanwhile !== null) return meanwhile;
  const entries = group.people.map((one): ResourceEntryDraft => ({ uri: one.address, copyControl: 'to' }));
  const session = found(context, group, { entries, receive });
  try {
    await session.answered;
    return session;
  } catch (error) {
    const invited = current();
    if (invited !== null) return invited;
    if (!(error instanceof AppError) || error.code !== 'sip/rejected' || error.detail.status === 403) throw error;
    // Nobody else is there yet: it is tried again with the next text, or by the next who comes.
    throw new AppError('group/nobody-joined', error.detail, 'auto');
  }
}

/** The final answers with which a Controlling Function says that everybody refused or could not be reached. */
export function nobodyJoined(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'sip/rejected') return error;
  return [408, 480, 486, 600, 603].includes(error.detail.status ?? 0) ? new AppError('group/nobody-joined', error.detail, 'user') : error;
}

/** By the final answer to somebody who joins a group at its address. LAB: no room is said as a person says that they are busy. */
const whyNotIn: Readonly<Record<number, ErrorCode>> = {
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
  const code = isRefusal ? whyNotIn[error.detail.status ?? 0] : undefined;
  throw isRefusal && code !== undefined ? new AppError(code, error.detail, 'user') : error;
}

/**
 * Those of the people named who are not there yet, each once.
 * @throws AppError `account/bad-address`, `ipc/refused` where all are there
 */
export function invitedPeople(
  people: readonly string[],
  isPresent: (address: string) => boolean,
  known: readonly PersonValue[],
): PersonValue[] {
  const invited = new Map<string, PersonValue>();
  for (const address of people) {
    const key = correspondentKey(address);
    if (key === null) throw new AppError('account/bad-address', { cause: address }, 'user');
    if (!isPresent(key)) invited.set(key, person(key, null, known));
  }
  if (invited.size === 0) throw new AppError('ipc/refused', { cause: 'everybody named is in this conversation already' }, 'user');
  return [...invited.values()];
}

/** A group that runs over TLS alone refuses an offer without (LAB: 488). */
export function wantsTls(error: unknown): boolean {
  return error instanceof AppError && error.code === 'sip/rejected' && error.detail.status === 488;
}
