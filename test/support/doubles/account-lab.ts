/** One account over a scripted server: real parts, in memory, in virtual time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Account } from '../../../main/account/account';
import type { Credentials } from '../../../main/account/credentials';
import type { AccountDeps } from '../../../main/account/deps';
import { defaultPreferences } from '../../../main/profile/settings';
import type { ToldByAccount } from '../../../preload/contract';
import { MemoryNetwork } from './msrp-memory';
import { type OneHistory, openOneHistory } from './one-history';
import { MemoryServer, silent, account as sipAccount } from './sip-memory';
import { VirtualClock } from './virtual-clock';

export interface AccountLab {
  clock: VirtualClock;
  server: MemoryServer;
  account: Account;
  events: ToldByAccount[];
}

const folder = mkdtempSync(join(tmpdir(), 'chorus-account-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const open: { account: Account; history: OneHistory }[] = [];

export function accountLab(changes: Partial<Credentials> = {}, deps: Partial<AccountDeps> = {}): AccountLab {
  const clock = new VirtualClock();
  const server = new MemoryServer();
  const events: ToldByAccount[] = [];
  const history = openOneHistory({ file: join(folder, `${clock.uuid()}-${open.length}.db`), key: 'ab'.repeat(32), log: silent });
  const { aor, displayName, password, proxy, instanceId, deviceName } = sipAccount();
  const account = new Account(
    {
      ...{ kind: 'sip', aor, displayName, password, proxy, instanceId, deviceName },
      ...{ servicesOff: [], options: { factory: 'sip:factory@lab.test' } },
      ...changes,
    },
    {
      clock,
      log: silent,
      tap: null,
      userAgent: 'Chorus/test',
      history,
      knownPeople: [],
      preferences: () => defaultPreferences,
      isBlocked: () => false,
      alsoBlock: () => {},
      registrationState: { load: () => null, save: () => undefined },
      simState: { load: () => 0, save: () => undefined },
      announce: (event) => events.push(event),
      blocks: { list: () => [], keep: () => undefined, changed: () => undefined },
      ownKey: null,
      keys: { load: () => null, save: () => undefined },
      eraseChats: () => undefined,
      keep: () => undefined,
      signedOut: null,
      keepSignedOut: () => undefined,
      isForgotten: () => false,
      over: { connect: server.connect, media: new MemoryNetwork() },
      ...deps,
    },
  );
  open.push({ account, history });
  return { clock, server, account, events };
}

export function closeAccountLabs(): void {
  for (const { account, history } of open.splice(0)) {
    account.dispose();
    history.dispose();
  }
}
