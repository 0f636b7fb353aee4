/**
 * Conversations that were read lately: each incoming text asks for its own several times. What is here is what the file holds: every write of a conversation
 * comes by, and a write that is undone empties it.
 */
import type { ConversationRecord } from '../records';
import type { Connection } from '../store/connection';

/** How many questions are remembered. */
const maximumKnown = 500;

export class KnownConversations {
  /** By the question. The records are shared by all who ask, so nobody may write into them. */
  readonly #answers = new Map<string, ConversationRecord | null>();
  #isMoving = false;

  constructor(connection: Pick<Connection, 'onUndone'>) {
    connection.onUndone(() => this.forget());
  }

  /** The answer to a question, as it was read by `read` the first time. */
  answer(question: string, read: () => ConversationRecord | null): ConversationRecord | null {
    const known = this.#answers.get(question);
    if (known !== undefined) return known;
    const answer = read();
    if (this.#answers.size >= maximumKnown) this.forget();
    this.#answers.set(question, answer === null ? null : frozen(answer));
    return answer;
  }

  /** A conversation is written. */
  changed(): void {
    if (!this.#isMoving) this.forget();
  }

  /** Runs the update of a conversation in which something was said: it moves in the list, and nothing else of it changes. */
  moved(id: string, activityAt: number, update: () => boolean): boolean {
    this.#isMoving = true;
    try {
      if (!update()) return false;
    } finally {
      this.#isMoving = false;
    }
    for (const [question, known] of this.#answers) if (known?.id === id) this.#answers.set(question, frozen({ ...known, activityAt }));
    return true;
  }

  forget(): void {
    this.#answers.clear();
  }
}

function frozen(record: ConversationRecord): ConversationRecord {
  for (const person of record.people) Object.freeze(person);
  Object.freeze(record.people);
  return Object.freeze(record);
}
