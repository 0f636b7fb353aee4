import { describe, expect, it } from 'vitest';
import { CONFERENCE_INFO_CONTENT_TYPE, type ConferenceInfo, encodeConferenceInfo } from '../../../protocol/conference-info';
import { encodeGroupData, GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { encodeImdn } from '../../../protocol/imdn';
import { encodeIsComposing } from '../../../protocol/is-composing';
import { encodeRegInfo, REGINFO_CONTENT_TYPE, type RegInfoContact } from '../../../protocol/reginfo';
import { encodeReplacingEntry, encodeResourceLists, RESOURCE_LISTS_CONTENT_TYPE } from '../../../protocol/resource-lists';
import { faultsOf } from '../../support/schemas/validate';

const imdn = 'message/imdn+xml';
const composing = 'application/im-iscomposing+xml';
/** Text that needs care in XML and in URIs. */
const odd = 'a <b> & "c" \'d\' ]]> \u{1F600} é';
const oddUri = 'sip:b%3Cc%3E@lab.test;x=1?a=1&b=2';
const gruu = 'sip:alice@lab.test;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';

describe('the schemas refuse', () => {
  it.each([
    [
      'half of the recipients',
      imdn,
      '<recipient-uri>sip:b@c</recipient-uri><delivery-notification><status><delivered/></status></delivery-notification>',
    ],
    ['a status of another kind', imdn, '<delivery-notification><status><displayed/></status></delivery-notification>'],
  ])('%s', (_, type, inner) => {
    const head = '<message-id>m</message-id><datetime>2026-11-23T14:12:02Z</datetime>';
    expect(faultsOf(type, `<imdn xmlns="urn:ietf:params:xml:ns:imdn">${head}${inner}</imdn>`)).not.toEqual([]);
  });

  it.each([
    ['an extension before roles', '<user entity="sip:a@b"><n xmlns="urn:x"/><roles><entry>r</entry></roles></user>'],
    ['an attribute of no namespace', '<user entity="sip:a@b" yourown="true"/>'],
    ['a status that nobody knows', '<user entity="sip:a@b"><endpoint entity="x"><status>gone</status></endpoint></user>'],
  ])('%s in a conference', (_, user) => {
    const text = `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:f@b"><users>${user}</users></conference-info>`;
    expect(faultsOf(CONFERENCE_INFO_CONTENT_TYPE, text)).not.toEqual([]);
  });

  it('what is no XML, what no schema describes, and the elements of another document', () => {
    expect(faultsOf(imdn, '<imdn')).not.toEqual([]);
    expect(faultsOf('application/other+xml', '<a/>')).toEqual(['no schema for application/other+xml']);
    expect(faultsOf(imdn, '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>idle</state></isComposing>')).not.toEqual([]);
    const noCseq = '<gr:temp-gruu xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" uri="sip:a@b"/>';
    const contact = `<contact id="1" state="active" event="created"><uri>sip:a@b</uri>${noCseq}</contact>`;
    const text = `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full"><registration aor="sip:a@b" id="1" state="active">${contact}</registration></reginfo>`;
    expect(faultsOf(REGINFO_CONTENT_TYPE, text)).not.toEqual([]);
  });
});

describe('every document that Chorus writes is valid', () => {
  it.each([null, 'sip:b@c', oddUri, 'tel:+4930123456'])('receipts of %s', (recipient) => {
    const kinds = [
      ['delivery', 'delivered'],
      ['delivery', 'failed'],
      ['delivery', 'forbidden'],
      ['delivery', 'error'],
      ['display', 'displayed'],
      ['processing', 'processed'],
      ['processing', 'stored'],
    ] as const;
    for (const [kind, status] of kinds)
      for (const messageId of ['m', odd])
        expect(faultsOf(imdn, encodeImdn({ messageId, dateTime: 1_795_443_122_345, kind, status, recipient })), status).toEqual([]);
  });

  it('composing states', () => {
    for (const state of ['active', 'idle'] as const)
      for (const refreshSeconds of [null, 0, 0.2, 60])
        for (const contentType of [null, 'text/plain', odd])
          expect(faultsOf(composing, encodeIsComposing({ state, refreshSeconds, contentType }))).toEqual([]);
  });

  it('recipient lists, with the entry of a session that is replaced', () => {
    const replaced = encodeReplacingEntry({
      uri: gruu,
      instanceId: '<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>',
      contributionId: 'c-1',
    });
    const list = encodeResourceLists([
      replaced,
      { uri: oddUri, copyControl: 'bcc', anonymize: true, displayName: odd },
      { uri: 'tel:+4930123456', copyControl: 'cc' },
      { uri: 'sip:c@lab.test', copyControl: null },
    ]);
    expect(faultsOf(RESOURCE_LISTS_CONTENT_TYPE, list)).toEqual([]);
    expect(faultsOf(RESOURCE_LISTS_CONTENT_TYPE, encodeResourceLists([]))).toEqual([]);
  });

  it('group data', () => {
    for (const data of [null, odd, 'data:image/png;base64,AAAA'])
      for (const action of ['set', 'delete'] as const)
        expect(faultsOf(GROUP_DATA_CONTENT_TYPE, encodeGroupData({ kind: 'request', id: odd, target: 'subject', action, data }))).toEqual(
          [],
        );
    expect(faultsOf(GROUP_DATA_CONTENT_TYPE, encodeGroupData({ kind: 'response', id: '1', code: 413 }))).toEqual([]);
  });

  const endpoint = {
    entity: gruu,
    state: 'full',
    displayText: odd,
    status: 'disconnected',
    disconnectionMethod: 'booted',
    joiningMethod: 'dialed-in',
  } as const;
  const user = {
    entity: 'sip:alice@lab.test',
    state: 'full',
    displayText: odd,
    nickname: odd,
    roles: ['Administrator'],
    yourOwn: false,
    endpoints: [endpoint],
  } as const;
  const conference: ConferenceInfo = {
    entity: oddUri,
    state: 'full',
    version: 1,
    subject: odd,
    icon: 'data:image/png;base64,AAAA',
    maximumUserCount: 10,
    userCount: 1,
    active: true,
    usersState: 'full',
    users: [{ ...user, roles: [...user.roles], endpoints: [...user.endpoints] }],
  };
  const nothing = { displayText: null, nickname: null, roles: [], endpoints: [] };

  it.each<[string, ConferenceInfo]>([
    ['everything', conference],
    [
      'nothing',
      { ...conference, version: null, subject: null, icon: null, maximumUserCount: null, userCount: null, active: null, users: [] },
    ],
    ['a picture alone', { ...conference, subject: null, maximumUserCount: null }],
    ['a change', { ...conference, state: 'partial', usersState: 'partial', users: [{ ...user, ...nothing, state: 'deleted' }] }],
    [
      'an endpoint that is only named',
      {
        ...conference,
        users: [
          {
            ...user,
            roles: [],
            endpoints: [{ ...endpoint, status: null, joiningMethod: null, disconnectionMethod: null, displayText: null }],
          },
        ],
      },
    ],
  ])('who is in a group: %s', (_, info) => {
    expect(faultsOf(CONFERENCE_INFO_CONTENT_TYPE, encodeConferenceInfo(info))).toEqual([]);
  });

  it('the mark of the own entry is an addition of CPM, and goes only to those who ask for CPM', () => {
    const info = { ...conference, users: [{ ...user, roles: [], endpoints: [], yourOwn: true }] };
    expect(faultsOf(CONFERENCE_INFO_CONTENT_TYPE, encodeConferenceInfo(info, { forCpm: false }))).toEqual([]);
    expect(encodeConferenceInfo(info, { forCpm: false })).not.toContain('yourown');
    expect(encodeConferenceInfo(info)).toContain(' yourown="true"');
    expect(faultsOf(CONFERENCE_INFO_CONTENT_TYPE, encodeConferenceInfo(info))).toEqual([
      expect.stringContaining("The attribute 'yourown' is not allowed"),
    ]);
  });

  it('registered devices', () => {
    const contact: RegInfoContact = {
      id: odd,
      state: 'active',
      event: 'shortened',
      uri: 'sip:alice@192.0.2.1:5060;transport=tcp',
      displayName: odd,
      expires: 0,
      durationRegistered: 10,
      retryAfter: 5,
      q: '0.5',
      callId: odd,
      cseq: 7,
      params: new Map([
        ['+sip.instance', '<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>'],
        ['audio', null],
      ]),
      pubGruu: gruu,
      tempGruu: { uri: 'sip:tgruu.7hs@lab.test;gr', firstCseq: 23 },
    };
    const bare = {
      ...contact,
      displayName: null,
      expires: null,
      durationRegistered: null,
      retryAfter: null,
      q: null,
      callId: null,
      cseq: null,
    };
    const contacts = [
      contact,
      { ...bare, params: new Map(), pubGruu: null, tempGruu: null },
      { ...contact, tempGruu: { uri: 'sip:t@b;gr', firstCseq: null } },
    ];
    const registrations = [{ aor: 'sip:alice@lab.test', id: 'r1', state: 'active' as const, contacts }];
    expect(faultsOf(REGINFO_CONTENT_TYPE, encodeRegInfo({ version: 0, state: 'full', registrations }))).toEqual([]);
    expect(faultsOf(REGINFO_CONTENT_TYPE, encodeRegInfo({ version: 3, state: 'partial', registrations: [] }))).toEqual([]);
  });
});
