import { useEffect, useState } from 'react';
import { Choice } from '../parts/Choice';
import { catalogue, exhibits } from './catalogue';
import styles from './Gallery.module.css';

const widths = { wide: 1180, middle: 820, narrow: 360 } as const;

/** The list at the left, the scene in a frame of its own: the frame's width is what the scene's styles see. */
export function Gallery() {
  const [name, setName] = useState(() => location.hash.slice(1) || (exhibits[0]?.name ?? ''));
  const [theme, setTheme] = useState<'light' | 'dark'>('light');
  const [width, setWidth] = useState<keyof typeof widths>('wide');
  useEffect(() => {
    location.hash = name;
  }, [name]);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return (
    <div className={styles.gallery}>
      <nav className={styles.list} aria-label="Scenes">
        {Object.entries(catalogue).map(([group, all]) => (
          <section key={group}>
            <h2>{group}</h2>
            {all.map((exhibit) => (
              <button
                key={exhibit.name}
                type="button"
                aria-current={exhibit.name === name ? 'page' : undefined}
                onClick={() => setName(exhibit.name)}
              >
                {exhibit.name}
              </button>
            ))}
          </section>
        ))}
      </nav>
      <main className={styles.stage}>
        <header>
          <Choice
            label="Theme"
            value={theme}
            onChoose={setTheme}
            options={(['light', 'dark'] as const).map((value) => ({ value, content: value }))}
          />
          <Choice
            label="Width"
            value={width}
            onChoose={setWidth}
            options={(Object.keys(widths) as (keyof typeof widths)[]).map((value) => ({ value, content: `${widths[value]} px` }))}
          />
        </header>
        <iframe
          key={`${name} ${theme}`}
          title={name}
          src={`?scene=${name}&theme=${theme}`}
          style={{ width: widths[width] }}
          className={styles.frame}
        />
      </main>
    </div>
  );
}
