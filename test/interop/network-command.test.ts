import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort, type Kamailio, startKamailio } from '../../network/kamailio/start-kamailio.mjs';
import { ensureBuilt } from '../support/stages/built';
import { type Command, chorus, endCommands, newFolder, printCommandsOnFailure } from '../support/stages/command';

beforeAll(() => ensureBuilt('command'));
beforeEach(() => printCommandsOnFailure());
afterEach(() => endCommands());

interface Ready {
  tcp: string;
  factory: string;
  pf?: string;
  cf?: string;
  process: Command;
}

async function network(args: readonly string[]): Promise<Ready> {
  const command = chorus('network', ['network', ...args]);
  const line = await command.until('the network is ready', () => command.lines.find((candidate) => candidate.ready === true));
  return { ...(line as unknown as Ready), process: command };
}

function client(proxy: string, name: string, args: readonly string[] = [], env: Record<string, string> = {}): Command {
  const own = ['--profile', name, '--aor', `sip:${name}@lab.test`, '--proxy', proxy, '--data', newFolder(name), '--device-name', name];
  return chorus(name, ['client', ...own, ...args], { CHORUS_PASSWORD: 'secret', ...env });
}

const file = (content: unknown) => {
  const path = join(newFolder('files'), 'file.json');
  writeFileSync(path, JSON.stringify(content));
  return path;
};

const k = '465b5ce8b199b49faa5f0a2ee238a6bc';
const opc = 'cd63cb71954a9f4e48a5994e37a02baf';

describe('a network to order, by its command', () => {
  it('challenges SIMs: a person with the right one is accepted, a person without one is not', async () => {
    const { tcp } = await network(['--auth', 'aka', '--sims', file({ alice: { k, opc } })]);
    const alice = client(tcp, 'alice', ['--sim-opc', opc], { CHORUS_SIM_K: k });
    await alice.event('registration', { state: 'registered' });
    const bob = client(tcp, 'bob');
    await bob.event('registration', { state: 'rejected' });
  });

  it('goes by the address a request comes from, and asks for no password', async () => {
    const { tcp } = await network(['--auth', 'early', '--early', 'alice=127.0.0.1']);
    await client(tcp, 'alice', ['--auth', 'early-ims']).event('registration', { state: 'registered' });
    await client(tcp, 'bob', ['--auth', 'early-ims']).event('registration', { state: 'rejected' });
  });

  it('takes SHA-512-256 alone, and a user by telephone number too', async () => {
    const { tcp } = await network(['--auth', 'sha512-256', '--address', 'alice=tel:+15550100', '--address', 'alice=sip:sales@lab.test']);
    const alice = client(tcp, 'alice', ['--min-algorithm', 'SHA-512-256']);
    await alice.event('registration', { state: 'registered' });
    expect(await alice.ask('identity')).toMatchObject({
      identities: ['sip:alice@lab.test', 'tel:+15550100', 'sip:sales@lab.test'],
    });
    const bob = client(tcp, 'bob');
    await bob.event('registration', { state: 'registered' });
    await bob.ask('sendText', { to: 'tel:+15550100', text: 'by number' });
    await alice.event('message', { direction: 'in', text: 'by number' });
  });

  it('misbehaves as its file says: the first REGISTER of Alice gets 503, and she comes again by herself', async () => {
    const busy = { name: 'busy', user: 'alice', times: 1, fault: { kind: 'answer', status: 503, headers: [['Retry-After', '1']] } };
    const { tcp } = await network(['--faults', file([busy]), '--seed', '7']);
    const alice = client(tcp, 'alice');
    expect(await alice.event('registration', { state: 'waiting' })).toMatchObject({ error: { status: 503 } });
    await alice.event('registration', { state: 'registered' });
  });

  it('reads the file of groups again at SIGHUP; one that cannot be used leaves them as they were', async () => {
    const team = (...names: string[]) => ({ 'sip:team@cf.lab.test': { members: names.map((name) => `sip:${name}@lab.test`) } });
    const groups = file(team('alice', 'bob'));
    const { tcp, process: served } = await network(['--groups', groups]);
    const told = async (content: string) => {
      writeFileSync(groups, content);
      const before = served.lines.length;
      served.kill('SIGHUP');
      return served.until('it says what came of the file', () => served.lines[before]);
    };
    const carol = client(tcp, 'carol');
    await carol.event('registration', { state: 'registered' });
    const refused = async () => expect(await carol.refusal('joinGroup', { address: 'sip:team@cf.lab.test' })).toMatchObject(forbidden);
    const forbidden = { code: 'group/not-a-member', status: 403 };
    await refused();
    expect(await told('{"sip:team@cf.lab.test":\n{"members":["carol"]}}')).toEqual({
      error: expect.stringMatching(/^The groups stay as they were: .*line 2: .*takes addresses/),
    });
    await refused();
    expect(await told(JSON.stringify(team('alice', 'carol')))).toEqual({ groups: 1 });
    await carol.ask('joinGroup', { address: 'sip:team@cf.lab.test' });
    expect(await told('{}')).toEqual({ groups: 0 });
    await carol.event('conversation', { kind: 'group', session: 'ended' });
  });

  it('is refused with one line and status 2 where an option cannot be used', async () => {
    const unusable = [
      ['--auth', 'smile'],
      ['--sims', file({ zed: { k, opc } })],
      ['--faults', file([{ name: 'a', fault: { kind: 'explode' } }])],
      ['--seed', 'x'],
      ['--address', 'zed=tel:+1'],
      ['--early', 'alice'],
    ];
    for (const args of unusable) {
      const command = chorus('network', ['network', ...args]);
      expect({ args, ...(await command.exited) }).toEqual({ args, status: 2, signal: null });
      expect(command.stderr.trim().split('\n')).toEqual([expect.stringMatching(/^chorus: --.{10,}/)]);
    }
  });
});

