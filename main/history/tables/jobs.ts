/** The jobs that still have to leave this device. */
import type { JobRecord, Jobs } from '../records';
import type { Connection } from '../store/connection';
import { jobColumns, jobOf } from '../store/rows';

/** The jobs of one account, by its key in the table of accounts. */
export function jobTable(connection: Connection, account: number): Jobs {
  return {
    addJob(job: Omit<JobRecord, 'id' | 'attempts'>): JobRecord {
      const { lane, kind, message, payload, nextAt, after = null } = job;
      const sql = `INSERT INTO jobs (account, lane, kind, message, payload, attempts, next_at, after)
        VALUES (:account, :lane, :kind, :message, :payload, 0, :nextAt, :after)`;
      const id = connection.added(sql, { account, lane, kind, message, payload, nextAt, after });
      return { id, lane, kind, message, payload, attempts: 0, nextAt, ...(after === null ? {} : { after }) };
    },

    jobs(): JobRecord[] {
      return connection.all(`SELECT ${jobColumns} FROM jobs WHERE account = :account ORDER BY id`, { account }, jobOf);
    },

    nextJob(lane: string, except: Iterable<number> = []): JobRecord | null {
      const left = [...except];
      // Nearly always there are none, and a list costs more than all the rest.
      const others = left.length === 0 ? '' : 'AND id NOT IN (SELECT value FROM json_each(:except))';
      const sql = `SELECT ${jobColumns} FROM jobs WHERE account = :account AND lane = :lane AND aside = 0 ${others}
        AND (after IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE earlier.id = jobs.after)) ORDER BY id LIMIT 1`;
      return connection.one(sql, { account, lane, ...(left.length === 0 ? {} : { except: JSON.stringify(left) }) }, jobOf);
    },

    jobsIn(lane: string): JobRecord[] {
      return connection.all(`SELECT ${jobColumns} FROM jobs WHERE lane = :lane AND aside = 0 ORDER BY id`, { lane }, jobOf);
    },

    jobsAfter(id: number): JobRecord[] {
      return connection.all(`SELECT ${jobColumns} FROM jobs WHERE after = :id ORDER BY id`, { id }, jobOf);
    },

    setJobAside(id: number): void {
      connection.run('UPDATE jobs SET aside = 1 WHERE id = :id', { id });
    },

    lanes(): string[] {
      return connection.all(
        'SELECT DISTINCT CAST(lane AS BLOB) AS lane FROM jobs WHERE account = :account AND aside = 0',
        { account },
        (row) => String(row.lane),
      );
    },

    postponeJob(id: number, nextAt: number, attempts?: number): void {
      const sql = 'UPDATE jobs SET attempts = coalesce(:attempts, attempts + 1), next_at = :nextAt WHERE id = :id';
      connection.run(sql, { id, nextAt, attempts: attempts ?? null });
    },

    hastenLane(lane: string, nextAt: number): void {
      const sql = 'UPDATE jobs SET next_at = :nextAt WHERE account = :account AND lane = :lane AND next_at > :nextAt';
      connection.run(sql, { account, lane, nextAt });
    },

    removeJob(id: number): void {
      connection.run('DELETE FROM jobs WHERE id = :id', { id });
    },

    removeJobsOf(message: string): void {
      connection.run('DELETE FROM jobs WHERE account = :account AND message = :message', { account, message });
    },
  };
}
