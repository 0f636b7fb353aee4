/** The built window in a browser, for one file of tests: one browser, a fresh page each test. */
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { Scene } from '../../../renderer/gallery/scripted-bridge';
import { ensureBuilt } from '../stages/built';
import { launchBrowser, openRenderer, type RendererPage } from './renderer-harness';

const built = fileURLToPath(new URL('../../../out/renderer', import.meta.url));

/** To be called in a `describe`; what it returns opens a window on a scene. */
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
    // Every test is a test of the policy too: no inline style, no inline script, no string as code.
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
/** Around the message that was looked for, while it stands out. */
export const highlighted = `${id('message-row')}[data-highlighted]`;
export const chat = (name: string): string => `${id('conversation')}[data-conversation="${name}"]`;
