/**
 * Where the core sends a request: to a function, to the device of a GRUU, to the devices of an address, or by its Route. Decides only;
 * `core.ts` sends.
 */
import { parseUri } from '../../protocol/uri';
import { hostPort, uriOf } from '../sip/header-value';
import type { SipRequest } from '../sip/message';
import { addressTarget, type Branch, nextHop } from '../sip/proxy';
import type { Flow } from '../sip/sip-server';
import { chooseBindings } from './caller-preferences';
import type { Directory, Subscriber } from './directory';
import type { Binding, Registrar } from './registrar';

/** A role of the network and the requests that are for it. A second route for the same requests is another instance, which stands by. */
export interface ServiceRoute {
  /** The host of the Request-URI. */
  host: string;
  /** The user part of the Request-URI; every user of that host when absent. */
  user?: string;
  /** `sip:127.0.0.1:port;transport=tcp` of the role. */
  target: string;
}

/** An answer that ends a request here. */
export interface Refusal {
  status: number;
  reason: string;
}

/** The dialog is with somebody else. */
const NO_PARTY: Refusal = { status: 481, reason: 'No dialog with this device' };

export class Destinations {
  readonly #services: ServiceRoute[] = [];
  /** `host:port` of the servers that the core may connect to. */
  readonly #peers = new Set<string>();

  constructor(
    private readonly directory: Directory,
    private readonly registrar: Registrar,
    /** Whether host and port are a listener of the core. */
    private readonly isOwn: (host: string, port: number | null) => boolean,
  ) {}

  addService(route: ServiceRoute): void {
    this.#services.push({ ...route, host: route.host.toLowerCase() });
    this.addPeer(route.target);
  }

  /** Names a server that requests may be sent to: a function, or a proxy of the operator's. */
  addPeer(uri: string): void {
    const target = addressTarget(uri);
    if (target !== null) this.#peers.add(`${target.host}:${target.port}`);
  }

  /** Whether a URI's host is this domain or a listener of this core. */
  isHome(uri: string): boolean {
    const place = hostPort(uri);
    return place !== null && (place.host === this.directory.domain || this.isOwn(place.host, place.port));
  }

  /** The instances of the function that serves a Request-URI, in the order in which they are tried. */
  servicesFor(uri: string): ServiceRoute[] {
    const read = parseUri(uri);
    if (!read.ok || (read.value.scheme !== 'sip' && read.value.scheme !== 'sips')) return [];
    const { host, user } = read.value;
    return this.#services.filter((service) => service.host === host && (service.user === undefined || service.user === user));
  }

  /** The subscriber of this domain that a Request-URI names, by address or GRUU. */
  called(uri: string): Subscriber | Refusal {
    const gruu = this.registrar.resolveGruu(uri);
    // LAB: the public GRUU of a device that this core does not know, as after its restart, is still its owner's: the Participating Function may
    // know the device. A temporary one tells nobody whose it is.
    const owner = gruu === null ? this.directory.find(uri) : null;
    if (owner !== null) return owner;
    if (gruu === null) return { status: 404, reason: 'No such GRUU' };
    const subscriber = gruu?.subscriber ?? this.directory.find(uri);
    if (subscriber !== null) return subscriber;
    const read = parseUri(uri);
    if (!read.ok || read.value.scheme === 'other') return { status: 416, reason: 'Only sip, sips and tel are routed' };
    if (read.value.scheme === 'tel' || this.isHome(uri)) return { status: 404, reason: 'No such address here' };
    return { status: 403, reason: `Only addresses of ${this.directory.domain} are served here` };
  }

