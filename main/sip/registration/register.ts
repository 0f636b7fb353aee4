/**
 * Brings one REGISTER to its final answer, through all intermediate ones (RFC 3261 section 10.2):
 *
 *   REGISTER --401, 407--> with credentials          (auth.ts says how often)
 *            --423-------> with Min-Expires, which is remembered
 *            --439-------> without RFC 5626, until the next connection
 *            --301, 302--> to the registrar in the answer, over another connection
 *            --305-------> over the proxy in the answer
 *            --500-------> once with a new Call-ID, if the stored one has never been accepted
 *            --200-------> done
 *
 * This file owns Call-ID and CSeq: one Call-ID for the life of the registration, across restarts, and a CSeq that is stored before it is
 * used.
 */
import type { IncomingResponse } from 'sip.js/lib/core/index.js';
import type { Clock } from '../../../base/clock';
import type { Logger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { formatUri, parseNameAddr, parseUri, type SipUri } from '../../../protocol/uri';
import type { RegisterProof } from '../stack/auth';
import { ALLOWED_METHODS } from '../stack/normalize';
import type { Stack } from '../stack/stack';
import type { WireMessage } from '../wire/wire-message';
import { headerSeconds } from './binding';

/** LAB: how many answers other than challenges one attempt follows. */
export const MAX_ADJUSTMENTS = 3;
/** LAB: most REGISTERs in one attempt. */
const MAX_REGISTERS = 10;
/** LAB: how many CSeqs are reserved in the store at once. */
export const CSEQ_BLOCK = 32;
/** RFC 3261 section 8.1.1.5: CSeq is below 2^31. A new Call-ID begins before that. */
const LAST_CSEQ = 2 ** 31 - 1 - CSEQ_BLOCK;

/** Stores Call-ID and CSeq of the registration beyond the process (RFC 3261 section 10.2: one Call-ID, rising CSeq). */
export interface RegistrationStore {
  /** Null when nothing is stored for this device. */
  load(): { callId: string; cseq: number } | null;
  /** Durable when it returns. Throws when it cannot store. */
  save(state: { callId: string; cseq: number }): void;
}

export interface RegisterOptions {
  aor: string;
  registrar: string;
  expiresSeconds: number;
  store?: RegistrationStore | undefined;
  stack: Stack;
  clock: Clock;
  log: Logger;
  /** The Contact values for a binding of `expires` seconds. */
  contacts(expires: number): string[];
  /** Replaces the flow by one to this next hop. */
  reconnect(hop: string): Promise<void>;
}

type Outcome = { ok: true; response: WireMessage } | { ok: false; error: AppError; response: WireMessage | null };

export class Register {
  /** RFC 5626 is offered until an edge refuses it. */
  outbound = true;
  /** True when a REGISTER has been sent since the process started or since the last `forget`. */
  hasAsked = false;

  readonly #options: RegisterOptions;
  #callId: string;
  #cseq: number;
  /** CSeqs up to this one may be used: the store holds this value. */
  #reserved: number;
  /** True when a registrar has accepted this Call-ID in this process, or when the Call-ID is new. */
  #isProven: boolean;
  #requestedExpires: number;
  #registrar: string;

  constructor(options: RegisterOptions) {
    this.#options = options;
    const kept = options.store?.load() ?? null;
    this.#callId = kept?.callId ?? options.clock.uuid();
    this.#cseq = kept?.cseq ?? 0;
    this.#reserved = this.#cseq;
    this.#isProven = kept === null;
    this.#requestedExpires = options.expiresSeconds;
    this.#registrar = options.registrar;
  }

  get requestedExpires(): number {
    return this.#requestedExpires;
  }

  /** After a change of connection: another edge or registrar may accept what the last one refused or redirected. */
  reset(): void {
    this.outbound = true;
    this.#registrar = this.#options.registrar;
  }

  /** Registers this device. @throws AppError the registrar's refusal, or why there is no answer */
  bind(timeoutMs: number): Promise<WireMessage> {
    return this.#follow((expires) => this.#options.contacts(expires), this.#requestedExpires, timeoutMs);
  }

  /** Removes only this device's binding. */
  release(timeoutMs: number): Promise<WireMessage> {
    return this.#follow(() => this.#options.contacts(0), 0, timeoutMs);
  }

  /** Removes every binding of the address. */
  releaseAll(timeoutMs: number): Promise<WireMessage> {
    return this.#follow(() => ['*'], 0, timeoutMs);
  }

  async #follow(contacts: (expires: number) => string[], expires: number, timeoutMs: number): Promise<WireMessage> {
    const proof = this.#options.stack.auth.startRegister();
    let wanted = expires;
    let adjustments = 0;
    for (let sent = 1; ; sent += 1) {
      const outcome = await this.#send(contacts(wanted), wanted, proof, timeoutMs);
      if (outcome.ok) {
        const distrust = proof.accepted(outcome.response);
        if (distrust !== null) throw distrust;
        this.#isProven = true;
        return outcome.response;
      }
      const { response, error } = outcome;
      if (response === null || sent >= MAX_REGISTERS) throw proof.refused(error);
      const status = error.detail.status;
      if (status === 401 || status === 407) {
        const hopeless = proof.challenged(response);
        if (hopeless !== null) throw proof.refused(hopeless);
        continue;
      }
      adjustments += 1;
      if (adjustments > MAX_ADJUSTMENTS) throw proof.refused(error);
      const minimum = headerSeconds(response, 'min-expires') ?? 0;
      if (status === 423 && expires > 0 && minimum > wanted) {
        wanted = minimum;
        this.#requestedExpires = minimum;
      } else if (status === 439 && this.outbound) {
        // The edge proxy does not support RFC 5626; the instance without outbound must be enough.
        this.outbound = false;
      } else if (status === 500 && !this.#isProven) {
        // A profile restored from a copy has a lower CSeq than the registrar has seen.
        this.#beginCall();
      } else if (status === 301 || status === 302 || status === 305) {
        await this.#redirect(status, response, error);
      } else {
        throw proof.refused(error);
      }
    }
  }

  async #redirect(status: number, response: WireMessage, error: AppError): Promise<void> {
    const target = redirectTarget(response);
    const flow = this.#options.stack.flow;
    if (target === null) throw error;
    // LAB: an answer never redirects from a protected connection to an unprotected one.
    if ((flow?.transport === 'tls' || flow?.transport === 'wss') && !isProtected(target)) throw error;
    if (status !== 305) this.#registrar = formatUri({ ...target, user: null, params: new Map(), headers: [] });
    this.#options.log.info('The registrar sends this device elsewhere', { status, host: target.host });
    await this.#options.reconnect(formatUri({ ...target, user: null, headers: [] }));
  }

  #send(contacts: string[], expires: number, proof: RegisterProof, timeoutMs: number): Promise<Outcome> {
    const { stack, aor, clock } = this.#options;
    this.#takeCseq();
    this.hasAsked = true;
    const request = stack.request('REGISTER', {
      target: this.#registrar,
      to: aor,
      callId: this.#callId,
      cseq: this.#cseq,
      optionTags: this.outbound ? ['path', 'gruu', 'outbound'] : ['path', 'gruu'],
      headers: [
        ...contacts.map((contact): [string, string] => ['Contact', contact]),
        ['Expires', String(expires)],
        ['Allow', ALLOWED_METHODS.join(', ')],
        ...proof.headers(this.#registrar),
      ],
    });
    return new Promise((resolve) => {
      const settle = (outcome: Outcome) => {
        timer.dispose();
        tracked.dispose();
        resolve(outcome);
      };
      const fail = (error: AppError) => settle({ ok: false, error, response: null });
      const timer = clock.setTimer(timeoutMs, () => fail(new AppError('net/timeout', { cause: 'no answer to REGISTER' }, 'auto')));
      const tracked = stack.track(fail);
      const refused = ({ message }: IncomingResponse) =>
        settle({ ok: false, error: stack.failure(message, request), response: stack.original(message) });
      stack.core.register(request, {
        onAccept: ({ message }) => {
          const response = stack.original(message);
          if (response === null) fail(new AppError('internal', { cause: 'a 200 of nobody' }));
          else settle({ ok: true, response });
        },
        onReject: refused,
        onRedirect: refused,
      });
    });
  }

  /**
   * Reserves whole blocks of CSeqs in the store before the first of them is used: a crash may leave a gap but never causes a repetition.
   */
  #takeCseq(): void {
    if (this.#cseq >= LAST_CSEQ) this.#beginCall();
    const next = this.#cseq + 1;
    if (next > this.#reserved) {
      const reserved = this.#cseq + CSEQ_BLOCK;
      this.#options.store?.save({ callId: this.#callId, cseq: reserved });
      this.#reserved = reserved;
    }
    this.#cseq = next;
  }

  #beginCall(): void {
    this.#callId = this.#options.clock.uuid();
    this.#cseq = 0;
    this.#reserved = 0;
    this.#isProven = true;
  }
}

/** The SIP URI preferred by a redirection: the first with the highest q (RFC 3261 section 8.1.3.4). */
function redirectTarget(response: WireMessage): SipUri | null {
  let best: { uri: SipUri; q: number } | null = null;
  for (const value of response.list('contact')) {
    const contact = parseNameAddr(value);
    if (!contact.ok) continue;
    const uri = parseUri(contact.value.uri);
    if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) continue;
    const q = Number(/^[01](?:\.\d{1,3})?$/.exec(contact.value.params.get('q') ?? '')?.[0] ?? 1);
    if (best === null || q > best.q) best = { uri: uri.value, q };
  }
  return best?.uri ?? null;
}

function isProtected(uri: SipUri): boolean {
  const transport = uri.params.get('transport')?.toLowerCase();
  return uri.scheme === 'sips' || transport === 'tls' || transport === 'wss';
}
