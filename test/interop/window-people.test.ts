/** Who is who in a real browser: names that could deceive, and what blocked people have written in a group. */
import { describe, expect, it } from 'vitest';
import { strangers } from '../../renderer/gallery/scenes';
import { chat, id, windowsInBrowser } from '../support/windows/window-in-browser';

const withAddress = 'mallory@evil.test (Bob Keller)';

describe('people, in a browser', () => {
  const open = windowsInBrowser();
  const openChat = async (name: string, width = 1500) => {
    const window = await open(strangers, { width, height: 900 });
    await window.page.click(chat(name));
    await window.page.waitForSelector(id('chat-title'));
    return window;
  };

  it('shows whoever could be taken for somebody else with the address: list, head, bubble, roster, card and what is read aloud', async () => {
    const { page, emit } = await openChat('mallory');
    expect(await page.getAttribute(chat('mallory'), 'data-name')).toBe(withAddress);
    expect(await page.textContent(chat('mallory'))).toContain(withAddress);
    expect(await page.textContent(id('chat-title'))).toContain(withAddress);
    expect(await page.textContent(id('invitation'))).toContain(withAddress);
    expect(await page.textContent(chat('bob'))).not.toContain('(');
    await page.click(chat('strangers'));
    const said = page.locator(`${id('message-row')}:has([data-from="sip:mallory@evil.test"])`);
    await expect.poll(() => said.textContent()).toContain('mallory@evil.test (Bobby)');
    await page.click(id('details-toggle'));
    expect(await page.textContent(`${id('participant')}[data-address="sip:mallory@evil.test"]`)).toContain(withAddress);
    const [, message] = strangers.messages?.strangers ?? [];
    if (message === undefined) throw new Error('the scene has no such message');
    await emit({ event: 'message', ...message, message: 'new', state: 'received', text: 'again' });
    await expect.poll(() => page.textContent(id('live-region'))).toContain(withAddress);
    await page.screenshot({ path: 'artifacts/people.png' });
  });

  it('shows the address in search hits', async () => {
    const [, wanted] = strangers.messages?.strangers ?? [];
    const hit = { ...wanted, snippet: 'send the money', marks: [{ at: 9, length: 5 }] };
    const { page } = await open({ ...strangers, answers: { search: { value: [hit] } } });
    await page.fill(id('search'), 'money');
    await page.waitForSelector(id('found-message'));
    expect(await page.textContent(id('found-snippet'))).toContain(`${withAddress}: send the money`);
  });

  it('isolates what runs from right to left, so that the words around it stay where they are', async () => {
    const { page } = await openChat('strangers');
    expect(await page.textContent(id('invitation'))).toContain('\u2068שלום\u2069');
    expect(await page.textContent(chat('strangers'))).toContain('\u2068نور\u2069: ');
    expect(await page.locator(`${chat('strangers')} bdi`).textContent()).toBe('أنا هنا.');
  });

  it('hides what a blocked person has written in a group until it is asked for', async () => {
    const { page, emit } = await openChat('strangers');
    const hidden = id('message-blocked');
    await page.waitForSelector(hidden);
    expect(await page.textContent(id('stream'))).not.toContain('You cannot hide');
    const button = page.locator(id('message-show'));
    await button.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('stream'))).toContain('You cannot hide');
    expect(await page.locator(hidden).count()).toBe(0);
    // Nobody blocked: nothing is hidden.
    await emit({ event: 'blocked', blocked: [] });
    expect(await page.textContent(id('stream'))).toContain('You cannot hide');
  });

  it('refuses people who hide, where one wants it', async () => {
    const { page, calls } = await open(strangers);
    await page.click(id('place-settings'));
    await page.click(id('switch-refuse-anonymous'));
    expect((await calls('setPreferences')).at(-1)).toMatchObject({ refuseAnonymous: true });
  });

  it('reads a phone number however it is written, and says where a country is missing', async () => {
    const { page, calls, emit } = await open(strangers);
    const offered = () => page.getAttribute(`${id('people-suggestion')}[data-kind="typed"]`, 'data-address');
    await page.click(id('new-chat'));
    await page.fill(id('new-chat-input'), '\u202A+49 (0)170\u00A0555\u20111234\u202C');
    expect(await offered()).toBe('tel:+491705551234');
    await page.fill(id('new-chat-input'), '0170 5551234');
    expect(await page.textContent(id('new-chat-dialog'))).toContain('choose your country in Settings');
    await page.keyboard.press('Escape');
    await page.click(id('place-settings'));
    await page.selectOption(id('country'), { label: 'Germany (+49)' });
    const chosen = (await calls('setPreferences')).at(-1);
    expect(chosen).toMatchObject({ country: 'DE' });
    await emit({ event: 'preferences', ...strangers.snapshot.preferences, country: 'DE' });
    await page.click(id('new-chat'));
    await page.fill(id('new-chat-input'), '0170 5551234');
    expect(await offered()).toBe('tel:+491705551234');
  });
});
