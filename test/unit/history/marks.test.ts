import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import type { MessageRecord } from '../../../main/history/records';
import { conversationRecord, messageRecord } from '../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../support/doubles/one-history';

/** What the person does with conversations and messages on this device alone; all of it is on disk when the call returns. */
let folder: string;
let history: OneHistory;
const open = () => openOneHistory({ file: join(folder, 'history.db'), key: 'ab'.repeat(32), log: silentLogger });
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-marks-'));
  history = open();
  history.addConversation(conversation);
});
afterEach(() => {
  history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const conversation = conversationRecord('c1', { conversationId: 'conv' });

const message = (id: string, more: Partial<MessageRecord> = {}) =>
  messageRecord(id, { conversation: 'c1', sentAt: 10, receivedAt: 11, ...more });

function reopened(): OneHistory {
  // As after a kill: nothing is closed.
  history = open();
  return history;
}

const found = (text: string) => history.search(text, 10).map((hit) => hit.message.id);

describe('the marks of a conversation', () => {
  it('keep a draft and the unread mark over a restart, each alone, and hold nothing of an unknown one', () => {
    history.setMarks('c1', { draft: 'Dear Bob, grüß 🙂' });
    history.setMarks('c1', { markedUnread: true });
    expect(reopened().marks('c1')).toEqual({ draft: 'Dear Bob, grüß 🙂', markedUnread: true, isHidden: false });
    history.setMarks('c1', { draft: '' });
    expect(history.marks('c1')).toEqual({ draft: '', markedUnread: true, isHidden: false });
    history.setMarks('c2', { draft: 'nowhere' });
    expect(history.marks('c2')).toEqual({ draft: '', markedUnread: false, isHidden: false });
  });

  it('stay when the conversation is written again', () => {
    history.setMarks('c1', { draft: 'kept' });
    history.addConversation({ ...conversation, subject: 'Lunch' });
    expect(history.marks('c1').draft).toBe('kept');
  });
});

describe('a deleted message', () => {
  it('is gone from the chat and from what is found, and stays away when it comes once more', () => {
    history.addMessage(message('m1'));
    history.addMessage(message('m2'));
    expect(found('text')).toEqual(['m2', 'm1']);
    history.removeMessage('m1', 'in');
    expect(
      reopened()
        .messages('c1', { limit: 10 })
        .map(({ id }) => id),
    ).toEqual(['m2']);
    expect(found('text')).toEqual(['m2']);
    expect(history.addMessage(message('m1'))).toBe(false);
    expect(history.message('m1', 'in')).toBeNull();
    // The same ID the other way round is another message.
    expect(history.addMessage(message('m1', { direction: 'out', state: 'queued' }))).toBe(true);
  });

  it('takes along the receipts and the job of an own one', () => {
    history.addMessage(message('m1', { direction: 'out', state: 'queued' }));
    history.addJob({ lane: 'c1', kind: 'message', message: 'm1', payload: '{}', nextAt: 1 });
    history.addReceipt({ message: 'm1', address: 'sip:bob@lab.test', disposition: 'delivered', at: 1 });
    history.removeMessage('m1', 'out');
    expect(history.receipts('m1')).toEqual([]);
    expect(history.jobs()).toEqual([]);
  });
});

describe('a deleted conversation', () => {
  it('is empty and out of sight until something is said in it, and nothing old comes back', () => {
    history.addMessage(message('m1'));
    history.addMessage(message('m2', { direction: 'out', state: 'queued' }));
    history.addJob({ lane: 'c1', kind: 'message', message: 'm2', payload: '{}', nextAt: 1 });
    history.setMarks('c1', { draft: 'half', markedUnread: true });
    history.emptyConversation('c1');
    expect(reopened().marks('c1')).toEqual({ draft: '', markedUnread: false, isHidden: true });
    expect(history.messages('c1', { limit: 10 })).toEqual([]);
    expect(found('text')).toEqual([]);
    expect(history.jobs()).toEqual([]);
    expect(history.addMessage(message('m1'))).toBe(false);
    expect(history.marks('c1').isHidden).toBe(true);
    expect(history.addMessage(message('m3'))).toBe(true);
    expect(history.marks('c1').isHidden).toBe(false);
  });

  it('has nothing to do any more with the group that it went on in, nor that group with it', () => {
    const group = conversationRecord('g1', { kind: 'group', peer: null, continues: 'c1' });
    history.addConversation(group);
    history.addConversation({ ...conversation, continuedBy: 'g1' });
    history.emptyConversation('c1');
    expect(reopened().conversation('c1')?.continuedBy).toBeNull();
    expect(history.conversation('g1')?.continues).toBeNull();
  });

  it('of a group leaves the chat that it has grown out of as it is', () => {
    history.addConversation(conversationRecord('g1', { kind: 'group', peer: null, continues: 'c1' }));
    history.updateConversation('c1', { continuedBy: 'g1' });
    history.emptyConversation('g1');
    expect(reopened().conversation('c1')?.continuedBy).toBe('g1');
    expect(history.conversation('g1')?.continues).toBe('c1');
  });
});
