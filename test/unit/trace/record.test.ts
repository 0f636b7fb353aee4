import { describe, expect, it } from 'vitest';
import { headerLine, readTrace, recordLine, type TraceHeader } from '../../../main/trace/record';
import type { WireRecord } from '../../../protocol/wire-record';

const header: TraceHeader = { started: 5, clockOffset: 0, role: 'client', lane: 'alice.laptop', instance: 'urn:uuid:1' };
const record = (bytes: Uint8Array, at = 7): WireRecord => ({
  at,
  direction: 'in',
  protocol: 'msrp',
  transport: 'tls',
  local: '127.0.0.1:1',
  remote: '127.0.0.1:2',
  role: 'client',
  lane: 'alice.laptop',
  bytes,
});
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('a trace', () => {
  it('is read back as it was written, byte for byte, text or not', () => {
    const records = [record(utf8('Zażółć \u{1F600} \ufeff')), record(Uint8Array.of(0xff, 0, 0xc3), 8)];
    const trace = readTrace([headerLine(header), ...records.map(recordLine)].join('\n'), 'x');
    expect(trace.headers).toEqual([header]);
    expect(trace.records.map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] }))).toEqual(
      records.map(({ bytes, ...rest }) => ({ ...rest, instance: 'urn:uuid:1', bytes: [...bytes] })),
    );
  });

  it('corrects the times of a file by the offset of its header, until the next header', () => {
    const lines = [
      headerLine({ ...header, clockOffset: -90_000 }),
      recordLine(record(utf8('a'), 100_000)),
      headerLine(header),
      recordLine(record(utf8('b'), 100_000)),
    ];
    expect(readTrace(lines.join('\n'), 'x').records.map(({ at }) => at)).toEqual([10_000, 100_000]);
  });

  it.each<[string, string, Partial<ReturnType<typeof readTrace>>]>([
    ['a line that was cut off', `${recordLine(record(utf8('a')))}\n{"at":7,"dire`, { unreadable: 1 }],
    ['a line that is no record', '[1]\n"a"\n{"at":1}\n{}', { unreadable: 4 }],
    ['the count of dropped messages', '{"at":1,"dropped":3}\n{"at":2,"dropped":4}', { dropped: 7, unreadable: 0 }],
    ['a header of a later version with a role of its own', '{"trace":9,"role":"gateway","new":[]}', { unreadable: 0 }],
  ])('takes what it can: %s', (_what, text, expected) => {
    expect(readTrace(text, 'x')).toMatchObject(expected);
  });

  it('reads lines without header, role or addresses, as version 0.1.0 wrote them, under the name it is given', () => {
    const { records } = readTrace('{"at":1,"direction":"out","protocol":"sip","text":"OPTIONS"}', 'bob.ndjson');
    expect(records).toMatchObject([{ role: 'client', lane: 'bob.ndjson', transport: 'tcp', local: '', remote: '' }]);
  });

  it('lets a line say who wrote it, in a file that several functions share', () => {
    const shared = headerLine({ ...header, role: 'network', lane: 'network' });
    const line = recordLine({ ...record(utf8('a')), role: 'pf', lane: 'pf' });
    expect(readTrace(`${shared}\n${line}`, 'x').records).toMatchObject([{ role: 'pf', lane: 'pf' }]);
  });
});
