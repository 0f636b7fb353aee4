import { afterEach, describe, expect, it } from 'vitest';
import type { RegistrationState } from '../../../../main/sip/client';
import { KEEPALIVE_INTERVAL_MS, PONG_TIMEOUT_MS } from '../../../../main/sip/flow/flow';
import { refreshDelayMs } from '../../../../main/sip/registration/grant';
import { PROBE_TIMEOUT_MS, UNREGISTER_TIMEOUT_MS } from '../../../../main/sip/registration/machine';
import { CSEQ_BLOCK } from '../../../../main/sip/registration/register';
import { RETRY_BASE_MS, RETRY_MAX_MS, UNREACHABLE_RETRY_MAX_MS } from '../../../../main/sip/registration/retry';
import { AppError } from '../../../../preload/contract/errors';
import { icsiValue } from '../../../../protocol/feature-tags';
import { parseNameAddr } from '../../../../protocol/uri';
import {
  closeMemoryLabs,
  GRUU,
  INSTANCE,
  MSG_ICSI,
  memoryLab,
  methodOf,
  OTHER_INSTANCE,
  registered,
  registeredLab,
} from '../../../support/doubles/sip-memory';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const SHA_CHALLENGE = 'WWW-Authenticate: Digest realm="lab.test", nonce="n1", algorithm=SHA-256, qop="auth"';
const MD5_CHALLENGE = 'WWW-Authenticate: Digest realm="lab.test", nonce="n2", algorithm=MD5, qop="auth"';

function watch(lab: ReturnType<typeof memoryLab>): RegistrationState[] {
  const states: RegistrationState[] = [];
  lab.client.registration.onState.on((state) => states.push(state));
  return states;
}

