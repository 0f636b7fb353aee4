/** The calls of the contract that a messenger answers: chats, messages, groups. */

import { AppError } from '../preload/contract/errors';
import type { Handlers } from './calls';
import { defaultPage } from './cpm/conversation/reader';
import type { Messenger } from './cpm/messenger';
import { exportConversation, exportName } from './export';
import type { Rescue } from './profile/rescue';

export interface ChatCallDeps {
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in */
  messenger(): Messenger;
  /** Null unless the history is damaged. */
  rescue(): Rescue | null;
  /** Asks the person where a file goes; null when they cancel. Where nobody can be asked, null: callers name a path. */
  chooseFile: ((suggestion: string) => Promise<string | null>) | null;
  now(): number;
}

export function chatCalls({ messenger, rescue, chooseFile, now }: ChatCallDeps) {
  return {
    conversations: () => messenger().chats.all(),
    messages: ({ conversation, limit = defaultPage, ...place }) =>
      rescue()?.page(conversation, place, limit) ?? messenger().chats.messages(conversation, place, limit),
    search: ({ text, limit, ...more }) => messenger().search.find(text, limit ?? defaultPage, more),
    sendText: ({ to, conversation, text, mode, anonymous, onlyWith }) =>
      messenger().texts.send({ to, conversation, anonymous }, text, mode ?? 'session', onlyWith),
    openConversation: ({ to, anonymous }) => ({ conversation: messenger().chats.open(to, anonymous) }),
    openSession: ({ to }) => messenger().chats.openSession(to),
    closeSession: ({ conversation }) => messenger().chats.closeSession(conversation),
    answer: async ({ invitation, accept, everywhere }) => {
      await messenger().invitations.answer(invitation, accept, everywhere ?? false);
      return { state: accept ? 'established' : 'ended' };
    },
    joinGroup: async ({ address }) => ({ conversation: await messenger().groups.joining.at(address) }),
    addPeople: ({ conversation, people, subject }) => messenger().groups.addPeople(conversation, people, subject),
    participants: ({ conversation }) => messenger().chats.participants(conversation),
    removePerson: async ({ conversation, address }) => {
      await messenger().groups.requests.remove(conversation, address);
      return {};
    },
    renameGroup: async ({ conversation, subject }) => {
      await messenger().groups.requests.rename(conversation, subject);
      return {};
    },
    setNickname: async ({ conversation, nickname }) => {
      await messenger().groups.requests.setNickname(conversation, nickname);
      return {};
    },
    setGroupIcon: async ({ conversation, icon }) => {
      await messenger().groups.requests.setIcon(conversation, icon);
      return {};
    },
    groupIcon: ({ conversation }) => ({ icon: messenger().chats.groupIcon(conversation) }),
    comeBack: async ({ conversation }) => {
      await messenger().groups.returning.comeBack(conversation);
      return {};
    },
    leave: async ({ conversation }) => {
      await messenger().chats.leave(conversation);
      return {};
    },
    composing: ({ conversation, active, onlyWith }) => {
      messenger().texts.composing(conversation, active, onlyWith);
      return {};
    },
    markDisplayed: ({ conversation, upTo }) => {
      messenger().texts.markDisplayed(conversation, upTo);
      return {};
    },
    retry: ({ message }) => {
      messenger().outbox.retry(message);
      return {};
    },
    discard: ({ message }) => {
      messenger().outbox.discard(message);
      return {};
    },
    skip: ({ message }) => {
      messenger().outbox.skip(message);
      return {};
    },
    deleteMessage: ({ message, direction }) => {
      messenger().chats.deleteMessage(message, direction);
      return {};
    },
    deleteConversation: ({ conversation }) => {
      messenger().chats.delete(conversation);
      return {};
    },
    setDraft: ({ conversation, text, onlyWith }) => {
      messenger().chats.setDraft(conversation, text, onlyWith);
      return {};
    },
    markUnread: ({ conversation, unread }) => {
      messenger().chats.markUnread(conversation, unread);
      return {};
    },
    exportConversation: async ({ conversation: id, format, path: named }) => {
      // A window names no path: code that runs in it must not choose where to write.
      if ((named === undefined) === (chooseFile === null))
        throw new AppError('ipc/refused', { cause: chooseFile === null ? 'name the `path` of the file' : 'the person chooses the file' });
      const read = rescue()?.read(id);
      const conversation = read?.conversation ?? messenger().chats.one(id);
      const path = named ?? (await chooseFile?.(exportName(conversation, format))) ?? null;
      if (path === null) return { path, messages: 0 };
      const messages = read?.messages ?? messenger().chats.everyMessage(id);
      const written = await exportConversation({ conversation, messages, format, path, replaces: chooseFile !== null, at: now() });
      return { path, messages: written };
    },
  } satisfies Partial<Handlers>;
}
