import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { TryNetwork } from '../../../main/profile/try-network';
import { VirtualClock } from '../../support/doubles/virtual-clock';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chorus-own-key-'));
  folders.push(folder);
  return folder;
}

const networkIn = (folder: string) => new TryNetwork(folder, new VirtualClock(), silentLogger);

describe('the key that pairs the windows of one person in the embedded network', () => {
  it('is the same for every profile of the folder, and another one for another person', () => {
    const folder = join(emptyFolder(), 'try-network');
    const key = networkIn(folder).ownKeyOf('sip:alice@lab.test');
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(networkIn(folder).ownKeyOf('sip:alice@lab.test')).toBe(key);
    expect(networkIn(folder).ownKeyOf('sip:bob@lab.test')).not.toBe(key);
    expect(readdirSync(folder)).toHaveLength(2);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it('is none where the folder cannot hold it, or what it holds is no key', () => {
    const file = join(emptyFolder(), 'a-file');
    writeFileSync(file, '');
    expect(networkIn(file).ownKeyOf('sip:alice@lab.test')).toBeNull();
    const folder = emptyFolder();
    networkIn(folder).ownKeyOf('sip:alice@lab.test');
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), 'torn');
    expect(networkIn(folder).ownKeyOf('sip:alice@lab.test')).toBeNull();
  });
});
