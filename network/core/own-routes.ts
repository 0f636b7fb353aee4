/** The Record-Route of the core. It contains a proof that its bearer is party to the dialog, so that in-dialog requests need no other. */
import { createHmac, randomBytes } from 'node:crypto';
import { parseUri } from '../../protocol/uri';
import type { SipRequest } from '../sip/message';
import type { SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';

/** Hexadecimal digits of a proof. */
const PROOF_DIGITS = 24;

export class OwnRoutes {
  readonly #secret = randomBytes(32);

  constructor(private readonly server: SipServer) {}

  /** Two values where the sides use different transports, so that each returns the way it came (RFC 5658). */
  record({ request, flow }: ServerTransaction): (target: Target) => string[] {
    const value = (uri: string) => `<${uri};lr;d=${this.#proof(request.callId)}>`;
    const towardsCaller = this.server.uriFor(flow);
    return (target) => {
      const towardsCalled = 'isOpen' in target ? this.server.uriFor(target) : this.server.uri;
      return [...new Set([value(towardsCalled), value(towardsCaller)])];
    };
  }

  /** Whether one of the core's own Route URIs proves that the request belongs to a dialog that the core has let through. */
  proves(request: SipRequest, own: readonly string[]): boolean {
    const proof = this.#proof(request.callId);
    return own.some((uri) => routeParam(uri, 'd') === proof);
  }

  #proof(callId: string): string {
    return createHmac('sha256', this.#secret).update(callId).digest('hex').slice(0, PROOF_DIGITS);
  }
}

/** A parameter of a SIP URI; null where there is none. */
export function routeParam(uri: string, name: string): string | null {
  const read = parseUri(uri);
  return read.ok && (read.value.scheme === 'sip' || read.value.scheme === 'sips') ? (read.value.params.get(name) ?? null) : null;
}
