/**
 * One CPM session: a SIP dialog and the MSRP session that it has set up, living and ending together.
 *
 *            INVITE out            200 + MSRP bound
 *   opening ------------> opening ------------------> established
 *      |   (INVITE in, waiting for the person's answer)    |
 *      |  refused, cancelled, no media                     |  BYE, media lost
 *      +---------------------> ended <---------------------+
 *
 * The steps of opening are in `opening.ts`. Media that is lost while the dialog stands comes back by a re-INVITE (`media.ts`); whoever sends meanwhile only waits longer. If it does not come back,
 * the session ends, and what waits goes by the next one.
 */

import { delay } from '../../../base/clock';
import { type Disposable, DisposableStore } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { drop } from '../../../base/log';
import type { ContentWays } from '../../../protocol/accepted-types';
import type { SendOptions } from '../../msrp/outgoing';
import type { IncomingInvite, RemoteParty, SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { focusAddresses } from './focus-address';
import { IdleTimer } from './idle';
import { type MediaOwner, SessionMedia } from './media';
import { type OpeningSession, type OpenRequest, SessionOpening } from './opening';

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
  readonly #opening: SessionOpening;
  /** Null for a session that stays open however long nothing flows. */
  readonly #idle: IdleTimer | null;
  readonly #handleContent: ContentHandler;
  #state: CpmSessionState = 'opening';
  #sip: SipSession | null = null;
  #sending = 0;
  /** The address that was called, unless it makes a focus for each call. */
  #joined: string | null = null;
  #focus: string | null = null;
  /** Set once this side wants the session gone, whatever stage it is in. */
  #unwanted = false;

  private constructor(
    context: CpmContext,
    readonly conversation: string,
    readonly contributionId: string,
    /** Whether this side has invited. */
    private readonly isOwn: boolean,
    handleContent: ContentHandler,
    endsWhenIdle: boolean,
    open: (opening: SessionOpening) => { answered: Promise<void>; opened: Promise<void> },
  ) {
    this.#context = context;
    this.#handleContent = handleContent;
    this.begunAt = context.clock.now();
    this.#media = new SessionMedia(context, this.#asMediaOwner());
    const isBusy = () => this.#sending > 0 || this.#media.isRecovering;
    this.#idle = endsWhenIdle
      ? new IdleTimer(context, { isBusy, end: () => drop(this.#close(), context.log, 'closing an idle session') })
      : null;
    this.#opening = new SessionOpening(context, this.#media, this.#asOpening());
    const { answered, opened } = open(this.#opening);
    this.answered = answered;
    this.opened = this.#opening.orGivenUp(opened);
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
    const session = new CpmSession(context, conversation, request.contributionId, true, handleContent, endsWhenIdle, (opening) => {
      const answer = opening.invite(request);
      return { answered: answer.then(() => undefined), opened: answer.then((sdp) => opening.bindAsOfferer(sdp)) };
    });
    if (request.target !== context.factory) session.#joined = request.target;
    return session;
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
    return new CpmSession(context, conversation, contributionId, false, handleContent, endsWhenIdle, (opening) => {
      const accepted = opening.accept(invite);
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

  /** Whether its media runs over TLS; null while it has none. */
  get isEncrypted(): boolean | null {
    return this.#state === 'established' ? this.#media.isSecure : null;
  }

  /** The other side as the dialog names it; null until an INVITE has gone out. */
  get remote(): RemoteParty | null {
    return this.#sip?.remote ?? null;
  }

  /** The addresses by which the focus of a group may be known, the likeliest first. */
  get focusAddresses(): string[] {
    return focusAddresses(this.remote?.contactUri ?? '', this.#joined);
  }

  /** The address of the focus of a group; null before it has answered. */
  get focus(): string | null {
    return this.#focus ?? this.focusAddresses[0] ?? null;
  }

  /** This of its addresses has proved to be the one. */
  knowFocus(address: string): void {
    this.#focus = address;
  }

  /** How content of a type may reach the other side. */
  waysOf(type: string): ContentWays {
    return this.#media.waysOf(type);
  }

  /** The other side takes nothing now: what is sent waits. */
  get isHeld(): boolean {
    return this.#media.isHeld;
  }

  /**
   * Sends one piece of content. Resolves when the peer has acknowledged all of it. `overtakes`: content that is not a text may overtake a long text that
   * is on its way. `onReport`: called if the other side reports that it has everything (RFC 4975 section 7.1.2).
   * @throws AppError `msrp/*`, `net/*`
   */
  async send(contentType: string, body: Uint8Array, options: Pick<SendOptions, 'overtakes' | 'onReport'> = {}): Promise<void> {
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
    if (this.#state === 'opening') this.#opening.givenUp();
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
    this.#opening.connectionLost();
    drop(this.#close(), this.#context.log, 'closing a session that was opening');
  }

  #hasFlowed(): void {
    if (this.#state === 'established') this.#idle?.restart();
  }

  #asMediaOwner(): MediaOwner {
    const session = this;
    return {
      isInviter: this.isOwn,
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

  #asOpening(): OpeningSession {
    return {
      isUnwanted: () => this.#unwanted,
      follow: (sip) => this.#follow(sip),
      established: () => {
        this.#transition('established');
        this.#hasFlowed();
      },
      end: () => this.#end(),
      close: () => this.#close(),
    };
  }

  #follow(sip: SipSession): void {
    this.#sip = sip;
    sip.handleOffer = (offer) => this.#media.answerAgain(offer);
    this.#disposables.add(
      sip.onState.on((state) => {
        if (state === 'ended' && this.#opening.survives(sip.end)) return;
        if (state === 'ended') this.#end();
        else if (state === 'ringing') this.onRinging.emit();
      }),
    );
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
