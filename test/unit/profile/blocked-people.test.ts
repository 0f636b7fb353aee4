/** One person, several addresses: what a block covers. */
import { describe, expect, it } from 'vitest';
import { BlockedPeople } from '../../../main/profile/blocked-people';
import { MAX_BLOCKED, type Settings } from '../../../main/profile/settings';
import { phoneNumberOf } from '../../../protocol/phone-number';

const settings = (blocked: readonly string[] = []) => ({ blocked }) as Settings;

describe('the people whom somebody has blocked', () => {
  it('are meant by the SIP and the TEL form of their number, both ways', () => {
    for (const [one, other] of [
      ['tel:+491705551234', 'sip:+491705551234@lab.test'],
      ['sip:+491705551234@lab.test', 'tel:+491705551234'],
    ] as const) {
      const blocked = new BlockedPeople(settings([one]));
      expect([blocked.has(one), blocked.has(other), blocked.has('tel:+491705551235'), blocked.has('sip:bob@lab.test')]).toEqual([
        true,
        true,
        false,
        false,
      ]);
      blocked.unblock(other);
      expect([blocked.list, blocked.has(one)]).toEqual([[], false]);
    }
  });

  it('are blocked under each address that the network names with theirs, and the list says so', () => {
    const kept = settings(['sip:bob@lab.test']);
    const blocked = new BlockedPeople(kept);
    expect(blocked.learn(['sip:carol@lab.test', 'tel:+4712345678'])).toBe(false);
    expect(blocked.learn(['sip:bob@lab.test', 'tel:+4712345678'])).toBe(true);
    expect(blocked.learn(['sip:bob@lab.test', 'tel:+4712345678'])).toBe(false);
    expect(kept.blocked).toEqual(['sip:bob@lab.test', 'tel:+4712345678']);
    expect(blocked.has('sip:+4712345678@else.test')).toBe(true);
  });

  it('are no more than fit: a full list learns nothing', () => {
    const blocked = new BlockedPeople(settings(Array.from({ length: MAX_BLOCKED }, (_, at) => `sip:p${at}@lab.test`)));
    expect(blocked.learn(['sip:p1@lab.test', 'sip:other@lab.test'])).toBe(false);
    expect(blocked.list).toHaveLength(MAX_BLOCKED);
  });
});

describe('the number of an address', () => {
  it.each([
    ['tel:+49-170-5551234', '+491705551234'],
    ['sip:+49.170.5551234;phone-context=x@lab.test;user=phone', '+491705551234'],
    ['sip:+491@lab.test', null],
    ['tel:112;phone-context=lab.test', null],
    ['sip:bob@lab.test', null],
    ['mailto:+4912345678@lab.test', null],
    ['no address', null],
  ])('%s: %s', (address, number) => expect(phoneNumberOf(address)).toBe(number));
});
