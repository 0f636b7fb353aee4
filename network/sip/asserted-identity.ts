import { addressKey, parseNameAddr } from '../../protocol/uri';

/** The sender of a request as the core asserts it. Of several identities the SIP one counts. Null when the core asserted none. */
export function assertedIdentity(request: { all(name: string): string[] }): { address: string; name: string | null } | null {
  const identities = request.all('p-asserted-identity').flatMap((text) => {
    const value = parseNameAddr(text);
    const key = value.ok ? addressKey(value.value.uri) : null;
    return value.ok && key !== null ? [{ address: key, name: value.value.displayName }] : [];
  });
  return identities.find((identity) => identity.address.startsWith('sip')) ?? identities[0] ?? null;
}

/** The same, by the name in From where the core asserts the address of From without a name. */
export function namedIdentity(request: { all(name: string): string[] }): { address: string; name: string | null } | null {
  const asserted = assertedIdentity(request);
  const from = parseNameAddr(request.all('from')[0] ?? '');
  if (asserted === null || asserted.name !== null || !from.ok || addressKey(from.value.uri) !== asserted.address) return asserted;
  return { ...asserted, name: from.value.displayName };
}

/** Whether the core asserts this address as one of the sender's. Whoever knows the tags of a dialog can write into it; an identity is the core's word. */
export function isAsserted(request: { all(name: string): string[] }, address: string): boolean {
  return request.all('p-asserted-identity').some((text) => {
    const value = parseNameAddr(text);
    return value.ok && addressKey(value.value.uri) === addressKey(address);
  });
}
