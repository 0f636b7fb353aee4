/** Files: what the network keeps for people who are away, what an operator writes, the profile's JSON files, and traces. */
import { isDeepStrictEqual } from 'node:util';
import { OperatorFileError } from '../../../base/json-reader';
import { silentLogger } from '../../../base/log';
import { openIdentity } from '../../../main/profile/instance-id';
import { type KeyValueFile, type SecretBox, Settings } from '../../../main/profile/settings';
import { revealedAccount, signedOutOf, valueOfStored, withoutSecrets } from '../../../main/profile/stored-account';
import { headerLine, readTrace, recordLine } from '../../../main/trace/record';
import { parseGroups } from '../../../network/controlling/groups-file';
import { type Letter, letterOfInvite, letterOfMessage, push } from '../../../network/participating/deferred/letter';
import { DeferredQueue } from '../../../network/participating/deferred/queue';
import { parsePolicy } from '../../../network/participating/policy-file';
import { parseMessage } from '../../../network/sip/message-parser';
import { AppError } from '../../../preload/contract/errors';
import { VirtualClock } from '../../support/doubles/virtual-clock';
import { hold, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';

const INSTANCE = 'urn:uuid:aaaaaaaa-7dec-41d0-a765-00a0c91e6bf6';
const NOW = Date.UTC(2026, 0, 1);
const ENVELOPE =
  'From: <sip:alice@lab.test>\r\nTo: <sip:bob@lab.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\nimdn.Disposition-Notification: negative-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nhello';
const message = (method: string, more: string, body: string) =>
  `${method} sip:bob@lab.test;gr SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: "A" <sip:alice@lab.test>;tag=1\r\nTo: <sip:bob@lab.test>\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\nP-Asserted-Identity: <sip:alice@lab.test>\r\n${more}\r\n\r\n${body}`;

/** One queue for all inputs: opening a database takes longer than all the rest. */
let opened: DeferredQueue | null = null;
function queue(): DeferredQueue {
  opened ??= new DeferredQueue(null, () => NOW);
  return opened;
}

/** A letter comes out as it went in, and what brings it to a device is a message that anybody can read. */
function letterHolds(letter: Letter): void {
  const kept = queue().keep({ ...letter, person: 'sip:bob@lab.test' });
  const out = queue().next('sip:bob@lab.test', letter.only ?? INSTANCE);
  if (kept === 'kept' && letter.expiresAt > NOW) {
    hold(out !== null, 'a letter was kept and is not there', letter);
    const { id, ...rest } = out;
    const same = isDeepStrictEqual(
      { ...rest, body: Buffer.from(rest.body) },
      { ...letter, person: 'sip:bob@lab.test', body: Buffer.from(letter.body) },
    );
    hold(same, 'a letter comes out as another', letter, rest);
    queue().refused(id, INSTANCE);
  }
  for (let report = queue().next(letter.sender, INSTANCE); report !== null; report = queue().next(letter.sender, INSTANCE)) {
    reads(push(report, { gruu: null, instance: INSTANCE }, 'MESSAGE'));
    queue().taken(report.id, INSTANCE);
  }
  queue().seen('sip:bob@lab.test', []);
  reads(push(letter, { gruu: null, instance: INSTANCE }, 'MESSAGE'));
  reads(push(letter, { gruu: null, instance: null }, 'INVITE'));
}

function reads(request: ReturnType<typeof push>): void {
  const bytes = request.insert('Via', 'SIP/2.0/TCP h;branch=z9hG4bK1').encode();
  const again = parseMessage(bytes);
  hold(again.ok, 'what brings a letter is refused', utf8(bytes), again);
}

export const deferred: Target = {
  name: 'deferred',
  seeds: [
    message('MESSAGE', 'Content-Type: message/cpim\r\nExpires: 60\r\nPrivacy: id\r\nContact: <sip:t@lab.test;gr>', ENVELOPE),
    message('MESSAGE', `Content-Type: text/plain\r\nAccept-Contact: *;+sip.instance="<${INSTANCE}>"\r\nConversation-ID: x`, 'plain'),
    message('INVITE', 'Content-Type: multipart/mixed;boundary=b', `--b\r\nContent-Type: message/cpim\r\n\r\n${ENVELOPE}\r\n--b--`),
    message('MESSAGE', 'Content-Type: message/cpim', ENVELOPE.replace('text/plain', 'message/imdn+xml')),
  ],
  words: [
    'Expires: 0\r\n',
    'Expires: 9999999999\r\n',
    'Privacy: id\r\n',
    'Contact: <sip:t@lab.test;gr>\r\n',
    'P-Asserted-Identity: ',
    'Subject: ',
    'imdn.Message-ID: ',
    'Reply-To: ',
    'Referred-By: ',
    'tel:+1',
    INSTANCE,
  ],
  long: [
    { before: message('MESSAGE', 'Content-Type: message/cpim', ''), piece: 'A: b\r\n' },
    { before: 'MESSAGE sip:b@h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nFrom: <sip:a@b>', piece: ';tag=1' },
  ],
  take(bytes) {
    const read = parseMessage(bytes);
    if (!read.ok || read.value.kind !== 'request') return;
    for (const letter of [letterOfMessage(read.value, 'sip:bob@lab.test', NOW), letterOfInvite(read.value, 'sip:bob@lab.test', NOW)])
      if (letter !== null) letterHolds(letter);
  },
};

export const operatorFiles: Target = {
  name: 'operator-files',
  seeds: [
    '{"deny":[{"served":"*","case":"term","peer":"sip:mallory@lab.test","status":486}],"provider":{"mediaPath":"stay","record":true,"recordTo":"r"},"users":{"sip:alice@lab.test":{"blocked":["sip:x@y",{"address":"tel:+1","status":603}],"refuseAnonymous":true}},"interworking":{"mailOutbox":"m"}}',
    '{"sip:team@cf.lab.test":{"subject":"Team","type":"closed","members":["sip:a@lab.test","tel:+15550100"],"administrators":["sip:a@lab.test"]}}',
    '{\n  // comment\n}',
  ],
  words: ['"deny":', '"users":', '"members":[', '"__proto__":', '"*"', '\\u0000', '/*', '401', '486.5', '1e3', '{"":{}}', 'null', 'true'],
  long: [
    { piece: '"' },
    { piece: '"\\' },
    { before: '{"deny":', piece: '[' },
    { before: '{"deny":[', piece: '1,' },
    { before: '{"users":{', piece: '"sip:a@b":{},', after: '"x":1}}' },
    { piece: '/' },
    { piece: '{"a":' },
  ],
  take(bytes) {
    const text = utf8(bytes);
    for (const parse of [() => parsePolicy(text, '/'), () => parseGroups(text, { host: 'cf.lab.test', maxParticipants: 50 })]) {
      try {
        parse();
      } catch (error) {
        if (!(error instanceof OperatorFileError)) throw error;
        hold(/^line \d+: /.test(error.message), 'a fault without its line', error.message);
      }
    }
  },
};

class TextFile implements KeyValueFile {
  readonly path = 'settings.json';
  constructor(private readonly values: Record<string, unknown>) {}
  get = (key: string) => this.values[key];
  set = (key: string, value: unknown) => {
    this.values[key] = value;
  };
  delete = (key: string) => {
    delete this.values[key];
  };
}

const secrets: SecretBox = {
  backend: 'file',
  protect: (plain) => `~${plain}`,
  reveal(stored) {
    if (typeof stored !== 'string' || !stored.startsWith('~')) throw new AppError('storage/unreadable', {}, 'user');
    return stored.slice(1);
  },
};

/** What a start does with the files of a profile. @throws AppError */
function startWith(text: string): void {
  const open = () => {
    const values: unknown = JSON.parse(text);
    // `conf` takes an object alone.
    if (typeof values !== 'object' || values === null || Array.isArray(values)) throw new SyntaxError('no object');
    return new TextFile(values as Record<string, unknown>);
  };
  const settings = new Settings(open);
  for (const account of settings.accounts) {
    valueOfStored(account, INSTANCE);
    signedOutOf(account);
    withoutSecrets(account, 'secret', secrets);
    settings.registrationState(INSTANCE, account.aor).load();
    settings.simState(account.aor).load();
    try {
      revealedAccount(account, INSTANCE, secrets);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  hold(
    settings.blocked.every((one) => typeof one === 'string'),
    'a blocked person who is no address',
    settings.blocked,
  );
  const { idleSeconds, waitDays, receipts, theme } = settings.preferences;
  hold(
    typeof idleSeconds === 'number' && typeof waitDays === 'number' && typeof theme === 'string',
    'a preference of another type',
    settings.preferences,
  );
  hold(typeof receipts.delivered === 'boolean', 'a preference of another type', settings.preferences);
  void settings.wasRegistered;
  void settings.historyKey?.protected;
  openIdentity({
    open,
    dataDir: '/nowhere',
    clock: new VirtualClock(),
    log: silentLogger,
    expected: null,
    given: null,
    secrets,
    machineId: () => 'machine',
  });
}

const account = {
  kind: 'account',
  aor: 'sip:alice@lab.test',
  displayName: 'Alice',
  password: '~x',
  secretBackend: 'file',
  proxy: null,
  deviceName: 'PC',
  instanceId: INSTANCE,
  servicesOff: ['group'],
};

export const profileFiles: Target = {
  name: 'profile-files',
  seeds: [
    JSON.stringify({
      accounts: [account, { ...account, aor: 'sip:b@c', signedOut: { by: 'network' }, writesAs: 'tel:+1' }],
      blocked: ['sip:x@y'],
      preferences: { theme: 'dark', idleSeconds: 60 },
    }),
    JSON.stringify({
      account: { ...account, authUser: null, signIn: { scheme: 'digest', minAlgorithm: 'MD5', sim: null } },
      registrations: { x: { callId: 'c', cseq: 1 } },
      simNumbers: { a: 32 },
    }),
    JSON.stringify({
      identity: { instanceId: INSTANCE, createdAt: 1, boundTo: 'x', seal: { by: 'file', text: '~x' } },
      historyKey: { protected: '~k', backend: 'file' },
    }),
  ],
  words: [
    '"accounts":',
    '"account":',
    '"preferences":',
    '"blocked":',
    '"identity":',
    '"registrations":',
    '"simNumbers":',
    '"receipts":',
    'null',
    '[]',
    '{}',
    '1',
    '"x"',
    '[null]',
    'true',
  ],
  take(bytes) {
    try {
      startWith(utf8(bytes));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  },
};

const record = {
  at: 1,
  direction: 'in',
  protocol: 'sip',
  transport: 'tcp',
  local: 'a:1',
  remote: 'b:2',
  role: 'client',
  lane: 'alice',
  bytes: Buffer.from('x\r\n'),
} as const;

export const traces: Target = {
  name: 'traces',
  seeds: [
    [
      headerLine({ started: 1, clockOffset: 5, role: 'client', lane: 'alice.laptop', aor: 'sip:a@b' }),
      recordLine(record),
      recordLine({ ...record, bytes: Uint8Array.of(255, 0) }),
      '{"dropped":3}',
      '',
    ].join('\n'),
    `${recordLine(record).slice(0, -5)}\n[1]\nnull`,
  ],
  words: ['"at":', '"trace":1', '"bytes"', '"base64":"', '"text":"', '"role":"network"', '"clockOffset":1e308', '\n'],
  long: [{ piece: '{"a":1}\n' }, { piece: '\n' }, { piece: '{' }],
  take(bytes) {
    const { records } = readTrace(utf8(bytes), 'lane');
    const again = readTrace(records.map(recordLine).join('\n'), 'lane');
    const plain = (list: typeof records) =>
      list.map(({ bytes: octets, ...rest }) => ({ ...rest, octets: Buffer.from(octets).toString('hex') }));
    hold(
      again.unreadable === 0 && isDeepStrictEqual(plain(again.records), plain(records)),
      'a trace that was written is read as another',
      plain(records),
      plain(again.records),
    );
  },
};
