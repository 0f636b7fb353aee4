/**
 * The invitations that the person is asked about. Each rings until it is answered here or on another device, or withdrawn.
 *
 *   asked -> accepted | declined (486; 603 for all devices) | withdrawn (by the inviter, or because another device has answered)
 */

import { drop } from '../../../base/log';
import type { InvitationValue, PersonValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { IncomingInvite } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { refusals } from '../conversation/refusals';

/** LAB: invitations that the person is asked about at a time; more are refused with 486. */
export const MAX_ASKED = 64;
/** LAB: of these, the invitations of one inviter; all who are anonymous count as one. */
export const MAX_ASKED_EACH = 4;

interface Waiting {
  value: InvitationValue;
  invite: IncomingInvite;
  accept: () => Promise<void>;
}

export class Invitations {
  readonly #context: CpmContext;
  readonly #waiting = new Map<string, Waiting>();

  constructor(context: CpmContext) {
    this.#context = context;
  }

  list(): InvitationValue[] {
    return [...this.#waiting.values()].map((waiting) => waiting.value);
  }

  /** Rings and asks; refuses where too many are asked about already. `accept` runs once, if the person says yes. */
  ask(invite: IncomingInvite, value: Omit<InvitationValue, 'invitation'>, accept: () => Promise<void>): void {
    const own = [...this.#waiting.values()].filter((waiting) => waiting.value.from.address === value.from.address);
    if (this.#waiting.size >= MAX_ASKED || own.length >= MAX_ASKED_EACH) {
      drop(invite.reject(refusals.noSlot), this.#context.log, 'refusing one invitation too many');
      return;
    }
    const invitation = this.#context.clock.uuid();
    const { people } = this.#context;
    const asked = { ...value, from: people.shown(value.from), people: value.people.map((one) => people.shown(one)) };
    const waiting: Waiting = { value: { invitation, ...asked }, invite, accept };
    this.#waiting.set(invitation, waiting);
    invite.onState.on((state) => {
      if (state === 'ended') this.#remove(invitation, invite.end?.cause === 200 ? 'elsewhere' : 'withdrawn');
    });
    invite.ring();
    this.#context.announce({ event: 'invitation', ...waiting.value });
  }

  /**
   * Answers an invitation. Declining refuses with 486, on this device alone; only `everywhere` refuses for all devices, with 603.
   * @throws AppError `conversation/unknown` when it is answered or withdrawn already
   */
  async answer(invitation: string, accept: boolean, everywhere: boolean): Promise<void> {
    const waiting = this.#waiting.get(invitation);
    if (waiting === undefined) throw new AppError('conversation/unknown', { cause: `no invitation ${invitation}` });
    this.#remove(invitation, 'answered');
    if (accept && waiting.value.kind === 'oneToOne') this.#meet(waiting.value.from);
    if (accept) await waiting.accept();
    else await waiting.invite.reject(everywhere ? refusals.declinedEverywhere : refusals.declined);
  }

  /** An invitation is accepted without an answer from the person, who has written to the inviter instead. */
  settle(invite: IncomingInvite): void {
    for (const [invitation, waiting] of this.#waiting) if (waiting.invite === invite) this.#remove(invitation, 'answered');
  }

  /** Another device has answered an invitation that the person was not asked about here. */
  answeredElsewhere(from: PersonValue): void {
    this.#context.announce({
      event: 'invitationEnded',
      invitation: this.#context.clock.uuid(),
      why: 'elsewhere',
      from: this.#context.people.shown(from),
    });
  }

  #meet({ address }: PersonValue): void {
    const { history, people, clock } = this.#context;
    const conversation = history.oneToOneWith(address);
    if (conversation !== null) people.meet(conversation, clock.now());
  }

  /** The account signs out, so nobody can answer. */
  async closeAll(): Promise<void> {
    await Promise.allSettled([...this.#waiting.values()].map(({ invite }) => invite.reject(refusals.signedOut)));
  }

  #remove(invitation: string, why: 'answered' | 'elsewhere' | 'withdrawn'): void {
    const waiting = this.#waiting.get(invitation);
    if (waiting === undefined) return;
    this.#waiting.delete(invitation);
    this.#context.announce({ event: 'invitationEnded', invitation, why, from: waiting.value.from });
  }
}
