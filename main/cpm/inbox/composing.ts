/** The people who are typing (RFC 3994). It is shown and never stored, and it ends by itself when nothing more is heard. */
import type { PersonValue } from '../../../preload/contract';
import { parseIsComposing } from '../../../protocol/is-composing';
import type { CpmContext } from '../conversation/context';
import type { Incoming } from './door';

/** LAB: how long a composing state without a refresh time holds (RFC 3994 section 3.3 asks for a default). */
const defaultComposingMs = 120_000;

export class ComposingStates {
  readonly #context: CpmContext;
  readonly #active = new Map<string, { dispose(): void }>();

  constructor(context: CpmContext) {
    this.#context = context;
  }

  take({ arrival, conversation, sender, envelope }: Incoming): void {
    // In a group a bare state does not say whose it is.
    const isNamed = arrival.sender !== null || envelope.from !== null;
    if (!isNamed || this.#context.isSelf(sender.address) || this.#context.isBlocked(sender.address)) return;
    const composing = parseIsComposing(envelope.body);
    if (!composing.ok) {
      this.#context.log.info('an unreadable composing state was left out', { reason: composing.reason });
      return;
    }
    this.stop(conversation.id, sender);
    if (composing.value.state !== 'active') return;
    const holdsMs = composing.value.refreshSeconds === null ? defaultComposingMs : composing.value.refreshSeconds * 1000;
    const timer = this.#context.clock.setTimer(Math.min(holdsMs, defaultComposingMs), () => this.stop(conversation.id, sender));
    this.#active.set(keyOf(conversation.id, sender), timer);
    this.#tell(conversation.id, sender, true);
  }

  /** They type no more: their text has come, or nothing was heard for long. */
  stop(conversation: string, from: PersonValue): void {
    const key = keyOf(conversation, from);
    const timer = this.#active.get(key);
    if (timer === undefined) return;
    timer.dispose();
    this.#active.delete(key);
    this.#tell(conversation, from, false);
  }

  dispose(): void {
    for (const timer of this.#active.values()) timer.dispose();
    this.#active.clear();
  }

  #tell(conversation: string, { address }: PersonValue, active: boolean): void {
    this.#context.announce({ event: 'composing', conversation, from: address, active });
  }
}

function keyOf(conversation: string, { address }: PersonValue): string {
  return `${conversation} ${address}`;
}
