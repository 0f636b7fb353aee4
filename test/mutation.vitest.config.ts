import type { ViteUserConfig } from 'vitest/config';

/** The unit tests of one folder, for `npm run mutate`, whose runner takes no projects. `scripts/mutate.mjs` names the files. */
export default {
  test: {
    pool: 'forks',
    maxWorkers: 1,
    include: [process.env.CHORUS_MUTATION_TESTS ?? 'test/unit/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
} satisfies ViteUserConfig;
