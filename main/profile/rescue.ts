/**
 * Gives the person access to a damaged history: what happened, how much is readable, and its conversations to read and save. Nothing else
 * runs meanwhile, because a device that cannot store messages must not accept any.
 */

import type { Disposable } from '../../base/disposable';
import type { Logger } from '../../base/log';
import type { ConversationValue, MessageValue, RescueValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { messageValue } from '../cpm/conversation/values';
import { type RescuedHistory, rescueHistory } from '../history/store/rescue';

export class Rescue implements Disposable {
  readonly value: RescueValue;
  readonly #history: RescuedHistory;

  /** `error` is why the history could not be used. Never throws. */
  constructor({ file, key, log, error }: { file: string; key: string; log: Logger; error: AppError }) {
    log.error('the history is damaged; it is read as far as it can be', { error: error.message });
    this.#history = rescueHistory({ file, key, log });
    this.value = {
      error: new AppError('storage/damaged', error.detail, 'user').toValue(),
      source: this.#history.source,
      copiedAt: this.#history.copiedAt,
      conversations: this.#history.conversations.map(({ record, messages }) => ({
        conversation: record.id,
        kind: record.kind,
        subject: record.subject,
        people: record.people,
        anonymous: record.hides ?? null,
        createdAt: record.createdAt,
        messages,
      })),
    };
  }

  /** The data for an export. @throws AppError `conversation/unknown` */
  read(conversation: string): { conversation: RescueValue['conversations'][number]; messages: Iterable<MessageValue> } {
    const found = this.value.conversations.find((one) => one.conversation === conversation);
    if (found === undefined) throw new AppError('conversation/unknown', { cause: conversation });
    return { conversation: found, messages: this.#messages(conversation) };
  }

  /** A page of the readable messages, backwards from the end. @throws AppError `conversation/unknown`, `ipc/refused` for any other order */
  page(
    conversation: string,
    { before, ...other }: { before?: string | undefined; after?: unknown; around?: unknown },
    limit: number,
  ): MessageValue[] {
    if (other.after !== undefined || other.around !== undefined)
      throw new AppError('ipc/refused', { cause: 'a damaged history is read backwards' });
    this.read(conversation);
    return this.#history.page(conversation, before, limit).map((record) => messageValue(record, []));
  }

  /** The answer to every call that needs the history. */
  get refusal(): AppError {
    const { cause } = this.value.error;
    return new AppError('storage/damaged', cause === undefined ? {} : { cause }, 'user');
  }

  dispose(): void {
    this.#history.dispose();
  }

  *#messages(conversation: ConversationValue['conversation']): Generator<MessageValue> {
    for (const record of this.#history.messages(conversation)) yield messageValue(record, []);
  }
}
