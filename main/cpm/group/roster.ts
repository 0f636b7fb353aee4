/** Who is in each group: the conference documents of its focus (RFC 4575), which come by a subscription beside the session. */

import type { Disposable } from '../../../base/disposable';
import type { ParticipantValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { type ConferenceInfo, type ConferenceUser, mergeConferenceInfo, parseConferenceInfo } from '../../../protocol/conference-info';
import { ICSI } from '../../../protocol/feature-tags';
import { addressKey } from '../../../protocol/uri';
import type { ConversationRecord, PersonRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { identityOf, person } from '../conversation/values';
import type { CpmSession } from '../session/session';
import { readableIcon } from './icon';
import { membersOf, participantsOf, withAwaited } from './participants';

/** LAB: how long after a roster has ended it is asked for again, ms, while the session of the group stands. */
export const rosterRetryMs = 30_000;

/** The names by which people are known here, for somebody who says no name of their own. */
export function namesAtHand({ history, knownPeople }: Pick<CpmContext, 'history' | 'knownPeople'>): PersonRecord[] {
  return [...history.conversations().flatMap((record) => record.people), ...knownPeople];
}

export class Rosters {
  readonly #context: CpmContext;
  /** The people whom this client has added and who have not come yet. */
  readonly #awaited: (group: string) => readonly string[];
  /** Called with each roster; the group's record is up to date by then. */
  readonly #came: (group: ConversationRecord, participants: readonly ParticipantValue[]) => void;
  readonly #documents = new Map<string, ConferenceInfo>();
  /** Groups that an administrator has put this account out of since the start. */
  readonly #putOut = new Set<string>();

  constructor(
    context: CpmContext,
    awaited: (group: string) => readonly string[],
    came: (group: ConversationRecord, participants: readonly ParticipantValue[]) => void,
  ) {
    this.#context = context;
    this.#awaited = awaited;
    this.#came = came;
  }

  /** Everybody as the focus tells it, without those who are only awaited here. */
  listed(conversation: string): ParticipantValue[] {
    const record = this.#context.history.conversation(conversation);
    const { people: whoIsWho, self, selfName } = this.#context;
    const document = this.#documents.get(conversation) ?? null;
    const known = document?.users.flatMap((user) => whoIsWho.known(addressKey(user.entity) ?? user.entity) ?? []) ?? [];
    return participantsOf(document, [...known, ...(record?.people ?? [])], { address: self, name: selfName }, this.#context.isSelf);
  }

  participants(conversation: string): ParticipantValue[] {
    const record = this.#context.history.conversation(conversation);
    const whoIsWho = this.#context.people;
    const listed = this.listed(conversation);
    const awaited = this.#awaited(conversation).map((address) =>
      person(address, null, [...(record?.people ?? []), ...this.#context.knownPeople]),
    );
    // Before the first roster comes, nobody knows who is there.
    const people = (!this.#documents.has(conversation) ? listed : withAwaited(listed, awaited)).map((one) => whoIsWho.shown(one));
    if (!this.#putOut.has(conversation)) return people;
    // A member who was put out gets no further roster, so nothing else would say so.
    return people.map((one) => (one.self ? { ...one, state: 'disconnected', reason: 'booted', devices: [] } : one));
  }

  /** This account with its devices, as the focus knows it. */
  own(conversation: string): ConferenceUser | undefined {
    return this.#documents.get(conversation)?.users.find((user) => this.#context.isSelf(user.entity));
  }

  /** Whether an administrator has put this account out of the group. */
  setPutOut(conversation: string, isOut: boolean): void {
    if (!isOut) this.#putOut.delete(conversation);
    else {
      this.#putOut.add(conversation);
      this.#context.announce({ event: 'participants', conversation, participants: this.participants(conversation) });
    }
  }

  /** Follows the roster until it is disposed. A subscription that ends, because the focus or a connection is down, is made again while the session stands. */
  watch(conversation: string, session: CpmSession): Disposable {
    const { clock, log } = this.#context;
    let isOver = false;
    let current: Disposable;
    let asked = 0;
    const subscribe = () => {
      const focus = session.focusAddresses[asked] ?? '';
      let hasCome = false;
      try {
        const subscription = this.#subscribe(conversation, focus);
        subscription.onDocument.on(() => {
          if (!hasCome) this.#knowFocus(conversation, session, focus);
          hasCome = true;
        });
        subscription.onEnd.on(() => {
          if (isOver || current !== subscription) return;
          asked = hasCome ? asked : (asked + 1) % Math.max(session.focusAddresses.length, 1);
          if (hasCome || asked === 0) later();
          else subscribe();
        });
        current = subscription;
      } catch (error) {
        // The media may open just after the signalling has broken.
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

  /** The roster has come from this address of the focus. */
  #knowFocus(conversation: string, session: CpmSession, focus: string): void {
    const { history } = this.#context;
    session.knowFocus(focus);
    const record = history.conversation(conversation);
    if (record !== null && record.focus !== focus) history.updateConversation(conversation, { focus });
  }

  #subscribe(conversation: string, focus: string) {
    const record = this.#context.history.conversation(conversation);
    const as = record === null ? {} : identityOf(record, this.#context);
    const subscription = this.#context.sip.subscribeConference(focus, ICSI.group, as);
    let isAskedAgain = false;
    subscription.onDocument.on((xml) => {
      const parsed = parseConferenceInfo(xml);
      if (!parsed.ok) {
        this.#context.log.warn('a conference document was left out', { reason: parsed.reason });
        return;
      }
      const roster = mergeConferenceInfo(this.#documents.get(conversation) ?? null, parsed.value);
      if (roster !== null) {
        isAskedAgain &&= parsed.value.state !== 'full';
        this.#take(conversation, roster);
        return;
      }
      // A partial document is missing (RFC 4575 section 4.6): the full one is asked for, once until it comes.
      this.#context.log.info('a conference document was missed', { conversation });
      if (!isAskedAgain) subscription.renew();
      isAskedAgain = true;
    });
    return subscription;
  }

  #take(conversation: string, roster: ConferenceInfo): void {
    const { history } = this.#context;
    const before = this.#documents.get(conversation);
    this.#documents.set(conversation, roster);
    const record = history.conversation(conversation);
    if (record === null) return;
    if (roster.subject !== null) history.updateConversation(conversation, { subject: roster.subject });
    if (before === undefined || before.icon !== roster.icon) this.#takeIcon(conversation, roster.icon);
    this.#came(record, this.tell(conversation));
  }

  /** Tells who is in a group as it now stands, and keeps it. */
  tell(conversation: string): ParticipantValue[] {
    const participants = this.participants(conversation);
    const people = membersOf(participants);
    if (people.length > 0) this.#context.history.updateConversation(conversation, { people });
    this.#context.announce({ event: 'participants', conversation, participants });
    return participants;
  }

  /** A picture that is not safe to draw is left out; the one that is there stays. */
  #takeIcon(conversation: string, told: string | null): void {
    try {
      this.#context.history.setIcon(conversation, told === null ? null : readableIcon(told));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'group/bad-icon') throw error;
      this.#context.log.info('the picture of a group was left out', { conversation, error: error.message });
    }
  }
}
