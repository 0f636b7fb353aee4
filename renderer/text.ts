/** Every sentence a person reads. Sentence case, short, no protocol words on the chat side, never blame. */
import type {
  CapabilityName,
  ErrorCode,
  ErrorValue,
  MessageState,
  RefusalMeaning,
  RegistrationState,
  WarningValue,
} from '../preload/contract';

const list = new Intl.ListFormat('en', { style: 'long', type: 'conjunction' });

/** "Bob", "Bob and Carol", "Bob, Carol and Dave". */
export const names = (all: readonly string[]): string => list.format(all).replace(/, and /, ' and ');

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

export const words = {
  product: 'Chorus',
  windowTitle: (name: string, device: string, unread: number) =>
    `${unread > 0 ? `(${unread}) ` : ''}${name === '' ? '' : `${name} on ${device} - `}Chorus`,
  today: 'Today',
  yesterday: 'Yesterday',
  dayAt: (day: string, time: string) => `${day} at ${time}`,
  seconds: (n: number) => `${n} s`,
  minutes: (n: number) => `${n} min`,
  hours: (n: number) => `${n} h`,
  days: (n: number) => counted(n, 'day', 'days'),
  possessive: (who: string, what: string) => `${who}’s ${what}`,
  you: 'You',
  youSmall: 'you',
  nobody: 'Nobody',
  emptyGroup: 'Empty group',
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  back: 'Back to chats',
  copy: (what: string) => `Copy ${what}`,
  copied: 'Copied',
  loading: 'Loading',

  places: { chats: 'Chats', devices: 'Devices', settings: 'Settings' },
  main: 'Main',

  me: {
    newChat: 'New chat',
    search: 'Search',
    clearSearch: 'Clear the search',
    conversations: 'Conversations',
    noChats: 'No chats yet',
    noChatsBody: 'Write to someone by name or by address.',
    nothingFound: (query: string) => `Nothing for “${query}”`,
    markedUnread: 'Marked as unread',
    nothingFoundBody: 'Names and messages were searched on this device.',
    foundChats: 'Chats',
    foundMessages: 'Messages',
    searching: 'Searching',
    searchFailed: 'The messages could not be searched',
    moreFound: (n: number) => `The newest ${n} are shown`,
    unread: (n: number) => `${n} unread`,
    draft: 'Draft:',
    goesOn: 'Goes on in the group',
    newGroup: 'New group',
    leftGroup: 'No longer in this group',
    typing: (who: string) => `${who} is typing`,
    typingMany: (count: number) => `${count} people are typing`,
    from: (who: string, text: string) => `${who}: ${text}`,
  },

  device: {
    /** After the device's own name in the left pane; a registered device needs no word. */
    suffix: {
      registered: '',
      refreshing: 'checking',
      connecting: 'checking',
      registering: 'checking',
      offline: 'offline',
      waiting: 'offline',
      rejected: 'refused',
    } satisfies Record<RegistrationState, string>,
    state: {
      registered: 'Registered',
      refreshing: 'Checking',
      connecting: 'Connecting',
      registering: 'Registering',
      offline: 'Offline',
      waiting: 'Offline, trying again soon',
      rejected: 'Refused by the server',
    } satisfies Record<RegistrationState, string>,
    called: (name: string, suffix: string) => (suffix === '' ? name : `${name}, ${suffix}`),
  },

  connection: {
    offline: ['Offline.', 'Messages wait here and go out by themselves.'],
    connecting: ['Connecting.', 'Messages wait here and go out by themselves.'],
    waiting: (seconds: string) => `Messages wait here. Next try in ${seconds}.`,
    waitingNow: 'Messages wait here. Trying again now.',
    checking: (device: string) => `Asking the server whether ${device} is still registered.`,
    tryNow: 'Try now',
    rejected: 'The server refused this device.',
    signInAgain: 'Sign in again',
    tryAgain: 'Try again',
  },

  chat: {
    on: (device: string) => `on ${device}`,
    typing: (who: string) => `${who} is typing`,
    pending: {
      reaching: (who: string) => `Reaching ${who}’s devices`,
      ringing: (who: string) => `Waiting for ${who} to answer`,
      open: (who: string) => `${who} is waiting for you`,
      reply: (who: string) => `${who} is waiting for your reply`,
    },
    inGroup: (people: number, devices: number) => `${counted(people, 'person', 'people')}, ${counted(devices, 'device', 'devices')} in`,
    leftGroup: 'No longer in this group',
    endedGroup: 'Nobody is connected to this group',
    addPeople: 'Add people',
    details: 'Details',
    messagesWith: (title: string) => `Messages with ${title}`,
    placeholder: (who: string) => `Message ${who}`,
    composer: 'Message',
    send: 'Send',
    newest: 'Go to the newest message',
    newCount: (n: number) => counted(n, 'new message', 'new messages'),
    older: 'Loading earlier messages',
    olderFailed: 'Earlier messages could not be read.',
    failed: 'The messages of this chat could not be read.',
    retry: 'Retry',
    remove: 'Delete',
    skip: 'Skip this one',
    actions: 'Message actions',
    copy: 'Copy text',
    deleteHere: 'Delete on this device',
    more: 'More about this chat',
    markUnread: 'Mark as unread',
    exportHtml: 'Export as a page (HTML)',
    exportJson: 'Export as data (JSON)',
    deleteChat: 'Delete chat on this device',
    deleteTitle: 'Delete this chat here?',
    deleteBody:
      'All its messages and its draft go from this device. Other devices and other people keep theirs. The chat comes back empty when somebody writes in it.',
    exportChoose: 'Choose a file',
    exportBody: 'The file is not protected: whoever has it can read the chat.',
    exported: (n: number, path: string) => `${counted(n, 'message', 'messages')} written to ${path}`,
    notJoined: 'You are no longer in this group. Its messages stay here.',
    removedYou: 'An administrator removed you from this group. Its messages stay here.',
    info: 'Message info',
    block: (who: string) => `Block ${who}`,
    blockHint: (who: string) => `Nothing from ${who} gets through then, and this device seems busy.`,
    blockedBody: (who: string) => `You have blocked ${who}. Nothing goes either way.`,
    writeAs: 'Write as',
    writeAsHint: (who: string) => `What ${who} sees as your address, from the next session on.`,
    writeAsUsual: (address: string) => `${address} (as usual)`,
    continuedHint: (who: string) => `Only ${who} sees what you write here. The group does not.`,
    start: (who: string) => `This is the beginning of your chat with ${who}.`,
    startGroup: 'This is the beginning of the group.',
    choose: 'Choose a chat',
    chooseBody: 'Or begin a new one with Ctrl+N.',
    heard: (who: string, text: string) => `${who}: ${text}`,
  },

  message: {
    blocked: 'You have blocked who wrote this.',
    damaged: 'This message was damaged on this computer’s disk and cannot be shown.',
    state: {
      queued: 'Waiting to be sent',
      sending: 'Sending',
      sent: 'Sent',
      delivered: 'Delivered',
      displayed: 'Read',
      failed: 'Not sent',
      received: 'Received',
    } satisfies Record<MessageState, string>,
    fromDevice: (device: string) => `from ${device}`,
    late: ['Came late.', (sent: string, arrived: string) => `Sent ${sent}, arrived ${arrived}`] as const,
    deliveredTo: (who: string) => `Delivered to ${who}`,
    readBy: (who: string) => `Read by ${who}`,
    failedFor: (who: string) => `Could not be delivered to ${who}`,
    notSent: 'Not sent. It is kept here. Try again.',
    kept: 'It is kept here. Try again.',
    isKept: 'It is kept here.',
    keptAuto: 'It is kept here and goes out by itself.',
    theGroup: 'The group',
  },

  group: {
    making: 'Making the group',
    made: 'The group',
    count: (there: number, all: number) => `${there} of ${all} in`,
    inviting: 'Inviting',
    asking: 'Waiting for an answer from',
    moved: (device: string) => `moved here on ${device}`,
    movedPlain: 'moved here',
    joined: (device: string) => `joined on ${device}`,
    joinedPlain: 'joined',
    declined: 'declined',
    declinedWhy: (who: string) => `The group goes on without ${who}, who sees nothing written here.`,
    unreachable: 'could not be reached',
    unreachableWhy: (who: string) => `None of ${who}’s devices answered. The group goes on without ${who}.`,
    left: 'left',
    removed: 'was removed',
    gone: 'is not in the group',
    inviteAgain: 'Invite again',
    inviting2: (who: string) => `Inviting ${who}`,
    writeTo: (who: string) => `Write to ${who}`,
    grown: (who: string) => `Grown out of your chat with ${who}`,
    grownBody: (who: string) => `Earlier messages stay in that chat. ${who} cannot see them.`,
    grownBodyPlain: 'Earlier messages stay in that chat.',
    openOld: (who: string) => `Open the chat with ${who}`,
    goesOn: (title: string) => `This chat goes on in the group “${title}”`,
    goesOnBody: 'What was written here stays here, readable for you two alone.',
    openGroup: 'Open the group',
    peopleAndDevices: 'People and their devices',
    continuity: 'Continuity',
    oldChat: (who: string) => `Your chat with ${who}`,
    oldChatBody: (time: string) => `Until ${time}, kept and readable`,
    leave: 'Leave group',
    leaveTitle: 'Leave this group?',
    leaveBody: 'Its messages stay on this device. You receive no new ones until someone adds you again.',
    administrator: 'Administrator',
    personMore: (who: string) => `More about ${who}`,
    removePerson: 'Remove from the group',
    removeTitle: (who: string) => `Remove ${who} from this group?`,
    removeBody: (who: string) =>
      `${who} keeps what was written until now and receives nothing more. An administrator can add ${who} again.`,
    removeFailed: (who: string) => `${who} was not removed.`,
    rename: 'Rename group',
    renameDo: 'Rename',
    renameFailed: 'The group keeps its name.',
    name: 'Name of the group',
    nameHint: 'Everybody in the group sees it.',
    nameTooLong: (most: number) => `A name has ${most} characters at most.`,
    noPeople: 'Who is in will show here as soon as the group answers.',
    thisDevice: (name: string) => `${name}, this device`,
    canDo: (what: string) => `Can do: ${what.charAt(0).toLowerCase()}${what.slice(1)}`,
    here: 'Here',
    asked: 'Asking',
    leaving: 'Leaving',
    notIn: 'Not in this group',
    word: { departed: 'Left', booted: 'Removed', failed: 'Not reached', busy: 'Declined' },
  },

  info: {
    title: 'Message info',
    sent: (at: string, device: string | null) => `Sent ${at}${device === null ? '' : `, from ${device}`}`,
    arrived: (at: string) => `Arrived here ${at}`,
    receivers: 'Received and read',
    waiting: 'Nothing heard yet',
    aDevice: 'A device',
    failed: 'Not delivered',
    ids: 'IDs',
    message: 'Message',
    conversation: 'Conversation',
    copy: (what: string) => `Copy the ID: ${what}`,
  },

  addPeople: {
    title: 'Add people to this chat',
    titleGroup: 'Add people to this group',
    input: 'Name or address',
    suggestions: 'Suggestions',
    remove: (who: string) => `Remove ${who}`,
    asAddress: (address: string) => `Use ${address}`,
    useAddressHint: 'As an address',
    noneLeft: 'Nobody else is known yet. Type an address.',
    noMatch: 'Nobody by that name. Type a whole address, for example bob@example.org.',
    hidden: (who: string) => `${who} will not see earlier messages.`,
    moves: (who: string) => `${who}’s chat moves here on `,
    movesPlain: (who: string) => `${who}’s chat moves here.`,
    stays: 'The chat between you two stays readable.',
    makeGroup: (n: number) => `Make a group of ${n}`,
    makeGroupPlain: 'Make a group',
    add: (who: string) => `Add ${who}`,
    addPlain: 'Add',
    inviting: (who: string) => `Inviting ${who}`,
    failed: 'The group was not made.',
    failedGroup: 'Nobody was added.',
    key: 'Enter',
  },

  newChat: { title: 'New chat', input: 'Name or address', open: 'Open', failed: 'The chat could not be opened.' },

  anonymous: {
    write: 'Write anonymously',
    writeHint: 'In a chat of its own, in which the other side does not learn who you are.',
    learns:
      'They learn what you write, when, and that all of it is from one person. Not your name, address, device or computer. Your own network knows that it is you.',
    with: (who: string) => `${who}, anonymously`,
    name: 'Anonymous',
    underSelf: (who: string) => `${who} does not learn who you are`,
    underPeer: 'Does not say who they are',
    hintSelf: (who: string) => `${who} sees what you write, not who you are. Do not sign it.`,
    hintPeer: 'You can answer as long as the device they write from stays signed in.',
  },

  invitation: {
    group: (who: string) => `${who} invites you to a group`,
    chat: (who: string) => `${who} wants to chat with you`,
    with: (who: string) => `With ${who}.`,
    replaces: (who: string) => `It takes the place of your chat with ${who}, which stays readable.`,
    accept: 'Accept',
    decline: 'Decline',
    failed: 'Your answer did not get through.',
    elsewhere: (who: string) => `You answered ${who} on another device`,
  },

  empty: {
    alone: 'Open someone’s window',
    aloneBody: 'The others answer while their window is open on this computer. Open one, then write to each other.',
    openWindow: (who: string) => `Open ${who}’s window`,
    openOwn: 'Open a second device of yours',
    opening: (who: string) => `${who}’s window is opening.`,
    openFailed: 'The window could not be opened.',
  },

  devices: {
    title: 'Devices',
    checkAgain: 'Check again',
    checked: (time: string) => `Checked ${time}`,
    thisDevice: 'This device',
    rename: 'Rename this device',
    name: 'Name of this device',
    state: 'State',
    can: 'Can do',
    validUntil: 'Valid',
    valid: (left: string, time: string) => `${left} more, until ${time}`,
    expired: (time: string) => `Ran out at ${time}`,
    address: 'Public GRUU',
    noGruu: 'The server gave none',
    id: 'ID',
    registered: 'Registered',
    signedOut: 'Signed out',
    unknown: 'Unknown while this device is offline',
    none: 'No device is registered',
    noneBody: 'As soon as the server has confirmed this device, it and your other devices show here.',
    another: 'Open another device',
    anotherBody: 'Each opens in its own window on this computer and is a device of its own.',
    another2: (who: string) => `A device of ${who}`,
    anotherYou: 'A second one of yours',
    renameFailed: 'The name was not changed.',
    nothing: 'Nothing it tells of',
    unnamed: 'Device without a name',
    lastSeen: 'Last seen',
    now: 'Now',
    ago: (span: string, time: string) => `${span} ago, ${time}`,
    stopped: 'Stopped, for another computer has its ID',
    /** What became of a registration that is over, by what the server last told of it. */
    gone: {
      unregistered: 'Signed out',
      expired: 'Not heard of any more',
      deactivated: 'Ended by the server',
      probation: 'Paused by the server',
      rejected: 'Refused by the server',
    } as Readonly<Record<string, string>>,
    sendTest: 'Send a test',
    testText: (device: string) => (device === '' ? 'Test' : `Test from ${device}`),
    tested: (ms: number) => `Arrived in ${ms} ms`,
    testFailed: 'The test did not arrive.',
    signOut: 'Sign out',
    signOutTitle: (device: string) => `Sign out ${device}?`,
    signOutBody: 'It gets no new messages until someone signs in there again. Its chats stay on it.',
    everywhere: 'Sign out everywhere',
    everywhereHint: 'Ends the registration of every device of yours, this one too.',
    everywhereTitle: 'Sign out everywhere?',
    everywhereBody: 'No device of yours gets new messages until someone signs in on it again. The chats stay where they are.',
    twoOfOne: 'Two computers, one ID',
    duplicate: (device: string) => `Another computer answers as ${device}`,
    duplicateStopped:
      'It registered with the ID of this device, most likely because the profile was copied. This one has stopped, so that the two do not take each other’s messages.',
    duplicateBeside:
      'Both are registered with one ID, most likely because the profile was copied. New messages may reach only one of them.',
    duplicateAt: (place: string, since: string) =>
      `At ${place}, seen ${since}. An ID belongs to one installation and never changes: CPM SD 5.1.2, RFC 5626 section 4.1.`,
    giveOwnId: 'Give this one its own ID',
    useHere: 'Use the ID here',
  },

  copiedProfile: {
    title: 'This profile comes from another device',
    lead: (device: string) =>
      `${device === '' ? 'It belongs to a device that' : `It belongs to “${device}”, which`} may still be in use. Two devices with one ID would take each other’s messages, so nothing is sent before you choose.`,
    which: 'What this device is',
    moved: 'I moved here',
    movedBody: 'The same device in another place. It keeps its ID, and the old place is not used any more.',
    newDevice: 'This is another device',
    newDeviceBody: 'The other one goes on. This one gets an ID and a name of its own; the chats that came along stay readable.',
    keptName: 'It keeps its name',
    movedHint: (nickname: string) => `Its ID, ${nickname}, stays as it is.`,
    /** Desktop 1 -> Desktop 2, Laptop -> Laptop 2. */
    nextName: (device: string) => {
      const number = / (\d{1,3})$/.exec(device)?.[1];
      if (device === '') return 'Desktop 2';
      return number === undefined ? `${device} 2` : device.replace(/\d+$/, String(Number(number) + 1));
    },
    goOn: 'Go on',
  },

  rescue: {
    title: 'The history of this device is damaged',
    lead: 'Chorus has left the file as it is, and is signed in nowhere until you decide: it could not keep what arrives.',
    what: {
      history:
        'What can be read of it is listed here. Save the chats that you want to keep; messages that are destroyed are marked in the file.',
      nothing: 'Nothing of it can be read. It stays on this computer, should somebody be able to mend it.',
    },
    copy: (when: string) =>
      `The file itself cannot be read. What is listed here is a copy from ${when}, made before an update of Chorus; what was written later is missing.`,
    chats: 'Chats that can be saved',
    messages: (n: number) => counted(n, 'message', 'messages'),
    html: 'Save as a page',
    json: 'Save as data',
    saveHtml: (title: string) => `Save ${title} as a page (HTML)`,
    saveJson: (title: string) => `Save ${title} as data (JSON)`,
    beginTitle: 'Go on with a new history',
    beginBody:
      'The damaged one is kept aside in the same folder. Your account and the identity of this device stay. Messages that were not sent yet are not sent any more.',
    begin: 'Begin a new history',
    quit: 'Close Chorus',
  },

  capability: {
    session: 'chat',
    group: 'groups',
    pager: 'messages',
    large: 'long messages',
    file: 'files',
  } as Readonly<Record<string, string>>,

  settings: {
    title: 'Settings',
    sections: { general: 'General', account: 'Account', keyboard: 'Keyboard', about: 'About' },
    appearance: 'Appearance',
    theme: 'Theme',
    themes: { system: 'System', light: 'Light', dark: 'Dark' },
    messages: 'Messages',
    read: 'Tell people when I have read a message',
    readHint: 'They see it as a filled mark. Your own messages ask for the same.',
    delivered: 'Tell people when a message has arrived',
    deliveredHint: 'They see two ticks. Your own messages ask for the same.',
    typing: 'Tell people when I am typing',
    invitations: 'Invitations',
    accept: 'When someone invites me to a chat or a group',
    acceptHint: 'You see what they write in any case. A group asks only if you choose to be asked.',
    accepts: { auto: 'Join at once', open: 'Join when I open the chat', reply: 'Join when I reply', ask: 'Ask me' },
    idle: 'End a session in which nothing is said',
    idleHint: 'The chat stays, and the next text opens another session.',
    idleAfter: (seconds: number) =>
      seconds === 0
        ? 'Never'
        : `After ${seconds < 3600 ? counted(seconds / 60, 'minute', 'minutes') : counted(seconds / 3600, 'hour', 'hours')}`,
    failed: 'The setting was not kept.',
    you: 'You',
    name: 'Name',
    address: 'Address',
    thisDevice: 'This device',
    deviceHint: 'People you chat with see this name.',
    registration: 'Registration',
    registeredFor: (left: string, devices: number) =>
      `For another ${left}. The server knows ${counted(devices, 'device', 'devices')} of yours.`,
    registerNow: 'Register now',
    instanceId: 'Instance ID',
    blocked: 'Blocked people',
    blockedHint: 'They hear that you are busy. What they write in a group is hidden.',
    nobodyBlocked: 'You have blocked nobody.',
    blockWhom: 'Block an address',
    block: 'Block',
    unblock: 'Unblock',
    unblockWhom: (who: string) => `Unblock ${who}`,
    writeAs: 'Write as',
    writeAsHint: 'Which of your addresses new chats come from.',
    offers: 'What others can do with this device',
    offersHint: 'What you switch off is told to your server at once, and refused here.',
    offer: {
      session: ['Chats and groups', 'Live chats with receipts and typing.'],
      pager: ['Single messages', 'Short messages without a chat around them.'],
      large: ['Long messages', 'Messages too long for one request.'],
      file: ['Files', 'Pictures and documents.'],
    } as Readonly<Record<CapabilityName, readonly [string, string]>>,
    offerFailed: 'Nothing was changed.',
    instanceHint: (nickname: string) => `Made once for this profile, never changed. Its nickname is ${nickname}.`,
    profile: 'Profile',
    keyboardTitle: 'Keyboard',
    about: 'About Chorus',
    aboutBody: 'A messenger for people with several devices, over SIP and OMA CPM.',
    licences: 'Made with',
    licence: [
      ['Inter', 'Typeface, SIL Open Font License 1.1'],
      ['JetBrains Mono', 'Typeface for IDs, SIL Open Font License 1.1'],
      ['Lucide', 'Icons, ISC License'],
    ] as const,
  },

  shortcuts: {
    title: 'Keyboard',
    all: [
      ['Ctrl+K', 'Search chats and messages'],
      ['Ctrl+N', 'New chat'],
      ['Ctrl+Shift+A', 'Add people to the open chat'],
      ['Alt+Up, Alt+Down', 'Chat before, chat after'],
      ['Enter', 'Send'],
      ['Shift+Enter', 'Break the line'],
      ['Esc', 'Close what lies on top'],
      ['?', 'Show this list'],
    ] as const,
  },

  first: {
    title: 'One conversation, all your devices',
    lead: 'Choose how to begin.',
    how: 'How to begin',
    try: 'Try it on this computer',
    tryBody: (people: string) => `Be one of ${people}. A small network starts inside Chorus and never leaves this computer.`,
    signIn: 'Sign in',
    signInBody: 'With your address and password. Chorus registers at your server before it keeps anything.',
    youAre: 'You are',
    address: 'Address',
    addressExample: 'alice@example.org',
    password: 'Password',
    advanced: 'Advanced',
    server: 'Server',
    authUser: 'Name for the password',
    expires: 'Registration lasts, seconds',
    registrar: 'Registrar',
    factory: 'Where groups are made',
    ca: 'Certificates to trust',
    imei: 'IMEI of this device',
    examples: {
      server: 'sip:proxy.example.org;transport=tcp',
      authUser: 'alice@ims.example.org',
      expires: '3600',
      registrar: 'sip:example.org',
      factory: 'sip:conference-factory@example.org',
      ca: '-----BEGIN CERTIFICATE-----',
      imei: '90420156-025763-7',
    },
    hints: {
      server: 'Only if it is not the one of your address.',
      authUser: 'Only if it is not the first part of your address.',
      expires: 'Renewed long before it ends.',
      registrar: 'Only if it is not your address’s domain.',
      factory: 'As your provider names it.',
      ca: 'For a laboratory: paste its authority (PEM). No other one is trusted then.',
      imei: 'Only if this device has one. It becomes its ID for ever, and can be given only before the first sign-in.',
    },
    caFile: 'Take them from a file',
    check: 'Check connection',
    checking: 'Looking for the server',
    checkHint: 'Looks for your server and asks it for a sign of life. It does not hear who you are.',
    checked: {
      tried: (place: string) => `Tried ${place}`,
      reached: (place: string) => `Reached ${place}`,
      certificate: (names: string, issuer: string, until: string) =>
        `It proved to be ${names}${issuer === '' ? '' : `, by ${issuer}`}, until ${until}`,
      unprotected: 'The connection is not protected',
      answered: (said: string, software: string | null, ms: number) =>
        `It answered ${said} after ${ms} ms${software === null ? '' : ` (${software})`}`,
    },
    scheme: 'Prove who you are by',
    schemes: { auto: 'What the network asks for', digest: 'Password', aka: 'SIM', 'early-ims': 'Network address alone' },
    minAlgorithm: 'Weakest password method',
    algorithms: { MD5: 'MD5', 'SHA-256': 'SHA-256', 'SHA-512-256': 'SHA-512/256' },
    simKey: 'SIM key (K)',
    simHint: '32 hexadecimal digits, kept as safely as a password.',
    simIsOp: 'It is OP, not yet OPc',
    deviceName: 'Then name this device',
    deviceDefault: 'Desktop 1',
    deviceHint: (who: string) => `Everyone you chat with sees it as “on ${who}”. You can change it at any time.`,
    deviceHintPlain: 'Everyone you chat with sees this name. You can change it at any time.',
    start: 'Start',
    starting: 'Starting',
    signingIn: 'Signing in',
    needAddress: 'An address looks like alice@example.org.',
    needPassword: 'The password is missing.',
    needName: 'Give this device a name.',
    again: 'Sign in again',
    againTitle: 'Sign in again',
    tryFailed: 'The network on this computer did not start.',
    signInFailed: 'You are not signed in.',
  },

  fatal: {
    quit: 'Close Chorus',
    details: 'For the log',
    closed: 'Chorus has stopped',
    closedBody: 'Open it again to go on. Nothing is lost.',
    startFailed: 'Chorus could not start',
  },

  dismiss: 'Hide this notice',
} as const;

