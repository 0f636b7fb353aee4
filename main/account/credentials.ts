/** What a person types to sign in, as the parts that a registration needs. */

import { AppError } from '../../preload/contract/errors';
import { parseServer } from '../../protocol/server-address';
import { addressKey, parseUri } from '../../protocol/uri';
import type { Credentials } from './account';
import { cleanDeviceName } from './device-name';

/** LAB: how long a registration is asked for (TS 24.229 asks for 600000 s, deployed clients for about an hour). */
export const defaultExpiresSeconds = 3600;

/** Own address: `alice@example.org` or `sip:alice@example.org`. @throws AppError account/bad-address */
export function parseOwnAddress(text: string): string {
  const trimmed = text.trim();
  const aor = addressKey(/^[a-z]+:/i.test(trimmed) ? trimmed : `sip:${trimmed}`);
  const uri = aor === null ? null : parseUri(aor);
  if (aor === null || uri === null || !uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips') || uri.value.user === null) {
    throw new AppError('account/bad-address', { cause: trimmed }, 'user');
  }
  return aor;
}

/** What a person may type as server: a host, host:port, a SIP URI, or the URL of a WebSocket. @throws AppError account/bad-address */
export function outboundProxy(server: string): string {
  const trimmed = server.trim();
  const uri = /^(?:sips?|wss?):/i.test(trimmed) ? trimmed : `sip:${trimmed}`;
  if (!parseServer(uri).ok) throw new AppError('account/bad-address', { cause: trimmed }, 'user');
  return uri;
}

/** An account that nobody has signed in with before: everything but its password and its server. */
export function newCredentials(
  kind: Credentials['kind'],
  aor: string,
  deviceName: string,
  instanceId: string,
): Omit<Credentials, 'password' | 'proxy'> {
  const uri = parseUri(aor);
  const user = uri.ok && uri.value.scheme !== 'other' ? (uri.value.scheme === 'tel' ? uri.value.number : uri.value.user) : null;
  return {
    kind,
    aor,
    displayName: user ?? aor,
    authUser: null,
    registrar: null,
    factory: `sip:conference-factory@${aor.split('@')[1] ?? ''}`,
    deviceName: cleanDeviceName(deviceName),
    instanceId,
    expiresSeconds: defaultExpiresSeconds,
    servicesOff: [],
  };
}
