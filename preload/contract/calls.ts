/** Every call that a driver can make to the client. */
import type { MediaTls, SignInOptions } from './sign-in-options';
import type {
  AccountValue,
  CapabilityName,
  ConversationValue,
  DeviceValue,
  GapValue,
  HistoryChoice,
  IdentityValue,
  MessageValue,
  OwnDevicesValue,
  ParticipantValue,
  PeerCapabilities,
  PreferencesValue,
  RegistrationState,
  RemovalValue,
  SearchHitValue,
  ServerCheckValue,
  SessionState,
  Snapshot,
} from './values';

type None = Record<string, never>;
/**
 * Which account is meant, by its address of record. It may be left out while there is one account; where there are several and none is named,
 * the call fails with `ipc/refused`. A call about a conversation or an invitation needs no name, nor does one about a message that one account has.
 */
type Named = { account?: string | undefined };

/** Each call as [argument, value]. Window and command both answer all of them; a missing handler is a type error. */
export interface Calls {
  snapshot: [None, Snapshot];
  identity: [Named, IdentityValue];
  register: [Named, { state: RegistrationState; expires: number | null; bindings: number }];
  unregister: [Named, { state: RegistrationState; expires: number | null; bindings: number }];
  /** Asks the server first, where it does not tell changes by itself. */
  devices: [Named, DeviceValue[]];
  /**
   * Renames this device. Resolves once the server has answered. `untold`: the server could not be informed; the name is kept, and the next
   * registration announces it.
   * @throws `storage/*`; nothing changes then
   */
  renameDevice: [Named & { name: string }, { name: string; untold?: true }];
  /** Asks another person's devices what they can do; the first answer counts. */
  capabilities: [Named & { address: string }, PeerCapabilities];
  /** Sends a message to one device of the own address and to no other; resolves once that device has it. */
  testDevice: [Named & { instanceId: string; text?: string | undefined }, { message: string; by: 'gruu' | 'instance'; tookMs: number }];
  /**
   * Asks another device of the own address to sign itself out; resolves once the network lists it no longer.
   * @throws `device/stays` where it has agreed and is still listed some seconds later; `device/refuses`, `device/unknown`, `net/*`, `sip/*`
   */
  signOutDevice: [Named & { instanceId: string }, None];
  /** How far this device and the others hold the same. */
  ownDevices: [Named, OwnDevicesValue];
  /**
   * Asks an older device of this person to take this one in; without `instanceId` the only other one. The six digits come with `ownDevices`, and are
   * typed on the older one.
   * @throws `device/unknown`, `device/paired`
   */
  startPairing: [Named & { instanceId?: string | undefined }, None];
  /**
   * The digits that the new device shows, typed on an older one. Resolves once that device has what it needs.
   * @throws `device/wrong-code`: the pairing is over; `device/unknown`: none is under way, or that device does not answer
   */
  typePairingCode: [Named & { code: string }, None];
  /** On the new device: the older one shows "paired". `history`: which chats come over. @throws `device/unknown`: there is nothing to confirm */
  confirmPairing: [Named & { history: HistoryChoice }, None];
  /** Gives a pairing up, on either side, and forgets how the last one ended. */
  cancelPairing: [Named, None];
  /** On a paired device: copies more of the chats from the others, such as those that were left out at first. @throws `device/unpaired` */
  fetchHistory: [Named & { history: HistoryChoice }, None];
  /**
   * Removes another own device: nothing that it writes counts any more, and it is signed out as soon as it can be reached. `erase`: it shall erase its
   * chats as well. Resolves with how far that got.
   */
  removeDevice: [Named & { instanceId: string; erase: boolean }, RemovalValue];
  /**
   * Signs this device out. `keep`: its chats stay and can be read. `erase`: the chats, the keys and the account are erased from this device; also where
   * it was signed out before.
   */
  signOut: [Named & { chats: 'keep' | 'erase' }, None];
  /** Ends the registration of every device of the own address, this one last. */
  signOutEverywhere: [Named, None];
  /**
   * How chats are carried, as in `signIn`; an omitted option stays as it is. A relay is tried first. Open sessions change over too: a 1-1
   * session ends, and the next text opens another; a group is rejoined.
   * @throws `account/bad-option`, `msrp/relay`; nothing changes then
   */
  setMedia: [Named & { mediaTls?: MediaTls | undefined; msrpRelay?: string | undefined }, Pick<AccountValue, 'mediaTls' | 'msrpRelay'>];
  /** Which of the own addresses to write as: everywhere, or in one 1-1 from now on. Null: as usual. */
  writeAs: [Named & { address: string | null; conversation?: string | undefined }, None];
  /** Whether this device offers a service to others. Told to the server as in `renameDevice`, and refused here at once where it is off. */
  setCapability: [Named & { name: CapabilityName; on: boolean }, { untold?: true }];
  /** Answers `clone`, or a duplicate: `moved` keeps the ID and uses it here, `newDevice` makes a new one. */
  resolveClone: [{ choice: 'moved' | 'newDevice'; name?: string | undefined }, { instanceId: string }];
  conversations: [Named, ConversationValue[]];
  /**
   * Messages, newest last: the last page, the page just before or just after a message ID, or the page around one. `limit` is 50 by default
   * and at most 500.
   */
  messages: [
    {
      conversation: string;
      before?: string | undefined;
      after?: string | undefined;
      around?: string | undefined;
      limit?: number | undefined;
    },
    MessageValue[],
  ];
  /** What this device may lack of a conversation, and other own devices may have, while none of them can give it. */
  gaps: [{ conversation: string }, GapValue[]];
  /**
   * Finds messages, newest first. `limit` is 50 by default and at most 200. Each word matches the beginning of a word in the text or in the
   * sender's name; "words in quotes" must be adjacent; 2026-11-23 or 2026-11 is the date of sending.
   */
  search: [
    Named & {
      text: string;
      limit?: number | undefined;
      /** Return only hits after this one; none when the message no longer exists. */
      before?: { message: string; direction: 'in' | 'out' } | undefined;
      /** A search while the person types. The next such search replaces it, and it then fails with `search/superseded`. */
      passing?: boolean | undefined;
    },
    SearchHitValue[],
  ];
  sendText: [
    Named & {
      to?: string | undefined;
      conversation?: string | undefined;
      text: string;
      mode?: 'session' | 'pager' | undefined;
      /** With `to`: use the separate conversation in which the other side does not learn who writes. */
      anonymous?: boolean | undefined;
      /** In a group: send to this member only. */
      onlyWith?: string | undefined;
      /** With `pager`: the address at which answers are wanted. */
      replyTo?: string | undefined;
    },
    { message: string; conversation: string },
  ];
  /** Texts in this conversation go to its other side again, not to `repliesTo`. */
  answerHere: [{ conversation: string }, Record<string, never>];
  /** The name that the others see in this conversation from now on; null: the usual one. */
  setPseudonym: [{ conversation: string; name: string | null }, Record<string, never>];
  /** Sends a text to several people, in one request where the network can. Each gets it in the 1-1, and learns of nobody else. */
  sendSeparately: [Named & { people: string[]; text: string }, { copies: { to: string; message: string; conversation: string }[] }];
  /** Finds or makes the 1-1 conversation with an address, without sending anything. */
  openConversation: [Named & { to: string; anonymous?: boolean | undefined }, { conversation: string }];
  openSession: [Named & { to: string }, { conversation: string; state: SessionState }];
  closeSession: [{ conversation: string }, { conversation: string; state: SessionState }];
  answer: [{ invitation: string; accept: boolean; everywhere?: boolean | undefined }, { state: SessionState }];
  /**
   * From a 1-1: creates a group, and resolves with its conversation once the Controlling Function has answered 200. In a group: adds
   * people, and resolves with the same conversation once the focus has accepted the request.
   */
  addPeople: [{ conversation: string; people: string[]; subject?: string | undefined }, { conversation: string }];
  /**
   * Joins the group at an address given by the network's operator. Resolves with its conversation when messages can flow.
   * @throws `group/unknown`, `group/not-a-member`, `group/full`
   */
  joinGroup: [Named & { address: string }, { conversation: string }];
  participants: [{ conversation: string }, ParticipantValue[]];
  /** Removes somebody from a group; only its administrator may. Resolves when the network has accepted the request. */
  removePerson: [{ conversation: string; address: string }, None];
  /** Renames a group for all its members. Resolves when the network has the new name. */
  renameGroup: [{ conversation: string; subject: string }, None];
  /**
   * Takes a nickname in a group, unique there, or gives it up (empty). Resolves when the network has it.
   * @throws `group/nickname-taken`, `group/bad-nickname`
   */
  setNickname: [{ conversation: string; nickname: string }, None];
  /**
   * Changes a group's picture for all its members: a data URI of a PNG, JPEG or WebP; null removes it. Resolves when the network has it.
   * @throws `group/bad-icon` before anything is sent
   */
  setGroupIcon: [{ conversation: string; icon: string | null }, None];
  /** The picture of a group as a data URI. */
  groupIcon: [{ conversation: string }, { icon: string | null }];
  /**
   * Rejoins a group that this device has left, or joins one that it never got into. Resolves when it has joined.
   * @throws `conversation/no-session` when the network refuses
   */
  comeBack: [{ conversation: string }, None];
  leave: [{ conversation: string }, None];
  /** Tells the other side whether this person is writing. `onlyWith`: in a group, tell this member only. */
  composing: [{ conversation: string; active: boolean; onlyWith?: string | undefined }, None];
  markDisplayed: [{ conversation: string; upTo: string }, None];
  retry: [Named & { message: string }, None];
  discard: [Named & { message: string }, None];
  /** Lets nothing through from this person and to them, and ends a session with them. Kept on this device. */
  block: [{ address: string }, { blocked: string[] }];
  unblock: [{ address: string }, { blocked: string[] }];
  /** Gives up a waiting message, so that those behind it can leave: it has failed and is kept. */
  skip: [Named & { message: string }, None];
  /** Deletes a message on this device alone. It stays deleted even if it arrives again. */
  deleteMessage: [Named & { message: string; direction: 'in' | 'out' }, None];
  /**
   * Deletes all messages of a conversation on this device only. The conversation comes back, empty, with the next message; a 1-1 then has
   * no link to the group that continued it.
   */
  deleteConversation: [{ conversation: string }, None];
  /** Stores an unsent text; an empty text removes the draft. `onlyWith`: the separate draft for that member of the group. */
  setDraft: [{ conversation: string; text: string; onlyWith?: string | undefined }, None];
  markUnread: [{ conversation: string; unread: boolean }, None];
  /**
   * Writes a whole conversation to a file: JSON, or one self-contained HTML page. A script gives the `path` of a new file; an existing file
   * is not overwritten. In the window the person chooses the file, and `path` in the answer is null when they cancel.
   */
  exportConversation: [
    { conversation: string; format: 'html' | 'json'; path?: string | undefined },
    { path: string | null; messages: number },
  ];
  /**
   * Writes the file that a message holds to disk; `path` as for `exportConversation`.
   * @throws `storage/failed` when its octets are not as they came
   */
  saveFile: [Named & { message: string; direction: 'in' | 'out'; path?: string | undefined }, { path: string | null }];
  /** Sets a damaged history aside, under the name in the answer, and begins a new one: everything runs again. */
  beginHistory: [None, { keptAs: string }];
  setPreferences: [PreferencesValue, PreferencesValue];
  /**
   * Finds a server, connects, reads its certificate and sends OPTIONS, without signing in and without revealing who asks. `server` and `ca`
   * as for `signIn`.
   */
  checkServer: [{ address: string; server?: string | undefined; ca?: string | undefined }, ServerCheckValue];
  /**
   * Signs in at a SIP service, or again with the address that the server refused or that was signed out. `server` is an outbound proxy's URI (ws: and
   * wss: too) or host[:port]; without it the domain's server is found by DNS. `add`: as a further account of this profile.
   */
  signIn: [
    {
      address: string;
      password: string;
      server?: string | undefined;
      deviceName: string;
      options?: SignInOptions | undefined;
      add?: boolean | undefined;
    },
    AccountValue,
  ];
  /** Signs in as one of `tryPeople` to the embedded network of this computer, and starts that network if it is not running. */
  tryIt: [{ person: string; deviceName: string }, AccountValue];
  /** Opens another window as a further device on this computer, signed in as one of `tryPeople`. Only with a `try` account. */
  openDevice: [{ person: string }, { profile: string }];
  quit: [None, None];
}

export type CallName = keyof Calls;
export type CallArgument<N extends CallName> = Calls[N][0];
export type CallValue<N extends CallName> = Calls[N][1];
