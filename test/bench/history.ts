/**
 * The history at the size of a lifetime: 1,000,000 messages (or `--messages N`) in 200 conversations, searched and paged.
 * Goals: the last 50 messages of a conversation within 2 ms and the newest 50 hits within 5 ms, both at p95.
 * Then the same searches as the program has them done, by a thread that reads, while the main thread does what it does: how long they take there, and how
 * long the main thread is held up, beside an idle one and beside one that searches itself.
 * The floor is bare libsql with the same cipher in the same run: rows without index, search or checks.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import Libsql from 'libsql';
import { systemClock } from '../../base/clock';
import { silentLogger } from '../../base/log';
import { type OneHistory, openOneHistory } from '../support/doubles/one-history';
import { seededRandom } from '../support/doubles/seeded-random';

const key = '5f'.repeat(32);
const conversations = 200;
const batch = 1000;
const reads = 2000;
const vocabulary = 30_000;

const given = process.argv.indexOf('--messages');
const total = given < 0 ? 1_000_000 : Number(process.argv[given + 1]);
const folder = mkdtempSync(join(tmpdir(), 'chorus-bench-history-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
process.on('SIGTERM', () => process.exit(1));
process.on('SIGINT', () => process.exit(1));

/** The same messages in every run. */
const random = seededRandom(20261123);

const syllables = ['ba', 'co', 'di', 'fu', 'ge', 'ha', 'ki', 'lo', 'mu', 'ne', 'pa', 'ro', 'si', 'ta', 've', 'zu'];
const words = Array.from({ length: vocabulary }, (_, index) => {
  let word = '';
  for (let rest = index + 16; rest > 0; rest = Math.floor(rest / 16)) word = (syllables[rest % 16] ?? '') + word;
  return word;
});
/** Few words are said often and most hardly ever, as in speech. */
const saying = () => words[Math.floor(vocabulary ** random()) - 1] ?? 'ba';
const text = () => Array.from({ length: 4 + Math.floor(random() * 14) }, saying).join(' ');
/** The same words with й among their letters, and as signs without spaces: few signs, so that each is in many messages. */
const inCyrillic = (word: string) => word.replace(/[a-z]/g, (letter) => String.fromCharCode(0x430 + (letter.charCodeAt(0) % 32)));
const inHan = (word: string) =>
  word.replace(/(..)(..)?/g, (_, first: string, second = 'ba') =>
    String.fromCharCode(0x4e00 + 16 * syllables.indexOf(first) + syllables.indexOf(second)),
  );
/** Every fourth message is in Cyrillic, and every fourth in Han. */
const textOf = (index: number) => (index % 4 === 1 ? inCyrillic(text()) : index % 4 === 3 ? text().split(' ').map(inHan).join('') : text());

const say = (figure: string, value: Record<string, number | string | boolean>) =>
  process.stdout.write(`${JSON.stringify({ bench: 'history', figure, ...value })}\n`);
const round = (value: number) => Math.round(value * 1000) / 1000;
/** Processor time a message, since `before`. */
const cpuMsSince = (before: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(before);
  return round((user + system) / 1000 / total);
};

/** `cpuP95` is the processor's time alone: it stays the same on a machine that does much else, where the clock's time does not. */
function times(count: number, work: () => unknown) {
  const clock: number[] = [];
  const processor: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const usage = process.cpuUsage();
    const since = performance.now();
    work();
    clock.push(performance.now() - since);
    const { user, system } = process.cpuUsage(usage);
    processor.push((user + system) / 1000);
  }
  const at = (taken: number[], part: number) => {
    taken.sort((a, b) => a - b);
    return round(taken[Math.min(taken.length - 1, Math.floor(taken.length * part))] ?? 0);
  };
  return { p50: at(clock, 0.5), p95: at(clock, 0.95), p99: at(clock, 0.99), max: at(clock, 1), cpuP95: at(processor, 0.95) };
}

