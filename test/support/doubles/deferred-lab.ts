/** A core played by hand around a Participating Function that keeps messages, over one state file or memory. */
import { grOfInstance } from '../../../network/core/gruu';
import { MsrpSwitch } from '../../../network/msrp/switch';
import { ParticipatingFunction } from '../../../network/participating/participating';
import { newRequest } from '../../../network/sip/dialog';
import { responseTo, type SipRequest, type SipResponse } from '../../../network/sip/message';
import { forward } from '../../../network/sip/proxy';
import { SipServer } from '../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../network/sip/transaction';
import { encodeCpim } from '../../../protocol/cpim';
import { ICSI, icsiParam } from '../../../protocol/feature-tags';
import { encodeImdn } from '../../../protocol/imdn';
import { addressKey } from '../../../protocol/uri';
import { connectServers, settle, VirtualClock } from './network-doubles';

export const ALICE = 'sip:alice@lab.test';
export const BOB = 'sip:bob@lab.test';
export const ALICES_PC = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
export const BOBS_DESK = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';
export const BOBS_TABLET = 'urn:uuid:bbbbbbbb-7dec-41d0-a765-00a0c91e6bf6';

/** A device whose GRUU does not show its instance, as of any that is no UUID. */
export const BOBS_PHONE = 'urn:gsma:imei:90420156-025763-0';
const namespace = '6ba7b811-9dad-11d1-80b4-00c04fd430c8';

export const gruu = (address: string, instance: string) => `${address};gr=${grOfInstance(instance, namespace)}`;

export interface LabOptions {
  clock?: VirtualClock;
  file?: string | null;
}

export class DeferredLab {
  readonly clock: VirtualClock;
  readonly media: MsrpSwitch;
  readonly pf: ParticipatingFunction;
  /** Every request that the function has sent to devices, in order. */
  readonly delivered: SipRequest[] = [];
  /** BYEs and the like that the function itself has sent. */
  readonly inDialog: SipRequest[] = [];
  /** The answer to what is sent to devices; null, and without it: 200 of a registered one, else 480; below 0: none. */
  answer: ((request: SipRequest) => number | null) | null = null;
  /** Calls that were given up while they rang. */
  cancelled = 0;
  /** With it devices accept an INVITE. */
  sdp: string | null = null;
  /** Devices ring before they answer an INVITE. */
  rings = false;
  readonly #core: SipServer;
  readonly #toPf;
  readonly #registered = new Map<string, Set<string>>();
  readonly #subscriptions = new Map<string, { request: SipRequest; version: number }>();

