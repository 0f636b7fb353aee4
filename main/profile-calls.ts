/** The calls of the contract about the profile: its preferences, the people it blocks, and the decisions that it waits for. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account/account';
import type { Handlers } from './calls';
import type { AccountSource } from './profile/account-source';
import { type BlockedPeople, strangerKey } from './profile/blocked-people';
import type { ProfileDecisions } from './profile/decisions';
import type { Profile } from './profile/profile';

export interface ProfileCallDeps {
  decisions: ProfileDecisions;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  source(): AccountSource;
  blocked(): BlockedPeople;
  account(): Account | null;
  /** The own address; null where nobody has signed in. */
  self(): string | null;
  announce(event: AppEventBody): void;
}

export function profileCalls({ decisions, profile, source, blocked, account, self, announce }: ProfileCallDeps) {
  const announceBlocked = () => {
    const { list } = blocked();
    announce({ event: 'blocked', blocked: list });
    return { blocked: list };
  };
  return {
    resolveClone: ({ choice, name }) => decisions.resolveClone(profile(), choice, name),
    beginHistory: () => decisions.beginAnew(profile()),
    block: ({ address }) => {
      const key = strangerKey(address, self());
      blocked().block(key);
      const answer = announceBlocked();
      account()?.messenger.blocked(key);
      return answer;
    },
    unblock: ({ address }) => {
      const key = strangerKey(address, self());
      blocked().unblock(key);
      const answer = announceBlocked();
      account()?.messenger.unblocked();
      return answer;
    },
    setPreferences: (preferences) => {
      source().preferences = preferences;
      announce({ event: 'preferences', ...preferences });
      account()?.messenger.preferencesChanged();
      return preferences;
    },
  } satisfies Partial<Handlers>;
}
