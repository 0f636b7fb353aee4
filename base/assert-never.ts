/** Marks a case that the types exclude. A new union member then fails to compile where it must be decided. */
export function assertNever(value: never, what: string): never {
  throw new Error(`Unexpected ${what}: ${JSON.stringify(value)}`);
}
