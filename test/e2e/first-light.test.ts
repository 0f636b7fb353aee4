/** Two people on three devices and a fourth device beside: from the first click to a group, and back after a restart, in real windows. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type * as Electron from 'electron';
import { describe, it } from 'vitest';
import { artifacts, chorusWindows } from '../support/windows/electron';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, place: number) => new WindowDriver(await windows.open(profile, { tile: `${place}/4` }));

const storyMs = 240_000;

describe('first light', () => {
  it('R5 R18 R23 R24 R58 R69: two people, three devices, one upgrade to a group', { timeout: storyMs }, async () => {
    const [laptop, tablet, bob, carol] = await Promise.all([
      sit('alice-laptop', 1),
      sit('alice-tablet', 2),
      sit('bob-desktop', 3),
      sit('carol-laptop', 4),
    ]);
    await signIn(laptop, tablet, bob, carol);
    await lookAtDevices(laptop, tablet);
    await chat(laptop, bob);
    await addCarol(laptop, bob, carol);
    await talkInTheGroup(laptop, bob, carol);
    await sameOnBoth(laptop, tablet);
    await Promise.all([
      laptop.pictures('group-alice-laptop'),
      tablet.pictures('group-alice-tablet'),
      bob.pictures('group-bob-desktop'),
      carol.pictures('group-carol-laptop'),
    ]);
    await keepFourWindows(laptop, tablet, bob, carol);
    await lookAtPeople(laptop);
    await goBetween(laptop, bob);
    await restart(laptop, bob, carol);
  });
});

/** The four windows in one picture, as they stand on the screen; `docs/images/demo.png` is one of these. Carol likes it dark. */
async function keepFourWindows(laptop: WindowDriver, tablet: WindowDriver, bob: WindowDriver, carol: WindowDriver): Promise<void> {
  await carol.page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await expect(carol.page.locator('html')).toHaveAttribute('data-theme', 'dark');
  const pictures = await Promise.all(
    [laptop, tablet, bob, carol].map(async ({ page }) => (await page.screenshot({ caret: 'hide' })).toString('base64')),
  );
  const together = await laptop.window.app.evaluate(layTogether, pictures);
  writeFileSync(join(artifacts, 'e2e/four-windows.png'), Buffer.from(together, 'base64'));
}

/** Runs inside Electron, which knows PNG: two rows of two, a gap between. */
function layTogether({ nativeImage }: typeof Electron, pictures: readonly string[]): string {
  const gap = 16;
  const images = pictures.map((picture) => nativeImage.createFromBuffer(Buffer.from(picture, 'base64')));
  const { width, height } = images[0]?.getSize() ?? { width: 0, height: 0 };
  const wide = 2 * width + 3 * gap;
  const high = 2 * height + 3 * gap;
  const pixels = Buffer.alloc(wide * high * 4, Buffer.from([0xc4, 0xc8, 0xc6, 0xff]));
  images.forEach((image, place) => {
    const bitmap = image.toBitmap();
    const left = gap + (place % 2) * (width + gap);
    const top = gap + Math.floor(place / 2) * (height + gap);
    for (let y = 0; y < height; y += 1) bitmap.copy(pixels, ((top + y) * wide + left) * 4, y * width * 4, (y + 1) * width * 4);
  });
  return nativeImage.createFromBitmap(pixels, { width: wide, height: high }).toPNG().toString('base64');
}

async function signIn(laptop: WindowDriver, tablet: WindowDriver, bob: WindowDriver, carol: WindowDriver): Promise<void> {
  await expect(laptop.page.getByRole('radio', { name: /^Try it on this computer/ })).toBeChecked();
  await laptop.pictures('first-run');
  // The only click.
  await laptop.button('Start').click();
  await laptop.isRegistered();
  await expect(laptop.at('me')).toContainText('Alice');
  await laptop.pictures('nobody-here');
  await Promise.all([tablet.tryItAs('Alice', 'Tablet'), bob.tryItAs('Bob', 'Desktop'), carol.tryItAs('Carol', 'Laptop')]);
  await expect(bob.at('device-name')).toHaveText('Desktop');
}

