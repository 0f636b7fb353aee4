/**
 * Sends a text that is too long for a pager message by itself (OMA CPM Large Message Mode, R86): an invitation that only sends, the message over MSRP, and
 * BYE after its last acknowledgement. It is no chat: no session is shown, and the next text does not go this way unless it is as long.
 *
 *   inviting --2xx, media--> sending --acknowledged--> BYE, carried
 *      |                        \--refused, media lost--> BYE, failed
 *      \--this kind is not taken, or not answered in `answerLimitMs`--> a session is the better way
 */
import { delay } from '../../../base/clock';
import { drop } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { ICSI } from '../../../protocol/feature-tags';
import type { ConversationRecord, MessageRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { cpimType, type Parties, textEnvelope } from '../conversation/envelope';
import { readRefusal } from '../conversation/refusals';
import { identityOf } from '../conversation/values';
import { CpmSession, completed } from '../session/session';

/** LAB: a device accepts by itself; one that takes longer asks its person, and is called in the usual way instead. */
export const answerLimitMs = 15_000;

/** Resolves to false where the other side does not take this kind, and nothing has left. @throws AppError why the message did not arrive */
export async function sendLarge(
  context: CpmContext,
  conversation: ConversationRecord,
  message: MessageRecord,
  parties: Parties,
): Promise<boolean> {
  const { clock, log } = context;
  const head = { ...message, content: { kind: 'text' as const, text: '' } };
  const session = CpmSession.invite(
    context,
    conversation.id,
    {
      target: conversation.peer ?? '',
      icsi: ICSI.largemsg,
      direction: 'sendonly',
      conversationId: conversation.conversationId,
      contributionId: clock.uuid(),
      ...identityOf(conversation, context),
      ...(message.replyTo === undefined ? {} : { replyTo: message.replyTo }),
      // The receiver learns the Message-ID and the receipts wanted before it accepts.
      parts: [{ contentType: cpimType, headers: new Map(), body: textEnvelope(head, parties, clock.now()) }],
    },
    nothingComesBack,
  );
  const close = () => drop(session.close(completed), log, 'ending a large message');
  try {
    const isAnswered = await Promise.race([session.answered.then(() => true), delay(clock, answerLimitMs).then(() => false)]);
    if (!isAnswered) return false;
    await session.opened;
    await session.send(cpimType, textEnvelope(message, parties, clock.now()));
    return true;
  } catch (error) {
    if (isOfAnotherKind(error)) return false;
    throw error;
  } finally {
    close();
  }
}

async function nothingComesBack(): Promise<void> {
  throw new AppError('msrp/rejected', { status: 403, reason: 'Nobody reads here' });
}

/** Refusals of the kind of session, not of the message or its sender; also that no device is there that takes it. */
function isOfAnotherKind(error: unknown): boolean {
  return error instanceof AppError && error.code === 'sip/rejected' && ['pager', 'away'].includes(readRefusal(error.detail).remedy);
}