/** What a device can do, as a sentence. */
export function capabilityWords(capabilities: readonly string[]): string {
  const known = capabilities.map((capability) => words.capability[capability] ?? capability);
  const all = [...new Set(known)].join(', ');
  return all === '' ? words.devices.nothing : all.charAt(0).toUpperCase() + all.slice(1);
}

/** What a bar says of a warning that stays; the program's own `text` follows where it tells more. */
export const warningWords: Record<WarningValue['code'], string> = {
  'secrets-in-file': 'This computer offers no safe place for passwords. Yours is kept in a file that only your user account can read.',
  'storage-full': 'The disk is full. New messages cannot be kept until there is space again.',
  'network-stopped': 'The network on this computer has stopped. Messages wait here. Start Chorus again to bring it back.',
  'server-deviates': 'The server does something unusual. Chorus goes on, but not everything may work.',
  'duplicate-device': 'Another computer answers as this device. New messages may reach only one of the two. Devices says what to do.',
  internal: 'Something inside Chorus went wrong. It goes on; starting it again is the safest.',
};

export interface Explanation {
  /** What happened. */
  title: string;
  /** What the program does, and what the person can do. */
  body: string;
}

/** `who` refused or could not be reached: "Bob’s Laptop", "The server". */
type Words = (said: string, who: string) => Explanation;

