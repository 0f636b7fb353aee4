/**
 * `npm run dev`: the app with its page from a development server. A change in renderer/ is on the screen at once; one in main/, network/, preload/
 * or below restarts the app, which signs in again. Without a display, artifacts/chorus-dev.png is the screen, taken again when it changes.
 *
 *   npm run dev                      the app, as the profile `dev`; further words are the app's own, such as --try Alice
 *   npm run dev -- gallery           every view and state without an app, in your browser
 */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { appBundles, bundleOptions } from './build.mjs';
import { endWindow, findStage, launch, screenFor } from './parts/app-stage.mjs';
import { ensureDependencies } from './parts/dependencies.mjs';
import { placeLiveApp } from './parts/ordinary-user.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'out/dev');
const galleryPage = 'gallery/index.html';
/** Several bundles change at once: the app restarts once none has changed for this long. */
const settleMs = 150;
const pictureEveryMs = 1_000;

/** Resolves when the person, npm or the system ends this process. */
const asked = new Promise((resolve) => {
  for (const signal of endSignals) process.on(signal, resolve);
  onNpmGone(() => resolve(undefined));
});

/** @returns {Promise<number>} a port of loopback that nobody has */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createTcpServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address === null || typeof address === 'string' ? reject(new Error('no port')) : resolve(address.port)));
    });
  });
}

/** The page, on loopback alone. Its errors are told at the terminal: the overlay in the page would break the policy. */
async function servePage() {
  const { createServer } = await import('vite');
  const port = await freePort();
  /** @type {Set<Function>} */
  const before = new Set([...process.listeners('SIGTERM'), ...process.stdin.listeners('end')]);
  const server = await createServer({
    root: join(root, 'renderer'),
    configFile: join(root, 'vite.config.ts'),
    server: { host: '127.0.0.1', port, strictPort: true, hmr: { host: '127.0.0.1', clientPort: port, protocol: 'ws', overlay: false } },
    logLevel: 'info',
    clearScreen: false,
  });
  // Vite ends the whole process by itself, with the app still open.
  for (const listener of process.listeners('SIGTERM')) if (!before.has(listener)) process.removeListener('SIGTERM', listener);
  for (const listener of process.stdin.listeners('end'))
    if (!before.has(listener)) process.stdin.removeListener('end', /** @type {() => void} */ (listener));
  await server.listen();
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** Builds what Electron runs, and again at every change of its sources; `changed` is told when all that has changed is built without errors. */
async function watchBundles(changed) {
  const { context } = await import('esbuild');
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** What is not built yet, or no longer without errors. */
  const missing = new Set(appBundles.map(({ entry }) => entry));
  const contexts = await Promise.all(
    appBundles.map(({ entry, out }) =>
      context({
        ...bundleOptions({ entry, out: out.replace(/^out\//, 'out/dev/out/') }),
        plugins: [
          {
            name: 'tell',
            setup: (build) =>
              build.onEnd(({ errors }) => {
                if (errors.length > 0) missing.add(entry);
                else missing.delete(entry);
                clearTimeout(timer);
                if (missing.size === 0) timer = setTimeout(changed, settleMs);
              }),
          },
        ],
      }),
    ),
  );
  for (const one of contexts) await one.watch();
  return async () => {
    clearTimeout(timer);
    await Promise.all(contexts.map((one) => one.dispose()));
  };
}

/** Keeps the picture of a virtual screen until ended. */
function keepScreen(screen, file, teller) {
  let last = Buffer.alloc(0);
  const take = async () => {
    const { png, isDrawn } = await screen.picture();
    if (!isDrawn || png.equals(last)) return;
    if (last.length === 0) teller.say(`The screen is in ${relative(process.cwd(), file)}, taken again when it changes.`);
    last = png;
    await writeFile(file, png);
  };
  const timer = setInterval(() => void take().catch((error) => teller.say(`No picture: ${error.message}`)), pictureEveryMs);
  return () => clearInterval(timer);
}

async function gallery(teller) {
  await ensureDependencies(root, teller);
  if (!existsSync(join(root, 'renderer', galleryPage)))
    throw new Trouble(`There is no renderer/${galleryPage} yet, which the gallery is made of.`);
  const page = await servePage();
  teller.say(`The gallery is at ${page.url}/${galleryPage}; Ctrl+C ends it.`);
  await asked;
  await page.close();
}

async function app(teller, words) {
  const stage = await findStage(root, teller);
  const { screen, env } = await screenFor(stage, { width: 1180, height: 760 }, teller);
  const page = await servePage();
  await rm(built, { recursive: true, force: true });
  await mkdir(join(built, 'out'), { recursive: true });
  await copyFile(join(root, 'package.json'), join(built, 'package.json'));
  const live = await placeLiveApp(stage.user, root, built);
  const profile = words.some((word) => word.startsWith('--profile')) ? [] : ['--profile', 'dev'];

  /** @type {import('node:child_process').ChildProcess | null} */
  let child = null;
  /** @type {(code: number) => void} */
  let finish = () => {};
  const closed = new Promise((resolve) => {
    finish = resolve;
  });
  let isOver = false;
  /** One restart after the other, however fast one types. */
  let turn = Promise.resolve();
  const restart = async () => {
    if (isOver) return;
    const before = child;
    child = null;
    if (before !== null) {
      teller.say('Something below the page has changed: the app starts again.');
      await endWindow(before);
    }
    await live.renew();
    if (isOver) return;
    const next = launch(stage, live.app, [...profile, '--dev-server', page.url, ...words], env);
    child = next;
    // Closed by the person, not by a restart.
    next.once('close', (code) => child === next && finish(code ?? 1));
  };
  const stopWatching = await watchBundles(() => {
    turn = turn.then(restart).catch((error) => teller.say(`The app could not be started: ${error.message}`));
  });
  await mkdir(join(root, 'artifacts'), { recursive: true });
  const stopPictures = screen === null ? () => {} : keepScreen(screen, join(root, 'artifacts/chorus-dev.png'), teller);
  teller.say(`The page comes from ${page.url}. Close the window or press Ctrl+C to end it.`);
  const code = await Promise.race([closed, asked.then(() => 0)]);
  isOver = true;
  stopPictures();
  await stopWatching();
  await turn;
  if (child !== null) await endWindow(child);
  await page.close();
  await screen?.close();
  return code;
}

await runScript(async () => {
  const words = process.argv.slice(2);
  const teller = createTeller();
  if (words[0] !== 'gallery') return app(teller, words);
  await gallery(teller);
  return 0;
});
