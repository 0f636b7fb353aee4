/**
 * Comments, documents and test titles in plain words: turns of phrase that stop a reader at first reading are refused. The sentences on the
 * screen have a test of their own, `renderer/words/voice.test.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Each pattern, with the plain way to say it. */
const refused: readonly (readonly [RegExp, string])[] = [
  [/(?:^|[.:;] )Of (?:an?|one|people|who|whom|which|it|now)\b/, 'name the subject first: "Receipts; only for outgoing messages"'],
  [/\banew\b/i, 'again'],
  [/\b(?:is|are|was|were) to be \w+(?:ed|en|ght|ld|nt)\b/, 'say who must do it, or that it is visible'],
  [/\bcomes? to stand\b/, 'is, or ends up'],
  [/\b(?:is|are) no \w+ any more\b/, 'is no longer a ...'],
  [/\b(?:for|from|to|than|but|with|of|by) who (?!is in\b)\w+s\b/, 'name the person: "the sender", "an anonymous peer"'],
  [/(?:^|\. )Who (?:hides|asks|writes|wants|comes|goes|leaves|joins|does|knows)\b(?!.*\?)/, 'name the person: "An anonymous peer is ..."'],
  [/(?:^|\. )What (?:stands|goes|leaves|nobody)\b(?!.*\?)/, 'name the thing'],
  [/\bof now\b/, 'current'],
  [/\bfor so long\b/, 'for this long'],
];

/** Every readable file of the project below `folder`, with its path. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name.replaceAll('\\', '/')}`);

const sources = ['base', 'protocol', 'preload', 'main', 'network', 'renderer', 'scripts', 'test']
  .flatMap(filesIn)
  .filter((file) => /\.(?:tsx?|mjs|css)$/.test(file))
  .filter((file) => file !== 'test/unit/voice.test.ts');

interface Said {
  file: string;
  text: string;
}

/** Block comments, and line comments with the lines that continue them, each as one line of text. */
function commentsOf(file: string): Said[] {
  const source = readFileSync(file, 'utf8');
  const blocks = source.match(/\/\*[\s\S]*?\*\//g) ?? [];
  const lines = source.match(/(?:^[ \t]*\/\/ .*\n?)+|[;{}(,)] \/\/ .*/gm) ?? [];
  return [...blocks, ...lines].map((text) => ({
    file,
    text: text
      .replaceAll(/^[ \t;{}(,)]*(?:\/\*+|\*\/|\*|\/\/)|\*\/$/gm, '')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  }));
}

/** The titles of a test file. */
const titlesOf = (file: string): Said[] =>
  [...readFileSync(file, 'utf8').matchAll(/\b(?:it|test|describe)\b[^'"`\n]*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1,/g)].map(
    ([, , text = '']) => ({
      file,
      text: text.replace(/^(?:R\d+ ?)+: /, ''),
    }),
  );

/** The paragraphs, list items and table cells of a document, without its code. */
const documentOf = (file: string): Said[] =>
  readFileSync(file, 'utf8')
    .replaceAll(/```[\s\S]*?```/g, '')
    .split(/\n\s*\n|\n(?=\s*[-|#\d])|\s\|\s/)
    .map((text) => ({ file, text: text.replaceAll(/\s+/g, ' ').trim() }));

/** Made from titles and comments, which are read where they stand. */
const generated = ['docs/CONFORMANCE.md', 'docs/decisions/lab-constants.md'];
const documents = ['README.md', 'CHANGELOG.md', ...filesIn('docs').filter((file) => file.endsWith('.md') && !generated.includes(file))];
const said = [
  ...sources.flatMap(commentsOf),
  ...sources.filter((file) => file.endsWith('.test.ts')).flatMap(titlesOf),
  ...documents.flatMap(documentOf),
];

describe('comments, documents and test titles', () => {
  it('are all read', () => {
    expect(said.length).toBeGreaterThan(8_000);
    expect(said.find(({ file }) => file === 'base/clock.ts')?.text).toBe('The time of day and timers. All times are epoch milliseconds.');
    expect(said.map(({ text }) => text)).toContain('reads a drawing by its indentation');
  });

  it.each(refused)('do not say %s', (pattern, instead) => {
    expect(said.filter(({ text }) => pattern.test(text)).map(({ file, text }) => `${file}: "${text}" (better: ${instead})`)).toEqual([]);
  });
});
