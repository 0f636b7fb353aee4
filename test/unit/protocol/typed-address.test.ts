import { describe, expect, it } from 'vitest';
import { typedAddress, wantsCountry } from '../../../protocol/typed-address';

const own = (country?: string) => ({ aor: 'sip:alice@lab.test', country });

describe('what a person types or pastes', () => {
  it.each([
    // Whole numbers, however they are set.
    ['+49 (0)170 5551234', 'tel:+491705551234'],
    ['(+49) 170 5551234', 'tel:+491705551234'],
    ['+49-170-555-1234', 'tel:+491705551234'],
    ['+49\u2010170\u2011555\u20121234', 'tel:+491705551234'],
    ['+49\u2013170\u2014555\u22121234', 'tel:+491705551234'],
    ['+49.170.5551234', 'tel:+491705551234'],
    ['+49/170/5551234', 'tel:+491705551234'],
    ['+49\u00A0170\u202F555\u20091234', 'tel:+491705551234'],
    ['\u202A+49 170 5551234\u202C', 'tel:+491705551234'],
    ['\u200E+49\u200B170\u00AD5551234\u200F', 'tel:+491705551234'],
    ['＋４９　１７０　５５５１２３４', 'tel:+491705551234'],
    ['+٤٩١٧٠٥٥٥١٢٣٤', 'tel:+491705551234'],
    ['+४९१७०५५५१२३४', 'tel:+491705551234'],
    ['0049 170 5551234', 'tel:+491705551234'],
    ['0049 (0)170 5551234', 'tel:+491705551234'],
    ['+39 06 1234567', 'tel:+39061234567'],
    ['+47 (12) 34-56', 'tel:+47123456'],
    ['+49 170 5551234 ext. 12', 'tel:+491705551234;ext=12'],
    ['+49 170 5551234 x12', 'tel:+491705551234;ext=12'],
    // TEL URIs (RFC 3966).
    ['tel:+49-170-5551234', 'tel:+491705551234'],
    ['TEL:+491705551234', 'tel:+491705551234'],
    ['tel:+491705551234;ext=1-2', 'tel:+491705551234;ext=12'],
    ['tel:+491705551234;isub=9;x=y', 'tel:+491705551234;isub=9'],
    ['tel:7042;phone-context=LAB.test', 'tel:7042;phone-context=lab.test'],
    ['tel:7042;phone-context=+49-170', 'tel:7042;phone-context=+49170'],
    ['tel:0049 170 5551234', 'tel:+491705551234'],
    ['<tel:+49-170-5551234>', 'tel:+491705551234'],
    // Addresses.
    [' bob@example.org ', 'sip:bob@example.org'],
    ['\u2066bob@example.org\u2069', 'sip:bob@example.org'],
    ['ｂｏｂ＠example.org', 'sip:bob@example.org'],
    ['sips:bob@example.org', 'sip:bob@example.org'],
    ['sip:bob@example.org:5061;transport=tls', 'sip:bob@example.org'],
    ['"Bob Keller" <sip:bob@example.org>;tag=1', 'sip:bob@example.org'],
    ['mailto:bob@example.org', 'mailto:bob@example.org'],
    ['Dave', 'sip:dave@lab.test'],
    ['2001', 'sip:2001@lab.test'],
    ['sip:2001', null],
    // What is nobody's.
    ['', null],
    ['\u200B', null],
    ['a b', null],
    ['bob@', null],
    ['<script>', null],
    ['a@b@c', null],
    ['+', null],
    ['+1 800 FLOWERS', null],
    ['0170 5551234', null],
    ['https://example.org', null],
    [`+${'1'.repeat(40)}`, null],
    ['x'.repeat(9_000), null],
  ])('%j is %s', (typed, address) => {
    expect(typedAddress(typed, own())).toBe(address);
  });

  it.each([
    ['0170 5551234', 'DE', 'tel:+491705551234'],
    ['0170/5551234', 'DE', 'tel:+491705551234'],
    ['01705551234', 'DE', 'tel:+491705551234'],
    ['0049 170 5551234', 'US', 'tel:+491705551234'],
    ['011 49 170 5551234', 'US', 'tel:+491705551234'],
    ['(202) 555-0100', 'US', 'tel:+12025550100'],
    ['06 1234567', 'IT', 'tel:+39061234567'],
    ['tel:0170-5551234', 'DE', 'tel:+491705551234'],
    ['+1 202 555 0100', 'DE', 'tel:+12025550100'],
    // Extensions of one's own network stay names there.
    ['2001', 'DE', 'sip:2001@lab.test'],
    ['0170 5551234', 'ZZ', null],
  ])('%j in %s is %s', (typed, country, address) => {
    expect(typedAddress(typed, own(country))).toBe(address);
  });

  it('says when a country would make a number of it', () => {
    expect(['0170 5551234', '0170/5551234', '+49 170 5551234', 'bob', '2001', '0170 555123a'].map((typed) => wantsCountry(typed))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
