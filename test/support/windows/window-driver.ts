/** A person at a window: acts by clicks and keys, sees through locators. The program itself is never asked. */
import { expect as playwrightExpect } from 'playwright/test';
import type { MessageState } from '../../../preload/contract';
import type { Person } from '../people/person';
import type { ChorusWindow } from './electron';

/** Waits until the page shows something. Four windows start on two shared cores, so the limit is generous; nothing here sleeps. */
export const expect = playwrightExpect.configure({ timeout: 30_000 });

export class WindowDriver implements Person {
  readonly window: ChorusWindow;

  constructor(window: ChorusWindow) {
    this.window = window;
  }

  get page() {
    return this.window.page;
  }

  /** A part of the window by its test id. */
  at(testId: string) {
    return this.page.getByTestId(testId);
  }

  button(name: string) {
    return this.page.getByRole('button', { name, exact: true });
  }

  row(title: string) {
    return this.page.locator(`[data-testid="conversation"][data-name="${title}"]`);
  }

  bubble(text: string) {
    return this.at('message').filter({ hasText: text });
  }

  /** Chooses "Try it on this computer" as this person, on a device with this name. */
  async tryItAs(person: string, deviceName: string): Promise<void> {
    await this.page.getByRole('radio', { name: person, exact: true }).click();
    await this.at('first-run-device').fill(deviceName);
    await this.button('Start').click();
    await this.isRegistered();
  }

  async isRegistered(): Promise<void> {
    await expect(this.at('device-state')).toHaveAttribute('data-state', 'registered');
  }

  async newChat(person: string): Promise<void> {
    await this.button('New chat').first().click();
    await this.at('new-chat-input').fill(person);
    await this.at('people-suggestion').filter({ hasText: person }).first().click();
    await expect(this.at('chat-title')).toHaveText(person);
  }

  async openChat(title: string): Promise<void> {
    await this.row(title).click();
    await expect(this.at('chat-title')).toHaveText(title);
  }

  async hasChat(title: string): Promise<void> {
    await expect(this.row(title)).toBeVisible();
  }

  async addPerson(person: string): Promise<void> {
    await this.button('Add people').click();
    await this.at('add-people-input').fill(person);
    await this.at('people-suggestion').filter({ hasText: person }).click();
    await this.at('add-people-submit').click();
    await expect(this.at('chat')).toHaveAttribute('data-kind', 'group');
  }

  async seesChatGoOn(): Promise<void> {
    await expect(this.at('goes-on-card')).toBeVisible();
  }

  async texts(): Promise<string[]> {
    return this.at('message').locator('[dir="auto"]').allInnerTexts();
  }

  async say(text: string): Promise<void> {
    await this.at('composer').fill(text);
    await this.at('composer').press('Enter');
    await expect(this.bubble(text)).toBeVisible();
  }

  async hears(...texts: string[]): Promise<void> {
    for (const text of texts) await expect(this.bubble(text)).toBeVisible();
  }

  /** Waits for the mark beside the person's own message. */
  async sees(text: string, state: MessageState): Promise<void> {
    await expect(this.bubble(text)).toHaveAttribute('data-state', state);
  }

  async goTo(place: 'chats' | 'devices' | 'settings'): Promise<void> {
    await this.at(`place-${place}`).click();
  }

  /** A drawing of this size in pixels, as a PNG. */
  async drawing(width: number, height: number): Promise<Buffer> {
    const octets = await this.page.evaluate(
      async ([width, height]) => {
        const canvas = new OffscreenCanvas(width, height);
        const pen = canvas.getContext('2d');
        if (pen === null) return '';
        const sky = pen.createLinearGradient(0, 0, 0, height);
        sky.addColorStop(0, '#f6b26b');
        sky.addColorStop(1, '#7b3f5d');
        pen.fillStyle = sky;
        pen.fillRect(0, 0, width, height);
        pen.fillStyle = '#fff3d6';
        pen.beginPath();
        pen.arc(width / 2, height / 2, height / 4, 0, 2 * Math.PI);
        pen.fill();
        const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer());
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
      },
      [width, height] as const,
    );
    return Buffer.from(octets, 'base64');
  }

  /** A screenshot in each colour scheme, `NAME-light.png` and `NAME-dark.png`; the window stays light. */
  async pictures(name: string): Promise<void> {
    for (const colorScheme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await expect(this.page.locator('html')).toHaveAttribute('data-theme', colorScheme);
      await this.window.picture(`${name}-${colorScheme}`);
    }
  }
}
