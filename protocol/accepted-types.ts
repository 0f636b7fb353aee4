/** What the other side of a session takes, by its a=accept-types and a=accept-wrapped-types (RFC 4975 section 8.6). */
import type { MsrpDescription } from './sdp';

const CPIM = 'message/cpim';

/** How content of a type may reach the other side: as it is, in an envelope, both, or not at all. */
export interface ContentWays {
  bare: boolean;
  wrapped: boolean;
}

export function waysOf({ acceptTypes, wrappedTypes }: Pick<MsrpDescription, 'acceptTypes' | 'wrappedTypes'>, type: string): ContentWays {
  // The attribute must be there. Whoever leaves it out has not said what it refuses.
  if (acceptTypes.length === 0) return { bare: true, wrapped: true };
  const bare = includes(acceptTypes, type);
  // What is taken as it is is taken in an envelope, too. Whoever takes envelopes alone, and does not say of what, takes them of everything.
  const saysNothing = wrappedTypes.length === 0 && acceptTypes.every((one) => one === CPIM);
  return { bare, wrapped: includes(acceptTypes, CPIM) && (bare || saysNothing || includes(wrappedTypes, type)) };
}

function includes(types: readonly string[], wanted: string): boolean {
  const group = `${wanted.slice(0, wanted.indexOf('/'))}/*`;
  return types.some((type) => {
    const [name] = type.split(';');
    return name === '*' || name === '*/*' || name === group || name === wanted;
  });
}
