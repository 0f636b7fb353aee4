import { describe, expect, it } from 'vitest';
import { Authenticator, digestHash, MAX_NONCES, NONCE_LIFETIME_MS } from '../../../../network/core/authenticator';
import { MAX_CONTACT_CHARACTERS, MAX_EXPIRES_SECONDS } from '../../../../network/core/contact';
import { Directory } from '../../../../network/core/directory';
import { GruuMint, grOfInstance, gruuOf, nameBasedUuid } from '../../../../network/core/gruu';
import {
  type BindingChange,
  MAX_BINDINGS,
  MAX_CONTACTS_PER_REGISTER,
  MAX_KNOWN_INSTANCES,
  Registrar,
  type RegistrarOptions,
} from '../../../../network/core/registrar';
import { newRequest } from '../../../../network/sip/dialog';
import { paramOf, uriOf } from '../../../../network/sip/header-value';
import type { SipRequest, SipResponse } from '../../../../network/sip/message';
import { type Flow, SipServer } from '../../../../network/sip/sip-server';
import { answerChallenge, chooseChallenge, parseChallenge } from '../../../../protocol/digest';
import { ICSI, icsiParam } from '../../../../protocol/feature-tags';
import { connectServers, VirtualClock } from '../../../support/doubles/network-doubles';

const LAPTOP = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const TABLET = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';
const IMEI = 'urn:gsma:imei:90420156-025763-0';
const FEATURES = `;${icsiParam([ICSI.session, ICSI.msg])};description="<Alice; laptop>";+g.gsma.rcs.cpm.pager-large`;

function flow(): Flow {
  return connectServers(new SipServer(), new SipServer()).atA;
}

interface Ask {
  aor?: string;
  from?: string;
  contacts?: string[];
  callId?: string;
  cseq?: number;
  expires?: string;
  headers?: [string, string][];
  over?: Flow;
}

function registrar(options: Partial<RegistrarOptions> = {}) {
  const clock = new VirtualClock();
  const directory = new Directory('lab.test', [
    { name: 'alice', password: 'secret', identities: ['tel:+15550100'] },
    { name: 'bob', password: 'secret' },
  ]);
  const changes: BindingChange[] = [];
  const subject = new Registrar({
    directory,
    clock,
    serviceRoute: () => '<sip:orig@core;lr>',
    onChange: (change) => changes.push(change),
    ...options,
  });
  const alice = directory.findByUserName('alice');
  if (alice === null) throw new Error('no alice');
  let cseq = 0;
  const ask = (what: Ask = {}): SipResponse => {
    cseq += 1;
    const aor = what.aor ?? '<sip:alice@lab.test>';
    const request = newRequest('REGISTER', 'sip:lab.test', {
      from: what.from ?? aor,
      to: aor,
      callId: what.callId ?? 'call-1',
      sequence: what.cseq ?? cseq,
    });
    request.append('Via', 'SIP/2.0/TCP 10.0.0.11;branch=z9hG4bK1');
    for (const contact of what.contacts ?? []) request.append('Contact', contact);
    if (what.expires !== undefined) request.append('Expires', what.expires);
    for (const [name, value] of what.headers ?? [['Supported', 'path, gruu, outbound']]) request.append(name, value);
    return subject.register(request, alice, what.over ?? home);
  };
  const home = flow();
  return { clock, directory, subject, alice, ask, changes, home, bindings: () => subject.bindings(alice) };
}

const contact = (instance: string | null, host = '10.0.0.11', params = '') =>
  `<sip:alice@${host}:5071;transport=tcp>${instance === null ? '' : `;+sip.instance="<${instance}>"`}${params}`;
const param = (response: SipResponse, index: number, name: string) => paramOf(response.all('contact')[index] ?? '', name);

