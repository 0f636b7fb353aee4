/**
 * The policy file: one JSON document, written by a person. A file that cannot be used is refused with the line and the reason, and the
 * previous policy stays in force. docs/POLICY.md describes its contents.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Timekeeper } from '../../base/clock';
import { JsonReader, readOperatorFile } from '../../base/json-reader';
import { correspondentKey } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import type { DenyRule, Policy, PolicyDocument, ProviderRules, UserPreferences } from './policy';

/** LAB: how often the file is checked for changes, milliseconds. */
export const POLICY_LOOK_MS = 500;

/** Reads the file into `policy`, and again whenever it changes. @throws OperatorFileError when the first reading fails */
export function followPolicyFile(file: string, policy: Policy, clock: Timekeeper, log: NetworkLog): { dispose(): void } {
  let seen = fingerprint(file);
  policy.adopt(readPolicyFile(file));
  const look = () => {
    timer = clock.setTimer(POLICY_LOOK_MS, look);
    const now = fingerprint(file);
    if (now === seen) return;
    seen = now;
    try {
      policy.adopt(readPolicyFile(file));
      log('info', 'the policy has changed', { file });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log('error', 'the policy file cannot be used: the policy before it stays', { reason });
    }
  };
  let timer = clock.setTimer(POLICY_LOOK_MS, look);
  return { dispose: () => timer.dispose() };
}

/** Differs whenever the file was written or replaced. */
function fingerprint(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
}

function readPolicyFile(file: string): PolicyDocument {
  return readOperatorFile(file, (text) => parsePolicy(text, dirname(resolve(file))));
}

/** `folder` is the base of relative paths in the document. @throws OperatorFileError `line 3: …` */
export function parsePolicy(text: string, folder: string): PolicyDocument {
  const read = new JsonReader(text, 'the policy');
  const root = read.object(read.root, [], ['deny', 'provider', 'users', 'interworking']);
  const { recordTo, ...provider } = providerOf(read, root.provider, folder);
  const users = new Map<string, UserPreferences>();
  const deny = read.list(root.deny, ['deny']).map((rule, index) => denyRule(read, rule, ['deny', String(index)]));
  for (const [address, wishes] of Object.entries(read.object(root.users ?? {}, ['users'], null))) {
    const path = ['users', address];
    if (correspondentKey(address) === null) throw read.fault(path, `"${address}" is not an address`);
    const { blocked, ...preferences } = preferencesOf(read, wishes, path);
    if (preferences.record === true && recordTo === null) throw read.fault([...path, 'record'], 'records need provider.recordTo, a folder');
    users.set(address, preferences);
    for (const rule of blocked) deny.push({ served: address, sescase: 'term', ...rule });
  }
  if (provider.record === true && recordTo === null) throw read.fault(['provider', 'record'], 'records need provider.recordTo, a folder');
  const outbox = read.object(root.interworking ?? {}, ['interworking'], ['mailOutbox']).mailOutbox;
  return { deny, provider, users, recordTo, mailOutbox: placeOf(read, outbox, ['interworking', 'mailOutbox'], folder) };
}

function providerOf(read: JsonReader, value: unknown, folder: string): ProviderRules & { recordTo: string | null } {
  const path = ['provider'];
  const known = ['mediaPath', 'record', 'hideMedia', 'recordTo', 'unknownServices'];
  const { mediaPath, record, hideMedia, recordTo, unknownServices } = read.object(value ?? {}, path, known);
  return {
    ...read.optional('mediaPath', read.oneOf(mediaPath, [...path, 'mediaPath'], ['stay', 'out', 'preference'] as const)),
    ...read.optional('record', read.flag(record, [...path, 'record'])),
    ...read.optional('hideMedia', read.flag(hideMedia, [...path, 'hideMedia'])),
    ...read.optional('unknownServices', read.oneOf(unknownServices, [...path, 'unknownServices'], ['pass', 'refuse'] as const)),
    recordTo: placeOf(read, recordTo, [...path, 'recordTo'], folder),
  };
}

function preferencesOf(
  read: JsonReader,
  value: unknown,
  path: string[],
): UserPreferences & { blocked: { peer: string; status?: number }[] } {
  const known = ['blocked', 'mediaPath', 'record', 'hideMedia', 'refuseAnonymous'];
  const { blocked, mediaPath, record, hideMedia, refuseAnonymous } = read.object(value, path, known);
  return {
    ...read.optional('mediaPath', read.oneOf(mediaPath, [...path, 'mediaPath'], ['stay', 'out'] as const)),
    ...read.optional('record', read.flag(record, [...path, 'record'])),
    ...read.optional('hideMedia', read.flag(hideMedia, [...path, 'hideMedia'])),
    ...read.optional('refuseAnonymous', read.flag(refuseAnonymous, [...path, 'refuseAnonymous'])),
    blocked: read.list(blocked, [...path, 'blocked']).map((one, index) => {
      const place = [...path, 'blocked', String(index)];
      if (typeof one === 'string') return { peer: addressOf(read, one, place) };
      const { address, status } = read.object(one, place, ['address', 'status']);
      return {
        peer: addressOf(read, address, [...place, 'address']),
        ...read.optional('status', statusOf(read, status, [...place, 'status'])),
      };
    }),
  };
}

function denyRule(read: JsonReader, value: unknown, path: string[]): DenyRule {
  const { served, case: when, peer, status } = read.object(value, path, ['served', 'case', 'peer', 'status']);
  const sescase = read.oneOf(when, [...path, 'case'], ['orig', 'term'] as const);
  if (sescase === undefined)
    throw read.fault(path, 'a rule says in "case" whether it is for what its user sends (orig) or receives (term)');
  return {
    served: addressOf(read, served, [...path, 'served']),
    sescase,
    peer: addressOf(read, peer, [...path, 'peer']),
    ...read.optional('status', statusOf(read, status, [...path, 'status'])),
  };
}

function addressOf(read: JsonReader, value: unknown, path: string[]): string {
  if (value === '*') return value;
  if (typeof value !== 'string' || correspondentKey(value) === null)
    throw read.fault(path, `"${path.at(-1)}" takes an address such as sip:bob@lab.test, or "*"`);
  return value;
}

function statusOf(read: JsonReader, value: unknown, path: string[]): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 400 || value > 699 || value === 401 || value === 407)
    throw read.fault(path, '"status" takes a SIP refusal from 400 to 699, and none that asks for a password');
  return value;
}

function placeOf(read: JsonReader, value: unknown, path: string[], folder: string): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' || value === '') throw read.fault(path, `"${path.at(-1)}" takes a path`);
  return resolve(folder, value);
}
