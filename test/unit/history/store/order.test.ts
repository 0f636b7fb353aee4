import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { MessageRecord, Place } from '../../../../main/history/records';
import { migrate, migrations, orderedVersion, sealedVersion } from '../../../../main/history/store/migrations';
import { conversationName, messageKey } from '../../../../main/history/store/order';
import { Seal } from '../../../../main/history/store/seal';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';
import { seededRandom } from '../../../support/doubles/seeded-random';

const key = 'ab'.repeat(32);
let folder: string;
const opened: OneHistory[] = [];
const file = (name: string) => join(folder, `${name}.db`);
function open(name: string): OneHistory {
  const history = openOneHistory({ file: file(name), key, log: silentLogger });
  opened.push(history);
  return history;
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-order-'));
});
afterEach(() => {
  for (const history of opened.splice(0)) history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const named = ({ id, direction }: MessageRecord) => `${id} ${direction}`;

function walked(history: OneHistory, conversation: string): string[] {
  const all: string[] = [];
  let from: Place | null = null;
  do {
    const { messages, end } = history.walk(conversation, from, 7);
    all.push(...messages.map(named));
    from = end;
  } while (from !== null);
  return all;
}

function paged(history: OneHistory, conversation: string, limit: number): string[] {
  const all: string[] = [];
  let before: string | undefined;
  for (;;) {
    const page = history.messages(conversation, { before, limit });
    if (page.length === 0) return all;
    all.unshift(...page.map(named));
    before = page[0]?.id;
  }
}

describe('the order of messages', () => {
  it('is the same whatever order they came in, on every page, walk and search by date', () => {
    const random = seededRandom(412);
    // Few times, so that many stand at one of them.
    const messages = Array.from({ length: 60 }, (_, index) =>
      messageRecord(`m${index}`, {
        direction: index % 3 === 0 ? 'out' : 'in',
        sentAt: 1000 + Math.floor(random() * 8),
        movedBy: Math.floor(random() * 3),
      }),
    );
    const orders = Array.from({ length: 8 }, (_, run) => {
      const history = open(`run-${run}`);
      // The conversation has another id on each device.
      history.addConversation(conversationRecord(`c${run}`));
      const shuffled = messages.map((message) => ({ message, at: random() })).sort((a, b) => a.at - b.at);
      for (const { message } of shuffled) expect(history.addMessage({ ...message, conversation: `c${run}` })).toBe(true);
      const order = history.messages(`c${run}`, { limit: 100 }).map(named);
      expect(walked(history, `c${run}`)).toEqual(order);
      expect(paged(history, `c${run}`, 9)).toEqual(order);
      expect(history.search('1970-01-01', 100).map(({ message }) => named(message))).toEqual([...order].reverse());
      expect(history.lastMessage(`c${run}`)?.id).toBe(order.at(-1)?.split(' ')[0]);
      return order;
    });
    for (const order of orders) expect(order).toEqual(orders[0]);
    expect(new Set(orders[0]).size).toBe(messages.length);
  });

  it('is by a key that names the message on every device, and nobody else’s', () => {
    const bob = conversationName(conversationRecord('here'));
    expect(conversationName(conversationRecord('there', { conversationId: 'other', contributionId: 'x' }))).toBe(bob);
    const group = conversationRecord('g', { kind: 'group', peer: null, contributionId: 'chat' });
    const hidden = conversationRecord('h', { hides: 'peer', peer: 'sip:temp@lab.test;gr=1', conversationId: 'secret' });
    expect([conversationName(group), conversationName(hidden)]).toEqual(['g|chat', 'h|peer|secret']);
    const message = messageRecord('id');
    const keys = [
      messageKey(bob, message),
      messageKey(bob, { ...message, direction: 'out' }),
      messageKey('1|sip:carol@lab.test', message),
      messageKey('g|chat', message),
      messageKey('g|chat', { ...message, from: 'sip:carol@lab.test' }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    for (const one of keys) expect(one).toMatch(/^[\w-]{20}$/);
    // What tells an id from others here alone is no part of it.
    expect(messageKey(bob, { ...message, id: 'id\nsip:bob@lab.test' })).toBe(keys[0]);
  });

  it('stores a message once by its key, too', () => {
    const history = open('one');
    history.addConversation(conversationRecord('c'));
    expect(history.addMessage(messageRecord('m'))).toBe(true);
    expect(history.addMessage(messageRecord('m\nsip:bob@lab.test'))).toBe(false);
    expect(history.messages('c', { limit: 9 })).toHaveLength(1);
  });

  it('has room for one more at the next free time', () => {
    const history = open('free');
    history.addConversation(conversationRecord('c'));
    history.addConversation(conversationRecord('d', { peer: 'sip:dan@lab.test' }));
    for (const sentAt of [10, 11, 12, 14]) history.addMessage(messageRecord(`at ${sentAt}`, { sentAt }));
    const free = (from: number, most = 1000) => history.freeTime('c', from, most);
    expect([free(9), free(10), free(13), free(14), free(10, 1)]).toEqual([9, 13, 13, 15, 11]);
    expect(history.freeTime('d', 10, 1000)).toBe(10);
  });
});

describe('an older history', () => {
  const older = (messages: MessageRecord[]) => {
    const database = new Libsql(file('old'), { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const seal = new Seal(key);
    migrate({ database, file: file('old'), key, log: silentLogger }, migrations.slice(0, orderedVersion - 1), (version) => {
      if (version === sealedVersion) seal.sealAll(database);
    });
    database.exec(`INSERT INTO conversations (id, kind, peer, people, conversation_id, joined, created_at, activity_at)
      VALUES ('c', 'oneToOne', 'sip:bob@lab.test', '[]', 'c', 1, 1, 1), ('d', 'oneToOne', 'sip:dan@lab.test', '[]', 'd', 1, 1, 1)`);
    const add =
      database.prepare(`INSERT INTO messages (id, conversation, direction, sender, sender_name, text, state, sent_at, moved, wants_delivered,
        wants_displayed, seal) VALUES (?, ?, 'in', ?, 'Bob', ?, 'received', ?, ?, 0, 0, ?)`);
    database.exec('BEGIN');
    for (const { id, conversation, from, content, sentAt, movedBy = 0 } of messages) {
      const row = {
        id,
        conversation,
        direction: 'in',
        sender: from,
        sender_name: 'Bob',
        sender_device: null,
        text: content.text,
        sent_at: sentAt,
      };
      add.run(id, conversation, from, content.text, sentAt, movedBy, seal.of({ ...row, received_at: null, moved: movedBy }));
    }
    database.exec('COMMIT');
    const first = database.prepare(
      "INSERT INTO jobs (lane, kind, message, payload, attempts, next_at) VALUES ('c', 'message', 'm', '{}', 2, 7)",
    );
    first.run();
    first.run();
    database.exec('DELETE FROM jobs WHERE id = 2');
    return database;
  };

  it('keeps every message where a person has seen it, sealed, and every job', () => {
    const messages = Array.from({ length: 2500 }, (_, index) =>
      messageRecord(`m${index}`, {
        conversation: index % 5 === 0 ? 'd' : 'c',
        sentAt: 1000 + Math.floor(index / 40) * 10,
        movedBy: index % 3 === 0 ? 10 : 0,
      }),
    );
    const database = older(messages);
    const shownIn = (conversation: string) =>
      (
        database.prepare('SELECT id FROM messages WHERE conversation = ? ORDER BY ordered_at, seq').all(conversation) as { id: string }[]
      ).map(({ id }) => `${id} in`);
    const shown = { c: shownIn('c'), d: shownIn('d') };
    database.exec("UPDATE messages SET text = 'changed by nobody' WHERE id = 'm41'");
    database.close();
    const history = open('old');
    expect(walked(history, 'c')).toEqual(shown.c);
    expect(walked(history, 'd')).toEqual(shown.d);
    const all = history.messages('c', { limit: 1000 });
    expect(history.message('m41')?.isDamaged).toBe(true);
    expect(all.filter(({ id, isDamaged }) => isDamaged === true && id !== 'm41')).toEqual([]);
    expect(new Set(all.map(({ sentAt, movedBy = 0, id }) => (id === 'm41' ? id : sentAt + movedBy))).size).toBe(all.length);
    expect(history.jobs()).toEqual([{ id: 1, lane: 'c', kind: 'message', message: 'm', payload: '{}', attempts: 2, nextAt: 7 }]);
    expect(history.addJob({ lane: 'c', kind: 'file', message: 'n', payload: '{}', nextAt: 0 }).id).toBe(3);
    // A repetition of what is there is still one.
    expect(history.addMessage(messageRecord('m7\nsip:bob@lab.test'))).toBe(false);
  });
});
