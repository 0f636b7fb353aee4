/** Puts the window on a page: what it knows (`Store`), what it shows (`Desk`), and the views over both. */
import { createRoot } from 'react-dom/client';
import type { ChorusBridge } from '../../preload/contract';
import { Desk, ServicesProvider } from '../desk/desk';
import { Icons } from '../desk/icons';
import { Store } from '../desk/store';
import { followSystemTheme } from '../desk/theme';
import { App } from './App';

export function openWindow(bridge: ChorusBridge): { store: Store; desk: Desk } {
  const root = document.getElementById('root');
  if (root === null) throw new Error('The page has no root.');
  const store = new Store(bridge);
  const desk = new Desk(
    (conversation, text, onlyWith) => void store.call('setDraft', { conversation, text, ...(onlyWith === undefined ? {} : { onlyWith }) }),
  );
  followSystemTheme(store.cell);
  void store.start();
  createRoot(root).render(
    <ServicesProvider value={{ store, desk, icons: new Icons(store) }}>
      <App />
    </ServicesProvider>,
  );
  return { store, desk };
}
