import { useId } from 'react';
import type { ErrorValue, SignInOptions } from '../../preload/contract';
import { cx } from '../parts/cx';
import { Field } from '../parts/Field';
import { words } from '../words/text';
import form from './Form.module.css';
import { ServerCheck } from './ServerCheck';
import styles from './SignInAdvanced.module.css';

/** What was typed, word for word; empty means "as the network says". */
export interface AdvancedFields {
  server: string;
  authUser: string;
  registrar: string;
  factory: string;
  ca: string;
  scheme: NonNullable<SignInOptions['scheme']>;
  minAlgorithm: NonNullable<SignInOptions['minAlgorithm']>;
  k: string;
  op: string;
  /** Whether `op` is OPc already. */
  isOpc: boolean;
  imei: string;
  expires: string;
  msrpRelay: string;
  mediaTls: NonNullable<SignInOptions['mediaTls']>;
}

export const noAdvancedFields: AdvancedFields = {
  server: '',
  authUser: '',
  registrar: '',
  factory: '',
  ca: '',
  scheme: 'auto',
  minAlgorithm: 'MD5',
  k: '',
  op: '',
  isOpc: true,
  imei: '',
  expires: '',
  msrpRelay: '',
  mediaTls: 'auto',
};

/** The options that were filled in. */
export function optionsOf(fields: AdvancedFields): SignInOptions {
  const told = (name: 'authUser' | 'registrar' | 'factory' | 'ca' | 'imei') => {
    const value = fields[name].trim();
    return value === '' ? {} : { [name]: value };
  };
  const [k, op] = [fields.k.trim(), fields.op.trim()];
  const expiresSeconds = Number(fields.expires);
  return {
    ...told('authUser'),
    ...told('registrar'),
    ...told('factory'),
    ...told('ca'),
    ...told('imei'),
    // Shown as they are kept, so that what is taken away here is taken away.
    msrpRelay: fields.msrpRelay.trim(),
    mediaTls: fields.mediaTls,
    ...(fields.scheme === noAdvancedFields.scheme ? {} : { scheme: fields.scheme }),
    ...(fields.minAlgorithm === noAdvancedFields.minAlgorithm ? {} : { minAlgorithm: fields.minAlgorithm }),
    ...(k === '' || op === '' ? {} : { sim: { k, op: fields.isOpc ? null : op, opc: fields.isOpc ? op : null } }),
    ...(/^[1-9]\d{0,5}$/.test(fields.expires.trim()) ? { expiresSeconds } : {}),
  };
}

/** A larger file is not read. */
const maxCertificateFileBytes = 200_000;

interface SignInAdvancedProps {
  fields: AdvancedFields;
  onChange: (fields: AdvancedFields) => void;
  error: ErrorValue | null;
  disabled: boolean;
  /** The address to sign in with, as typed. */
  address: string;
  /** An IMEI can be set only while the device was never registered. */
  mayTakeImei: boolean;
}

/** Where the server is, how one proves who one is, and what else only some networks ask for. */
export function SignInAdvanced({ fields, onChange, address, error, disabled, mayTakeImei }: SignInAdvancedProps) {
  const problem = (name: string) => (error?.code === 'account/bad-option' && error.field === name ? error.reason : undefined);
  const field = (
    name: 'server' | 'authUser' | 'registrar' | 'factory' | 'ca' | 'imei' | 'expires' | 'msrpRelay',
    more: { lines?: number } = {},
  ) => (
    <Field
      label={words.first[name]}
      value={fields[name]}
      onChange={(value) => onChange({ ...fields, [name]: value })}
      placeholder={words.first.examples[name]}
      hint={words.first.hints[name]}
      problem={problem(name)}
      testId={`sign-in-${name}`}
      disabled={disabled}
      {...more}
    />
  );
  const usesSim = fields.scheme === 'aka';
  return (
    <div className={styles.advanced}>
      {field('server')}
      <div className={form.pair}>
        {field('authUser')}
        {field('expires')}
      </div>
      <div className={form.pair}>
        {field('registrar')}
        {field('factory')}
      </div>
      <div className={form.pair}>
        <Select
          label={words.first.scheme}
          value={fields.scheme}
          options={words.first.schemes}
          onChange={(scheme) => onChange({ ...fields, scheme })}
          testId="sign-in-scheme"
          disabled={disabled}
        />
        <Select
          label={words.first.minAlgorithm}
          value={fields.minAlgorithm}
          options={words.first.algorithms}
          onChange={(minAlgorithm) => onChange({ ...fields, minAlgorithm })}
          testId="sign-in-minAlgorithm"
          disabled={disabled}
        />
      </div>
      {usesSim ? (
        <div className={form.pair}>
          <Field
            label={words.first.simKey}
            value={fields.k}
            onChange={(k) => onChange({ ...fields, k })}
            type="password"
            hint={words.first.simHint}
            problem={problem('sim')}
            testId="sign-in-k"
            disabled={disabled}
          />
          <div>
            <Field
              label={fields.isOpc ? 'OPc' : 'OP'}
              value={fields.op}
              onChange={(op) => onChange({ ...fields, op })}
              type="password"
              testId="sign-in-op"
              disabled={disabled}
            />
            <label className={cx('hint', styles.check)}>
              <input
                type="checkbox"
                checked={!fields.isOpc}
                disabled={disabled}
                onChange={(event) => onChange({ ...fields, isOpc: !event.target.checked })}
              />
              {words.first.simIsOp}
            </label>
          </div>
        </div>
      ) : null}
      {mayTakeImei ? field('imei') : null}
      <div className={form.pair}>
        {field('msrpRelay')}
        <Select
          label={words.settings.mediaTls}
          value={fields.mediaTls}
          options={words.settings.mediaTlsChoices}
          onChange={(mediaTls) => onChange({ ...fields, mediaTls })}
          testId="sign-in-mediaTls"
          disabled={disabled}
        />
      </div>
      <div>
        {field('ca', { lines: 3 })}
        <label className="link file">
          {words.first.caFile}
          <input
            type="file"
            className="hidden-text"
            accept=".pem,.crt,.cer"
            disabled={disabled}
            data-testid="sign-in-ca-file"
            onChange={(event) => {
              const [file] = event.target.files ?? [];
              // Far more than any authority needs. A file that is no certificate is reported when it is used.
              if (file !== undefined && file.size <= maxCertificateFileBytes) void file.text().then((ca) => onChange({ ...fields, ca }));
            }}
          />
        </label>
      </div>
      <ServerCheck address={address} server={fields.server} ca={fields.ca} disabled={disabled} />
    </div>
  );
}

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: Readonly<Record<T, string>>;
  onChange: (value: T) => void;
  testId: string;
  disabled: boolean;
}

function Select<T extends string>({ label, value, options, onChange, testId, disabled }: SelectProps<T>) {
  const id = useId();
  return (
    <div>
      <label className="label" htmlFor={id}>
        {label}
      </label>
      <div className="field">
        <select id={id} value={value} disabled={disabled} data-testid={testId} onChange={(event) => onChange(event.target.value as T)}>
          {(Object.entries(options) as [T, string][]).map(([name, said]) => (
            <option key={name} value={name}>
              {said}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}
