/** Search over all messages, and the slow rebuilding of its index after damage. */
import type { Disposable } from '../../base/disposable';
import type { SearchHitValue } from '../../preload/contract';
import type { Direction } from '../history/records';
import type { CpmContext } from './conversation/context';
import { searchHitValue } from './conversation/values';

/** The pause between two steps of rebuilding the index, so that everything else goes on meanwhile. */
const indexPauseMs = 20;

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
    const place = before === undefined ? undefined : { id: before.message, direction: before.direction };
    const hits = await this.#context.history.reader.search(text, limit, { before: place, passing: passing === true });
    this.#rebuild();
    return hits.filter((hit) => hit.message.isDamaged !== true).map(searchHitValue);
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
