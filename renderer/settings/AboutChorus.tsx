import { useChorus } from '../desk/desk';
import { SettingRow } from '../parts/SettingRow';
import settingRow from '../parts/SettingRow.module.css';
import { words } from '../words/text';
import { runtimeOf } from './runtime-age';

export function AboutChorus() {
  const profile = useChorus((state) => state.profile);
  const runtime = runtimeOf(navigator.userAgent, Date.now());
  return (
    <>
      <section>
        <h2>{words.settings.about}</h2>
        <p className="sub">{words.settings.aboutBody}</p>
        <SettingRow name={words.settings.profile}>
          <span className={settingRow.value}>{profile}</span>
        </SettingRow>
        {runtime !== null && (
          <SettingRow name={words.settings.runtime} hint={runtime.isMended ? words.settings.runtimeHint : words.settings.runtimeOld}>
            <span className={settingRow.value} data-testid="runtime">
              {words.settings.runtimeAge(runtime.electron, runtime.chromium, runtime.months)}
            </span>
          </SettingRow>
        )}
      </section>
      <section>
        <h2>{words.settings.licences}</h2>
        {words.settings.licence.map(([name, licence]) => (
          <SettingRow key={name} name={name} hint={licence} />
        ))}
      </section>
    </>
  );
}
