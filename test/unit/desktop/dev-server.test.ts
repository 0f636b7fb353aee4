import { afterEach, describe, expect, it, vi } from 'vitest';
import { contentSecurityPolicy } from '../../../main/desktop/content-policy';
import { createDevServer, devPolicy } from '../../../main/desktop/dev-server';

const server = new URL('http://127.0.0.1:5173');
afterEach(() => void vi.unstubAllGlobals());

describe('the page of a development server', () => {
  it('has the policy of the program but for its styles and its news', () => {
    const strict = contentSecurityPolicy.split('; ');
    const eased = devPolicy(server).split('; ');
    expect(eased.filter((directive) => !strict.includes(directive))).toEqual([
      "style-src 'self' 'unsafe-inline'",
      "connect-src 'self' ws://127.0.0.1:5173",
    ]);
    expect(eased).toHaveLength(strict.length);
  });

  it('is fetched from there, path and query alone, and keeps the policy', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: URL, { headers }: { headers: unknown }) => {
      asked.push(`${url.href} ${JSON.stringify(headers)}`);
      return new Response('let a;', { headers: { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' } });
    });
    const answer = await createDevServer(server).answer({
      method: 'GET',
      url: 'app://chorus/main.tsx?t=1',
      headers: new Headers({ accept: 'text/css', cookie: 'a' }),
    });
    expect(asked).toEqual(['http://127.0.0.1:5173/main.tsx?t=1 {"accept":"text/css"}']);
    expect([...answer.headers]).toEqual([
      ['content-security-policy', devPolicy(server)],
      ['content-type', 'text/javascript'],
      ['x-content-type-options', 'nosniff'],
    ]);
    expect(await answer.text()).toBe('let a;');
  });

  it('is refused when it is not asked for by GET, or the server has ended', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new Error('ECONNREFUSED')));
    const dev = createDevServer(server);
    expect((await dev.answer({ method: 'POST', url: 'app://chorus/', headers: new Headers() })).status).toBe(405);
    expect((await dev.answer({ method: 'GET', url: 'app://chorus/', headers: new Headers() })).status).toBe(502);
  });

  it('opens the WebSocket of its server and nothing else', () => {
    const { mayOpen } = createDevServer(server);
    expect(['ws://127.0.0.1:5173/?token=a', 'ws://127.0.0.1:51730/', 'http://127.0.0.1:5173/', 'wss://example.org/'].map(mayOpen)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
