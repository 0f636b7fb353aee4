/**
 * Real Chorus windows for the end-to-end tests, driven by Playwright: each with its own process, profile and instance, in the sandbox.
 *
 *   const chorus = chorusWindows();                    // once per file: closes everything after each test
 *   const alice = await chorus.open('alice-laptop', { try: 'Alice' });
 *   await alice.page.getByRole('textbox').fill('Hello');
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright';
import { afterEach } from 'vitest';
import type { CallArgument, CallName, CallValue, ChorusBridge, Result } from '../../../preload/contract';

declare global {
  interface Window {
    chorus: ChorusBridge;
  }
}

export interface ChorusWindow {
  name: string;
  app: ElectronApplication;
  page: Page;
  dataDir: string;
  /** Makes a call of the contract from the page. Throws with the error's code when it fails. */
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<CallValue<N>>;
  /** The process's output to stdout and stderr so far. */
  said(): string;
  /** Stores a screenshot of the window as `e2e/NAME.png` among the artefacts. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** The person to sign in as at the embedded network. */
  try?: string;
  deviceName?: string;
  /** The tile as `index/count`, such as `1/4`. */
  tile?: string;
  /** Further arguments of the app. */
  args?: string[];
  env?: Record<string, string>;
  /** A program that prepares something and then becomes the runtime, whose path it gets as CHORUS_ELECTRON. */
  through?: string;
}

/** The folder for files that a person may want to see after a test. */
export const artifacts = resolve(process.env.CHORUS_ARTIFACTS ?? 'artifacts');

/** How long a window may take to open on a machine with 1 or 2 shared cores. */
const openLimitMs = 60_000;

/** The runtime found by the set-up; `npm test -- e2e` names it. */
function runtime(): string {
  const path = process.env.CHORUS_ELECTRON;
  if (path !== undefined && path !== '') return path;
  throw new Error('These tests need an Electron runtime and a screen: run them by `npm test -- e2e`, which sets both up.');
}

function environment(extra: Record<string, string>): Record<string, string> {
  const all = { ...process.env, ...extra };
  // The app must not see Vitest's own variables.
  const entries = Object.entries(all).filter(([name, value]) => value !== undefined && !/^(VITEST|NODE_ENV$|NODE_OPTIONS$)/.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}

export interface PlainStart {
  /** Its exit status, once it has ended. */
  ended: Promise<number | null>;
  said(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Starts the app without Playwright, for starts that end before a window opens. */
export function startPlainly(args: string[]): PlainStart {
  const child = spawn(runtime(), [resolve('.'), ...args], { env: environment({}), stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces: string[] = [];
  child.stdout.on('data', (piece) => pieces.push(String(piece)));
  child.stderr.on('data', (piece) => pieces.push(String(piece)));
  return {
    ended: new Promise((done) => child.once('close', done)),
    said: () => pieces.join(''),
    kill: (signal) => child.kill(signal),
  };
}

export interface ChorusWindows {
  /** The folder of this test's profiles; its windows share one embedded network. */
  readonly folder: string;
  /** Opens a window with the profile `name`. Opening the same name again after `close` is the same device. */
  open(name: string, options?: OpenOptions): Promise<ChorusWindow>;
}

/** Opens windows and closes them after each test, with a screenshot of each when the test failed. */
export function chorusWindows(): ChorusWindows {
  const opened = new Set<ChorusWindow>();
  let folder: string | null = null;
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await Promise.all([...opened].map(tellFailure));
    await Promise.all([...opened].map((window) => window.close()));
    opened.clear();
    if (folder !== null) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    folder = null;
  });
  const ownFolder = () => {
    folder ??= mkdtempSync(join(tmpdir(), 'chorus-e2e-'));
    return folder;
  };
  return {
    get folder() {
      return ownFolder();
    },
    async open(name, options = {}) {
      const window = await launch(name, ownFolder(), options);
      opened.add(window);
      return window;
    },
  };
}

async function tellFailure(window: ChorusWindow): Promise<void> {
  process.stderr.write(`---- ${window.name} said:\n${window.said()}\n`);
  if (!window.page.isClosed()) await window.picture(`failed-${window.name}`);
}

function argumentsOf(name: string, folder: string, options: OpenOptions): string[] {
  const own = ['--profile', name, '--user-data-dir', join(folder, name), '--try-dir', join(folder, 'try-network')];
  if (options.try !== undefined) own.push('--try', options.try);
  if (options.deviceName !== undefined) own.push('--device-name', options.deviceName);
  if (options.tile !== undefined) own.push('--tile', options.tile);
  return [resolve('.'), ...own, ...(options.args ?? [])];
}

async function launch(name: string, folder: string, options: OpenOptions): Promise<ChorusWindow> {
  const app = await _electron.launch({
    executablePath: options.through ?? runtime(),
    args: argumentsOf(name, folder, options),
    env: environment({ ...options.env, CHORUS_ELECTRON: runtime() }),
    // Playwright would otherwise add --no-sandbox, which Chorus refuses.
    chromiumSandbox: true,
    timeout: openLimitMs,
  });
  const pieces: string[] = [];
  app.process().stdout?.on('data', (piece) => pieces.push(String(piece)));
  app.process().stderr?.on('data', (piece) => pieces.push(String(piece)));
  const page = await app.firstWindow({ timeout: openLimitMs });
  page.on('console', (message) => pieces.push(`[page ${message.type()}] ${message.text()}\n`));
  page.on('pageerror', (error) => pieces.push(`[page error] ${error.stack ?? error.message}\n`));
  await page.waitForLoadState('load');
  /** Electron's own screenshot when the window is enlarged: the inspector's would show a quarter of it. */
  const keepPicture = async (path: string) => {
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    const png = await app.evaluate(async ({ BrowserWindow }) => {
      const [contents] = BrowserWindow.getAllWindows().map((window) => window.webContents);
      if (contents === undefined || contents.getZoomFactor() === 1) return null;
      return (await contents.capturePage()).toPNG().toString('base64');
    });
    if (png === null) await page.screenshot({ path });
    else writeFileSync(path, Buffer.from(png, 'base64'));
  };
  let closing: Promise<void> | null = null;
  return {
    name,
    app,
    page,
    dataDir: join(folder, name),
    async call(call, argument) {
      const result = await page.evaluate(
        ([callName, value]) => window.chorus.call(callName as 'snapshot', value as CallArgument<'snapshot'>),
        [call, argument] as const,
      );
      return unwrap(call, result as Result<CallValue<typeof call>>);
    },
    said: () => pieces.join(''),
    async picture(file) {
      const pictures = join(artifacts, 'e2e');
      mkdirSync(pictures, { recursive: true });
      await keepPicture(join(pictures, `${file}.png`));
    },
    close() {
      closing ??= app.close();
      return closing;
    },
  };
}

function unwrap<T>(call: string, result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${call}: ${result.error.code} ${result.error.cause ?? ''}`);
}
