/** The npm packages of the lock file. */
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, npmCommand } from './processes.mjs';
import { Trouble } from './terminal.mjs';

const oldestNode = /** @type {const} */ ([20, 18]);

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new Trouble(`Chorus needs Node ${oldestNode.join('.')} or newer; this is Node ${process.versions.node}.`);
}

/** Whether what npm last installed is what the lock file asks for. Packages for other platforms are absent, and may be. */
function isInstalled(root) {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
    return Object.entries(wanted).every(([path, { version, optional, peer }]) => {
      if (path === '') return true;
      const found = installed[path];
      return found === undefined ? optional === true || peer === true : found.version === version;
    });
  } catch {
    // A half-written file is as good as none.
    return false;
  }
}

export async function ensureDependencies(root, teller) {
  requireNode();
  if (isInstalled(root)) return;
  const folder = join(root, 'node_modules');
  if (existsSync(folder) && lstatSync(folder).isSymbolicLink()) {
    throw new Trouble(`node_modules is a link to packages of another lock file. Install them where it points to, or remove the link.`);
  }
  const { command, args } = npmCommand();
  await teller.step('Installing npm packages', () =>
    mustRun(command, [...args, 'ci', '--no-audit', '--no-fund'], {
      cwd: root,
      env: { ...process.env, ELECTRON_SKIP_BINARY_DOWNLOAD: '1', NODE_ENV: '' },
      sentence: 'npm could not install the packages of package-lock.json:',
    }),
  );
}
