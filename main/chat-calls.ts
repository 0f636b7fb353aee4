/** The calls of the contract that a messenger answers: chats, messages, groups. */

import { AppError } from '../preload/contract/errors';
import type { Handlers } from './calls';
import { defaultPage } from './cpm/conversation/reader';
import type { Messenger } from './cpm/messenger';
import { exportConversation, exportName } from './export';
import type { Rescue } from './profile/rescue';

export interface ChatCallDeps {
  /** Asked at every call; throws what is to be answered where nobody is signed in. */
  messenger(): Messenger;
  /** There while the history is damaged. */
  rescue(): Rescue | null;
  /** Asks the person where a file goes; null when they would rather not. Where nobody can be asked, null: callers name a path. */
  chooseFile: ((suggestion: string) => Promise<string | null>) | null;
  now(): number;
}

export function chatCalls({ messenger, rescue, chooseFile, now }: ChatCallDeps) {
  return {
    conversations: () => messenger().conversations(),
    messages: ({ conversation, limit = defaultPage, ...place }) =>
      rescue()?.page(conversation, place, limit) ?? messenger().messages(conversation, place, limit),
    search: ({ text, limit, ...more }) => messenger().search(text, limit ?? defaultPage, more),
    sendText: ({ to, conversation, text, mode, anonymous, onlyWith }) =>
      messenger().sendText({ to, conversation, anonymous }, text, mode ?? 'session', onlyWith),
    openConversation: ({ to, anonymous }) => ({ conversation: messenger().openConversation(to, anonymous) }),
    openSession: ({ to }) => messenger().openSession(to),
    closeSession: ({ conversation }) => messenger().closeSession(conversation),
    answer: async ({ invitation, accept, everywhere }) => {
      await messenger().invitations.answer(invitation, accept, everywhere ?? false);
      return { state: accept ? 'established' : 'ended' };
    },
    joinGroup: ({ address }) => messenger().joinGroup(address),
    addPeople: ({ conversation, people, subject }) => messenger().addPeople(conversation, people, subject),
    participants: ({ conversation }) => messenger().participants(conversation),
    removePerson: async ({ conversation, address }) => {
      await messenger().removePerson(conversation, address);
      return {};
    },
    renameGroup: async ({ conversation, subject }) => {
      await messenger().renameGroup(conversation, subject);
      return {};
    },
    setNickname: async ({ conversation, nickname }) => {
      await messenger().setNickname(conversation, nickname);
      return {};
    },
    setGroupIcon: async ({ conversation, icon }) => {
      await messenger().setGroupIcon(conversation, icon);
      return {};
    },
    groupIcon: ({ conversation }) => ({ icon: messenger().groupIcon(conversation) }),
    comeBack: async ({ conversation }) => {
      await messenger().comeBack(conversation);
      return {};
    },
    leave: async ({ conversation }) => {
      await messenger().leave(conversation);
      return {};
    },
    composing: ({ conversation, active, onlyWith }) => {
      messenger().composing(conversation, active, onlyWith);
      return {};
    },
    markDisplayed: ({ conversation, upTo }) => {
      messenger().markDisplayed(conversation, upTo);
      return {};
    },
    retry: ({ message }) => {
      messenger().retry(message);
      return {};
    },
    discard: ({ message }) => {
      messenger().discard(message);
      return {};
    },
    skip: ({ message }) => {
      messenger().skip(message);
      return {};
    },
    deleteMessage: ({ message, direction }) => {
      messenger().deleteMessage(message, direction);
      return {};
    },
    deleteConversation: ({ conversation }) => {
      messenger().deleteConversation(conversation);
      return {};
    },
    setDraft: ({ conversation, text, onlyWith }) => {
      messenger().setDraft(conversation, text, onlyWith);
      return {};
    },
    markUnread: ({ conversation, unread }) => {
      messenger().markUnread(conversation, unread);
      return {};
    },
    exportConversation: async ({ conversation: id, format, path: named }) => {
      // A window names no path: what runs in it may write nowhere by itself.
      if ((named === undefined) === (chooseFile === null))
        throw new AppError('ipc/refused', { cause: chooseFile === null ? 'name the `path` of the file' : 'the person chooses the file' });
      const read = rescue()?.read(id);
      const conversation = read?.conversation ?? messenger().conversation(id);
      const path = named ?? (await chooseFile?.(exportName(conversation, format))) ?? null;
      if (path === null) return { path, messages: 0 };
      const messages = read?.messages ?? messenger().everyMessage(id);
      const written = await exportConversation({ conversation, messages, format, path, replaces: chooseFile !== null, at: now() });
      return { path, messages: written };
    },
  } satisfies Partial<Handlers>;
}