  /**
   * The next places of a request: its Route, a function, the device of a GRUU, the devices of an address (chosen by the caller preferences
   * in `request`). Within a dialog only devices of the other party, which `isReceiver` knows, are reached: who has a dialog with somebody else
   * cannot speak to them in its name. The core connects to nothing that a sender names.
   */
  places(request: SipRequest, isReceiver: IsReceiver | null = null): Branch[] | Refusal {
    const { uri } = request;
    const initial = isReceiver === null ? request : null;
    if (request.has('route')) return this.#address(nextHop(request), request, isReceiver);
    const services = this.servicesFor(uri);
    if (services.length > 0) return services.flatMap(({ target }, index) => this.#instance(target, index));
    const gruu = this.registrar.resolveGruu(uri);
    if (gruu === undefined && isReceiver !== null) {
      const bound = this.registrar.boundTo(uri);
      const own = bound.filter(({ binding, subscriber }) => isReceiver(binding.flow, subscriber)).at(-1);
      if (own !== undefined) return [deviceBranch(own.binding, 1, request)];
      if (bound.length > 0) return { status: 480, reason: 'That device is not signed in' };
      if (!this.isHome(uri)) return this.#address(uri, request, isReceiver);
    }
    if (gruu === null) return { status: 404, reason: 'No such GRUU' };
    if (gruu !== undefined) {
      if (gruu.bindings.length === 0) return { status: 480, reason: 'That device is not signed in' };
      // RFC 5627 section 6.1: several flows of one instance are tried one after the other, the youngest first.
      const flows = [...gruu.bindings].sort((a, b) => b.expiresAt - a.expiresAt);
      if (isReceiver !== null && !flows.some(({ flow }) => isReceiver(flow, gruu.subscriber))) return NO_PARTY;
      const fitting = initial === null ? flows : chooseBindings(initial, flows).map((chosen) => chosen.binding);
      if (fitting.length === 0) return { status: 480, reason: 'That device does not offer the service' };
      return fitting.map((binding, index) => deviceBranch(binding, 1 - index / 100, request));
    }
    const called = this.called(uri);
    if ('status' in called) return called;
    const bindings = this.registrar.bindings(called);
    if (bindings.length === 0) return { status: 480, reason: 'Not signed in on any device' };
    if (isReceiver !== null && !bindings.some(({ flow }) => isReceiver(flow, called))) return NO_PARTY;
    const chosen = chooseBindings(request, bindings);
    if (chosen.length === 0) return { status: 480, reason: 'No device fits what the caller asks for' };
    return chosen.map(({ binding, q }) => deviceBranch(binding, q, request));
  }

  #instance(uri: string, index: number): Branch[] {
    const target = addressTarget(uri);
    return target === null ? [] : [{ target, q: 1 - index / 100, ...(index === 0 ? {} : { isStandby: true }) }];
  }

  #address(uri: string, request: SipRequest, isReceiver: IsReceiver | null): Branch[] | Refusal {
    const target = addressTarget(uri);
    if (target !== null && this.#peers.has(`${target.host}:${target.port}`)) return [{ target }];
    // A proxy that a device registered through is reached over the connection of that device (RFC 5626).
    for (const { binding, subscriber } of isReceiver === null ? [] : this.registrar.boundTo(request.uri))
      if (isReceiver?.(binding.flow, subscriber) === true && binding.path.some((path) => addressKeyOf(path) === addressKeyOf(uri)))
        return [{ target: binding.flow, unreachable: 480 }];
    return { status: 404, reason: 'No way to there' };
  }
}

/** Whether a device belongs to the side that an in-dialog request is for. */
export type IsReceiver = (flow: Flow, subscriber: Subscriber) => boolean;

function addressKeyOf(value: string): string {
  const place = hostPort(uriOf(value));
  return place === null ? value : `${place.host}:${place.port ?? 5060}`;
}

/** The way to one device: over its own connection, through the proxies it registered through. */
function deviceBranch(binding: Binding, q: number, request: SipRequest): Branch {
  const asked = request.uri;
  return {
    target: binding.flow,
    uri: binding.contact,
    routes: binding.path,
    q,
    unreachable: 480,
    edit: (copy) => {
      // RFC 3325 section 7: at the edge of the trust domain, a request for privacy removes the asserted identity.
      if (copy.all('privacy').some((value) => /(?:^|;)\s*id\s*(?:;|$)/i.test(value))) copy.remove('P-Asserted-Identity');
      if (copy.toTag === null) copy.set('P-Called-Party-ID', `<${asked}>`);
      // Inside a dialog the identity is for the functions: the device knows its peer, who may be anonymous.
      else copy.remove('P-Asserted-Identity');
    },
  };
}