function fill(history: OneHistory): number {
  for (let index = 0; index < conversations; index += 1) {
    history.addConversation({
      id: `c${index}`,
      kind: 'oneToOne',
      peer: `sip:person${index}@lab.test`,
      subject: null,
      people: [{ address: `sip:person${index}@lab.test`, name: `Person ${index}` }],
      conversationId: `conversation-${index}`,
      contributionId: null,
      focus: null,
      continues: null,
      continuedBy: null,
      joined: true,
      createdAt: 1,
      activityAt: index,
    });
  }
  const since = performance.now();
  for (let first = 0; first < total; first += batch) {
    history.transaction(() => {
      for (let index = first; index < Math.min(total, first + batch); index += 1) {
        const to = Math.floor(random() * conversations);
        history.addMessage({
          id: `message-${index}-${Math.floor(random() * 1e9).toString(36)}`,
          conversation: `c${to}`,
          direction: index % 2 === 0 ? 'in' : 'out',
          from: `sip:person${to}@lab.test`,
          fromName: `Person ${to}`,
          fromDevice: null,
          content: { kind: 'text', text: textOf(index) },
          state: 'displayed',
          sentAt: 1_600_000_000_000 + index * 60_000,
          receivedAt: 1_600_000_000_000 + index * 60_000 + 200,
          error: null,
          wantsDelivered: true,
          wantsDisplayed: true,
        });
      }
    });
  }
  return total / ((performance.now() - since) / 1000);
}

function floor(): void {
  const database = new Libsql(join(folder, 'floor.db'), { timeout: 0, ...{ encryptionCipher: 'aes256cbc', encryptionKey: key } });
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE messages (seq INTEGER PRIMARY KEY, text TEXT)');
  const insert = database.prepare('INSERT INTO messages (text) VALUES (?)');
  const rows = Math.min(total, 100_000);
  const since = performance.now();
  for (let first = 0; first < rows; first += batch) {
    database.exec('BEGIN IMMEDIATE');
    for (let index = 0; index < batch; index += 1) insert.run(text());
    database.exec('COMMIT');
  }
  say('floor insert', { perSecond: Math.round(rows / ((performance.now() - since) / 1000)), rows });
  const page = database.prepare('SELECT * FROM messages WHERE seq <= ? ORDER BY seq DESC LIMIT 50');
  say('floor 50 rows', { unit: 'ms', ...times(reads, () => page.all([1 + Math.floor(random() * rows)])) });
  database.close();
}

/** A search on this thread. */
const search = (history: OneHistory, typed: string) => history.search(typed, 50).length;

say('runtime', {
  node: process.versions.node,
  electron: process.versions.electron ?? 'none',
  messages: total,
});
floor();
const file = join(folder, 'history.db');
const history = openOneHistory({ file, key, log: silentLogger });
const filling = process.cpuUsage();
const perSecond = Math.round(fill(history));
say('insert', { perSecond, rows: total, cpuMsEach: cpuMsSince(filling) });
const indexing = process.cpuUsage();
while (history.fillIndex());
say('put words into the index', { rows: total, cpuMsEach: cpuMsSince(indexing) });
history.dispose();
const since = performance.now();
const opened = openOneHistory({
  file,
  key,
  log: silentLogger,
  thread: { script: join(__dirname, '../read-thread.cjs'), clock: systemClock },
});
say('open', { ms: round(performance.now() - since), megabytes: Math.round(statSync(file).size / 1e6) });

const anyConversation = () => `c${Math.floor(random() * conversations)}`;
const goal = (name: string, goalMs: number, figures: ReturnType<typeof times>) =>
  say(name, { unit: 'ms', ...figures, goalP95: goalMs, reached: figures.p95 < goalMs });
