import { basename } from 'node:path';
import type { UserConfig } from 'vite';

/** The renderer is served from app://chorus/ under a policy without inline code and without data: URLs, so nothing is inlined. */
export default {
  root: 'renderer',
  base: '/',
  publicDir: false,
  // Names that a person can read in the inspector; no two modules share a file name (test/unit/renderer/styles.test.ts).
  css: { modules: { generateScopedName: (name, file) => `${basename(file, '.module.css')}-${name}` } },
  build: {
    outDir: '../out/renderer',
    emptyOutDir: true,
    target: 'chrome130',
    sourcemap: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // kB. The window reads it from the disk, in one piece; the plans of all countries' telephone numbers are in it.
    chunkSizeWarningLimit: 900,
    rollupOptions: {
      onwarn(warning, tell) {
        // Marks for other bundlers inside packages cost nothing and are not ours to move.
        if (warning.code !== 'INVALID_ANNOTATION' && warning.code !== 'MODULE_LEVEL_DIRECTIVE') tell(warning);
      },
    },
  },
} satisfies UserConfig;
