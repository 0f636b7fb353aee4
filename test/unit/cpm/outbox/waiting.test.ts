/** Texts for somebody who is away: they wait, leave by themselves, in order and once, and expire only when nobody came in time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dayMs, firstPatientPauseMs, longestPatientPauseMs, nextProbeAt, waits } from '../../../../main/cpm/outbox/patience';
import { createLab, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const hourMs = 60 * 60_000;

/** Invitations that nobody has answered yet. */
const pending = () => lab.invites.filter(({ session }) => session.state === 'inviting');

/** Plays the network for `ms`: an invitation is answered where its person is there, and refused with 480 where not. */
async function network(ms: number, isThere: (address: string) => boolean, stepMs = 1_000): Promise<void> {
  await lab.settle();
  for (let passed = 0; ; passed += stepMs) {
    for (const { request, session } of pending()) {
      if (isThere(request.target)) session.answer();
      else session.refuse(480, 'Temporarily Unavailable');
    }
    await lab.settle();
    if (passed >= ms) return;
    await lab.clock.advance(Math.min(stepMs, ms - passed));
  }
}

const nobody = () => false;
const send = (to: string, text: string) => lab.messenger.texts.send({ to }, text, 'session');
const away = (...addresses: string[]) => {
  for (const address of addresses) lab.state.away.add(address);
};
const last = (conversation: string) => lab.messenger.chats.all().find((one) => one.conversation === conversation)?.last;

const heardFrom = (address: string) =>
  lab.messenger.incoming.pager(incomingPager(remoteParty(address), 'text/plain', 'I am back', `call ${lab.clock.now()} MESSAGE`));

