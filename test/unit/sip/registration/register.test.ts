import { afterEach, describe, expect, it } from 'vitest';
import { MAX_ADJUSTMENTS } from '../../../../main/sip/registration/register';
import type { WireMessage } from '../../../../main/sip/wire/wire-message';
import { INSTANCE_PARAM } from '../../../../protocol/feature-tags';
import { parseNameAddr } from '../../../../protocol/uri';
import { closeMemoryLabs, GRUU, INSTANCE, memoryLab, type Reply, registered, registeredLab } from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

/** A lab whose registrar gives these answers first, and registers after them. */
function labWith(answers: Reply[], changes: Parameters<typeof memoryLab>[0] = {}) {
  const lab = memoryLab(changes);
  const left = [...answers];
  lab.server.onRequest = (request, server) => server.reply(request, left.shift() ?? registered(request));
  return lab;
}

const contactOf = (request: WireMessage | undefined) => {
  const read = parseNameAddr(request?.first('contact') ?? '');
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

describe('odd answers to REGISTER', () => {
  it('R13: 423 is followed up to a limit, and the refresh uses the same interval', async () => {
    const lab = labWith(
      [60, 120, 600].map((seconds) => ({ status: 423, headers: [`Min-Expires: ${seconds}`] })),
      { expiresSeconds: 30 },
    );
    await lab.client.registration.register();
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER').map((request) => request.first('expires'))).toEqual(['30', '60', '120', '600', '600']);
    expect(contactOf(lab.server.requests('REGISTER').at(-1)).params.get('expires')).toBe('600');
  });

  it('a 423 ladder without end, or one that asks for nothing more, is given up and tried again later', async () => {
    for (const ladder of [(asked: number) => asked + 1, () => 1]) {
      const lab = memoryLab({ expiresSeconds: 30 });
      lab.server.onRequest = (request, server) =>
        server.reply(request, { status: 423, headers: [`Min-Expires: ${ladder(Number(request.first('expires')))}`] });
      await expect(lab.client.registration.register()).rejects.toMatchObject({ detail: { status: 423 } });
      expect(lab.server.requests('REGISTER').length).toBeLessThanOrEqual(MAX_ADJUSTMENTS + 1);
    }
  });

  it('R13: 439 is followed without RFC 5626, still with the instance, and the next connection is asked again', async () => {
    const lab = labWith([{ status: 439, reason: 'First Hop Lacks Outbound Support' }]);
    await lab.client.registration.register();
    const [, second] = lab.server.requests('REGISTER');
    expect(second?.first('supported')).toBe('path, gruu');
    expect(contactOf(second).params.has('reg-id')).toBe(false);
    expect(contactOf(second).params.get(INSTANCE_PARAM)).toBe(`<${INSTANCE}>`);
    await lab.client.registration.register();
    expect(contactOf(lab.server.requests('REGISTER').at(-1)).params.has('reg-id')).toBe(false);
    lab.server.cut();
    await lab.clock.advance(4_000);
    expect(contactOf(lab.server.requests('REGISTER').at(-1)).params.get('reg-id')).toBe('1');
  });

  it('R13: 302 redirects to the registrar in the answer; 305 to the same registrar through the proxy in the answer', async () => {
    const moved = labWith([
      { status: 302, headers: ['Contact: <sip:192.0.2.2:5999;transport=tcp>;q=0.5, <sip:192.0.2.1:5998;transport=tcp>;q=0.9'] },
    ]);
    await moved.client.registration.register();
    expect(moved.server.hops.map(({ host, port }) => `${host}:${port}`)).toEqual(['127.0.0.1:5070', '192.0.2.1:5998']);
    expect(moved.server.requests('REGISTER').map(({ start }) => start.kind === 'request' && start.uri)).toEqual([
      'sip:lab.test',
      'sip:192.0.2.1:5998',
    ]);
    expect(moved.client.registration.state).toBe('registered');
    const proxied = labWith([{ status: 305, headers: ['Contact: <sip:192.0.2.3:5998;transport=tcp>'] }]);
    await proxied.client.registration.register();
    expect(proxied.server.hops.map(({ host }) => host)).toEqual(['127.0.0.1', '192.0.2.3']);
    expect(proxied.server.requests('REGISTER').map(({ start }) => start.kind === 'request' && start.uri)).toEqual([
      'sip:lab.test',
      'sip:lab.test',
    ]);
  });

  it('a redirection lasts as long as its connection, and redirections in a circle end', async () => {
    const lab = labWith([{ status: 302, headers: ['Contact: <sip:192.0.2.1:5998;transport=tcp>'] }]);
    await lab.client.registration.register();
    lab.server.cut();
    await lab.clock.advance(4_000);
    expect(lab.server.hops.map(({ host }) => host)).toEqual(['127.0.0.1', '192.0.2.1', '127.0.0.1']);
    expect(lab.server.requests('REGISTER').at(-1)?.start).toMatchObject({ uri: 'sip:lab.test' });
    const circle = memoryLab();
    circle.server.onRequest = (request, server) => server.reply(request, { status: 302, headers: ['Contact: <sip:192.0.2.1>'] });
    await expect(circle.client.registration.register()).rejects.toMatchObject({ detail: { status: 302 } });
    expect(circle.server.hops).toHaveLength(MAX_ADJUSTMENTS + 1);
  });

  it.each(['Contact: <mailto:x@y>', 'X-Nothing: 1', 'Contact: <sip:broken'])(
    'a redirection to nowhere is a refusal: %s',
    async (header) => {
      const lab = labWith([{ status: 302, headers: [header] }]);
      await expect(lab.client.registration.register()).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 302 } });
      expect(lab.server.hops).toHaveLength(1);
    },
  );

  it('a redirection never leads from a protected connection to an open one', async () => {
    for (const [to, follows] of [
      ['<sip:192.0.2.1;transport=tcp>', false],
      ['<sip:192.0.2.1>', false],
      ['<sips:192.0.2.1>', true],
      ['<sip:192.0.2.1;transport=tls>', true],
    ] as const) {
      const lab = labWith([{ status: 305, headers: [`Contact: ${to}`] }], { proxy: 'sip:127.0.0.1:5061;transport=tls' });
      const outcome = await lab.client.registration.register().then(
        () => true,
        () => false,
      );
      expect([to, outcome]).toEqual([to, follows]);
      expect(lab.server.hops).toHaveLength(follows ? 2 : 1);
    }
  });

  it('signing off in the middle of a redirection leaves nothing behind', async () => {
    const lab = labWith([{ status: 302, headers: ['Contact: <sip:192.0.2.1:5998;transport=tcp>'] }]);
    const attempt = lab.client.registration.register().catch((error: unknown) => error);
    await lab.client.registration.unregister();
    await attempt;
    await settled();
    expect(lab.client.registration.state).toBe('offline');
    expect(lab.server.isConnected).toBe(false);
  });

  it('430: the edge has lost the flow, and another one is made', async () => {
    const lab = labWith([{ status: 430, reason: 'Flow Failed' }]);
    await lab.client.registration.register().catch(() => undefined);
    await lab.clock.advance(2_000);
    expect(lab.server.connections).toBe(2);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('500 under a Call-ID from the store: a fresh Call-ID, once, kept before it is used', async () => {
    const saved: { callId: string; cseq: number }[] = [{ callId: 'old', cseq: 7 }];
    const store = { load: () => saved.at(-1) ?? null, save: (state: { callId: string; cseq: number }) => void saved.push(state) };
    const lab = memoryLab({ registrationState: store });
    lab.server.onRequest = (request, server) =>
      server.reply(request, request.first('call-id') === 'old' ? { status: 500 } : registered(request));
    await lab.client.registration.register();
    expect(saved.at(-1)?.callId).toBe(lab.server.requests('REGISTER').at(-1)?.first('call-id'));
    expect(lab.server.requests('REGISTER')).toHaveLength(2);
    lab.server.onRequest = (request, server) => server.reply(request, { status: 500 });
    await lab.client.registration.register().catch(() => undefined);
    expect(lab.server.requests('REGISTER')).toHaveLength(3);
  });

  it('a duplicated 200 and one for nobody change nothing', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      server.reply(request, registered(request));
      server.reply(request, { status: 200, headers: ['Contact: <sip:mallory@evil.test>;expires=9'] });
      server.reply(request, { status: 403 });
    };
    await lab.client.registration.register();
    await settled();
    expect(lab.client.registration.bindings).toHaveLength(2);
    expect(lab.client.registration.state).toBe('registered');
  });

  it('an answer that comes after the patience is over is not taken for that of the next attempt', async () => {
    const lab = memoryLab();
    let late: (() => void) | null = null;
    lab.server.onRequest = (request, server) => {
      late ??= () => server.reply(request, { status: 403, reason: 'Too late' });
    };
    const attempt = lab.client.registration.register().catch((error: unknown) => error);
    await lab.clock.advance(32_000);
    expect(await attempt).toMatchObject({ code: 'net/timeout' });
    lab.server.onRequest = (request, server) => server.reply(request, registered(request));
    await lab.clock.advance(2_000);
    (late as (() => void) | null)?.();
    await settled();
    expect(lab.client.registration.state).toBe('registered');
  });
});

