import { describe, expect, it } from 'vitest';
import {
  imeiUrn,
  instanceParam,
  MAX_INSTANCE_CHARACTERS,
  meidUrn,
  nickname,
  parseInstance,
  sameInstance,
  uuidUrn,
} from '../../../protocol/instance-urn';
import { parseNameAddr } from '../../../protocol/uri';
import { parsedValue } from './wire-text';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

describe('instance IDs', () => {
  it('builds the IMEI URN with spare 0, from 14, 15 or 16 digits', () => {
    expect(imeiUrn('90420156025763')).toEqual({ ok: true, value: 'urn:gsma:imei:90420156-025763-0' });
    expect(imeiUrn('9042 0156-025763')).toEqual(imeiUrn('90420156025763'));
    expect(imeiUrn('9042015602576312')).toEqual(imeiUrn('90420156025763'));
    // 490154203237518 is the textbook IMEI with its check digit.
    expect(imeiUrn('490154203237518')).toEqual({ ok: true, value: 'urn:gsma:imei:49015420-323751-0' });
    expect(imeiUrn('490154203237517').ok).toBe(false);
    for (const bad of ['', '1234567890123', '12345678901234567', 'no digits']) expect(imeiUrn(bad).ok).toBe(false);
  });

  it('builds all three kinds of URN', () => {
    expect(uuidUrn('F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6')).toBe(UUID);
    expect(parsedValue(imeiUrn('90420156025763'))).toMatch(/^urn:gsma:imei:/);
    expect(parsedValue(meidUrn('a00000ab cdef12'))).toBe('urn:device-id:meid:A00000AB-CDEF12-0');
    expect(meidUrn('A00000ABCDEF1').ok).toBe(false);
  });

  it.each([
    `"<${UUID}>"`,
    `<${UUID}>`,
    UUID,
    ` "<${UUID.toUpperCase()}>" `,
    '%3C' + 'urn%3auuid%3Af81d4fae-7dec-41d0-a765-00a0c91e6bf6' + '%3E',
    `%22%3C${UUID}%3E%22`,
  ])('reads %s', (text) => {
    expect(parseInstance(text)).toBe(UUID);
  });

  it.each([
    '',
    '<>',
    '"<sip:bob@lab.test>"',
    'urn:',
    'urn:uuid:',
    'urn:uuid:a b',
    'urn:uuid:<x>',
    'urn:x:\r\nY: z',
    `urn:uuid:${'a'.repeat(MAX_INSTANCE_CHARACTERS)}`,
  ])('refuses %.40j', (text) => {
    expect(parseInstance(text)).toBeNull();
  });

  it('compares without case for UUIDs and without the last digit for IMEIs', () => {
    expect(sameInstance(UUID, `"<${UUID.toUpperCase()}>"`)).toBe(true);
    expect(sameInstance(UUID, UUID.replace('f81d', 'f81e'))).toBe(false);
    expect(sameInstance('urn:gsma:imei:90420156-025763-0', '<urn:gsma:imei:90420156-025763-7>')).toBe(true);
    expect(sameInstance('urn:gsma:imei:90420156-025763-0', 'urn:gsma:imei:90420156-025764-0')).toBe(false);
    expect(sameInstance('nonsense', 'nonsense')).toBe(false);
  });

  it('writes the Contact parameter with the brackets inside the quotes', () => {
    expect(instanceParam(UUID)).toBe(`"<${UUID}>"`);
    const contact = parsedValue(parseNameAddr(`<sip:a@b>;+sip.instance=${instanceParam(UUID)};expires=60`));
    expect(parseInstance(contact.params.get('+sip.instance') ?? '')).toBe(UUID);
    expect(instanceParam(`urn:uuid:x"\r\nEvil: 1`)).not.toMatch(/[\r\n]/);
  });

  it('gives the same two words for the same device and many different ones', () => {
    expect(nickname(UUID)).toMatch(/^[a-z]+ [a-z]+$/);
    expect(nickname(UUID)).toBe(nickname(`"<${UUID.toUpperCase()}>"`));
    const names = new Set(Array.from({ length: 500 }, (_, index) => nickname(`urn:uuid:0000${index}-7dec-41d0-a765-00a0c91e6bf6`)));
    expect(names.size).toBeGreaterThan(430);
  });
});
