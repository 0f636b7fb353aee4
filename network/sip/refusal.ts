/** How a function refuses: a SIP status, and a Warning that a person can read. */
import type { ServerTransaction } from './transaction';

/** A refusal with its SIP status. `warning` is the text of the Warning header; `headers` are others that the answer must carry. */
export interface Refusal {
  ok: false;
  status: number;
  warning?: string;
  headers?: readonly (readonly [string, string])[];
}

export type Read<T> = { ok: true; value: T } | Refusal;

/** Answers with the refusal; `host` names its author in the Warning header (RFC 3261 section 20.43). */
export function refuse(transaction: ServerTransaction, refusal: Refusal, host: string): void {
  const headers = [...(refusal.headers ?? [])];
  if (refusal.warning !== undefined) headers.push(['Warning', `399 ${host} "${refusal.warning.replace(/["\\]/g, "'")}"`]);
  transaction.reply(refusal.status, { headers });
}
