/**
 * The built renderer in a browser, driven through a scripted `window.chorus`: no main process, no network. It is served under the
 * policy that the program itself uses, so an inline style or script fails here too.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright';
import type {
  AppEventBody,
  CallArgument,
  CallName,
  ErrorValue,
  MessageValue,
  ParticipantValue,
  SearchHitValue,
  Snapshot,
} from '../../../preload/contract';

export const rendererPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; connect-src 'none'; require-trusted-types-for 'script'";

export interface Scene {
  snapshot: Snapshot;
  messages?: Record<string, MessageValue[]>;
  participants?: Record<string, ParticipantValue[]>;
  /** What a call answers instead of its harmless default: always the same, or one after the other, the last again and again. `hang` never answers. */
  answers?: Partial<Record<CallName, { value: unknown } | { hits: SearchHitValue[] } | { error: ErrorValue } | 'hang'>>;
}

export interface RendererPage {
  page: Page;
  /** Sends events to the window, each with the next revision. */
  emit(...events: AppEventBody[]): Promise<void>;
  /** The calls made so far of one name, oldest first. */
  calls(name: CallName): Promise<unknown[]>;
  /** What the page complained about: policy violations and uncaught errors. */
  complaints: string[];
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.woff2': 'font/woff2',
};

const origin = 'http://chorus.test';

/** Debian's Chromium where it is installed; null where no browser is. */
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

/** Runs in the page: a bridge that keeps no state but the revision, and answers from the scene. */
function actBridge(scene: Scene): void {
  const listeners = new Set<(event: never) => void>();
  let revision = scene.snapshot.revision;
  window.addEventListener('act-event', (event) => {
    revision += 1;
    const body = { ...(event as CustomEvent<object>).detail, revision };
    for (const listener of listeners) listener(body as never);
  });
  const note = (name: string, argument: unknown): void => {
    const key = `calls${name}`;
    const data = document.documentElement.dataset;
    data[key] = JSON.stringify([...JSON.parse(data[key] ?? '[]'), argument]);
  };
  const answer = (
    name: string,
    argument: { conversation?: string; before?: string; after?: string; around?: string; limit?: number; to?: string },
  ): unknown => {
    const scripted = scene.answers?.[name as CallName];
    if (scripted !== undefined && scripted !== 'hang' && 'value' in scripted) return scripted.value;
    if (scripted !== undefined && scripted !== 'hang' && 'hits' in scripted) {
      const asked = argument as object as CallArgument<'search'>;
      const found = scripted.hits.filter(({ snippet }) => asked.text.split(' ').every((word) => snippet.includes(word)));
      const start = found.findIndex(({ message }) => message === asked.before?.message) + 1;
      return found.slice(start, start + (asked.limit ?? 50));
    }
    switch (name) {
      case 'snapshot':
        return scene.snapshot;
      case 'messages': {
        const all = scene.messages?.[argument.conversation ?? ''] ?? [];
        const place = (message: string) => all.findIndex((one) => one.message === message);
        const limit = argument.limit ?? 50;
        if (argument.after !== undefined) return all.slice(place(argument.after) + 1, place(argument.after) + 1 + limit);
        if (argument.around !== undefined) {
          const start = Math.max(0, place(argument.around) - Math.floor((limit - 1) / 2));
          return all.slice(start, start + limit);
        }
        const end = argument.before === undefined ? all.length : all.findIndex((message) => message.message === argument.before);
        return all.slice(Math.max(0, end - limit), end);
      }
      case 'search':
        return [];
      case 'participants':
        return scene.participants?.[argument.conversation ?? ''] ?? [];
      case 'capabilities':
        return { capabilities: ['session', 'group'], instanceId: null, deviceName: null };
      case 'sendText':
        return { message: `sent-${revision}`, conversation: argument.conversation };
      case 'openConversation':
        return { conversation: scene.snapshot.conversations.find((each) => each.people[0]?.address === argument.to)?.conversation ?? '' };
      default:
        return {};
    }
  };
  Object.defineProperty(window, 'chorus', {
    value: {
      call: (name: string, argument: object) => {
        note(name, argument);
        const scripted = scene.answers?.[name as CallName];
        if (scripted === 'hang') return new Promise(() => undefined);
        if (scripted !== undefined && 'error' in scripted) return Promise.resolve({ ok: false, error: scripted.error });
        return Promise.resolve({ ok: true, value: answer(name, argument) });
      },
      subscribe: (listener: (event: never) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
}
