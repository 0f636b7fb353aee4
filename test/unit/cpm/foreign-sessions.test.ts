/** Sessions with people whose client knows MSRP (RFC 4975) and nothing of CPM. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCpim } from '../../../protocol/cpim';
import { createLab, FakeInvite, type FakeMsrp, type Lab, peerSdp, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const utf8 = (text: string) => new TextEncoder().encode(text);
const stranger = () => remoteParty(bob, { lacksCpm: true, instanceId: null, gruu: null });
const textsOf = (media: FakeMsrp | undefined) =>
  media?.sent.map(({ contentType, body }) => {
    const envelope = contentType === 'message/cpim' ? parseCpim(utf8(body)) : null;
    return envelope?.ok ? new TextDecoder().decode(envelope.value.body) : body;
  });
const arrived = () =>
  lab.messenger.chats
    .all()
    .flatMap(({ conversation }) => lab.history.messages(conversation, { limit: 9 }))
    .filter(({ direction }) => direction === 'in')
    .map(({ content }) => content.text);

async function callTo(answer: { lacksCpm?: true } = { lacksCpm: true }, sdp = peerSdp('active')) {
  const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
  await lab.settle();
  const invite = lab.invites.at(-1);
  invite?.session.answer('active', answer, sdp);
  await lab.settle();
  return { message, conversation, invite, media: lab.media.at(-1) };
}

describe('somebody who answers without a word of CPM', () => {
  it('gets the first text again over MSRP, with the same Message-ID as inside the invitation; a CPM client gets it once', async () => {
    const { message, media, invite } = await callTo();
    expect(textsOf(media)).toEqual(['Hello']);
    const ids = [invite?.request.parts?.[0]?.body ?? utf8(''), utf8(media?.sent[0]?.body ?? '')].map((bytes) => {
      const envelope = parseCpim(bytes);
      return envelope.ok ? envelope.value.messageId : null;
    });
    expect(ids).toEqual([message, message]);
    expect(lab.stateOf(message)).toBe('sent');
    await lab.talkTo('sip:carol@lab.test');
    expect(lab.media.at(-1)?.sent).toEqual([]);
  });

  it('gets it bare where no envelope is taken, before the texts that were written meanwhile', async () => {
    lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    lab.messenger.texts.send({ to: bob }, 'Again', 'session');
    await lab.settle();
    lab.invites[0]?.session.answer('active', { lacksCpm: true }, peerSdp('active', { acceptTypes: ['text/plain'], wrappedTypes: [] }));
    await lab.settle();
    expect(lab.media[0]?.sent.map(({ contentType }) => contentType.split(';')[0])).toEqual(['text/plain', 'text/plain']);
    expect(textsOf(lab.media[0])).toEqual(['Hello', 'Again']);
  });

  it('is asked for a success report, which stands for "delivered"; without one the text stays sent', async () => {
    const { message, conversation, media } = await callTo();
    const second = lab.messenger.texts.send({ conversation }, 'Again', 'session').message;
    await lab.settle();
    expect([lab.stateOf(message), lab.stateOf(second), media?.hopedReports.length]).toEqual(['sent', 'sent', 2]);
    media?.hopedReports[0]?.();
    expect([lab.stateOf(message), lab.stateOf(second)]).toEqual(['delivered', 'sent']);
    expect(lab.history.receipts(message).map(({ address, disposition }) => [address, disposition])).toEqual([[bob, 'delivered']]);
  });

  it('has the text no second time where a receipt says that it was read inside the invitation', async () => {
    const { message } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    lab.history.setMessageState(message, 'delivered', null, 'out');
    lab.invites[0]?.session.answer('active', { lacksCpm: true });
    await lab.settle();
    expect(lab.media[0]?.sent).toEqual([]);
  });
});

describe('a CPM client', () => {
  it('is asked for success reports only where its session takes no receipts', async () => {
    const first = await callTo({});
    lab.messenger.texts.send({ conversation: first.conversation }, 'Again', 'session');
    await lab.settle();
    expect([first.media?.sent.length, first.media?.hopedReports.length]).toEqual([1, 0]);
    await first.invite?.session.handleOffer?.(peerSdp('active', { acceptTypes: ['message/cpim'], wrappedTypes: ['text/plain'] }));
    lab.messenger.texts.send({ conversation: first.conversation }, 'Once more', 'session');
    await lab.settle();
    expect([first.media?.sent.length, first.media?.hopedReports.length]).toEqual([2, 1]);
  });
});

describe('an INVITE of RFC 4975 alone', () => {
  const receive = async (parts: { contentType: string; body: string }[] = [], remote = stranger()) => {
    const invite = new FakeInvite({
      remote,
      headers: { contributionId: null, conversationId: null },
      parts: parts.map(({ contentType, body }) => ({ contentType, headers: new Map(), body: utf8(body) })),
    });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    return invite;
  };

  it('opens a chat, whose session has a name made of its call; texts go both ways', async () => {
    const invite = await receive();
    expect([invite.rejected, invite.accepted]).toEqual([null, expect.stringMatching(/a=accept-types:[^\r]* text\/plain/)]);
    const [chat] = lab.messenger.chats.all();
    expect(chat).toMatchObject({ session: 'established', people: [{ address: bob }] });
    expect(lab.history.conversation(chat?.conversation ?? '')?.contributionId).toMatch(/^[\w-]{20}$/);
    await lab.media[0]?.deliver('Hi', 'text/plain');
    lab.messenger.texts.send({ conversation: chat?.conversation }, 'Hello', 'session');
    await lab.settle();
    expect([arrived(), textsOf(lab.media[0])]).toEqual([['Hi'], ['Hello']]);
    expect(lab.invites).toEqual([]);
  });

  it('of a second call has another name', async () => {
    const names: unknown[] = [];
    for (let call = 0; call < 2; call++) {
      await receive();
      const [chat] = lab.messenger.chats.all();
      names.push(lab.history.conversation(chat?.conversation ?? '')?.contributionId);
    }
    expect(new Set(names).size).toBe(2);
  });

  it('a CPM client is offered envelopes alone', async () => {
    const invite = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'k', conversationId: 'c' } });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(/a=accept-types:(.*)/.exec(invite.accepted ?? '')?.[1]).toBe('message/cpim application/im-iscomposing+xml');
  });

  it('brings a bare text, which is read once', async () => {
    const invite = await receive([{ contentType: 'text/plain; charset=utf-8', body: 'Grüße' }]);
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(arrived()).toEqual(['Grüße']);
  });

  it('that brings an envelope and a bare text has one first message: the envelope', async () => {
    const envelope = `From: <${bob}>\r\nTo: <${lab.self}>\r\n\r\nContent-Type: text/plain\r\n\r\nwrapped`;
    await receive([
      { contentType: 'text/plain', body: 'bare' },
      { contentType: 'message/cpim', body: envelope },
    ]);
    expect(arrived()).toEqual(['wrapped']);
  });

  it.each([
    ['an envelope that cannot be read', 'message/cpim', 'junk'],
    ['an empty envelope', 'message/cpim', ''],
  ])('with %s is refused, and makes no chat', async (_, contentType, body) => {
    expect((await receive([{ contentType, body }])).rejected).toBe(400);
    expect(lab.messenger.chats.all()).toEqual([]);
  });
});
