import { describe, expect, it } from 'vitest';
import { startInterworking } from '../../../../network/interworking/interworking';
import { MediaRelay } from '../../../../network/msrp/relay';
import { NEWS_PATIENCE_MS, ParticipatingFunction, type ParticipatingOptions } from '../../../../network/participating/participating';
import { newRequest } from '../../../../network/sip/dialog';
import { responseTo, SipRequest, type SipResponse } from '../../../../network/sip/message';
import { type Flow, SipServer } from '../../../../network/sip/sip-server';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const ALICE_1 = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const ALICE_2 = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';

/** The core on one side, the Participating Function on the other. Requests come back to the core as they would over TCP. */
function fixture(
  options: Partial<ParticipatingOptions> = {},
  calledContact = '<sip:bob@lab.test;gr=urn:uuid:bbbb>',
  calledSdp: string | null = null,
) {
  const clock = new VirtualClock();
  const core = new SipServer({ clock });
  const server = new SipServer({ clock });
  const { atA: toPf, atB: toCore } = connectServers(core, server);
  // It listens nowhere, and still knows the Route that it has written itself.
  server.isOwn = (host) => host === 'unbound.invalid';
  const pf = new ParticipatingFunction({ server, core: toCore, host: 'pf.lab.test', ...options });
  const passed: SipRequest[] = [];
  const acks: SipRequest[] = [];
  /** Tells that these instances of an address are registered, as the core does. */
  const registered = async (address: string, instances: string[], tempGruu: string | null = null, grs: string[] = []) => {
    core.request(
      newRequest('REGISTER', 'sip:pf.lab.test', { from: '<sip:core.lab.test>', to: `<${address}>` }).append('Expires', '3600'),
      toPf,
    );
    await settle();
    const subscribe = subscribes.at(-1);
    if (subscribe === undefined) throw new Error('no SUBSCRIBE');
    const contacts = instances.map(
      (urn, index) =>
        `<contact id="${index}" state="active" event="registered"><uri>sip:x</uri><unknown-param name="+sip.instance">"&lt;${urn}&gt;"</unknown-param>${tempGruu === null ? '' : `<gr:temp-gruu uri="${tempGruu}" first-cseq="1"/>`}${grs[index] === undefined ? '' : `<gr:pub-gruu uri="${address};gr=${grs[index]}"/>`}</contact>`,
    );
    core.request(
      newRequest('NOTIFY', 'sip:pf.lab.test', {
        from: `<${address}>;tag=core`,
        to: subscribe.get('from') ?? '',
        callId: subscribe.callId,
        contact: '<sip:core.lab.test>',
      })
        .append('Event', 'reg')
        .append('Subscription-State', 'active;expires=3600')
        .setBody(
          'application/reginfo+xml',
          `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="0" state="full"><registration aor="${address}" id="a" state="active">${contacts.join('')}</registration></reginfo>`,
        ),
      toPf,
    );
    await settle();
  };
  const subscribes: SipRequest[] = [];
  core.onRequest = (transaction) => {
    if (transaction.request.method === 'SUBSCRIBE') {
      subscribes.push(transaction.request);
      transaction.reply(200, {
        headers: [
          ['Expires', '3600'],
          ['Contact', '<sip:core.lab.test>'],
        ],
      });
      return;
    }
    passed.push(transaction.request);
    const answer = responseTo(transaction.request, 200, { toTag: transaction.toTag }).append('Contact', calledContact);
    if (calledSdp !== null && transaction.request.method === 'INVITE') answer.setBody('application/sdp', calledSdp);
    transaction.respond(answer);
  };
  core.onAck = (ack) => acks.push(ack);
  const send = async (request: SipRequest): Promise<SipResponse> => {
    const { final } = core.request(request, toPf);
    await settle();
    return final;
  };
  /** Sends, and gives what waits for the answer: for stories in which time goes by. */
  const begin = async (request: SipRequest): Promise<() => Promise<SipResponse>> => {
    const { final } = core.request(request, toPf);
    await settle();
    return () => final;
  };
  return { clock, core, pf, passed, acks, send, begin, toPf, registered };
}

