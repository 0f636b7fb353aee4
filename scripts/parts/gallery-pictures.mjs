/** Pictures of the gallery's scenes (`renderer/gallery`), drawn by Debian's Chromium under the window's own Content-Security-Policy. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Trouble } from './terminal.mjs';

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.woff2': 'font/woff2' };
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; connect-src 'none'; require-trusted-types-for 'script'";
const origin = 'http://chorus.test';

/** The minute the scenes play in, so that a picture changes only when the window does. */
const now = new Date('2026-03-12T00:52:30Z');
/** Longer than the 300 ms after which a wait is shown. */
const settleMs = 600;
const playMs = 20_000;
const pagesAtOnce = 4;

/** Builds the gallery into artifacts/gallery, outside of what is packaged, with the window's own settings of vite. */
export async function buildGallery(root) {
  const { build } = await import('vite');
  const outDir = join(root, 'artifacts/gallery');
  await build({
    root: join(root, 'renderer'),
    configFile: join(root, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true, rollupOptions: { input: join(root, 'renderer/gallery/index.html') } },
  });
  return outDir;
}

/**
 * Takes a picture of every scene, or of those `named`, in each theme: `folder/NAME-THEME.png`.
 * @throws Trouble when Chromium is missing, and when a page complains (of a style or script against its policy, too) or cannot play its scene.
 * @param {{ built: string, folder: string, forcedColors?: 'active' | 'none', height?: number, named?: string[], themes?: string[], width?: number }} wanted
 */
export async function takePictures({
  built,
  folder,
  named,
  themes = ['light', 'dark'],
  width = 1180,
  height = 760,
  forcedColors = 'none',
}) {
  const { chromium } = await import('playwright');
  const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
  if (executablePath === undefined) throw new Trouble('The pictures need Chromium; on Debian: apt-get install -y chromium');
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] });
  const complaints = [];
  try {
    // A context for each page: of several pages in one window only the front one is drawn.
    const openPage = async () => {
      const context = await browser.newContext({
        viewport: { width, height },
        forcedColors,
        reducedMotion: 'reduce',
        locale: 'en-GB',
        timezoneId: 'UTC',
      });
      await context.route(`${origin}/**`, async (route) => {
        const { pathname, search } = new URL(route.request().url());
        const file = join(built, pathname);
        if (!existsSync(file)) return route.fulfill({ status: 404 });
        const contentType = types[extname(file)] ?? 'application/octet-stream';
        return route.fulfill({
          body: await readFile(file),
          headers: { 'content-type': contentType, 'content-security-policy': search === '' ? `${policy}; frame-src 'self'` : policy },
        });
      });
      const page = await context.newPage();
      page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error}`));
      page.on('console', (message) => {
        if (message.type() === 'error' || /Refused|violat/i.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
      });
      await page.addInitScript(stopClock, now.getTime());
      return page;
    };
    const names = named ?? (await sceneNames(await openPage()));
    const wanted = names.flatMap((name) => themes.map((theme) => ({ name, theme })));
    const taken = [];
    const take = async () => {
      const page = await openPage();
      for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
        const { name, theme } = next;
        await page.goto(`${origin}/gallery/index.html?scene=${name}&theme=${theme}`);
        await page.waitForSelector(`html[data-played="${name}"], html[data-missing]`, { state: 'attached', timeout: playMs }).catch(() => {
          complaints.push(`${name} was not played within ${playMs / 1000} s`);
        });
        await page.evaluate('document.fonts.ready.then(() => undefined)');
        await page.waitForTimeout(settleMs);
        const file = join(folder, `${name}-${theme}.png`);
        await writeFile(file, await page.screenshot({ caret: 'hide', animations: 'disabled' }));
        taken.push(file);
      }
    };
    await Promise.all(Array.from({ length: pagesAtOnce }, take));
    if (complaints.length > 0) throw new Trouble(`The gallery complains:\n${complaints.join('\n')}`);
    return taken;
  } finally {
    await browser.close();
  }
}

/** Runs in the page. Playwright's own clock would hold the frames back, too. */
function stopClock(time) {
  const Running = Date;
  /** @type {any} */ (globalThis).Date = class extends Running {
    constructor(...given) {
      super(.../** @type {[number]} */ (given.length === 0 ? [time] : given));
    }
    /** @override */
    static now() {
      return time;
    }
  };
}

async function sceneNames(page) {
  await page.goto(`${origin}/gallery/index.html`);
  const names = await page.locator('nav button').allTextContents();
  await page.close();
  if (names.length === 0) throw new Trouble('The gallery lists no scene.');
  return names;
}
