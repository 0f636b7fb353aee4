/** The built window in a browser, for one test file: one browser, a fresh page for each test. */
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Scene } from '../../../renderer/gallery/scripted-bridge';
import { ensureBuilt } from '../stages/built';
import { launchBrowser, openRenderer, type RendererPage } from './renderer-harness';

const built = fileURLToPath(new URL('../../../out/renderer', import.meta.url));

/** Call it in a `describe`; the returned function opens a window on a scene. */
export function windowsInBrowser(): (scene: Scene, view?: Parameters<typeof openRenderer>[3]) => Promise<RendererPage> {
  let browser: Browser | undefined;
  let opened: RendererPage[] = [];

  beforeAll(async () => {
    ensureBuilt('app');
    browser = await launchBrowser();
  }, 180_000);
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.map((each) => each.page.context().close()));
    opened = [];
    // Every test also tests the policy: no inline style, no inline script, no string as code.
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser?.close());

  return async (scene, view = {}) => {
    if (browser === undefined) throw new Error('there is no browser before the first test');
    const window = await openRenderer(browser, built, scene, view);
    opened.push(window);
    return window;
  };
}

export const id = (name: string): string => `[data-testid="${name}"]`;
/** Selects the highlighted message that was searched for. */
export const highlighted = `${id('message-row')}[data-highlighted]`;
export const chat = (name: string): string => `${id('conversation')}[data-conversation="${name}"]`;
