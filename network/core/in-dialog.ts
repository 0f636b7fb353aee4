/** Requests inside a dialog: who may send them, and where they go. Only the two parties that the core has sealed into its routes speak there. */
import type { SipRequest } from '../sip/message';
import { type Branch, prepareForward } from '../sip/proxy';
import type { Flow, SipServer } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { assertInDialog } from './claims';
import type { Destinations, IsReceiver, Refusal } from './destinations';
import type { Subscriber } from './directory';
import type { OwnRoutes } from './own-routes';
import type { Registrar } from './registrar';
import type { Senders } from './senders';

export interface InDialogDeps {
  server: SipServer;
  routes: OwnRoutes;
  registrar: Registrar;
  senders: Senders;
  destinations: Destinations;
  /** Whether the other end of a connection is a function. */
  isTrusted(flow: Flow): boolean;
  /** Forwards a request of `sender`, null for a function, or refuses it. */
  send(transaction: ServerTransaction, request: SipRequest, places: Branch[] | Refusal, sender: Subscriber | null): void;
}

export class InDialog {
  constructor(private readonly deps: InDialogDeps) {}

  receive(transaction: ServerTransaction): void {
    const { server, destinations, isTrusted, send } = this.deps;
    const prepared = prepareForward(server, transaction.request);
    if (!prepared.ok) {
      transaction.respond(prepared.response);
      return;
    }
    const { request, own } = prepared;
    let sender: Subscriber | null = null;
    if (!isTrusted(transaction.flow)) {
      const party = this.#party(transaction, request, own);
      if (party === null) return;
      sender = party.person;
      assertInDialog(request, sender);
    }
    send(transaction, request, destinations.places(request, this.#receiverOf(request, own)), sender);
  }

  /** The ACK of a 2xx cannot be challenged or answered: it is forwarded or dropped. */
  acknowledge(ack: SipRequest, flow: Flow): void {
    const { server, routes, registrar, destinations, isTrusted } = this.deps;
    const prepared = prepareForward(server, ack);
    if (!prepared.ok) return;
    const { request, own } = prepared;
    if (!isTrusted(flow)) {
      if (!routes.isParty(request, own, flow, registrar.ownersOf(flow))) return;
      assertInDialog(request, null);
    }
    const branches = destinations.places(request, this.#receiverOf(request, own));
    if ('status' in branches) return;
    // The core does not know which instance of a function has answered: the instances without that dialog drop the ACK.
    for (const branch of branches.filter((each, index) => index === 0 || each.isStandby === true)) {
      const copy = request.clone();
      if (branch.uri !== undefined) copy.uri = branch.uri;
      for (const route of [...(branch.routes ?? [])].reverse()) copy.insert('Route', route);
      server.sendAck(copy, branch.target);
    }
  }

  /** Whether a connection is a person's, or, for null, a function's. */
  speaksFor(flow: Flow, person: Subscriber | null): boolean {
    return person === null ? this.deps.isTrusted(flow) : this.deps.registrar.ownersOf(flow).includes(person);
  }

  /** The party that sends a request, with its person where the network knows it; null when the request was refused or challenged. */
  #party(transaction: ServerTransaction, request: SipRequest, own: readonly string[]): { person: Subscriber | null } | null {
    const { routes, registrar, senders } = this.deps;
    const { flow } = transaction;
    const people = registrar.ownersOf(flow);
    if (routes.isParty(request, own, flow, people)) return { person: senders.ofDialog(request, people) };
    // Over a new connection a party proves who it is.
    const person = people.length === 0 ? senders.prove(transaction, request) : null;
    if (people.length === 0 && person === null) return null;
    if (person !== null && routes.isParty(request, own, flow, [person])) return { person };
    transaction.reply(481, { reason: 'No dialog of this sender' });
    return null;
  }

  #receiverOf(request: SipRequest, own: readonly string[]): IsReceiver {
    return (flow, subscriber) => this.deps.routes.isReceiver(request, own, flow, subscriber);
  }
}
