import { describe, expect, it } from 'vitest';
import { identitiesOf, speaksFor } from '../../../../main/sip/flow/identity';

const names = (subjectaltname: string, CN = 'cn.test') => ({ subjectaltname, subject: { CN } });

describe('RFC 5922: what a certificate speaks for', () => {
  it('is its sip URIs, and its DNS names only without one', () => {
    expect(identitiesOf(names('URI:sip:Lab.Test, DNS:other.test')).domains).toEqual(['lab.test']);
    expect(identitiesOf(names('DNS:Lab.Test, DNS:other.test')).domains).toEqual(['lab.test', 'other.test']);
    // Neither of these is a domain's identity, so the DNS name counts.
    expect(identitiesOf(names('URI:sip:alice@lab.test, URI:https://lab.test, URI:sips:lab.test, DNS:dns.test')).domains).toEqual([
      'dns.test',
    ]);
  });

  it('is its common name only without any alternative name', () => {
    expect(identitiesOf({ subject: { CN: 'CN.test' } }).domains).toEqual(['cn.test']);
    expect(identitiesOf(names('email:a@lab.test')).domains).toEqual([]);
  });

  it('is never part of a value: what looks like a second name inside quotes is none', () => {
    expect(identitiesOf(names('DNS:"evil.test, DNS:lab.test"')).domains).toEqual([]);
    expect(identitiesOf(names('URI:"sip:evil.test, URI:sip:lab.test", DNS:fine.test')).domains).toEqual(['fine.test']);
  });

  it('is compared whole: no wildcard, no part of a name', () => {
    const certificate = names('DNS:*.lab.test, DNS:sip.lab.test');
    expect(speaksFor(certificate, ['sip.lab.test'])).toBe(true);
    expect(speaksFor(certificate, ['SIP.lab.test'])).toBe(true);
    for (const name of ['a.lab.test', 'lab.test', 'evilsip.lab.test', 'sip.lab.test.evil.test']) {
      expect(speaksFor(certificate, [name]), name).toBe(false);
    }
  });

  it('is an address only as an address', () => {
    const certificate = names('DNS:127.0.0.1, IP Address:127.0.0.2, IP Address:0:0:0:0:0:0:0:1');
    expect(speaksFor(certificate, ['127.0.0.1'])).toBe(false);
    expect(speaksFor(certificate, ['127.0.0.2'])).toBe(true);
    expect(speaksFor(certificate, ['::1'])).toBe(true);
    expect(speaksFor(certificate, ['::2', 'lab.test'])).toBe(false);
  });
});
