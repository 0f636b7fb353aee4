/**
 * The Contacts of this device (RFC 3261 section 10.2.1, RFC 3840, RFC 5626; R7): its URI over the present flow, the capabilities it states
 * there, and the Contacts of its earlier flows that a registrar still lists and that this device must remove.
 */
import { INSTANCE_PARAM } from '../../../protocol/feature-tags';
import { sameInstance } from '../../../protocol/instance-urn';
import { formatNameAddr, formatUri, parseUri } from '../../../protocol/uri';
import type { Flow } from '../flow/flow';
import { capabilityParams } from '../stack/capabilities';
import type { Binding } from './binding';

/** Most characters of a device name on the wire. */
const MAX_DEVICE_NAME_CHARACTERS = 64;

/** The identity of this device while it is signed in. */
export interface DeviceIdentity {
  aor: string;
  instanceId: string;
  /** Feature tags of other SIP services that share this registration (R21). */
  featureTags: ReadonlyMap<string, string | null> | undefined;
}

/** The properties that a device announces and may change while it is signed in. */
export interface Offer {
  readonly deviceName: string;
  readonly icsis: readonly string[];
}

export class OwnContacts {
  readonly #device: DeviceIdentity;
  readonly #flow: () => Flow | null;
  /**
   * The Contact of the present flow, and those of earlier flows that the registrar still lists: either to be removed, or already removed in
   * vain.
   */
  readonly #places = new Map<string, 'current' | 'listed' | 'ended'>();
  /** The current offer, the one in the last REGISTER sent, and the one in the last REGISTER accepted. */
  #offer: Offer;
  #asked: Offer;
  #told: Offer | null = null;

  /** @param flow returns the present flow */
  constructor(device: DeviceIdentity, offer: Offer, flow: () => Flow | null) {
    this.#device = device;
    this.#flow = flow;
    this.#offer = offer;
    this.#asked = offer;
  }

  get offer(): Offer {
    return this.#offer;
  }

  change(offer: Partial<Offer>): void {
    this.#offer = { ...this.#offer, ...offer };
  }

  /** True when the registrar has accepted another offer than the current one. */
  get untold(): boolean {
    const { deviceName, icsis } = this.#offer;
    return this.#told !== null && (this.#told.deviceName !== deviceName || this.#told.icsis.join() !== icsis.join());
  }

  /** Whether a registrar lists Contacts of earlier flows that the next REGISTER must remove. */
  get hasFormer(): boolean {
    return [...this.#places.values()].includes('listed');
  }

  /** The URI of this device over its present flow. */
  here(): string {
    const uri = parseUri(this.#device.aor);
    const user = uri.ok && uri.value.scheme !== 'other' && uri.value.scheme !== 'tel' ? uri.value.user : null;
    const flow = this.#flow();
    const local = flow?.local ?? { host: '127.0.0.1', port: 0 };
    const host = local.host.includes(':') ? `[${local.host}]` : local.host;
    const transport = flow?.contactTransport ?? 'tcp';
    return formatUri({ scheme: 'sip', user, host, port: local.port, params: new Map([['transport', transport]]), headers: [] });
  }

  /**
   * The Contact values of a REGISTER: this device's own and, if it is bound with its instance, those of its earlier flows, which count as
   * removed from then on.
   * @param expires requested seconds; 0 removes this device's binding and leaves the others alone
   */
  forRegister({ expires, outbound }: { expires: number; outbound: boolean }): string[] {
    this.#asked = this.#offer;
    const params = new Map<string, string | null>([...this.#params(), ['expires', String(expires)]]);
    if (outbound) params.set('reg-id', '1');
    const own = formatNameAddr({ displayName: shownName(this.#offer), uri: this.here(), params });
    if (expires === 0) return [own];
    const former = [...this.#places].filter(([, state]) => state === 'listed').map(([uri]) => uri);
    for (const uri of former) this.#places.set(uri, 'ended');
    const ended = new Map([
      [INSTANCE_PARAM, `<${this.#device.instanceId}>`],
      ['expires', '0'],
    ]);
    return [own, ...former.map((uri) => formatNameAddr({ displayName: null, uri, params: ended }))];
  }

  /** Everything that a registration states about this device, at its public GRUU if it has one. */
  ofDevice(pubGruu: string | null): string {
    return formatNameAddr({ displayName: shownName(this.#offer), uri: pubGruu ?? this.here(), params: this.#params() });
  }

  /**
   * Learns from the bindings in a 200. A registrar that distinguishes bindings by their Contact keeps those of lost flows (RFC 3261 section
   * 10.3), and this device must remove them.
   */
  note(bindings: readonly Binding[]): void {
    const here = this.here();
    const { instanceId } = this.#device;
    const maybeOurs = bindings.filter((binding) => binding.instanceId === null || sameInstance(binding.instanceId, instanceId));
    for (const [uri, state] of [...this.#places]) {
      const isListed = maybeOurs.some((binding) => sameContact(binding.contact, uri));
      if (!isListed || sameContact(uri, here)) this.#places.delete(uri);
      else if (state === 'current') this.#places.set(uri, 'listed');
    }
    this.#places.set(here, 'current');
  }

  /** The registrar has accepted the last REGISTER. */
  accepted(): void {
    this.#told = this.#asked;
  }

  /** After signing out: this device has no earlier Contacts any longer, and the registrar knows nothing about it. */
  clear(): void {
    this.#places.clear();
    this.#told = null;
  }

  #params(): Map<string, string | null> {
    return capabilityParams({ ...this.#device, icsis: this.#offer.icsis, deviceName: shownName(this.#offer) });
  }
}

function shownName({ deviceName }: Offer): string {
  return deviceName.slice(0, MAX_DEVICE_NAME_CHARACTERS);
}

/** Whether two Contact URIs have the same user, host and port. */
export function sameContact(left: string, right: string): boolean {
  const place = (text: string) => {
    const uri = parseUri(text);
    if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return null;
    return `${uri.value.user ?? ''}@${uri.value.host.toLowerCase()}:${uri.value.port ?? ''}`;
  };
  const one = place(left);
  return one !== null && one === place(right);
}
