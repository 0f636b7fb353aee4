import { describe, expect, it } from 'vitest';
import { newDeviceKeys, readLetter, writeLetter } from '../../../main/own/letter';

const [laptop, tablet, stranger] = [newDeviceKeys(), newDeviceKeys(), newDeviceKeys()];
const route = { from: 'urn:uuid:laptop', to: 'urn:uuid:tablet' };
const sealed = writeLetter({ key: 'new' }, laptop, tablet.publicKey, route) ?? '';

describe('a letter from one device to another', () => {
  it('is read by its addressee, who knows by that who wrote it', () => {
    expect(readLetter(sealed, tablet, laptop.publicKey, route)).toEqual({ value: { key: 'new' } });
  });

  it('says nothing of itself, and is another one each time', () => {
    expect(Buffer.from(sealed, 'base64').toString('utf8')).not.toContain('new');
    expect(writeLetter({ key: 'new' }, laptop, tablet.publicKey, route)).not.toBe(sealed);
  });

  it('is read by nobody else, is not believed to be from anybody else, and cannot be sent back to its writer', () => {
    expect(readLetter(sealed, stranger, laptop.publicKey, route)).toBeNull();
    expect(readLetter(sealed, tablet, stranger.publicKey, route)).toBeNull();
    expect(readLetter(sealed, laptop, tablet.publicKey, { from: route.to, to: route.from })).toBeNull();
    expect(readLetter(sealed, tablet, laptop.publicKey, { ...route, to: 'urn:uuid:phone' })).toBeNull();
  });

  it('is not read where a byte of it is another one, and nonsense is no exception', () => {
    const bytes = Buffer.from(sealed, 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(readLetter(bytes.toString('base64'), tablet, laptop.publicKey, route)).toBeNull();
    for (const nonsense of ['', 'AAAA', '!', 'é'.repeat(100)]) {
      expect(readLetter(nonsense, tablet, laptop.publicKey, route)).toBeNull();
      expect(readLetter(sealed, tablet, nonsense, route)).toBeNull();
      expect(writeLetter(1, laptop, nonsense, route)).toBeNull();
    }
  });
});
