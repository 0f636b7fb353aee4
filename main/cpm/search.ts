/** Search over all messages. Its index is filled when there is time: with new messages, and slowly from the beginning where it was damaged. */
import type { Disposable } from '../../base/disposable';
import type { SearchHitValue } from '../../preload/contract';
import type { Direction, Hit } from '../history/records';
import type { CpmContext } from './conversation/context';
import { isHidden, searchHitValue } from './conversation/values';

/** The pause between two steps of filling the index, so that everything else goes on meanwhile. */
const indexPauseMs = 20;
/** LAB: how long new messages gather before their words go into the index. */
const gatherMs = 500;
/** LAB: pages that are read for one page of hits, because people whom this person has blocked wrote the others. */
const MAX_SEARCH_PAGES = 50;

export class Search implements Disposable {
  readonly #context: CpmContext;
  #filling: Disposable | null = null;
  readonly #watch: Disposable;

  constructor(context: CpmContext) {
    this.#context = context;
    this.#watch = context.history.onChange.on((changes) => {
      if (changes.some(({ what, how }) => what === 'message' && how === 'added')) this.#fillAfter(gatherMs);
    });
    this.#fill();
  }

  /** Newest first. `before`: the hit that the page follows. `passing`: the person is still typing, see `HistoryReader`. */
  async find(
    text: string,
    limit: number,
    { before, passing }: { before?: { message: string; direction: Direction } | undefined; passing?: boolean | undefined } = {},
  ): Promise<SearchHitValue[]> {
    const { reader } = this.#context.history;
    let place = before === undefined ? undefined : { id: before.message, direction: before.direction };
    const found: Hit[] = [];
    for (let pages = 0; pages < MAX_SEARCH_PAGES; pages += 1) {
      const hits = await reader.search(text, limit, { before: place, passing: passing === true });
      found.push(...hits.filter(({ message }) => message.isDamaged !== true && !isHidden(this.#context, message)));
      place = hits.at(-1)?.message;
      if (hits.length < limit || found.length >= limit) break;
    }
    this.#fill();
    return found.slice(0, limit).map((hit) => searchHitValue(hit, this.#context.people));
  }

  dispose(): void {
    this.#watch.dispose();
    this.#filling?.dispose();
  }

  #fill(): void {
    if (this.#filling !== null) return;
    try {
      if (this.#context.history.fillIndex()) this.#fillAfter(indexPauseMs);
    } catch (error) {
      this.#context.log.error('the index for search is not filled', { error: String(error) });
    }
  }

  #fillAfter(pauseMs: number): void {
    this.#filling ??= this.#context.clock.setTimer(pauseMs, () => {
      this.#filling = null;
      this.#fill();
    });
  }
}
