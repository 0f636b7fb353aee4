/** What holds in the real window, not only in the options it was made with: sandbox, policy, sender check, navigation, permissions, network. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { elapse } from '../support/waiting';
import { chorusWindows } from '../support/windows/electron';

const windows = chorusWindows();

describe('the window', () => {
  it('runs its page in the real sandbox: own process, filtered system calls, no Node', async () => {
    const { app, page } = await windows.open('sandbox');
    const processes = await app.evaluate(({ app: electron }) =>
      electron.getAppMetrics().map(({ type, pid, sandboxed }) => ({ type, pid, sandboxed: sandboxed ?? null })),
    );
    const pages = processes.filter(({ type }) => type === 'Tab');
    expect(pages).toHaveLength(1);
    if (process.platform === 'linux') {
      for (const { pid } of pages) {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        // 2: the kernel filters its system calls (seccomp-bpf). No privileges can be gained any more.
        expect(status).toMatch(/^Seccomp:\s*2$/m);
        expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
        expect(status).not.toMatch(/^Uid:\s*0\b/m);
      }
    }
    const nodeNames = await page.evaluate(() =>
      ['require', 'process', 'module', 'Buffer', 'global', '__dirname', 'electron'].filter((name) => name in globalThis),
    );
    expect(nodeNames).toEqual([]);
    expect(await page.evaluate(() => Object.keys(window.chorus).sort())).toEqual(['call', 'subscribe']);
    // The bridge exists in isolated contexts alone, and the page cannot put another in its place.
    expect(await page.evaluate(() => Object.isFrozen(window.chorus) && Reflect.set(window, 'chorus', null))).toBe(false);
    expect(await app.evaluate(() => process.argv.filter((argument) => /^--(no|disable)-.*sandbox/.test(argument)))).toEqual([]);
  });

  it('is served from app://chorus with the policy, and the policy holds', async () => {
    const { app, page } = await windows.open('policy');
    expect(page.url()).toBe('app://chorus/index.html');
    const answer = await app.evaluate(async ({ net }) => {
      const response = await net.fetch('app://chorus/index.html');
      return {
        status: response.status,
        policy: response.headers.get('content-security-policy'),
        type: response.headers.get('content-type'),
      };
    });
    expect(answer.status).toBe(200);
    expect(answer.type).toBe('text/html; charset=utf-8');
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "connect-src 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      expect(answer.policy?.split('; ')).toContain(part);
    }
    // In a task of its own: what the inspector runs synchronously is exempt from the policy, what the page runs is not.
    const compiled = await page.evaluate(
      () =>
        new Promise((resolve) => {
          setTimeout(() => {
            try {
              resolve(`compiled ${new Function('return 1')()}`);
            } catch (error) {
              resolve((error as Error).name);
            }
          });
        }),
    );
    expect(compiled).toMatch(/^(EvalError|TypeError)$/);
    const violations = await page.evaluate(async () => {
      const seen: string[] = [];
      const refused = new Promise<void>((done) => {
        document.addEventListener('securitypolicyviolation', (event) => {
          seen.push(event.effectiveDirective);
          if (seen.includes('frame-src') && seen.includes('img-src')) done();
        });
      });
      const script = document.createElement('script');
      try {
        script.text = 'globalThis.inlineScriptRan = true';
        document.body.append(script);
      } catch (error) {
        seen.push(`thrown ${(error as Error).name}`);
      }
      try {
        document.body.innerHTML += '<p>injected</p>';
      } catch (error) {
        seen.push(`thrown ${(error as Error).name}`);
      }
      const frame = document.createElement('iframe');
      frame.src = 'https://example.org/';
      document.body.append(frame);
      const image = new Image();
      image.src = 'https://example.org/pixel.png';
      document.body.append(image);
      await refused;
      return { seen, ran: 'inlineScriptRan' in globalThis };
    });
    expect(violations.ran).toBe(false);
    expect(violations.seen).toEqual(expect.arrayContaining(['thrown TypeError', 'frame-src', 'img-src']));
  });

  it('serves files of its own folder by GET, and nothing else', async () => {
    const { app } = await windows.open('files');
    const ask = (url: string, method = 'GET') =>
      app.evaluate(
        async ({ net }, [target, verb]) =>
          net.fetch(target, { method: verb }).then(
            (response) => response.status,
            () => 'refused',
          ),
        [url, method] as const,
      );
    expect(await ask('app://chorus/index.html')).toBe(200);
    expect(await ask('app://chorus/../main.cjs')).toBe(404);
    expect(await ask('app://chorus/%2e%2e%2fmain.cjs')).toBe(404);
    expect(await ask('app://chorus/..%2f..%2fpackage.json')).toBe(404);
    expect(await ask('app://chorus/%00index.html')).toBe(404);
    expect(await ask('app://chorus/')).toBe(404);
    expect(await ask('app://elsewhere/index.html')).toBe(404);
    expect(await ask('app://chorus/index.html', 'POST')).toBe(405);
  });

  it('answers no frame but its own page', async () => {
    const { app, page, call } = await windows.open('sender');
    expect((await call('snapshot', {})).profile).toBe('sender');
    // A second window with the very same preload, showing a foreign page and then our own page.
    const foreign = await app.evaluate(async ({ BrowserWindow, app: electron }) => {
      const preload = `${electron.getAppPath()}/out/preload.cjs`;
      const make = () => new BrowserWindow({ show: false, webPreferences: { preload, sandbox: true, contextIsolation: true } });
      const ask = (window: Electron.BrowserWindow) => window.webContents.executeJavaScript("window.chorus.call('snapshot', {})");
      const stranger = make();
      await stranger.loadURL('about:blank');
      const twin = make();
      await twin.loadURL('app://chorus/index.html');
      const answers = { stranger: await ask(stranger), twin: await ask(twin) };
      stranger.destroy();
      twin.destroy();
      return answers;
    });
    expect(foreign.stranger).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    expect(foreign.twin).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
    const malformed = await page.evaluate(() => {
      const callAny = window.chorus.call as (name: unknown, argument: unknown) => Promise<unknown>;
      return Promise.all([callAny('shutdown', {}), callAny('messages', { conversation: 7 }), callAny('__proto__', {})]);
    });
    for (const answer of malformed) expect(answer).toMatchObject({ ok: false, error: { code: 'ipc/refused' } });
  });

  it('denies new windows, navigation and every permission but two', async () => {
    const { app, page } = await windows.open('doors', { args: ['--use-fake-device-for-media-stream'] });
    // The question that a web link brings is answered with Cancel, so that no browser opens here.
    await app.evaluate(({ dialog, shell }) => {
      const asked: string[] = [];
      Object.assign(globalThis, { asked });
      dialog.showMessageBox = (async (_window: unknown, options: { detail?: string }) => {
        asked.push(options.detail ?? '');
        return { response: 1, checkboxChecked: false };
      }) as typeof dialog.showMessageBox;
      shell.openExternal = async (url) => {
        asked.push(`OPENED ${url}`);
      };
    });
    expect(await page.evaluate(() => window.open('https://example.org/a b') === null)).toBe(true);
    expect(await page.evaluate(() => window.open('file:///etc/passwd') === null)).toBe(true);
    await page.evaluate(() => {
      location.href = 'data:text/html,stranger';
      location.href = 'https://example.org/away';
    });
    await elapse(500, 'nothing tells that no navigation follows');
    expect(page.url()).toBe('app://chorus/index.html');
    expect(await app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1);
    const asked = await app.evaluate(() => Reflect.get(globalThis, 'asked') as string[]);
    expect(asked[0]).toBe('https://example.org/a%20b');
    expect(asked.some((entry) => entry.startsWith('OPENED') || entry.startsWith('file:') || entry.startsWith('data:'))).toBe(false);
    const answers = await page.evaluate(async () => {
      const denied = async (ask: () => Promise<unknown>) =>
        ask().then(
          () => 'granted',
          (error: Error) => error.name,
        );
      return {
        camera: await denied(() => navigator.mediaDevices.getUserMedia({ video: true })),
        place: await new Promise((resolve) =>
          navigator.geolocation.getCurrentPosition(
            () => resolve('granted'),
            ({ code, PERMISSION_DENIED }) => resolve(code === PERMISSION_DENIED ? 'denied' : `error ${code}`),
          ),
        ),
        clipboardRead: await denied(() => navigator.clipboard.readText()),
        notifications: Notification.permission,
      };
    });
    expect(answers.camera).toBe('NotAllowedError');
    expect(answers.place).toBe('denied');
    expect(answers.clipboardRead).toBe('NotAllowedError');
    expect(answers.notifications).toBe('granted');
  });

  it('has no network: not by fetch, not by a socket, not by an element', async () => {
    let visits = 0;
    const server = createServer((_request, response) => {
      visits += 1;
      response.setHeader('access-control-allow-origin', '*').end('x');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const { app, page } = await windows.open('network');
      const answers = await page.evaluate(async (url) => {
        const outcome = (promise: Promise<unknown>) =>
          promise.then(
            () => 'reached',
            () => 'refused',
          );
        const image = new Image();
        const viaImage = new Promise((resolve) => {
          image.onload = () => resolve('reached');
          image.onerror = () => resolve('refused');
        });
        image.src = `${url}/image.png`;
        const socket = new Promise((resolve) => {
          try {
            const ws = new WebSocket(url.replace('http', 'ws'));
            ws.onopen = () => resolve('reached');
            ws.onerror = () => resolve('refused');
          } catch {
            resolve('refused');
          }
        });
        return { fetch: await outcome(fetch(url)), beacon: navigator.sendBeacon(url), image: await viaImage, socket: await socket };
      }, `http://127.0.0.1:${port}`);
      expect(answers).toMatchObject({ fetch: 'refused', image: 'refused', socket: 'refused' });
      // Below the page's policy: the session itself lets nothing out, whoever asks.
      const session = await app.evaluate(
        ({ session: { defaultSession } }, url) =>
          defaultSession.fetch(url).then(
            () => 'reached',
            () => 'refused',
          ),
        `http://127.0.0.1:${port}`,
      );
      expect(session).toBe('refused');
      expect(visits).toBe(0);
    } finally {
      server.close();
    }
  });
});