describe('REGISTER', () => {
  it('R13 R15 R22 R24 R25: names the instance, the device and what it can do, and asks for GRUUs', async () => {
    const { server } = await registeredLab();
    const [request] = server.requests('REGISTER');
    expect(request?.start).toMatchObject({ uri: 'sip:lab.test' });
    expect(request?.first('to')).toBe('<sip:alice@lab.test>');
    expect(request?.first('from')).toMatch(/^"Alice" <sip:alice@lab\.test>;tag=\S+$/);
    expect(request?.first('supported')).toBe('path, gruu, outbound');
    expect(request?.first('via')).toMatch(/^SIP\/2\.0\/TCP 127\.0\.0\.1:40001;branch=z9hG4bK\d+;rport$/);
    const contact = parseNameAddr(request?.first('contact') ?? '');
    if (!contact.ok) throw new Error(contact.reason);
    expect(contact.value.uri).toBe('sip:alice@127.0.0.1:40001;transport=tcp');
    expect(contact.value.displayName).toBe('Alice laptop');
    expect(Object.fromEntries(contact.value.params)).toMatchObject({
      '+sip.instance': `<${INSTANCE}>`,
      'reg-id': '1',
      description: '<Alice laptop>',
      expires: '3600',
      '+g.3gpp.icsi-ref': 'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg',
    });
    expect(server.texts[0]).toContain(`;+sip.instance="<${INSTANCE}>"`);
  });

  it('learns from the Date of the 200 by how much this computer’s clock is wrong, as far as that is certain', async () => {
    const lab = memoryLab();
    const { registration } = lab.client;
    const ahead = async (date: string | null) => {
      lab.server.onRequest = (request, server) => {
        const reply = registered(request);
        server.reply(request, { ...reply, headers: [...(reply.headers ?? []), ...(date === null ? [] : [`Date: ${date}`])] });
      };
      await registration.register();
      return registration.clockAhead;
    };
    const showing = (ms: number) => new Date(Math.floor((lab.clock.now() + ms) / 1000) * 1000).toUTCString();
    expect(await ahead(null)).toBe(0);
    expect(await ahead(showing(0))).toBe(0);
    // A Date tells whole seconds.
    const [behind, early] = [await ahead(showing(-600_000)), await ahead(showing(600_000))];
    expect(behind).toBeGreaterThan(598_000);
    expect(behind).toBeLessThanOrEqual(601_000);
    expect(early).toBeLessThan(-598_000);
    expect(early).toBeGreaterThanOrEqual(-601_000);
    expect(await ahead('the other day')).toBe(0);
  });

  it('R33: learns every binding, both GRUUs, the identities and the route of the 200', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const reply = registered(request);
      const extra = [
        'P-Associated-URI: <sip:alice@lab.test>, <tel:+15550100>',
        'Service-Route: <sip:orig@lab.test;lr>, <sip:two@lab.test;lr>',
      ];
      server.reply(request, { ...reply, headers: [...(reply.headers ?? []), ...extra] });
    };
    await lab.client.registration.register();
    const { registration } = lab.client;
    expect(registration.bindings).toHaveLength(2);
    expect(registration.bindings.map((binding) => [binding.deviceName, binding.instanceId, binding.expires])).toEqual([
      ['Alice laptop', INSTANCE, 3600],
      ['Alice phone', OTHER_INSTANCE, 2100],
    ]);
    expect(registration.pubGruu).toBe(GRUU);
    expect(registration.tempGruu).toBe('sip:tgruu.1@lab.test;gr');
    expect(registration.expires).toBe(3600);
    expect(registration.identities).toEqual(['sip:alice@lab.test', 'tel:+15550100']);
    expect(registration.serviceRoute).toEqual(['<sip:orig@lab.test;lr>', '<sip:two@lab.test;lr>']);
  });

  it('R13 R36: answers the strongest challenge, once, and continues with the raised CSeq', async () => {
    const lab = memoryLab();
    const states = watch(lab);
    lab.server.onRequest = (request, server) => {
      if (request.first('authorization') === null) server.reply(request, { status: 401, headers: [SHA_CHALLENGE, MD5_CHALLENGE] });
      else server.reply(request, registered(request));
    };
    await lab.client.registration.register();
    const [first, second] = lab.server.requests('REGISTER');
    expect(second?.first('authorization')).toMatch(/algorithm=SHA-256/);
    expect(second?.first('authorization')).toMatch(/uri="sip:lab\.test"/);
    expect([first?.first('cseq'), second?.first('cseq')]).toEqual(['1 REGISTER', '2 REGISTER']);
    expect(states).toEqual(['connecting', 'registering', 'registered']);
  });

  it('a refused password is account/bad-credentials, and nothing is tried until the person acts', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 401, reason: 'Unauthorized', headers: [MD5_CHALLENGE] });
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'account/bad-credentials', detail: { status: 401 } });
    expect(lab.client.registration.state).toBe('rejected');
    expect(lab.client.registration.error?.code).toBe('account/bad-credentials');
    await lab.clock.advance(3_600_000);
    expect(lab.server.requests('REGISTER')).toHaveLength(2);
    lab.server.onRequest = (request, server) => server.reply(request, registered(request));
    await lab.client.registration.register();
    expect(lab.client.registration.state).toBe('registered');
  });

  it('a stale nonce is answered again with the same password', async () => {
    const lab = memoryLab();
    let asked = 0;
    lab.server.onRequest = (request, server) => {
      asked += 1;
      if (asked <= 2) server.reply(request, { status: 401, headers: [`${MD5_CHALLENGE}${asked === 2 ? ', stale=true' : ''}`] });
      else server.reply(request, registered(request));
    };
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER')).toHaveLength(3);
  });

  it.each([
    [403, 'Forbidden'],
    [404, 'Not Found'],
  ])('%i is handed up with the peer’s own words and ends the attempts', async (status, reason) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status, reason, headers: ['Warning: 399 lab "no such user"'] });
    await expect(lab.client.registration.register()).rejects.toMatchObject({
      code: 'sip/rejected',
      detail: { status, reason, warning: '399 lab "no such user"' },
    });
    expect(lab.client.registration.state).toBe('rejected');
  });

  it('423: asks again for what the registrar wants, and remembers it', async () => {
    const lab = memoryLab({ expiresSeconds: 60 });
    lab.server.onRequest = (request, server) => {
      if (Number(request.first('expires')) < 600) server.reply(request, { status: 423, headers: ['Min-Expires: 600'] });
      else server.reply(request, registered(request, 600));
    };
    await lab.client.registration.register();
    expect(lab.client.registration.expires).toBe(600);
    expect(lab.server.requests('REGISTER').map((request) => request.first('expires'))).toEqual(['60', '600']);
  });

  it('R7 R19: is repeated at half time with the same Call-ID and a higher CSeq, over three periods', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, registered(request, 1200));
    await lab.client.registration.register();
    expect(refreshDelayMs(1200)).toBe(600_000);
    expect(refreshDelayMs(3600)).toBe(3_000_000);
    for (let period = 0; period < 6; period += 1) await lab.clock.advance(600_001);
    const requests = lab.server.requests('REGISTER');
    expect(requests).toHaveLength(7);
    for (const request of requests) expect(request.first('contact')).toContain(`+sip.instance="<${INSTANCE}>"`);
    expect(new Set(requests.map((request) => request.first('call-id'))).size).toBe(1);
    expect(requests.map((request) => request.first('cseq'))).toEqual([1, 2, 3, 4, 5, 6, 7].map((number) => `${number} REGISTER`));
    expect(lab.client.registration.state).toBe('registered');
  });

  it('answers the known challenge at once when refreshing, with a rising nonce count', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      if (request.first('authorization') === null) server.reply(request, { status: 401, headers: [MD5_CHALLENGE] });
      else server.reply(request, registered(request, 600));
    };
    await lab.client.registration.register();
    await lab.clock.advance(300_001);
    const answers = lab.server.requests('REGISTER').map((request) => /nc=(\d+)/.exec(request.first('authorization') ?? '')?.[1]);
    expect(answers).toEqual([undefined, '00000001', '00000002']);
  });

  it('R24: a new device name is registered at once, in the same binding', async () => {
    const lab = await registeredLab();
    await lab.client.registration.rename('Alice’s "new" laptop');
    const [first, second] = lab.server.requests('REGISTER');
    expect(second?.first('call-id')).toBe(first?.first('call-id'));
    const contact = parseNameAddr(second?.first('contact') ?? '');
    expect(contact).toMatchObject({ ok: true, value: { displayName: 'Alice’s "new" laptop' } });
  });

  it('R23: a device without a name is registered without one', async () => {
    const { server } = await registeredLab({ deviceName: '' });
    const contact = server.requests('REGISTER')[0]?.first('contact');
    expect(contact).toMatch(/^<sip:alice@/);
    expect(contact).not.toContain('description');
  });

  it('R26: a changed capability is registered at once, in the same binding, and appears wherever the device states its capabilities', async () => {
    const lab = await registeredLab();
    await lab.client.registration.setCapabilities([MSG_ICSI]);
    const [first, second] = lab.server.requests('REGISTER');
    expect(second?.first('call-id')).toBe(first?.first('call-id'));
    expect(second?.first('cseq')).toBe('2 REGISTER');
    expect(second?.first('contact')).toContain(`+g.3gpp.icsi-ref="${icsiValue([MSG_ICSI])}"`);
    expect(second?.first('contact')).toContain(`+sip.instance="<${INSTANCE}>"`);
    lab.server.request('OPTIONS', 'sip:alice@lab.test', [
      'From: <sip:bob@lab.test>;tag=b',
      'To: <sip:alice@lab.test>',
      'Call-ID: options-1',
      'CSeq: 1 OPTIONS',
    ]);
    await settled();
    const answer = lab.server.responses(200).at(-1);
    expect(answer?.first('contact')).toContain(`+g.3gpp.icsi-ref="${icsiValue([MSG_ICSI])}"`);
  });

  it('capabilities that change before the registration are told with it', async () => {
    const lab = memoryLab();
    await lab.client.registration.setCapabilities([]);
    expect(lab.server.received).toHaveLength(0);
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER')[0]?.first('contact')).not.toContain('icsi-ref');
  });

  it.each(['Evil\r\nX-Injected: yes', 'quo"te\\', '<sip:mallory@evil.test>', '\u0000\u0007bell', 'Zoë 🎉'])(
    'no device or person name can add a header: %j',
    async (name) => {
      const { server } = await registeredLab({ deviceName: name, displayName: name });
      const [request] = server.requests('REGISTER');
      expect(request?.headers.map(([header]) => header)).not.toContain('x-injected');
      const contact = parseNameAddr(request?.first('contact') ?? '');
      const from = parseNameAddr(request?.first('from') ?? '');
      const clean = name.replace(/\p{Cc}/gu, '');
      expect(contact).toMatchObject({ ok: true, value: { displayName: clean, uri: 'sip:alice@127.0.0.1:40001;transport=tcp' } });
      expect(from).toMatchObject({ ok: true, value: { displayName: clean, uri: 'sip:alice@lab.test' } });
    },
  );
});

