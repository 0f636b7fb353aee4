/** Who is who: the name that a person is known by, and strangers whose names could deceive. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RemoteParty } from '../../../main/sip/client';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const dave = 'sip:dave@lab.test';
const focus = 'sip:grp-1@cf.lab.test';
let count = 0;

/** A text in an invitation of its own. The conversation it came into. */
async function textFrom(address: string, more: Partial<RemoteParty> = {}, text = 'hi') {
  count += 1;
  const body = new TextEncoder().encode(
    `From: <${address}>\r\nTo: <sip:alice@lab.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m${count}\r\n\r\nContent-Type: text/plain\r\n\r\n${text}`,
  );
  const remote = remoteParty(address, more);
  const headers = { contributionId: `k${count}`, conversationId: `conversation with ${address}` };
  const invite = new FakeInvite({ remote, headers, parts: [{ contentType: 'message/cpim', headers: new Map(), body }] });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  return { invite, message: `m${count}` };
}

const chatWith = (address: string) => {
  const chat = lab.messenger.chats.all().find((one) => one.kind === 'oneToOne' && one.people[0]?.address === address);
  if (chat === undefined) throw new Error(`no chat with ${address}`);
  return chat;
};
const called = (address: string) => chatWith(address).people[0];

describe('the name that a person is known by', () => {
  it('is what a stranger says last, until this person writes to them; then what they say themselves changes nothing', async () => {
    await textFrom(dave, { displayName: 'Dave' });
    await textFrom(dave, { displayName: 'Dave Rossi' });
    expect(called(dave)).toEqual({ address: dave, name: 'Dave Rossi' });
    lab.messenger.texts.send({ to: dave }, 'Hello', 'pager');
    const { message } = await textFrom(dave, { displayName: 'Erin' });
    expect(called(dave)).toEqual({ address: dave, name: 'Dave Rossi' });
    expect(lab.history.message(message, 'in')?.fromName).toBe('Dave Rossi');
  });

  it('is that of an invitation that this person has accepted', async () => {
    lab.setPreferences({ accept: 'ask' });
    await textFrom(dave, { displayName: 'Dave Rossi' });
    const [asked] = lab.messenger.invitations.list();
    await Promise.allSettled([lab.messenger.invitations.answer(asked?.invitation ?? '', true, false)]);
    await textFrom(dave, { displayName: 'Erin' });
    expect(called(dave)?.name).toBe('Dave Rossi');
  });

  it('is the first one that is said where this person wrote to a bare address', async () => {
    lab.messenger.texts.send({ to: dave }, 'Hello', 'pager');
    expect(called(dave)?.name).toBe('dave');
    await textFrom(dave, { displayName: 'Dave Rossi' });
    await textFrom(dave, { displayName: 'Erin' });
    expect(called(dave)?.name).toBe('Dave Rossi');
  });

  it('is changed by the own network for its own people, and old messages keep the old one', async () => {
    const far = 'sip:dave@far.test';
    for (const address of [dave, far]) {
      await textFrom(address, { displayName: 'Dave' });
      lab.messenger.texts.send({ to: address }, 'Hello', 'pager');
    }
    const old = `m${count - 1}`;
    await textFrom(dave, { displayName: 'Dr Rossi', assertedName: 'Dr Rossi' });
    await textFrom(far, { displayName: 'Dr Rossi', assertedName: 'Dr Rossi' });
    expect([called(dave)?.name, called(far)?.name]).toEqual(['Dr Rossi', 'Dave']);
    expect(lab.history.message(old, 'in')?.fromName).toBe('Dave');
  });

  it('beats what a group says, on the card, in the roster and at the message', async () => {
    await textFrom(dave, { displayName: 'Dave Rossi' });
    lab.messenger.texts.send({ to: dave }, 'Hello', 'pager');
    const { media, group } = await groupOf([dave, 'Bob'], ['sip:stranger@lab.test', 'Stranger']);
    await media.deliver(groupText(dave));
    expect(lab.messenger.chats.participants(group).map((one) => one.name)).toEqual(['Alice', 'Dave Rossi', 'Stranger']);
    expect(lab.messenger.chats.messages(group, {}, 10)[0]).toMatchObject({ from: dave, fromName: 'Dave Rossi' });
  });

  it('is kept over a restart, and over the deletion of the chat', async () => {
    await textFrom(dave, { displayName: 'Dave Rossi' });
    lab.messenger.texts.send({ to: dave }, 'Hello', 'pager');
    lab.messenger.chats.delete(chatWith(dave).conversation);
    await textFrom(dave, { displayName: 'Erin' });
    expect(called(dave)?.name).toBe('Dave Rossi');
  });
});

