/** Sample records of a history: a 1-1 with Bob and his messages, with changes by the test. */
import type { ConversationRecord, MessageRecord } from '../../../main/history/records';

export function conversationRecord(id: string, change: Partial<ConversationRecord> = {}): ConversationRecord {
  return {
    id,
    kind: 'oneToOne',
    peer: 'sip:bob@lab.test',
    subject: null,
    people: [{ address: 'sip:bob@lab.test', name: 'Bob' }],
    conversationId: id,
    contributionId: null,
    focus: null,
    continues: null,
    continuedBy: null,
    joined: true,
    createdAt: 1,
    activityAt: 1,
    ...change,
  };
}

/** A change of the message, with its words as `text` for short. */
export type MessageChange = Partial<MessageRecord> & { text?: string };

export function messageRecord(id: string, { text = `text of ${id}`, ...change }: MessageChange = {}): MessageRecord {
  return {
    id,
    conversation: 'c',
    direction: 'in',
    from: 'sip:bob@lab.test',
    fromName: 'Bob',
    fromDevice: null,
    content: { kind: 'text', text },
    state: 'received',
    sentAt: 5000,
    receivedAt: 5001,
    error: null,
    wantsDelivered: false,
    wantsDisplayed: false,
    ...change,
  };
}
