/** The SIP headers of OMA CPM Conversation Functions, and the shape of the identities they carry. */

export const cpmHeader = {
  /** One conversation, over many sessions and messages (R74). */
  conversationId: 'Conversation-ID',
  /** One session or one standalone message; of a group chat: its whole life (R73). */
  contributionId: 'Contribution-ID',
  inReplyTo: 'InReplyTo-Contribution-ID',
  /** Names the Contribution-ID of the 1-1 session that this group session replaces (R52, R55). */
  sessionReplaces: 'Session-Replaces',
  /** LAB: the name under which a request from outside of CPM tells its service (R4); no public document gives one. Carried on, never needed. */
  nonCpmService: 'Non-CPM-Service-Identifier',
  /** LAB: `closed` in the invitation that makes a group: nobody is added to it later. No public document gives a name. */
  groupType: 'Group-Type',
} as const;

/** Characters of a Conversation-ID or Contribution-ID. */
export const MAX_CPM_ID_CHARACTERS = 128;

/** True for a well-formed Contribution-ID or Conversation-ID: UUIDs, bare hexadecimal digests and the older `id@host` form. */
export function isContributionId(text: string): boolean {
  return text.length <= MAX_CPM_ID_CHARACTERS && /^[A-Za-z0-9][A-Za-z0-9\-._~!*+@=]*$/.test(text);
}
