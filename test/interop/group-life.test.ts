import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { ConversationValue, ParticipantValue } from '../../preload/contract';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { networks } from '../support/stages/kamailio-network';

let network: Network;
const folders: string[] = [];
beforeEach(() => printLadderOnFailure());
afterEach(async () => {
  await closeClients();
  await network.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}) =>
  startClient({ name, address: `sip:${name.replace(/-.*/, '')}@lab.test`, proxy: network.uris.tcp, factory: network.factory, ...more });

const texts = async (one: TestClient, conversation: string) =>
  (await one.call('messages', { conversation })).map((message) => message.text);

const groupOf = async (one: TestClient) => (await one.call('conversations', {})).find((each) => each.kind === 'group');

const inGroup = (one: TestClient) =>
  one.until('it is in the group', async () => {
    const group = await groupOf(one);
    return group?.joined === true && group.session === 'established' ? group : null;
  });

const reads = (one: TestClient, conversation: string, text: string) =>
  one.until(`it reads “${text}”`, async () => ((await texts(one, conversation)).includes(text) ? true : null));

const sees = (one: TestClient, conversation: string, what: string, test: (people: ParticipantValue[]) => boolean) =>
  one.until(what, async () => (test(await one.call('participants', { conversation })) ? true : null));

/** Alice, Bob and Carol in a group that has grown out of the 1-1 of Alice and Bob. */
async function group() {
  const [alice, bob, carol] = await Promise.all([client('alice'), client('bob'), client('carol')]);
  const sent = await alice.call('sendText', { to: bob.address, text: 'Hello Bob' });
  await alice.until('the 1-1 stands', () => alice.events.find((event) => event.event === 'message' && event.state === 'delivered') ?? null);
  const { conversation: alices } = await alice.call('addPeople', {
    conversation: sent.conversation,
    people: [carol.address],
    subject: 'Lunch',
  });
  const [bobs, carols] = await Promise.all([inGroup(bob), inGroup(carol)]);
  await sees(alice, alices, 'all three are in', (people) => people.filter((one) => one.state === 'connected').length === 3);
  return { alice, bob, carol, alices, bobs: bobs.conversation, carols: carols.conversation };
}

/** A white PNG of 1 x 1 points. */
const picture = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==';

const contributionOf = (state: ReturnType<Network['groups']>) => state.filter((one) => one.active).map((one) => one.contributionId);

