import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { clocksOf } from '../../../main/trace/clocks';
import { hopsOf } from '../../../main/trace/hops';
import { ladderOf, lanesOf } from '../../../main/trace/ladder';
import { ladderText } from '../../../main/trace/ladder-text';
import { readTrace } from '../../../main/trace/record';
import type { WireRecord, WireRole } from '../../../protocol/wire-record';

const ports: Readonly<Record<string, string>> = { alice: '127.0.0.1:1', core: '127.0.0.1:9', bob: '127.0.0.1:2', stranger: '127.0.0.1:7' };

function sip(startLine: string, headers: readonly string[] = [], body = ''): Uint8Array {
  return new TextEncoder().encode([startLine, ...headers, '', body].join('\r\n'));
}

/** One side's record of a message from one lane to another. */
function written(by: string, from: string, to: string, at: number, bytes: Uint8Array, protocol: 'sip' | 'msrp' = 'sip'): WireRecord {
  const isSent = by === from;
  const role: WireRole = by === 'core' ? 'core' : 'client';
  const [local = '', remote = ''] = isSent ? [ports[from], ports[to]] : [ports[to], ports[from]];
  return { at, direction: isSent ? 'out' : 'in', protocol, transport: 'tcp', local, remote, role, lane: by, bytes };
}
const crossing = (from: string, to: string, sentAt: number, receivedAt: number, bytes: Uint8Array, protocol: 'sip' | 'msrp' = 'sip') => [
  written(from, from, to, sentAt, bytes, protocol),
  written(to, from, to, receivedAt, bytes, protocol),
];

const people = ['From: <sip:alice@lab.test>;tag=1', 'To: <sip:bob@lab.test>', 'Call-ID: c'];
const inDialog = ['From: <sip:bob@lab.test>;tag=2', 'To: <sip:alice@lab.test>;tag=1', 'Call-ID: c'];
const answer = (method: string) => ['From: <sip:alice@lab.test>;tag=1', 'To: <sip:bob@lab.test>;tag=2', 'Call-ID: c', `CSeq: 1 ${method}`];
const cpim = (type: string, body: string, from = 'sip:bob@lab.test') =>
  `From: <${from}>\r\nTo: <sip:alice@lab.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\n\r\nContent-Type: ${type}\r\n\r\n${body}`;
const message = (type: string, body: string) =>
  sip('MESSAGE sip:alice@lab.test SIP/2.0', [...inDialog, 'Content-Type: message/cpim'], cpim(type, body));
const imdn = (kind: string, status: string) =>
  `<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>m1</message-id><${kind}-notification><status><${status}/></status></${kind}-notification></imdn>`;
const send = (body: string, type = 'message/cpim', range = `1-${body.length}/${body.length}`, flag = '$') =>
  new TextEncoder().encode(
    `MSRP tid12345 SEND\r\nTo-Path: msrp://127.0.0.1:2/b;tcp\r\nFrom-Path: msrp://127.0.0.1:1/a;tcp\r\nMessage-ID: x\r\nByte-Range: ${range}\r\nContent-Type: ${type}\r\n\r\n${body}\r\n-------tid12345${flag}\r\n`,
  );
const response = (status: string) =>
  new TextEncoder().encode(
    `MSRP tid12345 ${status}\r\nTo-Path: msrp://127.0.0.1:1/a;tcp\r\nFrom-Path: msrp://127.0.0.1:2/b;tcp\r\n-------tid12345$\r\n`,
  );

