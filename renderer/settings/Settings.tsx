import { Settings as Gear, Info, Keyboard, UserRound } from 'lucide-react';
import { type SettingsSection, useDesk, useServices } from '../desk/desk';
import { Notices } from '../notices/Notices';
import { BackButton } from '../parts/BackButton';
import { cx } from '../parts/cx';
import page from '../parts/Page.module.css';
import { words } from '../words/text';
import { AboutChorus } from './AboutChorus';
import { AccountSettings } from './AccountSettings';
import { GeneralSettings } from './GeneralSettings';
import styles from './Settings.module.css';
import { ShortcutList } from './Shortcuts';

const sections = [
  { section: 'general', Icon: Gear },
  { section: 'account', Icon: UserRound },
  { section: 'keyboard', Icon: Keyboard },
  { section: 'about', Icon: Info },
] as const satisfies readonly { section: SettingsSection; Icon: unknown }[];

export function Settings() {
  const { desk } = useServices();
  const current = useDesk((state) => state.section);
  return (
    <main className={cx('pane', page.page)} data-testid="settings">
      <header className="bar ruled">
        <BackButton onBack={() => desk.set({ place: 'chats', selected: null })} />
        <h1 className="title">{words.settings.title}</h1>
      </header>
      <Notices where="main" />
      <div className={styles.settings}>
        <nav aria-label={words.settings.title}>
          {sections.map(({ section, Icon }) => (
            <button
              key={section}
              type="button"
              className={section === current ? styles.on : undefined}
              aria-current={section === current ? 'page' : undefined}
              data-testid={`settings-${section}`}
              onClick={() => desk.set({ section })}
            >
              <Icon size={18} strokeWidth={1.75} />
              {words.settings.sections[section]}
            </button>
          ))}
        </nav>
        <div className={styles.panel}>
          <Panel section={current} />
        </div>
      </div>
    </main>
  );
}

function Panel({ section }: { section: SettingsSection }) {
  switch (section) {
    case 'general':
      return <GeneralSettings />;
    case 'account':
      return <AccountSettings />;
    case 'keyboard':
      return (
        <section>
          <h2>{words.settings.keyboardTitle}</h2>
          <div style={{ paddingTop: 12 }}>
            <ShortcutList />
          </div>
        </section>
      );
    case 'about':
      return <AboutChorus />;
  }
}
