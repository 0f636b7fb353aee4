import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ExportFormat, exportConversation, exportName } from '../../../main/export';
import type { ConversationValue, MessageValue } from '../../../preload/contract';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-export-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const conversation = {
  conversation: 'c1',
  kind: 'oneToOne',
  subject: null,
  people: [{ address: 'sip:bob@lab.test', name: 'Bob <b>' }],
  createdAt: 1,
} as unknown as ConversationValue;

function message(id: string, text: string, more: Partial<MessageValue> = {}): MessageValue {
  const common = { fromDevice: null, receivedAt: 2, receipts: [], error: null };
  return {
    message: id,
    conversation: 'c1',
    direction: 'in',
    from: 'sip:bob@lab.test',
    fromName: 'Bob',
    text,
    content: { kind: 'text', text },
    state: 'received',
    sentAt: 1_700_000_000_000,
    ...common,
    ...more,
  };
}

const write = (path: string, format: ExportFormat, messages: Iterable<MessageValue>, replaces = false) =>
  exportConversation({ conversation, messages, format, path, replaces, at: 1_700_000_000_000 });

describe('a conversation as a file', () => {
  it('is JSON that says all of every message, for its owner alone', async () => {
    const path = join(folder, 'chat.json');
    const messages = [message('m1', 'one\n"two"'), message('m2', '🙂', { direction: 'out', state: 'failed' })];
    expect(await write(path, 'json', messages)).toBe(2);
    const read = JSON.parse(readFileSync(path, 'utf8'));
    expect(read).toMatchObject({ chorus: 'conversation', version: 1, people: conversation.people });
    expect(read.messages).toMatchObject([
      { message: 'm1', text: 'one\n"two"' },
      { message: 'm2', text: '🙂', state: 'failed' },
    ]);
    expect(statSync(path).mode & 0o077).toBe(0);
    expect(readdirSync(folder)).toEqual(['chat.json']);
  });

  it('names what Chorus cannot show, with its type and size', async () => {
    const content = { kind: 'file' as const, text: 'Plan.html (text/html)', type: 'text/html', size: 1800, name: 'Plan.html' };
    const messages = [message('m1', content.text, { content })];
    await write(join(folder, 'chat.html'), 'html', messages);
    expect(readFileSync(join(folder, 'chat.html'), 'utf8')).toContain('A file that Chorus cannot show: Plan.html (text/html), 1800 bytes');
    await write(join(folder, 'chat.json'), 'json', messages);
    expect(JSON.parse(readFileSync(join(folder, 'chat.json'), 'utf8')).messages).toMatchObject([{ content }]);
  });

  it('is HTML in which nothing that somebody wrote can run or load', async () => {
    const path = join(folder, 'chat.html');
    const hostile = '<script>alert(1)</script><img src=x onerror="a">&';
    await write(path, 'html', [
      message('m1', hostile, { fromName: `"'><i>` }),
      message('m2', 'x', { damaged: true }),
      message('m3', 'x', { onlyWith: 'sip:bob@lab.test' }),
    ]);
    const html = readFileSync(path, 'utf8');
    expect(html).not.toMatch(/<script|<img|<i>|<b>&?lt/);
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&quot;a&quot;&gt;&amp;');
    expect(html).toContain("content=\"default-src 'none'");
    expect(html).toContain('This message was damaged on disk.');
    expect(html).toContain(', only with Bob &lt;b&gt;</div>');
  });

  it('never takes the place of a file unless the person has said so, and leaves nothing half written', async () => {
    const path = join(folder, 'chat.json');
    writeFileSync(path, 'mine');
    await expect(write(path, 'json', [message('m1', 'x')])).rejects.toMatchObject({ code: 'export/failed' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    await expect(
      write(
        join(folder, 'other.json'),
        'json',
        (function* () {
          yield message('m1', 'x');
          throw new Error('the history is gone');
        })(),
      ),
    ).rejects.toMatchObject({ code: 'export/failed' });
    expect(readdirSync(folder)).toEqual(['chat.json']);
    expect(await write(path, 'json', [], true)).toBe(0);
    await expect(write(join(folder, 'no', 'where.json'), 'json', [])).rejects.toMatchObject({ code: 'export/failed' });
  });

  it.each([false, true])('leaves every file that it did not make, when it succeeds and when it fails (replaces: %s)', async (replaces) => {
    const path = join(folder, 'chat.json');
    writeFileSync(`${path}.part`, 'somebody’s');
    await write(path, 'json', [], replaces);
    const failing = (function* () {
      yield message('m1', 'one');
      throw new Error('the disk');
    })();
    await expect(write(path, 'json', failing, true)).rejects.toMatchObject({ code: 'export/failed' });
    expect(readFileSync(`${path}.part`, 'utf8')).toBe('somebody’s');
    expect(readdirSync(folder).sort()).toEqual(['chat.json', 'chat.json.part']);
  });

  it('has a name that every file system takes', () => {
    expect(exportName(conversation, 'html')).toBe('Chorus Bob b.html');
    const odd = { ...conversation, subject: `../\\:*?"<>|${'x'.repeat(300)}` };
    expect(exportName(odd, 'json')).toMatch(/^Chorus x{1,80}\.json$/);
    expect(exportName({ ...conversation, subject: '///' }, 'json')).toBe('Chorus chat.json');
  });
});
