/** What is written in a group to one member alone: to whom it goes, what is kept of it, and whose receipts count. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../preload/contract/errors';
import { encodeCpim } from '../../../protocol/cpim';
import { encodeImdn } from '../../../protocol/imdn';
import { createLab, FakeInvite, type FakeMsrp, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const focus = 'sip:grp-1@cf.lab.test';

const roster = (people: readonly string[]) =>
  `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><users>${people
    .map((one) => `<user entity="${one}" state="full"><endpoint entity="${one};gr=x"><status>connected</status></endpoint></user>`)
    .join('')}</users></conference-info>`;

/** A group with Bob and Carol that this device is in. */
async function joined(): Promise<{ group: string; media: FakeMsrp }> {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy: bob },
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  lab.subscriptions[0]?.onDocument.emit(roster([lab.self, bob, carol]));
  const media = lab.media.at(-1);
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
  if (media === undefined || group === undefined) throw new Error('no group');
  return { group: group.conversation, media };
}

const textFrom = (from: string, to: string, messageId: string) =>
  encodeCpim({
    from,
    to: [to],
    messageId,
    dispositions: ['positive-delivery', 'display'],
    contentType: 'text/plain;charset=UTF-8',
    body: new TextEncoder().encode(`text of ${messageId}`),
  });

const readBy = (from: string, message: string, kind: 'delivery' | 'display' = 'display') =>
  encodeCpim({
    from,
    to: [lab.self],
    messageId: `${from} ${message} ${kind}`,
    contentType: 'message/imdn+xml',
    body: encodeImdn({ messageId: message, dateTime: 1, kind, status: kind === 'display' ? 'displayed' : 'failed', recipient: from }),
  });

const sentTo = (media: FakeMsrp) => media.sent.flatMap(({ body }) => /^To: .*$/m.exec(body) ?? []);

