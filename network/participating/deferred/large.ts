/**
 * Brings one long letter to a device (Large Message Mode): an INVITE, the letter over MSRP, and BYE when the device has answered for it.
 *
 *   calling --2xx--> sending --MSRP answer--> BYE, brought
 *      \--refused, or not answered in time--\--media lost, BYE of the device--> not brought
 */
import { ICSI, icsiParam } from '../../../protocol/feature-tags';
import { encodeSdp, parseSdp } from '../../../protocol/sdp';
import { describeSession, type MsrpSwitch, type SwitchSession } from '../../msrp/switch';
import { Dialog, dialogIdOf, type Resolve } from '../../sip/dialog';
import type { SipRequest, SipResponse } from '../../sip/message';
import { newToken, type SipServer, type Target } from '../../sip/sip-server';
import type { ClientTransaction, ServerTransaction } from '../../sip/transaction';

/** LAB: how long a device may take to answer such a call, ms. */
export const MAX_ANSWER_MS = 30_000;

const BROUGHT = 'SIP;cause=200;text="Call completed"';

export interface LargeDeps {
  server: SipServer;
  core: Target;
  media: MsrpSwitch;
  resolve: Resolve;
}

interface Call {
  invite: ClientTransaction | null;
  dialog: Dialog | null;
  media: SwitchSession;
  limit: { dispose(): void };
  done(status: number): void;
}

export class LargeLetters {
  readonly #calls = new Set<Call>();

  constructor(private readonly deps: LargeDeps) {}

  /** Sends `content` with an INVITE made of `request`; `done` gets the SIP status that says what became of it, once. */
  bring(request: SipRequest, sender: string, content: { contentType: string; body: Uint8Array }, done: (status: number) => void): void {
    const { server, core, media: switch_ } = this.deps;
    const events = {
      onMessage: () => ({ status: 403, reason: 'Nobody reads here' }),
      onNickname: () => ({ status: 403, reason: 'Not a group' }),
      onClose: (reason: string | null) => {
        if (reason !== null) this.#end(call, 480, 'SIP;cause=503;text="Media connection lost"');
      },
    };
    const media = switch_.prepare(events, { person: sender });
    const limit = server.clock.setTimer(MAX_ANSWER_MS, () => call.invite?.cancel());
    const call: Call = { invite: null, dialog: null, media, limit, done };
    this.#calls.add(call);
    const described = describeSession(media, 'actpass', { sessionId: String(Number.parseInt(newToken(6), 16)), version: 1 });
    const attributes = described.attributes.filter(([name]) => name !== 'chatroom');
    request
      .append('Contact', `<${server.uri}>;${icsiParam([ICSI.largemsg])}`)
      .setBody('application/sdp', encodeSdp({ ...described, direction: 'sendonly', attributes }));
    call.invite = server.request(request, core, { onFinal: (response) => this.#answered(call, request, response, content) });
  }

  /** Takes a request of the device within such a call; false when it belongs to none. */
  takes(transaction: ServerTransaction, request: SipRequest): boolean {
    const call = [...this.#calls].find(({ dialog }) => dialog?.id === dialogIdOf(request));
    if (call === undefined) return false;
    const refusal = call.dialog?.receive(request) ?? null;
    if (refusal !== null) transaction.reply(refusal);
    else if (request.method === 'BYE') {
      transaction.reply(200);
      this.#end(call, 480, null);
    } else transaction.reply(request.method === 'INVITE' ? 488 : 501);
    return true;
  }

  /** Ends without a message: the network closes. */
  close(): void {
    for (const call of [...this.#calls]) {
      this.#calls.delete(call);
      call.limit.dispose();
      call.dialog?.end();
      call.media.close();
    }
  }

  #answered(call: Call, request: SipRequest, response: SipResponse, content: { contentType: string; body: Uint8Array }): void {
    if (response.status >= 300) {
      this.#end(call, response.status, null);
      return;
    }
    call.dialog = Dialog.ofSent(this.deps.server, request, response, this.deps.resolve);
    call.dialog?.ack();
    const answer = parseSdp(response.text);
    if (!this.#calls.has(call) || !answer.ok || answer.value.port === 0) {
      this.#end(call, 488, 'SIP;cause=488;text="No media"');
      return;
    }
    call.limit.dispose();
    // From here on the media has limits of its own.
    call.media.start(answer.value.path, answer.value.setup === 'active' ? 'passive' : 'active', answer.value);
    // A device that refuses the letter has answered for it, too: it would refuse it again.
    call.media.send({ ...content, onAnswered: () => this.#end(call, 200, BROUGHT) });
  }

  #end(call: Call, status: number, bye: string | null): void {
    if (!this.#calls.delete(call)) return;
    call.limit.dispose();
    call.media.close();
    if (bye !== null && call.dialog?.state === 'confirmed') call.dialog.bye(bye);
    call.done(status);
  }
}
