import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { maxTraceBytes, runLadder } from '../../../main/command/ladder';

let folder: string;
let printed: string[];
let said: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-ladder-'));
  [printed, said] = [[], []];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const options = 'OPTIONS sip:bob@lab.test SIP/2.0\r\nFrom: <sip:alice@lab.test>\r\nTo: <sip:bob@lab.test>\r\n\r\n';
const line = (direction: 'in' | 'out', local: string, remote: string) =>
  JSON.stringify({ at: 1, direction, protocol: 'sip', transport: 'tcp', local, remote, text: options });
function trace(name: string, lines: readonly string[]): string {
  const file = join(folder, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

describe('chorus ladder', () => {
  it('joins traces into one story, and says what it could not read', async () => {
    const alice = trace('alice.ndjson', [line('out', 'a:1', 'b:2'), '{"at":1,"dropped":2}', '{"cut']);
    const bob = trace('bob.ndjson', [line('in', 'b:2', 'a:1')]);
    expect(await runLadder([alice, bob, '--all', '--times', 'off'])).toBe(0);
    expect(printed.join('')).toBe('alice    bob\n|------->|        Alice asks what Bob can do  [OPTIONS sip:bob@lab.test SIP/2.0]\n');
    expect(said.join('')).toBe(`chorus: ${alice}: its writer had to leave out 2 messages\nchorus: ${alice}: 1 lines cannot be read\n`);
  });

  it.each<[string, () => string[], RegExp]>([
    ['no trace', () => [], /takes the traces to join/],
    ['a file that is not there', () => [join(folder, 'none')], /none cannot be read: ENOENT/],
    ['a folder', () => [folder], /cannot be read: EISDIR/],
    ['an unknown option', () => ['--picture', 'x'], /Unknown option '--picture'/],
    ['times that are neither', () => [trace('a', []), '--times', 'maybe'], /--times takes on or off/],
    [
      'a file too large',
      () => {
        const file = trace('large', []);
        truncateSync(file, maxTraceBytes + 1);
        return [file];
      },
      /is larger than/,
    ],
  ])('refuses %s in one sentence', async (_what, argv, sentence) => {
    await expect(runLadder(argv())).rejects.toThrow(sentence);
    expect(printed).toEqual([]);
  });
});
