/** What a sign-in may be told beyond address and password, checked, as parts of the credentials. What is not told stays as it is kept. */
import type { SignInOptions } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { imeiUrn } from '../../protocol/instance-urn';
import { maximumRelays, parseMsrpUri } from '../../protocol/msrp';
import { addressKey } from '../../protocol/uri';
import type { Credentials, SignInWay } from '../account/account';

export type SignInParts = Partial<
  Pick<Credentials, 'authUser' | 'registrar' | 'factory' | 'ca' | 'expiresSeconds' | 'signIn' | 'securesMedia' | 'msrpRelay'>
>;

/** @throws AppError account/bad-option */
export function signInParts(options: SignInOptions, kept: SignInParts): SignInParts {
  const { authUser, registrar, factory, ca, expiresSeconds, securesMedia, msrpRelay } = options;
  const way = wayOf(options, kept.signIn);
  const { msrpRelay: keptRelay, ...rest } = kept;
  const relay = msrpRelay === undefined ? keptRelay : msrpRelay.trim() === '' ? undefined : relayUris(msrpRelay);
  const secures = securesMedia ?? kept.securesMedia ?? false;
  if (secures && relay !== undefined && !/^msrps:/i.test(relay)) throw bad('msrpRelay', 'Chats over TLS need a relay with msrps:');
  return {
    ...rest,
    ...(relay === undefined ? {} : { msrpRelay: relay }),
    ...(securesMedia === undefined ? {} : { securesMedia }),
    ...(authUser === undefined ? {} : { authUser: authUser.trim() }),
    ...(registrar === undefined ? {} : { registrar: sipUri(registrar, 'registrar') }),
    ...(factory === undefined ? {} : { factory: sipUri(factory, 'factory') }),
    ...(ca === undefined ? {} : { ca: certificates(ca) }),
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
    ...(way === undefined ? {} : { signIn: way }),
  };
}

/** The instance ID of a device with this IMEI. @throws AppError account/bad-option */
export function instanceOfImei(imei: string): string {
  const urn = imeiUrn(imei);
  if (!urn.ok) throw bad('imei', urn.reason);
  return urn.value;
}

/** The certificates of a PEM text, each a text of its own. Empty when it holds none. */
export function certificatesOf(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function wayOf({ scheme, minAlgorithm, sim }: SignInOptions, kept: SignInWay | undefined): SignInWay | undefined {
  if (scheme === undefined && minAlgorithm === undefined && sim === undefined) return kept;
  const numbers = [
    ['k', sim?.k ?? null],
    ['op', sim?.op ?? null],
    ['opc', sim?.opc ?? null],
  ] as const;
  for (const [name, value] of numbers)
    if (value !== null && !/^[0-9a-f]{32}$/i.test(value)) throw bad('sim', `${name.toUpperCase()} of a SIM is 32 hexadecimal digits`);
  if (sim !== undefined && (sim.op === null) === (sim.opc === null)) throw bad('sim', 'A SIM has OP or OPc, one of the two');
  const way: SignInWay = {
    scheme: scheme ?? kept?.scheme ?? 'auto',
    minAlgorithm: minAlgorithm ?? kept?.minAlgorithm ?? 'MD5',
    sim: sim ?? kept?.sim ?? null,
  };
  if (way.scheme === 'aka' && way.sim === null) throw bad('sim', 'Signing in by SIM needs the numbers of a SIM');
  return way;
}

function sipUri(text: string, field: string): string {
  const trimmed = text.trim();
  const uri = /^[a-z]+:\D/i.test(trimmed) ? trimmed : `sip:${trimmed}`;
  if (!/^sips?:/i.test(uri) || addressKey(uri) === null) throw bad(field, `${trimmed} is no SIP URI`);
  return uri;
}

/** One, or several that are passed one after the other, with spaces between. @throws AppError account/bad-option */
function relayUris(text: string): string {
  const uris = text
    .trim()
    .split(/[\s,]+/)
    .map(relayUri);
  if (uris.length > maximumRelays) throw bad('msrpRelay', `No more than ${maximumRelays} relays one after the other`);
  if (new Set(uris.map((uri) => uri.split(':')[0]?.toLowerCase())).size > 1)
    throw bad('msrpRelay', 'The relays are all msrps: or all msrp:');
  return uris.join(' ');
}

function relayUri(uri: string): string {
  const read = parseMsrpUri(/;[a-z]+$/i.test(uri) ? uri : `${uri};tcp`);
  if (!read.ok || read.value.sessionId !== null)
    throw bad('msrpRelay', `${uri} is no MSRP URI of a relay, such as msrps://relay.example.org:2855;tcp`);
  return /;[a-z]+$/i.test(uri) ? uri : `${uri};tcp`;
}

function certificates(pem: string): string[] {
  const found = certificatesOf(pem);
  if (found.length === 0) throw bad('ca', 'The text holds no certificate (PEM)');
  return found;
}

function bad(field: string, reason: string): AppError {
  return new AppError('account/bad-option', { field, reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.` }, 'user');
}
