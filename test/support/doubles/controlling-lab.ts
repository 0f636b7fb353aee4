/** The Controlling Function with a scripted core: it records every request and answers as the people would. Virtual time, no sockets. */

import { ControllingFunction, type ControllingOptions } from '../../../network/controlling/controlling';
import { MsrpSwitch } from '../../../network/msrp/switch';
import { uriOf } from '../../../network/sip/header-value';
import { responseTo, SipRequest, type SipResponse } from '../../../network/sip/message';
import { SipServer } from '../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../network/sip/transaction';
import { type ConferenceInfo, mergeConferenceInfo, parseConferenceInfo } from '../../../protocol/conference-info';
import { encodeCpim, parseCpim } from '../../../protocol/cpim';
import { GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { parseContentType, parseMultipart } from '../../../protocol/multipart';
import { encodeNickname } from '../../../protocol/nickname';
import { encodeSdp, type MsrpDescription, parseSdp } from '../../../protocol/sdp';
import { connectServers, MsrpPeer, settle, VirtualClock } from './network-doubles';

export const utf8 = (text: string) => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const FACTORY = 'sip:conference-factory@lab.test';
export const BOB_INSTANCE = 'urn:uuid:bbbbbbbb-7dec-41d0-a765-00a0c91e6bf6';
export const BOB_GRUU = `sip:bob@lab.test;gr=${BOB_INSTANCE}`;
export const BOB_ENTRY = `${BOB_GRUU};method=INVITE?Session-Replaces=one-to-one-1&amp;Accept-Contact=*%3B%2Bsip.instance%3D%22%3C${BOB_INSTANCE}%3E%22%3Brequire%3Bexplicit`;

/** `relays`: the relays in the media path. */
export function sdp(
  name: string,
  setup: MsrpDescription['setup'],
  transport: MsrpDescription['transport'] = 'TCP/MSRP',
  relays: readonly string[] = [],
): string {
  const isSecure = transport === 'TCP/TLS/MSRP';
  return encodeSdp({
    host: '127.0.0.1',
    port: 7000,
    path: [...relays, `${isSecure ? 'msrps' : 'msrp'}://127.0.0.1:7000/${name};tcp`],
    setup,
    acceptTypes: ['message/cpim'],
    wrappedTypes: ['*'],
    direction: 'sendrecv',
    sessionId: '1',
    version: 1,
    transport,
    attributes: isSecure ? [['fingerprint', `SHA-256 ${Array(32).fill('AB').join(':')}`]] : [],
  });
}

export function listXml(entries: readonly string[]): string {
  const items = entries.map((uri) => `<entry uri="${uri}" cp:copyControl="to"/>`).join('');
  return `<?xml version="1.0" encoding="UTF-8"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>${items}</list></resource-lists>`;
}

export function requestFrom(name: string, method: string, uri: string, device = 'laptop'): SipRequest {
  const id = `${name}-${Math.random().toString(36).slice(2)}`;
  return new SipRequest(method, uri)
    .append('Max-Forwards', '70')
    .append('Record-Route', '<sip:core.lab.test;lr>')
    .append('From', `<sip:${name}@lab.test>;tag=${id}`)
    .append('To', `<${uri}>`)
    .append('Call-ID', id)
    .append('CSeq', `1 ${method}`)
    .append('Contact', `"${name}'s ${device}" <sip:${name}@lab.test;gr=${device}>`)
    .append('P-Asserted-Identity', `"${name}" <sip:${name}@lab.test>`)
    .append('Contribution-ID', 'group-1')
    .append('Conversation-ID', 'conversation-1');
}

export function creation(entries: readonly string[], name = 'alice', transport: MsrpDescription['transport'] = 'TCP/MSRP'): SipRequest {
  const body = [
    '--b1\r\nContent-Type: application/sdp\r\n',
    sdp(name, 'actpass', transport),
    '--b1\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n',
    listXml(entries),
    '--b1--\r\n',
  ].join('\r\n');
  return requestFrom(name, 'INVITE', FACTORY)
    .append('Require', 'recipient-list-invite')
    .append('Subject', 'Lunch')
    .setBody('multipart/mixed;boundary=b1', body);
}

/** The core's side of the Controlling Function: records every request and answers as the people would. */
export function fixture(options: Partial<ControllingOptions> = {}, clock = new VirtualClock()) {
  const core = new SipServer({ clock });
  const server = new SipServer({ clock });
  const { atA: toCf, atB: toCore } = connectServers(core, server);
  const media = new MsrpSwitch({ clock });
  const cf = new ControllingFunction({
    server,
    media,
    core: toCore,
    factory: FACTORY,
    host: 'cf.lab.test',
    resolve: () => toCore,
    nameOf: (address) => (address === 'sip:bob@lab.test' ? 'Bob' : null),
    ...options,
  });
  const invites = new Map<string, ServerTransaction>();
  const cancelled: string[] = [];
  const byes: SipRequest[] = [];
  const notifies: SipRequest[] = [];
  const acks: SipRequest[] = [];
  /** While slow, NOTIFYs get no answer. */
  const slow = { isSlow: false, unanswered: [] as ServerTransaction[] };
  core.onAck = (ack) => acks.push(ack);
  core.onRequest = (transaction) => {
    const { request } = transaction;
    if (request.method === 'INVITE') {
      const name = personOf(request.uri);
      invites.set(name, transaction);
      transaction.onCancel = () => {
        cancelled.push(name);
        transaction.reply(487);
      };
      return;
    }
    if (request.method === 'BYE') byes.push(request);
    if (request.method === 'NOTIFY') {
      notifies.push(request);
      if (slow.isSlow) {
        slow.unanswered.push(transaction);
        return;
      }
    }
    transaction.reply(200);
  };
  const send = async (request: SipRequest) => {
    const provisional: SipResponse[] = [];
    const client = core.request(request, toCf, { onProvisional: (response) => provisional.push(response) });
    await settle();
    return { client, provisional };
  };
  const final = async (request: SipRequest) => (await (await send(request)).client.final) as SipResponse;
  const answer = async (name: string, status: number, device = 'laptop', description = sdp(name, 'active')) => {
    const invite = invites.get(name);
    if (invite === undefined) throw new Error(`${name} was not invited`);
    const response = responseTo(invite.request, status, { toTag: `${name}-tag` });
    if (status < 300) response.set('Contact', `"${name}'s ${device}" <sip:${name}@lab.test;gr=${device}>`);
    if (status >= 200 && status < 300) response.setBody('application/sdp', description);
    invite.respond(response);
    await settle();
  };
  /** A person's request inside the dialog of their leg. */
  const inDialog = (dialog: { request: SipRequest; response: SipResponse; isCaller: boolean }, method: string) => {
    const { request, response, isCaller } = dialog;
    const from = isCaller ? request.get('from') : response.get('to');
    const to = isCaller ? response.get('to') : request.get('from');
    return new SipRequest(method, uriOf((isCaller ? response : request).get('contact') ?? ''))
      .append('Max-Forwards', '70')
      .append('From', from ?? '')
      .append('To', to ?? '')
      .append('Call-ID', request.callId)
      .append('CSeq', `2 ${method}`)
      .append('P-Asserted-Identity', (from ?? '').replace(/;.*/, ''));
  };
  /** Connects the media of a leg by the SDP of the focus, like a client. */
  const connectMedia = (sdpOfFocus: string, name: string) => {
    const described = parseSdp(sdpOfFocus);
    const path = described.ok ? (described.value.path[0] ?? '') : '';
    const peer = new MsrpPeer();
    peer.answersSends = true;
    media.accept(peer);
    const base = {
      kind: 'request' as const,
      method: 'SEND',
      toPath: [path],
      fromPath: [`msrp://127.0.0.1:7000/${name};tcp`],
      headers: [],
      successReport: false,
      failureReport: 'yes' as const,
      status: null,
      continuation: '$' as const,
    };
    let count = 0;
    const say = (body: string | null, contentType = 'message/cpim') => {
      count += 1;
      const bytes = body === null ? null : utf8(body);
      const byteRange = bytes === null ? null : { start: 1, end: bytes.length, total: bytes.length };
      return peer.say({
        ...base,
        transactionId: `${name}${String(count).padStart(5, '0')}`,
        messageId: `${name}-${count}`,
        byteRange,
        contentType: bytes === null ? null : contentType,
        body: bytes,
      });
    };
    /** Asks for a nickname; resolves with the answer. */
    const call = (nickname: string) => {
      count += 1;
      const header = ['Use-Nickname', encodeNickname(nickname)] as const;
      const transactionId = `${name}${String(count).padStart(5, '0')}`;
      const about = { messageId: null, byteRange: null, contentType: null, body: null };
      peer.say({ ...base, ...about, method: 'NICKNAME', headers: [header], transactionId });
      const answer = peer.received.find((message) => message.kind === 'response' && message.transactionId === transactionId);
      return answer?.kind === 'response' ? answer.status : null;
    };
    /** Reports that a whole text has arrived (RFC 4975 section 7.1.2). */
    const report = (of: string) => {
      const chunk = peer.sends.find(({ body }) => body !== null && text(parsedCpim(body).body) === of);
      if (chunk === undefined) throw new Error(`“${of}” has not come`);
      count += 1;
      const { messageId, byteRange } = chunk;
      const about = { messageId, byteRange, contentType: null, body: null, status: { code: 200, reason: 'OK' } };
      peer.say({ ...base, ...about, method: 'REPORT', transactionId: `${name}${String(count).padStart(5, '0')}` });
    };
    say(null);
    /** The texts that came: those in envelopes, and bare ones with their type. */
    const heard = () =>
      peer.sends.map(({ contentType, body }) => {
        const octets = body ?? utf8('');
        return contentType === 'message/cpim' ? text(parsedCpim(octets).body) : `${contentType} ${text(octets)}`;
      });
    return { call, peer, report, say, heard, path };
  };
  /** A group of Alice, Bob and Carol with connected media. */
  const group = async () => {
    const request = creation(['sip:bob@lab.test', 'sip:carol@lab.test']);
    const { client } = await send(request);
    const dialogs = new Map<string, { request: SipRequest; response: SipResponse; isCaller: boolean }>();
    for (const name of ['bob', 'carol']) {
      await answer(name, 200);
      const invite = invites.get(name);
      if (invite === undefined) throw new Error('not invited');
      dialogs.set(name, { request: invite.request, response: responseTo(invite.request, 200, { toTag: `${name}-tag` }), isCaller: false });
    }
    const response = await client.final;
    dialogs.set('alice', { request, response, isCaller: true });
    const focus = uriOf(response.get('contact') ?? '');
    const sdpOf = (name: string) => {
      const invite = invites.get(name)?.request;
      return invite === undefined ? response.text : text(partOf(invite, 'application/sdp'));
    };
    const people = new Map(['alice', 'bob', 'carol'].map((name) => [name, connectMedia(sdpOf(name), name)]));
    const dialog = (name: string) => {
      const found = dialogs.get(name);
      if (found === undefined) throw new Error(name);
      return found;
    };
    const person = (name: string) => {
      const found = people.get(name);
      if (found === undefined) throw new Error(name);
      return found;
    };
    return { focus, dialog, person };
  };
  const subscribe = (name: string, focus: string) =>
    requestFrom(name, 'SUBSCRIBE', focus)
      .append('Event', 'conference')
      .append('Accept', 'application/conference-info+xml')
      .append('Expires', '600');
  return {
    clock,
    server,
    cf,
    media,
    slow,
    invites,
    cancelled,
    byes,
    notifies,
    acks,
    send,
    final,
    answer,
    inDialog,
    group,
    subscribe,
    connectMedia,
  };
}

export const personOf = (uri: string) => /^sip:([^@;]+)@/.exec(uri)?.[1] ?? uri;

export function partOf(message: SipRequest, type: string): Uint8Array {
  const parts = parseMultipart(message.get('content-type') ?? '', message.body);
  return (parts.ok ? parts.value.find((part) => parseContentType(part.contentType).type === type)?.body : undefined) ?? utf8('');
}

export function parsedCpim(bytes: Uint8Array) {
  const message = parseCpim(bytes);
  if (!message.ok) throw new Error(message.reason);
  return message.value;
}

export function documentOf(notify: SipRequest | undefined): ConferenceInfo {
  const document = parseConferenceInfo(notify?.text ?? '');
  if (!document.ok) throw new Error(document.reason);
  return document.value;
}

export function rosterOf(notify: SipRequest | undefined): Record<string, string> {
  return rosterIn(documentOf(notify));
}

/** The members of the group after these documents to one watcher, of which the first is a full one. */
export function standing(notifies: readonly SipRequest[]): Record<string, string> {
  const whole = notifies.map((notify) => documentOf(notify)).reduce<ConferenceInfo | null>(mergeConferenceInfo, null);
  if (whole === null) throw new Error('a document is missing');
  return rosterIn(whole);
}

function rosterIn(document: ConferenceInfo): Record<string, string> {
  return Object.fromEntries(
    document.users.map((user) => [
      personOf(user.entity),
      user.endpoints
        .map((endpoint) => `${endpoint.status}${endpoint.disconnectionMethod ? `/${endpoint.disconnectionMethod}` : ''}`)
        .join(' '),
    ]),
  );
}

export function cpim(from: string | null, to: string[], body: string, contentType = 'text/plain'): string {
  return text(encodeCpim({ from, to, contentType, body: utf8(body) }));
}

/** A member's group data document, in its envelope. */
export function groupData(name: string, focus: string, request: string): string {
  return cpim(`sip:${name}@lab.test`, [focus], request).replace('text/plain', GROUP_DATA_CONTENT_TYPE);
}

export const alice = 'sip:alice@lab.test';

/** Marks a BYE as a final departure from the group. */
export const leave = (bye: SipRequest) => bye.append('Reason', 'SIP;cause=200;text="Call completed"');
