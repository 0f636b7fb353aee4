/**
 * A conversation as a file that somebody can keep: JSON for programs, or one HTML page that loads nothing and runs nothing.
 * The file appears under its name only when it is whole. It is not encrypted: it belongs to whoever asked for it, and only they can read it.
 */
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ConversationValue, MessageValue } from '../preload/contract';
import { AppError } from '../preload/contract/errors';

export type ExportFormat = 'html' | 'json';

/** How much is gathered before it is written, in UTF-16 code units. */
const writeLength = 64 * 1024;
/** Names tried for the unfinished file. */
const maxDrafts = 100;
/** The longest name suggested for a file, without its ending. */
const maxNameLength = 80;

/** What a file says of the conversation. */
export type Exported = Pick<ConversationValue, 'kind' | 'subject' | 'people' | 'createdAt'>;

const title = ({ subject, people }: Exported): string => subject ?? people.map((one) => one.name).join(', ');

/** A name that every file system takes. */
export function exportName(conversation: Exported, format: ExportFormat): string {
  const plain = title(conversation)
    .replace(/[^\p{L}\p{N} ,-]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return `Chorus ${plain.slice(0, maxNameLength).trim() || 'chat'}.${format}`;
}

/**
 * Writes the file and resolves with how many messages are in it. `replaces`: a file of that name gives way; else it stays, and this fails.
 * @throws AppError `export/failed`, and then there is no new file
 */
export async function exportConversation(options: {
  conversation: Exported;
  messages: Iterable<MessageValue> | AsyncIterable<MessageValue>;
  format: ExportFormat;
  path: string;
  replaces: boolean;
  /** When it is exported, epoch milliseconds. */
  at: number;
}): Promise<number> {
  const { conversation, messages, format, path, replaces, at } = options;
  let draft: string | null = null;
  let count = 0;
  const counted = async function* (): AsyncGenerator<MessageValue> {
    for await (const message of messages) {
      count += 1;
      yield message;
    }
  };
  const parts = format === 'html' ? htmlParts(conversation, counted(), at) : jsonParts(conversation, counted(), at);
  try {
    const made = await makeDraft(path);
    const { file } = made;
    draft = made.name;
    try {
      let gathered = '';
      for await (const part of parts) {
        gathered += part;
        if (gathered.length < writeLength) continue;
        await file.appendFile(gathered);
        gathered = '';
      }
      await file.appendFile(gathered);
      await file.sync();
    } finally {
      await file.close();
    }
    if (replaces) await rename(draft, path);
    else {
      await link(draft, path);
      await rm(draft);
    }
    await syncFolder(dirname(path));
    return count;
  } catch (error) {
    if (draft !== null) await rm(draft, { force: true }).catch(() => undefined);
    throw error instanceof AppError ? error : new AppError('export/failed', { cause: String(error) }, 'user');
  }
}

/** A file beside `path` that was not there before: whatever has such a name already belongs to somebody else, and stays. */
async function makeDraft(path: string): Promise<{ name: string; file: FileHandle }> {
  for (let attempt = 1; ; attempt += 1) {
    const name = attempt === 1 ? `${path}.part` : `${path}.part${attempt}`;
    try {
      return { name, file: await open(name, 'wx', 0o600) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === maxDrafts) throw error;
    }
  }
}

/** The new name outlives a power cut. Windows sees to names by itself. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* jsonParts(conversation: Exported, messages: AsyncIterable<MessageValue>, at: number): AsyncGenerator<string> {
  const { kind, subject, people, createdAt } = conversation;
  const head = JSON.stringify({ chorus: 'conversation', version: 1, exportedAt: at, kind, subject, people, createdAt });
  yield `${head.slice(0, -1)},"messages":[`;
  let separator = '\n';
  for await (const { conversation: _, ...message } of messages) {
    yield separator + JSON.stringify(message);
    separator = ',\n';
  }
  yield '\n]}\n';
}

async function* htmlParts(conversation: Exported, messages: AsyncIterable<MessageValue>, at: number): AsyncGenerator<string> {
  const name = escaped(title(conversation));
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${name}</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
  ol { list-style: none; padding: 0; }
  li { margin: 0 0 1rem; }
  .out { margin-left: 3rem; }
  p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
  .by { font-size: .85rem; opacity: .75; }
</style>
</head>
<body>
<h1>${name}</h1>
<p class="by">${conversation.people.map((one) => escaped(`${one.name} (${one.address})`)).join(', ')}</p>
<p class="by">Exported from Chorus, ${time(at)}</p>
<ol>
`;
  for await (const message of messages) {
    const state = message.state === 'failed' ? ', not sent' : '';
    const other = conversation.people.find(({ address }) => address === message.onlyWith);
    const whom = message.onlyWith === undefined ? '' : `, only with ${escaped(other?.name ?? message.onlyWith)}`;
    const text = message.damaged === true ? '<em>This message was damaged on disk.</em>' : escaped(message.text);
    yield `<li class="${message.direction}"><div class="by"><b>${escaped(message.fromName)}</b>, ${time(message.sentAt)}${whom}${state}</div><p dir="auto">${text}</p></li>\n`;
  }
  yield '</ol>\n</body>\n</html>\n';
}

function time(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return 'at an unknown time';
  const iso = date.toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

function escaped(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign);
}
