/**
 * The window's copy of the truth. It subscribes first, takes the snapshot, then applies what came meanwhile and everything after,
 * so a reload at any moment is safe.
 *
 *   loading --snapshot--> ready --exit--> closed        (a further snapshot leaves `ready` as it is)
 *      \--refused--> failed --start()--> loading
 */
import type { AppEvent, CallArgument, CallName, CallValue, ChorusBridge, ErrorValue, Result } from '../../preload/contract';
import { Cell } from './cell';
import { applyEvent, applySnapshot, type ChorusState, emptyState, mergePage, seeParticipants, type Thread, withEntry } from './state';

/** Messages read at a time: more than any screen shows, little enough to arrive within a frame. */
export const pageSize = 50;

/** Which page is read: at most one of these, none for the newest. */
interface PagePlace {
  before?: string;
  after?: string;
  around?: string;
}

export class Store {
  readonly cell = new Cell<ChorusState>(emptyState);
  readonly #bridge: ChorusBridge;
  readonly #now: () => number;
  #early: AppEvent[] | null = [];
  #stop: (() => void) | null = null;

  constructor(bridge: ChorusBridge, now: () => number = Date.now) {
    this.#bridge = bridge;
    this.#now = now;
  }

  async start(): Promise<void> {
    this.#stop?.();
    this.#early = [];
    this.#stop = this.#bridge.subscribe((event) => this.#hear(event));
    if (this.cell.get().phase !== 'ready') this.#patch({ phase: 'loading', failure: null });
    const answer = await this.call('snapshot', {});
    if (!answer.ok) {
      this.#patch({ phase: 'failed', failure: answer.error });
      return;
    }
    const early = this.#early ?? [];
    this.#early = null;
    const state = applySnapshot(this.cell.get(), answer.value, this.#now());
    this.cell.set(early.reduce((before, event) => applyEvent(before, event, this.#now()), state));
    if (this.cell.get().account?.aor !== state.account?.aor) await this.start();
  }

  /** Never throws: a broken bridge is a failed Result like any other. */
  async call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<Result<CallValue<N>>> {
    try {
      return await this.#bridge.call(name, argument);
    } catch (error) {
      return { ok: false, error: { code: 'internal', retry: 'user', cause: String(error) } satisfies ErrorValue };
    }
  }

  /** Reads the newest page of a conversation, unless it is here. */
  async openThread(conversation: string): Promise<void> {
    const thread = this.cell.get().threads.get(conversation);
    if (thread !== undefined && thread.status !== 'failed' && thread.atEnd) return;
    await this.readNewest(conversation);
  }

  /** Reads the newest page again, wherever in the conversation this window was. */
  async readNewest(conversation: string): Promise<void> {
    await this.#read(conversation, { messages: [], complete: false, atEnd: true, status: 'loading', error: null }, {});
  }

  /** Brings a message into the thread: nothing to do where it is there, else the page that has it in its middle. */
  async openAt(conversation: string, message: string): Promise<void> {
    const thread = this.cell.get().threads.get(conversation);
    if (thread?.messages.some((other) => other.message === message) === true) return;
    await this.#read(conversation, { messages: [], complete: false, atEnd: false, status: 'loading', error: null }, { around: message });
    // It was removed meanwhile.
    const read = this.cell.get().threads.get(conversation);
    if (read?.status === 'ready' && read.messages.length === 0) await this.readNewest(conversation);
  }

  /** Reads the page before the oldest message that is here. */
  async loadOlder(conversation: string): Promise<void> {
    const thread = this.cell.get().threads.get(conversation);
    const oldest = thread?.messages[0];
    if (thread === undefined || oldest === undefined || thread.complete || thread.status === 'loading') return;
    await this.#read(conversation, { ...thread, status: 'loading' }, { before: oldest.message });
  }

  /** Reads the page after the newest message that is here. */
  async loadNewer(conversation: string): Promise<void> {
    const thread = this.cell.get().threads.get(conversation);
    const newest = thread?.messages[thread.messages.length - 1];
    if (thread === undefined || newest === undefined || thread.atEnd || thread.status === 'loading') return;
    await this.#read(conversation, { ...thread, status: 'loading' }, { after: newest.message });
  }

  async readParticipants(conversation: string): Promise<void> {
    if (this.cell.get().participants.has(conversation)) return;
    const answer = await this.call('participants', { conversation });
    // An event that came meanwhile is newer than the answer.
    if (!answer.ok || this.cell.get().participants.has(conversation)) return;
    this.#patch(seeParticipants(this.cell.get(), conversation, answer.value, this.#now()));
  }

  #hear(event: AppEvent): void {
    if (this.#early !== null) {
      this.#early.push(event);
      return;
    }
    const before = this.cell.get();
    this.cell.set(applyEvent(before, event, this.#now()));
    // Another account has its own conversations, so everything is read again.
    if ((event.event === 'account' && event.account?.aor !== before.account?.aor) || event.event === 'erased') void this.start();
  }

  async #read(conversation: string, reading: Thread, place: PagePlace): Promise<void> {
    this.#setThread(conversation, reading);
    const answer = await this.call('messages', { conversation, limit: pageSize, ...place });
    const now = this.cell.get().threads.get(conversation) ?? reading;
    if (!answer.ok) {
      this.#setThread(conversation, { ...now, status: 'failed', error: answer.error });
      return;
    }
    const page = answer.value;
    const isShort = page.length < pageSize;
    const at = page.findIndex((message) => message.message === place.around);
    // What lies before a message in the middle is cut to half a page; what lies after it fills the rest.
    const complete = place.after !== undefined ? now.complete : place.around !== undefined ? at < Math.floor((pageSize - 1) / 2) : isShort;
    const atEnd = place.after !== undefined || place.around !== undefined ? isShort : now.atEnd;
    this.#setThread(conversation, { messages: mergePage(now.messages, page), complete, atEnd, status: 'ready', error: null });
  }

  #setThread(conversation: string, thread: Thread): void {
    this.#patch({ threads: withEntry(this.cell.get().threads, conversation, thread) });
  }

  #patch(patch: Partial<ChorusState>): void {
    this.cell.set({ ...this.cell.get(), ...patch });
  }
}
