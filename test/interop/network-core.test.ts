import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Core, type CoreOptions, startCore } from '../../network/core/core';
import { WRONG_PASSWORDS } from '../../network/core/wrong-passwords';
import { Dialog } from '../../network/sip/dialog';
import { uriOf } from '../../network/sip/header-value';
import { responseTo, type SipRequest, type SipResponse } from '../../network/sip/message';
import { addressTarget, forward, nextHop, prepareForward } from '../../network/sip/proxy';
import { SipServer } from '../../network/sip/sip-server';
import { acceptContact, ICSI } from '../../protocol/feature-tags';
import { type DeviceOptions, SipDevice } from '../support/peers/sip-device';

const DOMAIN = 'lab.test';
const users = [
  { name: 'alice', password: 'secret', identities: ['tel:+15550100'] },
  { name: 'bob', password: 'secret', identities: ['tel:+15550111'] },
  { name: 'carol', password: 'secret' },
];
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

async function core(options: Partial<CoreOptions> = {}): Promise<Core> {
  const started = await startCore({ domain: DOMAIN, users, ...options });
  open.push(started);
  return started;
}

async function device(of: Core, user: string, options: Partial<DeviceOptions> = {}): Promise<SipDevice> {
  const started = await SipDevice.start({ proxy: of.uri, aor: `sip:${user}@${DOMAIN}`, ...options });
  open.push(started);
  return started;
}

async function registered(of: Core, user: string, options: Partial<DeviceOptions> = {}): Promise<SipDevice> {
  const started = await device(of, user, options);
  expect((await started.register()).status).toBe(200);
  return started;
}

/** A Participating Function that only record-routes and sends on. */
async function participating(of: Core): Promise<{ seen: SipRequest[]; uri: string }> {
  const server = new SipServer();
  await server.listen({ host: '127.0.0.1', port: 0 });
  open.push(server);
  const seen: SipRequest[] = [];
  server.onRequest = (transaction) => {
    if (transaction.request.method === 'REGISTER') {
      transaction.reply(200);
      return;
    }
    seen.push(transaction.request);
    const prepared = prepareForward(server, transaction.request);
    if (!prepared.ok) throw new Error('refused');
    const target = addressTarget(nextHop(prepared.request));
    if (target === null) throw new Error('no next hop');
    forward(server, transaction, prepared.request, [{ target }], { recordRoute: `<${server.uri};lr>` });
  };
  server.onAck = (ack) => {
    seen.push(ack);
    const prepared = prepareForward(server, ack);
    const target = prepared.ok ? addressTarget(nextHop(prepared.request)) : null;
    if (prepared.ok && target !== null) server.sendAck(prepared.request, target);
  };
  of.setParticipating(server.uri);
  return { seen, uri: server.uri };
}

const cpm = [
  ['Accept-Contact', acceptContact({ icsis: [ICSI.session] })],
  ['P-Preferred-Service', ICSI.session],
] as const;
const isRefusal = (status: number) => status >= 400;
const hop = (request: SipRequest) => addressTarget(nextHop(request));

