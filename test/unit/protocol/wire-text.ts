import type { Parsed } from '../../../protocol/parsed';

/** The value of a successful parse; a failed one fails the test with its reason. */
export function parsedValue<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(result.reason);
  return result.value;
}

/** The reason of a refused parse; a successful one fails the test. */
export function reasonOf(result: Parsed<unknown>): string {
  if (result.ok) throw new Error('was accepted');
  return result.reason;
}

export const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
export const characters = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
/** Lines joined as on the wire. */
export const wire = (...lines: string[]): string => lines.join('\r\n');
