/** The calls of the contract that a messenger answers: chats, messages, groups. */

import { AppError } from '../preload/contract/errors';
import type { Handlers } from './calls';
import { defaultPage } from './cpm/conversation/reader';
import type { Messenger } from './cpm/messenger';
import { exportConversation, exportName } from './export';
import { fileName } from './file-name';
import type { Rescue } from './profile/rescue';
import type { Which } from './which-account';
import { writeFile } from './written-file';

export interface ChatCallDeps {
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in, or it is not clear which account is meant */
  messenger(which: Which): Messenger;
  /** Null unless the history is damaged. */
  rescue(): Rescue | null;
  /** Asks the person where a file goes; null when they cancel. Where nobody can be asked, null: callers name a path. */
  chooseFile: ((suggestion: string) => Promise<string | null>) | null;
  now(): number;
}

export function chatCalls({ messenger, rescue, chooseFile, now }: ChatCallDeps) {
  /** A window names no path: code that runs in it must not choose where to write. */
  const placeOf = async (named: string | undefined, suggestion: string): Promise<string | null> => {
    if ((named === undefined) === (chooseFile === null))
      throw new AppError('ipc/refused', { cause: chooseFile === null ? 'name the `path` of the file' : 'the person chooses the file' });
    return named ?? (await chooseFile?.(suggestion)) ?? null;
  };
  return {
    conversations: (which) => messenger(which).chats.all(),
    messages: ({ conversation, limit = defaultPage, ...place }) =>
      rescue()?.page(conversation, place, limit) ?? messenger({ conversation }).chats.messages(conversation, place, limit),
    search: ({ account, text, limit, ...more }) => messenger({ account }).search.find(text, limit ?? defaultPage, more),
    sendText: ({ account, to, conversation, text, mode, anonymous, onlyWith, replyTo }) =>
      messenger({ account, conversation }).texts.send({ to, conversation, anonymous, replyTo }, text, mode ?? 'session', onlyWith),
    answerHere: ({ conversation }) => {
      messenger({ conversation }).chats.answerHere(conversation);
      return {};
    },
    setPseudonym: ({ conversation, name }) => {
      messenger({ conversation }).chats.setPseudonym(conversation, name);
      return {};
    },
    sendSeparately: ({ account, people, text }) => ({ copies: messenger({ account }).texts.sendSeparately(people, text) }),
    openConversation: ({ account, to, anonymous }) => ({ conversation: messenger({ account }).chats.open(to, anonymous) }),
    openSession: ({ account, to }) => messenger({ account }).chats.openSession(to),
    closeSession: ({ conversation }) => messenger({ conversation }).chats.closeSession(conversation),
    answer: async ({ invitation, accept, everywhere }) => {
      await messenger({ invitation }).invitations.answer(invitation, accept, everywhere ?? false);
      return { state: accept ? 'established' : 'ended' };
    },
    joinGroup: async ({ account, address }) => ({ conversation: await messenger({ account }).groups.joining.at(address) }),
    addPeople: ({ conversation, people, subject }) => messenger({ conversation }).groups.addPeople(conversation, people, subject),
    participants: ({ conversation }) => messenger({ conversation }).chats.participants(conversation),
    removePerson: async ({ conversation, address }) => {
      await messenger({ conversation }).groups.requests.remove(conversation, address);
      return {};
    },
    renameGroup: async ({ conversation, subject }) => {
      await messenger({ conversation }).groups.requests.rename(conversation, subject);
      return {};
    },
    setNickname: async ({ conversation, nickname }) => {
      await messenger({ conversation }).groups.requests.setNickname(conversation, nickname);
      return {};
    },
    setGroupIcon: async ({ conversation, icon }) => {
      await messenger({ conversation }).groups.requests.setIcon(conversation, icon);
      return {};
    },
    groupIcon: ({ conversation }) => ({ icon: messenger({ conversation }).chats.groupIcon(conversation) }),
    comeBack: async ({ conversation }) => {
      await messenger({ conversation }).groups.returning.comeBack(conversation);
      return {};
    },
    leave: async ({ conversation }) => {
      await messenger({ conversation }).chats.leave(conversation);
      return {};
    },
    composing: ({ conversation, active, onlyWith }) => {
      messenger({ conversation }).texts.composing(conversation, active, onlyWith);
      return {};
    },
    markDisplayed: ({ conversation, upTo }) => {
      messenger({ conversation }).texts.markDisplayed(conversation, upTo);
      return {};
    },
    retry: ({ account, message }) => {
      messenger({ account, message, direction: 'out' }).outbox.retry(message);
      return {};
    },
    discard: ({ account, message }) => {
      messenger({ account, message, direction: 'out' }).outbox.discard(message);
      return {};
    },
    skip: ({ account, message }) => {
      messenger({ account, message, direction: 'out' }).outbox.skip(message);
      return {};
    },
    deleteMessage: ({ account, message, direction }) => {
      messenger({ account, message, direction }).chats.deleteMessage(message, direction);
      return {};
    },
    deleteConversation: ({ conversation }) => {
      messenger({ conversation }).chats.delete(conversation);
      return {};
    },
    setDraft: ({ conversation, text, onlyWith }) => {
      messenger({ conversation }).chats.setDraft(conversation, text, onlyWith);
      return {};
    },
    markUnread: ({ conversation, unread }) => {
      messenger({ conversation }).chats.markUnread(conversation, unread);
      return {};
    },
    exportConversation: async ({ conversation: id, format, path: named }) => {
      const read = rescue()?.read(id);
      const conversation = read?.conversation ?? messenger({ conversation: id }).chats.one(id);
      const path = await placeOf(named, exportName(conversation, format));
      if (path === null) return { path, messages: 0 };
      const messages = read?.messages ?? messenger({ conversation: id }).chats.everyMessage(id);
      const written = await exportConversation({ conversation, messages, format, path, replaces: chooseFile !== null, at: now() });
      return { path, messages: written };
    },
    saveFile: async ({ account, message, direction, path: named }) => {
      const { content, octets } = messenger({ account, message, direction }).chats.file(message, direction);
      const path = await placeOf(named, fileName(content));
      if (path !== null) await writeFile({ path, replaces: chooseFile !== null, parts: [octets] });
      return { path };
    },
  } satisfies Partial<Handlers>;
}
