/**
 * One pull from a sibling: questions and answers until nothing is missing here.
 *
 *   want --page--> take, want more          want --the logs differ--> ask for hashes, write the fork down, want again
 *   want --below the floor--> copy the whole state page by page, then want what came meanwhile
 */
import type { OwnLog } from './log';
import { entriesOf, type Reply, type Request, readReply } from './pages';
import type { Vector } from './vector';

export type Question = Request;

/** The answer of a sibling to whom this device was removed. */
export const REFUSED = 'refused';

export interface Pull {
  log: OwnLog;
  /** Null or anything unreadable: the way is cut. `REFUSED`: the sibling does not answer this device. */
  ask(question: Question): Promise<unknown>;
  isStopped(): boolean;
  moved(event: 'page' | 'below floor' | 'done'): void;
  told(vector: Vector): void;
  /** Copy the whole state, although no event may be missing. */
  wholeState: boolean;
}

/** LAB: how many forks one pull finds at most before it gives up and comes again. */
const MAX_FORK_ROUNDS = 8;

export async function pull({ log, ask, isStopped, moved, told, wholeState }: Pull): Promise<'done' | 'cut' | 'gone'> {
  let forks = 0;
  let mustCopy = wholeState || log.head.filling !== null || log.head.wantsState === true;
  for (;;) {
    const answered = await ask({ want: log.vector, ends: log.ends });
    if (answered === REFUSED) return 'gone';
    const reply = readReply(answered);
    if (reply === null || isStopped() || !('vec' in reply)) return 'cut';
    log.meet(reply.vec);
    told(reply.vec);
    const differing = [...new Set([...('differs' in reply ? reply.differs : []), ...log.differing(reply.vec)])];
    if (differing.length > 0) {
      forks += 1;
      if (forks > MAX_FORK_ROUNDS || !(await findForks(differing))) return 'cut';
      continue;
    }
    if ('below' in reply || mustCopy) {
      mustCopy = false;
      moved('below floor');
      if (!(await copyState(reply.vec))) return 'cut';
      moved('done');
      continue;
    }
    if (!('rows' in reply)) return 'cut';
    const before = log.vector;
    takeRows(reply);
    moved('page');
    // A page that brought nothing would come again for ever.
    if (!reply.more || log.vector === before) return 'done';
  }

  async function findForks(writers: readonly string[]): Promise<boolean> {
    const reply = readReply(await ask({ hashes: writers }));
    if (reply === null || isStopped() || !('hashes' in reply)) return false;
    for (const writer of writers) log.fork(writer, reply.hashes[writer] ?? []);
    return true;
  }

  async function copyState(start: Vector): Promise<boolean> {
    let cursor: string | null = log.beginFilling(start);
    while (cursor !== null) {
      const { since, filling } = log.head;
      const told = {
        ...(since === undefined ? {} : { since }),
        ...(filling?.of === undefined ? {} : { got: filling.got, of: filling.of }),
      };
      const reply = readReply(await ask({ full: cursor, want: log.vector, ...told }));
      if (reply === null || isStopped() || !('state' in reply) || log.head.filling === null) return false;
      if (reply.since !== undefined) log.beginsAt(reply.since);
      log.takeState(reply.state, reply.runs, reply.next, reply.of);
      moved('page');
      // A sibling that does not move on would be asked for ever.
      if (reply.next === cursor) return false;
      cursor = reply.next;
    }
    return true;
  }

  function takeRows(reply: Extract<Reply, { rows: unknown }>): void {
    if (log.head.filling !== null) log.abandon();
    log.take(entriesOf(reply.rows));
  }
}
