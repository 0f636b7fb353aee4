/**
 * The one rule of all paths (docs/OWN-DEVICES.md, 6). A message may come several times: from the network directly or deferred, as the network's
 * copy of what this person sent, from another device of this person, or from a message store. Every one comes through this door, by its key. The
 * first makes the row; later ones add their path. What else may follow is this table, and nothing outside of it asks how a message came.
 */

/** How a message came. */
export type Path = 'direct' | 'deferred' | 'copy' | 'sibling' | 'store';

interface Rule {
  /** Whether a delivered receipt may answer it: this device had it from the network, and says so for itself. */
  receipt: boolean;
  /** When the person is told, unless they have read it: at once, or only when no other device has shown it meanwhile. */
  tells: 'at once' | 'after a while' | 'never';
  /** Whether this device may write the event that tells the others. Never for what another device has told: hence no loops. */
  writes: boolean;
}

export const rules: Readonly<Record<Path, Rule>> = {
  direct: { receipt: true, tells: 'at once', writes: true },
  deferred: { receipt: true, tells: 'at once', writes: true },
  copy: { receipt: false, tells: 'never', writes: true },
  sibling: { receipt: false, tells: 'after a while', writes: false },
  store: { receipt: false, tells: 'never', writes: true },
};

/** What is known of the key when the message comes. */
export interface Known {
  /** A row is here, or is owed to the others. */
  isHere: boolean;
  isRead: boolean;
  isDeleted: boolean;
  /** The sender asked for a delivered receipt, and the message is not this person's own. */
  wantsReceipt: boolean;
}

export interface Decision {
  /** Make a row, add the path to the one that is here, or do nothing. In each case the network is told that the message was taken. */
  row: 'make' | 'add path' | 'none';
  receipt: boolean;
  tells: Rule['tells'];
  writes: boolean;
}

/** A message that was deleted on some device makes no row and no receipt, whatever path it comes by. */
export function decide(path: Path, { isHere, isRead, isDeleted, wantsReceipt }: Known): Decision {
  const rule = rules[path];
  if (isDeleted) return { row: 'none', receipt: false, tells: 'never', writes: false };
  return {
    row: isHere ? 'add path' : 'make',
    // A repetition from the network is answered again: the first answer may have been lost.
    receipt: rule.receipt && wantsReceipt,
    tells: isHere || isRead ? 'never' : rule.tells,
    writes: rule.writes && !isHere,
  };
}
