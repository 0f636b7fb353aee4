/**
 * The media of one CPM session: an MSRP session, described in SDP, and another one after it is lost.
 *
 *   preparing --bind--> flowing --MSRP closed--> lost --no BYE comes--> asking (re-INVITE) --answered, bound--> flowing
 *                          ^                       |                        | refused, or not bound in time
 *                          +-- peer's re-INVITE ---+                        +--> the session ends
 *
 * While the media is lost the dialog stands, and messages wait. If no new media comes, the session ends, and they go by the next session.
 */
import { DisposableStore } from '../../../base/disposable';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { answerSetup, type MsrpDescription, parseSdp } from '../../../protocol/sdp';
import type { MediaWish, MsrpSession } from '../../msrp/session';
import type { SipSession } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { describe, isOverTls, offererRole, offersCema, peerOf, type Role } from './description';

/**
 * LAB: how long after the loss of its media a session waits for the peer's BYE before it asks for new media. The called side waits twice as long, so
 * that both do not ask at once.
 */
export const recoveryDelayMs = 1_000;

/** LAB: how long new media may take to bind once it is agreed. Media that has worked before is not given the half minute of a first connection. */
export const rebindLimitMs = 5_000;

/** The session that the media belongs to. */
export interface MediaOwner {
  /** Whether this side has invited. */
  readonly isInviter: boolean;
  readonly sip: SipSession | null;
  readonly isEstablished: boolean;
  receive(contentType: string, body: Uint8Array): Promise<void>;
  /** Messages flow again. */
  restored(): void;
  /** The lost media does not come back: the session has to end. */
  failed(): Promise<void>;
}

export class SessionMedia {
  readonly #context: CpmContext;
  readonly #owner: MediaOwner;
  readonly #disposables = new DisposableStore();
  #msrp: MsrpSession | null = null;
  /** Whether the media runs over TLS. Settled as the session opens, for its whole life. */
  #isSecure = false;
  /** Whether this side's first offer, over TLS, may be followed by one without. */
  #takesClear = false;
  #knowsCema = true;
  readonly #origin: { sessionId: string; version: number };
  #localSdp = '';
  #remotePath = '';
  /** While lost media is asked for: resolves when messages flow again, or never will. */
  #recovery: { done: Promise<void>; settle: () => void } | null = null;

  constructor(context: CpmContext, owner: MediaOwner) {
    this.#context = context;
    this.#owner = owner;
    this.#origin = { sessionId: String(Math.floor(context.clock.now())), version: 1 };
  }

  get isRecovering(): boolean {
    return this.#recovery !== null;
  }

