/** What a person meets when something is wrong: a clear sentence, nothing lost, no crash. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { chorusWindows } from '../support/windows/electron';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, options = {}) => new WindowDriver(await windows.open(profile, options));

let network: Network | null = null;
afterEach(async () => {
  await network?.close();
  network = null;
});

/** A SIP service that Chorus knows nothing of: it is told its address like any other. */
async function service(options: { port?: number; password?: string } = {}): Promise<{ server: string; port: number }> {
  network = await startNetwork({
    domain: 'service.test',
    users: ['alice', 'bob'].map((name) => ({
      name,
      password: options.password ?? passwordOf(name),
      identities: [`sip:${name}.sales@service.test`],
    })),
    tcpPort: options.port ?? 0,
  });
  const port = Number(/:(\d+);/.exec(network.uris.tcp)?.[1]);
  return { server: `127.0.0.1:${port}`, port };
}

const passwordOf = (name: string) => `${name} keeps a secret`;

async function signIn(hands: WindowDriver, name: string, password: string, server: string): Promise<void> {
  await hands.page.getByRole('radio', { name: /^Sign in/ }).click();
  await hands.page.getByLabel('Address', { exact: true }).fill(`${name}@service.test`);
  await hands.page.getByLabel('Password', { exact: true }).fill(password);
  await hands.button('Advanced').click();
  await hands.page.getByLabel('Server', { exact: true }).fill(server);
  await hands.page.getByLabel('Device name').fill('Laptop');
  await hands.at('sign-in-submit').click();
}

describe('signing in', () => {
  it('an unreachable server and a wrong password are told apart, and nothing is kept until the server said yes', async () => {
    const alice = await sit('alice');
    const free = await freePort();
    await signIn(alice, 'alice', 'wrong', `127.0.0.1:${free}`);
    await expect(alice.at('error-note')).toContainText('The server could not be reached.');
    await expect(alice.at('error-note')).toContainText('Check the network and the server’s address.');
    await alice.pictures('unreachable-server');

    const { server } = await service();
    await alice.page.getByLabel('Server', { exact: true }).fill(server);
    await alice.at('sign-in-submit').click();
    await expect(alice.at('error-note')).toContainText('The server did not accept this password.');
    await expect(alice.at('error-note')).toContainText('Check the address and enter the password again.');
    await alice.pictures('wrong-password');
    await expect(alice.page.getByLabel('Address', { exact: true })).toHaveValue('alice@service.test');
    await expect(alice.page.getByLabel('Password', { exact: true })).toHaveValue('wrong');
    await expect(alice.page.getByLabel('Server', { exact: true })).toHaveValue(server);
    await expect(alice.page.getByLabel('Device name')).toHaveValue('Laptop');
    expect(filesWith(alice.window.dataDir, 'service.test')).toEqual([]);
    expect(network?.bindings('sip:alice@service.test')).toEqual([]);

    await alice.page.getByLabel('Password', { exact: true }).fill(passwordOf('alice'));
    await alice.page.keyboard.press('Enter');
    await alice.isRegistered();
    expect(network?.bindings('sip:alice@service.test')).toHaveLength(1);
    await alice.window.close();
    // Now the account is kept, and its password not in the clear.
    expect(filesWith(alice.window.dataDir, 'service.test')).toContain('settings.json');
    expect(filesWith(alice.window.dataDir, 'keeps a secret')).toEqual([]);
    const again = await sit('alice');
    await again.isRegistered();
  });

  it('the advanced settings say beside the field what is wrong, and go with the sign-in; what a device offers, and how chats travel, is switched at once', async () => {
    const { server } = await service();
    const alice = await sit('alice');
    const { page } = alice;
    await page.getByRole('radio', { name: /^Sign in/ }).click();
    await page.getByLabel('Address', { exact: true }).fill('alice@service.test');
    await page.getByLabel('Password', { exact: true }).fill(passwordOf('alice'));
    await alice.button('Advanced').click();
    await page.getByLabel('Server', { exact: true }).fill(server);
    await page.getByLabel('Weakest method allowed').selectOption('SHA-256');
    await page.getByLabel('IMEI of this device').fill('90420156-025763-1');
    await alice.at('sign-in-submit').click();
    await expect(page.getByText('The check digit of the IMEI is wrong.')).toBeVisible();
    await expect(alice.at('sign-in-imei')).toHaveAttribute('aria-invalid', 'true');
    await alice.pictures('advanced-sign-in');
    await page.getByLabel('Sign-in method').selectOption('aka');
    await expect(page.getByLabel('SIM key (K)')).toBeVisible();
    await page.getByLabel('Sign-in method').selectOption('auto');
    await page.getByLabel('IMEI of this device').fill('90420156-025763-7');
    await alice.at('sign-in-submit').click();
    await alice.isRegistered();
    const [binding] = network?.bindings('sip:alice@service.test') ?? [];
    expect(binding?.params.get('+sip.instance')).toContain('urn:gsma:imei:90420156-025763-0');

    await alice.goTo('settings');
    await alice.at('settings-account').click();
    await alice.at('offer-pager').click();
    await expect(alice.at('offer-pager')).toHaveAttribute('aria-checked', 'false');
    await page.getByLabel('Write as').selectOption('sip:alice.sales@service.test');
    await expect(page.getByLabel('Write as')).toHaveValue('sip:alice.sales@service.test');
    await alice.at('media-relay').fill('relay.example.org');
    await alice.at('media-relay-save').click();
    await expect(page.getByText('is no MSRP URI of a relay')).toBeVisible();
    // Nobody listens there.
    await alice.at('media-relay').fill('msrp://127.0.0.1:1');
    await alice.at('media-relay').press('Enter');
    await expect(page.getByText('The media relay cannot be reached. Nothing was changed.')).toBeVisible();
    await alice.at('media-tls').selectOption('always');
    await expect(alice.at('media-tls')).toHaveValue('always');
    await expect(alice.at('media-said')).toHaveText('Saved. Chats you start are now always encrypted in transit.');
    await alice.at('media-way').scrollIntoViewIfNeeded();
    await alice.pictures('offers');
    await expect.poll(() => network?.bindings('sip:alice@service.test')[0]?.params.get('+g.3gpp.icsi-ref')).not.toContain('oma.cpm.msg');
  });

  it('a password that is another one now is asked for again, where the person is', async () => {
    const { server, port } = await service();
    const alice = await sit('alice');
    await signIn(alice, 'alice', passwordOf('alice'), server);
    await alice.isRegistered();
    await network?.close();
    await service({ port, password: 'quite another' });
    await expect(alice.at('connection-banner')).toContainText('The server did not accept this password.');
    await expect(alice.at('device-name')).toHaveText('Laptop, refused');
    await alice.pictures('refused');
    await alice.button('Sign in again').click();
    const dialog = alice.at('sign-in-again-dialog');
    await expect(dialog.getByLabel('Address', { exact: true })).toHaveValue('alice@service.test');
    await dialog.getByLabel('Password', { exact: true }).fill('quite another');
    await alice.page.keyboard.press('Enter');
    await expect(dialog).toHaveCount(0);
    await alice.isRegistered();
    await expect(alice.at('connection-banner')).toHaveCount(0);
    await alice.window.close();
    const again = await sit('alice');
    await again.isRegistered();
  });
});

