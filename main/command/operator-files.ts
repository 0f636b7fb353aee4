/**
 * The files that an operator gives to `chorus network`: faults to inject, the SIMs of its people, the authorities that its media trusts. An
 * unusable file is refused with the position and the kind of the fault.
 *
 *   faults  [{"name": "slow", "fault": {"kind": "delay", "ms": 2000}, "user": "alice", "after": 1, "times": 3, "chance": 0.5}, …]
 *   sims    {"alice": {"k": "32 hex digits", "opc": "32 hex digits", "sqn": 0}, …}
 *   media-ca  certificates, PEM
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import type { FaultRule } from '../../network/core/faults';
import type { SimOptions } from '../../network/core/sim-card';
import { UsageError } from './command-line';

/** The largest operator file, in bytes. */
export const maxOperatorFileBytes = 1024 * 1024;
/** Most rules in one faults file. */
export const maxFaultRules = 1000;

const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000));
const milliseconds = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(600_000));
/** Text that can be in a header without ending it. */
const oneLine = v.pipe(v.string(), v.regex(/^[^\r\n]{0,1000}$/, 'one line of 1000 characters at most'));
const headerName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,64}$/, 'a header name'));

const fault = v.variant('kind', [
  v.strictObject({
    kind: v.literal('answer'),
    status: v.pipe(v.number(), v.integer(), v.minValue(300), v.maxValue(699)),
    reason: v.exactOptional(oneLine),
    headers: v.exactOptional(v.array(v.tuple([headerName, oneLine]))),
  }),
  v.strictObject({ kind: v.literal('drop') }),
  v.strictObject({ kind: v.literal('disconnect') }),
  v.strictObject({ kind: v.literal('delay'), ms: milliseconds }),
  v.strictObject({ kind: v.literal('repeat'), times: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)) }),
]);

const faultRules = v.pipe(
  v.array(
    v.strictObject({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(100)),
      fault,
      method: v.exactOptional(v.pipe(v.string(), v.regex(/^[A-Z]{1,20}$/, 'a SIP method in capitals'))),
      user: v.exactOptional(v.string()),
      credentials: v.exactOptional(v.boolean()),
      after: v.exactOptional(count),
      times: v.exactOptional(count),
      chance: v.exactOptional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
    }),
  ),
  v.maxLength(maxFaultRules),
);

const key = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/i, '32 hexadecimal digits'));
const sims = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value), 'names and their SIMs, no list'),
  v.record(
    v.string(),
    v.union([
      v.strictObject({ k: key, opc: key, sqn: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))) }),
      v.strictObject({ k: key, op: key, sqn: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))) }),
    ]),
  ),
);

/** The rules of a faults file. @throws UsageError */
export function readFaults(file: string): FaultRule[] {
  return decoded(file, '--faults', faultRules);
}

/** The SIM of each user, by name. @throws UsageError */
export function readSims(file: string): Map<string, SimOptions> {
  return new Map(Object.entries(decoded(file, '--sims', sims)));
}

/** The certificates in a PEM file, one text each. @throws UsageError */
export function readAuthorities(file: string): string[] {
  const found = contents(file, '--media-ca').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const pem of found) new X509Certificate(pem);
  } catch (error) {
    throw new UsageError(`--media-ca: ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (found.length === 0) throw new UsageError(`--media-ca takes a PEM file with certificates; ${file} holds none`);
  return found;
}

function decoded<T>(file: string, option: string, schema: v.GenericSchema<unknown, T>): T {
  const result = v.safeParse(schema, json(file, option));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = v.getDotPath(issue);
  throw new UsageError(`${option}: ${file}${place === null ? '' : `, at ${place}`}: ${issue.message}`);
}

function json(file: string, option: string): unknown {
  const written = contents(file, option);
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new UsageError(`${option}: ${file} is no JSON: ${String(error instanceof Error ? error.message : error)}`);
  }
}

function contents(file: string, option: string): string {
  try {
    if (statSync(file).size > maxOperatorFileBytes) throw new Error(`${file} is larger than ${maxOperatorFileBytes} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option}: ${String(error instanceof Error ? error.message : error)}`);
  }
}
