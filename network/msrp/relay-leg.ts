/**
 * A session through the media relay: two legs, one towards each side, which end together.
 *
 *   leg:   offered --the other side's path is known--> awaited --its connection, or ours to it--> bound --> closed
 */
import { randomBytes } from 'node:crypto';
import type { Timekeeper } from '../../base/clock';
import { type MsrpMessage, type MsrpResponse, parseMsrpUri, sameMsrpUri } from '../../protocol/msrp';
import { Allowance } from '../../protocol/msrp-allowance';
import type { Fingerprint } from '../../protocol/sdp';
import type { MsrpRequest } from './assembly';
import type { MsrpConnection } from './connection';
import { type MediaPlace, shows } from './door';
import { RelayedChunks } from './relayed-chunks';

/** LAB: how long a leg waits for its connection once its path is known, in milliseconds. */
export const LEG_BIND_TIMEOUT_MS = 30_000;
/** LAB: most bytes held for a leg that is not bound yet; beyond them the pair ends. */
export const MAX_LEG_WAITING_BYTES = 2 * 1024 * 1024;
/** LAB: most messages held for such a leg. */
export const MAX_LEG_WAITING_MESSAGES = 1_024;
type LegState = 'offered' | 'awaited' | 'bound' | 'closed';
const STEPS: Readonly<Record<LegState, readonly LegState[]>> = {
  offered: ['awaited', 'closed'],
  // Back to awaited: a re-INVITE can name another path for the same side.
  awaited: ['bound', 'awaited', 'closed'],
  bound: ['awaited', 'closed'],
  closed: [],
};

export interface RelayPairEvents {
  /** Called for each forwarded SEND with the side that sent it. */
  onSend?(from: 'caller' | 'called', request: MsrpRequest): void;
  /** Called once; `reason` is null when the owner closed the pair. */
  onClose(reason: string | null): void;
}

/** The relay as its legs see it. */
export interface LegHost {
  readonly clock: Timekeeper;
  /** The share of memory for all messages that wait for a side. */
  readonly waiting: Allowance;
  place(isSecure: boolean): MediaPlace;
  /** Connects to a side that waits to be called. */
  call(leg: RelayLeg, host: string, port: number): void;
  /** The leg's path is known now: requests that arrived for it earlier may be handled. */
  reconsider(leg: RelayLeg): void;
  bound(leg: RelayLeg, connection: MsrpConnection): void;
  /** The leg no longer needs its connection. */
  release(leg: RelayLeg): void;
  /** Writes a message, and stops reading `source` while the reader is behind. */
  write(to: MsrpConnection, message: MsrpMessage, source: MsrpConnection | null): void;
}

/** The two legs of one session. They end together. */
export class RelayPair {
  readonly caller: RelayLeg;
  readonly called: RelayLeg;
  #closed = false;

  constructor(
    relay: LegHost,
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
  /** Unguessable, because it alone admits a connection (RFC 4975 section 14.1). */
  readonly id = randomBytes(15).toString('base64url').replaceAll('-', '.').replaceAll('_', '~');
  #state: LegState = 'offered';
  #remotePath: readonly string[] = [];
  /** True when the other side is behind a relay. */
  #isRelayedBeyond = false;
  #connection: MsrpConnection | null = null;
  #fingerprints: readonly Fingerprint[] = [];
  #waiting: [MsrpMessage, MsrpConnection | null][] = [];
  readonly #waitingShare: Allowance;
  /** Long chunks on their way from this side to the other. */
  readonly #chunks = new RelayedChunks();
  #bindTimer: { dispose(): void } | null = null;

  constructor(
    private readonly relay: LegHost,
    readonly pair: RelayPair,
    readonly side: 'caller' | 'called',
  ) {
    this.#waitingShare = new Allowance(MAX_LEG_WAITING_BYTES, relay.waiting);
  }

  get state(): LegState {
    return this.#state;
  }

  get connection(): MsrpConnection | null {
    return this.#connection;
  }

  get isSecure(): boolean {
    return this.pair.isSecure;
  }

  /** The address where this side connects. */
  get place(): MediaPlace {
    return this.relay.place(this.isSecure);
  }

  /** Whether a connection may belong to this side. */
  admits(connection: MsrpConnection): boolean {
    return !this.isSecure || shows(connection.socket, this.#fingerprints, this.#remotePath[0] ?? '');
  }

  /** The URI for this side's requests. */
  get localPath(): string {
    return this.#uri(this.id);
  }

  /** The path to tell this side. Called once for each description of the other side, whose own path is `of`. */
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

  /** True when this side is behind a relay of its own. */
  get isRelayed(): boolean {
    return this.#remotePath.length > 1;
  }

  get remotePath(): readonly string[] {
    return this.#remotePath;
  }

  /**
   * Sets this side's path and, over TLS, its fingerprints. `calls`: the side waits to be called. Setting the same path again changes
   * nothing.
   */
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
    this.#waitingShare.give(this.#waitingShare.used);
    for (const [message, source] of this.#waiting.splice(0)) this.relay.write(connection, this.#addressed(message), source);
  }

  /** Forwards a request of this side to the other. */
  pass(request: MsrpRequest, source: MsrpConnection): void {
    if (request.method === 'SEND') this.pair.sent(this, request);
    this.pair.other(this).deliver(this.#chunks.handOn(request, source), source);
  }

  onResponse(connection: MsrpConnection, response: MsrpResponse): void {
    if (connection !== this.#connection) return;
    const other = this.pair.other(this);
    const answer = other.#chunks.handBack(response);
    if (answer !== null) other.deliver(answer, connection);
  }

  /** Sends a message of the other side to this side, or holds it until this side is bound. */
  deliver(message: MsrpMessage, source: MsrpConnection | null): void {
    if (this.#state === 'closed') return;
    if (this.#connection !== null) {
      this.relay.write(this.#connection, this.#addressed(message), source);
      return;
    }
    const bytes = message.kind === 'request' ? (message.body?.length ?? 0) : 0;
    if (this.#waiting.length < MAX_LEG_WAITING_MESSAGES && this.#waitingShare.take(bytes)) this.#waiting.push([message, source]);
    else this.pair.close('too much waits for a side that has not connected');
  }

  lost(connection: MsrpConnection, reason: string): void {
    if (this.#connection === connection || (this.#connection === null && this.#state === 'awaited')) this.pair.close(reason);
  }

  end(): void {
    if (this.#state === 'closed') return;
    this.#transition('closed');
    this.#bindTimer?.dispose();
    this.#waiting = [];
    this.#waitingShare.give(this.#waitingShare.used);
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
