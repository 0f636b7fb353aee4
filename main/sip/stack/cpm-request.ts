/** What every CPM request carries besides plain SIP: who asks, from which device, for which service, in which conversation. */
import { cpmHeader } from '../../../protocol/cpm-headers';
import {
  acceptContact,
  ICSI,
  ICSI_PARAM,
  INSTANCE_PARAM,
  icsiValue,
  isCpmService,
  parseIcsi,
  wantedServices,
} from '../../../protocol/feature-tags';
import { parseInstance } from '../../../protocol/instance-urn';
import { shownName } from '../../../protocol/shown-name';
import { addressKey, correspondentKey, formatNameAddr, formatUri, type NameAddr, parseNameAddr, parseUri } from '../../../protocol/uri';
import type { WireMessage } from '../wire/wire-message';

export interface CpmHeaders {
  conversationId: string | null;
  contributionId: string | null;
  inReplyTo: string | null;
  sessionReplaces: string | null;
  subject: string | null;
  /** The own address that was called, where the network tells it (P-Called-Party-ID, RFC 7315 section 4.2). */
  calledAs: string | null;
  /** Where the sender asks for answers (RFC 3261 section 20.31), an address; LAB: the Reply-to Indication of OMA CPM. */
  replyTo?: string;
  /** Address of the person who had this request sent (RFC 3892). */
  referredBy: string | null;
}

export interface RemoteParty {
  /** `correspondentKey` of P-Asserted-Identity, else of From. */
  address: string;
  /** True when the network vouches for the address (RFC 3325); a From alone anybody may write. */
  asserted: boolean;
  /** The further addresses that the network asserts for the sender, a TEL one beside a SIP one; absent where there is none. */
  alsoAsserted?: readonly string[];
  displayName: string | null;
  /** A name that the network gives the sender. Absent where it has only repeated what the sender calls themselves, or says nothing. */
  assertedName?: string;
  /** What the Contact says of itself; null where it says nothing, as from behind a network that keeps hardware names to itself. */
  instanceId: string | null;
  /** LAB: the display name of the Contact. */
  deviceName: string | null;
  gruu: string | null;
  contactUri: string;
  isFocus: boolean;
  /** A session with somebody who knows MSRP (RFC 4975) and nothing of CPM, as far as they have said. */
  lacksCpm?: true;
  /** What a focus says of its group, which may be another than was asked by: whoever calls a group's address does not know it. */
  group?: { contributionId: string | null; conversationId: string | null; subject: string | null };
}

export interface CpmRequest {
  target: string;
  icsi: string;
  conversationId: string;
  contributionId: string;
  inReplyTo?: string;
  subject?: string;
  /** Only this device of the other person shall receive the request. */
  acceptContactInstance?: string;
  /** Where answers shall go instead of to the sender: an address. */
  replyTo?: string;
  /** The one who asks stays unknown to the other side (RFC 3323, RFC 3325, R44). */
  anonymous?: boolean;
  /** Which of one's own addresses asks: one that the registrar has named (R33). The network's default one when absent. */
  identity?: string;
  /** The name that the other side sees instead of the account's (R97). The device's name is left out then: it often holds the person's. */
  pseudonym?: string;
}

/** A request outside of CPM, to one device of the own address: no function of the network takes part. */
export interface PlainRequest {
  target: string;
  icsi: null;
  acceptContactInstance?: string;
  identity?: string;
}

/** The headers of an outgoing request outside of CPM; `identity` is the address that asks. */
export function plainRequestHeaders({ acceptContactInstance }: PlainRequest, identity: string): [string, string][] {
  const device: [string, string][] =
    acceptContactInstance === undefined ? [] : [['Accept-Contact', acceptContact({ instanceId: acceptContactInstance })]];
  return [...device, ['P-Preferred-Identity', `<${identity}>`]];
}

