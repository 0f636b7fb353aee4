/** Messages by themselves, in a real browser: to several people, how one went, where the answer goes, and under what name. */
import { describe, expect, it } from 'vitest';
import { strangers } from '../../renderer/gallery/scenes';
import { chat, id, windowsInBrowser } from '../support/windows/window-in-browser';

describe('messages by themselves, in a browser', () => {
  const open = windowsInBrowser();

  it('R99: one text goes to several people separately, from the dialog for new chats', async () => {
    const copies = [{ to: 'sip:bob@lab.test', message: 'm', conversation: 'bob' }];
    const { page, calls } = await open({ ...strangers, answers: { sendSeparately: { value: { copies } } } });
    await page.click(id('new-chat'));
    await page.click(id('new-chat-separately'));
    await page.waitForSelector(id('send-separately-dialog'));
    expect(await page.textContent(id('send-separately-dialog'))).toContain('They do not see who else gets it');
    const submit = page.locator(id('send-separately-submit'));
    expect(await submit.isDisabled()).toBe(true);
    for (const person of ['bob@lab.test', 'carol@lab.test']) {
      await page.fill(id('send-separately-input'), person);
      await page.keyboard.press('Enter');
    }
    expect(await submit.isDisabled()).toBe(true);
    await page.fill(id('send-separately-text'), 'Lunch at noon?');
    expect(await submit.textContent()).toBe('Send to 2 people');
    await page.screenshot({ path: 'artifacts/send-separately.png' });
    await submit.click();
    await expect.poll(() => page.locator(id('send-separately-dialog')).count()).toBe(0);
    expect(await calls('sendSeparately')).toEqual([{ people: ['sip:bob@lab.test', 'sip:carol@lab.test'], text: 'Lunch at noon?' }]);
  });

  it('R86: message info says in plain words how a message went', async () => {
    const { page, emit } = await open(strangers);
    await page.click(chat('strangers'));
    const [message] = strangers.messages?.strangers ?? [];
    if (message === undefined) throw new Error('the scene has no message');
    await emit({ event: 'message', ...message, message: 'long-one', state: 'received', text: 'a long one', standalone: 'large' });
    const row = page.locator(`${id('message-row')}:has([data-message="long-one"])`);
    await row.hover();
    await row.locator(id('message-menu')).click();
    await page.click(id('message-info-open'));
    expect(await page.textContent(id('message-info-standalone'))).toBe('Sent by itself as one long message, without a session');
  });

  it('R88: the chat says where the reply goes before it is sent, with the way back', async () => {
    const { page, emit, calls } = await open(strangers);
    const known = strangers.snapshot.conversations.find(({ conversation }) => conversation === 'bob');
    if (known === undefined) throw new Error('the scene has no such chat');
    await page.click(chat('bob'));
    expect(await page.locator(id('replies-to')).count()).toBe(0);
    await emit({ event: 'conversation', ...known, repliesTo: 'sip:carol@lab.test' });
    await expect.poll(() => page.textContent(id('replies-to'))).toContain('Your reply goes to carol@lab.test.');
    await page.screenshot({ path: 'artifacts/replies-to.png' });
    await page.click(id('reply-here'));
    expect(await calls('answerHere')).toEqual([{ conversation: 'bob' }]);
    await emit({ event: 'conversation', ...known });
    await expect.poll(() => page.locator(id('replies-to')).count()).toBe(0);
  });

  it('R97: a person’s card has the name that they know this account by', async () => {
    const { page, emit, calls } = await open(strangers, { width: 1500, height: 900 });
    const known = strangers.snapshot.conversations.find(({ conversation }) => conversation === 'bob');
    if (known === undefined) throw new Error('the scene has no such chat');
    await page.click(chat('bob'));
    await page.click(id('details-toggle'));
    expect(await page.locator(id('pseudonym-use')).isDisabled()).toBe(true);
    await page.fill(id('pseudonym'), ' Raven ');
    await page.click(id('pseudonym-use'));
    await emit({ event: 'conversation', ...known, pseudonym: 'Raven' });
    await page.click(id('pseudonym-end'));
    expect(await calls('setPseudonym')).toEqual([
      { conversation: 'bob', name: 'Raven' },
      { conversation: 'bob', name: null },
    ]);
    await page.screenshot({ path: 'artifacts/pseudonym.png' });
  });
});
