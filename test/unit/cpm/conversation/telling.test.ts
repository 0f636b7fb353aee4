import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textEnvelope } from '../../../../main/cpm/conversation/envelope';
import { createLab, type Lab } from '../../../support/doubles/cpm-lab';
import { messageRecord } from '../../../support/doubles/history-records';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';

/** Counts what is read of the history while `work` runs. */
async function reads(work: () => unknown): Promise<string[]> {
  const { history } = lab;
  const read: string[] = [];
  const counted = ['conversation', 'marks', 'unread', 'message', 'lastMessage', 'receipts', 'privateDrafts', 'iconName'] as const;
  const told = ['overview', 'overviews', 'toldMessage'] as const;
  const before = { ...history };
  for (const name of [...counted, ...told]) {
    const plain = history[name] as (...given: unknown[]) => unknown;
    Object.assign(history, {
      [name]: (...given: unknown[]) => {
        read.push(name);
        return plain(...given);
      },
    });
  }
  await work();
  Object.assign(history, before);
  return read;
}

const text = (id: string) =>
  textEnvelope(messageRecord(id, { direction: 'out', from: bob, sentAt: lab.clock.now(), wantsDelivered: true, wantsDisplayed: true }), {
    from: bob,
    to: [lab.self],
  });
const events = () => lab.events.splice(0).map((event) => ('message' in event ? `${event.event} ${event.message}` : event.event));

describe('telling the drivers', () => {
  it('reads a conversation once and its newest message with it', async () => {
    const { media } = await lab.talkTo(bob);
    events();
    const read = await reads(() => media.deliver(text('in-1')));
    expect(read.filter((name) => ['overview', 'toldMessage'].includes(name))).toEqual(['overview']);
    // Nothing else is read to tell it: these belong to taking it.
    for (const name of ['marks', 'unread', 'receipts', 'privateDrafts', 'iconName']) expect(read).not.toContain(name);
    expect(events().filter((event) => !event.startsWith('composing'))).toEqual(['message in-1', 'conversation', 'attention in-1']);
  });

  it('tells many messages of one transaction each once, and their conversation once', async () => {
    const { media, conversation } = await lab.talkTo(bob);
    for (let index = 0; index < 20; index += 1) await media.deliver(text(`in-${index}`));
    await lab.settle();
    events();
    const read = await reads(() => lab.messenger.texts.markDisplayed(conversation, lab.history.lastMessage(conversation)?.id ?? ''));
    const seen = events();
    expect(seen.filter((event) => event.startsWith('message '))).toHaveLength(20);
    expect(new Set(seen.filter((event) => event.startsWith('message '))).size).toBe(20);
    expect(seen.filter((event) => event === 'conversation')).toHaveLength(1);
    expect(read.filter((name) => name === 'overview')).toHaveLength(1);
    expect(read.filter((name) => name === 'toldMessage')).toHaveLength(19);
  });

  it('tells every value as the pages and the list hold it', async () => {
    const { media, conversation, message } = await lab.talkTo(bob);
    await media.deliver(text('in-1'));
    lab.messenger.chats.setDraft(conversation, 'Dear Bob');
    const told = lab.events.filter((event) => event.event === 'conversation').at(-1);
    expect(told).toEqual({ event: 'conversation', ...lab.messenger.chats.all()[0] });
    expect(told).toMatchObject({ draft: 'Dear Bob', unread: 1, last: { message: 'in-1', text: 'text of in-1' } });
    const sent = lab.events.filter((event) => event.event === 'message' && event.message === message).at(-1);
    expect(sent).toEqual({ event: 'message', ...lab.messenger.chats.messages(conversation, {}, 50)[0] });
  });

  it('tells nothing after its end', async () => {
    const { conversation } = await lab.talkTo(bob);
    lab.messenger.dispose();
    events();
    lab.history.setMarks(conversation, { markedUnread: true });
    expect(lab.events).toEqual([]);
  });
});
