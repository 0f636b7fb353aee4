import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLab, type Lab } from '../../../support/doubles/cpm-lab';

/** Jobs that a damaged disk, or another version, has left behind. */
let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const warnings = () => lab.events.filter((event) => event.event === 'warning');

describe('a job that cannot be read', () => {
  it.each([
    ['a receipt that is no JSON', 'receipt', '{"to":'],
    ['a receipt without a time', 'receipt', JSON.stringify({ to: bob, toInstance: null, disposition: 'delivered', sentAt: 1 })],
    ['a kind that this version does not know', 'hologram', '{}'],
  ])('%s is set aside, told once and never tried again, and its lane goes on', async (_what, kind, payload) => {
    const { conversation } = await lab.talkTo(bob);
    const lane = `receipts ${conversation}`;
    const { id } = lab.history.addJob({ lane, kind, message: 'm', payload, nextAt: 0 });
    const receipt = { to: bob, toInstance: 'urn:uuid:bbbb', disposition: 'displayed', at: lab.clock.now(), sentAt: lab.clock.now() };
    lab.history.addJob({ lane, kind: 'receipt', message: 'n', payload: JSON.stringify(receipt), nextAt: 0 });
    const { nextJob } = lab.history;
    let looks = 0;
    lab.history.nextJob = (...given) => {
      looks += 1;
      return nextJob(...given);
    };
    lab.messenger.registered();
    await lab.settle();
    for (let minute = 0; minute < 60; minute += 1) await lab.clock.advance(60_000);
    lab.messenger.registered();
    await lab.settle();
    expect(looks).toBeLessThan(10);
    // It is on disk for whoever looks into it, and belongs to no lane.
    expect(lab.history.jobs().map((job) => [job.id, job.isAside])).toEqual([[id, true]]);
    expect(lab.history.lanes()).toEqual([]);
    expect(warnings()).toEqual([{ event: 'warning', code: 'unreadable-job', text: expect.stringMatching(/./) }]);
    expect(lab.media.at(-1)?.sent.filter(({ body }) => body.includes('<displayed'))).toHaveLength(1);
  });

  it('fails its text, which the person may send again', async () => {
    lab.state.registered = false;
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    const { message: next } = lab.messenger.texts.send({ conversation }, 'And more', 'session');
    const [job] = lab.history.jobs();
    lab.history.removeJob(job?.id ?? 0);
    lab.history.addJob({ lane: conversation, kind: 'message', message, payload: '{"mode":"carrier pigeon"}', nextAt: 0 });
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    lab.invites[0]?.session.answer();
    await lab.settle();
    expect([lab.stateOf(next), lab.stateOf(message)]).toEqual(['sent', 'failed']);
    expect(lab.history.message(message)?.error).toMatchObject({ code: 'storage/unreadable', retry: 'user' });
    lab.messenger.outbox.retry(message);
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.history.jobs()).toEqual([]);
  });
});
