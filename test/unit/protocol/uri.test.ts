import { describe, expect, it } from 'vitest';
import {
  addressKey,
  formatNameAddr,
  formatUri,
  MAX_ADDRESS_HEADER_CHARACTERS,
  MAX_ADDRESSES,
  MAX_URI_CHARACTERS,
  MAX_URI_PARAMS,
  parseNameAddr,
  parseNameAddrList,
  parseUri,
} from '../../../protocol/uri';
import { parsedValue as value } from './wire-text';

describe('parseUri and formatUri', () => {
  it.each([
    'sip:bob@lab.test',
    'sips:bob@lab.test:5061;transport=tcp',
    'sip:lab.test',
    'sip:alice@lab.test;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
    'sip:tgruu.7hs3jd7vnzga5w7fajsc7ajd6fabz0f8g5@lab.test;gr',
    'sip:bob@[2001:db8::1]:5060;lr',
    'sip:user;par=u%40example.net@example.com',
    'sip:alice:secret@lab.test',
    'sip:carol@lab.test;method=INVITE?Session-Replaces=0f9d&Accept-Contact=*%3B%2Bsip.instance%3D%22%3Curn:uuid:x%3E%22',
    'tel:+15550100',
    'tel:7042;phone-context=lab.test',
    'mailto:dave@elsewhere.test',
    'wv:dave@elsewhere.test',
    'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
  ])('keeps %s', (text) => {
    const once = formatUri(value(parseUri(text)));
    expect(formatUri(value(parseUri(once)))).toBe(once);
    expect(once.toLowerCase().replace('%2b', '+')).toBe(text.toLowerCase().replace('%2b', '+'));
  });

  it('unescapes user, params and headers', () => {
    const uri = value(parseUri('sip:j%C3%BCrgen%40x@Lab.Test:5070;Transport=tcp;x=a%3Bb?Subject=a%26b&Body='));
    expect(uri).toMatchObject({ scheme: 'sip', user: 'jürgen@x', host: 'lab.test', port: 5070 });
    if (uri.scheme !== 'sip') throw new Error('no SIP URI');
    expect([...uri.params]).toEqual([
      ['transport', 'tcp'],
      ['x', 'a;b'],
    ]);
    expect(uri.headers).toEqual([
      ['Subject', 'a&b'],
      ['Body', ''],
    ]);
  });

  it('takes SIP and TEL URIs apart and leaves others opaque', () => {
    expect(value(parseUri('tel:+1-(555)-0100'))).toMatchObject({ scheme: 'tel', number: '+15550100' });
    expect(value(parseUri('mailto:a@b'))).toEqual({ scheme: 'other', text: 'mailto:a@b' });
  });

  it.each([
    '',
    'bob',
    'sip:',
    'sip:@lab.test',
    'sip:bob@',
    'sip:bob@lab.test:99999',
    'sip:bob@lab.test:port',
    'sip:bob@evil@lab.test',
    'sip:b%Z1b@lab.test',
    'sip:b%FFb@lab.test',
    'sip:bob@lab test',
    'sip:bob@lab.test\r\nX: y',
    'sip:bob@lab.test;=x',
    'sip:bob@lab.test?=x',
    'sip:<bob@lab.test>',
    'tel:not-a-number',
    'tel:+',
    'sip:bob@[::1',
    ':bob@lab.test',
  ])('refuses %j as a value', (text) => {
    expect(parseUri(text).ok).toBe(false);
  });

  it('has limits', () => {
    expect(parseUri(`sip:${'a'.repeat(MAX_URI_CHARACTERS - 6)}@b`).ok).toBe(true);
    expect(parseUri(`sip:${'a'.repeat(MAX_URI_CHARACTERS)}@b`).ok).toBe(false);
    const params = (count: number) => Array.from({ length: count }, (_, index) => `p${index}=1`);
    expect(parseUri(`sip:b;${params(MAX_URI_PARAMS).join(';')}`).ok).toBe(true);
    expect(parseUri(`sip:b;${params(MAX_URI_PARAMS + 1).join(';')}`).ok).toBe(false);
    expect(parseUri(`sip:b?${params(MAX_URI_PARAMS + 1).join('&')}`).ok).toBe(false);
  });

  it('writes nothing that ends the URI early', () => {
    const text = formatUri({
      scheme: 'sip',
      user: 'a@b>\r\nX: y',
      host: 'lab.test>\r\n;?@',
      port: null,
      params: new Map([['p;q', 'v;lr\r\nX: y?h=1&']]),
      headers: [['Sub&ject', 'x&Route=<sip:evil>\r\n']],
    });
    expect(text).not.toMatch(/[\r\n<>\s]/);
    const again = value(parseUri(text));
    if (again.scheme !== 'sip') throw new Error('no SIP URI');
    expect(again.user).toBe('a@b>\r\nX: y');
    expect([...again.params]).toEqual([['p;q', 'v;lr\r\nX: y?h=1&']]);
    expect(again.headers).toEqual([['Sub&ject', 'x&Route=<sip:evil>\r\n']]);
    expect(formatUri({ scheme: 'other', text: 'mailto:a@b>\r\nX: y' })).toBe('mailto:a@bX:y');
    expect(() => formatUri({ scheme: 'sip', user: '\ud800', host: 'h', port: null, params: new Map(), headers: [] })).not.toThrow();
  });
});

