/** The function that keeps messages, as a process of its own, killed without a word and started again with the same file. */
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort, type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { ensureBuilt } from '../support/stages/built';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, printLadderOnFailure, startClient } from '../support/stages/clients';
import { type Command, chorus, endCommands, newFolder, printCommandsOnFailure } from '../support/stages/command';

let kamailio: Kamailio | null = null;

beforeAll(() => ensureBuilt('command'));
beforeEach(() => {
  printCommandsOnFailure();
  printLadderOnFailure();
});
afterEach(async () => {
  await closeClients();
  await endCommands();
  await kamailio?.stop();
  kamailio = null;
});

const ready = (network: Command) => network.until('the network is ready', () => network.lines.find((line) => line.ready === true));

const secret = 'abcdef0123456789abcdef';

/** Starts a network; `restart` kills the process that keeps messages and starts another one. */
const networks = [
  {
    name: 'the embedded network',
    start: async (state: string) => {
      const port = await freePort();
      const start = async () => {
        const network = chorus('network', ['network', '--tcp', String(port), '--state', state]);
        await ready(network);
        return network;
      };
      return { proxy: `sip:127.0.0.1:${port};transport=tcp`, ...(await mortal(start)) };
    },
  },
  {
    name: 'a real Kamailio, the functions beside it',
    start: async (state: string) => {
      const [servicePort, pf, cf] = [await freePort(), await freePort(), await freePort()];
      const uri = (port: number) => `sip:127.0.0.1:${port};transport=tcp`;
      kamailio = await startKamailio({ servicePort, functions: { pf: uri(pf), cf: uri(cf), secret } });
      const beside = ['--roles', 'pf,cf,isf', '--core', uri(servicePort), '--pf-port', String(pf), '--cf-port', String(cf)];
      const start = async () => {
        const network = chorus('functions', ['network', ...beside, '--state', state], { CHORUS_FUNCTION_SECRET: secret });
        await ready(network);
        return network;
      };
      return { proxy: kamailio.uri, ...(await mortal(start)) };
    },
  },
];

async function mortal(start: () => Promise<Command>) {
  let running = await start();
  const restart = async () => {
    running.kill('SIGKILL');
    expect(await running.ended()).toMatchObject({ signal: 'SIGKILL' });
    running = await start();
  };
  return { restart };
}

describe.each(networks)('R87: kill -9 at $name', ({ start }) => {
  it('three lines to Bob, whose devices are off: each in order and once, and delivered, although the network dies between all steps', async () => {
    const { proxy, restart } = await start(join(newFolder('state'), 'network.db'));
    const client = (name: string, dataDir?: string) =>
      startClient({
        name,
        address: `sip:${name.replace(/-.*/, '')}@lab.test`,
        proxy,
        factory: 'sip:conference-factory@lab.test',
        ...(dataDir === undefined ? {} : { dataDir }),
      });
    const lines = ['first', 'second', 'third'];
    const alice = await client('alice-laptop');
    const sent: string[] = [];
    for (const text of lines) {
      const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text });
      await alice.until(`"${text}" is sent`, () => (stateOf(alice.events, message) === 'sent' ? true : null), 40_000);
      sent.push(message);
      if (text === 'second') await restart();
    }
    await alice.call('unregister', {});
    await alice.close();
    await restart();

    const bob = await client('bob-desk');
    await received(bob, 'third');
    const [conversation] = await bob.call('conversations', {});
    const messages = await bob.call('messages', { conversation: conversation?.conversation ?? '', limit: 50 });
    expect(messages.map(({ text }) => text)).toEqual(lines);
    // Its receipts have to be with the network before that dies once more.
    const receipts = () =>
      bob.wire.filter(({ direction, bytes }) => direction === 'in' && /^SIP\/2\.0 202 /.test(new TextDecoder().decode(bytes)));
    await expect.poll(() => receipts().length, { timeout: 20_000 }).toBe(3);
    await restart();

    const back = await client('alice-laptop', alice.dataDir);
    for (const message of sent) await messageState(back, message, 'delivered');
  }, 120_000);
});

function stateOf(events: readonly { event: string }[], message: string): string | null {
  const own = events.filter((event) => event.event === 'message' && 'message' in event && event.message === message).at(-1);
  return own !== undefined && 'state' in own && typeof own.state === 'string' ? own.state : null;
}
