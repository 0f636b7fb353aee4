/** Every sentence that a person reads, held to a few rules that a reader notices. */
import { describe, expect, it } from 'vitest';
import { errorCodes, refusalMeanings, relayTroubles } from '../../../../preload/contract/errors';
import { explain, explainLine, warningWords } from '../../../../renderer/words/errors';
import { words } from '../../../../renderer/words/text';

/** Texts that are no sentences of ours, or that name a standard on purpose. */
const exempt = new Set([
  'settings.aboutBody',
  'settings.licence',
  'devices.duplicateClause',
  'first.simIsOp',
  'first.simKey',
  'first.algorithms.SHA-512-256',
]);

interface Said {
  at: string;
  text: string;
}

/** All texts below a value; a function speaks with names and numbers as its arguments. */
function saidBy(value: unknown, at: string): Said[] {
  if (exempt.has(at) || at.startsWith('first.examples')) return [];
  if (typeof value === 'string') return [{ at, text: value }];
  if (typeof value === 'function') {
    // A number in the place of a name does no harm, a name in the place of a number would count wrongly.
    const given = Array.from({ length: value.length }, (_, index) =>
      /^\((n|ms|seconds|people|there|unread|megabytes|most)\b/.test(String(value)) ? 2 + index : 'Bob',
    );
    return [{ at, text: String(value(...given)) }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => saidBy(inner, at === '' ? key : `${at}.${key}`));
}

const answer = { status: 486, reason: 'Busy Here' } as const;
const failures: Said[] = [
  ...errorCodes.map((code) => ({ code, retry: 'user' as const, ...answer })),
  ...refusalMeanings.map((meaning) => ({ code: 'sip/rejected' as const, retry: 'user' as const, meaning, ...answer })),
  ...relayTroubles.map((relay) => ({ code: 'msrp/relay' as const, retry: 'auto' as const, relay, ...answer })),
].flatMap((error) => {
  const { title, body } = explain(error, 'Bob');
  return [title, body, explainLine(error, 'Bob')].map((text) => ({ at: `errors ${JSON.stringify(error)}`, text }));
});

const everything = [...saidBy(words, ''), ...saidBy(warningWords, 'warnings'), ...failures];
const offenders = (rule: RegExp): string[] => everything.filter(({ text }) => rule.test(text)).map(({ at, text }) => `${at}: ${text}`);

describe('what a person reads', () => {
  it('is all here to be looked at', () => {
    expect(everything.length).toBeGreaterThan(400);
    expect(saidBy(words, '').map(({ text }) => text)).toContain('Started from your chat with Bob');
  });

  it('has no status code in it, also where the network sent one', () => {
    expect(offenders(/\b[4-6]\d\d\b/)).toEqual([]);
  });

  it('has no word of the protocols', () => {
    expect(offenders(/\b(SIP|MSRP|CPIM|IMDN|CPM|GRUU|REGISTER|INVITE|RFC|MESSAGE|dialog\b(?! on top))\b/)).toEqual([]);
  });

  it('has none of the phrases that stopped readers', () => {
    expect(
      offenders(
        /\banew\b|\bgrown out\b|\bgoes on\b|\bgo on\b|\bout by (?:itself|themselves)\b|\bis no picture\b|\bstands?\b|\b(?:is|are) to be\b|\bwhat lies\b|\bheard of\b|\bask who\b|\b(?:nobody|somebody|everybody)\b|\bany more\b|\bfor ever\b|\bis kept here\b/i,
      ),
    ).toEqual([]);
  });

  it('is in sentence case, and clean at its ends', () => {
    const places = /(?:LLC|TLS|PEM|SHA|MD5|HTML|JSON|IMEI|PNG|JPEG|Ctrl|Shift|Alt)/;
    const titled = everything.filter(({ text }) => /^(?:[A-Z][a-z]+ ){2,}[A-Z][a-z]+$/.test(text) && !places.test(text));
    expect(titled.map(({ at, text }) => `${at}: ${text}`).filter((line) => !/Bob/.test(line))).toEqual([]);
    expect(offenders(/ {2}|undefined|\s[.,]|\.\.$|^\s/)).toEqual([]);
  });
});
