/**
 * The sessions that this function accepts in place of somebody whose devices are all off: what comes over them is kept. They end as soon as
 * a device registers, so that the sender's next text opens a session with it.
 *
 *   accepted --media--> open --BYE, media lost, idle, a device has registered--> ended
 */
import { cpmHeader } from '../../../protocol/cpm-headers';
import { encodeSdp, type MsrpDescription } from '../../../protocol/sdp';
import { describeSession, type MsrpSwitch, type SwitchSession, type Verdict } from '../../msrp/switch';
import { Dialog, dialogIdOf, type Resolve } from '../../sip/dialog';
import type { SipRequest } from '../../sip/message';
import { newToken, type SipServer } from '../../sip/sip-server';
import type { ServerTransaction } from '../../sip/transaction';
import { MAX_LETTER_BYTES } from './letter';

/** LAB: sessions accepted in place of somebody at a time, and those of one sender. */
export const MAX_STAND_INS = 1000;
export const MAX_STAND_INS_OF_SENDER = 32;
/** LAB: such a session ends when nothing has come for this long, ms. */
export const STAND_IN_IDLE_MS = 10 * 60_000;

const COMPLETED = 'SIP;cause=200;text="A device is there now"';

export interface StandInDeps {
  server: SipServer;
  media: MsrpSwitch;
  resolve: Resolve;
}

/** A session to accept. */
export interface StandInRequest {
  transaction: ServerTransaction;
  offer: MsrpDescription;
  person: string;
  sender: string;
  /** Only one message is to come, which is under way when a device registers. */
  isForOneMessage: boolean;
  /** A message of the session; the verdict is its MSRP answer. */
  onMessage(content: { contentType: string; body: Uint8Array }): Verdict;
}

interface StandIn {
  person: string;
  sender: string;
  isForOneMessage: boolean;
  dialog: Dialog;
  media: SwitchSession;
  idle: { dispose(): void };
}

export class StandIns {
  readonly #sessions = new Map<string, StandIn>();

  constructor(private readonly deps: StandInDeps) {}

  get size(): number {
    return this.#sessions.size;
  }

  /** Whether one more session of a sender may be accepted. */
  hasRoomFor(sender: string): boolean {
    if (this.#sessions.size >= MAX_STAND_INS) return false;
    return [...this.#sessions.values()].filter((one) => one.sender === sender).length < MAX_STAND_INS_OF_SENDER;
  }

  /** Answers 200 to an INVITE that `hasRoomFor` admits. */
  accept({ transaction, offer, person, sender, isForOneMessage, onMessage }: StandInRequest): void {
    const { server, media: switch_, resolve } = this.deps;
    const dialog = Dialog.ofReceived(server, transaction, `<${server.uri}>`, resolve);
    const events = {
      onMessage: (content: { contentType: string; body: Uint8Array }) => {
        this.#touch(session);
        return onMessage(content);
      },
      onNickname: () => ({ status: 403, reason: 'Not a group' }),
      onClose: (reason: string | null) => {
        if (reason !== null) this.#end(session, 'SIP;cause=503;text="Media connection lost"');
      },
    };
    const media = switch_.prepare(events, { isSecure: offer.transport === 'TCP/TLS/MSRP', person: sender });
    const session: StandIn = { person, sender, isForOneMessage, dialog, media, idle: this.#idleTimer(() => session) };
    this.#sessions.set(dialog.id, session);
    // RFC 6135: an offerer that only waits is called.
    const role = offer.setup === 'passive' ? 'active' : 'passive';
    const described = describeSession(media, role, { sessionId: String(Number.parseInt(newToken(6), 16)), version: 1 }, offer);
    const sdp = encodeSdp({
      ...described,
      attributes: [
        ['max-size', String(MAX_LETTER_BYTES)],
        ...described.attributes.filter(([name]) => name !== 'max-size' && name !== 'chatroom'),
      ],
    });
    const response = dialog.response(transaction, 200).append('Allow', 'INVITE, ACK, CANCEL, BYE').setBody('application/sdp', sdp);
    // The identifiers of the session come back as from a device: a caller who misses them takes the other side for one that knows no CPM.
    for (const name of [cpmHeader.conversationId, cpmHeader.contributionId]) {
      const value = transaction.request.get(name);
      if (value !== null) response.append(name, value);
    }
    transaction.respond(response);
    media.start(offer.path, role, offer);
  }

  /** Takes a request of one of these sessions; false when it belongs to none. */
  takes(transaction: ServerTransaction, request: SipRequest): boolean {
    const session = this.#sessions.get(dialogIdOf(request));
    if (session === undefined) return false;
    const refusal = session.dialog.receive(request);
    if (refusal !== null) transaction.reply(refusal);
    else if (request.method === 'BYE') {
      transaction.reply(200);
      this.#end(session, null);
    }
    // LAB: media that is lost is not brought back; the sender's next text opens another session.
    else transaction.reply(request.method === 'INVITE' ? 488 : 501);
    return true;
  }

  /** A device of the person is there: the chats in their place end. */
  endFor(person: string): void {
    for (const session of [...this.#sessions.values()])
      if (session.person === person && !session.isForOneMessage) this.#end(session, COMPLETED);
  }

  /** Ends without a message: the network closes. */
  close(): void {
    for (const session of [...this.#sessions.values()]) {
      session.dialog.end();
      this.#end(session, null);
    }
  }

  #touch(session: StandIn): void {
    session.idle.dispose();
    session.idle = this.#idleTimer(() => session);
  }

  #idleTimer(session: () => StandIn): { dispose(): void } {
    return this.deps.server.clock.setTimer(STAND_IN_IDLE_MS, () => this.#end(session(), 'SIP;cause=200;text="Idle"'));
  }

  #end(session: StandIn, bye: string | null): void {
    if (!this.#sessions.delete(session.dialog.id)) return;
    session.idle.dispose();
    session.media.close();
    if (bye !== null && session.dialog.state === 'confirmed') session.dialog.bye(bye);
  }
}
