import { describe, expect, it } from 'vitest';
import {
  bareGruus,
  bareInstances,
  type FaultRule,
  Faults,
  noContacts,
  noGruus,
  noOutbound,
  onSuccess,
  redirected,
  repeated,
  rewrittenContacts,
  serviceRoutes,
  slow,
  tooBrief,
  unavailable,
} from '../../../../network/core/faults';
import { newRequest } from '../../../../network/sip/dialog';
import { responseTo, type SipRequest, type SipResponse } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const CONTACT =
  '"A" <sip:alice@10.0.0.1:5071;transport=tcp>;+sip.instance="<urn:uuid:f81d>";expires=3600;pub-gruu="sip:alice@lab.test;gr=urn:uuid:f81d";temp-gruu="sip:tgruu.x@lab.test;gr"';

/** A registrar that grants everything, behind faults; what the other end of the connection got. */
function lab(rules: FaultRule[] = [], seed = 1) {
  const clock = new VirtualClock();
  const [core, client] = [new SipServer({ clock }), new SipServer({ clock })];
  const { atB: toCore } = connectServers(core, client);
  const faults = new Faults(clock, seed);
  for (const rule of rules) faults.add(rule);
  let served = 0;
  core.onRequest = (transaction) =>
    faults.serve(transaction, () => {
      served += 1;
      const response = responseTo(transaction.request, 200, { toTag: 't' })
        .append('Contact', CONTACT)
        .append('Service-Route', '<sip:own;lr>');
      faults.respond(transaction, response);
    });
  const strays: SipResponse[] = [];
  client.onStrayResponse = (response) => strays.push(response);
  const send = async (change: (request: SipRequest) => void = () => undefined): Promise<SipResponse | null> => {
    const request = newRequest('REGISTER', 'sip:lab.test', { from: '<sip:alice@lab.test>', to: '<sip:alice@lab.test>' })
      .append('Authorization', 'Digest username="alice", response="abc"')
      .append('Contact', '<sip:alice@10.0.0.1>;reg-id=1;expires=3600')
      .append('Supported', 'path, outbound');
    change(request);
    let answer: SipResponse | null = null;
    client.request(request, toCore, {
      onFinal: (response) => {
        answer = response;
      },
    });
    await settle();
    return answer;
  };
  return { clock, faults, send, strays, toCore, served: () => served };
}

const status = async (the: ReturnType<typeof lab>, change?: (request: SipRequest) => void) => (await the.send(change))?.status ?? null;

describe('rules', () => {
  it('strike so often as they say, after as many as they say, until they are taken away', async () => {
    const the = lab();
    const standing = the.faults.add({ name: 'x', after: 1, times: 2, fault: { kind: 'answer', status: 500, reason: 'Odd' } });
    expect([await status(the), await status(the), await status(the), await status(the)]).toEqual([200, 500, 500, 200]);
    expect([standing.hits, the.served()]).toEqual([2, 2]);
    const lasting = the.faults.add({ name: 'y', fault: { kind: 'answer', status: 403 } });
    expect([await status(the), await status(the)]).toEqual([403, 403]);
    lasting.remove();
    expect(await status(the)).toBe(200);
    the.faults.add({ name: 'z', fault: { kind: 'answer', status: 404 } });
    the.faults.clear();
    expect(await status(the)).toBe(200);
  });

  it('are for a method, a person, and for requests with or without credentials', async () => {
    const the = lab([
      { name: 'a', user: 'Bob', fault: { kind: 'answer', status: 404 } },
      { name: 'b', credentials: false, fault: { kind: 'answer', status: 403 } },
      { name: 'c', method: 'MESSAGE', fault: { kind: 'answer', status: 488 } },
    ]);
    expect(await status(the)).toBe(200);
    expect(await status(the, (request) => request.set('To', '"B" <sip:bob@lab.test>'))).toBe(404);
    expect(await status(the, (request) => request.remove('Authorization'))).toBe(403);
    expect(await status(the, (request) => request.set('Authorization', 'Digest username="alice", response=""'))).toBe(403);
    expect(
      await status(the, (request) => {
        request.method = 'MESSAGE';
        request.set('CSeq', '1 MESSAGE');
      }),
    ).toBe(488);
  });

  it('chance is drawn from the seed: the same again, another with another seed', async () => {
    const run = async (seed: number) => {
      const the = lab([{ name: 'x', chance: 0.5, fault: { kind: 'answer', status: 500 } }], seed);
      const out: (number | null)[] = [];
      for (let index = 0; index < 24; index += 1) out.push(await status(the));
      return out.join();
    };
    const first = await run(7);
    expect(await run(7)).toBe(first);
    expect(await run(8)).not.toBe(first);
    expect(first).toContain('200');
    expect(first).toContain('500');
  });
});

