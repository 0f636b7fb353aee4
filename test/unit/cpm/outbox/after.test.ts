import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jobDraft } from '../../../../main/cpm/outbox/job';
import { createLab, type Lab } from '../../../support/doubles/cpm-lab';
import { messageRecord } from '../../../support/doubles/history-records';

/** Jobs that wait for another one, as a file's message will wait for its upload. */
let lab: Lab;
beforeEach(() => {
  lab = createLab();
  lab.state.registered = false;
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';

function queued(conversation: string, id: string, after?: number): number {
  const { history } = lab;
  history.addMessage(messageRecord(id, { conversation, direction: 'out', from: lab.self, state: 'queued', sentAt: lab.clock.now() }));
  const lane = conversation;
  return history.addJob(
    jobDraft({ kind: 'message', message: id, mode: 'session' }, { lane, nextAt: 0, ...(after === undefined ? {} : { after }) }),
  ).id;
}

async function register(): Promise<void> {
  lab.state.registered = true;
  lab.messenger.registered();
  await lab.settle();
}

const states = (...ids: string[]) => ids.map((id) => lab.stateOf(id));

describe('a job that waits for another one', () => {
  it('leaves after it, in whatever lane that one is, and holds up nothing meanwhile', async () => {
    const toBob = lab.messenger.chats.open(bob);
    const toCarol = lab.messenger.chats.open('sip:carol@lab.test');
    const first = queued(toCarol, 'first');
    queued(toBob, 'dependent', first);
    queued(toBob, 'independent');
    await register();
    const to = (address: string) => lab.invites.find(({ request }) => request.target === address)?.session;
    to(bob)?.answer();
    await lab.settle();
    expect(states('first', 'dependent', 'independent')).toEqual(['sending', 'queued', 'sent']);
    to('sip:carol@lab.test')?.answer();
    await lab.settle();
    expect(states('first', 'dependent', 'independent')).toEqual(['sent', 'sent', 'sent']);
    expect(lab.history.jobs()).toEqual([]);
  });

  it('fails with it, and so does everything that waits for that', async () => {
    const toBob = lab.messenger.chats.open(bob);
    const toCarol = lab.messenger.chats.open('sip:carol@lab.test');
    const first = queued(toBob, 'first');
    const second = queued(toCarol, 'second', first);
    queued(toCarol, 'third', second);
    await register();
    lab.invites[0]?.session.refuse(404);
    await lab.settle();
    expect(states('first', 'second', 'third')).toEqual(['failed', 'failed', 'failed']);
    expect(lab.history.message('third')?.error).toMatchObject({ code: 'sip/rejected', status: 404 });
    expect(lab.history.jobs()).toEqual([]);
  });

  it('fails with one that cannot be read, and not for ever waits for it', async () => {
    const toBob = lab.messenger.chats.open(bob);
    lab.history.addMessage(messageRecord('first', { conversation: toBob, direction: 'out', from: lab.self, state: 'queued' }));
    const first = lab.history.addJob({ lane: toBob, kind: 'message', message: 'first', payload: 'x', nextAt: 0 }).id;
    queued(toBob, 'second', first);
    await register();
    expect(states('first', 'second')).toEqual(['failed', 'failed']);
    expect(lab.history.jobs().map(({ id }) => id)).toEqual([first]);
  });

  it('is free when the other one is taken back', async () => {
    const toBob = lab.messenger.chats.open(bob);
    const first = queued(toBob, 'first');
    queued(toBob, 'second', first);
    lab.messenger.outbox.discard('first');
    await register();
    lab.invites[0]?.session.answer();
    await lab.settle();
    expect(states('second')).toEqual(['sent']);
  });
});
