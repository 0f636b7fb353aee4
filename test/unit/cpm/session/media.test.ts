/** What a session does when its media is lost, and when nothing flows. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rebindLimitMs, recoveryDelayMs } from '../../../../main/cpm/session/media';
import { byeGraceMs } from '../../../../main/cpm/session/session';
import { defaultPreferences } from '../../../../main/profile/settings';
import { AppError } from '../../../../preload/contract/errors';
import { encodeSdp, parseSdp } from '../../../../protocol/sdp';
import { createLab, FakeInvite, FakeMsrp, type Lab, peerSdp, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const idleCloseMs = defaultPreferences.idleSeconds * 1000;
const stateOf = (id: string) => lab.messenger.chats.all().find((one) => one.conversation === id)?.session;

function sdpOf(text: string) {
  const read = parseSdp(text);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

/** The peer's SDP with another path. */
const movedSdp = (setup: 'active' | 'passive' | 'actpass') =>
  encodeSdp({ ...sdpOf(peerSdp(setup)), path: ['msrp://127.0.0.1:9/moved;tcp'], version: 2 });

async function calledByBob() {
  const invite = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'k-bob', conversationId: 'c-bob' } });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  const media = lab.media.at(-1);
  if (media === undefined) throw new Error('no media');
  return { invite, media };
}

describe('lost media', () => {
  it('is renegotiated in the same dialog: a fresh path, a new connection, the next version', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    media.lose();
    await lab.clock.advance(recoveryDelayMs - 1);
    expect(invite.session.reoffered).toEqual([]);
    await lab.clock.advance(1);
    const [first, again] = [sdpOf(invite.request.sdp), sdpOf(invite.session.reoffered[0] ?? '')];
    expect(again.attributes).toContainEqual(['connection', 'new']);
    expect([again.sessionId, again.version]).toEqual([first.sessionId, first.version + 1]);
    expect(lab.media).toHaveLength(2);
    expect(lab.media[1]?.startedAs).toBe('passive');
    expect([stateOf(conversation), invite.session.byes.length, lab.invites.length]).toEqual(['established', 0, 1]);
  });

  it('holds what is written meanwhile, and what was under way goes again with the same imdn.Message-ID', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/closed', { cause: 'cut' }, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'under way', 'session');
    await lab.settle();
    media.lose();
    expect(lab.stateOf(message)).toBe('queued');
    await lab.clock.advance(3 * recoveryDelayMs);
    const texts = lab.media[1]?.sent.filter((one) => one.body.includes('under way')) ?? [];
    expect(texts).toHaveLength(1);
    expect(texts[0]?.body).toContain(`imdn.Message-ID: ${message}`);
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.invites).toHaveLength(1);
  });

  it.each([
    ['481', new AppError('sip/rejected', { status: 481 }, 'user')],
    ['408', new AppError('sip/rejected', { status: 408 }, 'auto')],
    ['no answer', new AppError('net/timeout', { cause: 'no answer to a re-INVITE' }, 'auto')],
  ])('that does not come back (%s) ends the session, and what waits goes by a new invitation', async (_what, error) => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    invite.session.answerReoffer = () => Promise.reject(error);
    media.lose();
    const { message } = lab.messenger.texts.send({ conversation }, 'still here', 'session');
    await lab.clock.advance(4 * recoveryDelayMs);
    expect(invite.session.byes).toEqual([undefined]);
    expect(lab.invites).toHaveLength(2);
    expect(lab.invites[1]?.request.conversationId).toBe(invite.request.conversationId);
    expect(lab.invites[1]?.request.contributionId).not.toBe(invite.request.contributionId);
    lab.invites[1]?.session.answer();
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('is not asked for when the BYE comes after it', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    media.lose();
    invite.session.hangUp(200);
    await lab.clock.advance(byeGraceMs);
    expect(invite.session.reoffered).toEqual([]);
    expect(stateOf(conversation)).toBe('ended');
  });

  it('comes back when the other side asks, with a path of its own, and then this side does not ask', async () => {
    const { invite, media } = await calledByBob();
    media.lose();
    const answer = sdpOf((await invite.handleOffer?.(movedSdp('actpass'))) ?? '');
    await lab.settle();
    expect([answer.setup, answer.version]).toEqual(['active', 2]);
    expect(lab.media[1]?.startedAs).toBe('active');
    await lab.clock.advance(3 * recoveryDelayMs);
    expect([invite.reoffered, invite.state]).toEqual([[], 'established']);
    await lab.media[1]?.deliver(
      `From: <${bob}>\r\nTo: <${lab.self}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m-after\r\nDateTime: 2026-01-01T00:00:00Z\r\n\r\nContent-Type: text/plain\r\n\r\nafter`,
    );
    expect(lab.history.message('m-after')?.content.text).toBe('after');
  });

  it('asked for by both at once: the offer that was faster stands, and the slower one is not sent again', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    let refuse: (error: AppError) => void = () => {};
    invite.session.answerReoffer = () =>
      new Promise((_resolve, reject) => {
        refuse = reject;
      });
    media.lose();
    await lab.clock.advance(recoveryDelayMs);
    await invite.session.handleOffer?.(movedSdp('actpass'));
    await lab.settle();
    refuse(new AppError('conversation/no-session', { cause: 'it is not wanted any more' }));
    await lab.settle();
    expect([stateOf(conversation), invite.session.byes.length]).toEqual(['established', 0]);
    expect(lab.media.map((one) => one.state)).toEqual(['closed', 'closed', 'established']);
    const { message } = lab.messenger.texts.send({ conversation }, 'once', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.media[2]?.sent.filter((one) => one.body.includes('once'))).toHaveLength(1);
  });

  it('that is agreed and does not stand in time ends the session', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    FakeMsrp.unbound = true;
    try {
      media.lose();
      await lab.clock.advance(recoveryDelayMs + rebindLimitMs - 1);
      expect(stateOf(conversation)).toBe('established');
      await lab.clock.advance(1);
    } finally {
      FakeMsrp.unbound = false;
    }
    expect([stateOf(conversation), invite.session.byes.length]).toEqual(['ended', 1]);
  });

  it('an offer of the same path leaves the media as it is, and one that cannot be read is refused', async () => {
    const { invite } = await lab.talkTo(bob);
    const answer = (await invite.session.handleOffer?.(peerSdp('active'))) ?? '';
    // RFC 4145 section 4.1: an answer is never actpass.
    const { path, setup, version } = sdpOf(answer);
    expect({ path, setup, version }).toEqual({ path: sdpOf(invite.request.sdp).path, setup: 'passive', version: 2 });
    expect(await invite.session.handleOffer?.(peerSdp('active'))).toBe(answer);
    expect(await invite.session.handleOffer?.('v=0\r\nnonsense')).toBeNull();
    expect(lab.media).toHaveLength(1);
  });
});

