/**
 * How a CPM session opens: offer and answer in SIP, then the media (RFC 4975 section 5.4).
 *
 * It may be ended from outside at any step. If this side gives the session up, `opened` rejects at once, since an ACK or a binding that never comes takes
 * half a minute to be missed. If the connection to the network is lost, nothing that is still open can succeed.
 */
import { drop, type Logger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { type MsrpDescription, parseSdp } from '../../../protocol/sdp';
import type { IncomingInvite, OutgoingInvite, SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { offererRole, type Role } from './description';
import type { SessionMedia } from './media';

/** `overTls`: whether the media runs over TLS, where that is not what the account is set to. */
export type OpenRequest = Omit<OutgoingInvite, 'sdp'> & { overTls?: boolean };

/** The session that opens. */
export interface OpeningSession {
  /** True once this side wants the session gone. */
  isUnwanted(): boolean;
  /** Takes a dialog as the one of the session. */
  follow(sip: SipSession): void;
  /** Messages can flow. */
  established(): void;
  /** Ends the session without another word to the other side. */
  end(): void;
  /** Ends the session with BYE or CANCEL. */
  close(): Promise<void>;
}

export class SessionOpening {
  readonly #context: CpmContext;
  readonly #media: SessionMedia;
  readonly #session: OpeningSession;
  readonly #connectionLost: Rejectable;
  readonly #givenUp: Rejectable;

  constructor(context: CpmContext, media: SessionMedia, session: OpeningSession) {
    this.#context = context;
    this.#media = media;
    this.#session = session;
    this.#connectionLost = rejectable(context.log);
    this.#givenUp = rejectable(context.log);
  }

  /** Invites, and resolves to the SDP of the answer. Rejects with the reason why there is none. */
  async invite({ overTls = this.#context.securesMedia(), ...request }: OpenRequest): Promise<string> {
    try {
      const offer = await this.#media.offer(overTls);
      if (this.#session.isUnwanted()) throw closedHere();
      const sip = this.#context.sip.invite({ ...request, sdp: offer });
      this.#session.follow(sip);
      const answer = await Promise.race([sip.answered, this.#connectionLost.promise]);
      if (this.#session.isUnwanted()) await sip.bye();
      return answer.sdp;
    } catch (error) {
      const wasUnwanted = this.#session.isUnwanted();
      this.#session.end();
      // A cancelled invitation says 487, which would read as a refusal by the other side.
      throw wasUnwanted ? closedHere() : error;
    }
  }

  /** Brings the media up that the other side's answer describes. */
  async bindAsOfferer(answer: string): Promise<void> {
    try {
      const parsed = parseSdp(answer);
      if (!parsed.ok) throw new AppError('sip/malformed', { cause: `SDP answer: ${parsed.reason}` });
      await this.#bind(parsed.value, offererRole(parsed.value));
    } catch (error) {
      await this.#giveUp(error);
      throw error;
    }
  }

  /** Accepts an invitation. Resolves when messages can flow. */
  async accept(invite: IncomingInvite): Promise<void> {
    this.#session.follow(invite);
    const offer = invite.sdp === null ? null : parseSdp(invite.sdp);
    if (offer === null || !offer.ok) {
      await invite.reject(488);
      this.#session.end();
      throw new AppError('sip/malformed', { cause: offer === null ? 'an invitation without SDP' : `SDP offer: ${offer.reason}` });
    }
    try {
      const { sdp, role } = await this.#media.answer(offer.value);
      const answered = Promise.race([invite.accept(sdp), this.#connectionLost.promise]);
      if (role === 'passive') await Promise.all([answered, this.#bind(offer.value, 'passive')]);
      else {
        await answered;
        await this.#bind(offer.value, 'active');
      }
    } catch (error) {
      // The answer tells the inviter whether another attempt may help.
      if (error instanceof AppError && error.code === 'msrp/relay') await invite.reject(error.retry === 'auto' ? 503 : 488);
      await this.#giveUp(error);
      // The other side has withdrawn its invitation, or its media is gone: what waits for this session may go by the next one.
      throw error instanceof AppError && error.code === 'sip/rejected' ? new AppError('msrp/closed', error.detail, 'auto') : error;
    }
  }

  /** Settles like `opened`, but rejects at once when this side gives the session up. */
  orGivenUp(opened: Promise<void>): Promise<void> {
    return Promise.race([opened, this.#givenUp.promise]);
  }

  givenUp(): void {
    this.#givenUp.reject(closedHere());
  }

  connectionLost(): void {
    this.#connectionLost.reject(new AppError('net/unreachable', { cause: 'the connection was lost while the session opened' }, 'auto'));
  }

  async #bind(remote: MsrpDescription, role: Role): Promise<void> {
    await Promise.race([this.#media.bind(remote, role), this.#connectionLost.promise]);
    if (this.#session.isUnwanted()) {
      this.givenUp();
      await this.#session.close();
      throw closedHere();
    }
    this.#session.established();
  }

  async #giveUp(error: unknown): Promise<void> {
    this.#context.log.info('a CPM session could not be opened', { error: String(error) });
    await this.#session.close();
  }
}

interface Rejectable {
  /** Never resolves. */
  readonly promise: Promise<never>;
  reject(error: AppError): void;
}

function rejectable(log: Logger): Rejectable {
  let reject: Rejectable['reject'] = () => {};
  const promise = new Promise<never>((_resolve, rejected) => {
    reject = rejected;
  });
  drop(promise, { ...log, error: log.debug }, 'CPM session');
  return { promise, reject: (error) => reject(error) };
}

/** Marked `auto`: what waits for a session that this side has closed may go by the next one. */
function closedHere(): AppError {
  return new AppError('msrp/closed', { cause: 'this side has closed the session' }, 'auto');
}
