/**
 * Two real windows, Alice's and Bob's, at the embedded network. They measure the time from a key press in one to the painted text in the
 * other.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright';

export interface MeasuredWindows {
  /**
   * Types a text in Alice's chat with Bob and presses Enter. Returns the milliseconds from that key press to the frame in which Bob's
   * window shows the text.
   */
  deliver(text: string): Promise<number>;
  close(): Promise<void>;
}

const limitMs = 60_000;

export async function openMeasuredWindows(): Promise<MeasuredWindows> {
  const folder = mkdtempSync(join(tmpdir(), 'chorus-bench-'));
  const apps: ElectronApplication[] = [];
  const open = async (person: string, place: number): Promise<Page> => {
    const profile = join(folder, person);
    const own = ['--profile', person, '--user-data-dir', profile, '--try-dir', join(folder, 'try-network'), '--try', person];
    const app = await _electron.launch({
      ...(process.env.CHORUS_ELECTRON === undefined ? {} : { executablePath: process.env.CHORUS_ELECTRON }),
      args: [resolve('.'), ...own, '--tile', `${place}/2`],
      chromiumSandbox: true,
      timeout: limitMs,
    });
    apps.push(app);
    const page = await app.firstWindow({ timeout: limitMs });
    page.setDefaultTimeout(limitMs);
    await page.locator('[data-testid="device-state"][data-state="registered"]').waitFor();
    return page;
  };
  const alice = await open('Alice', 1);
  const bob = await open('Bob', 2);
  await alice.getByRole('button', { name: 'New chat', exact: true }).first().click();
  await alice.getByTestId('new-chat-input').fill('Bob');
  await alice.getByTestId('people-suggestion').filter({ hasText: 'Bob' }).first().click();
  await alice.getByTestId('composer').fill('Hello');
  await alice.getByTestId('composer').press('Enter');
  await bob.locator('[data-testid="conversation"][data-name="Alice"]').click();
  await bob.getByTestId('message').filter({ hasText: 'Hello' }).waitFor();
  await alice.evaluate(noteTheKey);
  return {
    async deliver(text) {
      const painted = bob.evaluate(whenPainted, text);
      await alice.getByTestId('composer').fill(text);
      await alice.keyboard.press('Enter');
      const shown = await painted;
      return shown - (await alice.evaluate(() => Number(document.body.dataset.pressedAt)));
    },
    async close() {
      await Promise.all(apps.map((app) => app.close()));
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Runs in the page: records when Enter was pressed, on the clock shared by all windows of one machine. */
function noteTheKey(): void {
  const note = (event: KeyboardEvent) => {
    if (event.key === 'Enter') document.body.dataset.pressedAt = String(performance.timeOrigin + event.timeStamp);
  };
  document.addEventListener('keydown', note, true);
}

/** Runs in the page: resolves after the frame that shows the text in a message. */
function whenPainted(text: string): Promise<number> {
  return new Promise((resolvePainted) => {
    const look = () => {
      const messages = [...document.querySelectorAll('[data-testid="message"]')];
      if (!messages.some((each) => each.textContent?.includes(text) === true)) return;
      observer.disconnect();
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolvePainted(performance.timeOrigin + performance.now());
        port2.postMessage(null);
      });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    look();
  });
}
