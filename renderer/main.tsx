/**
 * The window. Names for tests, as `data-testid`:
 *
 * first-run, first-run-try, first-run-sign-in, first-run-person (data-value: address), first-run-device, first-run-start,
 * sign-in-address, sign-in-password, sign-in-advanced, sign-in-server, sign-in-device, sign-in-submit, error-note (data-code inside);
 * me, device-state (data-state: RegistrationState), device-name, new-chat, search, conversation-list,
 * conversation (data-conversation, data-name, data-kind, data-unread), place-chats, place-devices, place-settings, connection-banner,
 * connection-try-now, sign-in-again, warning (data-code), invitation (data-invitation), invitation-accept, invitation-decline,
 * invitation-error;
 * chat (data-conversation, data-kind, data-session), chat-title, chat-under, add-people, details-toggle, back, stream, day,
 * message (data-message, data-state, data-direction, data-from), message-retry, message-delete, message-error, message-menu,
 * message-copy, message-skip, message-retry-menu, message-delete-here, chat-menu, mark-unread, export-html, export-json, export-dialog, export-choose,
 * export-said, block-in-menu, delete-chat, delete-chat-dialog, delete-chat-confirm, to-newest, composer, send,
 * typing-note, grown-card, grown-open, goes-on-card, goes-on-open, group-card, group-step (data-address, data-state),
 * invite-again, write-to, details, participant (data-address, data-state), participant-device (data-state), leave, leave-confirm,
 * person (data-address), group-picture, group-picture-file, group-picture-remove, group-picture-said, group-picture-problem,
 * not-joined, come-back, person-privately, private-note, private-end, private-draft, message-private, message-answer-privately, message-show, block-person, blocked-note, write-as;
 * new-chat-dialog, new-chat-input, new-chat-submit, add-people-dialog, add-people-input, add-people-submit, add-people-progress,
 * people-chip (data-address), people-suggestion (data-address), shortcuts-dialog;
 * empty-alone, open-device (data-address), open-device-done, devices, device-card (data-instance, data-self), device-rename, device-rename-input,
 * device-rename-save, devices-check, settings, settings-general, settings-account, settings-keyboard, settings-about, theme (data-value
 * inside), switch-read, new-chat-anonymous, anonymous-hint, switch-delivered, switch-typing, switch-refuse-anonymous, accept (data-value inside), register-now, fatal (data-code), fatal-quit, closed.
 */
import type { ChorusBridge } from '../preload/contract';
import { openWindow } from './app/window';

declare global {
  interface Window {
    chorus: ChorusBridge;
  }
}

openWindow(window.chorus);
