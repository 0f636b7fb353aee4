/** Search over all messages, and the slow rebuilding of its index after damage. */
import type { Disposable } from '../../base/disposable';
import type { SearchHitValue } from '../../preload/contract';
import type { Direction, Hit } from '../history/records';
import type { CpmContext } from './conversation/context';
import { isHidden, searchHitValue } from './conversation/values';

/** The pause between two steps of rebuilding the index, so that everything else goes on meanwhile. */
const indexPauseMs = 20;
/** LAB: pages that are read for one page of hits, because people whom this person has blocked wrote the others. */
const MAX_SEARCH_PAGES = 50;

export class Search implements Disposable {
  readonly #context: CpmContext;
  #rebuilding: Disposable | null = null;

  constructor(context: CpmContext) {
    this.#context = context;
    this.#rebuild();
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
    this.#rebuild();
    return found.slice(0, limit).map((hit) => searchHitValue(hit, this.#context.people));
  }

  dispose(): void {
    this.#rebuilding?.dispose();
  }

  #rebuild(): void {
    if (this.#rebuilding !== null) return;
    try {
      if (!this.#context.history.fillIndex()) return;
    } catch (error) {
      this.#context.log.error('the index for search is not filled', { error: String(error) });
      return;
    }
    this.#rebuilding = this.#context.clock.setTimer(indexPauseMs, () => {
      this.#rebuilding = null;
      this.#rebuild();
    });
  }
}