describe('a private message in a group', () => {
  it('names the one member and never the group, and its record says for whom it is', async () => {
    const { group, media } = await joined();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Between us', 'session', 'bob');
    await lab.settle();
    expect(sentTo(media)).toEqual([`To: <${bob}>`]);
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ message, state: 'sent', onlyWith: bob }]);
    lab.messenger.texts.send({ conversation: group }, 'For all', 'session');
    await lab.settle();
    expect(sentTo(media)).toEqual([`To: <${bob}>`, `To: <${focus}>`]);
    expect(lab.messenger.chats.messages(group, {}, 50).at(-1)).not.toHaveProperty('onlyWith');
  });

  it('is read as soon as that one has read it; a receipt of anybody else counts for nothing', async () => {
    const { group, media } = await joined();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Between us', 'session', bob);
    await lab.settle();
    await media.deliver(readBy(carol, message));
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ state: 'sent', receipts: [] }]);
    await media.deliver(readBy(bob, message));
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ state: 'displayed', receipts: [{ address: bob }] }]);
  });

  it('has failed when its one reader says so', async () => {
    const { group, media } = await joined();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Between us', 'session', bob);
    await lab.settle();
    await media.deliver(readBy(bob, message, 'delivery'));
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ state: 'failed', error: { code: 'message/undelivered' } }]);
  });

  it('is refused by the switch when that one has left: it has failed, says why, and goes to the same one when it is tried again', async () => {
    const { group, media } = await joined();
    media.failWith = new AppError('msrp/rejected', { status: 404, reason: 'Recipient Not In Group' }, 'user');
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Between us', 'session', bob);
    await lab.settle();
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([
      { state: 'failed', onlyWith: bob, error: { code: 'msrp/rejected', meaning: 'not-in-group' } },
    ]);
    media.failWith = null;
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(sentTo(media)).toEqual([`To: <${bob}>`]);
  });

  it('comes in as one, is found as one, and is answered to its sender', async () => {
    const { group, media } = await joined();
    await media.deliver(textFrom(carol, lab.self, 'p-1'));
    await media.deliver(textFrom(carol, focus, 'g-1'));
    await lab.settle();
    const [first, second] = lab.messenger.chats.messages(group, {}, 50);
    expect(first).toMatchObject({ message: 'p-1', from: carol, onlyWith: carol });
    expect(second).not.toHaveProperty('onlyWith');
    expect(await lab.messenger.search.find('text', 50)).toMatchObject([{ message: 'g-1' }, { message: 'p-1', onlyWith: carol }]);
    lab.messenger.texts.markDisplayed(group, 'g-1');
    await lab.settle();
    expect(sentTo(media)).toEqual(Array(4).fill(`To: <${carol}>`));
  });

  it('of another device of one’s own is shown as what it is', async () => {
    const { group, media } = await joined();
    await media.deliver(textFrom(lab.self, bob, 'e-1'));
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ direction: 'out', state: 'sent', onlyWith: bob }]);
    // Also of somebody whom no roster has named yet.
    await media.deliver(textFrom(lab.self, 'sip:dave@lab.test', 'e-2'));
    await media.deliver(textFrom(lab.self, focus, 'e-3'));
    expect(lab.messenger.chats.messages(group, {}, 50).map((one) => one.onlyWith)).toEqual([bob, 'sip:dave@lab.test', undefined]);
  });

  it('is not claimed of what names several people, or nobody', async () => {
    const { group, media } = await joined();
    for (const [id, to] of Object.entries({ both: [lab.self, carol], nobody: [] }))
      await media.deliver(encodeCpim({ from: bob, to, messageId: id, contentType: 'text/plain', body: new TextEncoder().encode(id) }));
    expect(lab.messenger.chats.messages(group, {}, 50).map((one) => [one.text, one.onlyWith])).toEqual([
      ['both', undefined],
      ['nobody', undefined],
    ]);
  });

  it('is told about while it is typed, to that one alone', async () => {
    const { group, media } = await joined();
    lab.messenger.texts.composing(group, true, bob);
    await lab.settle();
    expect(sentTo(media)).toEqual([`To: <${bob}>`]);
  });

  it('has a draft of its own for each member, over a restart and until the chat is deleted', async () => {
    const { group } = await joined();
    lab.messenger.chats.setDraft(group, 'for all');
    lab.messenger.chats.setDraft(group, 'for Bob', bob);
    lab.messenger.chats.setDraft(group, 'for Carol', 'carol');
    const kept = {
      draft: 'for all',
      privateDrafts: [
        { address: bob, text: 'for Bob' },
        { address: carol, text: 'for Carol' },
      ],
    };
    expect(lab.messenger.chats.one(group)).toMatchObject(kept);
    expect(lab.events.at(-1)).toMatchObject({ event: 'conversation', ...kept });
    const before = lab.events.length;
    lab.messenger.chats.setDraft(group, 'for Bob', bob);
    expect(lab.events).toHaveLength(before);
    lab.messenger.chats.setDraft(group, '', bob);
    expect(lab.messenger.chats.one(group).privateDrafts).toEqual([{ address: carol, text: 'for Carol' }]);
    lab.messenger.chats.delete(group);
    expect(lab.history.privateDrafts(group)).toEqual([]);
  });

  it('goes to nobody who is not in the group, to nobody blocked, not to oneself, and is nothing for a 1-1', async () => {
    const { group, media } = await joined();
    for (const nobody of ['dave', lab.self])
      expect(() => lab.messenger.texts.send({ conversation: group }, 'x', 'session', nobody)).toThrow('ipc/refused');
    expect(() => lab.messenger.texts.send({ to: bob }, 'x', 'session', bob)).toThrow('ipc/refused');
    lab.state.blocked.add(bob);
    expect(() => lab.messenger.texts.send({ conversation: group }, 'x', 'session', bob)).toThrow('conversation/blocked');
    await lab.settle();
    expect(media.sent).toEqual([]);
    expect(lab.messenger.chats.messages(group, {}, 50)).toEqual([]);
  });
});
