/**
 * The built renderer in a browser with a scripted `window.chorus`: no main process, no network. It is served under the policy of the real
 * program, so an inline style or script fails here too.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright';
import type { CallName, EventBody } from '../../../preload/contract';
import { actBridge, type Scene } from '../../../renderer/gallery/scripted-bridge';

const rendererPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; connect-src 'none'; require-trusted-types-for 'script'";

export interface RendererPage {
  page: Page;
  /** Sends events to the window, each with the next revision. */
  emit(...events: EventBody[]): Promise<void>;
  /** The calls made so far of one name, oldest first. */
  calls(name: CallName): Promise<unknown[]>;
  /** The page's complaints: policy violations and uncaught errors. */
  complaints: string[];
}

// The times in the scenes are UTC, and so is the browser that draws them.
process.env.TZ = 'UTC';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.woff2': 'font/woff2',
};

const origin = 'http://chorus.test';

/** Debian's Chromium if installed; null when there is no browser. */
const browserPath: string | null = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path)) ?? null;

export async function launchBrowser(): Promise<Browser> {
  if (browserPath === null) throw new Error('This test needs Chromium; on Debian: apt-get install -y chromium');
  return chromium.launch({
    executablePath: browserPath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-sync'],
  });
}

interface View {
  theme?: 'light' | 'dark';
  width?: number;
  height?: number;
  forcedColors?: boolean;
}

export async function openRenderer(browser: Browser, built: string, scene: Scene, view: View = {}): Promise<RendererPage> {
  const context = await browser.newContext({
    viewport: { width: view.width ?? 1180, height: view.height ?? 760 },
    colorScheme: view.theme ?? 'light',
    forcedColors: view.forcedColors === true ? 'active' : 'none',
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || /Refused|violat/i.test(message.text())) complaints.push(message.text());
  });
  await page.route(`${origin}/**`, async (route) => {
    const path = new URL(route.request().url()).pathname;
    const file = join(built, path === '/' ? 'index.html' : path);
    if (!existsSync(file)) return route.fulfill({ status: 404 });
    return route.fulfill({
      body: await readFile(file),
      headers: { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': rendererPolicy },
    });
  });
  await page.addInitScript(actBridge, scene);
  await page.goto(`${origin}/`);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  return {
    page,
    complaints,
    emit: (...events) =>
      page.evaluate((bodies) => {
        for (const body of bodies) window.dispatchEvent(new CustomEvent('act-event', { detail: body }));
      }, events),
    calls: (name) => page.evaluate((wanted) => JSON.parse(document.documentElement.dataset[`calls${wanted}`] ?? '[]'), name),
  };
}
