/**
 * Root does not run Electron: Chromium's sandbox does not work for root, and Chorus never runs without it. So where the caller is root (a
 * container, CI), an ordinary user that the set-up makes runs it, from a place which that user can read.
 */
import { createHash } from 'node:crypto';
import { chownSync, constants, existsSync, realpathSync } from 'node:fs';
import { access, cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findProgram, mustRun, run } from './processes.mjs';
import { Trouble } from './terminal.mjs';

const userName = 'chorus-app';
const home = '/var/lib/chorus-app';

/** Null when the caller is no root and so runs everything by itself; otherwise the user to run it as, made where it is missing. */
export async function ordinaryUser(teller) {
  if (process.getuid?.() !== 0) return null;
  if (findProgram('useradd') === null) {
    throw new Trouble(
      'Root cannot run Electron with its sandbox, and this machine has no useradd to make an ordinary user for it. Start Chorus as an ordinary user.',
    );
  }
  let entry = await lookUp();
  if (entry === null) {
    await teller.step(`Making the user ${userName}, as whom Electron runs`, () =>
      mustRun('useradd', ['--system', '--user-group', '--home-dir', home, '--no-create-home', '--shell', '/usr/sbin/nologin', userName], {
        sentence: `The user ${userName} could not be made:`,
      }),
    );
    entry = await lookUp();
    if (entry === null) throw new Trouble(`The user ${userName} was made and is not to be found.`);
  }
  await mkdir(home, { recursive: true, mode: 0o755 });
  chownSync(home, entry.uid, entry.gid);
  return { name: userName, home, ...entry };
}

async function lookUp() {
  const { status, output } = await run('getent', ['passwd', userName]);
  if (status !== 0) return null;
  const fields = output.trim().split(':');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** Options of `spawn` and `run` that make the program that user's. */
export const as = (user) => (user === null ? {} : { uid: user.uid, gid: user.gid, cwd: user.home });

/** The environment for that user: nothing of root's home, and what a desktop program looks for in its own. */
export function userEnvironment(user, extra = {}) {
  const env = { ...process.env, ...extra };
  for (const name of Object.keys(env)) if (/^npm_/i.test(name)) delete env[name];
  if (user === null) return env;
  for (const name of ['XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR', 'TMPDIR', 'XAUTHORITY', 'SUDO_USER']) {
    if (!(name in extra)) delete env[name];
  }
  return { ...env, HOME: user.home, USER: user.name, LOGNAME: user.name };
}

async function canRead(user, path) {
  return (await run('test', ['-r', path], as(user))).status === 0;
}

/** A path of Node that the user can execute: it may lie in root's home. */
export async function nodeFor(user) {
  const node = realpathSync(process.execPath);
  if ((await run(node, ['--version'], as(user))).status === 0) return node;
  const copy = join(home, `node-${process.versions.node}`);
  if (!existsSync(copy)) {
    await cp(node, `${copy}.part`);
    await rename(`${copy}.part`, copy);
  }
  return copy;
}

/** Chromium's sandbox needs user namespaces or its set-user helper. Trouble, with the command that mends it, when it has neither. */
export async function requireSandbox(user, executable) {
  if (process.platform !== 'linux') return;
  const helper = join(executable, '..', 'chrome-sandbox');
  const { uid, mode } = await stat(helper).catch(() => ({ uid: -1, mode: 0 }));
  if (uid === 0 && (mode & 0o4001) === 0o4001) return;
  if (findProgram('unshare') === null) return;
  if ((await run('unshare', ['--user', '--map-root-user', 'true'], as(user))).status === 0) return;
  throw new Trouble(
    `This system forbids the user namespaces that Chromium's sandbox needs, and Chorus does not run without the sandbox; allow its helper: sudo chown root:root ${helper} && sudo chmod 4755 ${helper}`,
  );
}

/** The packages of a module and all it depends on, as folders under node_modules. */
async function closure(root, names) {
  const found = new Set();
  const visit = async (name) => {
    const folder = join(root, 'node_modules', name);
    if (found.has(name) || !existsSync(folder)) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    for (const next of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) await visit(next);
  };
  for (const name of names) await visit(name);
  return [...found];
}

const staleMs = 86_400_000;

/** Makes `folder` hold what `fill(part)` puts into an empty one, unless it is there: complete or not at all. */
async function place(folder, fill) {
  if (existsSync(folder)) return;
  const part = `${folder}.part-${process.pid}`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  await fill(part);
  await mustRun('chmod', ['-R', 'a+rX', part], { sentence: `${part} could not be made readable:` });
  await rename(part, folder).catch(async (error) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(part, { recursive: true, force: true });
  });
}

