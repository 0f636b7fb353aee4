/**
 * The creation of a group: the inviter's INVITE stays unanswered until one invited person accepts (200), all have refused, or the inviter
 * gives up (487).
 *
 *   waiting --take--> answered     waiting --refused, nobody left--> answered with 603, 486 or 480     waiting --cancel--> 487
 */
import type { MsrpDescription } from '../../protocol/sdp';
import { refuse } from '../sip/refusal';
import type { ServerTransaction } from '../sip/transaction';
import type { Leg } from './leg';

/** The answers of people who do not want to (RFC 3261 section 21). */
const DECLINED: readonly number[] = [486, 600, 603];

export class Creation {
  #waiting: { transaction: ServerTransaction; leg: Leg; offer: MsrpDescription } | null = null;
  readonly #refusals: number[] = [];

  /** @param host stands in Warning headers */
  constructor(private readonly host: string) {}

  begin(transaction: ServerTransaction, leg: Leg, offer: MsrpDescription): void {
    this.#waiting = { transaction, leg, offer };
  }

  /** Somebody has accepted: returns what answers the inviter; null when nobody waits for it. */
  take(): (() => void) | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting === null ? null : () => waiting.leg.accept(waiting.transaction, waiting.offer);
  }

  /**
   * Somebody has refused. When nobody is left who could accept, the inviter hears no and this returns true. LAB: 603 when all
   * declined everywhere, 486 when anybody declined, else 480: they were not there, and may be asked again.
   */
  refused(status: number, others: boolean): boolean {
    this.#refusals.push(status);
    if (this.#waiting === null || others) return false;
    const { transaction } = this.#waiting;
    this.#waiting = null;
    const isDeclined = this.#refusals.some((refusal) => DECLINED.includes(refusal));
    const answer = this.#refusals.every((refusal) => refusal === 603) ? 603 : isDeclined ? 486 : 480;
    refuse(transaction, { ok: false, status: answer, warning: 'Nobody accepted' }, this.host);
    return true;
  }

  /** The inviter gives up. False when it has its answer already. */
  cancel(): boolean {
    if (this.#waiting === null) return false;
    this.#waiting.transaction.reply(487);
    this.#waiting = null;
    return true;
  }

  /** The network closes: nobody is answered any more. */
  drop(): void {
    this.#waiting = null;
  }
}
