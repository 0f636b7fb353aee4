import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Emitter } from '../../../base/emitter';
import { silentLogger } from '../../../base/log';
import type { App } from '../../../main/app';
import { dispatch, type Handlers, maxTextLength } from '../../../main/calls';
import { serveHeadless } from '../../../main/command/headless';
import type { AppEvent } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { settled } from '../../support/doubles/virtual-clock';

/** Handlers that remember who was asked; those a test needs are given. */
function handlers(given: Partial<Handlers>, asked: string[] = []): Handlers {
  return new Proxy(given, {
    get: (target, name: string) => {
      const handler = target[name as keyof Handlers] as ((argument: unknown) => unknown) | undefined;
      return (argument: unknown) => {
        asked.push(name);
        return handler === undefined ? {} : handler(argument);
      };
    },
  }) as Handlers;
}

describe('a call', () => {
  it('reaches its handler with exactly what the contract names', async () => {
    const result = await dispatch(handlers({ renameDevice: ({ name }) => ({ name }) }), 'renameDevice', { name: 'Tablet' });
    expect(result).toEqual({ ok: true, value: { name: 'Tablet' } });
  });

  it.each([
    ['no such call', 'formatDisk', {}],
    ['a name of Object’s own', 'constructor', {}],
    ['__proto__', '__proto__', {}],
    ['no name at all', undefined, {}],
    ['no argument', 'sendText', undefined],
    ['a wrong type', 'sendText', { to: 1, text: 'x' }],
    ['an unknown field', 'sendText', { to: 'sip:b@x', text: 'x', admin: true }],
    ['an empty text', 'sendText', { to: 'sip:b@x', text: '' }],
    ['a text over the limit', 'sendText', { to: 'sip:b@x', text: 'x'.repeat(maxTextLength + 1) }],
    ['nobody to add', 'addPeople', { conversation: 'c', people: [] }],
    ['a page over the limit', 'messages', { conversation: 'c', limit: 501 }],
    ['a list where an object belongs', 'register', []],
  ])('is refused and runs nothing: %s', async (_title, name, argument) => {
    const asked: string[] = [];
    const result = await dispatch(handlers({}, asked), name, argument);
    expect(result).toMatchObject({ ok: false, error: { code: 'ipc/refused', retry: 'never' } });
    expect(asked).toEqual([]);
  });

  it('gives failures back as values, the peer’s words unchanged, and a defect as internal', async () => {
    const fail = (error: unknown) =>
      dispatch(
        handlers({
          register: () => {
            throw error;
          },
        }),
        'register',
        {},
      );
    expect(await fail(new AppError('sip/rejected', { status: 486, reason: 'Busy Here' }, 'user'))).toEqual({
      ok: false,
      error: { code: 'sip/rejected', status: 486, reason: 'Busy Here', retry: 'user' },
    });
    expect(await fail(new TypeError('x'))).toMatchObject({ ok: false, error: { code: 'internal' } });
  });
});

describe('the headless door', () => {
  function open(given: Partial<Handlers> = {}) {
    const onEvent = new Emitter<AppEvent>();
    let quits = 0;
    const app: App = {
      handlers: handlers(given),
      onEvent,
      deviceInstance: null,
      networkChanged: () => undefined,
      quit: async () => {
        quits += 1;
      },
    };
    const input = new PassThrough();
    const output = new PassThrough();
    const lines: Record<string, unknown>[] = [];
    output.on('data', (data: Buffer) => {
      for (const line of data.toString().split('\n')) if (line !== '') lines.push(JSON.parse(line));
    });
    let stop: () => void = () => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const done = serveHeadless(app, { input, output, log: silentLogger, stop: stopped });
    return { input, lines, onEvent, done, stop, quits: () => quits };
  }

  it('answers each command once, under its id', async () => {
    const { input, lines } = open({ openConversation: ({ to }) => ({ conversation: to }) });
    input.write('{"id":7,"do":"openConversation","to":"sip:bob@lab.test"}\n{"id":"x","do":"nonsense"}\n');
    await settled();
    const byId = new Map(lines.map((line) => [line.re, line]));
    expect(lines).toHaveLength(2);
    expect(byId.get(7)).toEqual({ re: 7, ok: true, value: { conversation: 'sip:bob@lab.test' } });
    expect(byId.get('x')).toMatchObject({ ok: false, error: { code: 'ipc/refused', retry: 'never', text: expect.any(String) } });
  });

  it.each(['not json', '[]', '42', 'null', '"do"', `{"id":{},"do":5}`])('answers %s with an error and goes on', async (line) => {
    const { input, lines } = open();
    input.write(`${line}\n{"id":1,"do":"devices"}\n`);
    await settled();
    expect(lines).toMatchObject([
      { ok: false, error: { code: 'ipc/refused' } },
      { re: 1, ok: true },
    ]);
  });

  it('writes events as lines, with a sentence beside an error', async () => {
    const { lines, onEvent } = open();
    onEvent.emit({
      event: 'registration',
      account: 'sip:alice@lab.test',
      revision: 3,
      state: 'rejected',
      bindings: 0,
      error: { code: 'account/bad-credentials', retry: 'user' },
    });
    await settled();
    expect(lines[0]).toMatchObject({
      event: 'registration',
      account: 'sip:alice@lab.test',
      revision: 3,
      state: 'rejected',
      error: { code: 'account/bad-credentials' },
    });
    expect(lines[0]?.error).toMatchObject({ text: expect.stringContaining('password') });
  });

  it.each(['quit', 'end of input', 'stop'])('ends cleanly at %s', async (how) => {
    const { input, done, stop, quits } = open();
    if (how === 'quit') input.write('{"id":1,"do":"quit"}\n');
    else if (how === 'stop') stop();
    else input.end();
    await done;
    expect(quits()).toBe(1);
  });
});
