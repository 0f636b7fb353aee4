/**
 * The media relay of the Participating Function: MSRP sessions in two legs, one towards each side. Requests and responses are forwarded as
 * they are, except for the paths, and long chunks in parts. The relay never answers on behalf of a side: when the sender learns that a
 * message was received, the other side has received it.
 *
 *   pair:  caller <--leg--> relay <--leg--> called
 *
 * When a side is behind a relay of its own (its path has more than one URI), answers come from that relay, and only a REPORT from the side
 * itself (RFC 4976). The other side has to know this, so the path it is told also has a second URI, which stands for everything beyond the
 * relay.
 *
 * When one leg ends, so does the other. A slow reader stops the side that writes to it (back-pressure), not the relay.
 */
import { backgroundClock, type Timekeeper } from '../../base/clock';
import { type MsrpMessage, type MsrpResponse, parseMsrpUri } from '../../protocol/msrp';
import { Allowance } from '../../protocol/msrp-allowance';
import { answerTo } from '../../protocol/msrp-rules';
import type { WireTap } from '../../protocol/wire-record';
import type { NetworkLog } from '../log';
import type { MsrpRequest } from './assembly';
import { MsrpConnection, type MsrpStream } from './connection';
import { MediaDoor, type MediaPlace } from './door';
import {
  LEG_BIND_TIMEOUT_MS,
  MAX_LEG_WAITING_BYTES,
  MAX_LEG_WAITING_MESSAGES,
  type RelayLeg,
  RelayPair,
  type RelayPairEvents,
} from './relay-leg';

export { LEG_BIND_TIMEOUT_MS, MAX_LEG_WAITING_BYTES, type RelayLeg, type RelayPair } from './relay-leg';

/** LAB: most bytes in the whole relay that wait for sides that are not bound or not known yet. */
export const MAX_RELAY_WAITING_BYTES = 64 * 1024 * 1024;
/** LAB: when more bytes than this wait for a slow side, the other side is no longer read. */
export const RELAY_HIGH_WATER_BYTES = 512 * 1024;
/** LAB: most connections at the same time. */
const MAX_RELAY_CONNECTIONS = 1_000;
/** LAB: most pairs at the same time; a further session is refused with 503. */
const MAX_RELAY_PAIRS = 5_000;

/** A connection that can be paused. */
export interface RelayStream extends MsrpStream {
  pause(): unknown;
  resume(): unknown;
  once(event: 'drain' | 'connect', listener: () => void): unknown;
}

export interface MediaRelayOptions {
  host?: string;
  clock?: Timekeeper;
  tap?: WireTap;
  log?: NetworkLog;
  /** Like `MediaOptions.ca` of the switch. */
  ca?: readonly string[];
  /** How a side that waits is called; when absent, over the network. */
  dial?: (host: string, port: number) => RelayStream;
}

interface Carrier {
  stream: RelayStream;
  legs: Set<RelayLeg>;
  /** Requests for legs whose path is not known yet. */
  held: [MsrpRequest, RelayLeg][];
  heldShare: Allowance;
  /** The slow reader for which this connection is paused. */
  waitsFor: MsrpConnection | null;
}

export class MediaRelay {
  readonly host: string;
  readonly clock: Timekeeper;
  readonly #options: MediaRelayOptions;
  readonly #door: MediaDoor;
  readonly #legs = new Map<string, RelayLeg>();
  readonly #connections = new Map<MsrpConnection, Carrier>();
  readonly waiting = new Allowance(MAX_RELAY_WAITING_BYTES);

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

  /** Two joined legs, either both over TLS or both over TCP; null when there are too many pairs. */
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

  /** Used by legs. */
  call(leg: RelayLeg, host: string, port: number): void {
    const onOpen = () => connection.guarded(() => this.#called(leg, connection));
    const { dial } = this.#options;
    const stream = dial === undefined ? this.#door.call(host, port, leg.isSecure, onOpen) : dial(host, port);
    const connection = this.#adopt(stream);
    this.#connections.get(connection)?.legs.add(leg);
    if (dial !== undefined) stream.once('connect', onOpen);
  }

  #called(leg: RelayLeg, connection: MsrpConnection): void {
    if (leg.state !== 'awaited') return;
    if (leg.admits(connection)) leg.bind(connection);
    else leg.pair.close('the media of a side is not who its SDP names');
  }

