/**
 * One MSRP session (RFC 4975): created before the SDP is sent, started when both descriptions are known.
 *
 *   prepared --start--> connecting --bound--> established
 *      |                    |                     |
 *      +--------------------+---------------------+---- close(), connection lost, no answer, 481, 506 ----> closed
 *
 * "Bound": the active side (RFC 6135) has the 200 for its SEND without content; the passive side has received any request for this
 * session. Over TLS the peer's certificate must also be the one that its SDP names. A peer may be faster than our own `start`: its
 * connection is then held unread until `start`.
 */
import type { Emitter } from '../../base/emitter';
import type { Fingerprint } from '../../protocol/sdp';
import type { ReceivedMessage } from './incoming';
import type { MessageBody, SendOptions } from './outgoing';
import type { MessageHead, MessageSink } from './sink';

export type { MessageHead, MessageSink } from './sink';
export { type MessageSource, sourceOf } from './source';

/** How long connecting may take, and how long the peer may take to bind. */
export const connectTimeoutMs = 10_000;
export const bindTimeoutMs = 30_000;

/** How this side asks for media: over TLS and not otherwise; over TLS, and in clear if the other side has none; in clear. */
export type MediaWish = 'tls' | 'tlsFirst' | 'clear';

export type MsrpSessionState = 'prepared' | 'connecting' | 'established' | 'closed';

/** What is known about the peer besides its path. */
export interface Peer {
  /** Over TLS: the fingerprints of its certificate. Without any, an authority must vouch for it. */
  fingerprints?: readonly Fingerprint[];
  /** Where to connect instead of the first URI of its path: an intermediary has put itself there (RFC 6714 section 4). */
  address?: { host: string; port: number } | null;
  /** The sender's identity: all sessions of one sender share one memory limit on this side. */
  sender?: string;
}

export interface MsrpSession {
  /** Our own URI, the last one in `path`. */
  readonly localPath: string;
  /** Our a=path. Behind a relay, the relay's URI comes first (RFC 4976 section 5.1). */
  readonly path: readonly string[];
  /** Whether the media runs over TLS. */
  readonly isSecure: boolean;
  /** Where peers connect, for the SDP: the relay's address if there is a relay. */
  readonly host: string;
  readonly port: number;
  /** Our certificate's fingerprint, for the SDP; null over plain TCP. */
  readonly fingerprint: Fingerprint | null;
  readonly state: MsrpSessionState;
  readonly onState: Emitter<MsrpSessionState>;
  /**
   * Establishes the session in our role; `peer` holds further knowledge about the other side. Resolves when the session is established and
   * closes it on failure.
   * @throws AppError net/unreachable, net/untrusted, net/timeout, msrp/rejected, or msrp/closed when it ended in the meantime
   */
  start(remotePath: string[], role: 'active' | 'passive', peer?: Peer): Promise<void>;
  /**
   * Sends octets or a source. A source is read only as fast as the peer takes it and is closed in every case. Resolves when every chunk has
   * its 200 and, behind a relay, when the other side has reported the whole message; `reports` can change this. Messages arrive in the
   * order of the calls, except those that may overtake; before `established` they wait.
   * @throws AppError msrp/rejected with the peer's status, msrp/closed, net/timeout, message/skipped when it was abandoned, internal when
   * the source failed or its size was not the announced one
   */
  send(message: { contentType: string; body: MessageBody; messageId?: string } & SendOptions): Promise<void>;
  /** Asks a switch for a nickname; an empty one gives it up. @throws AppError as `requestNickname` */
  nickname(nickname: string): Promise<void>;
  /**
   * Chooses the sink for a message by its head, before any of its body is buffered. Null: collect the message in memory for
   * `handleMessage`. An AppError with a `status` refuses the message with that status (415, 413), any other exception with 500. When
   * absent, every message is collected.
   */
  openSink: ((head: MessageHead) => MessageSink | null) | null;
  /**
   * Takes each complete message that was collected in memory, one at a time and in order. The 200 leaves when the promise resolves; an
   * AppError with a `status` becomes that answer, any other error 500. It must not await a `send` of this session: the answer to that can
   * stay unread until this promise settles.
   */
  handleMessage: ((message: ReceivedMessage) => Promise<void>) | null;
  close(): void;
}
