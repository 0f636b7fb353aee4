/** What programs that drive real windows need: Electron, the built app, a screen, and an ordinary user who may read it all. */
import { join } from 'node:path';
import { ensureBuilt } from '../build.mjs';
import { displayPackages, ensurePackages, requireLibraries, windowPackages } from './debian.mjs';
import { startScreen } from './display.mjs';
import { ensureElectron } from './electron-runtime.mjs';
import { as, nodeFor, ordinaryUser, placeProject, requireSandbox, userEnvironment } from './ordinary-user.mjs';

const screenSize = { width: 1920, height: 1200 };

/**
 * Runs `work` on that stage and takes the screen down afterwards. `node`, `cwd`, `env` and `uid`, `gid` are how to start a program there; `user`
 * is null where the caller is one, `screen` where the system has its own.
 */
export async function withWindows(root, teller, work) {
  if (process.platform === 'linux') await ensurePackages([...windowPackages, ...displayPackages], 'for the windows of the tests', teller);
  const electron = await ensureElectron(root, teller);
  await requireLibraries(electron);
  const user = await ordinaryUser(teller);
  await requireSandbox(user, electron);
  await ensureBuilt('app', (build) => teller.step('Building Chorus', build));
  await ensureBuilt('command');
  const cwd = await placeProject(user, root);
  const screen = process.platform === 'linux' ? await startScreen({ user, ...screenSize }) : null;
  try {
    const env = userEnvironment(user, { ...screen?.env, CHORUS_ELECTRON: electron, CHORUS_ARTIFACTS: join(cwd, 'artifacts') });
    return await work({ ...as(user), node: await nodeFor(user), cwd, env, user, screen });
  } finally {
    await screen?.close();
  }
}
