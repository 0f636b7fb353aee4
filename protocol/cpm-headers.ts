/** The SIP headers of OMA CPM Conversation Functions, and the syntax of the identities in them. */

export const cpmHeader = {
  /** Identifies one conversation across all its sessions and messages (R74). */
  conversationId: 'Conversation-ID',
  /** Identifies one session or one standalone message. A group chat keeps one for its whole life (R73). */
  contributionId: 'Contribution-ID',
  inReplyTo: 'InReplyTo-Contribution-ID',
  /** The Contribution-ID of the 1-1 session that this group session replaces (R52, R55). */
  sessionReplaces: 'Session-Replaces',
  /**
   * LAB: the header in which a request from outside CPM names its service (R4); no public document gives its name. Chorus forwards it and
   * never requires it.
   */
  nonCpmService: 'Non-CPM-Service-Identifier',
  /** LAB: `closed` in the invitation that creates a group: nobody can be added later. No public document gives the header's name. */
  groupType: 'Group-Type',
} as const;

/** Most characters in a Conversation-ID or Contribution-ID. */
export const MAX_CPM_ID_CHARACTERS = 128;

/** True for a well-formed Contribution-ID or Conversation-ID: a UUID, a bare hexadecimal digest, or the older `id@host` form. */
export function isContributionId(text: string): boolean {
  return text.length <= MAX_CPM_ID_CHARACTERS && /^[A-Za-z0-9][A-Za-z0-9\-._~!*+@=]*$/.test(text);
}
