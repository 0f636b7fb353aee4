/**
 * Recipient lists, application/resource-lists+xml (RFC 4826, copyControl RFC 5364, use in INVITE RFC 5366). An entry can also carry the
 * mark that tells which session of that person the new one replaces (R50, R52).
 */
import { cpmHeader, isContributionId } from './cpm-headers';
import { acceptContact, INSTANCE_PARAM } from './feature-tags';
import { hasControl, isToken } from './generic-param';
import { parseInstance } from './instance-urn';
import { malformed, type Parsed, parsed } from './parsed';
import { addressKey, formatUri, parseNameAddr, parseUri, type SipUri } from './uri';
import { attributeOf, escapeXml, isElement, parseXml, textOf, type XmlElement } from './xml';

export const RESOURCE_LISTS_CONTENT_TYPE = 'application/resource-lists+xml';
const NAMESPACE = 'urn:ietf:params:xml:ns:resource-lists';
const COPY_CONTROL = 'urn:ietf:params:xml:ns:copycontrol';
/** RFC 5366 section 7: stands for a recipient who asked not to be named. */
const ANONYMOUS = 'sip:anonymous@anonymous.invalid';

/** Most entries in all lists of one document. */
export const MAX_LIST_ENTRIES = 512;
/** Most characters in a Call-ID named by an entry. */
export const MAX_CALL_ID_CHARACTERS = 256;

export interface ResourceEntry {
  /** The URI as written, with `;method=` and `?headers`; `entryTarget` takes it apart. */
  uri: string;
  copyControl: 'to' | 'cc' | 'bcc' | null;
  /** The other recipients must not see this one. */
  anonymize: boolean;
  displayName?: string;
}

/** The fields that are enough to write an entry. */
export type ResourceEntryDraft = Pick<ResourceEntry, 'uri' | 'copyControl'> & Partial<ResourceEntry>;

/** The entries of every list and nested list, in order. References to other lists are skipped. */
export function parseResourceLists(body: Uint8Array | string): Parsed<ResourceEntry[]> {
  const document = parseXml(body);
  if (!document.ok) return document;
  if (!isElement(document.value, NAMESPACE, 'resource-lists')) return malformed('not a resource-lists document');
  const entries: ResourceEntry[] = [];
  const problem = collect(document.value, entries);
  return problem === null ? parsed(entries) : malformed(problem);
}

function collect(parent: XmlElement, entries: ResourceEntry[]): string | null {
  for (const child of parent.children) {
    if (isElement(child, NAMESPACE, 'list')) {
      const problem = collect(child, entries);
      if (problem !== null) return problem;
    } else if (isElement(child, NAMESPACE, 'entry')) {
      const uri = attributeOf(child, 'uri')?.trim();
      if (!uri) return 'an entry without uri';
      if (entries.length >= MAX_LIST_ENTRIES) return 'too many entries';
      const copy = copyAttribute(child, 'copyControl');
      const entry: ResourceEntry = {
        uri,
        copyControl: copy === 'to' || copy === 'cc' || copy === 'bcc' ? copy : null,
        anonymize: /^(?:true|1)$/.test(copyAttribute(child, 'anonymize') ?? ''),
      };
      const displayName = textOf(child, NAMESPACE, 'display-name');
      if (displayName !== null) entry.displayName = displayName;
      entries.push(entry);
    }
  }
  return null;
}

/** An attribute in the copyControl namespace, in either spelling found in the field, or in no namespace. */
function copyAttribute(element: XmlElement, name: string): string | null {
  const found = element.attributes.find(
    (attribute) => attribute.name === name && (attribute.namespace === '' || attribute.namespace.toLowerCase() === COPY_CONTROL),
  );
  return found?.value.trim().toLowerCase() ?? null;
}

