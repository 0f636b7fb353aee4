/**
 * The 1-1 that a group takes over (R58, R59), seen from A, who made the group, and from whoever hears of it by the roster. B leaves the 1-1 when the
 * group stands (`group.ts`); A never ends it, but for a guard. Where nobody moves, the 1-1 goes on.
 */

import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import type { ParticipantValue } from '../../../preload/contract';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { type OneToOneSessions, wasLeft } from '../one-to-one/sessions';
import type { CpmSession } from '../session/session';

/** LAB: how long A lets the 1-1 live after B has joined the group, should B's BYE never come. */
export const replacementGuardMs = 30_000;

export class Replacements implements Disposable {
  readonly #context: CpmContext;
  readonly #oneToOne: OneToOneSessions;
  readonly #guards = new Set<Disposable>();
  /** LAB: groups that were to take over a 1-1 when the network vanished after our 200: should they call again, the 1-1 moves then. */
  readonly #interrupted = new Set<string>();
  /** Groups in which the roster has shown the other side of the 1-1 that they continue. */
  readonly #moved = new Set<string>();

  constructor(context: CpmContext, oneToOne: OneToOneSessions) {
    this.#context = context;
    this.#oneToOne = oneToOne;
  }

  /** The 1-1 session to replace; one that is just opening is waited for, since B must know it before it can be replaced. */
  async session(conversation: string): Promise<CpmSession | null> {
    const session = this.#oneToOne.current(conversation);
    if (session === null) return null;
    try {
      await session.opened;
      return session.state === 'established' ? session : null;
    } catch (error) {
      this.#context.log.info('the 1-1 session did not open; the group is made without replacing it', { error: String(error) });
      return null;
    }
  }

  /** From now on the 1-1 goes on in the group. */
  continueIn(conversation: string, group: string): void {
    const record = this.#context.history.conversation(conversation);
    if (record !== null) this.#setContinuedBy(record, group);
  }

  /** R58: a 1-1 that still stands, and whose group nobody has moved to or that is over, goes on. */
  goOn(group: string): void {
    const old = this.#continuedFrom(this.#context.history.conversation(group));
    if (old?.continuedBy === group && this.#oneToOne.stays(old.id)) this.#setContinuedBy(old, null);
  }

  /** The network vanished between our 200 and the group's start. */
  interrupted(group: string): void {
    this.#interrupted.add(group);
  }

  /** Whether the 1-1 that a group continues has moved there is seen in the roster, also by a device that missed it (R58). */
  seen(group: ConversationRecord, participants: readonly ParticipantValue[]): void {
    const old = this.#continuedFrom(group);
    const peer = participants.find((one) => one.address === old?.peer);
    if (old === null || peer === undefined) return;
    if (peer.state === 'connected') this.#moved.add(group.id);
    if (peer.state === 'disconnected' && (peer.reason === 'busy' || peer.reason === 'failed')) {
      if (!this.#moved.has(group.id)) this.goOn(group.id);
    } else if (peer.state === 'connected' && old.continuedBy === null) {
      const session = this.#oneToOne.state(old.id) === 'established' ? this.#oneToOne.current(old.id) : null;
      if (session !== null && !this.#interrupted.delete(group.id)) return;
      this.#setContinuedBy(old, group.id);
      if (session !== null) drop(this.#oneToOne.leaveReplaced(old.id, session), this.#context.log, 'ending a replaced 1-1 session');
    }
  }

  /**
   * The network's 200 to A says that somebody is in the group, and B may be on the way out of the 1-1 before A is in: should he leave it now, he has
   * moved, whatever becomes of A's own way in.
   */
  leftBy(conversation: string, session: CpmSession, group: string): void {
    const look = () => {
      if (session.state !== 'ended' || !wasLeft(session)) return;
      this.#oneToOne.expectReplacement(conversation, session);
      this.continueIn(conversation, group);
    };
    look();
    const watch = session.onState.on(look);
    const end = this.#context.clock.setTimer(replacementGuardMs, () => {
      this.#guards.delete(end);
      watch.dispose();
    });
    this.#guards.add(end);
  }

  /** A's guard: ends the 1-1 that B has left without a BYE. `isIn`: whether the roster of that group shows somebody in it. */
  guard(conversation: string, session: CpmSession, isIn: (group: string, address: string) => boolean): void {
    this.#oneToOne.expectReplacement(conversation, session);
    const guard = this.#context.clock.setTimer(replacementGuardMs, () => {
      this.#guards.delete(guard);
      const group = this.#context.history.conversation(conversation)?.continuedBy ?? null;
      const peer = session.remote?.address;
      // B declined: the 1-1 goes on (R58).
      if (session.state !== 'established' || group === null || peer === undefined || !isIn(group, peer)) return;
      drop(this.#oneToOne.leaveReplaced(conversation, session), this.#context.log, 'ending a replaced 1-1 session');
    });
    this.#guards.add(guard);
  }

  dispose(): void {
    for (const guard of this.#guards) guard.dispose();
  }

  #continuedFrom(group: ConversationRecord | null): ConversationRecord | null {
    return group === null || group.continues === null ? null : this.#context.history.conversation(group.continues);
  }

  #setContinuedBy(record: ConversationRecord, continuedBy: string | null): void {
    this.#context.history.updateConversation(record.id, { continuedBy });
  }
}
