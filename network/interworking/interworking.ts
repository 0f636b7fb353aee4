/**
 * The Interworking Selection Function (R48). The Participating Function sends it the requests for addresses outside of CPM; it selects the
 * gateway for the kind of address, or refuses with the reason.
 *
 *   PF --MESSAGE mailto:..--> ISF --mail gateway: a line in the outbox file, on disk--> 200
 *   PF --INVITE  mailto:..--> ISF --> 405 (mail has no sessions)      PF --wv:, tel:--> ISF --> 416, 404
 */
import { open } from 'node:fs/promises';
import type { Timekeeper } from '../../base/clock';
import { parseCpim } from '../../protocol/cpim';
import { parseContentType } from '../../protocol/multipart';
import type { NetworkLog } from '../log';
import { asksToHide } from '../participating/privacy';
import { assertedIdentity } from '../sip/asserted-identity';
import type { SipRequest } from '../sip/message';
import type { SipServer } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';

/** LAB: the longest text that the mail gateway accepts, bytes; a longer one is refused with 413. */
export const MAX_MAIL_BYTES = 256 * 1024;

export interface InterworkingOptions {
  server: SipServer;
  /** Host in Warning headers. */
  host: string;
  clock: Timekeeper;
  /** The outbox file of the mail gateway, asked for at each message; null: there is no such gateway. */
  mailOutbox: () => string | null;
  log?: NetworkLog;
}

/** Starts the function on a server, which stays its caller's to close. */
export function startInterworking(options: InterworkingOptions): void {
  new InterworkingFunction(options);
}

class InterworkingFunction {
  readonly #options: InterworkingOptions;

  constructor(options: InterworkingOptions) {
    this.#options = options;
    options.server.onRequest = (transaction) => this.#receive(transaction);
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(request.uri)?.[1]?.toLowerCase() ?? 'these';
    const outbox = scheme === 'mailto' ? this.#options.mailOutbox() : null;
    // An unassigned number is unknown; a kind of address without a gateway is not supported.
    if (outbox === null) this.#refuse(transaction, scheme === 'tel' ? 404 : 416, `No gateway serves ${scheme} addresses`);
    else if (request.method === 'MESSAGE') this.#mail(transaction, outbox);
    else if (request.method === 'OPTIONS') transaction.reply(200, { headers: [['Allow', 'MESSAGE, OPTIONS']] });
    else this.#refuse(transaction, 405, 'Mail takes single messages and no sessions', [['Allow', 'MESSAGE, OPTIONS']]);
  }

  /** Answers only when the line is on disk. */
  #mail(transaction: ServerTransaction, outbox: string): void {
    const { request } = transaction;
    const content = textOf(request);
    if (content === null || content.kind === 'none' || Buffer.byteLength(content.text) > MAX_MAIL_BYTES) {
      if (content === null) this.#refuse(transaction, 415, 'Mail takes plain text', [['Accept', 'message/cpim, text/plain']]);
      else if (content.kind === 'none') transaction.reply(200);
      else this.#refuse(transaction, 413, 'Too long for mail');
      return;
    }
    const from = asksToHide(request) ? null : (assertedIdentity(request)?.address ?? null);
    const { clock, log } = this.#options;
    const line = { at: new Date(clock.now()).toISOString(), from, to: request.uri.slice('mailto:'.length), text: content.text };
    appendDurably(outbox, `${JSON.stringify(line)}\n`).then(
      () => transaction.reply(200),
      (error: unknown) => {
        log?.('error', 'the mail outbox cannot be written', { outbox, error: String(error) });
        this.#refuse(transaction, 500, 'The mail outbox cannot be written');
      },
    );
  }

  #refuse(transaction: ServerTransaction, status: number, why: string, headers: readonly (readonly [string, string])[] = []): void {
    transaction.reply(status, { headers: [['Warning', `399 ${this.#options.host} "${why}"`], ...headers] });
  }
}

async function appendDurably(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a', 0o600);
  try {
    await handle.appendFile(line);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The text of a message; `none` for a receipt or a composing state, which mail does not have. Null for other content. */
function textOf(request: SipRequest): { kind: 'text'; text: string } | { kind: 'none' } | null {
  const { type } = parseContentType(request.get('content-type') ?? 'text/plain');
  if (type === 'text/plain') return { kind: 'text', text: request.text };
  if (type !== 'message/cpim') return null;
  const envelope = parseCpim(request.body);
  if (!envelope.ok) return null;
  const inner = parseContentType(envelope.value.contentType).type;
  if (inner === 'text/plain') return { kind: 'text', text: new TextDecoder().decode(envelope.value.body) };
  return inner === 'message/imdn+xml' || inner === 'application/im-iscomposing+xml' ? { kind: 'none' } : null;
}