describe('a damaged file', () => {
  it('stops the start with plain words, stays as it is, and works again once it is mended', async () => {
    const before = await sit('damaged');
    await before.tryItAs('Alice', 'Laptop');
    await before.newChat('Bob');
    await before.say('Kept through everything');
    const { dataDir } = before.window;
    await before.window.close();
    const files = [
      { name: 'settings.json', code: 'storage/unreadable', says: 'The stored data cannot be read' },
      { name: 'identity.json', code: 'identity/unreadable', says: 'The identity of this device cannot be read' },
    ];
    for (const { name, code, says } of files) {
      const path = join(dataDir, name);
      const whole = readFileSync(path);
      // As after a power cut: the length is right, the first block was never written. The second copy, where there is one, is damaged alike.
      const damaged = Buffer.concat([Buffer.alloc(64), whole.subarray(64)]);
      const both = [path, `${path}.copy`].filter((each) => existsSync(each));
      for (const each of both) writeFileSync(each, damaged);
      const stopped = await sit('damaged');
      await expect(stopped.at('fatal')).toHaveAttribute('data-code', code);
      await expect(stopped.at('fatal')).toContainText(says);
      await expect(stopped.at('fatal')).toContainText(`${code}: ${name}`);
      await stopped.pictures(`damaged-${name.replace(/\..*/, '')}`);
      // The way out of this screen is to close it.
      const ended = stopped.window.app.waitForEvent('close');
      // The window may be gone before the click is through.
      const clicked = stopped.button('Quit Chorus').click();
      await clicked.catch((error: unknown) => expect(String(error)).toContain('has been closed'));
      await ended;
      expect(readFileSync(path).equals(damaged)).toBe(true);
      for (const each of both) writeFileSync(each, whole);
    }
    // The history is opened for rescue: there was no update yet, so no copy speaks for it.
    const history = join(dataDir, 'history.db');
    const wholeHistory = readFileSync(history);
    const damagedHistory = Buffer.concat([Buffer.alloc(64), wholeHistory.subarray(64)]);
    writeFileSync(history, damagedHistory);
    const rescue = await sit('damaged');
    await expect(rescue.at('damaged-history')).toContainText('None of it can be read.');
    await expect(rescue.at('damaged-history')).toContainText('storage/damaged: history.db');
    await rescue.pictures('damaged-history');
    await rescue.window.close();
    expect(readFileSync(history).equals(damagedHistory)).toBe(true);
    writeFileSync(history, wholeHistory);
    // The settings hold the history's key: without them there is no way in, and no new key is made.
    const settings = readFileSync(join(dataDir, 'settings.json'));
    for (const name of ['settings.json', 'settings.json.copy']) rmSync(join(dataDir, name));
    const keyless = await sit('damaged');
    await expect(keyless.at('fatal')).toHaveAttribute('data-code', 'storage/unreadable');
    await keyless.window.close();
    expect(readdirSync(dataDir)).not.toContain('settings.json');
    writeFileSync(join(dataDir, 'settings.json'), settings);
    const after = await sit('damaged');
    await after.isRegistered();
    await after.openChat('Bob');
    await after.hears('Kept through everything');
  });
});