/** The headers of an outgoing CPM request; `identity` is the address that asks. */
export function cpmRequestHeaders(request: CpmRequest, identity: string): [string, string][] {
  // LAB: a device that does not know Large Message Mode would take the invitation for a chat, and the empty envelope in it for the text.
  const require = request.icsi === ICSI.largemsg;
  const headers: [string, string][] = [['Accept-Contact', acceptContact({ icsis: [request.icsi], require })]];
  if (request.acceptContactInstance !== undefined) {
    headers.push(['Accept-Contact', acceptContact({ instanceId: request.acceptContactInstance })]);
  }
  headers.push(['P-Preferred-Service', request.icsi], ['P-Preferred-Identity', `<${identity}>`]);
  // RFC 3325: the own network must know who asks, and keeps it to itself.
  if (request.anonymous === true) headers.push(['Privacy', 'id']);
  headers.push([cpmHeader.conversationId, request.conversationId], [cpmHeader.contributionId, request.contributionId]);
  if (request.inReplyTo !== undefined) headers.push([cpmHeader.inReplyTo, request.inReplyTo]);
  if (request.replyTo !== undefined) headers.push(['Reply-To', `<${request.replyTo}>`]);
  if (request.subject !== undefined && request.subject !== '') headers.push(['Subject', request.subject]);
  return headers;
}

/** The Request-URI for a target: an address or a GRUU, without what only belongs into a resource list entry. */
export function requestUri(target: string): string | null {
  const uri = parseUri(target);
  if (!uri.ok) return null;
  // Somebody outside of CPM is called by their own URI; the network decides whether it can be reached (R3).
  if (uri.value.scheme === 'other') return correspondentKey(target);
  if (uri.value.scheme === 'tel') return formatUri(uri.value);
  const params = new Map([...uri.value.params].filter(([name]) => name !== 'method'));
  return formatUri({ ...uri.value, params, headers: [] });
}

export function readCpmHeaders(message: WireMessage): CpmHeaders {
  const value = (name: string) => message.first(name.toLowerCase());
  const referredBy = value('Referred-By');
  const calledAs = value('P-Called-Party-ID');
  const replyTo = addressKey(value('Reply-To') ?? '');
  return {
    conversationId: value(cpmHeader.conversationId),
    contributionId: value(cpmHeader.contributionId),
    inReplyTo: value(cpmHeader.inReplyTo),
    sessionReplaces: value(cpmHeader.sessionReplaces),
    subject: cleaned(value('Subject')),
    calledAs: calledAs === null ? null : addressKey(calledAs),
    ...(replyTo === null ? {} : { replyTo }),
    referredBy: referredBy === null ? null : addressKey(referredBy),
  };
}

/** Who sent a message. `plain` is the header that names the sender when the network asserts nobody: From of a request, To of a response. */
export function readRemoteParty(message: WireMessage, plain: 'from' | 'to'): RemoteParty {
  const named = parseNameAddr(message.first(plain) ?? '');
  const identities = assertedIdentities(message);
  // LAB: a SIP identity is preferred to a TEL one.
  const asserted = identities.find((one) => /^sips?:/i.test(one.uri)) ?? identities[0] ?? null;
  const also = identities.flatMap((one) => (one === asserted ? [] : (addressKey(one.uri) ?? [])));
  const identity = asserted ?? (named.ok ? named.value : null);
  const contact = parseNameAddr(message.list('contact')[0] ?? '');
  const device = contact.ok ? readDevice(contact.value) : noDevice;
  const address = identity === null ? '' : (correspondentKey(identity.uri) ?? identity.uri);
  return {
    address,
    asserted: asserted !== null,
    ...(also.length === 0 ? {} : { alsoAsserted: also }),
    ...assertedName(asserted, named.ok ? named.value.displayName : null),
    displayName: cleaned(identity?.displayName ?? (named.ok ? named.value.displayName : null)),
    ...device,
    ...(device.isFocus ? { group: readGroup(message) } : {}),
  };
}

/** The addresses under which a network's functions are known, as far as a client can tell. */
export interface HomeNetwork {
  /** The domain of the account. */
  domain: string;
  /** The URI at which groups are made. */
  factory?: string | undefined;
}

/**
 * LAB: whether an address is one of the network's own functions. They have hosts below the home domain, where nobody has an account, or the
 * factory's host where that is another than the domain.
 */
function isFunction(address: string, { domain, factory }: HomeNetwork): boolean {
  const host = hostOf(address);
  if (host === null || host === domain.toLowerCase()) return false;
  return host.endsWith(`.${domain.toLowerCase()}`) || (factory !== undefined && host === hostOf(factory));
}

function hostOf(address: string): string | null {
  const uri = parseUri(address);
  return uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips') ? uri.value.host.toLowerCase() : null;
}