describe('addressKey', () => {
  it.each([
    ['sip:bob@lab.test', 'sip:bob@lab.test'],
    ['sips:bob@LAB.test:5061;transport=tls', 'sip:bob@lab.test'],
    ['"Bob <x>" <sip:bob@lab.test;gr=urn:uuid:1>;tag=9', 'sip:bob@lab.test'],
    ['sip:bob@lab.test;method=INVITE?Session-Replaces=1', 'sip:bob@lab.test'],
    ['sip:%62ob@lab.test', 'sip:bob@lab.test'],
    ['tel:+1-555-0100;x=y', 'tel:+15550100'],
    // Extension, subaddress and context are part of whom a number names (RFC 3966 section 4), other parameters are not.
    ['tel:+1-555-0100;ext=1-2;x=y', 'tel:+15550100;ext=12'],
    ['tel:+1-555-0100;EXT=12', 'tel:+15550100;ext=12'],
    ['tel:+15550100;isub=7;ext=1', 'tel:+15550100;ext=1;isub=7'],
    ['tel:70-42;phone-context=+1-(555)', 'tel:7042;phone-context=+1555'],
    ['tel:7042;phone-context=Lab.TEST', 'tel:7042;phone-context=lab.test'],
    ['tel:7042;phone-context=lab.test;ext=3', 'tel:7042;ext=3;phone-context=lab.test'],
    ['tel:7A42;phone-context=lab.test', 'tel:7a42;phone-context=lab.test'],
    ['tel:+15550100;phone-context=lab.test', 'tel:+15550100'],
    ['tel:+15550100;ext=x', null],
    ['mailto:bob@lab.test', null],
    ['bob', null],
    ['<sip:bob@lab.test', null],
  ])('%s is %s', (text, key) => {
    expect(addressKey(text)).toBe(key);
  });
});

describe('name-addr', () => {
  it('reads the three forms', () => {
    expect(value(parseNameAddr('"A \\"B\\" <c>" <sip:a@b;x=y>;tag=1'))).toEqual({
      displayName: 'A "B" <c>',
      uri: 'sip:a@b;x=y',
      params: new Map([['tag', '1']]),
    });
    expect(value(parseNameAddr('caller  one<sip:a@b>;Tag=1'))).toMatchObject({
      displayName: 'caller one',
      params: new Map([['tag', '1']]),
    });
    expect(value(parseNameAddr('sip:a@b;tag=1'))).toEqual({ displayName: null, uri: 'sip:a@b', params: new Map([['tag', '1']]) });
    expect(value(parseNameAddr('*;+g.x="a,b";require'))).toEqual({
      displayName: null,
      uri: '*',
      params: new Map([
        ['+g.x', 'a,b'],
        ['require', null],
      ]),
    });
  });

  it('carries a Contact with device name, instance and features both ways', () => {
    const contact =
      '"Alice \\"lap\\" <top>" <sip:alice@127.0.0.1:5071;transport=tcp>;+sip.instance="<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>"' +
      ';expires=3600;+g.3gpp.icsi-ref="urn%3Aurn-7%3Aone";mobility="fixed";isfocus;q=0.8';
    const parsedContact = value(parseNameAddr(contact));
    expect(parsedContact.params.get('+sip.instance')).toBe('<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>');
    expect(formatNameAddr(parsedContact)).toBe(contact);
  });

  it('splits lists at commas outside quotes and brackets', () => {
    const list = value(parseNameAddrList('"A, B" <sip:a@b;x=1,2>;q="1,2" , <sip:c@d>,, sip:e@f'));
    expect(list.map((entry) => entry.uri)).toEqual(['sip:a@b;x=1,2', 'sip:c@d', 'sip:e@f']);
  });

  it.each(['', '<>', '<sip:a@b', '"a <sip:a@b>', '<sip:a@b> x', '<sip:a b@c>', '"a" b" <sip:a@b>', '<sip:a@b>;x="', 'a b', ';tag=1'])(
    'refuses %j',
    (text) => {
      expect(parseNameAddr(text).ok).toBe(false);
    },
  );

  it('has limits', () => {
    expect(parseNameAddrList(Array.from({ length: MAX_ADDRESSES }, () => 'sip:a@b').join(',')).ok).toBe(true);
    expect(parseNameAddrList(Array.from({ length: MAX_ADDRESSES + 1 }, () => 'sip:a@b').join(',')).ok).toBe(false);
    expect(parseNameAddr(`"${'x'.repeat(MAX_ADDRESS_HEADER_CHARACTERS)}" <sip:a@b>`).ok).toBe(false);
  });

  it('writes one line and one address whatever it is given', () => {
    const text = formatNameAddr({
      displayName: 'x"\r\nEvil: 1',
      uri: 'sip:a@b>;evil\r\nEvil: 2',
      params: new Map<string, string | null>([
        ['tag', '1\r\nEvil: 3'],
        ['bad name\r\n', 'x'],
      ]),
    });
    expect(text).not.toMatch(/[\r\n]/);
    const again = value(parseNameAddr(text));
    expect(again.displayName).toBe('x"Evil: 1');
    expect([...again.params.keys()]).toEqual(['tag']);
  });
});
