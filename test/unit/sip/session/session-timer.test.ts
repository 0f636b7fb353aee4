import { afterEach, describe, expect, it } from 'vitest';
import type { OutgoingInvite } from '../../../../main/sip/client';
import { MAX_ASKINGS, RE_INVITE_TIMEOUT_MS } from '../../../../main/sip/session/re-invite';
import { RENEW_AGAIN_MS, SESSION_INTERVAL_S } from '../../../../main/sip/session/session-timer';
import type { WireMessage } from '../../../../main/sip/wire/wire-message';
import {
  closeMemoryLabs,
  GRUU,
  type MemoryLab,
  methodOf,
  type Reply,
  registered,
  registeredLab,
  SESSION_ICSI,
} from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=message 7394 TCP/MSRP *\r\n';
const BOB = 'Contact: <sip:bob@lab.test;gr=urn:uuid:22222222-2222-4222-8222-222222222222>';
const INVITE: OutgoingInvite = { target: 'sip:bob@lab.test', icsi: SESSION_ICSI, conversationId: 'c1', contributionId: 'k1', sdp: SDP };
const HALF = (SESSION_INTERVAL_S / 2) * 1000;

const ok = (...headers: string[]): Reply => ({ status: 200, headers: [BOB, ...headers], body: SDP });
const timed = (refresher: 'uac' | 'uas', seconds = SESSION_INTERVAL_S) =>
  ok(`Session-Expires: ${seconds};refresher=${refresher}`, 'Require: timer');

/** The nth INVITE gets the nth reply, later ones the last; null: no answer. Anything else gets 200. */
function script(lab: MemoryLab, ...replies: (Reply | null)[]): void {
  let count = 0;
  lab.server.onRequest = (request, server) => {
    const method = methodOf(request);
    if (method === 'INVITE') {
      const reply = replies[Math.min(count, replies.length - 1)];
      count += 1;
      if (reply) server.reply(request, reply);
    } else if (method === 'REGISTER') server.reply(request, registered(request));
    else if (method !== 'ACK') server.reply(request, { status: 200 });
  };
}

const sent = (lab: MemoryLab, method: string) => lab.server.requests(method).length;

async function called(...replies: (Reply | null)[]) {
  const lab = await registeredLab();
  script(lab, ...replies);
  const session = lab.client.invite(INVITE);
  await session.answered;
  return { lab, session };
}

const dialogHeaders = (response: WireMessage, cseq: string) => [
  'From: "Bob" <sip:bob@lab.test>;tag=b1',
  `To: ${response.first('to')}`,
  'Call-ID: call-1@bob',
  `CSeq: ${cseq}`,
  BOB,
];
const INCOMING = ['From: "Bob" <sip:bob@lab.test>;tag=b1', 'To: <sip:alice@lab.test>', 'Call-ID: call-1@bob', 'CSeq: 1 INVITE', BOB];

/** Bob has called with these headers; `answer` is this side's 200. */
async function calledBy(...headers: string[]) {
  const lab = await registeredLab();
  const invites = [] as import('../../../../main/sip/client').IncomingInvite[];
  lab.client.onInvite.on((invite) => invites.push(invite));
  script(lab, timed('uac'));
  lab.server.request('INVITE', GRUU, [...INCOMING, ...headers], SDP);
  await settled();
  const [invite] = invites;
  if (invite === undefined) return { lab, invite: null, answer: lab.server.responses().at(-1) ?? null };
  const accepted = invite.accept(SDP);
  await settled();
  const answer = lab.server.responses(200).find((response) => response.first('cseq') === '1 INVITE');
  if (answer === undefined) throw new Error('no 200');
  lab.server.request('ACK', GRUU, dialogHeaders(answer, '1 ACK'));
  await accepted;
  return { lab, invite, answer };
}

