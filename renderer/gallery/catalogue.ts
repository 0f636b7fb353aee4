/** What the gallery shows: every view in every state, each a scene and the place in the window that shows it. */
import type { ConversationValue, EventBody, PairingValue } from '../../preload/contract';
import type { DeskState } from '../desk/desk';
import * as cast from './scenes';
import type { Scene } from './scripted-bridge';

export interface Exhibit {
  /** In the list, in the address (`?scene=`) and as the name of its picture. */
  name: string;
  scene: Scene;
  /** Where the window stands, as if a person had gone there. */
  desk?: Partial<DeskState>;
  /** Events that come after the first drawing. */
  events?: readonly EventBody[];
  /** Test ids clicked one after the other, each as soon as it is there. */
  clicks?: readonly string[];
}

const { working, upgraded, firstRun } = cast;

const chat = (conversation: string, more: Partial<DeskState> = {}): Partial<DeskState> => ({
  place: 'chats',
  selected: conversation,
  ...more,
});
const withSnapshot = (scene: Scene, snapshot: Partial<Scene['snapshot']>): Scene => ({
  ...scene,
  snapshot: { ...scene.snapshot, ...snapshot },
});
const withChat = (scene: Scene, conversation: string, change: Partial<ConversationValue>): Scene =>
  withSnapshot(scene, {
    conversations: scene.snapshot.conversations.map((one) => (one.conversation === conversation ? { ...one, ...change } : one)),
  });
const ask = (dialog: DeskState['dialog'], conversation = 'group'): Partial<DeskState> => chat(conversation, { dialog });
const hit = (text: string, from: typeof cast.bob, conversation: string, at: number) => ({
  ...{
    message: `hit ${text}`,
    conversation,
    direction: 'in' as const,
    from: from.address,
    fromName: from.name,
    sentAt: cast.at('00:43', at),
  },
  snippet: text,
  marks: [{ at: text.indexOf('column'), length: 6 }],
});
/** The chat with Bob, in which the delivered message has its receipt. */
const receipted = (working.messages?.bob ?? []).map((one) =>
  one.state === 'delivered'
    ? {
        ...one,
        receipts: [{ address: cast.bob.address, device: 'Laptop', disposition: 'delivered' as const, at: cast.at('00:45') }],
      }
    : one,
);
const idOf = (state: string): string => receipted.find((one) => one.state === state)?.message ?? '';

const start: Exhibit[] = [
  { name: 'first-run', scene: firstRun },
  { name: 'sign-in', scene: firstRun, clicks: ['first-run-sign-in'] },
  { name: 'sign-in-advanced', scene: firstRun, clicks: ['first-run-sign-in', 'sign-in-advanced'] },
  {
    name: 'sign-in-server-check',
    scene: { ...firstRun, answers: { checkServer: { error: { code: 'net/unreachable', retry: 'user' } } } },
    clicks: ['first-run-sign-in', 'sign-in-advanced', 'check-server'],
  },
  { name: 'copied-profile', scene: cast.copiedProfile },
  { name: 'copied-profile-new', scene: cast.copiedProfile, clicks: ['copied-new'] },
  { name: 'damaged-history', scene: cast.damagedHistory },
  { name: 'damaged-history-chat', scene: cast.damagedHistory, clicks: ['rescue-read'] },
  { name: 'loading', scene: { ...working, answers: { snapshot: 'hang' } } },
  {
    name: 'start-failed',
    scene: { ...working, answers: { snapshot: { error: { code: 'internal', retry: 'user', cause: 'no bridge' } } } },
  },
  {
    name: 'fatal',
    scene: withSnapshot(working, { fatal: { code: 'storage/failed', retry: 'user', cause: 'EACCES: permission denied, open history.db' } }),
  },
  { name: 'closed', scene: working, events: [{ event: 'exit' }] },
];

