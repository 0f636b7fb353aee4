/** What every CPM request carries besides plain SIP: who asks, from which device, for which service, in which conversation. */
import { cpmHeader } from '../../../protocol/cpm-headers';
import { acceptContact, ICSI_PARAM, INSTANCE_PARAM, icsiValue, parseIcsi } from '../../../protocol/feature-tags';
import { parseInstance } from '../../../protocol/instance-urn';
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
  /** Address of the person who had this request sent (RFC 3892). */
  referredBy: string | null;
}

export interface RemoteParty {
  /** `correspondentKey` of P-Asserted-Identity, else of From. */
  address: string;
  /** True when the network vouches for the address (RFC 3325); a From alone anybody may write. */
  asserted: boolean;
  displayName: string | null;
  instanceId: string | null;
  /** LAB: the display name of the Contact. */
  deviceName: string | null;
  gruu: string | null;
  contactUri: string;
  isFocus: boolean;
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
  /** The one who asks stays unknown to the other side (RFC 3323, RFC 3325, R44). */
  anonymous?: boolean;
  /** Which of one's own addresses asks: one that the registrar has named (R33). The network's default one when absent. */
  identity?: string;
}

/** The headers of an outgoing CPM request; `identity` is the address that asks. */
export function cpmRequestHeaders(request: CpmRequest, identity: string): [string, string][] {
  const headers: [string, string][] = [['Accept-Contact', acceptContact({ icsis: [request.icsi] })]];
  if (request.acceptContactInstance !== undefined) {
    headers.push(['Accept-Contact', acceptContact({ instanceId: request.acceptContactInstance })]);
  }
  headers.push(['P-Preferred-Service', request.icsi], ['P-Preferred-Identity', `<${identity}>`]);
  // RFC 3325: the own network must know who asks, and keeps it to itself.
  if (request.anonymous === true) headers.push(['Privacy', 'id']);
  headers.push([cpmHeader.conversationId, request.conversationId], [cpmHeader.contributionId, request.contributionId]);
  if (request.inReplyTo !== undefined) headers.push([cpmHeader.inReplyTo, request.inReplyTo]);
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
  return {
    conversationId: value(cpmHeader.conversationId),
    contributionId: value(cpmHeader.contributionId),
    inReplyTo: value(cpmHeader.inReplyTo),
    sessionReplaces: value(cpmHeader.sessionReplaces),
    subject: value('Subject'),
    calledAs: calledAs === null ? null : addressKey(calledAs),
    referredBy: referredBy === null ? null : addressKey(referredBy),
  };
}

/** Who sent a message. `plain` is the header that names the sender when the network asserts nobody: From of a request, To of a response. */
export function readRemoteParty(message: WireMessage, plain: 'from' | 'to'): RemoteParty {
  const named = parseNameAddr(message.first(plain) ?? '');
  const asserted = assertedIdentity(message);
  const identity = asserted ?? (named.ok ? named.value : null);
  const contact = parseNameAddr(message.list('contact')[0] ?? '');
  const device = contact.ok ? readDevice(contact.value) : noDevice;
  const address = identity === null ? '' : (correspondentKey(identity.uri) ?? identity.uri);
  return {
    address,
    asserted: asserted !== null,
    displayName: identity?.displayName ?? (named.ok ? named.value.displayName : null),
    ...device,
    ...(device.isFocus ? { group: readGroup(message) } : {}),
  };
}

/**
 * Who has sent an INVITE. A focus is believed whom it speaks for, so (LAB) it must have come the way on which the Participating Functions let no
 * device pass for one: that is what names a CPM service in Accept-Contact (R41). Without it nobody has looked, and it is a caller like others.
 */
export function readCaller(message: WireMessage): RemoteParty {
  const caller = readRemoteParty(message, 'from');
  return caller.isFocus && wantedServices(message).every((urn) => !CPM_SERVICE.test(urn)) ? { ...caller, isFocus: false } : caller;
}

const CPM_SERVICE = /^urn:urn-7:3gpp-service\.ims\.icsi\.oma\.cpm\./i;

function readGroup(message: WireMessage): NonNullable<RemoteParty['group']> {
  return {
    contributionId: message.first(cpmHeader.contributionId),
    conversationId: message.first(cpmHeader.conversationId),
    subject: message.first('subject'),
  };
}

/** RFC 3325: the identity asserted by the network. LAB: when there is a SIP and a TEL identity, the SIP one is used. */
function assertedIdentity(message: WireMessage): NameAddr | null {
  const values = message.list('p-asserted-identity').map(parseNameAddr);
  const readable = values.flatMap((value) => (value.ok && addressKey(value.value.uri) !== null ? [value.value] : []));
  return readable.find((value) => /^sips?:/i.test(value.uri)) ?? readable[0] ?? null;
}

const noDevice = { instanceId: null, deviceName: null, gruu: null, contactUri: '', isFocus: false };

function readDevice(contact: NameAddr): Omit<RemoteParty, 'address' | 'asserted' | 'displayName'> {
  const uri = parseUri(contact.uri);
  const gr = uri.ok && uri.value.scheme !== 'other' ? uri.value.params.get('gr') : undefined;
  const instance = contact.params.get(INSTANCE_PARAM);
  return {
    // A public GRUU of a UUID instance names the instance itself (RFC 5627 section 3.1.2).
    instanceId: (instance ? parseInstance(instance) : null) ?? (gr ? parseInstance(gr) : null),
    deviceName: contact.displayName,
    gruu: gr === undefined ? null : contact.uri,
    contactUri: contact.uri,
    isFocus: contact.params.has('isfocus'),
  };
}

/** The CPM services that a request asks for, in Accept-Contact and P-Asserted-Service. */
export function readIcsis(message: WireMessage): string[] {
  const asserted = message.list('p-asserted-service').map((urn) => urn.toLowerCase());
  return [...new Set([...wantedServices(message), ...asserted])];
}

function wantedServices(message: WireMessage): string[] {
  return message.list('accept-contact').flatMap((value) => {
    const contact = parseNameAddr(value.replace(/^\s*\*/, '<sip:any@any.invalid>'));
    return contact.ok ? parseIcsi(contact.value.params.get(ICSI_PARAM) ?? '') : [];
  });
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
