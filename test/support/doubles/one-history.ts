/** A history as one account sees it, for tests that need no second one. */
import { type History, type HistoryOptions, openHistory } from '../../../main/history/history';

/** Whose it is where nobody says. */
const ownAddress = 'sip:alice@lab.test';

export interface OneHistory extends History {
  dispose(): void;
  close(): Promise<void>;
}

export function openOneHistory(options: HistoryOptions, account = ownAddress): OneHistory {
  const profile = openHistory(options);
  try {
    return { ...profile.of(account), dispose: () => profile.dispose(), close: () => profile.close() };
  } catch (error) {
    profile.dispose();
    throw error;
  }
}
