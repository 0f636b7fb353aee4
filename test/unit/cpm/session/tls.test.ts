/** Chats are asked for over TLS where the server is reached over TLS, and go on without only where the other side refuses it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaWish } from '../../../../main/msrp/session';
import { parseSdp, takesClear } from '../../../../protocol/sdp';
import { createLab, type FakeSession, type Lab, peerSdp } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';

function offerOf(text: string | undefined) {
  const read = parseSdp(text ?? '');
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}
const transports = () => lab.invites.map(({ request }) => offerOf(request.sdp).transport);
const conversationOf = (id: string) => lab.messenger.chats.all().find((one) => one.conversation === id);

async function writeTo(wish: MediaWish) {
  lab.state.mediaWish = wish;
  const { conversation, message } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
  await lab.settle();
  return { conversation, message };
}
function last(): FakeSession {
  const session = lab.invites.at(-1)?.session;
  if (session === undefined) throw new Error('no invitation went out');
  return session;
}

describe('a chat that is asked for over TLS, and otherwise without', () => {
  it('runs over TLS where the other side takes it, and says so', async () => {
    const { conversation } = await writeTo('tlsFirst');
    expect(conversationOf(conversation)?.encrypted).toBeNull();
    last().answer('active', {}, peerSdp('active', { isSecure: true }));
    await lab.settle();
    expect(transports()).toEqual(['TCP/TLS/MSRP']);
    expect(conversationOf(conversation)).toMatchObject({ session: 'established', encrypted: true });
  });

  it.each([488, 606])('is asked for once more, without TLS, after a %i: the same chat, the same text, an open padlock', async (status) => {
    const { conversation, message } = await writeTo('tlsFirst');
    last().refuse(status);
    await lab.settle();
    expect(transports()).toEqual(['TCP/TLS/MSRP', 'TCP/MSRP']);
    const [first, second] = lab.invites;
    expect(second?.request.contributionId).toBe(first?.request.contributionId);
    expect(second?.request.parts).toEqual(first?.request.parts);
    expect(lab.media.map(({ isSecure }) => isSecure)).toEqual([true, false]);
    expect(conversationOf(conversation)?.session).toBe('pending');
    last().answer();
    await lab.settle();
    expect(conversationOf(conversation)).toMatchObject({ session: 'established', encrypted: false });
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('is not asked for a third time', async () => {
    const { conversation } = await writeTo('tlsFirst');
    last().refuse(488);
    await lab.settle();
    last().refuse(488);
    await lab.settle();
    expect(transports()).toEqual(['TCP/TLS/MSRP', 'TCP/MSRP']);
    expect(conversationOf(conversation)?.session).toBe('ended');
  });

  it.each([
    ['refuses the stream', { port: 0, isSecure: true }],
    ['has no TLS', {}],
  ])('goes on without TLS in the same dialog where the answer %s; its first text is not sent twice', async (_what, answer) => {
    const { conversation, message } = await writeTo('tlsFirst');
    last().answer('active', {}, peerSdp('active', answer));
    await lab.settle();
    expect([lab.invites.length, last().reoffered.length, last().byes.length]).toEqual([1, 1, 0]);
    const [first, second] = [offerOf(lab.invites[0]?.request.sdp), offerOf(last().reoffered[0])];
    expect([second.transport, second.sessionId, second.version]).toEqual(['TCP/MSRP', first.sessionId, first.version + 1]);
    expect(conversationOf(conversation)).toMatchObject({ session: 'established', encrypted: false });
    expect(lab.stateOf(message)).toBe('sent');
  });

  it.each([
    ['busy', 486],
    ['nobody there', 480],
    ['declined', 603],
    ['a fault', 500],
  ])('keeps TLS after any other refusal: %s', async (_what, status) => {
    await writeTo('tlsFirst');
    last().refuse(status);
    await lab.settle();
    expect(new Set(transports())).toEqual(new Set(['TCP/TLS/MSRP']));
  });

  it('is not asked for again when this side gives it up meanwhile', async () => {
    const { conversation } = await writeTo('tlsFirst');
    const session = last();
    await lab.messenger.close();
    session.refuse(488);
    await lab.settle();
    expect(transports()).toEqual(['TCP/TLS/MSRP']);
    expect(conversation).not.toBe('');
  });

  it('says in its offer that it takes the media without TLS; one that requires TLS does not', async () => {
    await writeTo('tlsFirst');
    expect(takesClear(offerOf(lab.invites[0]?.request.sdp))).toBe(true);
    last().refuse(486);
    await lab.settle();
    lab.state.mediaWish = 'tls';
    lab.messenger.texts.send({ to: carol }, 'Hello', 'session');
    await lab.settle();
    const asked = lab.invites.filter(({ request }) => request.target === carol);
    expect(asked.map(({ request }) => takesClear(offerOf(request.sdp)))).toEqual([false]);
  });
});

describe('a chat that requires TLS', () => {
  it.each([488, 606])('is never asked for without it: %i', async (status) => {
    const { conversation } = await writeTo('tls');
    last().refuse(status);
    await lab.settle();
    expect(transports()).toEqual(['TCP/TLS/MSRP']);
    expect(conversationOf(conversation)?.session).toBe('ended');
  });

  it.each([
    ['refuses the stream', { port: 0, isSecure: true }],
    ['has no TLS', {}],
  ])('does not go on where the answer %s', async (_what, answer) => {
    await writeTo('tls');
    last().answer('active', {}, peerSdp('active', answer));
    await lab.settle();
    expect([lab.invites.length, last().reoffered]).toEqual([1, []]);
    expect(lab.media.every(({ isSecure }) => isSecure)).toBe(true);
  });
});

describe('a group', () => {
  it('is asked for over TLS first, and once more without where the factory refuses it', async () => {
    lab.state.mediaWish = 'tlsFirst';
    const { conversation } = await lab.talkTo(bob);
    const created = lab.messenger.groups.addPeople(conversation, [carol]);
    await lab.settle();
    last().refuse(488);
    await lab.settle();
    expect(transports().slice(-2)).toEqual(['TCP/TLS/MSRP', 'TCP/MSRP']);
    last().answer('active', { contactUri: 'sip:grp-1@cf.lab.test', isFocus: true });
    await lab.settle();
    expect(conversationOf((await created).conversation)).toMatchObject({ session: 'established', encrypted: false });
  });
});