describe('the words of one message', () => {
  it.each<[string, string, Uint8Array, ('sip' | 'msrp')?]>([
    ['Alice signs in', 'registration', sip('REGISTER sip:lab.test SIP/2.0', ['From: <sip:alice@lab.test>', 'To: <sip:alice@lab.test>'])],
    [
      'Alice signs in, with the proof asked for',
      'registration',
      sip('REGISTER sip:lab.test SIP/2.0', ['f: <sip:alice@lab.test>', 't: <sip:alice@lab.test>', 'Authorization: Digest x']),
    ],
    [
      'Alice signs out',
      'registration',
      sip('REGISTER sip:lab.test SIP/2.0', ['From: <sip:alice@lab.test>', 'To: <sip:alice@lab.test>', 'Contact: <sip:a@h>;expires=0']),
    ],
    [
      'The core tells that Alice is signed in',
      'registration',
      sip('REGISTER sip:pf SIP/2.0', ['From: <sip:core.lab.test>', 'To: <sip:alice@lab.test>']),
    ],
    ['Proof of identity is asked for', 'registration', sip('SIP/2.0 401 Unauthorized', answer('REGISTER'))],
    ['Alice asks Bob for a session', 'session', sip('INVITE sip:bob@lab.test SIP/2.0', people)],
    [
      'Somebody asks Bob for a session',
      'session',
      sip('INVITE sip:bob@lab.test SIP/2.0', ['From: "Anonymous" <sip:anonymous@anonymous.invalid>', 'To: <sip:bob@lab.test>']),
    ],
    [
      'The group invites Bob',
      'session',
      sip('INVITE sip:bob@lab.test SIP/2.0', [
        'From: <sip:grp-1@cf.lab.test>',
        'To: <sip:bob@lab.test>',
        'Contact: <sip:grp-1@cf.lab.test>;isfocus',
      ]),
    ],
    ['It rings at Bob', 'session', sip('SIP/2.0 180 Ringing', answer('INVITE'))],
    ['Bob accepts', 'session', sip('SIP/2.0 200 OK', answer('INVITE'))],
    ['Bob declines on this device (486)', 'session', sip('SIP/2.0 486 Busy Here', answer('INVITE'))],
    ['Bob declines everywhere (603)', 'session', sip('SIP/2.0 603 Decline', answer('INVITE'))],
    ['Bob is not signed in (480)', 'session', sip('SIP/2.0 480 Gone', answer('INVITE'))],
    ['Bob refuses (500)', 'session', sip('SIP/2.0 500 Error', answer('INVITE'))],
    ['Alice withdraws the invitation', 'session', sip('CANCEL sip:bob@lab.test SIP/2.0', people)],
    [
      'Bob stops ringing here: answered on another device',
      'session',
      sip('CANCEL sip:bob@lab.test SIP/2.0', [...people, 'Reason: SIP;cause=200;text="Call completed elsewhere"']),
    ],
    ['Bob ends the session', 'session', sip('BYE sip:alice@lab.test SIP/2.0', inDialog)],
    ['Bob writes “Hello”', 'message', message('text/plain', 'Hello')],
    ['Bob has received a message', 'receipt', message('message/imdn+xml', imdn('delivery', 'delivered'))],
    ['Bob has read a message', 'receipt', message('message/imdn+xml', imdn('display', 'displayed'))],
    [
      'Bob is writing',
      'composing',
      message(
        'application/im-iscomposing+xml',
        '<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state></isComposing>',
      ),
    ],
    ['Alice adds Carol', 'conference', sip('REFER sip:grp-1@cf.lab.test SIP/2.0', [...people, 'Refer-To: <sip:carol@lab.test>'])],
    [
      'Alice removes Carol',
      'conference',
      sip('REFER sip:grp-1@cf.lab.test SIP/2.0', [...people, 'Refer-To: <sip:carol@lab.test;method=BYE>']),
    ],
    ['Alice watches the devices of Bob', 'registration', sip('SUBSCRIBE sip:bob@lab.test SIP/2.0', [...people, 'Event: reg'])],
    ['Bob writes “Hello”', 'message', send(cpim('text/plain', 'Hello')), 'msrp'],
    ['Part of a message, bytes 1 to 5 of 9', 'message', send('Hello', 'text/plain', '1-5/9', '+'), 'msrp'],
    ['Taken', 'media', response('200 OK'), 'msrp'],
    ['Not taken (413 Too Long)', 'media', response('413 Too Long'), 'msrp'],
    ['FROBNICATE', 'other', sip('FROBNICATE sip:bob@lab.test SIP/2.0', people)],
    ['Bytes that are no message', 'other', new TextEncoder().encode('MSRP what is this'), 'msrp'],
  ])('%s', (text, kind, bytes, protocol = 'sip') => {
    const [row] = ladderOf(crossing('alice', 'bob', 1, 2, bytes, protocol));
    expect(row).toMatchObject({ text, kind, from: 'alice', to: 'bob', seen: 'both', count: 1 });
    expect(row?.record.bytes).toBe(bytes);
  });

  it('cuts a long text and keeps it on one line', () => {
    const [row] = ladderOf(crossing('alice', 'bob', 1, 2, message('text/plain', `two\r\nlines and ${'more '.repeat(20)}`)));
    expect(row?.text).toMatch(/^Bob writes “two lines and (more )+m?…”$/);
  });
});

