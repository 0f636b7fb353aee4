/**
 * Where the core sends a request: to a function, to the device of a GRUU, to the devices of an address, or by its Route. Decides only;
 * `core.ts` sends.
 */
import { parseUri } from '../../protocol/uri';
import { hostPort } from '../sip/header-value';
import type { SipRequest } from '../sip/message';
import { addressTarget, type Branch, nextHop } from '../sip/proxy';
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

export class Destinations {
  readonly #services: ServiceRoute[] = [];

  constructor(
    private readonly directory: Directory,
    private readonly registrar: Registrar,
    /** Whether host and port are a listener of the core. */
    private readonly isOwn: (host: string, port: number | null) => boolean,
  ) {}

  addService(route: ServiceRoute): void {
    this.#services.push({ ...route, host: route.host.toLowerCase() });
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
   * in `initial`), or, within a dialog (`initial` is null), the device or address of its Request-URI.
   */
  places(request: SipRequest, initial: SipRequest | null): Branch[] | Refusal {
    const { uri } = request;
    if (request.has('route')) return this.#address(nextHop(request));
    const services = this.servicesFor(uri);
    if (services.length > 0) return services.flatMap(({ target }, index) => this.#instance(target, index));
    const gruu = this.registrar.resolveGruu(uri);
    if (gruu === undefined && initial === null) {
      const binding = this.registrar.findByContact(uri);
      if (binding !== null) return [deviceBranch(binding, 1, request)];
      if (!this.isHome(uri)) return this.#address(uri);
    }
    if (gruu === null) return { status: 404, reason: 'No such GRUU' };
    if (gruu !== undefined) {
      if (gruu.bindings.length === 0) return { status: 480, reason: 'That device is not signed in' };
      // RFC 5627 section 6.1: several flows of one instance are tried one after the other, the youngest first.
      const flows = [...gruu.bindings].sort((a, b) => b.expiresAt - a.expiresAt);
      const fitting = initial === null ? flows : chooseBindings(initial, flows).map((chosen) => chosen.binding);
      if (fitting.length === 0) return { status: 480, reason: 'That device does not offer the service' };
      return fitting.map((binding, index) => deviceBranch(binding, 1 - index / 100, request));
    }
    const called = this.called(uri);
    if ('status' in called) return called;
    const bindings = this.registrar.bindings(called);
    if (bindings.length === 0) return { status: 480, reason: 'Not signed in on any device' };
    const chosen = chooseBindings(request, bindings);
    if (chosen.length === 0) return { status: 480, reason: 'No device fits what the caller asks for' };
    return chosen.map(({ binding, q }) => deviceBranch(binding, q, request));
  }

  #instance(uri: string, index: number): Branch[] {
    const target = addressTarget(uri);
    return target === null ? [] : [{ target, q: 1 - index / 100, ...(index === 0 ? {} : { isStandby: true }) }];
  }

  #address(uri: string): Branch[] | Refusal {
    const target = addressTarget(uri);
    return target === null ? { status: 404, reason: 'The next hop is not an address' } : [{ target }];
  }
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
    },
  };
}
