/**
 * The legs of a focus: each is one SIP dialog and one MSRP session with one device.
 *
 *   dialling --2xx--> in dialog --media--> carrying <--lost, a re-INVITE brings it back--> without media
 *       \_________________\____________________\_______________________________________________\---> released
 */
import { waysOf } from '../../protocol/accepted-types';
import { cpmHeader } from '../../protocol/cpm-headers';
import { sameInstance } from '../../protocol/instance-urn';
import { CLEAR_CAPABILITY, encodeSdp, type MsrpDescription, receives } from '../../protocol/sdp';
import type { CompleteMessage } from '../msrp/assembly';
import { describeSession, type MsrpSwitch, type SwitchSession, type Verdict } from '../msrp/switch';
import { Dialog, dialogIdOf, type Resolve } from '../sip/dialog';
import type { SipMessage, SipRequest, SipResponse } from '../sip/message';
import { readTimer } from '../sip/session-timer';
import { newToken, type SipServer } from '../sip/sip-server';
import type { ClientTransaction, ServerTransaction } from '../sip/transaction';
import type { Group } from './group';
import { deviceOf } from './invitation';
import type { DisconnectionMethod } from './participant';
import type { PostLeg } from './post';
import type { Takes } from './shaping';
import type { GroupContent } from './store';

/** LAB: how long a leg may stand without media; a re-INVITE may bring it back until then. */
export const MEDIA_RETURN_MS = 5_000;

/** The methods that a focus accepts inside a dialog. */
export const ALLOW = 'INVITE, ACK, CANCEL, BYE, REFER, SUBSCRIBE, UPDATE, OPTIONS';
const NOT_RENEWED = 'SIP;cause=408;text="Session not renewed"';
export const MEDIA_LOST = 'SIP;cause=503;text="Media connection lost"';
const COMPLETED = 'SIP;cause=200;text="Call completed"';

/** What a leg waits for: the answer to its INVITE, its renewal (RFC 4028), or lost media. */
type Wait = 'answer' | 'renewal' | 'media';

export interface LegsDeps {
  server: SipServer;
  switch: MsrpSwitch;
  resolve: Resolve;
  group: Group;
  /** The focus' own Contact value. */
  contact: string;
  /** A message from the device; returns its MSRP answer. */
  onMessage(leg: Leg, message: CompleteMessage): Verdict;
  /** The nickname that the person asks for; returns the MSRP answer. */
  onNickname(leg: Leg, nickname: string): Verdict;
  /** The leg has media, for the first time or again. */
  onMedia(leg: Leg): void;
  /** The leg is dead; its owner must release it. `reason` is for its BYE. */
  onDead(leg: Leg, how: DisconnectionMethod, reason: string): void;
}

export class Leg implements PostLeg {
  dialog: Dialog | null = null;
  /** Our INVITE while it has no final answer. */
  invite: ClientTransaction | null = null;
  media: SwitchSession;
  readonly inFlight = new Map<number, GroupContent>();
  #remotePath = '';
  /** Before its SDP is known, nothing is known of what it refuses. */
  takes: Takes = { acceptTypes: [], wrappedTypes: [] };
  /** The o= line of our SDP; strict parsers want digits in its sess-id. */
  readonly #origin = { sessionId: String(Number.parseInt(newToken(6), 16)), version: 1 };
  /** What the device has said last. */
  #remote: MsrpDescription | null = null;
  /** The last answer of this side. */
  #described: string | null = null;
  readonly #waits = new Map<Wait, { dispose(): void }>();

  constructor(
    readonly id: string,
    readonly address: string,
    /** Request-URI of its invitation: a GRUU when it is for one device. */
    readonly target: string,
    /** The instance of its device, where the invitation or the Contact names one. */
    public instanceId: string | null,
    private readonly deps: LegsDeps,
    private readonly isReleased: (leg: Leg) => boolean,
  ) {
    this.media = this.#newMedia(deps.group.facts.isSecure === true);
  }

  get isLost(): boolean {
    return this.#waits.has('media');
  }

  /** Its media is negotiated. */
  get hasMedia(): boolean {
    return this.#remotePath !== '';
  }

  get isConfirmed(): boolean {
    return this.dialog?.state === 'confirmed';
  }

