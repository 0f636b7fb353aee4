/**
 * Who may import whom: the one table. `test/unit/layering.test.ts` checks every import against it, types and values apart, and holds the
 * linter's overrides in biome.json against it. The row with the longest matching path counts; a file without a row is a fault.
 * A path without an extension names a file or, where one lies there, a folder. Importing from one's own folder is always allowed.
 */
export interface Layer {
  path: string;
  /** Parts of this project it may import. */
  values?: readonly string[];
  /** Parts it may name in `import type` alone. */
  types?: readonly string[];
  packages?: readonly string[];
  /** Whether Node's built-in modules may be imported. */
  node?: boolean;
}

const ground = ['main/errors', 'main/base'] as const;
const parts = ['main/identity', 'main/protocol', 'main/sip', 'main/msrp', 'main/cpm', 'main/history', 'main/trace'] as const;

export const layers: readonly Layer[] = [
  { path: 'preload/contract', types: ['main/errors'] },
  { path: 'preload/preload', values: ['preload/contract'], packages: ['electron'] },
  { path: 'renderer', types: ['preload/contract'], packages: ['react', 'react-dom', 'lucide-react', 'virtua', '@fontsource-variable'] },

  { path: 'main/errors' },
  { path: 'main/base' },
  { path: 'main/protocol', packages: ['saxes'] },
  { path: 'main/sip', values: ['main/protocol', ...ground], packages: ['sip.js', 'ws'], node: true },
  { path: 'main/msrp', values: ['main/protocol', ...ground], node: true },
  { path: 'main/history', values: [...ground], types: ['main/cpm/conversation', 'preload/contract'], packages: ['libsql'], node: true },
  { path: 'main/identity', values: ['main/protocol', 'main/settings', ...ground], packages: ['node-machine-id'], node: true },
  {
    path: 'main/cpm',
    values: ['main/protocol', ...ground],
    types: ['main/sip', 'main/msrp', 'main/history', 'preload/contract'],
  },
  { path: 'main/trace', values: ['main/protocol', 'main/base'], node: true },
  { path: 'main/scenario', values: [...ground], types: ['preload/contract'], node: true },

  {
    path: 'main/settings',
    values: [...ground],
    types: ['preload/contract'],
    node: true,
  },
  { path: 'main/account', values: [...ground, ...parts], types: ['preload/contract'] },
  { path: 'main/credentials', values: ['main/errors', 'main/identity', 'main/protocol'], types: ['main/account'] },
  { path: 'main/try-network', values: [...ground, 'network'], types: ['preload/contract'], node: true },
  { path: 'main/rescue', values: [...ground, 'main/cpm/conversation', 'main/history'], types: ['preload/contract'], node: true },
  { path: 'main/profile', values: [...ground, 'main/history', 'main/identity', 'main/rescue', 'main/settings'], node: true },
  {
    path: 'main/app',
    values: [
      ...ground,
      ...parts,
      'main/profile',
      'main/profile-decisions',
      'main/account',
      'main/blocked-people',
      'main/calls',
      'main/chat-calls',
      'main/device-calls',
      'main/stored-account',
      'main/credentials',
      'main/settings',
      'main/sign-in-options',
      'main/try-network',
      'preload/contract',
    ],
    types: ['main/rescue'],
    node: true,
  },
  {
    path: 'main/profile-decisions',
    values: [...ground, 'main/identity', 'main/profile', 'main/protocol', 'main/stored-account', 'main/try-network'],
    types: ['main/account', 'main/history', 'preload/contract'],
  },
  { path: 'main/chat-calls', values: ['main/cpm', 'main/errors', 'main/export'], types: ['main/calls', 'main/rescue'] },
  {
    path: 'main/device-calls',
    values: ['main/identity', 'main/sign-in-options'],
    types: ['main/account', 'main/calls', 'main/settings', 'preload/contract'],
  },
  { path: 'main/blocked-people', values: ['main/errors', 'main/protocol'], types: ['main/settings'] },
  {
    path: 'main/stored-account',
    values: ['main/account', 'main/credentials', 'main/protocol'],
    types: ['main/settings', 'main/sign-in-options', 'preload/contract'],
  },
  { path: 'main/export', values: [...ground], types: ['preload/contract'], node: true },
  { path: 'main/sign-in-options', values: [...ground, 'main/protocol'], types: ['main/account', 'preload/contract'] },
  { path: 'main/calls', values: [...ground, 'main/protocol'], types: ['preload/contract'], packages: ['valibot'] },
  { path: 'main/ipc', values: [...ground, 'main/calls', 'preload/contract'], types: ['main/app'], packages: ['electron'] },
  { path: 'main/window', values: [...ground, 'main/window-bounds'], packages: ['electron'], node: true },
  { path: 'main/launch-options', values: ['main/window-bounds'] },
  { path: 'main/further-device', packages: ['electron'], node: true },
  { path: 'main/refusal', packages: ['electron'], node: true },
  { path: 'main/orderly-quit', values: ['main/further-device'], types: ['main/app', 'main/base'], packages: ['electron'] },
  { path: 'main/profile-folder', types: ['main/settings'], packages: ['electron-store'], node: true },
  { path: 'main/window-bounds', types: ['main/base'], packages: ['electron'], node: true },
  { path: 'main/secrets', values: [...ground, 'main/settings'], packages: ['electron'], node: true },
  {
    path: 'main/main',
    values: [
      ...ground,
      'main/app',
      'main/window',
      'main/ipc',
      'main/secrets',
      'main/settings',
      'main/launch-options',
      'main/further-device',
      'main/orderly-quit',
      'main/refusal',
      'main/profile-folder',
    ],
    packages: ['electron'],
    node: true,
  },
  { path: 'main/headless', values: [...ground, 'main/calls'], types: ['main/app', 'preload/contract'], node: true },
  { path: 'main/command-line', node: true },
  { path: 'main/operator-files', values: ['main/command-line'], types: ['network'], packages: ['valibot'], node: true },
  { path: 'main/network-command', values: ['main/base', 'main/command-line', 'main/operator-files', 'network'] },
  {
    path: 'main/client-command',
    values: [
      ...ground,
      'main/command-line',
      'main/headless',
      'main/app',
      'main/credentials',
      'main/identity',
      'main/protocol',
      'main/settings',
      'main/sign-in-options',
      'main/trace',
      'package.json',
    ],
    types: ['preload/contract'],
    packages: ['conf'],
    node: true,
  },
  { path: 'main/cli', values: [...ground, 'main/headless', 'main/command-line', 'main/client-command', 'main/network-command'] },

  { path: 'network', values: ['main/protocol'], packages: ['libsql', 'ws'], node: true },
];