const chats: Exhibit[] = [
  { name: 'no-chat-chosen', scene: working },
  { name: 'no-chats', scene: withSnapshot(working, { conversations: [] }) },
  {
    name: 'no-chats-alone',
    scene: {
      ...withSnapshot(working, { conversations: [] }),
      answers: { capabilities: { error: { code: 'sip/rejected', retry: 'user', status: 480 } } },
    },
  },
  {
    name: 'rows',
    scene: withChat(
      withChat(withChat(working, 'grace', { draft: 'And bring the small projector, please' }), 'henrik', { markedUnread: true }),
      'choir',
      { joined: false },
    ),
    events: [{ event: 'composing', conversation: 'bob', from: cast.bob.address, active: true }],
  },
  {
    name: 'search',
    scene: {
      ...working,
      answers: {
        search: {
          value: [hit('Nobody sits behind a column now.', cast.bob, 'bob', 0), hit('There is a column in the way', cast.carol, 'carol', 2)],
        },
      },
    },
    desk: { filter: 'column' },
  },
  { name: 'padlock-closed', scene: cast.padlocks, desk: { selected: 'bob' } },
  { name: 'padlock-open', scene: cast.padlocks, desk: { selected: 'choir' } },
  { name: 'search-nothing', scene: working, desk: { filter: 'zeppelin' } },
  {
    name: 'search-failed',
    scene: { ...working, answers: { search: { error: { code: 'storage/failed', retry: 'auto' } } } },
    desk: { filter: 'zeppelin' },
  },
  { name: 'new-chat', scene: working, desk: { dialog: { dialog: 'newChat' } } },
  { name: 'send-separately', scene: working, desk: { dialog: { dialog: 'sendSeparately' } } },
  {
    name: 'invitations',
    scene: withSnapshot(working, {
      invitations: [
        { invitation: 'i1', kind: 'oneToOne', from: cast.person('Grace Lindqvist'), subject: null, people: [], replaces: null },
        {
          invitation: 'i2',
          kind: 'group',
          from: cast.bob,
          subject: 'Hall, June 12',
          people: [cast.alice, cast.bob, cast.carol],
          replaces: 'bob',
        },
      ],
    }),
    desk: chat('bob'),
  },
  {
    name: 'answered-elsewhere',
    scene: working,
    desk: chat('bob'),
    events: [{ event: 'invitationEnded', invitation: 'i3', why: 'elsewhere', from: cast.carol }],
  },
];

const connection: Exhibit[] = [
  { name: 'offline', scene: withSnapshot(working, { registration: { state: 'offline', bindings: 0 } }), desk: chat('bob') },
  { name: 'connecting', scene: withSnapshot(working, { registration: { state: 'connecting', bindings: 0 } }), desk: chat('bob') },
  {
    name: 'waiting',
    scene: withSnapshot(working, {
      registration: {
        state: 'waiting',
        bindings: 0,
        retryAt: Date.now() + 42_000,
        error: { code: 'net/unreachable', retry: 'auto' },
      },
    }),
    desk: chat('bob'),
  },
  {
    name: 'rejected',
    scene: withSnapshot(cast.ownServer, {
      registration: { state: 'rejected', bindings: 0, error: { code: 'account/bad-credentials', retry: 'user', status: 403 } },
    }),
    desk: chat('bob'),
  },
  { name: 'signed-out', scene: cast.signedOut, desk: chat('bob') },
  { name: 'duplicated', scene: cast.duplicated, desk: chat('bob') },
  {
    name: 'warnings',
    scene: withSnapshot(working, {
      warnings: (['secrets-in-file', 'storage-full', 'network-stopped', 'server-deviates', 'internal'] as const).map((code) => ({
        code,
        text: '',
      })),
    }),
    desk: chat('bob'),
  },
  { name: 'sign-in-again', scene: cast.ownServer, desk: chat('bob', { dialog: { dialog: 'signInAgain' } }) },
];

