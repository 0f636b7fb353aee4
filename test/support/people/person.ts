/**
 * A person at a Chorus client: their actions, and what they then see. A story written with this interface runs with headless clients
 * (`headless-person.ts`) and with real windows (`WindowDriver`), and must have the same result.
 *
 * A chat has the title shown by the window: the other people's names, `Bob` or `Bob, Carol`. Every promise rejects when the expected event
 * does not happen in time.
 */
import type { MessageState } from '../../../preload/contract';

export interface Person {
  /** Resolves when the person is signed in. */
  isRegistered(): Promise<void>;
  /** Starts a chat with somebody and opens it. */
  newChat(person: string): Promise<void>;
  /** Opens a chat and thereby reads its messages, also those that arrive while it is open. */
  openChat(title: string): Promise<void>;
  /** Sends a text to the open chat. */
  say(text: string): Promise<void>;
  /** Waits until the open chat shows these texts, received or sent. */
  hears(...texts: string[]): Promise<void>;
  /** Waits until the person's own text in the open chat has this state. */
  sees(text: string, state: MessageState): Promise<void>;
  /** Adds somebody to the open chat. It becomes a group, which is then open. */
  addPerson(person: string): Promise<void>;
  /** Waits until a chat with this title is in the list. */
  hasChat(title: string): Promise<void>;
  /** Waits until the open 1-1 chat says that it continues in a group. */
  seesChatGoOn(): Promise<void>;
  /** The texts of the open chat, oldest first. */
  texts(): Promise<string[]>;
}
