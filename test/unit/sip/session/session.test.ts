import { afterEach, describe, expect, it } from 'vitest';
import type { IncomingInvite, OutgoingInvite } from '../../../../main/sip/client';
import { UNREGISTER_TIMEOUT_MS } from '../../../../main/sip/registration/machine';
import { FORGOTTEN_AFTER_MS } from '../../../../main/sip/session/outgoing';
import { END_TIMEOUT_MS, RING_LIMIT_MS } from '../../../../main/sip/session/session';
import { crossingByeMs } from '../../../../main/sip/stack/ended-dialogs';
import type { WireMessage } from '../../../../main/sip/wire/wire-message';
import {
  closeMemoryLabs,
  GRUU,
  INSTANCE,
  type MemoryLab,
  memoryLab,
  methodOf,
  OTHER_INSTANCE,
  type Reply,
  registered,
  registeredLab,
  SESSION_ICSI,
} from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=message 7394 TCP/MSRP *\r\n';
const BOB =
  'Contact: "Bob desk" <sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222>;+sip.instance="<urn:uuid:22222222-2222-4222-8222-222222222222>"';
const OK: Reply = { status: 200, reason: 'OK', headers: [BOB, 'Record-Route: <sip:p1.lab.test;lr;x=Ab>, <sip:p2.lab.test;lr>'], body: SDP };

const INVITE: OutgoingInvite = {
  target: 'sip:bob@lab.test',
  icsi: SESSION_ICSI,
  conversationId: 'conversation-1',
  contributionId: 'contribution-1',
  sdp: SDP,
};

/** Answers INVITE as `script` says and everything else 200. */
function answering(lab: MemoryLab, script: (invite: WireMessage) => void): void {
  lab.server.onRequest = (request, server) => {
    const method = methodOf(request);
    if (method === 'INVITE') script(request);
    else if (method === 'REGISTER') server.reply(request, registered(request));
    else if (method === 'CANCEL') {
      server.reply(request, { status: 200 });
      const invite = server.requests('INVITE').at(-1);
      if (invite) server.reply(invite, { status: 487, reason: 'Request Terminated' });
    } else if (method !== 'ACK') server.reply(request, { status: 200 });
  };
}

function invited(lab: MemoryLab): IncomingInvite[] {
  const invites: IncomingInvite[] = [];
  lab.client.onInvite.on((invite) => invites.push(invite));
  return invites;
}

const INCOMING = [
  'From: "Bob" <sip:bob@lab.test>;tag=b1',
  'To: <sip:alice@lab.test>',
  'Call-ID: call-1@bob',
  'CSeq: 1 INVITE',
  BOB,
  'P-Asserted-Identity: "Bob B." <sip:bob@lab.test>, <tel:+15550111>',
  'P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session',
  'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"',
  'Record-Route: <sip:p2.lab.test;lr>, <sip:p1.lab.test;lr;x=Ab>',
  'Conversation-ID: c1',
  'Contribution-ID: k1',
  'Subject: Lunch',
];
const ALICE = 'sip:alice@127.0.0.1:40001;transport=tcp';

function headerOfDialog(response: WireMessage, cseq: string): string[] {
  return ['From: "Bob" <sip:bob@lab.test>;tag=b1', `To: ${response.first('to')}`, 'Call-ID: call-1@bob', `CSeq: ${cseq}`, BOB];
}

