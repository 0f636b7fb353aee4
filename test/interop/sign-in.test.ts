import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SecretBox } from '../../main/profile/settings';
import { createLabAuthority } from '../../network/core/lab-authority';
import { type Network, startNetwork } from '../../network/network';
import type { SignInOptions } from '../../preload/contract';
import { keychain } from '../support/doubles/keychain';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

/** What the window's sign-in can be told beyond address and password, at networks that ask for it; and that a restart knows it. */
let network: Network | null = null;
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  await network?.close();
  network = null;
});

const k = '465b5ce8b199b49faa5f0a2ee238a6bc';
const opc = 'cd63cb71954a9f4e48a5994e37a02baf';
const imei = '90420156-025763-7';
const imeiUrn = 'urn:gsma:imei:90420156-025763-0';

function profile(at: Network, dataDir?: string, secrets?: SecretBox): Promise<TestClient> {
  const { tcp } = at.uris;
  const kept = { ...(dataDir === undefined ? {} : { dataDir }), ...(secrets === undefined ? {} : { secrets: () => secrets }) };
  const where = { proxy: tcp, factory: at.factory, ...kept };
  return startClient({ name: 'alice', address: 'sip:alice@lab.test', stored: true, ...where });
}

const signIn = (client: TestClient, server: string, options: SignInOptions, password = 'secret') =>
  client.tryCall('signIn', { address: 'sip:alice@lab.test', password, server, deviceName: 'Laptop', options });

const registered = (client: TestClient) =>
  client.until('it is registered', async () => ((await client.call('snapshot', {})).registration.state === 'registered' ? true : null));

describe('a server that is only looked at', () => {
  it('is reached, proves its identity and answers over TLS and WebSocket, without learning who asks', async () => {
    const authority = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
    try {
      const heard: string[] = [];
      network = await startNetwork({
        tlsPort: 0,
        wssPort: 0,
        key: authority.key,
        tap: ({ direction, bytes }) => direction === 'in' && heard.push(new TextDecoder().decode(bytes)),
      });
      const client = await profile(network);
      const check = (server: string | undefined, ca?: string) =>
        client.call('checkServer', { address: 'alice@lab.test', server, ...(ca === undefined ? {} : { ca }) });
      for (const transport of ['tls', 'wss'] as const) {
        expect(await check(network.uris[transport] ?? undefined, authority.ca)).toMatchObject({
          places: [{ host: '127.0.0.1', transport, error: null }],
          certificate: { names: expect.arrayContaining(['lab.test']), until: expect.any(Number) },
          answer: { status: expect.any(Number) },
          error: null,
        });
      }
      expect(heard.join('')).not.toContain('alice');
      expect(heard).not.toEqual([]);
      heard.length = 0;
      expect(await check(network.uris.tls ?? undefined)).toMatchObject({
        certificate: null,
        answer: null,
        error: { code: 'net/untrusted' },
      });
      expect(heard).toEqual([]);
      expect(await check(network.uris.tcp)).toMatchObject({ certificate: null, error: null });
      expect(await client.tryCall('checkServer', { address: 'alice' })).toMatchObject({ error: { code: 'account/bad-address' } });
      expect(await client.tryCall('checkServer', { address: 'alice@lab.test', ca: 'none' })).toMatchObject({ error: { field: 'ca' } });
      expect((await client.call('snapshot', {})).account).toBeNull();
    } finally {
      await authority.dispose();
    }
  });
});