describe('bindings', () => {
  it('R29: one address is bound to several instances, each with its data as written', () => {
    const lab = registrar();
    expect(lab.ask({ contacts: [`"Alice laptop" ${contact(LAPTOP, '10.0.0.11', FEATURES)}`] }).status).toBe(200);
    const response = lab.ask({ contacts: [`"Alice \\"tab\\"" ${contact(TABLET, '10.0.0.12', ';q=0.5')}`], callId: 'call-2' });
    expect(lab.bindings().map((binding) => [binding.instanceId, binding.displayName, binding.q])).toEqual([
      [LAPTOP, 'Alice laptop', 1],
      [TABLET, 'Alice "tab"', 0.5],
    ]);
    expect(response.all('contact')[0]?.startsWith(`"Alice laptop" ${contact(LAPTOP, '10.0.0.11', FEATURES)};expires=3600;pub-gruu=`)).toBe(
      true,
    );
    expect(response.all('contact')[1]?.startsWith(`"Alice \\"tab\\"" <sip:alice@10.0.0.12`)).toBe(true);
  });

  it('R11: the same instance under the addresses of two people makes two bindings, the same pair again makes one', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP)] });
    lab.ask({ contacts: [contact(LAPTOP, '10.0.0.99')], callId: 'call-2' });
    expect(lab.bindings().map((binding) => binding.contact)).toEqual(['sip:alice@10.0.0.99:5071;transport=tcp']);
    const bob = lab.directory.findByUserName('bob');
    if (bob === null) throw new Error('no bob');
    const request = newRequest('REGISTER', 'sip:lab.test', { from: '<sip:bob@lab.test>', to: '<sip:bob@lab.test>' }).append(
      'Contact',
      contact(LAPTOP),
    );
    expect(lab.subject.register(request, bob, flow()).status).toBe(200);
    expect([lab.bindings().length, lab.subject.bindings(bob).length]).toEqual([1, 1]);
  });

  it('are keyed by (instance, reg-id) with outbound, by instance without, by the contact URI for the rest', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP, 'a', ';reg-id=1')] });
    lab.ask({ contacts: [contact(LAPTOP, 'b', ';reg-id=2')] });
    expect(lab.bindings().map((binding) => binding.regId)).toEqual([1, 2]);
    lab.ask({ contacts: [contact(LAPTOP, 'c', ';reg-id=1')] });
    expect(lab.bindings().map((binding) => binding.contact.slice(0, 12))).toEqual(['sip:alice@c:', 'sip:alice@b:']);
    lab.ask({ contacts: [contact(LAPTOP, 'd')] });
    expect(lab.bindings()).toHaveLength(1);
    lab.ask({ contacts: ['<sip:alice@E:5071;transport=tcp;x=1>'] });
    lab.ask({ contacts: ['<sip:alice@e:5071;x=1;transport=tcp>'] });
    expect(lab.bindings()).toHaveLength(2);
  });

  it('an IMEI with another last digit is the same device', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(IMEI)] });
    lab.ask({ contacts: [contact(IMEI.replace(/0$/, '7'), '10.0.0.12')] });
    expect(lab.bindings()).toHaveLength(1);
  });

  it('R26: a refresh overwrites the capabilities, keeps id and start time, and is reported as refreshed', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP, '10.0.0.11', FEATURES)] });
    const [before] = lab.bindings();
    lab.clock.advance(10_000);
    const response = lab.ask({ contacts: [contact(LAPTOP, '10.0.0.11', ';+g.oma.sip-im')] });
    const [after] = lab.bindings();
    expect([after?.id, after?.registeredAt]).toEqual([before?.id, before?.registeredAt]);
    expect(after?.params.has('+g.3gpp.icsi-ref')).toBe(false);
    expect(response.all('contact')[0]).toContain(';+g.oma.sip-im;expires=3600');
    expect(lab.changes.map((change) => change.kind)).toEqual(['registered', 'refreshed']);
  });

  it('R32: end one by one with Contact expires=0, by their own expiry, or all together with *', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP, 'a', ';expires=100')] });
    lab.ask({ contacts: [contact(TABLET, 'b')], callId: 'call-2' });
    const left = lab.ask({ contacts: [contact(TABLET, 'b', ';expires=0')], callId: 'call-2' });
    expect(left.all('contact')).toHaveLength(1);
    expect(lab.bindings().map((binding) => binding.instanceId)).toEqual([LAPTOP]);
    lab.clock.advance(99_000);
    expect(param(lab.ask(), 0, 'expires')).toBe('1');
    lab.clock.advance(1_000);
    expect(lab.ask().all('contact')).toEqual([]);
    expect(lab.changes.map((change) => change.kind)).toEqual(['registered', 'registered', 'unregistered', 'expired']);
    lab.ask({ contacts: [contact(LAPTOP, 'a')] });
    lab.ask({ contacts: [contact(TABLET, 'b')], callId: 'call-2' });
    expect(lab.ask({ contacts: ['*'] }).status).toBe(400);
    expect(lab.ask({ contacts: ['*', contact(LAPTOP)], expires: '0' }).status).toBe(400);
    expect(lab.bindings()).toHaveLength(2);
    expect(lab.ask({ contacts: ['*'], expires: '0' }).status).toBe(200);
    expect(lab.bindings()).toEqual([]);
    expect(lab.clock.pending).toBe(0);
  });

  it('a REGISTER of the same Call-ID whose CSeq did not rise changes nothing', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP, 'a')], cseq: 5 });
    expect(lab.ask({ contacts: [contact(LAPTOP, 'b')], cseq: 5 }).status).toBe(500);
    expect(lab.ask({ contacts: [contact(LAPTOP, 'b', ';expires=0')], cseq: 4 }).status).toBe(500);
    expect(lab.ask({ contacts: ['*'], expires: '0', cseq: 4 }).status).toBe(500);
    expect(lab.bindings().map((binding) => binding.cseq)).toEqual([5]);
    expect(lab.ask({ contacts: [contact(LAPTOP, 'b')], cseq: 1, callId: 'other' }).status).toBe(200);
  });

  it('several contacts of one request are bound together or not at all', () => {
    const lab = registrar();
    expect(lab.ask({ contacts: [contact(LAPTOP), contact(TABLET, 'b', ';expires=5')] }).status).toBe(423);
    expect(lab.bindings()).toEqual([]);
    expect(lab.ask({ contacts: [contact(LAPTOP), contact(TABLET, 'b')] }).all('contact')).toHaveLength(2);
  });
});

