/** XML documents. */
import { encodeConferenceInfo, mergeConferenceInfo, parseConferenceInfo } from '../../../protocol/conference-info';
import { encodeGroupData, parseGroupData } from '../../../protocol/group-data';
import { encodeImdn, parseImdn } from '../../../protocol/imdn';
import { encodeIsComposing, parseIsComposing } from '../../../protocol/is-composing';
import { encodeRegInfo, mergeRegInfo, parseRegInfo } from '../../../protocol/reginfo';
import {
  encodeReplacingEntry,
  encodeResourceLists,
  entryTarget,
  historyEntries,
  parseResourceLists,
} from '../../../protocol/resource-lists';
import { survives } from '../engine/properties';
import type { Target } from '../engine/target';

const words = [
  ...[
    '<',
    '</',
    '/>',
    '<a>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<?a?>',
    '<!DOCTYPE a>',
    '&#0;',
    '&#x1F600;',
    '&lt;',
    '&amp;',
    '&a;',
    ' xmlns=""',
    ' xmlns:a="b"',
  ],
  ...[
    ' state="partial"',
    ' state="deleted"',
    ' version="2"',
    '<entry uri="',
    'entity="',
    '<user entity="a">',
    '</user>',
    '<status>',
    'xml:lang="en"',
    "='",
    '\u0085',
  ],
];
const XML = '<?xml version="1.0" encoding="UTF-8"?>\r\n';
const deep = (root: string) => [
  { before: root, piece: '<a>' },
  { before: root, piece: '<a/>' },
  { before: `${root}<a `, piece: 'a="b" ' },
  { before: root, piece: '&amp;' },
  { before: `${root}<!--`, piece: '-' },
  { before: `${root}<![CDATA[`, piece: ']' },
  { before: root, piece: ' ' },
];

export const imdn: Target = {
  name: 'imdn',
  seeds: [
    Buffer.from(encodeImdn({ messageId: '1', dateTime: 0, kind: 'delivery', status: 'delivered', recipient: 'sip:a@b' })),
    `${XML}<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id> 2 </message-id><datetime>2026-01-01T00:00:00+01:00</datetime><display-notification><status><displayed/></status></display-notification></imdn>`,
    '<i:imdn xmlns:i="urn:ietf:params:xml:ns:imdn"><i:message-id>3</i:message-id><i:processing-notification><i:status><i:stored/></i:status></i:processing-notification></i:imdn>',
  ],
  words: [...words, '<message-id>', '<datetime>', '<failed/>', '<forbidden/>', '275760-09-13T00:00:00Z', '-000001'],
  long: deep('<imdn xmlns="urn:ietf:params:xml:ns:imdn">'),
  take(bytes) {
    survives(parseImdn(bytes), encodeImdn, parseImdn, (value) => ({ ...value, dateTime: value.dateTime ?? 0 }));
  },
};

export const isComposing: Target = {
  name: 'is-composing',
  seeds: [
    Buffer.from(encodeIsComposing({ state: 'active', refreshSeconds: 60, contentType: 'a/b' })),
    '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>idle</state><lastactive>2026-01-01T00:00:00Z</lastactive></isComposing>',
  ],
  words: [...words, '<state>', 'active', '<refresh>', '0', '-5', '1e9', '999999999999'],
  long: deep('<isComposing>'),
  take(bytes) {
    survives(parseIsComposing(bytes), encodeIsComposing, parseIsComposing, (value) => ({
      ...value,
      refreshSeconds: value.refreshSeconds === null ? null : Math.max(1, value.refreshSeconds),
    }));
  },
};

export const resourceLists: Target = {
  name: 'resource-lists',
  seeds: [
    encodeResourceLists([
      { uri: 'sip:a@b', copyControl: 'to', displayName: 'x' },
      { uri: 'sip:c@d', copyControl: 'bcc', anonymize: true },
      encodeReplacingEntry({ uri: 'sip:b@x;gr=urn:uuid:1', instanceId: 'urn:uuid:1', contributionId: 'abc-1' }),
    ]),
    '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><list><entry uri=" tel:+1 "><display-name xml:lang="en">T</display-name></entry></list><external anchor="x"/></list></resource-lists>',
  ],
  words: [
    ...words,
    '<list>',
    '</list>',
    'cp:copyControl="cc"',
    'cp:anonymize="1"',
    '?Session-Replaces=',
    '&amp;Call-ID=',
    ';method=INVITE',
  ],
  long: [...deep('<resource-lists>'), { before: '<resource-lists><list>', piece: '<entry uri="sip:a@b"/>' }],
  take(bytes) {
    const read = parseResourceLists(bytes);
    survives(read, encodeResourceLists, parseResourceLists);
    if (!read.ok) return;
    const told = historyEntries(read.value);
    survives(parseResourceLists(encodeResourceLists(told)), encodeResourceLists, parseResourceLists);
    for (const { uri } of read.value)
      survives(
        entryTarget(uri),
        ({ uri: to }) => to,
        entryTarget,
        ({ uri: to }) => to,
      );
  },
};

