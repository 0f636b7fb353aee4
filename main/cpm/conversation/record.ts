/** The record of a conversation that begins. */
import type { Clock } from '../../../base/clock';
import type { ConversationRecord } from '../../history/records';

/** Fields that are not named have the values of a conversation in which nothing has happened yet. Nothing is written to disk. */
export function newConversation(
  clock: Clock,
  beginning: Pick<ConversationRecord, 'kind' | 'people'> & Partial<Omit<ConversationRecord, 'createdAt' | 'activityAt'>>,
): ConversationRecord {
  const now = clock.now();
  return {
    id: clock.uuid(),
    peer: null,
    subject: null,
    conversationId: clock.uuid(),
    contributionId: null,
    focus: null,
    continues: null,
    continuedBy: null,
    joined: true,
    ...beginning,
    createdAt: now,
    activityAt: now,
  };
}
