import { ChevronDown, ChevronRight } from 'lucide-react';
import { type FormEvent, useId, useState } from 'react';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { plainAddress } from '../words/person';
import { words } from '../words/text';
import form from './Form.module.css';
import { type AdvancedFields, noAdvancedFields, optionsOf, SignInAdvanced } from './SignInAdvanced';
import styles from './SignInForm.module.css';

interface SignInFormProps {
  address?: string;
  deviceName: string;
  /** How an account that signs in again has its media carried. */
  media?: Pick<AdvancedFields, 'msrpRelay' | 'mediaTls'>;
  submitWords: string;
  onDone: () => void;
}

type Missing = 'address' | 'password' | 'deviceName';

/** Address, password, a server only where it is another than the address's, and what this device is called. */
export function SignInForm({ address: known, deviceName: knownName, media, submitWords, onDone }: SignInFormProps) {
  const [address, setAddress] = useState(known === undefined ? '' : plainAddress(known));
  const [password, setPassword] = useState('');
  const [advanced, setAdvancedFields] = useState<AdvancedFields>({ ...noAdvancedFields, ...media });
  const [isAdvanced, setAdvanced] = useState(false);
  const [deviceName, setDeviceName] = useState(knownName);
  const [missing, setMissing] = useState<Missing | null>(null);
  const { busy, error, call, forget } = useCall();
  const nameId = useId();

  // A SIM proves who one is, and early IMS goes by the network address.
  const needsPassword = advanced.scheme === 'auto' || advanced.scheme === 'digest';

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const lacking: Missing | null = !/^(sips?:)?[^\s@]+@[^\s@]+$/i.test(address.trim())
      ? 'address'
      : password === '' && needsPassword
        ? 'password'
        : deviceName.trim() === ''
          ? 'deviceName'
          : null;
    setMissing(lacking);
    forget();
    if (lacking !== null) return;
    const told = optionsOf(advanced);
    // A first sign-in that says nothing of them has none.
    const { msrpRelay, mediaTls, ...others } = told;
    const options = media === undefined && msrpRelay === '' && mediaTls === 'auto' ? others : told;
    const account = await call('signIn', {
      address: /^sips?:/i.test(address.trim()) ? address.trim() : `sip:${address.trim()}`,
      password,
      deviceName: deviceName.trim(),
      ...(advanced.server.trim() === '' ? {} : { server: advanced.server.trim() }),
      ...(Object.keys(options).length === 0 ? {} : { options }),
    });
    if (account !== null) onDone();
  };
  const isPasswordBad = error?.code === 'account/bad-credentials';
  const Chevron = isAdvanced ? ChevronDown : ChevronRight;
  return (
    <form className={form.form} onSubmit={(event) => void submit(event)} noValidate>
      <div className={form.pair}>
        <Field
          label={words.first.address}
          value={address}
          onChange={setAddress}
          placeholder={words.first.addressExample}
          testId="sign-in-address"
          problem={missing === 'address' ? words.first.needAddress : undefined}
          disabled={busy}
          autoComplete="username"
          firstFocus={known === undefined}
        />
        <Field
          label={words.first.password}
          value={password}
          onChange={setPassword}
          type="password"
          testId="sign-in-password"
          problem={missing === 'password' ? words.first.needPassword : undefined}
          bad={isPasswordBad}
          disabled={busy}
          autoComplete="current-password"
          firstFocus={known !== undefined}
        />
      </div>
      <div>
        <button
          type="button"
          className={cx('link', styles.toggle)}
          aria-expanded={isAdvanced}
          data-testid="sign-in-advanced"
          onClick={() => setAdvanced(!isAdvanced)}
        >
          <Chevron size={14} strokeWidth={1.75} />
          {words.first.advanced}
        </button>
        {isAdvanced ? (
          <SignInAdvanced
            fields={advanced}
            onChange={setAdvancedFields}
            address={address}
            error={error}
            disabled={busy}
            mayTakeImei={known === undefined}
          />
        ) : null}
      </div>
      {error === null ? null : <ErrorNote error={error} />}
      <div>
        <label className="label" htmlFor={nameId}>
          {words.first.deviceName}
        </label>
        <div className={form.nameAndStart}>
          <div className={cx('field', missing === 'deviceName' && 'bad')}>
            <input
              id={nameId}
              value={deviceName}
              maxLength={64}
              disabled={busy}
              data-testid="sign-in-device"
              onChange={(event) => setDeviceName(event.target.value)}
            />
          </div>
          <button type="submit" className="button primary big" disabled={busy} data-testid="sign-in-submit">
            {busy ? words.first.signingIn : submitWords}
          </button>
        </div>
        <p className={cx('hint', missing === 'deviceName' && 'bad')}>
          {missing === 'deviceName' ? words.first.needName : words.first.deviceHintPlain}
        </p>
      </div>
    </form>
  );
}
