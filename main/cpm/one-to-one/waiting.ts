/**
 * Invitations to a 1-1 that are not answered at once: until the person opens the chat, until they type or write in it, or until they say yes.
 *
 *   waiting -> accepted | withdrawn, answered on another device | refused: the same person has sent a newer invitation, or this device wants none
 */
import { drop } from '../../../base/log';
import type { PersonValue } from '../../../preload/contract';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { refusals } from '../conversation/refusals';
import type { CpmSession } from '../session/session';
import type { Invitations } from './invitations';

export interface WaitingInvitation {
  invite: IncomingInvite;
  /** `ask`: until the person says yes (`invitations.ts` asks). */
  until: 'open' | 'reply' | 'ask';
  from: PersonValue;
  /** Answers with 200. Runs once. */
  accept: () => CpmSession;
}

export class WaitingInvitations {
  readonly #context: CpmContext;
  readonly #invitations: Invitations;
  /** By the conversation. */
  readonly #waiting = new Map<string, WaitingInvitation>();

  constructor(context: CpmContext, invitations: Invitations) {
    this.#context = context;
    this.#invitations = invitations;
  }

  /** The conversations in which one waits. */
  conversations(): string[] {
    return [...this.#waiting.keys()];
  }

  in(conversation: string): WaitingInvitation | null {
    return this.#waiting.get(conversation) ?? null;
  }

  /** What the person has to do so that the invitation is answered; null where none waits, or where they are asked outright. */
  waitsFor(conversation: string): 'open' | 'reply' | null {
    const until = this.#waiting.get(conversation)?.until ?? 'ask';
    return until === 'ask' ? null : until;
  }

  /** Holds an invitation. An older one of the same person is refused: only the newest can become the session. */
  add(conversation: string, waiting: WaitingInvitation): void {
    const older = this.#waiting.get(conversation);
    this.#waiting.set(conversation, waiting);
    if (older !== undefined) drop(older.invite.reject(refusals.superseded), this.#context.log, 'refusing an older invitation');
    waiting.invite.onState.on((state) => {
      if (state !== 'ended' || this.#waiting.get(conversation) !== waiting) return;
      this.#waiting.delete(conversation);
      // Where the person is asked, `invitations.ts` says how the question ended.
      if (waiting.until !== 'ask' && waiting.invite.end?.cause === 200) this.#invitations.answeredElsewhere(waiting.from);
      this.#context.conversationChanged(conversation);
    });
    this.#context.conversationChanged(conversation);
    if (waiting.until === 'ask') this.#ask(waiting);
    else waiting.invite.ring();
  }

  /** An invitation is being accepted: it waits no longer, and nobody is asked about it any more. */
  accepted(conversation: string, invite: IncomingInvite): void {
    this.#waiting.delete(conversation);
    this.#invitations.settle(invite);
  }

  /** The person has opened the chat, or types in it: an invitation that waited for that is accepted. */
  attend(conversation: string, how: 'open' | 'reply'): void {
    const waiting = this.#waiting.get(conversation);
    if (waiting === undefined || waiting.until === 'ask' || (waiting.until === 'reply' && how === 'open')) return;
    this.#accept(waiting);
  }

  /** The preference has changed: it holds for the invitations that wait, too. A question that is being asked stays one, unless the answer is now always yes. */
  preferencesChanged(): void {
    const preference = this.#context.preferences().accept;
    for (const [conversation, waiting] of [...this.#waiting]) {
      if (waiting.until === preference || (waiting.until === 'ask' && preference !== 'auto')) continue;
      if (preference === 'auto') {
        this.#accept(waiting);
        continue;
      }
      waiting.until = preference;
      if (preference === 'ask') this.#ask(waiting);
      this.#context.conversationChanged(conversation);
    }
  }

  async refuse(conversation: string, status: number): Promise<void> {
    await this.#waiting.get(conversation)?.invite.reject(status);
  }

  async refuseAll(status: number): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ invite }) => invite.reject(status)));
  }

  #accept(waiting: WaitingInvitation): void {
    const { opened } = waiting.accept();
    drop(opened, { ...this.#context.log, error: this.#context.log.info }, 'answering an invitation that waited');
  }

  #ask({ invite, from, accept }: WaitingInvitation): void {
    this.#invitations.ask(invite, { kind: 'oneToOne', from, subject: null, people: [from], replaces: null }, () => accept().opened);
  }
}
