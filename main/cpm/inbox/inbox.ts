/**
 * The one door by which everything enters, whatever path it came: a session, a pager message, a group, another device of this person (`copied`), and
 * later a store. What follows from the path is in the table of `door.ts`; what becomes of the content, in one file for each type.
 *
 * The promise of `take` is the network's acknowledgement: it resolves only when what came is on disk, with the receipt that it asks for.
 */

import type { PersonValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { ANONYMOUS_URI, type CpimMessage } from '../../../protocol/cpim';
import { GROUP_DATA_CONTENT_TYPE } from '../../../protocol/group-data';
import { parseContentType } from '../../../protocol/multipart';
import { correspondentKey } from '../../../protocol/uri';
import { isVisible } from '../../../protocol/visible-text';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { composingType, imdnType } from '../conversation/envelope';
import { person } from '../conversation/values';
import { Attention } from './attention';
import { ComposingStates } from './composing';
import { piecesOf } from './content';
import { CopiedContent } from './copied';
import { type Arrival, rules, type TakeContent } from './door';
import { takeFile } from './file';
import { takeReceipt } from './receipt';
import { isReadAsText, takeText, textOf } from './text';

const textType = 'text/plain';

/** LAB: documents that programs tell one another. Nobody wants them as a file. */
const forPrograms: ReadonlySet<string> = new Set([
  'application/conference-info+xml',
  'application/reginfo+xml',
  'application/resource-lists+xml',
  'application/sdp',
  'message/sip',
  'message/sipfrag',
  GROUP_DATA_CONTENT_TYPE,
]);

function isForPrograms({ contentType, contentHeaders }: CpimMessage): boolean {
  const { type } = parseContentType(contentType);
  if (type === imdnType || type === composingType) return false;
  return forPrograms.has(type) || /^notification\b/i.test(contentHeaders.get('content-disposition') ?? '');
}

/** A text of another kind than text/plain that is sent as a file (RFC 2183 section 2.2). */
function isAttached({ contentType, contentHeaders }: CpimMessage): boolean {
  return parseContentType(contentType).type !== textType && /^attachment\b/i.test(contentHeaders.get('content-disposition') ?? '');
}

/** What the outbox is told. */
export interface InboxEffects {
  /** A receipt waits in this lane, or what stood before others is gone from it. */
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
  readonly #attention: Attention;
  /** Where what another device of this person has told comes in. */
  readonly copied: CopiedContent;
  /** What takes content, by its media type. */
  readonly #takers: ReadonlyMap<string, TakeContent>;
  /** Takes every other content. */
  readonly #takeFile: TakeContent;

  constructor(context: CpmContext, effects: InboxEffects) {
    this.#context = context;
    this.#effects = effects;
    this.#composing = new ComposingStates(context);
    this.#attention = new Attention(context);
    const added = this.#attention.added.bind(this.#attention);
    this.copied = new CopiedContent(context, { added, reached: effects.reached, woken: effects.receiptQueued });
    const messageEffects = {
      added,
      stopComposing: this.#composing.stop.bind(this.#composing),
      receiptQueued: effects.receiptQueued,
    };
    this.#takers = new Map<string, TakeContent>([
      [textType, (incoming) => takeText(context, messageEffects, incoming)],
      [imdnType, (incoming) => takeReceipt(context, effects.reached, incoming)],
      [composingType, (incoming) => this.#composing.take(incoming)],
    ]);
    this.#takeFile = (incoming) => takeFile(context, messageEffects, incoming);
  }

  /** Takes one piece of content. @throws AppError when it could not be kept; the caller then refuses it to the network */
  async take(arrival: Arrival, envelope: CpimMessage): Promise<void> {
    const conversation = this.#context.history.conversation(arrival.conversation);
    if (conversation === null) throw new AppError('conversation/unknown', { cause: arrival.conversation });
    const sender = arrival.sender ?? this.#memberOf(conversation, envelope.from ?? ANONYMOUS_URI);
    const follows = rules[arrival.origin];
    const pieces = this.#piecesOf(envelope);
    // What programs tell one another beside a text is left out; alone it is refused.
    const forPeople = pieces.filter((piece) => !isForPrograms(piece));
    const takeAll = () => {
      for (const piece of forPeople.length === 0 ? pieces : forPeople)
        this.#takerOf(piece)({ arrival, conversation, sender, envelope: piece, ...follows });
    };
    const draw = this.#attention.during(() => (pieces.length === 1 ? takeAll() : this.#context.history.soon(takeAll)));
    if (follows.showsPresence) this.heardFrom(arrival.conversation, sender.address);
    await this.#context.history.onDisk();
    draw();
  }

  /** Whether there is something in it for the person to see, so that it may begin a chat. */
  shows(envelope: CpimMessage): boolean {
    return this.#piecesOf(envelope).some((piece) => {
      const { type } = parseContentType(piece.contentType);
      if (isReadAsText(type) && !isAttached(piece)) return isVisible(textOf(piece));
      return type !== imdnType && type !== composingType && !isForPrograms(piece);
    });
  }

  #piecesOf(envelope: CpimMessage): CpimMessage[] {
    return piecesOf(envelope, (type) => this.#takers.has(type));
  }

  /** @throws AppError `sip/rejected` with 415: whoever hears "received" believes it */
  #takerOf(piece: CpimMessage): TakeContent {
    const { contentType, contentHeaders } = piece;
    const { type } = parseContentType(contentType);
    const isEncoded = contentHeaders.has('content-transfer-encoding');
    const shown = isReadAsText(type) && !isAttached(piece) ? textType : type;
    const known = isEncoded ? undefined : this.#takers.get(shown);
    if (known !== undefined) return known;
    if (isForPrograms(piece)) throw new AppError('sip/rejected', { status: 415, reason: 'Unsupported Media Type', cause: contentType });
    return this.#takeFile;
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
    this.#attention.dispose();
  }
}