describe('a sign-in', () => {
  it('R16 R37: by SIM, with its IMEI as device ID; a restart signs in the same way without asking', async () => {
    network = await startNetwork({ auth: 'aka', users: [{ name: 'alice', password: 'secret', sim: { k, opc } }] });
    const first = await profile(network);
    const refused = await signIn(first, network.uris.tcp, { scheme: 'aka', sim: { k, op: null, opc }, imei: '90420156-025763-1' }, '');
    expect(refused).toMatchObject({ ok: false, error: { code: 'account/bad-option', field: 'imei' } });
    expect(sipRequests(first, 'out', 'REGISTER')).toEqual([]);
    const done = await signIn(first, network.uris.tcp, { scheme: 'aka', sim: { k, op: null, opc }, imei, expiresSeconds: 1200 }, '');
    expect(done).toMatchObject({ ok: true, value: { instanceId: imeiUrn } });
    const [register] = sipRequests(first, 'out', 'REGISTER');
    expect(headerValues(register ?? '', 'Contact')[0]).toContain(`+sip.instance="<${imeiUrn}>"`);
    expect(headerValues(register ?? '', 'Expires')).toEqual(['1200']);
    await first.close();
    const again = await profile(network, first.dataDir);
    await registered(again);
    expect(await again.call('identity', {})).toMatchObject({ instanceId: imeiUrn });
    expect(headerValues(sipRequests(again, 'out', 'REGISTER')[0] ?? '', 'Expires')).toEqual(['1200']);
  });

  it('R18: an IMEI that comes after the first registration is refused, and the ID stays', async () => {
    network = await startNetwork();
    const client = await profile(network);
    const done = await signIn(client, network.uris.tcp, {});
    expect(done).toMatchObject({ ok: true, value: { instanceId: expect.stringMatching(/^urn:uuid:/) } });
    await client.call('signOutEverywhere', {});
    const late = await signIn(client, network.uris.tcp, { imei });
    expect(late).toMatchObject({ ok: false, error: { code: 'account/bad-option', field: 'imei' } });
    const back = await signIn(client, network.uris.tcp, {});
    expect(back.ok && done.ok && back.value.instanceId === done.value.instanceId).toBe(true);
  });

  it('over TLS trusts the authority that was pasted, also after a restart, and none without it', async () => {
    network = await startNetwork({ tlsPort: 0 });
    const { tls } = network.uris;
    const client = await profile(network);
    expect(await signIn(client, tls ?? '', {})).toMatchObject({ ok: false, error: { code: 'net/untrusted' } });
    const ca = readFileSync(network.ca ?? '', 'utf8');
    expect(await signIn(client, tls ?? '', { ca })).toMatchObject({ ok: true });
    await client.close();
    await registered(await profile(network, client.dataDir));
  });

  it('with a floor for Digest never answers what is weaker', async () => {
    network = await startNetwork({ auth: 'md5' });
    const client = await profile(network);
    const refused = await signIn(client, network.uris.tcp, { minAlgorithm: 'SHA-256' });
    expect(refused).toMatchObject({ ok: false, error: { code: 'account/weak-sign-in' } });
    expect(sipRequests(client, 'out', 'REGISTER').join('\n')).not.toMatch(/response="[0-9a-f]/);
    expect(await signIn(client, network.uris.tcp, {})).toMatchObject({ ok: true });
  });
});

describe('a profile on a computer whose keychain is another one', () => {
  it.each(['moved', 'newDevice'] as const)(
    'R18: asks whether it was moved or copied, sends nothing before, sets the old history aside, and asks for the password: %s',
    async (choice) => {
      network = await startNetwork();
      const home = await profile(network, undefined, keychain('home'));
      const done = await signIn(home, network.uris.tcp, {});
      const id = done.ok ? done.value.instanceId : '';
      await home.call('sendText', { to: 'sip:bob@lab.test', text: 'told at home' });
      await home.close();
      const away = await profile(network, home.dataDir, keychain('away'));
      expect(await away.call('snapshot', {})).toMatchObject({
        fatal: null,
        clone: { instanceId: id, deviceName: 'Laptop' },
        conversations: [],
      });
      expect(sipRequests(away, 'out', 'REGISTER')).toEqual([]);
      const { instanceId } = await away.call('resolveClone', { choice, name: 'Studio' });
      expect(instanceId === id).toBe(choice === 'moved');
      expect((await away.call('snapshot', {})).registration).toMatchObject({ state: 'offline', error: { code: 'account/signed-out' } });
      expect(readdirSync(away.dataDir).some((name) => /^history-of-another-device-\d+\.db$/.test(name))).toBe(true);
      expect(sipRequests(away, 'out', 'REGISTER')).toEqual([]);
      expect(await signIn(away, network.uris.tcp, {})).toMatchObject({ ok: true, value: { instanceId } });
      await away.close();
      await registered(await profile(network, home.dataDir, keychain('away')));
    },
  );
});

describe('how chats are carried', () => {
  it('is set without signing out, said wrong in words by its field, and known after a restart', async () => {
    network = await startNetwork();
    const client = await profile(network);
    await signIn(client, network.uris.tcp, {});
    const bad = await client.tryCall('setMedia', { msrpRelay: 'sip:relay.lab.test' });
    expect(bad).toMatchObject({
      ok: false,
      error: { code: 'account/bad-option', field: 'msrpRelay', reason: expect.stringContaining('relay') },
    });
    const away = await client.tryCall('setMedia', { msrpRelay: 'msrp://127.0.0.1:1', mediaTls: 'never' });
    expect(away).toMatchObject({ ok: false, error: { code: 'msrp/relay', retry: 'auto' } });
    expect((await client.call('snapshot', {})).account).toMatchObject({ mediaTls: 'auto', msrpRelay: null });
    expect(await client.call('setMedia', { mediaTls: 'always' })).toEqual({ mediaTls: 'always', msrpRelay: null });
    expect(client.events.filter((event) => event.event === 'account').at(-1)).toMatchObject({ account: { mediaTls: 'always' } });
    const mixed = await client.tryCall('setMedia', { msrpRelay: 'msrp://127.0.0.1:1' });
    expect(mixed).toMatchObject({ ok: false, error: { code: 'account/bad-option', field: 'msrpRelay' } });
    expect(sipRequests(client, 'out', 'REGISTER').filter((text) => /Expires: 0|expires=0/.test(text))).toEqual([]);
    await client.close();
    const again = await profile(network, client.dataDir);
    await registered(again);
    expect((await again.call('snapshot', {})).account).toMatchObject({ mediaTls: 'always', msrpRelay: null });
  });
});

describe('what a device offers', () => {
  it('R25 R26: is in the account, and a change is registered at once and stored', async () => {
    network = await startNetwork();
    const client = await profile(network);
    await signIn(client, network.uris.tcp, {});
    const offers = async () => (await client.call('snapshot', {})).account?.offers;
    expect(await offers()).toEqual([
      { name: 'session', on: true },
      { name: 'pager', on: true },
      { name: 'large', on: true },
    ]);
    await client.call('setCapability', { name: 'pager', on: false });
    expect(await offers()).toContainEqual({ name: 'pager', on: false });
    expect(client.events.filter((event) => event.event === 'account').at(-1)).toMatchObject({
      account: { offers: expect.arrayContaining([{ name: 'pager', on: false }]) },
    });
    const icsi = network.bindings('sip:alice@lab.test')[0]?.params.get('+g.3gpp.icsi-ref') ?? '';
    expect(icsi).toContain('oma.cpm.session');
    expect(icsi).not.toContain('oma.cpm.msg');
    await client.close();
    const again = await profile(network, client.dataDir);
    await registered(again);
    expect((await again.call('snapshot', {})).account?.offers).toContainEqual({ name: 'pager', on: false });
  });
});