  /** Used by legs. */
  reconsider(leg: RelayLeg): void {
    for (const [connection, entry] of this.#connections) for (const message of takeHeld(entry, leg)) this.#request(connection, message);
  }

  /** Used by legs. */
  bound(leg: RelayLeg, connection: MsrpConnection): void {
    this.#connections.get(connection)?.legs.add(leg);
  }

  /** Used by legs. */
  release(leg: RelayLeg): void {
    for (const [connection, entry] of this.#connections) {
      takeHeld(entry, leg);
      if (entry.legs.delete(leg) && entry.legs.size === 0) connection.close('its session ended');
    }
  }

  /** Used by legs. */
  write(to: MsrpConnection, message: MsrpMessage, source: MsrpConnection | null): void {
    to.send(message);
    const writer = source === null ? undefined : this.#connections.get(source);
    const reader = this.#connections.get(to)?.stream;
    if (writer === undefined || reader === undefined || reader.writableLength < RELAY_HIGH_WATER_BYTES || writer.waitsFor === to) return;
    writer.waitsFor = to;
    writer.stream.pause();
    reader.once('drain', () => to.guarded(() => resume(writer)));
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
    admits: (toPath: readonly string[]) => this.#legOf(toPath) !== undefined,
    onMessage: (connection: MsrpConnection, message: MsrpMessage) => this.#receive(connection, message),
    onClose: (connection: MsrpConnection, reason: string) => {
      const entry = this.#connections.get(connection);
      this.#connections.delete(connection);
      // A side that was paused for this reader need not wait any longer.
      for (const [other, writer] of this.#connections) if (writer.waitsFor === connection) other.guarded(() => resume(writer));
      for (const leg of new Set(entry?.held.map(([, of]) => of))) if (entry !== undefined) takeHeld(entry, leg);
      for (const leg of entry?.legs ?? []) leg.lost(connection, reason);
    },
  };

  #adopt(stream: RelayStream): MsrpConnection {
    const connection = new MsrpConnection(stream, this.#events, this.#options.tap, () => this.clock.now());
    const heldShare = new Allowance(MAX_LEG_WAITING_BYTES, this.waiting);
    this.#connections.set(connection, { stream, legs: new Set(), held: [], heldShare, waitsFor: null });
    // A connection that serves no session is closed.
    this.clock.setTimer(LEG_BIND_TIMEOUT_MS, () => {
      if (this.#connections.get(connection)?.legs.size === 0) connection.close('no session is for it');
    });
    return connection;
  }

  #receive(connection: MsrpConnection, message: MsrpMessage): void {
    if (message.kind === 'request') this.#request(connection, message);
    else this.#response(connection, message);
  }

  #response(connection: MsrpConnection, response: MsrpResponse): void {
    this.#legOf(response.toPath)?.onResponse(connection, response);
  }

  #legOf(toPath: readonly string[]): RelayLeg | undefined {
    const uri = parseMsrpUri(toPath[0] ?? '');
    return uri.ok && uri.value.sessionId !== null ? this.#legs.get(uri.value.sessionId) : undefined;
  }

  #request(connection: MsrpConnection, message: MsrpRequest): void {
    const leg = this.#legOf(message.toPath);
    const entry = this.#connections.get(connection);
    if (leg === undefined || message.isSkipped === true || entry === undefined || !leg.isAddressedBy(message)) {
      refuse(connection, message, 481, 'No Such Session');
      return;
    }
    // A side may connect before the relay has seen the SIP answer with its path.
    if (leg.state === 'offered') {
      if (entry.held.length < MAX_LEG_WAITING_MESSAGES && entry.heldShare.take(message.body?.length ?? 0)) entry.held.push([message, leg]);
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
    // A relay connects to us although we have connected to it: it finds us by our URI (RFC 4976 section 6.3).
    else if (leg.connection !== null && leg.isRelayed && leg.isOf(message) && leg.admits(connection)) {
      this.bound(leg, connection);
      leg.pass(message, connection);
    }
    // RFC 4975 section 7.3: a session is bound to one connection. When several devices know the path, the one that answered gets it.
    else
      refuse(
        connection,
        message,
        leg.connection === null ? 481 : 506,
        leg.connection === null ? 'No Such Session' : 'Session Bound To Another Connection',
      );
  }
}

function takeHeld(entry: Carrier, leg: RelayLeg): MsrpRequest[] {
  const mine = entry.held.filter(([, of]) => of === leg).map(([message]) => message);
  entry.held = entry.held.filter(([, of]) => of !== leg);
  for (const { body } of mine) entry.heldShare.give(body?.length ?? 0);
  return mine;
}

function resume(writer: Carrier): void {
  writer.waitsFor = null;
  writer.stream.resume();
}

function refuse(connection: MsrpConnection, request: MsrpRequest, status: number, reason: string): void {
  const answer = request.goesOn === true ? null : answerTo(request, status, reason);
  if (answer !== null) connection.send(answer);
}
