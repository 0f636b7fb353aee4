/** The window for everybody: by keyboard only, narrow, enlarged, dark, and with a screen reader. */
import { describe, it } from 'vitest';
import { chorusWindows, type OpenOptions } from '../support/windows/electron';
import { accessibilityFlaws, cutOff, walkFocus } from '../support/windows/page-checks';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, options: OpenOptions = {}) => new WindowDriver(await windows.open(profile, options));

/** Signed in already. */
async function arrive(person: string, options: OpenOptions = {}): Promise<WindowDriver> {
  const hands = await sit(person.toLowerCase(), { try: person, deviceName: 'Laptop', ...options });
  await hands.isRegistered();
  return hands;
}

const wide = { width: 1180, height: 760 };
const narrow = { width: 360, height: 640 };

async function resize(hands: WindowDriver, size: { width: number; height: number }, zoom = 1): Promise<void> {
  const options = { ...size, zoom };
  await hands.window.app.evaluate(({ BrowserWindow }, { width, height, zoom: factor }) => {
    const [window] = BrowserWindow.getAllWindows();
    window?.setBounds({ x: 0, y: 0, width, height });
    window?.webContents.setZoomFactor(factor);
  }, options);
  await expect.poll(() => hands.page.evaluate(() => innerWidth)).toBe(Math.round(size.width / zoom));
}

describe('by keyboard alone', () => {
  it('a 1-1, people added, a group; Esc closes what lies on top, and the focus goes back', { timeout: 180_000 }, async () => {
    const [alice, bob, carol] = await Promise.all([sit('alice'), arrive('Bob'), arrive('Carol')]);
    const { page } = alice;
    const keys = async (...all: string[]) => {
      for (const key of all) await page.keyboard.press(key);
    };
    const focus = page.locator(':focus');
    // Start has the focus; by the arrows one could be somebody else.
    await keys('Enter');
    await alice.isRegistered();

    await keys('Control+n');
    await page.keyboard.type('bo');
    await keys('Enter');
    await expect(alice.at('chat-title')).toHaveText('Bob');
    await expect(alice.at('composer')).toBeFocused();
    await page.keyboard.type('First line');
    await keys('Shift+Enter');
    await page.keyboard.type('second line');
    await keys('Enter');
    await bob.openChat('Alice');
    await expect(bob.bubble('First line').locator('[data-message-text]')).toHaveText('First line\nsecond line', { useInnerText: true });
    await alice.sees('First line', 'displayed');

    // The list of keys, while the focus is where nobody types; Esc gives the focus back.
    await keys('Shift+Tab');
    await expect(alice.at('message-menu').last()).toBeFocused();
    await keys('Shift+Tab');
    await expect(alice.at('stream')).toBeFocused();
    await keys('?');
    await expect(alice.at('shortcuts-dialog')).toBeVisible();
    await keys('Escape');
    await expect(alice.at('shortcuts-dialog')).toHaveCount(0);
    await expect(alice.at('stream')).toBeFocused();
    await keys('Shift+Tab');
    await expect(alice.at('chat-menu')).toBeFocused();
    await keys('Shift+Tab');
    await expect(alice.at('details-toggle')).toBeFocused();
    await keys('Shift+Tab');
    await expect(focus).toHaveAccessibleName('Add people');
    await keys('Enter');
    await expect(alice.at('add-people-input')).toBeFocused();
    await keys('Escape');
    await expect(alice.at('add-people')).toBeFocused();

    await keys('Control+Shift+A');
    await page.keyboard.type('ca');
    await keys('Enter');
    await expect(alice.at('people-chip')).toHaveText('CACarol');
    await keys('Enter');
    await expect(alice.at('chat')).toHaveAttribute('data-kind', 'group');
    await expect(alice.at('composer')).toBeFocused();
    await page.keyboard.type('Hello, both');
    await keys('Enter');
    await carol.openChat('Alice, Bob');
    await carol.hears('Hello, both');

    // Two things open: each Esc closes one of them.
    await page.getByRole('button', { name: 'Details' }).focus();
    await keys('Enter');
    await expect(alice.at('details')).toBeVisible();
    await keys('Control+n');
    await expect(alice.at('new-chat-dialog')).toBeVisible();
    await keys('Escape');
    await expect(alice.at('new-chat-dialog')).toHaveCount(0);
    await expect(alice.at('details')).toBeVisible();
    await keys('Escape');
    await expect(alice.at('details')).toHaveCount(0);
    await expect(alice.at('details-toggle')).toBeFocused();

    // Between chats, and anywhere by search.
    await keys('Alt+ArrowDown');
    await expect(alice.at('chat-title')).toHaveText('Bob');
    await keys('Alt+ArrowUp');
    await expect(alice.at('chat-title')).toHaveText('Bob, Carol');
    await keys('Control+k');
    await expect(alice.at('search')).toBeFocused();
    await page.keyboard.type('second line');
    await expect(alice.at('found-message')).toHaveCount(1);
    await page.keyboard.type(' and nothing else');
    await expect(alice.at('nothing-found')).toBeVisible();
    await keys('Escape');
    await expect(alice.at('conversation')).toHaveCount(2);
    await keys('ArrowDown', 'ArrowDown', 'Enter');
    await expect(alice.at('chat-title')).toHaveText('Bob');
  });

  it('every stop of Tab shows that it has the focus', async () => {
    const [alice] = await Promise.all([arrive('Alice'), arrive('Bob')]);
    await alice.newChat('Bob');
    await alice.say('Hello');
    await alice.sees('Hello', 'delivered');
    await alice.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    const chat = await walkFocus(alice.page);
    expect(chat.unseen).toEqual([]);
    expect(chat.stops.length).toBeGreaterThan(8);
    for (const stop of [
      'button new-chat',
      'input search',
      'button conversation',
      'button place-settings',
      'button add-people',
      'textarea composer',
    ])
      expect(chat.stops).toContain(stop);
    await alice.goTo('settings');
    await alice.page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    const settings = await walkFocus(alice.page);
    expect(settings.unseen).toEqual([]);
    expect(settings.stops).toContain('button switch-read');
  });
});

