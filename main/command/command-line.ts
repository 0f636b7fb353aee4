/** Reads command-line arguments; an unusable one is reported in one sentence. */
import { parseArgs } from 'node:util';

/** Unusable arguments: one line on stderr, exit status 2. */
export class UsageError extends Error {}

export type Options = Record<string, string | string[] | boolean | undefined>;

export function parse(argv: readonly string[], options: NonNullable<Parameters<typeof parseArgs>[0]>['options']): Options {
  try {
    return parseArgs({ args: [...argv], options: options ?? {}, strict: true, allowPositionals: false }).values as Options;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function text(options: Options, name: string): string | null {
  const value = options[name];
  return typeof value === 'string' ? value : null;
}

/** The values of an option that may be repeated. */
export function texts(options: Options, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value : [];
}

export function choice<T extends string>(options: Options, name: string, allowed: readonly T[], fallback: T): T {
  const value = text(options, name);
  if (value === null) return fallback;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`--${name} takes ${allowed.join(' or ')}`);
  return found;
}

export function port(value: string, name: string): number {
  const number = Number(value);
  if (!/^\d{1,5}$/.test(value) || number > 65_535) throw new UsageError(`--${name} takes a port, 0 to 65535`);
  return number;
}

/** Resolves at the first SIGINT or SIGTERM; SIGTERM counts as `quit`. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
