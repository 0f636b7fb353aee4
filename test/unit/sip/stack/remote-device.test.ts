import { describe, expect, it } from 'vitest';
import { readRemoteParty } from '../../../../main/sip/stack/cpm-request';
import { parseWireMessage } from '../../../../main/sip/wire/wire-message';

const BOB = 'sip:bob@lab.test';
const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const IMEI = 'urn:gsma:imei:90420156-025763-0';
const MEID = 'urn:device-id:meid:A00000AB-CDEF12-0';
/** What a registrar makes of the IMEI (TS 24.229 5.4.7A.2). */
const GRUU = `${BOB};gr=urn:uuid:8b4b3185-3cbc-59b3-b4ef-0ad6d3bc6402`;

const deviceIn = (contact: string) => {
  const lines = ['INVITE sip:alice@lab.test SIP/2.0', `From: <${BOB}>;tag=1`, `Contact: ${contact}`, 'Content-Length: 0'];
  const bytes = new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
  const read = parseWireMessage(bytes, bytes.length);
  if (!read.ok) throw new Error(read.reason);
  const { instanceId, gruu } = readRemoteParty(read.value, 'from');
  return [instanceId, gruu];
};

describe('the device of the other side', () => {
  it.each([
    ['a UUID and its GRUU', `<${BOB};gr=${UUID}>;+sip.instance="<${UUID}>"`, [UUID, `${BOB};gr=${UUID}`]],
    ['an IMEI and its GRUU', `<${GRUU}>;+sip.instance="<${IMEI}>"`, [IMEI, GRUU]],
    ['a MEID and its GRUU', `<${GRUU}>;+sip.instance="<${MEID}>"`, [MEID, GRUU]],
    ['a GRUU whose instance stayed in its network', `<${GRUU}>`, [null, GRUU]],
    ['an instance without a GRUU', `<sip:bob@127.0.0.1:5060>;+sip.instance="<${IMEI}>"`, [IMEI, null]],
    ['a temporary GRUU', '<sip:tgruu.x@lab.test;gr>', [null, 'sip:tgruu.x@lab.test;gr']],
    ['neither', '<sip:bob@127.0.0.1:5060>', [null, null]],
  ])('R43: is what its Contact says, never the gr: %s', (_, contact, expected) => {
    expect(deviceIn(contact)).toEqual(expected);
  });
});
