/**
 * What other people's devices can do, as far as it matters for how a message goes: asked by OPTIONS (RFC 3261 section 11) when a message needs it, and
 * remembered for a while. Without an answer nothing is taken for granted.
 */
import { delay } from '../../../base/clock';
import { ICSI } from '../../../protocol/feature-tags';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { identityOf } from '../conversation/values';

/** LAB: how long a device that takes large messages is believed to go on doing so. */
export const ableForMs = 10 * 60_000;
/** LAB: how long it is before somebody who did not answer, or cannot, is asked again. */
export const unableForMs = 60_000;
/** LAB: how long a text waits for the answer. */
export const askPatienceMs = 2_000;
/** LAB: people whose abilities are remembered; the one asked longest ago is forgotten first. */
export const MAX_KNOWN_ABILITIES = 500;

export class Abilities {
  readonly #context: CpmContext;
  readonly #known = new Map<string, { takesLarge: boolean; until: number }>();

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /** Whether a device of the other person takes Large Message Mode. Nobody is asked on behalf of somebody who is anonymous. */
  async takesLarge(conversation: ConversationRecord): Promise<boolean> {
    const { clock } = this.#context;
    if (conversation.peer === null || conversation.hides !== undefined) return false;
    const known = this.#known.get(conversation.peer);
    if (known !== undefined && known.until > clock.now()) return known.takesLarge;
    const asked = this.#ask(conversation, conversation.peer);
    const takesLarge = await Promise.race([asked, delay(clock, askPatienceMs).then(() => false)]);
    this.#remember(conversation.peer, takesLarge);
    return takesLarge;
  }

  /** They were believed to take large messages, and have refused one. */
  refused(peer: string): void {
    this.#remember(peer, false);
  }

  async #ask(conversation: ConversationRecord, peer: string): Promise<boolean> {
    try {
      const { icsis } = await this.#context.sip.queryCapabilities(peer, identityOf(conversation, this.#context));
      return icsis.includes(ICSI.largemsg);
    } catch (error) {
      this.#context.log.debug('a device did not say what it can do', { error: String(error) });
      return false;
    }
  }

  #remember(peer: string, takesLarge: boolean): void {
    this.#known.delete(peer);
    this.#known.set(peer, { takesLarge, until: this.#context.clock.now() + (takesLarge ? ableForMs : unableForMs) });
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > MAX_KNOWN_ABILITIES) this.#known.delete(oldest);
  }
}