function invite(
  facts: { served?: string; sescase?: string; uri?: string; contact?: string; referredBy?: string; tag?: string } = {},
): SipRequest {
  const request = new SipRequest('INVITE', facts.uri ?? 'sip:bob@lab.test')
    .append('Max-Forwards', '70')
    .append('From', '<sip:alice@lab.test>;tag=a')
    .append('To', `<sip:bob@lab.test>${facts.tag === undefined ? '' : `;tag=${facts.tag}`}`)
    .append('Call-ID', 'c1')
    .append('CSeq', '1 INVITE')
    .append('Contact', facts.contact ?? `<sip:alice@lab.test;gr=${ALICE_1}>;+sip.instance="<${ALICE_1}>"`)
    .append('P-Asserted-Identity', '<sip:alice@lab.test>');
  if (facts.sescase !== 'none')
    request.append('P-Served-User', `<${facts.served ?? 'sip:alice@lab.test'}>;sescase=${facts.sescase ?? 'orig'}`);
  if (facts.referredBy !== undefined) request.append('Referred-By', facts.referredBy);
  return request;
}

describe('the Participating Function', () => {
  it('R47: returns an allowed request to the core, record-routed', async () => {
    const { passed, send } = fixture();
    expect((await send(invite())).status).toBe(200);
    expect(passed).toHaveLength(1);
    expect(passed[0]?.uri).toBe('sip:bob@lab.test');
    expect(passed[0]?.get('record-route')).toContain('unbound.invalid');
    expect(passed[0]?.get('max-forwards')).toBe('69');
    expect(passed[0]?.get('contact')).toContain(`+sip.instance="<${ALICE_1}>"`);
  });

  it('R46: refuses with 403 a request denied by the policy of the sender, and forwards nothing', async () => {
    const { pf, passed, send } = fixture();
    pf.policy.deny({ served: 'sip:alice@lab.test', sescase: 'orig', peer: 'sip:bob@lab.test' });
    const refusal = await send(invite({ uri: 'sip:bob@lab.test;gr=urn:uuid:bbbb' }));
    expect(refusal.status).toBe(403);
    expect(refusal.get('warning')).toContain('pf.lab.test');
    expect(passed).toEqual([]);
    pf.policy.allow({ served: 'sip:alice@lab.test', sescase: 'orig', peer: 'sip:bob@lab.test' });
    expect((await send(invite())).status).toBe(200);
  });

  it.each([
    ['what it asks for', 'oma.cpm.session', 'oma.cpm.session', 200, 200],
    ['nothing', null, 'oma.cpm.session', 200, 200],
    ['a service of CPM, where it asks for none', 'oma.cpm.msg', null, 200, 200],
    ['another service of CPM', 'oma.cpm.msg', 'oma.cpm.session', 403, 403],
    ['a service whose name begins alike', 'oma.cpm.session.group', 'oma.cpm.session', 403, 403],
    ['a service of CPM that nobody knows', 'oma.cpm.session.x', 'oma.cpm.session.x', 200, 403],
    ['a service of others', 'mmtel', null, 200, 403],
  ])('R98: a request for which the core asserts %s is answered by policy', async (_, asserted, wanted, passing, refusing) => {
    for (const [unknownServices, status] of [
      ['pass', passing],
      ['refuse', refusing],
    ] as const)
      for (const sescase of ['orig', 'term']) {
        const noted: string[] = [];
        const { pf, passed, send } = fixture({ log: (_level, text) => noted.push(text) });
        pf.policy.adopt({ deny: [], provider: { unknownServices }, users: new Map(), recordTo: null, mailOutbox: null });
        const request = invite({ sescase, ...(sescase === 'term' ? { served: 'sip:bob@lab.test' } : {}) });
        if (asserted !== null) request.append('P-Asserted-Service', `urn:urn-7:3gpp-service.ims.icsi.${asserted}`);
        if (wanted !== null) request.append('Accept-Contact', `*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.${wanted}"`);
        expect((await send(request)).status).toBe(status);
        expect(passed.map((one) => one.all('p-asserted-service'))).toEqual(status === 200 ? [request.all('p-asserted-service')] : []);
        expect(noted.some((text) => text.includes('unknown here'))).toBe(passing !== refusing && unknownServices === 'pass');
      }
  });

  it('R56 R57: refuses for the recipient, by the asserted caller or by the inviter of a group, and forwards the rest once', async () => {
    const { pf, passed, send } = fixture();
    pf.policy.deny({ served: 'sip:bob@lab.test', sescase: 'term', peer: 'sip:alice@lab.test', status: 603 });
    expect((await send(invite({ served: 'sip:bob@lab.test', sescase: 'term' }))).status).toBe(603);
    const group = () =>
      invite({ served: 'sip:bob@lab.test', sescase: 'term', referredBy: '"Alice" <sip:alice@lab.test>' }).set(
        'P-Asserted-Identity',
        '<sip:grp-1@cf.lab.test>',
      );
    expect((await send(group())).status).toBe(603);
    expect(passed).toEqual([]);
    expect((await send(group().set('Referred-By', '<sip:carol@lab.test>'))).status).toBe(200);
    expect((await send(invite({ served: 'sip:carol@lab.test', sescase: 'term' }))).status).toBe(200);
    expect(passed).toHaveLength(2);
  });

  it('refuses a device that is not the sender`s: a GRUU of another, a GRUU of another device, an instance that is not registered', async () => {
    const { clock, passed, begin, registered } = fixture();
    const send = async (request: SipRequest) => {
      const final = await begin(request);
      clock.advance(NEWS_PATIENCE_MS);
      return final();
    };
    await registered('sip:alice@lab.test', [ALICE_1]);
    for (const contact of [
      '<sip:bob@lab.test;gr=urn:uuid:bbbb>',
      `<sip:alice@lab.test;gr=${ALICE_1}>;+sip.instance="<${ALICE_2}>"`,
      `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_2}>"`,
    ]) {
      expect((await send(invite({ contact }))).status).toBe(403);
    }
    expect(passed).toEqual([]);
    for (const contact of [
      '<sip:tgruu.x7@lab.test;gr>',
      `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_1}>"`,
      '<sip:alice@127.0.0.1:5555>',
    ]) {
      expect((await send(invite({ contact }))).status).toBe(200);
    }
  });

  it('R43: knows by the registration event whose a GRUU is: that of an IMEI or of an odd UUID is another UUID', async () => {
    const { clock, begin, registered } = fixture();
    const send = async (instance: string, gr: string) => {
      const final = await begin(invite({ contact: `<sip:alice@lab.test;gr=${gr}>;+sip.instance="<${instance}>"` }));
      clock.advance(NEWS_PATIENCE_MS);
      return (await final()).status;
    };
    const odd = 'urn:uuid:1';
    await registered('sip:alice@lab.test', [IMEI, odd, ALICE_1], null, ['urn:uuid:8b4b3185', 'urn:uuid:aaaa', ALICE_1]);
    expect([await send(IMEI, 'urn:uuid:8b4b3185'), await send(odd, 'URN:uuid:AAAA'), await send(ALICE_1, ALICE_1)]).toEqual([
      200, 200, 200,
    ]);
    expect([await send(IMEI, ALICE_1), await send(ALICE_1, 'urn:uuid:aaaa'), await send(odd, 'urn:uuid:8b4b3185')]).toEqual([
      403, 403, 403,
    ]);
  });

  it('R43: a device whose registration event arrives just after its 200 is not refused: its request waits for the event', async () => {
    const { passed, begin, registered } = fixture();
    await registered('sip:alice@lab.test', [ALICE_1]);
    const answer = await begin(invite({ contact: `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_2}>"` }));
    expect(passed).toEqual([]);
    await registered('sip:alice@lab.test', [ALICE_1, ALICE_2]);
    expect((await answer()).status).toBe(200);
    expect(passed).toHaveLength(1);
  });

  it('passes an instance when it cannot know the registered ones', async () => {
    const { send } = fixture();
    expect((await send(invite({ contact: `<sip:alice@127.0.0.1:5555>;+sip.instance="<${ALICE_2}>"` }))).status).toBe(200);
  });

  it('refuses a new request that does not say whom it serves, and passes requests inside a dialog', async () => {
    const { passed, send } = fixture();
    expect((await send(invite({ sescase: 'none' }))).status).toBe(403);
    expect((await send(invite({ sescase: 'none', tag: 'b' }))).status).toBe(200);
    expect(passed).toHaveLength(1);
  });

  it('passes the ACK of a 2xx on', async () => {
    const { core, acks, toPf } = fixture();
    const ack = invite({ tag: 'b' });
    ack.method = 'ACK';
    ack.set('CSeq', '1 ACK');
    core.sendAck(ack, toPf);
    await settle();
    expect(acks).toHaveLength(1);
    expect(acks[0]?.get('max-forwards')).toBe('69');
  });

  it('answers 483 when the hops are used up', async () => {
    const { passed, send } = fixture();
    expect((await send(invite().set('Max-Forwards', '0'))).status).toBe(483);
    expect(passed).toEqual([]);
  });

  it('R48: sends requests for people outside CPM to the interworking function, which refuses with its reason', async () => {
    const clock = new VirtualClock();
    const isf = new SipServer({ clock });
    const seen: string[] = [];
    startInterworking({ server: isf, host: 'isf.lab.test', clock, mailOutbox: () => null });
    const answer = isf.onRequest;
    isf.onRequest = (transaction) => {
      seen.push(transaction.request.uri);
      answer?.(transaction);
    };
    const server = new SipServer({ clock });
    const core = new SipServer({ clock });
    const { atA: toPf, atB: toCore } = connectServers(core, server);
    const { atA: toIsf } = connectServers(server, isf) satisfies { atA: Flow };
    new ParticipatingFunction({ server, core: toCore, host: 'pf.lab.test', interworking: toIsf });
    const { final } = core.request(invite({ uri: 'mailto:bob@example.org' }), toPf);
    await settle();
    const refusal = await final;
    expect(seen).toEqual(['mailto:bob@example.org']);
    expect(refusal.status).toBe(416);
    expect(refusal.get('warning')).toContain('No gateway serves mailto addresses');
  });
});