const errorWords: Record<ErrorCode, Words> = {
  'ipc/refused': () => ({ title: 'Chorus did not understand its own window', body: 'Nothing was changed. Start Chorus again.' }),
  'account/none': () => ({ title: 'Nobody is signed in', body: 'Sign in first.' }),
  'account/bad-address': () => ({ title: 'That is not an address', body: 'An address looks like alice@example.org or +4712345678.' }),
  'account/bad-option': () => ({
    title: 'One of the advanced settings cannot be used',
    body: 'What is wrong stands below it. Nothing was sent; correct it and try again.',
  }),
  'account/bad-credentials': (said) => ({
    title: 'The server did not accept this password',
    body: `${sentence(said)}Check the address and type the password again.`,
  }),
  'account/weak-sign-in': () => ({
    title: 'This server signs in less safely than you allow',
    body: 'Your password was not given away. Ask whoever runs the server for SHA-256, or allow MD5 in the settings of this account.',
  }),
  'account/unproven-network': () => ({
    title: 'This network could not show that it knows your SIM',
    body: 'Chorus stays away from it. Check the key of the SIM and the address of the server.',
  }),
  'account/signed-out': (said) => ({
    title: said === '' ? 'This device is signed out' : `This device was signed out from ${said}`,
    body: 'Its chats are kept here. Sign in again to go on.',
  }),
  'identity/duplicate': () => ({
    title: 'Another computer answers as this device',
    body: 'Both use the same ID, so messages may reach only one of them. Devices says what to do.',
  }),
  'profile/copied': () => ({ title: 'This profile comes from another device', body: 'Say first whether it was moved here or copied.' }),
  'identity/unreadable': () => ({
    title: 'The identity of this device cannot be read',
    body: 'Chorus does not make a new one by itself, for people would see a stranger. Bring back the profile folder from a copy, or start with another profile.',
  }),
  'profile/in-use': () => ({
    title: 'This profile is already open',
    body: 'Another Chorus on this computer uses it. Go on in that window, or start this one with another profile.',
  }),
  'storage/full': () => ({
    title: 'The disk is full',
    body: 'Nothing new can be kept. Free some space, then start Chorus again. What you have is safe.',
  }),
  'storage/unreadable': () => ({
    title: 'What is stored here cannot be read',
    body: 'A file is damaged or was locked with another key. Chorus has left it untouched. Bring it back from a copy, or start with another profile.',
  }),
  'storage/damaged': () => ({
    title: 'The history of this device is damaged',
    body: 'Chorus has left it as it is and takes part in nothing. Save the chats you want to keep, then begin a new history.',
  }),
  'storage/newer': () => ({
    title: 'A newer Chorus has written these messages',
    body: 'This one cannot read them and has left them untouched. Install the newer Chorus again.',
  }),
  'storage/failed': () => ({
    title: 'The stored messages are out of reach',
    body: 'Reading or writing failed. Nothing was lost. Start Chorus again.',
  }),
  'export/failed': () => ({
    title: 'The file could not be written',
    body: 'Nothing was exported, and the chat is as it was. Choose another place.',
  }),
  'net/unreachable': (_said, who) => ({
    title: `${who} could not be reached`,
    body: 'There is no connection. Check the network and the server’s address.',
  }),
  'net/untrusted': (_said, who) => ({
    title: `${who} could not prove who it is`,
    body: 'Its certificate is not trusted or belongs to another name. Nothing was sent. Check the server’s address, or ask who runs it.',
  }),
  'net/timeout': (_said, who) => ({
    title: `${who} did not answer in time`,
    body: 'The connection stands, but no answer came. Try again in a moment.',
  }),
  'sip/rejected': (said, who) => ({
    title: `${who} refused${said === '' ? '' : ` (${said})`}`,
    body: 'Nothing was lost. Try again later.',
  }),
  'sip/not-registered': () => ({ title: 'This device is not registered', body: 'Chorus goes on as soon as the server has confirmed it.' }),
  'sip/malformed': (_said, who) => ({
    title: `${who} sent something that cannot be understood`,
    body: 'Chorus left it aside. Try again; if it stays so, the other side needs mending.',
  }),
  'msrp/rejected': (said, who) => ({
    title: `${who} did not accept the message${said === '' ? '' : ` (${said})`}`,
    body: 'It is kept here. Try again.',
  }),
  'msrp/closed': (_said, who) => ({ title: `The connection to ${inSentence(who)} was cut`, body: 'The message is kept here. Try again.' }),
  'privacy/no-temporary-address': () => ({
    title: 'You cannot write anonymously here',
    body: 'The network gives this device no temporary address to hide behind. Nothing was sent. Write with your name, or ask who runs the network.',
  }),
  'privacy/leak': (said) => ({
    title: `Not sent: it would have told who you are${said === '' ? '' : ` (${said})`}`,
    body: 'Chorus looked through the message before it left, and kept it here. This is a fault in Chorus: please report it.',
  }),
  'message/undelivered': (said, who) => ({
    title: `${who} did not get the message${said === '' ? '' : ` (${said})`}`,
    body: 'It is kept here. Try again.',
  }),
  'message/skipped': () => ({ title: 'You skipped this message', body: 'It is kept here. Try again when you like.' }),
  'conversation/unknown': () => ({ title: 'This chat is not here any more', body: 'Choose another one, or begin it anew.' }),
  'conversation/blocked': (_said, who) => ({
    title: `You have blocked ${inSentence(who)}`,
    body: 'Nothing was sent. Unblock them in the settings first.',
  }),
  'conversation/no-session': (_said, who) => ({
    title: `There is no connection to ${inSentence(who)} yet`,
    body: 'Send a message first, then try again.',
  }),
  'group/nobody-joined': (said) => ({
    title: 'Nobody joined',
    body: `Everyone declined or could not be reached${said === '' ? '' : ` (${said})`}. Your chat goes on as before.`,
  }),
  'device/unknown': () => ({ title: 'That device is not registered any more', body: 'Check again to see which devices are.' }),
  'device/refuses': (said) => ({
    title: `That device cannot be signed out from here${said === '' ? '' : ` (${said})`}`,
    body: 'The network or the device does not offer it. Sign it out on the device itself.',
  }),
  internal: () => ({
    title: 'Something inside Chorus went wrong',
    body: 'Nothing was lost. Try again, and start Chorus again if it stays so.',
  }),
};

