/**
 * The kept inputs, a file for each target, an input a line (a JSON string with a character for each byte). `corpus` holds what coverage-guided
 * runs have found to reach code that nothing smaller reaches, `faults` the smallest inputs that once broke something.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Kind = 'corpus' | 'faults';

const fileOf = (kind: Kind, target: string) => join('test/fuzz', kind, `${target}.txt`);

export function readInputs(kind: Kind, target: string): Uint8Array[] {
  const file = fileOf(kind, target);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => Uint8Array.from(Buffer.from(JSON.parse(line) as string, 'latin1')));
}

/** Takes the place of what was kept. */
export function writeInputs(kind: Kind, target: string, inputs: readonly Uint8Array[]): void {
  const lines = inputs.map((input) => asciiOnly(JSON.stringify(Buffer.from(input).toString('latin1'))));
  mkdirSync(join('test/fuzz', kind), { recursive: true });
  writeFileSync(fileOf(kind, target), [...new Set(lines)].map((line) => `${line}\n`).join(''));
}

const asciiOnly = (text: string) => text.replace(/[\x7f-\xff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