const IMEI = 'urn:gsma:imei:90420156-025763-0';
const SDP = (path: string, setup = 'actpass', transport = 'TCP/MSRP') =>
  `v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=message 7001 ${transport} *\r\na=accept-types:message/cpim\r\na=setup:${setup}\r\na=path:${path}\r\n`;
const MINE = 'msrp://10.0.0.9:7001/mine;tcp';
const THEIRS = 'msrp://10.0.0.8:7002/theirs;tcp';

/** A request of the dialog that an INVITE has made, along the route that the function wrote into it. */
function inDialog(
  method: string,
  passed: SipRequest | undefined,
  facts: { from: string; to: string; contact?: string; sdp?: string },
): SipRequest {
  const request = new SipRequest(method, 'sip:bob@lab.test')
    .append('Max-Forwards', '70')
    .append('Route', passed?.get('record-route') ?? '')
    .append('From', `<sip:x@lab.test>;tag=${facts.from}`)
    .append('To', `<sip:y@lab.test>;tag=${facts.to}`)
    .append('Call-ID', 'c1')
    .append('CSeq', `2 ${method}`);
  if (facts.contact !== undefined) request.append('Contact', facts.contact);
  return facts.sdp === undefined ? request : request.setBody('application/sdp', facts.sdp);
}

