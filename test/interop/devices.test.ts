import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startCore } from '../../network/core/core';
import { type Network, startNetwork } from '../../network/network';
import { ensureBuilt } from '../support/stages/built';
import { closeClients, headerValues, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { Devices, ICSIS } from '../support/stages/sip-clients';

let network: Network;
const devices = new Devices();
beforeAll(async () => {
  network = await startNetwork();
});
afterEach(async () => {
  await devices.close();
  await closeClients();
});
afterAll(() => network.close());

const IMEI = 'urn:gsma:imei:90420156-025763-0';

describe('the devices of one person', () => {
  it('R6 R22 R27: three devices make three bindings of one address, each with the instance ID of its REGISTERs', async () => {
    const clients = await Promise.all(
      ['alice-laptop', 'alice-tablet', 'alice-phone'].map((name) =>
        startClient({ name, address: 'sip:alice@lab.test', proxy: network.uris.tcp, factory: network.factory }),
      ),
    );
    const ids = await Promise.all(clients.map(async (client) => (await client.call('identity', {})).instanceId));
    expect(new Set(ids).size).toBe(3);
    const bound = network.bindings('sip:alice@lab.test').map((binding) => binding.instanceId);
    expect([...bound].sort()).toEqual([...ids].sort());
    for (const [index, client] of clients.entries()) {
      await client.call('unregister', {});
      const registers = sipRequests(client, 'out', 'REGISTER');
      expect(registers.length).toBeGreaterThanOrEqual(3);
      for (const register of registers) {
        expect(headerValues(register, 'To')).toEqual(['<sip:alice@lab.test>']);
        expect(headerValues(register, 'Contact')).toEqual([expect.stringContaining(`;+sip.instance="<${ids[index]}>"`)]);
      }
    }
  });

  it('R13: one registers as required by TS 24.229 and the core: its identity, its capabilities, and in two steps', async () => {
    const laptop = await devices.registered('alice', network.uris.tcp);
    const registers = laptop
      .ladder()
      .filter((text) => text.startsWith('> REGISTER'))
      .map((text) => text.slice(2));
    expect(registers).toHaveLength(2);
    const [first = '', second = ''] = registers;
    for (const [index, register] of registers.entries()) {
      expect(register.split('\r\n')[0]).toBe('REGISTER sip:lab.test SIP/2.0');
      expect(headerValues(register, 'Max-Forwards')).toEqual(['70']);
      expect(headerValues(register, 'From')).toEqual([expect.stringMatching(/<sip:alice@lab\.test>;tag=\S+$/)]);
      expect(headerValues(register, 'To')).toEqual(['<sip:alice@lab.test>']);
      expect(headerValues(register, 'CSeq')).toEqual([`${index + 1} REGISTER`]);
      expect(headerValues(register, 'Expires')).toEqual(['600']);
      expect(headerValues(register, 'Supported')).toEqual(['path, gruu, outbound']);
      expect(headerValues(register, 'Allow')[0]).toContain('MESSAGE');
      expect(headerValues(register, 'User-Agent')).toEqual(['Chorus/test']);
      expect(headerValues(register, 'Route')).toEqual([]);
      for (const param of [/;reg-id=1(?:;|$)/, /;\+g\.3gpp\.icsi-ref="urn%3A/, /;\+sip\.instance="<urn:uuid:/])
        expect(headerValues(register, 'Contact')[0]).toMatch(param);
    }
    expect(headerValues(second, 'Call-ID')).toEqual(headerValues(first, 'Call-ID'));
    expect(headerValues(first, 'Authorization')).toEqual([]);
    const credentials = headerValues(second, 'Authorization')[0] ?? '';
    for (const part of ['username="alice', 'realm="lab.test"', 'uri="sip:lab.test"', 'algorithm=SHA-256', 'qop=auth', 'nc=00000001'])
      expect(credentials).toContain(part);
  });

  it('R16: one that has an IMEI registers with it, and its GRUU does not show it', async () => {
    const phone = await devices.registered('alice', network.uris.tcp, { instanceId: IMEI });
    const [register] = phone.ladder().filter((text) => text.startsWith('> REGISTER'));
    expect(register).toContain(`;+sip.instance="<${IMEI}>"`);
    expect(register).not.toContain('svn');
    expect(network.bindings('sip:alice@lab.test').map((binding) => binding.instanceId)).toEqual([IMEI]);
    expect(phone.client.registration.pubGruu).toMatch(/^sip:alice@lab\.test;gr=urn:uuid:/);
    expect(phone.client.registration.pubGruu).not.toContain('90420156');
  });

  it('R27: without an address nothing can be registered', () => {
    for (const aor of ['', 'alice', 'mailto:alice@lab.test', 'sip:'])
      expect(() => devices.make('alice', network.uris.tcp, { aor })).toThrow(expect.objectContaining({ code: 'account/bad-address' }));
  });
});

describe('the addresses of one person', () => {
  it('R1 R2 R33: a device is reached at each of its SIP addresses and telephone numbers, and knows them all; anything else is not an address', async () => {
    const core = await startCore({
      domain: 'lab.test',
      users: [
        { name: 'alice', password: 'secret' },
        { name: 'bob', password: 'secret', identities: ['sip:robert@lab.test', 'tel:+15550111'] },
      ],
    });
    try {
      const alice = await devices.registered('alice', core.uri);
      const bob = await devices.registered('bob', core.uri);
      const addresses = ['sip:bob@lab.test', 'sip:robert@lab.test', 'tel:+15550111'];
      expect(bob.client.registration.identities).toEqual(addresses);
      const pager = { icsi: ICSIS.msg, conversationId: 'c', contributionId: 'k', contentType: 'text/plain' };
      for (const target of addresses) {
        const body = new TextEncoder().encode(target);
        expect((await alice.client.sendPager({ ...pager, target, body })).status).toBe(200);
        expect(new TextDecoder().decode(bob.messages.at(-1)?.body)).toBe(target);
      }
      expect(bob.messages).toHaveLength(3);
      const toNobody = alice.client.sendPager({ ...pager, target: 'https://lab.test/bob', body: new Uint8Array(1) });
      await expect(toNobody).rejects.toMatchObject({ code: 'account/bad-address' });
      await devices.close();
    } finally {
      await core.close();
    }
  });
});

describe('the command as a process', () => {
  const running: ChildProcess[] = [];
  beforeAll(() => ensureBuilt('command'));
  const folders: string[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  /** The command as a process of its own. Resolves with its instance ID once it is registered. */
  async function registered(data: string, more: readonly string[] = []): Promise<{ child: ChildProcess; instanceId: string }> {
    const args = ['--data', data, '--aor', 'sip:carol@lab.test', '--password', 'secret', '--proxy', network.uris.tcp, ...more];
    const child = spawn(process.execPath, ['out/cli.cjs', 'client', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    running.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as { event?: string; state?: string; re?: number; value?: { instanceId: string } };
      if (said.event === 'registration' && said.state === 'registered') child.stdin?.write('{"id":1,"do":"identity"}\n');
      if (said.re === 1) return { child, instanceId: said.value?.instanceId ?? '' };
    }
    throw new Error('the command ended before it was registered');
  }

  const newFolder = () => {
    const data = mkdtempSync(join(tmpdir(), 'chorus-command-'));
    folders.push(data);
    return data;
  };

  it.each([
    ['an IMEI', ['--imei', '90420156025763', '--meid', 'A00000ABCDEF12'], /^urn:gsma:imei:90420156-025763-0$/],
    ['a MEID', ['--meid', 'A00000ABCDEF12'], /^urn:device-id:meid:A00000AB-CDEF12-0$/],
    ['neither', [], /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4/],
  ])('R12: is identified by its hardware: with %s', async (_hardware, options, urn) => {
    const { instanceId } = await registered(newFolder(), options);
    expect(instanceId).toMatch(urn);
    expect(network.bindings('sip:carol@lab.test').map((binding) => binding.instanceId)).toContain(instanceId);
  });

  it('R18: killed right after its first registration, it starts again as the same device', async () => {
    const data = newFolder();
    const first = await registered(data);
    const gone = new Promise((resolve) => first.child.once('exit', resolve));
    first.child.kill('SIGKILL');
    await gone;
    const second = await registered(data);
    expect(second.instanceId).toBe(first.instanceId);
    const bound = network.bindings('sip:carol@lab.test').filter((binding) => binding.instanceId === first.instanceId);
    expect(bound).toHaveLength(1);
  });
});

describe('one person of several addresses', () => {
  it('R2 R33: chooses which address to write from, everywhere or in one chat, and appears under it, also in the group that continues the chat', async () => {
    const network = await startNetwork({
      users: [
        { name: 'alice', password: 'secret', identities: ['sip:sales@lab.test', 'tel:+15550100'] },
        { name: 'bob', password: 'secret' },
        { name: 'carol', password: 'secret' },
      ],
    });
    try {
      const start = (name: string) =>
        startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });
      const [alice, bob, carol] = await Promise.all([start('alice'), start('bob'), start('carol')]);
      expect((await alice.call('snapshot', {})).account).toMatchObject({
        addresses: ['sip:alice@lab.test', 'sip:sales@lab.test', 'tel:+15550100'],
        writesAs: null,
      });
      const hears = (who: TestClient, text: string) =>
        who.until(`it hears “${text}”`, () => who.events.find((event) => event.event === 'message' && event.text === text) ?? null);
      await alice.call('writeAs', { address: 'sip:sales@lab.test' });
      await alice.call('sendText', { to: carol.address, text: 'usual' });
      expect(await hears(carol, 'usual')).toMatchObject({ from: 'sip:sales@lab.test' });

      const { conversation } = await alice.call('openConversation', { to: bob.address });
      await alice.call('writeAs', { address: 'tel:+15550100', conversation });
      await alice.call('sendText', { conversation, text: 'by number', mode: 'pager' });
      const heard = await hears(bob, 'by number');
      expect(heard).toMatchObject({ from: 'tel:+15550100' });
      expect(sipRequests(alice, 'out', 'MESSAGE')[0]).not.toContain('sales');
      await alice.call('writeAs', { address: null, conversation });
      await alice.call('writeAs', { address: 'sip:sales@lab.test', conversation });
      await alice.call('sendText', { conversation, text: 'from sales' });
      expect(await hears(bob, 'from sales')).toMatchObject({ from: 'sip:sales@lab.test' });
      await alice.until('its 1-1 stands', async () =>
        (await alice.call('conversations', {})).find((one) => one.conversation === conversation && one.session === 'established'),
      );
      const group = await alice.call('addPeople', { conversation, people: [carol.address] });
      await alice.until('its 1-1 is replaced', async () =>
        (await alice.call('conversations', {})).find((one) => one.conversation === conversation && one.session === 'replaced'),
      );
      await bob.until('it is in the group', async () => (await bob.call('conversations', {})).find((one) => one.kind === 'group'));
      const participants = await alice.until('its own place in the roster is its own', async () => {
        const all = await alice.call('participants', { conversation: group.conversation });
        return all.some((one) => one.self && one.state === 'connected') ? all : null;
      });
      expect(participants.map((one) => [one.address, one.self])).toEqual([
        ['sip:sales@lab.test', true],
        ['sip:bob@lab.test', false],
        ['sip:carol@lab.test', false],
      ]);
      expect(await alice.tryCall('writeAs', { address: 'sip:bob@lab.test' })).toMatchObject({
        ok: false,
        error: { code: 'account/bad-address' },
      });
    } finally {
      await closeClients();
      await network.close();
    }
  });
});
