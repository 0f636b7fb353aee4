import { Grammar } from 'sip.js/lib/grammar/grammar.js';
import { describe, expect, it } from 'vitest';
import { Normalizer } from '../../../../main/sip/stack/normalize';
import { MAX_KEPT_INPUT, MAX_KEPT_RESULTS, plainGrammar } from '../../../../main/sip/stack/plain-grammar';
import { Framer } from '../../../../main/sip/wire/framer';
import { parseWireMessage } from '../../../../main/sip/wire/wire-message';
import { seededRandom } from '../../../support/doubles/seeded-random';
import { tortureMessages } from '../../../support/rfc4475/messages';

const original = (input: string, rule: string): unknown => Grammar.parse(input, rule);
const random = seededRandom(20261201);

const hex = (digits: number) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
const uuid = () => [8, 4, 4, 4, 12].map(hex).join('-');
const word = (letters: string) =>
  Array.from({ length: 1 + Math.floor(random() * 20) }, () => letters[Math.floor(random() * letters.length)]).join('');
const tokenLetters = "abcXYZ019.!%*_+`'~-";
const callIdLetters = 'abcXYZ019._+~-';

const normalizer = (host: string) =>
  new Normalizer({ host, instanceId: `urn:uuid:${uuid()}`, isTarget: () => true, isOwnCall: () => false, contact: () => '<sip:a@b>' });

/** One character more, less, or another. */
function mutated(input: string): string {
  const at = Math.floor(random() * (input.length + 1));
  const added = ' \t;:@<>"=.,0aG%é\u0000'[Math.floor(random() * 17)] ?? '';
  const kept = input.slice(at + (random() < 0.7 ? 1 : 0));
  return input.slice(0, at) + (random() < 0.3 ? '' : added) + kept;
}

/** What sip.js is shown of a message, as its parser takes it apart. */
function shown(bytes: Uint8Array): [string, string][] {
  return new Framer().push(bytes).flatMap((frame) => {
    const parts: [string, string][] = [];
    const message = frame.kind === 'message' ? parseWireMessage(frame.bytes, frame.bodyAt) : null;
    if (!message?.ok) return [];
    const inward = normalizer(`${uuid()}.invalid`).inward(message.value);
    if (inward.kind !== 'deliver') return [];
    const [start = '', ...lines] = inward.text.slice(0, inward.text.indexOf('\r\n\r\n')).split('\r\n');
    parts.push([start, 'Request_Response']);
    for (const line of lines) {
      const name = line.slice(0, line.indexOf(':')).toLowerCase();
      const rule = rules[name];
      // Of several Via lines sip.js parses the first.
      if (rule === 'Via' && parts.some(([, known]) => known === rule)) continue;
      if (rule !== undefined) parts.push([line.slice(name.length + 1).trim(), rule]);
    }
    return parts;
  });
}

const rules: Record<string, string> = {
  ...{ via: 'Via', from: 'From', to: 'To', contact: 'Contact', 'record-route': 'Record_Route', 'call-id': 'Call_ID', cseq: 'CSeq' },
  ...{ 'content-length': 'Content_Length', 'content-type': 'Content_Type', 'content-disposition': 'Content_Disposition' },
  ...{ event: 'Event', 'subscription-state': 'Subscription_State' },
  ...{ 'www-authenticate': 'WWW_Authenticate', 'proxy-authenticate': 'Proxy_Authenticate' },
};

const head = (start: string, method: string, more: string[] = []) =>
  [
    start,
    `Via: SIP/2.0/TCP core.test:5060;branch=z9hG4bK${hex(12)}`,
    ...(start.startsWith('SIP/') ? [] : ['Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKnext;rport=7']),
    `From: "Böb" <sip:bob@lab.test;x=y>;tag=${word(tokenLetters)}`,
    `To: <tel:+4930123456>;tag=${word(tokenLetters)}`,
    `Call-ID: ${word(callIdLetters)}@${word(callIdLetters)}`,
    `CSeq: ${Math.floor(random() * 2 ** 31)} ${method}`,
    ...more,
    'Content-Length: 0\r\n\r\n',
  ].join('\r\n');

function corpus(): [string, string][] {
  const texts = [
    head('MESSAGE sip:alice@lab.test SIP/2.0', 'MESSAGE'),
    head('INVITE sips:alice@lab.test SIP/2.0', 'INVITE', ['Contact: "B" <sip:b@h;gr=1>;+x="y"', 'Record-Route: <sip:a;lr>, <sip:b;lr>']),
    head('NOTIFY sip:alice@lab.test SIP/2.0', 'NOTIFY', ['Event: reg;id=1', 'Subscription-State: active;expires=60', 'm: <sip:n@h>']),
    head('BYE sip:alice@lab.test SIP/2.0', 'BYE').replace(/Call-ID: .*/, 'Call-ID: odd"(){}@a@b'),
    head('SIP/2.0 200 Very well', 'REGISTER', ['Contact: <sip:a@h>;expires=9', 'Expires: 60']),
    head('SIP/2.0 401 No', 'REGISTER', [
      'WWW-Authenticate: Digest realm="x", nonce="y", stale=TRUE',
      'Proxy-Authenticate: Digest realm="x"',
    ]),
    head('SIP/2.0 183 Soon', 'INVITE', ['Contact: sip:bare@h', 'Record-Route: <sip:a>']),
  ].map((text) => new TextEncoder().encode(text));
  return [...texts, ...tortureMessages.values()].flatMap(shown);
}

