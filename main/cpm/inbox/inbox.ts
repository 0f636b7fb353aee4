/**
 * The one door by which everything enters, whatever path it came: a session, a pager message, a group, and later another device of this person or a
 * store. What follows from the path is in the table of `arrival.ts`; what becomes of the content, in one file for each type.
 *
 * The promise of `take` is the network's acknowledgement: it resolves only when what came is on disk, with the receipt that it asks for.
 */

import type { PersonValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { ANONYMOUS_URI, type CpimMessage } from '../../../protocol/cpim';
import { parseContentType } from '../../../protocol/multipart';
import { correspondentKey } from '../../../protocol/uri';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { composingType, imdnType } from '../conversation/envelope';
import { person } from '../conversation/values';
import { type Arrival, consequences, type TakeContent } from './arrival';
import { ComposingStates } from './composing';
import { takeReceipt } from './receipt';
import { takeText } from './text';

/** What the outbox is told. */
export interface InboxEffects {
  /** A receipt waits in this lane. */
  receiptQueued(lane: string): void;
  /** The other side of a conversation is there; `sender`: this person, where it is known who. */
  heardFrom(conversation: string, sender: string | null): void;
  /** A receipt says that this text is there. */
  reached(message: string): void;
}

export class Inbox {
  readonly #context: CpmContext;
  readonly #effects: InboxEffects;
  readonly #composing: ComposingStates;
  /** What takes content, by its media type. */
  readonly #takers: ReadonlyMap<string, TakeContent>;

  constructor(context: CpmContext, effects: InboxEffects) {
    this.#context = context;
    this.#effects = effects;
    this.#composing = new ComposingStates(context);
    const textEffects = {
      stopComposing: this.#composing.stop.bind(this.#composing),
      receiptQueued: effects.receiptQueued,
    };
    this.#takers = new Map<string, TakeContent>([
      ['text/plain', (incoming) => takeText(context, textEffects, incoming)],
      [imdnType, (incoming) => takeReceipt(context, effects.reached, incoming)],
      [composingType, (incoming) => this.#composing.take(incoming)],
    ]);
  }

  /** Takes one piece of content. @throws AppError when it could not be kept; the caller then refuses it to the network */
  async take(arrival: Arrival, envelope: CpimMessage): Promise<void> {
    const conversation = this.#context.history.conversation(arrival.conversation);
    if (conversation === null) throw new AppError('conversation/unknown', { cause: arrival.conversation });
    const sender = arrival.sender ?? this.#memberOf(conversation, envelope.from ?? ANONYMOUS_URI);
    const follows = consequences[arrival.origin];
    const take = this.#takers.get(parseContentType(envelope.contentType).type);
    if (take !== undefined) take({ arrival, conversation, sender, envelope, ...follows });
    // Never shown as bytes.
    else this.#context.log.info('a message of an unknown type was left out', { contentType: envelope.contentType });
    if (follows.showsPresence) this.heardFrom(arrival.conversation, sender.address);
    await this.#context.history.onDisk();
  }

  #memberOf(group: ConversationRecord, address: string): PersonValue {
    const known = this.#context.people.known(correspondentKey(address) ?? address);
    return person(address, null, [...(known === null ? [] : [known]), ...group.people]);
  }

  /** The other side of a conversation is there. */
  heardFrom(conversation: string, sender: string | null): void {
    this.#effects.heardFrom(conversation, sender);
  }

  dispose(): void {
    this.#composing.dispose();
  }
}
