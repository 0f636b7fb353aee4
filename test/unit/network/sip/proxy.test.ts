import { describe, expect, it } from 'vitest';
import { newRequest } from '../../../../network/sip/dialog';
import { SipRequest, SipResponse } from '../../../../network/sip/message';
import {
  addressTarget,
  type Branch,
  bestResponse,
  type ForwardOptions,
  forward,
  MAX_BRANCHES,
  nextHop,
  prepareForward,
  TIMER_C_MS,
} from '../../../../network/sip/proxy';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../../network/sip/transaction';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

interface Device {
  server: SipServer;
  /** Server transactions begun here. */
  got: ServerTransaction[];
  cancels: SipRequest[];
}

/** A caller, a forking proxy and `count` devices, all connections in memory. */
function fork(count: number, change: (branch: Branch, index: number) => Branch = (branch) => branch, options: ForwardOptions = {}) {
  const clock = new VirtualClock();
  const caller = new SipServer({ clock });
  const proxy = new SipServer({ clock });
  const devices: Device[] = [];
  const branches: Branch[] = [];
  for (let index = 0; index < count; index += 1) {
    const device: Device = { server: new SipServer({ clock }), got: [], cancels: [] };
    device.server.onRequest = (transaction) => {
      device.got.push(transaction);
      transaction.onCancel = (cancel) => {
        device.cancels.push(cancel);
        transaction.reply(487);
      };
    };
    branches.push(change({ target: connectServers(proxy, device.server).atA, uri: `sip:device-${index}@x`, unreachable: 480 }, index));
    devices.push(device);
  }
  proxy.onRequest = (transaction) => {
    const prepared = prepareForward(proxy, transaction.request);
    if (prepared.ok) forward(proxy, transaction, prepared.request, branches, options);
    else transaction.respond(prepared.response);
  };
  const { atA } = connectServers(caller, proxy);
  const send = (method: string, edit: (request: SipRequest) => void = () => undefined) => {
    const request = newRequest(method, 'sip:bob@lab.test', {
      from: '<sip:alice@lab.test>',
      to: '<sip:bob@lab.test>',
      contact: '<sip:alice@a.invalid>',
    });
    edit(request);
    const responses: SipResponse[] = [];
    const note = (response: SipResponse) => void responses.push(response);
    const transaction = caller.request(request, atA, { onProvisional: note, onFinal: note, onFurther2xx: note });
    return { transaction, responses, statuses: () => responses.map((response) => response.status).filter((status) => status > 100) };
  };
  const at = (index: number): ServerTransaction => {
    const transaction = devices[index]?.got[0];
    if (transaction === undefined) throw new Error(`device ${index} got nothing`);
    return transaction;
  };
  return { clock, devices, send, at, callerFlow: atA };
}