describe('the grammar of the plain form', () => {
  it('reads every rule of it without sip.js’ own parser', () => {
    const asked: string[] = [];
    const parse = plainGrammar((input, rule) => {
      asked.push(rule);
      return original(input, rule);
    });
    const parts = corpus();
    for (const [input, rule] of parts) parse(input, rule);
    const few = ['Content_Disposition', 'Event', 'Subscription_State', 'WWW_Authenticate', 'Proxy_Authenticate'];
    expect(asked.filter((rule) => !few.includes(rule))).toEqual([]);
    expect(new Set(parts.map(([, rule]) => rule)).size).toBeGreaterThanOrEqual(12);
  });

  it('gives what sip.js gives, for every header of the corpus, again and again', () => {
    const parse = plainGrammar(original);
    for (const [input, rule] of corpus()) {
      const expected = original(input, rule);
      expect(parse(input, rule), `${rule}: ${input}`).toStrictEqual(expected);
      expect(parse(input, rule), `${rule}, again: ${input}`).toStrictEqual(expected);
    }
  });

  it('gives what sip.js gives for headers that were damaged, and for any under the rule of another', () => {
    const parse = plainGrammar(original);
    const parts = corpus();
    const names = [...new Set(parts.map(([, rule]) => rule)), 'Name_Addr_Header', 'SIP_URI', 'nonsense', 'toString'];
    for (const [input, rule] of parts) {
      for (let round = 0; round < 6; round += 1) {
        const damaged = mutated(input);
        expect(parse(damaged, rule), `${rule}: ${JSON.stringify(damaged)}`).toStrictEqual(original(damaged, rule));
      }
      const other = names[Math.floor(random() * names.length)] ?? '';
      expect(parse(input, other), `${other}: ${input}`).toStrictEqual(original(input, other));
    }
  });

  it.each([
    ['Via', 'SIP/2.0/TCP a.invalid;branch=z9hG4bK1;w=0g'],
    ['Via', 'SIP/2.0/TCP -a.invalid;branch=z9hG4bK1'],
    ['Via', 'SIP/2.0/TCP a-.invalid;branch=z9hG4bK1'],
    ['From', '<sip:6d65@1.2.invalid>;tag=1'],
    ['From', '<sip:6d65@a.invalid;lr>;tag=1'],
    ['To', '<sip:6d65@a.invalid>;tag='],
    ['Contact', '<sip:6d65@a.invalid>;tag=1'],
    ['Contact', '*'],
    ['Record_Route', '<sip:6d65@a.invalid>'],
    ['Call_ID', 'a@b@c'],
    ['CSeq', '4294967296 MESSAGE'],
    ['CSeq', '1  MESSAGE'],
    ['CSeq', '1 INVITED'],
    ['Request_Response', 'INVITED sip:6d65@a.invalid SIP/2.0'],
    ['Content_Length', '007'],
    ['Request_Response', 'MESSAGE sip:6d65@a.invalid SIP/2.0 '],
    ['Request_Response', 'SIP/2.0 099 -'],
    ['Request_Response', 'SIP/2.0 700 -'],
    ['Content_Disposition', 'session;handling=optional'],
  ])('%s: %s', (rule, input) => {
    expect(plainGrammar(original)(input, rule)).toStrictEqual(original(input, rule));
  });

  it('gives a result of its own each time: sip.js changes what it has parsed', () => {
    const parse = plainGrammar(original);
    for (const [input, rule] of corpus()) {
      const [one, other] = [parse(input, rule), parse(input, rule)];
      if (typeof one === 'object' && one !== null) expect(one).not.toBe(other);
    }
  });

  it('keeps a bounded number of results, and none of a long input', () => {
    let asked = 0;
    const parse = plainGrammar((input) => {
      asked += 1;
      return { event: input };
    });
    for (let index = 0; index <= MAX_KEPT_RESULTS; index += 1) parse(`event${index}`, 'Event');
    parse('event0', 'Event');
    expect(asked).toBe(MAX_KEPT_RESULTS + 2);
    parse(`event${MAX_KEPT_RESULTS}`, 'Event');
    expect(asked).toBe(MAX_KEPT_RESULTS + 2);
    const long = 'e'.repeat(MAX_KEPT_INPUT + 1);
    parse(long, 'Event');
    parse(long, 'Event');
    expect(asked).toBe(MAX_KEPT_RESULTS + 4);
  });
});