describe('faults', () => {
  it('no answer, and a connection that closes instead', async () => {
    const the = lab([{ name: 'x', times: 1, fault: { kind: 'drop' } }]);
    expect(await status(the)).toBeNull();
    expect(await status(the)).toBe(200);
    the.faults.add({ name: 'y', fault: { kind: 'disconnect' } });
    await the.send();
    expect(the.toCore.isOpen).toBe(false);
    expect(the.served()).toBe(1);
  });

  it('slow answers come when it is time, repeated ones as often as said', async () => {
    const the = lab([slow(5_000), repeated(2)]);
    const answer = the.send();
    expect(await answer).toBeNull();
    the.clock.advance(4_999);
    await settle();
    expect(the.served()).toBe(0);
    the.clock.advance(1);
    await settle();
    expect(the.served()).toBe(1);
    expect(the.strays.map((response) => response.status)).toEqual([200, 200]);
  });

  it('503 with Retry-After once, 302 and 305 with Contact once', async () => {
    const the = lab([unavailable(30), redirected('sip:other.test'), redirected('sip:proxy.test;lr', 305)]);
    const answers = [await the.send(), await the.send(), await the.send(), await the.send()];
    expect(answers.map((answer) => [answer?.status, answer?.get('retry-after') ?? answer?.get('contact')])).toEqual([
      [503, '30'],
      [302, '<sip:other.test>'],
      [305, '<sip:proxy.test;lr>'],
      [200, CONTACT],
    ]);
  });

  it('439 only while outbound is asked for; 423 only for less than the minimum, as a ladder', async () => {
    const the = lab([noOutbound()]);
    expect(await status(the)).toBe(439);
    expect(await status(the, (request) => request.set('Supported', 'path'))).toBe(200);
    expect(await status(the, (request) => request.set('Contact', '<sip:alice@10.0.0.1>'))).toBe(200);
    the.faults.clear();
    for (const minimum of [1800, 7200, 10_000]) the.faults.add(tooBrief(minimum));
    const ask = async (seconds: number) => {
      const answer = await the.send((request) => request.set('Contact', `<sip:a>;expires=${seconds}`));
      return [answer?.status, answer?.get('min-expires')];
    };
    expect([await ask(60), await ask(3600), await ask(7200), await ask(10_000), await ask(0)]).toEqual([
      [423, '1800'],
      [423, '7200'],
      [423, '10000'],
      [200, null],
      [200, null],
    ]);
  });

  it.each<[string, FaultRule, string | null, string]>([
    ['another Contact URI', rewrittenContacts('192.0.2.1:5060'), 'contact', CONTACT.replace('10.0.0.1:5071', '192.0.2.1:5060')],
    ['an instance without brackets', bareInstances(), 'contact', CONTACT.replace('<urn:uuid:f81d>', 'urn:uuid:f81d')],
    [
      'GRUUs without quotes',
      bareGruus(),
      'contact',
      CONTACT.replace('"sip:alice@lab.test;gr=urn:uuid:f81d"', 'sip:alice@lab.test;gr=urn:uuid:f81d').replace(
        '"sip:tgruu.x@lab.test;gr"',
        'sip:tgruu.x@lab.test;gr',
      ),
    ],
    ['no GRUUs', noGruus(), 'contact', CONTACT.slice(0, CONTACT.indexOf(';pub-gruu'))],
    ['a Service-Route', serviceRoutes('sip:a;lr', 'sip:b;lr'), 'service-route', '<sip:a;lr>'],
    ['whatever is written', onSuccess('x', (response) => response.append('Warning', '399 x "y"')), 'warning', '399 x "y"'],
  ])('the 200 shows %s', async (_, rule, header, value) => {
    const the = lab([rule]);
    expect((await the.send())?.get(header ?? '')).toBe(value);
    // Without credentials the answer is a challenge in life: it is left alone.
    expect((await the.send((request) => request.remove('Authorization')))?.get('contact')).toBe(CONTACT);
  });

  it('the 200 without any Contact', async () => {
    expect((await lab([noContacts()]).send())?.all('contact')).toEqual([]);
  });
});