  /** The offer in our INVITE. */
  get offer(): MsrpDescription {
    const offer = describeSession(this.media, 'actpass', this.#origin);
    return this.mayGoInClear ? { ...offer, attributes: [...offer.attributes, CLEAR_CAPABILITY] } : offer;
  }

  /** Whether a device that refuses TLS may be asked again without. */
  get mayGoInClear(): boolean {
    return this.media.isSecure && this.deps.group.facts.takesClear === true;
  }

  /** From now on the leg offers media without TLS. */
  goInClear(): void {
    this.#renewMedia(false);
    this.#origin.version += 1;
  }

  waitFor(what: Wait, ms: number, onTooLate: () => void): void {
    this.stopWaiting(what);
    const { clock } = this.deps.server;
    this.#waits.set(what, clock.setTimer(ms, onTooLate));
  }

  stopWaiting(...what: Wait[]): void {
    for (const one of what) {
      this.#waits.get(one)?.dispose();
      this.#waits.delete(one);
    }
  }

  /** What the device says of itself in its Contact. */
  describe(message: SipMessage): void {
    const device = deviceOf(message.get('contact'));
    if (device === null) return;
    this.instanceId = device.instanceId ?? this.instanceId;
    this.deps.group.describe(this.id, device.entity, device.deviceName);
  }

  /** Answers 200 with the answer to the offer. LAB: the focus waits for the connection wherever the offer allows it. */
  accept(transaction: ServerTransaction, offer: MsrpDescription): void {
    const { facts, subject } = this.deps.group;
    const response = this.dialog?.response(transaction, 200);
    if (response === undefined) return;
    // A device that connects itself says so, and is answered accordingly.
    if (this.media.isSecure !== isOverTls(offer)) this.#renewMedia(isOverTls(offer));
    response
      .append('Allow', ALLOW)
      .append(cpmHeader.conversationId, facts.conversationId)
      .append(cpmHeader.contributionId, facts.contributionId);
    if (subject !== null && transaction.request.toTag === null) response.append('Subject', subject);
    this.#time(transaction.request, response);
    const role = offer.setup === 'active' || offer.setup === 'actpass' ? 'passive' : 'active';
    response.setBody('application/sdp', this.#answerTo(offer, role));
    transaction.respond(response);
    this.startMedia(offer, role);
  }

  /** Only a description that is another one has another version (RFC 3264 section 8). */
  #answerTo(offer: MsrpDescription, role: 'active' | 'passive'): string {
    const encoded = () => encodeSdp(describeSession(this.media, role, this.#origin, offer));
    const before = this.#described ?? (this.invite === null ? null : encodeSdp(this.offer));
    if (before !== null && before !== encoded()) this.#origin.version += 1;
    this.#described = encoded();
    return this.#described;
  }

  /** Answers a re-INVITE or UPDATE. A new path gets a new MSRP session; otherwise the answer is the same as before. */
  refresh(transaction: ServerTransaction, offer: MsrpDescription): void {
    if (offer.path.join(' ') !== this.#remotePath) this.#renewMedia(isOverTls(offer));
    this.accept(transaction, offer);
  }

  /** Answers an UPDATE without an offer, which only renews the session; a re-INVITE without one is refused. */
  renew(transaction: ServerTransaction): void {
    const response = this.dialog?.response(transaction, transaction.request.method === 'UPDATE' ? 200 : 488);
    if (response === undefined) return;
    if (response.status === 200) this.#time(transaction.request, response);
    transaction.respond(response);
  }

  startMedia(remote: MsrpDescription, role: 'active' | 'passive'): void {
    this.#remote = remote;
    this.media.heed(remote);
    this.takes = remote;
    const path = remote.path.join(' ');
    if (path === this.#remotePath) return;
    this.#remotePath = path;
    this.media.start(remote.path, role, remote);
    this.stopWaiting('media');
    this.deps.onMedia(this);
  }

  /** Whether content of a type, in an envelope, can reach the device now. */
  takesNow(type: string): boolean {
    return this.#remote === null || (receives(this.#remote) && waysOf(this.#remote, type).wrapped);
  }

  /** Releases everything; `bye` is the reason to give when the device must be told. */
  release(bye?: string): void {
    this.stopWaiting('answer', 'renewal', 'media');
    this.media.close();
    this.invite?.cancel();
    if (bye !== undefined && this.isConfirmed) this.dialog?.bye(bye);
  }

  /** Releases everything without a message: the network closes. */
  abandon(): void {
    this.stopWaiting('answer', 'renewal', 'media');
    this.dialog?.end();
    this.media.close();
  }

  /** Puts the session timer into a 2xx; the leg ends when it is not renewed in time. */
  #time(request: SipRequest, response: SipResponse): void {
    const timer = readTimer(request);
    this.stopWaiting('renewal');
    if (!timer.ok || timer.value === null) return;
    for (const [name, value] of timer.value.headers) response.append(name, value);
    this.waitFor('renewal', timer.value.endsAfterMs, () => this.deps.onDead(this, 'failed', NOT_RENEWED));
  }

  #renewMedia(isSecure: boolean): void {
    const old = this.media;
    this.media = this.#newMedia(isSecure);
    old.close();
  }

  #newMedia(isSecure: boolean): SwitchSession {
    const events = {
      onMessage: (message: CompleteMessage) => this.deps.onMessage(this, message),
      onNickname: (nickname: string) => this.deps.onNickname(this, nickname),
      onClose: (reason: string | null) => {
        if (reason !== null && this.media === session && !this.isReleased(this)) this.#mediaLost();
      },
    };
    const session: SwitchSession = this.deps.switch.prepare(events, { isSecure, person: this.address });
    return session;
  }

  /** A device cannot be reached over a dead connection: the dialog ends too, unless a re-INVITE brings new media in time. */
  #mediaLost(): void {
    this.waitFor('media', MEDIA_RETURN_MS, () => this.deps.onDead(this, 'failed', MEDIA_LOST));
  }
}

export function isOverTls({ transport }: MsrpDescription): boolean {
  return transport === 'TCP/TLS/MSRP';
}

/** Every leg of one focus. */
export class Legs {
  readonly #legs = new Map<string, Leg>();
  readonly #byAddress = new Map<string, Set<Leg>>();
  readonly #byDialog = new Map<string, Leg>();
  #next = 1;

