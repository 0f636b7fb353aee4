import { describe, expect, it } from 'vitest';
import { encodeCpim } from '../../../protocol/cpim';
import { leakInContent, leakInSip, type OwnMarks } from '../../../protocol/leak-check';
import { encodeMultipart } from '../../../protocol/multipart';
import { utf8 } from '../../../protocol/octets';

const own: OwnMarks = {
  identities: ['sip:alice@lab.test', 'tel:+1-555-0100'],
  instanceId: 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
  pubGruu: 'sip:alice@lab.test;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
  deviceName: 'Blue laptop',
  displayName: 'Alice Liddell',
  hostName: 'rabbit-hole',
  host: '10.1.2.3',
};
const bob = 'sip:bob@lab.test';

const envelope = (from: string, text: string) =>
  encodeCpim({ from, to: [], dateTime: 0, messageId: 'm1', dispositions: [], contentType: 'text/plain', body: utf8(text) });
const sdp = (line: string) =>
  utf8(
    `v=0\r\no=- 1 1 IN IP4 10.1.2.3\r\ns=-\r\nc=IN IP4 10.1.2.3\r\nt=0 0\r\nm=message 7000 TCP/MSRP *\r\na=path:msrp://10.1.2.3:7000/x;tcp\r\n${line}\r\n`,
  );
const part = (contentType: string, body: Uint8Array) => ({ contentType, headers: new Map<string, string>(), body });

function invite(change: { headers?: string[]; sdpLine?: string; from?: string; text?: string } = {}): Uint8Array {
  const parts = [
    part('application/sdp', sdp(change.sdpLine ?? 'a=sendrecv')),
    part('message/cpim', envelope(change.from ?? 'sip:anonymous@anonymous.invalid', change.text ?? 'Hello')),
  ];
  const body = encodeMultipart(parts, 'b1');
  const head = [
    `INVITE ${bob} SIP/2.0`,
    'Via: SIP/2.0/TCP 10.1.2.3:5060;branch=z9hG4bKx',
    'Route: <sip:alice@10.1.2.3;lr>',
    'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
    `To: <${bob}>`,
    'Call-ID: 5f0c',
    'Contact: <sip:tgruu.x7@lab.test;gr>',
    'P-Preferred-Identity: <sip:alice@lab.test>',
    'Proxy-Authorization: Digest username="alice"',
    'Content-Type: multipart/mixed;boundary=b1',
    ...(change.headers ?? []),
  ].join('\r\n');
  const bytes = utf8(`${head}\r\n\r\n`);
  const whole = new Uint8Array(bytes.length + body.length);
  whole.set(bytes);
  whole.set(body, bytes.length);
  return whole;
}

describe('the leak check', () => {
  it('R44: finds nothing in an anonymous invitation, and does not search the text that the person wrote', () => {
    expect(leakInSip(invite(), own, bob)).toBeNull();
    expect(leakInSip(invite({ text: 'I am Alice Liddell, alice@lab.test' }), own, bob)).toBeNull();
  });

  it.each([
    ['address', 'Reply-To', { headers: ['Reply-To: <sip:ALICE@lab.test>'] }],
    ['address', 'Subject', { headers: ['Subject: sip%3Aalice%40lab.test'] }],
    ['address', 'Subject', { headers: ['Subject: %41LICE%40lab%2Etest'] }],
    ['number', 'P-Asserted-Identity', { headers: ['P-Asserted-Identity: <tel:+15550100>'] }],
    ['device ID', 'Contact', { headers: ['Contact: <sip:x>;+sip.instance="<urn:uuid:F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6>"'] }],
    ['device name', 'User-Agent', { headers: ['User-Agent: Chorus on blue laptop'] }],
    ['name', 'Organization', { headers: ['Organization: "Alice Liddell"'] }],
    ['user name', 'Organization', { headers: ['Organization: house of alice'] }],
    ['computer name', 'Call-ID', { headers: ['Call-ID: 123@rabbit-hole'] }],
    ['network address', 'Call-ID', { headers: ['Call-ID: 123@10.1.2.3'] }],
    ['user name', 'SDP', { sdpLine: 'i=alice' }],
    ['address', 'CPIM', { from: 'sip:alice@lab.test' }],
  ] as const)('R44: finds the %s in %s', (what, where, change) => {
    expect(leakInSip(invite({ ...change, headers: 'headers' in change ? [...change.headers] : [] }), own, bob)).toEqual({ what, where });
  });

  it('R44: finds the name of an anonymous recipient in a receipt', () => {
    const body = utf8('<imdn><recipient-uri>sip:alice@lab.test</recipient-uri></imdn>');
    const cpim = encodeCpim({ from: null, to: [], dateTime: 0, messageId: 'm', dispositions: [], contentType: 'message/imdn+xml', body });
    expect(leakInContent('message/cpim', cpim, own, bob)).toEqual({ what: 'address', where: 'content' });
    expect(leakInContent('application/im-iscomposing+xml', utf8('<isComposing><state>active</state></isComposing>'), own, bob)).toBeNull();
  });

  it.each([
    ['a name that is the user part of the recipient’s', 'Ali', 'sip:ali@lab.test', 'Organization: Ali and Sons', 'name'],
    ['a name that is a word of the recipient’s', 'Ali', 'sip:ali-baba@lab.test', 'Subject: from Ali', 'name'],
    ['a device that is called like the recipient', 'Bob', 'sip:bob@lab.test', 'User-Agent: x (Bob)', 'name'],
  ])('R44: finds %s', (_which, displayName, peer, header, what) => {
    const mine = { ...own, displayName, deviceName: displayName };
    const bytes = (line: string) => utf8(`MESSAGE ${peer} SIP/2.0\r\nTo: <${peer}>\r\n${line}\r\n\r\n`);
    expect(leakInSip(bytes('Subject: hello'), mine, peer)).toBeNull();
    expect(leakInSip(bytes(`Subject: ${peer.replace('@', '%40')}`), mine, peer)).toBeNull();
    expect(leakInSip(bytes(header), mine, peer)).toMatchObject({ what: expect.stringMatching(`^(${what}|device name)$`) });
  });

  it('R44: finds an own address that ends or begins like the recipient’s', () => {
    const mine = { ...own, identities: ['sip:malice@lab.test', 'sip:alice@lab.test'] };
    const bytes = (peer: string, other: string) => utf8(`MESSAGE ${peer} SIP/2.0\r\nTo: <${peer}>\r\nReply-To: <${other}>\r\n\r\n`);
    for (const [peer, other] of [
      ['sip:alice@lab.test', 'sip:malice@lab.test'],
      ['sip:malice@lab.test', 'sip:alice@lab.test'],
    ] as const)
      expect(leakInSip(bytes(peer, other), mine, peer)).toEqual({ what: 'address', where: 'Reply-To' });
  });

  it('takes no word of the protocol, no part of a word and nothing of the recipient for a name', () => {
    const named = (name: string): OwnMarks => ({
      ...own,
      identities: [`sip:${name}@lab.test`],
      displayName: name,
      deviceName: name,
      pubGruu: null,
    });
    const headers = ['Max-Forwards: 70', 'Accept: application/sdp', 'Content-Disposition: session'];
    for (const name of ['max', 'session', 'bob', 'test', 'tgruu', 'an'])
      expect(leakInSip(invite({ headers }), named(name), bob)).toBeNull();
  });
});
