/**
 * The Record-Route of the core. It says who the two parties of the dialog are, sealed, so that the core lets nobody else into the dialog and
 * needs to remember nothing:
 *
 *   <sip:core;lr;c=SEALS;d=SEALS>   c: the caller's side, d: the called side
 *
 * A seal is a MAC over role, Call-ID, the caller's tag and one party: a person, or a connection, since a person's device may come back over
 * another one. As the called side sees it, `c` only finds the caller's device. In the response to the caller, `c` is sealed once more with the
 * tag of the called side: a caller who knows Call-ID and tag of another's dialog and calls with them cannot speak in that dialog.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { parseUri } from '../../protocol/uri';
import type { SipRequest, SipResponse } from '../sip/message';
import type { Flow, SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import type { Subscriber } from './directory';

/** Hexadecimal digits of a seal. */
const SEAL_DIGITS = 24;
/** Parties sealed on one side of a dialog: its connection, and the people who are registered over that. */
const MAX_PARTIES = 4;

/** `caller` may speak as the caller, `called` as the called side; `callerPlace` only says where the caller is. */
type Role = 'caller' | 'called' | 'callerPlace';

export class OwnRoutes {
  readonly #secret = randomBytes(32);

  constructor(
    private readonly server: SipServer,
    /** The people who are registered over a connection. */
    private readonly ownersOf: (flow: Flow) => readonly Subscriber[],
    /** Whether the other end of a connection is a function of the network. */
    private readonly isTrusted: (flow: Flow) => boolean,
    /** Where the functions reach the core. */
    private readonly serviceUri: () => string,
  ) {}

  /** Two values where the sides come by different listeners, so that each returns the way it came (RFC 5658). */
  record({ request, flow }: ServerTransaction, caller: Subscriber | null = null): (target: Target) => string[] {
    const tag = request.fromTag ?? '';
    const place = this.#seals('callerPlace', [request.callId, tag], this.#parties(flow, caller));
    return (target) => {
      const called = 'isOpen' in target ? this.#parties(target, null) : [];
      const marks = `${param('c', place)}${param('d', this.#seals('called', [request.callId, tag], called))}`;
      return [...new Set([this.#uriFor(target), this.#uriFor(flow)])].map((uri) => `<${uri};lr${marks}>`);
    };
  }

  /** Seals the caller's side in a response that makes a dialog: the caller's own copy of the Record-Route (RFC 3261 section 16.7 item 8). */
  settle(response: SipResponse, { request, flow }: ServerTransaction, caller: Subscriber | null = null): void {
    const written = response.all('record-route');
    if (response.toTag === null || response.status >= 300 || written.length === 0) return;
    const place = param('c', this.#seals('callerPlace', [request.callId, request.fromTag ?? ''], this.#parties(flow, caller)));
    const tags = [request.callId, request.fromTag ?? '', response.toTag];
    const settled = param('c', this.#seals('caller', tags, this.#parties(flow, caller)));
    if (place === '') return;
    response.set(
      'Record-Route',
      written.map((value) => value.replace(place, settled)),
    );
  }

  /** Whether the sender of an in-dialog request, by its connection or as `people`, is one of the two parties of the dialog. */
  isParty(request: SipRequest, own: readonly string[], flow: Flow, people: readonly Subscriber[]): boolean {
    const [from, to] = [request.fromTag ?? '', request.toTag ?? ''];
    const parties = [keyOf(flow), ...people.map(personKey)];
    const asCaller = this.#seals('caller', [request.callId, from, to], parties);
    const asCalled = this.#seals('called', [request.callId, to], parties);
    return own.some((uri) => meets(sealsIn(uri, 'c'), asCaller) || meets(sealsIn(uri, 'd'), asCalled));
  }

  /** Whether a device belongs to the side that an in-dialog request is for. */
  isReceiver(request: SipRequest, own: readonly string[], flow: Flow, subscriber: Subscriber): boolean {
    const parties = [keyOf(flow), personKey(subscriber)];
    const called = this.#seals('called', [request.callId, request.fromTag ?? ''], parties);
    const caller = this.#seals('callerPlace', [request.callId, request.toTag ?? ''], parties);
    return own.some((uri) => meets(sealsIn(uri, 'd'), called) || meets(sealsIn(uri, 'c'), caller));
  }

  /** A target without a connection is a function. */
  #uriFor(target: Target): string {
    return 'isOpen' in target && !this.isTrusted(target) ? this.server.uriFor(target) : this.serviceUri();
  }

  #parties(flow: Flow, person: Subscriber | null): string[] {
    if (this.isTrusted(flow)) return [];
    const people = person === null ? this.ownersOf(flow) : [person];
    return [keyOf(flow), ...people.map(personKey)].slice(0, MAX_PARTIES);
  }

  #seals(role: Role, dialog: readonly string[], parties: readonly string[]): string[] {
    const seal = (party: string) =>
      createHmac('sha256', this.#secret)
        .update(JSON.stringify([role, ...dialog, party]))
        .digest('hex');
    return parties.map((party) => seal(party).slice(0, SEAL_DIGITS));
  }
}

const keyOf = (flow: Flow) => `flow ${flow.id}`;
const personKey = (person: Subscriber) => `person ${person.identities[0] ?? ''}`;
const param = (name: string, seals: readonly string[]) => (seals.length === 0 ? '' : `;${name}=${seals.join('.')}`);
const sealsIn = (uri: string, name: string) => routeParam(uri, name)?.split('.', MAX_PARTIES) ?? [];
const meets = (written: readonly string[], right: readonly string[]) => written.some((seal) => right.includes(seal));

/** A parameter of a SIP URI; null where there is none. */
export function routeParam(uri: string, name: string): string | null {
  const read = parseUri(uri);
  return read.ok && (read.value.scheme === 'sip' || read.value.scheme === 'sips') ? (read.value.params.get(name) ?? null) : null;
}
