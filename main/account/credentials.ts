/** What it takes to sign in, and how it is made from what a person types. */

import type { AccountValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { parseServer } from '../../protocol/server-address';
import { addressKey, parseUri } from '../../protocol/uri';
import type { RelayAccount } from '../msrp/relay';
import { cleanDeviceName } from './device-name';
import type { KeptOptions } from './sign-in-options';

/** LAB: how long a registration is asked for (TS 24.229 asks for 600000 s, deployed clients for about an hour). */
export const defaultExpiresSeconds = 3600;

/** What it takes to sign in. */
export interface Credentials {
  kind: AccountValue['kind'];
  aor: string;
  displayName: string;
  password: string;
  /** Null: found by the address's domain. */
  proxy: string | null;
  deviceName: string;
  instanceId: string;
  /** Names of the capabilities that this version could offer and this device does not. */
  servicesOff: readonly string[];
  /** The address to write as, one of those that the network names; its default one when absent. */
  writesAs?: string;
  /** The account key of the own devices, 32 bytes in hex, where whoever started this client tells it. */
  ownKey?: string;
  /** What else the person has told; the rest is as the network says. */
  options: KeptOptions;
}

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

/** An account that nobody has signed in with before: everything but its password, its server and its options. */
export function newCredentials(
  kind: Credentials['kind'],
  aor: string,
  deviceName: string,
  instanceId: string,
): Omit<Credentials, 'password' | 'proxy' | 'options'> {
  const uri = parseUri(aor);
  const user = uri.ok && uri.value.scheme !== 'other' ? (uri.value.scheme === 'tel' ? uri.value.number : uri.value.user) : null;
  return { kind, aor, displayName: user ?? aor, deviceName: cleanDeviceName(deviceName), instanceId, servicesOff: [] };
}

/** Where groups are made. */
export function factoryOf({ aor, options }: Pick<Credentials, 'aor' | 'options'>): string {
  return options.factory ?? `sip:conference-factory@${aor.split('@')[1] ?? ''}`;
}

/** The relay that every chat goes through, under the name of the SIP account: a relay of the same network knows the same people. */
export function relayOf({ aor, password, options }: Pick<Credentials, 'aor' | 'password' | 'options'>): RelayAccount | null {
  const { msrpRelay, authUser, minAlgorithm = 'MD5' } = options;
  if (msrpRelay === undefined) return null;
  const username = authUser ?? aor.replace(/^sips?:/, '').split('@')[0] ?? '';
  return { uris: msrpRelay.split(' '), username, password, minAlgorithm };
}
