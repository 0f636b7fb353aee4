/** A group whose connection has broken: this device comes back to it by itself, with growing pauses, until it is in or the network says no. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { longestComebackPauseMs } from '../../../../main/cpm/group/comeback';
import { AppError } from '../../../../preload/contract/errors';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const focus = 'sip:group-1@cf.lab.test';
const hourMs = 60 * 60_000;

/** In a group with Bob. */
async function inGroup() {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: { contributionId: 'g1', conversationId: 'gc1', subject: 'Lunch', referredBy: bob },
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  return { invite, group: lab.messenger.chats.all()[0]?.conversation ?? '' };
}

const stateOf = (group: string) => lab.messenger.chats.all().find((one) => one.conversation === group)?.session;
const calls = () => lab.invites.filter(({ request }) => request.target === focus);

/** Plays a network that answers every call to the group with this status, for `ms`. */
async function refuse(status: number, ms: number): Promise<void> {
  for (let passed = 0; passed <= ms; passed += 500) {
    for (const { session } of calls()) if (session.state === 'inviting') session.refuse(status);
    await lab.settle();
    await lab.clock.advance(500);
  }
}

describe('a group whose connection has broken', () => {
  it('R72: is called within three seconds, and with growing pauses until it answers', async () => {
    const { invite, group } = await inGroup();
    invite.breakOff();
    await lab.settle();
    expect(calls()).toHaveLength(0);
    await refuse(503, 2_500);
    expect(calls()).toHaveLength(1);
    await refuse(503, 60_000);
    // After 2, 4, 8, 16 and 32 seconds, each a quarter more or less.
    expect(calls().length).toBeGreaterThanOrEqual(4);
    expect(calls().length).toBeLessThanOrEqual(6);
    await lab.clock.advance(45_000);
    calls().at(-1)?.session.answer('active', { isFocus: true, contactUri: focus });
    await lab.settle();
    expect(stateOf(group)).toBe('established');
    const before = calls().length;
    await lab.clock.advance(4 * hourMs);
    expect(calls()).toHaveLength(before);
  });

  it('is called at least every hour and a quarter, however long it is gone', async () => {
    const { invite } = await inGroup();
    invite.breakOff();
    await refuse(503, 10 * 60_000);
    let before = calls().length;
    for (let hour = 0; hour < 3; hour += 1) {
      await lab.clock.advance(longestComebackPauseMs * 1.25);
      expect(calls().length).toBe(before + 1);
      before = calls().length;
      calls().at(-1)?.session.refuse(503);
      await lab.settle();
    }
  });

  it('takes the texts that have waited for it, at once', async () => {
    const { invite, group } = await inGroup();
    invite.breakOff();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Anybody?', 'session');
    await refuse(480, 40_000);
    expect(lab.history.message(message)).toMatchObject({ state: 'queued', error: { waits: { for: 'group' } } });
    while (calls().at(-1)?.session.state !== 'inviting') await lab.clock.advance(500);
    calls().at(-1)?.session.answer('active', { isFocus: true, contactUri: focus });
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('is called when its focus says that the media was lost, for this device may not have noticed', async () => {
    const { invite } = await inGroup();
    invite.hangUp(503);
    await lab.clock.advance(3_000);
    expect(calls()).toHaveLength(1);
  });

  it.each([480, 410, 403, 200, null])('is left alone when its focus has ended the session for another reason (%s)', async (cause) => {
    const { invite } = await inGroup();
    invite.hangUp(cause);
    await lab.clock.advance(4 * hourMs);
    expect(lab.invites).toHaveLength(0);
  });

  it('is left alone after this account has left it', async () => {
    const { invite, group } = await inGroup();
    invite.breakOff();
    await refuse(503, 3_000);
    await lab.messenger.chats.leave(group);
    const before = calls().length;
    await lab.clock.advance(4 * hourMs);
    expect(calls()).toHaveLength(before);
  });

  it('is not called without a registration, and at once when that is back', async () => {
    const { invite } = await inGroup();
    lab.state.registered = false;
    invite.breakOff();
    await lab.clock.advance(hourMs);
    expect(calls()).toHaveLength(0);
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    expect(calls()).toHaveLength(1);
  });

  it('is called again where the call of the return itself found no network', async () => {
    const { invite } = await inGroup();
    invite.breakOff();
    lab.messenger.registered();
    await lab.settle();
    calls()[0]?.session.fail(new AppError('net/timeout', { cause: 'no answer' }, 'auto'));
    await lab.clock.advance(3_000);
    expect(calls()).toHaveLength(2);
  });

  it.each([true, false])('is called no more once the account is signed out (broken before: %s)', async (isBroken) => {
    const { invite } = await inGroup();
    if (isBroken) invite.breakOff();
    await lab.settle();
    await lab.messenger.close();
    await lab.clock.advance(hourMs);
    expect(calls()).toHaveLength(0);
  });
});
