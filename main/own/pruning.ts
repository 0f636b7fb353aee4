/** How much of a log nobody needs any more. */
import type { OwnLog } from './log';
import { markOf, type Vector } from './vector';

/** LAB: how long the log is kept at least, and at most; in between, until all listed devices have it. */
const KEEP_LOG_MS = 30 * 86_400_000;
const KEEP_LOG_AT_MOST_MS = 400 * 86_400_000;

/** Per writer, up to which number the events may go. `told`: what each other listed device had when it last told. */
export function prunable(log: OwnLog, told: readonly (Vector | null)[], now: number): Record<string, number> {
  const upTo: Record<string, number> = {};
  for (const writer of Object.keys(log.vector)) {
    const all = Math.min(...told.map((one) => provenMark(log, one ?? {}, writer)), markOf(log.vector, writer)[0]);
    for (const row of log.store.rows(writer, log.head.floor[writer] ?? 0, Number.MAX_SAFE_INTEGER)) {
      const age = now - row.at;
      if (age < KEEP_LOG_MS || (row.n > all && age < KEEP_LOG_AT_MOST_MS)) break;
      upTo[writer] = row.n;
    }
  }
  return upTo;
}

/** A sibling's mark counts only where it stands in the same log as ours. */
function provenMark(log: OwnLog, told: Vector, writer: string): number {
  const [n, h] = markOf(told, writer);
  return log.hashAt(writer, n) === h ? n : 0;
}