describe('what came before', () => {
  const texts = (...records: WireRecord[][]) => ladderOf(records.flat()).map(({ text }) => text);

  it('tells a receipt by the text that it is for', () => {
    expect(
      texts(
        crossing('bob', 'alice', 1, 2, message('text/plain', 'Hello')),
        crossing(
          'alice',
          'bob',
          3,
          4,
          sip(
            'MESSAGE sip:bob@lab.test SIP/2.0',
            [...people, 'Content-Type: message/cpim'],
            cpim('message/imdn+xml', imdn('display', 'displayed'), 'sip:alice@lab.test'),
          ),
        ),
      ),
    ).toEqual(['Bob writes “Hello”', 'Alice has read “Hello”']);
  });

  it('tells the BYE of a chat that a group replaces from any other', () => {
    const invite = sip('INVITE sip:bob@lab.test SIP/2.0', [...people, 'Contribution-ID: 1-1']);
    const group = sip('INVITE sip:bob@lab.test SIP/2.0', [
      ...['From: <sip:grp-1@cf.lab.test>;tag=9', 'To: <sip:bob@lab.test>', 'Call-ID: g', 'Session-Replaces: 1-1'],
    ]);
    const bye = sip('BYE sip:alice@lab.test SIP/2.0', inDialog);
    expect(
      texts(crossing('alice', 'bob', 1, 2, invite), crossing('core', 'bob', 3, 4, group), crossing('bob', 'alice', 5, 6, bye)),
    ).toEqual([
      'Alice asks Bob for a session',
      'The group asks Bob to move the chat into the group',
      'Bob leaves the chat: it goes on in the group',
    ]);
    expect(texts(crossing('alice', 'bob', 1, 2, invite), crossing('bob', 'alice', 5, 6, bye)).at(-1)).toBe('Bob ends the session');
  });

  it('tells the changes in a roster', () => {
    const roster = (version: number, names: readonly string[]) =>
      sip(
        'NOTIFY sip:alice@lab.test SIP/2.0',
        ['From: <sip:grp-1@cf.lab.test>', 'To: <sip:alice@lab.test>', 'Call-ID: s', 'Content-Type: application/conference-info+xml'],
        `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:grp-1@cf.lab.test" state="full" version="${version}"><users>${names
          .map(
            (name) => `<user entity="sip:${name}@lab.test"><endpoint entity="sip:${name}@h"><status>connected</status></endpoint></user>`,
          )
          .join('')}</users></conference-info>`,
      );
    expect(
      texts(
        crossing('core', 'alice', 1, 2, roster(1, ['alice', 'bob'])),
        crossing('core', 'alice', 3, 4, roster(2, ['alice', 'carol'])),
        crossing('core', 'alice', 5, 6, roster(3, ['alice', 'carol'])),
      ),
    ).toEqual(['In the group: Alice and Bob', 'Carol joined; Bob left', 'The roster has news, and the same people in it']);
  });
});

