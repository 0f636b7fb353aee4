/** People, devices and conversations for the gallery, the window's tests and its pictures: invented, in reserved domains. */
import type {
  ConversationValue,
  DeviceValue,
  MessageState,
  MessageValue,
  ParticipantValue,
  PersonValue,
  Snapshot,
} from '../../preload/contract';
import type { Scene } from './scripted-bridge';

export const person = (name: string): PersonValue => ({ address: `sip:${name.split(' ')[0]?.toLowerCase()}@lab.test`, name });
export const alice = person('Alice Moreau');
export const bob = person('Bob Keller');
export const carol = person('Carol Okafor');
export const dave = person('Dave Rossi');
export const everyone = [alice, bob, carol, dave];

const today = new Date();
/** A clock time (UTC) of today, or of some days ago, in epoch milliseconds. */
export const at = (clock: string, daysAgo = 0): number => {
  const [hour = 0, minute = 0, second = 0] = clock.split(':').map(Number);
  const date = new Date(today);
  date.setUTCHours(hour, minute, second, 0);
  return date.getTime() - daysAgo * 86_400_000;
};

let count = 0;
interface Said {
  in?: PersonValue;
  text: string;
  at: number;
  state?: MessageState;
  conversation?: string;
  fromDevice?: string;
  late?: number;
}

export function message(said: Said): MessageValue {
  count += 1;
  const isIn = said.in !== undefined;
  return {
    message: `m${count}`,
    conversation: said.conversation ?? 'bob',
    direction: isIn ? 'in' : 'out',
    from: (said.in ?? alice).address,
    fromName: (said.in ?? alice).name,
    fromDevice: said.fromDevice ?? null,
    text: said.text,
    content: { kind: 'text', text: said.text },
    state: said.state ?? (isIn ? 'displayed' : 'displayed'),
    sentAt: said.at,
    receivedAt: isIn ? (said.late ?? said.at + 200) : null,
    receipts: [],
    error: said.state === 'failed' ? { code: 'sip/rejected', retry: 'user', status: 486, reason: 'Busy Here' } : null,
  };
}

export function conversation(value: Partial<ConversationValue> & { conversation: string; people: PersonValue[] }): ConversationValue {
  return {
    kind: value.people.length > 1 ? 'group' : 'oneToOne',
    subject: null,
    unread: 0,
    markedUnread: false,
    draft: '',
    privateDrafts: [],
    last: null,
    session: 'established',
    pending: null,
    peerDevice: null,
    encrypted: null,
    continues: null,
    continuedBy: null,
    joined: true,
    icon: null,
    anonymous: null,
    writesAs: null,
    createdAt: at('08:00', 5),
    ...value,
  };
}

const device = (value: Partial<DeviceValue> & { name: string; instanceId: string }): DeviceValue => ({
  nickname: 'quiet lantern',
  self: false,
  contact: `sip:127.0.0.1:5070;transport=tcp;ob=${value.name}`,
  expires: 2840,
  expiresAt: Date.now() + (value.expires ?? 2840) * 1000,
  lastEvent: null,
  duplicate: null,
  capabilities: ['session', 'group', 'pager', 'large', 'file'],
  pubGruu: `sip:alice@lab.test;gr=${value.instanceId}`,
  state: 'active',
  ...value,
});

export const laptop = device({
  name: 'Laptop',
  instanceId: 'urn:uuid:3f1d7c52-9a0e-4b61-8d27-5c0f1a2b3c4d',
  nickname: 'amber heron',
  self: true,
});
export const tablet = device({ name: 'Kitchen tablet', instanceId: 'urn:uuid:b70e11d4-2c38-4f90-a6b5-0d1e2f3a4b5c', expires: 740 });

export const phone = device({
  name: 'Phone',
  instanceId: 'urn:gsma:imei:90420156-025763-0',
  nickname: 'misty raven',
  state: 'terminated',
  expires: 0,
  pubGruu: null,
  capabilities: ['session', 'pager'],
  lastEvent: { event: 'expired', at: Date.now() - 40 * 60_000 },
});

