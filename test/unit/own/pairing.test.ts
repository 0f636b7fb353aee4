import { describe, expect, it } from 'vitest';
import { Doorkeeper, MAX_TRIES, NewDevice, PAIRING_MS, PAUSE_MS, TRIES_MS } from '../../../main/own/pairing';

const names = { address: 'sip:alice@lab.test', newInstance: 'urn:uuid:new', olderInstance: 'urn:uuid:old' };
const gift = { key: 'the account key' };
const give = () => gift;

function met(now = 0) {
  const newer = new NewDevice(names, now);
  const older = new Doorkeeper().asked(newer.first, names, now);
  if (older === null) throw new Error('The door is shut');
  return { newer, older };
}

describe('pairing by six digits', () => {
  it('gives the key when the shown digits are typed and the person confirms it', () => {
    const { newer, older } = met();
    expect(older.revealed(newer.answered(older.answer, 1), 1)).toBe(true);
    const code = newer.code ?? '';
    expect(code).toMatch(/^\d{6}$/);
    const last = older.typed(`${code.slice(0, 3)} ${code.slice(3)}`, give, 2);
    expect(newer.given(last, 3)).toBe(true);
    expect(newer.gift).toBeNull();
    newer.confirm(4);
    expect(newer.gift).toEqual(gift);
    expect([newer.state(5), older.state(5)]).toEqual(['paired', 'paired']);
  });

  it('is over after one wrong code, also for the right one', () => {
    const { newer, older } = met();
    older.revealed(newer.answered(older.answer, 1), 1);
    const code = newer.code ?? '';
    expect(older.typed(code === '000000' ? '000001' : '000000', give, 2)).toBeNull();
    expect(older.typed(code, give, 3)).toBeNull();
    expect(older.state(3)).toBe('over');
  });

  it('is over after two minutes', () => {
    const { newer, older } = met();
    older.revealed(newer.answered(older.answer, 1), 1);
    const code = newer.code ?? '';
    expect(older.typed(code, give, PAIRING_MS + 1)).toBeNull();
    expect(newer.state(PAIRING_MS + 1)).toBe('over');
    expect(newer.code).toBeNull();
  });

  it('shows different digits on both sides of somebody in the middle, who cannot choose keys afterwards', () => {
    const [alice, mallory] = [new NewDevice(names, 0), new NewDevice(names, 0)];
    const toAlice = new Doorkeeper().asked(alice.first, names, 0);
    const older = new Doorkeeper().asked(mallory.first, names, 0);
    if (toAlice === null || older === null) throw new Error('The door is shut');
    toAlice.revealed(alice.answered(toAlice.answer, 1), 1);
    const third = mallory.answered(older.answer, 1);
    expect(older.revealed(third, 1)).toBe(true);
    // The codes of the two halves are independent: one in a million that they are equal. Alice types what her new device shows.
    expect(alice.code).not.toBe(mallory.code);
    expect(older.typed(alice.code ?? '', give, 2)).toBeNull();
  });

  it('is over when what is revealed is not what was committed to', () => {
    const { newer, older } = met();
    newer.answered(older.answer, 1);
    const other = new NewDevice(names, 0);
    const { older: another } = met();
    expect(older.revealed(other.answered(another.answer, 1), 1)).toBe(false);
    expect(older.state(1)).toBe('over');
  });

  it('gives nothing to a replay of an earlier pairing', () => {
    const { newer, older } = met();
    const third = newer.answered(older.answer, 1);
    older.revealed(third, 1);
    const last = older.typed(newer.code ?? '', give, 2);
    const again = new Doorkeeper().asked(newer.first, names, 10);
    expect(again?.revealed(third, 11)).toBe(true);
    // The older device has another key now, so other digits; nobody is there who could show them.
    expect(again?.typed(newer.code ?? '', give, 12)).toBeNull();
    const victim = new NewDevice(names, 20);
    const { older: fresh } = met(20);
    victim.answered(fresh.answer, 21);
    expect(victim.given(last, 22)).toBe(false);
    expect(victim.state(22)).toBe('over');
  });

  it('keeps the gift from a new device whose person does not confirm, and takes no second one', () => {
    const { newer, older } = met();
    older.revealed(newer.answered(older.answer, 1), 1);
    const last = older.typed(newer.code ?? '', give, 2);
    newer.given(last, 3);
    expect(newer.given(last, 4)).toBe(false);
    newer.confirm(5);
    expect(newer.gift).toBeNull();
  });

  it('answers nonsense by ending, never by an exception', () => {
    for (const nonsense of [
      null,
      7,
      {},
      { pair: 2 },
      { pair: 2, pk: 'AAAA', r: 'x' },
      { pair: 3, pk: '', r: '' },
      { pair: 4, sealed: 'A' },
    ]) {
      const { newer, older } = met();
      expect(newer.answered(nonsense, 1)).toBeNull();
      expect(older.revealed(nonsense, 1)).toBe(false);
      expect(newer.given(nonsense, 1)).toBe(false);
      expect(new Doorkeeper().asked(nonsense, names, 0)).toBeNull();
    }
  });

  it('lets few in, one at a time, and pauses after a flood', () => {
    const door = new Doorkeeper();
    const ask = (now: number) => door.asked(new NewDevice(names, now).first, names, now);
    expect(ask(0)).not.toBeNull();
    expect(ask(1)).toBeNull();
    let now = 0;
    for (let tries = 1; tries < MAX_TRIES; tries += 1) {
      now += PAIRING_MS + 1;
      expect(ask(now)).not.toBeNull();
    }
    now += PAIRING_MS + 1;
    expect(now).toBeLessThan(TRIES_MS);
    expect(ask(now)).toBeNull();
    expect(ask(now + PAUSE_MS - 1)).toBeNull();
    expect(ask(now + PAUSE_MS + 1)).not.toBeNull();
  });
});
