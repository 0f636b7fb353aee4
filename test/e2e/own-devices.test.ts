/** One conversation on all devices of a person, in real windows: two of Alice, one of Bob, at a network that knows nothing of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { chorusWindows } from '../support/windows/electron';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, place: number) => new WindowDriver(await windows.open(profile, { tile: `${place}/3` }));

const storyMs = 240_000;
const passwordOf = (name: string) => `${name} keeps a secret`;

let network: Network;
beforeAll(async () => {
  const users = ['alice', 'bob'].map((name) => ({ name, password: passwordOf(name), displayName: name === 'bob' ? 'Bob' : 'Alice' }));
  network = await startNetwork({ domain: 'service.test', users });
});
afterAll(() => network.close());

async function signIn(hands: WindowDriver, name: string, deviceName: string): Promise<void> {
  await hands.page.getByRole('radio', { name: /^Sign in/ }).click();
  await hands.page.getByLabel('Address', { exact: true }).fill(`${name}@service.test`);
  await hands.page.getByLabel('Password', { exact: true }).fill(passwordOf(name));
  await hands.button('Advanced').click();
  await hands.page.getByLabel('Server', { exact: true }).fill(`127.0.0.1:${/:(\d+);/.exec(network.uris.tcp)?.[1]}`);
  await hands.page.getByLabel('Device name').fill(deviceName);
  await hands.at('sign-in-submit').click();
  await hands.isRegistered();
}

describe('one conversation, all devices of a person', () => {
  it('a new device gets the chats by six digits; what is written, read and deleted on one shows on the other; one leaves with its chats', {
    timeout: storyMs,
  }, async () => {
    const [laptop, tablet, bob] = await Promise.all([sit('alice-laptop', 1), sit('alice-tablet', 2), sit('bob', 3)]);
    await Promise.all([signIn(laptop, 'alice', 'Laptop'), signIn(bob, 'bob', 'PC')]);
    await bob.button('New chat').first().click();
    await bob.at('new-chat-input').fill('alice@service.test');
    await bob.at('people-suggestion').first().click();
    await bob.say('From before');
    await laptop.openChat('bob');
    await laptop.hears('From before');

    // The new device: the digits here, typed there, and a last look.
    await signIn(tablet, 'alice', 'Tablet');
    await tablet.at('pairing-offer').getByTestId('pairing-open').click();
    const digits = (await tablet.at('pairing-code').innerText()).replace(/\D/g, '');
    await tablet.pictures('pair-new');
    await expect(laptop.at('pairing-asked')).toContainText('Tablet has signed in as you.');
    await laptop.at('pairing-asked').getByTestId('pairing-open').click();
    await laptop.at('pairing-digits').pressSequentially(digits);
    await expect(laptop.at('pairing-paired')).toContainText('Paired with Tablet');
    await laptop.pictures('pair-older');
    await expect(tablet.at('pair-dialog')).toContainText('Does Laptop say “Paired with Tablet”?');
    await tablet.at('pairing-confirm').click();
    await tablet.at('conversation').click();
    await tablet.hears('From before');
    await laptop.page.keyboard.press('Escape');

    // Three lines of Bob on both, unread; read on one, they are read on the other.
    await Promise.all([laptop.goTo('devices'), tablet.goTo('devices')]);
    for (const line of ['One', 'Two', 'Three']) await bob.say(line);
    for (const device of [laptop, tablet]) await expect(device.at('conversation')).toHaveAttribute('data-unread', '3');
    await tablet.at('conversation').click();
    await tablet.hears('One', 'Two', 'Three');
    await expect(laptop.at('conversation')).toHaveAttribute('data-unread', '0');
    // The answer of one on both; what one deletes is gone on both.
    await laptop.at('conversation').click();
    await laptop.hears('One', 'Two', 'Three');
    await laptop.say('An answer');
    await expect(tablet.bubble('An answer')).toContainText('Laptop');
    const row = tablet.at('message-row').filter({ hasText: 'Two' });
    await row.hover();
    await row.getByTestId('message-menu').click();
    await tablet.at('message-delete-here').click();
    await expect(tablet.bubble('Two')).toHaveCount(0);
    await expect(laptop.bubble('Two')).toHaveCount(0);
    await Promise.all([laptop.pictures('own-devices-laptop'), tablet.pictures('own-devices-tablet')]);

    // Off, and back.
    await tablet.window.close();
    await bob.say('While you were off');
    await laptop.hears('While you were off');
    await expect(laptop.row('bob').getByTestId('unread')).toHaveCount(0);
    const again = await sit('alice-tablet', 2);
    await again.at('conversation').click();
    await again.hears('From before', 'One', 'Three', 'An answer', 'While you were off');

    // It leaves, and takes its chats along.
    await again.goTo('devices');
    const { instanceId } = await again.window.call('identity', {});
    await again.at('sign-out-here').click();
    await again.at('sign-out-erase').click();
    await again.pictures('sign-out-erase');
    await again.at('sign-out-confirm').click();
    await expect(again.at('first-run')).toBeVisible();
    const files = readdirSync(again.window.dataDir).filter((name) => name.startsWith('history-'));
    expect(files).toEqual([]);
    expect(existsSync(join(again.window.dataDir, 'identity.json'))).toBe(true);
    expect(readFileSync(join(again.window.dataDir, 'identity.json'), 'utf8')).toContain(instanceId.slice('urn:uuid:'.length));
    await laptop.goTo('devices');
    await expect(laptop.at('device-card').filter({ hasText: 'Tablet' })).toContainText('Signed out');
  });
});
