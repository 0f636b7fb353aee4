/**
 * Which status refuses an invitation, by cause (RFC 3261 section 21). A 6xx ends the ringing of every device of a person, so there is one cause
 * for it alone that the person can choose; everything else speaks for this device. What is refused before the CPM layer sees it is in
 * `sip/normalize.ts`: 404 for somebody else, 486 for another device, 415, 416, 420 and 482.
 */
export const refusals = {
  /** The person declines here; other devices go on ringing. */
  declined: 486,
  /** The person declines everywhere. */
  declinedEverywhere: 603,
  /** Somebody whom the person has blocked. LAB: they learn no more than that this device is busy. */
  blocked: 486,
  /** As many sessions as this device holds. */
  noSlot: 486,
  /** The account signs out here; other devices go on ringing. */
  signedOut: 480,
  /** The own invitation to the same person lives on. */
  glare: 486,
  /** The same person has invited anew. */
  superseded: 486,
  /** No session description: it asks for an offer, which this client does not make in an answer. */
  noOffer: 606,
  /** A session description that cannot be read, or holds no MSRP. */
  badOffer: 488,
  /** A service that is switched off here, or a group for one who hides. */
  notOffered: 488,
  /** Without a Contribution-ID it is no CPM session. */
  unnamed: 400,
  /** A first message that cannot be read. */
  unreadable: 400,
} as const;
