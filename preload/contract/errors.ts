/**
 * The errors Chorus can show. A code tells the kind of failure; the peer's own words stay unchanged in `detail`.
 * A failure to communicate (`net/*`) and a refusal by the peer (`sip/rejected`, `msrp/rejected`) never share a code.
 * Every code has its sentence in `renderer/words/errors.ts`; a code without one does not compile there.
 */
import { shownName } from '../../protocol/shown-name';

export const errorCodes = [
  'ipc/refused', // the request is not in the contract, is malformed, or comes from a frame that is not allowed to ask
  'account/none', // nobody is signed in
  'account/bad-address', // the address cannot receive messages
  'account/bad-option', // one of the further sign-in settings cannot be used; `field` names it
  'account/bad-credentials', // the registrar refuses the password
  'account/weak-sign-in', // the network offers no authentication as strong as the person demands
  'account/unproven-network', // the network cannot prove that it knows the SIM
  'account/signed-out', // this device was signed out, here or from another device, until the person signs in again
  'identity/unreadable', // the stored instance ID cannot be read or is damaged
  'identity/duplicate', // another computer is registered with this device's instance ID
  'profile/copied', // the profile comes from elsewhere, and the person has not yet said whether it was moved
  'profile/in-use', // another process holds this profile
  'storage/full', // the disk is full
  'storage/unreadable', // the store is damaged, locked by another key, or not readable
  'storage/damaged', // the history is damaged and only open for rescue
  'storage/newer', // a newer version of this program has written the history
  'storage/failed', // any other failure of the store
  'search/superseded', // a newer search while typing has replaced this one
  'export/failed', // the file for an export cannot be written
  'net/unreachable', // no connection to the next hop
  'net/untrusted', // the server's certificate is not trusted, or is not the server's
  'net/timeout', // connected, but no answer in time
  'sip/rejected', // a final SIP response of 300 or more
  'sip/not-registered', // CPM may not be used before the registration's 200 (R14)
  'sip/malformed', // the peer's message cannot be understood
  'msrp/rejected', // an MSRP response other than 200
  'msrp/closed', // the media connection ended
  'msrp/relay', // the media relay in the settings cannot be used; messages do not bypass it
  'privacy/no-temporary-address', // the network gave this device no temporary GRUU, so it cannot be anonymous (R44)
  'privacy/leak', // an anonymous message would have revealed its sender; nothing was sent
  'message/undelivered', // the recipient's side reports that the message could not be delivered
  'message/expired', // the person it was for did not come in time
  'message/skipped', // the person gave up a waiting message, so that the next ones could leave
  'conversation/unknown',
  'conversation/blocked', // this person is blocked; nothing is sent to them
  'conversation/no-session', // the action needs a session and there is none
  'group/unknown', // no group has this address
  'group/not-a-member', // the group is only open to its members, and this account is not one of them
  'group/full', // the group already has as many people as allowed
  'group/nobody-joined', // every invited person declined or was unreachable
  'group/bad-icon', // not a picture of a kind and size that a group accepts
  'group/bad-nickname', // not a usable name in a group
  'group/nickname-taken', // somebody in the group already has that name
  'device/unknown', // no such device is registered
  'device/wrong-code', // the digits are not those that the new device shows; that pairing is over
  'device/paired', // this device is paired already
  'device/unpaired', // this device is not paired
  'device/refuses', // the network or the device does not allow a sign-out from here
  'device/stays', // the device was asked to sign out and agreed, and is still registered
  'internal', // a defect of ours
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** The meaning of a refusal by a person, a device or a network on the way. `main/cpm/conversation/refusals.ts` maps answers to meanings. */
export const refusalMeanings = [
  'declined', // the person does not want this
  'busy', // the device accepts nothing more at the moment
  'away', // no device of the person is reachable
  'unknown-person', // this address does not exist
  'no-way', // no gateway serves this kind of address
  'hidden-gone', // the anonymous sender can no longer be reached at the address it used
  'too-large', // longer than the network accepts
  'not-authorised', // the account may not use this service
  'forbidden', // forbidden by a policy, either of the own network or of the other one
  'not-anonymous', // anonymous messages are not accepted
  'no-session', // the device accepts no session of this kind
  'not-in-group', // the message was for one member, who is no longer in the group
  'incompatible', // the device requires an extension that this one lacks, or the reverse
] as const;

export type RefusalMeaning = (typeof refusalMeanings)[number];

/** Why an MSRP relay cannot be used; only with `msrp/relay`. */
export const relayTroubles = [
  'unreachable', // no connection, no answer, or a fault of its own: it may come back at any time
  'refused', // it does not accept the name or the password
  'untrusted', // it has not proved its identity over TLS
  'unusable', // it is not a relay, or does not support the request
] as const;

export type RelayTrouble = (typeof relayTroubles)[number];

/** Who can resolve it: the program by itself, the person, or nobody. */
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
  /** The meaning of a refused message or invitation, if known. */
  meaning?: RefusalMeaning;
  /** Why the media relay cannot be used. */
  relay?: RelayTrouble;
  retryAfterMs?: number;
  /** Only for a text that waits because nobody was there. */
  waits?: WaitsValue;
  /** The setting that is meant, by its name in the contract. */
  field?: string;
  /** Only with `account/signed-out`: who signed this device out. Another own device, the network, the person at all devices at once, or here. */
  signedOutBy?: 'device' | 'network' | 'everywhere' | 'here';
  /** A technical sentence for the log; never the only text on the screen. */
  cause?: string;
}

/** The wire form of an AppError, for IPC and NDJSON. */
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

/** Turns any exception into an AppError. Foreign errors become `internal`, so layers must translate their own errors before. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new AppError('internal', { cause }, 'never');
}

export type Result<T> = { ok: true; value: T } | { ok: false; error: ErrorValue };