async function removeStale(parent, keep) {
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (name !== keep && Date.now() - (await stat(path)).mtimeMs > staleMs) await rm(path, { recursive: true, force: true });
  }
}

/** The built app, where the user can read it. `build` names the build: a running window keeps its files while another build is placed. */
export async function placeApp(user, root, build) {
  if (user === null) return root;
  const name = createHash('sha256').update(`${root}\n${build}`).digest('hex').slice(0, 16);
  const apps = join(home, 'apps');
  await mkdir(apps, { recursive: true });
  await place(join(apps, name), async (part) => {
    await cp(join(root, 'out'), join(part, 'out'), { recursive: true });
    await cp(join(root, 'package.json'), join(part, 'package.json'));
    for (const one of await closure(root, ['libsql'])) {
      await cp(join(root, 'node_modules', one), join(part, 'node_modules', one), { recursive: true, dereference: true });
    }
  });
  await removeStale(apps, name);
  return join(apps, name);
}

/**
 * A folder for an app that is built again and again, where the user can read it, and with what it finds by itself. `root` where the caller is that
 * user. `renew` copies what has been built into it.
 */
export async function placeLiveApp(user, root, built) {
  if (user === null) return { app: built, renew: async () => {} };
  const apps = join(home, 'apps');
  const app = join(apps, `live-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  await rm(app, { recursive: true, force: true });
  await mkdir(app, { recursive: true });
  for (const one of await closure(root, ['libsql'])) {
    await cp(join(root, 'node_modules', one), join(app, 'node_modules', one), { recursive: true, dereference: true });
  }
  const renew = async () => {
    await cp(built, app, { recursive: true });
    await mustRun('chmod', ['-R', 'a+rX', app], { sentence: `${app} could not be made readable:` });
  };
  return { app, renew };
}

/** The whole project, where the user can read it and write its artefacts: for the end-to-end tests. */
export async function placeProject(user, root) {
  if (user === null) return root;
  // A folder for each clone: two of them may be tested at once.
  const projects = join(home, 'projects');
  const project = join(projects, createHash('sha256').update(root).digest('hex').slice(0, 16));
  await rm(project, { recursive: true, force: true });
  await mkdir(project, { recursive: true });
  await removeStale(projects, basename(project));
  const left = new Set(['node_modules', 'artifacts', '.git', 'dist']);
  for (const name of await readdir(root)) {
    if (!left.has(name)) await cp(join(root, name), join(project, name), { recursive: true });
  }
  await symlink(await readablePackages(user, root), join(project, 'node_modules'));
  await mustRun('chown', ['-R', `${user.uid}:${user.gid}`, project], { sentence: `${project} could not be handed over:` });
  return project;
}

async function readablePackages(user, root) {
  const packages = realpathSync(join(root, 'node_modules'));
  if (await canRead(user, join(packages, 'vitest/package.json'))) return packages;
  const lock = createHash('sha256')
    .update(await readFile(join(root, 'package-lock.json')))
    .digest('hex')
    .slice(0, 16);
  const copies = join(home, 'packages');
  await mkdir(copies, { recursive: true });
  // Under the name node_modules, since packages find each other by it.
  await place(join(copies, lock), (part) =>
    mustRun('cp', ['-a', packages, join(part, 'node_modules')], { sentence: 'The npm packages could not be copied:' }),
  );
  await removeStale(copies, lock);
  return join(copies, lock, 'node_modules');
}

/** Copies what the user made back into the project, as its owner's. */
export async function bringBack(from, to) {
  const present = await access(from, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (!present) return;
  await cp(from, to, { recursive: true });
  const { uid, gid } = await stat(join(to, '..'));
  await mustRun('chown', ['-R', `${uid}:${gid}`, to], { sentence: `${to} could not be handed back:` });
}

export async function writeFor(user, file, bytes) {
  await writeFile(file, bytes, { mode: 0o600 });
  if (user !== null) chownSync(file, user.uid, user.gid);
}
