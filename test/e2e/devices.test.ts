/** One person's devices in real windows: each sees the other's name at once, one signs the other out, and a copied profile is caught. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { chorusWindows } from '../support/windows/electron';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, place: number) => new WindowDriver(await windows.open(profile, { tile: `${place}/2` }));

const storyMs = 240_000;
/** How soon a new name is on the other device's screen. */
const seenWithinMs = 2_000;

const card = (hands: WindowDriver, name: string) => hands.at('device-card').filter({ hasText: name });
const ownId = (hands: WindowDriver) => hands.page.locator('[data-testid="device-card"][data-self="true"]').getAttribute('data-instance');

describe('the devices of one person', () => {
  it('R24: a new name on one device appears on the other within 2 s; a test message reaches one device only; one is signed out, the other stays', {
    timeout: storyMs,
  }, async () => {
    const [laptop, tablet] = await Promise.all([sit('alice-laptop', 1), sit('alice-tablet', 2)]);
    await laptop.tryItAs('Alice', 'Laptop');
    await tablet.tryItAs('Alice', 'Tablet');
    await Promise.all([laptop.goTo('devices'), tablet.goTo('devices')]);
    await expect(card(laptop, 'Tablet')).toBeVisible();
    await expect(card(tablet, 'Laptop')).toBeVisible();

    await tablet.at('device-rename').click();
    await tablet.at('device-rename-input').fill('Kitchen tablet');
    await tablet.button('Save').click();
    await expect(card(laptop, 'Kitchen tablet')).toBeVisible({ timeout: seenWithinMs });
    await expect(card(laptop, 'Kitchen tablet')).toContainText('Now');
    await laptop.pictures('devices-two');

    await card(laptop, 'Kitchen tablet').getByTestId('device-test').click();
    await expect(card(laptop, 'Kitchen tablet').getByTestId('device-test-outcome')).toContainText('Arrived in');
    await tablet.goTo('chats');
    await expect(tablet.row('Alice')).toContainText('Test from Laptop');
    await laptop.goTo('chats');
    await expect(laptop.at('conversation')).toHaveCount(0);
    await laptop.goTo('devices');

    await card(laptop, 'Kitchen tablet').getByTestId('device-sign-out').click();
    await expect(laptop.at('sign-out-dialog')).toContainText('Sign out Kitchen tablet?');
    await laptop.at('sign-out-confirm').click();
    await expect(tablet.at('connection-banner')).toContainText('signed out from Laptop');
    await expect(card(laptop, 'Kitchen tablet')).toContainText('Signed out');
    await expect(laptop.at('device-state')).toHaveAttribute('data-state', 'registered');
    await Promise.all([laptop.pictures('devices-signed-out'), tablet.pictures('signed-out')]);
    // It stays signed out when it is opened again, and comes back when the person says so.
    await tablet.window.close();
    const again = await sit('alice-tablet', 2);
    await expect(again.at('connection-banner')).toContainText('signed out');
    await again.at('sign-in-again').click();
    await again.isRegistered();
    await expect(card(laptop, 'Kitchen tablet')).toContainText('Registered');
  });

  it('a copied profile asks what it is before it registers, and is a device of its own then', { timeout: storyMs }, async () => {
    const laptop = await sit('alice-laptop', 1);
    await laptop.tryItAs('Alice', 'Laptop');
    await laptop.goTo('devices');
    const id = await ownId(laptop);
    for (const name of ['settings.json', 'identity.json', 'secret.key', 'history.db', 'history.db-wal'])
      cpSync(join(laptop.window.dataDir, name), join(windows.folder, 'alice-copy', name), { recursive: true, force: true });
    const copy = await sit('alice-copy', 2);
    await expect(copy.at('copied-profile')).toBeVisible();
    await expect(copy.at('place-devices')).toHaveCount(0);
    await copy.pictures('copied-profile');
    await copy.at('copied-name').fill('Studio');
    await copy.at('copied-go-on').click();
    await copy.isRegistered();
    await copy.goTo('devices');
    await expect(card(laptop, 'Studio')).toBeVisible();
    await expect(laptop.at('device-card')).toHaveCount(2);
    expect(await ownId(copy)).not.toBe(id);
    expect(await ownId(laptop)).toBe(id);
    await expect(laptop.at('device-duplicate')).toHaveCount(0);
  });
});
