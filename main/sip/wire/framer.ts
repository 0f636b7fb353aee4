/**
 * Splits a stream into SIP messages by Content-Length, counted in bytes (RFC 3261 section 18.3): a body's characters may take several
 * bytes, and sip.js, which counts characters, must be given exactly one message at a time. Over WebSocket each piece is one whole message,
 * and Content-Length may be missing (RFC 7118 section 5).
 *
 *   [between] --first byte--> [head] --empty line--> [body] --last byte--> [between]
 *                                \--too long, bad Content-Length--> [broken]
 *                                \--body too long--> [skipping] --last byte--> [between]
 */
import { headLines, MAX_BODY_BYTES, MAX_HEAD_BYTES } from './wire-message';

export type Frame =
  | { kind: 'message'; bytes: Uint8Array; bodyAt: number; bodySkipped: boolean }
  /** CRLF CRLF between messages: the peer checks whether the flow is alive (RFC 5626 section 3.5.1). */
  | { kind: 'ping' }
  /** A single CRLF between messages: the answer to such a ping. */
  | { kind: 'pong' }
  /** Nothing after this can be read: the connection must be closed. */
  | { kind: 'broken'; reason: string };

const CR = 13;
const LF = 10;

export class Framer {
  #buffer = new Uint8Array(4096);
  /** What is held are the `#length` bytes from `#start` on. */
  #start = 0;
  #length = 0;
  /** Where the search for the end of the head continues; a message that arrives byte by byte is scanned once. */
  #scanned = 0;
  #skip = 0;
  #broken = false;

  readonly #isMessageBased: boolean;

  /** `isMessageBased`: every `push` is one whole message or keep-alive. */
  constructor(isMessageBased = false) {
    this.#isMessageBased = isMessageBased;
  }