describe('registration over TCP', () => {
  it('R28: no credentials or wrong ones get 401 and no binding', async () => {
    const lab = await core();
    const alice = await device(lab, 'alice', { password: 'wrong' });
    const first = await alice.send(alice.registerRequest());
    expect(first.status).toBe(401);
    expect(first.all('WWW-Authenticate').map((value) => /algorithm=([\w-]+)/.exec(value)?.[1])).toEqual(['SHA-256', 'MD5']);
    const second = await alice.register();
    expect(second.status).toBe(401);
    expect(second.get('WWW-Authenticate')).not.toContain('stale=true');
    expect(lab.bindings('sip:alice@lab.test')).toEqual([]);
  });

  it('guessing is slowed: after some wrong passwords none is looked at for a while, not even the right one', async () => {
    const lab = await core();
    const guesser = await device(lab, 'alice', { password: 'wrong' });
    const answers: number[] = [];
    for (let count = 0; count < WRONG_PASSWORDS.pair.free; count += 1) answers.push((await guesser.register()).status);
    expect(new Set(answers)).toEqual(new Set([401]));
    const slowed = await (await device(lab, 'alice')).register();
    expect([slowed.status, slowed.get('retry-after')]).toEqual([503, '1']);
    expect((await (await device(lab, 'bob')).register()).status).toBe(200);
  });

  it('R30: the 200 to the second device lists both Contacts, feature parameters as written', async () => {
    const lab = await core();
    await registered(lab, 'alice', { name: 'Alice laptop', contactParams: ';description="<Alice laptop>";q=0.8' });
    const tablet = await device(lab, 'alice', { name: 'Alice tablet' });
    const contacts = (await tablet.register()).all('contact');
    expect(contacts).toHaveLength(2);
    expect(contacts[0]).toContain('"Alice laptop" <sip:alice-');
    expect(contacts[0]).toContain(';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,');
    expect(contacts[0]).toContain(';description="<Alice laptop>";q=0.8;expires=');
    expect(contacts[0]).not.toContain('temp-gruu');
    expect(contacts[1]).toContain('temp-gruu="sip:tgruu.');
  });

  it('a malformed message is answered 400 with the reason, and the connection lives on', async () => {
    const lab = await core();
    const alice = await device(lab, 'alice');
    const bad = alice.request('OPTIONS', 'sip:lab.test').set('Max-Forwards', '999');
    const answer = await alice.send(bad);
    expect(answer.status).toBe(400);
    expect(answer.reason).toContain('Max-Forwards');
    expect((await alice.send(alice.request('OPTIONS', 'sip:lab.test'))).status).toBe(200);
  });
});

describe('sessions through the core', () => {
  async function answered(
    caller: SipDevice,
    uri: string,
    headers: readonly (readonly [string, string])[] = [],
  ): Promise<{ invite: SipRequest; response: SipResponse }> {
    const invite = caller.request('INVITE', uri, headers);
    return { invite, response: await caller.send(invite) };
  }

  it('R77 R70: a request from the callee follows the reversed Record-Route back to the one device of the caller', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const alice2 = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    let dialog: Dialog | null = null;
    bob.answer = (transaction) => {
      dialog = Dialog.ofReceived(bob.server, transaction, bob.contact, () => addressTarget(lab.uri));
      transaction.respond(dialog.response(transaction, 200));
    };
    const { invite, response } = await answered(alice, 'sip:bob@lab.test', cpm);
    expect(response.status).toBe(200);
    expect(response.all('record-route').length).toBeGreaterThan(0);
    const own = Dialog.ofSent(alice.server, invite, response, () => addressTarget(lab.uri));
    own?.ack();
    expect((await bob.next('ACK')).callId).toBe(invite.callId);
    const bye = await (dialog as Dialog | null)?.bye().final;
    expect(bye?.status).toBe(200);
    expect((await alice.next('BYE')).callId).toBe(invite.callId);
    expect(alice2.received).toEqual([]);
  });

  it('the first device to answer wins, the others get CANCEL with the reason and the caller one 200', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const bob = [await registered(lab, 'bob'), await registered(lab, 'bob')] as const;
    const cancelled = new Promise<SipRequest>((resolve) => {
      bob[1].answer = (transaction) => {
        transaction.reply(180);
        transaction.onCancel = (cancel) => {
          transaction.reply(487);
          resolve(cancel);
        };
      };
    });
    bob[0].answer = (transaction) => void cancelRinging().then(() => transaction.reply(200, { headers: [['Contact', bob[0].contact]] }));
    const cancelRinging = () => bob[1].next('INVITE');
    const { response } = await answered(alice, 'tel:+15550111', cpm);
    expect(response.status).toBe(200);
    expect(uriOf(response.get('contact') ?? '')).toBe(bob[0].pubGruu);
    expect((await cancelled).get('reason')).toBe('SIP;cause=200;text="Call completed elsewhere"');
  });

  it('R31 R32: both GRUUs reach their device only; after it has left, both are invalid and no other device is reached', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const [one, two] = [await registered(lab, 'bob'), await registered(lab, 'bob')];
    for (const gruu of [one.pubGruu, one.tempGruu]) {
      expect((await alice.send(alice.request('MESSAGE', gruu ?? ''))).status).toBe(200);
      await one.next('MESSAGE');
    }
    expect(two.received).toEqual([]);
    const temporary = one.tempGruu ?? '';
    expect((await one.register((request) => request.set('Expires', '0'))).all('contact')).toHaveLength(1);
    expect((await alice.send(alice.request('MESSAGE', one.pubGruu ?? `sip:bob@lab.test;gr=${one.instanceId}`))).status).toBe(480);
    expect((await alice.send(alice.request('MESSAGE', temporary))).status).toBe(404);
    expect((await alice.send(alice.request('MESSAGE', two.tempGruu ?? ''))).status).toBe(200);
  });

  it('R8: without GRUUs a dialog still reaches the one device, by its Contact', async () => {
    const lab = await core({ gruu: false });
    const alice = await registered(lab, 'alice');
    await registered(lab, 'bob');
    const bob = await registered(lab, 'bob');
    expect(bob.pubGruu).toBeNull();
    const target = acceptContact({ icsis: [ICSI.session], instanceId: bob.instanceId });
    const { invite, response } = await answered(alice, 'sip:bob@lab.test', [['Accept-Contact', target]]);
    expect(response.status).toBe(200);
    const dialog = Dialog.ofSent(alice.server, invite, response, () => addressTarget(lab.uri));
    expect((await dialog?.bye().final)?.status).toBe(200);
    await bob.next('BYE');
  });
});

