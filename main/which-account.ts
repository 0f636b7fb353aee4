/** Which of the signed-in accounts a call means: the one it names, the only one, or the one that has what the call is about. */
import { AppError } from '../preload/contract/errors';
import { addressKey } from '../protocol/uri';

/** What of a call's arguments may tell. */
export interface Which {
  account?: string | undefined;
  conversation?: string | undefined;
  message?: string | undefined;
  direction?: 'in' | 'out' | undefined;
  invitation?: string | undefined;
}

interface Choice {
  readonly aor: string;
  /** Whether it has the conversation, the message or the invitation. */
  has(which: Which): boolean;
}

/** Null where nobody is signed in. @throws AppError account/none for one that is not signed in, ipc/refused where several may be meant */
export function whichAccount<A extends Choice>(accounts: readonly A[], which: Which): A | null {
  const { account, conversation, message, invitation } = which;
  const [first = null, ...others] = accounts;
  if (account !== undefined && first !== null) {
    const key = addressKey(account) ?? account;
    const named = accounts.find(({ aor }) => aor === key);
    if (named === undefined) throw new AppError('account/none', { cause: `${account} is no account of this profile` }, 'user');
    return named;
  }
  if (others.length === 0) return first;
  const isAboutSomething = conversation !== undefined || message !== undefined || invitation !== undefined;
  const having = isAboutSomething ? accounts.filter((one) => one.has(which)) : accounts;
  if (having.length > 1) throw new AppError('ipc/refused', { cause: 'several accounts are signed in: name one of them as `account`' });
  // Where no account has it, any of them says so.
  return having[0] ?? first;
}
