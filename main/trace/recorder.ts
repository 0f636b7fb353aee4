/**
 * The wire trace of a running client or network: every SIP and MSRP message as one JSON line
 *   {"at":1700000000000,"direction":"out","protocol":"sip","transport":"tcp","local":"127.0.0.1:5060","remote":"...","text":"..."}
 * `text` stands for bytes that are whole UTF-8 and come back from it unchanged; otherwise `base64` holds them. `role` is there where
 * the network says which of its roles saw the message. A line {"at":...,"dropped":n} says that n messages before it are missing.
 *
 * The trace serves the stack and never disturbs it: no call throws, no disk error or slow disk reaches a sender.
 */
import { createWriteStream } from 'node:fs';
import { type Logger, silentLogger } from '../../base/log';
import type { WireRecord } from '../../protocol/wire-record';

/** What may wait for the disk. Beyond it messages are counted instead of kept. */
export const maximumPendingBytes = 16 * 1024 * 1024;

export interface Recorder {
  (record: WireRecord & { role?: string }): void;
  /** Resolves when everything recorded so far is in the file and the file is closed. Never rejects; may run twice. */
  close(): Promise<void>;
}

/** Appends to `file`, making it readable for this user alone: it holds what people wrote to each other. */
export function createRecorder(file: string, log: Logger = silentLogger): Recorder {
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  let open = true;
  let dropped = 0;
  let told = false;

  const stop = (error: unknown) => {
    open = false;
    if (!told) log.error('the wire trace stopped', { error: String(error) });
    told = true;
  };

  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('error', stop);

  const write = (at: number, line: Record<string, unknown>) => {
    if (stream.writableLength > maximumPendingBytes) {
      dropped += 1;
      return;
    }
    if (dropped > 0) stream.write(`${JSON.stringify({ at, dropped })}\n`);
    dropped = 0;
    stream.write(`${JSON.stringify(line)}\n`);
  };

  const record = (message: WireRecord & { role?: string }) => {
    if (!open) return;
    try {
      const { bytes, ...rest } = message;
      write(message.at, { ...rest, ...contentOf(bytes) });
    } catch (error) {
      stop(error);
    }
  };

  const close = () => {
    if (open && dropped > 0) stream.write(`${JSON.stringify({ at: Date.now(), dropped })}\n`);
    dropped = 0;
    open = false;
    stream.end();
    return closed;
  };

  return Object.assign(record, { close });
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function contentOf(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strictUtf8.decode(bytes) };
  } catch {
    // No UTF-8: an expected kind of content, not a failure.
    return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') };
  }
}
