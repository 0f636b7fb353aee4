import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import type { ConversationRecord, MessageRecord } from '../../../main/history/records';
import { maximumPage } from '../../../main/history/tables/messages';
import { AppError } from '../../../preload/contract/errors';
import { conversationRecord, type MessageChange, messageRecord } from '../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../support/doubles/one-history';

const key = '0123456789abcdef'.repeat(4);
let folder: string;
let file: string;
let history: OneHistory;

const open = (withKey = key) => openOneHistory({ file, key: withKey, log: silentLogger });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-history-'));
  file = join(folder, 'history.db');
  history = open();
});

afterEach(() => {
  history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const conversation = (id: string, change: Partial<ConversationRecord> = {}) =>
  conversationRecord(id, { conversationId: `conv-${id}`, createdAt: 1000, activityAt: 1000, ...change });
const message = (id: string, change: MessageChange = {}) => messageRecord(id, { wantsDelivered: true, ...change });

function errorOf(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const ids = (messages: MessageRecord[]) => messages.map((each) => each.id);

describe('conversations', () => {
  it('come back as they were put, after closing and opening too', () => {
    const full = conversation('g', {
      kind: 'group',
      peer: null,
      subject: 'Lunch',
      contributionId: 'contribution',
      focus: 'sip:focus@lab.test',
      continues: 'c',
      continuedBy: 'd',
      joined: false,
    });
    history.addConversation(full);
    history.dispose();
    history = open();
    expect(history.conversation('g')).toEqual(full);
    expect(history.conversation('nobody')).toBeNull();
  });

  it('are not replaced by a second add, and stand newest activity first', () => {
    expect(history.addConversation(conversation('c'))).toBe(true);
    history.addConversation(conversation('d', { activityAt: 2000 }));
    expect(history.addConversation(conversation('c', { subject: 'another', activityAt: 3000 }))).toBe(false);
    expect(history.conversations().map((each) => [each.id, each.subject])).toEqual([
      ['d', null],
      ['c', null],
    ]);
    history.updateConversation('c', { activityAt: 3000 });
    expect(history.conversations().map((each) => each.id)).toEqual(['c', 'd']);
  });

  it('keep the changes of two patches based on the same older reading', () => {
    history.addConversation(conversation('c'));
    // One part puts the roster down while another one notes the activity and a third one the new focus.
    const people = [{ address: 'sip:carol@lab.test', name: 'Carol' }];
    for (const patch of [{ people, subject: 'Lunch' }, { activityAt: 9 }, { focus: 'sip:focus@lab.test', joined: false }])
      expect(history.updateConversation('c', patch)).toBe(true);
    expect(history.conversation('c')).toEqual(
      conversation('c', { people, subject: 'Lunch', activityAt: 9, focus: 'sip:focus@lab.test', joined: false }),
    );
  });

  it('say when a patch changes nothing, and take a special address away again', () => {
    history.addConversation(conversation('c', { writesAs: 'sip:other@lab.test' }));
    expect(history.updateConversation('c', { joined: true, people: [{ address: 'sip:bob@lab.test', name: 'Bob' }] })).toBe(false);
    expect(history.updateConversation('c', {})).toBe(false);
    expect(history.updateConversation('nobody', { joined: false })).toBe(false);
    expect(history.updateConversation('c', { writesAs: null })).toBe(true);
    expect(history.conversation('c')).toEqual(conversation('c'));
  });

  it('are found by the peer of a 1-1 and by the contribution of a group, never by the other', () => {
    history.addConversation(conversation('c', { contributionId: 'same' }));
    history.addConversation(conversation('g', { kind: 'group', peer: null, contributionId: 'same' }));
    expect(history.oneToOneWith('sip:bob@lab.test')?.id).toBe('c');
    expect(history.oneToOneWith('sip:carol@lab.test')).toBeNull();
    expect(history.groupByContribution('same')?.id).toBe('g');
    expect(history.groupByContribution('other')).toBeNull();
  });
});

describe('messages', () => {
  beforeEach(() => history.addConversation(conversation('c')));

  it('are there once for each (id, direction); the second add changes nothing', () => {
    const first = message('m', { error: { code: 'net/timeout', retry: 'auto', status: 408 }, fromDevice: 'laptop' });
    expect(history.addMessage(first)).toBe(true);
    expect(history.addMessage(message('m', { text: 'another' }))).toBe(false);
    expect(history.message('m')).toEqual(first);
    expect(history.addMessage(message('m', { direction: 'out', state: 'queued' }))).toBe(true);
    expect(history.message('m')?.direction).toBe('out');
    expect(history.message('m', 'in')).toEqual(first);
    expect(history.messages('c', { limit: 10 })).toHaveLength(2);
  });

  it('stand in the order of sentAt, whatever order they came in', () => {
    for (const [id, sentAt] of [
      ['late', 9],
      ['b', 5],
      ['a', 1],
      ['c', 6],
    ] as const)
      history.addMessage(message(id, { sentAt }));
    expect(ids(history.messages('c', { limit: 10 }))).toEqual(['a', 'b', 'c', 'late']);
    expect(history.lastMessage('c')?.id).toBe('late');
  });

  it('are paged backwards without a gap or a double, ties of sentAt included', () => {
    history.addConversation(conversation('other'));
    const sentAt = (index: number) => (index * 37) % 20;
    const names = Array.from({ length: 103 }, (_, index) => index);
    for (const index of names) {
      history.addMessage(message(`m${index}`, { sentAt: sentAt(index) }));
      history.addMessage(message(`x${index}`, { sentAt: sentAt(index), conversation: 'other' }));
    }
    const all = ids(history.messages('c', { limit: 1000 }));
    expect(all.map((id) => sentAt(Number(id.slice(1))))).toEqual(names.map(sentAt).sort((a, b) => a - b));
    const seen: string[] = [];
    let before: string | undefined;
    for (;;) {
      const page = history.messages('c', { before, limit: 7 });
      if (page.length === 0) break;
      seen.unshift(...ids(page));
      before = page[0]?.id;
    }
    expect(seen).toEqual(all);
    expect(history.messages('c', { before: 'x50', limit: 7 })).toEqual([]);
    expect(history.messages('c', { before: 'never there', limit: 7 })).toEqual([]);
  });

  it('come at most maximumPage at once', () => {
    history.transaction(() => {
      for (let index = 0; index < maximumPage + 5; index += 1) history.addMessage(message(`m${index}`));
    });
    expect(history.messages('c', { limit: Number.MAX_SAFE_INTEGER })).toHaveLength(maximumPage);
    expect(history.messages('c', { limit: -1 })).toEqual([]);
  });

  it('change their state and error, and say when nothing changed', () => {
    history.addMessage(message('m', { direction: 'out', state: 'queued' }));
    expect(history.setMessageState('m', 'sending')).toBe(true);
    expect(history.setMessageState('m', 'sending')).toBe(false);
    const error = { code: 'sip/rejected', retry: 'user', status: 486 } as const;
    expect(history.setMessageState('m', 'failed', error)).toBe(true);
    expect(history.setMessageState('m', 'failed', error)).toBe(false);
    expect(history.message('m')).toMatchObject({ state: 'failed', error });
    expect(history.setMessageState('m', 'queued')).toBe(true);
    expect(history.message('m')?.error).toBeNull();
    expect(history.setMessageState('nobody', 'sent')).toBe(false);
  });

  it('of both directions with one id keep their states apart', () => {
    history.addMessage(message('m', { direction: 'out', state: 'sent' }));
    history.addMessage(message('m', { direction: 'in' }));
    history.setMessageState('m', 'displayed', null, 'in');
    expect(history.message('m', 'out')?.state).toBe('sent');
    history.setMessageState('m', 'delivered');
    expect([history.message('m', 'out')?.state, history.message('m', 'in')?.state]).toEqual(['delivered', 'displayed']);
    history.removeMessage('m', 'in');
    expect(history.message('m')?.direction).toBe('out');
    expect(history.message('m', 'in')).toBeNull();
  });

  it('are unread while received, and undisplayed up to and including the one that was seen', () => {
    for (const [id, sentAt] of [
      ['a', 1],
      ['b', 2],
      ['c1', 3],
      ['c2', 4],
      ['d', 5],
    ] as const)
      history.addMessage(message(id, { sentAt }));
    history.addMessage(message('mine', { sentAt: 2, direction: 'out', state: 'sent' }));
    history.setMessageState('b', 'displayed');
    expect(history.unread('c')).toBe(4);
    expect(ids(history.undisplayed('c', 'c1'))).toEqual(['a', 'c1']);
    expect(ids(history.undisplayed('c', 'mine'))).toEqual(['a']);
    expect(history.undisplayed('c', 'nobody')).toEqual([]);
    expect(history.unread('empty')).toBe(0);
  });

  it('keep every character, and the text behind a U+0000', () => {
    const text = 'Zażółć\r\n\t"quoted" \u{1F600}\u202E{}%:?';
    history.addMessage(message('m', { text }));
    history.addMessage(message('nul', { text: 'before\u0000after' }));
    expect(history.message('m')?.content.text).toBe(text);
    expect(history.message('nul')?.content.text).toBe('before\ufffdafter');
  });

  it('of a conversation that is not there are refused', () => {
    expect(errorOf(() => history.addMessage(message('m', { conversation: 'nobody' }))).code).toBe('storage/failed');
    expect(history.message('m')).toBeNull();
  });

  it('with a value of a wrong type are refused; the driver would end the process', () => {
    const wrong = JSON.parse('{"fromDevice": true}') as Partial<MessageRecord>;
    expect(errorOf(() => history.addMessage(message('m', wrong))).code).toBe('storage/failed');
  });
});

describe('receipts and jobs', () => {
  beforeEach(() => history.addConversation(conversation('c')));

  it('a receipt counts once for each (message, address, disposition, device)', () => {
    const delivered = { message: 'm', address: 'sip:bob@lab.test', disposition: 'delivered', at: 7 } as const;
    expect(history.addReceipt(delivered)).toBe(true);
    expect(history.addReceipt({ ...delivered, at: 9 })).toBe(false);
    expect(history.addReceipt({ ...delivered, disposition: 'displayed', at: 8 })).toBe(true);
    expect(history.addReceipt({ ...delivered, address: 'sip:carol@lab.test', at: 6 })).toBe(true);
    expect(history.addReceipt({ ...delivered, device: 'Phone', at: 9 })).toBe(true);
    expect(history.addReceipt({ ...delivered, device: 'Phone', at: 10 })).toBe(false);
    expect(history.receipts('m')).toEqual([
      { address: 'sip:carol@lab.test', device: null, disposition: 'delivered', at: 6 },
      { address: 'sip:bob@lab.test', device: null, disposition: 'delivered', at: 7 },
      { address: 'sip:bob@lab.test', device: null, disposition: 'displayed', at: 8 },
      { address: 'sip:bob@lab.test', device: 'Phone', disposition: 'delivered', at: 9 },
    ]);
    expect(history.receipts('other')).toEqual([]);
  });

  it('jobs keep their order and count their attempts; their ids are never used twice', () => {
    const job = { lane: 'c', kind: 'message', message: 'm', payload: '{}', nextAt: 5 } as const;
    const first = history.addJob(job);
    const second = history.addJob({ ...job, kind: 'receipt', message: 'n' });
    expect(first).toEqual({ ...job, id: first.id, attempts: 0 });
    history.postponeJob(first.id, 99);
    expect(history.jobs()).toEqual([{ ...first, attempts: 1, nextAt: 99 }, second]);
    history.removeJob(second.id);
    expect(history.addJob(job).id).toBeGreaterThan(second.id);
    history.removeJobsOf('m');
    expect(history.jobs()).toEqual([]);
  });

  it('wait for one another, and are kept out of their lane where they were set aside', () => {
    const job = { lane: 'c', kind: 'message', message: 'm', payload: '{}', nextAt: 5 } as const;
    const first = history.addJob(job);
    const second = history.addJob({ ...job, lane: 'd', after: first.id });
    expect([history.nextJob('c')?.id, history.nextJob('d'), history.jobsAfter(first.id)]).toEqual([first.id, null, [second]]);
    history.removeJob(first.id);
    expect(history.nextJob('d')).toEqual(second);
    history.setJobAside(second.id);
    expect([history.nextJob('d'), history.lanes(), history.jobs()]).toEqual([null, [], [{ ...second, isAside: true }]]);
  });

  it('go with the outgoing message that is removed; the receipt owed for an incoming one stays', () => {
    history.addMessage(message('out', { direction: 'out', state: 'queued' }));
    history.addMessage(message('in'));
    history.addJob({ lane: 'c', kind: 'message', message: 'out', payload: '{}', nextAt: 0 });
    history.addJob({ lane: 'c', kind: 'receipt', message: 'in', payload: '{}', nextAt: 0 });
    history.addReceipt({ message: 'out', address: 'sip:bob@lab.test', disposition: 'delivered', at: 7 });
    history.removeMessage('out');
    history.removeMessage('in');
    history.removeMessage('nobody');
    expect(history.messages('c', { limit: 9 })).toEqual([]);
    expect(history.receipts('out')).toEqual([]);
    expect(history.jobs().map((each) => each.message)).toEqual(['in']);
  });
});

describe('transactions', () => {
  beforeEach(() => history.addConversation(conversation('c')));

  it('happen wholly or not at all, and pass on what the work threw', () => {
    const own = new Error('mine');
    const attempt = () =>
      history.transaction(() => {
        history.addMessage(message('m', { direction: 'out', state: 'queued' }));
        history.addJob({ lane: 'c', kind: 'message', message: 'm', payload: '{}', nextAt: 0 });
        throw own;
      });
    expect(attempt).toThrow(own);
    expect([history.message('m'), history.jobs()]).toEqual([null, []]);
    expect(history.transaction(() => 42)).toBe(42);
  });

  it('nest: the inner one can fail alone, the outer one takes the inner one along', () => {
    history.transaction(() => {
      history.addMessage(message('outer'));
      expect(() =>
        history.transaction(() => {
          history.addMessage(message('inner'));
          throw new Error('inner');
        }),
      ).toThrow('inner');
      history.transaction(() => history.addMessage(message('second')));
    });
    expect(ids(history.messages('c', { limit: 9 })).sort()).toEqual(['outer', 'second']);
    expect(() =>
      history.transaction(() => {
        history.transaction(() => history.addMessage(message('third')));
        throw new Error('outer');
      }),
    ).toThrow('outer');
    expect(history.message('third')).toBeNull();
  });

  it('refuse asynchronous work, whose end they could not see', () => {
    const attempt = () => history.transaction(async () => void history.addMessage(message('m')));
    expect(errorOf(attempt).code).toBe('internal');
    expect(history.message('m')).toBeNull();
  });
});

describe('the file', () => {
  const secret = 'a most recognisable sentence';

  it('holds no plain text, in the database or in the write-ahead log, and belongs to its user alone', () => {
    history.addConversation(conversation('c', { subject: secret }));
    for (let index = 0; index < 50; index += 1) history.addMessage(message(`m${index}`, { text: secret }));
    const log = readFileSync(`${file}-wal`);
    expect(log.length).toBeGreaterThan(4096);
    history.dispose();
    for (const bytes of [log, readFileSync(file)]) {
      expect(bytes.length).toBeGreaterThan(4096);
      for (const plain of [secret, 'SQLite format 3', 'CREATE TABLE', 'bob@lab.test']) expect(bytes.includes(plain)).toBe(false);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['another key', 'f'.repeat(64)],
    ['no key', ''],
    ['a key that is no hex', 'x'.repeat(64)],
    ['a key that is too short', 'ab'],
  ])('is refused with %s and stays whole', (_what, wrong) => {
    history.addConversation(conversation('c'));
    history.dispose();
    expect(errorOf(() => open(wrong))).toMatchObject({ code: 'storage/unreadable', retry: 'user' });
    history = open();
    expect(history.conversation('c')?.id).toBe('c');
  });

  it('that is no database, is cut off, or is a folder, is unreadable and is not touched', () => {
    history.addConversation(conversation('c'));
    history.dispose();
    const whole = readFileSync(file);
    for (const bytes of [Buffer.from('not a database'), Buffer.alloc(8192, 7), whole.subarray(0, 100)]) {
      writeFileSync(file, bytes);
      expect(errorOf(() => open()).code).toBe('storage/unreadable');
      expect(readFileSync(file).equals(bytes)).toBe(true);
    }
    file = folder;
    expect(errorOf(() => open()).code).toBe('storage/unreadable');
    file = join(folder, 'no', 'such', 'folder.db');
    expect(errorOf(() => open()).code).toBe('storage/unreadable');
  });

  it('damaged beneath an open history is an AppError, never a foreign one', () => {
    history.addConversation(conversation('c'));
    for (let index = 0; index < 200; index += 1) history.addMessage(message(`m${index}`, { text: 'x'.repeat(500) }));
    history.dispose();
    const bytes = readFileSync(file);
    for (let page = 1; page * 4096 < bytes.length; page += 1) bytes.fill(0x55, page * 4096, page * 4096 + 64);
    writeFileSync(file, bytes);
    const readEverything = () => {
      history = open();
      history.conversations();
      history.messages('c', { limit: 500 });
    };
    expect(errorOf(readEverything).code).toBe('storage/unreadable');
  });

  it('closed, answers every call with storage/failed; closing twice is harmless', () => {
    history.dispose();
    history.dispose();
    expect(errorOf(() => history.conversations()).code).toBe('storage/failed');
    expect(errorOf(() => history.transaction(() => 1)).code).toBe('storage/failed');
  });
});
