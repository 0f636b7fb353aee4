import { describe, expect, it } from 'vitest';
import { errorCodes, refusalMeanings, relayTroubles } from '../../../../preload/contract/errors';
import { alice, bob, carol, conversation, dave, everyone } from '../../../../renderer/gallery/scenes';
import { dayName, duration, listTime, sentenceTime } from '../../../../renderer/words/clock';
import { explain, explainLine } from '../../../../renderer/words/errors';
import {
  conversationTitle,
  deviceOf,
  deviceShape,
  firstName,
  fullName,
  hueOf,
  initials,
  isolated,
  knownPeople,
  matches,
  nameInGroup,
  senderOfMessage,
  typedGroup,
} from '../../../../renderer/words/person';
import { names } from '../../../../renderer/words/text';

describe('people', () => {
  it('makes initials of any name or address', () => {
    expect(
      ['Alice Moreau', 'Bob', 'Henrik Thorvaldsen-Ambrosetti', 'sip:dave@lab.test', 'Ærø Ødegård', '', '+47 12 34'].map(initials),
    ).toEqual(['AM', 'BO', 'HA', 'DA', 'ÆØ', '?', '43']);
  });

  it('gives an address one hue for ever, and the four of the embedded network four', () => {
    expect(hueOf('sip:Bob@lab.test')).toBe(hueOf('bob@lab.test'));
    expect(everyone.map((person) => hueOf(person.address))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('names whose device it is, once', () => {
    expect(deviceOf(bob, 'Laptop')).toBe('Bob’s Laptop');
    expect(deviceOf(bob, 'Bob’s Laptop')).toBe('Bob’s Laptop');
    expect(['Kitchen tablet', 'iPhone', 'Work laptop', 'Desktop 1'].map(deviceShape)).toEqual(['tablet', 'phone', 'laptop', 'desktop']);
  });

  it('titles conversations', () => {
    expect(conversationTitle(conversation({ conversation: 'a', people: [bob] }))).toBe('Bob Keller');
    expect(conversationTitle(conversation({ conversation: 'a', people: [bob, carol] }))).toBe('Bob, Carol');
    expect(conversationTitle(conversation({ conversation: 'a', people: [bob, carol], subject: ' Workshop ' }))).toBe('Workshop');
    expect(conversationTitle(conversation({ conversation: 'a', people: [{ address: 'sip:x@y.test', name: '' }] }))).toBe('x@y.test');
    expect(firstName({ address: 'sip:x@y.test', name: '' })).toBe('x');
  });

  it('puts the address before a name that could be taken for somebody else’s, in every form of it', () => {
    const mallory = { address: 'sip:mallory@evil.test', name: 'Bob Keller', showAddress: true as const };
    expect([fullName(mallory), firstName(mallory), nameInGroup(mallory, 'Bobby'), nameInGroup(bob, 'Bobby')]).toEqual([
      'mallory@evil.test (Bob Keller)',
      'mallory@evil.test (Bob Keller)',
      'mallory@evil.test (Bobby)',
      'Bobby',
    ]);
    expect(conversationTitle(conversation({ conversation: 'a', people: [mallory] }))).toBe('mallory@evil.test (Bob Keller)');
    expect(fullName({ ...mallory, name: '' })).toBe('mallory@evil.test');
    const said = { from: mallory.address, fromName: mallory.name };
    expect([senderOfMessage({ ...said, showAddress: true }), senderOfMessage(said)]).toEqual([
      mallory,
      { address: mallory.address, name: 'Bob Keller' },
    ]);
  });

  it('isolates names that run from right to left, and no others', () => {
    expect([isolated('נור'), isolated('Bob נור'), isolated('Zoë 42')]).toEqual(['\u2068נור\u2069', '\u2068Bob נור\u2069', 'Zoë 42']);
    expect(fullName({ address: 'sip:nour@lab.test', name: 'نور', showAddress: true })).toBe('nour@lab.test (\u2068نور\u2069)');
    expect(deviceOf(bob, 'نور')).toBe('Bob’s \u2068نور\u2069');
  });

  it('takes a whole address for a group’s, most likely below the own domain, and neither a name nor a number', () => {
    const own = 'sip:alice@lab.test';
    const typed = ['team@cf.lab.test', ' SIP:team@CF.Lab.Test', 'bob@lab.test', 'bob@evillab.test', 'team', '+47123456', 'a@b@c'];
    expect(typed.map((one) => typedGroup(one, own))).toEqual(['likely', 'likely', 'possible', 'possible', null, null, null]);
  });

  it('finds without regard to case, accents and order', () => {
    expect(matches('faure', 'The Fauré at seven')).toBe(true);
    expect(matches('seven fauré', 'The Fauré at seven')).toBe(true);
    expect(matches('eight', 'The Fauré at seven')).toBe(false);
    expect(matches('strasse андрей', 'Straße', 'Андрей Дубай')).toBe(true);
    expect(matches('андреи', 'Андрей Дубай')).toBe(false);
    expect(matches('検', '定期検修')).toBe(true);
  });

  it('offers everybody once, never oneself', () => {
    const known = knownPeople(everyone, [conversation({ conversation: 'a', people: [bob, dave] })], new Set([alice.address]));
    expect(known.map((person) => person.name)).toEqual(['Bob Keller', 'Carol Okafor', 'Dave Rossi']);
  });
});

describe('times', () => {
  const now = new Date(2026, 10, 20, 12, 0).getTime();
  const on = (day: number, hour: number, month = 10, year = 2026) => new Date(year, month, day, hour, 5).getTime();
  it('in a list: clock, Yesterday, weekday, date', () => {
    expect([on(20, 9), on(19, 23), on(16, 9), on(3, 9), on(3, 9, 5, 2025)].map((time) => listTime(time, now, 'en-GB'))).toEqual([
      '09:05',
      'Yesterday',
      'Monday',
      '3 Nov',
      '3 Jun 2025',
    ]);
  });

  it('above a day, and in a sentence', () => {
    expect(dayName(on(20, 1), now, 'en-GB')).toBe('Today');
    expect(dayName(on(19, 1), now, 'en-GB')).toBe('Yesterday');
    expect(dayName(on(3, 1), now, 'en-GB')).toBe('Tue 3 November');
    expect(sentenceTime(on(19, 9), now, 'en-GB')).toBe('yesterday at 09:05');
    expect(sentenceTime(on(20, 9), now, 'en-GB')).toBe('09:05');
  });

  it('rounds what is left down', () => {
    expect([-5, 999, 59_999, 3_599_000, 86_400_000, 200_000_000].map(duration)).toEqual([
      '0 s',
      '0 s',
      '59 s',
      '59 min',
      '1 day',
      '2 days',
    ]);
  });
});

describe('words', () => {
  it('joins names', () => {
    expect([['Bob'], ['Bob', 'Carol'], ['Bob', 'Carol', 'Dave']].map(names)).toEqual(['Bob', 'Bob and Carol', 'Bob, Carol and Dave']);
  });

  it('has a title and a way on for every error, without protocol words', () => {
    for (const code of errorCodes) {
      const { title, body } = explain({ code, retry: 'user', status: 486, reason: 'Busy Here' }, 'Bob’s Laptop');
      expect(title, code).toMatch(/^\S.*[^.]$/);
      expect(body, code).toMatch(/\.$/);
      expect(`${title} ${body}`, code).not.toMatch(/\b(SIP|MSRP|CPIM|REGISTER|undefined)\b/);
    }
  });

  it('has words of its own and a way on for every meaning of a refusal, with the answer as it came among the details', () => {
    const lines = refusalMeanings.map((meaning) => {
      const error = { code: 'sip/rejected', retry: 'user', status: 499, reason: 'Odd', meaning } as const;
      const { title, body, details } = explain(error, 'Bob');
      expect(title).not.toMatch(/499|Odd/);
      expect(details).toBe('499 Odd');
      expect(body).toMatch(/^Nothing was lost\. [A-Z].*\.$/);
      const line = explainLine(error, 'Bob');
      expect(line).toMatch(/\. It is saved here\. [A-Z].*\.$/);
      expect(`${title} ${body}`).not.toMatch(/\b(SIP|MSRP|CPIM|GRUU|INVITE|undefined)\b/);
      return line;
    });
    expect(new Set(lines).size).toBe(refusalMeanings.length);
  });

  it('has words of its own and a way on for everything that a media relay may be wrong with', () => {
    const titles = relayTroubles.map((relay) => {
      const { title, body, details } = explain({ code: 'msrp/relay', retry: 'user', relay, status: 499, reason: 'Odd' });
      expect(title).toMatch(/^The media relay /);
      expect(details).toBe('499 Odd');
      expect(body).toMatch(/^Nothing bypasses it\. [A-Z].*\.$/);
      expect(`${title} ${body}`).not.toMatch(/\b(SIP|MSRP|AUTH|TLS|undefined)\b/);
      return title;
    });
    expect(new Set(titles).size).toBe(relayTroubles.length);
    expect(explainLine({ code: 'msrp/relay', retry: 'auto', relay: 'unreachable' }, 'Bob')).toBe(
      'The media relay cannot be reached. Your message is saved here and will be sent automatically.',
    );
    expect(explainLine({ code: 'msrp/relay', retry: 'user', relay: 'refused', status: 401 }, 'Bob')).toBe(
      'The media relay does not accept your user name or password. Ask whoever runs it, or sign in again. Your message is saved here.',
    );
  });

  it('says what becomes of a message, and leaves the network’s answer to the details', () => {
    const error = { code: 'sip/rejected', retry: 'user', status: 486, reason: 'Busy Here' } as const;
    expect(explainLine(error, 'Bob’s Laptop')).toBe('Bob’s Laptop did not accept the message. It is saved here. Try again.');
    expect(explainLine({ code: 'net/timeout', retry: 'auto' }, 'Bob')).toBe(
      'The message got no answer in time. It is saved here and will be sent automatically.',
    );
  });
});