describe('an idle session', () => {
  it('R73 R74: ends without a Reason, and the next text opens another: same Conversation-ID, new Contribution-ID', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    await lab.clock.advance(idleCloseMs - 1);
    expect(stateOf(conversation)).toBe('established');
    await lab.clock.advance(1);
    expect(stateOf(conversation)).toBe('ended');
    expect(invite.session.byes).toEqual([undefined]);
    const { message } = lab.messenger.texts.send({ conversation }, 'again', 'session');
    await lab.settle();
    const [, next] = lab.invites;
    expect(next?.request.conversationId).toBe(invite.request.conversationId);
    expect(next?.request.contributionId).not.toBe(invite.request.contributionId);
    next?.session.answer();
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('is one in which nothing flows, neither way', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    await lab.clock.advance(idleCloseMs - 1);
    lab.messenger.texts.send({ conversation }, 'one', 'session');
    await lab.settle();
    await lab.clock.advance(idleCloseMs - 1);
    expect(stateOf(conversation)).toBe('established');
    await media.deliver(
      '<?xml version="1.0"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>idle</state></isComposing>',
      'application/im-iscomposing+xml',
    );
    await lab.clock.advance(idleCloseMs - 1);
    expect(stateOf(conversation)).toBe('established');
    await lab.clock.advance(1);
    expect(stateOf(conversation)).toBe('ended');
  });

  it.each([60, 900])('is ended after %i s when the person wants that, a living one too', async (idleSeconds) => {
    const { conversation } = await lab.talkTo(bob);
    lab.setPreferences({ idleSeconds });
    lab.messenger.texts.send({ conversation }, 'from now on', 'session');
    await lab.settle();
    await lab.clock.advance(idleSeconds * 1000 - 1);
    expect(stateOf(conversation)).toBe('established');
    await lab.clock.advance(1);
    expect(stateOf(conversation)).toBe('ended');
  });

  it('is never ended when the person wants that', async () => {
    lab.setPreferences({ idleSeconds: 0 });
    const { conversation } = await lab.talkTo(bob);
    await lab.clock.advance(100 * 3_600_000);
    expect(stateOf(conversation)).toBe('established');
  });

  it('both end it at once while one still writes: the text goes by the next session, once', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    media.failWith = new AppError('msrp/closed', { cause: 'the session is over' }, 'auto');
    const { message } = lab.messenger.texts.send({ conversation }, 'last words', 'session');
    invite.session.hangUp();
    await lab.clock.advance(2_000);
    expect(lab.invites).toHaveLength(2);
    lab.invites[1]?.session.answer();
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.invites[1]?.request.parts).toHaveLength(1);
  });

  it('a side that is invited again while its BYE is on the way accepts the new session', async () => {
    const { invite } = await calledByBob();
    await lab.clock.advance(idleCloseMs - 1);
    const next = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'k-2', conversationId: 'c-bob' } });
    lab.messenger.incoming.invite(next);
    await lab.clock.advance(1);
    expect([next.state, invite.byes.length]).toEqual(['established', 1]);
  });
});
