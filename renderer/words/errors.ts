/** What a person reads when something went wrong: what happened, what the program does, what one can do. */
import type { ErrorCode, ErrorValue, MessageValue, RefusalMeaning, RelayTrouble, WarningValue } from '../../preload/contract';
import { chatWords } from './chat';
import { isolated } from './isolated';

/** The bar of a warning that stays until its cause is gone. */
export const warningWords: Record<WarningValue['code'], string> = {
  'secrets-in-file': 'This computer has no secure store for passwords. Yours is in a file that only your user account can read.',
  'storage-full': 'The disk is full. New messages cannot be saved until there is space again.',
  'network-stopped': 'The network on this computer has stopped. Messages wait here. Restart Chorus to bring it back.',
  'server-deviates': 'The server is behaving unusually. Some things may not work.',
  'duplicate-device':
    'Another computer is using the ID of this device. New messages may reach only one of the two. See Devices for what to do.',
  'unreadable-job': 'Something that was waiting to be sent could not be read and was set aside. If it was a message, it shows as not sent.',
  'history-lost':
    'The disk has lost some of what Chorus saved last. Recent messages may be missing or marked as damaged. Consider a backup, and check the disk.',
  'history-mended': 'The disk had damaged some of what Chorus saved last. Nothing is missing. Consider a backup, and check the disk.',
  'profile-mended': 'A damaged file of this profile was replaced by its second copy. Consider a backup, and check the disk.',
  internal: 'Something went wrong inside Chorus. Restart it to be safe.',
};

export interface Explanation {
  /** What happened. */
  title: string;
  /** What the program does, and what the person can do. */
  body: string;
  /** The other side's answer as it was sent, for the details; empty if there is none. */
  details: string;
}

/** `reason` is the program's or the network's own word for it, `who` refused or could not be reached: "Bob’s Laptop", "The server". */
type Words = (reason: string, who: string) => Omit<Explanation, 'details'>;