/** What the linter can hold of the table: it knows no `import type`, so both kinds are allowed together there. */
export function linterOverrides() {
  return layers.map((layer) => {
    const isFile = layer.path.includes('/') && !folders.has(layer.path);
    const own = isFile ? [] : layer.path.includes('/') ? ['!./**'] : ['!./**', '!../**', ...others(layer.path)];
    const project = [...(layer.values ?? []), ...(layer.types ?? [])].flatMap((path) => specifiers(layer.path, path));
    const packages = (layer.packages ?? []).flatMap((name) => [`!${name}`, `!${name}/**`]);
    const group = ['**', ...own, ...project, ...packages, ...(layer.node === true ? ['!node:*', '!node:*/**'] : [])];
    const message = `See test/support/layers.ts: what ${layer.path} may import.`;
    return {
      includes: [isFile ? `${layer.path}.ts` : `${layer.path}/**`],
      linter: { rules: { style: { noRestrictedImports: { level: 'error', options: { patterns: [{ group, message }] } } } } },
    };
  });
}

/** Rows of two path segments that are folders; every other such row is one file. */
const folders = new Set([
  'main/protocol',
  'main/sip',
  'main/msrp',
  'main/history',
  'main/identity',
  'main/cpm',
  'main/trace',
  'main/scenario',
]);

/** Inside a folder with sub-folders `../` may stay inside; what certainly leaves it is refused again. */
const others = (top: string) => ['main', 'network', 'preload', 'renderer'].filter((name) => name !== top).map((name) => `**/${name}/**`);

/** How an import of `target` is written from a file of `from`: the import's beginning is matched by its last segments. */
function specifiers(from: string, target: string): string[] {
  if (target.endsWith('.json')) return [`!**/${target}`];
  const sameTop = from.split('/')[0] === target.split('/')[0];
  const written = sameTop && from.includes('/') ? target.split('/').slice(1).join('/') : target;
  return folders.has(target) || !target.includes('/') ? [`!**/${written}/**`] : [`!**/${written}`];
}
