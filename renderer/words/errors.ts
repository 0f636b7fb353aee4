/** What a person reads when something went wrong: what happened, what the program does, what one can do. */
import type { ErrorCode, ErrorValue, RefusalMeaning, RelayTrouble, WarningValue } from '../../preload/contract';
import { chatWords } from './chat';

/** What a bar says of a warning that stays; the program's own `text` follows where it tells more. */
export const warningWords: Record<WarningValue['code'], string> = {
  'secrets-in-file': 'This computer offers no safe place for passwords. Yours is kept in a file that only your user account can read.',
  'storage-full': 'The disk is full. New messages cannot be kept until there is space again.',
  'network-stopped': 'The network on this computer has stopped. Messages wait here. Start Chorus again to bring it back.',
  'server-deviates': 'The server does something unusual. Chorus goes on, but not everything may work.',
  'duplicate-device': 'Another computer answers as this device. New messages may reach only one of the two. Devices says what to do.',
  'unreadable-job': 'Something that was waiting to be sent could not be read and was set aside. A message among it shows as not sent.',
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
  'search/superseded': () => ({
    title: 'A newer search took its place',
    body: 'What you have typed since is searched instead.',
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
  'msrp/relay': (said) => ({
    title: `The media relay cannot be used${said === '' ? '' : ` (${said})`}`,
    body: 'The message is kept here. Nothing goes past the relay that you have set. Check its address in the settings of your account, or take it away there.',
  }),
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
  'group/unknown': (_said, who) => ({
    title: `There is no group at ${inSentence(who)}`,
    body: 'Nothing was changed. Check the address, or ask whoever gave it to you.',
  }),
  'group/not-a-member': (_said, who) => ({
    title: `The group at ${inSentence(who)} does not let you in`,
    body: 'It takes its members alone: you are not on its list, or an administrator has removed you. Nothing was changed. Ask its administrator to add you.',
  }),
  'group/full': (_said, who) => ({
    title: `The group at ${inSentence(who)} takes nobody more at the moment`,
    body: 'It may be full. Nothing was changed. Try again when somebody has left, or ask its administrator.',
  }),
  'group/nobody-joined': (said) => ({
    title: 'Nobody joined',
    body: `Everyone declined or could not be reached${said === '' ? '' : ` (${said})`}. Your chat goes on as before.`,
  }),
  'group/bad-icon': () => ({
    title: 'That picture cannot be used',
    body: 'The group keeps what it has. Choose a PNG or JPEG.',
  }),
  'group/bad-nickname': () => ({
    title: 'You cannot be called that',
    body: 'Choose one of 50 characters at most, on one line.',
  }),
  'group/nickname-taken': () => ({
    title: 'Somebody in this group has that name',
    body: 'Choose another one.',
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
  if (error.relay !== undefined) {
    const [title, way] = relayWords[error.relay];
    const said = saidBy(error);
    return { title: said === '' ? title : `${title} (${said})`, body: `Nothing goes past it. ${way}` };
  }
  return errorWords[error.code](saidBy(error), who);
}

/** Why the media relay cannot be used: what happened, and what one can do. */
const relayWords: Record<RelayTrouble, readonly [title: string, way: string]> = {
  unreachable: ['The media relay cannot be reached', 'What you write waits here and goes out when it is back.'],
  refused: ['The media relay does not take your name or password', 'Ask who runs it, or sign in again.'],
  untrusted: [
    'The media relay could not prove who it is',
    'Its certificate is not trusted or belongs to another name. Check its address, or ask who runs it.',
  ],
  unusable: [
    'The media relay cannot carry your chats',
    'Check its address in the settings of your account, ask who runs it, or take it away there.',
  ],
};

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
  'not-in-group': (who) => [`${who} is not in this group any more`, 'Nobody else has got it. Write to them in a chat of your own.'],
  incompatible: (who) => [`${who}’s device and this one do not understand each other`, 'One of them may need a newer version.'],
};

/** Of a message that did not get through. It is never gone: the sentence ends with what becomes of it. */
const messageErrorWords: Partial<Record<ErrorCode, (said: string, who: string) => string>> = {
  'sip/rejected': (said, who) => `${who} did not accept the message${said}.`,
  'msrp/rejected': (said, who) => `${who} did not accept the message${said}.`,
  'message/skipped': () => 'You skipped this message.',
  'message/undelivered': (said, who) => `${who} did not get the message${said}.`,
  'msrp/closed': (_said, who) => `The connection to ${who} was cut.`,
  'msrp/relay': (said) => `The media relay cannot be used${said}.`,
  'net/unreachable': () => 'There is no connection.',
  'net/timeout': () => 'No answer came in time.',
};

/** One line under a message: what happened, what becomes of it, what one can do. */
export function explainLine(error: ErrorValue, who: string): string {
  const said = saidBy(error);
  if (error.meaning !== undefined && error.retry !== 'auto') {
    const [title, way] = refusalWords[error.meaning](who);
    return `${title}${said === '' ? '' : ` (${said})`}. ${chatWords.message.isKept} ${way}`;
  }
  if (error.relay !== undefined) {
    const [title, way] = relayWords[error.relay];
    const rest = error.retry === 'auto' ? chatWords.message.textIsKeptAuto : `${way} ${chatWords.message.textIsKept}`;
    return `${title}${said === '' ? '' : ` (${said})`}. ${rest}`;
  }
  const title = messageErrorWords[error.code]?.(said === '' ? '' : ` (${said})`, who) ?? `${explain(error, who).title}.`;
  return error.retry === 'auto' ? `${title} ${chatWords.message.keptAuto}` : `${title} ${chatWords.message.kept}`;
}

/** The other side’s own status and reason, as it said them. */
const saidBy = ({ status, reason }: ErrorValue): string => [status, reason].filter((part) => part !== undefined && part !== '').join(' ');

const sentence = (said: string): string => (said === '' ? '' : `It answered ${said}. `);
const inSentence = (who: string): string => (who === theServer ? 'the server' : who);
