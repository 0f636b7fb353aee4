/**
 * Every text from the wire that reaches a screen, with an alphabet that deceives: each reader is listed, and what an account then tells the window is
 * walked, so that a new field cannot be forgotten. What a message says is no name: it is shown as written, in an element of its own direction.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deviceNamedBy } from '../../main/cpm/conversation/envelope';
import { person } from '../../main/cpm/conversation/values';
import { entryOfContact } from '../../main/devices/entry';
import { readBindings } from '../../main/sip/registration/binding';
import { readCpmHeaders, readRemoteParty } from '../../main/sip/stack/cpm-request';
import { parseWireMessage, type WireMessage } from '../../main/sip/wire/wire-message';
import { AppError } from '../../preload/contract/errors';
import { parseConferenceInfo } from '../../protocol/conference-info';
import { encodeCpim, parseCpim } from '../../protocol/cpim';
import { usableNickname } from '../../protocol/nickname';
import { correspondentKey } from '../../protocol/uri';
import { createLab, FakeInvite, type Lab } from '../support/doubles/cpm-lab';

/** Everything that turns, hides or breaks: bidi overrides and isolates, zero-width, blanks, fillers, tags, private use, line ends of XML and Unicode. */
const HOSTILE = 'A\u202e\u2066\u2069\u200b\u200d\u2060\ufeff\u00ad\u2028\u2029\u3164\u2800\u115f\ue000\u{e0041}\u0085Z';
const DECEIVES =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u115f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\ue000]|\u{e0041}/u;