describe('the functions alone, beside another core', () => {
  const secret = 'abcdef0123456789abcdef';
  beforeAll(() => vi.stubEnv('CHORUS_FUNCTION_SECRET', secret));
  afterAll(() => vi.unstubAllEnvs());

  it('R54 R69: tell where they are, and make groups for the people of a real Kamailio', async () => {
    const servicePort = await freePort();
    const functions = await network(['--roles', 'pf,cf,isf', '--core', `sip:127.0.0.1:${servicePort};transport=tcp`]);
    const { pf = '', cf = '', factory } = functions;
    let core: Kamailio | null = null;
    try {
      core = await startKamailio({ servicePort, functions: { pf, cf, secret } });
      const { uri } = core;
      const people = ['alice', 'bob', 'carol'].map((name) => client(uri, name, ['--factory', factory]));
      await Promise.all(people.map((one) => one.event('registration', { state: 'registered' })));
      const [alice, bob, carol] = people as [Command, Command, Command];
      const { conversation } = await alice.ask<{ conversation: string }>('sendText', { to: 'sip:bob@lab.test', text: 'Hello' });
      await bob.event('message', { text: 'Hello', direction: 'in' });
      await alice.event('conversation', { conversation, session: 'established' });
      const group = await alice.ask<{ conversation: string }>('addPeople', { conversation, people: ['sip:carol@lab.test'] });
      await alice.event('conversation', { conversation, session: 'replaced' });
      await alice.ask('sendText', { conversation: group.conversation, text: 'all of you' });
      await Promise.all([bob, carol].map((one) => one.event('message', { text: 'all of you', direction: 'in' })));
    } finally {
      await endCommands();
      await core?.stop();
    }
  });

  it('R49 R73 R77: killed and started again at their ports, they continue the sessions through them and their records, with nothing lost or repeated', async () => {
    const [servicePort, pfPort, cfPort] = await Promise.all([freePort(), freePort(), freePort()]);
    const records = join(newFolder('records'), 'kept');
    const policy = file({ provider: { record: true, recordTo: records } });
    const at = ['--pf-port', String(pfPort), '--cf-port', String(cfPort)];
    const args = ['--roles', 'pf,cf,isf', '--core', `sip:127.0.0.1:${servicePort};transport=tcp`, '--policy', policy, ...at];
    const { pf = '', cf = '', process: functions } = await network(args);
    expect([pf, cf]).toEqual([pfPort, cfPort].map((port) => `sip:127.0.0.1:${port};transport=tcp`));
    let core: Kamailio | null = null;
    try {
      core = await startKamailio({ servicePort, functions: { pf, cf, secret } });
      const { uri } = core;
      const [alice, bob] = ['alice', 'bob'].map((name) => client(uri, name)) as [Command, Command];
      await Promise.all([alice, bob].map((one) => one.event('registration', { state: 'registered' })));
      const say = async (from: Command, to: Command, text: string) => {
        const { message } = await from.ask<{ message: string }>('sendText', {
          to: to === bob ? 'sip:bob@lab.test' : 'sip:alice@lab.test',
          text,
        });
        await from.event('message', { message, state: 'delivered' });
      };
      await say(alice, bob, 'one');
      await say(bob, alice, 'two');
      functions.kill('SIGKILL');
      await functions.ended();
      const gap = await alice.ask<{ message: string }>('sendText', { to: 'sip:bob@lab.test', text: 'three, into the gap' });
      await network(args);
      // How long the gap is decides whether the text comes through by itself, or says that it did not and is sent again.
      const state = () => alice.lines.findLast((line) => line.event === 'message' && line.message === gap.message)?.state;
      await alice.until('it has come, or says that it has not', () => (/^(delivered|failed)$/.test(String(state())) ? true : null));
      if (state() === 'failed') await alice.ask('retry', { message: gap.message });
      await alice.event('message', { message: gap.message, state: 'delivered' });
      await say(bob, alice, 'four');
      for (const [one, texts] of [
        [alice, ['two', 'four']],
        [bob, ['one', 'three, into the gap']],
      ] as const)
        expect(one.lines.filter((line) => line.event === 'message' && line.direction === 'in').map((line) => line.text)).toEqual(texts);
      const kept = readdirSync(records).map((name) => readFileSync(join(records, name), 'utf8'));
      for (const text of ['one', 'two', 'three, into the gap', 'four'])
        expect(kept.filter((record) => record.includes(text)).length, `records with “${text}”: one of each side`).toBe(2);
    } finally {
      await endCommands();
      await core?.stop();
    }
  });
});
