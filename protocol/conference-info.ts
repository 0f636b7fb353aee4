/** Who is in a group: application/conference-info+xml (RFC 4575), as whole documents and as changes. */
import { malformed, type Parsed, parsed } from './parsed';
import { shownName } from './shown-name';
import { addressKey } from './uri';
import { attributeOf, childOf, childrenOf, escapeXml, isElement, numberOf, parseXml, textOf, type XmlElement } from './xml';

export const CONFERENCE_INFO_CONTENT_TYPE = 'application/conference-info+xml';
const NAMESPACE = 'urn:ietf:params:xml:ns:conference-info';
/** LAB: the nickname is in the namespace of RFC 6501's conference data, which RFC 6502 adds to these documents. */
const XCON_NAMESPACE = 'urn:ietf:params:xml:ns:xcon-conference-info';
/** LAB: the namespace of CPM's additions to the document. It is the one of group data, whose schema is not public. */
const CPM_NAMESPACE = 'urn:oma:xml:cpm:groupdata:1.0';

/** Most users in one conference, and most endpoints of one user. */
export const MAX_CONFERENCE_USERS = 1000;

const STATUSES = [
  'pending',
  'dialing-in',
  'dialing-out',
  'alerting',
  'on-hold',
  'connected',
  'muted-via-focus',
  'disconnecting',
  'disconnected',
] as const;
const DISCONNECTIONS = ['departed', 'booted', 'failed', 'busy'] as const;
const JOININGS = ['dialed-in', 'dialed-out', 'focus-owner'] as const;
const STATES = ['full', 'partial', 'deleted'] as const;

type EndpointStatus = (typeof STATUSES)[number];
type DisconnectionMethod = (typeof DISCONNECTIONS)[number];
type JoiningMethod = (typeof JOININGS)[number];
type ElementState = (typeof STATES)[number];

/** One device of a user in the conference. A null field was not in the document. */
export interface ConferenceEndpoint {
  /** The device's GRUU or contact. */
  entity: string;
  state: ElementState;
  displayText: string | null;
  status: EndpointStatus | null;
  disconnectionMethod: DisconnectionMethod | null;
  joiningMethod: JoiningMethod | null;
}

export interface ConferenceUser {
  entity: string;
  state: ElementState;
  displayText: string | null;
  /** The nickname the user chose for this conference (RFC 7701). Null when there is none or the document does not say. */
  nickname: string | null;
  roles: string[];
  /** True for the user to whom the document was sent. */
  yourOwn: boolean;
  endpoints: ConferenceEndpoint[];
}

export interface ConferenceInfo {
  /** The focus URI. */
  entity: string;
  state: ElementState;
  /** The number of this document within its subscription. Null when the focus does not number its documents. */
  version: number | null;
  subject: string | null;
  /** The group's picture, in the form that `parseGroupIcon` reads. */
  icon: string | null;
  maximumUserCount: number | null;
  userCount: number | null;
  active: boolean | null;
  /** Whether `users` lists everybody or only changed users. When absent, `state` applies to the users as well. */
  usersState?: ElementState;
  users: ConferenceUser[];
}

function oneOf<T extends string>(known: readonly T[], value: string | null): T | null {
  return known.find((item) => item === value) ?? null;
}

/** RFC 4575 section 4.6: an element without `state` is full. */
function stateOf(element: XmlElement): ElementState {
  return oneOf(STATES, attributeOf(element, 'state')) ?? 'full';
}

export function parseConferenceInfo(body: Uint8Array | string): Parsed<ConferenceInfo> {
  const document = parseXml(body);
  if (!document.ok) return document;
  const root = document.value;
  if (!isElement(root, NAMESPACE, 'conference-info')) return malformed('not a conference-info document');
  const entity = attributeOf(root, 'entity')?.trim();
  if (!entity) return malformed('a conference without entity');
  const description = childOf(root, NAMESPACE, 'conference-description');
  const condition = childOf(root, NAMESPACE, 'conference-state');
  const list = childOf(root, NAMESPACE, 'users');
  const active = condition && textOf(condition, NAMESPACE, 'active');
  const users: ConferenceUser[] = [];
  for (const element of list === null ? [] : childrenOf(list, NAMESPACE, 'user')) {
    const user = readUser(element);
    if (typeof user === 'string') return malformed(user);
    if (users.length >= MAX_CONFERENCE_USERS) return malformed('too many users');
    users.push(user);
  }
  const state = stateOf(root);
  return parsed({
    entity,
    state,
    version: numberOf(attributeOf(root, 'version')),
    subject: description && shownText(description, 'subject'),
    icon: (description && textOf(description, CPM_NAMESPACE, 'icon')) || null,
    maximumUserCount: description && numberOf(textOf(description, NAMESPACE, 'maximum-user-count')),
    userCount: condition && numberOf(textOf(condition, NAMESPACE, 'user-count')),
    active: active === null ? null : active === 'true' || active === '1',
    // A document without a user list changes no user.
    usersState: list === null ? (state === 'full' ? 'full' : 'partial') : stateOf(list),
    users,
  });
}

