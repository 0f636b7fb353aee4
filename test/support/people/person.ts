/**
 * A person at a Chorus client: what they do, and what they then see. A story that is written with this interface runs with headless clients
 * (`headless-person.ts`) and with real windows (`WindowDriver`), and must come out the same.
 *
 * A chat has the title that the window shows: the other people's names, `Bob` or `Bob, Carol`. Every promise rejects when what it waits for
 * does not come in time.
 */
import type { MessageState } from '../../../preload/contract';

export interface Person {
  /** Signed in. */
  isRegistered(): Promise<void>;
  /** Begins a chat with somebody and has it open. */
  newChat(person: string): Promise<void>;
  /** Opens a chat, and so reads it: what has come, and what comes while it stays open. */
  openChat(title: string): Promise<void>;
  /** Sends a text to the open chat. */
  say(text: string): Promise<void>;
  /** The open chat shows these texts, received or their own. */
  hears(...texts: string[]): Promise<void>;
  /** Their own text in the open chat is in this state. */
  sees(text: string, state: MessageState): Promise<void>;
  /** Adds somebody to the open chat, which grows into a group that is then open. */
  addPerson(person: string): Promise<void>;
  /** A chat of this title is in the list. */
  hasChat(title: string): Promise<void>;
  /** The open 1-1 chat says that it goes on in a group. */
  seesChatGoOn(): Promise<void>;
  /** The texts of the open chat, oldest first. */
  texts(): Promise<string[]>;
}
