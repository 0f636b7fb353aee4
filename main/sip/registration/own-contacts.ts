/**
 * The Contacts of this device (RFC 3261 section 10.2.1, RFC 3840, RFC 5626; R7): where it is reached over its flow, what it says of itself there, and the
 * places of its earlier flows that a registrar still lists and that are this device's to end.
 */
import { INSTANCE_PARAM } from '../../../protocol/feature-tags';
import { sameInstance } from '../../../protocol/instance-urn';
import { formatNameAddr, formatUri, parseUri } from '../../../protocol/uri';
import type { Flow } from '../flow/flow';
import { capabilityParams } from '../stack/capabilities';
import type { Binding } from './binding';

/** Characters of a device name on the wire. */
const MAX_DEVICE_NAME_CHARACTERS = 64;

/** Who this device is, for as long as it is signed in. */
export interface DeviceIdentity {
  aor: string;
  instanceId: string;
  /** Feature tags of other SIP services that share this registration (R21). */
  featureTags: ReadonlyMap<string, string | null> | undefined;
}

/** What a device says of itself, and may change while it is signed in. */
export interface Offer {
  readonly deviceName: string;
  readonly icsis: readonly string[];
}

export class OwnContacts {
  readonly #device: DeviceIdentity;
  readonly #flow: () => Flow | null;
  /** The Contact of the present flow, and those of earlier ones that the registrar still lists: yet to be ended, or ended in vain. */
  readonly #places = new Map<string, 'current' | 'listed' | 'ended'>();
  /** From now on; in the last REGISTER that left; in the last one that was accepted. */
  #offer: Offer;
  #asked: Offer;
  #told: Offer | null = null;

  /** @param flow the present one */
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

  /** The registrar has accepted another offer than the present one. */
  get untold(): boolean {
    const { deviceName, icsis } = this.#offer;
    return this.#told !== null && (this.#told.deviceName !== deviceName || this.#told.icsis.join() !== icsis.join());
  }

  /** Whether a registrar lists places of earlier flows that the next REGISTER shall end. */
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
   * The Contact values of a REGISTER: this device's, and with the instance those of its earlier flows, which count as ended from here on.
   * @param expires seconds asked for; 0 gives up this device's binding and leaves the others alone
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

  /** Everything that a registration says of this device, at its public GRUU where it has one. */
  ofDevice(pubGruu: string | null): string {
    return formatNameAddr({ displayName: shownName(this.#offer), uri: pubGruu ?? this.here(), params: this.#params() });
  }

  /**
   * Learns from the bindings of a 200. A registrar that tells bindings apart by their Contact keeps those of flows that are gone (RFC 3261 section 10.3):
   * they are ours to end.
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

  /** The registrar has accepted what the last REGISTER said. */
  accepted(): void {
    this.#told = this.#asked;
  }

  /** After signing off: no earlier place is this device's any more, and the registrar knows nothing of it. */
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

/** Whether two Contact URIs are one place: user, host and port. */
export function sameContact(left: string, right: string): boolean {
  const place = (text: string) => {
    const uri = parseUri(text);
    if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return null;
    return `${uri.value.user ?? ''}@${uri.value.host.toLowerCase()}:${uri.value.port ?? ''}`;
  };
  const one = place(left);
  return one !== null && one === place(right);
}
