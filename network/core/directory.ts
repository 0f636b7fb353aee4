/** The subscribers of the network's domain: their addresses and the passwords that prove them. */
import { addressKey, parseUri } from '../../protocol/uri';
import { type SimCard, type SimOptions, simCard } from './sim-card';

/** What the operator enters for one person. */
export interface SubscriberOptions {
  /** User part of the address and user name of Digest: `alice`. */
  name: string;
  password: string;
  displayName?: string;
  /** Further addresses of this person (`tel:+15550100`, `sip:sales@lab.test`), registered together with the first (3GPP implicit set). */
  identities?: readonly string[];
  /** The SIM, in a network with AKA. */
  sim?: SimOptions;
  /** Network addresses that stand for this person in early IMS. */
  early?: readonly string[];
}

export interface Subscriber {
  readonly name: string;
  readonly password: string;
  readonly displayName: string | null;
  /** Comparable addresses (`addressKey`), the default one first; it is always a SIP address. */
  readonly identities: readonly string[];
  readonly sim: SimCard | null;
  readonly early: readonly string[];
}

/** The `user=phone` form of a telephone number in this domain (RFC 3261 section 19.1.6), as its tel URI. */
function telOf(address: string): string | null {
  const uri = parseUri(address);
  if (!uri.ok || uri.value.scheme === 'other' || uri.value.scheme === 'tel') return null;
  return uri.value.params.get('user') === 'phone' && uri.value.user !== null ? addressKey(`tel:${uri.value.user}`) : null;
}

export class Directory {
  readonly #byName = new Map<string, Subscriber>();
  readonly #byIdentity = new Map<string, Subscriber>();

  /** @throws Error when an address is neither SIP nor TEL, or is given twice: a mistake of the operator, not of a peer */
  constructor(
    readonly domain: string,
    subscribers: readonly SubscriberOptions[],
  ) {
    for (const options of subscribers) this.#add(options);
  }

  #add(options: SubscriberOptions): void {
    const addresses = [`sip:${options.name}@${this.domain}`, ...(options.identities ?? [])];
    const identities = addresses.map((address) => {
      const key = addressKey(address);
      if (key === null) throw new Error(`${address} is not a SIP or TEL address`);
      if (this.#byIdentity.has(key)) throw new Error(`${address} is there twice`);
      return key;
    });
    const { name, password, displayName = null, sim, early = [] } = options;
    const subscriber: Subscriber = { name, password, displayName, identities, sim: sim === undefined ? null : simCard(sim), early };
    this.#byName.set(options.name.toLowerCase(), subscriber);
    for (const key of identities) this.#byIdentity.set(key, subscriber);
  }

  get all(): readonly Subscriber[] {
    return [...this.#byName.values()];
  }

  /** The subscriber that an address belongs to. Takes a bare URI or a name-addr, with parameters or as a GRUU. */
  find(address: string): Subscriber | null {
    const key = addressKey(address);
    const found = key === null ? undefined : this.#byIdentity.get(key);
    if (found !== undefined) return found;
    const tel = telOf(address);
    return (tel === null ? undefined : this.#byIdentity.get(tel)) ?? null;
  }

  /** The subscriber behind a Digest user name: `alice`, or `alice@lab.test`. */
  findByUserName(userName: string): Subscriber | null {
    const at = userName.lastIndexOf('@');
    if (at >= 0 && userName.slice(at + 1).toLowerCase() !== this.domain) return null;
    return this.#byName.get((at < 0 ? userName : userName.slice(0, at)).toLowerCase()) ?? null;
  }
}