const theServer = 'The server';

/** The peer's own status and reason are part of the words, where there are any. */
export function explain(error: ErrorValue, who: string = theServer): Explanation {
  if (error.meaning !== undefined) {
    const [title, way] = refusalWords[error.meaning](who);
    const said = saidBy(error);
    return { title: said === '' ? title : `${title} (${said})`, body: `Nothing was lost. ${way}` };
  }
  return errorWords[error.code](saidBy(error), who);
}

/** What a refusal means: what happened, and what one can do. */
const refusalWords: Record<RefusalMeaning, (who: string) => readonly [title: string, way: string]> = {
  declined: (who) => [`${who} declined`, 'Try again later.'],
  busy: (who) => [`${who} takes nothing more at the moment`, 'Try again.'],
  away: (who) => [`No device of ${who} can be reached now`, 'Try again later.'],
  'unknown-person': (who) => [`The network knows nobody at the address of ${who}`, 'Check the address.'],
  'no-way': () => ['The network knows no way to this kind of address', 'Write to another one of theirs.'],
  'hidden-gone': () => ['Whoever wrote here without a name cannot be reached any more', 'Only they can write again.'],
  'too-large': () => ['This is longer than the network lets through', 'Send it in parts.'],
  'not-authorised': () => ['Your account may not use this service', 'Ask who runs your network.'],
  forbidden: (who) => [`The network lets nothing through to ${who} from you`, 'Ask who runs it.'],
  'not-anonymous': (who) => [`${who} takes nothing from who does not say their name`, 'Write with your name.'],
  'no-session': (who) => [`${who}’s device takes no chat from here`, 'Another app may be in use there.'],
  incompatible: (who) => [`${who}’s device and this one do not understand each other`, 'One of them may need a newer version.'],
};

