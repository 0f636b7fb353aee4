import { describe, expect, it } from 'vitest';
import { mayBecome, person, stateByReceipts } from '../../../../main/cpm/conversation/values';
import type { MessageState } from '../../../../preload/contract';

const states: MessageState[] = ['queued', 'sending', 'sent', 'delivered', 'displayed', 'failed', 'received'];

describe('the life of a message', () => {
  it('never goes back once the other side has it', () => {
    for (const earlier of ['queued', 'sending', 'sent', 'failed'] as const) {
      expect(mayBecome('delivered', earlier)).toBe(false);
      expect(mayBecome('displayed', earlier)).toBe(false);
    }
    expect(mayBecome('displayed', 'delivered')).toBe(false);
  });

  it('lets a receipt overtake the answer to the message', () => {
    for (const earlier of ['queued', 'sending', 'sent', 'failed'] as const) {
      expect(mayBecome(earlier, 'delivered')).toBe(true);
      expect(mayBecome(earlier, 'displayed')).toBe(true);
    }
  });

  it('has one way for incoming messages', () => {
    expect(states.filter((to) => mayBecome('received', to))).toEqual(['displayed']);
    expect(states.filter((from) => mayBecome(from, 'received'))).toEqual([]);
  });
});

describe('a message to several people', () => {
  const people = [
    { address: 'sip:bob@lab.test', name: 'Bob' },
    { address: 'sip:carol@lab.test', name: 'Carol' },
  ];
  const receipt = (address: string, disposition: 'delivered' | 'displayed' | 'failed') => ({ address, device: null, disposition, at: 1 });

  it('has come as far as the slowest of them', () => {
    expect(stateByReceipts(people, [receipt('sip:bob@lab.test', 'displayed')])).toBeNull();
    expect(stateByReceipts(people, [receipt('sip:bob@lab.test', 'displayed'), receipt('sip:carol@lab.test', 'delivered')])).toBe(
      'delivered',
    );
    expect(stateByReceipts(people, [receipt('sip:bob@lab.test', 'displayed'), receipt('sip:carol@lab.test', 'displayed')])).toBe(
      'displayed',
    );
  });

  it('is not delivered by a failure, nor when nobody is there', () => {
    expect(
      stateByReceipts(
        people,
        people.map((one) => receipt(one.address, 'failed')),
      ),
    ).toBeNull();
    expect(stateByReceipts([], [])).toBeNull();
  });
});

describe('a person', () => {
  it('is one address, whatever device and transport it is written with', () => {
    const known = [{ address: 'sip:bob@lab.test', name: 'Bob' }];
    expect(person('sip:bob@LAB.test;gr=urn:uuid:1;transport=tcp', null, known)).toEqual({ address: 'sip:bob@lab.test', name: 'Bob' });
    expect(person('sip:bob@lab.test', 'Bob Keller', known).name).toBe('Bob Keller');
    expect(person('sip:erin@lab.test', '  ').name).toBe('erin');
    expect(person('tel:+15550100', null).name).toBe('+15550100');
  });
});