/** Text that people read: the name of a group, of a member, of a device. A text of which nothing can be shown is empty, which is not the same as none. */
function shownText(parent: XmlElement, name: string): string | null {
  const said = textOf(parent, NAMESPACE, name);
  return said === null ? null : shownName(said);
}

function readUser(element: XmlElement): ConferenceUser | string {
  const entity = attributeOf(element, 'entity')?.trim();
  if (!entity) return 'a user without entity';
  const endpoints: ConferenceEndpoint[] = [];
  for (const child of childrenOf(element, NAMESPACE, 'endpoint')) {
    if (endpoints.length >= MAX_CONFERENCE_USERS) return 'too many endpoints';
    endpoints.push({
      entity: attributeOf(child, 'entity')?.trim() ?? '',
      state: stateOf(child),
      displayText: shownText(child, 'display-text'),
      status: oneOf(STATUSES, textOf(child, NAMESPACE, 'status')),
      disconnectionMethod: oneOf(DISCONNECTIONS, textOf(child, NAMESPACE, 'disconnection-method')),
      joiningMethod: oneOf(JOININGS, textOf(child, NAMESPACE, 'joining-method')),
    });
  }
  const roles = childOf(element, NAMESPACE, 'roles');
  return {
    entity,
    state: stateOf(element),
    displayText: shownText(element, 'display-text'),
    nickname: textOf(element, XCON_NAMESPACE, 'nickname') || null,
    roles: roles === null ? [] : childrenOf(roles, NAMESPACE, 'entry').map((entry) => entry.text.trim()),
    yourOwn: /^(?:true|1)$/.test(element.attributes.find((attribute) => attribute.name.toLowerCase() === 'yourown')?.value ?? ''),
    endpoints,
  };
}

/**
 * `forCpm`: with what OMA CPM adds to RFC 4575 although its schema forbids it, the mark of the reader's own entry. Readers without CPM may validate.
 */
export function encodeConferenceInfo(info: ConferenceInfo, { forCpm = true } = {}): string {
  const out: string[] = ['<?xml version="1.0" encoding="UTF-8"?>'];
  const version = info.version === null ? '' : ` version="${info.version}"`;
  out.push(`<conference-info xmlns="${NAMESPACE}" entity="${escapeXml(info.entity)}" state="${info.state}"${version}>`);
  if (info.subject !== null || info.icon !== null || info.maximumUserCount !== null) {
    const icon = info.icon === null ? '' : `<icon xmlns="${CPM_NAMESPACE}">${escapeXml(info.icon)}</icon>`;
    out.push(
      `<conference-description>${tag('subject', info.subject)}${tag('maximum-user-count', info.maximumUserCount)}${icon}</conference-description>`,
    );
  }
  if (info.userCount !== null || info.active !== null) {
    out.push(`<conference-state>${tag('user-count', info.userCount)}${tag('active', info.active)}</conference-state>`);
  }
  out.push(`<users state="${info.usersState ?? info.state}">`);
  for (const user of info.users) out.push(encodeUser(user.yourOwn && !forCpm ? { ...user, yourOwn: false } : user));
  out.push('</users>', '</conference-info>', '');
  return out.join('\r\n');
}

/** The XML already written for a user object: a focus sends the same user to every watcher. */
const written = new WeakMap<ConferenceUser, string>();

