/** A 1-1 chat in a real browser: writing by keyboard, drafts, menus, what stands under the name. */
import { describe, expect, it } from 'vitest';
import { anonymous, bob, message, padlocks, working } from '../../renderer/gallery/scenes';
import { accessibilityFlaws } from '../support/windows/page-checks';
import { chat, id, windowsInBrowser } from '../support/windows/window-in-browser';

describe('a chat, in a browser', () => {
  const open = windowsInBrowser();

  it('says that another device has answered an invitation, until that is put away', async () => {
    const { page, emit } = await open(working);
    const invitation = { invitation: 'i-9', kind: 'oneToOne' as const, from: bob, subject: null, people: [bob], replaces: null };
    await emit({ event: 'invitation', ...invitation });
    await page.waitForSelector(id('invitation'));
    await emit({ event: 'invitationEnded', invitation: 'i-9', why: 'elsewhere', from: bob });
    await expect.poll(() => page.textContent(id('answered-elsewhere'))).toBe('You answered Bob Keller on another device');
    expect(await page.locator(id('invitation')).count()).toBe(0);
    await page.click(`${id('answered-elsewhere')} button`);
    await expect.poll(() => page.locator(id('answered-elsewhere')).count()).toBe(0);
  });

  it('a closed padlock and an open one say whether the open chat is encrypted in transit; without a session there is none', async () => {
    const { page, emit } = await open(padlocks);
    await page.click(chat('bob'));
    await expect.poll(() => page.getAttribute(id('padlock'), 'title')).toBe('Encrypted in transit');
    await page.click(chat('choir'));
    await expect.poll(() => page.textContent(id('padlock'))).toContain('Not encrypted between this device and the group’s server');
    expect(await page.locator(id('padlock')).innerText()).toContain('Not encrypted');
    expect(await accessibilityFlaws(page)).toEqual([]);
    const [, choir] = padlocks.snapshot.conversations;
    if (choir === undefined) throw new Error('the group is missing');
    await emit({ event: 'conversation', ...choir, session: 'ended', encrypted: null });
    await expect.poll(() => page.locator(id('padlock')).count()).toBe(0);
  });

  it('shows no open padlock in “Try it on this computer”, which nothing leaves', async () => {
    const { page, emit } = await open(working);
    await page.click(chat('bob'));
    const [talk] = working.snapshot.conversations;
    if (talk === undefined) throw new Error('the chat is missing');
    await emit({ event: 'conversation', ...talk, encrypted: true });
    await page.waitForSelector(id('padlock'));
    await emit({ event: 'conversation', ...talk, encrypted: false });
    await expect.poll(() => page.locator(id('padlock')).count()).toBe(0);
  });

  it('writes by keyboard alone: search, open, type, send; the draft stays with its chat', async () => {
    const { page, calls } = await open(working);
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('search');
    await page.keyboard.type('bob');
    await expect.poll(() => page.locator(id('conversation')).count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${id('chat')}[data-conversation="bob"]`);
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('composer');
    await page.keyboard.type('first');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('second');
    await page.keyboard.press('Escape');
    await page.fill(id('search'), '');
    await page.click(chat('carol'));
    await expect.poll(() => page.inputValue(id('composer'))).toBe('');
    await page.keyboard.press('Alt+ArrowUp');
    await expect.poll(() => page.inputValue(id('composer'))).toBe('first\nsecond');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('composer');
    await page.keyboard.press('Enter');
    await expect.poll(() => calls('sendText')).toEqual([{ conversation: 'bob', text: 'first\nsecond' }]);
    await expect.poll(() => page.inputValue(id('composer'))).toBe('');
    await expect
      .poll(() => calls('composing'))
      .toEqual([
        { conversation: 'bob', active: true },
        { conversation: 'bob', active: false },
      ]);
  });

  it('writes anonymously by keyboard, says what the other side learns, and why it cannot be', async () => {
    const opened = { value: { conversation: 'hidden' } };
    const { page, calls } = await open({ ...anonymous, answers: { openConversation: opened } });
    await page.keyboard.press('Control+n');
    await page.waitForSelector(id('new-chat-dialog'));
    await page.focus(id('new-chat-anonymous'));
    await page.keyboard.press('Space');
    expect(await page.getAttribute(id('new-chat-anonymous'), 'aria-checked')).toBe('true');
    expect(await page.textContent(id('new-chat-dialog'))).toContain('They do not see your name, address, device or computer');
    await page.fill(id('new-chat-input'), 'bob');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${id('chat')}[data-conversation="hidden"]`);
    expect(await calls('openConversation')).toEqual([{ to: bob.address, anonymous: true }]);
    expect(await page.textContent(id('chat-title'))).toContain('anonymously');
    expect(await page.textContent(id('anonymous-hint'))).toContain('not who you are');
    expect(await page.locator(id('add-people')).count()).toBe(0);
    await page.click(chat('masked'));
    expect(await page.textContent(id('chat-title'))).toBe('Anonymous');
    expect(await page.textContent(id('chat-under'))).toBe('Hides who they are');
    expect(await page.textContent(id('anonymous-hint'))).toContain('while the device they are using stays signed in');

    const refused = await open({
      ...anonymous,
      answers: { openConversation: { error: { code: 'privacy/no-temporary-address', retry: 'user' } } },
    });
    await refused.page.keyboard.press('Control+n');
    await refused.page.click(id('new-chat-anonymous'));
    await refused.page.fill(id('new-chat-input'), 'bob');
    await refused.page.keyboard.press('Enter');
    await refused.page.getByText('You cannot write anonymously here').waitFor();
  });

  it('gives the text back when it could not be taken over', async () => {
    const { page } = await open({ ...working, answers: { sendText: { error: { code: 'storage/full', retry: 'user' } } } });
    await page.click(chat('bob'));
    await page.fill(id('composer'), 'keep me');
    await page.click(id('send'));
    await expect.poll(() => page.inputValue(id('composer'))).toBe('keep me');
    expect(await page.textContent(id('error-note'))).toContain('The disk is full');
  });

  it('a message has a menu of what can be done with it, by mouse and by keys; Esc gives the focus back', async () => {
    const { page, calls } = await open(working);
    await page.click(chat('bob'));
    const menu = page.locator(id('message-menu')).last();
    await menu.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('message-copy');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    await expect.poll(() => menu.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(await calls('deleteMessage')).toEqual([]);
    await page.keyboard.press('Enter');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    const newest = working.messages?.bob?.at(-1);
    expect(await calls('deleteMessage')).toEqual([{ message: newest?.message, direction: newest?.direction }]);
    await page.keyboard.press('ArrowUp');
    await expect
      .poll(() => page.locator(id('message-menu')).evaluateAll((all) => all.indexOf(document.activeElement as HTMLElement)))
      .toBe((await page.locator(id('message-menu')).count()) - 2);
  });

  it('a message that waits for the media relay says so below it, until it leaves', async () => {
    const at = Date.now();
    const error = { code: 'msrp/relay', retry: 'auto', relay: 'unreachable' } as const;
    const waiting = { ...message({ text: 'stuck', at, conversation: 'bob', state: 'queued' }), error, waitsFor: 'relay' as const };
    const behind = message({ text: 'behind it', at: at + 1, conversation: 'bob', state: 'queued' });
    const { page, emit } = await open({ ...working, messages: { ...working.messages, bob: [waiting, behind] } });
    await page.click(chat('bob'));
    await page.waitForSelector(id('message-waiting'));
    expect(await page.locator(id('message-waiting')).allTextContents()).toEqual([
      'The media relay cannot be reached. Your message is saved here and will be sent automatically.',
    ]);
    const { waitsFor, ...leaving } = waiting;
    expect(waitsFor).toBe('relay');
    await emit({ event: 'message', ...leaving, state: 'sending', error: null });
    await expect.poll(() => page.locator(id('message-waiting')).count()).toBe(0);
  });

  it('texts for somebody who is away say so below the last of them, until when, and can be sent now or taken back', async () => {
    const at = Date.now();
    const expiresAt = at + 7 * 24 * 60 * 60_000;
    const waits = { for: 'person', since: at, until: expiresAt } as const;
    const error = { code: 'sip/rejected', retry: 'user', status: 480, meaning: 'away', waits } as const;
    const texts = ['Are you there?', 'It is about tonight'].map((text, index) => ({
      ...message({ text, at: at + index, conversation: 'bob', state: 'queued' }),
      ...{ error, expiresAt, waitsFor: 'person' as const },
    }));
    const { page, emit, calls } = await open({ ...working, messages: { ...working.messages, bob: texts } });
    await page.click(chat('bob'));
    await page.waitForSelector(id('message-waiting'));
    const lines = await page.locator(`${id('message-waiting')} span`).allTextContents();
    expect(lines).toEqual([expect.stringMatching(/^Waits for Bob: none of their devices is on\. Kept until .+\.$/)]);
    expect(lines.join('')).not.toMatch(/480|SIP/);
    expect(await page.locator(id('message-error')).count()).toBe(0);
    await page.click(id('message-send-now'));
    await page.click(id('message-cancel'));
    expect([await calls('retry'), await calls('discard')]).toEqual([[{ message: texts[1]?.message }], [{ message: texts[1]?.message }]]);
    // The words are not lost: they are back in the field, and on disk as a draft.
    await expect.poll(() => page.inputValue(id('composer'))).toBe('It is about tonight');
    await expect.poll(() => calls('setDraft')).toEqual([{ conversation: 'bob', text: 'It is about tonight' }]);
    for (const { waitsFor: _waitsFor, expiresAt: _expiresAt, ...text } of texts)
      await emit({ event: 'message', ...text, state: 'sent', error: null });
    await expect.poll(() => page.locator(id('message-waiting')).count()).toBe(0);
  });

  it('a message that waits can be skipped, one that failed be tried again, from its menu', async () => {
    const waiting = message({ text: 'stuck', at: Date.now(), conversation: 'bob', state: 'queued' });
    const { page, calls } = await open({ ...working, messages: { ...working.messages, bob: [waiting] } });
    await page.click(chat('bob'));
    await page.hover(id('message'));
    await page.click(id('message-menu'));
    await page.click(id('message-skip'));
    expect(await calls('skip')).toEqual([{ message: waiting.message }]);
    await page.click(chat('dave'));
    await page.hover(id('message'));
    await page.click(id('message-menu'));
    expect(await page.locator(id('message-skip')).count()).toBe(0);
    await page.click(id('message-retry-menu'));
    expect(await calls('retry')).toHaveLength(1);
  });

  it('a chat can be put back as unread, saved, and deleted here, which asks first', async () => {
    const { page, calls, emit } = await open({
      ...working,
      answers: { exportConversation: { value: { path: '/home/alice/Chorus Bob.html', messages: 12 } } },
    });
    await page.click(chat('bob'));
    await page.click(id('chat-menu'));
    await page.click(id('export-html'));
    expect(await page.textContent(id('export-dialog'))).toContain('The file is not encrypted');
    expect(await calls('exportConversation')).toEqual([]);
    await page.click(id('export-choose'));
    await expect.poll(() => page.textContent(id('export-said'))).toBe('12 messages saved to /home/alice/Chorus Bob.html');
    expect(await calls('exportConversation')).toEqual([{ conversation: 'bob', format: 'html' }]);
    await page.keyboard.press('Escape');
    await page.click(id('chat-menu'));
    await page.click(id('delete-chat'));
    await page.waitForSelector(id('delete-chat-dialog'));
    await page.keyboard.press('Escape');
    expect(await calls('deleteConversation')).toEqual([]);
    await page.click(id('chat-menu'));
    await page.click(id('delete-chat'));
    await page.click(id('delete-chat-confirm'));
    expect(await calls('deleteConversation')).toEqual([{ conversation: 'bob' }]);
    await emit({ event: 'conversationRemoved', conversation: 'bob' });
    await expect.poll(() => page.locator(chat('bob')).count()).toBe(0);
    await page.click(chat('carol'));
    await page.click(id('chat-menu'));
    await page.click(id('mark-unread'));
    expect(await calls('markUnread')).toContainEqual({ conversation: 'carol', unread: true });
    await expect.poll(() => page.locator(id('chat')).count()).toBe(0);
  });

  it('keeps what is half written a moment after the last key, and nothing once it is sent', async () => {
    const { page, calls } = await open(working);
    await page.click(chat('bob'));
    await page.fill(id('composer'), 'half a thou');
    await page.type(id('composer'), 'ght');
    await expect.poll(() => calls('setDraft')).toEqual([{ conversation: 'bob', text: 'half a thought' }]);
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await calls('setDraft')).at(-1)).toEqual({ conversation: 'bob', text: '' });
    expect(await calls('sendText')).toHaveLength(1);
  });

  it('the details of a 1-1 name the person, and block and unblock like the menu; a blocked person cannot be written to', async () => {
    const { page, calls, emit } = await open({ ...working, answers: { capabilities: { value: { capabilities: ['session', 'pager'] } } } });
    await page.click(chat('bob'));
    await page.click(id('details-toggle'));
    expect(await page.textContent(id('details'))).toContain('bob@lab.test');
    await expect.poll(() => page.textContent(id('details'))).toContain('Supports chat, single messages');
    expect(await page.locator(`${id('details')} ${id('write-as')}`).count()).toBe(0);
    await page.click(`${id('details')} ${id('block-person')}`);
    expect(await calls('block')).toEqual([{ address: bob.address }]);
    await emit({ event: 'blocked', blocked: [bob.address] });
    await expect.poll(() => page.locator(id('composer')).count()).toBe(0);
    expect(await page.textContent(id('blocked-note'))).toContain('You blocked Bob');
    await page.click(`${id('blocked-note')} ${id('block-person')}`);
    await page.click(id('chat-menu'));
    await page.click(id('block-in-menu'));
    expect(await calls('unblock')).toEqual([{ address: bob.address }, { address: bob.address }]);
    await emit({ event: 'blocked', blocked: [] });
    await page.waitForSelector(id('composer'));
    await page.focus(id('composer'));
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator(id('details')).count()).toBe(0);
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('details-toggle');
  });

  it('one chat is written as another of the own addresses, chosen in its details', async () => {
    const { snapshot } = working;
    const addresses = ['sip:alice@lab.test', 'sip:sales@lab.test', 'tel:+15550100'];
    if (snapshot.account === null) throw new Error('no account');
    const { page, calls, emit } = await open({ ...working, snapshot: { ...snapshot, account: { ...snapshot.account, addresses } } });
    await page.click(chat('bob'));
    await page.click(id('details-toggle'));
    const choice = page.locator(`${id('details')} ${id('write-as')}`);
    expect(await choice.inputValue()).toBe('sip:alice@lab.test');
    await choice.selectOption('tel:+15550100');
    const [first] = snapshot.conversations;
    if (first === undefined) throw new Error('no chat');
    await emit({ event: 'conversation', ...first, writesAs: 'tel:+15550100' });
    await expect.poll(() => choice.inputValue()).toBe('tel:+15550100');
    await choice.selectOption('sip:alice@lab.test');
    expect(await calls('writeAs')).toEqual([
      { address: 'tel:+15550100', conversation: 'bob' },
      { address: null, conversation: 'bob' },
    ]);
  });

  it('the lifetime of an idle session is chosen from a list, which also shows a value set by a script', async () => {
    const preferences = { ...working.snapshot.preferences, idleSeconds: 120 };
    const { page, calls } = await open({ ...working, snapshot: { ...working.snapshot, preferences } });
    await page.click(id('place-settings'));
    const shown = await page.locator(`${id('idle')} option`).allTextContents();
    expect(shown).toEqual(['After 1 minute', 'After 2 minutes', 'After 3 minutes', 'After 15 minutes', 'After 1 hour', 'Never']);
    await page.selectOption(id('idle'), '0');
    expect(await calls('setPreferences')).toEqual([{ ...preferences, idleSeconds: 0 }]);
  });

  it('the line under the name says what a session waits for', async () => {
    const { page, emit } = await open(working);
    const [first] = working.snapshot.conversations;
    if (first === undefined) throw new Error('no chat');
    await page.click(chat('bob'));
    for (const [pending, said] of [
      ['reaching', 'Trying to reach Bob’s devices'],
      ['ringing', 'Waiting for Bob to answer'],
      ['open', 'Bob is waiting for you'],
      ['reply', 'Bob is waiting for your reply'],
    ] as const) {
      await emit({ event: 'conversation', ...first, session: 'pending', pending });
      await expect.poll(() => page.textContent(id('chat-under'))).toBe(said);
    }
  });

  it('shows a draft that was kept, in the list and in the chat', async () => {
    const [first, ...rest] = working.snapshot.conversations;
    if (first === undefined) throw new Error('no chat');
    const { page } = await open({
      ...working,
      snapshot: { ...working.snapshot, conversations: [{ ...first, draft: 'from before' }, ...rest] },
    });
    expect(await page.textContent(chat('bob'))).toContain('from before');
    await page.click(chat('bob'));
    expect(await page.inputValue(id('composer'))).toBe('from before');
  });
});
