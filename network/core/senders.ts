/**
 * The sender of a client's request: the subscriber who registered over its flow, or who proves it by Proxy-Authorization. The identity that
 * the request claims must agree.
 */

import type { NetworkLog } from '../log';
import { uriOf } from '../sip/header-value';
import type { SipRequest } from '../sip/message';
import type { ServerTransaction } from '../sip/transaction';
import type { Authenticator } from './authenticator';
import { claimant } from './claims';
import type { Refusal } from './destinations';
import type { Directory, Subscriber } from './directory';
import type { Registrar } from './registrar';

export interface SendersDeps {
  directory: Directory;
  registrar: Registrar;
  authenticator: Authenticator;
  log: NetworkLog | undefined;
}

export class Senders {
  constructor(private readonly deps: SendersDeps) {}

  /** The subscriber; null when the request was refused or challenged. The credentials are removed from `request`. */
  senderOf(transaction: ServerTransaction, request: SipRequest): Subscriber | null {
    const { directory, registrar } = this.deps;
    const owners = registrar.ownersOf(transaction.flow);
    let subscriber = claimant(request, directory, owners);
    if (subscriber === null && (owners.length === 0 || request.has('proxy-authorization'))) {
      const proven = this.prove(transaction, request);
      if (proven === null) return null;
      subscriber = claimant(request, directory, [proven]);
    }
    if (subscriber === null) {
      refuse(transaction, { status: 403, reason: 'The identity of the sender is not the one that signed in' });
      return null;
    }
    const contact = request.get('contact');
    const gruu = contact === null ? undefined : registrar.resolveGruu(uriOf(contact));
    if (gruu !== undefined && gruu?.subscriber !== subscriber) {
      refuse(transaction, { status: 403, reason: 'The Contact is a GRUU of somebody else' });
      return null;
    }
    return subscriber;
  }

  /** The sender of a request inside a dialog among the people of its connection; null where several are, and From does not tell. */
  ofDialog(request: SipRequest, people: readonly Subscriber[]): Subscriber | null {
    const named = this.deps.directory.find(request.get('from') ?? '');
    return people.find((one) => one === named) ?? (people.length === 1 ? (people[0] ?? null) : null);
  }

  /** Proves the sender by Proxy-Authorization, or challenges and returns null. */
  prove(transaction: ServerTransaction, request: SipRequest): Subscriber | null {
    const verdict = this.deps.authenticator.verify(request, 'proxy-authorization', transaction.flow);
    if (verdict.ok) {
      request.remove('proxy-authorization');
      return verdict.subscriber;
    }
    this.challenge(transaction, verdict);
    return null;
  }

  /** Asks for a proof, or refuses a sender that cannot give one. */
  challenge(transaction: ServerTransaction, verdict: { stale: boolean; forbidden: boolean; reason: string; waitMs?: number }): void {
    const { request } = transaction;
    this.deps.log?.('info', 'a proof is asked for', {
      method: request.method,
      reason: verdict.reason,
      from: request.get('from') ?? '',
    });
    if (verdict.waitMs !== undefined) {
      transaction.reply(503, { headers: [['Retry-After', String(Math.ceil(verdict.waitMs / 1000))]] });
      return;
    }
    const challenges = verdict.forbidden ? [] : this.deps.authenticator.challenges(verdict.stale, request);
    if (challenges.length === 0) {
      refuse(transaction, { status: 403, reason: 'Forbidden' });
      return;
    }
    const [status, header] = request.method === 'REGISTER' ? ([401, 'WWW-Authenticate'] as const) : ([407, 'Proxy-Authenticate'] as const);
    transaction.reply(status, { headers: challenges.map((challenge) => [header, challenge] as const) });
  }
}

function refuse(transaction: ServerTransaction, { status, reason }: Refusal): void {
  transaction.reply(status, { reason });
}
