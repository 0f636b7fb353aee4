/**
 * One CPM session: a SIP dialog and the MSRP session that it has set up, living and ending together.
 *
 *            INVITE out            200 + MSRP bound
 *   opening ------------> opening ------------------> established
 *      |   (INVITE in, waiting for the person's answer)    |
 *      |  refused, cancelled, no media                     |  BYE, media lost
 *      +---------------------> ended <---------------------+
 *
 * Media that is lost while the dialog stands comes back by a re-INVITE (`media.ts`); whoever sends meanwhile only waits longer. If it does not come back,
 * the session ends, and what waits goes by the next one.
 */

import { delay } from '../../../base/clock';
import { type Disposable, DisposableStore } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { parseSdp } from '../../../protocol/sdp';
import type { SendOptions } from '../../msrp/outgoing';
import type { IncomingInvite, OutgoingInvite, RemoteParty, SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { offererRole } from './description';
import { IdleTimer } from './idle';
import { type MediaOwner, SessionMedia } from './media';

export type CpmSessionState = 'opening' | 'established' | 'ended';

const nextStates: Record<CpmSessionState, readonly CpmSessionState[]> = {
  opening: ['established', 'ended'],
  established: ['ended'],
  ended: [],
};

/** The Reason of a BYE on purpose: a person has ended the session, or a group has replaced it. */
export const completed = { cause: 200, text: 'Call completed' } as const;

/** LAB: how long the peer's BYE may follow the end of its media. */
export const byeGraceMs = 3_000;

/** `overTls`: whether the media runs over TLS, where that is not what the account is set to. */
export type OpenRequest = Omit<OutgoingInvite, 'sdp'> & { overTls?: boolean };

/** Takes one piece of content; the MSRP success leaves only after its promise resolves. */
export type ContentHandler = (contentType: string, body: Uint8Array) => Promise<void>;

export class CpmSession implements Disposable {
  readonly onState = new Emitter<CpmSessionState>();
  /** The invitation has come to a device of the other side. */
  readonly onRinging = new Emitter<void>();
  /** When the session was begun, epoch milliseconds. */
  readonly begunAt: number;
  /** Resolves at the peer's 2xx: a message inside the INVITE has then arrived. Rejects with the reason why not. */
  readonly answered: Promise<void>;
  /** Resolves when messages can flow. */
  readonly opened: Promise<void>;
  readonly #context: CpmContext;
  readonly #disposables = new DisposableStore();
  readonly #media: SessionMedia;
  /** Null for a session that stays open however long nothing flows. */
  readonly #idle: IdleTimer | null;
  readonly #handleContent: ContentHandler;
  #state: CpmSessionState = 'opening';
  #sip: SipSession | null = null;
  #sending = 0;
  /** Set once this side wants the session gone, whatever stage it is in. */
  #unwanted = false;
  /** Rejects `opened` at once when this side gives up: an ACK or a binding that never comes takes half a minute to be missed. */
  #tellGivenUp: (error: AppError) => void = () => {};
  /** Never resolves; rejects when the connection to the network is gone before the session stands. */
  readonly #lost: Promise<never>;
  #lose: (error: AppError) => void = () => undefined;

  private constructor(
    context: CpmContext,
    readonly conversation: string,
    readonly contributionId: string,
    /** Whether this side has invited. */
    private readonly isOwn: boolean,
    handleContent: ContentHandler,
    endsWhenIdle: boolean,
    open: (session: CpmSession) => { answered: Promise<void>; opened: Promise<void> },
  ) {
    this.#context = context;
    this.#handleContent = handleContent;
    this.begunAt = context.clock.now();
    this.#lost = new Promise((_resolve, reject) => {
      this.#lose = reject;
    });
    drop(this.#lost, { ...context.log, error: context.log.debug }, 'CPM session');
    this.#media = new SessionMedia(context, this.#asMediaOwner());
    const isBusy = () => this.#sending > 0 || this.#media.isRecovering;
    this.#idle = endsWhenIdle
      ? new IdleTimer(context, { isBusy, end: () => drop(this.#close(), context.log, 'closing an idle session') })
      : null;
    const { answered, opened } = open(this);
    const givenUp = new Promise<never>((_resolve, reject) => {
      this.#tellGivenUp = reject;
    });
    this.answered = answered;
    this.opened = Promise.race([opened, givenUp]);
    // A rejection that nobody awaits must not end the process.
    drop(answered, { ...context.log, error: context.log.debug }, 'CPM session answer');
    drop(this.opened, { ...context.log, error: context.log.debug }, 'CPM session opening');
  }

  /** Invites. The SDP offer is added here. `endsWhenIdle`: the session ends when nothing has flowed for the time that the person has set. */
  static invite(
    context: CpmContext,
    conversation: string,
    request: OpenRequest,
    handleContent: ContentHandler,
    endsWhenIdle = false,
  ): CpmSession {
    return new CpmSession(context, conversation, request.contributionId, true, handleContent, endsWhenIdle, (session) => {
      const answer = session.#invite(request);
      return { answered: answer.then(() => undefined), opened: answer.then((sdp) => session.#bindAsOfferer(sdp)) };
    });
  }

  /** Accepts an invitation. */
  static accept(
    context: CpmContext,
    conversation: string,
    invite: IncomingInvite,
    contributionId: string,
    handleContent: ContentHandler,
    endsWhenIdle = false,
  ): CpmSession {
    return new CpmSession(context, conversation, contributionId, false, handleContent, endsWhenIdle, (session) => {
      const accepted = session.#accept(invite);
      return { answered: accepted, opened: accepted };
    });
  }

  get state(): CpmSessionState {
    return this.#state;
  }

  /** This side has invited, and the other has not answered yet. */
  get isUnanswered(): boolean {
    return (
      this.#state === 'opening' && this.isOwn && (this.#sip === null || this.#sip.state === 'inviting' || this.#sip.state === 'ringing')
    );
  }

  get sip(): SipSession | null {
    return this.#sip;
  }

  /** The other side as the dialog names it; null until an INVITE has gone out. */
  get remote(): RemoteParty | null {
    return this.#sip?.remote ?? null;
  }

  /**
   * Sends one piece of content. Resolves when the peer has acknowledged all of it. `overtakes`: content that is not a text may overtake a long text that
   * is on its way.
   * @throws AppError `msrp/*`, `net/*`
   */
  async send(contentType: string, body: Uint8Array, options: Pick<SendOptions, 'overtakes'> = {}): Promise<void> {
    const msrp = await this.#media.ready();
    if (this.#sip?.hides === true) this.#context.sip.guardContent(contentType, body, this.#sip.remote.address);
    this.#sending += 1;
    try {
      await msrp.send({ contentType, body, ...options });
    } finally {
      this.#sending -= 1;
      this.#hasFlowed();
    }
  }

  /** Asks the switch of a group for a nickname (RFC 7701). @throws AppError `msrp/*`, `net/*` */
  async nickname(nickname: string): Promise<void> {
    const msrp = await this.#media.ready();
    await msrp.nickname(nickname);
  }

  /**
   * Ends the session on both paths; a session that is still opening is cancelled. The media goes after the BYE is answered: a peer that lost its
   * media first would take it for a broken connection.
   */
  async close(reason?: { cause: number; text: string }): Promise<void> {
    if (this.#state === 'opening') this.#tellGivenUp(closedHere());
    await this.#close(reason);
  }

  dispose(): void {
    this.#unwanted = true;
    this.#end();
  }

  async #close(reason?: { cause: number; text: string }): Promise<void> {
    this.#unwanted = true;
    const sip = this.#sip;
    const isOver = sip === null || sip.state === 'ended';
    this.#end(isOver);
    if (isOver) return;
    try {
      await Promise.race([sip.bye(reason), delay(this.#context.clock, byeGraceMs)]);
    } finally {
      this.#media.close();
    }
  }

  /** The connection to the network is gone. An established session has its media and goes on; one that is opening cannot succeed and is given up. */
  disconnected(): void {
    if (this.#state !== 'opening') return;
    this.#lose(new AppError('net/unreachable', { cause: 'the connection was lost while the session opened' }, 'auto'));
    drop(this.#close(), this.#context.log, 'closing a session that was opening');
  }

  async #invite({ overTls = this.#context.securesMedia(), ...request }: OpenRequest): Promise<string> {
    try {
      const offer = await this.#media.offer(overTls);
      if (this.#unwanted) throw closedHere();
      const sip = this.#context.sip.invite({ ...request, sdp: offer });
      this.#follow(sip);
      const answer = await Promise.race([sip.answered, this.#lost]);
      if (this.#unwanted) await sip.bye();
      return answer.sdp;
    } catch (error) {
      const wasUnwanted = this.#unwanted;
      this.#end();
      // A cancelled invitation says 487, which would read as a refusal by the other side.
      throw wasUnwanted ? closedHere() : error;
    }
  }

  async #bindAsOfferer(answer: string): Promise<void> {
    try {
      const parsed = parseSdp(answer);
      if (!parsed.ok) throw new AppError('sip/malformed', { cause: `SDP answer: ${parsed.reason}` });
      await this.#bind(parsed.value, offererRole(parsed.value));
    } catch (error) {
      await this.#giveUp(error);
      throw error;
    }
  }

  async #accept(invite: IncomingInvite): Promise<void> {
    this.#follow(invite);
    const offer = invite.sdp === null ? null : parseSdp(invite.sdp);
    if (offer === null || !offer.ok) {
      await invite.reject(488);
      this.#end();
      throw new AppError('sip/malformed', { cause: offer === null ? 'an invitation without SDP' : `SDP offer: ${offer.reason}` });
    }
    try {
      const { sdp, role } = await this.#media.answer(offer.value);
      const answered = Promise.race([invite.accept(sdp), this.#lost]);
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

  async #bind(...[remote, role]: Parameters<SessionMedia['bind']>): Promise<void> {
    await this.#media.bind(remote, role);
    if (this.#unwanted) {
      await this.close();
      throw closedHere();
    }
    this.#transition('established');
    this.#hasFlowed();
  }

  #hasFlowed(): void {
    if (this.#state === 'established') this.#idle?.restart();
  }

  #asMediaOwner(): MediaOwner {
    const session = this;
    return {
      isInviter: this.isOwn,
      lost: this.#lost,
      get sip() {
        return session.#sip;
      },
      get isEstablished() {
        return session.#state === 'established';
      },
      receive: async (contentType, body) => {
        this.#hasFlowed();
        await this.#handleContent(contentType, body);
      },
      restored: () => this.#hasFlowed(),
      failed: () => this.#close(),
    };
  }

  #follow(sip: SipSession): void {
    this.#sip = sip;
    sip.handleOffer = (offer) => this.#media.answerAgain(offer);
    this.#disposables.add(
      sip.onState.on((state) => {
        if (state === 'ended') this.#end();
        else if (state === 'ringing') this.onRinging.emit();
      }),
    );
  }

  async #giveUp(error: unknown): Promise<void> {
    this.#context.log.info('a CPM session could not be opened', { error: String(error) });
    await this.#close();
  }

  #end(closesMedia = true): void {
    if (this.#state === 'ended') return;
    this.#transition('ended');
    this.#idle?.dispose();
    this.#media.dispose(!closesMedia);
    this.#disposables.dispose();
    this.onState.dispose();
    this.onRinging.dispose();
  }

  #transition(to: CpmSessionState): void {
    if (!nextStates[this.#state].includes(to)) throw new Error(`CPM session: ${this.#state} -> ${to}`);
    this.#state = to;
    this.onState.emit(to);
  }
}

/** Marked `auto`: what waits for a session that this side has closed may go by the next one. */
function closedHere(): AppError {
  return new AppError('msrp/closed', { cause: 'this side has closed the session' }, 'auto');
}
