/** A parser or a socket that must take any bytes. */
export interface Target {
  /** Also the folder of its inputs in `test/fuzz/corpus`. */
  readonly name: string;
  /** Honest inputs to begin with. */
  readonly seeds: readonly (string | Uint8Array)[];
  /** The words of its grammar: what mutations put in. */
  readonly words: readonly string[];
  /** Pieces that are repeated up to `MAX_LONG_BYTES` to see that the work grows with the length alone. `around`: what stands before and after. */
  readonly long?: readonly { before?: string; piece: string; after?: string }[];
  /** Takes one input. @throws when a property does not hold */
  take(bytes: Uint8Array): void;
}

/** Mutated inputs are no longer than this, bytes: bugs of a grammar need few. */
export const MAX_INPUT_BYTES = 8_192;