  constructor(private readonly deps: LegsDeps) {}

  get size(): number {
    return this.#legs.size;
  }

  /** A copy, since legs may be released during a walk over it. */
  all(): Leg[] {
    return [...this.#legs.values()];
  }

  find(id: string): Leg | null {
    return this.#legs.get(id) ?? null;
  }

  has(leg: Leg): boolean {
    return this.#legs.has(leg.id);
  }

  of(address: string): Leg[] {
    return [...(this.#byAddress.get(address) ?? [])];
  }

  /** The leg to whose dialog the request belongs. */
  inDialog(request: SipRequest): Leg | null {
    return this.#byDialog.get(dialogIdOf(request)) ?? null;
  }

  /** The leg has got its dialog. */
  bind(leg: Leg, dialog: Dialog): void {
    leg.dialog = dialog;
    this.#byDialog.set(dialog.id, leg);
  }

  /** Makes a leg towards a person. */
  open(
    address: string,
    how: { dialedIn: boolean; name: string | null; administrator?: boolean; target?: string; instanceId?: string | null },
  ): Leg {
    const leg = new Leg(String(this.#next++), address, how.target ?? address, how.instanceId ?? null, this.deps, (one) => !this.has(one));
    this.#legs.set(leg.id, leg);
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? new Set()).add(leg));
    this.deps.group.add(leg.id, address, how);
    return leg;
  }

  /** Makes a leg for a device that calls the focus. */
  take(transaction: ServerTransaction, person: { address: string; name: string | null }, administrator = false): Leg {
    const leg = this.open(person.address, { dialedIn: true, name: person.name, administrator });
    this.bind(leg, Dialog.ofReceived(this.deps.server, transaction, this.deps.contact, this.deps.resolve));
    leg.describe(transaction.request);
    return leg;
  }

  /** A device that comes again replaces its former leg: the new one is taken before the old one is released. */
  supersede(leg: Leg): void {
    const { group } = this.deps;
    const entity = group.endpoint(leg.id)?.entity;
    for (const other of this.of(leg.address)) {
      // Without a GRUU a device that comes over another connection has another Contact, and the same instance.
      const isSame = other.dialog !== null && isInstance(other.instanceId, leg.instanceId);
      if (other === leg || (!isSame && group.endpoint(other.id)?.entity !== entity)) continue;
      group.drop(other.id);
      this.release(other, COMPLETED);
    }
  }

  release(leg: Leg, bye?: string): void {
    this.#legs.delete(leg.id);
    const others = this.#byAddress.get(leg.address);
    others?.delete(leg);
    if (others?.size === 0) this.#byAddress.delete(leg.address);
    if (leg.dialog !== null) this.#byDialog.delete(leg.dialog.id);
    leg.release(bye);
  }

  abandon(): void {
    for (const leg of this.#legs.values()) leg.abandon();
    for (const map of [this.#legs, this.#byAddress, this.#byDialog]) map.clear();
  }
}

function isInstance(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && sameInstance(one, other);
}
