import { afterEach, describe, expect, it } from 'vitest';
import { MAX_CONTACT_CHARACTERS } from '../../network/core/contact';
import { type Core, type CoreOptions, startCore } from '../../network/core/core';
import { bareInstances, noOutbound, repeated, slow, unavailable } from '../../network/core/faults';
import { MAX_BINDINGS, MAX_CONTACTS_PER_REGISTER } from '../../network/core/registrar';
import { type Network, startNetwork } from '../../network/network';
import { Dialog, newRequest } from '../../network/sip/dialog';
import type { SipRequest } from '../../network/sip/message';
import { MAX_HEADER_CHARACTERS, MAX_HEADER_LINES, parseMessage } from '../../network/sip/message-parser';
import { addressTarget } from '../../network/sip/proxy';
import { SipServer } from '../../network/sip/sip-server';
import { acceptContact, ICSI } from '../../protocol/feature-tags';
import { mergeRegInfo, parseRegInfo, type RegInfo } from '../../protocol/reginfo';
import { type DeviceOptions, SipDevice } from '../support/peers/sip-device';
import { elapse, until } from '../support/waiting';

const users = [
  { name: 'alice', password: 'secret', identities: ['tel:+15550100', 'sip:sales@lab.test'] },
  { name: 'bob', password: 'secret' },
];
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function core(options: Partial<CoreOptions> = {}): Promise<Core> {
  const started = await startCore({ domain: 'lab.test', users, ...options });
  open.push(started);
  return started;
}

async function device(of: Core, user: string, options: Partial<DeviceOptions> = {}): Promise<SipDevice> {
  const started = await SipDevice.start({ proxy: of.uri, aor: `sip:${user}@lab.test`, ...options });
  open.push(started);
  return started;
}

async function registered(of: Core, user: string, options: Partial<DeviceOptions> = {}): Promise<SipDevice> {
  const started = await device(of, user, options);
  expect((await started.register()).status).toBe(200);
  return started;
}

function subscribe(from: SipDevice, address: string, expires = '600000') {
  return from.request('SUBSCRIBE', address, [
    ['Event', 'reg'],
    ['Accept', 'application/reginfo+xml'],
    ['Expires', expires],
  ]);
}

