import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockProfile } from '../../../../main/history/store/lock';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'chorus-lock-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

describe('a profile', () => {
  it('belongs to one at a time, and is free again when let go', () => {
    const held = lockProfile(dataDir);
    expect(() => lockProfile(dataDir)).toThrow(/profile\/in-use/);
    held.dispose();
    held.dispose();
    lockProfile(dataDir).dispose();
  });

  it('is free again when its process was killed', async () => {
    const script = `const L=require('libsql');const d=new L(${JSON.stringify(join(dataDir, 'profile.lock'))});d.exec('BEGIN EXCLUSIVE');process.stdout.write('held');setInterval(()=>{},1000)`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(() => lockProfile(dataDir)).toThrow(/profile\/in-use/);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    lockProfile(dataDir).dispose();
  });

  it('says so when its folder cannot be used', () => {
    expect(() => lockProfile(join(dataDir, 'missing'))).toThrow(
      /storage\/unreadable the folder .*missing is not there or cannot be written/,
    );
  });

  it('says what to do about a lock that is damaged, or no file', () => {
    const file = join(dataDir, 'profile.lock');
    writeFileSync(file, 'not a database '.repeat(500));
    expect(() => lockProfile(dataDir)).toThrow(/profile\.lock is damaged; it holds nothing: delete it/);
    rmSync(file);
    mkdirSync(file);
    expect(() => lockProfile(dataDir)).toThrow(/profile\.lock is no file/);
  });
});