export function encodeResourceLists(entries: readonly ResourceEntryDraft[]): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<resource-lists xmlns="${NAMESPACE}" xmlns:cp="${COPY_CONTROL}">`, ' <list>'];
  for (const entry of entries) {
    const copy = entry.copyControl === null ? '' : ` cp:copyControl="${entry.copyControl}"`;
    const anonymize = entry.anonymize ? ' cp:anonymize="true"' : '';
    const start = `  <entry uri="${escapeXml(entry.uri)}"${copy}${anonymize}`;
    lines.push(entry.displayName ? `${start}><display-name>${escapeXml(entry.displayName)}</display-name></entry>` : `${start}/>`);
  }
  lines.push(' </list>', '</resource-lists>', '');
  return lines.join('\r\n');
}

/** The entries as the other recipients may see them (RFC 5366 section 7): without bcc, anonymous names, devices and marks. */
export function historyEntries(entries: readonly ResourceEntry[]): ResourceEntry[] {
  return entries
    .filter((entry) => entry.copyControl !== 'bcc')
    .map((entry) => {
      if (entry.anonymize) return { uri: ANONYMOUS, copyControl: entry.copyControl, anonymize: false };
      const address = addressKey(entry.uri);
      const named = entry.displayName === undefined ? {} : { displayName: entry.displayName };
      return { uri: address ?? entry.uri.replace(/\?.*$/, ''), copyControl: entry.copyControl, anonymize: false, ...named };
    });
}

/** What the Controlling Function reads from one entry's URI. */
export interface EntryTarget {
  /** The target of the invitation. Method and headers are removed; a `gr` that names the device stays. */
  uri: string;
  /** The person's address, or null when the URI is neither SIP nor TEL. */
  address: string | null;
  method: string | null;
  /** The Contribution-ID of the session that the new one replaces. */
  sessionReplaces: string | null;
  /** The device named beside the URI; null when it is only named by its `gr`. */
  acceptContactInstance: string | null;
  /** The same mark in the form of TS 24.147 5.3.1.5.4: the dialog to replace, from the inviter's point of view. */
  dialog: EntryDialog | null;
  /** That dialog as a Replaces header for the request to this entry's person (RFC 3891 section 3). */
  replaces: string | null;
}

export interface EntryDialog {
  callId: string;
  from: string;
  fromTag: string | null;
  to: string;
  toTag: string | null;
  sessionId: string | null;
}

/** Takes an entry's URI apart. A header value is malformed if it could break the header line of a later request. */
export function entryTarget(entryUri: string): Parsed<EntryTarget> {
  const uri = parseUri(entryUri);
  if (!uri.ok) return uri;
  const address = addressKey(entryUri);
  if (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips') {
    return parsed({
      uri: formatUri(uri.value),
      address,
      method: null,
      sessionReplaces: null,
      acceptContactInstance: null,
      dialog: null,
      replaces: null,
    });
  }
  const { headers } = uri.value;
  if (headers.some(([name, value]) => hasControl(name) || hasControl(value))) return malformed('a control character in a URI header');
  const header = (name: string) => headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1].trim() ?? null;
  const sessionReplaces = header(cpmHeader.sessionReplaces);
  if (sessionReplaces !== null && !isContributionId(sessionReplaces)) return malformed('a Session-Replaces that is no Contribution-ID');
  const dialog = readDialog(header);
  if (dialog === 'malformed') return malformed('a bad dialog in the entry');
  const params = new Map(uri.value.params);
  const method = params.get('method') ?? null;
  const inUri = params.get(INSTANCE_PARAM) ?? null;
  for (const name of ['method', INSTANCE_PARAM]) params.delete(name);
  const preference = parseNameAddr(header('Accept-Contact') ?? '');
  const preferred = preference.ok ? preference.value.params.get(INSTANCE_PARAM) : undefined;
  return parsed({
    uri: formatUri({ ...uri.value, params, headers: [] }),
    address,
    method: method?.toUpperCase() ?? null,
    sessionReplaces,
    acceptContactInstance: parseInstance(preferred ?? inUri ?? ''),
    dialog,
    replaces: dialog === null ? null : replacesHeader(dialog, address),
  });
}

/** The to-tag is the tag of the header's receiver; which of the two tags that is depends on who called. Null unless both tags are known. */
function replacesHeader(dialog: EntryDialog, address: string | null): string | null {
  const called = addressKey(dialog.from) !== address;
  const [own, other] = called ? [dialog.toTag, dialog.fromTag] : [dialog.fromTag, dialog.toTag];
  return own === null || other === null ? null : `${dialog.callId};to-tag=${own};from-tag=${other}`;
}

function readDialog(header: (name: string) => string | null): EntryDialog | 'malformed' | null {
  const callId = header('Call-ID');
  if (!callId) return null;
  const from = parseNameAddr(header('From') ?? '');
  const to = parseNameAddr(header('To') ?? '');
  if (!from.ok || !to.ok || callId.length > MAX_CALL_ID_CHARACTERS || /[\s;,]/.test(callId)) return 'malformed';
  const fromTag = from.value.params.get('tag') ?? null;
  const toTag = to.value.params.get('tag') ?? null;
  if ([fromTag, toTag].some((tag) => tag !== null && !isToken(tag))) return 'malformed';
  return { callId, from: from.value.uri, fromTag, to: to.value.uri, toTag, sessionId: header('Session-ID') };
}

export interface ReplacingEntry {
  /** The person's public GRUU if known, otherwise the address. */
  uri: string;
  instanceId: string | null;
  /** The Contribution-ID of the 1-1 session to replace. */
  contributionId: string;
  /** Only for a `tel:` URI, which cannot carry headers: the domain of the SIP URI it is turned into. */
  domain?: string;
}

/**
 * The entry with the replace mark and the device in its URI: `;method=INVITE?Session-Replaces=...&Accept-Contact=...`. LAB: the device is
 * named twice, by `gr` and by Accept-Contact, because OMA's own encoding is not public. A URI that cannot carry the mark (tel without
 * `domain`, or another scheme) stays as it is.
 */
export function encodeReplacingEntry(entry: ReplacingEntry): ResourceEntry {
  const plain: ResourceEntry = { uri: entry.uri, copyControl: 'to', anonymize: false };
  const uri = sipForm(entry.uri, entry.domain);
  if (uri === null) return plain;
  const headers: [string, string][] = [[cpmHeader.sessionReplaces, entry.contributionId]];
  if (entry.instanceId !== null) headers.push(['Accept-Contact', acceptContact({ instanceId: entry.instanceId })]);
  return { ...plain, uri: formatUri({ ...uri, params: new Map([...uri.params, ['method', 'INVITE']]), headers }) };
}

function sipForm(text: string, domain: string | undefined): SipUri | null {
  const uri = parseUri(text);
  if (!uri.ok || uri.value.scheme === 'other') return null;
  if (uri.value.scheme !== 'tel') return uri.value;
  if (domain === undefined) return null;
  return { scheme: 'sip', user: uri.value.number, host: domain, port: null, params: new Map([['user', 'phone']]), headers: [] };
}
