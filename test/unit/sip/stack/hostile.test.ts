import { afterEach, describe, expect, it } from 'vitest';
import type { Logger } from '../../../../base/log';
import { MAX_HOPS } from '../../../../main/sip/stack/normalize';
import { MAX_BODY_BYTES, MAX_HEADERS } from '../../../../main/sip/wire/wire-message';
import { closeMemoryLabs, type MemoryLab, memoryLab, registered } from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';
import { tortureMessages } from '../../../support/rfc4475/messages';

afterEach(closeMemoryLabs);

const errors: string[] = [];
const log: Logger = { debug() {}, info() {}, warn() {}, error: (text, fields) => errors.push(`${text} ${JSON.stringify(fields)}`) };

async function attacked(): Promise<MemoryLab> {
  const lab = memoryLab({}, log);
  errors.length = 0;
  lab.client.handleMessage = async () => 200;
  lab.client.onInvite.on((invite) => invite.ring());
  await lab.client.registration.register();
  return lab;
}

/** True when the client still answers over a connection, be it a new one. */
async function survives(lab: MemoryLab): Promise<void> {
  await settled();
  if (lab.client.registration.state !== 'registered') await lab.clock.advance(10_000);
  expect(lab.client.registration.state).toBe('registered');
  const before = lab.server.responses(200).length;
  lab.server.request('OPTIONS', 'sip:alice@lab.test', [
    'From: <sip:b@c.test>;tag=1',
    'To: <sip:alice@lab.test>',
    'Call-ID: alive',
    'CSeq: 1 OPTIONS',
  ]);
  await settled();
  expect(lab.server.responses(200)).toHaveLength(before + 1);
  expect(errors).toEqual([]);
}

