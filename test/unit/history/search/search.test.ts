import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { maximumQuery, maximumQueryWords, parseSearch, snippetLength, snippetOf } from '../../../../main/history/search/search';
import { indexBatch } from '../../../../main/history/search/search-index';
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

  it('finds every word of every script as it is written, in the text and in the name', () => {
    const written: [id: string, text: string, ...typed: string[]][] = [
      ['ru', 'Мой новый рабочий телефон, ёлка', 'Мой', 'новый', 'рабочий', 'елка', 'МОЙ НОВ', 'мои\u0306'],
      ['de', 'Grüße an Müller in der Straße', 'Muller', 'müller', 'gruss', 'STRASSE'],
      ['tr', 'ISPARTA İzmir ılık', 'isparta', 'izmir', 'ilik'],
      ['vi', 'Đường phố Việt Nam', 'duong', 'việt', 'viet nam'],
      ['ar', 'أَهْلًا وسـهلا ﷺ ١٢٣٤', 'اهلا', 'وسهلا', 'الله', '1234'],
      ['he', 'שָׁלוֹם לכולם', 'שלום', 'שלום לכולם'],
      ['hi', 'नमस्ते हिन्दी में', 'नमस्ते', 'हिन्दी', 'हि'],
      ['th', 'สวัสดีครับพรุ่งนี้', 'สวัสดี', 'ครับ', 'พรุ่งนี้', 'รับพ'],
      ['km', 'សួស្តី\u200bអ្នក', 'អ្នក', 'សួស្តីអ្នក'],
      ['zh', '还有可能是定期检修iPhone手机', '定期', '检修', '修', '还有可能是定期检修', '手机', '修iPhone手', '"定期检"'],
      ['ja', '今日はカタカナとひらがな ｶﾞﾗｽ', 'カタカナ', 'らが', '今日', 'ガラス'],
      ['ko', '학교에서 만나요', '학교', '에서', '만나', '만나요'.normalize('NFD')],
      ['emoji', 'done🎉 👍🏽 🇺🇸🇪🇺 👩‍👩‍👧 ❤️', '🎉', 'done 🎉', '👍', '👍🏽', '🇪🇺', '👩‍👩‍👧', '👧', '❤'],
      ['width', 'Ｗｉｄｅ ofﬁce in\u00adter', 'wide', 'office', 'Ｏｆｆｉｃｅ', 'inter'],
      [
        'web',
        'don’t call +49 170/5551234, see https://lab.test/a_b?c=1 @robin',
        "don't",
        '5551234',
        '170 555',
        '170/5551234',
        'lab.test/a_b',
        '@robin',
      ],
    ];
    say('name', 'x', { fromName: 'Андрей Дубай' });
    for (const typed of ['Андрей', 'Дубай', 'андрей дуб']) expect(find(typed), typed).toEqual(['name']);
    for (const [id, text] of written) say(id, text);
    for (const [id, , ...all] of written) for (const typed of all) expect(find(typed), typed).toEqual([id]);
    for (const typed of ['мои', '期定', '🇸🇪', 'हु', '定检', 'รบ', '👎']) expect(find(typed), typed).toEqual([]);
  });

  it('forgets the folded words of a removed message', () => {
    say('1', 'тайна 定期');
    say('2', 'тайна 定期');
    expect(find('тайна 期')).toEqual(['2', '1']);
    history.removeMessage('1');
    expect(find('тайна 期')).toEqual(['2']);
    history.removeMessage('2');
    history.dispose();
    const database = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    const left = database.prepare(`SELECT count(*) AS n FROM message_words_data WHERE instr(block, CAST('айна' AS BLOB)) > 0`).all();
    const folded = database.prepare('SELECT count(*) AS n FROM message_words_folded').all();
    database.close();
    expect([left, folded]).toEqual([[{ n: 0 }], [{ n: 0 }]]);
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
    while (history.fillIndex());
    expect(find('milk bob')).toEqual(['1']);
    const copy = new Libsql(copyBefore(file, 1), { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    expect(copy.prepare('SELECT text FROM messages').all()).toEqual([{ text: 'remember the milk' }]);
    copy.close();
  });
});

describe('a history from before words were folded', () => {
  it('is filled again a little at a time, newest first, and messages can be deleted meanwhile', () => {
    for (let index = 0; index <= indexBatch; index += 1) say(`m${index}`, `Мой новый ${index}`);
    history.dispose();
    // The index as it was at version 17.
    const again = new Libsql(file, { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
    again.exec(`DROP TRIGGER message_words_added; DROP TRIGGER message_words_removed; DROP TABLE message_words; DROP TABLE message_words_folded;
      DROP VIEW searchable; CREATE VIEW searchable AS SELECT seq, text, CASE direction WHEN 'in' THEN sender_name ELSE '' END AS sender FROM messages;
      CREATE VIRTUAL TABLE message_words USING fts5 (text, sender, content = 'searchable', content_rowid = 'seq',
        tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4');
      INSERT INTO message_words (message_words) VALUES ('rebuild');
      CREATE TRIGGER message_words_removed AFTER DELETE ON messages BEGIN SELECT 1; END;
      CREATE TRIGGER message_words_added AFTER UPDATE ON indexed BEGIN SELECT 1; END;
      UPDATE indexed SET up_to = ${indexBatch + 1}; PRAGMA user_version = 17`);
    again.close();
    history = openOneHistory({ file, key, log: silentLogger });
    expect(find('мой', 1000)).toEqual([]);
    expect(history.fillIndex()).toBe(true);
    expect(find('мой', 1000)).toHaveLength(indexBatch);
    history.removeMessage('m0');
    history.removeMessage('m7');
    while (history.fillIndex());
    expect(find('Мой новый', 1000)).toHaveLength(indexBatch - 1);
    expect(find('7 мой')).toEqual([]);
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
    expect(marked(`a${'👩‍👧'.repeat(100)}`, 'a').text.endsWith('👧…')).toBe(true);
  });

  it('marks what was written, whatever it was folded to', () => {
    expect(marked('Die Straße, STRASSE', 'strasse').marked).toEqual(['Straße', 'STRASSE']);
    expect(marked('x cafe\u0301s, in\u00adter', 'cafe inter').marked).toEqual(['cafe\u0301s', 'in\u00adter']);
    expect(marked('还有可能是定期检修', '定期检').marked).toEqual(['定期检']);
    expect(marked('期末定期检修', '期').marked).toEqual(['期', '期']);
    expect(marked('iPhone手机', 'iPhone手').marked).toEqual(['iPhone手']);
    expect(marked('สวัสดีครับ', 'สวสด').marked).toEqual([]);
    expect(marked('พี่น้อง', 'พ').marked).toEqual(['พี่']);
    expect(marked('one 👩‍👩‍👧 two', '👧').marked).toEqual(['👩‍👩‍👧']);
    expect(marked('ﷺ وسلم', 'الله').marked).toEqual(['ﷺ']);
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
