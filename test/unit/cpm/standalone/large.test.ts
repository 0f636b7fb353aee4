/** Texts that are too long for a pager message and go by themselves (OMA CPM Large Message Mode). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pagerLimitBytes } from '../../../../main/cpm/courier';
import { ableForMs, askPatienceMs, MAX_KNOWN_ABILITIES, unableForMs } from '../../../../main/cpm/standalone/abilities';
import { answerLimitMs } from '../../../../main/cpm/standalone/large';
import { farewellMs, MAX_LARGE_ARRIVALS, MAX_LARGE_ARRIVALS_EACH, silenceMs } from '../../../../main/cpm/standalone/large-arrivals';
import { AppError } from '../../../../preload/contract/errors';
import { parseCpim } from '../../../../protocol/cpim';
import { ICSI } from '../../../../protocol/feature-tags';
import { parseSdp } from '../../../../protocol/sdp';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const long = 'ä'.repeat(pagerLimitBytes);
const all = [ICSI.session, ICSI.msg, ICSI.largemsg];
const messageOf = (id: string) => lab.messenger.chats.all().flatMap(({ last }) => (last?.message === id ? [last] : []))[0];
const directionOf = (sdp: string | null) => {
  const parsed = parseSdp(sdp ?? '');
  return parsed.ok ? parsed.value.direction : null;
};
const send = async (text = long, mode: 'session' | 'pager' = 'session') => {
  const sent = lab.messenger.texts.send({ to: bob }, text, mode);
  await lab.settle();
  return sent;
};

describe('R86: a text too long for a pager message, to somebody who takes large messages', () => {
  beforeEach(() => {
    lab.state.able.set(bob, all);
  });

  it('goes as one message over MSRP that is invited for alone, and ends with BYE', async () => {
    const { message, conversation } = await send();
    const [invite] = lab.invites;
    expect(invite?.request.icsi).toBe(ICSI.largemsg);
    expect(directionOf(invite?.request.sdp ?? '')).toBe('sendonly');
    const head = parseCpim(invite?.request.parts?.[0]?.body ?? new Uint8Array());
    if (!head.ok) throw new Error(head.reason);
    expect(head.value).toMatchObject({ messageId: message, dispositions: ['positive-delivery', 'negative-delivery', 'display'] });
    expect(head.value.body).toHaveLength(0);
    // Nobody sees a session open.
    expect(lab.messenger.chats.one(conversation).session).toBe('none');
    invite?.session.answer();
    await lab.settle();
    expect(lab.media).toHaveLength(1);
    expect(lab.media[0]?.sent).toHaveLength(1);
    const body = parseCpim(new TextEncoder().encode(lab.media[0]?.sent[0]?.body ?? ''));
    expect(body.ok && [body.value.messageId, new TextDecoder().decode(body.value.body)]).toEqual([message, long]);
    expect(invite?.session.byes).toEqual([{ cause: 200, text: 'Call completed' }]);
    expect(messageOf(message)).toMatchObject({ state: 'sent', standalone: 'large' });
    expect(lab.messenger.chats.one(conversation).session).toBe('none');
  });

  it('goes so as well where a pager message was asked for', async () => {
    await send(long, 'pager');
    expect(lab.invites.map(({ request }) => request.icsi)).toEqual([ICSI.largemsg]);
    expect(lab.pagers).toEqual([]);
  });

  it('goes over the session where one stands', async () => {
    const { media } = await lab.talkTo(bob);
    const { message } = await send();
    expect(lab.invites).toHaveLength(1);
    expect(media.sent).toHaveLength(1);
    expect(messageOf(message)).not.toHaveProperty('standalone');
  });

  it('a short one goes as before', async () => {
    await send('short');
    lab.invites[0]?.session.answer();
    await lab.settle();
    await send('short too', 'pager');
    expect(lab.invites.map(({ request }) => request.icsi)).toEqual([ICSI.session]);
    expect(lab.pagers).toHaveLength(1);
    expect(messageOf(lab.messenger.chats.all()[0]?.last?.message ?? '')).toMatchObject({ standalone: 'pager' });
  });

  it.each([405, 415, 488, 480])('opens a session where the answer is %i', async (status) => {
    const { message } = await send();
    lab.invites[0]?.session.refuse(status);
    await lab.settle();
    expect(lab.invites.map(({ request }) => request.icsi)).toEqual([ICSI.largemsg, ICSI.session]);
    lab.invites[1]?.session.answer();
    await lab.settle();
    expect(messageOf(message)).toMatchObject({ state: 'sent' });
    expect(messageOf(message)).not.toHaveProperty('standalone');
  });

  it('opens a session where nobody answers within answerLimitMs', async () => {
    await send();
    lab.invites[0]?.session.become('ringing');
    await lab.clock.advance(answerLimitMs - 1);
    await lab.settle();
    expect(lab.invites).toHaveLength(1);
    await lab.clock.advance(1);
    await lab.settle();
    expect(lab.invites[0]?.session.byes).toHaveLength(1);
    expect(lab.invites[1]?.request.icsi).toBe(ICSI.session);
  });

  it('a person who declines has declined: nothing is tried in another way', async () => {
    const { message } = await send();
    lab.invites[0]?.session.refuse(603);
    await lab.settle();
    expect(lab.invites).toHaveLength(1);
    expect(lab.stateOf(message)).toBe('failed');
  });

  it('is sent again under the same Message-ID when the media breaks', async () => {
    const { message } = await send();
    lab.invites[0]?.session.answer();
    const [media] = lab.media;
    if (media === undefined) throw new Error('no media');
    media.failWith = new AppError('msrp/closed', {}, 'auto');
    await lab.settle();
    expect(lab.invites[0]?.session.byes).toHaveLength(1);
    await lab.clock.advance(5_000);
    await lab.settle();
    expect(lab.invites).toHaveLength(2);
    lab.invites[1]?.session.answer();
    await lab.settle();
    expect(lab.media[1]?.sent[0]?.body).toContain(`imdn.Message-ID: ${message}`);
    expect(lab.stateOf(message)).toBe('sent');
  });
});

describe('what others can do', () => {
  const icsis = () => lab.invites.map(({ request }) => request.icsi);

  it('a long text opens a session where nothing is known, and asks again after unableForMs', async () => {
    await send();
    expect(icsis()).toEqual([ICSI.session]);
    lab.invites[0]?.session.answer();
    await lab.settle();
    lab.invites[0]?.session.hangUp();
    lab.state.able.set(bob, all);
    await send();
    expect(icsis()).toEqual([ICSI.session, ICSI.session]);
    lab.invites[1]?.session.answer();
    await lab.settle();
    lab.invites[1]?.session.hangUp();
    await lab.clock.advance(unableForMs);
    await send();
    expect(icsis()).toEqual([ICSI.session, ICSI.session, ICSI.largemsg]);
  });

  it('waits for the answer no longer than askPatienceMs, believes it for ableForMs, and remembers MAX_KNOWN_ABILITIES', () => {
    expect([askPatienceMs, ableForMs, MAX_KNOWN_ABILITIES]).toEqual([2_000, 600_000, 500]);
  });

  it('nobody is asked on behalf of somebody anonymous', async () => {
    lab.state.able.set(bob, all);
    lab.messenger.texts.send({ to: bob, anonymous: true }, long, 'session');
    await lab.settle();
    expect(icsis()).toEqual([ICSI.session]);
  });
});

describe('R86: a large message that comes', () => {
  const cpim = (text: string, id = 'm1') =>
    new TextEncoder().encode(
      `From: <${bob}>\r\nTo: <sip:alice@lab.test>\r\nDateTime: 2026-01-01T00:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ${id}\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\n${text}`,
    );
  const invitation = (icsi: string = ICSI.largemsg, from = bob) =>
    new FakeInvite({
      remote: remoteParty(from, { instanceId: 'urn:uuid:bbbb' }),
      headers: { contributionId: 'k1', conversationId: 'c1' },
      parts: [{ contentType: 'message/cpim', headers: new Map(), body: cpim('') }],
      icsis: [icsi],
      direction: 'sendonly',
    });
  const receive = async (invite: FakeInvite) => {
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    return lab.media.at(-1);
  };
  const texts = () => lab.messenger.chats.all().map(({ last }) => last?.text);

  it.each([ICSI.largemsg, ICSI.deferred])(
    'is accepted without ringing, whatever the preference, and makes no session (%s)',
    async (icsi) => {
      lab.setPreferences({ accept: 'ask' });
      const invite = invitation(icsi);
      const media = await receive(invite);
      expect([invite.rang, invite.rejected, directionOf(invite.accepted)]).toEqual([0, null, 'recvonly']);
      expect(lab.messenger.invitations.list()).toEqual([]);
      // The envelope beside the SDP is no message.
      expect(lab.messenger.chats.all()).toEqual([]);
      await media?.deliver(cpim('a long text'));
      await lab.settle();
      const [chat] = lab.messenger.chats.all();
      expect(chat).toMatchObject({ session: 'none', unread: 1, last: { text: 'a long text', standalone: 'large', message: 'm1' } });
      expect(lab.pagers.map(({ acceptContactInstance }) => acceptContactInstance)).toEqual(['urn:uuid:bbbb']);
      expect(new TextDecoder().decode(lab.pagers[0]?.body)).toContain('<message-id>m1</message-id>');
    },
  );

  it('is dropped where its Message-ID is known, and acknowledged all the same', async () => {
    for (const _ of [1, 2]) {
      const invite = invitation();
      const media = await receive(invite);
      await media?.deliver(cpim('once'));
      await lab.settle();
      invite.hangUp();
    }
    expect(texts()).toEqual(['once']);
    expect(lab.messenger.chats.all()[0]?.unread).toBe(1);
    expect(lab.pagers).toHaveLength(1);
  });

  it('brings one message: a second one over the same media is refused', async () => {
    const media = await receive(invitation());
    await media?.deliver(cpim('first'));
    await expect(media?.deliver(cpim('second', 'm2'))).rejects.toThrow('msrp/rejected');
    expect(texts()).toEqual(['first']);
  });

  it('ends by itself where nothing comes within silenceMs, or no BYE within farewellMs of the message', async () => {
    const silent = invitation();
    await receive(silent);
    await lab.clock.advance(silenceMs - 1);
    await lab.settle();
    expect(silent.byes).toHaveLength(0);
    await lab.clock.advance(1);
    await lab.settle();
    expect(silent.byes).toHaveLength(1);
    const lingering = invitation();
    const media = await receive(lingering);
    await media?.deliver(cpim('text'));
    await lab.clock.advance(farewellMs);
    await lab.settle();
    expect(lingering.byes).toHaveLength(1);
  });

  it('MAX_LARGE_ARRIVALS come at a time, MAX_LARGE_ARRIVALS_EACH of one sender', async () => {
    const taken = async (from: string) => {
      const invite = invitation(ICSI.largemsg, from);
      await receive(invite);
      return invite.rejected;
    };
    const ofBob = [];
    for (let n = 0; n <= MAX_LARGE_ARRIVALS_EACH; n += 1) ofBob.push(await taken(bob));
    expect(ofBob).toEqual([...Array(MAX_LARGE_ARRIVALS_EACH).fill(null), 486]);
    const others = [];
    for (let n = 0; n <= MAX_LARGE_ARRIVALS - MAX_LARGE_ARRIVALS_EACH; n += 1) others.push(await taken(`sip:p${n}@lab.test`));
    expect(others.at(-1)).toBe(486);
    expect(others.slice(0, -1)).toEqual(Array(MAX_LARGE_ARRIVALS - MAX_LARGE_ARRIVALS_EACH).fill(null));
  });

  it('is refused from somebody who is blocked, and without what it needs', async () => {
    lab.state.blocked.add(bob);
    const blocked = invitation();
    await receive(blocked);
    lab.state.blocked.delete(bob);
    const unnamed = new FakeInvite({ remote: remoteParty(bob), icsis: [ICSI.largemsg] });
    await receive(unnamed);
    const broken = new FakeInvite({
      remote: remoteParty(bob),
      headers: { contributionId: 'k' },
      icsis: [ICSI.largemsg],
      parts: [{ contentType: 'message/cpim', headers: new Map(), body: new Uint8Array([1]) }],
    });
    await receive(broken);
    expect([blocked, unnamed, broken].map(({ rejected }) => rejected)).toEqual([486, 400, 400]);
    expect(lab.messenger.chats.all()).toEqual([]);
  });
});
