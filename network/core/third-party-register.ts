/**
 * Third-party REGISTER (TS 24.229 5.4.1.7): the core tells the Participating Function that somebody is registered, still registered, or no
 * longer registered. It names no device; a function that wants to know the devices subscribes to registration events.
 */
import type { NetworkLog } from '../log';
import { newRequest } from '../sip/dialog';
import { addressTarget } from '../sip/proxy';
import { newToken, type SipServer } from '../sip/sip-server';
import type { Subscriber } from './directory';
import type { Binding } from './registrar';

export interface ThirdPartyRegisterDeps {
  server: SipServer;
  /** The core's own identity, `sip:core.lab.test`. */
  identity: string;
  /** Where functions reach the core. */
  contact: () => string;
  bindings: (subscriber: Subscriber) => readonly Binding[];
  log?: NetworkLog;
}

export class ThirdPartyRegister {
  readonly #callIds = new Map<Subscriber, { callId: string; sequence: number }>();

  constructor(private readonly deps: ThirdPartyRegisterDeps) {}

  /** Sends the current state of `subscriber` to `function_`: the seconds that the longest registration has left, 0 when there is none. */
  tell(subscriber: Subscriber, function_: string): void {
    const { server, identity, bindings } = this.deps;
    const target = addressTarget(function_);
    if (target === null) return;
    const now = server.clock.now();
    const expires = Math.max(0, ...bindings(subscriber).map((binding) => Math.ceil((binding.expiresAt - now) / 1000)));
    const known = this.#callIds.get(subscriber);
    const dialogue = { callId: known?.callId ?? newToken(16), sequence: (known?.sequence ?? 0) + 1 };
    this.#callIds.set(subscriber, dialogue);
    const request = newRequest('REGISTER', function_, {
      from: `<${identity}>`,
      to: `<${subscriber.identities[0]}>`,
      contact: `<${this.deps.contact()}>`,
      ...dialogue,
    }).append('Expires', String(expires));
    server.request(request, target, {
      onFinal: (response) => {
        // TS 24.229 5.4.1.7: the registration stays although the function has not heard of it.
        if (response.status >= 300)
          this.deps.log?.('warn', 'the Participating Function took no third-party REGISTER', { status: response.status });
      },
    });
  }
}
