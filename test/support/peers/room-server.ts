/**
 * A conference server as others build them: registrar and focus in one process. Its Contact names where its connection ends and not the room, it takes
 * SUBSCRIBE and messages for the room's address alone, and it knows nothing of CPM.
 */
import { Dialog, dialogIdOf } from '../../../network/sip/dialog';
import type { SipRequest } from '../../../network/sip/message';
import { SipServer } from '../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../network/sip/transaction';
import { encodeConferenceInfo } from '../../../protocol/conference-info';
import { encodeSdp, parseSdp } from '../../../protocol/sdp';
import { addressKey } from '../../../protocol/uri';
import { RawMsrp } from './raw-agent';

export class RoomServer {
  readonly server = new SipServer();
  readonly received: SipRequest[] = [];
  /** The media of the one who has joined. */
  readonly media: RawMsrp;
  readonly #dialogs = new Map<string, Dialog>();

  private constructor(readonly room: string) {
    this.media = new RawMsrp('msrp://127.0.0.1:9/room;tcp', room);
    this.server.onRequest = (transaction) => this.#receive(transaction);
  }

  static async start(room: string): Promise<RoomServer> {
    const server = new RoomServer(room);
    await server.server.listen({ host: '127.0.0.1', port: 0 });
    return server;
  }

  get uri(): string {
    return `sip:${this.server.sentBy};transport=tcp`;
  }

  requests(method: string): SipRequest[] {
    return this.received.filter((request) => request.method === method);
  }

  async close(): Promise<void> {
    this.media.hangUp();
    await this.server.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    this.received.push(request);
    const known = this.#dialogs.get(dialogIdOf(request));
    if (known !== undefined) transaction.reply(known.receive(request) ?? 200);
    else if (request.method === 'REGISTER')
      transaction.reply(200, { headers: [['Contact', `${request.get('contact') ?? ''};expires=600`]] });
    else if (request.method === 'SUBSCRIBE' && request.get('event') !== 'conference') transaction.reply(489);
    else if (addressKey(request.uri) !== this.room) transaction.reply(404);
    else if (request.method === 'SUBSCRIBE') this.#watch(transaction);
    else if (request.method === 'INVITE') this.#join(transaction);
    else transaction.reply(405);
  }

  #dialogOf(transaction: ServerTransaction): Dialog {
    const contact = `<${this.uri}>;isfocus`;
    const dialog = Dialog.ofReceived(this.server, transaction, contact, () => transaction.flow);
    this.#dialogs.set(dialog.id, dialog);
    return dialog;
  }

  #join(transaction: ServerTransaction): void {
    const sdp = transaction.request.text;
    const offer = parseSdp(sdp);
    if (!offer.ok) {
      transaction.reply(488);
      return;
    }
    const answer = encodeSdp({
      ...{ host: '127.0.0.1', port: 9, path: [this.media.path], setup: 'active', direction: 'sendrecv', sessionId: '1', version: 1 },
      ...{
        acceptTypes: ['message/cpim'],
        wrappedTypes: ['*'],
        transport: 'TCP/MSRP',
        attributes: [['chatroom', 'nickname private-messages']],
      },
    });
    transaction.respond(this.#dialogOf(transaction).response(transaction, 200).setBody('application/sdp', answer));
    void this.media.connect(sdp);
  }

  #watch(transaction: ServerTransaction): void {
    const dialog = this.#dialogOf(transaction);
    transaction.respond(dialog.response(transaction, 200).append('Expires', '600'));
    const roster = encodeConferenceInfo({
      ...{ entity: this.room, state: 'full', version: 1, subject: 'Room', icon: null, maximumUserCount: null, userCount: 1, active: true },
      ...{ usersState: 'full', users: [] },
    });
    const notify = dialog.request('NOTIFY').append('Event', 'conference').append('Subscription-State', 'active;expires=600');
    dialog.send(notify.setBody('application/conference-info+xml', roster));
  }
}
