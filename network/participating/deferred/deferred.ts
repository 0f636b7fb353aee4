/**
 * Deferred messages (OMA CPM Deferred CPM Message, R87): what no device of a person could take is kept here and brought when one registers.
 *
 *   MESSAGE --480, 408, 430--> letter on disk --> 202 to the sender          a device registers --> MESSAGE with ...cpm.deferred
 *   INVITE  --480, 408, 430--> first text on disk --> 200, and each text of the session is kept before its MSRP 200
 *
 * What needs the person's decision is never kept: the answer goes back as it came. `docs/DEFERRED.md` tells all rules and limits.
 */

import { INSTANCE_PARAM } from '../../../protocol/feature-tags';
import type { MsrpDescription } from '../../../protocol/sdp';
import { addressKey, parseNameAddr } from '../../../protocol/uri';
import type { NetworkLog } from '../../log';
import type { MsrpSwitch, Verdict } from '../../msrp/switch';
import { assertedIdentity } from '../../sip/asserted-identity';
import type { SipRequest, SipResponse } from '../../sip/message';
import { addressTarget } from '../../sip/proxy';
import type { SipServer, Target } from '../../sip/sip-server';
import type { ServerTransaction } from '../../sip/transaction';
import { LargeLetters } from './large';
import {
  deviceAsked,
  isLargeMessage,
  isOneToOne,
  isTemporary,
  type Letter,
  letterOfInvite,
  letterOfMessage,
  letterOfSession,
  MAX_LETTER_BYTES,
  publicGruu,
  receiptIn,
} from './letter';
import { Postman, type RegisteredDevice } from './postman';
import { DeferredQueue } from './queue';
import { StandIns } from './standing-in';

/** LAB: how often what is out of date is removed at least, ms. */
const SWEEP_MS = 3_600_000;
/** LAB: how long after the store has failed it is tried again, ms. */
const SWEEP_AGAIN_MS = 60_000;

/** The answers that mean that no device is there: 430 is a lost flow (RFC 5626 section 11.5). */
const AWAY = new Set([408, 430, 480]);

interface Refusal {
  status: number;
  /** The code of its Warning. */
  code: number;
  warning: string;
}

const FULL: Refusal = { status: 480, code: 399, warning: 'No device is there, and there is no room to keep it' };
const TOO_LARGE: Refusal = { status: 413, code: 133, warning: 'Size exceeded' };

export interface DeferredDeps {
  server: SipServer;
  core: Target;
  /** Host in Warning headers. */
  host: string;
  /** The file that outlives this process; null: memory. */
  file: string | null;
  /** Where the sessions that are accepted for people who are away have their media. */
  media: MsrpSwitch;
  devicesOf(person: string): readonly RegisteredDevice[];
  log?: NetworkLog | undefined;
}

/** What to do with a receipt that a person sends. */
export type ReceiptWay =
  /** The sender of the message has been told already. */
  | { kind: 'swallow' }
  /** It goes on, changed as needed; `onAnswered` with the status of the sender's side. */
  | { kind: 'pass'; onAnswered(status: number): void };

export class Deferred {
  readonly #deps: DeferredDeps;
  readonly #queue: DeferredQueue;
  readonly #postman: Postman;
  readonly #standIns: StandIns;
  readonly #large: LargeLetters;
  /** "Delivered" receipts on their way to senders, by person, message and sender. */
  readonly #deliveriesUnderWay = new Set<string>();
  #sweeping: { at: number; timer: { dispose(): void } } | null = null;

  /** @throws Error with one sentence when the file cannot be used */
  constructor(deps: DeferredDeps) {
    this.#deps = deps;
    const { server, core, media, devicesOf, log } = deps;
    this.#queue = new DeferredQueue(deps.file, () => server.clock.now());
    const resolve = (uri: string) => addressTarget(uri) ?? core;
    this.#large = new LargeLetters({ server, core, media, resolve });
    this.#postman = new Postman({ server, core, queue: this.#queue, large: this.#large, devicesOf, log });
    this.#standIns = new StandIns({ server, media, resolve });
    this.#sweep();
  }

  /** Sessions that this function holds in place of people who are away. */
  get standInCount(): number {
    return this.#standIns.size;
  }

