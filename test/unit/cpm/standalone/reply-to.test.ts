/** Messages that ask for their answers at another address (OMA CPM Reply-to Indication). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IncomingPager } from '../../../../main/sip/client';
import { ICSI } from '../../../../protocol/feature-tags';
import { createLab, FakeInvite, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const desk = 'sip:desk@lab.test';
const cpim = (text: string) =>
  `From: <${bob}>\r\nTo: <sip:alice@lab.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ${text}\r\nDateTime: 2026-01-01T00:00:00Z\r\n\r\nContent-Type: text/plain\r\n\r\n${text}`;
const pager = (text: string, replyTo?: string, more: Partial<IncomingPager['remote']> = {}): IncomingPager => {
  const plain = incomingPager(remoteParty(bob, more), 'message/cpim', cpim(text), `${text} 1 MESSAGE`);
  return replyTo === undefined ? plain : { ...plain, headers: { ...plain.headers, replyTo } };
};
const take = async (message: IncomingPager) => {
  expect(await lab.messenger.incoming.pager(message)).toBe(200);
  await lab.settle();
};
const chat = () => {
  const [found] = lab.messenger.chats.all().filter(({ people }) => people[0]?.address === bob);
  if (found === undefined) throw new Error('no chat with Bob');
  return found;
};
const targets = () => [...lab.invites.map(({ request }) => request.target), ...lab.pagers.map(({ target }) => target)];

describe('R88: a message that asks for answers at another address', () => {
  it('says so before anything is sent, and the answer goes there, into the chat with that address', async () => {
    await take(pager('m1', desk));
    expect(chat()).toMatchObject({ repliesTo: desk, last: { replyTo: desk } });
    lab.messenger.texts.composing(chat().conversation, true);
    const sent = lab.messenger.texts.send({ conversation: chat().conversation }, 'my answer', 'session');
    await lab.settle();
    expect(sent.conversation).not.toBe(chat().conversation);
    expect(lab.messenger.chats.one(sent.conversation).people[0]?.address).toBe(desk);
    expect(targets()).toEqual([desk]);
  });

  it('holds until the other side writes without it, or the person wants to answer here', async () => {
    await take(pager('m1', desk));
    await take(pager('m2'));
    expect(chat()).not.toHaveProperty('repliesTo');
    await take(pager('m3', desk));
    lab.messenger.chats.answerHere(chat().conversation);
    expect(chat()).not.toHaveProperty('repliesTo');
    lab.messenger.texts.send({ conversation: chat().conversation }, 'to Bob', 'session');
    await lab.settle();
    expect(targets()).toEqual([bob]);
  });

  it.each([
    ['the network does not vouch for the sender', pager('m', desk, { asserted: false })],
    ['it is the sender anyway', pager('m', bob)],
    ['it is this account', pager('m', 'sip:alice@lab.test')],
    ['it came to an address that hides this account', { ...pager('m', desk), hides: true }],
  ])('is not believed where %s', async (_why, message) => {
    await take(message);
    const [found] = lab.messenger.chats.all();
    expect(found?.last?.text).toBe('m');
    expect(found).not.toHaveProperty('repliesTo');
    expect(found?.last).not.toHaveProperty('replyTo');
  });

  it('is not written to an address that is blocked', async () => {
    await take(pager('m1', desk));
    lab.state.blocked.add(desk);
    expect(() => lab.messenger.texts.send({ conversation: chat().conversation }, 'x', 'session')).toThrow('conversation/blocked');
    expect(targets()).toEqual([]);
  });

  it('may be a large message', async () => {
    const invite = new FakeInvite({
      remote: remoteParty(bob),
      headers: { contributionId: 'k', replyTo: desk },
      icsis: [ICSI.largemsg],
      direction: 'sendonly',
    });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    await lab.media[0]?.deliver(cpim('long'));
    expect(chat().repliesTo).toBe(desk);
  });
});

describe('R88: asking for answers at another address', () => {
  it('is said in the request of a pager message, and again when it is sent again', async () => {
    const { message } = lab.messenger.texts.send({ to: bob, replyTo: 'desk' }, 'hello', 'pager');
    await lab.settle();
    expect(lab.pagers.map(({ replyTo, target }) => [target, replyTo])).toEqual([[bob, desk]]);
    lab.history.setMessageState(message, 'failed', null, 'out');
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(lab.pagers.map(({ replyTo }) => replyTo)).toEqual([desk, desk]);
    expect(lab.invites).toEqual([]);
  });

  it('is said in the invitation of a large message', async () => {
    lab.state.able.set(bob, [ICSI.largemsg]);
    lab.messenger.texts.send({ to: bob, replyTo: desk }, 'x'.repeat(2_000), 'pager');
    await lab.settle();
    expect(lab.invites.map(({ request }) => [request.icsi, request.replyTo])).toEqual([[ICSI.largemsg, desk]]);
  });

  it('is refused for a chat, an anonymous text, and what is no address', () => {
    const send = (more: { anonymous?: boolean; replyTo: string }, mode: 'session' | 'pager') => () =>
      lab.messenger.texts.send({ to: bob, ...more }, 'x', mode);
    expect(send({ replyTo: desk }, 'session')).toThrow('ipc/refused');
    expect(send({ replyTo: desk, anonymous: true }, 'pager')).toThrow('ipc/refused');
    expect(send({ replyTo: 'no address at all' }, 'pager')).toThrow('account/bad-address');
    expect(lab.history.jobs()).toEqual([]);
  });
});