const chat = [
  message({ in: bob, text: 'They can put the tables in rows or in a ring.', at: at('16:42', 1) }),
  message({ text: 'Rows, I think. I’ll draw it up tonight.', at: at('21:07', 1), fromDevice: 'Tablet' }),
  message({ in: bob, text: 'Morning! Is the plan final, or may I still move the screen?', at: at('00:12'), late: at('00:31') }),
  message({ text: 'You may. This is the version with the screen on the short wall.', at: at('00:40') }),
  message({ in: bob, text: 'That is much better. Nobody sits behind a column now.', at: at('00:43') }),
  message({ text: 'I’ll book the projector then.', at: at('00:45'), state: 'delivered' }),
  message({ text: 'And I’m asking Carol about the catering.', at: at('00:45', 0), state: 'sent' }),
  message({ text: 'Shall we meet at the side entrance at half past eight?', at: at('00:46'), state: 'sending' }),
];
/** What came and cannot be shown: with a name of its sender's, and without. */
export const files = [
  {
    ...message({ in: bob, text: 'Seats.html (text/html)', at: at('00:47') }),
    content: { kind: 'file', text: 'Seats.html (text/html)', type: 'text/html', size: 1_800, name: 'Seats.html' },
  },
  {
    ...message({ in: bob, text: 'image/heic', at: at('00:48') }),
    content: { kind: 'file', text: 'image/heic', type: 'image/heic', size: 912_345, name: null },
  },
] satisfies MessageValue[];
const failed = message({ text: 'Can you send me the room number?', at: at('00:20'), state: 'failed', conversation: 'dave' });

const group = conversation({ conversation: 'group', people: [bob, carol, dave], continues: 'bob', createdAt: at('00:47'), unread: 0 });
const groupChat = [
  message({ in: bob, text: 'Moved over without a hitch, I’m still on the laptop.', at: at('00:48'), conversation: 'group' }),
  message({ text: 'Welcome, both. Carol, could you say what the kitchen can do for forty?', at: at('00:49'), conversation: 'group' }),
  message({ in: carol, text: 'Forty is fine', at: at('00:50'), conversation: 'group' }),
  message({ in: carol, text: 'if they know by Tuesday.', at: at('00:50'), conversation: 'group' }),
];

const inDevice = (name: string, state: ParticipantValue['state'] = 'connected') => ({ name, gruu: `sip:x@lab.test;gr=${name}`, state });
export const participants: ParticipantValue[] = [
  {
    ...alice,
    self: true,
    state: 'connected',
    reason: null,
    administrator: true,
    devices: [{ ...inDevice('Laptop'), gruu: laptop.pubGruu ?? '' }, inDevice('Tablet')],
  },
  { ...bob, self: false, state: 'connected', reason: null, administrator: false, devices: [inDevice('Laptop')] },
  { ...carol, self: false, state: 'connected', reason: null, administrator: false, devices: [inDevice('Carol’s Desktop')] },
  { ...dave, self: false, state: 'disconnected', reason: 'busy', administrator: false, devices: [] },
];

export const base: Snapshot = {
  revision: 10,
  profile: 'default',
  accounts: [],
  account: {
    aor: alice.address,
    displayName: alice.name,
    deviceName: 'Laptop',
    instanceId: laptop.instanceId,
    nickname: 'amber heron',
    kind: 'try',
    addresses: [alice.address],
    writesAs: null,
    untold: false,
    mediaTls: 'auto',
    msrpRelay: null,
    relay: null,
    offers: [
      { name: 'session', on: true },
      { name: 'pager', on: true },
    ],
  },
  tryPeople: everyone,
  registration: { state: 'registered', expires: 2840, bindings: 2 },
  devices: [laptop, tablet],
  conversations: [],
  invitations: [],
  preferences: {
    theme: 'system',
    receipts: { delivered: true, displayed: true },
    composing: true,
    accept: 'auto',
    idleSeconds: 180,
    waitDays: 7,
  },
  blocked: [],
  warnings: [],
  clone: null,
  erased: null,
  ownDevices: { paired: true, with: [laptop.instanceId, tablet.instanceId], pairing: null, filling: [], removals: [] },
  rescue: null,
  fatal: null,
};

export const firstRun: Scene = { snapshot: { ...base, account: null, devices: [], registration: { state: 'offline', bindings: 0 } } };

const bobChat = conversation({
  conversation: 'bob',
  people: [bob],
  last: chat[chat.length - 1] ?? null,
  peerDevice: { name: 'Laptop', instanceId: 'urn:uuid:b' },
});
const others = [
  conversation({
    conversation: 'carol',
    people: [carol],
    unread: 2,
    last: message({ in: carol, text: 'Both dates work for me', at: at('00:31'), conversation: 'carol', state: 'received' }),
  }),
  conversation({ conversation: 'dave', people: [dave], last: failed }),
  conversation({
    conversation: 'choir',
    people: [person('Emil Sand'), dave],
    subject: 'Choir, tenors',
    last: message({ in: person('Emil Sand'), text: 'We start with the Fauré at seven', at: at('20:12', 1), conversation: 'choir' }),
  }),
  conversation({
    conversation: 'grace',
    people: [person('Grace Lindqvist')],
    last: message({ text: 'Perfect, see you on Monday', at: at('18:00', 1), conversation: 'grace' }),
  }),
  conversation({
    conversation: 'henrik',
    people: [person('Henrik Thorvaldsen-Ambrosetti')],
    last: message({ in: person('Henrik'), text: 'Signed copy attached, both pages', at: at('10:00', 3), conversation: 'henrik' }),
  }),
];

