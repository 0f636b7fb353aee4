import { availableParallelism } from 'node:os';
import type { ViteUserConfig } from 'vitest/config';

/**
 * Left to itself vitest keeps one core for itself, which on two cores means one file at a time. More files of interop than cores save a minute and
 * make SIPp and short registrations late.
 */
const cores = availableParallelism();

/** Of several kinds in one run, one goes after the other. */
const order = ['unit', 'fuzz', 'interop', 'deaths', 'e2e'];

const project = (name: string, limits: { testTimeout: number; hookTimeout: number; fileParallelism: boolean; maxWorkers: number }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.{ts,tsx}`],
    environment: 'node' as const,
    expect: { poll: { timeout: 15_000 } },
    sequence: { groupOrder: order.indexOf(name) },
    ...limits,
  },
});

/**
 * Types alone are imported: the oldest Node that runs this cannot load vitest's module from a CommonJS configuration.
 *
 * unit: virtual clock, no sockets, no sleeps. fuzz: seeded inputs for every parser and socket. interop: real clients over loopback. deaths: the upgrade
 * when a part dies at one of its steps, in virtual time. e2e: real Electron windows, one file after the other,
 * since each file opens several of them on the same screen.
 */
export default {
  test: {
    pool: 'forks',
    passWithNoTests: false,
    projects: [
      project('unit', { maxWorkers: cores, testTimeout: 30_000, hookTimeout: 30_000, fileParallelism: true }),
      project('fuzz', { maxWorkers: cores, testTimeout: 120_000, hookTimeout: 30_000, fileParallelism: true }),
      project('interop', { maxWorkers: cores, testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: true }),
      project('deaths', { maxWorkers: cores, testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: true }),
      project('e2e', { maxWorkers: 1, testTimeout: 180_000, hookTimeout: 120_000, fileParallelism: false }),
    ],
  },
} satisfies ViteUserConfig;