function encodeUser(user: ConferenceUser): string {
  const known = written.get(user);
  if (known !== undefined) return known;
  const own = user.yourOwn ? ' yourown="true"' : '';
  const out = [`<user entity="${escapeXml(user.entity)}" state="${user.state}"${own}>${tag('display-text', user.displayText)}`];
  if (user.roles.length > 0) out.push(`<roles>${user.roles.map((role) => tag('entry', role)).join('')}</roles>`);
  for (const endpoint of user.endpoints) {
    out.push(
      `<endpoint entity="${escapeXml(endpoint.entity)}" state="${endpoint.state}">${tag('display-text', endpoint.displayText)}` +
        `${tag('status', endpoint.status)}${tag('joining-method', endpoint.joiningMethod)}` +
        `${tag('disconnection-method', endpoint.disconnectionMethod)}</endpoint>`,
    );
  }
  // Elements of other namespaces come last (RFC 4575 section 5.6).
  if (user.nickname !== null) out.push(`<nickname xmlns="${XCON_NAMESPACE}">${escapeXml(user.nickname)}</nickname>`);
  out.push('</user>');
  const text = out.join('\r\n');
  written.set(user, text);
  return text;
}

function tag(name: string, value: string | number | boolean | null): string {
  return value === null ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/**
 * The conference after `next` is applied to `previous` (RFC 4575 section 4.6). A full document replaces everything; a partial one is
 * merged; one that is already part of `previous` changes nothing. Null when documents between the two are missing or no full document has
 * come yet: the caller must subscribe again. The result is full, or `deleted` when the conference is over.
 */
export function mergeConferenceInfo(previous: ConferenceInfo | null, next: ConferenceInfo): ConferenceInfo | null {
  if (next.state === 'deleted') return { ...next, users: [], usersState: 'full' };
  if (next.state === 'full') return { ...next, usersState: 'full', users: mergeUsers([], next.users) };
  if (previous === null) return null;
  if (previous.version !== null && next.version !== null) {
    if (next.version <= previous.version) return previous;
    if (next.version !== previous.version + 1) return null;
  }
  return {
    entity: next.entity,
    state: 'full',
    version: next.version ?? previous.version,
    subject: next.subject ?? previous.subject,
    icon: next.icon ?? previous.icon,
    maximumUserCount: next.maximumUserCount ?? previous.maximumUserCount,
    userCount: next.userCount ?? previous.userCount,
    active: next.active ?? previous.active,
    usersState: 'full',
    users: mergeUsers((next.usersState ?? 'partial') === 'partial' ? previous.users : [], next.users),
  };
}

function mergeUsers(before: readonly ConferenceUser[], changes: readonly ConferenceUser[]): ConferenceUser[] {
  const users = new Map(before.map((user) => [userKey(user), user]));
  for (const change of changes) {
    const key = userKey(change);
    const known = users.get(key);
    if (change.state === 'deleted') users.delete(key);
    else if (known !== undefined || users.size < MAX_CONFERENCE_USERS) {
      users.set(
        key,
        change.state === 'partial' && known
          ? mergeUser(known, change)
          : { ...change, state: 'full', endpoints: mergeEndpoints([], change.endpoints) },
      );
    }
  }
  return [...users.values()];
}

function userKey(user: ConferenceUser): string {
  return addressKey(user.entity) ?? user.entity;
}

function mergeUser(known: ConferenceUser, change: ConferenceUser): ConferenceUser {
  return {
    entity: change.entity,
    state: 'full',
    displayText: change.displayText ?? known.displayText,
    nickname: change.nickname ?? known.nickname,
    roles: change.roles.length > 0 ? change.roles : known.roles,
    yourOwn: change.yourOwn || known.yourOwn,
    endpoints: mergeEndpoints(known.endpoints, change.endpoints),
  };
}

function mergeEndpoints(before: readonly ConferenceEndpoint[], changes: readonly ConferenceEndpoint[]): ConferenceEndpoint[] {
  const endpoints = new Map(before.map((endpoint) => [endpoint.entity, endpoint]));
  for (const change of changes) {
    const known = endpoints.get(change.entity);
    if (change.state === 'deleted') endpoints.delete(change.entity);
    else if (known === undefined && endpoints.size >= MAX_CONFERENCE_USERS) continue;
    else if (change.state === 'partial' && known !== undefined) {
      endpoints.set(change.entity, {
        entity: change.entity,
        state: 'full',
        displayText: change.displayText ?? known.displayText,
        status: change.status ?? known.status,
        // A new status without a method clears the reason of the old status.
        disconnectionMethod: change.status === null ? known.disconnectionMethod : change.disconnectionMethod,
        joiningMethod: change.joiningMethod ?? known.joiningMethod,
      });
    } else endpoints.set(change.entity, { ...change, state: 'full' });
  }
  return [...endpoints.values()];
}