describe('a parallel fork', () => {
  it('rings all, takes the first 2xx, and cancels the others with the reason RFC 3326 names', async () => {
    const lab = fork(3);
    const call = lab.send('INVITE');
    await settle();
    for (const index of [0, 1, 2]) lab.at(index).reply(180);
    lab.at(1).reply(200);
    await settle();
    expect(call.statuses()).toEqual([180, 180, 180, 200]);
    for (const index of [0, 2])
      expect(lab.devices[index]?.cancels.map((cancel) => cancel.get('reason'))).toEqual(['SIP;cause=200;text="Call completed elsewhere"']);
    expect(lab.devices[1]?.cancels).toEqual([]);
  });

  it('forwards every 2xx of a race', async () => {
    const lab = fork(2);
    const call = lab.send('INVITE');
    await settle();
    lab.at(0).reply(200);
    lab.at(1).reply(200);
    await settle();
    expect(call.statuses()).toEqual([200, 200]);
    expect(new Set(call.responses.filter((response) => response.status === 200).map((response) => response.toTag)).size).toBe(2);
  });

  it('answers a MESSAGE once, with the first 2xx', async () => {
    const lab = fork(2);
    const call = lab.send('MESSAGE');
    await settle();
    lab.at(0).reply(200);
    lab.at(1).reply(200);
    await settle();
    expect(call.statuses()).toEqual([200]);
  });

  it('waits for the last one to refuse, and tells the best of the refusals', async () => {
    const lab = fork(3);
    const call = lab.send('INVITE');
    await settle();
    lab.at(0).reply(480);
    lab.at(1).reply(486);
    await settle();
    expect(call.statuses()).toEqual([]);
    lab.at(2).reply(500);
    await settle();
    expect(call.statuses()).toEqual([486]);
    expect(lab.clock.pending).toBe(0);
  });

  it('a 6xx cancels all, and is told when they are over', async () => {
    const lab = fork(3, (branch, index) => ({ ...branch, q: index === 2 ? 0.1 : 1 }));
    const call = lab.send('INVITE');
    await settle();
    lab.at(0).reply(603);
    await settle();
    expect(lab.devices[1]?.cancels.map((cancel) => cancel.get('reason'))).toEqual(['SIP;cause=603;text="Decline"']);
    expect(call.statuses()).toEqual([603]);
    expect(lab.devices[2]?.got).toEqual([]);
  });

  it('a CANCEL of the caller goes to every branch with its Reason, and no later group is tried', async () => {
    const lab = fork(3, (branch, index) => ({ ...branch, q: index === 2 ? 0.1 : 1 }));
    const call = lab.send('INVITE');
    await settle();
    call.transaction.cancel([['Reason', 'SIP;cause=487;text="changed my mind"']]);
    await settle();
    expect(call.statuses()).toEqual([487]);
    for (const index of [0, 1])
      expect(lab.devices[index]?.cancels.map((cancel) => cancel.get('reason'))).toEqual(['SIP;cause=487;text="changed my mind"']);
    expect(lab.devices[2]?.got).toEqual([]);
  });

  it('MAX_BRANCHES: a wider fork is cut', async () => {
    const lab = fork(MAX_BRANCHES + 2);
    lab.send('MESSAGE');
    await settle();
    expect(lab.devices.filter((device) => device.got.length > 0)).toHaveLength(MAX_BRANCHES);
  });
});

describe('q', () => {
  it('equal ones together, lower ones only after all before them refused', async () => {
    const lab = fork(3, (branch, index) => ({ ...branch, q: index === 0 ? 0.2 : 0.9 }));
    const call = lab.send('INVITE');
    await settle();
    expect(lab.devices.map((device) => device.got.length)).toEqual([0, 1, 1]);
    lab.at(1).reply(486);
    await settle();
    expect(lab.devices[0]?.got).toHaveLength(0);
    lab.at(2).reply(480);
    await settle();
    lab.at(0).reply(200);
    await settle();
    expect(call.statuses()).toEqual([200]);
  });
});

describe('what fails on the way', () => {
  it('a device whose connection is gone counts as 480, and the others decide', async () => {
    const lab = fork(2, (branch, index) => {
      if (index === 0 && 'close' in branch.target) branch.target.close();
      return branch;
    });
    const call = lab.send('MESSAGE');
    await settle();
    lab.at(1).reply(404);
    await settle();
    expect(call.statuses()).toEqual([480]);
  });

  it('timer C: a device that rings for more than three minutes without a word is cancelled', async () => {
    const lab = fork(1);
    const call = lab.send('INVITE');
    await settle();
    lab.at(0).reply(180);
    await settle();
    lab.clock.advance(TIMER_C_MS - 1000);
    lab.at(0).reply(180);
    await settle();
    lab.clock.advance(TIMER_C_MS - 1000);
    await settle();
    expect(lab.devices[0]?.cancels).toHaveLength(0);
    lab.clock.advance(1000);
    await settle();
    expect(lab.devices[0]?.cancels).toHaveLength(1);
    expect(call.statuses()).toEqual([180, 180, 487]);
  });
});

