/** Every event that the client sends to its drivers. */
import type { ErrorValue } from './errors';
import type {
  AccountValue,
  CloneValue,
  ConversationValue,
  DeviceValue,
  InvitationValue,
  MessageValue,
  ParticipantValue,
  PersonValue,
  PreferencesValue,
  RegistrationValue,
  RescueValue,
  WarningValue,
} from './values';

export type AppEventBody =
  | { event: 'account'; account: AccountValue | null }
  | ({ event: 'registration' } & RegistrationValue)
  | { event: 'devices'; devices: DeviceValue[] }
  | ({ event: 'invitation' } & InvitationValue)
  /**
   * `elsewhere`: another device of this person has answered (RFC 3326, cause 200), so the person missed nothing. Also sent for an
   * invitation that waited here without a question.
   */
  | { event: 'invitationEnded'; invitation: string; why: 'answered' | 'elsewhere' | 'withdrawn'; from: PersonValue }
  | ({ event: 'conversation' } & ConversationValue)
  | ({ event: 'message' } & MessageValue)
  | { event: 'messageRemoved'; message: string; direction: 'in' | 'out'; conversation: string }
  | { event: 'conversationRemoved'; conversation: string }
  | { event: 'composing'; conversation: string; from: string; active: boolean }
  | { event: 'participants'; conversation: string; participants: ParticipantValue[] }
  | ({ event: 'preferences' } & PreferencesValue)
  | { event: 'blocked'; blocked: string[] }
  | ({ event: 'warning' } & WarningValue)
  | { event: 'warningEnded'; code: WarningValue['code'] }
  | { event: 'clone'; clone: CloneValue | null }
  | { event: 'rescue'; rescue: RescueValue | null }
  | { event: 'fatal'; error: ErrorValue }
  | { event: 'exit' };

export type AppEvent = AppEventBody & { revision: number };
