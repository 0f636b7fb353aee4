/** What each kind of sign-in option takes and becomes: the form of a call, and the form in which an account keeps it. */
import * as v from 'valibot';
import { AppError } from '../../preload/contract/errors';
import type { OptionRow, OptionTypes } from '../../preload/contract/sign-in-options';
import { imeiUrn } from '../../protocol/instance-urn';
import { maximumRelays, parseMsrpUri } from '../../protocol/msrp';
import { addressKey } from '../../protocol/uri';

/** The longest name or URI of an option, in UTF-16 code units. */
const maxTextLength = 1_000;
/** The longest text with certificates, in UTF-16 code units. */
export const maxCertificatesLength = 200_000;
/** The longest registration that may be asked for, seconds: what TS 24.229 5.1.1.2 has clients ask for. */
const maxExpiresSeconds = 600_000;

/** The kept form of each kind: ready to be used. */
export interface KeptTypes {
  text: string;
  sipUri: string;
  /** Each certificate a text of its own. */
  certificates: readonly string[];
  switch: boolean;
  seconds: number;
  relays: string;
  /** The instance ID as a URN. */
  imei: string;
  sim: OptionTypes['sim'];
}

type Kinds = {
  readonly [Kind in keyof OptionTypes]: {
    schema: v.GenericSchema<unknown, OptionTypes[Kind]>;
    /** @returns null to have no such option; @throws AppError account/bad-option by this name */
    check(told: OptionTypes[Kind], name: string): KeptTypes[Kind] | null;
  };
};

const field = v.pipe(v.string(), v.minLength(1), v.maxLength(maxTextLength));
const hex128 = /^[0-9a-f]{32}$/i;

const optionKinds: Kinds = {
  text: { schema: field, check: (told) => told.trim() },
  sipUri: { schema: field, check: sipUri },
  certificates: { schema: v.pipe(v.string(), v.maxLength(maxCertificatesLength)), check: certificates },
  switch: { schema: v.boolean(), check: (told) => told },
  seconds: { schema: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(maxExpiresSeconds)), check: (told) => told },
  relays: {
    schema: v.pipe(v.string(), v.maxLength(maxTextLength)),
    check: (told, name) => (told.trim() === '' ? null : relayUris(told, name)),
  },
  imei: { schema: field, check: instanceOf },
  sim: { schema: v.strictObject({ k: field, op: v.nullable(field), opc: v.nullable(field) }), check: simNumbers },
};

/** The form of an option in a call. */
export function optionSchema(row: OptionRow): v.GenericSchema {
  return row.kind === 'choice' ? v.picklist(row.choices) : optionKinds[row.kind].schema;
}

/** An option in its kept form; null for none. @throws AppError account/bad-option */
export function checkedOption(row: OptionRow, name: string, told: unknown): unknown {
  // The schema of this very row has let `told` through.
  return row.kind === 'choice' ? told : (optionKinds[row.kind].check as (told: unknown, name: string) => unknown)(told, name);
}

export function badOption(field: string, reason: string): AppError {
  return new AppError('account/bad-option', { field, reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.` }, 'user');
}

function sipUri(text: string, name: string): string {
  const trimmed = text.trim();
  const uri = /^[a-z]+:\D/i.test(trimmed) ? trimmed : `sip:${trimmed}`;
  if (!/^sips?:/i.test(uri) || addressKey(uri) === null) throw badOption(name, `${trimmed} is no SIP URI`);
  return uri;
}

function certificates(pem: string, name: string): string[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (found === null) throw badOption(name, 'The text holds no certificate (PEM)');
  return [...found];
}

/** One relay, or several that are passed one after the other. */
function relayUris(text: string, name: string): string {
  const uris = text
    .trim()
    .split(/[\s,]+/)
    .map((uri) => relayUri(uri, name));
  if (uris.length > maximumRelays) throw badOption(name, `No more than ${maximumRelays} relays one after the other`);
  if (new Set(uris.map((uri) => uri.split(':')[0]?.toLowerCase())).size > 1)
    throw badOption(name, 'The relays are all msrps: or all msrp:');
  return uris.join(' ');
}

function relayUri(uri: string, name: string): string {
  const whole = /;[a-z]+$/i.test(uri) ? uri : `${uri};tcp`;
  const read = parseMsrpUri(whole);
  if (!read.ok || read.value.sessionId !== null)
    throw badOption(name, `${uri} is no MSRP URI of a relay, such as msrps://relay.example.org:2855;tcp`);
  return whole;
}

function instanceOf(imei: string, name: string): string {
  const urn = imeiUrn(imei);
  if (!urn.ok) throw badOption(name, urn.reason);
  return urn.value;
}

function simNumbers(sim: OptionTypes['sim'], name: string): OptionTypes['sim'] {
  const numbers = [
    ['K', sim.k],
    ['OP', sim.op],
    ['OPc', sim.opc],
  ] as const;
  for (const [label, value] of numbers)
    if (value !== null && !hex128.test(value)) throw badOption(name, `${label} of a SIM is 32 hexadecimal digits`);
  if ((sim.op === null) === (sim.opc === null)) throw badOption(name, 'A SIM has OP or OPc, one of the two');
  return sim;
}
