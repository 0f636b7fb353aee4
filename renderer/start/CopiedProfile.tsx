import { MapPin, MonitorSmartphone } from 'lucide-react';
import { type FormEvent, useId, useState } from 'react';
import type { CloneValue } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { Choice } from '../parts/Choice';
import { ChoiceCard } from '../parts/ChoiceCard';
import choiceCard from '../parts/ChoiceCard.module.css';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { WelcomePage } from '../parts/WelcomePage';
import { words } from '../words/text';
import form from './Form.module.css';

type Way = 'moved' | 'newDevice';

/** A profile found elsewhere than where its ID was made. Nothing is registered before the person has said what it is. */
export function CopiedProfile({ clone }: { clone: CloneValue }) {
  // The answer that does no harm when it is the wrong one.
  const [way, setWay] = useState<Way>('newDevice');
  const [name, setName] = useState(words.copiedProfile.nextName(clone.deviceName));
  const { busy, error, call } = useCall();
  const nameId = useId();
  const isNew = way === 'newDevice';
  const named = name.trim();
  const goOn = async (event: FormEvent) => {
    event.preventDefault();
    if (!isNew || named !== '') await call('resolveClone', { choice: way, ...(isNew ? { name: named } : {}) });
  };
  return (
    <WelcomePage testId="copied-profile" title={words.copiedProfile.title} lead={words.copiedProfile.lead(clone.deviceName)}>
      <Choice<Way>
        label={words.copiedProfile.which}
        className={choiceCard.ways}
        value={way}
        onChoose={setWay}
        disabled={busy}
        options={[
          {
            value: 'newDevice',
            className: choiceCard.way,
            testId: 'copied-new',
            content: (
              <ChoiceCard icon={<MonitorSmartphone size={18} strokeWidth={1.75} />} isOn={isNew} name={words.copiedProfile.newDevice}>
                {words.copiedProfile.newDeviceBody}
              </ChoiceCard>
            ),
          },
          {
            value: 'moved',
            className: choiceCard.way,
            testId: 'copied-moved',
            content: (
              <ChoiceCard icon={<MapPin size={18} strokeWidth={1.75} />} isOn={!isNew} name={words.copiedProfile.moved}>
                {words.copiedProfile.movedBody}
              </ChoiceCard>
            ),
          },
        ]}
      />
      <form className={form.welcomeForm} onSubmit={(event) => void goOn(event)} noValidate>
        {error === null ? null : <ErrorNote error={error} />}
        <div>
          <label className="label" htmlFor={nameId}>
            {isNew ? words.first.deviceName : words.copiedProfile.keptName}
          </label>
          <div className={form.nameAndStart}>
            <div className={cx('field', isNew && named === '' && 'bad')}>
              <input
                id={nameId}
                value={isNew ? name : clone.deviceName}
                maxLength={64}
                disabled={busy || !isNew}
                data-testid="copied-name"
                onChange={(event) => setName(event.target.value)}
              />
            </div>
            <button type="submit" className="button primary big" disabled={busy || (isNew && named === '')} data-testid="copied-go-on">
              {words.copiedProfile.goOn}
            </button>
          </div>
          <p className={cx('hint', isNew && named === '' && 'bad')}>
            {isNew ? (named === '' ? words.first.needName : words.first.deviceHintPlain) : words.copiedProfile.movedHint(clone.nickname)}
          </p>
        </div>
      </form>
    </WelcomePage>
  );
}