  push(bytes: Uint8Array): Frame[] {
    if (this.#broken) return [];
    if (this.#isMessageBased) return this.#whole(bytes);
    this.#append(bytes);
    const frames: Frame[] = [];
    while (this.#step(frames)) {
      // Every step removes something from the buffer.
    }
    return frames;
  }

  #whole(piece: Uint8Array): Frame[] {
    // Line ends before a message are passed over (RFC 3261 section 7.5).
    const begins = piece.findIndex((byte) => byte !== CR && byte !== LF);
    if (begins < 0) return piece.length === 0 ? [] : [{ kind: piece.length >= 4 ? 'ping' : 'pong' }];
    const bytes = piece.subarray(begins);
    const frames: Frame[] = [];
    const bodyAt = findBody(bytes, bytes.length, 0);
    if (bodyAt < 0 || bodyAt > MAX_HEAD_BYTES) {
      this.#break(frames, bodyAt < 0 ? 'a message whose head does not end' : `a head longer than ${MAX_HEAD_BYTES} bytes`);
      return frames;
    }
    const declared = contentLength(bytes.subarray(0, bodyAt));
    const there = bytes.length - bodyAt;
    const length = declared === null ? there : declared;
    if (typeof length === 'string') this.#break(frames, length);
    else if (length > there) this.#break(frames, 'a message shorter than its Content-Length');
    else if (length > MAX_BODY_BYTES) frames.push({ kind: 'message', bytes: bytes.slice(0, bodyAt), bodyAt, bodySkipped: true });
    // RFC 3261 section 18.3: bytes after the body are discarded.
    else frames.push({ kind: 'message', bytes: bytes.slice(0, bodyAt + length), bodyAt, bodySkipped: false });
    return frames;
  }

  #step(frames: Frame[]): boolean {
    if (this.#broken || this.#length === 0) return false;
    if (this.#skip > 0) {
      const dropped = Math.min(this.#skip, this.#length);
      this.#skip -= dropped;
      this.#take(dropped);
      return this.#length > 0;
    }
    if (this.#at(0) === CR || this.#at(0) === LF) return this.#takeBlank(frames);
    const bodyAt = this.#findBody();
    if (bodyAt < 0 || bodyAt > MAX_HEAD_BYTES) {
      return this.#length > MAX_HEAD_BYTES ? this.#break(frames, `a head longer than ${MAX_HEAD_BYTES} bytes`) : false;
    }
    const bodyLength = contentLength(this.#held.subarray(0, bodyAt)) ?? 'a message without Content-Length on a stream';
    if (typeof bodyLength === 'string') return this.#break(frames, bodyLength);
    if (bodyLength > MAX_BODY_BYTES) {
      frames.push({ kind: 'message', bytes: this.#take(bodyAt), bodyAt, bodySkipped: true });
      this.#skip = bodyLength;
      return true;
    }
    if (this.#length < bodyAt + bodyLength) return false;
    frames.push({ kind: 'message', bytes: this.#take(bodyAt + bodyLength), bodyAt, bodySkipped: false });
    return true;
  }

  /** Removes the line ends in front of a message: two CRLF are a ping, one is a pong. */
  #takeBlank(frames: Frame[]): boolean {
    if (this.#at(0) === LF) {
      this.#take(1);
      return true;
    }
    if (this.#at(1) === undefined) return false;
    if (this.#at(1) !== LF) {
      this.#take(1);
      return true;
    }
    if (this.#at(2) === CR && this.#at(3) === LF) {
      this.#take(4);
      frames.push({ kind: 'ping' });
      return true;
    }
    // Half a ping would look like a pong: it counts as one, and the rest as another.
    this.#take(2);
    frames.push({ kind: 'pong' });
    return true;
  }

  /** Where the body starts. -1 while the head is incomplete. */
  #findBody(): number {
    const bodyAt = findBody(this.#held, this.#length, this.#scanned);
    if (bodyAt < 0) this.#scanned = this.#length;
    return bodyAt;
  }

  get #held(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#start + this.#length);
  }

  #at(index: number): number | undefined {
    return index < this.#length ? this.#buffer[this.#start + index] : undefined;
  }

  #append(bytes: Uint8Array): void {
    const wanted = this.#length + bytes.length;
    if (this.#start + wanted > this.#buffer.length) {
      // Moved only when as much again has been taken or has come, so that each byte moves a few times at most.
      const grown = new Uint8Array(Math.max(wanted * 2, 4096));
      grown.set(this.#held);
      this.#buffer = grown;
      this.#start = 0;
    }
    this.#buffer.set(bytes, this.#start + this.#length);
    this.#length = wanted;
  }

  #take(count: number): Uint8Array {
    const taken = this.#buffer.slice(this.#start, this.#start + count);
    this.#start += count;
    this.#length -= count;
    if (this.#length === 0) this.#start = 0;
    this.#scanned = 0;
    return taken;
  }

  #break(frames: Frame[], reason: string): false {
    this.#broken = true;
    this.#start = 0;
    this.#length = 0;
    this.#buffer = new Uint8Array(0);
    frames.push({ kind: 'broken', reason });
    return false;
  }
}

/** Where the body of the first `length` bytes starts: after CRLF CRLF, searched from `from`. -1 when the head does not end. */
function findBody(bytes: Uint8Array, length: number, from: number): number {
  for (let index = Math.max(from, 3); index < length; index += 1) {
    if (bytes[index] !== LF) continue;
    if (bytes[index - 1] === CR && bytes[index - 2] === LF && bytes[index - 3] === CR) return index + 1;
  }
  return -1;
}

/**
 * The body's length, a text that tells why it cannot be known, or null without Content-Length, which a stream must have (RFC 3261 section
 * 20.14).
 */
function contentLength(head: Uint8Array): number | string | null {
  const values = new Set<string>();
  for (const line of headLines(head)) {
    const match = /^(?:content-length|l)[ \t]*:(.*)$/i.exec(line);
    if (match) values.add((match[1] ?? '').trim());
  }
  if (values.size === 0) return null;
  if (values.size > 1) return 'two different Content-Length headers';
  const [text = ''] = values;
  if (!/^\d{1,9}$/.test(text)) return `Content-Length is no number: ${text.slice(0, 20)}`;
  return Number(text);
}