goal(
  'last 50',
  2,
  times(reads, () => opened.messages(anyConversation(), { limit: 50 })),
);
const frequent = () => words[Math.floor(random() * 100)] ?? 'ba';
goal(
  'newest 50 hits, words as they are said',
  5,
  times(reads, () => search(opened, saying())),
);
goal(
  'newest 50 hits, frequent word',
  5,
  times(reads, () => search(opened, frequent())),
);
goal(
  'newest 50 hits, beginning of 2 to 4 letters',
  5,
  times(reads, () => search(opened, saying().slice(0, 2 + Math.floor(random() * 3)))),
);
goal(
  'newest 50 hits, two words',
  5,
  times(reads, () => search(opened, `${saying()} ${frequent()}`)),
);
// What stops a search is its fiftieth hit: these have none, or hardly any, so that everything is looked through.
for (const [name, query] of [
  ['frequent beginning of 5 letters', () => `${frequent()}${saying()}`.slice(0, 5)],
  ['two rare words', () => `${words[vocabulary - 1 - Math.floor(random() * 1000)]} ${words[vocabulary - 1 - Math.floor(random() * 1000)]}`],
  ['three frequent words side by side', () => `"${frequent()} ${frequent()} ${frequent()}"`],
  ['six frequent words', () => Array.from({ length: 6 }, frequent).join(' ')],
  ['a word in Cyrillic', () => inCyrillic(saying())],
  ['a frequent word in Han', () => inHan(frequent())],
  ['a sign of Han', () => inHan(saying()).slice(0, 1)],
  ['three words in Han side by side', () => inHan(frequent()) + inHan(frequent()) + inHan(saying())],
  ['a frequent word of one month', () => `${frequent()} 2021-0${1 + Math.floor(random() * 9)}`],
] as const) {
  say(`searched to the end, ${name}`, { unit: 'ms', ...times(300, () => search(opened, query())) });
}

const heavy = () => Array.from({ length: 6 }, frequent).join(' ');
const percentiles = (taken: number[]) => {
  taken.sort((a, b) => a - b);
  const at = (part: number) => round(taken[Math.min(taken.length - 1, Math.floor(taken.length * part))] ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};

/** How late a timer of the main thread is while `work` goes on, over its own resolution of 1 ms. */
async function loopDelay(work: () => Promise<unknown>) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  const over = (nanoseconds: number) => round(Math.max(0, nanoseconds / 1e6 - 1));
  return {
    p50: over(histogram.percentile(50)),
    p95: over(histogram.percentile(95)),
    p99: over(histogram.percentile(99)),
    max: over(histogram.max),
  };
}

async function onThread(): Promise<void> {
  const { reader } = opened;
  const asked = async (query: string) => {
    const since = performance.now();
    await reader.search(query, 50);
    return performance.now() - since;
  };
  say('by the thread: its start and the first search', { ms: round(await asked('ba')) });
  const kinds = [
    ['words as they are said', saying, 5],
    ['frequent word', frequent, 5],
    ['beginning of 2 to 4 letters', () => saying().slice(0, 2 + Math.floor(random() * 3)), 5],
    ['two words', () => `${saying()} ${frequent()}`, 5],
    ['six frequent words', heavy, null],
  ] as const;
  for (const [name, query, goalP95] of kinds) {
    const taken: number[] = [];
    for (let index = 0; index < 500; index += 1) taken.push(await asked(query()));
    const figures = percentiles(taken);
    say(`by the thread: newest 50 hits, ${name}`, {
      unit: 'ms',
      ...figures,
      ...(goalP95 === null ? {} : { goalP95, reached: figures.p95 < goalP95 }),
    });
  }
  // Somebody types, a letter every 10 ms; each search but the newest is given up.
  const typing = async (one: (query: string) => unknown) => {
    for (let index = 0; index < 300; index += 1) {
      await Promise.all([one(heavy()), pause(10)]);
    }
  };
  const passing = (query: string) => reader.search(query, 50, { passing: true }).catch(() => null);
  say('main thread held up, idle', { unit: 'ms', ...(await loopDelay(() => typing(() => null))) });
  say('main thread held up, it searches six frequent words', {
    unit: 'ms',
    ...(await loopDelay(() => typing((query) => search(opened, query)))),
  });
  say('main thread held up, the thread searches them', { unit: 'ms', ...(await loopDelay(() => typing((query) => void passing(query)))) });
  let read = 0;
  const since = performance.now();
  const exporting = await loopDelay(async () => {
    for (let index = 0; index < 4; index += 1) for await (const _ of reader.transcript(`c${index}`)) read += 1;
  });
  say('main thread held up, the thread reads whole conversations', { unit: 'ms', ...exporting });
  say('by the thread: messages of whole conversations', { perSecond: Math.round(read / ((performance.now() - since) / 1000)), read });
  await opened.close();
}

void onThread();