  /** Everybody for whom something waits: after a start their registrations have to be asked for. */
  people(): string[] {
    return this.#queue.people();
  }

  /** These devices of a person are registered now. */
  registered(person: string, devices: readonly RegisteredDevice[]): void {
    try {
      this.#queue.seen(
        person,
        devices.map(({ instanceId, pubGruu }) => ({ instance: instanceId ?? '', gruu: pubGruu === null ? null : publicGruu(pubGruu) })),
      );
    } catch (error) {
      this.#failed(error);
    }
    if (devices.length === 0) return;
    this.#standIns.endFor(person);
    this.#postman.wake(person);
  }

  /** Whether a request is a deferred message that this function is bringing. */
  isOwn(request: SipRequest): boolean {
    return this.#postman.isOwn(request.callId);
  }

  /**
   * Takes over the final answer to a request for `person`: true when it was kept and its sender has been answered. `offer` is the media of an
   * INVITE. Null when nothing of this request could wait.
   */
  keeperOf(
    transaction: ServerTransaction,
    person: string,
    offer: MsrpDescription | null,
  ): { onProvisional(status: number): void; takes(response: SipResponse): boolean } | null {
    const { request } = transaction;
    const sender = assertedIdentity(request)?.address ?? null;
    // LAB: what a person sends to their own devices (a test, a sign-out) is for devices that are on.
    if (sender === null || sender === person || this.isOwn(request)) return null;
    const isInvite = request.method === 'INVITE';
    if (isInvite ? offer === null || !isOneToOne(request) : request.method !== 'MESSAGE') return null;
    let hasRung = false;
    return {
      // A device that rings has the text in the INVITE; whether it answers is its person's decision.
      onProvisional: (status) => {
        hasRung ||= status > 100;
      },
      takes: (response) => {
        if (hasRung || !this.#isAway(response.status, request, person)) return false;
        return isInvite && offer !== null ? this.#standIn(transaction, person, sender, offer) : this.#keepMessage(transaction, person);
      },
    };
  }

  /**
   * Takes a large message itself that is for several devices: an INVITE ends at the first that accepts, and the message is for all of them. True: its
   * sender is answered, and each device gets it by itself, those that are off when they come.
   */
  takesForAll(transaction: ServerTransaction, person: string, offer: MsrpDescription | null): boolean {
    const { request } = transaction;
    const sender = assertedIdentity(request)?.address ?? null;
    if (offer === null || !isLargeMessage(request) || !isOneToOne(request) || this.isOwn(request)) return false;
    if (sender === null || sender === person || deviceAsked(request) !== null || isTemporary(request.uri)) return false;
    if (this.#deps.devicesOf(person).length < 2 || !this.#standIns.hasRoomFor(sender)) return false;
    return this.#standIn(transaction, person, sender, offer);
  }

  /** Decides on a receipt that `person` sends; null when it is about no deferred message. It may send the request to the sender's device. */
  receipt(person: string, request: SipRequest): ReceiptWay | null {
    const imdn = receiptIn(request);
    if (imdn === null) return null;
    const isHidden = isTemporary(request.uri);
    const report = this.#queue.report(person, imdn.messageId, isHidden ? null : addressKey(request.uri));
    if (report === null) return null;
    const isDelivery = imdn.kind === 'delivery' && imdn.status === 'delivered';
    const key = `${person} ${imdn.messageId} ${report.sender}`;
    // Where two devices report at once, the second report is held back: should the first one's be refused, that device tells it again.
    if (isDelivery && (report.isDelivered || this.#deliveriesUnderWay.has(key))) return { kind: 'swallow' };
    if (isDelivery) this.#deliveriesUnderWay.add(key);
    if (!isHidden && publicGruu(request.uri) === null && !namesDevice(request)) {
      if (report.gruu !== null) request.uri = report.gruu;
      else if (report.instance !== null) request.append('Accept-Contact', `*;${INSTANCE_PARAM}="<${report.instance}>"`);
    }
    const { messageId } = imdn;
    return {
      kind: 'pass',
      onAnswered: (status) => {
        this.#deliveriesUnderWay.delete(key);
        if (isDelivery && status < 300) this.#try(() => this.#queue.delivered(person, messageId, report.sender));
      },
    };
  }

  /** Takes a request of a session of this function's own; false when it belongs to none. */
  inDialog(transaction: ServerTransaction, request: SipRequest): boolean {
    return this.#standIns.takes(transaction, request) || this.#large.takes(transaction, request);
  }

  close(): void {
    this.#sweeping?.timer.dispose();
    this.#postman.close();
    this.#large.close();
    this.#standIns.close();
    this.#queue.close();
  }

  /** A GRUU of a device that the core has forgotten, as after its restart, is answered 404. */
  #isAway(status: number, request: SipRequest, person: string): boolean {
    const gruu = publicGruu(request.uri);
    return AWAY.has(status) || (status === 404 && gruu !== null && this.#queue.remembers(person, gruu));
  }

  #keepMessage(transaction: ServerTransaction, person: string): boolean {
    const letter = letterOfMessage(transaction.request, person, this.#deps.server.clock.now());
    if (letter === null) return false;
    const refusal = this.#keep(letter);
    if (refusal !== null) this.#refuse(transaction, refusal);
    else {
      transaction.reply(202);
      this.#postman.notice(person);
    }
    return true;
  }

  #standIn(transaction: ServerTransaction, person: string, sender: string, offer: MsrpDescription): boolean {
    const { server } = this.#deps;
    const { request } = transaction;
    const first = letterOfInvite(request, person, server.clock.now());
    const refusal = this.#standIns.hasRoomFor(sender) ? first && this.#keep(first) : FULL;
    if (refusal !== null) {
      this.#refuse(transaction, refusal);
      return true;
    }
    const onMessage = (content: { contentType: string; body: Uint8Array }): Verdict => {
      const letter = letterOfSession(request, person, content, server.clock.now());
      // A composing state is for the moment: nobody is there to read it.
      if (letter === null) return { status: 200, reason: 'OK' };
      if (this.#keep(letter) !== null) return { status: 413, reason: 'No Room To Keep It' };
      this.#postman.notice(person);
      return { status: 200, reason: 'OK' };
    };
    this.#standIns.accept({ transaction, offer, person, sender, isForOneMessage: isLargeMessage(request), onMessage });
    this.#postman.notice(person);
    return true;
  }

  /** Null when the letter is on disk. What cannot be written is refused as if there were no room: its sender must know. */
  #keep(letter: Letter): Refusal | null {
    if (letter.body.length > MAX_LETTER_BYTES) return TOO_LARGE;
    try {
      if (this.#queue.keep(letter) === 'full') return FULL;
    } catch (error) {
      this.#failed(error);
      return FULL;
    }
    this.#sweepAt(letter.expiresAt);
    return null;
  }

  #refuse(transaction: ServerTransaction, { status, code, warning }: Refusal): void {
    transaction.reply(status, { headers: [['Warning', `${code} ${this.#deps.host} "${warning}"`]] });
  }

  #sweep(): void {
    const { clock } = this.#deps.server;
    this.#sweeping = null;
    const told = this.#try(() => this.#queue.expire());
    for (const person of told ?? []) this.#postman.notice(person);
    const next = told === null ? clock.now() + SWEEP_AGAIN_MS : this.#try(() => this.#queue.nextExpiry);
    this.#sweepAt(next ?? Number.POSITIVE_INFINITY);
  }

  #sweepAt(wanted: number): void {
    const { clock } = this.#deps.server;
    const at = Math.max(clock.now(), Math.min(wanted, clock.now() + SWEEP_MS));
    if (this.#sweeping !== null && this.#sweeping.at <= at) return;
    this.#sweeping?.timer.dispose();
    this.#sweeping = { at, timer: clock.setTimer(at - clock.now(), () => this.#sweep()) };
  }

  #try<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  #failed(error: unknown): void {
    this.#deps.log?.('error', 'the store of deferred messages failed', { error: String(error) });
  }
}

/** Whether a request names the device that it is for. */
function namesDevice(request: SipRequest): boolean {
  return request.all('accept-contact').some((value) => {
    const preference = parseNameAddr(value);
    return preference.ok && preference.value.params.has(INSTANCE_PARAM);
  });
}
