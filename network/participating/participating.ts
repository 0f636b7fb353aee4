/**
 * The CPM Participating Function. The SIP/IP core puts it into the path of every request that begins something: once for the sender (originating) and once
 * for each receiver (terminating). It decides whether a request goes on at all (R46, R56) and returns it to the core, along the Route that
 * the core has left for that (3GPP TS 24.229 ISC).
 *
 *   core --Route: <pf>, <core;odi=..>; P-Served-User: <user>;sescase=orig|term--> PF --Route: <core;odi=..>--> core
 *
 * It is a Record-Routing proxy as long as it has nothing to change. Where policy or privacy ask for it, it acts as a back-to-back agent for
 * the bodies and for headers that identify a person: it anchors the media at its relay (`anchor.ts`) and makes senders anonymous
 * (`privacy.ts`). Its Record-Route says which of the two ends it serves (`passage.ts`), so that later requests of the dialog are treated the same
 * way. What no device of the called person takes is kept for later (`deferred/`).
 */
import { assertedService } from '../../protocol/asserted-service';
import { ICSI, wantedServices } from '../../protocol/feature-tags';
import { parseMultipart } from '../../protocol/multipart';
import type { MsrpDescription } from '../../protocol/sdp';
import { addressKey, parseNameAddr } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import { MediaRelay, type MediaRelayOptions } from '../msrp/relay';
import { MsrpSwitch } from '../msrp/switch';
import { assertedIdentity } from '../sip/asserted-identity';
import { hostPort, paramOf, uriOf } from '../sip/header-value';
import type { SipMessage, SipRequest, SipResponse } from '../sip/message';
import { addressTarget, forward, nextHop, prepareForward } from '../sip/proxy';
import { newToken, type SipServer, type Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { MediaAnchor, type Side } from './anchor';
import { sdpOf } from './anchored-sdp';
import { Deferred, type DeferredDeps, type ReceiptWay } from './deferred/deferred';
import { foreignDevice, NOT_REGISTERED } from './device-check';
import { needsInterworking } from './outside-address';
import { otherSide, type Passage, readPassage, recordRoute, servedSide, sideOf } from './passage';
import { ANONYMITY_DISALLOWED, Policy, type SessionCase } from './policy';
import { asksToHide, hideSender, isTemporaryGruu, stripBadReplyTo, stripHardware } from './privacy';
import { Recording } from './recording';
import { type RegisteredDevice, RegistrationWatch } from './registration-watch';

/** LAB: sessions whose media is anchored at a time; one more is refused with 503. */
const MAX_ANCHORED_SESSIONS = 5_000;

/** LAB: how long a request of an unknown device waits for news of it, milliseconds: a core may announce a device after its 200. */
export const NEWS_PATIENCE_MS = 1_000;

const CARRIED = 'The media relay carries MSRP over plain TCP alone';

export interface ParticipatingOptions {
  server: SipServer;
  /** Where requests go whose Route does not say it. */
  core: Target;
  /** Host in Warning headers. */
  host: string;
  policy?: Policy;
  /** Where requests for addresses outside of CPM go; refused when absent. */
  interworking?: Target;
  /**
   * Whether an address belongs to a user of this network; a telephone number that does not goes to the interworking function. When absent,
   * all do.
   */
  isUser?: (address: string) => boolean;
  /** The relay for media that policy or privacy want in the network; without it such sessions are refused. */
  media?: MediaRelay;
  /** Where messages for people who are away are kept; without it they are refused. */
  deferred?: Pick<DeferredDeps, 'file' | 'media'>;
  log?: NetworkLog;
}

interface Refusal {
  status: number;
  warning: string;
}

/** A Participating Function that runs, with the media relay that is its own. */
export interface Participating {
  /** Where the core reaches it. */
  readonly uri: string;
  readonly function: ParticipatingFunction;
  /** Ends function and relay; the SIP server stays: it belongs to whoever made it. */
  close(): Promise<void>;
}

export type StartOptions = Omit<ParticipatingOptions, 'media' | 'deferred'> &
  Pick<MediaRelayOptions, 'ca' | 'tap'> & {
    /** The address that the media relay listens on. */
    mediaHost: string;
    /** The file that keeps messages for people who are away over restarts; memory when absent. */
    stateFile?: string;
    /** False: nothing is kept for people who are away. */
    keepsMessages?: boolean;
  };

/** Starts the function and its media on a server. Rejects when the media cannot listen, or the state file cannot be used. */
export async function startParticipating(start: StartOptions): Promise<Participating> {
  const { mediaHost, ca, tap, stateFile, keepsMessages = true, ...options } = start;
  const { log, server } = options;
  const mediaOptions = { host: mediaHost, ...(ca && { ca }), ...(tap && { tap }), ...(log && { log }) };
  const media = new MediaRelay(mediaOptions);
  const mailbox = new MsrpSwitch(mediaOptions);
  const closeMedia = async () => {
    await Promise.all([media.close(), mailbox.close()]);
  };
  try {
    await Promise.all([media.listen(), mailbox.listen()]);
    const deferred = { file: stateFile ?? null, media: mailbox };
    const participating = new ParticipatingFunction({ ...options, media, ...(keepsMessages && { deferred }) });
    const close = async () => {
      participating.close();
      await closeMedia();
    };
    return { uri: server.uri, function: participating, close };
  } catch (error) {
    await closeMedia();
    throw error;
  }
}

export class ParticipatingFunction {
  readonly policy: Policy;
  /** The registered devices that it knows of. */
  readonly registrations: RegistrationWatch;
  readonly #options: ParticipatingOptions;
  readonly #anchors = new Map<string, MediaAnchor>();
  readonly #deferred: Deferred | null;

  constructor(options: ParticipatingOptions) {
    this.#options = options;
    this.policy = options.policy ?? new Policy();
    const { server, core, host, log } = options;
    const onDevices = (address: string, devices: readonly RegisteredDevice[]) => this.#deferred?.registered(address, devices);
    this.registrations = new RegistrationWatch({ server, core, identity: `sip:${host}`, onDevices, ...(log && { log }) });
    const devicesOf = (address: string) => this.registrations.devices(address) ?? [];
    this.#deferred = options.deferred === undefined ? null : new Deferred({ server, core, host, log, devicesOf, ...options.deferred });
    for (const person of this.#deferred?.people() ?? []) this.registrations.heardOf(person);
    options.server.onRequest = (transaction) => this.#receive(transaction);
    options.server.onAck = (ack) => this.#acknowledge(ack);
  }

  /** Sessions whose media runs through the relay. */
  get anchoredCount(): number {
    return this.#anchors.size;
  }

  /** Sessions that are held in place of people who are away. */
  get standInCount(): number {
    return this.#deferred?.standInCount ?? 0;
  }

  close(): void {
    this.#deferred?.close();
    this.registrations.close();
    for (const anchor of [...this.#anchors.values()]) anchor.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { server } = this.#options;
    const { method } = transaction.request;
    if (method === 'REGISTER') {
      this.registrations.registered(transaction);
      return;
    }
    if (method === 'NOTIFY' && this.registrations.notified(transaction)) return;
    const prepared = prepareForward(server, transaction.request);
    if (!prepared.ok) {
      transaction.respond(prepared.response);
      return;
    }
    const { request, own } = prepared;
    if (request.toTag === null) this.#initial(transaction, request);
    else if (this.#isForMe(request)) {
      if (this.#deferred?.inDialog(transaction, request) !== true) transaction.reply(481);
    } else
      this.#send(
        transaction,
        request,
        this.#target(request),
        own.flatMap((uri) => readPassage(uri) ?? []),
      );
  }

  #initial(transaction: ServerTransaction, request: SipRequest, isSecondLook = false): void {
    const served = servedUser(request);
    if (served === null) {
      // Only the core calls here, and it always names the served user.
      this.#refuse(transaction, { status: 403, warning: 'P-Served-User is missing' });
      return;
    }
    if (served.isRegistered) this.registrations.heardOf(served.address);
    if (served.sescase === 'orig' && !isSecondLook && foreignDevice(served.address, request, this.registrations) === NOT_REGISTERED) {
      this.registrations.afterNews(served.address, NEWS_PATIENCE_MS, () => this.#initial(transaction, request, true));
      return;
    }
    const refusal =
      this.#checkService(request) ??
      (served.sescase === 'orig' ? this.#originating(served.address, request) : this.#terminating(served.address, request));
    if (refusal !== null) {
      this.#refuse(transaction, refusal);
      return;
    }
    if (served.sescase === 'orig') stripBadReplyTo(request);
    const receipt = served.sescase === 'orig' ? (this.#deferred?.receipt(served.address, request) ?? null) : null;
    if (receipt?.kind === 'swallow') {
      transaction.reply(200);
      return;
    }
    const hides = served.sescase === 'orig' ? asksToHide(request) : isTemporaryGruu(request.uri);
    const passage: Passage = { sescase: served.sescase, callerTag: request.fromTag ?? '', hides, media: null };
    const { interworking, isUser = () => true } = this.#options;
    if (served.sescase === 'orig' && needsInterworking(request.uri, isUser)) {
      if (interworking === undefined) this.#refuse(transaction, { status: 416, warning: 'Interworking is not available' });
      else this.#send(transaction, request.remove('Route'), interworking, [passage]);
      return;
    }
    if (request.method === 'INVITE' && served.sescase === 'term' && this.#takesForAll(transaction, served.address)) return;
    const anchored = request.method === 'INVITE' ? this.#anchor(served.address, request, passage) : null;
    if (anchored !== null) this.#refuse(transaction, anchored);
    else this.#send(transaction, request, this.#target(request), [passage], { served, receipt });
  }

  /** R98: what the core asserts is what the request asks devices for, and a service that CPM knows unless policy lets others pass. */
  #checkService(request: SipRequest): Refusal | null {
    const asserted = request.all('p-asserted-service');
    const { contradicts, unknown } = assertedService(asserted, request.all('accept-contact'));
    if (contradicts) return { status: 403, warning: 'Another service is asked for than the network asserts' };
    if (unknown.length === 0) return null;
    if (this.policy.refusesUnknownServices) return { status: 403, warning: 'Not a service of this network' };
    this.#options.log?.('info', 'a service that is unknown here passes, by policy', { service: unknown.join(), callId: request.callId });
    return null;
  }

  /** The sender's side: whether the sender may send this, and from this device. */
  #originating(served: string, request: SipRequest): Refusal | null {
    const status = this.policy.decide(served, 'orig', request.uri);
    if (status !== null) return { status, warning: 'Not allowed by the policy of the sender' };
    const spoof = foreignDevice(served, request, this.registrations);
    return spoof === null ? null : { status: 403, warning: spoof };
  }

  /**
   * The receiver's side: whether the receiver accepts this sender. A group calls with its focus' address; the inviter stands in
   * Referred-By.
   */
  #terminating(served: string, request: SipRequest): Refusal | null {
    if (asksToHide(request) && this.policy.refusesAnonymous(served))
      return { status: ANONYMITY_DISALLOWED, warning: 'The recipient does not take what is sent anonymously' };
    // Inside the trust domain an anonymous sender is known (RFC 3325), so a block list holds for them too.
    const callers = [assertedIdentity(request)?.address ?? uriOf(request.get('from') ?? ''), uriOf(request.get('referred-by') ?? '')];
    for (const caller of callers) {
      const status = caller === '' ? null : this.policy.decide(served, 'term', caller);
      if (status !== null) return { status, warning: 'Not allowed by the policy of the recipient' };
    }
    return null;
  }

  /** Puts the media of a new session through the relay, where policy, the served user or anonymity ask for it. */
  #anchor(served: string, request: SipRequest, passage: Passage): Refusal | null {
    const { media: relay, server, log } = this.#options;
    // A group's media runs through the network anyway, and its focus knows everybody.
    if (this.#isGroup(request, passage.sescase)) return null;
    const decision = this.policy.media(served, passage.hides);
    if (decision.path === 'out') return null;
    if (this.#anchors.size >= MAX_ANCHORED_SESSIONS || relay === undefined)
      return decision.isRequired ? { status: 503, warning: 'The media relay has no room' } : null;
    const token = newToken();
    const anchor = this.#newAnchor(token, relay, served, request, passage);
    if (anchor.offer('caller', request)) {
      passage.media = token;
      return null;
    }
    anchor.close();
    log?.('info', 'an offer cannot be carried by the relay', { callId: request.callId, server: server.uri });
    // LAB: where the relay is only preferred, the media goes past it; where media must be hidden or recorded, the session is refused.
    return decision.isRequired ? { status: 488, warning: CARRIED } : null;
  }

  /**
   * Whether an INVITE belongs to a group: it comes from a focus, which no device can imitate, or goes to one or to the factory. A device's
   * request to another person is never a group, whatever it claims: it would go past the relay.
   */
  #isGroup(request: SipRequest, sescase: SessionCase): boolean {
    const contact = parseNameAddr(request.get('contact') ?? '');
    if (contact.ok && contact.value.params.has('isfocus')) return true;
    const asksForGroup = wantedServices(request.all('accept-contact')).includes(ICSI.group);
    return sescase === 'orig' && asksForGroup && !(this.#options.isUser?.(request.uri) ?? false);
  }

  #newAnchor(token: string, relay: MediaRelay, served: string, request: SipRequest, { hides, sescase }: Passage): MediaAnchor {
    const { record } = this.policy.media(served, hides);
    const recording = record && this.policy.recordTo !== null ? this.#record(this.policy.recordTo, served, request) : null;
    const anchor = new MediaAnchor({
      relay,
      hides: hides ? servedSide(sescase) : null,
      ...(recording === null ? {} : { onSend: (from, chunk) => recording.take(from, chunk) }),
      onClose: () => {
        this.#anchors.delete(token);
        recording?.end();
      },
    });
    this.#anchors.set(token, anchor);
    return anchor;
  }

  /**
   * A re-INVITE whose Record-Route says that its media was anchored here by an earlier process: anchors it again. It is refused when there
   * is no room, since media that must be hidden or recorded must not go past the relay.
   */
  #restoreAnchors(request: SipRequest, passages: readonly Passage[], sender: Side): boolean {
    const { media: relay } = this.#options;
    for (const passage of passages) {
      if (passage.media === null || this.#anchors.has(passage.media)) continue;
      if (relay === undefined || this.#anchors.size >= MAX_ANCHORED_SESSIONS) return false;
      const isServed = servedSide(passage.sescase) === sender;
      const served = isServed ? (assertedIdentity(request)?.address ?? uriOf(request.get('from') ?? '')) : uriOf(request.get('to') ?? '');
      this.#newAnchor(passage.media, relay, addressKey(served) ?? served, request, passage);
    }
    return true;
  }

  #record(folder: string, served: string, request: SipRequest): Recording {
    const { server, log = () => undefined } = this.#options;
    const caller = assertedIdentity(request)?.address ?? uriOf(request.get('from') ?? '');
    const recording = new Recording(
      folder,
      { callId: request.callId, served, caller, called: addressKey(request.uri) ?? request.uri },
      server.clock,
      log,
    );
    const parts = parseMultipart(request.get('content-type') ?? '', request.body);
    for (const part of parts.ok ? parts.value : [])
      if (/^message\/cpim/i.test(part.contentType)) recording.message('caller', part.contentType, part.body);
    return recording;
  }

  /** Forwards a request, changed for the other side, and returns its answers, changed for the asking side. */
  #send(transaction: ServerTransaction, request: SipRequest, target: Target, passages: readonly Passage[], more: Aside = {}): void {
    const sender = sideOf(request, passages);
    for (const passage of passages) this.#outward(request, passage, sender);
    const isOffer = request.method === 'INVITE';
    if (isOffer && request.toTag !== null && !this.#restoreAnchors(request, passages, sender)) {
      this.#refuse(transaction, { status: 503, warning: 'The media relay has no room' });
      return;
    }
    // LAB: offers and answers in other requests (RFC 3311, RFC 3262) would lead around the relay.
    if (!isOffer && request.method !== 'MESSAGE' && passages.some(({ media }) => media !== null) && sdpOf(request) !== null) {
      this.#refuse(transaction, { status: 488, warning: 'Media is changed by re-INVITE alone' });
      return;
    }
    const calledTag = sender === 'caller' ? request.toTag : request.fromTag;
    const anchors = this.#anchorsOf(passages).filter((anchor) => request.toTag === null || anchor.isOf(calledTag));
    if (isOffer && request.toTag !== null && !anchors.every((anchor) => anchor.offer(sender, request))) {
      for (const anchor of anchors) anchor.refused();
      this.#refuse(transaction, { status: 488, warning: CARRIED });
      return;
    }
    const vias = transaction.request.all('via');
    const [first] = passages;
    const keeper = more.served?.sescase === 'term' ? this.#keeperOf(transaction, more.served.address) : null;
    const instead = (response: SipResponse) => {
      const isKept = keeper?.takes(response) === true;
      if (isKept) for (const anchor of anchors) anchor.refused();
      return isKept;
    };
    forward(this.#options.server, transaction, request, [{ target }], {
      recordRoute: recordRoute(this.#options.server.uri, first),
      instead,
      onResponse: (response) => {
        if (response.status < 200) keeper?.onProvisional(response.status);
        // The Vias would identify an anonymous sender; the answer still goes back along them.
        response.set('Via', vias);
        for (const passage of [...passages].reverse()) this.#outward(response, passage, otherSide(sender));
        if (!isOffer || anchors.length === 0 || response.status >= 300) return;
        // An early answer would lead around the relay; the 2xx repeats it (RFC 3261 section 13.2.1).
        if (response.status < 200) withoutBody(response);
        else for (const anchor of [...anchors].reverse()) anchor.answer(response);
      },
      onAnswered: (response) => {
        if (isOffer && response.status >= 300) for (const anchor of anchors) anchor.refused();
        if (request.method === 'BYE') for (const anchor of anchors) anchor.close();
        if (more.receipt?.kind === 'pass') more.receipt.onAnswered(response.status);
      },
    });
  }

  /** Who keeps a request that no device of `person` takes; null when it cannot wait. The offer is the caller's own, before any relay of ours. */
  #keeperOf(transaction: ServerTransaction, person: string) {
    if (this.#isGroup(transaction.request, 'term')) return null;
    return this.#deferred?.keeperOf(transaction, person, offerOf(transaction.request)) ?? null;
  }

  #takesForAll(transaction: ServerTransaction, person: string): boolean {
    // What policy wants recorded goes through the relay, to one device.
    if (this.#isGroup(transaction.request, 'term') || this.policy.media(person, false).record) return false;
    return this.#deferred?.takesForAll(transaction, person, offerOf(transaction.request)) ?? false;
  }

  /** Whether a request has come to its end here: this function is its last hop. */
  #isForMe(request: SipRequest): boolean {
    const place = hostPort(nextHop(request));
    return place !== null && this.#options.server.isOwn(place.host, place.port);
  }

  /** Removes what a message of `sender` loses on leaving the sender's own network, which is here when the sender is the served user. */
  #outward(message: SipMessage, passage: Passage, sender: Side): void {
    if (sender !== servedSide(passage.sescase)) return;
    if (passage.hides) {
      hideSender(message);
      if (message.kind === 'request') message.remove('Via');
    } else if (stripHardware(message)) {
      this.#options.log?.('warn', 'a hardware identity leaves the network: there is no GRUU to stand for it', { callId: message.callId });
    }
  }

  #anchorsOf(passages: readonly Passage[]): MediaAnchor[] {
    return passages.flatMap(({ media }) => (media === null ? [] : (this.#anchors.get(media) ?? [])));
  }

  #acknowledge(ack: SipRequest): void {
    const prepared = prepareForward(this.#options.server, ack);
    if (!prepared.ok) return;
    const { request, own } = prepared;
    if (this.#isForMe(request)) return;
    const passages = own.flatMap((uri) => readPassage(uri) ?? []);
    for (const passage of passages) this.#outward(request, passage, sideOf(request, passages));
    this.#options.server.sendAck(request, this.#target(request));
  }

  #target(request: SipRequest): Target {
    return addressTarget(nextHop(request)) ?? this.#options.core;
  }

  #refuse(transaction: ServerTransaction, { status, warning }: Refusal): void {
    transaction.reply(status, { headers: [['Warning', `399 ${this.#options.host} "${warning}"`]] });
  }
}

interface ServedUser {
  address: string;
  sescase: SessionCase;
  isRegistered: boolean;
}

/** What an initial request brings along beside its passage. */
interface Aside {
  served?: ServedUser;
  receipt?: ReceiptWay | null;
}

/** P-Served-User (RFC 5502). */
function servedUser(request: SipRequest): ServedUser | null {
  const value = request.get('p-served-user');
  const sescase = paramOf(value, 'sescase')?.toLowerCase();
  if (value === null || (sescase !== 'orig' && sescase !== 'term')) return null;
  const address = addressKey(uriOf(value));
  return address === null ? null : { address, sescase, isRegistered: paramOf(value, 'regstate')?.toLowerCase() === 'reg' };
}

/** The media that an INVITE offers; null where it offers none that can be read. */
function offerOf(request: SipRequest): MsrpDescription | null {
  const offer = request.method === 'INVITE' ? sdpOf(request) : null;
  return offer === null || offer === 'unreadable' ? null : offer.description;
}

function withoutBody(message: SipMessage): void {
  message.body = new Uint8Array(0);
  message.remove('Content-Type');
}
