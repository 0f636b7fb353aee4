/** Every event that the client sends to its drivers. */
import type { ErrorValue } from './errors';
import type {
  AccountValue,
  CloneValue,
  ConversationValue,
  DeviceValue,
  ErasedValue,
  InvitationValue,
  MessageValue,
  OwnDevicesValue,
  ParticipantValue,
  PersonValue,
  PreferencesValue,
  RegistrationValue,
  RescueValue,
  WarningValue,
} from './values';

/** What concerns one account. */
type AccountEventBody =
  | ({ event: 'registration' } & RegistrationValue)
  | { event: 'devices'; devices: DeviceValue[] }
  | ({ event: 'ownDevices' } & OwnDevicesValue)
  | ({ event: 'invitation' } & InvitationValue)
  /**
   * `elsewhere`: another device of this person has answered (RFC 3326, cause 200), so the person missed nothing. Also sent for an
   * invitation that waited here without a question.
   */
  | { event: 'invitationEnded'; invitation: string; why: 'answered' | 'elsewhere' | 'withdrawn'; from: PersonValue }
  | ({ event: 'conversation' } & ConversationValue)
  | ({ event: 'message' } & MessageValue)
  /**
   * The person should hear of an unread message: sent once, after its `message`. A message that came from another own device is told two seconds
   * later, and not at all if it was read or deleted by then.
   */
  | { event: 'attention'; conversation: string; message: string }
  | { event: 'messageRemoved'; message: string; direction: 'in' | 'out'; conversation: string }
  | { event: 'conversationRemoved'; conversation: string }
  | { event: 'composing'; conversation: string; from: string; active: boolean }
  | { event: 'participants'; conversation: string; participants: ParticipantValue[] };

type ProfileEventBody =
  /** An account that has signed in or has changed; its `aor` tells which. */
  | { event: 'account'; account: AccountValue | null }
  | ({ event: 'preferences' } & PreferencesValue)
  | { event: 'blocked'; blocked: string[] }
  | ({ event: 'warning' } & WarningValue)
  | ({ event: 'warningEnded' } & Pick<WarningValue, 'code' | 'account'>)
  | { event: 'clone'; clone: CloneValue | null }
  | { event: 'rescue'; rescue: RescueValue | null }
  /** An account was erased from this device: the snapshot is another one. `erased` null: by the person, here. */
  | { event: 'erased'; erased: ErasedValue | null }
  | { event: 'fatal'; error: ErrorValue }
  | { event: 'exit' };

/** An event before it says which account it concerns. */
export type EventBody = AccountEventBody | ProfileEventBody;

/** What an account tells of itself; which one it is, is added where all of them are known. */
export type ToldByAccount = AccountEventBody | Extract<ProfileEventBody, { event: 'account' | 'warning' }>;

/** `account`: the address of record of the account that the event concerns. */
export type AppEventBody = (AccountEventBody & { account: string }) | ProfileEventBody;

export type AppEvent = AppEventBody & { revision: number };
