/**
 * Says that a person types, and that the person has stopped (RFC 3994 section 3: the sender's side).
 *
 *   idle --typed()--> active --15 s without a key, or stop()--> idle
 *                     active --typed(), 10 s after the last word--> active, said again
 */
export const sayAgainMs = 10_000;
export const idleAfterMs = 15_000;

export class ComposingSignal {
  readonly #say: (active: boolean) => void;
  #saidAt: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(say: (active: boolean) => void) {
    this.#say = say;
  }

  typed(): void {
    const now = Date.now();
    if (this.#saidAt === null || now - this.#saidAt >= sayAgainMs) {
      this.#saidAt = now;
      this.#say(true);
    }
    this.#clear();
    this.#timer = setTimeout(() => this.stop(), idleAfterMs);
  }

  /** The text was sent, is empty again, or the person went elsewhere. */
  stop(): void {
    this.#clear();
    if (this.#saidAt === null) return;
    this.#saidAt = null;
    this.#say(false);
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** Letters without a glyph, and characters that only change others. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether there is something to send: what nobody could see is nothing. */
export function isSomething(text: string): boolean {
  return VISIBLE.test(text);
}