const conversations: Exhibit[] = [
  { name: 'chat', scene: working, desk: chat('bob') },
  {
    name: 'chat-typing',
    scene: working,
    desk: chat('bob'),
    events: [{ event: 'composing', conversation: 'bob', from: cast.bob.address, active: true }],
  },
  {
    name: 'chat-files',
    scene: { ...working, messages: { ...working.messages, bob: [...(working.messages?.bob ?? []), ...cast.files] } },
    desk: chat('bob'),
  },
  { name: 'chat-long', scene: cast.longScene(300), desk: chat('bob') },
  { name: 'chat-waiting', scene: cast.waiting, desk: chat('dave') },
  { name: 'chat-failed', scene: working, desk: chat('dave') },
  {
    name: 'chat-unreadable',
    scene: { ...working, answers: { messages: { error: { code: 'storage/failed', retry: 'user' } } } },
    desk: chat('bob'),
  },
  { name: 'chat-ringing', scene: withChat(working, 'carol', { session: 'pending', pending: 'ringing' }), desk: chat('carol') },
  { name: 'chat-blocked', scene: withSnapshot(working, { blocked: [cast.bob.address] }), desk: chat('bob') },
  { name: 'chat-anonymous', scene: cast.anonymous, desk: chat('hidden') },
  { name: 'chat-anonymous-peer', scene: cast.anonymous, desk: chat('masked') },
  { name: 'chat-details', scene: working, desk: chat('bob', { details: true }) },
  {
    name: 'message-info',
    scene: { ...working, messages: { ...working.messages, bob: receipted } },
    desk: chat('bob', { info: { conversation: 'bob', message: idOf('delivered') } }),
  },
  { name: 'message-info-waiting', scene: working, desk: chat('bob', { info: { conversation: 'bob', message: idOf('sent') } }) },
  { name: 'message-menu', scene: working, desk: chat('bob'), clicks: ['message-menu'] },
  { name: 'chat-menu', scene: working, desk: chat('bob'), clicks: ['chat-menu'] },
  { name: 'delete-chat', scene: working, desk: ask({ dialog: 'deleteChat', conversation: 'bob' }, 'bob') },
  { name: 'export', scene: working, desk: ask({ dialog: 'export', conversation: 'bob', format: 'html' }, 'bob') },
];

const inGroup = (change: Partial<ConversationValue>) => withChat(upgraded, 'group', change);
const groups: Exhibit[] = [
  { name: 'add-people', scene: working, desk: ask({ dialog: 'addPeople', conversation: 'bob' }, 'bob') },
  {
    name: 'add-people-waiting',
    scene: { ...working, answers: { addPeople: 'hang' } },
    desk: ask({ dialog: 'addPeople', conversation: 'bob' }, 'bob'),
    clicks: ['people-suggestion', 'add-people-submit'],
  },
  { name: 'group', scene: upgraded, desk: chat('group') },
  { name: 'group-details', scene: upgraded, desk: chat('group', { details: true }) },
  { name: 'group-old-chat', scene: upgraded, desk: chat('bob', { details: true }) },
  {
    name: 'group-typing',
    scene: upgraded,
    desk: chat('group'),
    events: [{ event: 'composing', conversation: 'group', from: cast.carol.address, active: true }],
  },
  { name: 'group-private', scene: upgraded, desk: chat('group', { privately: new Map([['group', cast.carol.address]]) }) },
  { name: 'group-strangers', scene: cast.strangers, desk: chat('strangers', { details: true }) },
  { name: 'group-left', scene: inGroup({ joined: false, session: 'ended' }), desk: chat('group') },
  { name: 'person-menu', scene: upgraded, desk: chat('group', { details: true }), clicks: ['person-menu'] },
  { name: 'leave-group', scene: upgraded, desk: ask({ dialog: 'leave', conversation: 'group' }) },
  { name: 'remove-person', scene: upgraded, desk: ask({ dialog: 'removePerson', conversation: 'group', address: cast.dave.address }) },
  { name: 'rename-group', scene: upgraded, desk: ask({ dialog: 'renameGroup', conversation: 'group' }) },
  { name: 'nickname', scene: upgraded, desk: ask({ dialog: 'nickname', conversation: 'group' }) },
];

const devices: Exhibit[] = [
  { name: 'devices', scene: cast.threeDevices, desk: { place: 'devices' } },
  { name: 'devices-duplicate', scene: cast.duplicated, desk: { place: 'devices' } },
  { name: 'devices-none', scene: withSnapshot(working, { devices: [] }), desk: { place: 'devices' } },
  { name: 'device-rename', scene: cast.threeDevices, desk: { place: 'devices' }, clicks: ['device-rename'] },
  { name: 'sign-out', scene: cast.threeDevices, desk: { place: 'devices' }, clicks: ['device-sign-out'] },
  { name: 'sign-out-everywhere', scene: cast.threeDevices, desk: { place: 'devices', dialog: { dialog: 'signOut', instanceId: null } } },
];

const own = (ownDevices: Partial<Scene['snapshot']['ownDevices']>, scene: Scene = cast.threeDevices): Scene =>
  withSnapshot(scene, { ownDevices: { paired: false, with: [], pairing: null, filling: [], removals: [], ...ownDevices } });
