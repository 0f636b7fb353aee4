import { describe, expect, it } from 'vitest';
import { saysCpm } from '../../../../main/sip/stack/cpm-request';
import { parseWireMessage } from '../../../../main/sip/wire/wire-message';
import { ICSI, icsiParam } from '../../../../protocol/feature-tags';

const message = (start: string, headers: string[]) => {
  const head = new TextEncoder().encode(`${[start, 'Call-ID: c', 'CSeq: 1 INVITE', ...headers].join('\r\n')}\r\n\r\n`);
  const read = parseWireMessage(head, head.length);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};
const contact = (more = '') => `Contact: <sip:bob@192.0.2.7>${more}`;

describe('whether the other side of a session knows CPM', () => {
  it.each<[string, string[], boolean]>([
    ['nothing of CPM', [contact()], false],
    ['no Contact', [], false],
    ['another service', [contact(';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"')], false],
    ['a Conversation-ID alone', [contact(), 'Conversation-ID: 1'], false],
    ['a Contribution-ID', [contact(), 'Contribution-ID: 1'], true],
    ['a Contribution-ID in small letters', [contact(), 'contribution-id: 1'], true],
    ['a CPM service in the Contact', [contact(`;${icsiParam([ICSI.session])}`)], true],
  ])('an answer with %s: %s', (_, headers, expected) => {
    expect(saysCpm(message('SIP/2.0 200 OK', headers))).toBe(expected);
  });

  it.each<[string, string[], boolean]>([
    ['nothing of CPM', [contact()], false],
    ['Accept-Contact for a CPM service', [contact(), `Accept-Contact: *;${icsiParam([ICSI.session])}`], true],
    ['a CPM service that the network asserts', [contact(), `P-Asserted-Service: ${ICSI.session}`], true],
  ])('an INVITE with %s: %s', (_, headers, expected) => {
    expect(saysCpm(message('INVITE sip:alice@lab.test SIP/2.0', headers))).toBe(expected);
  });
});
