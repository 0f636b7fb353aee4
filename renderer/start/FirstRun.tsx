import { KeyRound, LogOut, Play } from 'lucide-react';
import { type FormEvent, useId, useState } from 'react';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Avatar } from '../parts/Avatar';
import { Banner } from '../parts/Banner';
import { Choice } from '../parts/Choice';
import { ChoiceCard } from '../parts/ChoiceCard';
import choiceCard from '../parts/ChoiceCard.module.css';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { WelcomePage } from '../parts/WelcomePage';
import { deviceOf, firstName, fullName } from '../words/person';
import { names, words } from '../words/text';
import styles from './FirstRun.module.css';
import form from './Form.module.css';
import { SignInForm } from './SignInForm';

type Way = 'try' | 'signIn';

export function FirstRun() {
  const people = useChorus((state) => state.tryPeople);
  const erased = useChorus((state) => state.erased);
  const [way, setWay] = useState<Way>('try');
  const chosen = people.length === 0 ? 'signIn' : way;
  return (
    <WelcomePage testId="first-run" title={words.first.title} lead={people.length === 0 ? words.first.signInBody : words.first.lead}>
      {erased === null ? null : (
        <div className={styles.erased}>
          <Banner kind="warn" icon={<LogOut size={18} strokeWidth={1.75} />} title={words.pair.erased(erased.by)} testId="erased">
            {words.pair.erasedBody}
          </Banner>
        </div>
      )}
      {people.length === 0 ? null : (
        <Choice<Way>
          label={words.first.how}
          className={choiceCard.ways}
          value={chosen}
          onChoose={setWay}
          options={[
            {
              value: 'try',
              className: choiceCard.way,
              testId: 'first-run-try',
              content: (
                <ChoiceCard icon={<Play size={18} strokeWidth={1.75} />} isOn={chosen === 'try'} name={words.first.try}>
                  {words.first.tryBody(names(people.map(firstName)))}
                </ChoiceCard>
              ),
            },
            {
              value: 'signIn',
              className: choiceCard.way,
              testId: 'first-run-sign-in',
              content: (
                <ChoiceCard icon={<KeyRound size={18} strokeWidth={1.75} />} isOn={chosen === 'signIn'} name={words.first.signIn}>
                  {words.first.signInBody}
                </ChoiceCard>
              ),
            },
          ]}
        />
      )}
      <div className={form.welcomeForm}>
        {chosen === 'try' ? (
          <TryForm />
        ) : (
          <SignInForm deviceName={words.first.deviceDefault} submitWords={words.first.signIn} onDone={() => undefined} />
        )}
      </div>
    </WelcomePage>
  );
}

/** Everything is filled in: Start is the only click. */
function TryForm() {
  const people = useChorus((state) => state.tryPeople);
  const [address, setAddress] = useState(people[0]?.address ?? '');
  const [deviceName, setDeviceName] = useState<string>(words.first.deviceDefault);
  const { busy, error, call } = useCall();
  const nameId = useId();
  const person = people.find((each) => each.address === address) ?? people[0];
  const named = deviceName.trim();

  const start = async (event: FormEvent) => {
    event.preventDefault();
    if (person !== undefined && named !== '') await call('tryIt', { person: person.address, deviceName: named });
  };
  return (
    <form className={form.form} onSubmit={(event) => void start(event)} noValidate>
      <div>
        <span className="label">{words.first.youAre}</span>
        <Choice
          label={words.first.youAre}
          className={styles.people}
          value={person?.address ?? ''}
          onChoose={setAddress}
          disabled={busy}
          options={people.map((each) => ({
            value: each.address,
            testId: 'first-run-person',
            content: (
              <>
                <Avatar person={each} size={24} />
                {fullName(each)}
              </>
            ),
          }))}
        />
      </div>
      {error === null ? null : <ErrorNote error={error} lead={words.first.tryFailed} />}
      <div>
        <label className="label" htmlFor={nameId}>
          {words.first.deviceName}
        </label>
        <div className={form.nameAndStart}>
          <div className={cx('field', named === '' && 'bad')}>
            <input
              id={nameId}
              value={deviceName}
              maxLength={64}
              disabled={busy}
              data-testid="first-run-device"
              onChange={(event) => setDeviceName(event.target.value)}
            />
          </div>
          {/* biome-ignore lint/a11y/noAutofocus: the one thing there is to do here */}
          <button type="submit" className="button primary big" autoFocus disabled={busy || named === ''} data-testid="first-run-start">
            {busy ? words.first.starting : words.first.start}
          </button>
        </div>
        <p className={cx('hint', named === '' && 'bad')}>
          {named === ''
            ? words.first.needName
            : person === undefined
              ? words.first.deviceHintPlain
              : words.first.deviceHint(deviceOf(person, named))}
        </p>
      </div>
    </form>
  );
}
