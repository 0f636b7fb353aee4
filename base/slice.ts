/** Long work on the thread that also serves the person and every connection is done in slices; between two, everybody else has a turn. */

/** LAB: how long a slice lasts. With its last piece of work it stays below the 16 ms of a frame on the screen. */
const sliceMs = 6;

export class Slice {
  #since = performance.now();

  /** Null while the slice lasts. Else resolves in a later turn of the event loop, with which the next slice begins. */
  over(): Promise<void> | null {
    if (performance.now() - this.#since < sliceMs) return null;
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#since = performance.now();
        resolve();
      }),
    );
  }
}
