import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseReceipts, readPassword } from '../../../main/command/client';
import { UsageError } from '../../../main/command/command-line';

describe('chorus client --receipts', () => {
  it('reads the receipts to send, and whether to send unrequested ones', () => {
    expect(parseReceipts(null)).toEqual({});
    expect(parseReceipts('none')).toEqual({ receipts: { delivered: false, displayed: false } });
    expect(parseReceipts('delivered,displayed')).toEqual({ receipts: { delivered: true, displayed: true } });
    expect(parseReceipts('displayed,unasked')).toEqual({ receipts: { delivered: false, displayed: true, unasked: true } });
    for (const wrong of ['all', 'none,unasked', '']) expect(() => parseReceipts(wrong), wrong).toThrow(UsageError);
  });
});

describe('the password of chorus client', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chorus-password-'));
  const file = join(folder, 'password');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const read = (options: Record<string, string>, environment: NodeJS.ProcessEnv = {}) => {
    const warnings: string[] = [];
    return { password: readPassword(options, environment, (warning) => warnings.push(warning)), warnings };
  };

  it('is the first line of a file, or CHORUS_PASSWORD, without a word', () => {
    writeFileSync(file, ' s3cret pass \r\nand more\n');
    expect(read({ 'password-file': file }, { CHORUS_PASSWORD: 'other' })).toEqual({ password: ' s3cret pass ', warnings: [] });
    expect(read({}, { CHORUS_PASSWORD: 'other' })).toEqual({ password: 'other', warnings: [] });
    expect(read({})).toEqual({ password: '', warnings: [] });
  });

  it('is still taken from the command line, with a warning that never repeats it', () => {
    const { password, warnings } = read({ password: 's3cret' }, { CHORUS_PASSWORD: 'other' });
    expect(password).toBe('s3cret');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('ps');
    expect(warnings[0]).not.toContain('s3cret');
  });

  it('is refused where its file says nothing, cannot be read, or contradicts', () => {
    writeFileSync(file, '\nsecret');
    expect(() => read({ 'password-file': file })).toThrow(UsageError);
    expect(() => read({ 'password-file': join(folder, 'none') })).toThrow(/ENOENT/);
    expect(() => read({ 'password-file': file, password: 'x' })).toThrow(UsageError);
  });
});