/** Of a message that did not get through. It is never gone: the sentence ends with what becomes of it. */
const messageErrorWords: Partial<Record<ErrorCode, (said: string, who: string) => string>> = {
  'sip/rejected': (said, who) => `${who} did not accept the message${said}.`,
  'msrp/rejected': (said, who) => `${who} did not accept the message${said}.`,
  'message/skipped': () => 'You skipped this message.',
  'message/undelivered': (said, who) => `${who} did not get the message${said}.`,
  'msrp/closed': (_said, who) => `The connection to ${who} was cut.`,
  'net/unreachable': () => 'There is no connection.',
  'net/timeout': () => 'No answer came in time.',
};

/** One line under a message: what happened, what becomes of it, what one can do. */
export function explainLine(error: ErrorValue, who: string): string {
  const said = saidBy(error);
  if (error.meaning !== undefined && error.retry !== 'auto') {
    const [title, way] = refusalWords[error.meaning](who);
    return `${title}${said === '' ? '' : ` (${said})`}. ${words.message.isKept} ${way}`;
  }
  const title = messageErrorWords[error.code]?.(said === '' ? '' : ` (${said})`, who) ?? `${explain(error, who).title}.`;
  return error.retry === 'auto' ? `${title} ${words.message.keptAuto}` : `${title} ${words.message.kept}`;
}

const saidBy = ({ status, reason }: ErrorValue): string => [status, reason].filter((part) => part !== undefined && part !== '').join(' ');

const sentence = (said: string): string => (said === '' ? '' : `It answered ${said}. `);
const inSentence = (who: string): string => (who === theServer ? 'the server' : who);
