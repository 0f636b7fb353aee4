/**
 * The lines of a trace, NDJSON. The first one is the header, which says who wrote the file:
 *   {"trace":1,"started":1700000000000,"clockOffset":0,"role":"client","lane":"alice.laptop","aor":"sip:alice@lab.test","instance":"urn:uuid:…"}
 * Each further line is one SIP or MSRP message:
 *   {"at":1700000000000,"role":"client","lane":"alice.laptop","direction":"out","protocol":"sip","transport":"tcp","local":"127.0.0.1:5060","remote":"…","text":"…"}
 * `text` holds bytes that are whole UTF-8 and come back from it unchanged; otherwise `base64` holds them. A line {"at":…,"dropped":n}
 * says that n messages before it are missing. A file may hold several headers: a client that starts again appends to its trace.
 */
import { type WireRecord, type WireRole, wireRoles } from '../../protocol/wire-record';

/** Version of the format. A reader of a later version uses what it understands. */
const TRACE_FORMAT = 1;

export interface TraceHeader {
  /** Epoch milliseconds, by the writer's clock. */
  started: number;
  /** Milliseconds to add to every `at` in this file to get the common time; 0 when not measured. */
  clockOffset: number;
  /** `network`: several functions write this file, and each line tells which one. */
  role: WireRole | 'network';
  /** The device or function in readable form: `alice.laptop`. */
  lane: string;
  /** The address of a client's account. */
  aor?: string;
  /** The Instance ID of a device. */
  instance?: string;
  /** Name and version of the program. */
  software?: string;
}

/** The content of a trace file. */
export interface Trace {
  headers: TraceHeader[];
  /** In file order; times are corrected by `clockOffset`. */
  records: WireRecord[];
  /** Messages that the writer had to drop. */
  dropped: number;
  /** Lines that could not be read; the last line of a file is often cut off. */
  unreadable: number;
}

export function headerLine(header: TraceHeader): string {
  return JSON.stringify({ trace: TRACE_FORMAT, ...header });
}

export function recordLine({ bytes, ...rest }: WireRecord): string {
  return JSON.stringify({ ...rest, ...contentOf(bytes) });
}

/**
 * Reads as much of a trace as possible: a line that is not a record is counted and skipped. `lane` names the writer of records without one,
 * as in a file without a header.
 */
export function readTrace(text: string, lane: string): Trace {
  const trace: Trace = { headers: [], records: [], dropped: 0, unreadable: 0 };
  let header: TraceHeader | null = null;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const value = objectOf(line);
    const record = value === null ? null : recordOf(value, header, lane);
    if (value === null) trace.unreadable += 1;
    else if ('trace' in value) {
      header = headerOf(value, lane);
      trace.headers.push(header);
    } else if (typeof value.dropped === 'number') trace.dropped += value.dropped;
    else if (record !== null) trace.records.push(record);
    else trace.unreadable += 1;
  }
  return trace;
}

type Line = Record<string, unknown>;

function objectOf(line: string): Line | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Line) : null;
  } catch {
    return null;
  }
}

const textIn = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const numberIn = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);
const oneOf = <T extends string>(known: readonly T[], value: unknown): T | null => known.find((each) => each === value) ?? null;

function headerOf(line: Line, lane: string): TraceHeader {
  const optional = Object.fromEntries(
    (['aor', 'instance', 'software'] as const).flatMap((name) => (typeof line[name] === 'string' ? [[name, line[name]]] : [])),
  );
  return {
    started: numberIn(line.started) ?? 0,
    clockOffset: numberIn(line.clockOffset) ?? 0,
    role: oneOf([...wireRoles, 'network'], line.role) ?? 'client',
    lane: textIn(line.lane) ?? lane,
    ...optional,
  };
}

function recordOf(line: Line, header: TraceHeader | null, lane: string): WireRecord | null {
  const at = numberIn(line.at);
  const direction = oneOf(['in', 'out'] as const, line.direction);
  const protocol = oneOf(['sip', 'msrp'] as const, line.protocol);
  const bytes = bytesOf(line);
  if (at === null || direction === null || protocol === null || bytes === null) return null;
  const inherited = header === null || header.role === 'network' ? 'client' : header.role;
  const instance = textIn(line.instance) ?? header?.instance;
  return {
    at: at + (header?.clockOffset ?? 0),
    direction,
    protocol,
    transport: oneOf(['tcp', 'tls', 'ws', 'wss', 'udp'] as const, line.transport) ?? 'tcp',
    local: textIn(line.local) ?? '',
    remote: textIn(line.remote) ?? '',
    role: oneOf(wireRoles, line.role) ?? inherited,
    lane: textIn(line.lane) ?? header?.lane ?? lane,
    bytes,
    ...(instance === undefined ? {} : { instance }),
  };
}

function bytesOf({ text, base64 }: Line): Uint8Array | null {
  if (typeof text === 'string') return new TextEncoder().encode(text);
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64') : null;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function contentOf(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strictUtf8.decode(bytes) };
  } catch {
    // Not UTF-8: expected content, not a failure.
    return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') };
  }
}
