/** What this window shows: place, chat, open panes and dialogs. Only the drafts outlive the window. */
import { createContext, useContext } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { Cell, useCell } from './cell';
import type { Icons } from './icons';
import type { ChorusState } from './state';
import { withEntry } from './state';
import type { Store } from './store';

export type Place = 'chats' | 'devices' | 'settings';
export type SettingsSection = 'general' | 'account' | 'keyboard' | 'about';

type OpenDialog =
  | { dialog: 'newChat' }
  | { dialog: 'sendSeparately' }
  | { dialog: 'addPeople'; conversation: string }
  | { dialog: 'leave'; conversation: string }
  | { dialog: 'removePerson'; conversation: string; address: string }
  | { dialog: 'renameGroup'; conversation: string }
  | { dialog: 'nickname'; conversation: string }
  | { dialog: 'deleteChat'; conversation: string }
  | { dialog: 'export'; conversation: string; format: 'html' | 'json' }
  | { dialog: 'signInAgain' }
  | { dialog: 'signOut'; instanceId: string | null }
  | { dialog: 'pair' }
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
  /** Enter was pressed in the search field: the first result opens when it arrives. Typing on undoes this. */
  opensFirst: boolean;
  /** The message to be brought into view, as soon as it is there. */
  aim: { conversation: string; message: string } | null;
  /** Drafts by `draftKey`, if they were edited in this window; all others come from the conversation. */
  drafts: ReadonlyMap<string, string>;
  /** In a group that is written to privately: its one recipient, by conversation. */
  privately: ReadonlyMap<string, string>;
  dismissed: ReadonlySet<string>;
}

/** Between the last key and saving the draft to disk, so that fast typing is saved once. */
const draftPauseMs = 400;

/** A private draft has a key of its own, so that it never appears in the field that writes to everyone. */
export const draftKey = (conversation: string, onlyWith?: string): string =>
  onlyWith === undefined ? conversation : `${conversation} ${onlyWith}`;

/** The unfinished private messages of a group. */
export function privateDrafts(drafts: DeskState['drafts'], conversation: ConversationValue): { address: string; text: string }[] {
  const start = draftKey(conversation.conversation, '');
  const all = new Map(conversation.privateDrafts.map(({ address, text }) => [address, text]));
  for (const [key, text] of drafts) if (key.startsWith(start)) all.set(key.slice(start.length), text);
  return [...all].filter(([, text]) => text.trim() !== '').map(([address, text]) => ({ address, text }));
}

export class Desk {
  readonly #keep: (conversation: string, text: string, onlyWith?: string) => void;
  readonly #keeping = new Map<string, ReturnType<typeof setTimeout>>();

  /** `keep` puts a draft on disk. */
  constructor(keep: (conversation: string, text: string, onlyWith?: string) => void) {
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
    opensFirst: false,
    aim: null,
    drafts: new Map(),
    privately: new Map(),
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

  setDraft(conversation: string, text: string, onlyWith?: string): void {
    const key = draftKey(conversation, onlyWith);
    this.set({ drafts: withEntry(this.cell.get().drafts, key, text) });
    clearTimeout(this.#keeping.get(key));
    this.#keeping.set(
      key,
      setTimeout(() => this.#keep(conversation, text, onlyWith), draftPauseMs),
    );
  }

  /** In a group: writes to this member only from now on; with null to everyone again. */
  writePrivately(conversation: string, address: string | null): void {
    const { privately } = this.cell.get();
    const others = new Map([...privately].filter(([other]) => other !== conversation));
    this.set({ privately: address === null ? others : others.set(conversation, address) });
    focusComposer();
  }

  /** A chat that was deleted: its draft is not kept again. */
  forget(conversation: string): void {
    const isOf = (key: string) => key === conversation || key.startsWith(draftKey(conversation, ''));
    for (const [key, timer] of this.#keeping) if (isOf(key)) clearTimeout(timer);
    this.set({ selected: null, drafts: new Map([...this.cell.get().drafts].filter(([key]) => !isOf(key))) });
  }

  closeDialog(): void {
    this.set({ dialog: null });
  }
}

/** Waits for the chat to be drawn: the composer on the screen may still be another chat's. */
export function focusComposer(frames = 10): void {
  requestAnimationFrame(() => {
    const composer = document.getElementById('composer');
    if (composer !== null) composer.focus();
    // A chat that was just made is drawn only when its event is here.
    else if (frames > 1) focusComposer(frames - 1);
  });
}

interface Services {
  store: Store;
  desk: Desk;
  icons: Icons;
}

const ServicesContext = createContext<Services | null>(null);
export const ServicesProvider = ServicesContext.Provider;

export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (services === null) throw new Error('A view is drawn outside the window.');
  return services;
}

export function useChorus<Part>(select: (state: ChorusState) => Part): Part {
  return useCell(useServices().store.cell, select);
}

export function useDesk<Part>(select: (state: DeskState) => Part): Part {
  return useCell(useServices().desk.cell, select);
}
