/** The smallest input found from `input` that `still` does the same, by leaving out ever shorter pieces (delta debugging). */
export function minimised(input: Uint8Array, still: (input: Uint8Array) => boolean, most = 20_000): Uint8Array {
  let smallest = input;
  let tries = 0;
  for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && tries < most; ) {
      const shorter = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      tries += 1;
      if (still(shorter)) smallest = Uint8Array.from(shorter);
      else at += size;
    }
  }
  return smallest;
}