const errorWords: Record<ErrorCode, Words> = {
  'ipc/refused': () => ({ title: 'Chorus did not understand its own window', body: 'Nothing was changed. Restart Chorus.' }),
  'account/none': () => ({ title: 'No one is signed in', body: 'Sign in first.' }),
  'account/bad-address': () => ({ title: 'That is not an address', body: 'An address looks like alice@example.org or +4712345678.' }),
  'account/bad-option': () => ({
    title: 'One of the advanced settings cannot be used',
    body: 'Nothing was sent. Correct the marked setting and try again.',
  }),
  'account/bad-credentials': () => ({
    title: 'The server did not accept this password',
    body: 'Check the address and enter the password again.',
  }),
  'account/weak-sign-in': () => ({
    title: 'This server signs in less safely than you allow',
    body: 'Your password was not revealed. Ask whoever runs the server for SHA-256, or allow MD5 in the settings of this account.',
  }),
  'account/unproven-network': () => ({
    title: 'This network could not show that it knows your SIM',
    body: 'Chorus does not use it. Check the key of the SIM and the address of the server.',
  }),
  'account/signed-out': (device) => ({
    title: device === '' ? 'This device is signed out' : `This device was signed out from ${device}`,
    body: 'Its chats are still here. Sign in again to continue.',
  }),
  'identity/duplicate': () => ({
    title: 'Another computer is using the ID of this device',
    body: 'Messages may reach only one of them. See Devices for what to do.',
  }),
  'profile/copied': () => ({ title: 'This profile comes from another device', body: 'Choose first whether it was moved here or copied.' }),
  'identity/unreadable': () => ({
    title: 'The identity of this device cannot be read',
    body: 'Chorus does not create a new one by itself, because others would not recognise it. Restore the profile folder from a backup, or use another profile.',
  }),
  'profile/in-use': () => ({
    title: 'This profile is already open',
    body: 'Another Chorus window on this computer is using it. Continue there, or use another profile.',
  }),
  'storage/full': () => ({
    title: 'The disk is full',
    body: 'Nothing new can be saved. Free some space, then restart Chorus. Everything saved so far is safe.',
  }),
  'storage/unreadable': () => ({
    title: 'The stored data cannot be read',
    body: 'A file is damaged or was encrypted with another key. Chorus has not changed it. Restore it from a backup, or use another profile.',
  }),
  'storage/damaged': () => ({
    title: 'The history of this device is damaged',
    body: 'Chorus has not changed it and stays offline. Save the chats you want to keep, then start a new history.',
  }),
  'storage/newer': () => ({
    title: 'These messages were saved by a newer Chorus',
    body: 'This version cannot read them and has not changed them. Install the newer Chorus again.',
  }),
  'storage/failed': () => ({
    title: 'The stored messages cannot be reached',
    body: 'Reading or writing failed. Nothing was lost. Restart Chorus.',
  }),
  'search/superseded': () => ({
    title: 'A newer search replaced this one',
    body: 'Chorus is searching for what you typed since.',
  }),
  'export/failed': () => ({
    title: 'The file could not be written',
    body: 'Nothing was exported, and the chat is unchanged. Choose another place.',
  }),
  'net/unreachable': (_reason, who) => ({
    title: `${who} could not be reached`,
    body: 'There is no connection. Check the network and the server’s address.',
  }),
  'net/untrusted': (_reason, who) => ({
    title: `${who} could not prove its identity`,
    body: 'Its certificate is not trusted or is for another name. Nothing was sent. Check the server’s address, or ask whoever runs it.',
  }),
  'net/timeout': (_reason, who) => ({
    title: `${who} did not answer in time`,
    body: 'The connection works, but no answer came. Try again in a moment.',
  }),
  'sip/rejected': (_reason, who) => ({
    title: `${who} refused`,
    body: 'Nothing was lost. Try again later.',
  }),
  'sip/not-registered': () => ({
    title: 'This device is not registered',
    body: 'Chorus continues as soon as the server has confirmed it.',
  }),
  'sip/malformed': (_reason, who) => ({
    title: `${who} sent something Chorus does not understand`,
    body: 'Chorus ignored it. Try again. If it keeps happening, the other side has a fault.',
  }),
  'msrp/rejected': (_reason, who) => ({
    title: `${who} did not accept the message`,
    body: 'It is saved here. Try again.',
  }),
  'msrp/closed': (_reason, who) => ({
    title: `The connection to ${inSentence(who)} was lost`,
    body: 'The message is saved here. Try again.',
  }),
  'msrp/relay': () => ({
    title: 'The media relay cannot be used',
    body: 'The message is saved here. Nothing bypasses the relay you have set. Check its address in your account settings, or remove it there.',
  }),
  'privacy/no-temporary-address': () => ({
    title: 'You cannot write anonymously here',
    body: 'The network gives this device no temporary address. Nothing was sent. Write with your name, or ask whoever runs the network.',
  }),
  'privacy/leak': () => ({
    title: 'Not sent, because it would have shown who you are',
    body: 'Chorus checked the message before sending and saved it here. This is a fault in Chorus. Please report it.',
  }),
  'message/undelivered': (_reason, who) => ({
    title: `${who} did not get the message`,
    body: 'It is saved here. Try again.',
  }),
  'message/expired': (_reason, who) => ({
    title: `${who} did not come in time`,
    body: 'The message waited as long as you allow. It is saved here. Try again when you like.',
  }),
  'message/skipped': () => ({ title: 'You skipped this message', body: 'It is saved here. Try again when you like.' }),
  'conversation/unknown': () => ({ title: 'This chat is no longer here', body: 'Choose another one, or start a new one.' }),
  'conversation/blocked': (_reason, who) => ({
    title: `You blocked ${inSentence(who)}`,
    body: 'Nothing was sent. Unblock them in Settings first.',
  }),
  'conversation/no-session': (_reason, who) => ({
    title: `There is no connection to ${inSentence(who)} yet`,
    body: 'Send a message first, then try again.',
  }),
  'group/unknown': (_reason, who) => ({
    title: `There is no group at ${inSentence(who)}`,
    body: 'Nothing was changed. Check the address, or ask whoever gave it to you.',
  }),
  'group/not-a-member': (_reason, who) => ({
    title: `The group at ${inSentence(who)} does not let you in`,
    body: 'Only members may join, and you are not on its list or were removed. Nothing was changed. Ask its administrator to add you.',
  }),
  'group/full': (_reason, who) => ({
    title: `The group at ${inSentence(who)} is not accepting anyone right now`,
    body: 'It may be full. Nothing was changed. Try again later, or ask its administrator.',
  }),
  'group/nobody-joined': () => ({
    title: 'No one joined',
    body: 'Everyone declined or could not be reached. Your chat continues as before.',
  }),
  'group/bad-icon': () => ({
    title: 'That picture cannot be used',
    body: 'The group’s picture was not changed. Choose a PNG or JPEG.',
  }),
  'group/bad-nickname': () => ({
    title: 'You cannot use that name',
    body: 'Use at most 50 characters on one line.',
  }),
  'group/nickname-taken': () => ({
    title: 'Someone in this group has that name',
    body: 'Choose another one.',
  }),
  'device/unknown': () => ({ title: 'That device is no longer registered', body: 'Check again to see which devices are.' }),
  'device/wrong-code': () => ({
    title: 'These are not the digits on the new device',
    body: 'Nothing was given away. Start again there: it shows new digits.',
  }),
  'device/paired': () => ({
    title: 'This device is paired already',
    body: 'It shows the same chats as your other paired devices.',
  }),
  'device/unpaired': () => ({
    title: 'This device is not paired',
    body: 'Pair it under Devices first.',
  }),
  'device/stays': (_reason, who) => ({
    title: `${who} is still signed in`,
    body: 'It was asked to sign out and agreed. Check again later, or sign it out on the device itself.',
  }),
  'device/refuses': () => ({
    title: 'That device cannot be signed out from here',
    body: 'The network or the device does not support it. Sign out on the device itself.',
  }),
  internal: () => ({
    title: 'Something went wrong inside Chorus',
    body: 'Nothing was lost. Try again. If it keeps happening, restart Chorus.',
  }),
};

const theServer = 'The server';