describe('expiry', () => {
  it('423 with Min-Expires for less than the minimum; malformed counts as 3600; MAX_EXPIRES_SECONDS cuts', () => {
    const lab = registrar();
    const brief = lab.ask({ contacts: [contact(LAPTOP, 'a', ';expires=59')] });
    expect([brief.status, brief.get('min-expires')]).toEqual([423, '60']);
    expect(param(lab.ask({ contacts: [contact(LAPTOP)], expires: 'soon' }), 0, 'expires')).toBe('3600');
    expect(param(lab.ask({ contacts: [contact(LAPTOP)], expires: '4294967295' }), 0, 'expires')).toBe(String(MAX_EXPIRES_SECONDS));
    expect(param(lab.ask({ contacts: [contact(LAPTOP, 'a', ';expires=70')], expires: '900' }), 0, 'expires')).toBe('70');
    expect(registrar({ minExpiresSeconds: 1 }).ask({ contacts: [contact(LAPTOP)], expires: '2' }).status).toBe(200);
  });
});

describe('what a 200 says', () => {
  it('R33: P-Associated-URI lists every address of the implicit set, the default one first', () => {
    const lab = registrar();
    expect(lab.ask({ contacts: [contact(LAPTOP)] }).all('p-associated-uri')).toEqual(['<sip:alice@lab.test>', '<tel:+15550100>']);
    expect(lab.ask({ aor: '<tel:+15550100>' }).all('p-associated-uri')).toEqual(['<sip:alice@lab.test>', '<tel:+15550100>']);
    expect(lab.ask({ aor: '<tel:+15550100>' }).all('contact')).toHaveLength(1);
  });

  it('Service-Route, Path, Supported; Require: outbound and Flow-Timer when a reg-id was taken', () => {
    const lab = registrar();
    const headers: [string, string][] = [
      ['Supported', 'path, outbound'],
      ['Path', '<sip:edge;lr;ob>'],
    ];
    const response = lab.ask({ contacts: [contact(LAPTOP, 'a', ';reg-id=1')], headers });
    expect([response.get('service-route'), response.get('path'), response.get('require'), response.get('flow-timer')]).toEqual([
      '<sip:orig@core;lr>',
      '<sip:edge;lr;ob>',
      'outbound',
      '120',
    ]);
    expect(response.all('supported')).toEqual(['path', 'gruu', 'outbound']);
    expect(lab.bindings()[0]?.path).toEqual(['<sip:edge;lr;ob>']);
    const plain = lab.ask({ contacts: [contact(TABLET, 'b')], callId: 'call-2' });
    expect(plain.has('require') || plain.has('flow-timer')).toBe(false);
  });

  it('439 when the first hop is a proxy that does not support outbound', () => {
    const lab = registrar();
    const headers: [string, string][] = [
      ['Supported', 'outbound'],
      ['Via', 'SIP/2.0/TCP edge'],
      ['Path', '<sip:edge;lr>'],
    ];
    expect(lab.ask({ contacts: [contact(LAPTOP, 'a', ';reg-id=1')], headers }).status).toBe(439);
  });
});

