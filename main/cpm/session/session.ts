/**
 * One CPM session: a SIP dialog and the MSRP session that it has set up, living and ending together.
 *
 *            INVITE out            200 + MSRP bound
 *   opening ------------> opening ------------------> established
 *      |   (INVITE in, waiting for the person's answer)    |
 *      |  refused, cancelled, no media                     |  BYE, media lost
 *      +---------------------> ended <---------------------+
 *
 * Media that is lost while the dialog stands comes back by a re-INVITE with a path of its own: nothing above notices but by waiting.
 * Where that fails the session ends, and what waits goes by the next one.
 */

import { delay } from '../../../base/clock';
import { type Disposable, DisposableStore } from '../../../base/disposable';
import { Emitter } from '../../../base/emitter';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { answerSetup, CEMA, cemaAddress, encodeSdp, fingerprintsOf, type MsrpDescription, parseSdp } from '../../../protocol/sdp';
import type { SendOptions } from '../../msrp/outgoing';
import type { MsrpSession, Peer } from '../../msrp/session';
import type { IncomingInvite, OutgoingInvite, RemoteParty, SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';

export type CpmSessionState = 'opening' | 'established' | 'ended';

const nextStates: Record<CpmSessionState, readonly CpmSessionState[]> = {
  opening: ['established', 'ended'],
  established: ['ended'],
  ended: [],
};

/** What a CPM session may carry. isComposing also stands bare in a 1-1 (RFC 3994), so it is in both lists. */
const acceptTypes = ['message/cpim', 'application/im-iscomposing+xml'];
const acceptWrappedTypes = ['text/plain', 'message/imdn+xml', 'application/im-iscomposing+xml', GROUP_DATA_CONTENT_TYPE];

/** The Reason of a session that a person, or the replacement by a group, has ended on purpose. */
export const completed = { cause: 200, text: 'Call completed' } as const;

/** LAB: how long the peer's BYE may follow the end of its media. */
export const byeGraceMs = 3_000;

/** LAB: how long after the loss of its media a session waits for the peer's BYE before it asks for new; the called side twice as long, so that both do not ask at once. */
export const recoveryDelayMs = 1_000;

/** LAB: how long new media may take to stand once it is agreed; a session that has had media before waits no half a minute for it. */
export const rebindLimitMs = 5_000;

/** `overTls`: the media, where it is another than the account wants. */
export type OpenRequest = Omit<OutgoingInvite, 'sdp'> & { overTls?: boolean };

/** Takes one piece of content; the MSRP success leaves only after its promise resolves. */
export type ContentHandler = (contentType: string, body: Uint8Array) => Promise<void>;

export class CpmSession implements Disposable {
  readonly onState = new Emitter<CpmSessionState>();
  /** The invitation has come to a device of the other side. */
  readonly onRinging = new Emitter<void>();
  /** When it was begun, epoch milliseconds. */
  readonly begunAt: number;
  /** Resolves at the peer's 2xx: a message inside the INVITE has then arrived. Rejects with why not. */
  readonly answered: Promise<void>;
  /** Resolves when messages can flow. */
  readonly opened: Promise<void>;
  readonly #context: CpmContext;
  readonly #disposables = new DisposableStore();
  readonly #handleContent: ContentHandler;
  #state: CpmSessionState = 'opening';
  #sip: SipSession | null = null;
  #msrp: MsrpSession | null = null;
  /** Whether the media runs over TLS: as the first offer says, and so it stays. */
  #isSecure = false;
  /** Whether our descriptions say that we know CEMA: our offers do. */
  #knowsCema = true;
  /** The o= line of this side's SDP. */
  readonly #origin: { sessionId: string; version: number };
  #localSdp = '';
  #remotePath = '';
  /** While lost media is asked for anew: resolves when messages flow again, or will not. */
  #recovery: { done: Promise<void>; settle: () => void } | null = null;
  #idle: Disposable | null = null;
  #sending = 0;
  /** True once this side wants the session gone, whatever stage it is in. */
  #unwanted = false;
  /** Who waits for an opening that this side gave up is told at once: an ACK or a binding that never comes takes half a minute to be missed. */
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
    private readonly endsWhenIdle: boolean,
    open: (session: CpmSession) => { answered: Promise<void>; opened: Promise<void> },
  ) {
    this.#context = context;
    this.#handleContent = handleContent;
    this.begunAt = context.clock.now();
    this.#origin = { sessionId: String(Math.floor(this.begunAt)), version: 1 };
    this.#lost = new Promise((_resolve, reject) => {
      this.#lose = reject;
    });
    drop(this.#lost, { ...context.log, error: context.log.debug }, 'CPM session');
    const { answered, opened } = open(this);
    const givenUp = new Promise<never>((_resolve, reject) => {
      this.#tellGivenUp = reject;
    });
    this.answered = answered;
    this.opened = Promise.race([opened, givenUp]);
    // Whoever cares awaits them; a session nobody awaits must not end the process.
    drop(answered, { ...context.log, error: context.log.debug }, 'CPM session answer');
    drop(this.opened, { ...context.log, error: context.log.debug }, 'CPM session opening');
  }

  /** Invites. The request carries everything but the SDP offer, which needs the media listener. `endsWhenIdle`: after the time that the person has set. */
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
   * Sends one piece of content. Resolves when the peer has acknowledged all of it. What is no text may overtake a long one that is on its way.
   * @throws AppError `msrp/*`, `net/*`
   */
  async send(contentType: string, body: Uint8Array, options: Pick<SendOptions, 'overtakes'> = {}): Promise<void> {
    await this.#recovery?.done;
    if (this.#msrp === null || this.#state !== 'established')
      throw new AppError('msrp/closed', { cause: `session is ${this.#state}` }, 'auto');
    if (this.#sip?.hides === true) this.#context.sip.guardContent(contentType, body, this.#sip.remote.address);
    this.#sending += 1;
    try {
      await this.#msrp.send({ contentType, body, ...options });
    } finally {
      this.#sending -= 1;
      this.#stir();
    }
  }

  /** Asks the switch of a group for a nickname (RFC 7701). @throws AppError `msrp/*`, `net/*` */
  async nickname(nickname: string): Promise<void> {
    await this.#recovery?.done;
    if (this.#msrp === null || this.#state !== 'established')
      throw new AppError('msrp/closed', { cause: `session is ${this.#state}` }, 'auto');
    await this.#msrp.nickname(nickname);
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
      this.#msrp?.close();
    }
  }

  /** The connection to the network is gone. What stands has its media and goes on; what opens will not stand and is given up at once. */
  disconnected(): void {
    if (this.#state !== 'opening') return;
    this.#lose(new AppError('net/unreachable', { cause: 'the connection was lost while the session opened' }, 'auto'));
    drop(this.#close(), this.#context.log, 'closing a session that was opening');
  }

  async #invite({ overTls = this.#context.securesMedia(), ...request }: OpenRequest): Promise<string> {
    try {
      this.#isSecure = overTls;
      const msrp = await this.#prepare();
      if (this.#unwanted) throw closedHere();
      const offer = this.#describe(msrp, 'actpass');
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
      // RFC 4975 section 5.4: without a=setup the offerer connects; RFC 6135 lets the answerer choose.
      await this.#bind(parsed.value, parsed.value.setup === 'active' ? 'passive' : 'active');
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
      this.#isSecure = offer.value.transport === 'TCP/TLS/MSRP';
      this.#knowsCema = offersCema(offer.value);
      const msrp = await this.#prepare();
      const role = answerSetup(offer.value);
      const answered = Promise.race([invite.accept(this.#describe(msrp, role)), this.#lost]);
      if (role === 'passive') await Promise.all([answered, this.#bind(offer.value, 'passive')]);
      else {
        await answered;
        await this.#bind(offer.value, 'active');
      }
    } catch (error) {
      // Whoever asks is told whether it may help to ask again.
      if (error instanceof AppError && error.code === 'msrp/relay') await invite.reject(error.retry === 'auto' ? 503 : 488);
      await this.#giveUp(error);
      // The other side has taken its invitation back, or its media is gone: what waits for this session may go by the next one.
      throw error instanceof AppError && error.code === 'sip/rejected' ? new AppError('msrp/closed', error.detail, 'auto') : error;
    }
  }

  async #prepare(): Promise<MsrpSession> {
    const msrp = await this.#context.msrp.prepare({ secure: this.#isSecure });
    this.#msrp = msrp;
    msrp.handleMessage = async (message) => {
      this.#stir();
      await this.#handleContent(message.contentType, message.body);
    };
    this.#disposables.add(
      msrp.onState.on((state) => {
        if (state === 'closed' && this.#state === 'established' && this.#msrp === msrp) this.#mediaLost();
      }),
    );
    return msrp;
  }

  /** This side's SDP, of the media at hand. */
  #describe(msrp: MsrpSession, setup: 'active' | 'passive' | 'actpass', isNew = false): string {
    const description: MsrpDescription = {
      host: msrp.host,
      // RFC 4145 section 4.1: the active side names port 9, since nobody connects to it.
      port: setup === 'active' ? 9 : msrp.port,
      path: [...msrp.path],
      setup,
      acceptTypes,
      wrappedTypes: acceptWrappedTypes,
      direction: 'sendrecv',
      ...this.#origin,
      transport: msrp.isSecure ? 'TCP/TLS/MSRP' : 'TCP/MSRP',
      attributes: [
        ...(msrp.fingerprint === null ? [] : [['fingerprint', `${msrp.fingerprint.hash} ${msrp.fingerprint.value}`] as const]),
        ...(isNew ? [['connection', 'new'] as const] : []),
        // RFC 6714 section 4.4: an answer has it when the offer had. Behind a relay nobody can put himself before its place.
        ...(this.#knowsCema && msrp.path.length === 1 ? [[CEMA, null] as const] : []),
      ],
    };
    this.#localSdp = encodeSdp(description);
    return this.#localSdp;
  }

  async #bind(remote: MsrpDescription, role: 'active' | 'passive'): Promise<void> {
    if (this.#msrp === null) throw new AppError('msrp/closed', { cause: 'no media session' });
    this.#remotePath = remote.path.join(' ');
    await Promise.race([this.#msrp.start(remote.path, role, this.#peerOf(remote)), this.#lost]);
    if (this.#unwanted) {
      await this.close();
      throw closedHere();
    }
    this.#transition('established');
    this.#stir();
  }

  /** Something flows, so the session is not idle. What the person sets anew holds from the next one on. */
  #stir(): void {
    this.#idle?.dispose();
    this.#idle = null;
    const idleMs = this.#context.preferences().idleSeconds * 1000;
    if (!this.endsWhenIdle || idleMs === 0 || this.#state !== 'established') return;
    this.#idle = this.#context.clock.setTimer(idleMs, () => {
      if (this.#sending > 0 || this.#recovery !== null) this.#stir();
      else drop(this.#close(), this.#context.log, 'closing an idle session');
    });
  }

  // ---------------------------------------------------------------- media that comes back

  /** The peer closes both paths at once, and its BYE takes the longer way: only when none comes was it the media alone that died. */
  #mediaLost(): void {
    const { clock, log } = this.#context;
    if (this.#recovery === null) {
      let settle = () => {};
      const done = new Promise<void>((resolve) => {
        settle = resolve;
      });
      this.#recovery = { done, settle };
    }
    const delayMs = this.isOwn ? recoveryDelayMs : 2 * recoveryDelayMs;
    this.#disposables.add(clock.setTimer(delayMs, () => drop(this.#recover(), log, 'asking for new media')));
  }

  /** Asks for new media in the same dialog (RFC 4975 section 5.4). Fails into the end of the session. */
  async #recover(): Promise<void> {
    if (this.#state !== 'established' || this.#recovery === null || this.#sip === null || this.#isMediaUp) return;
    let msrp: MsrpSession | null = null;
    // The peer's own offer may have been faster; then its media is the one.
    const isWanted = () => this.#msrp === msrp && this.#state === 'established';
    try {
      msrp = await this.#prepare();
      this.#origin.version += 1;
      this.#knowsCema = true;
      const answer = parseSdp(await this.#sip.reoffer(this.#describe(msrp, 'actpass', true), isWanted));
      if (!isWanted()) return msrp.close();
      if (!answer.ok) throw new AppError('sip/malformed', { cause: `SDP answer: ${answer.reason}` });
      await this.#rebind(msrp, answer.value, answer.value.setup === 'active' ? 'passive' : 'active');
    } catch (error) {
      if (msrp !== null && !isWanted()) return;
      this.#context.log.info('the media of a session did not come back', { error: String(error) });
      await this.#close();
    }
  }

  /** The peer offers within the session: its media is another one now, or it only renews the session. */
  async #answerOffer(sdp: string): Promise<string | null> {
    const offer = parseSdp(sdp);
    if (!offer.ok || this.#state !== 'established') return null;
    // Nobody takes the TLS off a session that has it.
    if (this.#isSecure !== (offer.value.transport === 'TCP/TLS/MSRP')) return null;
    if (offer.value.path.join(' ') === this.#remotePath) return this.#localSdp;
    const previous = this.#msrp;
    const msrp = await this.#prepare();
    previous?.close();
    this.#origin.version += 1;
    const role = answerSetup(offer.value);
    this.#knowsCema = offersCema(offer.value);
    const answer = this.#describe(msrp, role, true);
    const bound = this.#rebind(msrp, offer.value, role).catch((error: unknown) => {
      this.#context.log.info('the media that the other side offered did not come to stand', { error: String(error) });
      if (this.#msrp === msrp && this.#state === 'established') return this.#close();
    });
    drop(bound, this.#context.log, 'binding new media');
    return answer;
  }

  async #rebind(msrp: MsrpSession, remote: MsrpDescription, role: 'active' | 'passive'): Promise<void> {
    this.#remotePath = remote.path.join(' ');
    const limit = this.#context.clock.setTimer(rebindLimitMs, () => msrp.close());
    await msrp.start(remote.path, role, this.#peerOf(remote)).finally(() => limit.dispose());
    if (this.#msrp !== msrp) return;
    this.#recovery?.settle();
    this.#recovery = null;
    this.#stir();
  }

  #peerOf(remote: MsrpDescription): Peer {
    const sender = this.remote === null ? {} : { sender: this.remote.address };
    return { fingerprints: fingerprintsOf(remote), address: cemaAddress(remote), ...sender };
  }

  get #isMediaUp(): boolean {
    return this.#msrp?.state === 'established';
  }

  #follow(sip: SipSession): void {
    this.#sip = sip;
    sip.handleOffer = (offer) => this.#answerOffer(offer);
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
    this.#recovery?.settle();
    if (closesMedia) this.#msrp?.close();
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

/** What waits for a session that this side has closed may go by the next one. */
function closedHere(): AppError {
  return new AppError('msrp/closed', { cause: 'this side has closed the session' }, 'auto');
}

function offersCema({ attributes }: MsrpDescription): boolean {
  return attributes.some(([name]) => name === CEMA);
}
