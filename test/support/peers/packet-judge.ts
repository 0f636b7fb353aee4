/** Judges the real traffic with Wireshark's dissectors: captures loopback, then reads the capture. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elapse, until } from '../waiting';

const readLimitMs = 60_000;

/** Null when packets can be captured here, else one sentence with the command that enables it. */
function judgeMissing(): string | null {
  const found = spawnSync('tshark', ['--version'], { stdio: 'ignore' });
  if (found.error !== undefined) return 'tshark is not installed: apt-get install --no-install-recommends tshark';
  const interfaces = spawnSync('tshark', ['-D'], { encoding: 'utf8' });
  if (process.getuid?.() !== 0 && !/\blo\b|Loopback/.test(interfaces.stdout))
    return 'This user may not capture packets: run the tests as root, or dpkg-reconfigure wireshark-common && usermod -aG wireshark $USER';
  return null;
}

/** The findings of tshark, counted by dissected message. */
export interface Verdict {
  /** Requests by method and responses by status, such as `sip INVITE`, `sip 200`, `msrp SEND`, `msrp 200`. */
  counts: Map<string, number>;
  /** Dissected bodies by protocol. */
  bodies: Map<string, number>;
  /** The text of every packet that a dissector calls malformed or erroneous. */
  faults: string[];
  packets: number;
}

export class Capture {
  readonly #folder = mkdtempSync(join(tmpdir(), 'chorus-capture-'));
  readonly #file = join(this.#folder, 'wire.pcapng');
  readonly #oneByOne = join(this.#folder, 'msrp.pcap');
  readonly #child: ChildProcess;
  #said = '';
  #ended = false;