describe('who may send, and as whom', () => {
  it('R36: a request over a connection without a sign-in is challenged with 407 and accepted with credentials', async () => {
    const lab = await core();
    const bob = await registered(lab, 'bob');
    const alice = await device(lab, 'alice');
    const challenged = await alice.send(alice.request('MESSAGE', 'sip:bob@lab.test'));
    expect(challenged.status).toBe(407);
    expect((await alice.send(alice.authorised(alice.request('MESSAGE', 'sip:bob@lab.test'), challenged))).status).toBe(200);
    const message = await bob.next('MESSAGE');
    expect(message.has('proxy-authorization')).toBe(false);
    expect(message.get('p-asserted-identity')).toBe('<sip:alice@lab.test>');
  });

  it('an identity that is not the sender is refused with 403', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    const asBob = alice.request('MESSAGE', 'sip:carol@lab.test').set('From', '<sip:bob@lab.test>;tag=1');
    expect((await alice.send(asBob)).status).toBe(403);
    const preferred = alice.request('MESSAGE', 'sip:carol@lab.test', [['P-Preferred-Identity', '<sip:bob@lab.test>']]);
    expect((await alice.send(preferred)).status).toBe(403);
    const contact = alice.request('INVITE', 'sip:carol@lab.test').set('Contact', `<${bob.pubGruu}>`);
    expect((await alice.send(contact)).status).toBe(403);
  });

  it('asserts the identity with the display name, removes an assertion by the client, and turns P-Preferred-Service', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    const message = alice.request('MESSAGE', 'sip:bob@lab.test', [
      ['P-Preferred-Identity', '"Alice A." <tel:+15550100>'],
      ['P-Asserted-Identity', '<sip:carol@lab.test>'],
      ['P-Preferred-Service', ICSI.msg],
    ]);
    expect((await alice.send(message)).status).toBe(200);
    const seen = await bob.next('MESSAGE');
    expect(seen.all('p-asserted-identity')).toEqual(['"Alice A." <tel:+15550100>']);
    expect(seen.all('p-asserted-service')).toEqual([ICSI.msg]);
    expect(seen.has('p-preferred-identity') || seen.has('p-preferred-service')).toBe(false);
  });

  it('R71 R1: an instance URN does not route, nor does mailto:; unknown people, unknown GRUUs, absent people and foreign domains each have their answer', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const status = async (uri: string) => (await alice.send(alice.request('MESSAGE', uri))).status;
    expect(await status(alice.instanceId)).toBe(416);
    expect((await alice.send(alice.request('INVITE', alice.instanceId, cpm))).status).toBe(416);
    expect(await status('mailto:bob@lab.test')).toBe(416);
    expect(await status('sip:nobody@lab.test')).toBe(404);
    expect(await status('sip:bob@lab.test')).toBe(480);
    expect(await status('sip:bob@lab.test;gr=urn:uuid:00000000-0000-4000-8000-000000000000')).toBe(404);
    expect(await status('tel:+19999')).toBe(404);
    expect(await status('sip:bob@elsewhere.test')).toBe(403);
  });
});

