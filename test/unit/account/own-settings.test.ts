import { afterEach, describe, expect, it } from 'vitest';
import type { Account } from '../../../main/account/account';
import { OwnSettings } from '../../../main/account/own-settings';
import { AppError } from '../../../preload/contract/errors';
import { parseNameAddr } from '../../../protocol/uri';
import { accountLab, closeAccountLabs } from '../../support/doubles/account-lab';
import { type MemoryServer, methodOf, registered } from '../../support/doubles/sip-memory';
import { settled } from '../../support/doubles/virtual-clock';

afterEach(closeAccountLabs);

/** The registrar's next answer to REGISTER is this one; the ones after it are 200s again. */
function answerOnce(server: MemoryServer, status: number): void {
  const usual = server.onRequest;
  server.onRequest = (request, at) => {
    if (methodOf(request) !== 'REGISTER') return;
    server.onRequest = usual;
    at.reply(request, { status });
  };
}

const nameOf = (server: MemoryServer) => {
  const contact = parseNameAddr(server.requests('REGISTER').at(-1)?.first('contact') ?? '');
  return contact.ok ? contact.value.displayName : null;
};

describe('a new name or a switched service whose REGISTER fails', () => {
  it('R24: the new name is used everywhere, is shown as not yet announced, and is announced by the next REGISTER', async () => {
    const { account, server, clock, events } = accountLab();
    await account.register();
    await settled();
    answerOnce(server, 503);
    await account.rename('Kitchen');
    expect(account.identity.deviceName).toBe('Kitchen');
    expect(account.devices.find(({ self }) => self)?.name).toBe('Kitchen');
    expect(account.value).toMatchObject({ deviceName: 'Kitchen', untold: true });
    expect(account.registration.state).toBe('waiting');
    await clock.advance(5_000);
    expect(account.registration.state).toBe('registered');
    expect(nameOf(server)).toBe('Kitchen');
    expect(account.value.untold).toBe(false);
    expect(events.filter((event) => event.event === 'account').at(-1)).toMatchObject({ account: { deviceName: 'Kitchen', untold: false } });
  });

  it('R26: a service stays off, is refused at once, and the network learns of it with the next REGISTER', async () => {
    const { account, server, clock } = accountLab();
    await account.register();
    await settled();
    answerOnce(server, 503);
    await account.setCapability('pager', false);
    expect(account.value).toMatchObject({
      offers: [
        { name: 'session', on: true },
        { name: 'pager', on: false },
        { name: 'large', on: true },
      ],
      untold: true,
    });
    await clock.advance(5_000);
    expect(server.requests('REGISTER').at(-1)?.first('contact')).not.toContain('oma.cpm.msg');
    expect(account.value.untold).toBe(false);
  });

  it('R24: a name that changes during a REGISTER is announced by the next one', async () => {
    const { account, server } = accountLab();
    const usual = server.onRequest;
    server.onRequest = () => undefined;
    const registering = account.register();
    await settled();
    const [first] = server.requests('REGISTER');
    if (first === undefined) throw new Error('no REGISTER has left');
    const renamed = account.rename('Kitchen');
    server.onRequest = usual;
    server.reply(first, registered(first));
    await Promise.all([registering, renamed]);
    expect(nameOf(server)).toBe('Kitchen');
    expect(account.value.untold).toBe(false);
  });
});

describe('chats over TLS', () => {
  const secure = 'msrps://relay.lab.test;tcp';
  it.each([
    // Told, the server over TLS, the relay: how media is asked for.
    ['auto', true, null, 'tlsFirst'],
    ['auto', false, null, 'clear'],
    ['always', true, null, 'tls'],
    ['always', false, null, 'tls'],
    ['never', true, null, 'clear'],
    [undefined, true, null, 'tlsFirst'],
    [undefined, false, null, 'clear'],
    ['never', false, secure, 'tls'],
    ['auto', true, 'msrp://relay.lab.test;tcp', 'clear'],
  ] as const)('%s, with the server over TLS: %s, relay: %s -> %s', (mediaTls, isServerOverTls, msrpRelay, wish) => {
    const settings = new OwnSettings(
      {
        ...{ kind: 'sip', aor: 'sip:alice@lab.test', displayName: 'Alice', password: 'x', proxy: null, deviceName: 'Laptop' },
        ...{ instanceId: 'urn:uuid:a', servicesOff: [] },
        options: { ...(mediaTls === undefined ? {} : { mediaTls }), ...(msrpRelay === null ? {} : { msrpRelay }) },
      },
      {
        keep: () => undefined,
        changed: () => undefined,
        registration: () => {
          throw new Error('not used');
        },
        isServerOverTls: () => isServerOverTls,
        goThrough: async () => undefined,
      },
    );
    expect(settings.mediaWish).toBe(wish);
    expect(settings.value.mediaTls).toBe(mediaTls ?? 'auto');
  });
});

describe('a change that the disk does not take', () => {
  const full = () => {
    throw new AppError('storage/full', {}, 'user');
  };

  it.each<[string, (account: Account) => unknown]>([
    ['another name', (account) => account.rename('Kitchen')],
    ['a service switched off', (account) => account.setCapability('pager', false)],
    ['chats over TLS alone', (account) => account.setMedia({ mediaTls: 'always', msrpRelay: null })],
    ['another address to write as', async (account) => account.writeAs('tel:+15550100', undefined)],
  ])('changes nothing here, and the server hears nothing: %s', async (_title, change) => {
    const { account, server } = accountLab({}, { keep: full });
    const usual = server.onRequest;
    server.onRequest = (request, at) => {
      if (methodOf(request) !== 'REGISTER') return usual(request, at);
      const reply = registered(request);
      at.reply(request, { ...reply, headers: [...(reply.headers ?? []), 'P-Associated-URI: <sip:alice@lab.test>, <tel:+15550100>'] });
    };
    await account.register();
    await settled();
    const before = account.value;
    const sent = server.requests('REGISTER').length;
    await expect(change(account)).rejects.toMatchObject({ code: 'storage/full' });
    await settled();
    expect(account.value).toEqual(before);
    expect(server.requests('REGISTER')).toHaveLength(sent);
  });
});
