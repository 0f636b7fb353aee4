/** The calls of the contract about the profile: its preferences, the people it blocks, and the decisions that it waits for. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account/account';
import type { Handlers } from './calls';
import type { AccountSources } from './profile/account-source';
import { type BlockedPeople, strangerKey } from './profile/blocked-people';
import type { ProfileDecisions } from './profile/decisions';
import type { Profile } from './profile/profile';

export interface ProfileCallDeps {
  decisions: ProfileDecisions;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  sources(): AccountSources;
  blocked(): BlockedPeople;
  accounts(): readonly Account[];
  /** The own addresses. */
  selves(): readonly string[];
  announce(event: AppEventBody): void;
}

export function profileCalls({ decisions, profile, sources, blocked, accounts, selves, announce }: ProfileCallDeps) {
  const announceBlocked = () => {
    const { list } = blocked();
    announce({ event: 'blocked', blocked: list });
    return { blocked: list };
  };
  return {
    resolveClone: ({ choice, name }) => decisions.resolveClone(profile(), choice, name),
    beginHistory: () => decisions.beginAnew(profile()),
    block: ({ address }) => {
      const key = strangerKey(address, selves());
      blocked().block(key);
      const answer = announceBlocked();
      for (const account of accounts()) account.messenger.blocked(key);
      return answer;
    },
    unblock: ({ address }) => {
      blocked().unblock(strangerKey(address, selves()));
      const answer = announceBlocked();
      for (const account of accounts()) account.messenger.unblocked();
      return answer;
    },
    setPreferences: (preferences) => {
      sources().preferences = preferences;
      announce({ event: 'preferences', ...preferences });
      for (const account of accounts()) account.messenger.preferencesChanged();
      return preferences;
    },
  } satisfies Partial<Handlers>;
}