describe('the session timer of the calling side', () => {
  it('is asked for in the invitation, and nothing is renewed where nobody wants it', async () => {
    const { lab, session } = await called(ok());
    const [invite] = lab.server.requests('INVITE');
    expect(invite?.list('supported')).toContain('timer');
    expect([invite?.first('session-expires'), invite?.first('min-se')]).toEqual(['1800', '90']);
    await lab.clock.advance(3 * HALF);
    expect([sent(lab, 'INVITE'), sent(lab, 'BYE'), session.state]).toEqual([1, 0, 'established']);
  });

  it('renews at half of the interval, time and again, with the same offer in the same dialog', async () => {
    const { lab, session } = await called(timed('uac'));
    await lab.clock.advance(HALF - 1);
    expect(sent(lab, 'INVITE')).toBe(1);
    await lab.clock.advance(2 * HALF);
    const [first, second, third] = lab.server.requests('INVITE');
    expect(new TextDecoder().decode(second?.body)).toBe(SDP);
    expect(second?.first('call-id')).toBe(first?.first('call-id'));
    expect(second?.first('to')).toMatch(/;tag=/);
    expect(second?.first('contact')).toContain(GRUU);
    expect(second?.first('session-expires')).toBe('1800;refresher=uac');
    expect(third).toBeDefined();
    expect(sent(lab, 'ACK')).toBe(sent(lab, 'INVITE'));
    expect(session.state).toBe('established');
  });

  it('asks again after a 422 with the interval that it names: same Call-ID and tag, next CSeq; and not twice for the same', async () => {
    const { lab, session } = await called({ status: 422, headers: ['Min-SE: 3600'] }, timed('uac', 3600));
    const [first, second] = lab.server.requests('INVITE');
    expect([second?.first('session-expires'), second?.first('min-se')]).toEqual(['3600', '3600']);
    expect([second?.first('call-id'), second?.first('from')]).toEqual([first?.first('call-id'), first?.first('from')]);
    expect([first?.first('cseq'), second?.first('cseq')]).toEqual(['1 INVITE', '2 INVITE']);
    expect(session.state).toBe('established');
    script(lab, { status: 422, headers: ['Min-SE: 7200'] });
    const refused = lab.client.invite(INVITE);
    await expect(refused.answered).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 422 } });
    expect(sent(lab, 'INVITE')).toBe(4);
  });

  it.each([481, 408])('ends the session at once when the renewal is answered %s', async (status) => {
    const { lab, session } = await called(timed('uac'), { status });
    await lab.clock.advance(HALF);
    expect(session).toMatchObject({ state: 'ended', end: { by: 'local', status: 408 } });
    expect(sent(lab, 'BYE')).toBe(1);
  });

  it('ends the session when nobody answers the renewal for 32 s', async () => {
    const { lab, session } = await called(timed('uac'), null);
    await lab.clock.advance(HALF + RE_INVITE_TIMEOUT_MS - 1);
    expect(session.state).toBe('established');
    await lab.clock.advance(1);
    expect(session.state).toBe('ended');
    expect(sent(lab, 'BYE')).toBe(1);
  });

  it('tries again after an error that may pass, until the interval is nearly over', async () => {
    const { lab, session } = await called(timed('uac'), { status: 503 }, timed('uac'));
    await lab.clock.advance(HALF + RENEW_AGAIN_MS);
    expect([sent(lab, 'INVITE'), session.state]).toEqual([3, 'established']);
    script(lab, { status: 500 });
    await lab.clock.advance(2 * HALF - 32_000 - 1);
    expect(session.state).toBe('established');
    await lab.clock.advance(RENEW_AGAIN_MS);
    expect(session.state).toBe('ended');
  });

  it('a renewal whose connection is lost is sent again over the next one', async () => {
    const { lab, session } = await called(timed('uac'), null, timed('uac'));
    await lab.clock.advance(HALF);
    lab.server.cut();
    await lab.clock.advance(60_000);
    expect(session.state).toBe('established');
    expect(sent(lab, 'INVITE')).toBeGreaterThanOrEqual(3);
    expect(sent(lab, 'BYE')).toBe(0);
  });

  it('waits 2.1 to 4 s after a 491, as the owner of the Call-ID, and gives up after so many', async () => {
    const { lab, session } = await called(timed('uac'), { status: 491 }, timed('uac'));
    await lab.clock.advance(HALF + 2_099);
    expect(sent(lab, 'INVITE')).toBe(2);
    await lab.clock.advance(1_901);
    expect([sent(lab, 'INVITE'), session.state]).toEqual([3, 'established']);
    script(lab, { status: 491 });
    const before = sent(lab, 'INVITE');
    const failed = expect(session.reoffer(SDP)).rejects.toMatchObject({ detail: { status: 491 } });
    await lab.clock.advance(MAX_ASKINGS * 4_000);
    await failed;
    expect(sent(lab, 'INVITE') - before).toBe(MAX_ASKINGS);
  });

  it('ends a session that the other side should renew and does not, 32 s before its time', async () => {
    const { lab, session } = await called(timed('uas'));
    await lab.clock.advance(2 * HALF - 32_001);
    expect([session.state, sent(lab, 'INVITE')]).toEqual(['established', 1]);
    await lab.clock.advance(1);
    expect(session.state).toBe('ended');
    expect(sent(lab, 'BYE')).toBe(1);
  });
});

