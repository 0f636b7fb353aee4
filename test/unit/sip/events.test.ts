import { afterEach, describe, expect, it } from 'vitest';
import type { WireMessage } from '../../../main/sip/wire/wire-message';
import { closeMemoryLabs, GRUU, type MemoryLab, methodOf, registeredLab } from '../../support/doubles/sip-memory';
import { settled } from '../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const GROUP = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group';
const FOCUS = 'sip:grp-1@cf.lab.test';
const XML = '<?xml version="1.0"?><conference-info>Größe 🎉</conference-info>';

interface Watched {
  lab: MemoryLab;
  documents: string[];
  ends: number;
  dispose(): void;
  renew(): void;
  notify(state: string, body?: string): void;
}

async function subscribed(status = 200): Promise<Watched> {
  const lab = await registeredLab();
  lab.server.onRequest = (request, server) => server.reply(request, { status, headers: ['Expires: 3600', `Contact: <${FOCUS}>`] });
  const subscription = lab.client.subscribeConference(FOCUS, GROUP);
  let cseq = 0;
  const watched: Watched = {
    lab,
    documents: [],
    ends: 0,
    dispose: () => subscription.dispose(),
    renew: () => subscription.renew(),
    notify: (state, body = XML) => {
      const [first] = lab.server.requests('SUBSCRIBE');
      cseq += 1;
      const headers = [`From: ${first?.first('to')};tag=focus`, `To: ${first?.first('from')}`, `Call-ID: ${first?.first('call-id')}`];
      const event = ['Event: conference', `Subscription-State: ${state}`, `CSeq: ${cseq} NOTIFY`, `Contact: <${FOCUS}>`];
      lab.server.request('NOTIFY', GRUU, [...headers, ...event], body, 'application/conference-info+xml');
    },
  };
  subscription.onDocument.on((document) => watched.documents.push(document));
  subscription.onEnd.on(() => {
    watched.ends += 1;
  });
  await settled();
  return watched;
}

const expiresOf = (request: WireMessage) => request.first('expires');

describe('registration events', () => {
  it('are asked of the own address, over this very flow, and renewed', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200, headers: ['Expires: 600', 'Contact: <sip:core>'] });
    const subscription = lab.client.subscribeRegistration();
    const documents: string[] = [];
    subscription.onDocument.on((document) => documents.push(document));
    await settled();
    const [request] = lab.server.requests('SUBSCRIBE');
    expect(request?.start).toMatchObject({ uri: 'sip:alice@lab.test' });
    expect(request?.first('event')).toBe('reg');
    expect(request?.first('accept')).toBe('application/reginfo+xml');
    // The GRUU is also that of a copied profile: only the flow is this device's alone.
    expect(request?.first('contact')).toMatch(/<sip:alice@127\.0\.0\.1:\d+;transport=tcp>/);
    expect(request?.first('contact')).toContain('+sip.instance');
    const headers = [`From: ${request?.first('to')};tag=core`, `To: ${request?.first('from')}`, `Call-ID: ${request?.first('call-id')}`];
    const event = ['Event: reg', 'Subscription-State: active;expires=600', 'CSeq: 1 NOTIFY', 'Contact: <sip:core>'];
    lab.server.request('NOTIFY', 'sip:alice@127.0.0.1:40001', [...headers, ...event], '<reginfo/>', 'application/reginfo+xml');
    await settled();
    expect(documents).toEqual(['<reginfo/>']);
    await lab.clock.advance(300_000);
    expect(lab.server.requests('SUBSCRIBE')).toHaveLength(2);
  });

  it('end with the status of a network that has none', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 489, reason: 'Bad Event' });
    const ends: (number | null)[] = [];
    lab.client.subscribeRegistration().onEnd.on(({ status }) => ends.push(status));
    await settled();
    expect(ends).toEqual([489]);
  });
});

describe('ConferenceEvents', () => {
  it('asks the focus, answers each NOTIFY and hands on its document', async () => {
    const watched = await subscribed();
    const [request] = watched.lab.server.requests('SUBSCRIBE');
    expect(request?.start).toMatchObject({ uri: FOCUS });
    expect(request?.first('event')).toBe('conference');
    expect(request?.first('accept')).toBe('application/conference-info+xml');
    expect(request?.first('accept-contact')).toContain('session.group');
    expect(request?.first('contact')).toContain(GRUU);
    watched.notify('active;expires=3600');
    watched.notify('active;expires=3599', '<partial/>');
    await settled();
    expect(watched.documents).toEqual([XML, '<partial/>']);
    expect(watched.lab.server.responses(200)).toHaveLength(2);
  });

  it('renews at half time, in the same dialog', async () => {
    const watched = await subscribed();
    watched.notify('active;expires=3600');
    await settled();
    await watched.lab.clock.advance(1_800_000);
    const requests = watched.lab.server.requests('SUBSCRIBE');
    expect(requests.map(expiresOf)).toEqual(['3600', '3600']);
    expect(requests[1]?.first('to')).toContain(';tag=focus');
    expect(requests[1]?.first('call-id')).toBe(requests[0]?.first('call-id'));
  });

  it('asks for a full document in the same dialog when told to, and not once it has ended', async () => {
    const watched = await subscribed();
    watched.notify('active;expires=3600');
    await settled();
    watched.renew();
    await settled();
    const requests = watched.lab.server.requests('SUBSCRIBE');
    expect(requests.map(expiresOf)).toEqual(['3600', '3600']);
    expect(requests[1]?.first('call-id')).toBe(requests[0]?.first('call-id'));
    watched.notify('terminated;reason=noresource', '');
    await settled();
    watched.renew();
    await settled();
    expect(watched.lab.server.requests('SUBSCRIBE')).toHaveLength(2);
  });

  it('ends once when the focus ends it', async () => {
    const watched = await subscribed();
    watched.notify('active;expires=3600');
    watched.notify('terminated;reason=noresource', '');
    await settled();
    expect(watched.ends).toBe(1);
    expect(watched.documents).toHaveLength(1);
    await watched.lab.clock.advance(3_600_000);
    expect(watched.lab.server.requests('SUBSCRIBE')).toHaveLength(1);
  });

  it('ends when it is refused', async () => {
    const watched = await subscribed(403);
    expect(watched.ends).toBe(1);
  });

  it('ends when the renewal is refused for good', async () => {
    const watched = await subscribed();
    watched.notify('active;expires=3600');
    await settled();
    watched.lab.server.onRequest = (request, server) => server.reply(request, { status: methodOf(request) === 'SUBSCRIBE' ? 481 : 200 });
    await watched.lab.clock.advance(1_800_000);
    expect(watched.ends).toBe(1);
  });

  it('dispose unsubscribes and is silent afterwards', async () => {
    const watched = await subscribed();
    watched.notify('active;expires=3600');
    await settled();
    watched.dispose();
    await settled();
    expect(watched.lab.server.requests('SUBSCRIBE').map(expiresOf)).toEqual(['3600', '0']);
    watched.notify('terminated;reason=timeout', XML);
    await settled();
    expect(watched.ends).toBe(0);
    expect(watched.documents).toHaveLength(1);
  });
});
