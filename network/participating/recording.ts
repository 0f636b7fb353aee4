/**
 * The record of a session that the policy asks for (R49): one file a session, a JSON object a line, in the order in which the messages were
 * forwarded. A message that cannot be written does not stop the session; the log says that it is missing.
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Timekeeper } from '../../base/clock';
import { Allowance } from '../../protocol/msrp-allowance';
import type { NetworkLog } from '../log';
import { MsrpAssembly, type MsrpRequest } from '../msrp/assembly';

/** LAB: the largest record of one session, bytes; what is written after that is not recorded, and the record says so. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;

/** LAB: bytes of unfinished messages that all records may hold together. */
const MAX_UNFINISHED_BYTES = 64 * 1024 * 1024;
const unfinished = new Allowance(MAX_UNFINISHED_BYTES);

export interface RecordedSession {
  callId: string;
  /** The user whose policy asks for the record. */
  served: string;
  caller: string;
  called: string;
}

export class Recording {
  readonly file: string;
  readonly #assemblies: Record<'caller' | 'called', MsrpAssembly>;
  #written: Promise<void>;
  #bytes = 0;
  #isFull = false;

  constructor(
    folder: string,
    private readonly session: RecordedSession,
    private readonly clock: Timekeeper,
    private readonly log: NetworkLog,
  ) {
    const options = { clock, allowance: unfinished };
    this.#assemblies = { caller: new MsrpAssembly(options), called: new MsrpAssembly(options) };
    const day = new Date(clock.now()).toISOString().replace(/[:.]/g, '-');
    this.file = join(folder, `${day}-${session.callId.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 64)}.jsonl`);
    this.#written = mkdir(folder, { recursive: true, mode: 0o700 }).then(
      () => undefined,
      (error: unknown) => this.#failed(error),
    );
    this.#append({ event: 'begun', ...session });
  }

  /** A chunk that went through the relay. */
  take(from: 'caller' | 'called', request: MsrpRequest): void {
    const assembly = this.#assemblies[from];
    if (request.body === null && !assembly.knows(request.messageId)) return;
    const step = assembly.take(request);
    if (step.kind === 'complete') this.message(from, step.message.contentType, step.message.body);
    else if (step.kind === 'refused') this.#append({ event: 'left out', from: this.session[from], reason: step.reason });
  }

  /** A whole message, also one inside an INVITE. */
  message(from: 'caller' | 'called', contentType: string, body: Uint8Array): void {
    this.#append({ event: 'message', from: this.session[from], contentType, text: new TextDecoder().decode(body) });
  }

  end(): void {
    for (const assembly of [this.#assemblies.caller, this.#assemblies.called]) assembly.dispose();
    this.#append({ event: 'ended' });
  }

  /** Resolves when everything given so far is written. */
  get written(): Promise<void> {
    return this.#written;
  }

  #append(entry: Record<string, string>): void {
    if (this.#isFull) return;
    let line = `${JSON.stringify({ at: new Date(this.clock.now()).toISOString(), ...entry })}\n`;
    this.#bytes += Buffer.byteLength(line);
    if (this.#bytes > MAX_RECORD_BYTES) {
      this.#isFull = true;
      line = `${JSON.stringify({ at: new Date(this.clock.now()).toISOString(), event: 'full' })}\n`;
    }
    this.#written = this.#written.then(() => appendFile(this.file, line, { mode: 0o600 })).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    this.log('error', 'a session is not kept as the policy asks', { file: this.file, error: String(error) });
  }
}
