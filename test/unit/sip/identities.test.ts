import { afterEach, describe, expect, it } from 'vitest';
import { closeMemoryLabs, MSG_ICSI, memoryLab, methodOf, registered, SESSION_ICSI } from '../../support/sip-memory';
import { settled } from '../../support/virtual-clock';

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
