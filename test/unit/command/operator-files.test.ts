import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../../main/command/command-line';
import { maxFaultRules, maxOperatorFileBytes, readAuthorities, readFaults, readSims } from '../../../main/command/operator-files';
import { createSessionCertificate } from '../../../main/msrp/certificate';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-operator-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(content: unknown): string {
  const path = join(folder, 'file.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function fault(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof UsageError) return error.message.replace(folder, '');
    throw error;
  }
  return 'no fault';
}

const slow = { name: 'slow', fault: { kind: 'delay', ms: 2000 } };
const k = '465b5ce8b199b49faa5f0a2ee238a6bc';

describe('a faults file', () => {
  it('is taken as it stands', () => {
    const rules = [
      { ...slow, user: 'alice', credentials: true, after: 1, times: 3, chance: 0.5 },
      { name: 'busy', method: 'REGISTER', fault: { kind: 'answer', status: 503, reason: 'Busy', headers: [['Retry-After', '2']] } },
      { name: 'mute', fault: { kind: 'drop' } },
      { name: 'cut', fault: { kind: 'disconnect' } },
      { name: 'twice', fault: { kind: 'repeat', times: 2 } },
    ];
    expect(readFaults(file(rules))).toEqual(rules);
  });

  it.each([
    ['no JSON at all', '[{', /--faults: \/file\.json is no JSON/],
    ['an oddity that there is not', [{ name: 'a', fault: { kind: 'explode' } }], /at 0\.fault\.kind: /],
    ['a word that means nothing', [slow, { ...slow, usr: 'alice' }], /at 1\.usr: /],
    ['a time beyond all patience', [{ name: 'a', fault: { kind: 'delay', ms: 1e9 } }], /at 0\.fault\.ms: /],
    [
      'a header that would end the header',
      [{ name: 'a', fault: { kind: 'answer', status: 500, headers: [['X', 'a\r\nY: b']] } }],
      /at 0\.fault\.headers\.0\.1: /,
    ],
    ['a success, which is no fault', [{ name: 'a', fault: { kind: 'answer', status: 200 } }], /at 0\.fault\.status: /],
    ['chance above one', [{ ...slow, chance: 2 }], /at 0\.chance: /],
    [`more than ${maxFaultRules} rules`, Array.from({ length: maxFaultRules + 1 }, () => slow), /--faults: \/file\.json: Invalid length/],
  ])('is refused with the place in it: %s', (_what, content, message) => {
    expect(fault(() => readFaults(file(content)))).toMatch(message);
  });

  it(`is refused above ${maxOperatorFileBytes} bytes, and where there is none`, () => {
    expect(fault(() => readFaults(file(' '.repeat(maxOperatorFileBytes + 1))))).toMatch(/is larger than 1048576 bytes/);
    expect(fault(() => readFaults(join(folder, 'nowhere')))).toMatch(/--faults: ENOENT/);
  });
});

describe('the authorities of the media', () => {
  it('are the certificates of the file, each by itself', () => {
    const pem = createSessionCertificate(Date.now()).certificate.trim();
    expect(readAuthorities(file(`# made today\n${pem}\n\n${pem}\n`))).toEqual([pem, pem]);
  });

  it('are refused when there are none or one is invalid', () => {
    expect(fault(() => readAuthorities(file('nothing')))).toMatch(/--media-ca takes a PEM file with certificates; .* holds none/);
    const torn = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    expect(fault(() => readAuthorities(file(torn)))).toMatch(/--media-ca: \/file\.json: /);
    expect(fault(() => readAuthorities(join(folder, 'nowhere')))).toMatch(/--media-ca: ENOENT/);
  });
});

describe('a SIM file', () => {
  it('holds a SIM a user, with OP or OPc', () => {
    const sims = { alice: { k, opc: k, sqn: 32 }, bob: { k, op: k } };
    expect([...readSims(file(sims))]).toEqual(Object.entries(sims));
  });

  it('is refused where it is none', () => {
    expect(fault(() => readSims(file({ alice: { k } })))).toMatch(/--sims: .*at alice/);
    expect(fault(() => readSims(file({ alice: { k: 'short', opc: k } })))).toMatch(/--sims: .*at alice/);
    expect(fault(() => readSims(file([])))).toMatch(/--sims: /);
  });
});
