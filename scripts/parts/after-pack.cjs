/**
 * Sets the fuses of a packaged Chorus: what a development runtime allows and an installed one must not. Every fuse that the fuse tool knows is
 * decided here by name; a new one stops the packaging until somebody has decided it.
 */
const { existsSync, rmSync } = require('node:fs');
const { join } = require('node:path');
const { flipFuses, FuseV1Options, FuseVersion } = require('@electron/fuses');

const decided = {
  RunAsNode: false,
  EnableCookieEncryption: true,
  EnableNodeOptionsEnvironmentVariable: false,
  EnableNodeCliInspectArguments: false,
  EnableEmbeddedAsarIntegrityValidation: true,
  OnlyLoadAppFromAsar: true,
  LoadBrowserProcessSpecificV8Snapshot: false,
  GrantFileProtocolExtraPrivileges: false,
};

const executable = { darwin: (name) => `${name}.app`, win32: (name) => `${name}.exe`, linux: (name) => name.toLowerCase() };

module.exports = async function afterPack({ appOutDir, electronPlatformName, packager }) {
  const known = Object.keys(FuseV1Options).filter((name) => Number.isNaN(Number(name)));
  const open = known.filter((name) => !(name in decided));
  if (open.length > 0) throw new Error(`Decide these fuses in scripts/parts/after-pack.cjs: ${open.join(', ')}`);
  const name = executable[electronPlatformName](packager.appInfo.productFilename);
  const program = electronPlatformName === 'linux' ? packager.executableName : name;
  const fuses = Object.fromEntries(Object.entries(decided).map(([fuse, on]) => [FuseV1Options[fuse], on]));
  await flipFuses(join(appOutDir, program), { version: FuseVersion.V1, ...fuses });
  // The bootstrap of a runtime from the npm registry: an installed Chorus has its own app.asar.
  const bootstrap = join(appOutDir, 'resources/app');
  if (existsSync(bootstrap)) rmSync(bootstrap, { recursive: true });
};
