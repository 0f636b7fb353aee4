import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Network } from '../../network/network';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

let network: Network;
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
  startClient({ name, address: `sip:${name.replace(/-.*/, '')}@lab.test`, proxy: network.uris.tcp, factory: network.factory, ...more });

const received = (one: TestClient, text: string) =>
  one.until(
    `it has received “${text}”`,
    () => one.events.find((event) => event.event === 'message' && event.direction === 'in' && event.text === text) ?? null,
  );

const messageState = (one: TestClient, message: string, state: string) =>
  one.until(
    `message is ${state}`,
    () => one.events.find((event) => event.event === 'message' && event.message === message && event.state === state) ?? null,
  );

const conversation = async (one: TestClient, kind: 'oneToOne' | 'group') =>
  (await one.call('conversations', {})).find((candidate) => candidate.kind === kind);

async function talk() {
  const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
  const sent = await alice.call('sendText', { to: bob.address, text: 'Hello Bob' });
  const arrived = await received(bob, 'Hello Bob');
  await messageState(alice, sent.message, 'delivered');
  return { alice, bob, sent, arrived };
}

describe.each(networks)('at $name', ({ start }) => {
  beforeAll(async () => {
    network = await start();
  });
  afterAll(() => network.close());

  describe('a 1-1 chat', () => {
    it('R9/R40/R42/R45: passes directly from device to device, with delivered and read receipts', async () => {
      const { alice, bob, sent } = await talk();
      const [theirs] = await bob.call('conversations', {});
      await bob.call('markDisplayed', { conversation: theirs?.conversation ?? '', upTo: sent.message });
      await messageState(alice, sent.message, 'displayed');
      const reply = await bob.call('sendText', { conversation: theirs?.conversation ?? '', text: 'Hi Alice, 🙂 grüß dich' });
      await received(alice, 'Hi Alice, 🙂 grüß dich');
      await messageState(bob, reply.message, 'delivered');
      const [invite] = sipRequests(alice, 'out', 'INVITE');
      const identity = await alice.call('identity', {});
      expect(invite).toMatch(/^INVITE sip:bob@lab\.test SIP\/2\.0/);
      expect(headerValues(invite ?? '', 'Contact')[0]).toContain(identity.pubGruu);
      expect(headerValues(invite ?? '', 'Accept-Contact')[0]).toContain('icsi.oma.cpm.session"');
      expect(sipRequests(bob, 'out', 'INVITE')).toEqual([]);
    });

    it('tells who is typing, on which device, and ends with BYE', async () => {
      const { alice, bob, sent } = await talk();
      const mine = await alice.until('the session stands', async () => {
        const own = await conversation(alice, 'oneToOne');
        return own?.session === 'established' ? own : null;
      });
      expect(mine).toMatchObject({ peerDevice: { name: 'bob' } });
      await alice.call('composing', { conversation: sent.conversation, active: true });
      await bob.until('it sees the typing', () => bob.events.find((event) => event.event === 'composing' && event.active) ?? null);
      await alice.call('closeSession', { conversation: sent.conversation });
      await bob.until('its session has ended', async () => ((await conversation(bob, 'oneToOne'))?.session === 'ended' ? true : null));
      expect(sipRequests(alice, 'out', 'BYE')).toHaveLength(1);
    });

    it('reaches every device of a person, and one of them answers', async () => {
      const [alice, laptop, tablet] = await Promise.all([client('alice'), client('bob-laptop'), client('bob-tablet')]);
      const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'Anybody?' });
      await Promise.all([received(laptop, 'Anybody?'), received(tablet, 'Anybody?')]);
      await messageState(alice, message, 'delivered');
      const states = async () => [(await conversation(laptop, 'oneToOne'))?.session, (await conversation(tablet, 'oneToOne'))?.session];
      const oneHolds = async () => ((await states()).filter((state) => state === 'established').length === 1 ? true : null);
      // Each is looked at when it hears something itself: whichever changes last tells.
      await Promise.any([laptop, tablet].map((device) => device.until('one device holds the session', oneHolds)));
    });

    it('two people who write at the same moment both reach each other, once, in one session', async () => {
      const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
      for (let round = 0; round < 5; round++) {
        const [one, other] = await Promise.all([
          alice.call('sendText', { to: bob.address, text: `from Alice ${round}` }),
          bob.call('sendText', { to: alice.address, text: `from Bob ${round}` }),
        ]);
        await Promise.all([received(bob, `from Alice ${round}`), received(alice, `from Bob ${round}`)]);
        await Promise.all([messageState(alice, one.message, 'delivered'), messageState(bob, other.message, 'delivered')]);
        const texts = (await bob.call('messages', { conversation: other.conversation })).map((message) => message.text);
        expect(texts.filter((text) => text.endsWith(` ${round}`))).toHaveLength(2);
        await alice.until('both agree on one session', async () => {
          const states = [(await conversation(alice, 'oneToOne'))?.session, (await conversation(bob, 'oneToOne'))?.session];
          return states.every((state) => state === 'established') ? true : null;
        });
        await alice.call('closeSession', { conversation: one.conversation });
        await bob.until('the session has ended', async () => ((await conversation(bob, 'oneToOne'))?.session === 'ended' ? true : null));
      }
    });

    it('R87: waits in the network when nobody is there, and is delivered when somebody comes', async () => {
      const alice = await client('alice');
      const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'Later' });
      await messageState(alice, message, 'sent');
      const bob = await client('bob');
      await received(bob, 'Later');
      await messageState(alice, message, 'delivered');
    });
  });

  describe('adding people', () => {
    it('R55/R58/R59/R69: the 1-1 is replaced by a group in which everybody reads everybody', async () => {
      const { alice, bob, sent } = await talk();
      const carol = await client('carol');
      const oneToOne = sipRequests(alice, 'out', 'INVITE')[0] ?? '';
      const { conversation: group } = await alice.call('addPeople', {
        conversation: sent.conversation,
        people: [carol.address],
        subject: 'Lunch',
      });

      await bob.until('its 1-1 is replaced', async () => ((await conversation(bob, 'oneToOne'))?.session === 'replaced' ? true : null));
      await alice.until('its 1-1 is replaced', async () => ((await conversation(alice, 'oneToOne'))?.session === 'replaced' ? true : null));
      const everybody = (one: TestClient) =>
        one.until('everybody is connected', async () => {
          const own = await conversation(one, 'group');
          const all = own === undefined ? [] : await one.call('participants', { conversation: own.conversation });
          return all.length === 3 && all.every((participant) => participant.state === 'connected') ? all : null;
        });
      for (const one of [alice, bob, carol])
        expect((await everybody(one)).map((participant) => participant.address).sort()).toEqual(
          [alice, bob, carol].map((each) => each.address).sort(),
        );

      // R59, R77: the BYE is B's, in the 1-1's dialog.
      const [bye] = sipRequests(bob, 'out', 'BYE');
      expect(headerValues(bye ?? '', 'Call-ID')).toEqual(headerValues(oneToOne, 'Call-ID'));
      expect(headerValues(bye ?? '', 'Reason')[0]).toContain('cause=200');
      expect(sipRequests(alice, 'out', 'BYE')).toEqual([]);

      // R52, R55: the mark is on B's entry and in B's invitation alone.
      const contribution = headerValues(oneToOne, 'Contribution-ID')[0] ?? 'none';
      const toBob = sipRequests(bob, 'in', 'INVITE').find((text) => text.includes('isfocus')) ?? '';
      const toCarol = sipRequests(carol, 'in', 'INVITE')[0] ?? '';
      expect(headerValues(toBob, 'Session-Replaces')).toEqual([contribution]);
      expect(headerValues(toCarol, 'Session-Replaces')).toEqual([]);
      expect(toCarol).not.toContain(contribution);

      const first = await alice.call('sendText', { conversation: group, text: 'Welcome, both' });
      await Promise.all([received(bob, 'Welcome, both'), received(carol, 'Welcome, both')]);
      await messageState(alice, first.message, 'delivered');
      const carols = await conversation(carol, 'group');
      expect(carols).toMatchObject({ subject: 'Lunch', continues: null });
      await carol.call('sendText', { conversation: carols?.conversation ?? '', text: 'Thanks' });
      await Promise.all([received(alice, 'Thanks'), received(bob, 'Thanks')]);
      const bobs = await conversation(bob, 'group');
      expect((await conversation(bob, 'oneToOne'))?.continuedBy).toBe(bobs?.conversation);
      await Promise.all([
        bob.call('markDisplayed', { conversation: bobs?.conversation ?? '', upTo: first.message }),
        carol.call('markDisplayed', { conversation: carols?.conversation ?? '', upTo: first.message }),
      ]);
      await messageState(alice, first.message, 'displayed');
    });

    it('R60/R61: Carol joins although Bob declines the move; the 1-1 stays', async () => {
      const alice = await client('alice');
      const bob = await client('bob', { preferences: { accept: 'ask' } });
      const carol = await client('carol');
      const { conversation: oneToOne } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
      const asked = await bob.until('it is asked', () => bob.events.find((event) => event.event === 'invitation') ?? null);
      if (asked.event !== 'invitation') throw new Error('no invitation');
      await bob.call('answer', { invitation: asked.invitation, accept: false });
      const { conversation: group } = await alice.call('addPeople', { conversation: oneToOne, people: [carol.address] });
      const again = await bob.until(
        'it is asked for the group',
        () => bob.events.find((event) => event.event === 'invitation' && event.kind === 'group') ?? null,
      );
      if (again.event !== 'invitation') throw new Error('no invitation');
      await bob.call('answer', { invitation: again.invitation, accept: false });
      const roster = await alice.until('Bob is out', async () => {
        const all = await alice.call('participants', { conversation: group });
        return all.find((one) => one.address === bob.address)?.state === 'disconnected' ? all : null;
      });
      expect(roster.find((one) => one.address === carol.address)?.state).toBe('connected');
    });

    it('R58/R60: Bob is asked whether the 1-1 may move, declines, and continues it with Alice, who is in the group with Carol', async () => {
      const { alice, bob, arrived } = await talk();
      const carol = await client('carol');
      await bob.call('setPreferences', { ...(await bob.call('snapshot', {})).preferences, accept: 'ask' });
      const own = await alice.until('her 1-1 stands', async () => {
        const found = await conversation(alice, 'oneToOne');
        return found?.session === 'established' ? found : null;
      });
      const { conversation: group } = await alice.call('addPeople', { conversation: own.conversation, people: [carol.address] });
      const asked = await bob.until('it is asked', () => bob.events.find((event) => event.event === 'invitation') ?? null);
      if (asked.event !== 'invitation' || arrived.event !== 'message') throw new Error('no invitation');
      expect(asked).toMatchObject({ kind: 'group', replaces: arrived.conversation });
      await bob.call('answer', { invitation: asked.invitation, accept: false });
      const stays = await alice.until('the 1-1 goes on', async () => {
        const found = await conversation(alice, 'oneToOne');
        return found?.continuedBy === null ? found : null;
      });
      expect(stays.session).toBe('established');
      expect(await conversation(bob, 'oneToOne')).toMatchObject({ session: 'established', continuedBy: null });
      await alice.call('sendText', { conversation: own.conversation, text: 'between us' });
      await received(bob, 'between us');
      await alice.call('sendText', { conversation: group, text: 'for Carol' });
      await received(carol, 'for Carol');
      expect(sipRequests(bob, 'out', 'BYE')).toEqual([]);
      expect(bob.events.some((event) => event.event === 'message' && event.text === 'for Carol')).toBe(false);
    });

    it('R65: A gets her 200 at the first acceptance by anyone, and a refusal if nobody accepts', async () => {
      const alice = await client('alice');
      const [bob, carol] = await Promise.all([
        client('bob', { preferences: { accept: 'ask' } }),
        client('carol', { preferences: { accept: 'ask' } }),
      ]);
      const { conversation: oneToOne } = await alice.call('openConversation', { to: bob.address });
      let answered = false;
      const adding = alice.tryCall('addPeople', { conversation: oneToOne, people: [carol.address] }).then((result) => {
        answered = true;
        return result;
      });
      const asked = async (one: TestClient) => {
        const event = await one.until('it is asked', () => one.events.find((candidate) => candidate.event === 'invitation') ?? null);
        return event.event === 'invitation' ? event.invitation : '';
      };
      const [bobs, carols] = await Promise.all([asked(bob), asked(carol)]);
      expect(answered).toBe(false);
      await carol.call('answer', { invitation: carols, accept: true });
      const result = await adding;
      expect(result).toMatchObject({ ok: true });
      const group = result.ok ? result.value.conversation : '';
      const stateOfBob = async () =>
        (await alice.call('participants', { conversation: group })).find((one) => one.address === bob.address)?.state;
      await alice.until('Bob is still being asked', async () =>
        ['alerting', 'dialing-out', 'pending'].includes((await stateOfBob()) ?? '') ? true : null,
      );
      await bob.call('answer', { invitation: bobs, accept: true });
      await alice.until('Bob is in', async () => ((await stateOfBob()) === 'connected' ? true : null));
    });

    it('somebody declines and nobody joins: A is told so, and the 1-1 stays as it was', async () => {
      const alice = await client('alice');
      const bob = await client('bob', { preferences: { accept: 'ask' } });
      const { conversation: oneToOne } = await alice.call('openConversation', { to: bob.address });
      const adding = alice.tryCall('addPeople', { conversation: oneToOne, people: ['sip:dave@lab.test'] });
      const asked = await bob.until('it is asked', () => bob.events.find((event) => event.event === 'invitation') ?? null);
      if (asked.event === 'invitation') await bob.call('answer', { invitation: asked.invitation, accept: false });
      expect(await adding).toMatchObject({ ok: false, error: { code: 'group/nobody-joined', status: 486 } });
      expect((await alice.call('conversations', {})).map((one) => [one.kind, one.continuedBy])).toEqual([['oneToOne', null]]);
    });

    it('a group grows: Dave is added and reads the messages from then on', async () => {
      const { alice, bob, sent } = await talk();
      const [carol, dave] = await Promise.all([client('carol'), client('dave')]);
      const { conversation: group } = await alice.call('addPeople', { conversation: sent.conversation, people: [carol.address] });
      await bob.until('it is in the group', async () => ((await conversation(bob, 'group'))?.session === 'established' ? true : null));
      const bobs = await conversation(bob, 'group');
      expect(await bob.call('addPeople', { conversation: bobs?.conversation ?? '', people: [dave.address] })).toEqual({
        conversation: bobs?.conversation,
      });
      await dave.until('it is in the group', async () => ((await conversation(dave, 'group'))?.session === 'established' ? true : null));
      await alice.until('four are in', async () => {
        const all = await alice.call('participants', { conversation: group });
        return all.filter((one) => one.state === 'connected').length === 4 ? true : null;
      });
      await alice.call('sendText', { conversation: group, text: 'Hello Dave' });
      await Promise.all([bob, carol, dave].map((one) => received(one, 'Hello Dave')));
    });

    it('a group is left for good, and the others see it', async () => {
      const { alice, bob, sent } = await talk();
      const carol = await client('carol');
      const { conversation: group } = await alice.call('addPeople', { conversation: sent.conversation, people: [carol.address] });
      const bobs = await bob.until('it is in the group', async () => {
        const own = await conversation(bob, 'group');
        return own?.session === 'established' ? own : null;
      });
      await carol.until('it is in the group', async () => ((await conversation(carol, 'group'))?.session === 'established' ? true : null));
      await bob.call('leave', { conversation: bobs.conversation });
      await alice.until('Bob has left', async () => {
        const all = await alice.call('participants', { conversation: group });
        const one = all.find((candidate) => candidate.address === bob.address);
        return one?.state === 'disconnected' && one.reason === 'departed' ? true : null;
      });
      const { message } = await alice.call('sendText', { conversation: group, text: 'Only us now' });
      await received(carol, 'Only us now');
      await messageState(alice, message, 'delivered');
      expect((await bob.call('messages', { conversation: bobs.conversation })).map((one) => one.text)).not.toContain('Only us now');
    });
  });

  describe('reliability', () => {
    it('R18/R72: after a restart the instance ID and the conversation are the same, and the device rejoins the group', async () => {
      const { alice, bob, sent } = await talk();
      const carol = await client('carol');
      const { conversation: group } = await alice.call('addPeople', { conversation: sent.conversation, people: [carol.address] });
      const before = await alice.call('identity', {});
      await alice.close();
      const again = await client('alice', { dataDir: alice.dataDir });
      const after = await again.call('identity', {});
      expect(after.instanceId).toBe(before.instanceId);
      expect(after.pubGruu).toBe(before.pubGruu);
      await again.until('it is back in the group', async () =>
        (await conversation(again, 'group'))?.session === 'established' ? true : null,
      );
      await again.call('sendText', { conversation: group, text: 'Back again' });
      await Promise.all([received(bob, 'Back again'), received(carol, 'Back again')]);
    });
  });
});
