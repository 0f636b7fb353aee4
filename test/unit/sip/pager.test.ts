import { afterEach, describe, expect, it } from 'vitest';
import type { IncomingPager, OutgoingPager } from '../../../main/sip/client';
import {
  closeMemoryLabs,
  INSTANCE,
  type MemoryLab,
  MSG_ICSI,
  methodOf,
  OTHER_INSTANCE,
  registeredLab,
} from '../../support/doubles/sip-memory';
import { settled } from '../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const CPIM = 'From: <sip:anonymous@anonymous.invalid>\r\n\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nGrüße 🎉';
const PAGER: OutgoingPager = {
  target: 'sip:bob@lab.test',
  icsi: MSG_ICSI,
  conversationId: 'c1',
  contributionId: 'k1',
  contentType: 'message/cpim',
  body: new TextEncoder().encode(CPIM),
};
const INCOMING = ['f: <tel:+1-555-0111>;tag=b1', 't: sip:alice@lab.test', 'CSeq: 7 MESSAGE', 'Contribution-ID: k9'];

let calls = 0;

/** Each message is a request of its own: the same Call-ID and CSeq over another path would be a merged request (RFC 3261 section 8.2.2.2). */
function send(lab: MemoryLab, body: string | Uint8Array = CPIM): void {
  calls += 1;
  lab.server.request('MESSAGE', 'sip:alice@127.0.0.1:40001;transport=tcp', [...INCOMING, `i: call-${calls}@bob`], body, 'message/cpim');
}

describe('an outgoing pager message', () => {
  it('is a MESSAGE without a Contact, and its body arrives byte for byte', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 202, reason: 'Accepted' });
    const binary = Uint8Array.from({ length: 512 }, (_each, index) => index % 256);
    await expect(lab.client.sendPager({ ...PAGER, body: binary, acceptContactInstance: OTHER_INSTANCE })).resolves.toEqual({ status: 202 });
    const [message] = lab.server.requests('MESSAGE');
    expect(message?.first('contact')).toBeNull();
    expect(message?.first('content-type')).toBe('message/cpim');
    expect(message?.body).toEqual(binary);
    expect(message?.all('accept-contact')[1]).toContain(OTHER_INSTANCE);
    expect(message?.first('p-preferred-service')).toBe(MSG_ICSI);
    await lab.client.sendPager(PAGER);
    expect(new TextDecoder().decode(lab.server.requests('MESSAGE')[1]?.body)).toBe(CPIM);
  });

  it.each([
    [403, 'sip/rejected', 'user'],
    [480, 'sip/rejected', 'auto'],
    [503, 'sip/rejected', 'auto'],
    // sip.js replaces a real 408 by one of its own: it is still the peer who said no.
    [408, 'sip/rejected', 'auto'],
    [302, 'sip/rejected', 'user'],
  ])('%i is %s, to be tried again by %s', async (status, code, retry) => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status, reason: 'Own words', headers: ['Retry-After: 7'] });
    await expect(lab.client.sendPager(PAGER)).rejects.toMatchObject({
      code,
      retry,
      detail: { status, reason: 'Own words', retryAfterMs: 7000 },
    });
  });

  describe('to one who accepts only simpler content', () => {
    const simpler = { contentType: 'text/plain;charset=UTF-8', body: new TextEncoder().encode('Grüße') };
    const sendTo = async (statuses: [number, string?][]) => {
      const lab = await registeredLab();
      const answers = [...statuses];
      lab.server.onRequest = (request, server) => {
        const [status, accept] = answers.shift() ?? [500];
        server.reply(request, { status, headers: accept === undefined ? [] : [`Accept: ${accept}`] });
      };
      const result = await lab.client.sendPager({ ...PAGER, simpler }).catch((error: unknown) => error);
      return { result, types: lab.server.requests('MESSAGE').map((request) => request.first('content-type')) };
    };

    it('goes a second time as that, in a request of its own', async () => {
      const { result, types } = await sendTo([[415, 'application/sdp, Text/Plain;q=0.5'], [200]]);
      expect(result).toEqual({ status: 200 });
      expect(types).toEqual(['message/cpim', simpler.contentType]);
    });

    it.each<[string, [number, string?]]>([
      ['says no to anything else', [403, 'text/plain']],
      ['does not say what it accepts', [415]],
      ['accepts neither', [415, 'application/sdp']],
      ['accepts what was sent', [415, 'message/cpim, text/plain']],
    ])('and not when the other side %s', async (_what, answer) => {
      const { result, types } = await sendTo([answer]);
      expect(result).toMatchObject({ code: 'sip/rejected', detail: { status: answer[0] } });
      expect(types).toEqual(['message/cpim']);
    });

    it('and twice at most', async () => {
      const { result, types } = await sendTo([
        [415, 'text/plain'],
        [415, 'text/plain'],
      ]);
      expect(result).toMatchObject({ code: 'sip/rejected', detail: { status: 415 } });
      expect(types).toHaveLength(2);
    });
  });

  it('a second 407 means the password is wrong', async () => {
    const lab = await registeredLab();
    const challenge = 'Proxy-Authenticate: Digest realm="lab.test", nonce="n", algorithm=MD5, qop="auth"';
    lab.server.onRequest = (request, server) => server.reply(request, { status: 407, headers: [challenge] });
    await expect(lab.client.sendPager(PAGER)).rejects.toMatchObject({ code: 'account/bad-credentials' });
    expect(lab.server.requests('MESSAGE')).toHaveLength(2);
  });

  it('a challenge that nobody can answer is handed up', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) =>
      server.reply(request, { status: 407, headers: ['Proxy-Authenticate: Digest realm="l", nonce="n", algorithm=AKAv1-MD5'] });
    await expect(lab.client.sendPager(PAGER)).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 407 } });
  });

  it('a connection that is lost fails it as unreachable', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = () => undefined;
    const sent = lab.client.sendPager(PAGER);
    await settled();
    lab.server.cut();
    await expect(sent).rejects.toMatchObject({ code: 'net/unreachable', retry: 'auto' });
  });
});

