/**
 * How a CPM session opens: offer and answer in SIP, then the media (RFC 4975 section 5.4).
 *
 * It may be ended from outside at any step. If this side gives the session up, `opened` rejects at once, since an ACK or a binding that never comes takes
 * half a minute to be missed. If the connection to the network is lost, nothing that is still open can succeed.
 *
 * An offer over TLS that may go on without is made once more, without TLS, if the other side refuses it: by another INVITE after a refusal, by
 * a re-INVITE after an answer without TLS.
 */
import { drop, type Logger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { type MsrpDescription, parseSdp } from '../../../protocol/sdp';
import type { MediaWish } from '../../msrp/session';
import type { IncomingInvite, OutgoingInvite, SessionEnd, SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { offererRole, type Role, refusesTls } from './description';
import type { SessionMedia } from './media';

/**
 * `wish`: how the media is asked for, where that is not what the account is set to. `direction`: `sendonly` where nothing comes back.
 */
export type OpenRequest = Omit<OutgoingInvite, 'sdp'> & { wish?: MediaWish; direction?: 'sendonly' };

/** The answers with which a session is refused for its media (RFC 3261 sections 21.4.26 and 21.6.4). */
const mediaRefusals: readonly (number | null)[] = [488, 606];

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
  #goesOnInClear = false;

  constructor(context: CpmContext, media: SessionMedia, session: OpeningSession) {
    this.#context = context;
    this.#media = media;
    this.#session = session;
    this.#connectionLost = rejectable(context.log);
    this.#givenUp = rejectable(context.log);
  }

  /** Invites, and resolves to the SDP of the answer. Rejects with the reason why there is none. */
  async invite({ wish = this.#context.mediaWish(), direction, ...request }: OpenRequest): Promise<string> {
    try {
      const offer = await this.#media.offer(wish, direction);
      if (this.#session.isUnwanted()) throw closedHere();
      const sip = this.#context.sip.invite({ ...request, sdp: offer });
      this.#session.follow(sip);
      const answer = await Promise.race([sip.answered, this.#connectionLost.promise]);
      if (this.#session.isUnwanted()) await sip.bye();
      return answer.sdp;
    } catch (error) {
      if (this.#goesOnInClear) {
        this.#goesOnInClear = false;
        this.#context.log.info('a session is asked for without TLS, since the other side has refused it');
        return this.invite({ ...request, wish: 'clear', ...(direction === undefined ? {} : { direction }) });
      }
      const wasUnwanted = this.#session.isUnwanted();
      this.#session.end();
      // A cancelled invitation says 487, which would read as a refusal by the other side.
      throw wasUnwanted ? closedHere() : error;
    }
  }

  /** The other side has refused a dialog for its TLS, and the session goes on without: this end is not the end of the session. */
  survives(end: SessionEnd | null): boolean {
    this.#goesOnInClear =
      this.#media.takesClear && !this.#session.isUnwanted() && end?.by === 'remote' && mediaRefusals.includes(end.status);
    return this.#goesOnInClear;
  }

  /** Brings the media up that the other side's answer describes. */
  async bindAsOfferer(sdp: string): Promise<void> {
    try {
      let answer = readAnswer(sdp);
      if (this.#media.takesClear && refusesTls(answer))
        answer = readAnswer(await Promise.race([this.#media.offerInClear(), this.#connectionLost.promise]));
      if (answer.port === 0) throw new AppError('sip/malformed', { cause: 'SDP answer: the stream is refused' });
      await this.#bind(answer, offererRole(answer));
    } catch (error) {
      await this.#giveUp(error);
      throw error;
    }
  }

  /** Accepts an invitation. Resolves when messages can flow. */
  async accept(invite: IncomingInvite): Promise<void> {
    this.#session.follow(invite);
    const offer = invite.sdp === null ? null : parseSdp(invite.sdp);
    if (offer === null || !offer.ok || offer.value.port === 0) {
      await invite.reject(488);
      this.#session.end();
      const cause = offer === null ? 'an invitation without SDP' : `SDP offer: ${offer.ok ? 'the stream is refused' : offer.reason}`;
      throw new AppError('sip/malformed', { cause });
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

function readAnswer(sdp: string): MsrpDescription {
  const answer = parseSdp(sdp);
  if (!answer.ok) throw new AppError('sip/malformed', { cause: `SDP answer: ${answer.reason}` });
  return answer.value;
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
