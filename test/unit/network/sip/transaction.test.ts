import { describe, expect, it } from 'vitest';
import { newRequest } from '../../../../network/sip/dialog';
import type { SipRequest, SipResponse } from '../../../../network/sip/message';
import { type Flow, SipServer } from '../../../../network/sip/sip-server';
import { type ServerTransaction, TRANSACTION_TIMEOUT_MS } from '../../../../network/sip/transaction';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

interface Pair {
  clock: VirtualClock;
  caller: SipServer;
  flow: Flow;
  /** What the callee got, in order. */
  seen: SipRequest[];
  /** Server transactions begun at the callee. */
  begun: ServerTransaction[];
  acks: SipRequest[];
  invite(): { request: SipRequest; statuses: string[]; transaction: ReturnType<SipServer['request']> };
}

function pair(): Pair {
  const clock = new VirtualClock();
  const caller = new SipServer({ clock });
  const callee = new SipServer({ clock });
  const { atA } = connectServers(caller, callee);
  const begun: ServerTransaction[] = [];
  const acks: SipRequest[] = [];
  const seen: SipRequest[] = [];
  callee.onRequest = (transaction) => {
    begun.push(transaction);
    seen.push(transaction.request);
  };
  callee.onAck = (ack) => acks.push(ack);
  const invite = () => {
    const request = newRequest('INVITE', 'sip:bob@lab.test', {
      from: '<sip:alice@lab.test>',
      to: '<sip:bob@lab.test>',
      contact: '<sip:alice@a.invalid>',
    });
    const statuses: string[] = [];
    const note = (kind: string) => (response: SipResponse) => void statuses.push(`${kind} ${response.status}`);
    const transaction = caller.request(request, atA, {
      onProvisional: note('provisional'),
      onFinal: (response, local) => note(local ? 'local' : 'final')(response),
      onFurther2xx: note('further'),
    });
    return { request, statuses, transaction };
  };
  return { clock, caller, flow: atA, seen, begun, acks, invite };
}

function first(pair: Pair): ServerTransaction {
  const [transaction] = pair.begun;
  if (transaction === undefined) throw new Error('no request came');
  return transaction;
}

describe('INVITE', () => {
  it('runs from 100 over 180 to a failure, whose ACK the transaction sends itself, and leaves nothing behind', async () => {
    const test = pair();
    const { statuses, transaction } = test.invite();
    await settle();
    first(test).reply(180);
    first(test).reply(486);
    await settle();
    expect(statuses).toEqual(['provisional 100', 'provisional 180', 'final 486']);
    expect([transaction.state, first(test).state]).toEqual(['terminated', 'terminated']);
    expect(test.acks).toEqual([]);
    expect(test.clock.pending).toBe(0);
  });

  it('RFC 6026: after a 2xx further 2xx are told, the ACK passes to the user, and timers L and M end both sides', async () => {
    const test = pair();
    const { statuses, transaction, request } = test.invite();
    await settle();
    first(test).reply(200);
    first(test).reply(200);
    await settle();
    expect(statuses).toEqual(['provisional 100', 'final 200', 'further 200']);
    expect([transaction.state, first(test).state]).toEqual(['accepted', 'accepted']);
    const ack = newRequest('ACK', request.uri, { from: request.get('from') ?? '', to: '<sip:bob@lab.test>;tag=b', callId: request.callId });
    test.caller.sendAck(ack, test.flow);
    await settle();
    expect(test.acks).toHaveLength(1);
    test.clock.advance(TRANSACTION_TIMEOUT_MS);
    expect([transaction.state, first(test).state, test.clock.pending]).toEqual(['terminated', 'terminated', 0]);
  });

  it('nothing follows a final response', async () => {
    const test = pair();
    const { statuses } = test.invite();
    await settle();
    first(test).reply(603);
    expect(first(test).reply(200)).toBe(false);
    expect(first(test).reply(180)).toBe(false);
    await settle();
    expect(statuses.at(-1)).toBe('final 603');
  });

  it('timer B: a silent callee gives a local 408; a provisional response stops that timer', async () => {
    const clock = new VirtualClock();
    const caller = new SipServer({ clock });
    const { atA } = connectServers(caller, new SipServer({ clock }));
    const silent: Flow = {
      ...atA,
      id: 'silent',
      local: 'a:1',
      remote: 'b:1',
      listener: null,
      isOpen: true,
      send: () => true,
      close: () => undefined,
      onClose: () => undefined,
    };
    const request = newRequest('INVITE', 'sip:bob@lab.test', { from: '<sip:alice@lab.test>', to: '<sip:bob@lab.test>' });
    let local: boolean | null = null;
    const transaction = caller.request(request, silent, {
      onFinal: (_, own) => {
        local = own;
      },
    });
    clock.advance(TRANSACTION_TIMEOUT_MS - 1);
    expect(local).toBeNull();
    clock.advance(1);
    expect(local).toBe(true);
    expect((await transaction.final).status).toBe(408);

    const ringing = pair();
    const { statuses } = ringing.invite();
    await settle();
    ringing.clock.advance(TRANSACTION_TIMEOUT_MS * 3);
    expect(statuses).toEqual(['provisional 100']);
  });
});

