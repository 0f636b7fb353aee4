/** What this window shows: which place, which chat, what lies open. Of it only the drafts are kept when the window closes. */
import { createContext, useContext } from 'react';
import { Cell, useCell } from './cell';
import type { Icons } from './icons';
import type { ChorusState } from './state';
import { withEntry } from './state';
import type { Store } from './store';

export type Place = 'chats' | 'devices' | 'settings';
export type SettingsSection = 'general' | 'account' | 'keyboard' | 'about';

export type OpenDialog =
  | { dialog: 'newChat' }
  | { dialog: 'addPeople'; conversation: string }
  | { dialog: 'leave'; conversation: string }
  | { dialog: 'removePerson'; conversation: string; address: string }
  | { dialog: 'renameGroup'; conversation: string }
  | { dialog: 'deleteChat'; conversation: string }
  | { dialog: 'export'; conversation: string; format: 'html' | 'json' }
  | { dialog: 'signInAgain' }
  | { dialog: 'signOut'; instanceId: string | null }
  | { dialog: 'shortcuts' };

export interface DeskState {
  place: Place;
  selected: string | null;
  section: SettingsSection;
  dialog: OpenDialog | null;
  details: boolean;
  /** The message whose receipts lie open at the right, in place of the details. */
  info: { conversation: string; message: string } | null;
  filter: string;
  /** The message to be brought into view, as soon as it is there. */
  aim: { conversation: string; message: string } | null;
  /** Text not sent yet, by conversation, as far as this window has touched it; for the rest the conversation's own draft counts. */
  drafts: ReadonlyMap<string, string>;
  dismissed: ReadonlySet<string>;
}

/** After the last key, before a draft is kept on disk: what is typed quickly is written once. */
export const draftPauseMs = 400;

export class Desk {
  readonly #keep: (conversation: string, text: string) => void;
  readonly #keeping = new Map<string, ReturnType<typeof setTimeout>>();

  /** `keep` puts a draft on disk. */
  constructor(keep: (conversation: string, text: string) => void) {
    this.#keep = keep;
  }

  readonly cell = new Cell<DeskState>({
    place: 'chats',
    selected: null,
    section: 'general',
    dialog: null,
    details: false,
    info: null,
    filter: '',
    aim: null,
    drafts: new Map(),
    dismissed: new Set(),
  });

  set(patch: Partial<DeskState>): void {
    this.cell.set({ ...this.cell.get(), ...patch });
  }

  openChat(conversation: string): void {
    this.set({ place: 'chats', selected: conversation, aim: null });
    focusComposer();
  }

  /** Opens a chat at one of its messages; the caller has it read. */
  openMessage(conversation: string, message: string): void {
    this.set({ place: 'chats', selected: conversation, aim: { conversation, message } });
  }

  setDraft(conversation: string, text: string): void {
    this.set({ drafts: withEntry(this.cell.get().drafts, conversation, text) });
    clearTimeout(this.#keeping.get(conversation));
    this.#keeping.set(
      conversation,
      setTimeout(() => this.#keep(conversation, text), draftPauseMs),
    );
  }

  /** A chat that was deleted: its draft is not kept again. */
  forget(conversation: string): void {
    clearTimeout(this.#keeping.get(conversation));
    this.set({ selected: null, drafts: new Map([...this.cell.get().drafts].filter(([other]) => other !== conversation)) });
  }

  closeDialog(): void {
    this.set({ dialog: null });
  }
}

/** After the chat has been drawn, for it may be another one's composer that is on the screen now. */
export function focusComposer(frames = 10): void {
  requestAnimationFrame(() => {
    const composer = document.getElementById('composer');
    if (composer !== null) composer.focus();
    // A chat that was just made is drawn only when its event is here.
    else if (frames > 1) focusComposer(frames - 1);
  });
}

interface Ground {
  store: Store;
  desk: Desk;
  icons: Icons;
}

const GroundContext = createContext<Ground | null>(null);
export const GroundProvider = GroundContext.Provider;

export function useGround(): Ground {
  const ground = useContext(GroundContext);
  if (ground === null) throw new Error('A view is drawn outside the window.');
  return ground;
}

export function useChorus<Part>(select: (state: ChorusState) => Part): Part {
  return useCell(useGround().store.cell, select);
}

export function useDesk<Part>(select: (state: DeskState) => Part): Part {
  return useCell(useGround().desk.cell, select);
}
