import { describe, expect, it } from 'vitest';
import { asksToHide, hideSender, isTemporaryGruu, stripBadReplyTo, stripHardware } from '../../../../network/participating/privacy';
import { SipRequest, SipResponse } from '../../../../network/sip/message';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const IMEI = 'urn:gsma:imei:90420156-025763-0';
const contact = (value: string) => new SipRequest('INVITE', 'sip:bob@lab.test').append('Contact', value);

describe('privacy', () => {
  it.each([
    ['id', true],
    ['header;session', true],
    ['ID;critical', true],
    ['none', false],
    ['history', false],
  ])('takes Privacy: %s for a wish to hide: %s', (value, hides) => {
    expect(asksToHide(new SipRequest('INVITE', 'sip:bob@lab.test').append('Privacy', value))).toBe(hides);
  });

  it.each([
    ['sip:tgruu.x7@lab.test;gr', true],
    ['sip:alice@lab.test;gr=urn:uuid:1', false],
    ['sip:alice@lab.test', false],
    ['tel:+15550100', false],
  ])('knows of %s whether it is a temporary GRUU: %s', (uri, temporary) => {
    expect(isTemporaryGruu(uri)).toBe(temporary);
  });

  it('R43: removes instance, names and program from an anonymous request, and leaves the GRUU and the services', () => {
    const request = contact(`"Alice laptop" <sip:tgruu.x7@lab.test;gr>;+sip.instance="<${UUID}>";+g.3gpp.icsi-ref="x"`)
      .append('User-Agent', 'Chorus/1 on alice-laptop')
      .append('P-Asserted-Identity', '<sip:alice@lab.test>')
      .append('Referred-By', '<sip:alice@lab.test>');
    hideSender(request);
    expect(request.get('contact')).toBe('<sip:tgruu.x7@lab.test;gr>;+g.3gpp.icsi-ref="x"');
    expect(request.entries().map(([name]) => name)).toEqual(['Contact', 'P-Asserted-Identity']);
    const response = new SipResponse(200).append('P-Asserted-Identity', '<sip:alice@lab.test>').append('Server', 'Chorus');
    hideSender(response);
    expect(response.entries()).toEqual([]);
  });

  it.each([
    ['an IMEI', `<sip:a@lab.test;gr=urn:uuid:9>;+sip.instance="<${IMEI}>";x=1`, '<sip:a@lab.test;gr=urn:uuid:9>;x=1', false],
    [
      'a MEID',
      '<sip:a@lab.test;gr=urn:uuid:9>;+sip.instance="<urn:device-id:meid:A00000AB-CDEF12-0>"',
      '<sip:a@lab.test;gr=urn:uuid:9>',
      false,
    ],
    ['no UUID', `<sip:a@lab.test;gr=${UUID}>;+sip.instance="<${UUID}>"`, `<sip:a@lab.test;gr=${UUID}>;+sip.instance="<${UUID}>"`, false],
    [
      'no IMEI without a GRUU, which it says',
      `<sip:a@10.0.0.1:5060>;+sip.instance="<${IMEI}>"`,
      `<sip:a@10.0.0.1:5060>;+sip.instance="<${IMEI}>"`,
      true,
    ],
  ])('R43: removes %s', (_what, before, after, leaves) => {
    const request = contact(before);
    expect(stripHardware(request)).toBe(leaves);
    expect(request.get('contact')).toBe(after);
  });
});

describe('a Reply-to Indication', () => {
  it.each([
    ['<sip:carol@lab.test>', true],
    ['"Carol" <tel:+4917055512>;x=1', true],
    ['not an address', false],
    ['<http://evil.test/>', false],
    ['<sip:carol@lab.test>, <sip:dave@lab.test>', false],
  ])('R88: %s leaves the sender’s network: %s', (value, leaves) => {
    const request = new SipRequest('MESSAGE', 'sip:bob@lab.test').append('Reply-To', value);
    stripBadReplyTo(request);
    expect(request.has('reply-to')).toBe(leaves);
  });
});