describe('what leaves a user`s own network', () => {
  const gruu = '<sip:alice@lab.test;gr=urn:uuid:9>';

  it('R43: removes the IMEI from requests, responses and re-INVITEs of the served user, and passes the other side’s unchanged', async () => {
    const { passed, send } = fixture();
    const own = `${gruu};+sip.instance="<${IMEI}>";x=1`;
    await send(invite({ contact: own }));
    expect(passed[0]?.get('contact')).toBe(`${gruu};x=1`);
    await send(inDialog('INVITE', passed[0], { from: 'a', to: 'b', contact: own }));
    expect(passed[1]?.get('contact')).toBe(`${gruu};x=1`);
    await send(inDialog('INVITE', passed[0], { from: 'b', to: 'a', contact: own }));
    expect(passed[2]?.get('contact')).toBe(own);
    const called = fixture({}, own);
    const answer = await called.send(invite({ served: 'sip:bob@lab.test', sescase: 'term' }));
    expect(answer.get('contact')).toBe(`${gruu};x=1`);
    expect(called.passed[0]?.get('contact')).toContain(ALICE_1);
  });

  it('R44: reveals nothing about an anonymous caller during the whole dialog, and the answers find their way back', async () => {
    const { passed, send, acks, core, toPf } = fixture({ media: new MediaRelay() });
    const secret = '"Alice laptop" <sip:tgruu.x@lab.test;gr>;+sip.instance="<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>"';
    const hidden = invite({ contact: secret })
      .append('Privacy', 'id')
      .append('User-Agent', 'Chorus')
      .append('Via', 'SIP/2.0/TCP 10.0.0.9:5060;branch=z9hG4bKhome');
    const answer = await send(hidden.setBody('application/sdp', SDP(MINE)));
    expect(answer.status).toBe(200);
    expect(answer.all('via').at(-1)).toContain('z9hG4bKhome');
    await send(inDialog('INFO', passed[0], { from: 'a', to: 'b', contact: secret }));
    core.sendAck(
      inDialog('ACK', passed[0], { from: 'a', to: 'b' })
        .append('User-Agent', 'Chorus')
        .append('Via', 'SIP/2.0/TCP 10.0.0.9:5060;branch=z9hG4bKhome'),
      toPf,
    );
    await settle();
    for (const message of [...passed, acks[0]]) {
      expect(message?.all('via')).toHaveLength(1);
      expect(`${message?.get('contact')} ${message?.get('user-agent')} ${message?.text}`).not.toMatch(/laptop|instance|Chorus|10\.0\.0\.9/);
    }
    expect(passed[0]?.get('p-asserted-identity')).toContain('alice');
  });

  it('R44 R56: refuses a temporary GRUU of somebody else, and anonymous senders where they are not accepted', async () => {
    const { pf, send, registered, passed } = fixture();
    await registered('sip:bob@lab.test', [ALICE_2], 'sip:tgruu.bob@lab.test;gr');
    expect((await send(invite({ contact: '<sip:tgruu.bob@lab.test;gr>' }))).status).toBe(403);
    pf.policy.adopt({
      deny: [],
      provider: {},
      users: new Map([['sip:bob@lab.test', { refuseAnonymous: true }]]),
      recordTo: null,
      mailOutbox: null,
    });
    const hidden = invite({ served: 'sip:bob@lab.test', sescase: 'term' }).append('Privacy', 'header;id');
    expect((await send(hidden)).status).toBe(433);
    expect(passed).toEqual([]);
  });
});

