/**
 * The media relay of the Participating Function: MSRP sessions in two legs, one towards each side, that hand every request and response on
 * as it is, but for the paths. Nothing is answered here on behalf of a side: what the sender hears as received, the other side has received.
 *
 *   pair:  caller <--leg--> relay <--leg--> called
 *   leg:   offered --the other side's path is known--> awaited --its connection, or ours to it--> bound --> closed
 *
 * Where a side is behind a relay of its own (its path has more than one URI), an answer is that relay's, and only a REPORT the side's (RFC 4976).
 * The other side has to know: the path that it is told has a second URI, too, that stands for all beyond.
 *
 * One leg's end is the other's: who loses a side must hear of it. A slow reader stops the one who writes to it (back-pressure), not the relay.
 */
import { randomBytes } from 'node:crypto';
import { backgroundClock, type Timekeeper } from '../../base/clock';
import { type MsrpMessage, parseMsrpUri, sameMsrpUri } from '../../protocol/msrp';
import type { Fingerprint } from '../../protocol/sdp';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import type { MsrpRequest } from './assembly';
import { MsrpConnection, type MsrpStream } from './connection';
import { MediaDoor, type MediaPlace, shows } from './door';

/** LAB: how long a leg waits for its connection once its path is known, milliseconds. */
export const LEG_BIND_TIMEOUT_MS = 30_000;
/** LAB: bytes kept for a leg that is not bound yet; beyond them the pair ends. */
export const MAX_LEG_WAITING_BYTES = 2 * 1024 * 1024;
/** LAB: messages that may wait so. */
export const MAX_LEG_WAITING_MESSAGES = 1_024;
/** LAB: bytes that may wait for a slow side before the other one is not read any more. */
export const RELAY_HIGH_WATER_BYTES = 512 * 1024;
/** LAB: connections of the relay at a time. */
export const MAX_RELAY_CONNECTIONS = 1_000;
/** LAB: pairs of the relay at a time; a session beyond them is refused with 503. */
export const MAX_RELAY_PAIRS = 5_000;

/** A connection that can be told to wait. */
export interface RelayStream extends MsrpStream {
  pause(): unknown;
  resume(): unknown;
  once(event: 'drain' | 'connect', listener: () => void): unknown;
}

type LegState = 'offered' | 'awaited' | 'bound' | 'closed';
const STEPS: Readonly<Record<LegState, readonly LegState[]>> = {
  offered: ['awaited', 'closed'],
  // Back to awaited: a re-INVITE names another path of the same side.
  awaited: ['bound', 'awaited', 'closed'],
  bound: ['awaited', 'closed'],
  closed: [],
};

export interface MediaRelayOptions {
  host?: string;
  clock?: Timekeeper;
  tap?: WireTap;
  log?: NetworkLog;
  /** As of the switch (`MediaOptions`). */
  ca?: readonly string[];
  /** How a side that waits is called; over the network when absent. */
  dial?: (host: string, port: number) => RelayStream;
}

export interface RelayPairEvents {
  /** Each SEND that was handed on, and from which side it came. */
  onSend?(from: 'caller' | 'called', request: MsrpRequest): void;
  /** Once; null when the owner closed it. */
  onClose(reason: string | null): void;
}

export class MediaRelay {
  readonly host: string;
  readonly clock: Timekeeper;
  readonly #options: MediaRelayOptions;
  readonly #door: MediaDoor;
  readonly #legs = new Map<string, RelayLeg>();
  readonly #connections = new Map<MsrpConnection, { stream: RelayStream; legs: Set<RelayLeg>; held: [MsrpRequest, RelayLeg][] }>();