const BASE = [
  'Via: SIP/2.0/TCP h.test;branch=z9hG4bKx',
  'From: <sip:b@c.test>;tag=1',
  'To: <sip:alice@lab.test>',
  'Call-ID: h',
  'CSeq: 1 MESSAGE',
];
const plain = (lines: string[], start = 'MESSAGE sip:alice@lab.test SIP/2.0') =>
  `${[start, ...lines].join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
const without = (name: string) => BASE.filter((line) => !line.startsWith(name));
const withLine = (name: string, line: string) => [...without(name), line];

const REFUSED: [string, string, number][] = [
  ['no From', plain(without('From')), 400],
  ['no To', plain(without('To')), 400],
  ['no Call-ID', plain(without('Call-ID')), 400],
  ['no CSeq', plain(without('CSeq')), 400],
  ['two From', plain([...BASE, 'f: <sip:x@y.test>;tag=2']), 400],
  ['a From that is nothing', plain(withLine('From', 'From: <<<>>>')), 400],
  ['a From without tag', plain(withLine('From', 'From: <sip:b@c.test>')), 400],
  ['a tag that is no token', plain(withLine('From', 'From: <sip:b@c.test>;tag="a b"')), 400],
  ['an open quote in To', plain(withLine('To', 'To: "open <sip:alice@lab.test>')), 400],
  ['a CSeq over the limit', plain(withLine('CSeq', 'CSeq: 36893488147419103232 MESSAGE')), 400],
  ['a CSeq of another method', plain(withLine('CSeq', 'CSeq: 1 INVITE')), 400],
  ['a CSeq without method', plain(withLine('CSeq', 'CSeq: 1')), 400],
  ['a Request-URI with blanks', plain(BASE, 'MESSAGE sip:alice@lab.test; lr SIP/2.0'), 400],
  ['a Request-URI in brackets', plain(BASE, 'MESSAGE <sip:alice@lab.test> SIP/2.0'), 400],
  ['a Request-URI with a bad escape', plain(BASE, 'MESSAGE sip:al%zzice@lab.test SIP/2.0'), 400],
  [
    'too many hops',
    plain([...BASE, ...Array.from({ length: MAX_HOPS }, (_each, hop) => `Via: SIP/2.0/TCP h${hop};branch=z9hG4bK${hop}`)]),
    483,
  ],
  ['an INVITE without Contact', plain(withLine('CSeq', 'CSeq: 1 INVITE'), 'INVITE sip:alice@lab.test SIP/2.0'), 400],
  ['an INVITE with Contact *', plain([...withLine('CSeq', 'CSeq: 1 INVITE'), 'm: *'], 'INVITE sip:alice@lab.test SIP/2.0'), 400],
];

const DROPPED: [string, string][] = [
  ['noise', '\u0000\u0001\u0002 hello\r\n\r\n'],
  ['an HTTP request', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'],
  ['no Via', plain(without('Via'))],
  ['a Via that is nothing', plain(withLine('Via', 'Via: x'))],
  ['a header without a name', plain([...BASE, ': value'])],
  ['a line without a colon', plain([...BASE, 'nonsense'])],
  ['too many headers', plain([...BASE, ...Array.from({ length: MAX_HEADERS }, () => 'X: y')])],
  ['an ACK for nothing', plain(withLine('CSeq', 'CSeq: 1 ACK'), 'ACK sip:alice@lab.test SIP/2.0')],
  ['an ACK that is broken', plain(without('From'), 'ACK sip:alice@lab.test SIP/2.0')],
  ['a response to nothing', plain(BASE, 'SIP/2.0 200 OK')],
  ['a response of status 999', plain(BASE, 'SIP/2.0 999 Odd')],
  ['a response with two Vias', plain([...BASE, 'Via: SIP/2.0/TCP two;branch=z9hG4bK2'], 'SIP/2.0 200 OK')],
  ['a response with a bad CSeq', plain(withLine('CSeq', 'CSeq: nonsense'), 'SIP/2.0 200 OK')],
  ['a response without reason', plain(BASE, 'SIP/2.0 100')],
  ['a stray CANCEL', plain(withLine('CSeq', 'CSeq: 1 CANCEL'), 'CANCEL sip:alice@lab.test SIP/2.0')],
];

describe('hostile messages over the client’s transport', () => {
  it.each(REFUSED)('%s: is answered %3$i', async (_name, text, status) => {
    const lab = await attacked();
    lab.server.send(text);
    await settled();
    expect(lab.server.responses().map((response) => (response.start.kind === 'response' ? response.start.status : 0))).toEqual([status]);
    await survives(lab);
  });

  it.each(DROPPED)('%s: does no harm', async (_name, text) => {
    const lab = await attacked();
    lab.server.send(text);
    await survives(lab);
  });

  it('a body over MAX_BODY_BYTES is answered 413 and the connection stays', async () => {
    const lab = await attacked();
    lab.server.request('MESSAGE', 'sip:alice@lab.test', BASE, new Uint8Array(MAX_BODY_BYTES + 1), 'text/plain');
    await settled();
    expect(lab.server.responses(413)).toHaveLength(1);
    expect(lab.server.connections).toBe(1);
    await survives(lab);
  });

  it('a stream without Content-Length is closed, and the client registers again', async () => {
    const lab = await attacked();
    lab.server.send(`${['MESSAGE sip:alice@lab.test SIP/2.0', ...BASE].join('\r\n')}\r\n\r\n`);
    await lab.clock.advance(10_000);
    expect(lab.server.connections).toBe(2);
    await survives(lab);
  });

  it('what a peer sends comes back only where SIP says so, and never as a header of its own', async () => {
    const lab = await attacked();
    const evil = `<sip:0d0a582d4576696c3a2031@${'x'.repeat(8)}.invalid>`;
    lab.server.request('MESSAGE', 'sip:alice@lab.test', [...without('From'), `From: "A\rX-Evil: 1" ${evil};tag=1`], 'x', 'text/plain');
    lab.server.request('MESSAGE', 'sip:alice@lab.test', [...without('From'), `From: "\\"${evil}" ${evil};tag=1`], 'x', 'text/plain');
    await settled();
    for (const text of lab.server.texts) expect(text.toLowerCase()).not.toMatch(/\r\nx-evil:/);
    expect(lab.server.responses(200).at(-1)?.first('from')).toBe(`"\\"${evil}" ${evil};tag=1`);
  });

  it('nothing of the shim’s own notation reaches the wire', async () => {
    const lab = await attacked();
    lab.server.request('MESSAGE', 'sip:alice@lab.test', [...without('Call-ID'), 'Call-ID: odd(<>)"[]@{}?'], 'x', 'text/plain');
    await settled();
    expect(lab.server.responses(200)[0]?.first('call-id')).toBe('odd(<>)"[]@{}?');
    for (const text of lab.server.texts) expect(text).not.toContain('.invalid');
  });

  it('every cut and every changed byte of an invitation is survived', async () => {
    const lab = await attacked();
    const invite = plain(
      [...withLine('CSeq', 'CSeq: 1 INVITE'), 'Contact: <sip:b@c.test>;+sip.instance="<urn:x>"'],
      'INVITE sip:alice@lab.test SIP/2.0',
    );
    for (let at = 0; at < invite.length; at += 3) {
      for (const byte of ['\u0000', '"', '<', '\r', ';', '%']) lab.server.send(`${invite.slice(0, at)}${byte}${invite.slice(at + 1)}`);
      if (!lab.server.isConnected) await lab.clock.advance(10_000);
    }
    await lab.clock.advance(130_000);
    expect(lab.client.registration.state).toBe('registered');
    expect(errors).toEqual([]);
  });

  it('a registrar’s 200 full of nonsense neither throws nor registers by accident', async () => {
    const lab = memoryLab({}, log);
    errors.length = 0;
    const odd = ['Contact: <<>>', 'Service-Route: "', 'P-Associated-URI: <', 'Flow-Timer: -1', 'Expires: banana', 'Min-Expires: x'];
    lab.server.onRequest = (request, server) => server.reply(request, { ...registered(request), headers: odd });
    await lab.client.registration.register();
    expect(lab.client.registration).toMatchObject({ expires: 3600, bindings: [], pubGruu: null, identities: ['sip:alice@lab.test'] });
    expect(errors).toEqual([]);
  });
});

describe('the messages of RFC 4475 over the client’s transport', () => {
  it('there are 49 of them', () => expect(tortureMessages.size).toBe(49));

  it.each([...tortureMessages])('%s does no harm, nor does the message behind it', async (_name, bytes) => {
    const lab = await attacked();
    lab.server.bytes(bytes);
    await settled();
    // A message that claims more body than it has swallows what follows: the server then hangs up.
    lab.server.cut();
    await survives(lab);
  });
});
