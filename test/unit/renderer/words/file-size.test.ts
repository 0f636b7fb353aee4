import { expect, it } from 'vitest';
import { isSomething } from '../../../../renderer/chat/composing';
import { fileSize } from '../../../../renderer/words/file-size';

it.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '1 kB'],
  [1800, '2 kB'],
  [999_000, '999 kB'],
  [999_001, '1 MB'],
  [1_048_576, '1.1 MB'],
])('%i octets are %s', (bytes, words) => {
  expect(fileSize(bytes)).toBe(words);
});

it.each(['', ' \n', '\u200B', '\u200B \uFEFF', '\u2800'])('nobody can see %j, so it is not sent', (text) => {
  expect(isSomething(text)).toBe(false);
});

it.each(['.', 'ok\u200B', '\u200D🎉', '👩‍👩‍👧', 'ب'])('%j is sent', (text) => {
  expect(isSomething(text)).toBe(true);
});