export const working: Scene = {
  snapshot: { ...base, conversations: [bobChat, ...others] },
  messages: {
    bob: chat,
    dave: [failed],
    carol: [message({ in: carol, text: 'Both dates work for me', at: at('00:31'), conversation: 'carol', state: 'received' })],
  },
};

/** At a server of one's own: a chat that is encrypted in transit, and a group that is not. */
export const padlocks: Scene = {
  snapshot: {
    ...base,
    account: base.account === null ? null : { ...base.account, kind: 'sip' },
    conversations: [
      { ...bobChat, encrypted: true },
      conversation({ conversation: 'choir', people: [person('Emil Sand'), dave], subject: 'Choir, tenors', encrypted: false }),
    ],
  },
  messages: { bob: chat, choir: [] },
};

/** A chat with an anonymous person, and one in which this person is anonymous. */
export const anonymous: Scene = {
  snapshot: {
    ...base,
    conversations: [
      conversation({
        conversation: 'hidden',
        people: [bob],
        anonymous: 'self',
        peerDevice: { name: 'Laptop', instanceId: 'urn:uuid:b' },
        last: message({ text: 'Somebody in the hall is very proud of you.', at: at('00:49'), conversation: 'hidden' }),
      }),
      conversation({
        conversation: 'masked',
        people: [{ address: 'sip:anonymous@anonymous.invalid', name: 'Anonymous' }],
        anonymous: 'peer',
        session: 'ended',
        unread: 1,
        last: message({
          in: { address: 'sip:anonymous@anonymous.invalid', name: 'Anonymous' },
          text: 'The side door is open',
          at: at('00:47'),
          conversation: 'masked',
          state: 'received',
        }),
      }),
      bobChat,
      ...others,
    ],
  },
  messages: {
    hidden: [
      message({ text: 'The speech was the best of the evening.', at: at('00:48'), conversation: 'hidden' }),
      message({ in: bob, text: 'Thank you! Who is this?', at: at('00:48'), conversation: 'hidden' }),
      message({ text: 'Somebody in the hall is very proud of you.', at: at('00:49'), conversation: 'hidden' }),
    ],
    masked: [
      message({
        in: { address: 'sip:anonymous@anonymous.invalid', name: 'Anonymous' },
        text: 'The side door is open',
        at: at('00:47'),
        conversation: 'masked',
        state: 'received',
      }),
    ],
  },
};

/** After the upgrade: the group, and the 1-1 it has grown out of. */
/** Dave's devices are all off: two texts wait for him. */
const waits = ['Can you send me the room number?', 'The porter asks for it.'].map((text, index): MessageValue => {
  const written = message({ text, at: at('00:20') + index, state: 'queued', conversation: 'dave' });
  const error = { code: 'sip/rejected', retry: 'user', status: 480, meaning: 'away' } as const;
  return { ...written, error, waitsFor: 'person', expiresAt: written.sentAt + 7 * 24 * 60 * 60_000 };
});
export const waiting: Scene = {
  snapshot: {
    ...working.snapshot,
    conversations: working.snapshot.conversations.map((one) =>
      one.conversation === 'dave' ? { ...one, last: waits.at(-1) ?? null } : one,
    ),
  },
  messages: { ...working.messages, dave: waits },
};

export const upgraded: Scene = {
  snapshot: {
    ...base,
    conversations: [{ ...group, last: groupChat[3] ?? null }, { ...bobChat, session: 'replaced', continuedBy: 'group' }, ...others],
  },
  messages: { ...working.messages, group: groupChat },
  participants: { group: participants },
};

const mallory: PersonValue = { address: 'sip:mallory@evil.test', name: 'Bob Keller', showAddress: true };
const nour: PersonValue = { address: 'sip:nour@lab.test', name: 'نور' };
const strangersChat = [
  message({ in: bob, text: 'The room is booked for nine.', at: at('10:02'), conversation: 'strangers' }),
  {
    ...message({ in: mallory, text: 'No, send the money to me.', at: at('10:03'), conversation: 'strangers' }),
    showAddress: true as const,
  },
  message({ in: nour, text: 'أنا هنا.', at: at('10:04'), conversation: 'strangers' }),
  message({ in: dave, text: 'You cannot hide from me.', at: at('10:05'), conversation: 'strangers' }),
];

