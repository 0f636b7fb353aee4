import type { ConversationValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { firstName } from '../words/person';

/** The person of the 1-1 chat that the group has grown out of. */
export function useOldChat(conversation: ConversationValue): { old: ConversationValue; who: string } | null {
  const old = useChorus((state) => (conversation.continues === null ? undefined : state.conversations.get(conversation.continues)));
  const person = old?.people[0];
  return old === undefined || person === undefined ? null : { old, who: firstName(person) };
}
