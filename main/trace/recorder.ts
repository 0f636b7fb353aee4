/**
 * Writes the wire trace of a running client or network to a file in the format of `record.ts`. The header line precedes the first message.
 *
 * A trace never disturbs the stack: no call throws, and no disk error or slow disk reaches a sender.
 */
import { createWriteStream } from 'node:fs';
import { type Logger, silentLogger } from '../../base/log';
import type { WireRecord } from '../../protocol/wire-record';
import { headerLine, recordLine, type TraceHeader } from './record';

/** Most bytes that may wait for the disk. Further messages are counted instead of recorded. */
export const maximumPendingBytes = 16 * 1024 * 1024;

export interface Recorder {
  (record: WireRecord): void;
  /** Resolves when everything recorded so far is in the file and the file is closed. Never rejects; may be called twice. */
  close(): Promise<void>;
}

/**
 * Appends to `file` and makes it readable for this user only, because it contains people's messages. `header` is called once, at the first
 * message.
 */
export function createRecorder(file: string, header: () => TraceHeader, log: Logger = silentLogger): Recorder {
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  let open = true;
  let begun = false;
  let dropped = 0;
  let told = false;

  const stop = (error: unknown) => {
    open = false;
    if (!told) log.error('the wire trace stopped', { error: String(error) });
    told = true;
  };

  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.on('error', stop);

  const record = (message: WireRecord) => {
    if (!open) return;
    if (stream.writableLength > maximumPendingBytes) {
      dropped += 1;
      return;
    }
    try {
      if (!begun) stream.write(`${headerLine(header())}\n`);
      begun = true;
      if (dropped > 0) stream.write(`${JSON.stringify({ at: message.at, dropped })}\n`);
      dropped = 0;
      stream.write(`${recordLine(message)}\n`);
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
