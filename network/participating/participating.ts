/**
 * The CPM Participating Function. The SIP/IP core puts it into the path of every CPM request: once for the sender (originating) and once
 * for each receiver (terminating). It decides whether a request goes on at all (R46, R56) and returns it to the core, along the Route that
 * the core has left for that (3GPP TS 24.229 ISC).
 *
 *   core --Route: <pf>, <core;odi=..>; P-Served-User: <user>;sescase=orig|term--> PF --Route: <core;odi=..>--> core
 *
 * It is a Record-Routing proxy as long as it has nothing to change. Where policy or privacy ask for it, it acts as a back-to-back agent for
 * the bodies and for headers that identify a person: it anchors the media at its relay (`anchor.ts`) and makes senders anonymous
 * (`privacy.ts`). Its Record-Route says which of the two ends it serves, so that later requests of the dialog are treated the same way:
 *
 *   sc=orig|term  the case    ct=TAG  the caller's tag    h  the served user is anonymous    m=TOKEN  the media is anchored
 */
import { parseMultipart } from '../../protocol/multipart';
import { addressKey, parseNameAddr, parseUri } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import { MediaRelay, type MediaRelayOptions } from '../msrp/relay';
import { assertedIdentity } from '../sip/asserted-identity';
import { paramOf, uriOf } from '../sip/header-value';
import type { SipMessage, SipRequest } from '../sip/message';
import { addressTarget, forward, nextHop, prepareForward } from '../sip/proxy';
import { newToken, type SipServer, type Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { MediaAnchor, type Side } from './anchor';
import { sdpOf } from './anchored-sdp';
import { foreignDevice, NOT_REGISTERED } from './device-check';
import { needsInterworking } from './outside-address';
import { ANONYMITY_DISALLOWED, Policy, type SessionCase } from './policy';
import { asksToHide, hideSender, isTemporaryGruu, stripHardware } from './privacy';
import { Recording } from './recording';
import { RegistrationWatch } from './registration-watch';

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
  log?: NetworkLog;
}

/** What this function does for one end of a dialog. */
interface Passage {
  sescase: SessionCase;
  /** Tag of the side that began the dialog. */
  callerTag: string;
  /** The served user is anonymous to the other side. */
  hides: boolean;
  /** Key of the anchored media. */
  media: string | null;
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

export type StartOptions = Omit<ParticipatingOptions, 'media'> &
  Pick<MediaRelayOptions, 'ca' | 'tap'> & {
    /** The address that the media relay listens on. */
    mediaHost: string;
  };

/** Starts the function and its media relay on a server. Rejects when the relay cannot listen. */
export async function startParticipating({ mediaHost, ca, tap, ...options }: StartOptions): Promise<Participating> {
  const { log, server } = options;
  const media = new MediaRelay({ host: mediaHost, ...(ca && { ca }), ...(tap && { tap }), ...(log && { log }) });
  await media.listen();
  const participating = new ParticipatingFunction({ ...options, media });
  const close = async () => {
    participating.close();
    await media.close();
  };
  return { uri: server.uri, function: participating, close };
}

export class ParticipatingFunction {
  readonly policy: Policy;
  /** The registered devices that it knows of. */
  readonly registrations: RegistrationWatch;
  readonly #options: ParticipatingOptions;
  readonly #anchors = new Map<string, MediaAnchor>();

  constructor(options: ParticipatingOptions) {
    this.#options = options;
    this.policy = options.policy ?? new Policy();
    const { server, core, host, log } = options;
    this.registrations = new RegistrationWatch({ server, core, identity: `sip:${host}`, ...(log && { log }) });
    options.server.onRequest = (transaction) => this.#receive(transaction);
    options.server.onAck = (ack) => this.#acknowledge(ack);
  }

  /** Sessions whose media runs through the relay. */
  get anchoredCount(): number {
    return this.#anchors.size;
  }

  close(): void {
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
    else
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
    const refusal = served.sescase === 'orig' ? this.#originating(served.address, request) : this.#terminating(served.address, request);
    if (refusal !== null) {
      this.#refuse(transaction, refusal);
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
    const anchored = request.method === 'INVITE' ? this.#anchor(served.address, request, passage) : null;
    if (anchored !== null) this.#refuse(transaction, anchored);
    else this.#send(transaction, request, this.#target(request), [passage]);
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
    const asksForGroup = request.all('accept-contact').some((value) => /cpm\.session\.group/i.test(value));
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
  #send(transaction: ServerTransaction, request: SipRequest, target: Target, passages: readonly Passage[]): void {
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
    forward(this.#options.server, transaction, request, [{ target }], {
      recordRoute: this.#recordRoute(first),
      onResponse: (response) => {
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
      },
    });
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

  #recordRoute(passage: Passage | undefined): string {
    const { uri } = this.#options.server;
    if (passage === undefined) return `<${uri};lr>`;
    const marks = [
      `sc=${passage.sescase}`,
      ...(/^[A-Za-z0-9._~-]{1,64}$/.test(passage.callerTag) ? [`ct=${passage.callerTag}`] : []),
      ...(passage.hides ? ['h'] : []),
      ...(passage.media === null ? [] : [`m=${passage.media}`]),
    ];
    return `<${uri};lr;${marks.join(';')}>`;
  }

  #acknowledge(ack: SipRequest): void {
    const prepared = prepareForward(this.#options.server, ack);
    if (!prepared.ok) return;
    const { request, own } = prepared;
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

/** P-Served-User (RFC 5502). */
function servedUser(request: SipRequest): { address: string; sescase: SessionCase; isRegistered: boolean } | null {
  const value = request.get('p-served-user');
  const sescase = paramOf(value, 'sescase')?.toLowerCase();
  if (value === null || (sescase !== 'orig' && sescase !== 'term')) return null;
  const address = addressKey(uriOf(value));
  return address === null ? null : { address, sescase, isRegistered: paramOf(value, 'regstate')?.toLowerCase() === 'reg' };
}

/** Reads this function's own Record-Route, when it comes back as Route. */
function readPassage(routeUri: string): Passage | null {
  const uri = parseUri(routeUri);
  if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return null;
  const { params } = uri.value;
  const sescase = params.get('sc');
  if (sescase !== 'orig' && sescase !== 'term') return null;
  return { sescase, callerTag: params.get('ct') ?? '', hides: params.has('h'), media: params.get('m') ?? null };
}

/** The side that sent a request of a dialog. */
function sideOf(request: SipRequest, passages: readonly Passage[]): Side {
  const callerTag = passages[0]?.callerTag ?? '';
  return request.toTag === null || callerTag === '' || request.fromTag === callerTag ? 'caller' : 'called';
}

function servedSide(sescase: SessionCase): Side {
  return sescase === 'orig' ? 'caller' : 'called';
}

function otherSide(side: Side): Side {
  return side === 'caller' ? 'called' : 'caller';
}

function withoutBody(message: SipMessage): void {
  message.body = new Uint8Array(0);
  message.remove('Content-Type');
}