describe('CANCEL', () => {
  it('waits for the first provisional response, carries Route and Reason, and ends in 487', async () => {
    const test = pair();
    const { transaction, statuses } = test.invite();
    transaction.cancel([['Reason', 'SIP;cause=200;text="Call completed elsewhere"']]);
    transaction.cancel();
    expect(transaction.state).toBe('calling');
    let cancel: SipRequest | null = null;
    await Promise.resolve();
    first(test).onCancel = (request) => {
      cancel = request;
      first(test).reply(487);
    };
    await settle();
    expect(statuses).toEqual(['provisional 100', 'final 487']);
    expect((cancel as SipRequest | null)?.get('reason')).toBe('SIP;cause=200;text="Call completed elsewhere"');
    expect((cancel as SipRequest | null)?.topVia?.params.get('branch')).toBe(transaction.request.topVia?.params.get('branch'));
    expect(test.clock.pending).toBe(0);
  });

  it('without a handler is answered 487; after the 200 it changes nothing', async () => {
    const test = pair();
    const { transaction, statuses } = test.invite();
    await settle();
    transaction.cancel();
    await settle();
    expect(statuses.at(-1)).toBe('final 487');

    const late = pair();
    const answered = late.invite();
    await settle();
    first(late).reply(200);
    await settle();
    answered.transaction.cancel();
    await settle();
    expect(answered.statuses.at(-1)).toBe('final 200');
  });

  it('a callee that ignores it is given up after 64*T1', async () => {
    const test = pair();
    const { transaction, statuses } = test.invite();
    await settle();
    first(test).onCancel = () => undefined;
    transaction.cancel();
    await settle();
    test.clock.advance(TRANSACTION_TIMEOUT_MS);
    expect(statuses.at(-1)).toBe('local 408');
  });
});

describe('other requests', () => {
  const message = () => newRequest('MESSAGE', 'sip:bob@lab.test', { from: '<sip:alice@lab.test>', to: '<sip:bob@lab.test>' });

  it('end at their final response; timer F runs on after a provisional one', async () => {
    const test = pair();
    const answered = test.caller.request(message(), test.flow);
    const waiting = test.caller.request(message(), test.flow);
    await settle();
    test.begun[0]?.reply(200);
    test.begun[1]?.reply(100);
    await settle();
    expect([answered.state, waiting.state]).toEqual(['terminated', 'proceeding']);
    test.clock.advance(TRANSACTION_TIMEOUT_MS);
    expect((await waiting.final).status).toBe(408);
  });

  it('the same request again repeats the last response and is not handled twice', async () => {
    const test = pair();
    const request = message();
    test.caller.request(request, test.flow);
    await settle();
    test.begun[0]?.reply(100);
    test.flow.send(request);
    await settle();
    expect(test.seen).toHaveLength(1);
  });

  it('a handler that throws is answered 500', async () => {
    const clock = new VirtualClock();
    const caller = new SipServer({ clock });
    const callee = new SipServer({ clock });
    callee.onRequest = () => {
      throw new Error('a bug');
    };
    const { atA } = connectServers(caller, callee);
    expect((await caller.request(message(), atA).final).status).toBe(500);
  });

  it('a broken connection gives a local 503', async () => {
    const test = pair();
    test.flow.close();
    const transaction = test.caller.request(message(), test.flow);
    expect((await transaction.final).status).toBe(503);
  });

  it('a response whose Via is not ours, or that nobody waits for, is dropped', async () => {
    const test = pair();
    const request = message();
    const transaction = test.caller.request(request, test.flow);
    const strange = '\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n';
    const branch = request.topVia?.params.get('branch');
    for (const via of [`SIP/2.0/TCP 203.0.113.9:5060;branch=${branch}`, 'SIP/2.0/TCP unbound.invalid:5060;branch=z9hG4bKother']) {
      test.caller.received(new TextEncoder().encode(`SIP/2.0 200 OK\r\nVia: ${via}${strange}`), test.flow);
    }
    expect(transaction.state).toBe('trying');
  });
});
