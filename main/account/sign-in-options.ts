/** Everything that is made from the table of sign-in options: the check of a call, the kept form, the protected form, the form without secrets. */
import * as v from 'valibot';
import { type OptionRow, type OptionRows, type OptionsOf, type OptionTypes, signInOptions } from '../../preload/contract/sign-in-options';
import { badOption, checkedOption, type KeptTypes, optionSchema } from './option-kinds';

type Kept<Row> = Row extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Row extends { kind: infer Kind extends keyof OptionTypes }
    ? KeptTypes[Kind]
    : never;
type KeptName<Rows, Name extends keyof Rows> = Rows[Name] extends { kept: false } ? never : Name;

/** The options of a table as an account keeps them, checked. An option that is absent is as the network says. */
export type KeptOptionsOf<Rows> = { -readonly [Name in keyof Rows as KeptName<Rows, Name>]?: Kept<Rows[Name]> };
export type KeptOptions = KeptOptionsOf<typeof signInOptions>;

/** What options must fulfil together; `field` is the one to be named where they do not. */
interface Rule {
  field: keyof KeptOptions;
  isBroken(options: KeptOptions): boolean;
  reason: string;
}
const rules: readonly Rule[] = [
  {
    field: 'msrpRelay',
    isBroken: ({ mediaTls, msrpRelay }) => mediaTls === 'always' && msrpRelay !== undefined && !/^msrps:/i.test(msrpRelay),
    reason: 'Chats over TLS need a relay with msrps:',
  },
  {
    field: 'sim',
    isBroken: ({ scheme, sim }) => scheme === 'aka' && sim === undefined,
    reason: 'Signing in by SIM needs the numbers of a SIM',
  },
];

export class OptionTable<Rows extends OptionRows> {
  readonly rows: Rows;
  /** The form of a call; what it does not name is refused. */
  readonly schema: v.GenericSchema<unknown, OptionsOf<Rows>>;

  constructor(rows: Rows) {
    this.rows = rows;
    const fields = this.#entries().map(([name, row]) => [name, v.optional(optionSchema(row))]);
    this.schema = v.strictObject(Object.fromEntries(fields)) as unknown as v.GenericSchema<unknown, OptionsOf<Rows>>;
  }

  /** The form of single options in a call, and of its other arguments. */
  schemaOf<Name extends keyof Rows & string, Others extends v.ObjectEntries>(
    names: readonly Name[],
    others: Others,
  ): v.GenericSchema<unknown, Pick<OptionsOf<Rows>, Name> & v.InferOutput<v.StrictObjectSchema<Others, undefined>>> {
    const fields = this.#entries().filter(([name]) => names.includes(name as Name));
    const options = Object.fromEntries(fields.map(([name, row]) => [name, v.optional(optionSchema(row))]));
    return v.strictObject({ ...others, ...options }) as unknown as ReturnType<typeof this.schemaOf<Name, Others>>;
  }

  /** The told options over the kept ones, each checked by itself and all together. @throws AppError account/bad-option */
  check(told: OptionsOf<Rows>, kept: KeptOptionsOf<Rows> = {} as KeptOptionsOf<Rows>): KeptOptionsOf<Rows> {
    const checked = new Map<string, unknown>(Object.entries(kept));
    for (const [name, row] of this.#entries()) {
      const value = told[name as keyof Rows];
      if (value === undefined) continue;
      const option = checkedOption(row, name, value);
      if (option === null) checked.delete(name);
      else if (row.kept !== false) checked.set(name, option);
    }
    const options = Object.fromEntries(checked);
    for (const { field, isBroken, reason } of rules) if (isBroken(options)) throw badOption(field, reason);
    return options as KeptOptionsOf<Rows>;
  }

  /** The kept options in a record that holds other fields too. */
  pick(record: object): KeptOptionsOf<Rows> {
    const names = new Set(this.#keptEntries().map(([name]) => name));
    return Object.fromEntries(
      Object.entries(record).filter(([name, value]) => names.has(name) && value !== undefined),
    ) as KeptOptionsOf<Rows>;
  }

  /** The options with every secret in another form: protected on the way to the disk, revealed on the way back. */
  mapSecrets(options: KeptOptionsOf<Rows>, map: (secret: string) => string): KeptOptionsOf<Rows> {
    const mapped = Object.entries(options).map(([name, value]) => [name, this.rows[name]?.secret === true ? mapTexts(value, map) : value]);
    return Object.fromEntries(mapped) as KeptOptionsOf<Rows>;
  }

  /** The record without the secrets among its options. */
  withoutSecrets<T extends object>(record: T): T {
    return Object.fromEntries(Object.entries(record).filter(([name]) => this.rows[name]?.secret !== true)) as T;
  }

  #entries(): [string, OptionRow][] {
    return Object.entries(this.rows);
  }

  #keptEntries(): [string, OptionRow][] {
    return this.#entries().filter(([, row]) => row.kept !== false);
  }
}

/** The options of a sign-in. */
export const signInTable = new OptionTable(signInOptions);

/** The instance ID of a device with this IMEI. @throws AppError account/bad-option */
export function instanceOfImei(imei: string): string {
  return checkedOption(signInOptions.imei, 'imei', imei) as string;
}

/** Every text in a value, however deep. */
function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, map));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapTexts(each, map)]));
}
