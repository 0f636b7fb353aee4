import { afterEach, describe, expect, it } from 'vitest';
import type { SipAccount } from '../../main/sip/client';
import { softwareSim } from '../../main/sip/stack/auth';
import { type Network, type NetworkOptions, startNetwork } from '../../network/network';
import { SipDevice } from '../support/peers/sip-device';
import { type Device, Devices } from '../support/stages/sip-clients';
import { elapse } from '../support/waiting';

const SIM = { k: '465b5ce8b199b49faa5f0a2ee238a6bc', op: 'cdc202d5123e20f62b6d676ac72cb318' };
const users = [
  { name: 'alice', password: 'secret', sim: SIM, early: ['127.0.0.1'] },
  { name: 'bob', password: 'secret', sim: { ...SIM, k: SIM.op }, early: ['192.0.2.8'] },
  { name: 'carol', password: 'secret' },
];
const devices = new Devices();
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await devices.close();
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function network(options: NetworkOptions): Promise<Network> {
  const net = await startNetwork({ users, ...options });
  open.push(net);
  return net;
}

/** A SIM and the number it keeps. */
function sim(start: number, k = SIM.k) {
  const kept = { sqn: start };
  const card = softwareSim({ k, op: SIM.op, opc: null }, { load: () => kept.sqn, save: (sqn) => (kept.sqn = sqn) });
  return { kept, card };
}

/** The Authorization values that a client sent, in order; null for none. */
const proofs = (device: Device) =>
  device
    .ladder()
    .filter((message) => message.startsWith('> REGISTER'))
    .map((message) => /^authorization: (.*)$/im.exec(message)?.[1]?.trim() ?? null);
const algorithmOf = (proof: string | null) => /algorithm=([\w-]+)/.exec(proof ?? '')?.[1] ?? null;

async function signIn(net: Network, changes: Partial<SipAccount> = {}, person = 'alice'): Promise<Device> {
  const device = devices.make(person, net.uris.tcp, changes);
  await device.client.registration.register();
  return device;
}

describe('the client at networks that ask in different ways', () => {
  it('R36 R37: Digest with MD5, SHA-256, SHA-512-256 or the stronger of two, as the network requests', async () => {
    for (const [auth, algorithm] of [
      ['md5', 'MD5'],
      ['sha256', 'SHA-256'],
      ['sha512-256', 'SHA-512-256'],
      ['both', 'SHA-256'],
    ] as const) {
      const net = await network({ auth });
      const device = await signIn(net);
      expect(proofs(device).map(algorithmOf)).toEqual([null, algorithm]);
      expect(net.bindings('sip:alice@lab.test')).toHaveLength(1);
    }
  });

  it('R37: AKA with a SIM: the identity first, then RES; a SIM whose SQN is ahead re-synchronises the network and is accepted', async () => {
    const net = await network({ auth: 'aka' });
    const fresh = sim(0);
    const device = await signIn(net, { authScheme: 'aka', sim: fresh.card, authUser: 'alice@lab.test' });
    const [named, answered] = proofs(device);
    expect(named).toContain('username="alice@lab.test"');
    expect(named).toContain('nonce="", uri="sip:lab.test", response=""');
    expect(algorithmOf(answered ?? null)).toBe('AKAv1-MD5');
    expect(fresh.kept.sqn).toBe(32);
    expect(net.bindings('sip:alice@lab.test')).toHaveLength(1);

    const ahead = sim(5_000);
    const other = await signIn(net, { authScheme: 'auto', sim: ahead.card, authUser: 'alice@lab.test' });
    const [, resync, right] = proofs(other);
    expect(resync).toMatch(/auts="[A-Za-z0-9+/]{19}="/);
    expect(right).not.toContain('auts=');
    expect(ahead.kept.sqn).toBe(5_032);
    expect(net.bindings('sip:alice@lab.test')).toHaveLength(2);
  });

  it('R37: a network that does not know the key of the SIM gets an empty response, and the client stays out', async () => {
    const net = await network({ auth: 'aka' });
    const stranger = sim(0, SIM.k.replace('4', '5'));
    const device = devices.make('alice', net.uris.tcp, { authScheme: 'aka', sim: stranger.card });
    await expect(device.client.registration.register()).rejects.toMatchObject({ code: 'account/unproven-network' });
    const last = proofs(device).at(-1) ?? '';
    expect(last).toContain('response=""');
    expect(last).not.toContain('auts');
    expect(device.ladder().at(-1)).toMatch(/^< SIP\/2\.0 403/);
    expect(net.bindings('sip:alice@lab.test')).toEqual([]);
  });

  it('R37: early IMS: no Authorization at all, and only from the person’s own network address', async () => {
    const net = await network({ auth: 'early' });
    const device = await signIn(net, { authScheme: 'early-ims', password: '' });
    expect(proofs(device)).toEqual([null]);
    await expect(signIn(net, { authScheme: 'early-ims' }, 'bob')).rejects.toThrow();
    expect([net.bindings('sip:alice@lab.test').length, net.bindings('sip:bob@lab.test').length]).toEqual([1, 0]);
  });

  it('auth-int, the next nonce and a nonce that is stale are all followed', async () => {
    const net = await network({ qop: ['auth-int'], nextNonce: true, nonceLifetimeMs: 2_000 });
    const device = await signIn(net);
    expect(proofs(device)[1]).toContain('qop=auth-int');
    const nonce = (index: number) => /nonce="([^"]*)"/.exec(proofs(device).at(index) ?? '')?.[1];
    await device.client.registration.rename('Renamed');
    expect(proofs(device)).toHaveLength(3);
    expect(nonce(2)).not.toBe(nonce(1));
    await elapse(2_050, "the nonce becomes stale after 2 s of the server's clock");
    await device.client.registration.rename('Renamed again');
    expect(proofs(device)).toHaveLength(5);
    expect(net.bindings('sip:alice@lab.test').map(({ displayName }) => displayName)).toEqual(['Renamed again']);
  });
});

describe('a bare user agent at a network of SIMs', () => {
  it('R28: is refused without a SIM, and its password alone is never accepted', async () => {
    const net = await network({ auth: 'aka' });
    const carol = await SipDevice.start({ proxy: net.uris.tcp, aor: 'sip:carol@lab.test' });
    open.push(carol);
    expect((await carol.register()).status).toBe(403);
    const alice = await SipDevice.start({ proxy: net.uris.tcp, aor: 'sip:alice@lab.test' });
    open.push(alice);
    const asked = await alice.send(alice.registerRequest());
    expect([asked.status, asked.all('www-authenticate').length]).toEqual([401, 1]);
    expect(asked.get('www-authenticate')).toMatch(
      /^Digest realm="lab\.test", nonce="[A-Za-z0-9+/]{43}=", algorithm=AKAv1-MD5, qop="auth"$/,
    );
    expect(net.bindings('sip:alice@lab.test')).toEqual([]);
  });
});