describe('Call-ID and CSeq', () => {
  function store(initial: { callId: string; cseq: number } | null = null) {
    const saved = initial === null ? [] : [initial];
    return { saved, load: () => saved.at(-1) ?? null, save: (state: { callId: string; cseq: number }) => void saved.push(state) };
  }
  const numbers = (lab: ReturnType<typeof memoryLab>) =>
    lab.server.requests('REGISTER').map((request) => Number.parseInt(request.first('cseq') ?? '', 10));

  it('R13 R19: are kept over a restart, also over one without a farewell', async () => {
    const kept = store();
    const before = await registeredLab({ registrationState: kept });
    for (let time = 0; time < CSEQ_BLOCK; time += 1) await before.client.registration.register();
    before.client.dispose();
    const after = await registeredLab({ registrationState: kept });
    const [last] = numbers(before).slice(-1);
    const [first] = numbers(after);
    expect(first).toBeGreaterThan(last ?? 0);
    expect(after.server.requests('REGISTER')[0]?.first('call-id')).toBe(before.server.requests('REGISTER')[0]?.first('call-id'));
  });

  it('are kept before they are used, challenges included', async () => {
    const kept = store();
    const lab = memoryLab({ registrationState: kept });
    let highest = 0;
    lab.server.onRequest = (request, server) => {
      const number = Number.parseInt(request.first('cseq') ?? '', 10);
      highest = Math.max(highest, number);
      expect(kept.saved.at(-1)?.callId).toBe(request.first('call-id'));
      expect(kept.saved.at(-1)?.cseq).toBeGreaterThanOrEqual(number);
      if (request.first('authorization') === null) server.reply(request, { status: 401, headers: [MD5_CHALLENGE] });
      else server.reply(request, registered(request));
    };
    for (let time = 0; time < 2 * CSEQ_BLOCK; time += 1) await lab.client.registration.register();
    expect(highest).toBeGreaterThan(2 * CSEQ_BLOCK);
    expect(kept.saved.length).toBeLessThan(6);
  });

  it('nothing is sent that could not be kept', async () => {
    const full = {
      load: () => null,
      save: () => {
        throw new AppError('storage/full', {}, 'user');
      },
    };
    const lab = memoryLab({ registrationState: full });
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'storage/full' });
    expect(lab.server.received).toHaveLength(0);
  });
});

