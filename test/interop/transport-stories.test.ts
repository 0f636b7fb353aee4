/** The same life of a 1-1 chat over every transport, at our own core and at a real Kamailio. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import type { Network } from '../../network/network';
import { Capture } from '../support/peers/packet-judge';
import { messageState, received, session } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

let authority: LabAuthority;
let capture: Capture;
const started = new Map<string, Network>();
const portOf = ({ uris }: Network) => Number(/:(\d+);/.exec(uris.tcp)?.[1]);
/** INVITEs of the stories over tcp. */
let sent = 0;

beforeAll(async () => {
  authority = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
  for (const { name, start } of networks) started.set(name, await start({ tlsPort: 0, wsPort: 0, wssPort: 0, key: authority.key }));
  capture = await Capture.start([...started.values()].map(portOf));
});
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());
afterAll(async () => {
  capture?.dispose();
  await Promise.all([...started.values()].map((network) => network.close()));
  await authority?.dispose();
});

/** A text, its receipts, and the same the other way. */
async function exchange(one: TestClient, other: TestClient, text: string): Promise<string> {
  const { message, conversation } = await one.call('sendText', { to: other.address, text });
  const arrived = await received(other, text);
  await messageState(one, message, 'delivered');
  await other.call('markDisplayed', { conversation: arrived.conversation, upTo: message });
  await messageState(one, message, 'displayed');
  return conversation;
}

describe.each(networks)('at $name', ({ name }) => {
  it.each(['tcp', 'tls', 'ws', 'wss'] as const)(
    'over %s two chat with receipts, end their session and begin another; who declines is heard',
    async (transport) => {
      const network = started.get(name);
      const proxy = network?.uris[transport] ?? '';
      const client = (user: string, accept: 'auto' | 'ask' = 'auto') =>
        startClient({
          ...{ name: user, address: `sip:${user}@lab.test`, proxy, factory: network?.factory ?? '', ca: [authority.ca] },
          preferences: { accept },
        });
      const [alice, bob, carol] = await Promise.all([client('alice'), client('bob'), client('carol', 'ask')]);
      const sipWire = [alice, bob, carol].flatMap((one) => one.wire.filter((record) => record.protocol === 'sip'));
      expect(new Set(sipWire.map((record) => record.transport))).toEqual(new Set([transport]));

      const conversation = await exchange(alice, bob, `Grüße 🎉 ${transport}`);
      await exchange(bob, alice, `zurück ${transport}`);
      expect(sipRequests(alice, 'in', 'INVITE')).toEqual([]);
      await alice.call('closeSession', { conversation });
      await session(bob, 'ended');
      // Another session of the same conversation, asked for by the other side.
      expect(await exchange(bob, alice, `again ${transport}`)).toBe((await bob.call('conversations', {}))[0]?.conversation);
      const [first = '', second = ''] = [sipRequests(alice, 'out', 'INVITE'), sipRequests(bob, 'out', 'INVITE')].map(
        (all) => all.at(-1) ?? '',
      );
      const named = (invite: string, header: string) => headerValues(invite, header)[0];
      expect(named(first, 'Conversation-ID')).toMatch(/./);
      expect(named(second, 'Conversation-ID')).toBe(named(first, 'Conversation-ID'));
      expect(named(second, 'Contribution-ID')).not.toBe(named(first, 'Contribution-ID'));

      const asked = alice.tryCall('openSession', { to: carol.address });
      const { invitation } = await carol.until('she is asked', async () => (await carol.call('snapshot', {})).invitations[0]);
      await carol.call('answer', { invitation, accept: false, everywhere: true });
      expect(await asked).toMatchObject({ ok: false, error: { code: 'sip/rejected', status: 603 } });
      const nobody = await alice.tryCall('openSession', { to: 'sip:mallory@lab.test' });
      expect(nobody).toMatchObject({ ok: false, error: { code: 'sip/rejected', status: 404 } });
      if (transport === 'tcp') sent += [alice, bob, carol].reduce((sum, one) => sum + sipRequests(one, 'out', 'INVITE').length, 0);
    },
  );
});

it('tshark has read the TCP traffic and found no fault', async () => {
  const verdict = await capture.read({ sip: [...started.values()].map(portOf), msrp: [] });
  expect(verdict.faults).toEqual([]);
  expect(sent).toBeGreaterThan(0);
  // Each is captured once a hop.
  expect(verdict.counts.get('sip INVITE')).toBeGreaterThanOrEqual(sent);
  expect(verdict.bodies.get('sdp')).toBeGreaterThan(5);
});
