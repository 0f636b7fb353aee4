/**
 * Searches messages while the person types: the newest hits for the text in the field, and further ones on demand.
 *
 *   searching --answer--> ready | failed          look() of other words: searching; of the same: nothing
 *
 * An answer counts only while its question is still the current one, in whatever order answers come. The old hits stay on the screen until
 * then, so that the list does not flicker; `filter` says which text they belong to.
 */
import type { CallArgument, Result, SearchHitValue } from '../../preload/contract';
import { Cell } from '../desk/cell';

/** After the last key, before the messages are searched: a word that is typed quickly is searched once. */
export const typingPauseMs = 80;
/** After a message came or went, before the same text is searched again; many changes in that time cause one search. */
export const changePauseMs = 400;
/** Hits asked for at a time. */
export const hitPage = 50;
/** Where more are shown, what comes and goes does not change them: the next words do. */
const mostRefreshed = 200;

export interface SearchAnswer {
  /** The words that these hits are for. */
  filter: string;
  hits: readonly SearchHitValue[];
  /** Whether there may be further ones. */
  hasMore: boolean;
  failed: boolean;
  /** Whether further ones are on their way. */
  isReading: boolean;
}

type Search = (argument: CallArgument<'search'>) => Promise<Result<SearchHitValue[]>>;
/** Runs `work` later; what it returns cancels that. */
type Later = (ms: number, work: () => void) => () => void;

const later: Later = (ms, work) => {
  const timer = setTimeout(work, ms);
  return () => clearTimeout(timer);
};

export class MessageSearch {
  readonly cell = new Cell<SearchAnswer>({ filter: '', hits: [], hasMore: false, failed: false, isReading: false });
  readonly #search: Search;
  readonly #later: Later;
  #wanted = '';
  /** The question whose answer counts; a newer one has another number. */
  #question = 0;
  #cancel: () => void = () => undefined;
  /** Messages came or went while an answer was on its way, which may know nothing of it. */
  #isStirred = false;

  constructor(search: Search, delayed: Later = later) {
    this.#search = search;
    this.#later = delayed;
  }

  /** Searches for the text that is in the field now. */
  look(filter: string): void {
    if (filter === this.#wanted) return;
    this.#wanted = filter;
    this.#question += 1;
    this.#cancel();
    if (filter !== '') this.#cancel = this.#later(typingPauseMs, () => void this.#ask(filter, hitPage));
  }

  /** Messages came or went, so the hits may be out of date. */
  messagesChanged(): void {
    const { filter, hits } = this.cell.get();
    if (filter !== this.#wanted) this.#isStirred = true;
    if (filter !== this.#wanted || filter === '' || hits.length > mostRefreshed) return;
    this.#cancel();
    this.#cancel = this.#later(changePauseMs, () => void this.#ask(filter, Math.max(hitPage, hits.length)));
  }

  /** Reads what comes after the last hit. */
  async more(): Promise<void> {
    const { filter, hits, hasMore, isReading } = this.cell.get();
    const last = hits[hits.length - 1];
    if (filter !== this.#wanted || last === undefined || !hasMore || isReading) return;
    this.#cancel();
    this.#question += 1;
    const mine = this.#question;
    this.cell.set({ ...this.cell.get(), isReading: true });
    const answer = await this.#search({ text: filter, limit: hitPage, before: { message: last.message, direction: last.direction } });
    if (mine !== this.#question) return;
    const found = answer.ok ? answer.value : [];
    this.cell.set({
      filter,
      hits: [...hits, ...found],
      hasMore: !answer.ok || found.length >= hitPage,
      failed: !answer.ok,
      isReading: false,
    });
  }

  dispose(): void {
    this.#question += 1;
    this.#cancel();
  }

  async #ask(filter: string, limit: number): Promise<void> {
    this.#question += 1;
    const mine = this.#question;
    const answer = await this.#search({ text: filter, limit, passing: true });
    if (mine !== this.#question) return;
    const hits = answer.ok ? answer.value : [];
    this.cell.set({ filter, hits, hasMore: hits.length >= limit, failed: !answer.ok, isReading: false });
    if (this.#isStirred) this.messagesChanged();
    this.#isStirred = false;
  }
}
