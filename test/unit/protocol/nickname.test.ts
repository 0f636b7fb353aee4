import { describe, expect, it } from 'vitest';
import { encodeNickname, MAX_NICKNAME_CHARACTERS, nicknameKey, parseNickname, usableNickname } from '../../../protocol/nickname';

describe('nicknames', () => {
  it.each(['Alice', 'Alice "the" great', 'back\\slash', 'Zoë 🎉', ''])('reads what it writes: %j', (name) => {
    expect(parseNickname(encodeNickname(name))).toBe(name);
  });

  it.each([
    ['nothing at all', ' '],
    ['an open quote', '"Alice'],
    ['a closing quote', 'Alice"'],
    ['an escape without quotes', 'Al\\ice'],
    ['too many characters without quotes', 'x'.repeat(MAX_NICKNAME_CHARACTERS + 1)],
    ['text behind it', '"Alice" b'],
    ['a line break', '"Al\nice"'],
    ['text that is turned round', '"evil\u202eecila"'],
    ['letters that nobody sees', '"Al\u200bice"'],
    ['too many characters', `"${'x'.repeat(MAX_NICKNAME_CHARACTERS + 1)}"`],
  ])('refuses %s', (_what, value) => {
    expect(parseNickname(value)).toBeNull();
  });

  it.each([
    ['Blinky', 'Blinky'],
    [' Zoë 🎉 ', 'Zoë 🎉'],
  ])('takes %j, which has no quotes', (value, name) => {
    expect(parseNickname(value)).toBe(name);
  });

  it('takes white space out that nobody sees, and counts characters as people do', () => {
    expect(usableNickname('  Alice\u00a0 B ')).toBe('Alice B');
    expect(usableNickname('🎉'.repeat(MAX_NICKNAME_CHARACTERS))).toHaveLength(2 * MAX_NICKNAME_CHARACTERS);
  });

  it('holds two names for one that nobody could tell apart (RFC 8266)', () => {
    for (const same of ['alice', 'ALICE', '  Alice', 'Ａlice']) expect(nicknameKey(same)).toBe(nicknameKey('Alice'));
    expect(nicknameKey('Alicia')).not.toBe(nicknameKey('Alice'));
  });
});
