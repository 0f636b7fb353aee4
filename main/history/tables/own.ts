/** What the own copies keep: the logs of all devices of this person, and the state that their events make (docs/OWN-DEVICES.md). */
import type { RawEvent } from '../../own/events';
import type { ElementKind, Head, OwnStore, Place, Row } from '../../own/store';
import type { Vector } from '../../own/vector';
import type { AccountChanges } from '../store/changes';
import type { Connection } from '../store/connection';
import type { Row as Columns } from '../store/rows';

/** Above every text that begins with a prefix. */
const TOP = '\u{10ffff}';

const rowColumns = 'n, CAST(h AS BLOB) AS h, CAST(ev AS BLOB) AS ev, at';

function rowOf({ n, h, ev, at }: Columns): Row {
  return { n: Number(n), h: String(h), ev: ev === null ? null : (JSON.parse(String(ev)) as RawEvent), at: Number(at) };
}

/** The key of the message that an event brings: by it the text is found that a deletion takes out of the log. */
const keyOf = (event: RawEvent | null) => (event?.e === 'msg' ? String(event.k) : null);

export function ownTable(connection: Connection, changes: AccountChanges, account: number): OwnStore {
  let head: Head | null | undefined;
  // What was undone on disk is not what is remembered here.
  connection.onUndone(() => {
    head = undefined;
  });
  return {
    transaction: (work) => changes.transaction(work),

    head() {
      head ??= connection.one(
        'SELECT CAST(value AS BLOB) AS value FROM own_head WHERE account = :account',
        { account },
        ({ value }) => JSON.parse(String(value)) as Head,
      );
      return head;
    },

    setHead(value) {
      const sql = 'INSERT INTO own_head (account, value) VALUES (:account, :value) ON CONFLICT (account) DO UPDATE SET value = :value';
      connection.run(sql, { account, value: JSON.stringify(value) });
      head = value;
    },

    row: (writer, n) =>
      connection.one(
        `SELECT ${rowColumns} FROM own_log WHERE account = :account AND writer = :writer AND n = :n`,
        { account, writer, n },
        rowOf,
      ),

    rows: (writer, after, limit) =>
      connection.all(
        `SELECT ${rowColumns} FROM own_log WHERE account = :account AND writer = :writer AND n > :after ORDER BY n LIMIT :limit`,
        { account, writer, after, limit },
        rowOf,
      ),

    putRow(writer, { n, h, ev, at }) {
      const sql = `INSERT INTO own_log (account, writer, n, h, ev, at, key) VALUES (:account, :writer, :n, :h, :ev, :at, :key)
        ON CONFLICT (account, writer, n) DO UPDATE SET h = :h, ev = :ev, at = :at, key = :key`;
      connection.run(sql, { account, writer, n, h, ev: ev === null ? null : JSON.stringify(ev), at, key: keyOf(ev) });
    },

    dropRows(writer, after) {
      connection.run('DELETE FROM own_log WHERE account = :account AND writer = :writer AND n > :after', { account, writer, after });
    },

    placesOf: (key) =>
      connection.all(
        `SELECT CAST(writer AS BLOB) AS writer, ${rowColumns} FROM own_log WHERE account = :account AND key = :key`,
        { account, key },
        (row) => ({
          writer: String(row.writer),
          row: rowOf(row),
        }),
      ),

    element(kind, key) {
      const sql = 'SELECT CAST(value AS BLOB) AS value FROM own_elements WHERE account = :account AND kind = :kind AND key = :key';
      return connection.one(sql, { account, kind, key }, ({ value }) => JSON.parse(String(value)) as unknown) ?? undefined;
    },

    putElement(kind: ElementKind, key: string, value: unknown) {
      const place = kind === 'msg' ? (value as { po: number }).po : null;
      const sql = `INSERT INTO own_elements (account, kind, key, value, place) VALUES (:account, :kind, :key, :value, :place)
        ON CONFLICT (account, kind, key) DO UPDATE SET value = :value, place = :place`;
      connection.run(sql, { account, kind, key, value: JSON.stringify(value), place });
    },

    dropElement(kind, key) {
      connection.run('DELETE FROM own_elements WHERE account = :account AND kind = :kind AND key = :key', { account, kind, key });
    },

    keys: (kind, prefix, after, limit) =>
      connection.all(
        `SELECT CAST(key AS BLOB) AS key FROM own_elements
          WHERE account = :account AND kind = :kind AND key > :after AND key >= :prefix AND key < :top ORDER BY key LIMIT :limit`,
        { account, kind, prefix, after, top: `${prefix}${TOP}`, limit },
        ({ key }) => String(key),
      ),

    messagesBefore(place, limit) {
      const [po, key] = place ?? [Number.MAX_SAFE_INTEGER, ''];
      const sql = `SELECT place, CAST(key AS BLOB) AS key FROM own_elements WHERE account = :account AND kind = 'msg' AND (place, key) < (:po, :key)
        ORDER BY place DESC, key DESC LIMIT :limit`;
      return connection.all(sql, { account, po, key, limit }, (row): Place => [Number(row.place), String(row.key)]);
    },

    messageCount(since) {
      const sql = `SELECT count(*) AS count FROM own_elements WHERE account = :account AND kind = 'msg' AND place >= :since`;
      return connection.one(sql, { account, since: since ?? Number.MIN_SAFE_INTEGER }, ({ count }) => Number(count)) ?? 0;
    },

    owed: () =>
      connection.all(
        'SELECT CAST(key AS BLOB) AS key, CAST(event AS BLOB) AS event FROM own_owed WHERE account = :account',
        { account },
        ({ key, event }) => ({
          key: String(key),
          event: JSON.parse(String(event)) as RawEvent,
        }),
      ),

    setOwed(key, event) {
      if (event === null) connection.run('DELETE FROM own_owed WHERE account = :account AND key = :key', { account, key });
      else {
        const sql =
          'INSERT INTO own_owed (account, key, event) VALUES (:account, :key, :event) ON CONFLICT (account, key) DO UPDATE SET event = :event';
        connection.run(sql, { account, key, event: JSON.stringify(event) });
      }
    },

    told: (instance) =>
      connection.one(
        'SELECT CAST(vector AS BLOB) AS vector FROM own_told WHERE account = :account AND instance = :instance',
        { account, instance },
        ({ vector }) => JSON.parse(String(vector)) as Vector,
      ),

    setTold(instance, vector) {
      const sql =
        'INSERT INTO own_told (account, instance, vector) VALUES (:account, :instance, :vector) ON CONFLICT (account, instance) DO UPDATE SET vector = :vector';
      connection.run(sql, { account, instance, vector: JSON.stringify(vector) });
    },
  };
}
