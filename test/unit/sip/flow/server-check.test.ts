/** What is told of a server before one signs in there. */
import { describe, expect, it } from 'vitest';
import type { Connection, NextHop } from '../../../../main/sip/flow/connection';
import type { Resolver } from '../../../../main/sip/flow/discovery';
import { CHECK_ANSWER_TIMEOUT_MS, checkServer } from '../../../../main/sip/flow/server-check';
import { AppError } from '../../../../preload/contract/errors';
import { utf8 } from '../../../../protocol/octets';
import { silent } from '../../../support/doubles/sip-memory';
import { settled, VirtualClock } from '../../../support/doubles/virtual-clock';

type Doing = 'refuses' | 'lies' | 'hangs' | { answers: (request: string) => string[] };

function lab(doings: Record<string, Doing>, resolves = true) {
  const clock = new VirtualClock();
  const said: string[] = [];
  let open = 0;
  const unknown = async () => {
    throw new Error('queryA ECONNREFUSED');
  };
  const resolver: Resolver = {
    naptr: async () => [],
    srv: async () => [],
    addresses: resolves ? async () => Object.keys(doings) : unknown,
  };
  const connect = async (hop: NextHop, _clock: unknown, givenUp: AbortSignal): Promise<Connection> => {
    const doing = doings[hop.host];
    if (doing === 'refuses') throw new AppError('net/unreachable', { cause: hop.host }, 'auto');
    if (doing === 'lies') throw new AppError('net/untrusted', { cause: hop.host }, 'user');
    if (doing === 'hangs')
      return new Promise((_resolve, reject) => givenUp.addEventListener('abort', () => reject(new AppError('net/unreachable'))));
    open += 1;
    const connection: Connection = {
      local: { host: '192.0.2.1', port: 4000 },
      remote: { host: hop.host, port: hop.port },
      certificate: { names: ['lab.test'], issuer: 'Lab', until: 5 },
      async send(bytes) {
        const request = new TextDecoder().decode(bytes);
        if (!request.startsWith('OPTIONS')) return;
        said.push(request);
        for (const text of typeof doing === 'object' ? doing.answers(request) : []) connection.onBytes(utf8(text));
      },
      close() {
        open -= 1;
      },
      onBytes() {},
      onClose() {},
    };
    return connection;
  };
  const check = (server = 'sip:lab.test') => checkServer(server, 'lab.test', undefined, { clock, log: silent, connect, resolver });
  return { clock, said, check, open: () => open };
}

const answer =
  (status: string, more = '') =>
  (request: string) => {
    const echoed = request.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line));
    return [`SIP/2.0 ${status}\r\n${echoed.join('\r\n')}\r\n${more}Content-Length: 0\r\n\r\n`];
  };

describe('a server', () => {
  it.each([
    ['200 OK', 200],
    ['401 Unauthorized', 401],
    ['405 Method Not Allowed', 405],
  ])('that answers %s can be used, whatever it thinks of the question; who asks is not said', async (line, status) => {
    const { check, said, open, clock } = lab({ '10.0.0.1': { answers: answer(line, 'Server: Odd/1\r\n') } });
    expect(await check()).toMatchObject({
      places: [{ host: '10.0.0.1', error: null }],
      certificate: { issuer: 'Lab' },
      answer: { status, software: 'Odd/1' },
      error: null,
    });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^OPTIONS sip:lab\.test SIP\/2\.0\r\n/);
    expect(said[0]).toContain('From: <sip:anonymous@anonymous.invalid>;tag=');
    expect(said[0]).not.toMatch(/alice|Contact|Authorization|User-Agent/i);
    expect([open(), clock.pending]).toEqual([0, 0]);
  });

  it('waits for the final answer, and for its own', async () => {
    const strange = 'SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKx\r\nContent-Length: 0\r\n\r\n';
    const answers = (request: string) => [strange, ...answer('100 Trying')(request), ...answer('403 Forbidden')(request)];
    expect((await lab({ '10.0.0.1': { answers } }).check()).answer).toMatchObject({ status: 403, software: null });
  });

  it('is looked for at the next address when one cannot be used, and each attempt is reported', async () => {
    const { check, clock } = lab({ '10.0.0.1': 'refuses', '10.0.0.2': 'hangs', '10.0.0.3': { answers: answer('200 OK') } });
    const checking = check();
    await clock.advance(10_000);
    const { places, error } = await checking;
    expect(places.map((place) => place.error?.code ?? null)).toEqual(['net/unreachable', 'net/unreachable', null]);
    expect(error).toBeNull();
  });

  it('with a false certificate is reported as such, even if another address is down', async () => {
    const { check, said } = lab({ '10.0.0.1': 'lies', '10.0.0.2': 'refuses' });
    expect(await check()).toMatchObject({ certificate: null, answer: null, error: { code: 'net/untrusted' } });
    expect(said).toEqual([]);
  });

  it('that says nothing, or nonsense, is reported after a while; the connection is closed', async () => {
    for (const answers of [() => [], () => ['HTTP/1.1 400 Bad Request\r\n\r\n']]) {
      const { check, clock, open } = lab({ '10.0.0.1': { answers } });
      const checking = check();
      await settled();
      await clock.advance(CHECK_ANSWER_TIMEOUT_MS);
      const { error, places } = await checking;
      expect(places).toMatchObject([{ error: null }]);
      expect(['net/timeout', 'net/unreachable']).toContain(error?.code);
      expect([open(), clock.pending]).toEqual([0, 0]);
    }
  });

  it('that nobody knows, or for which DNS cannot be asked, is reported', async () => {
    expect(await lab({}).check()).toMatchObject({ places: [], error: { code: 'net/unreachable' } });
    expect(await lab({}, false).check()).toMatchObject({ places: [], error: { cause: expect.stringContaining('ECONNREFUSED') } });
    expect(await lab({}).check('nonsense')).toMatchObject({ error: { code: 'account/bad-address' } });
  });
});
