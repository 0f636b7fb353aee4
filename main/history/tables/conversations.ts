/** The conversations, and the marks that the person has put on them on this device. */
import { createHash } from 'node:crypto';
import type { ConversationMarks, ConversationPatch, ConversationRecord, Conversations, PersonRecord } from '../records';
import type { AccountChanges } from '../store/changes';
import type { Connection } from '../store/connection';
import { type Bound, conversationColumns, conversationOf } from '../store/rows';
import { KnownConversations } from './known-conversations';

/** Characters of a picture's name, 96 bits. */
const iconNameLength = 16;

/** The column of each field that may change. */
const patchedColumns: Readonly<Record<keyof ConversationPatch, string>> = {
  peer: 'peer',
  subject: 'subject',
  people: 'people',
  conversationId: 'conversation_id',
  contributionId: 'contribution_id',
  focus: 'focus',
  continues: 'continues',
  continuedBy: 'continued_by',
  awaitsPeer: 'awaits_peer',
  joined: 'joined',
  activityAt: 'activity_at',
  writesAs: 'writes_as',
  replyTo: 'reply_to',
  pseudonym: 'pseudonym',
};

function stored(value: string | number | boolean | null | readonly PersonRecord[]): Bound {
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}

/** The conversations of one account, by its key in the table of accounts. */
export function conversationTable(connection: Connection, changes: AccountChanges, account: number): Conversations {
  const known = new KnownConversations(connection);
  changes.onNote((change) => {
    if (change.what === 'conversation') known.changed();
  });
  /** Runs one statement about a conversation, and notes it where a row has changed. */
  const change = (id: string, sql: string, values: Record<string, Bound>, how: 'added' | 'changed' = 'changed'): boolean =>
    changes.write(() => {
      const isChanged = connection.run(sql, values);
      if (isChanged) changes.note({ what: 'conversation', how, id });
      return isChanged;
    });
  return {
    addConversation(record: ConversationRecord): boolean {
      return change(
        record.id,
        `INSERT INTO conversations (id, account, kind, peer, subject, people, conversation_id, contribution_id, focus, continues, continued_by,
           awaits_peer, hides, writes_as, reply_to, pseudonym, joined, created_at, activity_at)
         VALUES (:id, :account, :kind, :peer, :subject, :people, :conversationId, :contributionId, :focus, :continues, :continuedBy,
           :awaitsPeer, :hides, :writesAs, :replyTo, :pseudonym, :joined, :createdAt, :activityAt)
         ON CONFLICT (id) DO NOTHING`,
        {
          id: record.id,
          account,
          kind: record.kind,
          peer: record.peer,
          subject: record.subject,
          people: JSON.stringify(record.people),
          conversationId: record.conversationId,
          contributionId: record.contributionId,
          focus: record.focus,
          continues: record.continues,
          continuedBy: record.continuedBy,
          awaitsPeer: Number(record.awaitsPeer ?? false),
          hides: record.hides ?? null,
          writesAs: record.writesAs ?? null,
          replyTo: record.replyTo ?? null,
          pseudonym: record.pseudonym ?? null,
          joined: Number(record.joined),
          createdAt: record.createdAt,
          activityAt: record.activityAt,
        },
        'added',
      );
    },

    updateConversation(id: string, patch: ConversationPatch): boolean {
      const values: Record<string, Bound> = {};
      for (const [field, value] of Object.entries(patch) as [keyof ConversationPatch, ConversationPatch[keyof ConversationPatch]][]) {
        if (value !== undefined) values[patchedColumns[field]] = stored(value);
      }
      const columns = Object.keys(values);
      if (columns.length === 0) return false;
      const set = columns.map((column) => `${column} = :${column}`).join(', ');
      const differs = columns.map((column) => `${column} IS NOT :${column}`).join(' OR ');
      const sql = `UPDATE conversations SET ${set} WHERE id = :id AND account = :account AND (${differs})`;
      const update = () => change(id, sql, { ...values, id, account });
      return columns.length === 1 && patch.activityAt !== undefined ? known.moved(id, patch.activityAt, update) : update();
    },

    removeUnbegun(id: string): void {
      connection.run(
        `DELETE FROM conversations WHERE id = :id AND account = :account AND hidden = 1
           AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation = :id)`,
        { id, account },
      );
    },

    conversation(id: string): ConversationRecord | null {
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE id = :id AND account = :account`;
      return known.answer(`id ${id}`, () => connection.one(sql, { id, account }, conversationOf));
    },

    oneToOneWith(peer: string, hides?: 'self'): ConversationRecord | null {
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE account = :account AND kind = 'oneToOne' AND peer = :peer AND hides IS :hides
        ORDER BY created_at DESC, rowid DESC LIMIT 1`;
      return known.answer(`peer ${hides ?? 'open'} ${peer}`, () =>
        connection.one(sql, { account, peer, hides: hides ?? null }, conversationOf),
      );
    },

    hiddenBy(conversationId: string, hides: 'self' | 'peer'): ConversationRecord | null {
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE account = :account AND conversation_id = :conversationId AND hides = :hides
        ORDER BY created_at DESC LIMIT 1`;
      return connection.one(sql, { account, conversationId, hides }, conversationOf);
    },

    groupByContribution(contributionId: string): ConversationRecord | null {
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE account = :account AND kind = 'group' AND contribution_id = :contributionId
        ORDER BY created_at DESC LIMIT 1`;
      return connection.one(sql, { account, contributionId }, conversationOf);
    },

    conversations(): ConversationRecord[] {
      const sql = `SELECT ${conversationColumns} FROM conversations WHERE account = :account ORDER BY activity_at DESC, rowid DESC`;
      return connection.all(sql, { account }, conversationOf);
    },

    marks(conversation: string): ConversationMarks {
      const sql =
        'SELECT CAST(draft AS BLOB) AS draft, marked_unread, hidden FROM conversations WHERE id = :conversation AND account = :account';
      const marks = connection.one(sql, { conversation, account }, (row) => ({
        draft: String(row.draft),
        markedUnread: row.marked_unread === 1,
        isHidden: row.hidden === 1,
      }));
      return marks ?? { draft: '', markedUnread: false, isHidden: false };
    },

    setMarks(conversation: string, { draft, markedUnread, isHidden }: Partial<ConversationMarks>): void {
      const sql = `UPDATE conversations SET draft = coalesce(:draft, draft), marked_unread = coalesce(:unread, marked_unread),
        hidden = coalesce(:hidden, hidden)
        WHERE id = :conversation AND account = :account AND (draft IS NOT coalesce(:draft, draft) OR marked_unread IS NOT coalesce(:unread, marked_unread)
          OR hidden IS NOT coalesce(:hidden, hidden))`;
      const flag = (value: boolean | undefined) => (value === undefined ? null : Number(value));
      change(conversation, sql, { conversation, account, draft: draft ?? null, unread: flag(markedUnread), hidden: flag(isHidden) });
    },

    setPrivateDraft(conversation, address, text) {
      const sql =
        text === ''
          ? 'DELETE FROM private_drafts WHERE conversation = :conversation AND address = :address'
          : `INSERT INTO private_drafts (conversation, address, draft) VALUES (:conversation, :address, :text)
             ON CONFLICT (conversation, address) DO UPDATE SET draft = :text WHERE draft IS NOT :text`;
      change(conversation, sql, text === '' ? { conversation, address } : { conversation, address, text });
    },

    privateDrafts(conversation) {
      const sql = `SELECT CAST(address AS BLOB) AS address, CAST(draft AS BLOB) AS draft FROM private_drafts
        WHERE conversation = :conversation ORDER BY address`;
      return connection.all(sql, { conversation }, (row) => ({ address: String(row.address), text: String(row.draft) }));
    },

    setIcon(conversation, icon) {
      if (icon === null) return change(conversation, 'DELETE FROM group_icons WHERE conversation = :conversation', { conversation });
      const name = createHash('sha256').update(icon).digest('base64url').slice(0, iconNameLength);
      return change(
        conversation,
        `INSERT INTO group_icons (conversation, name, icon) VALUES (:conversation, :name, :icon)
         ON CONFLICT (conversation) DO UPDATE SET name = :name, icon = :icon WHERE name IS NOT :name`,
        { conversation, name, icon },
      );
    },

    icon(conversation) {
      const sql = 'SELECT CAST(icon AS BLOB) AS icon FROM group_icons WHERE conversation = :conversation';
      return connection.one(sql, { conversation }, (row) => String(row.icon));
    },

    iconName(conversation) {
      const sql = 'SELECT CAST(name AS BLOB) AS name FROM group_icons WHERE conversation = :conversation';
      return connection.one(sql, { conversation }, (row) => String(row.name));
    },
  };
}