  constructor(options: MediaRelayOptions = {}) {
    this.#options = options;
    this.host = options.host ?? '127.0.0.1';
    this.clock = options.clock ?? backgroundClock;
    this.#door = new MediaDoor(
      this.host,
      (socket) => this.accept(socket),
      (error) => options.log?.('error', 'the listener of the media relay failed', { error: error.message }),
      options.ca,
    );
  }

  get port(): number {
    return this.#door.port;
  }

  place(isSecure: boolean): MediaPlace {
    return this.#door.place(isSecure);
  }

  get pairCount(): number {
    return this.#legs.size / 2;
  }

  listen(port = 0): Promise<number> {
    return this.#door.listen(port);
  }

  /** Two legs, joined, both over TLS or none; null when there are too many. */
  pair(events: RelayPairEvents, isSecure = false): RelayPair | null {
    if (this.pairCount >= MAX_RELAY_PAIRS) return null;
    const pair = new RelayPair(this, events, (leg) => this.#legs.delete(leg.id), isSecure);
    for (const leg of [pair.caller, pair.called]) this.#legs.set(leg.id, leg);
    return pair;
  }

  accept(stream: RelayStream): void {
    if (this.#connections.size >= MAX_RELAY_CONNECTIONS) stream.destroy();
    else this.#adopt(stream);
  }

  /** Used by legs: calls a side that waits to be called. */
  call(leg: RelayLeg, host: string, port: number): void {
    const onOpen = () => {
      if (leg.state !== 'awaited') return;
      if (leg.admits(connection)) leg.bind(connection);
      else leg.pair.close('the media of a side is not who its SDP names');
    };
    const { dial } = this.#options;
    const stream = dial === undefined ? this.#door.call(host, port, leg.isSecure, onOpen) : dial(host, port);
    const connection = this.#adopt(stream);
    this.#connections.get(connection)?.legs.add(leg);
    if (dial !== undefined) stream.once('connect', onOpen);
  }

  /** Used by legs: what came for a leg before its path was known, and may be taken now. */
  reconsider(leg: RelayLeg): void {
    for (const [connection, entry] of this.#connections) {
      const mine = entry.held.filter(([, of]) => of === leg);
      entry.held = entry.held.filter(([, of]) => of !== leg);
      for (const [message] of mine) this.#request(connection, message);
    }
  }

  /** Used by legs. */
  bound(leg: RelayLeg, connection: MsrpConnection): void {
    this.#connections.get(connection)?.legs.add(leg);
  }

  /** Used by legs: the leg needs its connection no more. */
  release(leg: RelayLeg): void {
    for (const [connection, entry] of this.#connections) {
      entry.held = entry.held.filter(([, of]) => of !== leg);
      if (entry.legs.delete(leg) && entry.legs.size === 0) connection.close('its session ended');
    }
  }

  /** Used by legs: writes, and lets `source` wait while the reader is behind. */
  write(to: MsrpConnection, message: MsrpMessage, source: MsrpConnection | null): void {
    to.send(message);
    const writer = source === null ? undefined : this.#connections.get(source)?.stream;
    const reader = this.#connections.get(to)?.stream;
    if (writer === undefined || reader === undefined || reader.writableLength < RELAY_HIGH_WATER_BYTES) return;
    writer.pause();
    reader.once('drain', () => writer.resume());
  }

  async close(): Promise<void> {
    for (const leg of [...this.#legs.values()]) leg.pair.close();
    for (const connection of [...this.#connections.keys()]) {
      connection.close('the relay ends');
      connection.socket.destroy();
    }
    await this.#door.close();
  }

  readonly #events = {
    onMessage: (connection: MsrpConnection, message: MsrpMessage) => this.#receive(connection, message),
    onClose: (connection: MsrpConnection, reason: string) => {
      const entry = this.#connections.get(connection);
      this.#connections.delete(connection);
      // Who was told to wait for this reader need not wait any more.
      for (const { stream } of this.#connections.values()) stream.resume();
      for (const leg of entry?.legs ?? []) leg.lost(connection, reason);
    },
  };

  #adopt(stream: RelayStream): MsrpConnection {
    const connection = new MsrpConnection(stream, this.#events, this.#options.tap, () => this.clock.now());
    this.#connections.set(connection, { stream, legs: new Set(), held: [] });
    // Who connects and says nothing of use is let go.
    this.clock.setTimer(LEG_BIND_TIMEOUT_MS, () => {
      if (this.#connections.get(connection)?.legs.size === 0) connection.close('no session is for it');
    });
    return connection;
  }

  #receive(connection: MsrpConnection, message: MsrpMessage): void {
    if (message.kind === 'request') this.#request(connection, message);
    else this.#legOf(message)?.onResponse(connection, message);
  }

  #legOf(message: MsrpMessage): RelayLeg | undefined {
    const uri = parseMsrpUri(message.toPath[0] ?? '');
    return uri.ok && uri.value.sessionId !== null ? this.#legs.get(uri.value.sessionId) : undefined;
  }

  #request(connection: MsrpConnection, message: MsrpRequest): void {
    const leg = this.#legOf(message);
    const entry = this.#connections.get(connection);
    if (leg === undefined || entry === undefined || !leg.isAddressedBy(message)) {
      refuse(connection, message, 481, 'No Such Session');
      return;
    }
    // A side may have connected before the SIP answer that names its path has come by.
    if (leg.state === 'offered') {
      if (entry.held.length < MAX_LEG_WAITING_MESSAGES) entry.held.push([message, leg]);
      else connection.close('too much came before its session stood');
      return;
    }
    if (leg.connection === null && !leg.admits(connection)) {
      refuse(connection, message, 403, 'Forbidden');
      connection.close('it is not who the SDP names');
      return;
    }
    if (leg.connection === null && leg.isOf(message)) leg.bind(connection);
    if (leg.connection === connection) leg.pass(message, connection);
    // A relay calls us although we have called it: it looks for us by our URI (RFC 4976 section 6.3).
    else if (leg.connection !== null && leg.isRelayed && leg.isOf(message) && leg.admits(connection)) {
      this.bound(leg, connection);
      leg.pass(message, connection);
    }
    // RFC 4975 section 7.3: a session is bound to one connection; of devices that all know the path, the one that answered has it.
    else
      refuse(
        connection,
        message,
        leg.connection === null ? 481 : 506,
        leg.connection === null ? 'No Such Session' : 'Session Bound To Another Connection',
      );
  }
}

/** Both legs of one session. They end together. */
export class RelayPair {
  readonly caller: RelayLeg;
  readonly called: RelayLeg;
  #closed = false;

  constructor(
    relay: MediaRelay,
    private readonly events: RelayPairEvents,
    private readonly forget: (leg: RelayLeg) => void,
    readonly isSecure: boolean,
  ) {
    this.caller = new RelayLeg(relay, this, 'caller');
    this.called = new RelayLeg(relay, this, 'called');
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  other(leg: RelayLeg): RelayLeg {
    return leg === this.caller ? this.called : this.caller;
  }

  sent(leg: RelayLeg, request: MsrpRequest): void {
    this.events.onSend?.(leg.side, request);
  }

  close(reason: string | null = null): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const leg of [this.caller, this.called]) {
      leg.end();
      this.forget(leg);
    }
    this.events.onClose(reason);
  }
}

export class RelayLeg {
  /** Unguessable: it alone admits a connection (RFC 4975 section 14.1). */
  readonly id = randomBytes(15).toString('base64url').replaceAll('-', '.').replaceAll('_', '~');
  #state: LegState = 'offered';
  #remotePath: readonly string[] = [];
  /** The other side is behind a relay. */
  #isRelayedBeyond = false;
  #connection: MsrpConnection | null = null;
  #fingerprints: readonly Fingerprint[] = [];
  #waiting: [MsrpMessage, MsrpConnection | null][] = [];
  #waitingBytes = 0;
  #bindTimer: { dispose(): void } | null = null;

  constructor(
    private readonly relay: MediaRelay,
    readonly pair: RelayPair,
    readonly side: 'caller' | 'called',
  ) {}

  get state(): LegState {
    return this.#state;
  }

  get connection(): MsrpConnection | null {
    return this.#connection;
  }

  get isSecure(): boolean {
    return this.pair.isSecure;
  }

  /** Where this side connects. */
  get place(): MediaPlace {
    return this.relay.place(this.isSecure);
  }

  /** Whether a connection may be this side's. */
  admits(connection: MsrpConnection): boolean {
    return !this.isSecure || shows(connection.socket, this.#fingerprints, this.#remotePath[0] ?? '');
  }

  /** Where this side's requests come. */
  get localPath(): string {
    return this.#uri(this.id);
  }

  /** The path that this side is told, once by each description of the other side, whose own path is `of`. */
  describes(of: readonly string[]): string[] {
    this.#isRelayedBeyond = of.length > 1;
    return this.#path;
  }

  get #path(): string[] {
    return this.#isRelayedBeyond ? [this.localPath, this.#uri(`${this.id}.beyond`)] : [this.localPath];
  }

  isAddressedBy({ toPath }: MsrpRequest): boolean {
    return toPath.length === this.#path.length && toPath.every((uri, index) => sameMsrpUri(uri, this.#path[index] ?? ''));
  }

  /** This side is behind a relay of its own. */
  get isRelayed(): boolean {
    return this.#remotePath.length > 1;
  }

  get remotePath(): readonly string[] {
    return this.#remotePath;
  }

  /** This side's path is known, over TLS with what vouches for it; `calls`: it waits to be called. The same path again changes nothing. */
  expect(path: readonly string[], calls: boolean, fingerprints: readonly Fingerprint[] = []): void {
    if (this.#state === 'closed') return;
    if (path.length === this.#remotePath.length && path.every((uri, index) => sameMsrpUri(uri, this.#remotePath[index] ?? ''))) return;
    this.#remotePath = path;
    this.#fingerprints = fingerprints;
    this.#transition('awaited');
    this.#connection = null;
    this.#bindTimer?.dispose();
    this.#bindTimer = this.relay.clock.setTimer(LEG_BIND_TIMEOUT_MS, () => {
      if (this.#state === 'awaited') this.pair.close('a side did not connect its media');
    });
    if (calls) {
      const uri = parseMsrpUri(path[0] ?? '');
      if (uri.ok) this.relay.call(this, uri.value.host, uri.value.port ?? 2855);
      else this.pair.close('the path of a side is malformed');
    } else this.relay.reconsider(this);
  }

  isOf(message: MsrpMessage): boolean {
    return sameMsrpUri(message.fromPath[0] ?? '', this.#remotePath[0] ?? '');
  }

  bind(connection: MsrpConnection): void {
    this.#transition('bound');
    this.#connection = connection;
    this.#bindTimer?.dispose();
    this.relay.bound(this, connection);
    this.#waitingBytes = 0;
    for (const [message, source] of this.#waiting.splice(0)) this.relay.write(connection, this.#addressed(message), source);
  }

  /** Hands a request of this side to the other one. */
  pass(request: MsrpRequest, source: MsrpConnection): void {
    if (request.method === 'SEND') this.pair.sent(this, request);
    this.pair.other(this).deliver(request, source);
  }

  onResponse(connection: MsrpConnection, response: MsrpMessage): void {
    if (connection === this.#connection) this.pair.other(this).deliver(response, connection);
  }

  /** Sends to this side what the other one has said, or keeps it until this side is bound. */
  deliver(message: MsrpMessage, source: MsrpConnection | null): void {
    if (this.#state === 'closed') return;
    if (this.#connection !== null) {
      this.relay.write(this.#connection, this.#addressed(message), source);
      return;
    }
    this.#waitingBytes += message.kind === 'request' ? (message.body?.length ?? 0) : 0;
    this.#waiting.push([message, source]);
    if (this.#waitingBytes > MAX_LEG_WAITING_BYTES || this.#waiting.length > MAX_LEG_WAITING_MESSAGES)
      this.pair.close('too much waits for a side that has not connected');
  }

  lost(connection: MsrpConnection, reason: string): void {
    if (this.#connection === connection || (this.#connection === null && this.#state === 'awaited')) this.pair.close(reason);
  }

  end(): void {
    if (this.#state === 'closed') return;
    this.#transition('closed');
    this.#bindTimer?.dispose();
    this.#waiting = [];
    this.#connection = null;
    this.relay.release(this);
  }

  #addressed(message: MsrpMessage): MsrpMessage {
    const toPath = message.kind === 'request' ? [...this.#remotePath] : this.#remotePath.slice(0, 1);
    return { ...message, toPath, fromPath: message.kind === 'request' ? this.#path : [this.localPath] };
  }

  #uri(id: string): string {
    const { scheme, host, port } = this.place;
    return `${scheme}://${host}:${port}/${id};tcp`;
  }

  #transition(to: LegState): void {
    if (!STEPS[this.#state].includes(to)) throw new Error(`relay leg: ${this.#state} -> ${to}`);
    this.#state = to;
  }
}

/** RFC 4975 section 7.2: no answer to a REPORT, nor where none is wanted. */
function refuse(connection: MsrpConnection, request: MsrpRequest, status: number, reason: string): void {
  if (request.method === 'REPORT' || request.failureReport === 'no') return;
  const { transactionId } = request;
  connection.send({
    kind: 'response',
    transactionId,
    status,
    reason,
    toPath: request.fromPath.slice(0, 1),
    fromPath: request.toPath.slice(0, 1),
    continuation: '$',
  });
}
