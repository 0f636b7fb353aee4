/**
 * A session of the MSRP switch: it belongs to one endpoint of one group.
 *
 *   prepared --bind--> bound --close--> closed
 *       \_______________________________^
 *
 * A session is bound by the first request whose To-Path names it; a second connection for it is refused with 506 (RFC 4975 section 7.3).
 * Behind a relay (a path of more than one URI) there may be two: a relay calls us although we have called it, because it looks for us by
 * our URI (RFC 4976 section 6.3).
 */
import { randomBytes } from 'node:crypto';
import type { Timekeeper } from '../../base/clock';
import { type MsrpMessage, newTransactionId, parseMsrpUri } from '../../protocol/msrp';
import type { Allowance } from '../../protocol/msrp-allowance';
import { answerTo, successReport } from '../../protocol/msrp-rules';
import { parseNickname } from '../../protocol/nickname';
import { type Fingerprint, fingerprintsOf, type MsrpDescription, mirrored, receives } from '../../protocol/sdp';
import { type CompleteMessage, MAX_MESSAGE_BYTES, MsrpAssembly, type MsrpRequest } from './assembly';
import type { MsrpConnection } from './connection';
import { type MediaPlace, shows } from './door';
import { type OutgoingMessage, SentMessages } from './outgoing';
import { randomFraction } from './random-fraction';

/** LAB: how long a session waits for its connection. */
export const BIND_TIMEOUT_MS = 30_000;
/** LAB: most requests held over TLS before the SDP with their certificate's fingerprint is known. */
const MAX_EARLY_REQUESTS = 16;
/** LAB: most bytes held for a session that is not connected yet. */
export const MAX_WAITING_BYTES = 2 * 1024 * 1024;

type State = 'prepared' | 'bound' | 'closed';

const TRANSITIONS: Record<State, readonly State[]> = { prepared: ['bound', 'closed'], bound: ['closed'], closed: [] };

/** The answer to a complete message. */
export interface Verdict {
  status: number;
  reason: string;
}

export interface SwitchSessionEvents {
  /** Handles a complete message of this endpoint; the verdict is its MSRP answer. */
  onMessage(message: CompleteMessage): Verdict;
  /** The endpoint asks for this nickname (RFC 7701); an empty one gives up its present nickname. The verdict is the MSRP answer. */
  onNickname(nickname: string): Verdict;
  /** Called once; `reason` is null when the owner closed it. */
  onClose(reason: string | null): void;
}

/** The switch as its sessions see it. */
export interface SessionHost {
  readonly clock: Timekeeper;
  /** Opens a connection for a session whose peer waits to be called (setup:passive). */
  dial(session: SwitchSession, host: string, port: number): void;
}

/** The memory that a session may use for its person, until `release`. */
export interface Share {
  allowance: Allowance;
  release: () => void;
}

/**
 * A session's description for SDP. `origin` is the o= line: its sess-id stays the same throughout a dialog, and its version grows with each
 * change (RFC 3264).
 */
export function describeSession(
  session: SwitchSession,
  setup: 'active' | 'passive' | 'actpass',
  origin: { sessionId: string; version: number },
  /** What an answer answers: its m-lines and its direction (RFC 3264 section 6). */
  offer?: MsrpDescription,
): MsrpDescription {
  return {
    host: session.place.host,
    port: session.place.port,
    path: [session.localPath],
    setup,
    acceptTypes: ['message/cpim'],
    wrappedTypes: ['text/plain', 'message/imdn+xml', 'application/im-iscomposing+xml', '*'],
    direction: offer === undefined ? 'sendrecv' : mirrored(offer.direction),
    ...(offer?.streams === undefined ? {} : { streams: offer.streams }),
    sessionId: origin.sessionId,
    version: origin.version,
    transport: session.place.transport,
    attributes: [
      ['max-size', String(MAX_MESSAGE_BYTES)],
      // RFC 7701 section 8.
      ['chatroom', 'nickname private-messages'],
      ...(session.place.fingerprint === null
        ? []
        : [['fingerprint', `${session.place.fingerprint.hash} ${session.place.fingerprint.value}`] as const]),
    ],
  };
}

