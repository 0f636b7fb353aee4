import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { VirtualClock } from '../support/doubles/virtual-clock';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';

let network: Network;
beforeAll(async () => {
  network = await startNetwork({});
});
afterAll(() => network.close());
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const people = ['alice', 'bob', 'carol'] as const;
type Name = (typeof people)[number];

/** CHORUS_SEED replays one run; without it the same few seeds run every time. */
const seeds = process.env.CHORUS_SEED === undefined ? [11, 23, 47] : [Number(process.env.CHORUS_SEED)];
const steps = 60;

describe('whatever people do in whatever order', () => {
  it.each(seeds)(
    'nothing is lost, nothing comes twice, and every text is delivered (seed %i)',
    async (seed) => {
      const chance = new VirtualClock({ seed });
      const pick = <T>(from: readonly T[]): T => from[Math.floor(chance.random() * from.length)] as T;
      const start = (name: Name, dataDir?: string) =>
        startClient({
          name,
          address: `sip:${name}@lab.test`,
          proxy: network.uris.tcp,
          factory: network.factory,
          ...(dataDir === undefined ? {} : { dataDir }),
        });
      const clients = new Map<Name, TestClient>();
      for (const name of people) clients.set(name, await start(name));
      const sent: { from: Name; to: Name; text: string; message: string }[] = [];
      const at = (name: Name): TestClient => {
        const client = clients.get(name);
        if (client === undefined) throw new Error(`no ${name}`);
        return client;
      };
      const others = (name: Name) => people.filter((each) => each !== name);

      for (let step = 0; step < steps; step++) {
        const who = pick(people);
        const client = at(who);
        const dice = chance.random();
        if (dice < 0.75) {
          const to = pick(others(who));
          const text = `${seed}-${step} ${who} to ${to}`;
          const { message } = await client.call('sendText', {
            to: `sip:${to}@lab.test`,
            text,
            ...(chance.random() < 0.15 ? { mode: 'pager' as const } : {}),
          });
          sent.push({ from: who, to, text, message });
        } else if (dice < 0.92) {
          const all = await client.call('conversations', {});
          if (all.length > 0) await client.tryCall('closeSession', { conversation: pick(all).conversation });
        } else {
          await client.close();
          clients.set(who, await start(who, client.dataDir));
        }
        if (chance.random() < 0.3) await new Promise((resolve) => setImmediate(resolve));
      }

      for (const { from, to, text, message } of sent) {
        const sender = at(from);
        const delivered = async () => {
          for (const { conversation } of await sender.call('conversations', {})) {
            const own = (await sender.call('messages', { conversation, limit: 500 })).find((one) => one.message === message);
            // Nobody was there: the person presses Retry.
            if (own?.state === 'failed' && own.error?.code === 'sip/rejected') await sender.tryCall('retry', { message });
            if (own !== undefined) return own;
          }
          return null;
        };
        await sender
          .until(`“${text}” is delivered`, async () => ((await delivered())?.state === 'delivered' ? true : null), 45_000)
          .catch(async (error: unknown) => {
            throw new Error(`${String(error)}: it is ${JSON.stringify(await delivered())}`);
          });
        const receiver = at(to);
        const copies = (
          await Promise.all(
            (await receiver.call('conversations', {})).map(({ conversation }) => receiver.call('messages', { conversation, limit: 500 })),
          )
        )
          .flat()
          .filter((one) => one.text === text && one.direction === 'in');
        expect(copies, text).toHaveLength(1);
      }
    },
    120_000,
  );
});
