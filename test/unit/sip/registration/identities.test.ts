import { afterEach, describe, expect, it } from 'vitest';
import { closeMemoryLabs, MSG_ICSI, memoryLab, methodOf, registered, SESSION_ICSI } from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const PAGER = {
  target: 'sip:bob@lab.test',
  icsi: MSG_ICSI,
  conversationId: 'c',
  contributionId: 'd',
  contentType: 'text/plain',
  body: new TextEncoder().encode('hi'),
};

async function labWith(associated: string, changes = {}) {
  const lab = memoryLab(changes);
  lab.server.onRequest = (request, server) => {
    if (methodOf(request) === 'INVITE') return;
    const reply = methodOf(request) === 'REGISTER' ? registered(request) : { status: 200 };
    server.reply(request, { ...reply, headers: [...(reply.headers ?? []), `P-Associated-URI: ${associated}`] });
  };
  await lab.client.registration.register();
  return lab;
}

describe('one of several own addresses', () => {
  const three = '<sip:alice@lab.test>, "Sales" <sip:sales@lab.test>, <tel:+15550100>';

  it.each([
    [undefined, 'sip:alice@lab.test'],
    ['sip:sales@lab.test', 'sip:sales@lab.test'],
    ['tel:+1-555-0100', 'tel:+15550100'],
  ])('R33: asks, as From and to the network, in messages and invitations: %s', async (identity, shown) => {
    const lab = await labWith(three);
    const wanted = identity === undefined ? {} : { identity };
    await lab.client.sendPager({ ...PAGER, ...wanted });
    lab.client.invite({ ...PAGER, ...wanted, icsi: SESSION_ICSI, sdp: 'v=0' }).answered.catch(() => undefined);
    await settled();
    for (const request of [lab.server.requests('MESSAGE')[0], lab.server.requests('INVITE')[0]]) {
      expect(request?.first('from')).toContain(`<${shown}>;tag=`);
      expect(request?.first('p-preferred-identity')).toBe(`<${shown}>`);
    }
  });

  it('an address that the registrar has not named is not used', async () => {
    const lab = await labWith(three);
    await expect(lab.client.sendPager({ ...PAGER, identity: 'sip:mallory@lab.test' })).rejects.toMatchObject({
      code: 'account/bad-address',
    });
    expect(lab.server.requests('MESSAGE')).toHaveLength(0);
  });

  it('an account that others know under another address writes as the first SIP one', async () => {
    const lab = await labWith('<tel:+15550100>, <sip:+15550100@lab.test;user=phone>', { aor: 'sip:001010123456789@lab.test' });
    await lab.client.sendPager(PAGER);
    expect(lab.server.requests('MESSAGE')[0]?.first('p-preferred-identity')).toBe('<sip:+15550100@lab.test;user=phone>');
  });

  it('a request to any of them reaches this device', async () => {
    const lab = await labWith(three);
    lab.client.handleMessage = async () => 200;
    for (const [index, address] of ['sip:sales@lab.test', 'tel:+15550100'].entries()) {
      const headers = ['From: <sip:bob@lab.test>;tag=b', `To: <${address}>`, `Call-ID: call-${index}`, 'CSeq: 1 MESSAGE'];
      lab.server.request('MESSAGE', address, headers, 'hi', 'text/plain');
    }
    await settled();
    expect(lab.server.responses(200)).toHaveLength(2);
  });
});

describe('people outside of CPM', () => {
  it.each([
    ['<mailto:Someone@example.org>', 'mailto:Someone@example.org'],
    ['"Some One" <MAILTO:Someone@example.org>', 'mailto:Someone@example.org'],
    ['<WV:someone@example.org>', 'wv:someone@example.org'],
    ['<tel:+1-555-0177>', 'tel:+15550177'],
    ['<tel:0177;phone-context=Example.org>', 'tel:0177;phone-context=example.org'],
  ])('R3: a sender that writes as %s is %s, in messages and invitations', async (from, address) => {
    const lab = await labWith('<sip:alice@lab.test>');
    const seen: string[] = [];
    lab.client.handleMessage = async ({ remote }) => {
      seen.push(remote.address);
      return 200;
    };
    lab.client.onInvite.on(({ remote }) => seen.push(remote.address));
    const headers = (method: string) => [`From: ${from};tag=b`, 'To: <sip:alice@lab.test>', `Call-ID: ${method}`, `CSeq: 1 ${method}`];
    lab.server.request('MESSAGE', 'sip:alice@lab.test', headers('MESSAGE'), 'hi', 'text/plain');
    lab.server.request('INVITE', 'sip:alice@lab.test', [...headers('INVITE'), 'Contact: <sip:isf@lab.test>'], 'v=0');
    await settled();
    expect(seen).toEqual([address, address]);
  });

  it.each(['mailto:Someone@example.org', 'wv:someone@example.org', 'tel:+15550177'])('R3: %s is asked for by that URI', async (target) => {
    const lab = await labWith('<sip:alice@lab.test>');
    await lab.client.sendPager({ ...PAGER, target });
    lab.client.invite({ ...PAGER, target, icsi: SESSION_ICSI, sdp: 'v=0' }).answered.catch(() => undefined);
    await settled();
    for (const request of [lab.server.requests('MESSAGE')[0], lab.server.requests('INVITE')[0]]) {
      expect(request?.start).toMatchObject({ uri: target });
      expect(request?.first('to')).toBe(`<${target}>`);
    }
  });
});
