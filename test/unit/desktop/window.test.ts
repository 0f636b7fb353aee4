import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { contentSecurityPolicy } from '../../../main/desktop/content-policy';
import { nextProfile } from '../../../main/desktop/further-device';
import { outsideUrl, serve } from '../../../main/desktop/window';
import { repair, tile } from '../../../main/desktop/window-bounds';

vi.mock('electron', () => ({}));

const base = mkdtempSync(join(tmpdir(), 'chorus-window-'));
const folder = join(base, 'renderer');
mkdirSync(join(folder, 'assets'), { recursive: true });
writeFileSync(join(folder, 'index.html'), '<p>hello');
writeFileSync(join(folder, 'assets/a b.css'), 'p{}');
writeFileSync(join(base, 'main.js'), 'secret');
afterAll(() => rmSync(base, { recursive: true }));

describe('app://chorus', () => {
  const get = (url: string, method = 'GET') => serve(folder, { method, url });

  it('serves a file with its type and the policy', async () => {
    const answer = await get('app://chorus/index.html');
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('<p>hello');
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toBe(contentSecurityPolicy);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await get('app://chorus/assets/a%20b.css')).status).toBe(200);
    // WebRTC is a way out that `connect-src` does not close.
    expect(contentSecurityPolicy.split('; ')).toEqual(
      expect.arrayContaining(["default-src 'none'", "connect-src 'none'", "webrtc 'block'"]),
    );
  });

  it.each([
    'app://chorus/',
    'app://chorus/none.html',
    'app://chorus/..%2fmain.js',
    'app://chorus/%2e%2e/main.js',
    'app://chorus/assets',
    'app://chorus/%ff.html',
    'app://chorus/%00.html',
    'app://other/index.html',
  ])('%s does not exist', async (url) => {
    const answer = await get(url);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-security-policy')).toBe(contentSecurityPolicy);
  });

  it('answers GET alone', async () => {
    expect((await get('app://chorus/index.html', 'POST')).status).toBe(405);
  });
});

describe('links to the outside', () => {
  it('are web and mail addresses, parsed and formatted again', () => {
    expect(outsideUrl('HTTPS://Example.ORG/a b')?.href).toBe('https://example.org/a%20b');
    expect(outsideUrl('mailto:bob@example.org')?.href).toBe('mailto:bob@example.org');
  });

  it.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/html,x',
    'smb://host/share',
    'https://user:pw@example.org/',
    'nonsense',
    '',
  ])('%s is none', (text) => {
    expect(outsideUrl(text)).toBeNull();
  });
});

describe('the place of the window', () => {
  const screen = { x: 0, y: 0, width: 1920, height: 1080 };

  it('is kept where a person can reach it', () => {
    expect(repair({ x: 1700, y: 900, width: 800, height: 600 }, [screen])).toEqual({ x: 1700, y: 900, width: 800, height: 600 });
    expect(repair({ x: 10, y: 10, width: 100, height: 50 }, [screen])).toEqual({ x: 10, y: 10, width: 360, height: 400 });
  });

  it.each([
    { x: 1900, y: 0 },
    { x: -790, y: 0 },
    { x: 0, y: 1070 },
    { x: 5000, y: 5000 },
    { x: 0, y: -500 },
  ])('%j is out of reach', (corner) => {
    expect(repair({ ...corner, width: 800, height: 600 }, [screen])).toBeNull();
  });

  it('of four demonstrators is a quarter of the screen, or a column of a wide one', () => {
    const at = (index: number, area = screen) => tile(area, index, 4);
    expect([0, 1, 2, 3].map((index) => at(index))).toEqual([
      { x: 0, y: 0, width: 960, height: 540 },
      { x: 960, y: 0, width: 960, height: 540 },
      { x: 0, y: 540, width: 960, height: 540 },
      { x: 960, y: 540, width: 960, height: 540 },
    ]);
    expect(at(3, { x: 0, y: 0, width: 3840, height: 1000 })).toEqual({ x: 2880, y: 0, width: 960, height: 1000 });
    expect(tile(screen, 0, 1)).toEqual(screen);
  });
});

describe('a further device', () => {
  it('is named for the person and takes the next free profile', () => {
    const taken = new Set<string>();
    const next = () => {
      const found = nextProfile('sip:bob@lab.test', (name) => taken.has(name));
      taken.add(found.profile);
      return found;
    };
    expect(next()).toEqual({ profile: 'bob-laptop', deviceName: "Bob's laptop" });
    expect(next()).toEqual({ profile: 'bob-tablet', deviceName: "Bob's tablet" });
    next();
    next();
    expect(next()).toEqual({ profile: 'bob-laptop-2', deviceName: "Bob's laptop 2" });
  });

  it('never lets an address choose a folder', () => {
    expect(nextProfile('sip:../../etc@lab.test', () => false).profile).toBe('guest-laptop');
    expect(nextProfile('', () => false).profile).toBe('guest-laptop');
  });
});