describe('the views', () => {
  it('have names and contrast for everything, in light and dark, wide, narrow and at 200 %', { timeout: 240_000 }, async () => {
    const [alice, bob, carol] = await Promise.all([sit('alice'), arrive('Bob'), arrive('Carol')]);
    await resize(alice, wide);
    const flaws: string[] = [];
    const look = async (view: string) => {
      for (const colorScheme of ['dark', 'light'] as const) {
        await alice.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await expect(alice.page.locator('html')).toHaveAttribute('data-theme', colorScheme);
        for (const flaw of await accessibilityFlaws(alice.page)) flaws.push(`${view}, ${colorScheme}: ${flaw}`);
      }
      for (const [name, size, zoom] of [
        ['wide', wide, 1],
        ['zoomed', wide, 2],
        ['narrow', narrow, 1],
      ] as const) {
        await resize(alice, size, zoom);
        for (const flaw of await cutOff(alice.page)) flaws.push(`${view}, ${name}: ${flaw}`);
        await alice.window.picture(`view-${view}-${name}`);
      }
      await resize(alice, wide);
    };

    await look('first-run');
    await alice.page.getByRole('radio', { name: /^Sign in/ }).click();
    await alice.button('Advanced').click();
    await look('sign-in');
    await alice.page.getByRole('radio', { name: /^Try it/ }).click();
    await alice.tryItAs('Alice', 'Laptop');
    await look('alone');
    await alice.button('New chat').first().click();
    await look('new-chat');
    await alice.page.keyboard.press('Escape');
    await alice.newChat('Bob');
    await alice.say(
      'Morning, Bob. Is room 4 free on Thursday? https://example.org/a-very-long-address/that-does-not-fit-into-a-narrow-window-in-one-line',
    );
    await bob.openChat('Alice');
    await bob.say('From nine.');
    await alice.hears('From nine.');
    await look('chat');
    await alice.button('Add people').click();
    await alice.at('people-suggestion').filter({ hasText: 'Carol' }).click();
    await look('add-people');
    await alice.button('Create a group of 3').click();
    await expect(alice.at('chat')).toHaveAttribute('data-kind', 'group');
    await carol.openChat('Alice, Bob');
    await carol.say('Forty is fine, if we start at twelve.');
    await alice.hears('Forty is fine');
    await look('group');
    await alice.button('Details').click();
    await look('details');
    await alice.button('Leave group').click();
    await look('leave');
    await alice.page.keyboard.press('Escape');
    await alice.goTo('devices');
    await look('devices');
    await alice.goTo('settings');
    for (const section of ['general', 'account', 'keyboard', 'about']) {
      await alice.at(`settings-${section}`).click();
      await look(`settings-${section}`);
    }
    expect(flaws).toEqual([]);
  });

  it('stand one at a time in a narrow window, with a way back', async () => {
    const [alice] = await Promise.all([arrive('Alice', { args: ['--bounds', '0,0,360,640'] }), arrive('Bob')]);
    await expect(alice.at('conversation-list').or(alice.at('no-chats'))).toBeVisible();
    await alice.newChat('Bob');
    await alice.say('Hello from a narrow window');
    await expect(alice.at('conversation')).toBeHidden();
    await alice.pictures('narrow-chat');
    await alice.button('Back to chats').click();
    await expect(alice.at('chat')).toHaveCount(0);
    await expect(alice.row('Bob')).toBeFocused();
    await alice.pictures('narrow-list');
    await alice.page.keyboard.press('Enter');
    await expect(alice.at('chat-title')).toHaveText('Bob');
    await expect(alice.row('Bob')).toBeHidden();
  });

  it('are dark when the person wants it, also after a restart', async () => {
    const alice = await arrive('Alice');
    const ground = (hands: WindowDriver) => hands.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground(alice);
    await alice.goTo('settings');
    await alice.page.getByRole('radio', { name: 'Dark' }).click();
    await expect(alice.page.locator('html')).toHaveAttribute('data-theme', 'dark');
    const dark = await ground(alice);
    expect(dark).not.toBe(light);
    await alice.window.picture('dark-by-choice');
    await alice.window.close();
    const again = await sit('alice');
    await expect(again.page.locator('html')).toHaveAttribute('data-theme', 'dark');
    expect(await ground(again)).toBe(dark);
    await again.goTo('settings');
    await expect(again.page.getByRole('radio', { name: 'Dark' })).toBeChecked();
  });
});