describe('the joining of traces', () => {
  const [a, b, c] = ['1', '2', '3'].map((id) => sip(`OPTIONS sip:bob@lab.test SIP/2.0`, [...people, `CSeq: ${id} OPTIONS`])) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];

  it.each<[string, WireRecord[], object[]]>([
    ['both sides wrote it', crossing('alice', 'bob', 1, 2, a), [{ from: 'alice', to: 'bob', seen: 'both' }]],
    ['its sender alone keeps a trace', [written('alice', 'alice', 'stranger', 1, a)], [{ from: 'alice', to: 'elsewhere', seen: 'sender' }]],
    [
      'its receiver alone keeps a trace',
      [written('alice', 'stranger', 'alice', 1, a)],
      [{ from: 'elsewhere', to: 'alice', seen: 'receiver' }],
    ],
    [
      'it did not arrive, and what came later did',
      [written('alice', 'alice', 'bob', 1, a), ...crossing('alice', 'bob', 3, 4, b)],
      [{ seen: 'lost' }, { seen: 'both' }],
    ],
    [
      'the trace of the receiver ended before',
      [...crossing('alice', 'bob', 1, 2, b), written('alice', 'alice', 'bob', 9, a)],
      [{ seen: 'both' }, { seen: 'sender' }],
    ],
    [
      'it was sent three times',
      [...crossing('alice', 'bob', 1, 2, a), ...crossing('alice', 'bob', 5, 6, a), written('alice', 'alice', 'bob', 9, a)],
      [{ count: 3 }],
    ],
    [
      'the same bytes went the other way, too',
      [...crossing('alice', 'bob', 1, 2, a), ...crossing('bob', 'alice', 3, 4, a)],
      [{ from: 'alice' }, { from: 'bob' }],
    ],
    ['a keep-alive says nothing', crossing('alice', 'bob', 1, 2, new TextEncoder().encode('\r\n\r\n')), []],
    ['nothing was recorded', [], []],
  ])('%s', (_what, records, rows) => {
    const ladder = ladderOf(records);
    expect(ladder).toHaveLength(rows.length);
    expect(ladder).toMatchObject(rows);
  });

  it.each([-90_000, 0, 7_000])('finds a clock that is %i ms ahead, and no arrow points upwards', (ahead) => {
    const records = [
      ...crossing('alice', 'core', 1_000, 1_004, a),
      ...crossing('core', 'bob', 1_005, 1_010 + ahead, a),
      ...crossing('bob', 'core', 1_020 + ahead, 1_023, b),
      ...crossing('core', 'alice', 1_024, 1_030, b),
      ...crossing('bob', 'core', 1_040 + ahead, 1_049, c),
    ];
    const clocks = clocksOf(hopsOf(records));
    const bob = clocks.find(({ lane }) => lane === 'bob');
    expect(clocks[0]).toEqual({ lane: 'core', ahead: 0, error: 0 });
    expect(Math.abs((bob?.ahead ?? 0) - ahead)).toBeLessThanOrEqual(bob?.error ?? -1);
    expect(bob?.error).toBe(4);
    expect(ladderOf(records).map(({ from, to }) => `${from} ${to}`)).toEqual([
      'alice core',
      'core bob',
      'bob core',
      'core alice',
      'bob core',
    ]);
    // The writers' files may be merged in any order.
    const byLane = ['bob', 'core', 'alice'].flatMap((lane) => records.filter((record) => record.lane === lane));
    expect(ladderOf(byLane).map(({ packet, from }) => from + packet)).toEqual(ladderOf(records).map(({ packet, from }) => from + packet));
  });

  it.each<[string, WireRecord[], { ahead: number; error: number | null }]>([
    ['messages in one direction bound it on one side alone', crossing('alice', 'bob', 100, 40, a), { ahead: -60, error: null }],
    ['messages in one direction that took time say nothing', crossing('alice', 'bob', 100, 140, a), { ahead: 0, error: null }],
    [
      'a clock that jumped has no offset that fits',
      [...crossing('alice', 'bob', 100, 90, a), ...crossing('bob', 'alice', 200, 190, b)],
      { ahead: 0, error: null },
    ],
  ])('%s', (_what, records, expected) => {
    expect(clocksOf(hopsOf(records))).toMatchObject([{ lane: 'alice' }, { lane: 'bob', ...expected }]);
  });

  it('keeps the order in which a lane wrote, whatever its clock says', () => {
    const records = [written('alice', 'alice', 'stranger', 9_000, a), written('alice', 'alice', 'stranger', 10, b)];
    expect(ladderOf(records).map(({ record }) => record.at)).toEqual([9_000, 10]);
  });

  it('joins ten thousand messages within seconds', () => {
    const records = Array.from({ length: 10_000 }, (_, index) =>
      crossing('alice', 'bob', index * 2, index * 2 + 1, sip('OPTIONS sip:bob@lab.test SIP/2.0', [...people, `CSeq: ${index} OPTIONS`])),
    ).flat();
    expect(ladderOf(records)).toHaveLength(10_000);
  });
});

