import { describe, expect, it } from 'vitest';
import { keyringText, newKeyring, readKey, readKeyring } from '../../../../main/devices/pairing/keyring';
import { isNote, letterOf, readNote } from '../../../../main/devices/pairing/notes';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('what devices say in clear', () => {
  it('is told from what is sealed by its first letter', () => {
    expect(isNote(bytes('{"pair":1}'))).toBe(true);
    expect(isNote(bytes('eyJwYWlyIjoxfQ=='))).toBe(false);
    expect(isNote(bytes(''))).toBe(false);
  });

  it('is read with its sender, and nothing else is', () => {
    expect(readNote(bytes('{"i":"urn:uuid:a","pair":1,"commitment":"x"}'))).toMatchObject({ i: 'urn:uuid:a', pair: 1, commitment: 'x' });
    const nonsense = ['{', '{}', '[]', '{"i":7}', '{"i":"sip:a@b"}', '{"i":"urn:uuid:a","pair":6}', '{"i":"urn:uuid:a","letter":""}'];
    for (const text of nonsense) expect(readNote(bytes(text)), text).toBeNull();
    expect(readNote(bytes(`{"i":"urn:uuid:a","more":"${'x'.repeat(96 * 1024)}"}`))).toBeNull();
  });

  it('has letters of two kinds', () => {
    expect(letterOf({ key: {} })).toEqual({ key: {} });
    const leave = { erase: true, at: 1, by: 'Laptop' };
    expect(letterOf({ leave })).toEqual({ leave });
    for (const nonsense of [null, 7, {}, { leave: true }, { leave: { ...leave, at: 0.5 } }]) expect(letterOf(nonsense)).toBeNull();
  });
});

describe('the keys of a device', () => {
  it('are read as they were kept', () => {
    const keyring = newKeyring('urn:uuid:a');
    const read = readKeyring(keyringText(keyring));
    expect(read?.device).toEqual(keyring.device);
    expect(Buffer.from(read?.account.secret ?? []).equals(Buffer.from(keyring.account.secret))).toBe(true);
    expect(read?.account).toMatchObject({ epoch: 1, writer: 'urn:uuid:a' });
  });

  it('are none where something else is kept: the device is not paired then', () => {
    for (const nonsense of [null, '', '{', '{}', '{"account":{"secret":"00","epoch":1,"writer":""},"device":{}}'])
      expect(readKeyring(nonsense)).toBeNull();
    for (const nonsense of [
      null,
      {},
      { secret: 'zz'.repeat(32), epoch: 1, writer: '' },
      { secret: '00'.repeat(32), epoch: 70_000, writer: '' },
    ])
      expect(readKey(nonsense)).toBeNull();
  });
});
