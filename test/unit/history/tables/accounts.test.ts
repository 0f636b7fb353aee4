import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { type History, openHistory, type ProfileHistory } from '../../../../main/history/history';
import type { Change } from '../../../../main/history/records';
import { migrate, migrations, orderedVersion, sealedVersion } from '../../../../main/history/store/migrations';
import { orderByKey } from '../../../../main/history/store/order';
import { Seal } from '../../../../main/history/store/seal';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';

const key = 'ab'.repeat(32);
const [alice, carol, bob] = ['sip:alice@lab.test', 'sip:carol@lab.test', 'sip:bob@lab.test'];
let folder: string;
let file: string;
let profile: ProfileHistory;
let [ofAlice, ofCarol]: History[] = [];

const open = () => {
  profile = openHistory({ file, key, log: silentLogger });
};
const alices = () => ofAlice as History;
const carols = () => ofCarol as History;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-accounts-'));
  file = join(folder, 'history.db');
  open();
  [ofAlice, ofCarol] = [profile.of(alice), profile.of(carol)];
});
afterEach(() => {
  profile.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('two accounts in one history', () => {
  it('can be forgotten one by one: nothing of the one is left in any table nor in the file, and the other has all of its own', () => {
    for (const [history, id, text] of [
      [alices(), 'a', 'a word of Alice'],
      [carols(), 'c', 'a word of Carol'],
    ] as const) {
      history.addConversation(conversationRecord(id, { peer: bob }));
      history.addMessage(messageRecord(`m ${id}`, { conversation: id, direction: 'out', content: { kind: 'text', text } }));
      history.addReceipt({ message: `m ${id}`, address: bob, device: null, disposition: 'delivered', at: 1 });
      history.addJob({ lane: 'lane', kind: 'message', message: `m ${id}`, payload: '{}', nextAt: 0 } as never);
      history.setPrivateDraft(id, bob, 'a draft');
      history.own.transaction(() => history.own.putElement('read', `m ${id}`, 1));
    }
    profile.forget(alice);
    expect(carols().search('word', 10)).toHaveLength(1);
    expect(carols().receipts('m c')).toHaveLength(1);
    expect(carols().jobs()).toHaveLength(1);
    expect(carols().own.keys('read', '', '', 10)).toEqual(['m c']);
    const again = profile.of(alice);
    expect([again.conversations(), again.jobs(), again.search('word', 10), again.own.keys('read', '', '', 10)]).toEqual([[], [], [], []]);
    profile.dispose();
    const database = new Libsql(file, { encryptionCipher: 'aes256cbc', encryptionKey: key } as never);
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").all() as {
      name: string;
    }[];
    for (const { name } of tables) {
      if (name.startsWith('message_words')) continue;
      expect(JSON.stringify(database.prepare(`SELECT * FROM ${name}`).all()), name).not.toContain('Alice');
    }
    expect((database.prepare('PRAGMA freelist_count').get() as { freelist_count: number }).freelist_count).toBe(0);
    database.close();
    open();
  });

  it('have each a 1-1 with the same person, and find no conversation of the other', () => {
    alices().addConversation(conversationRecord('a', { peer: bob }));
    carols().addConversation(conversationRecord('c', { peer: bob }));
    expect([alices().oneToOneWith(bob)?.id, carols().oneToOneWith(bob)?.id]).toEqual(['a', 'c']);
    expect([alices().conversations(), alices().overviews()].map(({ length }) => length)).toEqual([1, 1]);
    expect([carols().conversation('a'), carols().overview('a')]).toEqual([null, null]);
    expect(carols().updateConversation('a', { joined: false })).toBe(false);
    carols().setMarks('a', { markedUnread: true });
    expect(alices().marks('a').markedUnread).toBe(false);
  });

  it('have each the message of a group that both are in, in its own state, and one deletes its own alone', () => {
    const group = { kind: 'group', peer: null, contributionId: 'g' } as const;
    alices().addConversation(conversationRecord('a', group));
    carols().addConversation(conversationRecord('c', group));
    expect(alices().addMessage(messageRecord('m', { conversation: 'a', direction: 'in', state: 'received' }))).toBe(true);
    alices().removeMessage('m');
    expect(carols().addMessage(messageRecord('m', { conversation: 'c', direction: 'in', state: 'received' }))).toBe(true);
    expect(carols().addMessage(messageRecord('m', { conversation: 'c', direction: 'in', state: 'received' }))).toBe(false);
    expect(alices().setMessageState('m', 'displayed')).toBe(false);
    expect([alices().message('m'), carols().message('m')?.state]).toEqual([null, 'received']);
    carols().emptyConversation('c');
    expect(carols().addMessage(messageRecord('m', { conversation: 'c', direction: 'in' }))).toBe(false);
  });

  it('have receipts, jobs and lanes of their own', () => {
    for (const [history, id] of [
      [alices(), 'a'],
      [carols(), 'c'],
    ] as const) {
      history.addConversation(conversationRecord(id, { peer: bob }));
      history.addMessage(messageRecord('m', { conversation: id, direction: 'out' }));
      history.addJob({ lane: bob, kind: 'message', message: 'm', payload: '{}', nextAt: 5 });
    }
    expect(alices().addReceipt({ message: 'm', address: bob, disposition: 'delivered', at: 1 })).toBe(true);
    expect([alices().receipts('m').length, carols().receipts('m').length]).toEqual([1, 0]);
    expect(carols().toldMessage('m', 'out')?.receipts).toEqual([]);
    alices().hastenLane(bob, 0);
    alices().removeJobsOf('m');
    expect([alices().jobs(), alices().lanes(), alices().nextJob(bob)]).toEqual([[], [], null]);
    expect([
      carols()
        .jobs()
        .map(({ nextAt }) => nextAt),
      carols().lanes(),
    ]).toEqual([[5], [bob]]);
    carols().removeMessage('m', 'out');
    expect(alices().receipts('m')).toHaveLength(1);
  });

  it('search their own messages, by words and by date, here and page by page', async () => {
    alices().addConversation(conversationRecord('a'));
    carols().addConversation(conversationRecord('c'));
    const said = { direction: 'in', content: { kind: 'text', text: 'the needle' } } as const;
    alices().addMessage(messageRecord('m', { ...said, conversation: 'a' }));
    carols().addMessage(messageRecord('m', { ...said, conversation: 'c' }));
    const date = new Date(carols().message('m')?.sentAt ?? 0).toISOString().slice(0, 7);
    const found = (typed: string) =>
      carols()
        .search(typed, 5)
        .map(({ message }) => message.conversation);
    expect([found('needle'), found(date)]).toEqual([['c'], ['c']]);
    expect(carols().search('needle', 5, { id: 'm', direction: 'in' })).toEqual([]);
    expect((await alices().reader.search('needle', 5)).map(({ message }) => message.conversation)).toEqual(['a']);
  });

  it('hear their own changes alone, also of one transaction', () => {
    const told: [string, readonly Change[]][] = [];
    alices().onChange.on((changes) => told.push(['alice', changes]));
    carols().onChange.on((changes) => told.push(['carol', changes]));
    carols().inside((changes) => told.push(['inside carol', changes]));
    alices().transaction(() => {
      alices().addConversation(conversationRecord('a'));
      carols().addConversation(conversationRecord('c'));
    });
    const added = (id: string) => [{ what: 'conversation', how: 'added', id }];
    expect(told).toEqual([
      ['inside carol', added('c')],
      ['alice', added('a')],
      ['carol', added('c')],
    ]);
  });

  it.each([
    ['messages WHERE key = ? AND account = 1', 'messages_by_key (account=? AND key=?)'],
    ['messages WHERE account = 1 AND ordered_at >= ? ORDER BY ordered_at DESC, key DESC', 'messages_by_time (account=? AND ordered_at>?)'],
    ['jobs WHERE account = 1 AND message = ?', 'jobs_by_message (account=? AND message=?)'],
    [
      'conversations WHERE account = 1 AND conversation_id = ? AND hides IS NOT NULL',
      'conversations_hidden (account=? AND conversation_id=?)',
    ],
  ])('are found by an index of their own: %s', (where, index) => {
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const plan = database.prepare(`EXPLAIN QUERY PLAN SELECT * FROM ${where}`).all(1) as { detail: string }[];
    database.close();
    expect(plan.map(({ detail }) => detail)).toEqual([expect.stringContaining(index)]);
  });

  it('are both there after a restart', () => {
    alices().addConversation(conversationRecord('a'));
    carols().addConversation(conversationRecord('c'));
    profile.dispose();
    open();
    expect([profile.of(carol).conversations(), profile.of(alice).conversations()].map((all) => all[0]?.id)).toEqual(['c', 'a']);
  });
});

describe('a history from before there were several accounts', () => {
  it('belongs to the account that asks for it first, with all it holds, and goes on to count, order and find', () => {
    profile.dispose();
    rmSync(file);
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const seal = new Seal(key);
    migrate({ database, file, key, log: silentLogger }, migrations.slice(0, orderedVersion), (version) => {
      if (version === sealedVersion) seal.sealAll(database);
      if (version === orderedVersion) orderByKey(database, seal);
    });
    database.exec(`INSERT INTO conversations (id, kind, peer, people, conversation_id, joined, created_at, activity_at)
        VALUES ('old', 'oneToOne', '${bob}', '[]', 'x', 1, 1, 1);
      INSERT INTO messages (id, conversation, direction, sender, sender_name, text, state, sent_at, wants_delivered, wants_displayed, key)
        VALUES ('m', 'old', 'out', '${alice}', 'Alice', 'an old needle', 'sent', 7, 1, 1, 'k'),
          ('n', 'old', 'in', '${bob}', 'Bob', 'an old needle', 'received', 8, 1, 1, 'l');
      DELETE FROM messages WHERE id = 'n';
      INSERT INTO deleted_messages VALUES ('n', 'in');
      INSERT INTO receipts (message, address, disposition, device, at) VALUES ('m', '${bob}', 'delivered', '', 9);
      INSERT INTO jobs (lane, kind, message, payload, attempts, next_at) VALUES ('old', 'message', 'm', '{}', 0, 0)`);
    database.close();
    open();
    const old = profile.of(alice);
    expect(profile.of(carol).conversations()).toEqual([]);
    expect(old.oneToOneWith(bob)?.id).toBe('old');
    while (old.fillIndex());
    expect([old.receipts('m').length, old.jobs().length, old.search('needle', 5).length]).toEqual([1, 1, 1]);
    expect(old.addMessage(messageRecord('n', { conversation: 'old', direction: 'in' }))).toBe(false);
    old.setMarks('old', { isHidden: true });
    old.addMessage(
      messageRecord('new', { conversation: 'old', direction: 'in', sentAt: 9, content: { kind: 'text', text: 'a new needle' } }),
    );
    expect([old.marks('old').isHidden, old.search('needle', 5).map(({ message }) => message.id)]).toEqual([false, ['new', 'm']]);
    old.removeMessage('m');
    expect(old.search('old', 5)).toEqual([]);
    profile.dispose();
    open();
    expect(profile.of(alice).conversations()).toHaveLength(1);
  });
});
