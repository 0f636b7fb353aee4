/** Who is in each group, as its focus tells it in conference documents (RFC 4575), and how they come: by a subscription beside the session. */

import type { Disposable } from '../../../base/disposable';
import type { ParticipantValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { type ConferenceInfo, type ConferenceUser, mergeConferenceInfo, parseConferenceInfo } from '../../../protocol/conference-info';
import { ICSI } from '../../../protocol/feature-tags';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { identityOf } from '../conversation/values';
import type { CpmSession } from '../session/session';
import { readableIcon } from './icon';
import { membersOf, participantsOf } from './participants';

/** LAB: how long after a roster has ended it is asked for again, ms, while the session of the group stands. */
export const rosterRetryMs = 30_000;

export class Rosters {
  readonly #context: CpmContext;
  /** A roster has come; the group's record says the same already. */
  readonly #came: (group: ConversationRecord, participants: readonly ParticipantValue[]) => void;
  readonly #documents = new Map<string, ConferenceInfo>();
  /** Groups that this account was put out of in this run. */
  readonly #putOut = new Set<string>();

  constructor(context: CpmContext, came: (group: ConversationRecord, participants: readonly ParticipantValue[]) => void) {
    this.#context = context;
    this.#came = came;
  }

  participants(conversation: string): ParticipantValue[] {
    const record = this.#context.history.conversation(conversation);
    const people = participantsOf(
      this.#documents.get(conversation) ?? null,
      record?.people ?? [],
      { address: this.#context.self, name: this.#context.selfName },
      this.#context.isSelf,
    );
    if (!this.#putOut.has(conversation)) return people;
    // Whoever was put out gets no roster any more that would say so.
    return people.map((one) => (one.self ? { ...one, state: 'disconnected', reason: 'booted', devices: [] } : one));
  }

  /** This account with its devices, as the focus knows it. */
  own(conversation: string): ConferenceUser | undefined {
    return this.#documents.get(conversation)?.users.find((user) => this.#context.isSelf(user.entity));
  }

  /** This account is in the group, or is no longer because somebody wanted it so. */
  setPutOut(conversation: string, isOut: boolean): void {
    if (!isOut) this.#putOut.delete(conversation);
    else {
      this.#putOut.add(conversation);
      this.#context.announce({ event: 'participants', conversation, participants: this.participants(conversation) });
    }
  }

  /** Follows the roster until it is disposed, also where the session outlives what carries it: a function that is down, a connection that was lost. */
  watch(conversation: string, session: CpmSession): Disposable {
    const { clock, log } = this.#context;
    let isOver = false;
    let current: Disposable;
    const subscribe = () => {
      try {
        const subscription = this.#subscribe(conversation, session);
        subscription.onEnd.on(() => {
          if (!isOver && current === subscription) later();
        });
        current = subscription;
      } catch (error) {
        // Media may be opened when signalling has just broken.
        log.info('the roster of a group could not be asked for', { error: String(error) });
        later();
      }
    };
    const later = () => {
      current = clock.setTimer(rosterRetryMs, subscribe);
    };
    subscribe();
    return {
      dispose: () => {
        isOver = true;
        current.dispose();
      },
    };
  }

  #subscribe(conversation: string, session: CpmSession) {
    const focus = session.remote?.contactUri ?? '';
    const record = this.#context.history.conversation(conversation);
    const { identity } = record === null ? {} : identityOf(record, this.#context);
    const subscription = this.#context.sip.subscribeConference(focus, ICSI.group, identity);
    let isAskedAnew = false;
    subscription.onDocument.on((xml) => {
      const parsed = parseConferenceInfo(xml);
      if (!parsed.ok) {
        this.#context.log.warn('a conference document was left out', { reason: parsed.reason });
        return;
      }
      const roster = mergeConferenceInfo(this.#documents.get(conversation) ?? null, parsed.value);
      if (roster !== null) {
        isAskedAnew &&= parsed.value.state !== 'full';
        this.#take(conversation, roster);
        return;
      }
      // A gap in the partial documents (RFC 4575 section 4.6): everything is asked for anew, once until it comes.
      this.#context.log.info('a conference document was missed', { conversation });
      if (!isAskedAnew) subscription.renew();
      isAskedAnew = true;
    });
    return subscription;
  }

  #take(conversation: string, roster: ConferenceInfo): void {
    const { history } = this.#context;
    const before = this.#documents.get(conversation);
    this.#documents.set(conversation, roster);
    const record = history.conversation(conversation);
    if (record === null) return;
    const participants = this.participants(conversation);
    const people = membersOf(participants);
    if (people.length > 0)
      history.updateConversation(conversation, { people, ...(roster.subject === null ? {} : { subject: roster.subject }) });
    if (before === undefined || before.icon !== roster.icon) this.#takeIcon(conversation, roster.icon);
    this.#context.announce({ event: 'participants', conversation, participants });
    this.#came(record, participants);
  }

  /** A picture that nobody should draw leaves the one that is there. */
  #takeIcon(conversation: string, told: string | null): void {
    try {
      this.#context.history.setIcon(conversation, told === null ? null : readableIcon(told));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'group/bad-icon') throw error;
      this.#context.log.info('the picture of a group was left out', { conversation, error: error.message });
    }
  }
}
