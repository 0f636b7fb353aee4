/**
 * A conversation as a file that somebody can keep: JSON for programs, or one HTML page that loads nothing and runs nothing.
 */
import type { ConversationValue, MessageValue } from '../preload/contract';
import { writeFile } from './written-file';

export type ExportFormat = 'html' | 'json';

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
  let count = 0;
  const counted = async function* (): AsyncGenerator<MessageValue> {
    for await (const message of messages) {
      count += 1;
      yield message;
    }
  };
  await writeFile({
    path,
    replaces,
    parts: format === 'html' ? htmlParts(conversation, counted(), at) : jsonParts(conversation, counted(), at),
  });
  return count;
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
    const text = message.damaged === true ? '<em>This message was damaged on disk.</em>' : escaped(said(message));
    yield `<li class="${message.direction}"><div class="by"><b>${escaped(message.fromName)}</b>, ${time(message.sentAt)}${whom}${state}</div><p dir="auto">${text}</p></li>\n`;
  }
  yield '</ol>\n</body>\n</html>\n';
}

/** A file is named, not contained. */
function said({ text, content }: MessageValue): string {
  return content.kind === 'file' ? `A file that Chorus cannot show: ${text}, ${content.size} bytes` : text;
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
