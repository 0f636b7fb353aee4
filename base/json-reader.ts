/** Reads a JSON file that an operator writes by hand and reports the line of each fault. Used for policies and groups files. */
import { readFileSync, statSync } from 'node:fs';

/** LAB: the largest operator file, in bytes. */
export const MAX_OPERATOR_FILE_BYTES = 1024 * 1024;

/** A file that cannot be used; the message names it, the line and the fault. */
export class OperatorFileError extends Error {}

/** The result of `parse` for the file's text. @throws OperatorFileError */
export function readOperatorFile<T>(file: string, parse: (text: string) => T): T {
  let text: string;
  try {
    if (statSync(file).size > MAX_OPERATOR_FILE_BYTES)
      throw new OperatorFileError(`${file} is larger than ${MAX_OPERATOR_FILE_BYTES} bytes`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof OperatorFileError) throw error;
    throw new OperatorFileError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return parse(text);
  } catch (error) {
    throw error instanceof OperatorFileError ? new OperatorFileError(`${file}, ${error.message}`) : error;
  }
}

/** A JSON document that can report where in it a fault is. */
export class JsonReader {
  readonly root: unknown;

  /** `what` is the name of the whole document in messages. @throws OperatorFileError when the text is not JSON */
  constructor(
    private readonly text: string,
    private readonly what: string,
  ) {
    const comment = commentAt(text);
    if (comment !== null) throw new OperatorFileError(`line ${lineAt(text, comment)}: JSON has no comments`);
    try {
      this.root = JSON.parse(text);
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      const at = Number(/position (\d+)/.exec(said)?.[1] ?? text.length);
      throw new OperatorFileError(`line ${lineAt(text, at)}: not JSON (${said.split('\n')[0]})`);
    }
  }

  /** An error located at the value that `path` leads to. */
  fault(path: readonly string[], what: string): OperatorFileError {
    let at = 0;
    for (const step of path) {
      const found = this.text.indexOf(JSON.stringify(step), at);
      if (found >= 0) at = found;
    }
    return new OperatorFileError(`line ${lineAt(this.text, at)}: ${what}`);
  }

  /** A null `known` allows any name. */
  object(value: unknown, path: readonly string[], known: readonly string[] | null): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.fault(path, `${path.at(-1) === undefined ? this.what : `"${path.at(-1)}"`} takes an object`);
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

  line(value: unknown, path: readonly string[], longest: number): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value.trim() !== '' && value.length <= longest && !/[\r\n]/.test(value)) return value.trim();
    throw this.fault(path, `"${path.at(-1)}" takes one line of ${longest} characters at most`);
  }

  optional<N extends string, T>(name: N, value: T | undefined): { [K in N]?: T } {
    return (value === undefined ? {} : { [name]: value }) as { [K in N]?: T };
  }
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/** The position of a comment outside strings, as editors' JSON allows; null when there is none. A string that does not end hides what follows it. */
function commentAt(text: string): number | null {
  let isString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (isString && character === '\\') at += 1;
    else if (character === '"') isString = !isString;
    else if (character === '\n') isString = false;
    else if (!isString && character === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) return at;
  }
  return null;
}
