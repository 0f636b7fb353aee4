/** The registered devices of a user: application/reginfo+xml (RFC 3680), with GRUUs (RFC 5628) and capabilities. */
import { isToken, quote, unquote } from './generic-param';
import { malformed, type Parsed, parsed } from './parsed';
import { isFeatureParam } from './uri';
import { attributeOf, childOf, childrenOf, escapeXml, isElement, numberOf, parseXml, textOf, type XmlElement } from './xml';

export const REGINFO_CONTENT_TYPE = 'application/reginfo+xml';
const NAMESPACE = 'urn:ietf:params:xml:ns:reginfo';
const GRUU_NAMESPACE = 'urn:ietf:params:xml:ns:gruuinfo';

/** Most contacts of all registrations in one document. */
export const MAX_REGINFO_CONTACTS = 1000;

const EVENTS = [
  'registered',
  'created',
  'refreshed',
  'shortened',
  'expired',
  'deactivated',
  'probation',
  'unregistered',
  'rejected',
] as const;
export type RegistrationEvent = (typeof EVENTS)[number];

/** One registered device. A null field was not in the document. */
export interface RegInfoContact {
  id: string;
  state: 'active' | 'terminated';
  event: RegistrationEvent;
  uri: string;
  displayName: string | null;
  /** Seconds until the binding expires. */
  expires: number | null;
  durationRegistered: number | null;
  /** After a `probation` event: seconds to wait before registering again. */
  retryAfter: number | null;
  q: string | null;
  callId: string | null;
  cseq: number | null;
  /** The other Contact parameters, such as instance and capabilities. Names are in lower case, values unquoted. */
  params: ReadonlyMap<string, string | null>;
  pubGruu: string | null;
  tempGruu: { uri: string; firstCseq: number | null } | null;
}

export interface RegInfoRegistration {
  aor: string;
  id: string;
  state: 'init' | 'active' | 'terminated';
  contacts: RegInfoContact[];
}

export interface RegInfo {
  /** The number of this document within its subscription, starting at 0. */
  version: number;
  state: 'full' | 'partial';
  registrations: RegInfoRegistration[];
}

export function parseRegInfo(body: Uint8Array | string): Parsed<RegInfo> {
  const document = parseXml(body);
  if (!document.ok) return document;
  const root = document.value;
  if (!isElement(root, NAMESPACE, 'reginfo')) return malformed('not a reginfo document');
  const version = numberOf(attributeOf(root, 'version'));
  const state = attributeOf(root, 'state');
  if (version === null || (state !== 'full' && state !== 'partial')) return malformed('a reginfo without version or state');
  const registrations: RegInfoRegistration[] = [];
  let count = 0;
  for (const element of childrenOf(root, NAMESPACE, 'registration')) {
    const aor = attributeOf(element, 'aor');
    const id = attributeOf(element, 'id');
    const condition = attributeOf(element, 'state');
    if (!aor || !id || (condition !== 'init' && condition !== 'active' && condition !== 'terminated'))
      return malformed('a bad registration');
    const contacts: RegInfoContact[] = [];
    for (const child of childrenOf(element, NAMESPACE, 'contact')) {
      const contact = readContact(child);
      if (contact === null) return malformed('a bad contact');
      count += 1;
      if (count > MAX_REGINFO_CONTACTS) return malformed('too many contacts');
      contacts.push(contact);
    }
    registrations.push({ aor, id, state: condition, contacts });
  }
  return parsed({ version, state, registrations });
}

function readContact(element: XmlElement): RegInfoContact | null {
  const id = attributeOf(element, 'id');
  const state = attributeOf(element, 'state');
  const event = EVENTS.find((known) => known === attributeOf(element, 'event'));
  const uri = textOf(element, NAMESPACE, 'uri');
  if (!id || (state !== 'active' && state !== 'terminated') || event === undefined || uri === null) return null;
  const params = new Map<string, string | null>();
  for (const param of childrenOf(element, NAMESPACE, 'unknown-param')) {
    const name = attributeOf(param, 'name')?.trim().toLowerCase();
    if (name && !params.has(name)) params.set(name, param.text.trim() === '' ? null : unquote(param.text));
  }
  const temporary = childOf(element, GRUU_NAMESPACE, 'temp-gruu');
  const publicGruu = childOf(element, GRUU_NAMESPACE, 'pub-gruu');
  const temporaryUri = temporary && attributeOf(temporary, 'uri');
  return {
    id,
    state,
    event,
    uri,
    displayName: textOf(element, NAMESPACE, 'display-name'),
    expires: numberOf(attributeOf(element, 'expires')),
    durationRegistered: numberOf(attributeOf(element, 'duration-registered')),
    retryAfter: numberOf(attributeOf(element, 'retry-after')),
    q: attributeOf(element, 'q'),
    callId: attributeOf(element, 'callid'),
    cseq: numberOf(attributeOf(element, 'cseq')),
    params,
    pubGruu: publicGruu && attributeOf(publicGruu, 'uri'),
    tempGruu: temporary && temporaryUri ? { uri: temporaryUri, firstCseq: numberOf(attributeOf(temporary, 'first-cseq')) } : null,
  };
}

