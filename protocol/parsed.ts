/**
 * The result of decoding a peer's octets: malformed input is a value, never an exception. `offset` counts octets or characters of the
 * input.
 */
export type Parsed<T> = { ok: true; value: T } | { ok: false; reason: string; offset?: number };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function malformed(reason: string, offset?: number): { ok: false; reason: string; offset?: number } {
  return offset === undefined ? { ok: false, reason } : { ok: false, reason, offset };
}