/**
 * Who has sent an INVITE. A focus speaks for its members, so it is believed only where the own network vouches for it: by an asserted identity
 * that only a function can have. Anybody can write `isfocus` into a Contact; such a caller is a person like others.
 */
export function readCaller(message: WireMessage, home: HomeNetwork): RemoteParty {
  const caller = readRemoteParty(message, 'from');
  if (!caller.isFocus || (caller.asserted && isFunction(caller.address, home))) return caller;
  const { group: _claimed, ...person } = caller;
  return { ...person, isFocus: false };
}

function readGroup(message: WireMessage): NonNullable<RemoteParty['group']> {
  return {
    contributionId: message.first(cpmHeader.contributionId),
    conversationId: message.first(cpmHeader.conversationId),
    subject: cleaned(message.first('subject')),
  };
}

/** A text that somebody else has written, as it may be shown; null where nothing of it is left. */
const cleaned = (text: string | null): string | null => shownName(text ?? '') || null;

function assertedName(asserted: NameAddr | null, ownName: string | null): { assertedName?: string } {
  const name = asserted?.displayName ?? null;
  return name === null || name === ownName ? {} : { assertedName: shownName(name) };
}

/** RFC 3325 section 9.1: the network vouches for one SIP and one TEL identity at most; what it names beyond that is left out. */
function assertedIdentities(message: WireMessage): NameAddr[] {
  const values = message.list('p-asserted-identity').map(parseNameAddr);
  return values.flatMap((value) => (value.ok && addressKey(value.value.uri) !== null ? [value.value] : [])).slice(0, 2);
}

const noDevice = { instanceId: null, deviceName: null, gruu: null, contactUri: '', isFocus: false };

function readDevice(contact: NameAddr): Omit<RemoteParty, 'address' | 'asserted' | 'displayName'> {
  const uri = parseUri(contact.uri);
  const gr = uri.ok && uri.value.scheme !== 'other' ? uri.value.params.get('gr') : undefined;
  const instance = contact.params.get(INSTANCE_PARAM);
  return {
    // Never the `gr` of a GRUU: that of an IMEI is a UUID of the registrar's making (TS 24.229 5.4.7A.2), and says nothing of the instance.
    instanceId: instance ? parseInstance(instance) : null,
    deviceName: cleaned(contact.displayName),
    gruu: gr === undefined ? null : contact.uri,
    contactUri: contact.uri,
    isFocus: contact.params.has('isfocus'),
  };
}

/** Whether the other side of a session says that it knows CPM: it names the session as CPM does, or a CPM service as asked for or its own. */
export function saysCpm(message: WireMessage): boolean {
  const contact = parseNameAddr(message.list('contact')[0] ?? '');
  const own = contact.ok ? parseIcsi(contact.value.params.get(ICSI_PARAM) ?? '') : [];
  return message.first(cpmHeader.contributionId.toLowerCase()) !== null || [...own, ...readIcsis(message)].some(isCpmService);
}

/** The CPM services that a request asks for, in Accept-Contact and P-Asserted-Service. */
export function readIcsis(message: WireMessage): string[] {
  const asserted = message.list('p-asserted-service').map((urn) => urn.toLowerCase());
  return [...new Set([...wantedServices(message.list('accept-contact')), ...asserted])];
}

/** The Contact of a device that hides (R44): the temporary GRUU and the services, no name and no instance. Its own network knows it by the GRUU. */
export function anonymousContactValue(tempGruu: string, icsis: readonly string[]): string {
  const params = new Map<string, string | null>(icsis.length > 0 ? [[ICSI_PARAM, icsiValue(icsis)]] : []);
  return formatNameAddr({ displayName: null, uri: tempGruu, params });
}

export interface OwnContact {
  uri: string;
  deviceName: string;
  instanceId: string;
  icsis: readonly string[];
}

/** The Contact of this device in anything but REGISTER: GRUU or flow address, instance, services; LAB: its name as display name. */
export function contactValue(contact: OwnContact): string {
  const params = new Map<string, string | null>([[INSTANCE_PARAM, `<${contact.instanceId}>`]]);
  if (contact.icsis.length > 0) params.set(ICSI_PARAM, icsiValue(contact.icsis));
  return formatNameAddr({ displayName: contact.deviceName, uri: contact.uri, params });
}
