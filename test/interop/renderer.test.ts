/** The built window in a real browser, driven through a scripted bridge: what only a browser can tell. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readableIcon } from '../../main/cpm/group-icon';
import { pictureSize } from '../../main/protocol/picture-size';
import { maxPictureBytes } from '../../renderer/picture';
import { accessibilityFlaws } from '../support/looks';
import { launchBrowser, openRenderer, type RendererPage, type Scene } from '../support/renderer-harness';
import {
  alice,
  anonymous,
  bob,
  carol,
  copiedProfile,
  damagedHistory,
  duplicated,
  firstRun,
  longScene,
  message,
  participants,
  signedOut,
  threeDevices,
  upgraded,
  working,
} from '../support/renderer-scenes';

/** A PNG of 1 x 1 points. */
const whitePng = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==';

describe('the window in a browser', () => {
  let browser: Browser;
  let built: string;
  let opened: RendererPage[] = [];

  beforeAll(async () => {
    built = await mkdtemp(join(tmpdir(), 'chorus-renderer-'));
    await build({
      configFile: join(process.cwd(), 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: built, emptyOutDir: true, sourcemap: false },
    });
    browser = await launchBrowser();
  }, 180_000);
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.map((each) => each.page.context().close()));
    opened = [];
    // Every test is a test of the policy too: no inline style, no inline script, no string as code.
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await rm(built, { recursive: true, force: true });
  });

  const open = async (scene: Scene, view: Parameters<typeof openRenderer>[3] = {}) => {
    const window = await openRenderer(browser, built, scene, view);
    opened.push(window);
    return window;
  };
  const id = (name: string) => `[data-testid="${name}"]`;
  const chat = (name: string) => `${id('conversation')}[data-conversation="${name}"]`;

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

  it('starts with one click, as the first of the people', async () => {
    const { page, calls } = await open(firstRun);
    await page.click(id('first-run-start'));
    expect(await calls('tryIt')).toEqual([{ person: 'sip:alice@lab.test', deviceName: 'Desktop 1' }]);
  });

  it('before anything was said, offers to write to whom is there, and to open the window of whom is not', async () => {
    const nobody = { ...working.snapshot, conversations: [] };
    const present = await open({ snapshot: nobody, messages: {} });
    await present.page.waitForSelector(id('first-chat'));
    expect(await present.page.textContent(id('empty-alone'))).toContain('Bob, Carol and Dave are there');
    expect(await present.page.locator(id('open-device')).allTextContents()).toEqual(['Open a second device of yours']);
    await present.page.locator(id('first-chat')).first().focus();
    await present.page.keyboard.press('Enter');
    await expect.poll(() => present.calls('openConversation')).toEqual([{ to: bob.address }]);

    const away = { error: { code: 'sip/rejected' as const, retry: 'user' as const, status: 480 } };
    const { page, calls } = await open({ snapshot: nobody, messages: {}, answers: { capabilities: away } });
    await page.getByRole('button', { name: 'Open Bob’s window' }).click();
    expect(await calls('openDevice')).toEqual([{ person: bob.address }]);
    expect(await page.locator(id('first-chat')).count()).toBe(0);
  });

  it('says beside the form what a refused password means, and keeps what was typed', async () => {
    const { page, calls } = await open({
      ...firstRun,
      answers: { signIn: { error: { code: 'account/bad-credentials', retry: 'user', status: 403, reason: 'Forbidden' } } },
    });
    await page.click(id('first-run-sign-in'));
    await page.click(id('sign-in-submit'));
    expect(await calls('signIn')).toEqual([]);
    await page.fill(id('sign-in-address'), 'alice@example.org');
    await page.fill(id('sign-in-password'), 'wrong');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('error-note'))).toContain('did not accept this password');
    expect(await page.inputValue(id('sign-in-password'))).toBe('wrong');
    expect(await calls('signIn')).toEqual([{ address: 'sip:alice@example.org', password: 'wrong', deviceName: 'Desktop 1' }]);
  });

  it('a copied profile shows nothing but the question, and takes either answer', async () => {
    const { page, calls, emit } = await open(copiedProfile);
    expect(await page.locator(id('copied-profile')).count()).toBe(1);
    expect(await page.locator(id('place-chats')).count()).toBe(0);
    expect(await page.inputValue(id('copied-name'))).toBe('Laptop 2');
    await page.fill(id('copied-name'), 'Studio');
    await page.keyboard.press('Enter');
    expect(await calls('resolveClone')).toEqual([{ choice: 'newDevice', name: 'Studio' }]);
    await page.click(id('copied-moved'));
    await page.click(id('copied-go-on'));
    expect((await calls('resolveClone'))[1]).toEqual({ choice: 'moved' });
    await emit({ event: 'clone', clone: null });
    await page.waitForSelector(id('place-chats'));
  });

  it('a damaged history shows what can be read of it, saves each chat, and goes on with a new one', async () => {
    const { page, calls, emit } = await open({
      ...damagedHistory,
      answers: {
        exportConversation: { value: { path: '/home/alice/chat.html', messages: 1240 } },
        beginHistory: { value: { keptAs: 'aside' } },
      },
    });
    expect(await page.locator(id('place-chats')).count()).toBe(0);
    const chats = page.locator(id('rescued-chat'));
    expect(await chats.count()).toBe(damagedHistory.snapshot.rescue?.conversations.length);
    await chats.first().getByRole('button', { name: 'as a page' }).click();
    await expect.poll(() => page.textContent(id('rescue-said'))).toBe('1240 messages written to /home/alice/chat.html');
    const { conversation } = damagedHistory.snapshot.rescue?.conversations[0] ?? {};
    expect(await calls('exportConversation')).toEqual([{ conversation, format: 'html' }]);
    // By keyboard into a chat, and back.
    await chats
      .first()
      .getByRole('button', { name: /^Read / })
      .focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${id('rescued-reading')} ${id('message')}`);
    expect(await calls('messages')).toEqual([{ conversation, limit: 50 }]);
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H2');
    expect(await page.locator(id('message-damaged')).count()).toBe(1);
    for (const gone of ['message-retry', 'message-menu', 'composer']) expect(await page.locator(id(gone)).count(), gone).toBe(0);
    await page.locator(id('rescue-back')).press('Enter');
    await page.waitForSelector(id('rescued-chats'));
    await page.getByRole('button', { name: 'Begin a new history' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => calls('beginHistory')).toEqual([{}]);
    await emit({ event: 'rescue', rescue: null });
    await page.waitForSelector(id('place-chats'));
  });

  it('each device has its card with what it can do, its test and its end; asks the server once when they are looked at', async () => {
    const { page, calls } = await open({
      ...threeDevices,
      answers: { testDevice: { value: { message: 'm', by: 'gruu', tookMs: 12 } } },
    });
    await page.click(id('place-devices'));
    expect(await calls('devices')).toEqual([{}]);
    const cards = page.locator(id('device-card'));
    expect(await cards.count()).toBe(3);
    const tablet = cards.nth(1);
    expect(await tablet.textContent()).toContain('Chat, groups, messages');
    expect(await tablet.textContent()).toContain('4 min ago');
    expect(await cards.nth(2).textContent()).toContain('Not heard of any more');
    expect(await cards.nth(2).locator('button[data-testid]').count()).toBe(0);
    await tablet.locator(id('device-test')).click();
    await expect.poll(() => tablet.locator(id('device-test-outcome')).textContent()).toBe('Arrived in 12 ms');
    const instanceId = await tablet.getAttribute('data-instance');
    expect(await calls('testDevice')).toEqual([{ instanceId, text: 'Test from Laptop' }]);
    await tablet.locator(id('device-sign-out')).click();
    expect(await calls('signOutDevice')).toEqual([]);
    await page.click(id('sign-out-confirm'));
    expect(await calls('signOutDevice')).toEqual([{ instanceId }]);
    await expect.poll(() => page.locator(id('sign-out-dialog')).count()).toBe(0);
    await page.click(id('sign-out-everywhere'));
    await page.click(id('sign-out-confirm'));
    expect(await calls('signOutEverywhere')).toEqual([{}]);
  });

  it('says when another computer has this device’s ID, leads there, and offers both ways out', async () => {
    const { page, calls } = await open(duplicated);
    expect(await page.locator(id('warning')).count()).toBe(0);
    await page.click(id('connection-devices'));
    expect(await page.locator(id('connection-banner')).count()).toBe(0);
    expect(await page.textContent(id('device-duplicate'))).toContain('Another computer answers as Laptop');
    await page.click(id('duplicate-use-here'));
    await page.click(id('duplicate-new-id'));
    expect(await calls('resolveClone')).toEqual([{ choice: 'moved' }, { choice: 'newDevice' }]);
  });

  it('a device that was signed out says from where, and how to go on', async () => {
    const { page, calls } = await open(signedOut);
    expect(await page.textContent(id('connection-banner'))).toContain('signed out from Kitchen tablet');
    await page.click(id('sign-in-again'));
    expect(await calls('register')).toEqual([{}]);
  });

  it('is green only while registered', async () => {
    const { page, emit } = await open(working);
    expect(await page.locator(`${id('device-state')} .dot.ok`).count()).toBe(1);
    for (const state of ['refreshing', 'connecting', 'registering', 'offline', 'waiting', 'rejected'] as const) {
      await emit({ event: 'registration', state, bindings: 0 });
      expect(await page.getAttribute(id('device-state'), 'data-state')).toBe(state);
      expect(await page.locator(`${id('device-state')} .dot.ok`).count(), state).toBe(0);
    }
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
    expect(await page.textContent(id('new-chat-dialog'))).toContain('Not your name, address, device or computer');
    await page.fill(id('new-chat-input'), 'bob');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${id('chat')}[data-conversation="hidden"]`);
    expect(await calls('openConversation')).toEqual([{ to: bob.address, anonymous: true }]);
    expect(await page.textContent(id('chat-title'))).toContain('anonymously');
    expect(await page.textContent(id('anonymous-hint'))).toContain('not who you are');
    expect(await page.locator(id('add-people')).count()).toBe(0);
    await page.click(chat('masked'));
    expect(await page.textContent(id('chat-title'))).toBe('Anonymous');
    expect(await page.textContent(id('chat-under'))).toBe('Does not say who they are');
    expect(await page.textContent(id('anonymous-hint'))).toContain('as long as the device they write from stays signed in');

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

  it('finds messages as one types, marks what was found, and opens the chat there, by keyboard alone', async () => {
    const scene = longScene(300);
    const wanted = scene.messages?.bob?.[100];
    const hit = {
      message: wanted?.message,
      conversation: 'bob',
      direction: wanted?.direction,
      from: wanted?.from,
      fromName: wanted?.fromName,
      sentAt: wanted?.sentAt,
      snippet: '<b>Message</b> no 100. It',
      marks: [{ at: 18, length: 3 }],
    };
    const { page, calls, emit } = await open({ ...scene, answers: { search: { value: [hit] } } });
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('search');
    await page.keyboard.type('100');
    await page.waitForSelector(id('found-message'));
    expect((await calls('search')).at(-1)).toEqual({ text: '100', limit: 50 });
    expect(await page.textContent(`${id('found-message')} mark`)).toBe('100');
    expect(await page.textContent(`${id('found-message')} .last`)).toContain('<b>Message</b> no 100. It');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const bubble = `${id('message')}[data-message="${wanted?.message}"]`;
    await page.waitForSelector(`.found ${bubble}`);
    await expect
      .poll(() =>
        page.evaluate((selector) => {
          const box = document.querySelector(selector)?.getBoundingClientRect();
          const frame = document.querySelector('[data-testid="stream"]')?.getBoundingClientRect();
          return box !== undefined && frame !== undefined && box.top >= frame.top && box.bottom <= frame.bottom;
        }, bubble),
      )
      .toBe(true);
    expect((await calls('messages'))[0]).toEqual({ conversation: 'bob', limit: 50, around: wanted?.message });
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('stream');
    // What comes in meanwhile belongs to the end, which is not here; the way there leads to it.
    await emit({ event: 'message', ...message({ in: bob, text: 'The very newest', at: Date.now() }) });
    expect(await page.getByText('The very newest').count()).toBe(0);
    await page.click(id('to-newest'));
    await expect.poll(() => page.getByText('Message number 299').count()).toBe(1);
  });

  it('reads on below a message that was looked for, up to the newest', async () => {
    const scene = longScene(120);
    const wanted = scene.messages?.bob?.[20];
    const hit = {
      message: wanted?.message,
      conversation: 'bob',
      direction: 'in',
      from: bob.address,
      fromName: bob.name,
      sentAt: 0,
      snippet: 'x',
      marks: [],
    };
    const { page, calls } = await open({ ...scene, answers: { search: { value: [hit] } } });
    await page.fill(id('search'), 'number');
    await page.click(id('found-message'));
    await page.waitForSelector(`${id('message')}[data-message="${wanted?.message}"]`);
    await page.focus(id('stream'));
    await expect
      .poll(async () => {
        await page.keyboard.press('End');
        return page.getByText('Message number 119').count();
      })
      .toBe(1);
    expect((await calls('messages')).filter((call) => JSON.stringify(call).includes('"after"')).length).toBeGreaterThan(0);
    await expect
      .poll(async () => {
        await page.keyboard.press('End');
        return page.locator(id('to-newest')).count();
      })
      .toBe(0);
  });

  it('says when nothing was found, and when it could not be searched', async () => {
    const { page } = await open(working);
    await page.fill(id('search'), 'zzzz');
    await expect.poll(() => page.textContent(id('nothing-found'))).toContain('Nothing for “zzzz”');
    const broken = await open({ ...working, answers: { search: { error: { code: 'storage/failed', retry: 'auto' } } } });
    await broken.page.fill(id('search'), 'zzzz');
    await expect.poll(() => broken.page.textContent(id('nothing-found'))).toContain('could not be searched');
  });

  it('gives the text back when it could not be taken over', async () => {
    const { page } = await open({ ...working, answers: { sendText: { error: { code: 'storage/full', retry: 'user' } } } });
    await page.click(chat('bob'));
    await page.fill(id('composer'), 'keep me');
    await page.click(id('send'));
    await expect.poll(() => page.inputValue(id('composer'))).toBe('keep me');
    expect(await page.textContent(id('error-note'))).toContain('The disk is full');
  });

  it('adds people by keyboard, keeps the dialog on a failure, and gives the focus back', async () => {
    const { page, calls } = await open({
      ...working,
      answers: { addPeople: { error: { code: 'group/nobody-joined', retry: 'user', status: 480, reason: 'Temporarily Unavailable' } } },
    });
    await page.click(chat('bob'));
    await page.focus(id('composer'));
    await page.keyboard.press('Control+Shift+A');
    await page.keyboard.type('caro');
    await page.keyboard.press('Enter');
    expect(await page.textContent(id('add-people-consequences'))).toContain('Carol will not see earlier messages.');
    expect(await page.textContent(id('add-people-consequences'))).toContain('Bob’s Laptop');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(`${id('add-people-dialog')} ${id('error-note')}`)).toContain('480 Temporarily Unavailable');
    expect(await calls('addPeople')).toEqual([{ conversation: 'bob', people: [carol.address] }]);
    expect(await page.locator(id('people-chip')).count()).toBe(1);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator(id('add-people-dialog')).count()).toBe(0);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('composer');
  });

  it('goes to the group when it stands, and back to the chat it has grown out of', async () => {
    const { page } = await open({ ...upgraded, answers: { addPeople: { value: { conversation: 'group' } } } });
    await page.click(chat('bob'));
    await page.click(id('add-people'));
    await page.fill(id('add-people-input'), 'zoe@example.org');
    await page.keyboard.press('Enter');
    await page.click(id('add-people-submit'));
    await page.waitForSelector(`${id('chat')}[data-conversation="group"]`);
    await expect.poll(() => page.locator(id('group-step')).count()).toBe(3);
    await page.click(id('grown-open'));
    await page.waitForSelector(`${id('chat')}[data-conversation="bob"]`);
    await page.click(id('goes-on-open'));
    await page.waitForSelector(`${id('chat')}[data-conversation="group"]`);
  });

  it('reports a message as shown only with the focus, and once', async () => {
    const incoming = { ...message({ in: bob, text: 'Are you there?', at: Date.now() }), state: 'received' as const };
    const { page, emit, calls } = await open({ snapshot: working.snapshot });
    await page.click(chat('bob'));
    await page.evaluate(() => {
      document.hasFocus = () => false;
    });
    await emit({ event: 'message', ...incoming });
    await page.waitForSelector(`${id('message')}[data-message="${incoming.message}"]`);
    await page.waitForTimeout(200);
    expect(await calls('markDisplayed')).toEqual([]);
    await page.evaluate(() => {
      document.hasFocus = () => true;
      dispatchEvent(new Event('focus'));
    });
    await expect.poll(() => calls('markDisplayed')).toEqual([{ conversation: 'bob', upTo: incoming.message }]);
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await page.waitForTimeout(100);
    expect(await calls('markDisplayed')).toHaveLength(1);
  });

  it('stays at the end while there, and where one reads while not; older pages keep the place', async () => {
    const { page, emit, calls } = await open(longScene(160));
    await page.click(chat('bob'));
    const distance = () => page.$eval(id('stream'), (stream) => Math.round(stream.scrollHeight - stream.scrollTop - stream.clientHeight));
    const top = (text: string) =>
      page
        .locator(id('message'), { hasText: text })
        .first()
        .evaluate((bubble) => Math.round(bubble.getBoundingClientRect().top));
    /** What is read once it has been the same for ten frames: a wheel's scrolling and the measuring of new rows take some. */
    const still = async (read: () => Promise<number>): Promise<number> => {
      let [last, frames] = [await read(), 0];
      while (frames < 10) {
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
        const now = await read();
        [last, frames] = now === last ? [last, frames + 1] : [now, 0];
      }
      return last;
    };
    await expect.poll(distance).toBeLessThan(2);
    const say = (text: string, isOwn: boolean) =>
      emit({
        event: 'message',
        ...message({ ...(isOwn ? {} : { in: bob }), text, at: Date.now(), state: isOwn ? 'sending' : 'received' }),
      });
    await say('Down here', false);
    await expect.poll(() => page.locator(id('message'), { hasText: 'Down here' }).isVisible()).toBe(true);
    await expect.poll(distance).toBeLessThan(2);

    await page.hover(id('stream'));
    // A turn of the wheel in the very frame of a new message may be lost to it; a person turns on.
    await expect
      .poll(async () => {
        await page.mouse.wheel(0, -900);
        return still(distance);
      })
      .toBeGreaterThan(500);
    await still(distance);
    const [seen = ''] = await page
      .locator(id('message'))
      .evaluateAll((all) =>
        all
          .filter((bubble) => bubble.getBoundingClientRect().top > 150)
          .map((bubble) => /Message number \d+\./.exec(bubble.textContent ?? '')?.[0] ?? ''),
      );
    const before = await still(() => top(seen));
    await say('While you read above', false);
    await expect.poll(() => page.textContent(id('to-newest'))).toContain('1 new message');
    expect(await still(() => top(seen))).toBe(before);

    for (let step = 0; step < 40 && (await calls('messages')).length < 2; step += 1) {
      await page.mouse.wheel(0, -200);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    }
    expect((await calls('messages')).length).toBeGreaterThan(1);
    await still(distance);
    const rows = await page
      .locator(id('message'))
      .evaluateAll((all) =>
        all
          .filter((bubble) => bubble.getBoundingClientRect().bottom > 60)
          .map((bubble) => Number(/number (\d+)/.exec(bubble.textContent ?? '')?.[1] ?? -1)),
      );
    // The view stands where it stood: near the old beginning (110), not at the beginning of the page that came.
    expect(Math.min(...rows.filter((row) => row >= 0))).toBeGreaterThan(95);

    await say('My own word', true);
    await expect.poll(distance).toBeLessThan(2);
    await expect.poll(() => page.locator(id('to-newest')).count()).toBe(0);
  });

  it('shows one pane at a time when narrow, with the way back', async () => {
    const { page } = await open(working, { width: 360 });
    expect(await page.locator(id('chat')).count()).toBe(0);
    await page.click(chat('bob'));
    expect(await page.locator(id('conversation-list')).isVisible()).toBe(false);
    await page.click(id('back'));
    expect(await page.locator(id('conversation-list')).isVisible()).toBe(true);
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-conversation'))).toBe('bob');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBe(0);
  });

  it('names every control for a screen reader', async () => {
    const nameless = (page: RendererPage['page']) =>
      page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>('button, input, textarea, [role="img"], [role="switch"]')]
          .filter((element) => {
            const by = element.getAttribute('aria-labelledby');
            const name = [
              element.getAttribute('aria-label'),
              by === null ? '' : document.getElementById(by)?.textContent,
              element.id === '' ? '' : document.querySelector(`label[for="${CSS.escape(element.id)}"]`)?.textContent,
              element.textContent,
            ];
            return name.every((part) => (part ?? '').trim() === '');
          })
          .map((element) => element.outerHTML.slice(0, 120)),
      );
    const first = await open(firstRun);
    expect(await nameless(first.page)).toEqual([]);
    const { page } = await open(upgraded);
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    expect(await nameless(page)).toEqual([]);
    await page.keyboard.press('Control+n');
    expect(await nameless(page)).toEqual([]);
    await page.keyboard.press('Escape');
    for (const place of ['place-devices', 'place-settings', 'settings-account']) {
      await page.click(id(place));
      expect(await nameless(page), place).toEqual([]);
    }
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
    expect(await page.textContent(id('export-dialog'))).toContain('The file is not protected');
    expect(await calls('exportConversation')).toEqual([]);
    await page.click(id('export-choose'));
    await expect.poll(() => page.textContent(id('export-said'))).toBe('12 messages written to /home/alice/Chorus Bob.html');
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

  it('R78: the administrator removes somebody, which asks first and stays open when it is refused; nobody else is offered it', async () => {
    const ask = async (scene: Scene) => {
      const window = await open(scene);
      await window.page.click(chat('group'));
      await window.page.click(id('details-toggle'));
      return window;
    };
    const refused = await ask({ ...upgraded, answers: { removePerson: { error: { code: 'sip/rejected', retry: 'user', status: 403 } } } });
    const { page } = refused;
    expect(await page.locator(`${id('participant')}[data-address="${alice.address}"] .tag`).textContent()).toBe('Administrator');
    const bobs = page.locator(`${id('participant')}[data-address="${bob.address}"]`);
    await bobs.locator(id('person-menu')).click();
    await page.click(id('person-remove'));
    expect(await page.textContent(id('remove-person-dialog'))).toContain('Remove Bob from this group?');
    await page.click(id('remove-person-confirm'));
    await page.locator(`${id('remove-person-dialog')} [role="alert"]`).waitFor();
    const done = await ask({ ...upgraded, answers: { removePerson: { value: {} } } });
    await done.page.locator(`${id('participant')}[data-address="${bob.address}"] ${id('person-menu')}`).click();
    await done.page.click(id('person-remove'));
    await done.page.click(id('remove-person-confirm'));
    await done.page.locator(id('remove-person-dialog')).waitFor({ state: 'detached' });
    expect(await done.calls('removePerson')).toEqual([{ conversation: 'group', address: bob.address }]);
    const plain = {
      ...upgraded,
      participants: { group: participants.map((one) => ({ ...one, administrator: !one.self && one.address === bob.address })) },
    };
    const other = await ask(plain);
    await other.page.locator(`${id('participant')}[data-address="${carol.address}"] ${id('person-menu')}`).click();
    expect(await other.page.locator(id('person-write')).count()).toBe(1);
    expect(await other.page.locator(id('person-remove')).count()).toBe(0);
  });

  it('R78: a group gets another name by keyboard, and whoever was removed reads that they were', async () => {
    const { page, calls, emit } = await open({ ...upgraded, answers: { renameGroup: { value: {} } } });
    await page.click(chat('group'));
    await page.click(id('chat-menu'));
    await page.click(id('rename-group'));
    expect(await page.locator(id('rename-group-confirm')).isDisabled()).toBe(true);
    await page.fill(id('rename-group-name'), 'x'.repeat(201));
    expect(await page.textContent(id('rename-group-dialog'))).toContain('200 characters at most');
    await page.fill(id('rename-group-name'), '  Dinner  ');
    await page.keyboard.press('Enter');
    await page.locator(id('rename-group-dialog')).waitFor({ state: 'detached' });
    expect(await calls('renameGroup')).toEqual([{ conversation: 'group', subject: 'Dinner' }]);
    const group = upgraded.snapshot.conversations.find((one) => one.conversation === 'group');
    if (group === undefined) throw new Error('no group');
    const me = participants.map((one) => (one.self ? { ...one, state: 'disconnected' as const, reason: 'booted' as const } : one));
    await emit({ event: 'participants', conversation: 'group', participants: me });
    await emit({ event: 'conversation', ...group, joined: false, session: 'ended' });
    await expect.poll(() => page.textContent(id('not-joined'))).toContain('An administrator removed you');
    await page.click(id('chat-menu'));
    expect(await page.locator(id('rename-group')).count()).toBe(0);
  });

  it('R78: takes a name of one’s own in a group by keyboard, says when somebody has it, and shows the names of all', async () => {
    const taken = { code: 'group/nickname-taken', retry: 'user', status: 425 } as const;
    const { page, calls, emit } = await open({ ...upgraded, answers: { setNickname: { error: taken } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    await page.locator(id('change-nickname')).focus();
    await page.keyboard.press('Enter');
    expect(await page.locator(id('nickname-confirm')).isDisabled()).toBe(true);
    await page.fill(id('nickname'), 'The Builder');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('nickname-dialog'))).toContain('Somebody in this group has that name');
    expect(await calls('setNickname')).toEqual([{ conversation: 'group', nickname: 'The Builder' }]);
    await page.keyboard.press('Escape');
    await page.locator(id('nickname-dialog')).waitFor({ state: 'detached' });
    const named = participants.map((one) => (one.self ? one : { ...one, nickname: `${one.name} the great` }));
    await emit({ event: 'participants', conversation: 'group', participants: named });
    const row = page.locator(`${id('participant')}[data-address="${bob.address}"]`);
    await expect.poll(() => row.locator(id('participant-nickname')).textContent()).toBe(`Called “${bob.name} the great” here`);
    expect(await page.locator(id('change-nickname')).count()).toBe(1);
  });

  it('writes in a group to one member alone: says so before, while and after; what is for one never mixes with what is for all', async () => {
    const { page, calls, emit } = await open(upgraded);
    await page.click(chat('group'));
    const field = page.locator(id('composer'));
    await field.fill('for all');
    await page.click(id('details-toggle'));
    const row = page.locator(`${id('participant')}[data-address="${bob.address}"]`);
    await row.locator(id('person-menu')).focus();
    await page.keyboard.press('Enter');
    await page.locator(id('person-privately')).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('private-note'))).toContain('Only Bob gets what you write now.');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('composer');
    expect(await field.inputValue()).toBe('');
    expect(await field.getAttribute('aria-label')).toBe('Message Bob alone');
    await page.keyboard.type('for Bob');
    await expect.poll(() => calls('setDraft')).toContainEqual({ conversation: 'group', text: 'for Bob', onlyWith: bob.address });
    expect((await calls('composing')).at(-1)).toEqual({ conversation: 'group', active: true, onlyWith: bob.address });
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/private-writing.png` });

    await page.keyboard.press('Escape');
    await expect.poll(() => field.inputValue()).toBe('for all');
    await page.keyboard.press('Enter');
    expect(await calls('sendText')).toEqual([{ conversation: 'group', text: 'for all' }]);
    await expect.poll(() => page.textContent(id('private-draft'))).toContain('Something for Bob alone is half written.');
    await expect.poll(() => page.textContent(chat('group'))).toContain('Draft to Bob alone: for Bob');
    await page.click(`${id('private-draft')} button`);
    await expect.poll(() => field.inputValue()).toBe('for Bob');
    await page.keyboard.press('Enter');
    expect((await calls('sendText')).at(-1)).toEqual({ conversation: 'group', text: 'for Bob', onlyWith: bob.address });
    // It goes on to Bob alone until it is ended.
    await page.keyboard.type('and this');
    await page.keyboard.press('Enter');
    expect((await calls('sendText')).at(-1)).toMatchObject({ onlyWith: bob.address });

    const now = Date.now();
    const mine = { ...message({ text: 'Between us', at: now, conversation: 'group', state: 'sent' }), onlyWith: bob.address };
    const hers = {
      ...message({ in: carol, text: 'Just for you', at: now + 1_000, conversation: 'group', state: 'received' }),
      onlyWith: carol.address,
    };
    await emit({ event: 'message', ...mine }, { event: 'message', ...hers });
    const label = (one: { message: string }) => page.textContent(`[data-message="${one.message}"] ${id('message-private')}`);
    await expect.poll(() => label(mine)).toContain('Only you and Bob');
    await expect.poll(() => label(hers)).toContain('Only you and Carol');
    await expect.poll(() => page.textContent(id('live-region'))).toBe('Carol Okafor, only to you: Just for you');
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/private-said.png` });
    const menuOf = (one: { message: string }) => page.locator(`.said:has([data-message="${one.message}"]) ${id('message-menu')}`);
    await menuOf(mine).click({ force: true });
    await page.click(id('message-info-open'));
    await expect.poll(() => page.textContent(id('message-info-private'))).toContain('Only you and Bob have it');
    expect(await page.locator(id('message-receiver')).evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.address))).toEqual(
      [bob.address],
    );
    await menuOf(hers).click({ force: true });
    await page.click(id('message-answer-privately'));
    await expect.poll(() => page.textContent(id('private-note'))).toContain('Only Carol gets');
    await page.click(id('private-end'));
    await expect.poll(() => field.getAttribute('aria-label')).toBe('Message');
  });

  it('R78: a group gets a picture that was chosen, made small; what is none is refused in words; it is shown wherever the group is', async () => {
    const { page, calls, emit } = await open({ ...upgraded, answers: { groupIcon: { value: { icon: whitePng } } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    const choose = (name: string, mimeType: string, buffer: Buffer) =>
      page.setInputFiles(id('group-picture-file'), { name, mimeType, buffer });
    await choose('a.png', 'image/png', Buffer.from('no picture'));
    await expect.poll(() => page.textContent(id('group-picture-problem'))).toContain('no picture that can be read');
    await choose('a.svg', 'image/svg+xml', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'));
    await expect.poll(() => page.textContent(id('group-picture-problem'))).toContain('Choose a PNG or JPEG');
    await page.evaluate((size) => {
      const input = document.querySelector<HTMLInputElement>('[data-testid="group-picture-file"]');
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(size)], 'a.jpg', { type: 'image/jpeg' }));
      if (input !== null) input.files = files.files;
      input?.dispatchEvent(new Event('change', { bubbles: true }));
    }, maxPictureBytes + 1);
    await expect.poll(() => page.textContent(id('group-picture-problem'))).toContain('larger than 20 MB');
    expect(await calls('setGroupIcon')).toEqual([]);

    // Noise: as a PNG of 128 x 128 still too much for a group, so it becomes a JPEG.
    const noise = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(200, 150);
      const pen = canvas.getContext('2d');
      const image = new ImageData(200, 150);
      for (let at = 0, seed = 7; at < image.data.length; at += 1) {
        seed = (seed * 16_807) % 2_147_483_647;
        image.data[at] = at % 4 === 3 ? 255 : seed % 256;
      }
      pen?.putImageData(image, 0, 0);
      return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())];
    });
    const sentOf = (count: number) => expect.poll(async () => (await calls('setGroupIcon')).length).toBe(count);
    await choose('noise.png', 'image/png', Buffer.from(noise));
    await sentOf(1);
    await choose('white.png', 'image/png', Buffer.from(whitePng.split(',')[1] ?? '', 'base64'));
    await sentOf(2);
    expect(await page.locator(id('group-picture-problem')).count()).toBe(0);
    const sent = (await calls('setGroupIcon')) as { icon: string }[];
    for (const { icon } of sent) {
      const bytes = Buffer.from(readableIcon(icon).split(',')[1] ?? '', 'base64');
      expect(pictureSize(bytes)).toEqual({ width: 128, height: 128 });
    }
    expect(sent.map(({ icon }) => icon.slice(0, 15))).toEqual(['data:image/jpeg', 'data:image/png;']);

    const group = upgraded.snapshot.conversations.find((one) => one.conversation === 'group');
    if (group === undefined) throw new Error('no group');
    await emit({ event: 'conversation', ...group, icon: 'first' });
    for (const place of [chat('group'), `${id('chat')} header`, id('group-picture')])
      await expect
        .poll(() => page.locator(`${place} ${id('group-icon')}`).evaluate((one) => (one as HTMLImageElement).naturalWidth))
        .toBe(1);
    expect(await calls('groupIcon')).toEqual([{ conversation: 'group' }]);
    expect(await page.textContent(id('group-picture'))).toContain('Change the picture');
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/group-picture.png` });
    await page.locator(id('group-picture-remove')).focus();
    await page.keyboard.press('Enter');
    await expect.poll(async () => (await calls('setGroupIcon')).at(-1)).toEqual({ conversation: 'group', icon: null });
    await emit({ event: 'conversation', ...group, icon: null });
    await expect.poll(() => page.locator(id('group-icon')).count()).toBe(0);
  });

  it('a group that one is not in can be come back to; who is not let in reads why', async () => {
    const group = upgraded.snapshot.conversations.find((one) => one.conversation === 'group');
    if (group === undefined) throw new Error('no group');
    const { page, calls, emit } = await open({
      ...upgraded,
      answers: { comeBack: { error: { code: 'conversation/no-session', retry: 'never', status: 403 } } },
    });
    await page.click(chat('group'));
    await emit({ event: 'conversation', ...group, joined: false, session: 'ended' });
    await page.locator(id('come-back')).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('not-joined'))).toContain('Somebody who is in it can add you.');
    expect(await calls('comeBack')).toEqual([{ conversation: 'group' }]);
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/come-back.png` });
    await emit({ event: 'conversation', ...group });
    await page.waitForSelector(id('composer'));
  });

  it('a picture that the network refuses is told with its reason, and the group keeps what it has', async () => {
    const refusal = { code: 'sip/rejected', retry: 'user', status: 403 } as const;
    const { page } = await open({ ...upgraded, answers: { setGroupIcon: { error: refusal } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    await page.setInputFiles(id('group-picture-file'), {
      name: 'white.png',
      mimeType: 'image/png',
      buffer: Buffer.from(whitePng.split(',')[1] ?? '', 'base64'),
    });
    await expect.poll(() => page.textContent(id('group-picture'))).toContain('The group keeps the picture it has.');
    expect(await page.textContent(`${id('group-picture')} ${id('error-note')}`)).toContain('403');
  });

  it('R78: shows of one message who has received and read it, with which device, and gives the focus back', async () => {
    const [own] = upgraded.messages?.group?.filter((one) => one.direction === 'out') ?? [];
    if (own === undefined) throw new Error('nothing was written');
    const receipts = [
      { address: bob.address, device: 'Laptop', disposition: 'delivered' as const, at: own.sentAt + 1_000 },
      { address: bob.address, device: 'Laptop', disposition: 'displayed' as const, at: own.sentAt + 2_000 },
      { address: bob.address, device: 'Phone', disposition: 'delivered' as const, at: own.sentAt + 3_000 },
    ];
    const messages = upgraded.messages?.group?.map((one) => (one === own ? { ...one, receipts } : one)) ?? [];
    const { page } = await open({ ...upgraded, messages: { ...upgraded.messages, group: messages } });
    await page.click(chat('group'));
    const said = page.locator(`.said:has([data-message="${own.message}"])`);
    await said.hover();
    await said.locator(id('message-menu')).click();
    await page.click(id('message-info-open'));
    const lines = (address: string) =>
      page
        .locator(`${id('message-receiver')}[data-address="${address}"] ${id('message-receipt')}`)
        .evaluateAll((all) => all.map((one) => [(one as HTMLElement).dataset.state, one.querySelector('span')?.textContent]));
    expect(await lines(bob.address)).toEqual([
      ['displayed', 'Bob’s Laptop'],
      ['delivered', 'Bob’s Phone'],
    ]);
    expect(await page.locator(`${id('message-receiver')}[data-address="${carol.address}"]`).textContent()).toContain('Nothing heard yet');
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/message-info.png` });
    await page.click(id('message-info-close'));
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('message-menu');
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

  it('the details of a 1-1 say who it is, and block and unblock, as the menu does; who is blocked is not written to', async () => {
    const { page, calls, emit } = await open({ ...working, answers: { capabilities: { value: { capabilities: ['session', 'pager'] } } } });
    await page.click(chat('bob'));
    await page.click(id('details-toggle'));
    expect(await page.textContent(id('details'))).toContain('bob@lab.test');
    await expect.poll(() => page.textContent(id('details'))).toContain('Can do: chat, messages');
    expect(await page.locator(`${id('details')} ${id('write-as')}`).count()).toBe(0);
    await page.click(`${id('details')} ${id('block-person')}`);
    expect(await calls('block')).toEqual([{ address: bob.address }]);
    await emit({ event: 'blocked', blocked: [bob.address] });
    await expect.poll(() => page.locator(id('composer')).count()).toBe(0);
    expect(await page.textContent(id('blocked-note'))).toContain('You have blocked Bob');
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

  it('how long an idle session lives is chosen from a list, which shows what a script may have set', async () => {
    const preferences = { ...working.snapshot.preferences, idleSeconds: 120 };
    const { page, calls } = await open({ ...working, snapshot: { ...working.snapshot, preferences } });
    await page.click(id('place-settings'));
    const shown = await page.locator(`${id('idle')} option`).allTextContents();
    expect(shown).toEqual(['After 1 minute', 'After 2 minutes', 'After 3 minutes', 'After 15 minutes', 'After 1 hour', 'Never']);
    await page.selectOption(id('idle'), '0');
    expect(await calls('setPreferences')).toEqual([{ ...preferences, idleSeconds: 0 }]);
  });

  it('under the name stands what a session waits for', async () => {
    const { page, emit } = await open(working);
    const [first] = working.snapshot.conversations;
    if (first === undefined) throw new Error('no chat');
    await page.click(chat('bob'));
    for (const [pending, said] of [
      ['reaching', 'Reaching Bob’s devices'],
      ['ringing', 'Waiting for Bob to answer'],
      ['open', 'Bob is waiting for you'],
      ['reply', 'Bob is waiting for your reply'],
    ] as const) {
      await emit({ event: 'conversation', ...first, session: 'pending', pending });
      await expect.poll(() => page.textContent(id('chat-under'))).toBe(said);
    }
  });

  it('the connection to a server is looked at before one signs in; its authority may come from a file', async () => {
    const place = { host: '192.0.2.7', port: 5061, transport: 'tls' as const };
    const good = {
      server: 'sip:example.org',
      places: [
        { ...place, host: '192.0.2.6', error: { code: 'net/unreachable', retry: 'auto' } as const },
        { ...place, error: null },
      ],
      certificate: { names: ['example.org'], issuer: 'Lab', until: Date.UTC(2030, 0, 1) },
      answer: { status: 200, reason: 'OK', software: 'Kamailio', tookMs: 12 },
      error: null,
    };
    const { page, calls } = await open({ ...firstRun, answers: { checkServer: { value: good } } });
    await page.getByRole('radio', { name: /^Sign in/ }).click();
    await page.click(id('sign-in-advanced'));
    expect(await page.isDisabled(id('check-server'))).toBe(true);
    await page.fill(id('sign-in-address'), 'alice@example.org');
    const pem = '-----BEGIN CERTIFICATE-----';
    await page.setInputFiles(id('sign-in-ca-file'), { name: 'lab.pem', mimeType: 'text/plain', buffer: Buffer.from(pem) });
    await expect.poll(() => page.inputValue(id('sign-in-ca'))).toBe(pem);
    await page.click(id('check-server'));
    await expect.poll(() => page.locator(`${id('server-checked')} li`).count()).toBe(4);
    expect(await page.locator(`${id('server-checked')} li`).allTextContents()).toEqual([
      'Tried 192.0.2.6:5061 (TLS): example.org could not be reached',
      'Reached 192.0.2.7:5061 (TLS)',
      expect.stringMatching(/^It proved to be example\.org, by Lab, until .*1 January 2030$/),
      'It answered 200 OK after 12 ms (Kamailio)',
    ]);
    expect(await calls('checkServer')).toEqual([{ address: 'alice@example.org', ca: pem }]);
    expect(await calls('signIn')).toEqual([]);
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

  it('what somebody blocked writes in a group is nowhere to be read: not in the chat, the list, what is found or said, nor to be copied', async () => {
    const blocked = { ...upgraded, snapshot: { ...upgraded.snapshot, blocked: [carol.address] } };
    const hers = upgraded.messages?.group?.filter((one) => one.from === carol.address) ?? [];
    const [one] = hers;
    if (one === undefined) throw new Error('Carol has written nothing');
    const { message: found, conversation, direction, from, fromName, sentAt } = one;
    const hit = { message: found, conversation, direction, from, fromName, sentAt, snippet: one.text, marks: [] };
    const { page, emit } = await open({ ...blocked, answers: { search: { value: [hit] } } });
    await page.click(chat('group'));
    expect(await page.locator(id('message-blocked')).count()).toBe(hers.length);
    await page.locator(`${id('message')}[data-message="${found}"]`).hover();
    await page.locator(`.said:has([data-message="${found}"]) ${id('message-menu')}`).click();
    expect(await page.locator(id('message-copy')).count()).toBe(0);
    await page.keyboard.press('Escape');
    await emit({ event: 'message', ...one, message: 'late', text: 'and one more of hers' });
    await emit({ event: 'composing', conversation: 'group', from: carol.address, active: true });
    await page.fill(id('search'), 'hers');
    await page.waitForTimeout(2_000);
    const all = await page.evaluate(() => document.body.textContent ?? '');
    for (const text of [...hers.map((each) => each.text), 'and one more of hers', 'typing']) expect(all).not.toContain(text);
    await emit({ event: 'blocked', blocked: [] });
    await expect.poll(() => page.textContent(id('stream'))).toContain('and one more of hers');
    await expect.poll(() => page.locator(id('found-message')).count()).toBe(1);
  });
});
