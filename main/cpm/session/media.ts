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
import { type ContentWays, waysOf } from '../../../protocol/accepted-types';
import { answerSetup, type MsrpDescription, mirrored, parseSdp, receives } from '../../../protocol/sdp';
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
  /** The directions that this side offers. */
  #offered: MsrpDescription['direction'] = 'sendrecv';
  readonly #origin: { sessionId: string; version: number };
  #localSdp = '';
  #remotePath = '';
  /** What the other side has said last. */
  #remote: MsrpDescription | null = null;
  #role: Role = 'active';
  /** While the other side takes nothing: resolves when it does again, or never will. */
  #hold: Wait | null = null;
  /** While lost media is asked for: resolves when messages flow again, or never will. */
  #recovery: Wait | null = null;

  constructor(context: CpmContext, owner: MediaOwner) {
    this.#context = context;
    this.#owner = owner;
    this.#origin = { sessionId: String(Math.floor(context.clock.now())), version: 1 };
  }

  get isRecovering(): boolean {
    return this.#recovery !== null;
  }

  /** How content of a type may reach the other side. */
  waysOf(type: string): ContentWays {
    return waysOf(this.#remote ?? { acceptTypes: [], wrappedTypes: [] }, type);
  }

  /** The other side has said that it takes nothing now (a=inactive, a=sendonly). */
  get isHeld(): boolean {
    return this.#hold !== null;
  }

  /** The MSRP session to send over, once the other side takes something, and lost media has come back or has been given up. @throws AppError `msrp/closed` */
  async ready(): Promise<MsrpSession> {
    while (this.#hold !== null || this.#recovery !== null) {
      await this.#hold?.done;
      await this.#recovery?.done;
      if (!this.#owner.isEstablished) break;
    }
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
  async offer(wish: MediaWish, direction: MsrpDescription['direction'] = 'sendrecv'): Promise<string> {
    this.#offered = direction;
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
    this.#role = answerSetup(offer);
    this.#heard(offer);
    return { sdp: this.#describe(await this.#prepare(), this.#role), role: this.#role };
  }

  /** Brings the media up for the first time. */
  async bind(remote: MsrpDescription, role: Role): Promise<void> {
    if (this.#msrp === null) throw new AppError('msrp/closed', { cause: 'no media session' });
    this.#heard(remote);
    this.#role = role;
    this.#remotePath = remote.path.join(' ');
    await this.#msrp.start(remote.path, role, peerOf(remote, this.#owner.sip?.remote.address));
  }

  /** Answers an offer within the session: for new media, or to renew the session with the media at hand. Null: it is refused. */
  async answerAgain(sdp: string): Promise<string | null> {
    const offer = parseSdp(sdp);
    if (!offer.ok || offer.value.port === 0 || !this.#owner.isEstablished) return null;
    // Media over TLS stays over TLS, and nobody adds it in between.
    if (this.#isSecure !== isOverTls(offer.value)) return null;
    const previous = this.#msrp;
    if (offer.value.path.join(' ') === this.#remotePath && previous !== null) return this.#answerAsBefore(previous, offer.value);
    const msrp = await this.#prepare();
    previous?.close();
    this.#origin.version += 1;
    const role = answerSetup(offer.value);
    this.#role = role;
    this.#knowsCema = offersCema(offer.value);
    this.#heard(offer.value);
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

  /** The media stays; direction and m-lines follow the offer. Only a description that is another one has another version (RFC 3264 section 8). */
  #answerAsBefore(msrp: MsrpSession, offer: MsrpDescription): string {
    const before = this.#localSdp;
    this.#heard(offer);
    if (this.#describe(msrp, this.#role) === before) return before;
    this.#origin.version += 1;
    return this.#describe(msrp, this.#role);
  }

  #heard(remote: MsrpDescription): void {
    this.#remote = remote;
    if (receives(remote)) {
      this.#hold?.settle();
      this.#hold = null;
    } else this.#hold ??= newWait();
  }

  /** The session has ended. `keepsMedia`: until the BYE is answered. */
  dispose(keepsMedia: boolean): void {
    this.#recovery?.settle();
    this.#hold?.settle();
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
    // An offer asks for its directions again.
    const direction = setup === 'actpass' || this.#remote === null ? this.#offered : mirrored(this.#remote.direction);
    const streams = this.#remote?.streams;
    const takesBareTexts = this.#owner.sip?.remote.lacksCpm === true;
    const said = { direction, streams, isReplacement, knowsCema: this.#knowsCema, takesClear, takesBareTexts };
    this.#localSdp = describe({ msrp, setup, origin: this.#origin, ...said });
    return this.#localSdp;
  }

  /** The peer ends media and dialog at once, but its BYE takes the longer way. Only if no BYE comes was the media alone lost. */
  #lost(): void {
    const { clock, log } = this.#context;
    this.#recovery ??= newWait();
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
    this.#heard(remote);
    this.#role = role;
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

/** Something that is waited for. */
interface Wait {
  done: Promise<void>;
  settle: () => void;
}

function newWait(): Wait {
  let settle = () => {};
  const done = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { done, settle };
}
