/** What the other side's refusal of a text means: what is told, what is tried by itself, and what is not. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRefusal } from '../../../main/cpm/conversation/refusals';
import { maxAttempts } from '../../../main/cpm/outbox/remedy';
import { AppError, type RefusalMeaning } from '../../../preload/contract/errors';
import { ANONYMOUS_URI } from '../../../protocol/cpim';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const sizeExceeded = '399 pf.lab.test "133 Size exceeded"';
const notAuthorised = '399 pf.lab.test "127 Service not authorised"';

const rejected = (status: number, warning?: string) =>
  new AppError('sip/rejected', { status, reason: 'Odd', ...(warning === undefined ? {} : { warning }) }, 'user');

/** Writes a text, has its invitation refused as often as it goes out, and lets all pauses pass. */
async function refused(error: AppError, { rings = false, rounds = 10 } = {}) {
  const { message } = lab.messenger.texts.send({ to: bob }, 'hello', 'session');
  await lab.settle();
  for (let answered = 0, round = 0; answered < lab.invites.length && round < rounds; round += 1) {
    const session = lab.invites[answered]?.session;
    answered = lab.invites.length;
    if (rings) session?.become('ringing');
    session?.fail(error);
    await lab.settle();
    if (round + 1 < rounds) await lab.clock.advance(70_000);
  }
  return { message, state: lab.stateOf(message), meaning: lab.history.message(message)?.error?.meaning ?? null };
}

describe('a refused invitation', () => {
  it.each<[number, string | undefined, RefusalMeaning | null]>([
    [403, undefined, 'forbidden'],
    [403, sizeExceeded, 'too-large'],
    [403, notAuthorised, 'not-authorised'],
    [404, undefined, 'unknown-person'],
    [410, undefined, 'unknown-person'],
    [413, undefined, 'too-large'],
    [416, undefined, 'no-way'],
    [420, undefined, 'incompatible'],
    [421, undefined, 'incompatible'],
    [433, undefined, 'not-anonymous'],
    [600, undefined, 'busy'],
    [603, undefined, 'declined'],
    [604, undefined, 'unknown-person'],
    [499, undefined, null],
  ])('with %i, Warning %s, is not repeated, and its text fails as "%s"', async (status, warning, meaning) => {
    expect(await refused(rejected(status, warning))).toMatchObject({ state: 'failed', meaning });
    expect([lab.invites.length, lab.pagers.length]).toEqual([1, 0]);
  });

  it.each([491, 500, 503, 504])('with %i is repeated soon, then as if nobody were there', async (status) => {
    const { state, meaning } = await refused(rejected(status), { rounds: maxAttempts });
    expect({ state, meaning, invites: lab.invites.length, pagers: lab.pagers.length }).toEqual({
      state: 'queued',
      meaning: null,
      invites: maxAttempts,
      pagers: 0,
    });
    expect(lab.messenger.chats.all()[0]?.last).toMatchObject({ waitsFor: 'person' });
  });

  it.each([408, 430, 480])('with %i finds nobody: the text is offered once to a network that keeps it, and waits', async (status) => {
    lab.state.pagerFails = rejected(status);
    expect(await refused(rejected(status), { rounds: 1 })).toMatchObject({ state: 'queued', meaning: 'away' });
    expect(lab.messenger.chats.all()[0]?.last).toMatchObject({ waitsFor: 'person', error: { status } });
  });

  it.each([408, 430, 480])('with %i by a network that keeps the text for later: it is sent', async (status) => {
    expect(await refused(rejected(status), { rounds: 1 })).toMatchObject({ state: 'sent' });
    expect([lab.invites.length, lab.pagers.length]).toEqual([1, 1]);
  });

  it('with 404 and a Retry-After is about this moment, not about the address: the text waits', async () => {
    const error = new AppError('sip/rejected', { status: 404, retryAfterMs: 5_000 }, 'user');
    lab.state.pagerFails = error;
    expect(await refused(error, { rounds: 1 })).toMatchObject({ state: 'queued', meaning: 'away' });
  });

  it('with 486 is repeated once, for both may have invited at the same moment', async () => {
    expect(await refused(rejected(486))).toMatchObject({ state: 'failed', meaning: 'busy' });
    expect([lab.invites.length, lab.pagers.length]).toEqual([2, 0]);
  });

  it.each([405, 415, 488, 606])(
    'with %i takes no such session: the text goes as a pager message of the same conversation',
    async (status) => {
      expect(await refused(rejected(status))).toMatchObject({ state: 'sent' });
      expect(lab.invites).toHaveLength(1);
      expect(lab.pagers.map((one) => one.conversationId)).toEqual([lab.invites[0]?.request.conversationId]);
    },
  );

  it('with 488, where pager messages are not taken either, is told with what the pager message heard', async () => {
    lab.state.pagerFails = rejected(403, notAuthorised);
    expect(await refused(rejected(488))).toMatchObject({ state: 'failed', meaning: 'not-authorised' });
  });

  it('with 488 is told as it is when the text is too long for a pager message', async () => {
    const { message } = lab.messenger.texts.send({ to: bob }, 'x'.repeat(2_000), 'session');
    await lab.settle();
    lab.invites[0]?.session.fail(rejected(488));
    await lab.settle();
    expect([lab.stateOf(message), lab.history.message(message)?.error?.meaning, lab.pagers.length]).toEqual(['failed', 'no-session', 0]);
  });

  it('with 486 after it has rung in vain rings no second time: its text goes as a pager message', async () => {
    expect(await refused(rejected(486), { rings: true })).toMatchObject({ state: 'sent' });
    expect([lab.invites.length, lab.pagers.length]).toEqual([1, 1]);
  });
});

describe('who wrote without a name', () => {
  it('and is not to be reached at their temporary address any more, is not taken for somebody unknown', async () => {
    const gruu = 'sip:tgruu.7hs@lab.test;gr';
    const invite = new FakeInvite({
      remote: remoteParty(ANONYMOUS_URI, { asserted: false, gruu }),
      headers: { contributionId: 'k1', conversationId: 'c1' },
    });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    invite.hangUp();
    const conversation = lab.messenger.chats.all()[0]?.conversation ?? '';
    const { message } = lab.messenger.texts.send({ conversation }, 'who are you?', 'session');
    await lab.settle();
    expect(lab.invites[0]?.request.target).toBe(gruu);
    lab.invites[0]?.session.fail(rejected(404));
    await lab.settle();
    expect(lab.history.message(message)?.error).toMatchObject({ status: 404, meaning: 'hidden-gone' });
  });
});

describe('a Warning', () => {
  it.each([
    ['"127', 'forbidden'],
    ['399 h "1330 odd"', 'forbidden'],
    ['399 h "please, 133 of them"', 'forbidden'],
    ['', 'forbidden'],
    [`301 a "x", ${sizeExceeded}`, 'too-large'],
  ] as const)('that reads %s makes a 403 "%s"', (warning, meaning) => {
    expect(readRefusal({ status: 403, warning }).meaning).toBe(meaning);
  });

  it('counts beside 403 alone', () => {
    expect(readRefusal({ status: 486, warning: sizeExceeded }).meaning).toBe('busy');
  });
});