/** The sentences for a failure; `who` refused or could not be reached. */
export function explain(error: ErrorValue, who: string = theServer): Explanation {
  const details = detailsOf(error);
  if (error.meaning !== undefined) {
    const [title, way] = refusalWords[error.meaning](who);
    return { title, body: `Nothing was lost. ${way}`, details };
  }
  if (error.relay !== undefined) {
    const [title, way] = relayWords[error.relay];
    return { title, body: `Nothing bypasses it. ${way}`, details };
  }
  return { ...errorWords[error.code](isolated(error.reason ?? ''), who), details };
}

/** Why the media relay cannot be used: what happened, and what one can do. */
const relayWords: Record<RelayTrouble, readonly [title: string, way: string]> = {
  unreachable: ['The media relay cannot be reached', 'Messages wait here and are sent when it is back.'],
  refused: ['The media relay does not accept your user name or password', 'Ask whoever runs it, or sign in again.'],
  untrusted: [
    'The media relay could not prove its identity',
    'Its certificate is not trusted or is for another name. Check its address, or ask whoever runs it.',
  ],
  unusable: [
    'The media relay cannot carry your chats',
    'Check its address in your account settings, ask whoever runs it, or remove it there.',
  ],
};

/** What a refusal means: what happened, and what one can do. */
const refusalWords: Record<RefusalMeaning, (who: string) => readonly [title: string, way: string]> = {
  declined: (who) => [`${who} declined`, 'Try again later.'],
  busy: (who) => [`${who} is busy right now`, 'Try again later.'],
  away: (who) => [`None of ${who}’s devices can be reached`, 'Try again later.'],
  'unknown-person': (who) => [`The network does not know ${who}’s address`, 'Check the address.'],
  'no-way': () => ['The network cannot reach this kind of address', 'Use another address of theirs.'],
  'hidden-gone': () => ['This anonymous person can no longer be reached', 'Only they can start again.'],
  'too-large': () => ['This is longer than the network allows', 'Send it in parts.'],
  'not-authorised': () => ['Your account may not use this service', 'Ask whoever runs your network.'],
  forbidden: (who) => [`The network blocks your messages to ${who}`, 'Ask whoever runs it.'],
  'not-anonymous': (who) => [`${who} does not accept anonymous messages`, 'Write with your name.'],
  'no-session': (who) => [`${who}’s device does not accept this chat`, 'It may be using another app.'],
  'not-in-group': (who) => [`${who} is no longer in this group`, 'No one else got the message. Write to them in a separate chat.'],
  incompatible: (who) => [`${who}’s device and this one are not compatible`, 'One of them may need a newer version.'],
};

/** For a message that was not delivered. It is never lost, and the sentence ends by saying what becomes of it. */
const messageErrorWords: Partial<Record<ErrorCode, (who: string) => string>> = {
  'sip/rejected': (who) => `${who} did not accept the message.`,
  'msrp/rejected': (who) => `${who} did not accept the message.`,
  'message/expired': (who) => `None of ${who}’s devices was on in time.`,
  'message/skipped': () => 'You skipped this message.',
  'message/undelivered': (who) => `${who} did not get the message.`,
  'msrp/closed': (who) => `The connection to ${who} was lost.`,
  'msrp/relay': () => 'The media relay cannot be used.',
  'net/unreachable': () => 'There is no connection to send the message over.',
  'net/timeout': () => 'The message got no answer in time.',
};

/** What a message waits for that leaves by itself; null where it only waits for its turn. `until`: when it is given up, in words. */
export function waitingLine(
  { waitsFor, error }: Pick<MessageValue, 'waitsFor' | 'error'>,
  who: string,
  until: string | null,
): string | null {
  if (waitsFor === undefined) return null;
  if (waitsFor === 'relay') return error === null ? null : explainLine(error, who);
  const line = chatWords.message.waitsFor[waitsFor](who);
  return until === null ? line : `${line} ${chatWords.message.waitsUntil(until)}`;
}

/** One line under a message: what happened, what becomes of it, what one can do. */
export function explainLine(error: ErrorValue, who: string): string {
  const { message } = chatWords;
  if (error.meaning !== undefined && error.retry !== 'auto') {
    const [title, way] = refusalWords[error.meaning](who);
    return `${title}. ${message.isSaved} ${way}`;
  }
  if (error.relay !== undefined) {
    const [title, way] = relayWords[error.relay];
    return `${title}. ${error.retry === 'auto' ? message.textIsSavedAuto : `${way} ${message.textIsSaved}`}`;
  }
  const title = messageErrorWords[error.code]?.(who) ?? `${explain(error, who).title}.`;
  return `${title} ${error.retry === 'auto' ? message.savedAuto : message.saved}`;
}

/** The other side's own status and reason, as it sent them: for the details of a failure, never for its sentence. Empty where it sent none. */
export const detailsOf = ({ code, status, reason }: ErrorValue): string =>
  code === 'account/signed-out' || code === 'account/bad-option'
    ? ''
    : [status, isolated(reason ?? '')].filter((part) => part !== undefined && part !== '').join(' ');

const inSentence = (who: string): string => (who === theServer ? 'the server' : who);
