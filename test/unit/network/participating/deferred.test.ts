import { describe, expect, it } from 'vitest';
import { BIND_TIMEOUT_MS } from '../../../../network/msrp/switch';
import { MAX_ANSWER_MS } from '../../../../network/participating/deferred/large';
import {
  DEFAULT_LIFE_MS,
  letterOfMessage,
  MAX_LETTER_BYTES,
  MAX_LIFE_MS,
  MAX_PAGER_BYTES,
} from '../../../../network/participating/deferred/letter';
import { FIRST_PAUSE_MS, LONGEST_PAUSE_MS, MAX_ROUNDS } from '../../../../network/participating/deferred/postman';
import {
  DeferredQueue,
  MAX_BYTES,
  MAX_BYTES_OF_SENDER,
  MAX_BYTES_PER_PERSON,
  MAX_LETTERS,
  MAX_LETTERS_OF_SENDER,
  MAX_LETTERS_PER_PERSON,
  MAX_REMEMBERED,
  MAX_REMEMBERED_GRUUS,
  REMEMBERED_MS,
  sizeOf,
} from '../../../../network/participating/deferred/queue';
import { MAX_STAND_INS, MAX_STAND_INS_OF_SENDER, STAND_IN_IDLE_MS } from '../../../../network/participating/deferred/standing-in';
import type { SipResponse } from '../../../../network/sip/message';
import { TRANSACTION_TIMEOUT_MS } from '../../../../network/sip/transaction';
import { parseCpim } from '../../../../protocol/cpim';
import { ICSI } from '../../../../protocol/feature-tags';
import { parseImdn } from '../../../../protocol/imdn';
import { encodeMultipart, multipartType } from '../../../../protocol/multipart';
import { encodeSdp, parseSdp } from '../../../../protocol/sdp';
import {
  ALICE,
  ALICES_PC,
  BOB,
  BOBS_DESK,
  BOBS_PHONE,
  BOBS_TABLET,
  cpmRequest,
  DeferredLab,
  gruu,
  pager,
  receipt,
} from '../../../support/doubles/deferred-lab';
import { MsrpPeer, settle } from '../../../support/doubles/network-doubles';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('R87: messages for somebody whose devices are all off', () => {
  it('answers 202, and brings them in order to the device that registers, as they were written', async () => {
    const lab = new DeferredLab();
    for (const text of ['one', 'two', 'three']) expect((await lab.send(pager(text))).status).toBe(202);
    expect(lab.texts).toEqual([]);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual(['one to aaaa', 'two to aaaa', 'three to aaaa']);
    const [first] = lab.delivered;
    expect(first?.all('accept-contact').join()).toContain(encodeURIComponent(ICSI.deferred));
    expect(first?.get('p-asserted-identity')).toBe(`<${ALICE}>`);
    expect(first?.get('conversation-id')).toBe('conversation-1');
    expect(first?.get('contribution-id')).toBe('contribution-1');
    const envelope = parseCpim(first?.body ?? bytes(''));
    expect(envelope.ok && [envelope.value.messageId, envelope.value.dateTime]).toEqual(['id-one', Date.UTC(2025, 11, 31, 23)]);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.delivered).toHaveLength(3);
  });

  it('waits for each device that was registered within REMEMBERED_MS, until that one has acknowledged', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK, BOBS_TABLET);
    await lab.devices(BOB);
    await lab.send(pager('one'));
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    lab.clock.advance(24 * 3_600_000);
    await lab.devices(BOB, BOBS_TABLET);
    await lab.devices(BOB, BOBS_TABLET, BOBS_DESK);
    expect(lab.texts).toEqual(['one to aaaa', 'one to bbbb']);
    // A device that has been away for longer is forgotten: what another has taken is not for it.
    await lab.devices(BOB);
    lab.clock.advance(REMEMBERED_MS - 3_600_000);
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    lab.clock.advance(2 * 3_600_000);
    await lab.send(pager('two'));
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB, BOBS_TABLET);
    expect(lab.texts.slice(2)).toEqual(['two to aaaa']);
  });

  it('keeps nothing for a new device that another one has taken', async () => {
    const lab = new DeferredLab();
    await lab.send(pager('one'));
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB, BOBS_TABLET);
    expect(lab.texts).toEqual(['one to aaaa']);
  });

  it('brings the next one only after the answer, and tries a device that is out of reach after a pause', async () => {
    const lab = new DeferredLab();
    await lab.send(pager('one'));
    await lab.send(pager('two'));
    let status = 408;
    lab.answer = () => status;
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual(['one to aaaa']);
    lab.clock.advance(FIRST_PAUSE_MS - 1);
    await settle();
    expect(lab.delivered).toHaveLength(1);
    status = 200;
    lab.clock.advance(1);
    await settle();
    expect(lab.texts).toEqual(['one to aaaa', 'one to aaaa', 'two to aaaa']);
  });

  it('tries a device that stays out of reach less and less often, LONGEST_PAUSE_MS apart in the end, and at once when it registers', async () => {
    const lab = new DeferredLab();
    await lab.send(pager('one'));
    lab.answer = () => 480;
    await lab.devices(BOB, BOBS_DESK);
    let attempts = 0;
    lab.answer = () => {
      attempts += 1;
      return 480;
    };
    const attemptsIn = async (ms: number) => {
      attempts = 0;
      lab.clock.advance(ms);
      await settle();
      return attempts;
    };
    for (let pause = FIRST_PAUSE_MS; pause < LONGEST_PAUSE_MS; pause *= 2)
      expect([await attemptsIn(pause - 1), await attemptsIn(1)]).toEqual([0, 1]);
    expect([await attemptsIn(LONGEST_PAUSE_MS - 1), await attemptsIn(1), await attemptsIn(LONGEST_PAUSE_MS - 1)]).toEqual([0, 1, 0]);
    attempts = 0;
    await lab.devices(BOB, BOBS_DESK);
    expect(attempts).toBeGreaterThan(0);
  });

  it('brings messages to MAX_ROUNDS devices at a time, and to the next one when a round is over', async () => {
    const lab = new DeferredLab();
    const people = Array.from({ length: MAX_ROUNDS + 1 }, (_, n) => `sip:p${n}@lab.test`);
    await Promise.all(people.map((to) => lab.send(pager('one', { to }))));
    lab.answer = () => -1;
    await Promise.all(people.map((address) => lab.devices(address, BOBS_DESK)));
    expect(lab.delivered).toHaveLength(MAX_ROUNDS);
    lab.clock.advance(TRANSACTION_TIMEOUT_MS);
    await settle();
    expect(lab.delivered).toHaveLength(MAX_ROUNDS + 1);
  });

  it.each([404, 403, 486, 488, 603])('does not keep what is answered %i: it needs the person, or there is nobody', async (status) => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK);
    lab.answer = () => status;
    expect((await lab.send(pager('one'))).status).toBe(status);
    lab.answer = null;
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.delivered).toHaveLength(1);
  });

  it.each([408, 430, 480])('keeps what all devices have answered %i', async (status) => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK);
    lab.answer = () => status;
    expect((await lab.send(pager('one'))).status).toBe(202);
    lab.answer = null;
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts.at(-1)).toBe('one to aaaa');
  });

  it('asks the policy first, also when it brings the message', async () => {
    const lab = new DeferredLab();
    lab.pf.policy.deny({ served: BOB, sescase: 'term', peer: ALICE, status: 603 });
    expect((await lab.send(pager('refused'))).status).toBe(603);
    lab.pf.policy.allow({ served: BOB, sescase: 'term', peer: ALICE });
    expect((await lab.send(pager('kept'))).status).toBe(202);
    lab.pf.policy.deny({ served: BOB, sescase: 'term', peer: ALICE, status: 603 });
    await lab.devices(ALICE, ALICES_PC);
    await lab.devices(BOB, BOBS_DESK);
    // Nothing for Bob; Alice hears that it did not arrive.
    expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(ALICE, ALICES_PC)]);
    expect(lab.delivered[0]?.text).toContain('<failed/>');
  });

  it('does not keep an anonymous message for somebody who takes none', async () => {
    const lab = new DeferredLab();
    lab.pf.policy.adopt({
      deny: [],
      provider: {},
      users: new Map([[BOB, { refuseAnonymous: true }]]),
      recordTo: null,
      mailOutbox: null,
    });
    expect((await lab.send(pager('hidden').append('Privacy', 'id'))).status).toBe(433);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.delivered).toEqual([]);
  });

  it('keeps no composing state, nothing for own devices, and nothing that shall not wait', async () => {
    const lab = new DeferredLab();
    const composing = cpmRequest('MESSAGE', ALICE, BOB, ICSI.msg).setBody('application/im-iscomposing+xml', bytes('<isComposing/>'));
    expect((await lab.send(composing)).status).toBe(480);
    expect((await lab.send(pager('own', { to: gruu(ALICE, BOBS_TABLET) }))).status).toBe(480);
    expect((await lab.send(pager('now').append('Expires', '0'))).status).toBe(480);
  });

  it('a message that comes again is kept once, and not at all when a device had it before', async () => {
    const lab = new DeferredLab();
    await lab.send(pager('one'));
    expect((await lab.send(pager('one'))).status).toBe(202);
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    expect((await lab.send(pager('one'))).status).toBe(202);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual(['one to aaaa']);
  });

  it('passes the first delivery receipt, swallows the rest, and sends all to the device that wrote', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK, BOBS_TABLET);
    await lab.devices(BOB);
    await lab.devices(ALICE, ALICES_PC);
    await lab.send(pager('one'));
    await lab.devices(BOB, BOBS_DESK);
    lab.delivered.length = 0;
    expect((await lab.send(receipt('id-one'), 'orig')).status).toBe(200);
    expect((await lab.send(receipt('id-one'), 'orig')).status).toBe(200);
    expect((await lab.send(receipt('id-one', { status: 'displayed' }), 'orig')).status).toBe(200);
    expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(ALICE, ALICES_PC), gruu(ALICE, ALICES_PC)]);
    expect(lab.delivered.map((request) => /<(delivered|displayed)\/>/.exec(request.text)?.[1])).toEqual(['delivered', 'displayed']);
  });

  it('does not swallow a delivery receipt while none has gone through', async () => {
    const lab = new DeferredLab();
    await lab.devices(ALICE, ALICES_PC);
    await lab.send(pager('one'));
    await lab.devices(BOB, BOBS_DESK);
    lab.answer = () => 503;
    expect((await lab.send(receipt('id-one'), 'orig')).status).toBe(503);
    lab.answer = null;
    lab.delivered.length = 0;
    await lab.send(receipt('id-one'), 'orig');
    expect(lab.delivered).toHaveLength(1);
  });

  it('a receipt for a device that is off waits for that device alone', async () => {
    const lab = new DeferredLab();
    expect((await lab.send(receipt('id-x', { to: gruu(ALICE, ALICES_PC) }))).status).toBe(202);
    await lab.devices(ALICE, BOBS_TABLET);
    expect(lab.delivered).toEqual([]);
    await lab.devices(ALICE, BOBS_TABLET, ALICES_PC);
    expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(ALICE, ALICES_PC)]);
  });

  it('what is for the GRUU of a device with an IMEI waits for that device, whether it was here before or comes later', async () => {
    for (const isKnown of [true, false]) {
      const lab = new DeferredLab();
      if (isKnown) await lab.devices(BOB, BOBS_PHONE);
      await lab.devices(BOB);
      expect((await lab.send(pager('one', { to: gruu(BOB, BOBS_PHONE) }))).status).toBe(202);
      await lab.devices(BOB, BOBS_DESK);
      expect(lab.delivered).toEqual([]);
      await lab.devices(BOB, BOBS_DESK, BOBS_PHONE);
      expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(BOB, BOBS_PHONE)]);
      await lab.devices(BOB, BOBS_DESK, BOBS_PHONE);
      expect(lab.delivered).toHaveLength(1);
    }
  });

  it('a device with an IMEI is told alone that its message has failed, and by its GRUU that another was delivered', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_PHONE);
    const named = pager('one', { from: BOB, to: ALICE, device: BOBS_PHONE }).append('Expires', '60');
    await lab.send(named);
    await lab.send(pager('two', { from: BOB, to: ALICE, device: BOBS_PHONE }));
    lab.clock.advance(60_000);
    await settle();
    await lab.devices(BOB, BOBS_DESK, BOBS_PHONE);
    expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(BOB, BOBS_PHONE)]);
    await lab.devices(ALICE, ALICES_PC);
    lab.delivered.length = 0;
    await lab.send(receipt('id-two', { from: ALICE, to: BOB }), 'orig');
    expect(lab.delivered.map((request) => request.uri)).toEqual([gruu(BOB, BOBS_PHONE)]);
  });

  it.each([
    ['LAB: DEFAULT_LIFE_MS', null, DEFAULT_LIFE_MS],
    ['its Expires', '60', 60_000],
    ['an Expires beyond MAX_LIFE_MS', '9999999999', MAX_LIFE_MS],
  ])('tells the sender that it failed after %s, and only then', async (_, expires, lifeMs) => {
    const lab = new DeferredLab();
    const message = pager('one');
    if (expires !== null) message.append('Expires', expires);
    await lab.send(message);
    lab.clock.advance(lifeMs - 1);
    await settle();
    await lab.devices(ALICE, ALICES_PC);
    expect(lab.delivered).toEqual([]);
    lab.clock.advance(1);
    await settle();
    const [report] = lab.delivered;
    expect(report?.uri).toBe(gruu(ALICE, ALICES_PC));
    expect(report?.get('p-asserted-identity')).toBe(`<${BOB}>`);
    const envelope = parseCpim(report?.body ?? bytes(''));
    const imdn = envelope.ok ? parseImdn(envelope.value.body) : null;
    expect(imdn?.ok && imdn.value).toMatchObject({ messageId: 'id-one', kind: 'delivery', status: 'failed' });
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.delivered).toHaveLength(1);
    // She may send it once more.
    await lab.devices(BOB);
    expect((await lab.send(pager('one'))).status).toBe(202);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts.at(-1)).toBe('one to aaaa');
  });

  it('tells nobody that a message failed which one device has, or whose sender does not ask', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK, BOBS_TABLET);
    await lab.devices(BOB);
    await lab.devices(ALICE, ALICES_PC);
    await lab.send(pager('one'));
    await lab.send(pager('two', { dispositions: false, from: 'sip:carol@lab.test' }));
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    await lab.send(pager('three', { dispositions: false }));
    lab.delivered.length = 0;
    lab.clock.advance(DEFAULT_LIFE_MS);
    await settle();
    await lab.devices(BOB, BOBS_TABLET);
    expect(lab.delivered).toEqual([]);
  });

  it('has a share for each sender: one more is refused with 480, and what was acknowledged is not lost', async () => {
    const lab = new DeferredLab();
    for (let n = 0; n < MAX_LETTERS_OF_SENDER; n += 1) expect((await lab.send(pager(String(n)))).status).toBe(202);
    const refused = await lab.send(pager('too much'));
    expect([refused.status, refused.get('warning')]).toEqual([480, expect.stringContaining('no room')]);
    expect((await lab.send(pager('of Carol', { from: 'sip:carol@lab.test' }))).status).toBe(202);
    expect((await lab.send(pager('x'.repeat(MAX_LETTER_BYTES), { id: 'large', from: 'sip:dave@lab.test' }))).status).toBe(413);
    await lab.devices(BOB, BOBS_DESK);
    for (let round = 0; round < 100 && lab.delivered.length < MAX_LETTERS_OF_SENDER + 1; round += 1) await settle();
    expect(lab.texts).toEqual([...Array.from({ length: MAX_LETTERS_OF_SENDER }, (_, n) => `${n} to aaaa`), 'of Carol to aaaa']);
  });

  it('keeps what is for the GRUU of a device that was here and that the core has forgotten, and nothing for one that never was', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    lab.answer = () => 404;
    expect((await lab.send(pager('one', { to: gruu(BOB, BOBS_DESK) }))).status).toBe(202);
    expect((await lab.send(pager('two', { to: gruu(BOB, BOBS_TABLET) }))).status).toBe(404);
    lab.answer = null;
    await lab.devices(BOB, BOBS_TABLET);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual(['one to aaaa']);
  });
});

