/**
 * Cuts a TCP stream into SIP messages by Content-Length (RFC 3261 section 18.3), on bytes: a body's characters may be longer than one.
 * A WebSocket message is one SIP message already, and may do without Content-Length (RFC 7118 section 5).
 *
 *      +------- push --------+
 *      v                     |
 *   [between] --a byte--> [head] --empty line--> [body] --Content-Length bytes--> [between]
 *      | CRLF CRLF = ping       \--too long, no Content-Length--> [broken]
 */
import { headEnd, MAX_BODY_BYTES, MAX_HEAD_BYTES } from './message-parser';
import { StreamBuffer } from './stream-buffer';

/**
 * What came out of the stream: one whole message; a keep-alive (RFC 5626 section 4.4.1: a double CRLF, answered by one CRLF); or `broken`.
 * A broken stream cannot be read any further: answer `head` if there is one, then close.
 */
export type Frame = { kind: 'message'; bytes: Uint8Array } | { kind: 'ping' } | { kind: 'broken'; reason: string; head: Uint8Array | null };

const CONTENT_LENGTH = /^(?:content-length|l)[ \t]*:(.*)$/gim;

export class Framer {
  #state: 'between' | 'head' | 'body' | 'broken' = 'between';
  readonly #buffer = new StreamBuffer();
  /** Where the search for the end of the head goes on: a head that comes byte by byte is searched once. */
  #searched = 0;
  /** Bytes of the current message, head and body together, once the head is read. */
  #wanted = 0;
  /** CR and LF seen since the last message, for the ping. */
  #blank = 0;

  readonly #isMessageBased: boolean;

  /** `isMessageBased`: every `push` is one whole message or keep-alive, as over WebSocket. */
  constructor(isMessageBased = false) {
    this.#isMessageBased = isMessageBased;
  }

  /** True while a message has begun and not ended: a peer that stops here occupies memory. */
  get inMessage(): boolean {
    return this.#state === 'head' || this.#state === 'body';
  }

  /** Takes the next bytes and returns what they complete, in order. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    if (this.#state === 'broken' || bytes.length === 0) return frames;
    if (this.#isMessageBased) return this.#one(bytes);
    this.#buffer.add(bytes);
    while (this.#buffer.length > 0 && this.#step(frames));
    return frames;
  }

  /** One step of the machine; false when more bytes are needed. */
  #step(frames: Frame[]): boolean {
    switch (this.#state) {
      case 'between':
        return this.#skipBlank(frames);
      case 'head':
        return this.#readHead(frames);
      case 'body': {
        if (this.#buffer.length < this.#wanted) return false;
        frames.push({ kind: 'message', bytes: this.#buffer.take(this.#wanted) });
        this.#state = 'between';
        this.#blank = 0;
        return true;
      }
      case 'broken':
        return false;
    }
  }

  #skipBlank(frames: Frame[]): boolean {
    const { held } = this.#buffer;
    let at = 0;
    while (at < held.length && (held[at] === 13 || held[at] === 10)) {
      at += 1;
      this.#blank += 1;
      if (this.#blank === 4) {
        frames.push({ kind: 'ping' });
        this.#blank = 0;
      }
    }
    const isMore = at < held.length;
    this.#buffer.take(at);
    if (!isMore) return false;
    this.#state = 'head';
    this.#searched = 0;
    return true;
  }

  #readHead(frames: Frame[]): boolean {
    const { held } = this.#buffer;
    const end = headEnd(held, this.#searched);
    // The last three bytes may be the beginning of the empty line.
    this.#searched = Math.max(0, held.length - 3);
    if (end < 0 || end > MAX_HEAD_BYTES) {
      if (held.length <= MAX_HEAD_BYTES) return false;
      return this.#break(frames, `the head is longer than ${MAX_HEAD_BYTES} bytes`, beginning(held));
    }
    const head = held.subarray(0, end);
    const length = bodyLength(head);
    // RFC 3261 section 20.14: over a stream Content-Length is the only end of a body.
    if (length === null) return this.#break(frames, 'a message without Content-Length came over a stream', head);
    if (typeof length === 'string') return this.#break(frames, length, head);
    this.#wanted = end + length;
    this.#state = 'body';
    return true;
  }

  #one(piece: Uint8Array): Frame[] {
    // Line ends before a message are passed over (RFC 3261 section 7.5).
    const begins = piece.findIndex((byte) => byte !== 13 && byte !== 10);
    if (begins < 0) return piece.length >= 4 ? [{ kind: 'ping' }] : [];
    const bytes = piece.subarray(begins);
    const frames: Frame[] = [];
    const end = headEnd(bytes);
    if (end < 0 || end > MAX_HEAD_BYTES) {
      if (end < 0) this.#break(frames, 'the head does not end', null);
      else this.#break(frames, `the head is longer than ${MAX_HEAD_BYTES} bytes`, beginning(bytes));
      return frames;
    }
    const head = bytes.subarray(0, end);
    const length = bodyLength(head) ?? bytes.length - end;
    if (typeof length === 'string') this.#break(frames, length, head);
    else if (length > bytes.length - end) this.#break(frames, 'the message is shorter than its Content-Length', head);
    else frames.push({ kind: 'message', bytes: bytes.subarray(0, end + length) });
    return frames;
  }

  #break(frames: Frame[], reason: string, head: Uint8Array | null): false {
    frames.push({ kind: 'broken', reason, head });
    this.#state = 'broken';
    this.#buffer.take(this.#buffer.length);
    return false;
  }
}

/** The complete lines within the allowed size, enough to answer. Null when there is not even one. */
function beginning(bytes: Uint8Array): Uint8Array | null {
  const allowed = bytes.subarray(0, MAX_HEAD_BYTES);
  const end = allowed.lastIndexOf(10);
  return end < 0 ? null : allowed.subarray(0, end + 1);
}

/** The value of Content-Length, null where it is missing; a string says why it cannot be used. */
function bodyLength(head: Uint8Array): number | string | null {
  // Latin-1 keeps one character a byte: only the ASCII digits matter here.
  const lengths = [...Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1').matchAll(CONTENT_LENGTH)];
  const text = (lengths[0]?.[1] ?? '').trim();
  if (lengths.length === 0) return null;
  if (lengths.length > 1) return 'Content-Length is there more than once';
  if (!/^\d{1,9}$/.test(text)) return 'Content-Length is not a number';
  return Number(text) > MAX_BODY_BYTES ? `the body is longer than ${MAX_BODY_BYTES} bytes` : Number(text);
}
