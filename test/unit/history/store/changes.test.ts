import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import type { Change } from '../../../../main/history/records';
import { coalesced } from '../../../../main/history/store/changes';
import { messageKey } from '../../../../main/history/store/order';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';

let folder: string;
let history: OneHistory;
let told: (readonly Change[])[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-changes-'));
  history = openOneHistory({ file: join(folder, 'history.db'), key: 'ab'.repeat(32), log: silentLogger });
  history.addConversation(conversationRecord('c'));
  told = [];
  history.onChange.on((changes) => told.push(changes));
});
afterEach(() => {
  history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const message = (id: string, how: 'added' | 'changed' | 'removed', direction: 'in' | 'out' = 'in'): Change => ({
  what: 'message',
  how,
  id,
  direction,
  conversation: 'c',
});
const conversation = (how: 'added' | 'changed' | 'emptied', id = 'c'): Change => ({ what: 'conversation', how, id });

describe('the stream of changes', () => {
  it('tells a transaction once, after its commit, each message and conversation once', () => {
    history.transaction(() => {
      history.addMessage(messageRecord('m'));
      history.setMessageState('m', 'displayed');
      history.updateConversation('c', { activityAt: 9 });
      history.transaction(() => history.setMarks('c', { markedUnread: true }));
      expect(told).toEqual([]);
    });
    expect(told).toEqual([[message('m', 'added'), conversation('changed')]]);
  });

  it.each<[string, () => unknown, Change]>([
    ['addConversation', () => history.addConversation(conversationRecord('d')), conversation('added', 'd')],
    ['updateConversation', () => history.updateConversation('c', { joined: false }), conversation('changed')],
    ['setMarks', () => history.setMarks('c', { draft: 'x' }), conversation('changed')],
    ['setPrivateDraft', () => history.setPrivateDraft('c', 'sip:bob@lab.test', 'x'), conversation('changed')],
    ['setIcon', () => history.setIcon('c', 'data:image/png;base64,AAAA'), conversation('changed')],
    ['emptyConversation', () => history.emptyConversation('c'), conversation('emptied')],
    ['addMessage', () => history.addMessage(messageRecord('new')), message('new', 'added')],
    ['setMessageState', () => history.setMessageState('there', 'delivered'), message('there', 'changed', 'out')],
    [
      'removeMessage',
      () => history.removeMessage('there'),
      {
        ...(message('there', 'removed', 'out') as Extract<Change, { what: 'message' }>),
        key: messageKey('1|sip:bob@lab.test', { id: 'there', direction: 'out', from: '' }),
      },
    ],
    [
      'addReceipt',
      () => history.addReceipt({ message: 'there', address: 'sip:bob@lab.test', disposition: 'delivered', at: 1 }),
      message('there', 'changed', 'out'),
    ],
  ])('%s tells itself, and nothing the second time, when nothing changes', (name, work, change) => {
    history.addMessage(messageRecord('there', { direction: 'out', state: 'sent' }));
    told.length = 0;
    work();
    expect(told).toEqual([[change]]);
    work();
    // A conversation may be emptied as often as somebody likes.
    expect(told).toHaveLength(name === 'emptyConversation' ? 2 : 1);
  });

  it('reports no change that was rolled back, wholly or in part', () => {
    const failing = () =>
      history.transaction(() => {
        history.addMessage(messageRecord('lost'));
        throw new Error('no');
      });
    expect(failing).toThrow('no');
    expect(told).toEqual([]);
    history.transaction(() => {
      history.addMessage(messageRecord('kept'));
      expect(failing).toThrow('no');
    });
    expect(told).toEqual([[message('kept', 'added')]]);
    expect(history.message('lost')).toBeNull();
  });

  it('is heard inside the transaction, too, by a listener that can write more and can undo all', () => {
    const heard: (readonly Change[])[] = [];
    let fails = false;
    const inside = history.inside((changes) => {
      heard.push(changes);
      history.setMarks('c', { draft: 'copied' });
      if (fails) throw new Error('no copy');
    });
    // A write that is no explicit transaction becomes one.
    history.addMessage(messageRecord('m'));
    expect(heard).toEqual([[message('m', 'added')]]);
    expect(told).toEqual([[message('m', 'added'), conversation('changed')]]);
    fails = true;
    expect(() => history.addMessage(messageRecord('n'))).toThrow('no copy');
    expect([history.message('n'), told.length]).toEqual([null, 1]);
    inside.dispose();
    history.addMessage(messageRecord('o'));
    expect([heard.length, told.length]).toEqual([2, 2]);
  });
});

describe('the changes of one transaction', () => {
  it.each<[Change[], Change[]]>([
    [[message('m', 'added'), message('m', 'changed')], [message('m', 'added')]],
    [[message('m', 'added'), message('m', 'removed')], []],
    [[message('m', 'changed'), message('m', 'removed')], [message('m', 'removed')]],
    [
      [message('m', 'changed'), message('m', 'changed', 'out'), message('m', 'changed')],
      [message('m', 'changed'), message('m', 'changed', 'out')],
    ],
    [[conversation('added'), conversation('changed')], [conversation('added')]],
    [[conversation('emptied'), conversation('changed')], [conversation('emptied')]],
    [[conversation('changed'), conversation('emptied')], [conversation('emptied')]],
  ])('%j are told as %j', (changes, expected) => {
    expect(coalesced(changes)).toEqual(expected);
  });
});