describe('a full disk', () => {
  it.skipIf(process.platform !== 'linux')('stops the start with plain words, at the first start and at a later one', async () => {
    const disk = smallDisk('nothing');
    const first = await sit('first', disk);
    await expect(first.at('fatal')).toHaveAttribute('data-code', 'storage/full');
    await expect(first.at('fatal')).toContainText('The disk is full');
    await expect(first.at('fatal')).toContainText('Free some space, then restart Chorus.');
    await first.pictures('full-disk');
    await first.window.close();

    const good = await sit('later');
    await good.tryItAs('Alice', 'Laptop');
    await good.newChat('Bob');
    await good.say('Written while there was room');
    await good.window.close();
    const later = await sit('later', smallDisk(join(windows.folder, 'later')));
    await expect(later.at('fatal')).toHaveAttribute('data-code', 'storage/full');
    await later.window.close();
    const again = await sit('later');
    await again.isRegistered();
    await again.openChat('Bob');
    await again.hears('Written while there was room');
  });
});

describe('the network goes away', () => {
  it('the window says so, what is written waits with a clock, and goes out when the network is back', async () => {
    const { server, port } = await service();
    const [alice, bob] = await Promise.all([sit('alice'), sit('bob')]);
    await Promise.all([signIn(alice, 'alice', passwordOf('alice'), server), signIn(bob, 'bob', passwordOf('bob'), server)]);
    await Promise.all([alice.isRegistered(), bob.isRegistered()]);
    await alice.newChat('bob');
    await alice.say('Before the storm');
    await alice.sees('Before the storm', 'delivered');

    await network?.close();
    network = null;
    const banner = alice.at('connection-banner');
    await expect(alice.at('device-state')).toHaveAttribute('data-state', 'waiting');
    await expect(alice.at('device-name')).toHaveText('Laptop, offline');
    await expect(banner).toContainText('The server could not be reached.');
    await expect(banner).toContainText('Messages wait here.');
    await alice.say('While it was dark');
    await alice.sees('While it was dark', 'queued');
    await expect(alice.bubble('While it was dark').getByRole('img', { name: 'Waiting to be sent' })).toBeVisible();
    await alice.pictures('offline');
    // Nothing makes it up: it waits still after another attempt at a network that is not there.
    await alice.button('Try now').click();
    await expect(banner).toContainText('Trying again in');
    await alice.sees('While it was dark', 'queued');

    await service({ port });
    // The next try may have come by itself; then there is nothing to press any more.
    for (const one of [bob, alice]) {
      await one.page.evaluate(() => document.querySelector<HTMLElement>('[data-testid="connection-try-now"]')?.click());
      await one.isRegistered();
    }
    await expect(banner).toHaveCount(0);
    await alice.sees('While it was dark', 'delivered');
    await bob.openChat('alice');
    await bob.hears('Before the storm', 'While it was dark');
    await alice.sees('While it was dark', 'displayed');
    await expect(bob.bubble('While it was dark')).toHaveCount(1);
  });
});

/** A port of the loopback where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 1;
}

/** The files of a profile in which a text stands. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name);
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path).includes(text);
  });
}

/** A runtime whose profile lies on a disk of its own without room: a mount that this process alone sees, with what `content` holds. */
function smallDisk(content: string): { through: string } {
  const path = join(windows.folder, `small-disk-${process.hrtime.bigint()}.sh`);
  const script = `#!/bin/sh
for argument; do case "$before" in --user-data-dir) export DISK="$argument";; esac; before="$argument"; done
mkdir -p "$DISK"
exec unshare --user --map-root-user --mount sh -c '
  mkdir -p "$DISK.kept" && if [ -d "${content}" ]; then cp "${content}"/*.json "${content}"/history.db* "${content}"/secret* "$DISK.kept"; fi
  mount -t tmpfs -o size=2m,mode=0777 tmpfs "$DISK" && cp "$DISK.kept"/* "$DISK"
  cat /dev/zero > "$DISK/filler" 2> /dev/null
  exec unshare --user --map-user=${process.getuid?.()} --map-group=${process.getgid?.()} "$CHORUS_ELECTRON" "$@"
' sh "$@"
`;
  writeFileSync(path, script, { mode: 0o700 });
  return { through: path };
}
