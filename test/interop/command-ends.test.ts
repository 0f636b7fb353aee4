/** How the command ends: by itself with a status that means something, and by kill -9 at any moment, after which nothing is lost. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { IdentityValue, MessageValue } from '../../preload/contract';
import { seededRandom } from '../support/doubles/seeded-random';
import { ensureBuilt } from '../support/stages/built';
import { type Command, chorus, newFolder, npmChorus, printCommandsOnFailure } from '../support/stages/command';
import {
  client,
  conversations,
  endScripts,
  exits,
  ownNetwork,
  sendText,
  signedIn,
  startedNetwork,
  utf8,
} from '../support/stages/scripted-clients';
import { elapse } from '../support/waiting';

beforeAll(() => ensureBuilt('command'));
beforeEach(() => printCommandsOnFailure());
afterEach(() => endScripts());

describe('how the command ends', () => {
  const run = async (args: readonly string[]) => {
    const command = chorus('run', args);
    command.endInput();
    const { status } = await command.ended();
    return { status, stdout: command.lines, stderr: command.stderr.trim().split('\n') };
  };

  it('2 and one line on stderr when the arguments cannot be used', async () => {
    const account = ['client', '--aor', 'sip:alice@lab.test', '--proxy', 'sip:127.0.0.1'];
    const unusable = [
      ['client'],
      ['client', '--aor', 'mailto:alice@lab.test', '--proxy', 'sip:127.0.0.1;transport=tcp'],
      ['client', '--aor', 'sip:alice@lab.test', '--proxy', 'nowhere'],
      [...account, '--expires', 'soon'],
      [...account, '--accept', 'maybe'],
      [...account, '--imei', '12'],
      [...account, '--profile', '../up'],
      ['client', '--bogus'],
      ['network', '--listen', '0.0.0.0'],
      ['network', '--users', 'alice'],
      ['network', '--tcp', '99999'],
      ['network', '--policy', 'package.json'],
      ['dance'],
    ];
    for (const args of unusable) {
      const { status, stdout, stderr } = await run(args);
      expect({ args, status, stdout, lines: stderr.length }).toEqual({ args, status: 2, stdout: [], lines: 1 });
      expect(stderr[0]).toMatch(/^chorus: .{10,}/);
    }
  });

  it('0 and the options on stdout when help is asked for', () => {
    for (const args of [['--help'], ['client', '--help'], ['network', '--help']]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['out/cli.cjs', ...args], { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^chorus /);
    }
  });

  it('1 and a plain sentence: the port is taken, the data folder is a file; a damaged history is said, and stays to be rescued', async () => {
    const { tcp } = await startedNetwork();
    const port = /:(\d+);/.exec(tcp)?.[1] ?? '';
    const taken = await run(['network', '--tcp', port]);
    expect(taken).toMatchObject({ status: 1, stdout: [] });
    expect(taken.stderr.join('\n')).toContain(`Port ${port} on 127.0.0.1 is in use`);

    const folder = newFolder('taken');
    const file = join(folder, 'file');
    writeFileSync(file, 'not a folder');
    const account = ['client', '--aor', 'sip:alice@lab.test', '--proxy', tcp];
    const inFile = await run([...account, '--data', file]);
    expect(inFile).toMatchObject({ status: 1, stdout: [] });
    expect(inFile.stderr.at(-1)).toMatch(/^chorus: The data could not be stored\./);

    const data = join(folder, 'alice');
    expect((await run([...account, '--data', data])).status).toBe(0);
    writeFileSync(join(data, 'history.db'), 'this is no database '.repeat(500));
    const damaged = await run([...account, '--data', data]);
    expect(damaged.stderr.join('\n')).toMatch(/The history is damaged/);
    expect(readFileSync(join(data, 'history.db'), 'utf8')).toMatch(/^this is no database/);
  });

  it('1: a second client with the same data folder says so, and the first one goes on', async () => {
    const { tcp } = await startedNetwork();
    const data = newFolder('alice');
    const alice = await signedIn(tcp, 'alice', ['--data', data]);
    const second = client(tcp, 'alice', ['--data', data]);
    expect(await exits(second)).toBe(1);
    expect(second.lines).toEqual([]);
    expect(second.stderr.trim().split('\n').at(-1)).toMatch(/^chorus: Another process uses this data folder\./);
    expect(await alice.ask('register')).toMatchObject({ state: 'registered', bindings: 1 });
  });

  it('0: at the end of its input, by SIGTERM and by SIGINT, each time with its binding gone', async () => {
    const { tcp } = await startedNetwork();
    const watcher = await signedIn(tcp, 'alice-watcher');
    const ends: ((one: Command) => void)[] = [(one) => one.endInput(), (one) => one.kill('SIGTERM'), (one) => one.kill('SIGINT')];
    for (const end of ends) {
      const laptop = await signedIn(tcp, 'alice-laptop');
      expect(await watcher.ask('register')).toMatchObject({ bindings: 2 });
      end(laptop);
      expect(await laptop.ended()).toEqual({ status: 0, signal: null });
      expect(laptop.lines.at(-1)).toMatchObject({ event: 'exit' });
      expect(await watcher.ask('register')).toMatchObject({ bindings: 1 });
    }
    // A kill is no farewell: the binding stays until it ends.
    const laptop = await signedIn(tcp, 'alice-laptop');
    laptop.kill('SIGKILL');
    await laptop.ended();
    expect(await watcher.ask('register')).toMatchObject({ bindings: 2 });
  });

  it('npm run --silent chorus: nothing but JSON on stdout, and the status and the signal pass through', async () => {
    const { tcp } = await startedNetwork();
    const alice = npmChorus('alice', [
      'client',
      '--aor',
      'sip:alice@lab.test',
      '--password',
      'secret',
      '--proxy',
      tcp,
      '--data',
      newFolder('a'),
    ]);
    await alice.event('registration', { state: 'registered' });
    expect(await alice.ask('identity')).toMatchObject({ aor: 'sip:alice@lab.test' });
    expect(await alice.ask('quit')).toEqual({});
    expect(await exits(alice)).toBe(0);
    const wrong = npmChorus('wrong', ['client', '--aor', 'x']);
    expect(await exits(wrong)).toBe(2);
    expect([wrong.lines, wrong.stderr.trim().split('\n').length]).toEqual([[], 1]);
  });
});

describe('killed', () => {
  it('R18: at any moment of its first start, it never uses another instance ID than the one that the network has seen', async () => {
    const seen = new Map<string, Set<string>>();
    const network = await ownNetwork((record) => {
      const text = utf8(record.bytes);
      const device = /^Contact: "([^"]+)"/m.exec(text)?.[1];
      const instance = /\+sip\.instance="<([^>]+)>"/.exec(text)?.[1];
      if (!text.startsWith('REGISTER ') || device === undefined || instance === undefined) return;
      seen.set(device, (seen.get(device) ?? new Set()).add(instance));
    });
    const random = seededRandom(18);
    const stories = Array.from({ length: 6 }, async (_, index) => {
      const name = `alice-${index}`;
      const data = ['--data', newFolder(name)];
      const first = client(network.uris.tcp, name, data);
      // Half of them by the clock, from before the first byte on disk; half at the first line that the process says.
      if (index % 2 === 0) await elapse(60 + 400 * random(), 'it dies at any moment of its start');
      else await first.until('it says something', () => first.lines[0]);
      first.kill('SIGKILL');
      await first.ended();
      const second = await signedIn(network.uris.tcp, name, data);
      const { instanceId } = await second.ask<IdentityValue>('identity');
      expect([...(seen.get(name) ?? [])]).toEqual([instanceId]);
    });
    await Promise.all(stories);
  });

  it('at random moments while 50 messages leave: every one answered with ok is there, none is lost, none comes twice', async () => {
    const random = seededRandom(50);
    const { tcp } = await startedNetwork();
    const bob = await signedIn(tcp, 'bob');
    const data = ['--data', newFolder('alice')];
    const kept: { message: string; text: string }[] = [];
    const total = 50;
    const kills = 6;
    let written = 0;
    for (let round = 0; round <= kills; round += 1) {
      // The first round waits for the registration, the others write before it: what is queued must survive, too.
      const alice = round === 0 ? await signedIn(tcp, 'alice', data) : client(tcp, 'alice', data);
      const upTo = round === kills ? total : Math.min(total, written + 6 + Math.floor(random() * 3));
      const texts = new Map<string, string>();
      for (; written < upTo; written += 1) {
        const text = `message ${written}`;
        texts.set(alice.tell('sendText', { to: 'sip:bob@lab.test', text }), text);
      }
      const answered = () => alice.lines.filter((line) => line.ok === true && texts.has(String(line.re)));
      if (round === kills) {
        await alice.until('all are answered', () => (answered().length === texts.size ? true : null));
      } else {
        const wanted = Math.floor(random() * (texts.size + 1));
        await alice.until('some are answered', () => (answered().length >= wanted ? true : null));
        await elapse(random() * 250, 'it dies at any moment of its work');
        alice.kill('SIGKILL');
        await alice.ended();
      }
      for (const line of answered())
        kept.push({ message: (line.value as { message: string }).message, text: texts.get(String(line.re)) ?? '' });
      if (round < kills) continue;

      const conversation = (await conversations(alice))[0]?.conversation ?? '';
      const own = () => alice.ask<MessageValue[]>('messages', { conversation, limit: 500 });
      const there = (await own()).map((one) => one.message);
      expect(kept.filter((one) => !there.includes(one.message))).toEqual([]);
      const all = await alice.until('everything is delivered', async () => {
        const now = await own();
        return now.every((one) => one.state === 'delivered') ? now : null;
      });
      // A text may have been written to disk and the answer not seen: it arrives as well, and once.
      expect(all.length).toBeGreaterThanOrEqual(kept.length);
      const arrived = await bob.ask<MessageValue[]>('messages', {
        conversation: (await conversations(bob))[0]?.conversation ?? '',
        limit: 500,
      });
      expect(arrived.map((one) => one.message).sort()).toEqual(all.map((one) => one.message).sort());
      expect(new Set(arrived.map((one) => one.text)).size).toBe(arrived.length);
      const told = bob.lines.filter((line) => line.event === 'message' && line.direction === 'in').map((line) => line.message);
      expect(told.sort()).toEqual(arrived.map((one) => one.message).sort());
      expect(kept.length).toBeGreaterThan(total / 2);
    }
  });

  it('the receiver, while receiving: acknowledged messages are on its disk, and the rest arrives after its return, once', async () => {
    const random = seededRandom(7);
    const { tcp } = await startedNetwork();
    const alice = await signedIn(tcp, 'alice');
    const data = ['--data', newFolder('bob')];
    const first = await signedIn(tcp, 'bob', data);
    const ids: string[] = [];
    for (let index = 0; index < 30; index += 1)
      ids.push((await sendText(alice, { to: 'sip:bob@lab.test', text: `message ${index}` })).message);
    const heard = () => first.lines.filter((line) => line.event === 'message' && line.direction === 'in').length;
    const enough = 2 + Math.floor(random() * 10);
    await first.until('some have come', () => (heard() >= enough ? true : null));
    first.kill('SIGKILL');
    await first.ended();

    const conversation = (await conversations(alice))[0]?.conversation ?? '';
    const own = () => alice.ask<MessageValue[]>('messages', { conversation, limit: 500 });
    const acknowledged = (await own()).filter((one) => ['sent', 'delivered'].includes(one.state)).map((one) => one.message);
    const second = await signedIn(tcp, 'bob', data);
    const theirs = async () =>
      (
        await second.ask<MessageValue[]>('messages', { conversation: (await conversations(second))[0]?.conversation ?? '', limit: 500 })
      ).map((one) => one.message);
    const kept = await theirs();
    expect(acknowledged.filter((id) => !kept.includes(id))).toEqual([]);
    expect(kept.length).toBeLessThan(ids.length);
    await alice.until('all have come', async () => {
      const now = await own();
      // The other side was away for a moment; the person decides whether to send such a message again.
      for (const one of now.filter((candidate) => candidate.state === 'failed')) await alice.ask('retry', { message: one.message });
      return now.every((one) => one.state === 'delivered') ? true : null;
    });
    expect((await theirs()).sort()).toEqual([...ids].sort());
  });
});
