/** Where a person's Chorus runs: its runtime, the user it runs as, the screen it draws on; how a window of it is opened there and ended. */
import { spawn } from 'node:child_process';
import { displayPackages, ensurePackages, requireLibraries, windowPackages } from './debian.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { hasDisplay, lendDisplay, startScreen } from './display.mjs';
import { ensureElectron } from './electron-runtime.mjs';
import { as, ordinaryUser, requireSandbox, userEnvironment } from './ordinary-user.mjs';
import { ended } from './processes.mjs';

/** How long a window has to sign off. */
const quitGraceMs = 6_000;

/** Everything that a window needs but the app itself, each part set up only where it is missing. */
export async function findStage(root, teller) {
  await ensureDependencies(root, teller);
  const display = await hasDisplay();
  if (process.platform === 'linux') {
    await ensurePackages([...windowPackages, ...(display ? [] : displayPackages)], 'for the window', teller);
  }
  const electron = await ensureElectron(root, teller);
  await requireLibraries(electron);
  const user = await ordinaryUser(teller);
  await requireSandbox(user, electron);
  return { electron, user, display };
}

/** The person's own screen, or a virtual one of this size; `env` is what programs need to draw on it. */
export async function screenFor({ user, display }, size, teller) {
  const screen = display ? null : await startScreen({ user, ...size });
  if (screen !== null) teller.say('There is no display here: Chorus runs on a virtual screen (Xvfb).');
  if (user !== null) teller.say(`Root cannot run the sandbox: Chorus runs as the user ${user.name}, and keeps its data in ${user.home}.`);
  return { screen, env: screen?.env ?? (await lendDisplay(user)) };
}

/** Chromium's own notes about a machine without a desktop (no message bus, no graphics card) are no news for the person. */
const chromiumNote = /^\[\d+:\d{4}\/\d{6}\.\d+:(?:ERROR|WARNING|INFO)/;

/** Opens a window of the app in the folder `app`. */
export function launch({ electron, user }, app, args, env) {
  const child = spawn(electron, [app, ...args], {
    ...as(user),
    env: userEnvironment(user, { ...env, ELECTRON_RUN_AS_NODE: undefined }),
    stdio: ['ignore', 'inherit', 'pipe'],
    // Its own group: Ctrl+C comes here alone, and the windows are closed in order.
    detached: true,
  });
  let left = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    const lines = (left + text).split('\n');
    left = lines.pop() ?? '';
    for (const line of lines) if (line !== '' && !chromiumNote.test(line)) process.stderr.write(`${line}\n`);
  });
  return child;
}

export async function endWindow(child) {
  // The one process alone: Chromium's helpers die of SIGTERM, and the window would go with them before it de-registered.
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  await ended(child, quitGraceMs);
}
