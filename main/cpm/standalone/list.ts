/**
 * One text to several people in one request (RFC 5365, OMA CPM message to a list). Each copy is a message of its own 1-1, with a job in its own lane; the
 * copies that leave at the same time go together, to the network's function that makes a copy for each person.
 *
 *   copy --gathered for `gatherMs`--> one request --202--> all copies are sent; receipts, also of failure, come for each person
 *     \--alone, too long, or the network makes no copies--> each copy goes by itself
 */
import { delay } from '../../../base/clock';
import { AppError } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import { encodeMultipart, multipartType, newBoundary } from '../../../protocol/multipart';
import { encodeResourceLists, RESOURCE_LISTS_CONTENT_TYPE } from '../../../protocol/resource-lists';
import type { ConversationRecord, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { cpimType, type Parties, textEnvelope, wireId } from '../conversation/envelope';
import { identityOf } from '../conversation/values';

/** LAB: how long the first copy waits for the others. */
export const gatherMs = 100;
/** LAB: how long a network that makes no copies is not asked again. */
export const noCopiesForMs = 10 * 60_000;
/** The answers of a network that makes no copies of messages. */
const makesNoCopies: readonly number[] = [400, 404, 405, 413, 415, 416, 420, 501];

interface Batch {
  readonly copies: { message: MessageRecord; conversation: ConversationRecord }[];
  /** False: each goes by itself. */
  readonly done: Promise<boolean>;
}

export class ListMessages {
  readonly #context: CpmContext;
  /** The copies that are gathered now, by Message-ID and sender. */
  readonly #gathering = new Map<string, Batch>();
  #asksAgainAt = 0;

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /** True when the network has this copy; false where it has to go by itself. @throws AppError why the request did not leave */
  carry(message: MessageRecord, conversation: ConversationRecord, parties: Parties): Promise<boolean> {
    const { clock } = this.#context;
    if (clock.now() < this.#asksAgainAt || conversation.hides !== undefined) return Promise.resolve(false);
    const key = JSON.stringify([wireId(message.id), parties.from, parties.name]);
    const open = this.#gathering.get(key);
    if (open !== undefined) {
      open.copies.push({ message, conversation });
      return open.done;
    }
    const copies = [{ message, conversation }];
    const done = delay(clock, gatherMs).then(() => {
      this.#gathering.delete(key);
      return copies.length > 1 && this.#send(copies, parties);
    });
    this.#gathering.set(key, { copies, done });
    return done;
  }

  async #send(copies: Batch['copies'], parties: Parties): Promise<boolean> {
    const { clock, sip, history, factory } = this.#context;
    const [first] = copies;
    if (first === undefined) return false;
    // Nobody learns of the others: each person is written to alone (RFC 5364: bcc).
    const entries = copies.map(({ conversation }) => ({ uri: conversation.peer ?? '', copyControl: 'bcc' as const }));
    const parts = [
      {
        contentType: RESOURCE_LISTS_CONTENT_TYPE,
        headers: new Map([['content-disposition', 'recipient-list']]),
        body: new TextEncoder().encode(encodeResourceLists(entries)),
      },
      {
        contentType: cpimType,
        headers: new Map<string, string>(),
        body: textEnvelope(first.message, { ...parties, to: [factory] }, clock.now()),
      },
    ];
    const boundary = newBoundary(() => clock.random(), parts);
    for (const { message } of copies) history.setStandalone(message.id, 'list');
    try {
      await sip.sendPager({
        target: factory,
        icsi: ICSI.msgToList,
        require: ['recipient-list-message'],
        conversationId: clock.uuid(),
        contributionId: clock.uuid(),
        contentType: multipartType(boundary),
        body: encodeMultipart(parts, boundary),
        ...identityOf(first.conversation, this.#context),
      });
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'sip/rejected' || !makesNoCopies.includes(error.detail.status ?? 0)) throw error;
      this.#asksAgainAt = clock.now() + noCopiesForMs;
      for (const { message } of copies) history.setStandalone(message.id, null);
      return false;
    }
  }
}
