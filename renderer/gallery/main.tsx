/**
 * The gallery: every view in every state, without a network. `gallery/` draws the list, `gallery/?scene=NAME&theme=dark` one scene alone, as the
 * window itself would be drawn; `npm run screens` takes its pictures of those. No part of the shipped build.
 */
import { createRoot } from 'react-dom/client';
import { openWindow } from '../app/window';
import { exhibits } from './catalogue';
import { Gallery } from './Gallery';
import { actBridge } from './scripted-bridge';

const longestWaitFrames = 300;

const asked = new URLSearchParams(location.search);
const name = asked.get('scene');
const exhibit = exhibits.find((one) => one.name === name);

if (exhibit !== undefined) {
  const { scene } = exhibit;
  const theme = asked.get('theme') === 'dark' ? 'dark' : 'light';
  const preferences = { ...scene.snapshot.preferences, theme } as const;
  actBridge({ ...scene, snapshot: { ...scene.snapshot, preferences } });
  document.documentElement.dataset.theme = theme;
  const { desk } = openWindow(window.chorus);
  desk.set(exhibit.desk ?? {});
  void play(exhibit.clicks ?? []).then(() => {
    for (const event of exhibit.events ?? []) dispatchEvent(new CustomEvent('act-event', { detail: event }));
    document.documentElement.dataset.played = exhibit.name;
  });
} else {
  const root = document.getElementById('root');
  if (root === null) throw new Error('The page has no root.');
  createRoot(root).render(<Gallery />);
}

/** Waits for the first drawing, then clicks as a person would. A control that never appears is reported on the console and in `data-missing`. */
async function play(clicks: readonly string[]): Promise<void> {
  await frame(() => document.querySelector('#root > *'));
  // A menu is placed by its width, which is another before the fonts are here.
  await document.fonts.ready;
  for (const testId of clicks) {
    const control = await frame(() => document.querySelector<HTMLElement>(`[data-testid="${testId}"]`));
    if (control === null) {
      document.documentElement.dataset.missing = testId;
      console.error(`The scene has no ${testId} to click.`);
      return;
    }
    control.click();
  }
}

/** What is looked for, as soon as a frame has it; null when it does not come. */
function frame<T>(look: () => T | null, left = longestWaitFrames): Promise<T | null> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      const seen = look();
      resolve(seen !== null || left === 0 ? seen : frame(look, left - 1));
    });
  });
}
