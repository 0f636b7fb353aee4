/**
 * Sends this side's re-INVITEs (RFC 3261 section 14.1): one at a time, repeated after 491 and 422.
 *
 *   idle --send--> pending --2xx: ACK--> idle        pending --491, other side is asking--> waiting --its time--> pending
 *                     \--refusal, no answer--> idle  pending --422 with a higher Min-SE--> pending
 */
import { SessionDialog } from 'sip.js/lib/core/dialogs/session-dialog.js';
import type { IncomingResponse, Session as SipJsSession } from 'sip.js/lib/core/index.js';
import { AppError } from '../../../preload/contract/errors';
import type { Stack } from '../stack/stack';
import { headerLine, type WireMessage } from '../wire/wire-message';

/** RFC 3261 sections 14.1 and 17.1.1.2: a peer that does not answer within 64*T1 is gone. */
export const RE_INVITE_TIMEOUT_MS = 32_000;
/** LAB: how often one change of a session is attempted. */
export const MAX_ASKINGS = 6;

export interface ReInvite {
  body: { contentDisposition: string; contentType: string; content: string };
  /** Header lines, created for each attempt. */
  lines(): string[];
  /** Handles a 422; false when another attempt is useless. */
  raise(refusal: WireMessage): boolean;
}

export class ReInvites {
  readonly #stack: Stack;
  readonly #dialog: SipJsSession;
  /** Whether this side created the Call-ID: it then waits longer after a 491, so that the two sides do not collide again. */
  readonly #ownsCallId: boolean;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stack: Stack, dialog: SipJsSession, ownsCallId: boolean) {
    this.#stack = stack;
    this.#dialog = dialog;
    this.#ownsCallId = ownsCallId;
  }

  /** Resolves with the 2xx after its ACK. @throws AppError `sip/rejected`, `net/*` */
  send(request: ReInvite, isOver: () => boolean): Promise<WireMessage> {
    const answer = this.#last.then(() => this.#ask(request, isOver));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async #ask(request: ReInvite, isOver: () => boolean): Promise<WireMessage> {
    for (let asking = 1; ; asking += 1) {
      if (isOver()) throw new AppError('conversation/no-session', { cause: 'it is not wanted any more' });
      const outcome = await this.#sendOnce(request);
      if (outcome.kind === 'accepted') return outcome.message;
      const { error, message } = outcome;
      if (asking >= MAX_ASKINGS) throw error;
      if (error.detail.status === 422 && message !== null && request.raise(message)) continue;
      if (error.detail.status !== 491) throw error;
      await new Promise<void>((resolve) => this.#stack.clock.setTimer(this.#glarePause(), resolve));
    }
  }

  /** RFC 3261 section 14.1, in steps of 10 ms: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other side. */
  #glarePause(): number {
    const random = this.#stack.clock.random();
    return this.#ownsCallId ? 2_100 + Math.floor(random * 191) * 10 : Math.floor(random * 201) * 10;
  }

  #sendOnce(
    request: ReInvite,
  ): Promise<{ kind: 'accepted'; message: WireMessage } | { kind: 'failed'; error: AppError; message: WireMessage | null }> {
    const pending = isBusy(this.#dialog);
    if (pending) return Promise.resolve({ kind: 'failed', error: new AppError('sip/rejected', { status: 491 }, 'auto'), message: null });
    return new Promise((resolve) => {
      const fail = (error: AppError, message: WireMessage | null = null) => {
        timer.dispose();
        tracked.dispose();
        resolve({ kind: 'failed', error, message });
      };
      const timer = this.#stack.clock.setTimer(RE_INVITE_TIMEOUT_MS, () =>
        fail(new AppError('net/timeout', { cause: 'no answer to a re-INVITE' }, 'auto')),
      );
      const tracked = this.#stack.track((error) => {
        // sip.js would wait for an answer to a request that was lost with its flow, and block every other one.
        if (this.#dialog instanceof SessionDialog) {
          this.#dialog.reinviteUserAgentClient = undefined;
          this.#dialog.signalingStateRollback();
        }
        fail(error);
      });
      const refused = (response: IncomingResponse) =>
        fail(this.#stack.failure(response.message, uac.message), this.#stack.original(response.message));
      const uac = this.#dialog.invite(
        {
          onAccept: (response) => {
            const message = this.#stack.original(response.message);
            // RFC 3261 section 22.3: the ACK repeats the credentials of its INVITE.
            const credentials = ['Authorization', 'Proxy-Authorization'].flatMap((name) => {
              const value = uac.message.getHeader(name.toLowerCase());
              return value === undefined ? [] : [headerLine(name, value)];
            });
            response.ack({ extraHeaders: credentials });
            if (message === null) return fail(new AppError('net/unreachable', { cause: 'no answer to a re-INVITE' }, 'auto'));
            timer.dispose();
            tracked.dispose();
            resolve({ kind: 'accepted', message });
          },
          onReject: refused,
          onRedirect: refused,
        },
        { extraHeaders: request.lines(), body: request.body },
      );
    });
  }
}

/** Another INVITE in this dialog is pending, in either direction; sip.js would throw. */
function isBusy(dialog: SipJsSession): boolean {
  return dialog instanceof SessionDialog && (dialog.reinviteUserAgentClient !== undefined || dialog.reinviteUserAgentServer !== undefined);
}
