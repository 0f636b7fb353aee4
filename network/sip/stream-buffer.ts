/** The bytes of a stream that nobody has taken yet. Whatever size they come in, each is copied a few times at most. */
export class StreamBuffer {
  #bytes: Uint8Array = new Uint8Array(0);
  #from = 0;
  #to = 0;
  /** Whether the memory is this buffer's; that of a piece is its sender's. */
  #isOwn = false;

  get length(): number {
    return this.#to - this.#from;
  }

  /** What is there; valid until the next `add`. */
  get held(): Uint8Array {
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** A piece that comes alone is not copied. The caller must not change it afterwards. */
  add(piece: Uint8Array): void {
    if (this.length === 0) {
      this.#bytes = piece;
      this.#isOwn = false;
      this.#from = 0;
      this.#to = piece.length;
      return;
    }
    if (!this.#isOwn || this.#to + piece.length > this.#bytes.length) this.#move(this.length + piece.length);
    this.#bytes.set(piece, this.#to);
    this.#to += piece.length;
  }

  /** Takes the first `count` bytes away and returns them; nothing is written over them later. */
  take(count: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#from, this.#from + count);
    this.#from += count;
    // A short message must not keep a long memory.
    return this.#isOwn && taken.length * 2 < this.#bytes.length ? taken.slice() : taken;
  }

  #move(needed: number): void {
    const { held } = this;
    const larger = new Uint8Array(needed * 2);
    larger.set(held);
    this.#bytes = larger;
    this.#isOwn = true;
    this.#from = 0;
    this.#to = held.length;
  }
}