describe('a text for somebody who is away', () => {
  beforeEach(() => away(bob, carol));

  it('waits, says for whom and until when, and leaves by itself with the patient pauses', async () => {
    const { message, conversation } = send(bob, 'Hello');
    await lab.settle();
    await network(0, nobody);
    const now = lab.clock.now();
    expect(last(conversation)).toMatchObject({ state: 'queued', waitsFor: 'person', expiresAt: now + 7 * dayMs });
    await network(3 * hourMs, nobody, 10_000);
    // 1, 2, 4, 8, 16, 32 min and then hours, a quarter more or less.
    expect(lab.invites.length).toBeGreaterThanOrEqual(7);
    expect(lab.invites.length).toBeLessThanOrEqual(10);
    await network(hourMs, () => true, 10_000);
    expect(lab.stateOf(message)).toBe('sent');
    expect(last(conversation)?.waitsFor).toBeUndefined();
    expect(lab.history.jobs()).toEqual([]);
  });

  it('is offered once to a network that keeps messages, and not with every attempt', async () => {
    let offers = 0;
    lab.state.away.delete(bob);
    Object.defineProperty(lab.state, 'pagerFails', {
      get: () => {
        offers += 1;
        return null;
      },
    });
    const { message } = send(bob, 'Hello');
    await lab.settle();
    await network(0, nobody);
    expect([lab.stateOf(message), offers, lab.pagers.length]).toEqual(['sent', 1, 1]);
  });

  it('is due at once when that person is heard from, in this chat or in another', async () => {
    const { message } = send(bob, 'Hello');
    await lab.settle();
    await network(2 * hourMs, nobody, 10_000);
    const before = lab.invites.length;
    await heardFrom(bob);
    await lab.settle();
    expect(lab.invites.length).toBe(before + 1);
    await network(0, () => true);
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('is tried again soon when the sign of life came while an attempt was under way', async () => {
    const { message } = send(bob, 'Hello');
    await lab.settle();
    await network(0, nobody);
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(pending()).toHaveLength(1);
    await heardFrom(bob);
    await network(0, nobody);
    await network(5_000, () => true);
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('leaves when its person has answered what their device can do', async () => {
    const { message } = send(bob, 'Hello');
    await lab.settle();
    await network(2 * hourMs, nobody, 10_000);
    lab.messenger.seen(bob);
    await network(0, () => true);
    expect(lab.stateOf(message)).toBe('sent');
  });

  it('can be tried now, and can be taken back', async () => {
    const { message, conversation } = send(bob, 'Hello');
    await lab.settle();
    await network(hourMs, nobody, 10_000);
    const before = lab.invites.length;
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(lab.invites.length).toBe(before + 1);
    expect(last(conversation)).toMatchObject({ state: 'sending', waitsFor: 'person' });
    await network(0, nobody);
    lab.messenger.outbox.discard(message);
    await lab.settle();
    expect(lab.history.message(message)).toBeNull();
    expect(lab.history.jobs()).toEqual([]);
  });

  it('expires after the time that the person has set, all that wait together, after one last attempt', async () => {
    lab.setPreferences({ waitDays: 1 });
    const first = send(bob, 'One').message;
    await lab.settle();
    await network(0, nobody);
    const second = send(bob, 'Two').message;
    const expiry = lab.history.message(first)?.error?.waits?.until ?? 0;
    await network(expiry - lab.clock.now() - 1_000, nobody, 1_000 * 60);
    expect([lab.stateOf(first), lab.stateOf(second)]).toEqual(['queued', 'queued']);
    await network(120_000, nobody);
    expect(lab.stateOf(first)).toBe('failed');
    expect(lab.history.message(first)?.error).toMatchObject({ code: 'message/expired', retry: 'user' });
    await network(120_000, nobody);
    expect([lab.stateOf(second), lab.history.jobs().length]).toEqual(['failed', 0]);
  });

  it('waits for as long as the preference says from now on, also where it waits already', async () => {
    const { message, conversation } = send(bob, 'Hello');
    await lab.settle();
    await network(0, nobody);
    const since = lab.history.message(message)?.error?.waits?.since ?? 0;
    lab.setPreferences({ waitDays: 30 });
    lab.messenger.preferencesChanged();
    expect(last(conversation)?.expiresAt).toBe(since + 30 * dayMs);
    await network(2 * dayMs, nobody, 60_000 * 10);
    lab.setPreferences({ waitDays: 1 });
    lab.messenger.preferencesChanged();
    await lab.settle();
    await network(1_000, nobody);
    expect(lab.history.message(message)).toMatchObject({ state: 'failed', error: { code: 'message/expired' } });
  });

  it('holds up nobody else, and those behind it wait without attempts of their own', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => send(bob, `text ${index}`).message);
    await lab.settle();
    await network(0, nobody);
    expect(lab.invites).toHaveLength(1);
    expect(texts.map((message) => lab.history.message(message)?.error?.waits?.for)).toEqual(texts.map(() => 'person'));
    const other = send(carol, 'Hello Carol').message;
    await lab.settle();
    await network(0, (address) => address === carol);
    expect(lab.stateOf(other)).toBe('sent');
    expect(lab.invites.filter(({ request }) => request.target === bob)).toHaveLength(1);
  });

  it.each([-30 * dayMs, -hourMs * 2])('is tried and expires as before when the clock was set by %i ms', async (by) => {
    const { message } = send(bob, 'Hello');
    await lab.settle();
    await network(2 * hourMs, nobody, 10_000);
    const before = lab.invites.length;
    lab.clock.sleep(by);
    await network(2 * hourMs, nobody, 10_000);
    expect(lab.invites.length).toBeGreaterThan(before);
    const { since, until } = lab.history.message(message)?.error?.waits ?? { since: 0, until: 0 };
    expect(since).toBeLessThanOrEqual(lab.clock.now());
    expect(until).toBeLessThanOrEqual(lab.clock.now() + 7 * dayMs);
  });
});

describe('a restart of the sender', () => {
  it.each([0, 500])(
    'while a text waits, or %i ms into an attempt, changes nothing: same expiry, same order, nothing twice',
    async (intoAttemptMs) => {
      away(bob);
      const texts = ['One', 'Two', 'Three'].map((text) => send(bob, text).message);
      await network(hourMs, nobody, 10_000);
      if (intoAttemptMs > 0) {
        lab.messenger.outbox.retry(texts[0] ?? '');
        await lab.clock.advance(intoAttemptMs);
        expect(lab.stateOf(texts[0] ?? '')).toBe('sending');
      }
      const waitsOf = (message: string) => lab.history.message(message)?.error?.waits;
      const before = texts.map(waitsOf);
      lab.stop();
      lab = createLab({ after: lab });
      away(bob);
      lab.messenger.registered();
      await network(0, nobody);
      expect(texts.map(waitsOf)).toEqual(before);
      expect(before.every((mark) => mark?.for === 'person')).toBe(true);
      await heardFrom(bob);
      await network(1_000, () => true);
      expect(texts.map((message) => lab.stateOf(message))).toEqual(['sent', 'sent', 'sent']);
      expect(lab.history.jobs()).toEqual([]);
      const first = new TextDecoder().decode(lab.invites.at(-1)?.request.parts?.[0]?.body);
      const then = lab.media.flatMap(({ sent }) =>
        sent.map(({ body }) => /\r\n(Two|Three)$/.exec(body)?.[1]).filter((text) => text !== undefined),
      );
      expect([first.includes('One'), then]).toEqual([true, ['Two', 'Three']]);
    },
  );
});

describe('120 texts to somebody who is restarted ten times', () => {
  it('all arrive, once and in order, and none fails', async () => {
    away(bob);
    let isThere = false;
    const sent: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      for (let index = 0; index < 12; index += 1) sent.push(send(bob, `text ${sent.length}`).message);
      await lab.settle();
      await network(20_000, () => isThere);
      isThere = true;
      await heardFrom(bob);
      // Up for a moment only: what was under way breaks off.
      await network(round === 9 ? 120_000 : 2_000, () => isThere);
      isThere = false;
      if (round < 9) for (const { session } of lab.invites) if (session.state === 'established') session.hangUp();
      await lab.settle();
      expect(
        lab.history.messages(lab.messenger.chats.all()[0]?.conversation ?? '', { limit: 500 }).filter((one) => one.state === 'failed'),
      ).toEqual([]);
    }
    expect(sent.map((message) => lab.stateOf(message))).toEqual(sent.map(() => 'sent'));
    const bodies = lab.media.flatMap((session) => session.sent.map(({ body }) => /text \d+/.exec(body)?.[0] ?? ''));
    const all = [...arrivedInInvitations(), ...bodies].filter((text) => text.startsWith('text '));
    expect(new Set(all).size).toBe(120);
    expect(all).toHaveLength(120);
  });

  const arrivedInInvitations = () =>
    lab.invites.flatMap(({ request, session }) => {
      const body = request.parts?.find((part) => part.contentType === 'message/cpim')?.body;
      const wasAnswered =
        session.end === null ? session.state === 'established' : session.end.by === 'remote' && session.end.status === null;
      return body !== undefined && wasAnswered ? [/text \d+/.exec(new TextDecoder().decode(body))?.[0] ?? ''] : [];
    });
});

describe('the pauses', () => {
  it('double from one minute to one hour, spread by a quarter, and end at the expiry', () => {
    const at = (attempts: number, chance: number, until = Number.MAX_SAFE_INTEGER) => nextProbeAt(0, { attempts, chance, until });
    expect([0, 1, 2, 3].map((attempts) => at(attempts, 0.5))).toEqual([1, 2, 4, 8].map((factor) => factor * firstPatientPauseMs));
    expect(at(0, 0)).toBe(0.75 * firstPatientPauseMs);
    expect(at(40, 1)).toBe(longestPatientPauseMs);
    expect(at(40, 0.5, 1_000)).toBe(1_000);
  });

  it('respect a Retry-After, up to an hour', () => {
    const at = (retryAfterMs: number) => nextProbeAt(0, { attempts: 0, chance: 0.5, until: Number.MAX_SAFE_INTEGER, retryAfterMs });
    expect([at(300_000), at(dayMs)]).toEqual([300_000, hourMs]);
  });

  it('a wait keeps its beginning, except where the clock was set back behind it', () => {
    const before = { for: 'person', since: 5_000, until: 0 } as const;
    expect(waits(before, 'person', 9_000, 1)).toEqual({ for: 'person', since: 5_000, until: 5_000 + dayMs });
    expect(waits(before, 'person', 1_000, 1)).toEqual({ for: 'person', since: 1_000, until: 1_000 + dayMs });
  });
});
