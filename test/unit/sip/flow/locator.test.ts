import { describe, expect, it } from 'vitest';
import type { Connection, NextHop } from '../../../../main/sip/flow/connection';
import type { Resolver } from '../../../../main/sip/flow/discovery';
import { DEMOTED_MS, FAILOVER_TIMEOUT_MS, ServerLocator } from '../../../../main/sip/flow/locator';
import { AppError } from '../../../../preload/contract/errors';
import { silent } from '../../../support/doubles/sip-memory';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

/** Two places of one domain; each does what the test says. */
function lab(doings: Record<string, 'answers' | 'refuses' | 'hangs' | 'lies'>) {
  const clock = new VirtualClock();
  const tried: string[] = [];
  const resolver: Resolver = { naptr: async () => [], srv: async () => [], addresses: async () => Object.keys(doings) };
  const connect = (hop: NextHop, _clock: unknown, givenUp: AbortSignal) =>
    new Promise<Connection>((resolve, reject) => {
      tried.push(hop.host);
      const fail = (code: 'net/unreachable' | 'net/untrusted') => reject(new AppError(code, { cause: hop.host }));
      givenUp.addEventListener('abort', () => fail('net/unreachable'));
      if (doings[hop.host] === 'refuses') fail('net/unreachable');
      if (doings[hop.host] === 'lies') fail('net/untrusted');
      const place = { host: hop.host, port: hop.port };
      if (doings[hop.host] === 'answers')
        resolve({ local: place, remote: place, send: async () => undefined, close() {}, onBytes() {}, onClose() {} });
    });
  const locator = new ServerLocator('sip:lab.test', 'lab.test', { clock, log: silent, connect, resolver });
  const open = (hop: string | null = null, givenUp = new AbortController().signal) => locator.open(givenUp, hop);
  return { clock, tried, locator, open, doings };
}

describe('ServerLocator', () => {
  it('passes over what refuses and what does not answer in time', async () => {
    const { clock, tried, open } = lab({ '10.0.0.1': 'refuses', '10.0.0.2': 'hangs', '10.0.0.3': 'answers' });
    const opening = open();
    await clock.advance(FAILOVER_TIMEOUT_MS);
    expect((await opening).local.host).toBe('10.0.0.3');
    expect(tried).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect(clock.pending).toBe(0);
  });

  it('tries recently failed addresses last, for a while', async () => {
    const { clock, tried, open, doings } = lab({ '10.0.0.1': 'refuses', '10.0.0.2': 'answers' });
    await open();
    doings['10.0.0.1'] = 'answers';
    expect((await open()).local.host).toBe('10.0.0.2');
    await clock.advance(DEMOTED_MS);
    expect((await open()).local.host).toBe('10.0.0.1');
    expect(tried).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.1']);
  });

  it('goes to another place after the one in use has failed at its work', async () => {
    const { open, locator } = lab({ '10.0.0.1': 'answers', '10.0.0.2': 'answers' });
    expect((await open()).local.host).toBe('10.0.0.1');
    expect(locator.failed()).toBe(true);
    expect((await open()).local.host).toBe('10.0.0.2');
    locator.failed();
    expect((await open()).local.host).toBe('10.0.0.1');
  });

  it('knows when there is no other', async () => {
    const { open, locator } = lab({ '10.0.0.1': 'answers' });
    await open();
    expect(locator.failed()).toBe(false);
    expect((await open()).local.host).toBe('10.0.0.1');
  });

  it('tells of a false certificate even when another place is merely down', async () => {
    const { open } = lab({ '10.0.0.1': 'lies', '10.0.0.2': 'refuses' });
    await expect(open()).rejects.toMatchObject({ code: 'net/untrusted' });
  });

  it('goes where an answer sends it', async () => {
    const { open, tried } = lab({ '10.0.0.1': 'answers', '10.0.0.9': 'answers' });
    await open('sip:10.0.0.9:5070;transport=tcp');
    expect(tried).toEqual(['10.0.0.9']);
  });

  it('stops when it is given up', async () => {
    const { open, tried } = lab({ '10.0.0.1': 'hangs', '10.0.0.2': 'answers' });
    const attempt = new AbortController();
    const opening = open(null, attempt.signal);
    const refused = expect(opening).rejects.toMatchObject({ code: 'net/unreachable' });
    await new Promise((resolve) => setImmediate(resolve));
    attempt.abort();
    await refused;
    expect(tried).toEqual(['10.0.0.1']);
  });

  it('says that a server is no server', async () => {
    await expect(lab({}).open('sip:x;transport=udp')).rejects.toMatchObject({ code: 'net/unreachable', retry: 'user' });
    await expect(lab({}).open()).rejects.toMatchObject({ code: 'net/unreachable', retry: 'auto' });
  });
});