describe('the ladder as text', () => {
  const records = [
    ...crossing('alice', 'core', 1_000, 1_001, sip('INVITE sip:bob@lab.test SIP/2.0', people)),
    ...crossing('core', 'alice', 1_002, 1_003, sip('SIP/2.0 100 Trying', answer('INVITE'))),
    written('core', 'core', 'bob', 1_500, sip('INVITE sip:bob@h SIP/2.0', people)),
    ...crossing('bob', 'alice', 2_000, 2_250, send(cpim('text/plain', 'Hello')), 'msrp'),
  ];

  it('has a lane for each writer, an arrow and a sentence for each row', () => {
    expect(`\n${ladderText(ladderOf(records))}\n`).toBe(`
          alice    bob      core
    0.000 |---------------->|        Alice asks Bob for a session  [INVITE sip:bob@lab.test SIP/2.0]
    0.002 |<----------------|        Under way  [SIP/2.0 100 Trying]
    0.500 |        |x-------|        Alice asks Bob for a session  (not received)  [INVITE sip:bob@h SIP/2.0]
    1.000 |<=======|        |        Bob writes “Hello”
`);
  });

  it('leaves out times and protocol housekeeping on request', () => {
    expect(ladderText(ladderOf(records), { times: false, minor: false }).split('\n')).toHaveLength(4);
  });
});

describe('a recorded upgrade', () => {
  /** Three clients and every role of the embedded network: Alice's chat with Bob grows into a group with Carol. */
  const recorded = gunzipSync(readFileSync(new URL('fixtures/upgrade.ndjson.gz', import.meta.url))).toString('utf8');
  const { records, unreadable } = readTrace(recorded, 'upgrade');
  const rows = ladderOf(records);

  it('is told by its ladder', async () => {
    expect(unreadable).toBe(0);
    await expect(ladderText(rows, { times: false, minor: false })).toMatchFileSnapshot('fixtures/upgrade.ladder.txt');
  });

  it('joins every message of every two lanes, and loses none', () => {
    expect(rows.filter(({ seen }) => seen !== 'both').map(({ packet }) => packet)).toEqual([]);
    expect(rows).toHaveLength(records.length / 2);
    expect(lanesOf(rows)).toEqual(['alice', 'bob', 'carol', 'core', 'pf', 'cf']);
  });

  it('tells it at the clients alone, too, with everything else elsewhere', () => {
    const clients = ladderOf(records.filter(({ role }) => role === 'client'));
    expect(lanesOf(clients)).toEqual(['alice', 'bob', 'carol', 'elsewhere']);
    const told = clients.map(({ text }) => text);
    for (const text of [
      'Alice asks for a group: Bob (instead of this very chat), Carol',
      'The group asks Bob to move the chat into the group',
      'The group stands',
      'Bob leaves the chat: it goes on in the group',
    ])
      expect(told).toContain(text);
  });
});
