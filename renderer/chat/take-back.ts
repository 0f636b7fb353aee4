/** A text that has not left is taken back: its words return to the field, before anything that is already there, and can be changed or sent again. */
import type { MessageValue } from '../../preload/contract';
import { draftKey, type useServices } from '../desk/desk';

export async function takeBack(
  { store, desk }: Pick<ReturnType<typeof useServices>, 'store' | 'desk'>,
  message: MessageValue,
): Promise<void> {
  const { conversation, text } = message;
  const onlyWith = message.onlyWith;
  const key = draftKey(conversation, onlyWith);
  const chat = store.cell.get().conversations.get(conversation);
  const kept = onlyWith === undefined ? chat?.draft : chat?.privateDrafts.find((one) => one.address === onlyWith)?.text;
  const before = desk.cell.get().drafts.get(key) ?? kept ?? '';
  const joined = before === '' ? text : `${text}\n${before}`;
  // The words are in the field before the message is gone, so that nothing can lose them.
  desk.setDraft(conversation, joined, onlyWith);
  desk.writePrivately(conversation, onlyWith ?? null);
  const answer = await store.call('discard', { message: message.message });
  // It has left at this very moment.
  if (!answer.ok && desk.cell.get().drafts.get(key) === joined) desk.setDraft(conversation, before, onlyWith);
}