export class SwitchSession {
  readonly #assembly: MsrpAssembly;
  readonly #waiting: OutgoingMessage[] = [];
  #waitingBytes = 0;
  readonly #sent: SentMessages;
  /** Further connections, opened by a relay. They carry requests to us; ours use the first one. */
  readonly further = new Set<MsrpConnection>();
  #bindTimer: { dispose(): void } | null = null;
  #state: State = 'prepared';
  #connection: MsrpConnection | null = null;
  #remotePath: readonly string[] = [];
  #fingerprints: readonly Fingerprint[] = [];
  readonly #early: (() => void)[] = [];
  /** The endpoint takes nothing now (a=inactive, a=sendonly): what is sent waits. */
  #isHeld = false;
  /** A long chunk that was answered before its end arrived. */
  #told: { by: MsrpConnection; transactionId: string } | null = null;

  constructor(
    private readonly owner: SessionHost,
    readonly id: string,
    /** Where the switch listens for this session. */
    readonly place: MediaPlace,
    private readonly events: SwitchSessionEvents,
    private readonly share: Share,
    private readonly forget: () => void,
  ) {
    this.#assembly = new MsrpAssembly({ clock: owner.clock, allowance: share.allowance });
    this.#sent = new SentMessages({
      clock: owner.clock,
      localPath: this.localPath,
      send: (message) => this.#connection?.send(message),
      onBroken: (reason) => this.close(reason),
    });
  }

  get state(): State {
    return this.#state;
  }

  get localPath(): string {
    const { scheme, host, port } = this.place;
    return `${scheme}://${host}:${port}/${this.id};tcp`;
  }

  get isSecure(): boolean {
    return this.place.fingerprint !== null;
  }

  /** True when the endpoint is behind a relay; the next hop then does not speak for it. */
  get isRelayed(): boolean {
    return this.#remotePath.length > 1;
  }

  /** Whether a connection may belong to this session. */
  admits(connection: MsrpConnection): boolean {
    return !this.isSecure || shows(connection.socket, this.#fingerprints, this.#remotePath[0] ?? '');
  }

  hears(connection: MsrpConnection): boolean {
    return this.#connection === connection || this.further.has(connection);
  }

  /** Holds a request that arrives over TLS before the SDP tells which certificate to expect; `again` is called once it does. */
  hold(
    message: MsrpMessage & { kind: 'request' },
    connection: MsrpConnection,
    again: (message: MsrpMessage & { kind: 'request' }) => void,
  ): boolean {
    if (!this.isSecure || this.#remotePath.length > 0 || this.#state !== 'prepared') return false;
    if (this.#early.length >= MAX_EARLY_REQUESTS) connection.close('too much came before its session stood');
    else this.#early.push(() => again(message));
    return true;
  }

  get connection(): MsrpConnection | null {
    return this.#connection;
  }

  /** The peer's path is known from the SDP. It now has BIND_TIMEOUT_MS to connect or, when it is `passive`, is called. */
  start(remotePath: readonly string[], ourRole: 'active' | 'passive', remote?: MsrpDescription): void {
    if (this.#state === 'closed') return;
    this.#remotePath = remotePath;
    this.#fingerprints = remote === undefined ? [] : fingerprintsOf(remote);
    if (this.isSecure !== (remote?.transport === 'TCP/TLS/MSRP')) {
      this.close('its media does not run over what was agreed');
      return;
    }
    this.#bindTimer ??= this.owner.clock.setTimer(BIND_TIMEOUT_MS, () => {
      if (this.#state === 'prepared') this.close('it did not connect its media');
    });
    for (const again of this.#early.splice(0)) again();
    if (this.#state === 'bound') this.#flush();
    if (ourRole !== 'active' || this.#state !== 'prepared') return;
    const first = remotePath[0];
    const uri = first === undefined ? null : parseMsrpUri(first);
    if (uri?.ok) this.owner.dial(this, uri.value.host, uri.value.port ?? 2855);
    else this.close('its MSRP path is malformed');
  }

  /** Follows the direction in the endpoint's SDP (RFC 3264 section 5.1). */
  heed(remote: Pick<MsrpDescription, 'direction'>): void {
    this.#isHeld = !receives(remote);
    if (this.#state === 'bound') this.#flush();
  }

  /** `asks`: this side opened the connection and sends the empty SEND that binds the other end (RFC 4975 section 5.4). */
  bind(connection: MsrpConnection, asks: boolean): void {
    this.#transition('bound');
    this.#connection = connection;
    this.#bindTimer?.dispose();
    if (this.#remotePath.length === 0) return;
    if (asks) this.#sent.bind(this.#remotePath);
    this.#flush();
  }

  /**
   * Sends a message, or holds it until the endpoint has connected. `onAnswered` is called when the endpoint itself, not a relay before it,
   * has answered for the whole message, whatever the answer: a refused message is not sent again. It is never called if the session ends
   * before.
   */
  send(message: { contentType: string; body: Uint8Array; messageId?: string; onAnswered?: () => void }): void {
    if (this.#state === 'closed') return;
    const entry: OutgoingMessage = { ...message, messageId: message.messageId ?? randomBytes(12).toString('hex') };
    if (this.#state === 'bound' && this.#remotePath.length > 0 && !this.#isHeld) {
      this.#sent.write(entry, this.#remotePath);
      return;
    }
    if (this.#waitingBytes + entry.body.length > MAX_WAITING_BYTES || !this.share.allowance.take(entry.body.length)) {
      this.close('too much is waiting for it');
      return;
    }
    this.#waitingBytes += entry.body.length;
    this.#waiting.push(entry);
  }

  onRequest(request: MsrpRequest, by: MsrpConnection): void {
    if (request.method === 'REPORT') {
      this.#sent.report(request);
      return;
    }
    if (this.#told?.by === by && this.#told.transactionId === request.transactionId) {
      if (request.goesOn !== true) this.#told = null;
      return;
    }
    const { status, reason, whole } = this.#take(request);
    // Before its end has arrived, a chunk can only be answered by a refusal, which stops its sender (RFC 4975 section 10.5).
    if (request.goesOn === true && status === 200 && whole === undefined) return;
    if (request.goesOn === true) this.#told = { by, transactionId: request.transactionId };
    const answer = answerTo(request, status, reason);
    if (answer !== null) by.send(answer);
    if (whole !== undefined && request.successReport)
      by.send(successReport(request, this.localPath, whole, newTransactionId(randomFraction, null)));
  }

  /** The answer, and the size of the message if this request completed it and it was accepted. */
  #take(request: MsrpRequest): Verdict & { whole?: number } {
    if (request.method === 'NICKNAME') {
      const asked = request.headers.find(([name]) => name.toLowerCase() === 'use-nickname');
      const nickname = asked === undefined ? null : parseNickname(asked[1]);
      return nickname === null ? { status: 424, reason: 'Malformed Nickname' } : this.events.onNickname(nickname);
    }
    if (request.method !== 'SEND') return { status: 501, reason: 'Not Implemented' };
    if (request.isSkipped === true) return { status: 481, reason: 'No Such Session' };
    // The empty SEND that binds the connection (RFC 4975 section 5.4).
    if (request.body === null && !this.#assembly.knows(request.messageId)) return TAKEN;
    const step = this.#assembly.take(request);
    if (step.kind === 'refused') return { status: step.status, reason: step.reason };
    if (step.kind !== 'complete') return TAKEN;
    const verdict = this.events.onMessage(step.message);
    return verdict.status === 200 ? { ...verdict, whole: step.message.body.length } : verdict;
  }

  onResponse(transactionId: string, status: number): void {
    this.#sent.answered(transactionId, status);
  }

  /** Ends the session. `reason` is null when the owner closes it. */
  close(reason: string | null = null): void {
    if (this.#state === 'closed') return;
    this.#transition('closed');
    this.#bindTimer?.dispose();
    this.#sent.close();
    this.#waiting.length = 0;
    this.#giveWaiting();
    this.#assembly.dispose();
    this.share.release();
    this.#connection = null;
    this.forget();
    this.events.onClose(reason);
  }

  #flush(): void {
    if (this.#connection === null || this.#isHeld) return;
    const waiting = this.#waiting.splice(0);
    this.#giveWaiting();
    for (const entry of waiting) this.#sent.write(entry, this.#remotePath);
  }

  #giveWaiting(): void {
    this.share.allowance.give(this.#waitingBytes);
    this.#waitingBytes = 0;
  }

  #transition(to: State): void {
    if (!TRANSITIONS[this.#state].includes(to)) throw new Error(`MSRP session: ${this.#state} -> ${to}`);
    this.#state = to;
  }
}

const TAKEN: Verdict = { status: 200, reason: 'OK' };
