import { useChorus } from '../desk/desk';
import { SettingRow } from '../parts/SettingRow';
import settingRow from '../parts/SettingRow.module.css';
import { words } from '../words/text';

export function AboutChorus() {
  const profile = useChorus((state) => state.profile);
  return (
    <>
      <section>
        <h2>{words.settings.about}</h2>
        <p className="sub">{words.settings.aboutBody}</p>
        <SettingRow name={words.settings.profile}>
          <span className={settingRow.value}>{profile}</span>
        </SettingRow>
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
