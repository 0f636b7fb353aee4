/** What arrives is acknowledged, confirmed and told when it is on disk, and not before. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textEnvelope } from '../../../../main/cpm/conversation/envelope';
import { createLab, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

const bob = 'sip:bob@lab.test';
let lab: Lab;
/** The syncs that the disk was asked for and has not ended. */
let syncs: ((error: Error | null) => void)[];
const end = async (error: Error | null) => {
  for (const done of syncs.splice(0)) done(error);
  await lab.settle();
};

beforeEach(() => {
  syncs = [];
  lab = createLab({ sync: (_descriptor, done) => void syncs.push(done) });
});
afterEach(async () => {
  await end(null);
  lab.dispose();
});

const textOf = (id: string) =>
  textEnvelope(
    {
      ...{
        id,
        conversation: '',
        direction: 'out',
        from: bob,
        fromName: '',
        fromDevice: null,
        content: { kind: 'text', text: `text ${id}` },
        state: 'sent',
      },
      ...{ sentAt: lab.clock.now(), receivedAt: null, error: null, wantsDelivered: true, wantsDisplayed: true },
    },
    { from: bob, to: [lab.self] },
  );
/** The answers to pager messages, as they come. */
function pagers(...ids: string[]): number[] {
  const answers: number[] = [];
  for (const id of ids)
    void lab.messenger.incoming.pager(incomingPager(remoteParty(bob), 'message/cpim', textOf(id))).then((status) => answers.push(status));
  return answers;
}
const told = () => lab.events.flatMap((event) => (event.event === 'message' && event.direction === 'in' ? [event.text] : []));

describe('texts that come while the disk is busy', () => {
  it('are answered, confirmed and told together, after one sync', async () => {
    const answers = pagers('a', 'b', 'c');
    await lab.settle();
    expect([answers, told(), lab.pagers.length, syncs.length]).toEqual([[], [], 0, 1]);
    await end(null);
    expect(answers).toEqual([200, 200, 200]);
    expect(told()).toEqual(['text a', 'text b', 'text c']);
    for (let receipt = 0; receipt < 3; receipt += 1) await end(null);
    expect(lab.pagers).toHaveLength(3);
  });

  it('are answered after the sync, too, when they have come before', async () => {
    const first = pagers('a');
    await lab.settle();
    const again = pagers('a');
    await lab.settle();
    expect([first, again]).toEqual([[], []]);
    await end(null);
    await end(null);
    expect([first, again]).toEqual([[200], [200]]);
  });

  it('over a session are answered and confirmed after it', async () => {
    const { media } = await lab.talkTo(bob);
    await end(null);
    let isAnswered = false;
    void media.deliver(textOf('a')).then(() => {
      isAnswered = true;
    });
    await lab.settle();
    const before = media.sent.length;
    expect([isAnswered, told()]).toEqual([false, []]);
    // The sync that was under way covers what the session has left; the next one covers the text.
    await end(null);
    await end(null);
    expect([isAnswered, told()]).toEqual([true, ['text a']]);
    await end(null);
    expect(media.sent.length).toBe(before + 1);
  });
});

describe('a disk that fails at the sync', () => {
  it('has nothing acknowledged or confirmed; when it works again the repetition is acknowledged', async () => {
    const answers = pagers('a', 'b');
    await lab.settle();
    const failing = syncs.splice(0);
    for (const done of failing) done(Object.assign(new Error('broken'), { code: 'EIO' }));
    await Promise.resolve();
    expect(lab.pagers).toEqual([]);
    await lab.settle();
    expect(answers).toEqual([500, 500]);
    const again = pagers('a', 'b');
    await lab.settle();
    // One sync is under way already; the next one covers them.
    await end(null);
    await end(null);
    expect(again).toEqual([200, 200]);
    expect(told()).toEqual(['text a', 'text b']);
  });
});

describe('a text that is written while the disk is busy', () => {
  it('is on disk when the call returns, with everything before it, and leaves at once', async () => {
    const answers = pagers('a');
    await lab.settle();
    lab.messenger.texts.send({ to: bob }, 'Mine', 'pager');
    await lab.settle();
    expect([answers, lab.pagers.length > 0]).toEqual([[], true]);
    for (let turn = 0; turn < 4; turn += 1) await end(null);
    expect(answers).toEqual([200]);
    expect(lab.pagers.length).toBeGreaterThanOrEqual(2);
  });
});