async function lookAtDevices(laptop: WindowDriver, tablet: WindowDriver): Promise<void> {
  await laptop.goTo('devices');
  await laptop.at('device-rename').click();
  await laptop.at('device-rename-input').fill('Laptop');
  await laptop.button('Save').click();
  await expect(laptop.at('device-name')).toHaveText('Laptop');
  await laptop.button('Check again').click();
  const cards = laptop.at('device-card');
  await expect(cards).toHaveCount(2);
  const own = cards.and(laptop.page.locator('[data-self="true"]'));
  await expect(own).toHaveCount(1);
  await expect(own).toContainText('Laptop');
  await expect(own).toContainText('This device');
  const other = cards.and(laptop.page.locator('[data-self="false"]'));
  await expect(other).toContainText('Tablet');
  await expect(other).not.toContainText('This device');
  const ids = await Promise.all([own, other].map((card) => card.getAttribute('data-instance')));
  expect(ids[0]).toMatch(/^urn:uuid:/);
  expect(ids[1]).toMatch(/^urn:uuid:/);
  expect(ids[0]).not.toBe(ids[1]);
  await laptop.pictures('devices');
  // The tablet sees the same two, and itself as the one it is.
  await tablet.goTo('devices');
  await tablet.button('Check again').click();
  await expect(tablet.at('device-card').and(tablet.page.locator('[data-self="true"]'))).toHaveAttribute('data-instance', ids[1] ?? '');
  await expect(tablet.at('device-card').filter({ hasText: 'Laptop' })).toHaveAttribute('data-instance', ids[0] ?? '');
  await laptop.goTo('chats');
}

async function chat(laptop: WindowDriver, bob: WindowDriver): Promise<void> {
  await laptop.newChat('Bob');
  await laptop.say('Morning, Bob. Is room 4 free on Thursday?');
  // Bob's device has it; Bob has not looked yet.
  await expect(bob.row('Alice')).toHaveAttribute('data-unread', '1');
  await laptop.sees('Is room 4 free', 'delivered');
  await bob.openChat('Alice');
  await bob.hears('Morning, Bob. Is room 4 free on Thursday?');
  await laptop.sees('Is room 4 free', 'displayed');
  await expect(bob.row('Alice')).toHaveAttribute('data-unread', '0');
  await expect(laptop.at('chat-under')).toHaveText('on Bob’s Desktop');
  await bob.at('composer').pressSequentially('From nine. Shall we ask');
  await expect(laptop.at('chat-under')).toHaveText('Bob is typing');
  await bob.say('From nine. Shall we ask Carol about lunch?');
  await laptop.hears('From nine. Shall we ask Carol about lunch?');
  await expect(laptop.at('chat-under')).toHaveText('on Bob’s Desktop');
  await bob.sees('Shall we ask Carol', 'displayed');
  await laptop.pictures('one-to-one');
}

async function addCarol(laptop: WindowDriver, bob: WindowDriver, carol: WindowDriver): Promise<void> {
  await laptop.button('Add people').click();
  await laptop.at('add-people-input').fill('car');
  await laptop.at('people-suggestion').filter({ hasText: 'Carol' }).click();
  const consequences = laptop.at('add-people-consequences').getByRole('listitem');
  await expect(consequences).toHaveText([
    'Carol will not see earlier messages.',
    'Bob moves to the group on Bob’s Desktop. You can both still read your chat.',
  ]);
  await laptop.pictures('add-people');
  await laptop.button('Create a group of 3').click();
  await expect(laptop.at('chat')).toHaveAttribute('data-kind', 'group');
  await expect(laptop.at('chat-title')).toHaveText('Bob, Carol');
  await expect(laptop.at('grown-card')).toContainText('Started from your chat with Bob');
  await expect(laptop.at('group-step').filter({ hasText: 'Bob' })).toContainText('Bob moved here on Bob’s Desktop');
  await expect(laptop.at('group-step').filter({ hasText: 'Carol' })).toContainText('Carol joined on Carol’s Laptop');
  for (const step of await laptop.at('group-step').all()) await expect(step.locator('time')).toHaveText(/\d/);
  // Bob is still looking at the 1-1: it says where it goes on.
  await expect(bob.at('goes-on-card')).toContainText('Continued in the group “Alice, Carol”');
  await expect(bob.row('Alice, Carol')).toBeVisible();
  await bob.pictures('goes-on');
  await expect(carol.row('Alice, Bob')).toBeVisible();
  await expect(carol.row('Alice')).toHaveCount(0);
}