describe('signing out everywhere', () => {
  it('ends every binding with Contact: *, and goes offline', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200 });
    await lab.client.registration.signOutEverywhere();
    const last = lab.server.requests('REGISTER').at(-1);
    expect(last?.all('contact')).toEqual(['*']);
    expect(last?.first('expires')).toBe('0');
    expect(lab.client.registration.state).toBe('offline');
    expect(lab.client.registration.bindings).toEqual([]);
  });

  it('refused: this device stays registered, and goes on refreshing', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) =>
      server.reply(request, request.first('contact') === '*' ? { status: 403, reason: 'Forbidden' } : registered(request));
    await expect(lab.client.registration.signOutEverywhere()).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 403 } });
    await settled();
    expect(lab.client.registration.state).toBe('registered');
    await lab.clock.advance(3_600_000);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('needs a registration', async () => {
    await expect(memoryLab().client.registration.signOutEverywhere()).rejects.toMatchObject({ code: 'sip/not-registered' });
  });
});

describe('halt', () => {
  it('stops without a word to the network, and tells why, until register()', async () => {
    const lab = await registeredLab();
    lab.client.registration.halt(new AppError('internal', { cause: 'another copy' }, 'user'));
    expect(lab.client.registration.state).toBe('rejected');
    expect(lab.client.registration.error?.detail.cause).toBe('another copy');
    await lab.clock.advance(7_200_000);
    expect(lab.server.requests('REGISTER')).toHaveLength(1);
    await lab.client.registration.register();
    expect(lab.client.registration.state).toBe('registered');
  });
});

