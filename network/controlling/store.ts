/**
 * What the Controlling Function stores of its groups, so that a restart loses none: the Group State Object of each, the messages that
 * somebody has not taken yet, and the instance of the function that serves it. The store is a file, or memory.
 *
 * A call that has returned is on disk (WAL, synchronous=FULL): a message is answered 200 only after `keep`. Instances of the function on
 * one machine share the file; a group is served by the instance that holds its lease, and by another as soon as that one is gone.
 */
import { randomBytes } from 'node:crypto';
import { StateDatabase } from '../state/database';
import type { GroupHead, GroupState } from './group';
import type { ParticipantState } from './participant';

/** LAB: messages stored for one person of one group; beyond that, the oldest go. */
export const MAX_KEPT_MESSAGES = 1000;
/** LAB: how long a message waits for somebody who is away, ms. */
export const KEPT_FOR_MS = 30 * 24 * 3_600_000;
/** LAB: how long an instance may serve a group without renewing its lease, ms. */
export const LEASE_MS = 15_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS groups (
    focus TEXT PRIMARY KEY, contribution TEXT NOT NULL, active INTEGER NOT NULL, changed_at INTEGER NOT NULL, state TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS groups_by_contribution ON groups (contribution);
  CREATE TABLE IF NOT EXISTS participants (focus TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL, UNIQUE (focus, address));
  CREATE TABLE IF NOT EXISTS leases (focus TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, content_type TEXT NOT NULL, body BLOB NOT NULL, kept_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS waiting (
    focus TEXT NOT NULL, address TEXT NOT NULL, message INTEGER NOT NULL REFERENCES messages (id), PRIMARY KEY (focus, address, message));
  CREATE INDEX IF NOT EXISTS waiting_by_message ON waiting (message);
`;

/** Before people had rows of their own, they were part of their group's row. */
const UPGRADE = `
  BEGIN IMMEDIATE;
  INSERT OR IGNORE INTO participants (focus, address, state)
    SELECT focus, json_extract(one.value, '$.address'), one.value FROM groups, json_each(groups.state, '$.participants') AS one;
  UPDATE groups SET state = json_remove(state, '$.participants') WHERE json_type(state, '$.participants') IS NOT NULL;
  COMMIT;
`;

export interface GroupContent {
  contentType: string;
  body: Uint8Array;
}

/** A message that waits for one person. */
export interface KeptMessage extends GroupContent {
  id: number;
}

/** The instances of this process; those of other processes are looked up by process id. */
const living = new Set<string>();

export class GroupStore {
  readonly #database: StateDatabase;
  /** This instance of the function: process id and a random part. */
  readonly #owner = `${process.pid}-${randomBytes(6).toString('hex')}`;

  /** Opens the file, or memory when it is null. @throws Error with one sentence that names the file when it cannot be used */
  constructor(
    file: string | null,
    private readonly now: () => number,
  ) {
    this.#database = new StateDatabase(file, 'The groups', SCHEMA, UPGRADE);
    this.#database.run('DELETE FROM waiting WHERE message IN (SELECT id FROM messages WHERE kept_at < ?)', now() - KEPT_FOR_MS);
    this.#database.run('DELETE FROM messages WHERE id NOT IN (SELECT message FROM waiting)');
    living.add(this.#owner);
  }

  /** Stores the description of the group, and the people who changed. */
  save(group: GroupHead, changed: readonly ParticipantState[]): void {
    this.#database.transaction(() => {
      this.#database.run(
        `INSERT INTO groups VALUES (?, ?, ?, ?, ?) ON CONFLICT (focus) DO UPDATE
         SET contribution = excluded.contribution, active = excluded.active, changed_at = excluded.changed_at, state = excluded.state`,
        group.focus,
        group.contributionId,
        group.active ? 1 : 0,
        this.now(),
        JSON.stringify(group),
      );
      const sql = 'INSERT INTO participants VALUES (?, ?, ?) ON CONFLICT (focus, address) DO UPDATE SET state = excluded.state';
      for (const person of changed) this.#database.run(sql, group.focus, person.address, JSON.stringify(person));
      if (!group.active) this.#database.run('DELETE FROM waiting WHERE focus = ?', group.focus);
    });
  }

  find(focus: string): GroupState | null {
    return this.#whole(this.#database.row('SELECT state FROM groups WHERE focus = ?', focus));
  }

  /** The group with this Contribution-ID: the living one, else the one that ended last. */
  findByContribution(contributionId: string): GroupState | null {
    return this.#whole(
      this.#database.row('SELECT state FROM groups WHERE contribution = ? ORDER BY active DESC, changed_at DESC', contributionId),
    );
  }

  /** Every group, including ended ones, the one that changed last at the end. */
  all(): GroupState[] {
    const rows = this.#database.rows<StateRow>('SELECT state FROM groups ORDER BY active, changed_at, rowid');
    return rows.flatMap((row) => this.#whole(row) ?? []);
  }

  /** A group with its people, in the order in which they came to it. */
  #whole(row: StateRow | null): GroupState | null {
    if (row === null) return null;
    const head = stateOf<GroupHead>(row);
    const rows = this.#database.rows<StateRow>('SELECT state FROM participants WHERE focus = ? ORDER BY rowid', head.focus);
    return { ...head, participants: rows.map((one) => stateOf<ParticipantState>(one)) };
  }

  /** Removes the oldest ended groups, so that no more than `most` are left. */
  forgetEnded(most: number): void {
    const oldest = '(SELECT focus FROM groups WHERE active = 0 ORDER BY changed_at DESC, rowid DESC LIMIT -1 OFFSET ?)';
    this.#database.transaction(() => {
      this.#database.run(`DELETE FROM participants WHERE focus IN ${oldest}`, most);
      this.#database.run(`DELETE FROM groups WHERE focus IN ${oldest}`, most);
    });
  }

  /** Stores a message until each of `addresses` has taken it. */
  keep(focus: string, addresses: readonly string[], content: GroupContent): number {
    return this.#database.transaction(() => {
      this.#database.run(
        'INSERT INTO messages (content_type, body, kept_at) VALUES (?, ?, ?)',
        content.contentType,
        Buffer.from(content.body),
        this.now(),
      );
      const id = this.#database.lastId;
      for (const address of addresses) this.#database.run('INSERT INTO waiting VALUES (?, ?, ?)', focus, address, id);
      return id;
    });
  }

  /** The messages that wait for a person, oldest first. */
  waiting(focus: string, address: string): KeptMessage[] {
    this.#database.run(
      `DELETE FROM waiting WHERE focus = ?1 AND address = ?2 AND message IN
       (SELECT message FROM waiting WHERE focus = ?1 AND address = ?2 ORDER BY message DESC LIMIT -1 OFFSET ?3)`,
      focus,
      address,
      MAX_KEPT_MESSAGES,
    );
    const rows = this.#database.rows<{ id: number; content_type: string; body: Buffer }>(
      `SELECT id, content_type, body FROM waiting JOIN messages ON id = message WHERE focus = ? AND address = ? ORDER BY id`,
      focus,
      address,
    );
    return rows.map((row) => ({ id: Number(row.id), contentType: row.content_type, body: new Uint8Array(row.body) }));
  }

  /** People have taken messages; a message that everybody has taken is removed. */
  taken(focus: string, answers: readonly { address: string; id: number }[]): void {
    this.#database.transaction(() => {
      for (const { address, id } of answers)
        this.#database.run('DELETE FROM waiting WHERE focus = ? AND address = ? AND message = ?', focus, address, id);
      for (const id of new Set(answers.map((answer) => answer.id)))
        this.#database.run('DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM waiting WHERE message = ?1)', id);
    });
  }

  /** The person has left for good: nothing waits for them any more. */
  forget(focus: string, address: string): void {
    this.#database.run('DELETE FROM waiting WHERE focus = ? AND address = ?', focus, address);
  }

  /** Takes or renews the lease of a group; false while another living instance has it. */
  claim(focus: string): boolean {
    return this.#database.transaction(() => {
      const lease = this.#database.row<Lease>('SELECT owner, until FROM leases WHERE focus = ?', focus);
      if (lease !== null && lease.owner !== this.#owner && lease.until > this.now() && isAlive(lease.owner)) return false;
      this.#database.run(
        'INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (focus) DO UPDATE SET owner = excluded.owner, until = excluded.until',
        focus,
        this.#owner,
        this.now() + LEASE_MS,
      );
      return true;
    });
  }

  /** Renews the leases of this instance. */
  renew(): void {
    this.#database.run('UPDATE leases SET until = ? WHERE owner = ?', this.now() + LEASE_MS, this.#owner);
  }

  /** Gives up the lease: any instance may take the group. */
  release(focus: string): void {
    this.#database.run('DELETE FROM leases WHERE focus = ? AND owner = ?', focus, this.#owner);
  }

  close(): void {
    if (!living.delete(this.#owner)) return;
    this.#database.run('DELETE FROM leases WHERE owner = ?', this.#owner);
    this.#database.close();
  }
}

interface Lease {
  owner: string;
  until: number;
}

function isAlive(owner: string): boolean {
  const pid = Number(owner.split('-')[0]);
  if (pid === process.pid) return living.has(owner);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

interface StateRow {
  state: string;
}

function stateOf<T>(row: StateRow): T {
  return JSON.parse(row.state) as T;
}