describe.each(networks)('a group that lasts at $name', ({ start }) => {
  beforeEach(async () => {
    network = await start();
  });

  it('a member who was away reads the messages of that time, in order and once', async () => {
    const { alice, bob, carol, alices, bobs, carols } = await group();
    await carol.close();
    await sees(alice, alices, 'Carol is away', (people) => people.find((one) => one.address === carol.address)?.state === 'disconnected');
    await alice.call('sendText', { conversation: alices, text: 'one' });
    await reads(bob, bobs, 'one');
    await bob.call('sendText', { conversation: bobs, text: 'two' });
    await reads(alice, alices, 'two');
    const again = await client('carol', { dataDir: carol.dataDir });
    await reads(again, carols, 'two');
    expect(await texts(again, carols)).toEqual(['one', 'two']);
    await again.call('sendText', { conversation: carols, text: 'three' });
    await Promise.all([reads(alice, alices, 'three'), reads(bob, bobs, 'three')]);
    expect(await texts(alice, alices)).toEqual(['one', 'two', 'three']);
  });

  it('a member takes a nickname in the group, which everybody sees and nobody else can take', async () => {
    const { alice, bob, carol, alices, bobs, carols } = await group();
    const isCalled = (one: TestClient, conversation: string, who: TestClient, nickname: string | undefined) =>
      sees(
        one,
        conversation,
        `${who.address} is called ${nickname}`,
        (people) => people.find((each) => each.address === who.address)?.nickname === nickname,
      );
    await bob.call('setNickname', { conversation: bobs, nickname: 'The Builder' });
    await Promise.all([
      isCalled(alice, alices, bob, 'The Builder'),
      isCalled(bob, bobs, bob, 'The Builder'),
      isCalled(carol, carols, bob, 'The Builder'),
    ]);
    await expect(carol.call('setNickname', { conversation: carols, nickname: 'the builder' })).rejects.toThrow(/group\/nickname-taken/);
    await expect(carol.call('setNickname', { conversation: carols, nickname: 'Alice' })).rejects.toThrow(/group\/nickname-taken/);
    await bob.call('setNickname', { conversation: bobs, nickname: '' });
    await isCalled(alice, alices, bob, undefined);
    await carol.call('setNickname', { conversation: carols, nickname: 'The Builder' });
    await isCalled(bob, bobs, carol, 'The Builder');
  });

  it('the administrator removes somebody, who learns it; the others continue; nobody else may remove members', async () => {
    const { alice, bob, carol, alices, bobs, carols } = await group();
    await sees(bob, bobs, 'Alice is the administrator', (people) =>
      people.every((one) => one.administrator === (one.address === alice.address)),
    );
    await expect(bob.call('removePerson', { conversation: bobs, address: carol.address })).rejects.toThrow(/sip\/rejected.*403/);
    await alice.call('removePerson', { conversation: alices, address: carol.address });
    await carol.until('Carol is out', async () => ((await groupOf(carol))?.joined === false ? true : null));
    await sees(carol, carols, 'Carol is told why', (people) => people.find((one) => one.self)?.reason === 'booted');
    await sees(bob, bobs, 'Bob sees it', (people) => people.find((one) => one.address === carol.address)?.reason === 'booted');
    await alice.call('sendText', { conversation: alices, text: 'Only us' });
    await reads(bob, bobs, 'Only us');
    await expect(carol.call('sendText', { conversation: carols, text: 'Let me in' })).rejects.toThrow('conversation/no-session');
    expect(await texts(carol, carols)).toEqual([]);
    await alice.call('addPeople', { conversation: alices, people: [carol.address] });
    await inGroup(carol);
  });

  it('a later device is brought in automatically, and shows what its person writes elsewhere, once', async () => {
    const { alice, bob, carol, alices, bobs, carols } = await group();
    const phone = await client('bob-phone');
    const phones = (await inGroup(phone)).conversation;
    await sees(alice, alices, 'Bob is one person with two devices', (people) => {
      const one = people.find((each) => each.address === bob.address);
      return people.length === 3 && one?.devices.filter((device) => device.state === 'connected').length === 2;
    });
    await bob.call('sendText', { conversation: bobs, text: 'from my laptop' });
    await Promise.all([reads(phone, phones, 'from my laptop'), reads(alice, alices, 'from my laptop')]);
    await phone.call('sendText', { conversation: phones, text: 'from my phone' });
    await Promise.all([reads(bob, bobs, 'from my phone'), reads(alice, alices, 'from my phone')]);
    await bob.call('sendText', { conversation: bobs, text: 'only for Alice', onlyWith: alice.address });
    await Promise.all([reads(alice, alices, 'only for Alice'), reads(phone, phones, 'only for Alice')]);
    await alice.call('sendText', { conversation: alices, text: 'to both' });
    await Promise.all([reads(bob, bobs, 'to both'), reads(phone, phones, 'to both')]);
    const said = ['from my laptop', 'from my phone', 'only for Alice', 'to both'];
    expect([await texts(alice, alices), await texts(bob, bobs), await texts(phone, phones)]).toEqual([said, said, said]);
    const names = await Promise.all([bob, carol, phone].map(async (one) => (await one.call('snapshot', {})).account?.deviceName));
    // R78: what became of it is told for each device of each person.
    await alice.until('both devices of Bob, and Carol’s, have told of it', async () => {
      const last = (await alice.call('messages', { conversation: alices })).at(-1);
      const told = last?.receipts.filter((one) => one.disposition === 'delivered').map((one) => one.device);
      return JSON.stringify(told?.sort()) === JSON.stringify(names.sort()) ? true : null;
    });
    const own = (await phone.call('messages', { conversation: phones })).map((message) => message.direction);
    expect(own).toEqual(['out', 'out', 'out', 'in']);
    // What was for one member is marked as such at both sides and on both devices, and is nowhere else.
    const privately = async (one: TestClient, conversation: string) =>
      (await one.call('messages', { conversation })).flatMap(({ text, onlyWith }) => (onlyWith === undefined ? [] : [[text, onlyWith]]));
    expect(await Promise.all([privately(alice, alices), privately(bob, bobs), privately(phone, phones)])).toEqual([
      [['only for Alice', bob.address]],
      [['only for Alice', alice.address]],
      [['only for Alice', alice.address]],
    ]);
    await reads(carol, carols, 'to both');
    expect(await texts(carol, carols)).toEqual(said.filter((text) => text !== 'only for Alice'));
    // So it is with the next group, too, though no device has come or gone since.
    const other = await bob.call('sendText', { to: carol.address, text: 'Hello Carol' });
    await reads(carol, (await carol.call('openConversation', { to: bob.address })).conversation, 'Hello Carol');
    await bob.call('addPeople', { conversation: other.conversation, people: [alice.address] });
    await phone.until('it is in both groups', async () => {
      const groups = (await phone.call('conversations', {})).filter((one) => one.kind === 'group' && one.session === 'established');
      return groups.length === 2 ? true : null;
    });
    await bob.call('leave', { conversation: bobs });
    await phone.until('leaving is the person’s act', async () => {
      const left = (await phone.call('conversations', {})).find((one) => one.conversation === phones);
      return left?.session === 'established' ? null : true;
    });
  });

  it('a new name and a picture reach everybody, absent members when they come back', async () => {
    const { alice, bob, carol, bobs } = await group();
    await carol.close();
    await bob.call('renameGroup', { conversation: bobs, subject: 'Dinner' });
    await bob.call('setGroupIcon', { conversation: bobs, icon: picture });
    const named = (one: TestClient) =>
      one.until('it knows the name and the picture', async () => {
        const group = await groupOf(one);
        if (group?.subject !== 'Dinner' || group.icon === null) return null;
        return (await one.call('groupIcon', { conversation: group.conversation })).icon === picture ? true : null;
      });
    await Promise.all([named(alice), named(bob)]);
    await named(await client('carol', { dataDir: carol.dataDir }));
  });
});

