import { describe, expect, it } from 'vitest';
import { chooseBindings, isCpm } from '../../../../network/core/caller-preferences';
import { assertIdentity, claimant } from '../../../../network/core/claims';
import { Directory } from '../../../../network/core/directory';
import { type Binding, Registrar } from '../../../../network/core/registrar';
import { newRequest } from '../../../../network/sip/dialog';
import { SipServer } from '../../../../network/sip/sip-server';
import { acceptContact, ICSI, icsiParam } from '../../../../protocol/feature-tags';
import { connectServers, VirtualClock } from '../../../support/doubles/network-doubles';

const LAPTOP = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const PHONE = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';

const directory = new Directory('lab.test', [
  { name: 'alice', password: 'x', identities: ['tel:+15550100', 'sip:sales@lab.test'] },
  { name: 'bob', password: 'x' },
]);
const [alice, bob] = directory.all;

function bindings(...contacts: string[]): Binding[] {
  const registrar = new Registrar({ directory, clock: new VirtualClock() });
  if (alice === undefined) throw new Error('no alice');
  for (const [index, contact] of contacts.entries()) {
    const request = newRequest('REGISTER', 'sip:lab.test', {
      from: '<sip:alice@lab.test>',
      to: '<sip:alice@lab.test>',
      callId: `c${index}`,
    });
    registrar.register(request.append('Contact', contact), alice, connectServers(new SipServer(), new SipServer()).atA);
  }
  return registrar.bindings(alice);
}

const request = (...headers: [string, string][]) => {
  const message = newRequest('MESSAGE', 'sip:alice@lab.test', { from: '"Al" <sip:alice@lab.test>', to: '<sip:bob@lab.test>' });
  for (const [name, value] of headers) message.append(name, value);
  return message;
};
const chat = `<sip:a@1>;+sip.instance="<${LAPTOP}>";${icsiParam([ICSI.session, ICSI.msg])}`;
const phone = `<sip:a@2>;+sip.instance="<${PHONE}>";${icsiParam([ICSI.msg])};q=0.5`;
const contacts = (chosen: ReturnType<typeof chooseBindings>) => chosen.map(({ binding }) => binding.contact);

describe('caller preferences (RFC 3841)', () => {
  it('none: every device, by its own q', () => {
    expect(chooseBindings(request(), bindings(chat, phone)).map(({ q }) => q)).toEqual([1, 0.5]);
  });

  it('require and explicit drop the device that does not offer the service, a plain wish only puts it behind its equals', () => {
    const strict = `${acceptContact({ icsis: [ICSI.session] })};require;explicit`;
    const both = bindings(chat, '<sip:a@3>;+sip.instance="<urn:uuid:bbbbbbbb-7dec-41d0-a765-00a0c91e6bf6>"');
    expect(contacts(chooseBindings(request(['Accept-Contact', strict]), both))).toEqual(['sip:a@1']);
    const wished = chooseBindings(request(['Accept-Contact', acceptContact({ icsis: [ICSI.session] })]), both);
    expect(contacts(wished)).toEqual(['sip:a@1', 'sip:a@3']);
    expect((wished[0]?.q ?? 0) > (wished[1]?.q ?? 0)).toBe(true);
    expect((wished[1]?.q ?? 0) > 0.999).toBe(true);
  });

  it('+sip.instance names one device, with or without require', () => {
    expect(contacts(chooseBindings(request(['Accept-Contact', `*;+sip.instance="<${PHONE}>"`]), bindings(chat, phone)))).toEqual([
      'sip:a@2',
    ]);
    expect(
      chooseBindings(
        request(['Accept-Contact', '*;+sip.instance="<urn:uuid:00000000-7dec-41d0-a765-00a0c91e6bf6>"']),
        bindings(chat, phone),
      ),
    ).toEqual([]);
  });

  it('Reject-Contact leaves the named device out', () => {
    expect(contacts(chooseBindings(request(['Reject-Contact', `*;+sip.instance="<${LAPTOP}>"`]), bindings(chat, phone)))).toEqual([
      'sip:a@2',
    ]);
  });
});

describe('which requests are CPM', () => {
  it('those with a service of the family in Accept-Contact, known or not, however it is written', () => {
    const asks = (value: string) => isCpm(request(['Accept-Contact', value]));
    for (const icsi of [ICSI.session, ICSI.group, ICSI.msg, `${ICSI.msg}.group`, `${ICSI.msg.replace('msg', 'bogus')}`])
      expect(asks(acceptContact({ icsis: [icsi] }))).toBe(true);
    const encoded = [...ICSI.msg].map((character) => `%${character.charCodeAt(0).toString(16)}`).join('');
    for (const value of [ICSI.msg.toUpperCase(), encoded, `urn:other, ${encoded}`, `\\u${ICSI.msg.slice(1)}`])
      expect(asks(`*;+G.3GPP.icsi-ref="${value}"`)).toBe(true);
    expect(asks(acceptContact({ icsis: ['urn:urn-7:3gpp-service.ims.icsi.mmtel'] }))).toBe(false);
    expect(asks(acceptContact({ icsis: ['urn:urn-7:3gpp-service.ims.icsi.oma.cpmx.msg'] }))).toBe(false);
    expect(asks('*;+g.3gpp.icsi-ref')).toBe(false);
    expect(isCpm(request(['P-Preferred-Service', ICSI.session]))).toBe(false);
  });
});

describe('identity (RFC 3325)', () => {
  const people = alice === undefined || bob === undefined ? [] : [alice, bob];

  it('is whom From and P-Preferred-Identity agree on; an anonymous sender is the only one on the connection', () => {
    const anonymous = request().set('From', '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1');
    expect(claimant(request(), directory, people)).toBe(alice);
    expect(claimant(request(['P-Preferred-Identity', '<tel:+15550100>']), directory, people)).toBe(alice);
    expect(claimant(request(['P-Preferred-Identity', '<sip:bob@lab.test>']), directory, people)).toBeNull();
    expect(claimant(request().set('From', '<sip:alice@elsewhere.test>;tag=1'), directory, people)).toBeNull();
    expect(claimant(anonymous, directory, people.slice(0, 1))).toBe(alice);
    expect(claimant(anonymous, directory, people)).toBeNull();
    expect(claimant(anonymous.append('P-Preferred-Identity', '<sip:bob@lab.test>'), directory, people)).toBe(bob);
  });

  it('asserts the address preferred with its display name, the default one for the anonymous, and nothing the client asserts', () => {
    if (alice === undefined) throw new Error('no alice');
    const asserted = (message: ReturnType<typeof request>) => {
      assertIdentity(message, alice);
      return message.all('p-asserted-identity');
    };
    expect(asserted(request())).toEqual(['"Al" <sip:alice@lab.test>']);
    expect(
      asserted(request(['P-Preferred-Identity', '"Sales \\"team\\"" <sip:sales@lab.test>'], ['P-Asserted-Identity', '<sip:bob@lab.test>'])),
    ).toEqual(['"Sales \\"team\\"" <sip:sales@lab.test>']);
    expect(asserted(request(['P-Preferred-Identity', '<tel:+1-555-0100>']))).toEqual(['"Al" <tel:+15550100>']);
    expect(asserted(request().set('From', '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'))).toEqual(['<sip:alice@lab.test>']);
  });
});
