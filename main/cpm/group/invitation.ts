/** What the INVITE of a focus says about its group: who invites, who else is invited, and which of the account's addresses was called. */
import type { PersonValue } from '../../../preload/contract';
import { parseResourceLists } from '../../../protocol/resource-lists';
import type { PersonRecord } from '../../history/records';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { person } from '../conversation/values';

export interface GroupInvitation {
  contributionId: string;
  /** The Contribution-ID of the session that the group replaces. */
  sessionReplaces: string | null;
  inviter: PersonValue;
  subject: string | null;
  /** The inviter and everybody else who is invited, without this account. */
  people: PersonValue[];
  /** The account's address that was called; null where the request does not say. */
  calledAs: string | null;
}

/** @param names what people are called here. Null without a Contribution-ID, which names the group. */
export function readGroupInvitation(invite: IncomingInvite, context: CpmContext, names: readonly PersonRecord[]): GroupInvitation | null {
  const { contributionId, sessionReplaces, referredBy, subject, calledAs } = invite.headers;
  if (contributionId === null) return null;
  const inviter = person(referredBy ?? invite.remote.address, null, names);
  const people = new Map<string, PersonValue>();
  for (const one of [inviter, ...listed(invite, context, names)])
    if (!context.isSelf(one.address) && !people.has(one.address)) people.set(one.address, one);
  return {
    ...{ contributionId, sessionReplaces, inviter, subject, people: [...people.values()] },
    calledAs: calledAs !== null && context.isSelf(calledAs) ? calledAs : null,
  };
}

/** The people that the invitation's list names (RFC 5366: recipient-list-history). */
function listed(invite: IncomingInvite, { log }: CpmContext, names: readonly PersonRecord[]): PersonValue[] {
  const part = invite.parts.find((candidate) => candidate.contentType.toLowerCase().startsWith('application/resource-lists+xml'));
  if (part === undefined) return [];
  const list = parseResourceLists(part.body);
  if (!list.ok) {
    log.warn('the list of an invitation was left out', { reason: list.reason });
    return [];
  }
  return list.value.filter((entry) => entry.copyControl !== 'bcc').map((entry) => person(entry.uri, entry.displayName ?? null, names));
}
