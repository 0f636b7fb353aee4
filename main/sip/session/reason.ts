/** The Reason header (RFC 3326) tells why a session ends. */
import { parseParams } from '../../../protocol/generic-param';
import { headerLine, type WireMessage } from '../wire/wire-message';

export interface ByeReason {
  cause: number;
  text: string;
}

/** Reads `Reason: SIP;cause=200;text="Call completed elsewhere"` (RFC 3326); the first SIP value counts. */
export function readReason(message: WireMessage | null): { cause: number | null; text: string | null } {
  const value = message?.list('reason').find((each) => /^\s*SIP\s*(?:;|$)/i.test(each));
  const params = value === undefined ? null : parseParams(value.replace(/^[^;]*;?/, ''));
  const cause = /^\d{3}$/.exec(params?.get('cause') ?? '')?.[0];
  return { cause: cause === undefined ? null : Number(cause), text: params?.get('text') ?? null };
}

/** The header line. */
export function reasonLine({ cause, text: words }: ByeReason): string {
  return headerLine('Reason', `SIP;cause=${cause};text="${headerText(words).replace(/["\\]/g, '\\$&')}"`);
}

/** The text without line breaks. */
export function headerText(value: string): string {
  return headerLine('', value).slice(2);
}
