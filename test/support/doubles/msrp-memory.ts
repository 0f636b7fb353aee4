import { type Duplex, duplexPair } from 'node:stream';
import { silentLogger } from '../../../base/log';
import type { MsrpStream, MsrpTransport } from '../../../main/msrp/connection';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import type { MsrpSession } from '../../../main/msrp/session';
import { AppError } from '../../../preload/contract/errors';
import { encodeMsrp, type MsrpMessage, type MsrpRequest, type MsrpResponse } from '../../../protocol/msrp';
import { MsrpParser } from '../../../protocol/msrp-parser';
import { settled, type VirtualClock } from './virtual-clock';

/** A network in memory: streams between ports, without sockets. Destroying one end closes the other, like a reset. */
export class MemoryNetwork implements MsrpTransport {
  readonly #listeners = new Map<number, (stream: MsrpStream) => void>();
  #nextPort = 40_000;

  async listen(_host: string, onStream: (stream: MsrpStream) => void): Promise<{ port: number; close(): void }> {
    this.#nextPort += 1;
    const port = this.#nextPort;
    this.#listeners.set(port, onStream);
    return { port, close: () => void this.#listeners.delete(port) };
  }

  async connect(_host: string, port: number): Promise<MsrpStream> {
    const listener = this.#listeners.get(port);
    if (listener === undefined) throw new AppError('net/unreachable', { cause: 'nobody listens there' }, 'auto');
    const [here, there] = streamPair();
    this.#nextPort += 1;
    const from = `127.0.0.1:${this.#nextPort}`;
    const to = `127.0.0.1:${port}`;
    listener({ stream: there, local: to, remote: from });
    return { stream: here, local: from, remote: to };
  }
}

/** An established session in memory whose peer has only answered the binding. */
export async function sessionWithPeer(clock: VirtualClock): Promise<{ endpoint: MsrpEndpoint; session: MsrpSession; peer: ScriptedPeer }> {
  const network = new MemoryNetwork();
  const endpoint = new MsrpEndpoint({ clock, log: silentLogger, transport: network });
  const session = await endpoint.prepare();
  const started = session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
  const peer = new ScriptedPeer((await network.connect('', session.port)).stream);
  peer.say(session.localPath, { body: null, contentType: null });
  await started;
  await settled();
  return { endpoint, session, peer };
}

export function streamPair(): [Duplex, Duplex] {
  const pair = duplexPair({ allowHalfOpen: false });
  const [one, other] = pair;
  one.on('close', () => other.destroy());
  other.on('close', () => one.destroy());
  return pair;
}

/** The other side of a session: sends exactly what a test tells it to and records what it receives. */
export class ScriptedPeer {
  readonly path: string;
  readonly heard: MsrpMessage[] = [];
  closed = false;
  /** Answers every SEND with 200 automatically. */
  obliging = false;
  readonly #stream: Duplex;
  readonly #parser = new MsrpParser();
  readonly #pieces: Uint8Array[] = [];
  #count = 0;

  constructor(stream: Duplex, path = 'msrp://127.0.0.1:9/peer;tcp') {
    this.#stream = stream;
    this.path = path;
    stream.on('data', (bytes: Uint8Array) => {
      this.#pieces.push(bytes);
      const result = this.#parser.push(bytes);
      if (!result.ok) throw new Error(result.reason);
      this.heard.push(...result.value);
      for (const message of result.value) {
        if (this.obliging && message.kind === 'request' && message.method === 'SEND') this.answer(message);
      }
    });
    stream.on('close', () => {
      this.closed = true;
    });
    stream.on('error', () => {});
  }

  /** All received bytes. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get requests(): MsrpRequest[] {
    return this.heard.filter((message) => message.kind === 'request');
  }

  get responses(): MsrpResponse[] {
    return this.heard.filter((message) => message.kind === 'response');
  }

  /** A message of this side in bytes; by default a whole text of five bytes. */
  encode(toPath: string, change: Partial<MsrpRequest> = {}): Uint8Array {
    this.#count += 1;
    return encodeMsrp({
      kind: 'request',
      transactionId: `peer${String(this.#count).padStart(8, '0')}`,
      method: 'SEND',
      toPath: [toPath],
      fromPath: [this.path],
      headers: [],
      messageId: `m${this.#count}`,
      byteRange: null,
      contentType: 'text/plain',
      successReport: false,
      failureReport: 'yes',
      status: null,
      body: new TextEncoder().encode('hello'),
      continuation: '$',
      ...change,
    });
  }

  say(toPath: string, change: Partial<MsrpRequest> = {}): void {
    this.write(this.encode(toPath, change));
  }

  answer(request: MsrpRequest, status = 200, reason = ''): void {
    const { transactionId, toPath, fromPath } = request;
    this.write(encodeMsrp({ kind: 'response', transactionId, status, reason, toPath: fromPath, fromPath: toPath, continuation: '$' }));
  }

  write(bytes: Uint8Array | string): void {
    this.#stream.write(bytes);
  }

  /** Stops reading, like a peer that hangs. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
