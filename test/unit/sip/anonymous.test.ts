import { afterEach, describe, expect, it } from 'vitest';
import type { OutgoingInvite } from '../../../main/sip/client';
import {
  closeMemoryLabs,
  GRUU,
  INSTANCE,
  type MemoryLab,
  MSG_ICSI,
  methodOf,
  registered,
  registeredLab,
  SESSION_ICSI,
} from '../../support/doubles/sip-memory';
import { settled } from '../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=message 7394 TCP/MSRP *\r\n';
const invite = (more: Partial<OutgoingInvite> = {}): OutgoingInvite => ({
  target: 'sip:bob@lab.test',
  icsi: SESSION_ICSI,
  conversationId: 'conversation-1',
  contributionId: 'contribution-1',
  sdp: SDP,
  anonymous: true,
  ...more,
});
const OK = { status: 200, headers: ['Contact: <sip:bob@lab.test;gr=urn:uuid:2>', 'Record-Route: <sip:127.0.0.1:5070;lr>'], body: SDP };

function answering(lab: MemoryLab): void {
  lab.server.onRequest = (request, server) => {
    const method = methodOf(request);
    if (method === 'REGISTER') server.reply(request, registered(request));
    else if (method !== 'ACK') server.reply(request, method === 'INVITE' ? OK : { status: 200 });
  };
}

/** Everything that went out after the registration. */
const said = (lab: MemoryLab) => ['INVITE', 'ACK', 'BYE', 'MESSAGE'].flatMap((method) => lab.server.requests(method));

describe('requests that hide who sends them', () => {
  it('R44: contain the temporary GRUU from the latest set, and neither person, device nor program, up to the BYE', async () => {
    const lab = await registeredLab();
    answering(lab);
    const first = lab.client.registration.tempGruu ?? '';
    await lab.client.registration.register();
    expect(lab.client.registration.tempGruu).not.toBe(first);
    const session = lab.client.invite(invite());
    await session.answered;
    await session.bye({ cause: 200, text: 'Call completed' });
    const latest = lab.client.registration.tempGruu ?? '';
    expect(lab.server.requests('INVITE')[0]?.first('contact')).toContain(`<${latest}>`);
    expect(lab.server.requests('INVITE')[0]?.first('contact')).not.toContain(first);
    expect(said(lab).map(methodOf)).toEqual(['INVITE', 'ACK', 'BYE']);
    for (const message of said(lab)) {
      expect(message.first('from')).toMatch(/^(?:"Anonymous" )?<sip:anonymous@anonymous\.invalid>;tag=/);
      expect(message.first('user-agent')).toBeNull();
      expect(message.first('contact') ?? '').not.toMatch(/sip\.instance|laptop/);
    }
    expect(lab.server.requests('INVITE')[0]?.first('privacy')).toBe('id');
    expect(lab.server.requests('INVITE')[0]?.first('p-preferred-identity')).toBe('<sip:alice@lab.test>');
    // The next named one is as ever.
    await lab.client.invite(invite({ anonymous: false })).answered;
    const named = lab.server.requests('INVITE')[1];
    expect(named?.first('contact')).toContain(GRUU);
    expect(named?.first('from')).toContain('"Alice" <sip:alice@lab.test>');
    expect(named?.first('user-agent')).toBe('Chorus/test');
  });

  it.each([
    ['the session description', { sdp: `${SDP}i=Alice laptop\r\n` }, 'device name'],
    ['the subject', { subject: 'from sip:alice@lab.test' }, 'address'],
    ['an ID', { contributionId: INSTANCE.replace('urn:uuid:', '') }, 'device ID'],
  ])('R44: are not sent when %s would reveal the sender, and the error says what', async (_where, change, what) => {
    const lab = await registeredLab();
    answering(lab);
    await expect(lab.client.invite(invite(change)).answered).rejects.toMatchObject({
      code: 'privacy/leak',
      retry: 'never',
      detail: { reason: what },
    });
    expect(said(lab)).toEqual([]);
  });

  it('R44: are refused without a temporary GRUU, never sent with the public one', async () => {
    const lab = await registeredLab();
    answering(lab);
    lab.server.onRequest = (request, server) => {
      const { status, headers = [] } = registered(request);
      server.reply(request, { status, headers: headers.map((line) => line.replace(/;temp-gruu="[^"]*"/, '')) });
    };
    await lab.client.registration.register();
    expect(lab.client.canHide).toBe(false);
    expect(() => lab.client.invite(invite())).toThrow('privacy/no-temporary-address');
    const pager = { ...invite(), icsi: MSG_ICSI, contentType: 'text/plain', body: new Uint8Array([65]) };
    await expect(lab.client.sendPager(pager)).rejects.toMatchObject({ code: 'privacy/no-temporary-address' });
    expect(said(lab)).toEqual([]);
  });

  it('R44: a call to the temporary GRUU is answered with it, and does not reveal the called person', async () => {
    const lab = await registeredLab();
    answering(lab);
    const { tempGruu } = lab.client.registration;
    const told: boolean[] = [];
    lab.client.onInvite.on((incoming) => {
      told.push(incoming.hides === true);
      incoming.ring();
      incoming.accept(SDP).catch(() => undefined);
    });
    const headers = [
      'From: "Bob" <sip:bob@lab.test>;tag=b1',
      `To: <${tempGruu}>`,
      'Call-ID: call-1',
      'CSeq: 1 INVITE',
      'Contact: <sip:bob@lab.test;gr=urn:uuid:2>',
    ];
    lab.server.request('INVITE', 'sip:alice@127.0.0.1:5060', [...headers, `P-Called-Party-ID: <${tempGruu}>`], SDP);
    await settled();
    const answers = lab.server.responses(180).concat(lab.server.responses(200));
    expect(told).toEqual([true]);
    expect(answers.length).toBeGreaterThanOrEqual(2);
    for (const answer of answers) {
      expect(answer.first('contact')).toContain(`<${tempGruu}>`);
      expect(`${answer.first('contact')} ${answer.first('server')} ${answer.first('user-agent')}`).not.toMatch(/instance|laptop|Chorus/);
    }
    lab.server.request('OPTIONS', 'sip:alice@127.0.0.1:5060', [
      ...headers.slice(0, 2),
      'Call-ID: call-2',
      'CSeq: 1 OPTIONS',
      `P-Called-Party-ID: <${tempGruu}>`,
    ]);
    await settled();
    expect(lab.server.responses(200).at(-1)?.first('contact')).not.toMatch(/instance|laptop|alice/i);
  });
});