export function encodeRegInfo(info: RegInfo): string {
  const out = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<reginfo xmlns="${NAMESPACE}" xmlns:gr="${GRUU_NAMESPACE}" version="${info.version}" state="${info.state}">`,
  ];
  for (const registration of info.registrations) {
    out.push(`<registration${attributes({ aor: registration.aor, id: registration.id, state: registration.state })}>`);
    for (const contact of registration.contacts) out.push(contactXml(contact));
    out.push('</registration>');
  }
  out.push('</reginfo>', '');
  return out.join('\r\n');
}

function attributes(values: Record<string, string | number | null>): string {
  let out = '';
  for (const [name, value] of Object.entries(values)) {
    if (value !== null) out += ` ${name}="${escapeXml(String(value))}"`;
  }
  return out;
}

/** In the order of RFC 3680 section 5.3: uri, display-name, unknown-param, then elements of other namespaces. */
function contactXml(contact: RegInfoContact): string {
  const out = [
    `<contact${attributes({
      id: contact.id,
      state: contact.state,
      event: contact.event,
      expires: contact.expires,
      'retry-after': contact.retryAfter,
      'duration-registered': contact.durationRegistered,
      q: contact.q,
      callid: contact.callId,
      cseq: contact.cseq,
    })}>`,
    `<uri>${escapeXml(contact.uri)}</uri>`,
  ];
  if (contact.displayName !== null) out.push(`<display-name>${escapeXml(contact.displayName)}</display-name>`);
  for (const [name, value] of contact.params) {
    // The value is quoted as it would be in a Contact.
    const written = value === null ? '' : isToken(value) && !isFeatureParam(name) ? value : quote(value);
    out.push(`<unknown-param name="${escapeXml(name)}">${escapeXml(written)}</unknown-param>`);
  }
  if (contact.pubGruu !== null) out.push(`<gr:pub-gruu${attributes({ uri: contact.pubGruu })}/>`);
  // RFC 5628 section 5 requires the CSeq.
  if (contact.tempGruu !== null && contact.tempGruu.firstCseq !== null)
    out.push(`<gr:temp-gruu${attributes({ uri: contact.tempGruu.uri, 'first-cseq': contact.tempGruu.firstCseq })}/>`);
  out.push('</contact>');
  return out.join('');
}

/**
 * The registrations after `next` is applied to `previous`. A full document replaces everything; a partial one changes the contacts it
 * names; terminated contacts are removed. A document that was already applied changes nothing. Null when one is missing: the caller must
 * subscribe again.
 */
export function mergeRegInfo(previous: RegInfo | null, next: RegInfo): RegInfo | null {
  if (next.state === 'partial') {
    if (previous === null) return null;
    if (next.version <= previous.version) return previous;
    if (next.version !== previous.version + 1) return null;
  }
  const registrations = new Map<string, RegInfoRegistration>();
  if (next.state === 'partial') for (const known of previous?.registrations ?? []) registrations.set(known.id, known);
  for (const change of next.registrations) {
    const contacts = new Map((registrations.get(change.id)?.contacts ?? []).map((contact) => [contact.id, contact]));
    for (const contact of change.contacts) {
      if (contact.state === 'terminated') contacts.delete(contact.id);
      else if (contacts.has(contact.id) || contacts.size < MAX_REGINFO_CONTACTS) contacts.set(contact.id, contact);
    }
    if (change.state === 'terminated') registrations.delete(change.id);
    else registrations.set(change.id, { ...change, contacts: [...contacts.values()] });
  }
  return { version: next.version, state: 'full', registrations: [...registrations.values()] };
}
