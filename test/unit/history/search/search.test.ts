import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { maximumQuery, maximumQueryWords, parseSearch, snippetLength, snippetOf } from '../../../../main/history/search/search';
import { copyBefore, migrate, migrations } from '../../../../main/history/store/migrations';
import { conversationRecord, type MessageChange, messageRecord } from '../../../support/doubles/history-records';
import { type OneHistory, openOneHistory } from '../../../support/doubles/one-history';

const key = 'cd'.repeat(32);
let folder: string;
let file: string;
let history: OneHistory;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-search-'));
  file = join(folder, 'history.db');
  history = openOneHistory({ file, key, log: silentLogger });
  for (const id of ['c', 'd']) {
    history.addConversation(conversationRecord(id, { peer: `sip:${id}@lab.test` }));
  }
});

afterEach(() => {
  history.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const say = (id: string, text: string, change: MessageChange = {}) => history.addMessage(messageRecord(id, { text, ...change }));

const find = (typed: string, limit = 50) => history.search(typed, limit).map((hit) => hit.message.id);

describe('search', () => {
  it('finds every message that has words that begin so, all of them, newest first, in every conversation', () => {
    say('1', 'Pizza on Friday?');
    say('2', 'No pizza for me', { conversation: 'd' });
    say('3', 'Friday is fine');
    expect(find('pizza')).toEqual(['2', '1']);
    expect(find('piz fri')).toEqual(['1']);
    expect(find('PIZZA', 1)).toEqual(['2']);
    expect(find('izza')).toEqual([]);
  });

  it('does not mind case and accents, in what is typed or what was written', () => {
    say('1', 'Crème brûlée, Ærøskøbing, СПАСИБО');
    for (const typed of ['creme', 'BRÛLÉE', 'brule', 'спасибо']) expect(find(typed), typed).toEqual(['1']);
  });

  it('takes words in quotes as they stand, side by side', () => {
    say('1', 'see you at noon');
    say('2', 'you see, at noon');
    expect(find('"see you"')).toEqual(['1']);
    expect(find('"at no"')).toEqual([]);
    expect(find('"you see" no')).toEqual(['2']);
  });

  it('finds a person by name, and never oneself', () => {
    say('1', 'hello', { fromName: 'Róbert Kovács' });
    say('2', 'hello', { direction: 'out', fromName: 'Robert' });
    expect(find('robert hello')).toEqual(['1']);
    expect(history.search('robert', 5)[0]?.snippet).toEqual({ text: 'hello', marks: [] });
  });

  it('finds a day or a month, with words or alone', () => {
    const noon = new Date(2026, 10, 23, 12).getTime();
    say('1', 'lunch', { sentAt: noon });
    say('2', 'supper', { sentAt: noon + 3600_000 });
    say('3', 'lunch', { sentAt: new Date(2026, 10, 24).getTime() });
    say('4', 'lunch', { sentAt: new Date(2026, 11, 1).getTime() });
    expect(find('2026-11-23')).toEqual(['2', '1']);
    expect(find('2026-11 lunch')).toEqual(['3', '1']);
    expect(find('2026-02-30')).toEqual([]);
    expect(parseSearch('2026-13-01')?.sent).toBeNull();
  });

  it('holds nothing typed for the language of the index', () => {
    say('1', 'NEAR OR AND NOT text: * ^ " (');
    for (const typed of ['NEAR(', 'AND', 'OR NOT', 'text:', '"', '*', '^near', "';--", 'a" OR "b', '(((', '{text}: near', '\u0000near']) {
      expect(() => find(typed), typed).not.toThrow();
    }
    expect(find('near not')).toEqual(['1']);
    expect(find('  ')).toEqual([]);
    expect(find('👍')).toEqual([]);
  });

  it('looks at a bounded query alone', () => {
    const words = Array.from({ length: 40 }, (_, index) => `w${index}`);
    say('1', words.slice(0, maximumQueryWords).join(' '));
    expect(find(words.join(' '))).toEqual(['1']);
    expect(parseSearch('x'.repeat(100_000))?.terms[0]?.words[0]).toHaveLength(maximumQuery);
  });

  it('forgets a removed message and its words', () => {
    say('1', 'a secretword here');
    history.removeMessage('1');
    expect(find('secretword')).toEqual([]);
    history.dispose();
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const left = database.prepare(`SELECT count(*) AS n FROM message_words_data WHERE instr(block, 'secretword') > 0`).all();
    database.close();
    expect(left).toEqual([{ n: 0 }]);
  });

  it('with a date looks at the messages of that time alone, also at those that came later', () => {
    const day = new Date(2026, 10, 23, 12).getTime();
    say('before', 'needle', { sentAt: day - 86_400_000 });
    say('first', 'needle', { sentAt: day });
    say('after', 'needle', { sentAt: day + 86_400_000 });
    say('late', 'needle', { sentAt: day + 1, receivedAt: day + 2 * 86_400_000 });
    say('moved', 'needle', { sentAt: day + 86_400_000, movedBy: -86_399_999 });
    expect(find('needle 2026-11-23')).toEqual(['moved', 'late', 'first']);
    expect(find('2026-11-23')).toEqual(['late', 'moved', 'first']);
    expect(find('needle 2025-01')).toEqual([]);
  });
});

describe('a history from before there was search', () => {
  it('is copied, and its messages are found', () => {
    history.dispose();
    rmSync(file);
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    migrate({ database, file, key, log: silentLogger }, migrations.slice(0, 1));
    database.exec(
      `INSERT INTO conversations VALUES ('c', 'oneToOne', 'sip:bob@lab.test', NULL, '[]', 'c', NULL, NULL, NULL, NULL, 1, 1, 1)`,
    );
    database.exec(`INSERT INTO messages (id, conversation, direction, sender, sender_name, text, state, sent_at, wants_delivered, wants_displayed)
      VALUES ('1', 'c', 'in', 'sip:bob@lab.test', 'Bob', 'remember the milk', 'received', 1, 0, 0)`);
    database.close();
    history = openOneHistory({ file, key, log: silentLogger });
    expect(find('milk bob')).toEqual(['1']);
    const copy = new Libsql(copyBefore(file, 1), { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    expect(copy.prepare('SELECT text FROM messages').all()).toEqual([{ text: 'remember the milk' }]);
    copy.close();
  });
});

describe('the snippet', () => {
  const marked = (text: string, typed: string) => {
    const snippet = snippetOf(text, parseSearch(typed) ?? { terms: [], sent: null });
    return { ...snippet, marked: snippet.marks.map(({ at, length }) => snippet.text.slice(at, at + length)) };
  };

  it('is one line that shows what was found, with every hit in it marked', () => {
    expect(marked('One\n two  two', 'two')).toEqual({
      text: 'One two two',
      marks: [
        { at: 4, length: 3 },
        { at: 8, length: 3 },
      ],
      marked: ['two', 'two'],
    });
    expect(marked('Crème brûlée', 'creme brul').marked).toEqual(['Crème', 'brûlée']);
    expect(marked('see you, you see', '"you see"').marked).toEqual(['you', 'see']);
  });

  it('begins near the first hit of a long text and ends in time', () => {
    const long = `${'word '.repeat(100)}needle${' word'.repeat(100)}`;
    const { text, marked: hits } = marked(long, 'needle');
    expect(hits).toEqual(['needle']);
    expect(text.startsWith('…word')).toBe(true);
    expect(text.endsWith('…')).toBe(true);
    expect(text.length).toBeLessThanOrEqual(snippetLength + 2);
  });

  it('never cuts a character in two', () => {
    const { text } = marked(`a${'😀'.repeat(100)}`, 'a');
    expect(() => encodeURIComponent(text)).not.toThrow();
  });
});

describe('pages', () => {
  it('start just after a message', () => {
    for (const id of ['1', '2', '3', '4']) say(id, id, { sentAt: Number(id) });
    expect(history.messagesAfter('c', { after: '2', limit: 10 }).map((each) => each.id)).toEqual(['3', '4']);
    expect(history.messagesAfter('c', { after: '1', limit: 2 }).map((each) => each.id)).toEqual(['2', '3']);
    expect(history.messagesAfter('d', { after: '1', limit: 2 })).toEqual([]);
  });
});