describe('an incoming pager message', () => {
  it('is answered only once it has been kept, and with the status of the handler', async () => {
    const lab = await registeredLab();
    const got: IncomingPager[] = [];
    let keep: (status: number) => void = () => undefined;
    lab.client.handleMessage = (message) => {
      got.push(message);
      return new Promise((resolve) => {
        keep = resolve;
      });
    };
    send(lab);
    await settled();
    expect(got).toHaveLength(1);
    expect(lab.server.responses()).toHaveLength(0);
    keep(202);
    await settled();
    expect(lab.server.responses(202)).toHaveLength(1);
    expect(got[0]?.remote.address).toBe('tel:+15550111');
    expect(new TextDecoder().decode(got[0]?.body)).toBe(CPIM);
    expect(got[0]).toMatchObject({ contentType: 'message/cpim', headers: { contributionId: 'k9' } });
    // Compact names, a tel: identity and an address without brackets come back as they were sent.
    expect(lab.server.responses(202)[0]?.first('from')).toBe('<tel:+1-555-0111>;tag=b1');
    expect(lab.server.responses(202)[0]?.first('to')).toMatch(/^sip:alice@lab\.test;tag=/);
  });

  it('keeps the bytes of a body that is no text', async () => {
    const lab = await registeredLab();
    const binary = Uint8Array.from({ length: 256 }, (_each, index) => 255 - index);
    let body = new Uint8Array();
    lab.client.handleMessage = async (message) => {
      body = Uint8Array.from(message.body);
      return 200;
    };
    send(lab, binary);
    await settled();
    expect(body).toEqual(binary);
  });

  it('500 when nobody takes it, when the handler fails, and when it gives no status', async () => {
    const lab = await registeredLab();
    send(lab);
    await settled();
    lab.client.handleMessage = () => {
      throw new Error('disk full');
    };
    send(lab);
    await settled();
    lab.client.handleMessage = async () => Number.NaN;
    send(lab);
    await settled();
    expect(lab.server.responses(500)).toHaveLength(3);
  });

  it('415 says what would be taken', async () => {
    const lab = await registeredLab();
    lab.client.handleMessage = async () => 415;
    send(lab);
    await settled();
    expect(lab.server.responses(415)[0]?.first('accept')).toMatch(/\bmessage\/cpim\b.*\btext\/plain\b/);
  });

  it('never answers 6xx unless it is told to', async () => {
    const lab = await registeredLab();
    lab.client.handleMessage = async () => 603;
    send(lab);
    await settled();
    expect(lab.server.responses(603)).toHaveLength(1);
  });
});