describe('what is refused', () => {
  it('an address of somebody else with 403, of nobody with 404, an unknown Require with 420', () => {
    const lab = registrar();
    expect(lab.ask({ aor: '<sip:bob@lab.test>', contacts: [contact(LAPTOP)] }).status).toBe(403);
    expect(lab.ask({ from: '<sip:bob@lab.test>', contacts: [contact(LAPTOP)] }).status).toBe(403);
    expect(lab.ask({ aor: '<sip:alice@other.test>', contacts: [contact(LAPTOP)] }).status).toBe(404);
    const demanding = lab.ask({ contacts: [contact(LAPTOP)], headers: [['Require', 'gruu, teleport']] });
    expect([demanding.status, demanding.get('unsupported')]).toEqual([420, 'teleport']);
    expect(lab.bindings()).toEqual([]);
  });

  it('a GRUU as contact with 403, what is no SIP URI, no URN or no reg-id with 400', () => {
    const lab = registrar();
    expect(lab.ask({ contacts: [`<sip:alice@lab.test;gr=${LAPTOP}>`] }).status).toBe(403);
    expect(lab.ask({ contacts: ['<sip:tgruu.x@lab.test;gr>'] }).status).toBe(403);
    expect(lab.ask({ contacts: ['<mailto:alice@lab.test>'] }).status).toBe(400);
    expect(lab.ask({ contacts: ['<sip:alice@a>;+sip.instance="<not a urn>"'] }).status).toBe(400);
    expect(lab.ask({ contacts: [contact(LAPTOP, 'a', ';reg-id=0')] }).status).toBe(400);
    expect(lab.bindings()).toEqual([]);
  });

  it('MAX_CONTACT_CHARACTERS, MAX_CONTACTS_PER_REGISTER and MAX_BINDINGS hold', () => {
    const lab = registrar();
    expect(lab.ask({ contacts: [contact(LAPTOP, 'a', `;x="${'y'.repeat(MAX_CONTACT_CHARACTERS)}"`)] }).status).toBe(413);
    expect(
      lab.ask({ contacts: Array.from({ length: MAX_CONTACTS_PER_REGISTER + 1 }, (_, index) => contact(null, `h${index}`)) }).status,
    ).toBe(413);
    for (let index = 0; index < MAX_BINDINGS; index += 1) expect(lab.ask({ contacts: [contact(null, `h${index}`)] }).status).toBe(200);
    expect(lab.ask({ contacts: [contact(null, 'one-more')] }).status).toBe(403);
    expect(lab.ask({ contacts: [contact(null, 'h0')] }).status).toBe(200);
    expect(lab.bindings()).toHaveLength(MAX_BINDINGS);
  });
});