const offer = (path = 'msrp://127.0.0.1:9/alice;tcp') =>
  encodeSdp({
    host: '127.0.0.1',
    port: 9,
    path: [path],
    setup: 'active',
    acceptTypes: ['message/cpim'],
    wrappedTypes: ['*'],
    direction: 'sendrecv',
    sessionId: '1',
    version: 1,
    transport: 'TCP/MSRP',
    attributes: [],
  });

describe('R87: a long message for somebody whose devices are all off', () => {
  const text = 'long '.repeat(MAX_PAGER_BYTES / 5);
  const kept = async () => {
    const lab = new DeferredLab();
    await lab.devices(ALICE, ALICES_PC);
    expect((await lab.send(pager(text, { id: 'long' }))).status).toBe(202);
    expect((await lab.send(pager('after', { id: 'after' }))).status).toBe(202);
    return lab;
  };

  it('comes over MSRP in a call of its own, and the next one after it', async () => {
    const lab = await kept();
    lab.sdp = offer('msrp://127.0.0.1:9/bob;tcp');
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE']);
    const description = parseSdp(lab.delivered[0]?.text ?? '');
    expect(description.ok && description.value.direction).toBe('sendonly');
    const peer = new MsrpPeer();
    peer.answersSends = true;
    lab.media.accept(peer);
    // An empty SEND binds the connection.
    peer.say({
      kind: 'request',
      method: 'SEND',
      transactionId: 't0xxxxx',
      toPath: [...(description.ok ? description.value.path : [])],
      fromPath: ['msrp://127.0.0.1:9/bob;tcp'],
      headers: [],
      messageId: 'm0',
      byteRange: null,
      contentType: null,
      successReport: false,
      failureReport: 'yes',
      status: null,
      body: null,
      continuation: '$',
    });
    await settle();
    const sent = peer.sends.map(({ body }) => new TextDecoder().decode(body ?? bytes(''))).join('');
    expect(sent).toContain(text.slice(0, 500));
    expect(lab.inDialog.map(({ method }) => method)).toEqual(['BYE']);
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE', 'MESSAGE']);
    expect(lab.media.sessionCount).toBe(0);
  });

  it('is tried again when the device does not bring up its media, or is not reached', async () => {
    const lab = await kept();
    lab.sdp = offer('msrp://127.0.0.1:9/bob;tcp');
    await lab.devices(BOB, BOBS_DESK);
    lab.clock.advance(BIND_TIMEOUT_MS);
    await settle();
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE']);
    lab.sdp = null;
    lab.answer = () => 480;
    lab.clock.advance(FIRST_PAUSE_MS);
    await settle();
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE', 'INVITE']);
    expect(lab.media.sessionCount).toBe(0);
  });

  it('is cancelled after MAX_ANSWER_MS without an answer', async () => {
    const lab = await kept();
    lab.rings = true;
    lab.answer = () => -1;
    await lab.devices(BOB, BOBS_DESK);
    lab.clock.advance(MAX_ANSWER_MS);
    await settle();
    expect(lab.cancelled).toBe(1);
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE']);
  });

  it('that the device refuses is not tried again, and its sender hears of it', async () => {
    const lab = await kept();
    lab.answer = ({ method }) => (method === 'INVITE' ? 603 : null);
    await lab.devices(BOB, BOBS_DESK);
    const report = lab.delivered.find(({ uri }) => uri === gruu(ALICE, ALICES_PC));
    expect(report?.text).toContain('<failed/>');
    expect(lab.texts).toContain('after to aaaa');
  });
});