describe('the request forwarded', () => {
  it('loses a hop, gets Via and Record-Route, the branch gets its own Request-URI and Route; responses come back without the Via', async () => {
    const lab = fork(1, (branch) => ({ ...branch, routes: ['<sip:edge.test;lr>', '<sip:inner.test;lr>'] }), {
      recordRoute: '<sip:proxy;lr>',
    });
    const call = lab.send('INVITE');
    await settle();
    const { request } = lab.at(0);
    expect(request.uri).toBe('sip:device-0@x');
    expect(request.get('max-forwards')).toBe('69');
    expect(request.all('via')).toHaveLength(2);
    expect(request.all('record-route')).toEqual(['<sip:proxy;lr>']);
    expect(request.all('route')).toEqual(['<sip:edge.test;lr>', '<sip:inner.test;lr>']);
    lab.at(0).reply(200);
    await settle();
    expect(call.responses.at(-1)?.all('via')).toHaveLength(1);
  });

  it('Max-Forwards 0 is answered 483, Proxy-Require 420 with what is not supported', async () => {
    const lab = fork(1);
    const spent = lab.send('MESSAGE', (request) => request.set('Max-Forwards', '0'));
    const demanding = lab.send('MESSAGE', (request) => request.append('Proxy-Require', 'foo, bar'));
    await settle();
    expect(spent.statuses()).toEqual([483]);
    expect(demanding.statuses()).toEqual([420]);
    expect(demanding.responses[0]?.all('unsupported')).toEqual(['foo', 'bar']);
    expect(lab.devices[0]?.got).toEqual([]);
  });

  it('a request without Max-Forwards starts at 70', async () => {
    const server = new SipServer();
    const prepared = prepareForward(
      server,
      newRequest('MESSAGE', 'sip:b@x', { from: '<sip:a@x>', to: '<sip:b@x>' }).remove('Max-Forwards'),
    );
    expect(prepared.ok && prepared.request.get('max-forwards')).toBe('70');
  });

  it('the next hop is the topmost Route, else the Request-URI; only addresses are targets', () => {
    const request = new SipRequest('BYE', 'sip:b@127.0.0.1:5071');
    expect(nextHop(request)).toBe('sip:b@127.0.0.1:5071');
    expect(nextHop(request.append('Route', '"x, <y>" <sip:127.0.0.1:5072;lr>, <sip:z;lr>'))).toBe('sip:127.0.0.1:5072;lr');
    expect(addressTarget('sip:user@127.0.0.1:5072;lr')).toEqual({ host: '127.0.0.1', port: 5072 });
    expect(addressTarget('sip:127.0.0.1')).toEqual({ host: '127.0.0.1', port: 5060 });
    expect(addressTarget('sip:127.0.0.1:70000')).toBeNull();
    expect(addressTarget('sip:bob@lab.test')).toBeNull();
    expect(addressTarget('sip:127.0.0.1@evil.test')).toBeNull();
  });
});

describe('the best response (RFC 3261 16.7)', () => {
  const best = (...statuses: number[]) => bestResponse(statuses.map((status) => new SipResponse(status)))?.status;

  it('is any 6xx, else of the lowest class, else the most telling', () => {
    expect(best(404, 603, 302)).toBe(603);
    expect(best(404, 302, 500)).toBe(302);
    expect(best(480, 408, 486)).toBe(486);
    expect(best(404, 407)).toBe(407);
    expect(best(408, 480)).toBe(480);
    expect(bestResponse([])).toBeNull();
  });

  it('gathers the challenges of all branches', () => {
    const one = new SipResponse(401).append('WWW-Authenticate', 'Digest realm="a"');
    const two = new SipResponse(407).append('Proxy-Authenticate', 'Digest realm="b"');
    const answer = bestResponse([one, two]);
    expect([answer?.status, answer?.all('www-authenticate'), answer?.all('proxy-authenticate')]).toEqual([
      401,
      ['Digest realm="a"'],
      ['Digest realm="b"'],
    ]);
  });
});