describe('GRUUs', () => {
  const gruus = (response: SipResponse, index = 0) =>
    [param(response, index, 'pub-gruu') ?? '', param(response, index, 'temp-gruu') ?? ''] as const;

  it('R31: the public one never changes, every refresh adds a temporary one, and all of them reach the device', () => {
    const lab = registrar();
    const [first, again] = [gruus(lab.ask({ contacts: [contact(LAPTOP)] })), gruus(lab.ask({ contacts: [contact(LAPTOP)] }))];
    expect(first[0]).toBe(`sip:alice@lab.test;gr=${LAPTOP}`);
    expect(again[0]).toBe(first[0]);
    expect(again[1]).not.toBe(first[1]);
    for (const uri of [first[0], first[1], again[1]])
      expect(lab.subject.resolveGruu(uri)?.bindings.map((binding) => binding.instanceId)).toEqual([LAPTOP]);
    lab.clock.advance(3_600_000);
    expect(gruus(lab.ask({ contacts: [contact(LAPTOP)], callId: 'other' }))[0]).toBe(first[0]);
  });

  it('R32: temporary ones die together at de-registration, expiry and a new Call-ID; the public one then says absent, not unknown', () => {
    const lab = registrar();
    const end: (() => void)[] = [
      () => void lab.ask({ contacts: [contact(LAPTOP, 'a', ';expires=0')] }),
      () => lab.clock.advance(3_600_000),
      () => void lab.ask({ contacts: [contact(LAPTOP)], callId: 'restarted' }),
    ];
    for (const [index, finish] of end.entries()) {
      const old = [gruus(lab.ask({ contacts: [contact(LAPTOP)] }))[1], gruus(lab.ask({ contacts: [contact(LAPTOP)] }))[1]];
      finish();
      for (const uri of old) expect(lab.subject.resolveGruu(uri)).toBeNull();
      if (index < 2) expect(lab.subject.resolveGruu(`sip:alice@lab.test;gr=${LAPTOP}`)?.bindings).toEqual([]);
    }
    expect(lab.subject.resolveGruu(`sip:alice@lab.test;gr=${TABLET}`)).toBeNull();
    expect(lab.subject.resolveGruu('sip:alice@lab.test')).toBeUndefined();
  });

  it('are given to devices that support them; a temporary one only to the registering device', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP)] });
    const response = lab.ask({ contacts: [contact(TABLET, 'b')], callId: 'call-2' });
    expect(gruus(response, 0)).toEqual([`sip:alice@lab.test;gr=${LAPTOP}`, '']);
    expect(gruus(response, 1)[1]).toMatch(/^sip:tgruu\.[\w-]{48}@lab\.test;gr$/);
    expect(gruus(lab.ask({ contacts: [contact(TABLET, 'b')], callId: 'call-2', headers: [['Supported', 'path']] }), 1)).toEqual(['', '']);
    expect(gruus(lab.ask({ contacts: ['<sip:alice@c>'], callId: 'call-3' }), 2)).toEqual(['', '']);
  });

  it('a client cannot smuggle its own in', () => {
    const response = registrar().ask({
      contacts: [contact(LAPTOP, 'a', ';pub-gruu="sip:bob@lab.test;gr=x";temp-gruu="sip:tgruu.x@lab.test;gr"')],
    });
    expect(response.all('contact')[0]?.match(/pub-gruu|temp-gruu/g)).toEqual(['pub-gruu', 'temp-gruu']);
    expect(gruus(response)[0]).toContain(LAPTOP);
  });

  it('can be switched off', () => {
    const lab = registrar({ gruu: false });
    const response = lab.ask({ contacts: [contact(LAPTOP)] });
    expect(gruus(response)).toEqual(['', '']);
    expect(response.all('supported')).toEqual(['path', 'outbound']);
    expect(lab.subject.resolveGruu(`sip:alice@lab.test;gr=${LAPTOP}`)).toBeNull();
  });

  it('an IMEI is never shown: a name-based UUID stands for it', () => {
    const namespace = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';
    expect(grOfInstance(IMEI, namespace)).toBe('urn:uuid:8b4b3185-3cbc-59b3-b4ef-0ad6d3bc6402');
    expect(nameBasedUuid('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.org')).toBe('74738ff5-5367-5958-9aee-98fffdcd1876');
    const response = registrar({ gruuNamespace: namespace }).ask({ contacts: [contact(IMEI)] });
    expect(gruus(response)[0]).toBe('sip:alice@lab.test;gr=urn:uuid:8b4b3185-3cbc-59b3-b4ef-0ad6d3bc6402');
  });

  it('a temporary one that another registrar made, or that was changed, opens nothing', () => {
    const [one, other] = [new GruuMint('lab.test'), new GruuMint('lab.test')];
    const user = uriOf(one.temporaryGruu('0011223344556677')).slice(4).split('@')[0] ?? '';
    expect(one.open(user)).toBe('0011223344556677');
    expect(other.open(user)).toBeNull();
    expect(one.open(`${user.slice(0, 20)}${user[20] === 'A' ? 'B' : 'A'}${user.slice(21)}`)).toBeNull();
    expect(one.open('alice')).toBeNull();
    expect(gruuOf('sip:alice@other.test;gr=x', 'lab.test')).toBeNull();
  });

  it('MAX_KNOWN_INSTANCES: the oldest devices that went are forgotten', () => {
    const lab = registrar();
    const urn = (index: number) => `urn:uuid:${String(index).padStart(8, '0')}-7dec-41d0-a765-00a0c91e6bf6`;
    for (let index = 0; index <= MAX_KNOWN_INSTANCES; index += 1) {
      lab.ask({ contacts: [contact(urn(index))], callId: `c${index}` });
      lab.ask({ contacts: [contact(urn(index), 'a', ';expires=0')], callId: `c${index}` });
    }
    expect(lab.subject.resolveGruu(`sip:alice@lab.test;gr=${urn(0)}`)).toBeNull();
    expect(lab.subject.resolveGruu(`sip:alice@lab.test;gr=${urn(MAX_KNOWN_INSTANCES)}`)?.bindings).toEqual([]);
  });
});

