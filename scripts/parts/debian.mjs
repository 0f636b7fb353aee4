/** Debian's packages: only the missing ones are installed, and only by root. */
import { readFileSync } from 'node:fs';
import { findProgram, mustRun, run } from './processes.mjs';
import { Trouble } from './terminal.mjs';

/** What Electron's windows need. A list in a list: any one of these names will do (newer releases renamed some). */
export const windowPackages = [
  ['libgtk-3-0', 'libgtk-3-0t64'],
  'libnss3',
  ['libasound2', 'libasound2t64'],
  'libgbm1',
  'libxss1',
  ['libxtst6', 'libxtst6t64'],
  ['libatk-bridge2.0-0', 'libatk-bridge2.0-0t64'],
  'libdrm2',
  'libxkbcommon0',
  'fonts-dejavu-core',
  'fonts-noto-color-emoji',
  'dbus',
];
/** What a machine without a display needs besides. */
export const displayPackages = ['xvfb'];
/** What unpacks the runtime of the npm registry. */
export const unpackPackages = ['unzip'];
/**
 * What the tests hold Chorus against: a real SIP/IP core, a player of odd peers, other people's clients, a reader of captured packets, and a browser for
 * the window alone.
 */
export const judgePackages = [
  'kamailio',
  'kamailio-outbound-modules',
  'kamailio-presence-modules',
  'kamailio-tls-modules',
  'kamailio-websocket-modules',
  'kamailio-sqlite-modules',
  'kamailio-utils-modules',
  'kamailio-extra-modules',
  'sqlite3',
  'openssl',
  'tshark',
  'sip-tester',
  'liblinphone-dev',
  'linphone-common',
  'gcc',
  'libc6-dev',
  'baresip-core',
  'chromium',
];

const isRoot = () => process.getuid?.() === 0;

function isDebian() {
  if (process.platform !== 'linux' || findProgram('dpkg-query') === null || findProgram('apt-get') === null) return false;
  try {
    return /^ID(_LIKE)?=.*\bdebian\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

async function installedPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own format
  const { output } = await run('dpkg-query', ['-W', '-f=${Package} ${db:Status-Status}\\n']);
  return new Set(
    output
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
}

/** The names of `wanted` that this machine lacks; none where it is not a Debian. */
async function missingPackages(wanted) {
  if (!isDebian()) return [];
  const installed = await installedPackages();
  return wanted
    .map((names) => [names].flat())
    .filter((names) => !names.some((name) => installed.has(name)))
    .map((names) => names[0]);
}

/** Installs what is missing, or says in one sentence what is missing and which command installs it. `why` completes "needed ...". */
export async function ensurePackages(wanted, why, teller) {
  const missing = await missingPackages(wanted);
  if (missing.length === 0) return;
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (!isRoot()) {
    throw new Trouble(`This machine lacks ${missing.join(', ')}, needed ${why}; install with: sudo apt-get update && sudo ${install}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => ['-o', 'DPkg::Lock::Timeout=300', '-q', ...args];
  await teller.step(`Installing Debian packages ${why} (${missing.join(' ')})`, async (progress) => {
    progress('reading the package lists');
    await mustRun('apt-get', apt('update'), {
      env,
      sentence: `Debian's package lists could not be read, and ${missing.join(', ')} must be installed:`,
    });
    progress('installing');
    await mustRun('apt-get', apt('install', '-y', '--no-install-recommends', ...missing), { env, sentence: `This failed: ${install}` });
  });
}

/** On any other Linux: says which shared libraries a program cannot find. */
export async function requireLibraries(executable) {
  if (process.platform !== 'linux' || findProgram('ldd') === null) return;
  const { output } = await run('ldd', [executable]);
  const missing = [...output.matchAll(/^\s*(\S+) => not found$/gm)].map((match) => match[1]);
  if (missing.length === 0) return;
  throw new Trouble(
    `This machine lacks ${missing.join(', ')}, needed for the window; install them with your system's package manager (on Debian: sudo apt-get install -y ${windowPackages.map((names) => [names].flat()[0]).join(' ')}).`,
  );
}