describe('an outgoing session', () => {
  it('R9 R39 R40 R42 R43 R45 R76: addresses the person, names the service and this device', async () => {
    const lab = memoryLab();
    answering(lab, () => undefined);
    lab.server.onRequest = (request, server) => {
      const reply = registered(request);
      if (methodOf(request) === 'REGISTER') {
        server.reply(request, { ...reply, headers: [...(reply.headers ?? []), 'Service-Route: <sip:orig@lab.test;lr>'] });
      }
    };
    await lab.client.registration.register();
    lab.client.invite({ ...INVITE, subject: 'Mittag\r\nX-Evil: 1', inReplyTo: 'k0', acceptContactInstance: OTHER_INSTANCE });
    await settled();
    const [invite] = lab.server.requests('INVITE');
    expect(invite?.start).toMatchObject({ uri: 'sip:bob@lab.test' });
    expect(invite?.first('to')).toBe('<sip:bob@lab.test>');
    expect(invite?.first('from')).toMatch(/^"Alice" <sip:alice@lab\.test>;tag=/);
    expect(invite?.first('route')).toBe('<sip:orig@lab.test;lr>');
    expect(lab.server.requests('REGISTER')[0]?.first('route')).toBeNull();
    expect(invite?.first('contact')).toBe(
      `"Alice laptop" <${GRUU}>;+sip.instance="<${INSTANCE}>";+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"`,
    );
    expect(invite?.all('accept-contact')).toEqual([
      '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session"',
      `*;+sip.instance="<${OTHER_INSTANCE}>";require;explicit`,
    ]);
    expect(invite?.first('p-preferred-service')).toBe(SESSION_ICSI);
    expect(invite?.first('p-preferred-identity')).toBe('<sip:alice@lab.test>');
    expect(invite?.first('conversation-id')).toBe('conversation-1');
    expect(invite?.first('contribution-id')).toBe('contribution-1');
    expect(invite?.first('inreplyto-contribution-id')).toBe('k0');
    expect(invite?.first('x-evil')).toBeNull();
    expect(invite?.first('content-type')).toBe('application/sdp');
    expect(new TextDecoder().decode(invite?.body)).toBe(SDP);
  });

  it('R8: without GRUUs the Contact is the address of the flow with the instance', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      if (methodOf(request) === 'REGISTER') server.reply(request, { status: 200, headers: [`Contact: ${request.first('contact')}`] });
    };
    await lab.client.registration.register();
    lab.client.invite(INVITE);
    await settled();
    expect(lab.server.requests('INVITE')[0]?.first('contact')).toContain(`<${ALICE}>;+sip.instance="<${INSTANCE}>"`);
  });

  it('R14: is refused before the registration’s 200, and nothing goes on the wire', async () => {
    const lab = memoryLab();
    lab.server.onRequest = () => undefined;
    expect(() => lab.client.invite(INVITE)).toThrow(expect.objectContaining({ code: 'sip/not-registered' }));
    const attempt = lab.client.registration.register().catch((error: unknown) => error);
    await settled();
    expect(() => lab.client.invite(INVITE)).toThrow(expect.objectContaining({ code: 'sip/not-registered' }));
    await expect(lab.client.sendPager({ ...INVITE, contentType: 'text/plain', body: new Uint8Array(1) })).rejects.toMatchObject({
      code: 'sip/not-registered',
    });
    expect(lab.server.received.map(methodOf)).toEqual(['REGISTER']);
    const closed = lab.client.close();
    await lab.clock.advance(UNREGISTER_TIMEOUT_MS);
    await closed;
    await attempt;
  });

  it('rings, is answered, acknowledges, and says BYE over the recorded route', async () => {
    const lab = await registeredLab();
    const states: string[] = [];
    answering(lab, (invite) => {
      lab.server.reply(invite, { status: 100 });
      lab.server.reply(invite, { status: 180 });
      lab.server.reply(invite, OK);
    });
    const session = lab.client.invite(INVITE);
    session.onState.on((state) => states.push(state));
    const { sdp } = await session.answered;
    expect(sdp).toBe(SDP);
    await settled();
    expect(states).toEqual(['ringing', 'established']);
    expect(session.remote).toMatchObject({
      address: 'sip:bob@lab.test',
      deviceName: 'Bob desk',
      instanceId: 'urn:uuid:22222222-2222-4222-8222-222222222222',
      gruu: 'sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222',
      isFocus: false,
    });
    await session.bye({ cause: 200, text: 'Call completed' });
    const [invite] = lab.server.requests('INVITE');
    for (const method of ['ACK', 'BYE']) {
      const [request] = lab.server.requests(method);
      expect(request?.start).toMatchObject({ uri: 'sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222' });
      // The caller reverses the recorded route (RFC 3261 section 12.1.2).
      expect(request?.list('route')).toEqual(['<sip:p2.lab.test;lr>', '<sip:p1.lab.test;lr;x=Ab>']);
      expect(request?.first('call-id')).toBe(invite?.first('call-id'));
    }
    expect(lab.server.requests('BYE')[0]?.first('reason')).toBe('SIP;cause=200;text="Call completed"');
    expect(session.end).toMatchObject({ by: 'local', cause: 200 });
  });

  it('sends a multipart as it is, byte for byte, without a header that only sip.js needs', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => lab.server.reply(invite, OK));
    const binary = Uint8Array.from({ length: 256 }, (_each, index) => index);
    const text = new TextEncoder().encode('Grüße 🎉');
    const session = lab.client.invite({
      ...INVITE,
      require: ['recipient-list-invite'],
      parts: [
        { contentType: 'application/octet-stream', headers: new Map([['content-disposition', 'x']]), body: binary },
        { contentType: 'text/plain;charset=UTF-8', headers: new Map(), body: text },
      ],
    });
    await session.answered;
    const [invite] = lab.server.requests('INVITE');
    expect(invite?.first('content-type')).toMatch(/^multipart\/mixed;boundary=/);
    expect(invite?.first('content-disposition')).toBeNull();
    expect(invite?.first('require')).toBe('recipient-list-invite');
    const body = Buffer.from(invite?.body ?? []);
    expect(body.indexOf(Buffer.from(binary))).toBeGreaterThan(0);
    expect(body.indexOf(Buffer.from(text))).toBeGreaterThan(0);
    expect(invite?.first('content-length')).toBe(String(body.length));
  });

  it('a refusal is sip/rejected with the peer’s own words', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => lab.server.reply(invite, { status: 486, reason: 'Beschäftigt', headers: ['Warning: 399 x "y"'] }));
    const session = lab.client.invite(INVITE);
    await expect(session.answered).rejects.toMatchObject({
      code: 'sip/rejected',
      detail: { status: 486, reason: 'Beschäftigt', warning: '399 x "y"' },
    });
    expect(session.end).toMatchObject({ by: 'remote', status: 486 });
    expect(session.state).toBe('ended');
  });

  it('answers a 407 once, and the ACK of the 200 carries the same credentials', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => {
      if (invite.first('proxy-authorization') === null) {
        lab.server.reply(invite, {
          status: 407,
          headers: ['Proxy-Authenticate: Digest realm="lab.test", nonce="p", qop="auth", algorithm=MD5'],
        });
      } else lab.server.reply(invite, OK);
    });
    await lab.client.invite(INVITE).answered;
    await settled();
    const acks = lab.server.requests('ACK');
    const [, second] = lab.server.requests('INVITE');
    expect(second?.first('proxy-authorization')).toMatch(/uri="sip:bob@lab\.test"/);
    expect(acks.at(-1)?.first('proxy-authorization')).toBe(second?.first('proxy-authorization'));
  });

  it('CANCEL carries the reason, and the session is over at once', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => lab.server.reply(invite, { status: 180 }));
    const session = lab.client.invite(INVITE);
    await settled();
    await session.bye({ cause: 487, text: 'Changed "my" mind' });
    expect(lab.server.requests('CANCEL')[0]?.first('reason')).toBe('SIP;cause=487;text="Changed \\"my\\" mind"');
    await expect(session.answered).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 487 } });
    expect(session.end?.by).toBe('local');
  });

  it('CANCEL waits for the first provisional answer, as RFC 3261 section 9.1 wants', async () => {
    const lab = await registeredLab();
    answering(lab, () => undefined);
    const session = lab.client.invite(INVITE);
    await settled();
    const ended = session.bye();
    await settled();
    expect(lab.server.requests('CANCEL')).toHaveLength(0);
    const [invite] = lab.server.requests('INVITE');
    if (invite) lab.server.reply(invite, { status: 180 });
    await ended;
    expect(lab.server.requests('CANCEL')).toHaveLength(1);
  });

  it('an answer that crosses the CANCEL is acknowledged and ended with BYE', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => {
      if (methodOf(request) === 'INVITE') server.reply(request, { status: 180 });
      else if (methodOf(request) === 'CANCEL') {
        const [invite] = server.requests('INVITE');
        if (invite) server.reply(invite, OK);
        server.reply(request, { status: 200 });
      } else if (methodOf(request) === 'BYE') server.reply(request, { status: 200 });
    };
    const session = lab.client.invite(INVITE);
    await settled();
    await session.bye();
    await settled();
    expect(lab.server.requests('ACK')).toHaveLength(1);
    expect(lab.server.requests('BYE')).toHaveLength(1);
    expect(session.state).toBe('ended');
  });

  it('a peer that never answers the CANCEL does not hold the caller for ever', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => {
      if (methodOf(request) === 'INVITE') server.reply(request, { status: 180 });
    };
    const session = lab.client.invite(INVITE);
    await settled();
    const ended = session.bye();
    await lab.clock.advance(END_TIMEOUT_MS);
    await ended;
  });

  it('of two answers to a fork the first wins and the other is ended', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => {
      lab.server.reply(invite, OK);
      lab.server.reply(invite, OK);
    });
    const session = lab.client.invite(INVITE);
    await session.answered;
    await settled();
    expect(lab.server.requests('ACK')).toHaveLength(2);
    expect(lab.server.requests('BYE')).toHaveLength(1);
    expect(session.state).toBe('established');
  });

  it.each([100, 180])('is given up, with a CANCEL, when nothing follows its %s; whoever still rings says so again', async (status) => {
    const lab = await registeredLab();
    const asked: WireMessage[] = [];
    answering(lab, (invite) => {
      asked.push(invite);
      lab.server.reply(invite, { status });
    });
    const session = lab.client.invite(INVITE);
    const outcome = session.answered.catch((error: unknown) => error);
    await lab.clock.advance(FORGOTTEN_AFTER_MS - 1_000);
    if (asked[0] !== undefined) lab.server.reply(asked[0], { status: 180 });
    await lab.clock.advance(FORGOTTEN_AFTER_MS - 1_000);
    expect([session.state, lab.server.requests('CANCEL')]).toEqual(['ringing', []]);
    await lab.clock.advance(2_000);
    expect(await outcome).toMatchObject({ code: 'net/timeout', retry: 'auto' });
    expect([session.state, lab.server.requests('CANCEL').length]).toEqual(['ended', 1]);
  });

  it('a lost connection ends what was ringing with net/unreachable, and keeps what was established', async () => {
    const lab = await registeredLab();
    let answer = true;
    answering(lab, (invite) => lab.server.reply(invite, answer ? OK : { status: 180 }));
    const established = lab.client.invite(INVITE);
    await established.answered;
    answer = false;
    const ringing = lab.client.invite(INVITE);
    await settled();
    lab.server.cut();
    await expect(ringing.answered).rejects.toMatchObject({ code: 'net/unreachable' });
    expect(ringing.end?.by).toBe('local');
    expect(established.state).toBe('established');
    await lab.clock.advance(5_000);
    await established.bye();
    expect(lab.server.requests('BYE')).toHaveLength(1);
  });

  it('an answer without a session description is malformed, and ended', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => lab.server.reply(invite, { status: 200, headers: [BOB] }));
    await expect(lab.client.invite(INVITE).answered).rejects.toMatchObject({ code: 'sip/malformed' });
    await settled();
    expect(lab.server.requests('BYE')).toHaveLength(1);
  });

  it('an answer without a To tag is malformed and does not wait for ever', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => {
      const lines = [`Via: ${invite.first('via')}`, `From: ${invite.first('from')}`, `To: ${invite.first('to')}`];
      lab.server.send(
        `SIP/2.0 200 OK\r\n${lines.join('\r\n')}\r\nCall-ID: ${invite.first('call-id')}\r\nCSeq: ${invite.first('cseq')}\r\nContent-Length: 0\r\n\r\n`,
      );
    });
    await expect(lab.client.invite(INVITE).answered).rejects.toMatchObject({ code: 'sip/malformed' });
  });

  it.each(['https://lab.test/bob', 'bob', 'sip:', ''])('a target that is no SIP or TEL address is refused: %j', async (target) => {
    const lab = await registeredLab();
    expect(() => lab.client.invite({ ...INVITE, target })).toThrow(expect.objectContaining({ code: 'account/bad-address' }));
  });

  it('a telephone number is called as tel:', async () => {
    const lab = await registeredLab();
    answering(lab, (invite) => lab.server.reply(invite, { ...OK, headers: ['Contact: <tel:+15550111>'] }));
    const session = lab.client.invite({ ...INVITE, target: 'tel:+1-555-0111' });
    await session.answered;
    await session.bye();
    expect(lab.server.requests('INVITE')[0]?.start).toMatchObject({ uri: 'tel:+15550111' });
    expect(lab.server.requests('BYE')[0]?.start).toMatchObject({ uri: 'tel:+15550111' });
    expect(lab.server.requests('BYE')[0]?.first('to')).toMatch(/^<tel:\+15550111>;tag=/);
  });
});

