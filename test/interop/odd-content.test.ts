/** Clients in the field say odd things in SDP, MSRP and CPIM. What they say arrives, or they learn that it does not; nothing is lost in silence. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { encodeCpim } from '../../protocol/cpim';
import { ICSI } from '../../protocol/feature-tags';
import { encodeImdn } from '../../protocol/imdn';
import { RawAgent, type RawCall } from '../support/peers/raw-agent';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/stages/clients';
import { until } from '../support/waiting';

const alice = 'sip:alice@lab.test';
let network: Network;
let odd: RawAgent;
let client: TestClient;
beforeAll(async () => {
  network = await startNetwork();
});
beforeEach(async () => {
  printLadderOnFailure();
  client = await startClient({ name: 'alice', address: alice, proxy: network.uris.tcp, factory: network.factory });
  odd = new RawAgent({ name: 'bob', device: 'bob raw', proxy: network.uris.tcp });
  expect(await odd.register()).toBe(200);
});
afterEach(async () => {
  await closeClients();
  await odd.close();
});
afterAll(() => network.close());

const utf8 = (text: string) => new TextEncoder().encode(text);
const messages = async () => {
  const [conversation] = await client.call('conversations', {});
  return conversation === undefined ? [] : client.call('messages', { conversation: conversation.conversation });
};
const received = (count: number) =>
  client.until(`${count} messages`, async () => {
    const all = (await messages()).filter(({ direction }) => direction === 'in');
    return all.length >= count ? all : null;
  });

/** The odd one calls; `changed` is what it makes of an ordinary offer. */
async function call(changed: (sdp: string) => string = (sdp) => sdp): Promise<{ call: RawCall; answer: string }> {
  const media = odd.newMedia();
  const invite = odd
    .request('INVITE', alice, ICSI.session)
    .append('Contribution-ID', `k-${odd.calls.length}`)
    .append('Conversation-ID', 'c-odd')
    .setBody('application/sdp', changed(odd.sdpOf(media, 'active')));
  const { answer, call: made } = await odd.invite(invite, media);
  if (made === null) throw new Error(`refused: ${answer.status}`);
  await media.connect(answer.text);
  return { call: made, answer: answer.text };
}

/** One SEND as its octets, with whatever Byte-Range. */
const send = ({ media, sdp }: RawCall, id: string, body: string | null, range: string, flag = '$') => {
  const to = /a=path:(\S+)/.exec(sdp)?.[1] ?? '';
  const head = `MSRP ${id} SEND\r\nTo-Path: ${to}\r\nFrom-Path: ${media.path}\r\nMessage-ID: ${id.slice(0, 4)}\r\nByte-Range: ${range}\r\n`;
  media.write(utf8(`${head}${body === null ? '' : `Content-Type: message/cpim\r\n\r\n${body}\r\n`}-------${id}${flag}\r\n`));
  return until('an answer', () => media.received.find((one) => one.kind === 'response' && one.transactionId === id)).then((one) =>
    one.kind === 'response' ? one.status : 0,
  );
};
const cpim = (text: string, lines: string[] = [], type = 'Content-Type: text/plain') =>
  [`From: <${odd.address}>`, `To: <${alice}>`, ...lines, '', type, '', text].join('\r\n');