describe('a stranger', () => {
  it.each([
    ['Bob', 'the same name'],
    ['bob', 'in another case'],
    ['В\u043eb', 'with letters that look alike'],
    ['B\u200bob', 'with something invisible'],
    ['Bob Miller', 'with the same first word'],
    ['Alice', 'the own name'],
    ['carol@lab.test', 'the address of somebody else'],
    ['carol＠lab.test', 'the same, with another @'],
    ['sip:carol', 'an address'],
    ['+49 170 5551234', 'a number'],
    ['Dave (0170/5551234)', 'a number in a name'],
    ['٠١٧٠٥٥٥١٢٣٤', 'a number in other digits'],
  ])('called %s (%s) is shown with the address', async (displayName) => {
    const mallory = 'sip:mallory@evil.test';
    await textFrom(mallory, { displayName });
    expect(called(mallory)).toMatchObject({ address: mallory, showAddress: true });
    expect(chatWith(mallory).last).toMatchObject({ from: mallory, showAddress: true });
  });

  it.each([
    ['sip:mallory@evil.test', 'Mallory'],
    ['sip:mallory@evil.test', 'Agent 007'],
    ['sip:dave@lab.test', 'dave@lab.test'],
    ['tel:+491705551234', '+49 170 555 1234'],
    ['sip:+491705551234@lab.test', '+49 (170) 5551234'],
    ['sip:100200@lab.test', '100200'],
  ])('%s called %s is shown as they are', async (address, displayName) => {
    await textFrom(address, { displayName });
    expect(called(address)?.showAddress).toBeUndefined();
    expect(chatWith(address).last?.showAddress).toBeUndefined();
  });

  it('has the address with the name made from it, where that is another person’s', async () => {
    await textFrom('sip:bob@evil.test');
    expect(called('sip:bob@evil.test')).toEqual({ address: 'sip:bob@evil.test', name: 'bob', showAddress: true });
  });

  it('whom somebody known is called like from now on is told again, with the address', async () => {
    const mallory = 'sip:mallory@evil.test';
    await textFrom(mallory, { displayName: 'Dave Rossi' });
    await textFrom(dave, { displayName: 'Dave Rossi' });
    expect(called(mallory)?.showAddress).toBeUndefined();
    lab.messenger.texts.send({ to: dave }, 'Hello', 'pager');
    expect(called(dave)?.showAddress).toBeUndefined();
    expect(lab.events.findLast((event) => event.event === 'conversation' && event.people[0]?.address === mallory)).toMatchObject({
      people: [{ showAddress: true }],
    });
    // Whoever becomes known later does not take the name over.
    await lab.clock.advance(1);
    lab.messenger.texts.send({ to: mallory }, 'Who are you?', 'pager');
    expect([called(dave)?.showAddress, called(mallory)?.showAddress]).toEqual([undefined, true]);
  });

  it('is shown with the address on an invitation’s card, in the roster, by a nickname, and in what a search finds', async () => {
    lab.setPreferences({ accept: 'ask' });
    const mallory = 'sip:mallory@evil.test';
    await textFrom(mallory, { displayName: 'Bob' }, 'a needle');
    expect(lab.messenger.invitations.list()[0]).toMatchObject({
      from: { address: mallory, showAddress: true },
      people: [{ showAddress: true }],
    });
    expect((await lab.messenger.search.find('needle', 10))[0]).toMatchObject({ from: mallory, showAddress: true });
    lab.setPreferences({ accept: 'auto' });
    const { group } = await groupOf([mallory, 'Bob'], [dave, 'Dave', 'C\u0430rol']);
    expect(lab.messenger.chats.participants(group).map((one) => [one.address, one.showAddress])).toEqual([
      [lab.self, undefined],
      [mallory, true],
      [dave, true],
    ]);
  });
});

async function groupOf(...people: readonly (readonly [string, string, string?])[]) {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy: people[0]?.[0] ?? null },
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  const users = [[lab.self, 'Alice'] as const, ...people].map(
    ([address, name, nickname]) =>
      `<user entity="${address}" state="full"><display-text>${name}</display-text>${nickname === undefined ? '' : `<nickname xmlns="urn:ietf:params:xml:ns:xcon-conference-info">${nickname}</nickname>`}<endpoint entity="${address};gr=x"><status>connected</status></endpoint></user>`,
  );
  lab.subscriptions
    .at(-1)
    ?.onDocument.emit(
      `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><users>${users.join('')}</users></conference-info>`,
    );
  const media = lab.media.at(-1);
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
  if (media === undefined || group === undefined) throw new Error('no group');
  return { media, group: group.conversation };
}

const groupText = (from: string) =>
  `From: <${from}>\r\nTo: <${focus}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: g1\r\n\r\nContent-Type: text/plain\r\n\r\nhello`;