  /** The MSRP session to send over, once lost media has come back or has been given up. @throws AppError `msrp/closed` */
  async ready(): Promise<MsrpSession> {
    await this.#recovery?.done;
    if (this.#msrp === null || !this.#owner.isEstablished)
      throw new AppError('msrp/closed', { cause: 'the session is not established' }, 'auto');
    return this.#msrp;
  }

  get isSecure(): boolean {
    return this.#isSecure;
  }

  get takesClear(): boolean {
    return this.#takesClear;
  }

  /** The SDP of this side's first offer. */
  async offer(wish: MediaWish): Promise<string> {
    this.#isSecure = wish !== 'clear';
    this.#takesClear = wish === 'tlsFirst';
    return this.#describe(await this.#prepare(), 'actpass');
  }

  /** Offers the media without TLS in the dialog whose answer has refused TLS. Resolves to the SDP of the answer. */
  async offerInClear(): Promise<string> {
    const { sip } = this.#owner;
    if (sip === null) throw new AppError('msrp/closed', { cause: 'no dialog' });
    this.close();
    this.#origin.version += 1;
    return sip.reoffer(await this.offer('clear'));
  }

  /** The SDP that answers the other side's first offer, and the role that this side takes in it. */
  async answer(offer: MsrpDescription): Promise<{ sdp: string; role: Role }> {
    this.#isSecure = isOverTls(offer);
    this.#knowsCema = offersCema(offer);
    const role = answerSetup(offer);
    return { sdp: this.#describe(await this.#prepare(), role), role };
  }

  /** Brings the media up for the first time. */
  async bind(remote: MsrpDescription, role: Role): Promise<void> {
    if (this.#msrp === null) throw new AppError('msrp/closed', { cause: 'no media session' });
    this.#remotePath = remote.path.join(' ');
    await this.#msrp.start(remote.path, role, peerOf(remote, this.#owner.sip?.remote.address));
  }

  /** Answers an offer within the session: for new media, or to renew the session with the media at hand. Null: it is refused. */
  async answerAgain(sdp: string): Promise<string | null> {
    const offer = parseSdp(sdp);
    if (!offer.ok || !this.#owner.isEstablished) return null;
    // Media over TLS stays over TLS, and nobody adds it in between.
    if (this.#isSecure !== isOverTls(offer.value)) return null;
    if (offer.value.path.join(' ') === this.#remotePath) return this.#localSdp;
    const previous = this.#msrp;
    const msrp = await this.#prepare();
    previous?.close();
    this.#origin.version += 1;
    const role = answerSetup(offer.value);
    this.#knowsCema = offersCema(offer.value);
    const answer = this.#describe(msrp, role, true);
    const bound = this.#rebind(msrp, offer.value, role).catch((error: unknown) => {
      this.#context.log.info('the media that the other side offered did not bind', { error: String(error) });
      if (this.#isCurrent(msrp)) return this.#owner.failed();
    });
    drop(bound, this.#context.log, 'binding new media');
    return answer;
  }

  close(): void {
    this.#msrp?.close();
  }

  /** The session has ended. `keepsMedia`: until the BYE is answered. */
  dispose(keepsMedia: boolean): void {
    this.#recovery?.settle();
    if (!keepsMedia) this.close();
    this.#disposables.dispose();
  }

  async #prepare(): Promise<MsrpSession> {
    const msrp = await this.#context.msrp.prepare({ secure: this.#isSecure });
    this.#msrp = msrp;
    msrp.handleMessage = (message) => this.#owner.receive(message.contentType, message.body);
    this.#disposables.add(
      msrp.onState.on((state) => {
        if (state === 'closed' && this.#isCurrent(msrp)) this.#lost();
      }),
    );
    return msrp;
  }

  #describe(msrp: MsrpSession, setup: Role | 'actpass', isReplacement = false): string {
    const takesClear = this.#takesClear && setup === 'actpass';
    this.#localSdp = describe({ msrp, setup, origin: this.#origin, isReplacement, knowsCema: this.#knowsCema, takesClear });
    return this.#localSdp;
  }

  /** The peer ends media and dialog at once, but its BYE takes the longer way. Only if no BYE comes was the media alone lost. */
  #lost(): void {
    const { clock, log } = this.#context;
    if (this.#recovery === null) {
      let settle = () => {};
      const done = new Promise<void>((resolve) => {
        settle = resolve;
      });
      this.#recovery = { done, settle };
    }
    const delayMs = this.#owner.isInviter ? recoveryDelayMs : 2 * recoveryDelayMs;
    this.#disposables.add(clock.setTimer(delayMs, () => drop(this.#recover(), log, 'asking for new media')));
  }

  /** Asks for new media in the same dialog (RFC 4975 section 5.4). */
  async #recover(): Promise<void> {
    const { sip } = this.#owner;
    if (!this.#owner.isEstablished || this.#recovery === null || sip === null || this.#msrp?.state === 'established') return;
    let msrp: MsrpSession | null = null;
    // The peer's own offer may have been faster; then its media counts.
    const isWanted = () => this.#isCurrent(msrp);
    try {
      msrp = await this.#prepare();
      this.#origin.version += 1;
      this.#knowsCema = true;
      const answer = parseSdp(await sip.reoffer(this.#describe(msrp, 'actpass', true), isWanted));
      if (!isWanted()) return msrp.close();
      if (!answer.ok) throw new AppError('sip/malformed', { cause: `SDP answer: ${answer.reason}` });
      await this.#rebind(msrp, answer.value, offererRole(answer.value));
    } catch (error) {
      if (msrp !== null && !isWanted()) return;
      this.#context.log.info('the media of a session did not come back', { error: String(error) });
      await this.#owner.failed();
    }
  }

  async #rebind(msrp: MsrpSession, remote: MsrpDescription, role: Role): Promise<void> {
    this.#remotePath = remote.path.join(' ');
    const limit = this.#context.clock.setTimer(rebindLimitMs, () => msrp.close());
    await msrp.start(remote.path, role, peerOf(remote, this.#owner.sip?.remote.address)).finally(() => limit.dispose());
    if (this.#msrp !== msrp) return;
    this.#recovery?.settle();
    this.#recovery = null;
    this.#owner.restored();
  }

  #isCurrent(msrp: MsrpSession | null): boolean {
    return this.#msrp === msrp && this.#owner.isEstablished;
  }
}
