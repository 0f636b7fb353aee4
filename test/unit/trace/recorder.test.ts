import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../../base/log';
import type { TraceHeader } from '../../../main/trace/record';
import { createRecorder, maximumPendingBytes } from '../../../main/trace/recorder';
import type { WireRecord } from '../../../protocol/wire-record';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-recorder-'));
  file = join(folder, 'wire.ndjson');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lines = () =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

const header = (): TraceHeader => ({ started: 5, clockOffset: 0, role: 'client', lane: 'alice.laptop', aor: 'sip:alice@lab.test' });
const head = { trace: 1, ...header() };

function record(bytes: Uint8Array, at = 1): WireRecord {
  return {
    at,
    direction: 'out',
    protocol: 'msrp',
    transport: 'tcp',
    local: '127.0.0.1:1',
    remote: '127.0.0.1:2',
    role: 'client',
    lane: 'a',
    bytes,
  };
}

describe('the recorder', () => {
  it('writes one JSON line a message: text where it is UTF-8, base64 where it is not', async () => {
    const recorder = createRecorder(file, header);
    const texts = ['MESSAGE sip:bob@lab.test SIP/2.0\r\n\r\n', '\ufeffwith a mark', 'Zażółć \u{1F600}'];
    for (const text of texts) recorder(record(new TextEncoder().encode(text)));
    const binary = Uint8Array.of(0x4d, 0xff, 0x00, 0xc3);
    recorder({ ...record(binary.subarray(1), 7), role: 'core' });
    await recorder.close();
    const { bytes: _bytes, ...rest } = record(binary);
    expect(lines()).toEqual([head, ...texts.map((text) => ({ ...rest, text })), { ...rest, at: 7, role: 'core', base64: '/wDD' }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('appends to a trace that is there, and closing twice or recording after it is harmless', async () => {
    for (const at of [1, 2]) {
      const recorder = createRecorder(file, header);
      recorder(record(new Uint8Array(), at));
      await recorder.close();
      recorder(record(new Uint8Array(), 99));
      await recorder.close();
    }
    expect(lines()).toMatchObject([head, { at: 1 }, head, { at: 2 }]);
  });

  it('never throws, whatever the file is; it says once that it stopped', async () => {
    const told: string[] = [];
    const log: Logger = { ...silentLogger, error: (text) => told.push(text) };
    const recorder = createRecorder(join(folder, 'no', 'such', 'folder'), header, log);
    recorder(record(new Uint8Array()));
    await recorder.close();
    const second = createRecorder(folder, header, log);
    await new Promise((resolve) => setImmediate(resolve));
    for (let index = 0; index < 100; index += 1) second(record(new Uint8Array()));
    await second.close();
    expect(told).toEqual(['the wire trace stopped', 'the wire trace stopped']);
  });

  it('keeps no more than maximumPendingBytes waiting, and says how many messages are missing', async () => {
    const recorder = createRecorder(file, header);
    const bytes = new Uint8Array(1024 * 1024).fill(0x61);
    const count = Math.ceil((2 * maximumPendingBytes) / bytes.length);
    for (let index = 0; index < count; index += 1) recorder(record(bytes, index));
    await recorder.close();
    const seen = lines() as ({ dropped: number } | { text: string })[];
    const last = seen.at(-1);
    const dropped = last !== undefined && 'dropped' in last ? last.dropped : 0;
    expect(dropped).toBeGreaterThan(0);
    // Beside the messages stand the header and the line that counts the missing ones.
    expect(seen.length - 2 + dropped).toBe(count);
  });
});
