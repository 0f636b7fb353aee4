import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { AppError } from '../../../preload/contract/errors';
import { openOneHistory } from '../../support/doubles/one-history';

const key = 'cd'.repeat(32);
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-durability-'));
  file = join(folder, 'history.db');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process that commits message after message with its job, tells each commit, and ends with one that it never commits. */
const writer = `
  const { openHistory } = require('./history.cjs');
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const history = openHistory({ file: process.argv[2], key: process.argv[3], log }).of('sip:alice@lab.test');
  const conversation = { id: 'c', kind: 'oneToOne', peer: 'sip:bob@lab.test', subject: null, people: [], conversationId: 'x',
    contributionId: null, focus: null, continues: null, continuedBy: null, joined: true, createdAt: 1, activityAt: 1 };
  history.addConversation(conversation);
  const add = (id) => {
    history.addMessage({ id, conversation: 'c', direction: 'out', from: 'sip:alice@lab.test', fromName: 'Alice', fromDevice: null,
      content: { kind: 'text', text: 'x'.repeat(3000) }, state: 'queued', sentAt: Number(id.slice(1)) || 0, receivedAt: null, error: null, wantsDelivered: true, wantsDisplayed: true });
    history.addJob({ lane: 'c', kind: 'message', message: id, payload: '{}', nextAt: 0 });
  };
  for (let index = 0; index < 20; index += 1) history.transaction(() => add('m' + index));
  history.transaction(() => {
    add('uncommitted');
    require('node:fs').writeSync(1, 'committed 20');
    for (;;);
  });
`;

describe('the history of a process that is killed', () => {
  it('has every committed message with its job, and nothing of the unfinished transaction', async () => {
    const source = resolve(import.meta.dirname, '../../../main/history/history.ts');
    buildSync({ entryPoints: [source], outfile: join(folder, 'history.cjs'), bundle: true, platform: 'node', external: ['libsql'] });
    writeFileSync(join(folder, 'writer.cjs'), writer);
    const modules = resolve(createRequire(import.meta.url).resolve('libsql'), '../..');
    const child = spawn(process.execPath, [join(folder, 'writer.cjs'), file, key], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_PATH: modules },
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    expect(await exit).toEqual([null, 'SIGKILL']);

    const history = openOneHistory({ file, key, log: silentLogger });
    const kept = history.messages('c', { limit: 100 }).map((each) => each.id);
    expect(kept).toEqual(Array.from({ length: 20 }, (_, index) => `m${index}`));
    expect(history.jobs().map((each) => each.message)).toEqual(kept);
    history.dispose();
  });
});

describe('a disk that is full', () => {
  it('is storage/full, undoes the whole transaction, and lets the history be read on', () => {
    const history = openOneHistory({ file, key, log: silentLogger });
    const base = { subject: null, people: [], contributionId: null, focus: null, continues: null, continuedBy: null, joined: true };
    const put = (id: string, subject: string | null = null) =>
      history.addConversation({ ...base, id, subject, kind: 'group', peer: null, conversationId: id, createdAt: 1, activityAt: 1 });
    put('first');
    // SQLite answers a full page quota exactly as it answers ENOSPC: SQLITE_FULL. The quota is the connection's own.
    const prototype: { exec(sql: string): unknown } = Libsql.prototype;
    const execute = prototype.exec;
    let limited = false;
    prototype.exec = function (this: Libsql.Database, sql: string) {
      if (!limited && sql.startsWith('BEGIN')) {
        limited = true;
        this.pragma('max_page_count = 20');
      }
      return execute.call(this, sql);
    };
    try {
      const fill = () =>
        history.transaction(() => {
          for (let index = 0; index < 100; index += 1) put(`c${index}`, 'x'.repeat(3000));
        });
      expect(fill).toThrow(AppError);
      expect(fill).toThrow('storage/full');
    } finally {
      prototype.exec = execute;
    }
    expect(history.conversations().map((each) => each.id)).toEqual(['first']);
    history.dispose();
  });
});
