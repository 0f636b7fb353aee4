import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_MAIL_BYTES, startInterworking } from '../../../../network/interworking/interworking';
import { needsInterworking } from '../../../../network/participating/outside-address';
import { SipRequest } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import { encodeCpim } from '../../../../protocol/cpim';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-mail-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fixture(mailOutbox: string | null) {
  const clock = new VirtualClock();
  const [pf, isf] = [new SipServer({ clock }), new SipServer({ clock })];
  const { atA: toIsf } = connectServers(pf, isf);
  startInterworking({ server: isf, host: 'isf.lab.test', clock, mailOutbox: () => mailOutbox });
  let count = 0;
  return async (method: string, uri: string, contentType?: string, body: string | Uint8Array = '', headers: [string, string][] = []) => {
    count += 1;
    const request = new SipRequest(method, uri).append('From', '<sip:alice@lab.test>;tag=a').append('To', `<${uri}>`);
    request.append('Call-ID', `c${count}`).append('CSeq', `1 ${method}`).append('P-Asserted-Identity', '<sip:alice@lab.test>');
    for (const [name, value] of headers) request.append(name, value);
    if (contentType !== undefined) request.setBody(contentType, body);
    return pf.request(request, toIsf).final;
  };
}

const cpim = (contentType: string, text: string) =>
  encodeCpim({
    from: 'sip:alice@lab.test',
    to: [],
    dateTime: 0,
    messageId: 'm',
    dispositions: [],
    contentType,
    body: new TextEncoder().encode(text),
  });

describe('the interworking function', () => {
  it('writes each text to a mail address as a line, of nobody where the sender hides, and drops receipts', async () => {
    const outbox = join(folder, 'mail.jsonl');
    const send = fixture(outbox);
    const to = 'mailto:someone@example.org';
    expect((await send('MESSAGE', to, 'message/cpim', cpim('text/plain', 'one\ntwo'))).status).toBe(200);
    expect((await send('MESSAGE', to, 'text/plain', 'three', [['Privacy', 'id']])).status).toBe(200);
    expect((await send('MESSAGE', to, 'message/cpim', cpim('message/imdn+xml', '<imdn/>'))).status).toBe(200);
    const lines = readFileSync(outbox, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { from: string | null; text: string });
    expect(lines.map(({ from, text }) => [from, text])).toEqual([
      ['sip:alice@lab.test', 'one\ntwo'],
      [null, 'three'],
    ]);
  });

  it('says why it refuses: a session, a picture, too much, no gateway, a disk that fails', async () => {
    const send = fixture(join(folder, 'mail.jsonl'));
    const to = 'mailto:someone@example.org';
    const refused = async (...args: Parameters<typeof send>) => {
      const answer = await send(...args);
      return [answer.status, answer.get('warning')?.replace(/^399 isf\.lab\.test /, '')];
    };
    expect(await refused('INVITE', to)).toEqual([405, '"Mail takes single messages and no sessions"']);
    expect(await refused('MESSAGE', to, 'image/png', 'x')).toEqual([415, '"Mail takes plain text"']);
    expect(await refused('MESSAGE', to, 'text/plain', 'x'.repeat(MAX_MAIL_BYTES + 1))).toEqual([413, '"Too long for mail"']);
    expect(await refused('MESSAGE', 'wv:someone@example.org')).toEqual([416, '"No gateway serves wv addresses"']);
    expect(await refused('MESSAGE', 'tel:+15550177')).toEqual([404, '"No gateway serves tel addresses"']);
    expect((await send('OPTIONS', to)).all('allow')).toEqual(['MESSAGE', 'OPTIONS']);
    const broken = fixture(join(folder, 'missing', 'mail.jsonl'));
    expect((await broken('MESSAGE', to, 'text/plain', 'x')).status).toBe(500);
    await settle();
  });

  it('is for other schemes, and for numbers that are nobody`s', () => {
    const isUser = (address: string) => address === 'tel:+15550100';
    expect(['mailto:a@b', 'wv:a@b', 'tel:+15550177'].map((uri) => needsInterworking(uri, isUser))).toEqual([true, true, true]);
    expect(['sip:a@b', 'tel:+15550100', '//'].map((uri) => needsInterworking(uri, isUser))).toEqual([false, false, false]);
  });
});
