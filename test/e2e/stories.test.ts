/** The stories of test/support/people with real windows; test/interop/stories.test.ts tells them with headless clients. */
import { describe, it } from 'vitest';
import { chatOfTwo, growIntoGroup } from '../support/people/stories';
import { chorusWindows } from '../support/windows/electron';
import { WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();

async function person(name: string, place: number): Promise<WindowDriver> {
  const started = new WindowDriver(
    await windows.open(name.toLowerCase(), { tile: `${place}/3`, try: name, deviceName: `${name}’s laptop` }),
  );
  await started.isRegistered();
  return started;
}

describe('people at windows', () => {
  it('R58 R69: two people chat, one adds a third, and all continue in the group', async () => {
    const [alice, bob, carol] = await Promise.all([person('Alice', 1), person('Bob', 2), person('Carol', 3)]);
    await chatOfTwo(alice, bob);
    await growIntoGroup(alice, bob, carol);
  });
});
