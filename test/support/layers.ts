/**
 * The table of allowed imports, one row for each folder. `test/unit/layering.test.ts` checks every import against it, separately for types
 * and values. Files in one folder may always import one another. No import may close a circle, neither between files nor between folders.
 */
export interface Layer {
  /** A folder; its subfolders have their own rows. */
  path: string;
  /** The files that other folders may import, without extension. Absent: all files. */
  faces?: readonly string[];
  /** The folders it may import. */
  values?: readonly string[];
  /** Further folders it may use only in `import type`. */
  types?: readonly string[];
  packages?: readonly string[];
  /** Whether it may import Node's built-in modules. */
  node?: boolean;
}

const ground = ['base', 'protocol', 'preload/contract'] as const;
const drawn = ['react', 'lucide-react'] as const;
const view = ['renderer/desk', 'renderer/parts', 'renderer/words'] as const;

export const layers: readonly Layer[] = [
  // Common ground: every folder may import these, and they import no other.
  { path: 'base', node: true },
  { path: 'protocol', packages: ['libphonenumber-js', 'saxes', 'unhomoglyph'] },
  { path: 'preload/contract', faces: ['errors', 'index', 'sign-in-options'], values: ['protocol'] },
  { path: 'preload', faces: [], values: ['preload/contract'], packages: ['electron'] },

  // The client's entry point and its composition root.
  {
    path: 'main',
    faces: ['app', 'calls'],
    values: [...ground, 'main/account', 'main/cpm/conversation', 'main/desktop', 'main/profile', 'main/sip/flow'],
    types: ['main/cpm'],
    packages: ['valibot'],
    node: true,
  },
  {
    path: 'main/desktop',
    faces: ['dev-server', 'further-device', 'ipc', 'launch-options', 'orderly-quit', 'refusal', 'secrets', 'window'],
    values: [...ground, 'main', 'main/profile'],
    packages: ['electron'],
    node: true,
  },
  {
    path: 'main/command',
    faces: [],
    values: [...ground, 'main', 'main/account', 'main/profile', 'main/trace', 'network', 'network/core'],
    packages: ['conf', 'valibot'],
    node: true,
  },
  {
    path: 'main/profile',
    faces: [
      'account-source',
      'blocked-people',
      'decisions',
      'durable-json',
      'folder',
      'profile',
      'rescue',
      'settings',
      'stored-account',
      'try-network',
    ],
    values: [...ground, 'main/account', 'main/cpm/conversation', 'main/devices/pairing', 'main/history', 'main/history/store', 'network'],
    packages: ['electron-store', 'node-machine-id'],
    node: true,
  },
  {
    path: 'main/account',
    faces: ['account', 'credentials', 'deps', 'device-name', 'option-kinds', 'own-settings', 'services', 'sign-in', 'sign-in-options'],
    values: [...ground, 'main/cpm', 'main/devices', 'main/devices/pairing', 'main/msrp', 'main/sip'],
    types: ['main/devices/copies', 'main/history', 'main/sip/flow'],
    packages: ['valibot'],
  },
  {
    path: 'main/devices/copies',
    faces: ['copies'],
    values: [...ground, 'main/cpm/conversation', 'main/own'],
    types: ['main/cpm/inbox', 'main/history', 'main/sip'],
    packages: ['valibot'],
  },
  {
    path: 'main/devices/pairing',
    faces: ['equal-devices', 'keyring'],
    values: [...ground, 'main/devices/copies', 'main/own'],
    types: ['main/history', 'main/sip'],
    packages: ['valibot'],
  },
  {
    path: 'main/devices',
    faces: ['control', 'entry', 'list', 'sign-out'],
    values: [...ground, 'main/cpm/conversation'],
    types: ['main/sip'],
  },

  // Equal histories on all devices of a person. It knows no SIP: what it sends and asks goes through two small interfaces.
  {
    path: 'main/own',
    faces: ['engine', 'events', 'joins', 'letter', 'log', 'names', 'pages', 'pairing', 'pull', 'seal', 'store', 'vector', 'wire'],
    values: [...ground],
    packages: ['valibot'],
    node: true,
  },

  // The meaning of CPM. It imports only types of sip, msrp and history: no socket, no class of sip.js and no SQL gets in.
  {
    path: 'main/cpm',
    faces: ['messenger'],
    values: [
      ...ground,
      'main/cpm/conversation',
      'main/cpm/group',
      'main/cpm/inbox',
      'main/cpm/one-to-one',
      'main/cpm/outbox',
      'main/cpm/standalone',
      'main/cpm/upgrade',
    ],
    types: ['main/cpm/session', 'main/history', 'main/sip'],
  },
  {
    path: 'main/cpm/group',
    faces: ['groups', 'icon'],
    values: [...ground, 'main/cpm/conversation', 'main/cpm/inbox', 'main/cpm/session'],
    types: ['main/cpm/one-to-one', 'main/cpm/upgrade', 'main/history', 'main/sip'],
  },
  {
    path: 'main/cpm/upgrade',
    faces: ['upgrades'],
    values: [...ground],
    types: ['main/cpm/conversation', 'main/cpm/session', 'main/history'],
  },
  {
    path: 'main/cpm/one-to-one',
    faces: ['conversations', 'invitations', 'sessions'],
    values: [...ground, 'main/cpm/conversation', 'main/cpm/inbox', 'main/cpm/session'],
    types: ['main/cpm/upgrade', 'main/history', 'main/sip'],
  },
  {
    path: 'main/cpm/standalone',
    faces: ['abilities', 'large', 'large-arrivals', 'list', 'reply-to'],
    values: [...ground, 'main/cpm/conversation', 'main/cpm/inbox', 'main/cpm/one-to-one', 'main/cpm/session'],
    types: ['main/history', 'main/sip'],
  },
  {
    path: 'main/cpm/session',
    faces: ['session'],
    values: [...ground],
    types: ['main/cpm/conversation', 'main/msrp', 'main/sip'],
  },
  {
    path: 'main/cpm/inbox',
    faces: ['copied', 'door', 'inbox', 'reading', 'receipt'],
    values: [...ground, 'main/cpm/conversation', 'main/cpm/outbox'],
    types: ['main/history', 'main/sip'],
  },
  {
    path: 'main/cpm/outbox',
    faces: ['job', 'outbox'],
    values: [...ground, 'main/cpm/conversation'],
    types: ['main/history'],
  },
  {
    path: 'main/cpm/conversation',
    faces: ['context', 'envelope', 'people', 'reader', 'record', 'refusals', 'targets', 'values'],
    values: [...ground],
    types: ['main/history', 'main/msrp', 'main/sip'],
  },

  // Wire protocols, each independent of the others.
  {
    path: 'main/sip',
    faces: ['client'],
    values: [...ground, 'main/sip/flow', 'main/sip/registration', 'main/sip/session', 'main/sip/stack', 'main/sip/wire'],
    packages: ['sip.js'],
    node: true,
  },
  {
    path: 'main/sip/registration',
    faces: ['binding', 'machine', 'register', 'registration'],
    values: [...ground, 'main/sip/flow', 'main/sip/stack'],
    types: ['main/sip/wire'],
    packages: ['sip.js'],
  },
  {
    path: 'main/sip/session',
    faces: ['incoming', 'outgoing', 'reason', 'session', 'session-timer'],
    values: [...ground, 'main/sip/stack', 'main/sip/wire'],
    packages: ['sip.js'],
  },
  {
    path: 'main/sip/stack',
    faces: ['auth', 'capabilities', 'cpm-request', 'hidden-calls', 'normalize', 'stack'],
    values: [...ground, 'main/sip/wire'],
    types: ['main/sip/flow'],
    packages: ['sip.js'],
    node: true,
  },
  {
    path: 'main/sip/flow',
    faces: ['connection', 'discovery', 'flow', 'locator', 'network-watch', 'server-check'],
    values: [...ground, 'main/sip/wire'],
    packages: ['ws'],
    node: true,
  },
  { path: 'main/sip/wire', faces: ['content-encoding', 'framer', 'wire-message'], values: ['protocol'], node: true },
  { path: 'main/msrp', faces: ['connection', 'endpoint', 'outgoing', 'relay', 'session'], values: [...ground], node: true },
  { path: 'main/trace', faces: ['ladder', 'ladder-text', 'record', 'recorder'], values: ['base', 'protocol'], node: true },

  // Storage: the only SQL of the client.
  {
    path: 'main/history',
    faces: ['history', 'records'],
    values: ['base', 'preload/contract', 'main/history/reading', 'main/history/search', 'main/history/store', 'main/history/tables'],
    types: ['main/own'],
    packages: ['libsql'],
  },
  {
    path: 'main/history/reading',
    faces: ['reader'],
    values: ['base', 'preload/contract', 'main/history/store', 'main/history/tables'],
    types: ['main/history'],
    node: true,
  },
  {
    path: 'main/history/tables',
    values: ['base', 'preload/contract', 'main/history/search', 'main/history/store'],
    types: ['main/own', 'main/history'],
    node: true,
  },
  {
    path: 'main/history/search',
    faces: ['message-search', 'search-index'],
    values: ['protocol', 'main/history/store'],
    types: ['main/history'],
    packages: ['libsql'],
  },
  {
    path: 'main/history/store',
    faces: [
      ...[
        'changes',
        'connection',
        'folding',
        'lock',
        'log-mark',
        'log-rescue',
        'migrations',
        'open-file',
        'order',
        'rescue',
        'rows',
        'seal',
      ],
      'synced-names',
    ],
    values: ['base', 'preload/contract'],
    types: ['main/history'],
    packages: ['libsql'],
    node: true,
  },

  // The window. It only knows the types of the contract.
  {
    path: 'renderer',
    faces: [],
    values: ['renderer/app'],
    types: ['preload/contract'],
    packages: ['@fontsource-variable'],
  },
  // Not shipped: the developer's gallery, the window's tests and `npm run screens` use its scenes.
  {
    path: 'renderer/gallery',
    faces: [],
    values: ['renderer/app', 'renderer/parts'],
    types: ['preload/contract', 'renderer/desk'],
    packages: ['react', 'react-dom'],
  },
  {
    path: 'renderer/app',
    faces: ['window'],
    values: [...view, 'renderer/chat', 'renderer/chats', 'renderer/devices', 'renderer/group', 'renderer/settings', 'renderer/start'],
    types: ['preload/contract'],
    packages: [...drawn, 'react-dom'],
  },
  {
    path: 'renderer/start',
    faces: ['CopiedProfile', 'DamagedHistory', 'FirstRun', 'SignInAgain'],
    values: [...view, 'renderer/chat'],
    types: ['preload/contract'],
    packages: drawn,
  },
  {
    path: 'renderer/chat',
    faces: ['Chat', 'ChatMenu', 'Details', 'MessageInfo', 'RescuedChat', 'SkeletonBubbles'],
    values: [...view, 'renderer/chats', 'renderer/group', 'renderer/notices'],
    types: ['preload/contract'],
    packages: [...drawn, 'virtua'],
  },
  {
    path: 'renderer/chats',
    faces: ['ConversationRow', 'LeftPane', 'NewChat', 'SendSeparately', 'NoChat', 'SkeletonRows'],
    values: [...view, 'renderer/devices', 'renderer/notices'],
    types: ['preload/contract'],
    packages: drawn,
  },
  {
    path: 'renderer/group',
    faces: ['AddPeople', 'GroupCard', 'GroupPicture', 'LeaveDialog', 'Nickname', 'RemovePerson', 'RenameGroup', 'use-old-chat'],
    values: [...view],
    types: ['preload/contract'],
    packages: drawn,
  },
  {
    path: 'renderer/settings',
    faces: ['Settings', 'Shortcuts'],
    values: [...view, 'protocol', 'renderer/devices', 'renderer/notices'],
    types: ['preload/contract'],
    packages: drawn,
  },
  {
    path: 'renderer/devices',
    faces: ['Devices', 'OpenWindows', 'PairDialog', 'RenameDevice', 'SignOutDialog'],
    values: [...view, 'renderer/notices'],
    types: ['preload/contract'],
    packages: drawn,
  },
  { path: 'renderer/notices', faces: ['Notices'], values: [...view], types: ['preload/contract'], packages: drawn },
  // What is typed as an address is read by the same code in the window and behind it.
  { path: 'renderer/parts', values: ['protocol', 'renderer/desk', 'renderer/words'], types: ['preload/contract'], packages: drawn },
  { path: 'renderer/desk', types: ['preload/contract'], packages: ['react'] },
  {
    path: 'renderer/words',
    faces: ['clock', 'errors', 'person', 'text'],
    values: ['protocol'],
    types: ['preload/contract'],
    packages: ['react'],
  },

  // The embedded network. It knows nothing about the client.
  {
    path: 'network',
    faces: ['log', 'network'],
    values: ['base', 'protocol', 'network/controlling', 'network/core', 'network/interworking', 'network/participating', 'network/sip'],
    node: true,
  },
  {
    path: 'network/core',
    faces: ['authenticator', 'core', 'faults', 'gruu', 'lab-authority', 'registrar', 'secured-core', 'sim-card'],
    values: ['base', 'protocol', 'network/sip'],
    types: ['network'],
    node: true,
  },
  {
    path: 'network/participating',
    faces: ['participating', 'policy', 'policy-file', 'privacy', 'registration-watch'],
    values: ['base', 'protocol', 'network/msrp', 'network/participating/deferred', 'network/sip'],
    types: ['network'],
    node: true,
  },
  {
    path: 'network/participating/deferred',
    faces: ['deferred'],
    values: ['base', 'protocol', 'network/msrp', 'network/sip', 'network/state'],
    types: ['network'],
    node: true,
  },
  {
    path: 'network/controlling',
    faces: ['controlling', 'group', 'groups-file', 'instances'],
    values: ['base', 'protocol', 'network/core', 'network/msrp', 'network/sip', 'network/state'],
    types: ['network'],
    node: true,
  },
  { path: 'network/state', faces: ['database'], packages: ['libsql'] },
  {
    path: 'network/interworking',
    faces: ['interworking'],
    values: ['base', 'protocol', 'network/participating', 'network/sip'],
    types: ['network'],
    node: true,
  },
  { path: 'network/msrp', faces: ['assembly', 'relay', 'switch'], values: ['base', 'protocol'], types: ['network'], node: true },
  {
    path: 'network/sip',
    faces: [
      'asserted-identity',
      'dialog',
      'flow',
      'header-value',
      'message',
      'proxy',
      'refusal',
      'session-timer',
      'sip-server',
      'transaction',
      'transport-listener',
    ],
    values: ['base', 'protocol'],
    types: ['network'],
    packages: ['ws'],
    node: true,
  },
];

/** Single files that may use a package that is forbidden in their folder. */
export const exceptions: Readonly<Record<string, readonly string[]>> = { 'main/main': ['electron'] };
