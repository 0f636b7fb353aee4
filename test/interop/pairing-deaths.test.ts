/** The chats on their way to a new device, as scripts see them, while either side is killed. */
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { DeviceValue, FillingValue, IdentityValue, MessageValue, OwnDevicesValue, PairingValue } from '../../preload/contract';
import { ensureBuilt } from '../support/stages/built';
import { type Command, newFolder, printCommandsOnFailure } from '../support/stages/command';
import { conversations, endScripts, signedIn, startedNetwork } from '../support/stages/scripted-clients';

beforeAll(() => ensureBuilt('command'));
beforeEach(() => printCommandsOnFailure());
afterEach(() => endScripts());

const LINES = 250;

async function texts(client: Command): Promise<string[]> {
  const [chat] = (await conversations(client)) as { conversation: string }[];
  if (chat === undefined) return [];
  const { conversation } = chat;
  return (await client.ask<MessageValue[]>('messages', { conversation, limit: 500 })).map(({ text }) => text);
}

const pairing = (client: Command, state: PairingValue['state']) =>
  client.until(`its pairing is ${state}`, async () => {
    const value = (await client.ask<OwnDevicesValue>('ownDevices')).pairing;
    return value?.state === state ? value : null;
  });

it('they come newest first, and go on where they stopped after kill -9 of the one that has them, and of the one that gets them', async () => {
  const { tcp } = await startedNetwork();
  const folders = { laptop: newFolder('laptop'), tablet: newFolder('tablet') };
  let laptop = await signedIn(tcp, 'alice-laptop', ['--data', folders.laptop]);
  const { conversation } = await laptop.ask<{ conversation: string }>('openConversation', { to: 'sip:carol@lab.test' });
  const lines = Array.from({ length: LINES }, (_, line) => `line ${line + 1}`);
  for (const text of lines) await laptop.ask('sendText', { conversation, text });

  let tablet = await signedIn(tcp, 'alice-tablet', ['--data', folders.tablet]);
  const { instanceId } = await laptop.ask<IdentityValue>('identity');
  await tablet.until('it sees the laptop', async () => ((await tablet.ask<DeviceValue[]>('devices')).length === 2 ? true : null));
  await tablet.ask('startPairing', { instanceId });
  const { code } = await pairing(tablet, 'code');
  await pairing(laptop, 'code');
  await laptop.ask('typePairingCode', { code });
  await pairing(tablet, 'confirm');
  await tablet.ask('confirmPairing', { history: 'all' });
  const first = await tablet.until('the first have come', async () => {
    const here = await texts(tablet);
    return here.length > 0 ? here : null;
  });
  expect(first.at(-1)).toBe(`line ${LINES}`);
  laptop.kill('SIGKILL');
  await laptop.ended();
  const held = (await texts(tablet)).length;
  tablet.kill('SIGKILL');
  await tablet.ended();

  tablet = await signedIn(tcp, 'alice-tablet', ['--data', folders.tablet]);
  // What was there is there; the pairing outlives the process.
  expect((await texts(tablet)).length).toBeGreaterThanOrEqual(held);
  expect(await tablet.ask('ownDevices')).toMatchObject({ paired: true });
  laptop = await signedIn(tcp, 'alice-laptop', ['--data', folders.laptop]);
  await tablet.until('all have come', async () => ((await texts(tablet)).length === LINES ? true : null));
  expect(await texts(tablet)).toEqual(lines);
  // Both tell how far it is.
  if (held === LINES) return;
  for (const [client, direction] of [
    [tablet, 'in'],
    [laptop, 'out'],
  ] as const)
    await client.until('it has told how far the chats are', () => {
      const told = client.lines.flatMap((line) => (line.event === 'ownDevices' ? (line.filling as FillingValue[]) : []));
      return told.some((one) => one.direction === direction) ? true : null;
    });
});