describe('service routing', () => {
  it('R41 R47: every request visits the PF of both sides, whatever service it names; the devices see no Route of it', async () => {
    const lab = await core();
    const pf = await participating(lab);
    const alice = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    const both = ['<sip:alice@lab.test>;sescase=orig;regstate=reg', '<sip:bob@lab.test>;sescase=term;regstate=reg'];
    const mmtel = [['Accept-Contact', '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"']] as const;
    for (const [method, headers] of [
      ['MESSAGE', mmtel],
      ['MESSAGE', []],
      ['OPTIONS', []],
      ['INVITE', cpm],
    ] as const) {
      expect((await alice.send(alice.request(method, 'sip:bob@lab.test', headers))).status).toBe(200);
      expect(pf.seen.splice(0).map((request) => request.get('p-served-user'))).toEqual(both);
    }
    const invite = await bob.next('INVITE');
    expect(invite.has('route') || invite.has('p-served-user')).toBe(false);
    expect(invite.all('record-route').filter((route) => route.startsWith(`<${pf.uri}`))).toHaveLength(2);
  });

  it('an answer from a device never says that it is a focus', async () => {
    const lab = await core();
    const alice = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    bob.answer = (transaction) => transaction.reply(200, { headers: [['Contact', `${bob.contact};IsFocus;x=";isfocus"`]] });
    const response = await alice.send(alice.request('INVITE', 'sip:bob@lab.test', cpm));
    expect(response.get('contact')).toBe(`${bob.contact};x=";isfocus"`);
  });

  it('a BYE of the callee passes the PF too, and a stranger on another connection cannot use the dialog', async () => {
    const lab = await core();
    const pf = await participating(lab);
    const alice = await registered(lab, 'alice');
    const bob = await registered(lab, 'bob');
    let dialog: Dialog | null = null;
    bob.answer = (transaction) => {
      dialog = Dialog.ofReceived(bob.server, transaction, bob.contact, () => addressTarget(lab.uri));
      transaction.respond(dialog.response(transaction, 200));
    };
    const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm);
    await alice.send(invite);
    const stranger = await device(lab, 'carol');
    const forged = stranger
      .request('BYE', alice.pubGruu ?? '')
      .set('To', '<sip:alice@lab.test>;tag=guess')
      .set('Call-ID', invite.callId);
    expect((await stranger.send(forged.insert('Route', `<${lab.uri};lr;d=000000000000000000000000>`))).status).toBe(407);
    // A registered person is a stranger to this dialog as well, even with its Route, Call-ID and tags.
    const mallory = await registered(lab, 'carol');
    const target = dialog as Dialog | null;
    const seen = await bob.next('INVITE');
    for (const route of [[], seen.all('record-route'), [`<${lab.uri};lr>`]]) {
      const bye = mallory
        .request('BYE', alice.pubGruu ?? '')
        .remove('from')
        .remove('to')
        .set('Call-ID', invite.callId);
      bye.append('From', `<sip:bob@lab.test>;tag=${target?.localTag}`).append('To', `<sip:alice@lab.test>;tag=${invite.fromTag}`);
      for (const value of route) bye.append('Route', value);
      expect((await mallory.send(bye)).status).toBe(481);
    }
    expect(alice.received).toEqual([]);
    const before = pf.seen.length;
    expect((await (dialog as Dialog | null)?.bye('SIP;cause=200;text="Call completed"').final)?.status).toBe(200);
    expect((await alice.next('BYE')).get('reason')).toContain('Call completed');
    expect(pf.seen.slice(before).map((request) => request.method)).toEqual(['BYE', 'BYE']);
  });

  it('who calls with Call-ID and tag of another person’s dialog cannot speak in it', async () => {
    const lab = await core();
    const [alice, bob] = [await registered(lab, 'alice'), await registered(lab, 'bob')];
    const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm);
    const answer = await alice.send(invite);
    const mallory = await registered(lab, 'carol');
    const copy = mallory.request('INVITE', 'sip:bob@lab.test', cpm).set('Call-ID', invite.callId);
    copy.set('From', `<sip:carol@lab.test>;tag=${invite.fromTag}`);
    const copied = await mallory.send(copy);
    expect(copied.status).toBe(200);
    const bye = (from: SipDevice, route: string[]) => {
      const request = from
        .request('BYE', bob.pubGruu ?? '')
        .set('Call-ID', invite.callId)
        .set('To', answer.get('to') ?? '');
      request.set('From', `<${from.options.aor}>;tag=${invite.fromTag}`).set('CSeq', '2 BYE');
      for (const value of route.reverse()) request.append('Route', value);
      return request;
    };
    expect((await mallory.send(bye(mallory, copied.all('record-route')))).status).toBe(481);
    bob.received.splice(0);
    expect((await alice.send(bye(alice, answer.all('record-route')))).status).toBe(200);
    expect((await bob.next('BYE')).has('p-asserted-identity')).toBe(false);
  });

  it('without GRUUs a Contact is its owner’s: one who registers the same gets nothing of the dialog', async () => {
    const lab = await core({ gruu: false });
    const [alice, bob] = [await registered(lab, 'alice'), await registered(lab, 'bob')];
    const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm);
    const answer = await alice.send(invite);
    const mallory = await device(lab, 'carol');
    const thief = (request: SipRequest) => request.set('Contact', `<${bob.contactUri}>;+sip.instance="<${mallory.instanceId}>"`);
    expect((await mallory.register(thief)).status).toBe(200);
    const bye = alice
      .request('BYE', bob.contactUri)
      .set('Call-ID', invite.callId)
      .set('To', answer.get('to') ?? '');
    bye.set('From', invite.get('from') ?? '').set('CSeq', '2 BYE');
    for (const value of answer.all('record-route').reverse()) bye.append('Route', value);
    expect((await alice.send(bye)).status).toBe(200);
    expect((await bob.next('BYE')).callId).toBe(invite.callId);
    expect(mallory.received).toEqual([]);
  });

  it('two who have learned Call-ID and tags of a dialog, and call one another with them, reach none of its parties', async () => {
    const others = ['mallory', 'nancy'].map((name) => ({ name, password: 'secret' }));
    const lab = await core({ users: [...users, ...others] });
    const [alice, bob] = [await registered(lab, 'alice'), await registered(lab, 'bob')];
    const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm);
    const answer = await alice.send(invite);
    const [mallory, nancy] = [await registered(lab, 'mallory'), await registered(lab, 'nancy')];
    nancy.answer = (transaction) => {
      const response = responseTo(transaction.request, 200, { toTag: answer.toTag ?? '' });
      for (const [name, value] of nancy.answerHeaders(transaction)) response.append(name, value);
      transaction.respond(response);
    };
    const stolen = mallory.request('INVITE', 'sip:nancy@lab.test', cpm).set('Call-ID', invite.callId);
    stolen.set('From', `<sip:mallory@lab.test>;tag=${invite.fromTag}`);
    const theirs = await mallory.send(stolen);
    expect([theirs.status, theirs.toTag]).toEqual([200, answer.toTag]);
    const heardByNancy = await nancy.next('INVITE');
    for (const [listener, heard] of [
      [alice, []],
      [bob, ['INVITE']],
    ] as const)
      expect(listener.received.map(({ method }) => method)).toEqual(heard);
    const speak = async (from: SipDevice, method: string, uri: string, isCaller: boolean) => {
      const [one, other] = [invite.get('from') ?? '', answer.get('to') ?? ''];
      const request = from.request(method, uri).set('Call-ID', invite.callId).set('CSeq', `7 ${method}`);
      request.set('From', isCaller ? one : other).set('To', isCaller ? other : one);
      const routes = isCaller ? theirs.all('record-route').reverse() : heardByNancy.all('record-route');
      for (const value of routes) request.append('Route', value);
      return (await from.send(request)).status;
    };
    for (const uri of [bob.pubGruu ?? '', bob.tempGruu ?? '', bob.contactUri, 'sip:bob@lab.test'])
      for (const method of ['BYE', 'INVITE', 'INFO'])
        expect([uri, await speak(mallory, method, uri, true)]).toEqual([uri, expect.toSatisfy(isRefusal)]);
    for (const uri of [alice.pubGruu ?? '', 'sip:alice@lab.test'])
      expect([uri, await speak(nancy, 'BYE', uri, false)]).toEqual([uri, expect.toSatisfy(isRefusal)]);
    expect([alice.received, bob.received.map(({ method }) => method)]).toEqual([[], ['INVITE']]);
    // Their own dialog is theirs.
    expect(await speak(mallory, 'BYE', nancy.pubGruu ?? '', true)).toBe(200);
  });

  it('the core connects to no address that a caller names, in Route, Request-URI or Contact', async () => {
    const lab = await core();
    const [alice, bob] = [await registered(lab, 'alice'), await registered(lab, 'bob')];
    const trap = createServer(() => knocks.push('knock'));
    const knocks: string[] = [];
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise<void>((resolve) => trap.close(() => resolve())) });
    const there = `sip:127.0.0.1:${(trap.address() as AddressInfo).port};transport=tcp`;
    const invite = alice.request('INVITE', 'sip:bob@lab.test', cpm).set('Contact', `<${there}>`);
    const answer = await alice.send(invite);
    const own = answer.all('record-route').reverse();
    const inDialog = (uri: string, routes: string[], number: number) => {
      const request = alice
        .request('BYE', uri)
        .set('Call-ID', invite.callId)
        .set('To', answer.get('to') ?? '');
      request.set('From', invite.get('from') ?? '').set('CSeq', `${number} BYE`);
      for (const value of routes) request.append('Route', value);
      return request;
    };
    expect((await alice.send(inDialog(there, own, 2))).status).toBe(404);
    expect((await alice.send(inDialog(bob.pubGruu ?? '', [...own, `<${there};lr>`], 3))).status).toBe(404);
    expect((await alice.send(alice.request('MESSAGE', there))).status).toBe(403);
    expect(knocks).toEqual([]);
  });

  it('requests to the factory and to the focus host reach the Controlling Function; what it sends over its own listener is trusted', async () => {
    const lab = await core();
    const bob = await registered(lab, 'bob');
    const alice = await registered(lab, 'alice');
    const cf = new SipServer();
    await cf.listen({ host: '127.0.0.1', port: 0 });
    open.push(cf);
    const seen: SipRequest[] = [];
    cf.onRequest = (transaction) => {
      seen.push(transaction.request);
      transaction.reply(200, { headers: [['Contact', '<sip:grp-1@cf.lab.test>;isfocus']] });
    };
    lab.addService({ user: 'conference-factory', host: DOMAIN, target: cf.uri });
    lab.addService({ host: 'cf.lab.test', target: cf.uri });
    for (const uri of ['sip:conference-factory@lab.test', 'sip:grp-1@cf.lab.test'])
      expect((await alice.send(alice.request('INVITE', uri, cpm))).status).toBe(200);
    expect(seen.map((request) => request.uri)).toEqual(['sip:conference-factory@lab.test', 'sip:grp-1@cf.lab.test']);
    expect(seen[0]?.get('p-asserted-identity')).toBe('<sip:alice@lab.test>');

    const invite = alice
      .request('INVITE', bob.pubGruu ?? '', cpm)
      .set('From', '<sip:grp-1@cf.lab.test>;tag=9')
      .set('Contact', '<sip:grp-1@cf.lab.test>;isfocus');
    invite.append('P-Asserted-Identity', '<sip:grp-1@cf.lab.test>').append('Route', `<${lab.serviceUri};lr>`);
    expect((await cf.request(invite, hop(invite) ?? { host: '127.0.0.1', port: 0 }).final).status).toBe(200);
    expect((await bob.next('INVITE')).get('p-asserted-identity')).toBe('<sip:grp-1@cf.lab.test>');
  });
});
