/** Reading in a real browser: search, pages of a chat, what counts as seen, narrow windows, names for a screen reader. */
import { describe, expect, it } from 'vitest';
import { bob, firstRun, longScene, message, upgraded, working } from '../../renderer/gallery/scenes';
import type { RendererPage } from '../support/windows/renderer-harness';
import { chat, highlighted, id, windowsInBrowser } from '../support/windows/window-in-browser';

describe('reading, in a browser', () => {
  const open = windowsInBrowser();

  it('finds messages while the person types, marks the hits, and opens the chat there, by keyboard only', async () => {
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
    expect((await calls('search')).at(-1)).toEqual({ text: '100', limit: 50, passing: true });
    expect(await page.textContent(`${id('found-message')} mark`)).toBe('100');
    expect(await page.textContent(`${id('found-message')} ${id('found-snippet')}`)).toContain('<b>Message</b> no 100. It');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const bubble = `${id('message')}[data-message="${wanted?.message}"]`;
    await page.waitForSelector(`${highlighted} ${bubble}`);
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
    // A new message belongs to the end of the chat, which is not on the screen; "to the newest" leads there.
    await emit({ event: 'message', ...message({ in: bob, text: 'The very newest', at: Date.now() }) });
    expect(await page.getByText('The very newest').count()).toBe(0);
    await page.click(id('to-newest'));
    await expect.poll(() => page.getByText('Message number 299').count()).toBe(1);
  });

  it('shows further hits on demand, by keyboard only, and Enter opens a hit for the words now in the field', async () => {
    const scene = longScene(120);
    const hits = (scene.messages?.bob ?? []).toReversed().map(({ message, conversation, direction, from, fromName, sentAt, text }) => ({
      ...{ message, conversation, direction, from, fromName, sentAt },
      snippet: text.slice(0, 40),
      marks: [],
    }));
    const seventy = hits.find(({ snippet }) => snippet.includes('70'));
    const { page, calls, emit } = await open({ ...scene, answers: { search: { hits } } });
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('search');
    await page.keyboard.type('number');
    await expect.poll(() => page.locator(id('found-message')).count()).toBe(50);
    for (const [before, after] of [
      [50, 100],
      [100, 120],
    ] as const) {
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('End');
      await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('more-found');
      await page.keyboard.press('Enter');
      await expect.poll(() => page.locator(id('found-message')).count()).toBe(after);
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-message'));
      await expect.poll(focused).toBe(hits[before]?.message);
    }
    expect(await page.locator(id('more-found')).count()).toBe(0);
    const further = (await calls('search')).filter((asked) => (asked as { before?: object }).before !== undefined);
    expect(further).toEqual(
      [49, 99].map((at) => ({ text: 'number', limit: 50, before: { message: hits[at]?.message, direction: hits[at]?.direction } })),
    );
    // Enter before the answer is there: the first of the old hits is not what is meant.
    await page.keyboard.press('Control+k');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('search');
    await page.keyboard.type(' 70');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${highlighted} ${id('message')}[data-message="${seventy?.message}"]`);
    // What is said meanwhile is found without another key.
    const before = (await calls('search')).length;
    await emit({ event: 'message', ...message({ in: bob, text: 'number 70 again', at: Date.now(), state: 'received' }) });
    await expect.poll(async () => (await calls('search')).length).toBe(before + 1);
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
    await expect.poll(() => page.textContent(id('nothing-found'))).toContain('No results for “zzzz”');
    const broken = await open({ ...working, answers: { search: { error: { code: 'storage/failed', retry: 'auto' } } } });
    await broken.page.fill(id('search'), 'zzzz');
    await expect.poll(() => broken.page.textContent(id('nothing-found'))).toContain('could not be searched');
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
});