  constructor({ clock = new VirtualClock(), file = null }: LabOptions = {}) {
    this.clock = clock;
    this.#core = new SipServer({ clock });
    const server = new SipServer({ clock });
    const { atA, atB } = connectServers(this.#core, server);
    this.#toPf = atA;
    // It listens nowhere, and still knows its own address.
    server.isOwn = (host) => host === 'unbound.invalid';
    this.media = new MsrpSwitch({ clock });
    this.#core.onRequest = (transaction) => this.#receive(transaction);
    this.pf = new ParticipatingFunction({ server, core: atB, host: 'pf.lab.test', deferred: { file, media: this.media } });
  }

  /** What a device of an address registers or signs off, and what the core tells of it. */
  async devices(address: string, ...instances: string[]): Promise<void> {
    this.#registered.set(address, new Set(instances));
    const register = newRequest('REGISTER', 'sip:pf.lab.test', {
      from: '<sip:core.lab.test>',
      to: `<${address}>`,
      callId: `reg-${address}`,
    });
    this.#core.request(register.append('Expires', instances.length === 0 ? '0' : '3600'), this.#toPf);
    await settle();
    await this.#notify(address);
  }

  /** Sends a request of `from` to the terminating side of the person whom its Request-URI names, or to the originating side of `from`. */
  async send(request: SipRequest, sescase: 'orig' | 'term' = 'term'): Promise<SipResponse> {
    const answer = await this.begin(request, sescase);
    await settle();
    return answer();
  }

  async begin(request: SipRequest, sescase: 'orig' | 'term' = 'term'): Promise<() => Promise<SipResponse>> {
    const sender = addressKey(request.get('p-asserted-identity')?.replace(/^.*<|>.*$/g, '') ?? '');
    const served = sescase === 'orig' ? sender : addressKey(request.uri);
    const { final } = this.#core.request(request.set('P-Served-User', `<${served}>;sescase=${sescase};regstate=reg`), this.#toPf);
    await settle();
    return () => final;
  }

  /** Texts that came to devices, oldest first, with the device. */
  get texts(): string[] {
    return this.delivered.map((request) => `${request.text.split('\r\n\r\n').at(-1)} to ${request.uri.replace(/^.*gr=/, '').slice(9, 13)}`);
  }

  close(): void {
    this.pf.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    if (request.method === 'SUBSCRIBE') {
      const address = addressKey(request.uri) ?? '';
      this.#subscriptions.set(address, { request, version: 0 });
      const contact = ['Contact', '<sip:core.lab.test>'] as const;
      transaction.reply(200, { headers: [['Expires', '600000'], contact] });
      queueMicrotask(() => void this.#notify(address));
      return;
    }
    if (request.toTag !== null) {
      this.inDialog.push(request);
      transaction.reply(200);
      return;
    }
    // The function's own requests come first: the core sends them to the function of the person they are for.
    if (/^(?:deferred-)/.test(request.callId) && !request.has('p-served-user')) {
      const forTerm = request.clone();
      const prepared = forTerm.set('P-Served-User', `<${addressKey(request.uri)}>;sescase=term`);
      forward(this.#core, transaction, prepared, [{ target: this.#toPf }]);
      return;
    }
    const registered = this.#registered.get(addressKey(request.uri) ?? '') ?? new Set<string>();
    const isThere = request.uri.includes(';gr=')
      ? [...registered].some((instance) => gruu(addressKey(request.uri) ?? '', instance) === request.uri)
      : registered.size > 0;
    const status = this.answer?.(request) ?? (isThere ? 200 : 480);
    if (isThere) this.delivered.push(request);
    if (isThere && status === 200 && request.method === 'INVITE' && this.sdp !== null) {
      const answer = responseTo(request, 200, { toTag: transaction.toTag }).append('Contact', '<sip:bob@device.lab.test>');
      transaction.respond(answer.setBody('application/sdp', this.sdp));
      return;
    }
    if (this.rings && request.method === 'INVITE') transaction.reply(180);
    // A device that goes on ringing until the caller gives up.
    if (status < 0)
      transaction.onCancel = () => {
        this.cancelled += 1;
        transaction.reply(487);
      };
    else transaction.reply(status);
  }

  /** The caller of a session that `answer` has opened ends it; resolves with the status. */
  async bye(answer: SipResponse): Promise<number> {
    const target = answer.get('contact')?.replace(/^<|>$/g, '') ?? '';
    const bye = newRequest('BYE', target, {
      from: answer.get('from') ?? '',
      to: answer.get('to') ?? '',
      callId: answer.callId,
      sequence: 2,
    });
    const { final } = this.#core.request(bye, this.#toPf);
    await settle();
    return (await final).status;
  }

  async #notify(address: string): Promise<void> {
    const subscription = this.#subscriptions.get(address);
    if (subscription === undefined) return;
    const { request, version } = subscription;
    subscription.version += 1;
    const instances = [...(this.#registered.get(address) ?? [])];
    const contacts = instances.map(
      (urn) =>
        `<contact id="${urn}" state="active" event="registered"><uri>sip:x@127.0.0.1</uri><unknown-param name="+sip.instance">"&lt;${urn}&gt;"</unknown-param><gr:pub-gruu uri="${gruu(address, urn)}"/></contact>`,
    );
    const state = instances.length === 0 ? 'terminated' : 'active';
    const notify = newRequest('NOTIFY', 'sip:pf.lab.test', {
      from: `<${address}>;tag=core`,
      to: request.get('from') ?? '',
      callId: request.callId,
      contact: '<sip:core.lab.test>',
      sequence: version + 1,
    })
      .append('Event', 'reg')
      .append('Subscription-State', 'active;expires=3600')
      .setBody(
        'application/reginfo+xml',
        `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="${version}" state="full"><registration aor="${address}" id="a" state="${state}">${contacts.join('')}</registration></reginfo>`,
      );
    this.#core.request(notify, this.#toPf);
    await settle();
  }
}

/** A pager message of `from` to `to`. */
export function pager(
  text: string,
  more: { id?: string | null; from?: string; device?: string; to?: string; dispositions?: boolean } = {},
): SipRequest {
  const { id = `id-${text}`, from = ALICE, device = ALICES_PC, to = BOB, dispositions = true } = more;
  const body = encodeCpim({
    from,
    to: [addressKey(to) ?? to],
    dateTime: Date.UTC(2025, 11, 31, 23),
    messageId: id,
    dispositions: dispositions ? ['positive-delivery', 'negative-delivery'] : [],
    contentType: 'text/plain;charset=UTF-8',
    headers: [{ namespace: 'urn:chorus:device', name: 'Gruu', value: gruu(from, device) }],
    body: new TextEncoder().encode(text),
  });
  return cpmRequest('MESSAGE', from, to, ICSI.msg).setBody('message/cpim', body);
}

/** The receipt of `from` for a message of `to`. */
export function receipt(messageId: string, more: { from?: string; to?: string; status?: 'delivered' | 'displayed' } = {}): SipRequest {
  const { from = BOB, to = ALICE, status = 'delivered' } = more;
  const kind = status === 'delivered' ? 'delivery' : 'display';
  const body = encodeImdn({ messageId, dateTime: 0, kind, status, recipient: from });
  const cpim = encodeCpim({ from, to: [to], dateTime: 0, messageId: null, contentType: 'message/imdn+xml', body });
  return cpmRequest('MESSAGE', from, to, ICSI.msg).setBody('message/cpim', cpim);
}

/** An initial request of a CPM service. */
export function cpmRequest(method: string, from: string, to: string, icsi: string): SipRequest {
  return newRequest(method, to, { from: `<${from}>`, to: `<${addressKey(to)}>` })
    .append('P-Asserted-Identity', `<${from}>`)
    .append('Accept-Contact', `*;${icsiParam([icsi])}`)
    .append('Conversation-ID', 'conversation-1')
    .append('Contribution-ID', 'contribution-1');
}