describe('the life of a registration', () => {
  it('no connection: net/unreachable, then knocks again and again, with jitter, and sees the return within 5 s', async () => {
    const lab = memoryLab();
    const states = watch(lab);
    lab.server.refuse = new AppError('net/unreachable', { cause: 'ECONNREFUSED' }, 'auto');
    await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'net/unreachable' });
    expect(lab.client.registration.state).toBe('waiting');
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      const wait = (lab.client.registration.retryAt ?? 0) - lab.clock.now();
      waits.push(wait);
      await lab.clock.advance(wait);
    }
    waits.forEach((wait, attempt) => {
      const step = Math.min(RETRY_BASE_MS * 2 ** attempt, UNREACHABLE_RETRY_MAX_MS);
      expect(wait).toBeGreaterThanOrEqual(step / 2);
      expect(wait).toBeLessThanOrEqual(step);
    });
    lab.server.refuse = null;
    await lab.clock.advance(5_000);
    expect(lab.client.registration.state).toBe('registered');
    expect(states.slice(0, 3)).toEqual(['connecting', 'waiting', 'connecting']);
    expect(lab.client.registration.error).toBeNull();
  });

  it('a registrar that fails is left alone longer and longer, with jitter', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 503, reason: 'Busy' });
    await lab.client.registration.register().catch(() => undefined);
    for (let attempt = 0; attempt < 9; attempt += 1) {
      const wait = (lab.client.registration.retryAt ?? 0) - lab.clock.now();
      const step = Math.min(RETRY_BASE_MS * 2 ** attempt, RETRY_MAX_MS);
      expect(wait).toBeGreaterThanOrEqual(step / 2);
      expect(wait).toBeLessThanOrEqual(step);
      await lab.clock.advance(wait);
    }
    expect(lab.server.requests('REGISTER')).toHaveLength(10);
  });

  it('503 with Retry-After: waits at least that long', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 503, reason: 'Busy', headers: ['Retry-After: 90'] });
    await expect(lab.client.registration.register()).rejects.toMatchObject({
      code: 'sip/rejected',
      detail: { status: 503, retryAfterMs: 90_000 },
    });
    expect(lab.client.registration.state).toBe('waiting');
    expect((lab.client.registration.retryAt ?? 0) - lab.clock.now()).toBeGreaterThanOrEqual(90_000);
  });

  it('no answer: net/timeout, and the next attempt uses another connection', async () => {
    const lab = memoryLab();
    lab.server.onRequest = () => undefined;
    const attempt = lab.client.registration.register().catch((error: unknown) => error);
    await lab.clock.advance(32_000);
    expect(await attempt).toMatchObject({ code: 'net/timeout' });
    await lab.clock.advance(RETRY_BASE_MS);
    expect(lab.server.connections).toBe(2);
  });

  it('a cut connection is reopened and the device registered again: same Call-ID, higher CSeq, new address', async () => {
    const lab = await registeredLab();
    const states = watch(lab);
    lab.server.cut();
    expect(lab.client.registration.state).toBe('waiting');
    await lab.clock.advance(RETRY_BASE_MS);
    expect(states).toEqual(['waiting', 'connecting', 'registering', 'registered']);
    const [first, second] = lab.server.requests('REGISTER');
    expect(second?.first('call-id')).toBe(first?.first('call-id'));
    expect(second?.first('cseq')).toBe('2 REGISTER');
    expect(second?.first('contact')).toContain('127.0.0.1:40002');
  });

  it('pings the server, and takes silence for a lost flow', async () => {
    const lab = await registeredLab();
    await lab.clock.advance(KEEPALIVE_INTERVAL_MS);
    expect(lab.server.pings).toBe(1);
    expect(lab.client.registration.state).toBe('registered');
    lab.server.answersPings = false;
    await lab.clock.advance(KEEPALIVE_INTERVAL_MS);
    lab.server.answersPings = true;
    await lab.clock.advance(PONG_TIMEOUT_MS + RETRY_BASE_MS);
    expect(lab.server.connections).toBe(2);
    expect(lab.client.registration.state).toBe('registered');
  });

  it.each([
    ['says nothing of it', [], 1],
    ['requires outbound', ['Require: path, outbound'], 2],
    ['gives a Flow-Timer', ['Flow-Timer: 100'], 2],
  ])('a server that answers no ping and %s', async (_what, headers, connections) => {
    const lab = memoryLab();
    lab.server.answersPings = false;
    lab.server.onRequest = (request, server) => {
      const reply = registered(request);
      server.reply(request, { ...reply, headers: [...(reply.headers ?? []), ...headers] });
    };
    await lab.client.registration.register();
    await lab.clock.advance(KEEPALIVE_INTERVAL_MS + PONG_TIMEOUT_MS + RETRY_BASE_MS);
    expect(lab.server.connections).toBe(connections);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('keeps to the Flow-Timer of the registrar', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const reply = registered(request);
      server.reply(request, { ...reply, headers: [...(reply.headers ?? []), 'Flow-Timer: 20'] });
    };
    await lab.client.registration.register();
    await lab.clock.advance(20_000);
    expect(lab.server.pings).toBe(1);
  });

  it('answers a ping of the server', async () => {
    const lab = await registeredLab();
    lab.server.send('\r\n\r\n');
    await settled();
    expect(lab.server.pongs).toBe(1);
  });

  it('networkChanged with a connection that lives costs a ping and nothing else', async () => {
    const lab = await registeredLab();
    lab.client.registration.networkChanged();
    await lab.clock.advance(PROBE_TIMEOUT_MS);
    expect(lab.server.pings).toBe(1);
    expect(lab.server.connections).toBe(1);
    expect(lab.server.requests('REGISTER')).toHaveLength(1);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('networkChanged with a silently dead connection: registered again within 5 s, as the same binding', async () => {
    const lab = await registeredLab();
    lab.server.answersPings = false;
    const states = watch(lab);
    lab.client.registration.networkChanged();
    await lab.clock.advance(PROBE_TIMEOUT_MS);
    expect(states).toEqual(['waiting', 'connecting', 'registering', 'registered']);
    const [first, second] = lab.server.requests('REGISTER');
    expect(second?.first('call-id')).toBe(first?.first('call-id'));
    expect(second?.first('contact')).toContain(`+sip.instance="<${INSTANCE}>";`);
    expect(second?.first('contact')).toContain('reg-id=1');
  });

  it('networkChanged after a sleep that outlasted the binding: registers at once over the connection that lives', async () => {
    const clock = new VirtualClock();
    const lab = await registeredLab({}, clock);
    clock.sleep(4_000_000);
    lab.client.registration.networkChanged();
    await settled();
    expect(lab.server.requests('REGISTER')).toHaveLength(2);
    expect(lab.server.connections).toBe(1);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('networkChanged while waiting connects at once, and the pauses start again from the shortest', async () => {
    const lab = memoryLab();
    lab.server.refuse = new AppError('net/unreachable', {}, 'auto');
    await lab.client.registration.register().catch(() => undefined);
    await lab.clock.advance(60_000);
    lab.client.registration.networkChanged();
    await settled();
    expect((lab.client.registration.retryAt ?? 0) - lab.clock.now()).toBeLessThanOrEqual(RETRY_BASE_MS);
    lab.server.refuse = null;
    lab.client.registration.networkChanged();
    await settled();
    expect(lab.client.registration.state).toBe('registered');
  });

  it('R7 R20: signing out ends only this binding', async () => {
    const lab = await registeredLab();
    await lab.client.registration.unregister();
    const last = lab.server.requests('REGISTER').at(-1);
    expect(last?.first('expires')).toBe('0');
    expect(last?.first('contact')).toMatch(/;expires=0/);
    expect(last?.first('contact')).toContain(`+sip.instance="<${INSTANCE}>"`);
    expect(last?.all('contact')).toHaveLength(1);
    expect(lab.client.registration.state).toBe('offline');
    expect(lab.client.registration.bindings.map((binding) => binding.instanceId)).toEqual([OTHER_INSTANCE]);
    expect(lab.client.registration.pubGruu).toBeNull();
    expect(lab.server.isConnected).toBe(false);
  });

  it('closing waits 2 s at most for a registrar that is silent, and leaves no timer', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = () => undefined;
    let closed = false;
    const closing = lab.client.close().then(() => {
      closed = true;
    });
    await lab.clock.advance(UNREGISTER_TIMEOUT_MS - 1);
    expect(closed).toBe(false);
    await lab.clock.advance(1);
    await closing;
    expect(lab.clock.pending).toBe(0);
  });

  it('closing after an answer is quick and leaves no timer', async () => {
    const lab = await registeredLab();
    await lab.client.close();
    expect(lab.clock.pending).toBe(0);
  });

  it('signing off in the middle of an attempt ends it', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      if (request.first('expires') === '0') server.reply(request, registered(request));
    };
    const attempt = lab.client.registration.register().catch((error: unknown) => error);
    await settled();
    await lab.client.registration.unregister();
    expect(await attempt).toBeInstanceOf(AppError);
    expect(lab.client.registration.state).toBe('offline');
    await lab.clock.advance(600_000);
    expect(lab.client.registration.state).toBe('offline');
  });

  it('a 200 that lists nobody still registers, with the time of its Expires header', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200, headers: ['Expires: 300'] });
    await lab.client.registration.register();
    expect(lab.client.registration.expires).toBe(300);
    expect(lab.client.registration.pubGruu).toBeNull();
  });

  it('one unreadable Contact in the 200 does not hide the others', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const reply = registered(request);
      server.reply(request, { ...reply, headers: ['Contact: "broken <sip:', 'Contact: <mailto:x@y>;expires=5', ...(reply.headers ?? [])] });
    };
    await lab.client.registration.register();
    expect(lab.client.registration.pubGruu).toBe(GRUU);
  });

  const other = `Contact: <sip:alice@198.51.100.9:5070>;+sip.instance="<${OTHER_INSTANCE}>";expires=2100`;
  it.each<[string, string[], { expires: number; bindings: number; own: number }]>([
    ['as the only one', ['Contact: <sip:alice@203.0.113.7:1042;transport=tcp>;expires=4'], { expires: 4, bindings: 1, own: 1 }],
    [
      'as the only one without an instance',
      [other, 'Contact: <sip:alice@203.0.113.7:1042;transport=tcp>;expires=4'],
      { expires: 4, bindings: 2, own: 1 },
    ],
    [
      'beside another without an instance: the shortest time holds, whoever it is for',
      ['Contact: <sip:alice@203.0.113.7:1042>;expires=90, <sip:alice@203.0.113.8:1042>;expires=40', other],
      { expires: 40, bindings: 3, own: 0 },
    ],
    ['and only others are listed', [other, 'Expires: 300'], { expires: 300, bindings: 1, own: 0 }],
  ])('an edge has rewritten the Contact, without instance: %s', async (_what, headers, wanted) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200, headers });
    const { registration } = lab.client;
    await registration.register();
    const own = registration.bindings.filter(({ instanceId }) => instanceId === INSTANCE).length;
    expect({ expires: registration.expires, bindings: registration.bindings.length, own }).toEqual(wanted);
    await lab.clock.advance((wanted.expires * 1000) / 2);
    expect(lab.server.requests('REGISTER')).toHaveLength(2);
  });

  it.each<[string, (own: string) => string[], number?]>([
    ['a colon before it', (own) => [`Contact: : ${own};expires=60`]],
    ['a colon behind the address', (own) => [`Contact: ${own.replace('>;', '>:;')};expires=60`]],
    ['a colon between the parameters', (own) => [`Contact: ${own};:;expires=60`]],
    ['an empty name of a parameter', (own) => [`Contact: ${own};=x;expires=60`]],
    ['an unclosed quote of a neighbour before it', (own) => [`Contact: "Bob <sip:alice@198.51.100.9>;expires=5, ${own};expires=60`]],
    ['an unclosed quote of a neighbour behind it', (own) => [`Contact: ${own};expires=60, "Bob <sip:alice@198.51.100.9>;expires=5`]],
    ['an unclosed quote among a neighbour’s parameters', (own) => [`Contact: <sip:alice@198.51.100.9>;x="y, ${own};expires=60`]],
    ['an unclosed bracket of a neighbour', (own) => [`Contact: <sip:alice@198.51.100.9;expires=5, ${own};expires=60`]],
    ['a comma too many', (own) => [`Contact: ,, ${own};expires=60,`]],
    ['a fraction', (own) => [`Contact: ${own};expires=60.0`]],
    ['a quoted number', (own) => [`Contact: ${own};expires="60"`]],
    ['blanks around the number', (own) => [`Contact: ${own} ; expires = 60 `]],
    ['a unit', (own) => [`Contact: ${own};expires=60s`]],
    ['a number below nothing, and the header', (own) => [`Contact: ${own};expires=-1`, 'Expires: 60']],
    ['a number without an end', (own) => [`Contact: ${own};expires=99999999999999999999`], 2 ** 32 - 1],
  ])('junk in the Contact of the 200 costs nobody the registration: %s', async (_what, headers, seconds = 60) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const own = (request.first('contact') ?? '').replace(/;expires=\d+/, '');
      server.reply(request, { status: 200, headers: headers(own) });
    };
    const { registration } = lab.client;
    await registration.register();
    const own = registration.bindings.filter(({ instanceId }) => instanceId === INSTANCE);
    expect(own.map(({ expires }) => expires)).toEqual([seconds]);
    expect(registration.expires).toBe(seconds);
  });

  it('two calls of register() while one runs are one attempt', async () => {
    const lab = memoryLab();
    await Promise.all([lab.client.registration.register(), lab.client.registration.register()]);
    expect(lab.server.received.filter((message) => methodOf(message) === 'REGISTER')).toHaveLength(1);
  });
});
