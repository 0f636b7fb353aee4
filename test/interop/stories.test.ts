/** The stories of test/support/people with headless clients; test/e2e/stories.test.ts tells them with windows. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from 'vitest';
import type { Network } from '../../network/network';
import { HeadlessPerson } from '../support/people/headless-person';
import { chatOfTwo, growIntoGroup } from '../support/people/stories';
import { closeClients, printLadderOnFailure, startClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

describe.each(networks)('people at headless clients, at $name', ({ start }) => {
  let network: Network;
  beforeAll(async () => {
    network = await start();
  });
  beforeEach(() => printLadderOnFailure());
  afterEach(() => closeClients());
  afterAll(() => network.close());

  const addressOf = (name: string) => `sip:${name.toLowerCase()}@lab.test`;
  async function person(name: string): Promise<HeadlessPerson> {
    const client = await startClient({
      name: name.toLowerCase(),
      address: addressOf(name),
      proxy: network.uris.tcp,
      factory: network.factory,
    });
    const started = new HeadlessPerson(client, addressOf);
    await started.isRegistered();
    return started;
  }

  it('R58 R69: two people chat, one adds a third, and all continue in the group', async () => {
    const [alice, bob, carol] = await Promise.all([person('Alice'), person('Bob'), person('Carol')]);
    await chatOfTwo(alice, bob);
    await growIntoGroup(alice, bob, carol);
  });
});
