import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { cpmHeader } from '../../protocol/cpm-headers';
import { SipDevice } from '../support/peers/sip-device';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

/** People outside of CPM: written to by their own URI, and writing from another service. */
let network: Network;
let seen: { role: string; text: string }[] = [];
beforeAll(async () => {
  network = await startNetwork({
    tap: ({ role, direction, bytes }) => {
      if (direction === 'in') seen.push({ role, text: new TextDecoder().decode(bytes) });
    },
  });
});
afterAll(() => network.close());
beforeEach(() => {
  seen = [];
  printLadderOnFailure();
});
afterEach(() => closeClients());

const client = (name: string): Promise<TestClient> =>
  startClient({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });
const atInterworking = () => seen.filter(({ role, text }) => role === 'isf' && /^(INVITE|MESSAGE) /.test(text)).map(({ text }) => text);

describe('people outside of CPM', () => {
  it.each(['mailto:someone@example.org', 'wv:someone@example.org'])(
    'R3: a client writes to %s by that URI, which reaches the interworking function unchanged',
    async (address) => {
      const alice = await client('alice');
      for (const mode of ['session', 'pager'] as const) {
        const { message, conversation } = await alice.call('sendText', { to: address, text: 'Hello out there', mode });
        const failed = await alice.until('it is told that nobody takes it', async () => {
          const own = (await alice.call('messages', { conversation })).find((one) => one.message === message);
          return own?.state === 'failed' ? own : null;
        });
        expect(failed.error).toMatchObject({ code: 'sip/rejected', status: 416, warning: expect.stringContaining('No gateway serves') });
      }
      const [invite, pager] = atInterworking();
      expect(invite).toMatch(new RegExp(`^INVITE ${address} SIP/2\\.0`));
      expect(pager).toMatch(new RegExp(`^MESSAGE ${address} SIP/2\\.0`));
      expect(headerValues(invite ?? '', 'To')[0]).toContain(`<${address}>`);
    },
  );

  it('R3: a group requested with such a person, who cannot join, starts with the others', async () => {
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    const { conversation } = await alice.call('openConversation', { to: bob.address });
    const { conversation: group } = await alice.call('addPeople', { conversation, people: ['mailto:someone@example.org'] });
    const roster = await alice.until('the outcome is known for both', async () => {
      const all = await alice.call('participants', { conversation: group });
      const state = (address: string) => all.find((one) => one.address === address)?.state;
      return state('mailto:someone@example.org') === 'disconnected' && state(bob.address) === 'connected' ? all : null;
    });
    expect(roster.find((one) => one.address.startsWith('mailto:'))?.reason).toBe('failed');
    expect(atInterworking().map((text) => text.split('\r\n')[0])).toEqual(['INVITE mailto:someone@example.org SIP/2.0']);
  });

  it.each([null, 'sms'])('R4: a message that names its service as %s is accepted, and the trace shows the service', async (service) => {
    const alice = await client('alice');
    const gateway = await SipDevice.start({ proxy: network.uris.tcp, aor: 'sip:dave@lab.test', name: 'Gateway', regId: 1 });
    try {
      await gateway.register();
      const message = gateway.request('MESSAGE', alice.address).setBody('message/cpim', new TextEncoder().encode(envelope));
      message.set('Accept-Contact', '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"');
      if (service !== null) message.set(cpmHeader.nonCpmService, service);
      expect((await gateway.send(message)).status).toBe(200);
      await alice.until(
        'it has the text',
        () => alice.events.find((event) => event.event === 'message' && event.text === 'From a phone') ?? null,
      );
      expect(headerValues(sipRequests(alice, 'in', 'MESSAGE')[0] ?? '', cpmHeader.nonCpmService)).toEqual(
        service === null ? [] : [service],
      );
    } finally {
      await gateway.close();
    }
  });
});

const envelope = [
  'From: <sip:dave@lab.test>',
  'To: <sip:alice@lab.test>',
  'NS: imdn <urn:ietf:params:imdn>',
  'imdn.Message-ID: outside-1',
  'DateTime: 2026-11-23T09:00:00Z',
  '',
  'Content-Type: text/plain;charset=UTF-8',
  '',
  'From a phone',
].join('\r\n');