describe('the own binding in the 200', () => {
  it.each([
    ['without brackets', (contact: string) => contact.replace(`"<${INSTANCE}>"`, `"${INSTANCE}"`)],
    ['without quotes', (contact: string) => contact.replace(`"<${INSTANCE}>"`, `<${INSTANCE}>`)],
    ['in capitals', (contact: string) => contact.replace(INSTANCE, INSTANCE.toUpperCase())],
    ['under another address', (contact: string) => contact.replace(/<sip:[^>]+>/, '<sip:alice@198.51.100.7:61000;transport=tcp>')],
  ])('R15: is found by its instance, %s', async (_how, rewrite) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const reply = registered(request, 777);
      server.reply(request, { ...reply, headers: (reply.headers ?? []).map((line) => (line.includes('5999') ? line : rewrite(line))) });
    };
    await lab.client.registration.register();
    expect(lab.client.registration.expires).toBe(777);
    expect(lab.client.registration.pubGruu).toBe(GRUU);
  });

  it.each([
    ['without quotes', `pub-gruu=${GRUU}`, GRUU, null],
    ['in brackets without quotes', `temp-gruu=<sip:t.1@lab.test;gr>;pub-gruu="<${GRUU}>"`, GRUU, 'sip:t.1@lab.test;gr'],
    ['both without quotes: the second has lost what makes it one', `pub-gruu=${GRUU};temp-gruu=sip:t.1@lab.test;gr`, GRUU, null],
    ['that is none, but the address of all devices', 'pub-gruu="sip:alice@lab.test";temp-gruu="mailto:alice@lab.test;gr"', null, null],
  ])('has a GRUU %s', async (_how, params, pubGruu, tempGruu) => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => {
      const { uri } = contactOf(request);
      server.reply(request, { status: 200, headers: [`Contact: <${uri}>;+sip.instance="<${INSTANCE}>";${params};expires=600`] });
    };
    await lab.client.registration.register();
    expect(lab.client.registration).toMatchObject({ pubGruu, tempGruu, expires: 600 });
  });

  it('without any instance it is found by its own address', async () => {
    const lab = memoryLab();
    const foreign = 'Contact: <sip:alice@127.0.0.1:5999;transport=tcp>;expires=5';
    lab.server.onRequest = (request, server) => {
      const uri = contactOf(request).uri;
      server.reply(request, { status: 200, headers: [foreign, `Contact: <${uri}>;expires=555`] });
    };
    await lab.client.registration.register();
    expect(lab.client.registration.expires).toBe(555);
    expect(lab.client.registration.pubGruu).toBeNull();
  });
});