describe('what is answered without a handler', () => {
  const ask = (lab: MemoryLab, method: string, extra: string[] = [], target = 'sip:alice@lab.test') =>
    lab.server.request(method, target, [
      'From: <sip:bob@lab.test>;tag=b',
      'To: <sip:alice@lab.test>',
      'Call-ID: q',
      `CSeq: 1 ${method}`,
      ...extra,
    ]);

  it('OPTIONS: 200 with what this device really can do', async () => {
    const lab = await registeredLab();
    ask(lab, 'OPTIONS');
    await settled();
    const [ok] = lab.server.responses(200);
    expect(ok?.first('allow')).toBe('INVITE, ACK, CANCEL, BYE, MESSAGE, NOTIFY, OPTIONS');
    expect(ok?.first('accept')).toContain('message/cpim');
    expect(ok?.first('accept-encoding')).toBe('identity, deflate, gzip');
    expect(ok?.first('contact')).toContain(`+sip.instance="<${INSTANCE}>"`);
    expect(ok?.first('contact')).toContain('icsi.oma.cpm.session');
  });

  it.each(['UPDATE', 'INFO', 'REFER', 'SUBSCRIBE', 'PUBLISH', 'REGISTER', 'PRACK', 'NEWMETHOD'])('%s: 405 with Allow', async (method) => {
    const lab = await registeredLab();
    ask(lab, method);
    await settled();
    expect(lab.server.responses(405)[0]?.first('allow')).toContain('MESSAGE');
  });

  it('an extension that is required and unknown: 420 with its name', async () => {
    const lab = await registeredLab();
    ask(lab, 'MESSAGE', ['Require: gruu, nothingSupportsThis']);
    await settled();
    expect(lab.server.responses(420)[0]?.first('unsupported')).toBe('nothingSupportsThis');
  });

  it('a NOTIFY that belongs to no subscription: 481', async () => {
    const lab = await registeredLab();
    ask(lab, 'NOTIFY', ['Event: conference', 'Subscription-State: active', 'Contact: <sip:x@y.test>']);
    await settled();
    expect(lab.server.responses(481)).toHaveLength(1);
  });

  it('a BYE that belongs to no session: 481', async () => {
    const lab = await registeredLab();
    lab.server.request('BYE', 'sip:alice@lab.test', [
      'From: <sip:b@c.test>;tag=1',
      'To: <sip:alice@lab.test>;tag=2',
      'Call-ID: x',
      'CSeq: 1 BYE',
    ]);
    await settled();
    expect(lab.server.responses(481)).toHaveLength(1);
    expect(lab.server.received.filter((message) => methodOf(message) !== null)).toHaveLength(1);
  });

  it('a body in a coding that this device does not know: 415 with what it knows; another SIP version: 505; another scheme: 416', async () => {
    const lab = await registeredLab();
    ask(lab, 'MESSAGE', ['Content-Encoding: br']);
    lab.server.bytes(
      new TextEncoder().encode(
        'MESSAGE sip:alice@lab.test SIP/7.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKv\r\nFrom: <sip:b@c.test>;tag=1\r\nTo: <sip:a@b.test>\r\nCall-ID: v\r\nCSeq: 1 MESSAGE\r\nl: 0\r\n\r\n',
      ),
    );
    ask(lab, 'MESSAGE', [], 'soap.beep://alice@lab.test');
    await settled();
    for (const status of [415, 505, 416]) expect(lab.server.responses(status)).toHaveLength(1);
    expect(lab.server.responses(415)[0]?.first('accept-encoding')).toBe('identity, deflate, gzip');
  });
});
