/** Getting in and being in, in a real browser: sign-in, this device and the others, a profile that is not as it should be. */
import { describe, expect, it } from 'vitest';
import {
  bob,
  copiedProfile,
  damagedHistory,
  duplicated,
  firstRun,
  ownServer,
  signedOut,
  threeDevices,
  working,
} from '../../renderer/gallery/scenes';
import { accessibilityFlaws } from '../support/windows/page-checks';
import { id, windowsInBrowser } from '../support/windows/window-in-browser';

describe('the way in and the devices, in a browser', () => {
  const open = windowsInBrowser();

  it('starts with one click, as the first of the people', async () => {
    const { page, calls } = await open(firstRun);
    await page.click(id('first-run-start'));
    expect(await calls('tryIt')).toEqual([{ person: 'sip:alice@lab.test', deviceName: 'Desktop 1' }]);
  });

  it('before anything was said, offers to write to whom is there, and to open the window of whom is not', async () => {
    const nobody = { ...working.snapshot, conversations: [] };
    const present = await open({ snapshot: nobody, messages: {} });
    await present.page.waitForSelector(id('first-chat'));
    expect(await present.page.textContent(id('empty-alone'))).toContain('Bob, Carol and Dave are online');
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

  it('a damaged history shows its readable part, saves each chat, and is replaced by a new one', async () => {
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
    await expect.poll(() => page.textContent(id('rescue-said'))).toBe('1240 messages saved to /home/alice/chat.html');
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
    await page.getByRole('button', { name: 'Start a new history' }).focus();
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
    expect(await tablet.textContent()).toContain('Chat, groups, single messages');
    // The scene was set when this file began, however busy the computer is.
    expect(await tablet.textContent()).toMatch(/Last seen(?:[4-9]|1\d) min ago/);
    expect(await cards.nth(2).textContent()).toContain('Registration expired');
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

  it('a device that was asked to sign out and stays is told as one that is still signed in', async () => {
    const { page } = await open({ ...threeDevices, answers: { signOutDevice: { error: { code: 'device/stays', retry: 'user' } } } });
    await page.click(id('place-devices'));
    const tablet = page.locator(id('device-card')).nth(1);
    await tablet.locator(id('device-sign-out')).click();
    await page.click(id('sign-out-confirm'));
    await expect.poll(() => page.locator(id('error-note')).textContent()).toMatch(/^Kitchen tablet is still signed in\./);
    expect(await page.locator(id('sign-out-dialog')).count()).toBe(1);
  });

  it('says when another computer has this device’s ID, leads there, and offers both ways out', async () => {
    const { page, calls } = await open(duplicated);
    expect(await page.locator(id('warning')).count()).toBe(0);
    await page.click(id('connection-devices'));
    expect(await page.locator(id('connection-banner')).count()).toBe(0);
    expect(await page.textContent(id('device-duplicate'))).toContain('Another computer is using the ID of Laptop');
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

  it('R24: a new name is marked until the server has it', async () => {
    const { page, emit } = await open(working);
    const { account } = working.snapshot;
    if (account === null) throw new Error('nobody is signed in');
    await page.click(id('place-settings'));
    await page.click(id('settings-account'));
    expect(await page.textContent(id('device-hint'))).toContain('People you chat with see this name');
    await emit({ event: 'account', account: { ...account, deviceName: 'Kitchen', untold: true } });
    expect(await page.textContent(id('device-hint'))).toContain('does not know about your last change');
    await emit({ event: 'account', account: { ...account, deviceName: 'Kitchen' } });
    expect(await page.textContent(id('device-hint'))).toContain('People you chat with see this name');
  });

  it('is green only while registered', async () => {
    const { page, emit } = await open(working);
    expect(await page.locator(`${id('device-state')} [class*="DeviceDot-ok"]`).count()).toBe(1);
    for (const state of ['refreshing', 'connecting', 'registering', 'offline', 'waiting', 'rejected'] as const) {
      await emit({ event: 'registration', state, bindings: 0 });
      expect(await page.getAttribute(id('device-state'), 'data-state')).toBe(state);
      expect(await page.locator(`${id('device-state')} [class*="DeviceDot-ok"]`).count(), state).toBe(0);
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
      expect.stringMatching(/^Identified as example\.org by Lab, valid until .*1 January 2030$/),
      'Answered after 12 ms (Kamailio)',
    ]);
    expect(await calls('checkServer')).toEqual([{ address: 'alice@example.org', ca: pem }]);
    expect(await calls('signIn')).toEqual([]);
  });

  it('the transport of chats is set by keyboard; a fault of the relay is shown below its field, and the typed text stays', async () => {
    const kept = { value: { mediaTls: 'always', msrpRelay: null } };
    const { page, calls, emit } = await open({ ...ownServer, answers: { setMedia: kept } });
    const toAccount = async (at: typeof page) => {
      await at.click(id('place-settings'));
      await at.click(id('settings-account'));
    };
    await toAccount(page);
    await page.focus(id('media-tls'));
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => page.textContent(id('media-said'))).toBe('Saved. Chats you start are now always encrypted in transit.');
    expect(await page.isDisabled(id('media-relay-save'))).toBe(true);
    await page.fill(id('media-relay'), ' msrps://relay.example.org:2855 ');
    await page.keyboard.press('Enter');
    await expect.poll(() => calls('setMedia')).toEqual([{ mediaTls: 'always' }, { msrpRelay: 'msrps://relay.example.org:2855' }]);
    if (ownServer.snapshot.account === null) throw new Error('nobody is signed in');
    await emit({ event: 'account', account: { ...ownServer.snapshot.account, mediaTls: 'always' } });
    await expect.poll(() => page.inputValue(id('media-tls'))).toBe('always');

    const no = { code: 'msrp/relay', relay: 'refused', status: 401, reason: 'Unauthorized', retry: 'user' } as const;
    const refused = await open({ ...ownServer, answers: { setMedia: { error: no } } });
    await toAccount(refused.page);
    await refused.page.fill(id('media-relay'), 'msrps://relay.example.org');
    await refused.page.click(id('media-relay-save'));
    await refused.page.getByText('The media relay does not accept your user name or password. Nothing was changed.').waitFor();
    expect(await refused.page.getAttribute(id('media-relay'), 'aria-invalid')).toBe('true');
    expect(await refused.page.inputValue(id('media-relay'))).toBe('msrps://relay.example.org');
    expect(await accessibilityFlaws(refused.page)).toEqual([]);

    // One that was kept, and has gone since.
    const gone = { code: 'msrp/relay', relay: 'unreachable', retry: 'auto' } as const;
    const relay = { state: 'unreachable', error: gone, since: 0 } as const;
    await emit({ event: 'account', account: { ...ownServer.snapshot.account, msrpRelay: 'msrp://relay.example.org', relay } });
    await expect.poll(() => page.textContent(id('error-note'))).toContain('cannot be reached');

    // The network on this computer has no relay.
    const tried = await open(working);
    await toAccount(tried.page);
    expect([await tried.page.locator(id('media-tls')).count(), await tried.page.locator(id('media-relay')).count()]).toEqual([1, 0]);
  });
});
