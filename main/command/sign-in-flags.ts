/** The sign-in options on a command line: their flags, their help, and how a text becomes an option. */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { AppError } from '../../preload/contract/errors';
import type { OptionRow, OptionRows, OptionsOf } from '../../preload/contract/sign-in-options';
import type { KeptOptionsOf, OptionTable } from '../account/sign-in-options';
import { type Options, text, UsageError } from './command-line';

/** The flags of a table, in the form for `parse`. */
export function optionFlags(rows: OptionRows): Record<string, { type: 'string' | 'boolean' }> {
  const flags = Object.values(rows).flatMap((row) => row.flags.map(({ name }) => [name, { type: flagType(row) }]));
  return Object.fromEntries(flags);
}

function flagType({ kind }: OptionRow): 'string' | 'boolean' {
  return kind === 'switch' ? 'boolean' : 'string';
}

/** The lines of the help for one flag. */
export function helpLine(flag: string, help: string): string {
  const indent = 25;
  const width = 140;
  const lines = [''];
  for (const word of help.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width - indent) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  const head = `  --${flag}`;
  const first = head.length < indent ? head.padEnd(indent) : `${head}\n${' '.repeat(indent)}`;
  return `${first}${lines.join(`\n${' '.repeat(indent)}`)}\n`;
}

export function optionHelp(rows: OptionRows): string {
  const flags = Object.values(rows).flatMap((row) => row.flags);
  return flags.map(({ name, takes, help }) => helpLine(takes === undefined ? name : `${name} ${takes}`, help)).join('');
}

/** The options given on a command line, checked like those of a call. @throws UsageError that names the flag */
export function readOptions<Rows extends OptionRows>(
  table: OptionTable<Rows>,
  options: Options,
  environment: NodeJS.ProcessEnv,
): KeptOptionsOf<Rows> {
  const rows: OptionRows = table.rows;
  const told = Object.entries(rows).flatMap(([name, row]) => {
    const value = toldOf(row, options, environment);
    return value === undefined ? [] : [[name, value] as const];
  });
  const decoded = v.safeParse(table.schema, Object.fromEntries(told));
  if (!decoded.success) {
    const [issue] = decoded.issues;
    const row = rows[String(issue.path?.[0]?.key)];
    throw new UsageError(
      `${nameOf(row)} takes ${row?.kind === 'choice' ? row.choices.join(' or ') : (row?.flags[0]?.takes ?? issue.message)}`,
    );
  }
  try {
    return table.check(decoded.output as OptionsOf<Rows>);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new UsageError(`${nameOf(rows[error.detail.field ?? ''])}: ${error.detail.reason}`);
  }
}

function nameOf(row: OptionRow | undefined): string {
  return (row?.flags ?? []).map(({ name }) => `--${name}`).join(' or ');
}

/** An option in the form of a call; undefined when it is not on the command line. */
function toldOf(row: OptionRow, options: Options, environment: NodeJS.ProcessEnv): unknown {
  const [first, second] = row.flags.map(({ name }) => text(options, name));
  switch (row.kind) {
    case 'switch':
      return options[row.flags[0]?.name ?? ''] === true ? true : undefined;
    case 'seconds':
      return first == null ? undefined : /^\d{1,9}$/.test(first) ? Number(first) : first;
    case 'certificates':
      return first == null ? undefined : readPem(first, nameOf(row));
    case 'sim': {
      if (first == null && second == null) return undefined;
      const k = environment[row.environment ?? ''];
      if (k === undefined) throw new UsageError(`${nameOf(row)} need the key of the SIM in ${row.environment}`);
      return { k, op: first ?? null, opc: second ?? null };
    }
    default:
      return first ?? undefined;
  }
}

function readPem(file: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${flag}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