describe('the network of a group restarts', () => {
  const stateFile = () => {
    const folder = mkdtempSync(join(tmpdir(), 'groups-'));
    folders.push(folder);
    return join(folder, 'groups.db');
  };

  async function restarted(first: Network, stateFile?: string): Promise<Network> {
    const tcpPort = Number(/:(\d+)/.exec(first.uris.tcp.replace('sip:', ''))?.[1]);
    await first.close();
    return startNetwork({ tcpPort, ...(stateFile === undefined ? {} : { stateFile }) });
  }

  async function goesOn({ alice, bob, carol, alices, bobs, carols }: Awaited<ReturnType<typeof group>>) {
    await Promise.all([inGroup(alice), inGroup(bob), inGroup(carol)]);
    await carol.call('sendText', { conversation: carols, text: 'Still there?' });
    await Promise.all([reads(alice, alices, 'Still there?'), reads(bob, bobs, 'Still there?')]);
    await alice.call('sendText', { conversation: alices, text: 'Yes' });
    await Promise.all([reads(carol, carols, 'Yes'), reads(bob, bobs, 'Yes')]);
    const all: ConversationValue[][] = await Promise.all([alice, bob, carol].map((one) => one.call('conversations', {})));
    expect(all.map((each) => each.filter((one) => one.kind === 'group').length)).toEqual([1, 1, 1]);
  }

  it('R72 R78: with its file, the same focus serves the same people', async () => {
    const file = stateFile();
    network = await startNetwork({ stateFile: file });
    const people = await group();
    const [before] = network.groups();
    network = await restarted(network, file);
    expect(network.groups()).toMatchObject([
      { focus: before?.focus, contributionId: before?.contributionId, subject: 'Lunch', active: true },
    ]);
    await goesOn(people);
    expect(network.groups()).toHaveLength(1);
  });

  it('R73: without it, all members restart the group at once, and it is one group with the same Contribution-ID and its picture', async () => {
    network = await startNetwork();
    const people = await group();
    await people.alice.call('setGroupIcon', { conversation: people.alices, icon: picture });
    const pictured = (one: TestClient) =>
      one.until('the picture is there', async () => ((await groupOf(one))?.icon === null ? null : true));
    await Promise.all([pictured(people.alice), pictured(people.bob), pictured(people.carol)]);
    const before = contributionOf(network.groups());
    network = await restarted(network);
    expect(network.groups()).toEqual([]);
    await goesOn(people);
    expect(contributionOf(network.groups())).toEqual(before);
    await people.carol.until('the network has its picture again', () => (network.groups()[0]?.icon === picture ? true : null));
    await Promise.all([pictured(people.alice), pictured(people.bob), pictured(people.carol)]);
  });

  it('R78: another instance of the Controlling Function serves the group when the first one dies', async () => {
    network = await startNetwork({ controllingInstances: 2 });
    const people = await group();
    const [before] = network.groups();
    await network.killControlling(0);
    await people.bob.call('sendText', { conversation: people.bobs, text: 'Anybody?' });
    await Promise.all([reads(people.alice, people.alices, 'Anybody?'), reads(people.carol, people.carols, 'Anybody?')]);
    await goesOn(people);
    expect(network.groups()).toMatchObject([{ focus: before?.focus, active: true }]);
  });
});