function infoOf(notify: SipRequest): RegInfo {
  const read = parseRegInfo(notify.body);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

const names = (info: RegInfo | null) => info?.registrations[0]?.contacts.map((contact) => contact.displayName);

describe('registration events over TCP', () => {
  it('R24: a new name of one device reaches the other by a registration event, after the 200 and under the same id', async () => {
    const lab = await core();
    const laptop = await registered(lab, 'alice', { name: 'Laptop', icsis: [ICSI.session, ICSI.msg] });
    expect((await laptop.send(subscribe(laptop, 'sip:alice@lab.test'))).status).toBe(200);
    let known = mergeRegInfo(null, infoOf(await laptop.next('NOTIFY')));
    expect(names(known)).toEqual(['Laptop']);
    const tablet = await registered(lab, 'alice', { name: 'Tablet' });
    known = mergeRegInfo(known, infoOf(await laptop.next('NOTIFY')));
    expect(names(known)).toEqual(['Laptop', 'Tablet']);
    const ids = known?.registrations[0]?.contacts.map((contact) => contact.id);
    tablet.options.name = 'Bärbel “Küche”';
    expect((await tablet.register()).status).toBe(200);
    known = mergeRegInfo(known, infoOf(await laptop.next('NOTIFY')));
    expect(names(known)).toEqual(['Laptop', 'Bärbel “Küche”']);
    expect(known?.registrations[0]?.contacts.map((contact) => contact.id)).toEqual(ids);
    await tablet.register((request) => request.set('Expires', '0'));
    known = mergeRegInfo(known, infoOf(await laptop.next('NOTIFY')));
    expect(names(known)).toEqual(['Laptop']);
  });

  it('a refresh in the dialog keeps the subscription; the last one to leave ends it', async () => {
    const lab = await core();
    const laptop = await registered(lab, 'alice');
    const sent = subscribe(laptop, 'sip:alice@lab.test', '120');
    const answer = await laptop.send(sent);
    const dialog = Dialog.ofSent(laptop.server, sent, answer, () => addressTarget(lab.uri));
    await laptop.next('NOTIFY');
    const again = await dialog?.send(dialog.request('SUBSCRIBE').append('Event', 'reg').append('Expires', '600')).final;
    expect([again?.status, again?.get('expires')]).toEqual([200, '600']);
    expect(infoOf(await laptop.next('NOTIFY'))).toMatchObject({ version: 1, state: 'full' });
    await laptop.register((request) => request.set('Expires', '0'));
    const last = await laptop.next('NOTIFY');
    expect(last.get('subscription-state')).toBe('terminated;reason=noresource');
    expect(infoOf(last).registrations[0]?.contacts[0]).toMatchObject({ state: 'terminated', event: 'unregistered' });
  });

  it('nobody else may watch: other people and other functions get 403, a client without a sign-in is challenged', async () => {
    const lab = await core();
    await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    expect((await bob.send(subscribe(bob, 'sip:alice@lab.test'))).status).toBe(403);
    expect((await bob.send(subscribe(bob, 'sip:nobody@lab.test'))).status).toBe(404);
    const stranger = await device(lab, 'alice');
    expect((await stranger.send(subscribe(stranger, 'sip:alice@lab.test'))).status).toBe(407);
    const server = new SipServer();
    open.push(server);
    await server.listen({ host: '127.0.0.1', port: 0 });
    const notify = new Promise<SipRequest>((resolve) => {
      server.onRequest = (transaction) => {
        transaction.reply(200);
        resolve(transaction.request);
      };
    });
    lab.setParticipating('sip:127.0.0.1:9;transport=tcp', 'sip:pf.lab.test');
    const service = addressTarget(lab.serviceUri);
    if (service === null) throw new Error('no core');
    const asFunction = (identity: string) =>
      server.request(
        newRequest('SUBSCRIBE', 'sip:alice@lab.test', { from: `<${identity}>`, to: '<sip:alice@lab.test>', contact: `<${server.uri}>` })
          .append('Event', 'reg')
          .append('P-Asserted-Identity', `<${identity}>`),
        service,
      ).final;
    expect((await asFunction('sip:cf.lab.test')).status).toBe(403);
    expect((await asFunction('sip:pf.lab.test')).status).toBe(200);
    expect(infoOf(await notify).registrations[0]?.contacts[0]?.tempGruu?.uri).toContain('sip:tgruu.');
  });
});

describe('the Participating Function of a whole network', () => {
  interface Seen {
    to: string;
    request: SipRequest;
  }

  /** Every request that a role received, in order. */
  async function network(): Promise<{ net: Network; seen: Seen[]; left: string[]; of: (method: string) => SipRequest[] }> {
    const seen: Seen[] = [];
    /** First lines of what the core sent. */
    const left: string[] = [];
    const net = await startNetwork({
      users: [{ name: 'alice', password: 'secret' }],
      tap: ({ role, direction, protocol, bytes }) => {
        const read = protocol === 'sip' && direction === 'in' ? parseMessage(bytes) : null;
        if (role === 'core' && direction === 'out') left.push(new TextDecoder().decode(bytes).split('\r\n')[0] ?? '');
        if (read?.ok && read.value.kind === 'request') seen.push({ to: role, request: read.value });
      },
    });
    open.push(net);
    const of = (method: string) => seen.filter(({ to, request }) => to === 'pf' && request.method === method).map(({ request }) => request);
    return { net, seen, left, of };
  }

  async function signedIn(net: Network, options: Partial<DeviceOptions> = {}): Promise<SipDevice> {
    const one = await SipDevice.start({ proxy: net.uris.tcp, aor: 'sip:alice@lab.test', ...options });
    open.push(one);
    expect((await one.register()).status).toBe(200);
    return one;
  }

  it('R34 R35: is notified of the first device after its 200, subscribes once, and again after the last device has left', async () => {
    const { net, seen, left, of } = await network();
    const laptop = await signedIn(net, { name: 'Laptop' });
    await until('the device', () => net.registered('sip:alice@lab.test'));
    expect(of('REGISTER').map((request) => [request.get('to'), request.get('expires')])).toEqual([['<sip:alice@lab.test>', '3600']]);
    expect(of('REGISTER')[0]?.get('from')).toContain('sip:core.lab.test');
    expect(left.slice(0, 3)).toEqual(['SIP/2.0 401 Unauthorized', 'SIP/2.0 200 OK', expect.stringMatching(/^REGISTER /)]);
    const tablet = await signedIn(net, { name: 'Tablet' });
    await until('two devices', () => (net.registered('sip:alice@lab.test')?.length === 2 ? true : null));
    await laptop.register();
    const subscribes = () =>
      seen.filter(({ to, request }) => to === 'core' && request.method === 'SUBSCRIBE').map(({ request }) => request);
    expect(subscribes().map((request) => [request.uri, request.get('event')])).toEqual([['sip:alice@lab.test', 'reg']]);
    await laptop.register((request) => request.set('Expires', '0'));
    await until('one device', () =>
      net
        .registered('sip:alice@lab.test')
        ?.map((device) => device.name)
        .join() === 'Tablet'
        ? true
        : null,
    );
    await tablet.register((request) => request.set('Expires', '0'));
    await until('the end', () => (of('REGISTER').at(-1)?.get('expires') === '0' ? true : null));
    expect(of('REGISTER').filter((request) => request.get('expires') === '0')).toHaveLength(1);
    expect(net.registered('sip:alice@lab.test')).toBeNull();
    await laptop.register();
    await until('the device again', () => net.registered('sip:alice@lab.test'));
    expect(subscribes()).toHaveLength(2);
  });

  it('R75 R26: learns instance and services of every device from reginfo, and the new services when they change', async () => {
    const { net, of } = await network();
    const laptop = await signedIn(net, { icsis: [ICSI.session, ICSI.group, ICSI.msg] });
    const tablet = await signedIn(net, { icsis: [ICSI.msg] });
    const known = () => net.registered('sip:alice@lab.test')?.map((device) => [device.instanceId, device.icsis]);
    await until('both', () => (known()?.length === 2 ? true : null));
    expect(known()).toEqual([
      [laptop.instanceId, [ICSI.session, ICSI.group, ICSI.msg]],
      [tablet.instanceId, [ICSI.msg]],
    ]);
    laptop.options.icsis = [ICSI.msg];
    await laptop.register();
    await until('the change', () => (known()?.[0]?.[1]?.length === 1 ? true : null));
    expect(of('NOTIFY').at(-1)?.text).toContain('event="refreshed"');
    expect(net.bindings('sip:alice@lab.test')).toHaveLength(2);
  });

  it('a device may be used right after its 200: its requests never overtake the event about it', async () => {
    const { net } = await network();
    for (let index = 0; index < 12; index += 1) {
      const one = await signedIn(net, { name: `Device ${index}` });
      const answer = await one.send(
        one.request('INVITE', 'sip:nobody@lab.test', [
          ['Accept-Contact', acceptContact({ icsis: [ICSI.session] })],
          ['P-Preferred-Service', ICSI.session],
        ]),
      );
      expect(answer.status).toBe(404);
    }
  });
});

describe('a person with several addresses', () => {
  const three = ['sip:alice@lab.test', 'sip:sales@lab.test', 'tel:+15550100'];
  const people = [
    { name: 'alice', password: 'secret', identities: ['sip:sales@lab.test', 'tel:+1-555-0100'] },
    { name: 'bob', password: 'secret' },
  ];

  async function pair(): Promise<{ net: Network; alice: SipDevice; bob: SipDevice; associated: string[] }> {
    const net = await startNetwork({ users: people });
    open.push(net);
    const [alice, bob] = [
      await SipDevice.start({ proxy: net.uris.tcp, aor: 'sip:alice@lab.test' }),
      await SipDevice.start({ proxy: net.uris.tcp, aor: 'sip:bob@lab.test' }),
    ];
    open.push(alice, bob);
    const associated = (await alice.register()).all('p-associated-uri');
    expect((await bob.register()).status).toBe(200);
    return { net, alice, bob, associated };
  }

  const message = [
    ['Accept-Contact', acceptContact({ icsis: [ICSI.msg] })],
    ['P-Preferred-Service', ICSI.msg],
  ] as const;

  it('R2 R33: registers one address, learns them all, and is reached at each, with the called address in the request', async () => {
    const { net, alice, bob, associated } = await pair();
    expect(associated).toEqual(three.map((address) => `<${address}>`));
    expect(net.users[0]?.identities).toEqual(three);
    for (const address of [...three, 'sip:+15550100@lab.test;user=phone', `sip:sales@lab.test;gr=${alice.instanceId}`]) {
      expect((await bob.send(bob.request('MESSAGE', address, message))).status).toBe(200);
      const received = await alice.next('MESSAGE');
      expect(received.uri).toBe(alice.contactUri);
      expect(received.get('p-called-party-id')).toBe(`<${address}>`);
      expect(received.get('p-asserted-identity')).toBe('<sip:bob@lab.test>');
    }
    expect(three.map((address) => net.bindings(address).length)).toEqual([1, 1, 1]);
    expect(three.map((address) => net.registered(address)?.length)).toEqual([1, 1, 1]);
  });

  it('R33: may write from each of them, and from no address of somebody else', async () => {
    const { alice, bob } = await pair();
    for (const address of three) {
      const sent = alice.request('MESSAGE', 'sip:bob@lab.test', [...message, ['P-Preferred-Identity', `<${address}>`]]);
      expect((await alice.send(sent)).status).toBe(200);
      expect((await bob.next('MESSAGE')).get('p-asserted-identity')).toBe(`<${address}>`);
    }
    const stolen = alice.request('MESSAGE', 'sip:bob@lab.test', [...message, ['P-Preferred-Identity', '<sip:bob@lab.test>']]);
    expect((await alice.send(stolen)).status).toBe(403);
  });

  it('de-registered at one, it is at none', async () => {
    const { net, alice, bob } = await pair();
    await alice.register((request) => request.set('Expires', '0'));
    for (const address of three) expect((await bob.send(bob.request('MESSAGE', address, message))).status).toBe(480);
    expect(three.map((address) => net.bindings(address).length)).toEqual([0, 0, 0]);
  });

  it('an address of two people, of another domain or of no kind is refused at the start', async () => {
    const start = (identities: string[]) =>
      startNetwork({
        users: [
          { name: 'alice', password: 'x', identities },
          { name: 'bob', password: 'x' },
        ],
      });
    await expect(start(['sip:bob@lab.test'])).rejects.toThrow('sip:bob@lab.test is the address of two users');
    await expect(start(['sip:alice@other.test'])).rejects.toThrow('"sip:alice@other.test" of alice is neither');
    await expect(start(['mailto:alice@lab.test'])).rejects.toThrow('neither a telephone number nor an address of lab.test');
    await expect(start(['sip:conference-factory@lab.test'])).rejects.toThrow('conference-factory is the address where groups are made');
  });
});

describe('a core that misbehaves', () => {
  it('does so on the wire as its rules say, and rightly once they are gone', async () => {
    const lab = await core({ faults: [unavailable(7)] });
    const alice = await device(lab, 'alice', { regId: 1 });
    const first = await alice.send(alice.registerRequest());
    expect([first.status, first.get('retry-after')]).toEqual([503, '7']);
    lab.faults.add(noOutbound());
    expect((await alice.register()).status).toBe(439);
    expect(lab.bindings('sip:alice@lab.test')).toEqual([]);
    lab.faults.clear();
    lab.faults.add(bareInstances());
    lab.faults.add(repeated(2));
    const odd = await alice.register();
    expect([odd.status, odd.get('contact')]).toEqual([200, expect.stringContaining(`+sip.instance="${alice.instanceId}"`)]);
    lab.faults.clear();
    expect((await alice.register()).get('contact')).toContain(`+sip.instance="<${alice.instanceId}>"`);
  });

  it('a slow 200 is before the news of it', async () => {
    const lab = await core({ faults: [{ ...slow(80), credentials: true }] });
    const laptop = await registered(lab, 'alice', { name: 'Laptop' });
    await laptop.send(subscribe(laptop, 'sip:alice@lab.test'));
    await laptop.next('NOTIFY');
    const tablet = await device(lab, 'alice', { name: 'Tablet' });
    const answered = tablet.register();
    await elapse(40, 'half of the time that the 200 is held back');
    expect(laptop.received).toEqual([]);
    expect((await answered).status).toBe(200);
    expect(names(infoOf(await laptop.next('NOTIFY')))).toEqual(['Tablet']);
  });
});

describe('limits', () => {
  it('too much is answered 413 or 403 with the reason, and the registrations that stand are not touched', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const answer = async (change: (request: SipRequest) => void) => {
      const { status, reason } = await alice.register(change);
      return `${status} ${reason}`;
    };
    expect(await answer((request) => request.append('Contact', `<sip:a@b>;x="${'y'.repeat(MAX_CONTACT_CHARACTERS)}"`))).toMatch(
      /^413 A contact/,
    );
    expect(await answer((request) => request.append('X-Long', 'y'.repeat(MAX_HEADER_CHARACTERS + 1)))).toMatch(/^413 a header is longer/);
    expect(
      await answer((request) => {
        for (let index = 0; index < MAX_HEADER_LINES; index += 1) request.append(`X-${index}`, 'y');
      }),
    ).toMatch(/^413 more than 256 header lines/);
    const contacts = (from: number, count: number) => (request: SipRequest) =>
      request.set(
        'Contact',
        Array.from({ length: count }, (_, index) => `<sip:alice@h${from + index}.invalid>`),
      );
    for (let bound = 1; bound < MAX_BINDINGS; bound += MAX_CONTACTS_PER_REGISTER - 1)
      await answer(contacts(bound, Math.min(MAX_CONTACTS_PER_REGISTER - 1, MAX_BINDINGS - bound)));
    expect(lab.bindings('sip:alice@lab.test')).toHaveLength(MAX_BINDINGS);
    expect(await answer(contacts(1000, 1))).toBe(`403 More than ${MAX_BINDINGS} contacts of one address`);
    expect(await answer(() => undefined)).toBe('200 OK');
    expect(lab.bindings('sip:alice@lab.test')).toHaveLength(MAX_BINDINGS);
  });

  it('a head that does not end in time is answered 413 too, and the connection closed', async () => {
    const lab = await core();
    const alice = await device(lab, 'alice');
    const request = alice.registerRequest();
    for (let index = 0; index < 9; index += 1) request.append(`X-${index}`, 'y'.repeat(8_000));
    expect((await alice.send(request)).status).toBe(413);
    await until('the end of the connection', () => (alice.server.flows.length === 0 ? true : null));
  });
});
