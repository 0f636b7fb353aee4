/** Accessibility checks of a page: names, contrast, nothing cut off, a visible focus. Each finding is a line of text. */
import axe from 'axe-core';
import type { Page } from 'playwright';

/** Violations of WCAG 2.2 A and AA and of axe's best practices; empty when all is well. */
export async function accessibilityFlaws(page: Page): Promise<string[]> {
  // Passed to the inspector, to which the page's policy does not apply: the page itself could not load it.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const checker = Reflect.get(globalThis, 'axe') as typeof import('axe-core');
    const tell = (results: import('axe-core').AxeResults) =>
      results.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
      );
    const all = await checker.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      resultTypes: ['violations'],
    });
    const isChat = document.querySelector('[data-message-text]') !== null;
    const texts = isChat
      ? await checker.run('[data-message-text]', { runOnly: ['color-contrast-enhanced'], resultTypes: ['violations'] })
      : null;
    return [...tell(all), ...(texts === null ? [] : tell(texts))];
  });
}

/** Controls and panes with a part that can be neither seen nor reached by scrolling. */
export function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const slack = 1;
    const flaws: string[] = [];
    const tell = (element: Element) =>
      `${element.tagName.toLowerCase()}.${element.className} ${element.getAttribute('data-testid') ?? ''} “${(element.textContent ?? '').trim().slice(0, 40)}”`;
    const scrolls = (element: Element | null, axis: 'X' | 'Y'): boolean => {
      if (element === null) return false;
      const overflow = getComputedStyle(element)[`overflow${axis}`];
      return overflow === 'auto' || overflow === 'scroll' || scrolls(element.parentElement, axis);
    };
    const top = document.querySelector('dialog[open]') ?? document.body;
    for (const pane of [
      document.documentElement,
      ...top.querySelectorAll(
        '.pane, .bar, .scroll, [data-testid="stream"], nav, main, [class*="Settings-panel"], [class*="Composer-composer"], [class*="Dialog-"]',
      ),
    ]) {
      if (pane.checkVisibility() && pane.clientWidth > 0 && pane.scrollWidth > pane.clientWidth + slack)
        flaws.push(`${tell(pane)} is ${pane.scrollWidth - pane.clientWidth} px wider than its place`);
    }
    for (const control of top.querySelectorAll('button, input, textarea, a, [role="option"], h1, h2')) {
      if (!control.checkVisibility()) continue;
      const box = control.getBoundingClientRect();
      if (box.width <= slack || box.height <= slack) continue;
      if ((box.left < -slack || box.right > innerWidth + slack) && !scrolls(control.parentElement, 'X'))
        flaws.push(`${tell(control)} leaves the window sideways`);
      if ((box.top < -slack || box.bottom > innerHeight + slack) && !scrolls(control.parentElement, 'Y'))
        flaws.push(`${tell(control)} leaves the window downwards`);
      if (control instanceof HTMLButtonElement && control.textContent !== '' && control.scrollWidth > control.clientWidth + slack)
        flaws.push(`${tell(control)} does not hold its words`);
    }
    return flaws;
  });
}

/** Presses Tab through all stops, from the current focus, and returns those where the focus is not visible. `stops` lists them all. */
export async function walkFocus(page: Page): Promise<{ stops: string[]; unseen: string[] }> {
  const stops: string[] = [];
  const unseen: string[] = [];
  for (let round = 0; round < 60; round += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const marked = element.hasAttribute('data-walked');
      element.setAttribute('data-walked', '');
      const { x, y, width, height } = element.getBoundingClientRect();
      const name =
        element.getAttribute('data-testid') ?? element.getAttribute('aria-label') ?? (element.textContent ?? '').trim().slice(0, 30);
      return { name: `${element.tagName.toLowerCase()} ${name}`, marked, box: { x, y, width, height } };
    });
    if (stop === null) continue;
    if (stop.marked) break;
    stops.push(stop.name);
    const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: innerHeight }));
    const left = Math.max(0, stop.box.x - 6);
    const top = Math.max(0, stop.box.y - 6);
    const clip = {
      x: left,
      y: top,
      width: Math.min(width, stop.box.x + stop.box.width + 6) - left,
      height: Math.min(height, stop.box.y + stop.box.height + 6) - top,
    };
    const focused = await page.screenshot({ clip, caret: 'hide', animations: 'disabled' });
    await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      element.blur();
      Reflect.set(globalThis, 'focusWalk', element);
    });
    const plain = await page.screenshot({ clip, caret: 'hide', animations: 'disabled' });
    await page.evaluate(() => (Reflect.get(globalThis, 'focusWalk') as HTMLElement).focus());
    if (focused.equals(plain)) unseen.push(stop.name);
  }
  await page.evaluate(() => {
    for (const element of document.querySelectorAll('[data-walked]')) element.removeAttribute('data-walked');
  });
  return { stops, unseen };
}