const pairing = (value: Partial<PairingValue>): Scene =>
  own({
    pairing: {
      ...{ side: 'new', state: 'code', instanceId: cast.tablet.instanceId, name: 'Tablet', code: '418026' },
      ...{ until: cast.at('00:55'), why: null, ...value },
    },
  });
const pairDialog: Partial<DeskState> = { place: 'devices', dialog: { dialog: 'pair' } };
const removal = { instanceId: 'urn:uuid:old', name: 'Old laptop', erase: true } as const;

const pairings: Exhibit[] = [
  { name: 'pair-offer', scene: own({}, working), desk: chat('bob') },
  {
    name: 'pair-begin',
    scene: own({}, withSnapshot(working, { devices: [cast.laptop, cast.tablet, { ...cast.phone, state: 'active' }] })),
    desk: pairDialog,
  },
  { name: 'pair-reaching', scene: pairing({ state: 'reaching', code: null }), desk: pairDialog },
  { name: 'pair-code', scene: pairing({}), desk: pairDialog },
  { name: 'pair-confirm', scene: pairing({ state: 'confirm', code: null }), desk: pairDialog },
  { name: 'pair-run-out', scene: pairing({ state: 'over', code: null, why: 'late' }), desk: pairDialog },
  { name: 'pair-asked', scene: withSnapshot(working, pairing({ side: 'older', code: null }).snapshot), desk: chat('bob') },
  { name: 'pair-type', scene: pairing({ side: 'older', code: null }), desk: pairDialog },
  { name: 'pair-wrong', scene: pairing({ side: 'older', state: 'over', code: null, why: 'wrong' }), desk: pairDialog },
  { name: 'pair-done', scene: pairing({ side: 'older', state: 'paired', code: null }), desk: pairDialog },
  ...(['preparing', 'running', 'waiting', 'done'] as const).map((state) => ({
    name: `filling-${state}`,
    scene: own(
      {
        paired: true,
        filling: [
          {
            direction: 'in' as const,
            state,
            name: 'Tablet',
            got: state === 'preparing' ? 0 : 6_240,
            of: state === 'preparing' ? null : 14_200,
          },
        ],
      },
      working,
    ),
    desk: chat('bob'),
  })),
  {
    name: 'filling-out',
    scene: own({ paired: true, filling: [{ direction: 'out', state: 'running', name: 'Tablet', got: 6_240, of: 14_200 }] }, working),
    desk: chat('bob'),
  },
  {
    name: 'devices-removed',
    scene: own({ paired: true, with: [cast.laptop.instanceId, cast.tablet.instanceId], removals: [{ ...removal, state: 'away' }] }),
    desk: { place: 'devices' },
  },
  {
    name: 'remove-device',
    scene: own({ paired: true, with: [cast.laptop.instanceId, cast.tablet.instanceId] }),
    desk: { place: 'devices' },
    clicks: ['device-sign-out', 'sign-out-erase'],
  },
  { name: 'sign-out-here', scene: cast.threeDevices, desk: { place: 'devices' }, clicks: ['sign-out-here', 'sign-out-erase'] },
  {
    name: 'erased',
    scene: withSnapshot(firstRun, { erased: { account: cast.alice.address, by: 'Laptop', at: cast.at('00:40') } }),
  },
];

const settings: Exhibit[] = [
  ...(['general', 'account', 'keyboard', 'about'] as const).map((section) => ({
    name: `settings-${section}`,
    scene: cast.ownServer,
    desk: { place: 'settings', section } as const,
  })),
  {
    name: 'settings-failed',
    scene: { ...working, answers: { setPreferences: { error: { code: 'storage/full', retry: 'user' } } } },
    desk: { place: 'settings', section: 'general' },
    clicks: ['switch-read'],
  },
  {
    name: 'settings-blocked',
    scene: withSnapshot(working, { blocked: ['sip:mallory@lab.test'] }),
    desk: { place: 'settings', section: 'account' },
  },
  { name: 'shortcuts', scene: working, desk: chat('bob', { dialog: { dialog: 'shortcuts' } }) },
];

export const catalogue = {
  'Getting in': start,
  'The list': chats,
  'The connection': connection,
  'A chat': conversations,
  'A group': groups,
  Devices: devices,
  'One conversation, all devices': pairings,
  Settings: settings,
} as const satisfies Record<string, readonly Exhibit[]>;

export const exhibits: readonly Exhibit[] = Object.values(catalogue).flat();
