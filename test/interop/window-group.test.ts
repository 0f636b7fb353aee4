/** Groups in a real browser: people in and out, names and pictures, writing to one alone. */
import { describe, expect, it } from 'vitest';
import { readableIcon } from '../../main/cpm/group/icon';
import { pictureSize } from '../../protocol/picture-size';
import { alice, bob, carol, message, participants, upgraded, working } from '../../renderer/gallery/scenes';
import type { Scene } from '../../renderer/gallery/scripted-bridge';
import { maxPictureBytes } from '../../renderer/group/picture';
import { accessibilityFlaws } from '../support/windows/page-checks';
import { chat, id, windowsInBrowser } from '../support/windows/window-in-browser';

/** A PNG of 1 x 1 points. */
const whitePng = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==';

describe('groups, in a browser', () => {
  const open = windowsInBrowser();

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

  it('goes to the group once it exists, and back to the chat that it continues', async () => {
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

  it('the administrator removes somebody, which asks first and stays open when it is refused; nobody else is offered it', async () => {
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

  it('a group is renamed by keyboard, and a removed person reads that they were removed', async () => {
    const { page, calls, emit } = await open({ ...upgraded, answers: { renameGroup: { value: {} } } });
    await page.click(chat('group'));
    await page.click(id('chat-menu'));
    await page.click(id('rename-group'));
    expect(await page.locator(id('rename-group-confirm')).isDisabled()).toBe(true);
    await page.fill(id('rename-group-name'), 'x'.repeat(201));
    expect(await page.textContent(id('rename-group-dialog'))).toContain('at most 200 characters');
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

  it('takes a nickname in a group by keyboard, says when it is taken, and shows the nicknames of all', async () => {
    const taken = { code: 'group/nickname-taken', retry: 'user', status: 425 } as const;
    const { page, calls, emit } = await open({ ...upgraded, answers: { setNickname: { error: taken } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    await page.locator(id('change-nickname')).focus();
    await page.keyboard.press('Enter');
    expect(await page.locator(id('nickname-confirm')).isDisabled()).toBe(true);
    await page.fill(id('nickname'), 'The Builder');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.textContent(id('nickname-dialog'))).toContain('Someone in this group has that name');
    expect(await calls('setNickname')).toEqual([{ conversation: 'group', nickname: 'The Builder' }]);
    await page.keyboard.press('Escape');
    await page.locator(id('nickname-dialog')).waitFor({ state: 'detached' });
    const named = participants.map((one) => (one.self ? one : { ...one, nickname: `${one.name} the great` }));
    await emit({ event: 'participants', conversation: 'group', participants: named });
    const row = page.locator(`${id('participant')}[data-address="${bob.address}"]`);
    await expect.poll(() => row.locator(id('participant-nickname')).textContent()).toBe(`Known as “${bob.name} the great” here`);
    expect(await page.locator(id('change-nickname')).count()).toBe(1);
  });

  it('writes in a group to one member only: says so before, during and after; private texts never mix with those for all', async () => {
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
    await expect.poll(() => page.textContent(id('private-note'))).toContain('Only Bob will see this.');
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('composer');
    expect(await field.inputValue()).toBe('');
    expect(await field.getAttribute('aria-label')).toBe('Private message to Bob');
    await page.keyboard.type('for Bob');
    await expect.poll(() => calls('setDraft')).toContainEqual({ conversation: 'group', text: 'for Bob', onlyWith: bob.address });
    expect((await calls('composing')).at(-1)).toEqual({ conversation: 'group', active: true, onlyWith: bob.address });
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/private-writing.png` });

    await page.keyboard.press('Escape');
    await expect.poll(() => field.inputValue()).toBe('for all');
    await page.keyboard.press('Enter');
    expect(await calls('sendText')).toEqual([{ conversation: 'group', text: 'for all' }]);
    await expect.poll(() => page.textContent(id('private-draft'))).toContain('You have an unfinished private message to Bob.');
    await expect.poll(() => page.textContent(chat('group'))).toContain('Private draft to Bob: for Bob');
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
    const menuOf = (one: { message: string }) =>
      page.locator(`${id('message-row')}:has([data-message="${one.message}"]) ${id('message-menu')}`);
    await menuOf(mine).click({ force: true });
    await page.click(id('message-info-open'));
    await expect.poll(() => page.textContent(id('message-info-private'))).toContain('Only you and Bob can see this message');
    expect(await page.locator(id('message-receiver')).evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.address))).toEqual(
      [bob.address],
    );
    await menuOf(hers).click({ force: true });
    await page.click(id('message-answer-privately'));
    await expect.poll(() => page.textContent(id('private-note'))).toContain('Only Carol will see');
    await page.click(id('private-end'));
    await expect.poll(() => field.getAttribute('aria-label')).toBe('Message');
  });

  it('a group gets a chosen picture, made small; a file that is not a picture is refused in words; the picture is shown wherever the group is', async () => {
    const { page, calls, emit } = await open({ ...upgraded, answers: { groupIcon: { value: { icon: whitePng } } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    const choose = (name: string, mimeType: string, buffer: Buffer) =>
      page.setInputFiles(id('group-picture-file'), { name, mimeType, buffer });
    await choose('a.png', 'image/png', Buffer.from('no picture'));
    await expect.poll(() => page.textContent(id('group-picture-problem'))).toContain('Chorus cannot open this picture');
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

  it('a person can rejoin a group, or reads why it does not admit them', async () => {
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
    await expect.poll(() => page.textContent(id('not-joined'))).toContain('Ask someone in it to add you.');
    expect(await calls('comeBack')).toEqual([{ conversation: 'group' }]);
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/come-back.png` });
    await emit({ event: 'conversation', ...group });
    await page.waitForSelector(id('composer'));
  });

  it('a picture refused by the network is reported with the reason, and the group keeps its picture', async () => {
    const refusal = { code: 'sip/rejected', retry: 'user', status: 403 } as const;
    const { page } = await open({ ...upgraded, answers: { setGroupIcon: { error: refusal } } });
    await page.click(chat('group'));
    await page.click(id('details-toggle'));
    await page.setInputFiles(id('group-picture-file'), {
      name: 'white.png',
      mimeType: 'image/png',
      buffer: Buffer.from(whitePng.split(',')[1] ?? '', 'base64'),
    });
    await expect.poll(() => page.textContent(id('group-picture'))).toContain('The picture was not changed.');
    expect(await page.textContent(`${id('group-picture')} ${id('error-note')}`)).toContain('403');
  });

  it('shows who has received and read a message, with which device, and gives the focus back', async () => {
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
    const said = page.locator(`${id('message-row')}:has([data-message="${own.message}"])`);
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
    expect(await page.locator(`${id('message-receiver')}[data-address="${carol.address}"]`).textContent()).toContain('Not confirmed yet');
    expect(await accessibilityFlaws(page)).toEqual([]);
    if (process.env.CHORUS_SHOTS) await page.screenshot({ path: `${process.env.CHORUS_SHOTS}/message-info.png` });
    await page.click(id('message-info-close'));
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('message-menu');
  });

  it('group messages of a blocked person appear nowhere: not in the chat, the list, the hits or announcements, nor when copied', async () => {
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
    await page.locator(`${id('message-row')}:has([data-message="${found}"]) ${id('message-menu')}`).click();
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

  it('joins a group by its address, by keyboard; a no is said in words, and the address stays to be mended', async () => {
    const team = 'sip:team@cf.lab.test';
    const { page, calls } = await open({ ...upgraded, answers: { joinGroup: { value: { conversation: 'team' } } } });
    await page.keyboard.press('Control+n');
    await page.fill(id('new-chat-input'), 'friend@example.org');
    // Far away it may be anybody: writing comes first.
    const kinds = () => page.locator(id('people-suggestion')).evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset.kind));
    expect(await kinds()).toEqual(['typed', 'group']);
    await page.fill(id('new-chat-input'), 'team@cf.lab.test');
    expect(await kinds()).toEqual(['group', 'typed']);
    const active = await page.getAttribute(id('new-chat-input'), 'aria-activedescendant');
    expect(await page.locator(`[id="${active}"]`).textContent()).toContain('Join the group team@cf.lab.test');
    await page.keyboard.press('Enter');
    await expect.poll(() => calls('joinGroup')).toEqual([{ address: team }]);
    await page.waitForSelector(id('new-chat-dialog'), { state: 'detached' });

    const no = { code: 'group/not-a-member', status: 403, retry: 'user' } as const;
    const refused = await open({ ...upgraded, answers: { joinGroup: { error: no } } });
    await refused.page.keyboard.press('Control+n');
    await refused.page.fill(id('new-chat-input'), 'team@cf.lab.test');
    await refused.page.click(`${id('people-suggestion')}[data-kind="group"]`);
    await refused.page.getByText('The group at team@cf.lab.test does not let you in').waitFor();
    expect(await refused.page.textContent(id('error-note'))).toContain('You did not join.');
    expect(await refused.page.inputValue(id('new-chat-input'))).toBe('team@cf.lab.test');
    expect(await refused.page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('new-chat-input');
    expect(await accessibilityFlaws(refused.page)).toEqual([]);

    // An anonymous person cannot join a group.
    const waiting = await open({ ...upgraded, answers: { joinGroup: 'hang' } });
    await waiting.page.keyboard.press('Control+n');
    await waiting.page.fill(id('new-chat-input'), 'team@cf.lab.test');
    await waiting.page.click(id('new-chat-anonymous'));
    await expect.poll(() => waiting.page.locator(`${id('people-suggestion')}[data-kind="group"]`).count()).toBe(0);
    await waiting.page.click(id('new-chat-anonymous'));
    await waiting.page.click(`${id('people-suggestion')}[data-kind="group"]`);
    await expect.poll(() => waiting.page.textContent(id('new-chat-joining'))).toContain('Joining the group team@cf.lab.test');
  });
});