  private constructor(ports: readonly number[]) {
    const filter = ports.map((port) => `tcp port ${port}`).join(' or ');
    this.#child = spawn('dumpcap', ['-q', '-i', 'lo', '-f', filter, '-w', this.#file, '-a', 'duration:120'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    this.#child.once('error', (error) => {
      this.#said += error.message;
      this.#ended = true;
    });
    this.#child.once('exit', () => {
      this.#ended = true;
    });
  }

  /** Captures the traffic of these TCP ports on loopback and nothing else. Resolves when the capture has begun. */
  static async start(ports: readonly number[]): Promise<Capture> {
    const missing = judgeMissing();
    if (missing !== null) throw new Error(missing);
    const capture = new Capture(ports);
    await capture.#until('the capture begins', () => /^File: /m.test(capture.#said));
    await elapse(300, 'dumpcap names its file just before it takes the first packet');
    return capture;
  }

  /**
   * Ends the capture and reads it. `sip` and `msrp` are the ports of each protocol. Wireshark's MSRP dissector only looks at the first
   * message in a segment, so a second pass puts the captured MSRP messages into separate packets.
   */
  async read(ports: { sip: readonly number[]; msrp: readonly number[] }): Promise<Verdict> {
    await this.#end();
    const decodeAs = (['sip', 'msrp'] as const).flatMap((protocol) =>
      ports[protocol].flatMap((port) => ['-d', `tcp.port==${port},${protocol}`]),
    );
    const asTheyCame = verdictOf(tshark(this.#file, decodeAs, verdictFields), false);
    const segments = tshark(
      this.#file,
      ['-Y', 'tcp.len > 0 && !tcp.analysis.retransmission'],
      ['tcp.srcport', 'tcp.dstport', 'tcp.payload'],
    );
    writeFileSync(this.#oneByOne, packetsOf(msrpMessagesOf(segments, new Set(ports.msrp))));
    const oneByOne = verdictOf(tshark(this.#oneByOne, decodeAs, verdictFields), true);
    const of = (verdict: Verdict, protocol: string) => [...verdict.counts].filter(([kind]) => kind.startsWith(`${protocol} `));
    return {
      counts: new Map([...of(asTheyCame, 'sip'), ...of(oneByOne, 'msrp')]),
      bodies: asTheyCame.bodies,
      faults: [...asTheyCame.faults, ...oneByOne.faults],
      packets: asTheyCame.packets,
    };
  }

  /** Ends the capture and returns everything received at this port as text. */
  async receivedAt(port: number): Promise<string> {
    await this.#end();
    const payloads = tshark(this.#file, ['-Y', `tcp.dstport == ${port} && tcp.len > 0 && !tcp.analysis.retransmission`], ['tcp.payload']);
    return Buffer.from(payloads.replace(/\s/g, ''), 'hex').toString('utf8');
  }

  async #end(): Promise<void> {
    await elapse(1_200, 'dumpcap hands packets over once a second');
    this.#child.kill('SIGINT');
    await this.#until('the capture ends', () => this.#ended);
  }

  dispose(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #until(what: string, done: () => boolean): Promise<void> {
    try {
      await until(what, () => {
        if (done()) return true;
        if (this.#ended) throw new Error('the capture is over');
        return null;
      });
    } catch (error) {
      throw new Error(`${String(error)}: ${this.#said.trim()}`);
    }
  }
}

const verdictFields = [
  'sip.Method',
  'sip.Status-Code',
  'msrp.method',
  'msrp.status.code',
  'msrp.to.path',
  'msrp.from.path',
  'msrp.end.line',
  'frame.protocols',
  '_ws.malformed',
  '_ws.expert.severity',
  '_ws.expert.message',
];

/** One line for each packet: fields are separated by tabs, several values of one field by bars. */
function tshark(file: string, options: readonly string[], fields: readonly string[]): string {
  const layout = ['-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=a', '-E', 'aggregator=|'];
  const { stdout, stderr, status } = spawnSync(
    'tshark',
    ['-n', '-r', file, ...options, ...layout, ...fields.flatMap((field) => ['-e', field])],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, timeout: readLimitMs },
  );
  if (status !== 0) throw new Error(`tshark could not read the capture: ${stderr}`);
  return stdout;
}

interface Segment {
  from: number;
  to: number;
  bytes: Buffer;
}

/** The captured MSRP messages. They are split only by their end lines (RFC 4975 section 7.1), without any code that is being judged. */
function msrpMessagesOf(segments: string, ports: ReadonlySet<number>): Segment[] {
  const messages: Segment[] = [];
  const kept = new Map<string, Buffer>();
  for (const line of segments.split('\n').filter((candidate) => candidate !== '')) {
    const [from = 0, to = 0] = line.split('\t').map(Number);
    if (!ports.has(from) && !ports.has(to)) continue;
    const flow = `${from} ${to}`;
    let bytes = Buffer.concat([kept.get(flow) ?? Buffer.alloc(0), Buffer.from(line.split('\t')[2] ?? '', 'hex')]);
    for (;;) {
      const id = /^MSRP (\S+) /.exec(bytes.subarray(0, 100).toString('latin1'))?.[1] ?? null;
      const end = id === null ? null : new RegExp(`-------${id}[$+#]\r\n`).exec(bytes.toString('latin1'));
      if (end === null) break;
      const length = end.index + end[0].length;
      messages.push({ from, to, bytes: bytes.subarray(0, length) });
      bytes = bytes.subarray(length);
    }
    kept.set(flow, bytes);
  }
  const left = [...kept]
    .filter(([, bytes]) => bytes.length > 0)
    .map(([flow, bytes]) => `${flow}: ${bytes.subarray(0, 40).toString('latin1')}`);
  if (left.length > 0) throw new Error(`Captured MSRP bytes that are no whole message: ${left.join('; ')}`);
  return messages;
}

/** A capture file with one packet for each segment, including IP and TCP headers. */
function packetsOf(segments: readonly Segment[]): Buffer {
  const fileHeader = Buffer.alloc(24);
  fileHeader.writeUInt32LE(0xa1b2c3d4, 0);
  fileHeader.writeUInt16LE(2, 4);
  fileHeader.writeUInt16LE(4, 6);
  fileHeader.writeUInt32LE(262_144, 16);
  // LINKTYPE_RAW: a packet begins with its IP header.
  fileHeader.writeUInt32LE(101, 20);
  const sequence = new Map<string, number>();
  const packets = segments.map(({ from, to, bytes }, index) => {
    const flow = `${from} ${to}`;
    const at = sequence.get(flow) ?? 1;
    sequence.set(flow, at + bytes.length);
    const ip = Buffer.alloc(20);
    ip.writeUInt8(0x45, 0);
    ip.writeUInt16BE(40 + bytes.length, 2);
    ip.writeUInt8(64, 8);
    ip.writeUInt8(6, 9);
    ip.writeUInt32BE(0x7f000001, 12);
    ip.writeUInt32BE(0x7f000001, 16);
    const tcp = Buffer.alloc(20);
    tcp.writeUInt16BE(from, 0);
    tcp.writeUInt16BE(to, 2);
    tcp.writeUInt32BE(at, 4);
    tcp.writeUInt32BE(sequence.get(`${to} ${from}`) ?? 1, 8);
    tcp.writeUInt8(0x50, 12);
    tcp.writeUInt8(0x18, 13);
    tcp.writeUInt16BE(65_535, 14);
    const head = Buffer.alloc(16);
    head.writeUInt32LE(index + 1, 0);
    head.writeUInt32LE(40 + bytes.length, 8);
    head.writeUInt32LE(40 + bytes.length, 12);
    return Buffer.concat([head, ip, tcp, bytes]);
  });
  return Buffer.concat([fileHeader, ...packets]);
}

/** The severity "Error" in Wireshark's expert information. */
const expertError = 8_388_608;

function verdictOf(text: string, isOneByOne: boolean): Verdict {
  const verdict: Verdict = { counts: new Map(), bodies: new Map(), faults: [], packets: 0 };
  const add = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    verdict.packets += 1;
    const values = line.split('\t').map((field) => field.split('|').filter((value) => value !== ''));
    const [sipMethods, sipStatuses, msrpMethods, msrpStatuses, toPaths, fromPaths, endLines, protocols, malformed, severities, words] =
      values;
    for (const method of sipMethods ?? []) add(verdict.counts, `sip ${method}`);
    for (const status of sipStatuses ?? []) add(verdict.counts, `sip ${status}`);
    for (const method of msrpMethods ?? []) add(verdict.counts, `msrp ${method}`);
    for (const status of msrpStatuses ?? []) add(verdict.counts, `msrp ${status}`);
    // Wireshark accepts MSRP messages with missing parts, so the parts are checked here.
    const messages = (msrpMethods?.length ?? 0) + (msrpStatuses?.length ?? 0);
    if (isOneByOne && [toPaths, fromPaths, endLines].some((parts) => (parts?.length ?? 0) < messages))
      verdict.faults.push(`packet ${index + 1}: MSRP without To-Path, From-Path or end line`);
    for (const protocol of (protocols?.[0] ?? '').split(':')) add(verdict.bodies, protocol);
    // Wireshark takes a second MSRP message in a segment for the body of the first; it is judged separately.
    if (!isOneByOne && protocols?.[0]?.includes('msrp') === true) continue;
    if ((malformed ?? []).length > 0 || (severities ?? []).some((severity) => Number(severity) >= expertError))
      verdict.faults.push(`packet ${index + 1} (${protocols?.join()}): ${words?.join(', ')}`);
  }
  return verdict;
}