describe('flows and contacts', () => {
  it('a flow belongs to the user with a binding over it, and only as long as the binding lasts', () => {
    const lab = registrar();
    const [one, two] = [flow(), flow()];
    lab.ask({ contacts: [contact(LAPTOP)], over: one });
    expect(lab.subject.ownersOf(one)).toEqual([lab.alice]);
    lab.ask({ contacts: [contact(LAPTOP)], over: two });
    expect([lab.subject.ownersOf(one), lab.subject.ownersOf(two)]).toEqual([[], [lab.alice]]);
    lab.ask({ contacts: [contact(LAPTOP, 'a', ';expires=0')], over: two });
    expect(lab.subject.ownersOf(two)).toEqual([]);
  });

  it('a device without GRUU is found by its Contact while it is bound', () => {
    const lab = registrar();
    lab.ask({ contacts: [contact(LAPTOP, 'a.invalid')] });
    expect(lab.subject.boundTo('sip:alice@A.invalid:5071;transport=tcp')[0]).toMatchObject({
      subscriber: lab.alice,
      binding: { instanceId: LAPTOP },
    });
    lab.ask({ contacts: [contact(LAPTOP, 'b.invalid')] });
    expect(lab.subject.boundTo('sip:alice@a.invalid:5071;transport=tcp')).toEqual([]);
  });
});