describe('an odd client', () => {
  it('that offers audio beside MSRP is answered m-line by m-line, and its direction is mirrored', async () => {
    const { answer } = await call((sdp) => sdp.replace('m=message', 'm=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\nm=message'));
    expect(answer.match(/^m=\S+ (?:0\b)?/gm)).toEqual(['m=audio 0', 'm=message ']);
    const held = await call((sdp) => sdp.replace('a=sendrecv', 'a=inactive'));
    expect(held.answer).toContain('a=inactive');
  });

  it('that counts characters, or ends a message without octets, is understood', async () => {
    const { call: made } = await call();
    const text = cpim('Прывітанне, як справы? 你好');
    expect(await send(made, 'aaaa0001', text, `1-${text.length}/${text.length}`)).toBe(200);
    const half = utf8(cpim('in two halves')).length;
    expect(await send(made, 'bbbb0001', cpim('in two halves'), `1-${half}/*`, '+')).toBe(200);
    expect(await send(made, 'bbbb0002', null, `${half + 1}-${half}/${half}`)).toBe(200);
    expect(await send(made, 'cccc0001', null, '0-0/0')).toBe(200);
    expect((await received(2)).map((one) => one.text)).toEqual(['Прывітанне, як справы? 你好', 'in two halves']);
  });

  it('is read, or its content kept as a file, whatever the envelope looks like', async () => {
    const { call: made } = await call();
    const said = [
      `\r\n\r\n${cpim('after empty lines')}`,
      cpim('Gr=C3=BC=C3=9Fe', [], 'Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable'),
      cpim('with an id', ['imdn.Message-ID: of-mine', 'imdn.Disposition-Notification: positive-delivery']),
      cpim('<p>Hi</p>', [], 'Content-Type: text/html\r\nContent-Disposition: attachment; filename="../Plan.exe"'),
    ];
    for (const [index, envelope] of said.entries()) expect(await made.media.send('message/cpim', utf8(envelope)), String(index)).toBe(200);
    expect(await made.media.send('message/cpim', utf8(cpim('\u200B')))).toBe(200);
    const all = await received(4);
    expect(all.map(({ text }) => text)).toEqual(['after empty lines', 'Grüße', 'with an id', 'Plan.exe (text/html)']);
    await until('the receipt', () => made.media.texts.find((text) => text.includes('of-mine') && text.includes('<delivered/>')));
    const folder = mkdtempSync(join(tmpdir(), 'chorus-odd-'));
    const path = join(folder, 'plan');
    await client.call('saveFile', { message: all[3]?.message ?? '', direction: 'in', path });
    expect(readFileSync(path, 'utf8')).toBe('<p>Hi</p>');
    rmSync(folder, { recursive: true });
    expect(await made.media.send('text/html', utf8('<p>bare</p>'))).toBe(415);
  });

  it('that takes no receipts in its sessions gets them by MESSAGE; its own count without an envelope', async () => {
    const { call: made } = await call((sdp) => sdp.replace('a=accept-wrapped-types:*', 'a=accept-wrapped-types:text/plain'));
    const headers = ['NS: imdn <urn:ietf:params:imdn>', 'imdn.Message-ID: m-1', 'imdn.Disposition-Notification: positive-delivery'];
    expect(await made.media.send('message/cpim', utf8(cpim('Hello', headers)))).toBe(200);
    await until('a receipt by MESSAGE', () => odd.received.find((one) => one.method === 'MESSAGE' && one.text.includes('<delivered/>')));
    const [{ conversation = '' } = {}] = await client.call('conversations', {});
    const { message } = await client.call('sendText', { conversation, text: 'And you?' });
    await until('the text', () => made.media.texts.includes('And you?'));
    const imdn = encodeImdn({ messageId: message, dateTime: Date.now(), kind: 'display', status: 'displayed', recipient: odd.address });
    expect(await made.media.send('message/imdn+xml', imdn)).toBe(200);
    await client.until('it is read', async () =>
      (await messages()).find((one) => one.message === message)?.state === 'displayed' ? true : null,
    );
    expect(made.media.texts.filter((text) => text.includes('<delivered/>'))).toEqual([]);
    const body = encodeCpim({ from: odd.address, to: [alice], contentType: 'text/html', body: utf8('x') });
    expect((await odd.send(odd.request('MESSAGE', alice, ICSI.msg).setBody('message/cpim', new TextDecoder().decode(body)))).status).toBe(
      200,
    );
    expect((await received(2))[1]?.content).toMatchObject({ kind: 'file', type: 'text/html', size: 1 });
  });
});
