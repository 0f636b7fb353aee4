/** Events as they happen: out to every sibling that is there, gathered for a moment, and in, each behind the one that it follows. */
import type { Disposable } from '../../base/disposable';
import { entriesOfTick, MAX_TICK_EVENTS, type Tick } from './messages';
import { isReachable, type Sibling, type SiblingWork } from './siblings';
import { markOf } from './vector';
import type { Wire } from './ways';

/** LAB: the pause between the ticks to all siblings; what happens meanwhile is gathered. */
const GATHER_MS = 200;
/** LAB: how long a tick that came too early waits for the one before it, and how many events wait at most for one sibling. */
const GAP_MS = 500;
const MAX_WAITING_EVENTS = 64;

export class Ticks implements Disposable {
  readonly #work: SiblingWork;
  readonly #wire: Pick<Wire, 'fits' | 'send'>;
  #gathering: Disposable | null = null;
  #isResting = false;
  #hasMore = false;

  constructor(work: SiblingWork, wire: Pick<Wire, 'fits' | 'send'>) {
    this.#work = work;
    this.#wire = wire;
  }

  dispose(): void {
    this.#gathering?.dispose();
  }

  // Out.

  /** Sends what is new after `delay`, or when the pause after the last ticks is over. The wall clock may jump, so timers alone measure. */
  gather(delay: number): void {
    if (this.#isResting) this.#hasMore = true;
    else if (delay === 0) this.#flush();
    else this.#gathering ??= this.#work.after(delay, () => this.#flush());
  }

  #flush(): void {
    this.#gathering?.dispose();
    this.#gathering = null;
    if (this.#work.isSilent()) return;
    const sent = this.#work.siblings().filter((sibling) => isReachable(sibling) && this.#tick(sibling));
    if (sent.length === 0) return;
    this.#isResting = true;
    this.#work.after(GATHER_MS, () => {
      this.#isResting = false;
      if (this.#hasMore) this.#flush();
      this.#hasMore = false;
    });
  }

  /** Sends a sibling the events that it was not sent yet. @returns false: there were none */
  #tick(sibling: Sibling): boolean {
    const { log } = this.#work;
    const { writer, vector, floor } = log.head;
    const [last] = markOf(vector, writer);
    const from = sibling.sent.writer === writer ? sibling.sent.n : 0;
    const start = Math.max(from, floor[writer] ?? 0, last - MAX_TICK_EVENTS);
    if (start >= last) return false;
    const rows = log.store.rows(writer, start, MAX_TICK_EVENTS);
    let before = log.hashAt(writer, start);
    let at = start;
    while (rows.length > 0 && before !== null) {
      let size = rows.length;
      const tickOf = (count: number): Tick => {
        const taken = rows.slice(0, count);
        const end = taken.at(-1);
        const ev = taken.flatMap((row) => (row.ev === null ? [] : [row.ev]));
        return { w: writer, p: [at, before ?? ''], n: [end?.n ?? at, end?.h ?? ''], ev };
      };
      while (size > 1 && !this.#wire.fits(tickOf(size))) size -= 1;
      const tick = tickOf(size);
      this.#send(sibling, this.#wire.fits(tick) ? tick : { ...tick, ev: [] });
      at = tick.n[0];
      before = tick.n[1];
      rows.splice(0, size);
    }
    sibling.sent = { writer, n: last };
    return true;
  }

  #send(sibling: Sibling, tick: Tick): void {
    const { move, told, remind, log } = this.#work;
    this.#work.answered(this.#wire.send(sibling.instance, 'tick', tick), (status) => {
      if (status === 200) told(sibling, { ...log.store.told(sibling.instance), [tick.w]: tick.n });
      else if (status === 415 || status === 488) move(sibling, 'other version');
      else if (status === 403) move(sibling, 'gone');
      else if (status !== 202) remind(sibling);
    });
  }

  // In.

  /** @returns the status that answers it */
  came(sibling: Sibling, tick: Tick): number {
    const { log, move } = this.#work;
    if (log.limit(tick.w) < tick.n[0]) return 412;
    if ([tick.p, tick.n].some((mark) => log.differing({ [tick.w]: mark }).length > 0)) {
      move(sibling, 'differs');
      return 412;
    }
    const [reached] = log.reached(tick.w);
    if (tick.n[0] <= reached) return 200;
    const entries = entriesOfTick(tick);
    if (entries === null || tick.p[0] > reached) {
      this.#early(sibling, tick, entries !== null);
      return 202;
    }
    log.take(new Map([[tick.w, entries]]));
    this.takeEarly(sibling);
    this.gather(0);
    return log.reached(tick.w)[0] >= tick.n[0] ? 200 : 202;
  }

  #early(sibling: Sibling, tick: Tick, isWhole: boolean): void {
    const { move, timer } = this.#work;
    const waiting = sibling.early.reduce((sum, { ev }) => sum + ev.length, 0);
    if (isWhole && waiting + tick.ev.length <= MAX_WAITING_EVENTS) sibling.early.push(tick);
    move(sibling, 'gap');
    if (sibling.timers.has('gap')) return;
    timer(sibling, 'gap', isWhole ? GAP_MS : 0, () => {
      sibling.early = [];
      move(sibling, 'late');
    });
  }

  /** Takes those that came too early and follow now. */
  takeEarly(sibling: Sibling): void {
    const { log } = this.#work;
    for (let found = true; found; ) {
      found = false;
      for (const tick of [...sibling.early]) {
        const [reached] = log.reached(tick.w);
        if (tick.p[0] > reached) continue;
        sibling.early.splice(sibling.early.indexOf(tick), 1);
        if (tick.n[0] > reached) log.take(new Map([[tick.w, entriesOfTick(tick) ?? []]]));
        found = true;
      }
    }
    if (sibling.early.length > 0 || sibling.state !== 'waiting') return;
    sibling.timers.get('gap')?.dispose();
    sibling.timers.delete('gap');
    this.#work.move(sibling, 'came');
  }
}
