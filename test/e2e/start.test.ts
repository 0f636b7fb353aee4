/** Starts that go wrong, and the end: each a clear sentence, nothing lost, no crash. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { chorusWindows, startPlainly } from '../support/windows/electron';

const windows = chorusWindows();

describe('a start', () => {
  it('of a profile that is already open brings its window to the front and says so', async () => {
    const first = await windows.open('twice');
    await first.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.hide());
    const second = startPlainly(['--profile', 'twice', '--user-data-dir', first.dataDir]);
    expect(await second.ended).toBe(0);
    expect(second.said()).toContain('The profile twice is already open; its window comes to the front.');
    const isVisible = () => first.app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.isVisible());
    await vi.waitUntil(isVisible, { timeout: 5_000 });
    expect((await first.call('snapshot', {})).fatal).toBeNull();
  });

  it('without the sandbox is refused with a sentence', async () => {
    const start = startPlainly(['--no-sandbox', '--user-data-dir', join(windows.folder, 'open')]);
    expect(await start.ended).toBe(1);
    expect(start.said()).toContain('Chorus does not run without the sandbox');
  });

  it('with an option that makes no sense is refused with a sentence', async () => {
    const start = startPlainly(['--profile', '../elsewhere', '--user-data-dir', join(windows.folder, 'odd')]);
    expect(await start.ended).toBe(1);
    expect(start.said()).toContain('"../elsewhere" does not fit');
  });

  it('in a folder that cannot be used says which and why, and still hears a signal', async () => {
    const folder = join(windows.folder, 'locked');
    mkdirSync(folder, { mode: 0o500 });
    const start = startPlainly(['--user-data-dir', join(folder, 'profile')]);
    await vi.waitUntil(() => start.said().includes('cannot be used (EACCES)'), { timeout: 20_000 });
    expect(start.said()).toContain(folder);
    start.kill('SIGTERM');
    await start.ended;
    expect(start.said()).not.toMatch(/SIGSEGV|Segmentation|core dumped/);
  });

  it('with damaged settings keeps them as they are and says so in the window', async () => {
    const dataDir = join(windows.folder, 'damaged');
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'settings.json'), '{ "account": {');
    const { call, page } = await windows.open('damaged');
    expect((await call('snapshot', {})).fatal).toMatchObject({ code: 'storage/unreadable' });
    await page.getByRole('button', { name: 'Quit Chorus' }).waitFor();
    expect(readFileSync(join(dataDir, 'settings.json'), 'utf8')).toBe('{ "account": {');
  });
});

describe('the end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('by %s is orderly', async (signal) => {
    const { app, call } = await windows.open('ending', { try: 'Alice', deviceName: 'Laptop' });
    await vi.waitUntil(async () => (await call('snapshot', {})).registration.state === 'registered', { timeout: 20_000 });
    const process = app.process();
    const ended = new Promise((resolve) => process.once('exit', (code, by) => resolve(code ?? by)));
    process.kill(signal);
    expect(await ended).toBe(0);
  });
});
