import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chatCalls } from '../../../main/chat-calls';
import type { Messenger } from '../../../main/cpm/messenger';
import { fileName } from '../../../main/file-name';

const file = (type: string, name: string | null) => ({ kind: 'file' as const, text: '', type, size: 1, name });

describe('the name of a file that came', () => {
  it.each([
    ['text/html', null, 'Chorus text-html.html'],
    ['text/html', 'Plan.html', 'Plan.html'],
    ['text/html', 'Plan.exe', 'Plan.html'],
    ['application/x-msdownload', 'setup.exe', 'setup.bin'],
    ['image/png', '../../etc/passwd', 'etc passwd.png'],
    ['image/png', '..', 'Chorus image-png.png'],
    ['image/png', 'CON.png', 'CON-.png'],
    ['image/png', 'фото 1.png', 'фото 1.png'],
    ['application/octet-stream', `${'x'.repeat(300)}.txt`, `${'x'.repeat(80)}.bin`],
    ['a/b', 'a\u0000b:c*d?.txt', 'a b c d.bin'],
  ])('of the type %s, called %j, is %j', (type, name, expected) => {
    expect(fileName(file(type, name))).toBe(expected);
  });
});

describe('saveFile', () => {
  const octets = Uint8Array.from([1, 2, 0xff]);
  const messenger = { chats: { file: () => ({ content: file('text/html', 'Plan'), octets }) } } as unknown as Messenger;
  const calls = (chooseFile: ((suggestion: string) => Promise<string | null>) | null) =>
    chatCalls({ messenger: () => messenger, rescue: () => null, chooseFile, now: () => 0 });
  const which = { message: 'm', direction: 'in' as const };

  it('writes where the person says, under a name that is safe; nothing when they cancel', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-file-'));
    const suggested: string[] = [];
    const choose = async (suggestion: string) => {
      suggested.push(suggestion);
      return suggested.length === 1 ? join(folder, suggestion) : null;
    };
    const { saveFile } = calls(choose);
    expect(await saveFile(which)).toEqual({ path: join(folder, 'Plan.html') });
    expect(readFileSync(join(folder, 'Plan.html'))).toEqual(Buffer.from(octets));
    expect(await saveFile(which)).toEqual({ path: null });
    expect(readdirSync(folder)).toEqual(['Plan.html']);
    rmSync(folder, { recursive: true });
  });

  it('lets no window name a path, and asks a script for one', async () => {
    await expect(calls(async () => null).saveFile({ ...which, path: '/tmp/x' })).rejects.toMatchObject({ code: 'ipc/refused' });
    await expect(calls(null).saveFile(which)).rejects.toMatchObject({ code: 'ipc/refused' });
  });
});
