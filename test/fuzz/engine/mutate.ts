/** Changes an input as a coverage-guided fuzzer does: bits, bytes, words of the grammar, pieces of the same input and of others. */
import { MAX_INPUT_BYTES } from './target';

/** What breaks many grammars. */
const COMMON_WORDS = [
  ...['\r\n', '\n', '\r', '\r\n ', '\r\n\r\n', '\0', '"', '\\', '<', '>', ';', ',', ':', '%', '%00', '%ff', '=', '@', '?', '&', ' ', '\t'],
  ...['-', '*', '[', ']', '{', '}', '!', '#', '/', '0', '-1', '65536', '2147483648', '9'.repeat(30), '1e999', '\u00e4', '\ufeff', '\u202e'],
  ...['\u2028', '__proto__', 'constructor', 'null', '[]', '{}', 'a'.repeat(300)],
];

type Change = (input: Uint8Array) => Uint8Array;

export class Mutator {
  readonly #random: () => number;
  readonly #words: readonly Uint8Array[];
  readonly #changes: readonly Change[];

  constructor(random: () => number, words: readonly string[]) {
    this.#random = random;
    this.#words = [...COMMON_WORDS, ...words].map((word) => Buffer.from(word));
    this.#changes = [
      (input) => this.#replaced(input, this.#at(input), 0, this.#word()),
      (input) => this.#replaced(input, this.#at(input), this.#below(8), this.#word()),
      (input) => this.#replaced(input, this.#at(input), 1 + this.#below(16), EMPTY),
      (input) => this.#replaced(input, this.#at(input), 1, Uint8Array.of(this.#below(256))),
      (input) => this.#flipped(input),
      (input) => this.#repeated(input),
      (input) => input.subarray(0, this.#at(input)),
      (input) => this.#moved(input),
      (input) => this.#withLine(input),
      (input) => this.#withNumber(input),
    ];
  }

  /** One to five changes; now and then the end of `other` takes the place of the end. */
  mutated(input: Uint8Array, other: Uint8Array): Uint8Array {
    let bytes = this.#random() < 0.1 ? Buffer.concat([input.subarray(0, this.#at(input)), other.subarray(this.#at(other))]) : input;
    for (let count = 1 + this.#below(5); count > 0; count -= 1) bytes = (this.#changes[this.#below(this.#changes.length)] ?? same)(bytes);
    return Uint8Array.from(bytes.subarray(0, MAX_INPUT_BYTES));
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #at(input: Uint8Array): number {
    return this.#below(input.length + 1);
  }

  #word(): Uint8Array {
    return this.#words[this.#below(this.#words.length)] ?? EMPTY;
  }

  #replaced(input: Uint8Array, at: number, length: number, by: Uint8Array): Uint8Array {
    return Buffer.concat([input.subarray(0, at), by, input.subarray(at + length)]);
  }

  #flipped(input: Uint8Array): Uint8Array {
    const at = this.#below(input.length);
    return this.#replaced(input, at, 1, Uint8Array.of((input[at] ?? 0) ^ (1 << this.#below(8))));
  }

  #repeated(input: Uint8Array): Uint8Array {
    const at = this.#at(input);
    const piece = input.subarray(at, at + 1 + this.#below(40));
    const times = this.#random() < 0.1 ? 1 + this.#below(80) : 1;
    return this.#replaced(input, at, 0, Buffer.concat(Array.from({ length: times }, () => piece)));
  }

  #moved(input: Uint8Array): Uint8Array {
    const from = this.#at(input);
    const piece = input.slice(from, from + 1 + this.#below(60));
    return this.#replaced(input, this.#at(input), this.#random() < 0.5 ? piece.length : 0, piece);
  }

  /** A line doubled, left out, or put elsewhere. */
  #withLine(input: Uint8Array): Uint8Array {
    const lines = Buffer.from(input).toString('latin1').split('\n');
    const [line = ''] = lines.splice(this.#below(lines.length), 1);
    const times = this.#below(3);
    for (let count = 0; count < times; count += 1) lines.splice(this.#below(lines.length + 1), 0, line);
    return Buffer.from(lines.join('\n'), 'latin1');
  }

  /** Another number in the place of one that is there. */
  #withNumber(input: Uint8Array): Uint8Array {
    const text = Buffer.from(input).toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    const one = numbers[this.#below(numbers.length)];
    if (one === undefined) return input;
    const value = Number(one[0]);
    const others = [value + 1, value - 1, 0, value * 2, 255, 256, 65_535, 2 ** 31, 2 ** 53, '1'.repeat(20)];
    return this.#replaced(input, one.index, one[0].length, Buffer.from(String(others[this.#below(others.length)])));
  }
}

const EMPTY = new Uint8Array(0);
const same: Change = (input) => input;
