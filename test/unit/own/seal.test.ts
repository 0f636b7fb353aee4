import { describe, expect, it } from 'vitest';
import { newAccountKey, newerKey, OLD_KEY_MS, Seal } from '../../../main/own/seal';
import { fitsInTick, MAX_BODY, MAX_TICK_BODY, pack, unpack } from '../../../main/own/wire';

const route = { from: 'urn:uuid:laptop', to: 'urn:uuid:tablet' };

function pair() {
  const key = newAccountKey('w1');
  let now = 1_000;
  const clock = () => now;
  return { one: new Seal(key, clock), two: new Seal(key, clock), pass: (ms: number) => (now += ms) };
}

describe('the seal', () => {
  it('opens for the device it is addressed to, and names the sender', () => {
    const { one, two } = pair();
    expect(unpack(two, pack(one, { hello: 'Bob' }, route), route.to)).toEqual({ from: route.from, value: { hello: 'Bob' } });
  });

  it('does not open for another device, in the name of another device, or with another key', () => {
    const { one, two } = pair();
    const body = pack(one, { hello: 'Bob' }, route);
    expect(unpack(two, body, 'urn:uuid:desktop')).toEqual({ refused: 493 });
    expect(unpack(new Seal(newAccountKey('w1'), () => 0), body, route.to)).toEqual({ refused: 493 });
    const all = Buffer.from(body, 'base64');
    const forged = Buffer.concat([Buffer.from([route.to.length]), Buffer.from(route.to), all.subarray(1 + route.from.length)]);
    expect(unpack(two, forged.toString('base64'), route.to)).toEqual({ refused: 493 });
  });

  it('does not open when any byte is another', () => {
    const { one, two } = pair();
    const body = Buffer.from(pack(one, { hello: 'Bob' }, route), 'base64');
    for (let at = 0; at < body.length; at += 1) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(unpack(two, changed.toString('base64'), route.to)).toHaveProperty('refused');
    }
  });

  it('tells another major version apart from a seal that does not open', () => {
    const { one, two } = pair();
    const body = Buffer.from(pack(one, {}, route), 'base64');
    body[1 + route.from.length] = 2;
    expect(unpack(two, body.toString('base64'), route.to)).toEqual({ refused: 415 });
  });

  it('takes nothing that is empty, too large, or inflates without end', () => {
    const { one, two } = pair();
    expect(unpack(two, '', route.to)).toEqual({ refused: 493 });
    expect(unpack(two, 'A'.repeat(MAX_BODY + 1), route.to)).toEqual({ refused: 400 });
    expect(unpack(two, pack(one, 'x'.repeat(3_000_000), route), route.to)).toEqual({ refused: 400 });
  });

  it('opens with the key before the newest one for ten minutes', () => {
    const { one, two, pass } = pair();
    const old = pack(one, 1, route);
    const key = newAccountKey('w2', one.key);
    expect(two.renew(key)).toBe(true);
    expect(two.renew(key)).toBe(false);
    expect(unpack(two, old, route.to)).toMatchObject({ value: 1 });
    pass(OLD_KEY_MS + 1);
    expect(unpack(two, old, route.to)).toEqual({ refused: 493 });
    one.renew(key);
    expect(unpack(two, pack(one, 2, route), route.to)).toMatchObject({ value: 2 });
  });

  it('lets two devices that changed the key at once agree on one', () => {
    const { one } = pair();
    const [left, right] = [newAccountKey('wa', one.key), newAccountKey('wb', one.key)];
    expect(newerKey(left, right)).toBe(right);
    expect(newerKey(right, left)).toBe(right);
  });

  it('leaves room for a text of sixty letters and its names in a tick', () => {
    const { one } = pair();
    const from = 'urn:uuid:12345678-1234-4234-8234-123456789012';
    const message = {
      e: 'msg',
      k: 'k'.repeat(20),
      c: '1|sip:alice@lab.test|sip:bob@lab.test',
      d: 'o',
      id: 'Nn7aXb0s9d8f7g6h5j4k',
      f: 'sip:alice@lab.test',
      at: 1_700_000_000_000,
      po: 1_700_000_000_123,
      ct: 'text/plain',
      t: 'Shall we meet at the station at six, or rather a bit later?',
    };
    const tick = { w: 'kJ3aXb0s9d8', p: [411, 'abcdef'], n: [412, 'ghijkl'], ev: [message] };
    expect(fitsInTick(tick, from)).toBe(true);
    expect(pack(one, tick, { from, to: from }).length).toBeLessThanOrEqual(MAX_TICK_BODY);
    const noise = Array.from({ length: 400 }, (_, at) => (at * 7_919).toString(36)).join('');
    expect(fitsInTick({ ...tick, ev: [{ ...message, t: noise }] }, from)).toBe(false);
  });
});