describe('the directory', () => {
  it('R1: finds people by SIP and TEL addresses in any spelling, and by user=phone', () => {
    const { directory, alice } = registrar();
    for (const address of [
      'sip:alice@LAB.test',
      '"A" <sip:alice@lab.test:5060;transport=tcp>;tag=1',
      `sip:alice@lab.test;gr=${LAPTOP}`,
      'tel:+1-555-0100',
      'sip:+15550100@lab.test;user=phone',
    ]) {
      expect(directory.find(address)).toBe(alice);
    }
    for (const address of ['sip:alice@other.test', 'mailto:alice@lab.test', LAPTOP, 'tel:+1']) expect(directory.find(address)).toBeNull();
    expect(directory.findByUserName('alice@lab.test')).toBe(alice);
    expect(directory.findByUserName('alice@other.test')).toBeNull();
  });
});

describe('Digest', () => {
  const clock = new VirtualClock();
  const directory = new Directory('lab.test', [{ name: 'alice', password: 'secret' }]);
  const authenticator = new Authenticator(directory, clock);
  const request = () => newRequest('REGISTER', 'sip:lab.test', { from: '<sip:alice@lab.test>', to: '<sip:alice@lab.test>' });

  function answer(header: string, change: { password?: string; nc?: number; uri?: string; username?: string } = {}): SipRequest {
    const challenge = parseChallenge(header);
    if (!challenge.ok) throw new Error(challenge.reason);
    const { password = 'secret', nc = 1, uri = 'sip:lab.test', username = 'alice' } = change;
    return request().append(
      'Authorization',
      answerChallenge(challenge.value, { username, password, method: 'REGISTER', uri, nc, cnonce: 'c0' }, digestHash),
    );
  }
  const verify = (asked: SipRequest) => authenticator.verify(asked, 'authorization');

  it('R36: offers SHA-256 before MD5 and takes both, with either spelling of the user name', () => {
    const headers = authenticator.challenges(false);
    expect(chooseChallenge(headers)?.algorithm).toBe('SHA-256');
    for (const header of headers) expect(verify(answer(header, { nc: headers.indexOf(header) + 1 })).ok).toBe(true);
    expect(verify(answer(headers[0] ?? '', { nc: 3, username: 'alice@lab.test' })).ok).toBe(true);
  });

  it('R28: a wrong password, user or digest-uri, or no credentials at all, is refused, and not as stale', () => {
    const header = authenticator.challenges(false)[0] ?? '';
    const asked = [
      request(),
      answer(header, { password: 'wrong' }),
      answer(header, { username: 'bob' }),
      answer(header, { uri: 'sip:other.test' }),
      request().append('Authorization', 'NoOneKnowsThisScheme opaque=x'),
    ];
    for (const each of asked) expect(verify(each)).toMatchObject({ ok: false, stale: false });
  });

  it('a used count, an expired and an unknown nonce are stale: asked again with a fresh one', () => {
    const header = authenticator.challenges(false)[1] ?? '';
    expect(verify(answer(header, { nc: 2 })).ok).toBe(true);
    expect(verify(answer(header, { nc: 2 }))).toMatchObject({ ok: false, stale: true });
    expect(verify(answer(header, { nc: 3 })).ok).toBe(true);
    clock.advance(NONCE_LIFETIME_MS + 1);
    expect(verify(answer(header, { nc: 4 }))).toMatchObject({ ok: false, stale: true });
    expect(verify(answer(header.replace(/nonce="[^"]*"/, 'nonce="made-up"')))).toMatchObject({ ok: false, stale: true });
    expect(authenticator.challenges(true)[0]).toContain('stale=true');
  });

  it('MAX_NONCES: the oldest nonce is forgotten', () => {
    const header = authenticator.challenges(false)[0] ?? '';
    for (let index = 0; index < MAX_NONCES; index += 1) authenticator.challenges(false);
    expect(verify(answer(header))).toMatchObject({ ok: false, stale: true });
  });
});