describe('the session timer of the called side', () => {
  it.each([
    { headers: ['Supported: timer', 'Session-Expires: 600'], value: '600;refresher=uac', requires: true },
    { headers: ['Supported: timer', 'Session-Expires: 600;refresher=uas'], value: '600;refresher=uas', requires: true },
    { headers: ['Supported: timer', 'Session-Expires: 600', 'Min-SE: 900'], value: '900;refresher=uac', requires: true },
    { headers: ['k: timer', 'x: 600;refresher=uac'], value: '600;refresher=uac', requires: true },
    { headers: ['Supported: timer'], value: '1800;refresher=uac', requires: true },
    { headers: ['Session-Expires: 600'], value: '600;refresher=uas', requires: false },
    { headers: [], value: null, requires: false },
  ])('answers $headers with $value', async ({ headers, value, requires }) => {
    const { answer } = await calledBy(...headers);
    expect(answer?.first('session-expires')).toBe(value);
    expect(answer?.list('require').includes('timer') ?? false).toBe(requires);
  });

  it('refuses an interval below 90 s with 422 and Min-SE, but not to one who could not understand it', async () => {
    const refused = await calledBy('Supported: timer', 'Session-Expires: 60');
    expect(refused.answer?.start).toMatchObject({ status: 422 });
    expect(refused.answer?.first('min-se')).toBe('90');
    expect((await calledBy('Session-Expires: 60')).answer?.first('session-expires')).toBe('90;refresher=uas');
  });

  it.each(['soon', '-5', '600;refresher=me', '99999999999'])('refuses a Session-Expires of %s as malformed', async (value) => {
    const { invite, answer } = await calledBy('Supported: timer', `Session-Expires: ${value}`);
    expect(invite).toBeNull();
    expect(answer?.start).toMatchObject({ status: 400 });
  });

  it('understands an invitation that requires the timer', async () => {
    expect((await calledBy('Require: timer', 'Supported: timer')).invite?.state).toBe('established');
  });

  it('renews itself when it is the refresher', async () => {
    const { lab, invite } = await calledBy('Session-Expires: 600');
    await lab.clock.advance(300_000);
    const [renewal] = lab.server.requests('INVITE');
    expect(renewal?.first('session-expires')).toBe('600;refresher=uac');
    expect(new TextDecoder().decode(renewal?.body)).toBe(SDP);
    expect(invite?.state).toBe('established');
  });

  it('lives on while it is renewed, refuses a renewal for too short with 422, and ends when there is none', async () => {
    const { lab, invite, answer } = await calledBy('Supported: timer', 'Session-Expires: 600');
    if (answer === null) throw new Error('no answer');
    await lab.clock.advance(300_000);
    lab.server.request(
      'INVITE',
      GRUU,
      [...dialogHeaders(answer, '2 INVITE'), 'Supported: timer', 'Session-Expires: 600;refresher=uac'],
      SDP,
    );
    await settled();
    expect(lab.server.responses(200).at(-1)?.first('session-expires')).toBe('600;refresher=uac');
    lab.server.request('ACK', GRUU, dialogHeaders(answer, '2 ACK'));
    await lab.clock.advance(500_000);
    expect(invite?.state).toBe('established');
    lab.server.request('INVITE', GRUU, [...dialogHeaders(answer, '3 INVITE'), 'Supported: timer', 'Session-Expires: 30'], SDP);
    await settled();
    expect(lab.server.responses(422).at(-1)?.first('min-se')).toBe('90');
    await lab.clock.advance(100_000);
    expect(invite?.state).toBe('ended');
    expect(sent(lab, 'BYE')).toBe(1);
  });

  it('ends a session whose renewed answer nobody acknowledges', async () => {
    const { lab, invite, answer } = await calledBy();
    if (answer === null) throw new Error('no answer');
    lab.server.request('INVITE', GRUU, dialogHeaders(answer, '2 INVITE'), SDP);
    await lab.clock.advance(RE_INVITE_TIMEOUT_MS);
    expect(invite?.state).toBe('ended');
    expect(sent(lab, 'BYE')).toBe(1);
  });

  it('answers 500 to an offer that it cannot look at now, and goes on', async () => {
    const { lab, invite, answer } = await calledBy();
    if (answer === null || invite === null) throw new Error('no answer');
    invite.handleOffer = () => Promise.reject(new Error('no port is free'));
    lab.server.request('INVITE', GRUU, dialogHeaders(answer, '2 INVITE'), SDP);
    await settled();
    expect(lab.server.responses(500)).toHaveLength(1);
    invite.handleOffer = null;
    lab.server.request('INVITE', GRUU, dialogHeaders(answer, '3 INVITE'), SDP);
    await settled();
    expect(lab.server.responses(200).at(-1)?.first('cseq')).toBe('3 INVITE');
    expect(invite.state).toBe('established');
  });

  it('answers 487 to an offer that is still looked at when the session ends', async () => {
    const { lab, invite, answer } = await calledBy();
    if (answer === null || invite === null) throw new Error('no answer');
    let decide: (sdp: string) => void = () => {};
    invite.handleOffer = () =>
      new Promise((resolve) => {
        decide = resolve;
      });
    lab.server.request('INVITE', GRUU, dialogHeaders(answer, '2 INVITE'), SDP);
    await settled();
    await invite.bye();
    decide(SDP);
    await settled();
    expect(lab.server.responses(487).map((one) => one.first('cseq'))).toEqual(['2 INVITE']);
  });

  it('both ask at once: 491 to the other side, 0 to 2 s and once more for this one', async () => {
    const { lab, invite, answer } = await calledBy();
    if (answer === null) throw new Error('no answer');
    script(lab, null, timed('uac'));
    const offered = invite?.reoffer(SDP);
    await settled();
    lab.server.request('INVITE', GRUU, dialogHeaders(answer, '2 INVITE'), SDP);
    await settled();
    expect(lab.server.responses(491)).toHaveLength(1);
    const [own] = lab.server.requests('INVITE');
    if (own) lab.server.reply(own, { status: 491 });
    await lab.clock.advance(2_000);
    await offered;
    expect(sent(lab, 'INVITE')).toBe(2);
  });
});