describe('an incoming session', () => {
  it('tells the sender, the device and the service, with all parts of the body', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    const parts = [
      '--b1\r\nContent-Type: application/sdp\r\n\r\n',
      SDP,
      '\r\n--b1\r\nContent-Type: message/cpim\r\nContent-ID: <a@b>\r\n\r\nHällo 🎉\r\n--b1--\r\n',
    ].join('');
    lab.server.request('INVITE', ALICE, INCOMING, parts, 'multipart/mixed;boundary=b1');
    await settled();
    const [invite] = invites;
    expect(invite?.remote).toEqual({
      address: 'sip:bob@lab.test',
      alsoAsserted: ['tel:+15550111'],
      asserted: true,
      assertedName: 'Bob B.',
      displayName: 'Bob B.',
      instanceId: 'urn:uuid:22222222-2222-4222-8222-222222222222',
      deviceName: 'Bob desk',
      gruu: 'sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222',
      contactUri: 'sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222',
      isFocus: false,
    });
    expect(invite?.headers).toMatchObject({ conversationId: 'c1', contributionId: 'k1', subject: 'Lunch', sessionReplaces: null });
    expect(invite?.icsis).toEqual([SESSION_ICSI]);
    expect(invite?.sdp).toBe(SDP);
    expect(invite?.parts.map((part) => [part.contentType, new TextDecoder().decode(part.body)])).toEqual([['message/cpim', 'Hällo 🎉']]);
    expect(lab.server.responses().map((response) => response.start)).toEqual([{ kind: 'response', status: 100, reason: 'Trying' }]);
  });

  const called = async (asserted: string | null, more: string[] = [], changes = {}) => {
    const lab = await registeredLab(changes);
    const invites = invited(lab);
    const headers = INCOMING.filter((line) => !/^P-Asserted-Identity/i.test(line)).map((line) =>
      line.startsWith('Contact') ? 'Contact: <sip:grp-1@cf.lab.test>;isfocus' : line,
    );
    const identity = asserted === null ? [] : [`P-Asserted-Identity: <${asserted}>`];
    lab.server.request('INVITE', ALICE, [...headers, ...identity, ...more], SDP);
    await settled();
    return invites[0];
  };

  it('a focus is known by isfocus and an identity of the functions, and Referred-By by its address', async () => {
    const invite = await called('sip:grp-1@cf.lab.test', ['b: <sip:alice@lab.test;x=1>', 'Session-Replaces: k0']);
    expect(invite?.remote).toMatchObject({ isFocus: true, contactUri: 'sip:grp-1@cf.lab.test' });
    expect(invite?.headers).toMatchObject({ referredBy: 'sip:alice@lab.test', sessionReplaces: 'k0' });
    const factory = 'sip:conference-factory@groups.example';
    expect((await called('sip:grp-1@groups.example', [], { factory }))?.remote.isFocus).toBe(true);
  });

  it.each([
    ['an ordinary account', 'sip:mallory@lab.test'],
    ['nobody', null],
    ['a host that only ends like the domain', 'sip:grp-1@cf.notlab.test'],
    ['an account of another network', 'sip:grp-1@cf.elsewhere.test'],
    ['a telephone number', 'tel:+15550100'],
  ])('nobody passes for a focus: the network vouches for %s', async (_who, asserted) => {
    const bogus = 'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.bogus"';
    const invite = await called(asserted, ['Referred-By: <sip:bob@lab.test>', bogus]);
    expect(invite?.remote).toMatchObject({ isFocus: false, address: asserted ?? 'sip:bob@lab.test' });
    expect(invite?.remote).not.toHaveProperty('group');
  });

  it('R98: is refused where the network asserts another service than is asked for, and taken where it asserts none', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    const asserting = (call: string, service: string | null) => [
      ...INCOMING.filter((line) => !/^(?:P-Asserted-Service|Call-ID)/.test(line)),
      `Call-ID: ${call}`,
      ...(service === null ? [] : [`P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.${service}`]),
    ];
    lab.server.request('INVITE', GRUU, asserting('a@bob', 'session.group'), SDP);
    await settled();
    expect([lab.server.responses(403).length, invites.length]).toEqual([1, 0]);
    lab.server.request('INVITE', GRUU, asserting('b@bob', 'session'), SDP);
    lab.server.request('INVITE', GRUU, asserting('c@bob', null), SDP);
    await settled();
    expect([lab.server.responses(403).length, invites.length]).toEqual([1, 2]);
  });

  it('rings, answers with SDP and its own Contact, and is established at the ACK', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', GRUU, INCOMING, SDP);
    await settled();
    invites[0]?.ring();
    const accepted = invites[0]?.accept(SDP);
    await settled();
    expect(lab.server.responses(180)).toHaveLength(1);
    const [ok] = lab.server.responses(200).filter((response) => response.first('cseq') === '1 INVITE');
    expect(ok?.first('contact')).toContain(`"Alice laptop" <${GRUU}>;+sip.instance="<${INSTANCE}>"`);
    expect(ok?.first('to')).toMatch(/^<sip:alice@lab\.test>;tag=/);
    expect(ok?.first('from')).toBe('"Bob" <sip:bob@lab.test>;tag=b1');
    expect(ok?.list('record-route')).toEqual(['<sip:p2.lab.test;lr>', '<sip:p1.lab.test;lr;x=Ab>']);
    expect(ok?.first('allow')).toBe('INVITE, ACK, CANCEL, BYE, MESSAGE, NOTIFY, OPTIONS');
    expect(new TextDecoder().decode(ok?.body)).toBe(SDP);
    expect(invites[0]?.state).toBe('accepting');
    if (ok) lab.server.request('ACK', GRUU, headerOfDialog(ok, '1 ACK'));
    await accepted;
    expect(invites[0]?.state).toBe('established');
  });

  it('R59 R77: the called side ends the session over the same signalling path', async () => {
    const { lab, invite, ok } = await established();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200 });
    await invite.bye({ cause: 200, text: 'Call completed' });
    const [bye] = lab.server.requests('BYE');
    expect(bye?.start).toMatchObject({ uri: 'sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222' });
    expect(bye?.list('route')).toEqual(['<sip:p2.lab.test;lr>', '<sip:p1.lab.test;lr;x=Ab>']);
    expect(bye?.first('call-id')).toBe('call-1@bob');
    expect(bye?.first('to')).toBe('<sip:bob@lab.test>;tag=b1');
    expect(bye?.first('from')).toMatch(new RegExp(`<sip:alice@lab\\.test>;tag=${ok.first('to')?.split(';tag=')[1]}$`));
  });

  it('BYEs that cross: the peer hears 200 to its own, and 481 once that is long ago or another dialog is meant', async () => {
    const { lab, invite, ok } = await established();
    // The peer has not read this side's BYE when it sends its own.
    lab.server.onRequest = () => undefined;
    const ended = invite.bye();
    const statusOf = async (cseq: string, lines = headerOfDialog(ok, cseq)) => {
      lab.server.request('BYE', GRUU, lines);
      await settled();
      return [200, 481].find((status) => lab.server.responses(status).at(-1)?.first('cseq') === cseq);
    };
    expect(await statusOf('2 BYE')).toBe(200);
    expect(await statusOf('3 BYE')).toBe(200);
    const other = headerOfDialog(ok, '4 BYE').map((line) => line.replace('tag=b1', 'tag=b2'));
    expect(await statusOf('4 BYE', other)).toBe(481);
    await lab.clock.advance(crossingByeMs);
    await ended;
    expect(await statusOf('5 BYE')).toBe(481);
    expect(invite.end).toMatchObject({ by: 'local' });
  });

  it('BYE of the peer ends it, with its reason', async () => {
    const { lab, invite, ok } = await established();
    lab.server.request('BYE', GRUU, [...headerOfDialog(ok, '2 BYE'), 'Reason: SIP;cause=410;text="Gone"']);
    await settled();
    expect(invite.end).toEqual({ by: 'remote', status: null, reason: null, cause: 410, text: 'Gone' });
    expect(lab.server.responses(200).at(-1)?.first('cseq')).toBe('2 BYE');
  });

  it('a repeated offer gets the same answer again, with the Contact', async () => {
    const { lab, ok } = await established();
    lab.server.request('INVITE', GRUU, headerOfDialog(ok, '2 INVITE'), SDP);
    await settled();
    const again = lab.server.responses(200).at(-1);
    expect(again?.first('cseq')).toBe('2 INVITE');
    expect(new TextDecoder().decode(again?.body)).toBe(SDP);
    expect(again?.first('contact')).toContain(GRUU);
  });

  it('CANCEL: 200, 487, and the reason says that another device has answered', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    const via = 'Via: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bKsame';
    lab.server.request('INVITE', ALICE, [via, ...INCOMING], SDP);
    await settled();
    invites[0]?.ring();
    const cancel = INCOMING.filter((line) => /^(From|To|Call-ID)/.test(line));
    lab.server.request('CANCEL', ALICE, [via, ...cancel, 'CSeq: 1 CANCEL', 'Reason: SIP;cause=200;text="Call completed elsewhere"']);
    await settled();
    expect(lab.server.responses().map((response) => (response.start.kind === 'response' ? response.start.status : 0))).toEqual([
      100, 180, 200, 487,
    ]);
    expect(invites[0]?.end).toEqual({
      by: 'remote',
      status: 487,
      reason: 'Request Terminated',
      cause: 200,
      text: 'Call completed elsewhere',
    });
    await expect(invites[0]?.accept(SDP)).rejects.toMatchObject({ code: 'sip/rejected' });
  });

  it('is refused with the status that was asked for', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', ALICE, INCOMING, SDP);
    await settled();
    await invites[0]?.reject(486, 'Busy\r\nX: y');
    await settled();
    const [refusal] = lab.server.responses(486);
    expect(refusal?.first('x')).toBeNull();
    expect(invites[0]?.end).toMatchObject({ by: 'local', status: 486 });
  });

  it('a session that was never answered can be ended by bye()', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', ALICE, INCOMING, SDP);
    await settled();
    await invites[0]?.bye();
    expect(lab.server.responses(486)).toHaveLength(1);
  });

  it('an invitation that nobody answers is refused in the end', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', ALICE, INCOMING, SDP);
    await settled();
    invites[0]?.ring();
    await lab.clock.advance(RING_LIMIT_MS);
    expect(lab.server.responses(486)).toHaveLength(1);
    expect(invites[0]?.state).toBe('ended');
  });

  it('closing the client ends every session and leaves no timer', async () => {
    const { lab, invite } = await established();
    const invites = invited(lab);
    lab.server.request(
      'INVITE',
      ALICE,
      INCOMING.map((line) => line.replace('call-1', 'call-2')),
      SDP,
    );
    answering(lab, (request) => lab.server.reply(request, { status: 180 }));
    const ringing = lab.client.invite(INVITE);
    await settled();
    await lab.client.close();
    expect([invite.state, invites[0]?.state, ringing.state]).toEqual(['ended', 'ended', 'ended']);
    await expect(ringing.answered).rejects.toMatchObject({ code: 'net/unreachable' });
    expect(lab.clock.pending).toBe(0);
  });

  it('bye() before the ACK waits for it (RFC 3261 section 15)', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', ALICE, INCOMING, SDP);
    await settled();
    const accepted = invites[0]?.accept(SDP);
    await settled();
    const ended = invites[0]?.bye();
    await settled();
    expect(lab.server.requests('BYE')).toHaveLength(0);
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200 });
    const [ok] = lab.server.responses(200);
    if (ok) lab.server.request('ACK', ALICE, headerOfDialog(ok, '1 ACK'));
    await accepted;
    await ended;
    expect(lab.server.requests('BYE')).toHaveLength(1);
  });

  it('an invitation for another device of the same person is answered 486, in any method', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    const other = `Accept-Contact: *;+sip.instance="<${OTHER_INSTANCE}>";require;explicit`;
    lab.server.request('INVITE', ALICE, [...INCOMING, other], SDP);
    lab.server.request('MESSAGE', ALICE, [...INCOMING.map((line) => line.replace('1 INVITE', '1 MESSAGE')), other], 'x', 'text/plain');
    await settled();
    expect(lab.server.responses(486)).toHaveLength(2);
    expect(invites).toHaveLength(0);
    lab.server.request(
      'INVITE',
      ALICE,
      [...INCOMING, other.replace(OTHER_INSTANCE, INSTANCE.toUpperCase().replace('URN:UUID', 'urn:uuid'))],
      SDP,
    );
    await settled();
    expect(invites).toHaveLength(1);
  });

  it.each([
    ['another person', 'sip:carol@lab.test'],
    ['another device of mine', `sip:alice@lab.test;gr=${OTHER_INSTANCE}`],
    ['a temporary GRUU of nobody', 'sip:tgruu.zzz@lab.test;gr'],
    ['another domain', 'sip:alice@elsewhere.test'],
  ])('a request for %s is answered 404', async (_who, target) => {
    const lab = await registeredLab();
    const invites = invited(lab);
    lab.server.request('INVITE', target, INCOMING, SDP);
    await settled();
    expect(lab.server.responses(404)).toHaveLength(1);
    expect(invites).toHaveLength(0);
  });

  it.each([GRUU, 'sip:tgruu.1@lab.test;gr', 'sip:alice@lab.test', ALICE, 'sip:alice@198.51.100.7:4000'])(
    'a request for %s reaches this device',
    async (target) => {
      const lab = await registeredLab();
      const invites = invited(lab);
      lab.server.request('INVITE', target, INCOMING, SDP);
      await settled();
      expect(invites).toHaveLength(1);
    },
  );

  it('an invitation of the same person to itself does not come back to this device', async () => {
    const lab = await registeredLab();
    const invites = invited(lab);
    answering(lab, (invite) => {
      const headers = ['from', 'to', 'call-id', 'cseq', 'contact'].map((name) => `${name}: ${invite.first(name)}`);
      lab.server.request('INVITE', ALICE, headers, SDP);
    });
    lab.client.invite({ ...INVITE, target: 'sip:alice@lab.test' });
    await settled();
    expect(lab.server.responses(482)).toHaveLength(1);
    expect(invites).toHaveLength(0);
  });
});

async function established(): Promise<{ lab: MemoryLab; invite: IncomingInvite; ok: WireMessage }> {
  const lab = await registeredLab();
  const invites = invited(lab);
  lab.server.request('INVITE', ALICE, INCOMING, SDP);
  await settled();
  const [invite] = invites;
  const accepted = invite?.accept(SDP);
  await settled();
  const [ok] = lab.server.responses(200);
  if (!invite || !ok) throw new Error('the invitation did not arrive');
  lab.server.request('ACK', ALICE, headerOfDialog(ok, '1 ACK'));
  await accepted;
  return { lab, invite, ok };
}
