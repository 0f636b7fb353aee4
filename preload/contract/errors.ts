/**
 * The errors Chorus can show. A code says which kind of thing happened; the peer's own words stay in `detail`, unchanged.
 * *Could not talk* (`net/*`) and *the peer said no* (`sip/rejected`, `msrp/rejected`) are never the same code.
 * Every code has its human words in `renderer/words/errors.ts`; a code without words does not compile there.
 */
import { shownName } from '../../protocol/shown-name';

export const errorCodes = [
  'ipc/refused', // the request is not in the contract, is malformed, or comes from a frame that may not ask
  'account/none', // nobody is signed in
  'account/bad-address', // an address that nobody can be written to by
  'account/bad-option', // one of the further settings of a sign-in cannot be used; `field` names it
  'account/bad-credentials', // the registrar refuses the password
  'account/weak-sign-in', // the network offers no way of signing in that is as strong as the person demands
  'account/unproven-network', // the network cannot prove that it knows the SIM
  'account/signed-out', // this device was signed out, here or from another device, until the person signs in again
  'identity/unreadable', // the stored instance ID cannot be read or is damaged
  'identity/duplicate', // another computer is registered with this device's instance ID
  'profile/copied', // the profile comes from elsewhere, and nobody has said yet whether it was moved
  'profile/in-use', // another process holds this profile
  'storage/full', // the disk is full
  'storage/unreadable', // the store is damaged, locked by another key, or not readable
  'storage/damaged', // the history is damaged: it is open for rescue alone
  'storage/newer', // a newer version of this program has written the history
  'storage/failed', // any other failure of the store
  'search/superseded', // a newer search, of somebody who types, has taken the place of this one
  'export/failed', // the file for an export cannot be written
  'net/unreachable', // no connection to the next hop
  'net/untrusted', // the server's certificate is not trusted, or is not the server's
  'net/timeout', // connected, but no answer in time
  'sip/rejected', // a final SIP response of 300 or more
  'sip/not-registered', // CPM may not be used before the registration's 200 (R14)
  'sip/malformed', // the peer's message cannot be understood
  'msrp/rejected', // an MSRP response that is no 200
  'msrp/closed', // the media connection ended
  'msrp/relay', // the media relay that the person has set cannot be used; nothing goes past it
  'privacy/no-temporary-address', // the network gave this device no temporary GRUU, so it cannot hide (R44)
  'privacy/leak', // an anonymous message would have told who sends it; nothing was sent
  'message/undelivered', // the recipient's side reports that the message could not be delivered
  'message/expired', // the person it was for did not come in time
  'message/skipped', // the person gave up a waiting message, so that the next ones could leave
  'conversation/unknown',
  'conversation/blocked', // the person is blocked here: nothing goes to them
  'conversation/no-session', // the action needs a session and there is none
  'group/unknown', // no group has the address that was given
  'group/not-a-member', // the group takes its members alone, and this account is none of them
  'group/full', // the group has as many people as it may have
  'group/nobody-joined', // every invited person declined or was unreachable
  'group/bad-icon', // no picture of a kind and size that a group takes
  'group/bad-nickname', // no name that one can have in a group
  'group/nickname-taken', // somebody in the group has that name
  'device/unknown', // no such device is registered
  'device/refuses', // the network or the device does not let itself be signed out from here
  'internal', // a defect of ours
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What a refusal by a person, a device or a network on the way means; which answers mean it is in `main/cpm/conversation/refusals.ts`. */
export const refusalMeanings = [
  'declined', // the person does not want this
  'busy', // the device takes nothing more at the moment
  'away', // no device of the person is there
  'unknown-person', // nobody has this address
  'no-way', // no gateway serves this kind of address
  'hidden-gone', // who wrote anonymously is not to be reached where they were
  'too-large', // longer than the network lets through
  'not-authorised', // the account may not use this service
  'forbidden', // a policy, of the own network or of the other one
  'not-anonymous', // nothing is taken from who hides
  'no-session', // the device takes no session of this kind
  'not-in-group', // the one member that a group's message is for is none any more
  'incompatible', // the device demands an extension, or does not know one
] as const;

export type RefusalMeaning = (typeof refusalMeanings)[number];

/** Why an MSRP relay cannot be used; of `msrp/relay` alone. */
export const relayTroubles = [
  'unreachable', // no connection, no answer, or trouble of its own: it may be back at any time
  'refused', // it does not take the name or the password
  'untrusted', // over TLS it has not proved who it is
  'unusable', // it is no relay, or none that fits what is asked of it
] as const;

export type RelayTrouble = (typeof relayTroubles)[number];

/** Who can mend it: the program by itself, the person by acting, or nobody. */
export type Retry = 'auto' | 'user' | 'never';

/** Whom a text waits for, since when, and until when; epoch ms. */
export interface WaitsValue {
  for: 'person' | 'group';
  since: number;
  until: number;
}

/** What the peer said, word for word, where a peer said something. */
export interface ErrorDetail {
  status?: number;
  reason?: string;
  warning?: string;
  /** What the refusal of a message or an invitation means, where that is known. */
  meaning?: RefusalMeaning;
  /** Why the media relay cannot be used. */
  relay?: RelayTrouble;
  retryAfterMs?: number;
  /** Of a text that waits because nobody was there. */
  waits?: WaitsValue;
  /** The setting that is meant, by its name in the contract. */
  field?: string;
  /** Who signed this device out, of `account/signed-out` alone: another own device, the network, or the person at all devices at once. */
  signedOutBy?: 'device' | 'network' | 'everywhere';
  /** A technical sentence for the log; never shown as the only words. */
  cause?: string;
}

/** The wire form of an AppError: what crosses IPC and NDJSON. */
export interface ErrorValue extends ErrorDetail {
  code: ErrorCode;
  retry: Retry;
}

/** Characters of what a peer said, and of each line of a cause, that are passed on. */
const MAX_SAID_CHARACTERS = 1_000;

/** A stack trace keeps its indentation. */
const shownLine = (line: string): string => (/^\s*/.exec(line)?.[0] ?? '').replace(/[^ \t]/g, '') + shownName(line, MAX_SAID_CHARACTERS);

export class AppError extends Error {
  override readonly name = 'AppError';
  constructor(
    readonly code: ErrorCode,
    readonly detail: ErrorDetail = {},
    readonly retry: Retry = 'never',
  ) {
    super([code, detail.status, detail.reason, detail.cause].filter((part) => part !== undefined).join(' '));
  }

  /** What a peer said is cleaned here, once, as it goes to a screen or a terminal. */
  toValue(): ErrorValue {
    const { reason, warning, cause } = this.detail;
    return {
      ...{ code: this.code, retry: this.retry, ...this.detail },
      ...(reason === undefined ? {} : { reason: shownName(reason, MAX_SAID_CHARACTERS) }),
      ...(warning === undefined ? {} : { warning: shownName(warning, MAX_SAID_CHARACTERS) }),
      ...(cause === undefined ? {} : { cause: cause.split('\n').map(shownLine).join('\n') }),
    };
  }
}

/** Anything thrown, as an AppError. Foreign errors become `internal`: layers translate their own before this. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new AppError('internal', { cause }, 'never');
}

export type Result<T> = { ok: true; value: T } | { ok: false; error: ErrorValue };