describe('R87: a session with somebody whose devices are all off', () => {
  const invite = (first: string | null = null) => {
    const request = cpmRequest('INVITE', ALICE, BOB, ICSI.session).append(
      'Contact',
      `<${gruu(ALICE, ALICES_PC)}>;+sip.instance="<${ALICES_PC}>"`,
    );
    const sdp = { contentType: 'application/sdp', headers: new Map(), body: bytes(offer()) };
    if (first === null) return request.setBody('application/sdp', offer());
    const text = { contentType: 'message/cpim', headers: new Map(), body: pager(first).body };
    return request.setBody(multipartType('b1'), encodeMultipart([sdp, text], 'b1'));
  };
  /** Connects the media of an accepted session, and sends texts over it. */
  const talk = (lab: DeferredLab, answer: SipResponse) => {
    const description = parseSdp(answer.text);
    if (!description.ok) throw new Error(description.reason);
    const peer = new MsrpPeer();
    lab.media.accept(peer);
    let n = 0;
    return {
      peer,
      say: (body: Uint8Array, contentType = 'message/cpim') => {
        n += 1;
        return peer.say({
          kind: 'request',
          method: 'SEND',
          transactionId: `t${n}xxxx`,
          toPath: [...description.value.path],
          fromPath: ['msrp://127.0.0.1:9/alice;tcp'],
          headers: [],
          messageId: `m${n}`,
          byteRange: { start: 1, end: body.length, total: body.length },
          contentType,
          successReport: false,
          failureReport: 'yes',
          status: null,
          body,
          continuation: '$',
        });
      },
    };
  };

  it('is accepted here: the text of the INVITE and each one after it waits, in order', async () => {
    const lab = new DeferredLab();
    const answer = await lab.send(invite('first'));
    expect(answer.status).toBe(200);
    const { say } = talk(lab, answer);
    expect(say(pager('second').body)).toMatchObject({ status: 200 });
    expect(say(bytes('<isComposing/>'), 'application/im-iscomposing+xml')).toMatchObject({ status: 200 });
    expect(say(pager('third').body)).toMatchObject({ status: 200 });
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual(['first to aaaa', 'second to aaaa', 'third to aaaa']);
    // The next text then opens a session with the device.
    expect(lab.inDialog.map(({ method }) => method)).toEqual(['BYE']);
    expect(lab.pf.standInCount).toBe(0);
    expect(lab.media.sessionCount).toBe(0);
  });

  const large = () => {
    const parts = [
      { contentType: 'application/sdp', headers: new Map(), body: bytes(offer()) },
      { contentType: 'message/cpim', headers: new Map(), body: pager('', { id: 'id-long' }).body },
    ];
    const request = cpmRequest('INVITE', ALICE, BOB, ICSI.largemsg).append('Contact', `<${gruu(ALICE, ALICES_PC)}>`);
    return request.setBody(multipartType('b1'), encodeMultipart(parts, 'b1'));
  };

  it('a large message waits as well; the envelope in its INVITE is no message', async () => {
    const lab = new DeferredLab();
    const answer = await lab.send(large());
    expect(answer.status).toBe(200);
    const { say } = talk(lab, answer);
    await lab.devices(BOB, BOBS_DESK);
    expect(lab.texts).toEqual([]);
    // It is on its way while a device registers: its session stays until it is there.
    expect(say(pager('long').body)).toMatchObject({ status: 200 });
    await settle();
    expect(lab.texts).toEqual(['long to aaaa']);
    expect(await lab.bye(answer)).toBe(200);
    expect([lab.pf.standInCount, lab.media.sessionCount]).toEqual([0, 0]);
  });

  it('a large message goes to every device of the person, also to those that come later, and Alice hears of it once', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK, BOBS_TABLET);
    const answer = await lab.send(large());
    expect(answer.status).toBe(200);
    expect(lab.delivered).toEqual([]);
    talk(lab, answer).say(pager('long').body);
    await settle();
    expect(lab.texts.sort()).toEqual(['long to aaaa', 'long to bbbb']);
    await lab.devices(ALICE, ALICES_PC);
    for (const _ of [BOBS_DESK, BOBS_TABLET]) await lab.send(receipt('id-long'), 'orig');
    expect(lab.delivered.filter(({ uri }) => uri === gruu(ALICE, ALICES_PC))).toHaveLength(1);
  });

  it('a large message for the only device of a person, or for one that is named, goes to it as it is', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK);
    await lab.send(large());
    await lab.devices(BOB, BOBS_DESK, BOBS_TABLET);
    const named = large();
    named.uri = gruu(BOB, BOBS_TABLET);
    await lab.send(named);
    expect(lab.delivered.map(({ method }) => method)).toEqual(['INVITE', 'INVITE']);
    expect(lab.pf.standInCount).toBe(0);
  });

  it('its receipts find the device that called, which is named by the INVITE', async () => {
    const lab = new DeferredLab();
    await lab.devices(ALICE, ALICES_PC);
    await lab.send(invite('first'));
    await lab.devices(BOB, BOBS_DESK);
    await lab.send(receipt('id-first'), 'orig');
    expect(lab.delivered.at(-1)?.uri).toBe(gruu(ALICE, ALICES_PC));
  });

  it('a device that rings has the text: what it answers goes back', async () => {
    const lab = new DeferredLab();
    await lab.devices(BOB, BOBS_DESK);
    lab.rings = true;
    lab.answer = () => 480;
    expect((await lab.send(invite('first'))).status).toBe(480);
  });

  it('is ended by the BYE of its caller, by STAND_IN_IDLE_MS without a word, and by its media', async () => {
    for (const end of ['bye', 'idle', 'media'] as const) {
      const lab = new DeferredLab();
      const answer = await lab.send(invite());
      const { peer, say } = talk(lab, answer);
      say(pager('one').body);
      expect(lab.pf.standInCount).toBe(1);
      if (end === 'bye') expect(await lab.bye(answer)).toBe(200);
      else if (end === 'media') peer.hangUp();
      else lab.clock.advance(STAND_IN_IDLE_MS);
      await settle();
      expect([end, lab.pf.standInCount, lab.media.sessionCount]).toEqual([end, 0, 0]);
      expect(await lab.bye(answer)).toBe(481);
    }
  });

  it('a group, and a session that replaces another, are not accepted here', async () => {
    const lab = new DeferredLab();
    const group = cpmRequest('INVITE', ALICE, BOB, ICSI.group).setBody('application/sdp', offer());
    expect((await lab.send(group.append('Contact', '<sip:grp-1@cf.lab.test>;isfocus'))).status).toBe(480);
    expect((await lab.send(invite().append('Session-Replaces', 'contribution-0'))).status).toBe(480);
  });

  it('has MAX_STAND_INS_OF_SENDER for each sender', async () => {
    const lab = new DeferredLab();
    for (let n = 0; n < MAX_STAND_INS_OF_SENDER; n += 1) expect((await lab.send(invite())).status).toBe(200);
    expect((await lab.send(invite())).status).toBe(480);
    await lab.devices(BOB, BOBS_DESK);
    await lab.devices(BOB);
    expect((await lab.send(invite())).status).toBe(200);
  });

  it('has MAX_STAND_INS for all', async () => {
    const lab = new DeferredLab();
    const from = (n: number) => `sip:s${Math.floor(n / MAX_STAND_INS_OF_SENDER)}@lab.test`;
    const ask = (n: number) => lab.send(invite().set('P-Asserted-Identity', `<${from(n)}>`));
    const answers = await Promise.all(Array.from({ length: MAX_STAND_INS }, (_, n) => ask(n)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(lab.pf.standInCount).toBe(MAX_STAND_INS);
    expect((await ask(MAX_STAND_INS * 2)).status).toBe(480);
  });

  it('a text for which there is no room is refused over the session', async () => {
    const lab = new DeferredLab();
    const { say } = talk(lab, await lab.send(invite()));
    for (let n = 0; n < MAX_LETTERS_OF_SENDER; n += 1) expect(say(pager(String(n)).body)).toMatchObject({ status: 200 });
    expect(say(pager('too much').body)).toMatchObject({ status: 413 });
  });
});

