import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTwice } from '../../../main/profile/durable-json';
import { createFileSecretBox, Settings, secretKeyFile, settingsFile } from '../../../main/profile/settings';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'chorus-twice-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = () =>
  openTwice(
    dataDir,
    [settingsFile],
    (name) =>
      new Conf<Record<string, unknown>>({
        cwd: dataDir,
        configName: name,
        configFileMode: 0o600,
        accessPropertiesByDotNotation: false,
        clearInvalidConfig: false,
      }),
  );
const path = (name: string) => join(dataDir, name);
const historyKey = { protected: 'abcdefghijklmnop', backend: 'file' };

function flipEach(file: string, check: (at: number) => void): void {
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at += 1) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    writeFileSync(file, bytes);
    check(at);
    for (const name of readdirSync(dataDir)) if (name.includes('.damaged-')) rmSync(path(name));
  }
}

describe('the settings', () => {
  it('survive a flipped bit in any byte of either file, and say so where it was the first', () => {
    new Settings(open()).historyKey = historyKey;
    const whole = readFileSync(path('settings.json'), 'utf8');
    let mended = 0;
    flipEach(path('settings.json'), (at) => {
      const settings = new Settings(open());
      expect(settings.historyKey, `byte ${at}`).toEqual(historyKey);
      if (settings.wasMended) mended += 1;
      writeFileSync(path('settings.json'), whole);
    });
    // A flipped bit in the white space between the values may change nothing.
    expect(mended).toBeGreaterThan(whole.trim().length - 30);
    flipEach(path('settings.json.copy'), (at) => {
      const settings = new Settings(open());
      expect([settings.historyKey, settings.wasMended], `byte ${at}`).toEqual([historyKey, false]);
      expect(readFileSync(path('settings.json.copy'), 'utf8')).toBe(whole);
    });
  });

  it('come back when they are gone; the damaged file is kept', () => {
    new Settings(open()).historyKey = historyKey;
    rmSync(path('settings.json'));
    expect([new Settings(open()).historyKey, new Settings(open()).wasMended]).toEqual([historyKey, false]);
    writeFileSync(path('settings.json'), '{"historyKey":');
    const mended = new Settings(open());
    expect([mended.historyKey, mended.wasMended]).toEqual([historyKey, true]);
    expect(readFileSync(path('settings.json.damaged-1'), 'utf8')).toBe('{"historyKey":');
  });

  it('are read as an earlier version, or a person, wrote them without a checksum, and get one with the next change', () => {
    writeFileSync(path('settings.json'), '{"blocked":["sip:bob@lab.test"]}');
    const settings = new Settings(open());
    expect(settings.blocked).toEqual(['sip:bob@lab.test']);
    settings.historyKey = historyKey;
    expect(JSON.parse(readFileSync(path('settings.json'), 'utf8'))).toHaveProperty('checksum');
    settings.blocked = ['sip:carol@lab.test'];
    expect(readFileSync(path('settings.json.copy'), 'utf8')).toBe(readFileSync(path('settings.json'), 'utf8'));
    expect(statSync(path('settings.json.copy')).mode & 0o077).toBe(0);
  });

  it('that are damaged in both files stay as they are, and are refused', () => {
    new Settings(open()).historyKey = historyKey;
    for (const name of ['settings.json', 'settings.json.copy']) writeFileSync(path(name), '{');
    expect(() => new Settings(open())).toThrow(/storage\/unreadable/);
    expect(readFileSync(path('settings.json'), 'utf8')).toBe('{');
  });
});

describe('the key file', () => {
  it('survives a flipped bit in any byte, and being gone', () => {
    const file = secretKeyFile(dataDir);
    const stored = createFileSecretBox(file).protect('secret');
    flipEach(file, (at) => {
      const box = createFileSecretBox(file);
      expect(box.reveal(stored), `byte ${at}`).toBe('secret');
    });
    rmSync(file);
    const box = createFileSecretBox(file);
    expect([box.reveal(stored), box.wasMended]).toEqual(['secret', true]);
    expect(createFileSecretBox(file).wasMended).toBe(false);
  });

  it('of an earlier version, without checksum and copy, gets both', () => {
    const file = secretKeyFile(dataDir);
    writeFileSync(file, `${'5a'.repeat(32)}\n`);
    chmodSync(file, 0o644);
    const stored = createFileSecretBox(file).protect('secret');
    expect(existsSync(`${file}.copy`)).toBe(true);
    expect(statSync(file).mode & 0o077).toBe(0);
    writeFileSync(file, '');
    expect(createFileSecretBox(file).reveal(stored)).toBe('secret');
  });
});