/** People who could be taken for others: in the list, in a group, and asking. Dave is blocked. */
export const strangers: Scene = {
  snapshot: {
    ...base,
    blocked: [dave.address],
    conversations: [
      conversation({
        conversation: 'strangers',
        kind: 'group',
        subject: 'Workshop',
        people: [bob, mallory, nour, dave],
        last: strangersChat[2] ?? null,
      }),
      conversation({
        conversation: 'mallory',
        people: [mallory],
        last: { ...message({ in: mallory, text: 'Hi, it is me.', at: at('09:58'), conversation: 'mallory' }), showAddress: true },
      }),
      bobChat,
    ],
    invitations: [{ invitation: 'i1', kind: 'group', from: mallory, subject: 'שלום', people: [mallory, nour], replaces: null }],
  },
  messages: { strangers: strangersChat },
  participants: {
    strangers: [bob, mallory, nour, dave].map((one) => ({
      ...one,
      ...(one === mallory ? { nickname: 'Bobby' } : {}),
      ...{ self: false, state: 'connected', reason: null, administrator: false, devices: [] },
    })),
  },
};

/** A conversation of many messages, for paging and scrolling. */
export function longScene(length: number): Scene {
  const messages = Array.from({ length }, (_, index) =>
    message({
      ...(index % 3 === 0 ? { in: bob } : {}),
      text: `Message number ${index}. ${'It has some more words. '.repeat(index % 7)}`.trim(),
      at: at('00:00') - (length - index) * 20 * 60_000,
    }),
  );
  const last = messages[messages.length - 1] ?? null;
  return { snapshot: { ...base, conversations: [{ ...bobChat, last }] }, messages: { bob: messages } };
}

/** Three devices, one of which is gone. */
export const threeDevices: Scene = {
  snapshot: { ...base, devices: [laptop, { ...tablet, lastEvent: { event: 'refreshed', at: Date.now() - 4 * 60_000 } }, phone] },
};

/** A copy of this profile has taken the place of this device. */
export const duplicated: Scene = {
  snapshot: {
    ...base,
    devices: [{ ...laptop, duplicate: { contact: 'sip:alice@198.51.100.7:5060;transport=tcp', since: Date.now() - 46 * 60_000 } }, tablet],
    registration: { state: 'rejected', bindings: 2, error: { code: 'identity/duplicate', retry: 'user' } },
    warnings: [{ code: 'duplicate-device', text: 'Another computer is registered with the ID of this device.' }],
  },
};

/** A damaged history, read from a copy that was made before an update. */
export const damagedHistory: Scene = {
  snapshot: {
    ...working.snapshot,
    conversations: [],
    rescue: {
      error: { code: 'storage/damaged', retry: 'user', cause: 'history.db: SQLITE_CORRUPT database disk image is malformed' },
      source: 'history',
      copiedAt: null,
      conversations: working.snapshot.conversations.map(({ conversation, kind, subject, people, anonymous, createdAt }, index) => ({
        conversation,
        kind,
        subject,
        people,
        anonymous,
        createdAt,
        messages: Math.round(1240 / (index + 1)),
      })),
    },
  },
  // The first message of each is destroyed.
  messages: Object.fromEntries(
    Object.entries(working.messages ?? {}).map(([conversation, [first, ...rest]]) => [
      conversation,
      first === undefined ? [] : [{ ...first, text: '', damaged: true as const }, ...rest],
    ]),
  ),
};

/** A copied profile, before the person has said what it is. */
export const copiedProfile: Scene = {
  snapshot: {
    ...base,
    devices: [],
    registration: { state: 'offline', bindings: 0 },
    clone: { instanceId: laptop.instanceId, nickname: laptop.nickname, deviceName: 'Laptop', aor: alice.address },
  },
};

/** Signed out from the tablet. */
export const signedOut: Scene = {
  snapshot: {
    ...working.snapshot,
    registration: { state: 'offline', bindings: 1, error: { code: 'account/signed-out', retry: 'user', reason: 'Kitchen tablet' } },
  },
};

/** At a server of one's own, not on this computer alone. */
export const ownServer: Scene = {
  ...working,
  snapshot: { ...working.snapshot, account: base.account === null ? null : { ...base.account, kind: 'sip' }, tryPeople: [] },
};
