import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_OPERATOR_FILE_BYTES, OperatorFileError } from '../../../../base/json-reader';
import { Policy } from '../../../../network/participating/policy';
import { followPolicyFile, POLICY_LOOK_MS, parsePolicy } from '../../../../network/participating/policy-file';
import { VirtualClock } from '../../../support/doubles/network-doubles';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const whole = `{
  "provider": { "mediaPath": "preference", "recordTo": "records" },
  "deny": [
    { "served": "sip:alice@lab.test", "case": "orig", "peer": "sip:mallory@lab.test" },
    { "served": "*", "case": "term", "peer": "tel:+15550199", "status": 603 }
  ],
  "users": {
    "sip:bob@lab.test": {
      "blocked": ["sip:carol@lab.test", { "address": "sip:dave@lab.test", "status": 480 }],
      "mediaPath": "stay",
      "refuseAnonymous": true
    },
    "sip:carol@lab.test": { "record": true }
  },
  "interworking": { "mailOutbox": "mail.jsonl" }
}`;

const policyOf = (text: string) => {
  const policy = new Policy();
  policy.adopt(parsePolicy(text, '/lab'));
  return policy;
};

function faultOf(text: string): string {
  try {
    parsePolicy(text, '/lab');
  } catch (error) {
    if (error instanceof OperatorFileError) return error.message;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a policy file', () => {
  it('R46 R56: denies by rule and by block list, with the configured status', () => {
    const policy = policyOf(whole);
    expect(policy.decide('sip:alice@lab.test', 'orig', 'sip:mallory@lab.test;gr=x')).toBe(403);
    expect(policy.decide('sip:alice@lab.test', 'term', 'sip:mallory@lab.test')).toBeNull();
    expect(policy.decide('sip:erin@lab.test', 'term', 'tel:+15550199')).toBe(603);
    expect(policy.decide('sip:bob@lab.test', 'term', 'sip:carol@lab.test')).toBe(403);
    expect(policy.decide('sip:bob@lab.test', 'term', 'sip:dave@lab.test')).toBe(480);
    expect(policy.decide('sip:carol@lab.test', 'term', 'sip:bob@lab.test')).toBeNull();
    expect(policy.refusesAnonymous('sip:bob@lab.test')).toBe(true);
    expect(policy.recordTo).toBe('/lab/records');
    expect(policy.mailOutbox).toBe('/lab/mail.jsonl');
  });

  it('R98: unknown services pass unless the provider refuses them', () => {
    const refuses = (provider: string) => policyOf(`{"provider":${provider}}`).refusesUnknownServices;
    expect(['{}', '{"unknownServices":"pass"}', '{"unknownServices":"refuse"}'].map(refuses)).toEqual([false, false, true]);
    expect(() => refuses('{"unknownServices":"ask"}')).toThrow('unknownServices');
  });

  it('R49: media runs through the network by preference, for recording or for anonymity, and the provider decides over the user', () => {
    const policy = policyOf(whole);
    expect(policy.media('sip:alice@lab.test', false)).toEqual({ path: 'out', record: false, isRequired: false });
    expect(policy.media('sip:alice@lab.test', true)).toEqual({ path: 'stay', record: false, isRequired: true });
    expect(policy.media('sip:bob@lab.test', false)).toEqual({ path: 'stay', record: false, isRequired: false });
    expect(policy.media('sip:carol@lab.test', false)).toEqual({ path: 'stay', record: true, isRequired: true });
    const strict = policyOf(
      '{"provider":{"mediaPath":"out","record":false,"recordTo":"r"},"users":{"sip:bob@lab.test":{"mediaPath":"stay","record":true}}}',
    );
    expect(strict.media('sip:bob@lab.test', false)).toEqual({ path: 'out', record: false, isRequired: false });
    expect(strict.media('sip:bob@lab.test', true).path).toBe('stay');
    expect(policyOf('{"provider":{"mediaPath":"stay"}}').media('sip:bob@lab.test', false).path).toBe('stay');
    expect(policyOf('{"provider":{"hideMedia":false}}').media('sip:bob@lab.test', true).path).toBe('out');
  });

  it.each([
    ['{\n  // who is not wanted\n  "deny": []\n}', 'line 2: JSON has no comments'],
    ['{ "users": { "sip:a//b@lab.test": {} } }', null],
    ['{ "users": { "sip:a\\u002f/*b@lab.test": {} } }', null],
    ['{\n "deny": ["\n] /* later */ }', 'line 3: JSON has no comments'],
    ['{\n  "deny": [\n    { "served": "sip:a@b", }\n  ]\n}', 'line 3: not JSON'],
    ['{\n  "denied": []\n}', 'line 2: "denied" is not known here: deny, provider, users, interworking'],
    ['{\n  "users": {\n    "bob": {}\n  }\n}', 'line 3: "bob" is not an address'],
    ['{\n "users": {\n  "sip:bob@lab.test": {\n   "mediaPath": "in"\n } } }', 'line 4: "mediaPath" takes "stay" or "out"'],
    ['{\n "users": {\n  "sip:bob@lab.test": {\n   "record": true\n } } }', 'line 4: records need provider.recordTo, a folder'],
    ['{\n "deny": [\n  { "served": "*", "case": "orig", "peer": "sip:b@c", "status": 200 } ] }', 'line 3: "status" takes a SIP refusal'],
    ['{\n "deny": [\n  { "served": "*", "peer": "sip:b@c" } ] }', 'says in "case"'],
    ['[]', 'line 1: the policy takes an object'],
    ['', 'line 1: not JSON'],
  ])('says the line and the fault of %j', (text, fault) => {
    if (fault === null) expect(() => parsePolicy(text, '/lab')).not.toThrow();
    else expect(faultOf(text)).toContain(fault);
  });

  it('R46: takes effect when it changes; one that cannot be used leaves the one before in force, and says why', () => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-policy-'));
    folders.push(folder);
    const file = join(folder, 'policy.json');
    writeFileSync(file, whole);
    const policy = new Policy();
    const clock = new VirtualClock();
    const told: string[] = [];
    const log = (level: string, text: string, fields?: Record<string, unknown>) =>
      told.push(`${level} ${text} ${String(fields?.reason ?? '')}`);
    const following = followPolicyFile(file, policy, clock, log);
    writeFileSync(file, '{\n "deny": 3\n}');
    clock.advance(POLICY_LOOK_MS);
    expect(told).toEqual([expect.stringMatching(/^error .*line 2: "deny" takes a list/)]);
    expect(policy.decide('sip:alice@lab.test', 'orig', 'sip:mallory@lab.test')).toBe(403);
    rmSync(file);
    clock.advance(POLICY_LOOK_MS);
    expect(told[1]).toContain('cannot be read');
    writeFileSync(file, '{}');
    clock.advance(POLICY_LOOK_MS);
    expect(policy.decide('sip:alice@lab.test', 'orig', 'sip:mallory@lab.test')).toBeNull();
    clock.advance(10 * POLICY_LOOK_MS);
    expect(told).toHaveLength(3);
    following.dispose();
    expect(clock.pending).toBe(0);
  });

  it('refuses at the start a file that is missing or too large', () => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-policy-'));
    folders.push(folder);
    const [clock, log] = [new VirtualClock(), () => undefined];
    expect(() => followPolicyFile(join(folder, 'none.json'), new Policy(), clock, log)).toThrow('cannot be read');
    writeFileSync(join(folder, 'big.json'), ' '.repeat(MAX_OPERATOR_FILE_BYTES + 1));
    expect(() => followPolicyFile(join(folder, 'big.json'), new Policy(), clock, log)).toThrow('larger than');
  });
});

describe('docs/POLICY.md', () => {
  it('shows a policy that is one', () => {
    const shown = /```json\n([\s\S]+?)```/.exec(readFileSync('docs/POLICY.md', 'utf8'))?.[1] ?? '';
    expect(policyOf(shown).decide('sip:bob@lab.test', 'term', 'sip:dave@lab.test')).toBe(480);
  });
});
