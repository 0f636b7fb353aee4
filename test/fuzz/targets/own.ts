/** What devices of one person send each other: the seal and what is in it. */
import { isDeepStrictEqual } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import { knownEvent, rawEvent } from '../../../main/own/events';
import { join } from '../../../main/own/joins';
import { canonical } from '../../../main/own/names';
import { readReply, readRequest } from '../../../main/own/pages';
import { Doorkeeper, NewDevice } from '../../../main/own/pairing';
import { Seal, sharedKey } from '../../../main/own/seal';
import { MAX_BODY, pack, unpack } from '../../../main/own/wire';
import { MemoryOwnStore } from '../../support/doubles/own-store';
import { hold, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';

const [PHONE, LAPTOP] = ['urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6', 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6'];
const seal = new Seal(sharedKey('ab'.repeat(32)), () => 0);
const route = { from: PHONE, to: LAPTOP };
const names = { address: 'sip:alice@lab.test', newInstance: PHONE, olderInstance: LAPTOP };

const events = [
  { e: 'msg', k: 'm1', c: 'c1', d: 'i', id: '1', f: 'sip:bob@lab.test', at: 1, po: 1, ct: 'text/plain', t: 'hello', wants: ['delivered'] },
  { e: 'st', k: 'm1', st: 'sent', ver: 1 },
  { e: 'rcpt', k: ['m1', 'm2'], a: 'sip:bob@lab.test', dev: 'x', x: 'displayed', at: 2 },
  { e: 'read', k: ['m1'] },
  { e: 'del', k: ['m2'] },
  { e: 'reg', name: 'draft|c1', val: { text: 'x' }, ver: [1, 2, 'w'] },
  { e: 'fork', w: 'w', n: 1, h: 'x' },
  { e: 'strange', more: [1, null] },
  { e: 'base' },
];
const seeds = [
  events,
  { want: { w: [1, 'h'] }, ends: { w: 1 } },
  { full: 'c', want: {} },
  { hashes: ['w'] },
  { vec: {}, rows: [['w', 1, 'h', events[0]]], more: false },
  { vec: {}, state: events, runs: [['w', 1, ['h']]], next: null },
  { vec: {}, differs: ['w'] },
  { pair: 1, commitment: 'x' },
  { pair: 2, pk: 'eA==', r: 'eA==' },
  { pair: 4, sealed: 'eA==' },
].map((value) => JSON.stringify(value));
const words = [
  '"e":"msg"',
  '"k":[',
  '"ver":',
  ',"n":',
  '"__proto__":',
  '\\u0000',
  '\\ud800',
  '1e400',
  '-0',
  '9007199254740993',
  'null',
  '[[[[',
  '{"e":"reg"',
  '"wants":',
  '"pair":3',
];

const everything = (store: MemoryOwnStore) =>
  (['msg', 'st', 'rcpt', 'read', 'del', 'reg', 'fork', 'other'] as const).map((kind) =>
    store.keys(kind, '', '', 1_000).map((key) => [key, canonical(store.element(kind, key))]),
  );

function begun(): MemoryOwnStore {
  const store = new MemoryOwnStore();
  store.transaction(() => store.setHead({ writer: 'w', vector: {}, floor: {}, forked: {}, removed: {}, filling: null, digest: '0' }));
  return store;
}

/** Whatever the order and however often, the same events give the same state. */
function joinsHold(values: readonly unknown[]): void {
  const raw = values.slice(0, 12).flatMap((value) => rawEvent(value) ?? []);
  const [one, other] = [begun(), begun()];
  one.transaction(() => raw.flatMap((event) => join(one, event)));
  other.transaction(() => raw.toReversed().flatMap((event) => join(other, event)));
  hold(isDeepStrictEqual(everything(one), everything(other)), 'another order gives another state', raw, everything(one), everything(other));
  const changes = one.transaction(() => raw.flatMap((event) => join(one, event)));
  hold(changes.length === 0, 'an event that was there changes something', raw, changes);
  for (const event of raw) {
    const known = knownEvent(event);
    hold(known === null || canonical(known) === canonical(event), 'an event is passed on as another', event, known);
  }
}

export const ownEvents: Target = {
  name: 'own-events',
  seeds,
  words,
  long: [
    { before: '[', piece: '[' },
    { before: '[', piece: '{"e":"base"},', after: '{"e":"base"}]' },
    { before: '{"hashes":[', piece: '"w",', after: '"w"]}' },
    { piece: 'A' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // A seal that opens can still hold what is no JSON.
      const sealed = seal.seal(deflateRawSync(bytes), route);
      const body = Buffer.concat([Buffer.from([PHONE.length]), Buffer.from(PHONE), sealed]).toString('base64');
      hold('refused' in unpack(seal, body, LAPTOP), 'what is no JSON was read', text);
      return;
    }
    const opened = unpack(seal, pack(seal, value, route), LAPTOP);
    hold(
      'value' in opened && opened.from === PHONE && canonical(opened.value) === canonical(value),
      'what was sealed opens as something else',
      value,
      opened,
    );
    const request = readRequest(value);
    hold(request === null || readRequest(JSON.parse(JSON.stringify(request))) !== null, 'a question cannot be asked', request);
    const reply = readReply(value);
    hold(reply === null || readReply(JSON.parse(JSON.stringify(reply))) !== null, 'an answer cannot be given', reply);
    new NewDevice(names, 0).answered(value, 0);
    new NewDevice(names, 0).given(value, 0);
    new Doorkeeper().asked(value, names, 0)?.revealed(value, 0);
    if (Array.isArray(value)) joinsHold(value);
    else if (reply !== null && 'state' in reply) joinsHold(reply.state);
  },
};

const sealed = Buffer.from(pack(new Seal(sharedKey('ab'.repeat(32)), () => 0), { tick: 1 }, route), 'base64');

export const ownSeal: Target = {
  name: 'own-seal',
  seeds: [sealed, Buffer.from([0, 1, 0, 1]), Buffer.alloc(60, 1)],
  words: ['\u0001\u0000\u0001', PHONE],
  long: [{ piece: '\u0001' }],
  take(bytes) {
    for (const body of [utf8(bytes), Buffer.from(bytes).toString('base64')]) {
      const opened = unpack(seal, body, LAPTOP);
      const isHonest = Buffer.from(body.slice(0, MAX_BODY), 'base64').equals(sealed);
      hold('refused' in opened || isHonest, 'what was changed opens', body, opened);
    }
  },
};