describe('media that runs through the network', () => {
  const stay = { deny: [], provider: { mediaPath: 'stay' as const }, users: new Map(), recordTo: null, mailOutbox: null };
  const offer = (sdp: string) => invite().setBody('application/sdp', sdp);
  const pathOf = (message: { text: string } | undefined) => /a=path:(\S+)/.exec(message?.text ?? '')?.[1];

  it('R49: every offer and answer of the dialog passes the relay until its end; a late answer of another device only ends its own leg', async () => {
    const { pf, passed, send } = fixture({ media: new MediaRelay() }, undefined, SDP(THEIRS, 'active'));
    pf.policy.adopt(stay);
    const answer = await send(offer(SDP(MINE)));
    const [toBob, toAlice] = [pathOf(passed[0]), pathOf(answer)];
    expect(new Set([toBob, toAlice, MINE, THEIRS]).size).toBe(4);
    const calledTag = answer.toTag ?? '';
    const refresh = await send(inDialog('INVITE', passed[0], { from: 'a', to: calledTag, sdp: SDP(MINE) }));
    expect([pathOf(passed[1]), pathOf(refresh)]).toEqual([toBob, toAlice]);
    await send(inDialog('INVITE', passed[0], { from: 'a', to: calledTag, sdp: SDP('msrp://10.0.0.9:7009/again;tcp') }));
    expect([toBob, MINE]).not.toContain(pathOf(passed[2]));
    expect((await send(inDialog('INVITE', passed[0], { from: 'a', to: calledTag }))).status).toBe(488);
    expect(passed).toHaveLength(3);
    await send(inDialog('BYE', passed[0], { from: 'a', to: 'another-device' }));
    expect(pf.anchoredCount).toBe(1);
    await send(inDialog('BYE', passed[0], { from: calledTag, to: 'a' }));
    expect(pf.anchoredCount).toBe(0);
  });

  it('R49 R44: a restarted process anchors the media again at the re-INVITE, keeps anonymous callers anonymous, and refuses when it cannot', async () => {
    const before = fixture({ media: new MediaRelay() }, undefined, SDP(THEIRS, 'active'));
    const hidden = await before.send(offer(SDP(MINE)).append('Privacy', 'id'));
    const toBob = pathOf(before.passed[0]);
    const again = (sdp: string) => inDialog('INVITE', before.passed[0], { from: 'a', to: hidden.toTag ?? '', sdp });
    const { pf, passed, send } = fixture({ media: new MediaRelay() }, undefined, SDP(THEIRS, 'active'));
    const answer = await send(again(SDP(MINE)));
    expect(answer.status).toBe(200);
    expect(new Set([pathOf(passed[0]), pathOf(answer), MINE, THEIRS, toBob]).size).toBe(5);
    expect(passed[0]?.text).not.toContain('10.0.0.1');
    expect(pf.anchoredCount).toBe(1);
    await send(inDialog('BYE', before.passed[0], { from: 'a', to: hidden.toTag ?? '' }));
    expect(pf.anchoredCount).toBe(0);
    const bare = fixture();
    expect((await bare.send(again(SDP(MINE)))).status).toBe(503);
    expect(bare.passed).toEqual([]);
  });

  it('R49: media cannot bypass the relay by labelling a 1-1 session as a group, nor by UPDATE or PRACK', async () => {
    const { pf, passed, send } = fixture(
      { media: new MediaRelay(), isUser: (address) => address.includes('bob') },
      undefined,
      SDP(THEIRS, 'active'),
    );
    pf.policy.adopt(stay);
    const group = '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group"';
    const claims = [
      offer(SDP(MINE)).append('Accept-Contact', group),
      offer(SDP(MINE)).set('Contact', '<sip:alice@10.0.0.9>;+x=";isfocus"'),
      invite({ sescase: 'term', served: 'sip:bob@lab.test' }).setBody('application/sdp', SDP(MINE)).append('Accept-Contact', group),
    ];
    for (const claim of claims) expect((await send(claim)).status).toBe(200);
    expect(passed.map(pathOf)).not.toContain(MINE);
    const factory = invite({ uri: 'sip:conference-factory@cf.lab.test' }).setBody('application/sdp', SDP(MINE));
    await send(factory.append('Accept-Contact', group));
    expect(pathOf(passed[3])).toBe(MINE);
    for (const method of ['UPDATE', 'PRACK'])
      expect((await send(inDialog(method, passed[0], { from: 'a', to: 'x', sdp: SDP(MINE) }))).status).toBe(488);
    expect((await send(inDialog('UPDATE', passed[0], { from: 'a', to: 'x' }))).status).toBe(200);
    expect(passed).toHaveLength(5);
  });

  it('R49: media that the relay cannot carry bypasses it when the relay is only preferred, and is refused when it is required', async () => {
    const audio = SDP(MINE).replace('m=message', 'm=audio');
    const { pf, passed, send } = fixture({ media: new MediaRelay() });
    pf.policy.adopt(stay);
    expect((await send(offer(audio))).status).toBe(200);
    expect(passed[0]?.text).toBe(audio);
    expect((await send(offer(audio).append('Privacy', 'id'))).status).toBe(488);
    const bare = fixture();
    expect((await bare.send(offer(SDP(MINE)).append('Privacy', 'id'))).status).toBe(503);
    expect(pf.anchoredCount).toBe(0);
  });

  it('R49: an answer that the relay cannot carry becomes a refusal of the media; no media bypasses the relay', async () => {
    const { pf, send } = fixture({ media: new MediaRelay() }, undefined, SDP(THEIRS, 'active', 'TCP/TLS/MSRP'));
    pf.policy.adopt(stay);
    const answer = await send(offer(SDP(MINE)));
    expect(answer.text).toContain('m=message 0 ');
    expect(answer.text).not.toContain('10.0.0');
    expect(pf.anchoredCount).toBe(0);
  });

  it('R49: TLS that the other side answers without is refused, and the next offer of the dialog, without TLS, passes the relay', async () => {
    const { pf, passed, send } = fixture({ media: new MediaRelay() }, undefined, SDP(THEIRS, 'active'));
    pf.policy.adopt(stay);
    const answer = await send(offer(SDP(MINE, 'actpass', 'TCP/TLS/MSRP')));
    expect(answer.text).toContain('m=message 0 ');
    const again = await send(inDialog('INVITE', passed[0], { from: 'a', to: answer.toTag ?? '', sdp: SDP(MINE) }));
    expect(new Set([pathOf(passed[1]), pathOf(again), MINE, THEIRS, undefined]).size).toBe(5);
    expect(pf.anchoredCount).toBe(1);
  });
});