const request = (lines: readonly string[]): WireMessage => {
  const bytes = new TextEncoder().encode(`${['MESSAGE sip:alice@lab.test SIP/2.0', ...lines, 'Content-Length: 0'].join('\r\n')}\r\n\r\n`);
  const read = parseWireMessage(bytes, bytes.length);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

/** `\u0085` and the like may not stand in an XML document or a header as they are: there it is left to the parser. */
const inXml = HOSTILE.replace('\u0085', '&#x85;');
const focus = 'sip:grp-1@cf.lab.test';
const from = `From: "${HOSTILE}" <sip:mallory@evil.test>;tag=1`;
const contact = (uri: string, params = '') => `Contact: "${HOSTILE}" <${uri}>${params}`;
const document = `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><conference-description><subject>${inXml}</subject></conference-description><users><user entity="sip:alice@lab.test" state="full"><endpoint entity="sip:alice@lab.test;gr=a"><status>connected</status></endpoint></user><user entity="sip:mallory@evil.test" state="full"><display-text>${inXml}</display-text><nickname xmlns="urn:ietf:params:xml:ns:xcon-conference-info">${inXml}</nickname><endpoint entity="sip:mallory@evil.test;gr=x"><display-text>${inXml}</display-text><status>connected</status></endpoint></user><user entity="${inXml}" state="full"><endpoint entity="x"><status>connected</status></endpoint></user></users></conference-info>`;

function textsIn(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return [];
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return entries.flatMap(([key, one]) => textsIn(one, `${path}.${key}`));
}
const deceiving = (value: unknown, except: RegExp = /^$/) =>
  textsIn(value).flatMap(([path, text]) => (DECEIVES.test(text) && !except.test(path) ? [`${path}: ${JSON.stringify(text)}`] : []));

const parsedDocument = () => {
  const read = parseConferenceInfo(document);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

describe('a text from the wire', () => {
  const asserted = `P-Asserted-Identity: "X${HOSTILE}" <sip:mallory@evil.test>`;
  const gruu = 'sip:mallory@evil.test;gr=x';
  const envelope = () => {
    const headers = [{ namespace: 'urn:chorus:device', name: 'Name', value: HOSTILE.replace(/[\u0085\u2028\u2029]/g, '') }];
    const body = new TextEncoder().encode('hi');
    const read = parseCpim(
      encodeCpim({
        headers,
        from: 'sip:mallory@evil.test',
        to: [focus],
        messageId: 'm',
        dispositions: [],
        contentType: 'text/plain',
        body,
      }),
    );
    if (!read.ok) throw new Error(read.reason);
    return read.value;
  };
  const readers: [what: string, read: () => unknown, path?: RegExp][] = [
    ['the display name of From', () => readRemoteParty(request([from]), 'from').displayName],
    ['the display name that a network asserts', () => readRemoteParty(request([from, asserted]), 'from').assertedName],
    ['the device name of a Contact', () => readRemoteParty(request([from, contact(gruu)]), 'from').deviceName],
    [
      'the subject of a group that was asked',
      () => readRemoteParty(request([from, contact(focus, ';isfocus'), `Subject: ${HOSTILE}`]), 'from').group?.subject,
    ],
    ['the subject of a request', () => readCpmHeaders(request([`Subject: ${HOSTILE}`])).subject],
    ['the name of an own device in a 200', () => readBindings(request([contact(gruu)]))[0]?.deviceName],
    [
      'the name of an own device in an event',
      () =>
        entryOfContact(
          { uri: gruu, id: '1', displayName: HOSTILE, state: 'active', event: 'registered', expires: 1, params: new Map() } as never,
          undefined,
          0,
        ).name,
    ],
    ['the subject of a roster', () => parsedDocument().subject],
    ['a name in a roster', () => parsedDocument().users[1]?.displayText],
    ['a device in a roster', () => parsedDocument().users[1]?.endpoints[0]?.displayText],
    ['the name of a device in an envelope', () => deviceNamedBy(envelope())],
    ['a name that somebody else gives', () => person('sip:mallory@evil.test', HOSTILE).name],
    ['what should be an address', () => person(HOSTILE, null).address],
    ['the reason of a refusal', () => new AppError('sip/rejected', { status: 486, reason: HOSTILE }).toValue().reason],
    ['a warning', () => new AppError('sip/rejected', { status: 488, warning: HOSTILE }).toValue().warning],
    ['the cause of an error', () => new AppError('sip/malformed', { cause: HOSTILE }).toValue().cause],
  ];
  it.each(readers)('%s draws what it says and nothing else', (_what, read) => {
    const shown = read();
    expect(shown).toMatch(/A[\s\S]*Z/);
    expect(deceiving(shown)).toEqual([]);
  });

  it('is no nickname when it deceives', () => {
    expect(deceiving(usableNickname(HOSTILE))).toEqual([]);
    expect(usableNickname('Ally')).toBe('Ally');
  });

  it('keeps the lines of a cause, and their indentation', () => {
    expect(new AppError('internal', { cause: 'Error: x\n    at y\u202e' }).toValue().cause).toBe('Error: x\n    at y');
  });

  it('is no address of another scheme when it is not ASCII', () => {
    expect(correspondentKey('mailto:bob@lab.test?subject=x')).toBe('mailto:bob@lab.test');
    for (const address of ['mailto:b\u202eob@lab.test', 'mailto:b\u00f6b@lab.test', 'wv:\u200b'])
      expect(correspondentKey(address)).toBeNull();
  });
});

describe('what an account tells the window', () => {
  let lab: Lab;
  beforeEach(() => {
    lab = createLab();
  });
  afterEach(() => lab.dispose());

  /** What people have written, and nothing else, is as they have written it. */
  const written = /\.(text|snippet)$/;

  it('holds no deceiving character outside of what messages say', async () => {
    lab.setPreferences({ accept: 'ask' });
    const body = (to: string, id: string) =>
      new TextEncoder().encode(
        `From: <sip:mallory@evil.test>\r\nTo: <${to}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ${id}\r\n\r\nContent-Type: text/plain\r\n\r\nneedle ${HOSTILE}`,
      );
    const remote = readRemoteParty(request([from, contact('sip:mallory@evil.test;gr=x')]), 'from');
    const part = { contentType: 'message/cpim', headers: new Map(), body: body('sip:alice@lab.test', 'm1') };
    const subject = `Subject: ${HOSTILE}`;
    const oneToOne = { ...readCpmHeaders(request([subject])), contributionId: 'k1', conversationId: 'c1' };
    lab.messenger.incoming.invite(new FakeInvite({ remote, headers: oneToOne, parts: [part] }));
    await lab.settle();
    lab.setPreferences({ accept: 'auto' });
    const caller = readRemoteParty(request([`From: <${focus}>;tag=1`, contact(focus, ';isfocus')]), 'from');
    const headers = {
      ...readCpmHeaders(request([subject])),
      contributionId: 'g1',
      conversationId: 'gc',
      referredBy: 'sip:mallory@evil.test',
    };
    lab.messenger.incoming.invite(new FakeInvite({ remote: caller, headers }));
    await lab.settle();
    lab.subscriptions.at(-1)?.onDocument.emit(document);
    await lab.media.at(-1)?.deliver(body(focus, 'm2'));
    await lab.settle();
    const chats = lab.messenger.chats.all();
    const group = chats.find((one) => one.kind === 'group')?.conversation ?? '';
    const told = {
      events: lab.events,
      chats,
      invitations: lab.messenger.invitations.list(),
      participants: lab.messenger.chats.participants(group),
      messages: chats.flatMap(({ conversation }) => lab.messenger.chats.messages(conversation, {}, 10)),
      hits: await lab.messenger.search.find('needle', 10),
    };
    expect([told.chats.length, told.invitations.length, told.participants.length, told.messages.length, told.hits.length]).toEqual([
      2, 1, 3, 2, 2,
    ]);
    expect(deceiving(told, written)).toEqual([]);
    // The walk does see what is there to be seen.
    expect(deceiving(told).length).toBeGreaterThan(0);
  });
});