async function talkInTheGroup(laptop: WindowDriver, bob: WindowDriver, carol: WindowDriver): Promise<void> {
  await bob.at('goes-on-card').getByRole('button', { name: 'Open the group' }).click();
  await expect(bob.at('chat-title')).toHaveText('Alice, Carol');
  await carol.openChat('Alice, Bob');
  // What was said before Carol came is not hers to read.
  await expect(carol.at('message')).toHaveCount(0);
  await laptop.say('Welcome, both. Carol, could the kitchen do forty?');
  await Promise.all([bob.hears('could the kitchen do forty?'), carol.hears('could the kitchen do forty?')]);
  await laptop.sees('could the kitchen do forty?', 'displayed');
  await carol.at('composer').pressSequentially('Forty is');
  await expect(laptop.at('typing-note')).toContainText('Carol is typing');
  await carol.say('Forty is fine, if we start at twelve.');
  await Promise.all([laptop.hears('Forty is fine, if we start at twelve.'), bob.hears('Forty is fine, if we start at twelve.')]);
  await bob.say('Moved over without a hitch. Twelve it is.');
  await Promise.all([laptop.hears('Twelve it is.'), carol.hears('Twelve it is.')]);
  await Promise.all([carol.sees('Forty is fine', 'displayed'), bob.sees('Twelve it is.', 'displayed')]);
  for (const one of [laptop, bob, carol]) await expect(one.at('message')).toHaveCount(3);
}

/** Alice's tablet took no part in any of it, and has both chats as her laptop has them. */
async function sameOnBoth(laptop: WindowDriver, tablet: WindowDriver): Promise<void> {
  await tablet.goTo('chats');
  await tablet.openChat('Bob');
  await tablet.hears('From nine. Shall we ask Carol about lunch?');
  await expect(tablet.bubble('Morning, Bob. Is room 4 free on Thursday?')).toHaveCount(1);
  await expect(tablet.at('goes-on-card')).toBeVisible();
  await tablet.openChat('Bob, Carol');
  const texts = (one: WindowDriver) => one.at('message').locator('[data-message-text]').allTextContents();
  await expect.poll(() => texts(tablet)).toEqual(await texts(laptop));
}

async function lookAtPeople(laptop: WindowDriver): Promise<void> {
  await laptop.button('Details').click();
  const people = laptop.at('participant');
  await expect(people).toHaveCount(3);
  const devicesOf = (name: string) => people.filter({ hasText: name }).getByTestId('participant-device');
  await expect(devicesOf('Alice')).toContainText(['Laptop, this device']);
  await expect(devicesOf('Bob')).toContainText(['Desktop']);
  await expect(devicesOf('Carol')).toContainText(['Laptop']);
  for (const person of await people.all()) await expect(person).toHaveAttribute('data-state', 'connected');
}

/** From the group to the 1-1 and back, at both ends. */
async function goBetween(laptop: WindowDriver, bob: WindowDriver): Promise<void> {
  await laptop.button('Open the chat with Bob').click();
  await expect(laptop.at('chat')).toHaveAttribute('data-kind', 'oneToOne');
  await laptop.hears('Morning, Bob. Is room 4 free on Thursday?', 'From nine. Shall we ask Carol about lunch?');
  await expect(laptop.bubble('Forty is fine')).toHaveCount(0);
  await laptop.pictures('one-to-one-after');
  await laptop.button('Open the group').click();
  await expect(laptop.at('chat')).toHaveAttribute('data-kind', 'group');
  await bob.button('Open the chat with Alice').click();
  await bob.hears('Morning, Bob. Is room 4 free on Thursday?', 'From nine. Shall we ask Carol about lunch?');
  await bob.button('Open the group').click();
  await bob.hears('Forty is fine');
}

/** Bob closes the window and opens it again: the same device, with its history, in the group. */
async function restart(laptop: WindowDriver, bob: WindowDriver, carol: WindowDriver): Promise<void> {
  const instance = async (one: WindowDriver) => {
    await one.goTo('devices');
    const id = await one.at('device-card').and(one.page.locator('[data-self="true"]')).getAttribute('data-instance');
    await one.goTo('chats');
    return id;
  };
  const before = await instance(bob);
  await bob.window.close();
  const again = await sit('bob-desktop', 3);
  await again.isRegistered();
  await expect(again.at('first-run')).toHaveCount(0);
  expect(await instance(again)).toBe(before);
  await again.openChat('Alice');
  await again.hears('Morning, Bob. Is room 4 free on Thursday?', 'From nine. Shall we ask Carol about lunch?');
  await again.openChat('Alice, Carol');
  await again.hears('Forty is fine', 'Twelve it is.');
  await expect(again.at('chat')).toHaveAttribute('data-session', 'established');
  await laptop.say('Bob, are you back?');
  await Promise.all([again.hears('Bob, are you back?'), carol.hears('Bob, are you back?')]);
  await again.say('Back again.');
  await Promise.all([laptop.hears('Back again.'), carol.hears('Back again.')]);
}
