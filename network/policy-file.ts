/**
 * The policy file: one JSON document that a person writes. A file that cannot be used is refused with the line and what is wrong there,
 * and what was in force before stays in force. What a file may hold is told in docs/POLICY.md.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { correspondentKey } from '../main/protocol/uri';
import type { Clock, NetworkLog } from './clock';
import type { DenyRule, Policy, PolicyDocument, ProviderRules, UserPreferences } from './policy';

/** LAB: the largest policy file, bytes. */
export const MAX_POLICY_BYTES = 1024 * 1024;
/** LAB: how often the file is looked at for changes, milliseconds. */
export const POLICY_LOOK_MS = 500;

/** A policy file that cannot be used; the message names line and fault. */
export class PolicyFileError extends Error {}

/** Reads the file into `policy`, and again whenever it changes. @throws PolicyFileError when the first reading fails */
export function followPolicyFile(file: string, policy: Policy, clock: Clock, log: NetworkLog): { dispose(): void } {
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
  let text: string;
  try {
    if (statSync(file).size > MAX_POLICY_BYTES) throw new PolicyFileError(`${file} is larger than ${MAX_POLICY_BYTES} bytes`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof PolicyFileError) throw error;
    throw new PolicyFileError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return parsePolicy(text, dirname(resolve(file)));
  } catch (error) {
    throw error instanceof PolicyFileError ? new PolicyFileError(`${file}, ${error.message}`) : error;
  }
}

/** `folder` is what relative paths of the document start from. @throws PolicyFileError `line 3: …` */
export function parsePolicy(text: string, folder: string): PolicyDocument {
  const read = new Reader(text);
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

function providerOf(read: Reader, value: unknown, folder: string): ProviderRules & { recordTo: string | null } {
  const path = ['provider'];
  const { mediaPath, record, hideMedia, recordTo } = read.object(value ?? {}, path, ['mediaPath', 'record', 'hideMedia', 'recordTo']);
  return {
    ...read.optional('mediaPath', read.oneOf(mediaPath, [...path, 'mediaPath'], ['stay', 'out', 'preference'] as const)),
    ...read.optional('record', read.flag(record, [...path, 'record'])),
    ...read.optional('hideMedia', read.flag(hideMedia, [...path, 'hideMedia'])),
    recordTo: placeOf(read, recordTo, [...path, 'recordTo'], folder),
  };
}

function preferencesOf(read: Reader, value: unknown, path: string[]): UserPreferences & { blocked: { peer: string; status?: number }[] } {
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

function denyRule(read: Reader, value: unknown, path: string[]): DenyRule {
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

function addressOf(read: Reader, value: unknown, path: string[]): string {
  if (value === '*') return value;
  if (typeof value !== 'string' || correspondentKey(value) === null)
    throw read.fault(path, `"${path.at(-1)}" takes an address such as sip:bob@lab.test, or "*"`);
  return value;
}

function statusOf(read: Reader, value: unknown, path: string[]): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 400 || value > 699 || value === 401 || value === 407)
    throw read.fault(path, '"status" takes a SIP refusal from 400 to 699, and none that asks for a password');
  return value;
}

function placeOf(read: Reader, value: unknown, path: string[], folder: string): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' || value === '') throw read.fault(path, `"${path.at(-1)}" takes a path`);
  return resolve(folder, value);
}

/** The document with the means to say where in it something is wrong. */
class Reader {
  readonly root: unknown;

  constructor(private readonly text: string) {
    const comment = commentAt(text);
    if (comment !== null) throw new PolicyFileError(`line ${lineAt(text, comment)}: JSON has no comments`);
    try {
      this.root = JSON.parse(text);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      const at = Number(/position (\d+)/.exec(said)?.[1] ?? text.length);
      throw new PolicyFileError(`line ${lineAt(text, at)}: not JSON (${said.split('\n')[0]})`);
    }
  }

  /** An error at the value that `path` leads to. */
  fault(path: readonly string[], what: string): PolicyFileError {
    let at = 0;
    for (const step of path) {
      const found = this.text.indexOf(JSON.stringify(step), at);
      if (found >= 0) at = found;
    }
    return new PolicyFileError(`line ${lineAt(this.text, at)}: ${what}`);
  }

  /** `known` null: any name may stand there. */
  object(value: unknown, path: readonly string[], known: readonly string[] | null): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.fault(path, `${path.at(-1) === undefined ? 'the policy' : `"${path.at(-1)}"`} takes an object`);
    const unknown = Object.keys(value).find((name) => known !== null && !known.includes(name));
    if (unknown !== undefined) throw this.fault([...path, unknown], `"${unknown}" is not known here: ${known?.join(', ')}`);
    return value as Record<string, unknown>;
  }

  list(value: unknown, path: readonly string[]): unknown[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.fault(path, `"${path.at(-1)}" takes a list`);
    return value;
  }

  oneOf<T extends string>(value: unknown, path: readonly string[], allowed: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw this.fault(path, `"${path.at(-1)}" takes ${allowed.map((one) => `"${one}"`).join(' or ')}`);
    return found;
  }

  flag(value: unknown, path: readonly string[]): boolean | undefined {
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.fault(path, `"${path.at(-1)}" takes true or false`);
  }

  optional<N extends string, T>(name: N, value: T | undefined): { [K in N]?: T } {
    return (value === undefined ? {} : { [name]: value }) as { [K in N]?: T };
  }
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/** Where a comment begins outside of strings, as editors' JSON has them; null for none. */
function commentAt(text: string): number | null {
  for (const found of text.matchAll(/"(?:[^"\\\n]|\\.)*"|\/[/*]/g)) if (!found[0].startsWith('"')) return found.index;
  return null;
}
