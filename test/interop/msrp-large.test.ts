/** A body far larger than the memory that the process may use goes through a session, over real sockets. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
/** 2 GB; seconds and memory at most. It takes 11 s and 110 MiB on two busy cores. */
const size = 2_000_000_000;
const maximumSeconds = 150;
const maximumMebibytes = 220;

let folder: string;
let program: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chorus-large-'));
  program = join(folder, 'large-body.cjs');
  const bundle = { entry: 'test/support/peers/large-body.ts', out: relative(process.cwd(), program) };
  const script = `import { buildBundle } from './scripts/build.mjs'; await buildBundle(${JSON.stringify(bundle)});`;
  await run(process.execPath, ['--input-type=module', '-e', script]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it(
  'a body of 2 GB from a source into a sink, in constant memory',
  async () => {
    const { stdout } = await run(process.execPath, ['--max-old-space-size=64', program, String(size)], { timeout: maximumSeconds * 1000 });
    const { sent, got, seconds, mebibytes } = JSON.parse(stdout) as { sent: string; got: string; seconds: number; mebibytes: number };
    expect(got).toBe(sent);
    expect(mebibytes, `after ${seconds} s`).toBeLessThan(maximumMebibytes);
  },
  (maximumSeconds + 10) * 1000,
);