describe.each(networks)('a group that the operator has made at $name', ({ start }) => {
  it('R72: any member who joins by its address causes the others to be invited; nobody else is admitted, and no other address is a group', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'groups-'));
    folders.push(folder);
    const groupsFile = join(folder, 'groups.json');
    const members = ['alice', 'bob', 'carol'].map((name) => `sip:${name}@lab.test`);
    const team = 'sip:team@cf.lab.test';
    writeFileSync(
      groupsFile,
      JSON.stringify({ [team]: { subject: 'Team', type: 'closed', members, administrators: members.slice(0, 1) } }),
    );
    network = await start({ groupsFile });
    const [alice, bob, carol, dave] = await Promise.all([client('alice'), client('bob'), client('carol'), client('dave')]);
    const { conversation: bobs } = await bob.call('joinGroup', { address: team });
    const [alices, carols] = (await Promise.all([inGroup(alice), inGroup(carol)])).map((each) => each.conversation) as [string, string];
    await bob.call('sendText', { conversation: bobs, text: 'Morning' });
    await Promise.all([reads(alice, alices, 'Morning'), reads(carol, carols, 'Morning')]);
    expect((await groupOf(bob))?.subject).toBe('Team');
    await sees(carol, carols, 'Alice is the administrator', (people) =>
      people.every((one) => one.administrator === (one.address === alice.address)),
    );
    await expect(dave.call('joinGroup', { address: team })).rejects.toThrow(/group\/not-a-member.*403/);
    await expect(alice.call('joinGroup', { address: 'sip:nobody@cf.lab.test' })).rejects.toThrow(/group\/unknown.*404/);
    await expect(alice.call('joinGroup', { address: dave.address })).rejects.toThrow(/group\/unknown.*is no group/);
    await carol.call('leave', { conversation: carols });
    await sees(alice, alices, 'Carol has left', (people) => people.find((one) => one.address === carol.address)?.state === 'disconnected');
    expect(await carol.call('joinGroup', { address: team })).toEqual({ conversation: carols });
    await carol.call('sendText', { conversation: carols, text: 'Back again' });
    await reads(bob, bobs, 'Back again');
    expect(network.groups()).toMatchObject([{ focus: team, predefined: true, active: true }]);
  });
});