describe('a registrar that tells bindings apart by their Contact alone', () => {
  /** RFC 3261 section 10.3 without RFC 5626: one binding a Contact URI. */
  function plainRegistrar(lab: ReturnType<typeof memoryLab>, obeys = true) {
    const bindings = new Map<string, string>();
    lab.server.onRequest = (request, server) => {
      for (const value of request.list('contact')) {
        const contact = parseNameAddr(value);
        if (!contact.ok) throw new Error(contact.reason);
        if (contact.value.params.get('expires') !== '0') bindings.set(contact.value.uri, value);
        else if (obeys) bindings.delete(contact.value.uri);
      }
      server.reply(request, { status: 200, headers: [...bindings.values()].map((value) => `Contact: ${value}`) });
    };
    return bindings;
  }

  it('R7: lists no binding of a lost flow: this device removes its own, with its instance in every Contact', async () => {
    const lab = memoryLab();
    const bindings = plainRegistrar(lab);
    await lab.client.registration.register();
    for (let time = 0; time < 3; time += 1) {
      lab.server.cut();
      await lab.clock.advance(4_000);
    }
    expect([...bindings.keys()]).toEqual(['sip:alice@127.0.0.1:40004;transport=tcp']);
    expect(lab.client.registration.bindings).toHaveLength(1);
    for (const request of lab.server.requests('REGISTER')) {
      for (const value of request.list('contact')) expect(value).toContain(`+sip.instance="<${INSTANCE}>"`);
    }
  });

  it('one that will not let go is asked once a contact', async () => {
    const lab = memoryLab();
    plainRegistrar(lab, false);
    await lab.client.registration.register();
    lab.server.cut();
    await lab.clock.advance(4_000);
    await lab.client.registration.register();
    await lab.client.registration.register();
    expect(lab.server.requests('REGISTER')).toHaveLength(5);
    expect(lab.client.registration.state).toBe('registered');
  });
});

describe('a registration shared with another SIP service', () => {
  it('R21: its feature tags are added to ours in every REGISTER and never replace them', async () => {
    const mmtel = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';
    const lab = await registeredLab({
      featureTags: new Map([
        ['+g.3gpp.icsi-ref', mmtel],
        ['audio', null],
        ['+sip.instance', '<urn:uuid:00000000-0000-4000-8000-000000000000>'],
        ['expires', '1'],
        ['+g.3gpp.smsip', null],
        ['bad name\r\nX-Evil: 1', 'x'],
      ]),
    });
    await lab.client.registration.register();
    for (const request of lab.server.requests('REGISTER')) {
      const { params } = contactOf(request);
      expect(params.get('+g.3gpp.icsi-ref')?.split(',')).toContain(mmtel);
      expect(params.get('+g.3gpp.icsi-ref')?.split(',')).toHaveLength(3);
      expect(params.get(INSTANCE_PARAM)).toBe(`<${INSTANCE}>`);
      expect(params.get('expires')).toBe('3600');
      expect(params.has('audio') && params.has('+g.3gpp.smsip')).toBe(true);
      expect(request.first('x-evil')).toBeNull();
    }
  });
});
