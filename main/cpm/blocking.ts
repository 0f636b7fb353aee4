/**
 * Whether a request comes from somebody blocked, under whatever name it comes. An anonymous one is known by what the network still asserts, by a Contact
 * that names the person's address, and by a GRUU that the person has used under their own name.
 *
 * A temporary GRUU that was never used openly tells nothing (RFC 5627 section 3.1.2): for that there is the preference `refuseAnonymous`.
 */
import { ANONYMOUS_URI } from '../../protocol/cpim';
import { addressKey } from '../../protocol/uri';
import type { RemoteParty } from '../sip/client';
import type { CpmContext } from './conversation/context';

/** LAB: GRUUs that are remembered, of everybody together; the oldest are forgotten first. */
export const MAX_REMEMBERED_GRUUS = 1_000;

export class Blocking {
  readonly #context: Pick<CpmContext, 'isBlocked' | 'alsoBlock' | 'preferences'>;
  /** Whose GRUU it is: the first one who used it under their own name. */
  readonly #owners = new Map<string, string>();

  constructor(context: Pick<CpmContext, 'isBlocked' | 'alsoBlock' | 'preferences'>) {
    this.#context = context;
  }

  /** `speaksFor`: on whose behalf a focus calls. */
  refuses(remote: RemoteParty, speaksFor: string | null = null): boolean {
    const { isBlocked, alsoBlock, preferences } = this.#context;
    const isNameless = !remote.asserted && remote.address === ANONYMOUS_URI;
    if (isNameless && preferences().refuseAnonymous === true) return true;
    if (speaksFor !== null) return isBlocked(speaksFor);
    if (remote.alsoAsserted !== undefined) alsoBlock([remote.address, ...remote.alsoAsserted]);
    const owner = this.#ownerOf(remote, isNameless);
    return [remote.address, addressKey(remote.gruu ?? remote.contactUri), owner].some((one) => one !== null && isBlocked(one));
  }

  #ownerOf({ address, asserted, gruu }: RemoteParty, isNameless: boolean): string | null {
    if (gruu === null) return null;
    if (asserted && !this.#owners.has(gruu)) {
      this.#owners.set(gruu, address);
      const [oldest] = this.#owners.keys();
      if (oldest !== undefined && this.#owners.size > MAX_REMEMBERED_GRUUS) this.#owners.delete(oldest);
    }
    return isNameless ? (this.#owners.get(gruu) ?? null) : null;
  }
}
