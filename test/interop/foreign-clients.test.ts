/** SIP clients that nobody here has written, which know nothing of CPM, at the embedded network and behind a real Kamailio: people have friends who use them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../../network/core/lab-authority';
import type { Network } from '../../network/network';
import { startBaresip } from '../support/peers/baresip';
import type { ForeignProgram } from '../support/peers/foreign-program';
import { startLinphone, words } from '../support/peers/linphone';
import { Capture } from '../support/peers/packet-judge';
import { messageState, received } from '../support/stages/chat-steps';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

const alice = 'sip:alice@lab.test';
const bob = 'sip:bob@lab.test';

/** Where they meet: at both cores, over a transport that tshark can read and over one that nobody can. */
const places = networks.flatMap((at) => (['tcp', 'tls'] as const).map((transport) => ({ ...at, transport })));

let network: Network;
let proxy: string;
/** For TLS: what both trust. */
let trusted: { ca: string; file: string } | null = null;
const started = new Map<string, Network>();
let authority: LabAuthority;
let capture: Capture;
/** MESSAGEs over tcp that left the clients of all stories, or came to them. */
let carried = 0;
const foreign: ForeignProgram[] = [];
const mine: TestClient[] = [];
const portOf = ({ uris }: Network) => Number(/:(\d+);/.exec(uris.tcp)?.[1]);

beforeAll(async () => {
  authority = await createLabAuthority({ domain: 'lab.test', address: '127.0.0.1' });
  // baresip takes a challenge of SHA-256 for one that nobody can answer, although MD5 is offered beside it.
  for (const { name, start } of networks) started.set(name, await start({ auth: 'md5', tlsPort: 0, key: authority.key }));
  capture = await Capture.start([...started.values()].map(portOf));
});
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  for (const one of mine.splice(0))
    if (trusted === null) carried += sipRequests(one, 'in', 'MESSAGE').length + sipRequests(one, 'out', 'MESSAGE').filter(isTaken).length;
  await Promise.all(foreign.splice(0).map((one) => one.dispose()));
});
afterAll(async () => {
  capture?.dispose();
  for (const one of started.values()) await one.close();
  await authority?.dispose();
});

/** Kamailio asks for the password at the first request of each kind, which goes no further then. */
const isTaken = (request: string) => network === started.get(networks[0]?.name ?? '') || /^proxy-authorization:/im.test(request);

const client = async () => {
  const trust = trusted === null ? {} : { ca: [trusted.ca] };
  const one = await startClient({ name: 'alice', address: alice, proxy, factory: network.factory, ...trust });
  mine.push(one);
  return one;
};

const texts = (one: TestClient) =>
  one.events.flatMap((event) => (event.event === 'message' && event.direction === 'in' && event.state === 'received' ? event.text : []));

const composing = (one: TestClient, active: boolean) =>
  one.until(`${bob} ${active ? 'types' : 'has stopped'}`, () =>
    one.events.find((event) => event.event === 'composing' && event.from === bob && event.active === active),
  );

describe.each(places)('at $name, over $transport', ({ name, transport }) => {
  beforeAll(() => {
    network = started.get(name) ?? network;
    proxy = network.uris[transport] ?? '';
    trusted = transport === 'tls' ? { ca: authority.ca, file: authority.caFile } : null;
  });

  describe('liblinphone', () => {
    const linphone = async () => {
      const agent = await startLinphone({ identity: bob, proxy, ca: trusted?.file });
      foreign.push(agent);
      return agent;
    };

    it('writes in CPIM and hears delivered, then displayed', async () => {
      const [one, agent] = [await client(), await linphone()];
      agent.tell(words('send', alice, 'Grüße 🎉'));
      const arrived = await received(one, 'Grüße 🎉');
      expect(arrived.from).toBe(bob);
      await agent.hears(words('state', 'Grüße 🎉', 'delivered-to-user'));
      await one.call('markDisplayed', { conversation: arrived.conversation, upTo: arrived.message });
      await agent.hears(words('state', 'Grüße 🎉', 'displayed'));
    });

    // What is said is the same over TLS, where one story of each shows that it is said.
    if (transport === 'tcp') {
      it('is written to by pager, and says delivered, then displayed, both compressed', async () => {
        const [one, agent] = [await client(), await linphone()];
        const { message } = await one.call('sendText', { to: bob, text: 'Grüße 🎉', mode: 'pager' });
        await agent.hears(words('message', alice, 'Grüße 🎉'));
        await messageState(one, message, 'delivered');
        agent.tell(words('read', alice));
        await messageState(one, message, 'displayed');
        // It compresses what nobody reads: receipts and composing states.
        const receipts = sipRequests(one, 'in', 'MESSAGE');
        expect(receipts.map((request) => headerValues(request, 'Content-Encoding'))).toEqual([['deflate'], ['deflate']]);
      });

      it('types, and is seen to; and sees when it is written to', async () => {
        const [one, agent] = [await client(), await linphone()];
        agent.tell(words('send', alice, 'Hello'));
        const { conversation } = await received(one, 'Hello');
        agent.tell(words('composing', alice));
        await composing(one, true);
        agent.tell(words('send', alice, 'Are you there?'));
        await received(one, 'Are you there?');
        await composing(one, false);
        await one.call('composing', { conversation, active: true });
        await agent.hears(words('composing', alice, '1'));
        await one.call('composing', { conversation, active: false });
        await agent.hears(words('composing', alice, '0'));
      });
    }
  });

  describe('baresip', () => {
    const baresip = async () => {
      const program = await startBaresip({ identity: bob, proxy, contact: alice, ca: trusted?.file });
      foreign.push(program);
      return program;
    };

    it('writes bare text/plain, and is read; the same words once more are another message', async () => {
      const [one, program] = [await client(), await baresip()];
      for (const count of [1, 2]) {
        program.tell('/message just text');
        await one.until(`${count} have come`, () => (texts(one).length === count ? true : null));
      }
      expect(texts(one)).toEqual(['just text', 'just text']);
      const [request = ''] = sipRequests(one, 'in', 'MESSAGE');
      expect(headerValues(request, 'Content-Type')).toEqual(['text/plain']);
      // It asks for no receipt, and would not understand one.
      expect(sipRequests(one, 'out', 'MESSAGE')).toEqual([]);
    });

    if (transport === 'tcp') {
      it('refuses CPIM with 415, and reads the bare text that comes instead', async () => {
        const [one, program] = [await client(), await baresip()];
        const { message } = await one.call('sendText', { to: bob, text: 'Grüße 🎉', mode: 'pager' });
        await program.hears('Grüße 🎉');
        await messageState(one, message, 'sent');
        const types = sipRequests(one, 'out', 'MESSAGE')
          .filter(isTaken)
          .map((request) => headerValues(request, 'Content-Type')[0]);
        expect(types).toEqual(['message/cpim', 'text/plain;charset=UTF-8']);
        expect(program.said).not.toContain('imdn');
      });
    }
  });
});

describe('tshark', () => {
  it('has read every message of these stories, and found no fault', async () => {
    const verdict = await capture.read({ sip: [...started.values()].map(portOf), msrp: [] });
    expect(verdict.faults).toEqual([]);
    // Each is captured twice: between one of the two and the network, and between the network and the other; Kamailio asks for some again.
    expect(carried).toBeGreaterThan(12);
    expect(verdict.counts.get('sip MESSAGE')).toBeGreaterThanOrEqual(2 * carried);
  });
});
