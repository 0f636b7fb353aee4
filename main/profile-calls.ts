/** The calls of the contract about the profile: its preferences, the people it blocks, and the decisions that it waits for. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account/account';
import type { BlockListChanges } from './block-list';
import type { Handlers } from './calls';
import type { AccountSources } from './profile/account-source';
import { strangerKey } from './profile/blocked-people';
import type { ProfileDecisions } from './profile/decisions';
import type { Profile } from './profile/profile';

export interface ProfileCallDeps {
  decisions: ProfileDecisions;
  /** @throws AppError why there is no open profile */
  profile(): Profile;
  sources(): AccountSources;
  blockList: Pick<BlockListChanges, 'block' | 'unblock'>;
  accounts(): readonly Account[];
  /** The own addresses. */
  selves(): readonly string[];
  announce(event: AppEventBody): void;
}

export function profileCalls({ decisions, profile, sources, blockList, accounts, selves, announce }: ProfileCallDeps) {
  return {
    resolveClone: ({ choice, name }) => decisions.resolveClone(profile(), choice, name),
    beginHistory: () => decisions.beginAnew(profile()),
    block: ({ address }) => ({ blocked: blockList.block(strangerKey(address, selves())) }),
    unblock: ({ address }) => ({ blocked: blockList.unblock(strangerKey(address, selves())) }),
    setPreferences: (preferences) => {
      sources().preferences = preferences;
      announce({ event: 'preferences', ...preferences });
      for (const account of accounts()) account.messenger.preferencesChanged();
      return preferences;
    },
  } satisfies Partial<Handlers>;
}