describe('the queue of deferred messages', () => {
  const letter = (n: number, sender: string, person = BOB) => {
    const made = letterOfMessage(pager(String(n), { from: sender, to: person }), person, 0);
    if (made === null) throw new Error('no letter');
    return made;
  };

  it('holds MAX_LETTERS_PER_PERSON for one person, whoever sends them', () => {
    const queue = new DeferredQueue(null, () => 0);
    for (let n = 0; n < MAX_LETTERS_PER_PERSON; n += 1) expect(queue.keep(letter(n, `sip:${n % 10}@lab.test`))).toBe('kept');
    expect(queue.keep(letter(1, 'sip:other@lab.test'))).toBe('full');
    expect(queue.keep(letter(1, 'sip:other@lab.test', ALICE))).toBe('kept');
    const first = queue.next(BOB, BOBS_DESK);
    queue.taken(first?.id ?? 0, BOBS_DESK);
    expect(queue.keep(letter(2, 'sip:other@lab.test'))).toBe('kept');
  });

  it('holds MAX_BYTES_OF_SENDER, MAX_BYTES_PER_PERSON, and a number and bytes for all', () => {
    const queue = new DeferredQueue(null, () => 0);
    const large = (n: number, sender: string) => ({ ...letter(n, sender), body: new Uint8Array(MAX_LETTER_BYTES) });
    const held = (sender: string) => {
      let n = 0;
      while (queue.keep(large(n, sender)) === 'kept') n += 1;
      return n;
    };
    const ofSender = Math.floor(MAX_BYTES_OF_SENDER / sizeOf(large(0, 'sip:1@lab.test')));
    expect(held('sip:1@lab.test')).toBe(ofSender);
    let all = ofSender;
    for (let sender = 2; sender < 9; sender += 1) all += held(`sip:${sender}@lab.test`);
    expect(all).toBe(Math.floor(MAX_BYTES_PER_PERSON / sizeOf(large(0, 'sip:1@lab.test'))));

    expect([MAX_LETTERS, MAX_BYTES]).toEqual([100_000, 512 * 1024 * 1024]);
    const few = new DeferredQueue(null, () => 0, { letters: 2, bytes: MAX_BYTES });
    expect(['a', 'b', 'c'].map((name) => few.keep(letter(1, 'sip:1@lab.test', `sip:${name}@lab.test`)))).toEqual(['kept', 'kept', 'full']);
    const small = new DeferredQueue(null, () => 0, { letters: 9, bytes: sizeOf(letter(1, 'sip:1@lab.test')) });
    expect(['a', 'b'].map((name) => small.keep(letter(1, 'sip:1@lab.test', `sip:${name}@lab.test`)))).toEqual(['kept', 'full']);
  });

  it('remembers MAX_REMEMBERED devices of one person, those seen last', () => {
    let now = 0;
    const queue = new DeferredQueue(null, () => now);
    for (let n = 0; n <= MAX_REMEMBERED; n += 1) {
      now += 3_600_000;
      queue.seen(BOB, [{ instance: `urn:uuid:${n}`, gruu: `${BOB};gr=${n}` }]);
    }
    expect(queue.remembers(BOB, `${BOB};gr=0`)).toBe(false);
    expect(queue.remembers(BOB, `${BOB};gr=1`)).toBe(true);
    now += REMEMBERED_MS;
    expect(queue.remembers(BOB, `${BOB};gr=${MAX_REMEMBERED}`)).toBe(false);
  });

  it('remembers MAX_REMEMBERED_GRUUS of one device, the latest', () => {
    const queue = new DeferredQueue(null, () => 3_600_000);
    for (let n = 0; n <= MAX_REMEMBERED_GRUUS; n += 1) queue.seen(BOB, [{ instance: BOBS_PHONE, gruu: `${BOB};gr=${n}` }]);
    expect([0, 1, MAX_REMEMBERED_GRUUS].map((n) => queue.remembers(BOB, `${BOB};gr=${n}`))).toEqual([false, true, true]);
  });

  it('says in one sentence that its file cannot be used', () => {
    expect(() => new DeferredQueue('/dev/null/x', () => 0)).toThrow(/^Messages for people who are away cannot be kept in \/dev\/null\/x: /);
  });
});