const INFO = '<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:f@x" ';

export const conferenceInfo: Target = {
  name: 'conference-info',
  seeds: [
    `${XML}${INFO}state="full" version="1"><conference-description><subject>s</subject><maximum-user-count>5</maximum-user-count></conference-description><conference-state><user-count>1</user-count><active>true</active></conference-state><users><user entity="sip:a@b" state="full" yourown="true"><display-text>A</display-text><nickname xmlns="urn:ietf:params:xml:ns:xcon-conference-info">N</nickname><roles><entry>r</entry></roles><endpoint entity="sip:a@b;gr=1"><display-text>D</display-text><status>connected</status><joining-method>dialed-in</joining-method></endpoint></user></users></conference-info>`,
    `${INFO}state="partial" version="2"><users state="partial"><user entity="sip:a@b" state="deleted"/></users></conference-info>`,
    `${INFO}state="deleted"/>`,
  ],
  words: [
    ...words,
    '<endpoint entity="e">',
    '<disconnection-method>booted</disconnection-method>',
    '<roles>',
    '<subject>',
    '<display-text>',
    '<icon xmlns="urn:oma:xml:cpm:groupdata:1.0">',
    '\u202e',
    '\u3164',
  ],
  long: [
    ...deep(`${INFO}>`),
    { before: `${INFO}><users>`, piece: '<user entity="a"/>' },
    { before: `${INFO}><users><user entity="a">`, piece: '<endpoint/>' },
    { before: `${INFO}><users><user entity="a"><display-text>`, piece: 'e\u0301' },
  ],
  take(bytes) {
    const read = parseConferenceInfo(bytes);
    survives(read, encodeConferenceInfo, parseConferenceInfo);
    if (!read.ok) return;
    const known = parseConferenceInfo(this.seeds[0] ?? '');
    for (const before of [null, known.ok ? known.value : null]) {
      const merged = mergeConferenceInfo(before, read.value);
      if (merged !== null) survives(parseConferenceInfo(encodeConferenceInfo(merged)), encodeConferenceInfo, parseConferenceInfo);
    }
  },
};

const REG = '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" ';

export const regInfo: Target = {
  name: 'reginfo',
  seeds: [
    `${XML}${REG}version="0" state="full"><registration aor="sip:a@b" id="1" state="active"><contact id="1" state="active" event="created" expires="60" q="0.5" callid="c" cseq="1"><uri>sip:a@10.0.0.1</uri><display-name>x</display-name><unknown-param name="+sip.instance">"&lt;urn:uuid:1&gt;"</unknown-param><unknown-param name="audio"/><gr:pub-gruu uri="sip:a@b;gr=1"/><gr:temp-gruu uri="sip:t@b;gr" first-cseq="1"/></contact></registration></reginfo>`,
    `${REG}version="1" state="partial"><registration aor="sip:a@b" id="1" state="terminated"><contact id="1" state="terminated" event="expired"><uri>sip:a</uri></contact></registration></reginfo>`,
  ],
  words: [
    ...words,
    '<registration aor="a" id="1" state="init">',
    '<contact id="',
    'event="probation"',
    'retry-after="',
    '<unknown-param name="',
    '<uri>',
    'first-cseq="',
  ],
  long: [
    ...deep(`${REG}version="0" state="full">`),
    {
      before: `${REG}version="0" state="full"><registration aor="a" id="1" state="active">`,
      piece: '<contact id="1" state="active" event="created"><uri>a</uri></contact>',
    },
  ],
  take(bytes) {
    const read = parseRegInfo(bytes);
    survives(read, encodeRegInfo, parseRegInfo, ({ registrations, ...rest }) => [
      rest,
      registrations.map(({ contacts, ...one }) => [
        one,
        contacts.map((contact) => ({
          ...contact,
          params: [...contact.params].map(([name, value]) => [name, value?.replaceAll('\t', ' ').replace(/[\x00-\x1f\x7f]/g, '') || null]),
        })),
      ]),
    ]);
    if (!read.ok) return;
    const known = parseRegInfo(this.seeds[0] ?? '');
    for (const before of [null, known.ok ? known.value : null]) {
      const merged = mergeRegInfo(before, read.value);
      if (merged !== null) parseRegInfo(encodeRegInfo(merged));
    }
  },
};

export const groupData: Target = {
  name: 'group-data',
  seeds: [
    Buffer.from(encodeGroupData({ kind: 'request', id: '1', target: 'subject', action: 'set', data: 'New name' })),
    Buffer.from(encodeGroupData({ kind: 'response', id: '1', code: 200 })),
    '<cpm-group-management><request><id>1</id><target>icon</target><action>delete</action><data><icon>x</icon></data></request></cpm-group-management>',
  ],
  words: [...words, '<request', '<response', ' code="', 'target="subject"', 'action="set"', '<data>', '<subject>'],
  long: deep('<cpm-group-management>'),
  take(bytes) {
    survives(parseGroupData(bytes), encodeGroupData, parseGroupData);
  },
};
