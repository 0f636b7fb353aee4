import type { Cell } from './cell';
import type { ChorusState } from './state';

/** Sets <html data-theme> from the preference, or from the system where that is the preference, now and whenever either changes. */
export function followSystemTheme(cell: Cell<ChorusState>): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const set = (): void => {
    const { theme } = cell.get().preferences;
    document.documentElement.dataset.theme = theme === 'system' ? (dark.matches ? 'dark' : 'light') : theme;
  };
  set();
  dark.addEventListener('change', set);
  cell.subscribe(set);
}
