/**
 * One MSRP session (RFC 4975): made before the SDP goes out, started when both descriptions are known.
 *
 *   prepared --start--> connecting --bound--> established
 *      |                    |                     |
 *      +--------------------+---------------------+---- close(), connection lost, no answer, 481, 506 ----> closed
 *
 * Bound means: the active side (RFC 6135) has the 200 for its SEND without content; the passive side has received any request for this
 * session. Over TLS neither counts from a peer whose certificate is not the one that its SDP names. A peer may be faster than our own `start`: its
 * connection is then held unread until `start` says what to do with it.
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

export type MsrpSessionState = 'prepared' | 'connecting' | 'established' | 'closed';

/** What is known of the peer besides its path. */
export interface Peer {
  /** The fingerprints of its certificate, over TLS; without any an authority must vouch for it. */
  fingerprints?: readonly Fingerprint[];
  /** Where to connect instead of the first URI of its path: something on the way has put itself there (RFC 6714 section 4). */
  address?: { host: string; port: number } | null;
  /** Who it is: all sessions of one sender share what it may make this side hold in memory. */
  sender?: string;
}

export interface MsrpSession {
  /** Our own URI, the last one of `path`. */
  readonly localPath: string;
  /** Our a=path: behind a relay its URI comes first (RFC 4976 section 5.1). */
  readonly path: readonly string[];
  /** Whether the media runs over TLS. */
  readonly isSecure: boolean;
  /** Where peers connect, and so what the SDP names: the relay's place where there is one. */
  readonly host: string;
  readonly port: number;
  /** Our certificate's fingerprint, for the SDP; null over plain TCP. */
  readonly fingerprint: Fingerprint | null;
  readonly state: MsrpSessionState;
  readonly onState: Emitter<MsrpSessionState>;
  /**
   * Brings the session up in our role; resolves when it is established. Throws AppError net/unreachable, net/untrusted, net/timeout,
   * msrp/rejected, or msrp/closed when it ended meanwhile; the session is then closed. See `Peer` for what else is known.
   */
  start(remotePath: string[], role: 'active' | 'passive', peer?: Peer): Promise<void>;
  /**
   * Sends octets, or a source of them, which is read only as fast as the peer takes them and closed in every case. Resolves when every chunk has
   * its 200, and behind a relay when the other side has reported to have it all; `reports` may ask for other things. Messages arrive in the order
   * of the calls, except those that may overtake; before `established` they wait.
   * @throws AppError msrp/rejected with the peer's status, msrp/closed, net/timeout, message/skipped when it was given up, internal when the
   *   source failed or did not give as many octets as it had announced
   */
  send(message: { contentType: string; body: MessageBody; messageId?: string } & SendOptions): Promise<void>;
  /** Asks a switch for a nickname; empty gives it up. @throws AppError as `requestNickname` */
  nickname(nickname: string): Promise<void>;
  /**
   * Chooses, by the head of a message and before any of its body is kept, the sink for it; null: gather it in memory for `handleMessage`. An
   * AppError with a `status` refuses the message with that answer (415, 413), anything else that is thrown with 500. Absent: all is gathered.
   */
  openSink: ((head: MessageHead) => MessageSink | null) | null;
  /**
   * Takes each whole message that was gathered in memory, one at a time, in order. The 200 leaves when it resolves; an AppError with a `status`
   * becomes that answer, anything else 500. It must not await a `send` of this session: while it runs the answer to that may stand unread behind it.
   */
  handleMessage: ((message: ReceivedMessage) => Promise<void>) | null;
  close(): void;
}
