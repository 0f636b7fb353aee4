import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceValue, IdentityValue, MessageValue, ParticipantValue, Snapshot } from '../../preload/contract';
import { ensureBuilt } from '../support/stages/built';
import { chorus, endCommands, type Line, newFolder, printCommandsOnFailure } from '../support/stages/command';

import {
  client,
  conversations,
  endScripts,
  exits,
  names,
  ownNetwork,
  sendText,
  signedIn,
  startedNetwork,
  utf8,
} from '../support/stages/scripted-clients';

beforeAll(() => ensureBuilt('command'));
beforeEach(() => printCommandsOnFailure());
afterEach(() => endScripts());

describe('devices', () => {
  it('identity, devices, renameDevice, unregister, register and quit, as two devices of one person see them', async () => {
    const { tcp } = await startedNetwork();
    const laptop = await signedIn(tcp, 'alice-laptop');
    const tablet = await signedIn(tcp, 'alice-tablet');
    const identity = await laptop.ask<IdentityValue>('identity');
    expect(identity).toMatchObject({ aor: 'sip:alice@lab.test', deviceName: 'alice-laptop', identities: ['sip:alice@lab.test'] });
    expect(identity.instanceId).toMatch(/^urn:uuid:/);
    expect(identity.pubGruu).toContain(identity.instanceId);
    expect(identity.tempGruu).toContain(';gr');

    const devices = await tablet.ask<DeviceValue[]>('devices');
    expect(names(devices)).toEqual(['alice-laptop', 'alice-tablet']);
    expect(devices.find((device) => device.self)?.name).toBe('alice-tablet');
    expect(devices.find((device) => !device.self)).toMatchObject({
      instanceId: identity.instanceId,
      pubGruu: identity.pubGruu,
      state: 'active',
    });

    expect(await laptop.ask('renameDevice', { name: 'Alice’s “big” one' })).toEqual({ name: 'Alice’s “big” one' });
    // The network tells no one: the other device sees the new name in its own next 200.
    expect(await tablet.ask('register')).toMatchObject({ state: 'registered', bindings: 2 });
    expect(names(await tablet.ask<DeviceValue[]>('devices'))).toEqual(['Alice’s “big” one', 'alice-tablet']);

    expect(await laptop.ask('unregister')).toMatchObject({ state: 'offline', bindings: 1 });
    await laptop.event('registration', { state: 'offline' });
    expect(await tablet.ask('register')).toMatchObject({ bindings: 1 });
    expect(await laptop.ask('register')).toMatchObject({ state: 'registered', bindings: 2 });
    expect((await laptop.ask<IdentityValue>('identity')).instanceId).toBe(identity.instanceId);

    expect(await laptop.ask('quit')).toEqual({});
    expect(await exits(laptop)).toBe(0);
    expect(laptop.lines.some((line) => line.event === 'exit')).toBe(true);
    expect(await tablet.ask('register')).toMatchObject({ bindings: 1 });
  });
});

describe('messages', () => {
  it('sendText by session and by pager, composing, markDisplayed, messages, openSession and closeSession', async () => {
    const { tcp } = await startedNetwork();
    const [alice, bob] = await Promise.all([signedIn(tcp, 'alice'), signedIn(tcp, 'bob')]);
    const first = await sendText(alice, { to: 'sip:bob@lab.test', text: 'Grüße 🎉' });
    await bob.event('message', { direction: 'in', text: 'Grüße 🎉', state: 'received', from: 'sip:alice@lab.test' });
    await alice.event('message', { message: first.message, state: 'delivered' });
    const second = await sendText(alice, { to: 'bob', text: 'by pager', mode: 'pager' });
    expect(second.conversation).toBe(first.conversation);
    await alice.event('message', { message: second.message, state: 'delivered' });

    const [theirs] = await conversations(bob);
    const conversation = theirs?.conversation ?? '';
    expect(theirs).toMatchObject({ kind: 'oneToOne', unread: 2, session: 'established', last: { text: 'by pager' } });
    expect(await bob.ask('composing', { conversation, active: true })).toEqual({});
    await alice.event('composing', { conversation: first.conversation, from: 'sip:bob@lab.test', active: true });
    expect(await bob.ask('composing', { conversation, active: false })).toEqual({});
    await alice.event('composing', { active: false });
    expect(await bob.ask('markDisplayed', { conversation, upTo: second.message })).toEqual({});
    await alice.event('message', { message: first.message, state: 'displayed' });
    await alice.event('message', { message: second.message, state: 'displayed' });
    expect((await conversations(bob))[0]?.unread).toBe(0);

    const texts = async (argument: Line) =>
      (await bob.ask<MessageValue[]>('messages', { conversation, ...argument })).map((one) => one.text);
    expect(await texts({})).toEqual(['Grüße 🎉', 'by pager']);
    expect(await texts({ limit: 1 })).toEqual(['by pager']);
    expect(await texts({ limit: 1, before: second.message })).toEqual(['Grüße 🎉']);

    expect(await alice.ask('closeSession', { conversation: first.conversation })).toMatchObject({ state: 'ended' });
    await bob.event('conversation', { conversation, session: 'ended' });
    const from = bob.lines.length;
    expect(await alice.ask('openSession', { to: 'sip:bob@lab.test' })).toEqual({ conversation: first.conversation, state: 'established' });
    await bob.event('conversation', { conversation, session: 'established' }, from);

    const snapshot = await alice.ask<Snapshot>('snapshot');
    expect(snapshot).toMatchObject({
      profile: 'alice',
      fatal: null,
      registration: { state: 'registered' },
      account: { aor: 'sip:alice@lab.test' },
    });
    expect(snapshot.conversations.map((one) => one.conversation)).toEqual([first.conversation]);
    const revisions = alice.lines.flatMap((line) => (typeof line.revision === 'number' ? [line.revision] : []));
    expect(revisions).toEqual([...new Set(revisions)].sort((one, other) => one - other));
  });

  it('a message to somebody who is away waits and says so; discard removes it, retry sends it now', async () => {
    const { tcp } = await startedNetwork(['--deferred', 'off']);
    const alice = await signedIn(tcp, 'alice');
    const kept = await sendText(alice, { to: 'sip:bob@lab.test', text: 'kept' });
    const gone = await sendText(alice, { to: 'sip:bob@lab.test', text: 'gone' });
    const waiting = await alice.event('message', { message: kept.message, state: 'queued', waitsFor: 'person' });
    expect(waiting.expiresAt).toBeGreaterThan(Date.now());
    expect(waiting.error).toMatchObject({
      code: 'sip/rejected',
      status: 480,
      text: expect.stringMatching(/\.$/),
      retry: expect.any(String),
    });
    await alice.event('message', { message: gone.message, state: 'queued', waitsFor: 'person' });
    const bob = await signedIn(tcp, 'bob');
    expect(await alice.ask('discard', { message: gone.message })).toEqual({});
    await alice.event('messageRemoved', { message: gone.message });
    expect(await alice.ask('retry', { message: kept.message })).toEqual({});
    await alice.event('message', { message: kept.message, state: 'delivered' });
    expect(await alice.refusal('retry', { message: gone.message })).toMatchObject({ code: 'conversation/unknown' });
    expect(bob.lines.flatMap((line) => (line.event === 'message' ? [line.text] : []))).toEqual(['kept']);
  });
});

describe('groups', () => {
  it('answer, addPeople, participants and leave', async () => {
    const { tcp } = await startedNetwork();
    const [alice, bob, carol] = await Promise.all([
      signedIn(tcp, 'alice'),
      signedIn(tcp, 'bob', ['--accept', 'ask']),
      signedIn(tcp, 'carol', ['--accept', 'ask']),
    ]);
    const { conversation } = await sendText(alice, { to: 'sip:bob@lab.test', text: 'Hello' });
    const asked = await bob.event('invitation', { kind: 'oneToOne' });
    expect(asked.from).toMatchObject({ address: 'sip:alice@lab.test' });
    expect(await bob.ask('answer', { invitation: asked.invitation, accept: true })).toEqual({ state: 'established' });
    await alice.event('conversation', { conversation, session: 'established' });

    const adding = alice.ask<{ conversation: string }>('addPeople', { conversation, people: ['carol'], subject: 'Lunch' });
    const carols = await carol.event('invitation', { kind: 'group', subject: 'Lunch' });
    expect(await carol.ask('answer', { invitation: carols.invitation, accept: true })).toEqual({ state: 'established' });
    const group = (await adding).conversation;
    // Bob wants to be asked about invitations, so he is also asked about the move.
    const bobs = await bob.event('invitation', { kind: 'group', subject: 'Lunch' });
    expect(bobs.replaces).toBe((await conversations(bob)).find((one) => one.kind === 'oneToOne')?.conversation);
    expect(await bob.ask('answer', { invitation: bobs.invitation, accept: true })).toEqual({ state: 'established' });
    await bob.event('conversation', { kind: 'oneToOne', session: 'replaced' });
    await alice.event('conversation', { conversation, session: 'replaced', continuedBy: group });
    const roster = await alice.until('all three are there', async () => {
      const all = await alice.ask<ParticipantValue[]>('participants', { conversation: group });
      return all.length === 3 && all.every((one) => one.state === 'connected') ? all : null;
    });
    expect(roster.map((one) => one.address).sort()).toEqual(['sip:alice@lab.test', 'sip:bob@lab.test', 'sip:carol@lab.test']);
    expect(roster.find((one) => one.address === 'sip:carol@lab.test')?.devices).toMatchObject([{ state: 'connected' }]);
    await bob.event('participants');

    const { message } = await sendText(alice, { conversation: group, text: 'Welcome' });
    await Promise.all([bob, carol].map((one) => one.event('message', { text: 'Welcome', direction: 'in' })));
    await alice.event('message', { message, state: 'delivered' });
    const ownGroup = (await conversations(carol)).find((one) => one.kind === 'group');
    expect(await carol.ask('leave', { conversation: ownGroup?.conversation })).toEqual({});
    await alice.until('Carol has left', async () => {
      const all = await alice.ask<ParticipantValue[]>('participants', { conversation: group });
      return all.find((one) => one.address === 'sip:carol@lab.test')?.reason === 'departed' ? true : null;
    });
    expect(await carol.refusal('sendText', { conversation: ownGroup?.conversation, text: 'still here?' })).toMatchObject({
      code: 'conversation/no-session',
    });
  });

  it('an invitation that was declined is a refusal, and one that was withdrawn can no longer be answered', async () => {
    const { tcp } = await startedNetwork();
    const [alice, bob] = await Promise.all([signedIn(tcp, 'alice'), signedIn(tcp, 'bob', ['--accept', 'ask'])]);
    const first = alice.refusal('openSession', { to: 'sip:bob@lab.test' });
    const asked = await bob.event('invitation');
    expect(await bob.ask('answer', { invitation: asked.invitation, accept: false, everywhere: true })).toEqual({ state: 'ended' });
    expect(await first).toMatchObject({ code: 'sip/rejected', status: 603 });

    const from = bob.lines.length;
    const second = alice.tell('openSession', { to: 'sip:bob@lab.test' });
    const again = await bob.event('invitation', {}, from);
    // The one who asks goes: the call is answered before the end, and the other side stops ringing.
    alice.endInput();
    expect(await exits(alice)).toBe(0);
    expect(alice.lines.find((line) => line.re === second)).toMatchObject({ ok: false });
    await bob.event('invitationEnded', { invitation: again.invitation });
    expect(await bob.refusal('answer', { invitation: again.invitation, accept: true })).toMatchObject({ code: 'conversation/unknown' });
  });
});

describe('lines that are no commands', () => {
  it('each is answered once as refused, nothing else happens, and the next command works', async () => {
    const { tcp } = await startedNetwork();
    const alice = await signedIn(tcp, 'alice');
    const before = alice.lines.length;
    const bad = [
      'no JSON at all',
      '{"id":1,"do":"quit"',
      '[{"id":2,"do":"quit"}]',
      'null',
      '"quit"',
      '{"id":3}',
      '{"id":4,"do":["quit"]}',
      '{"id":5,"do":"constructor"}',
      '{"id":6,"do":"sendFile","to":"bob","path":"/etc/passwd"}',
      '{"id":7,"do":"quit","really":true}',
      '{"id":8,"do":"sendText","to":"bob"}',
      '{"id":9,"do":"sendText","to":"bob","text":""}',
      '{"id":10,"do":"sendText","text":"to nobody"}',
      '{"id":11,"do":"messages","conversation":"x","limit":0}',
      `{"id":12,"do":"sendText","to":"bob","text":"${'x'.repeat(1_100_000)}"}`,
      '\u0000\u0001\ufffd',
    ];
    for (const line of bad) alice.write(line);
    await alice.ask('conversations');
    const answers = alice.lines.slice(before, -1).filter((line) => 're' in line);
    expect(answers).toHaveLength(bad.length);
    for (const line of answers)
      expect(line).toMatchObject({ ok: false, error: { code: 'ipc/refused', text: expect.any(String), retry: expect.any(String) } });
    expect(answers.flatMap((line) => (line.re === null ? [] : [line.re]))).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await conversations(alice)).toEqual([]);
    expect(await alice.refusal('messages', { conversation: 'none' })).toMatchObject({ code: 'conversation/unknown' });
    expect(await alice.refusal('sendText', { to: 'not an address', text: 'x' })).toMatchObject({ code: 'account/bad-address' });
  });
});

describe('what a person does with chats on this device alone', () => {
  it('drafts and the unread mark outlive a kill; what was deleted stays away; a waiting text is skipped; a chat is saved once', async () => {
    const { tcp } = await startedNetwork();
    const data = newFolder('alice');
    const [first, bob] = await Promise.all([signedIn(tcp, 'alice', ['--data', data]), signedIn(tcp, 'bob')]);
    const kept = await sendText(first, { to: 'sip:bob@lab.test', text: 'kept' });
    await first.event('message', { message: kept.message, state: 'delivered' });
    const { conversation } = kept;
    const theirs = await sendText(bob, { to: 'sip:alice@lab.test', text: 'to be deleted' });
    await first.event('message', { message: theirs.message, direction: 'in' });
    await first.ask('setDraft', { conversation, text: 'half a thought' });
    await first.ask('markUnread', { conversation, unread: true });
    await first.ask('deleteMessage', { message: theirs.message, direction: 'in' });
    await first.event('messageRemoved', { message: theirs.message, direction: 'in' });
    first.kill('SIGKILL');
    await first.ended();

    const alice = await signedIn(tcp, 'alice', ['--data', data]);
    const [own] = await conversations(alice);
    expect(own).toMatchObject({ conversation, draft: 'half a thought', markedUnread: true });
    const texts = async () => (await alice.ask<MessageValue[]>('messages', { conversation })).map((one) => one.text);
    expect(await texts()).toEqual(['kept']);
    expect(await alice.ask('search', { text: 'deleted' })).toEqual([]);

    const path = join(newFolder('export'), 'chat.json');
    expect(await alice.ask('exportConversation', { conversation, format: 'json', path })).toEqual({ path, messages: 1 });
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ messages: [{ text: 'kept' }] });
    expect(await alice.refusal('exportConversation', { conversation, format: 'json', path })).toMatchObject({ code: 'export/failed' });
    expect(await alice.refusal('exportConversation', { conversation, format: 'json' })).toMatchObject({ code: 'ipc/refused' });

    await alice.ask('unregister');
    const stuck = await sendText(alice, { conversation, text: 'stuck' });
    await alice.event('message', { message: stuck.message, state: 'queued' });
    const next = await sendText(alice, { conversation, text: 'next' });
    await alice.ask('skip', { message: stuck.message });
    const skipped = await alice.event('message', { message: stuck.message, state: 'failed' });
    expect(skipped.error).toMatchObject({ code: 'message/skipped' });
    await alice.ask('register');
    await bob.event('message', { message: next.message, direction: 'in' });
    expect(bob.lines.some((line) => line.event === 'message' && line.text === 'stuck')).toBe(false);

    await alice.ask('deleteConversation', { conversation });
    await alice.event('conversationRemoved', { conversation });
    expect(await conversations(alice)).toEqual([]);
    await sendText(bob, { to: 'sip:alice@lab.test', text: 'here again' });
    await alice.event('message', { text: 'here again' });
    expect(await conversations(alice)).toMatchObject([{ conversation, draft: '', markedUnread: false }]);
    expect(await texts()).toEqual(['here again']);
  });
});

describe('trouble with the network', () => {
  it('a wrong password is told with its reason, and nothing is tried again by itself', async () => {
    const { tcp } = await startedNetwork();
    const alice = client(tcp, 'alice', ['--password', 'wrong']);
    const refused = await alice.event('registration', { state: 'rejected' });
    expect(refused).toMatchObject({
      code: 'account/bad-credentials',
      error: { status: expect.any(Number), text: expect.stringMatching(/password/) },
    });
    expect(refused.retryAt).toBeUndefined();
    expect(await alice.refusal('register')).toMatchObject({ code: 'account/bad-credentials' });
    const { message } = await sendText(alice, { to: 'sip:bob@lab.test', text: 'kept' });
    expect((await alice.event('message', { message })).state).toBe('queued');
  });

  it('a missing proxy is reported with the reason and the time of the next attempt; waiting texts leave once it is there', async () => {
    const first = await startedNetwork();
    await endCommands();
    const alice = client(first.tcp, 'alice', ['--expires', '300']);
    const waiting = await alice.event('registration', { state: 'waiting' });
    expect(waiting).toMatchObject({ code: 'net/unreachable', error: { code: 'net/unreachable', text: expect.any(String) } });
    expect(Number(waiting.retryAt)).toBeGreaterThan(Date.now() - 1_000);
    expect(await alice.refusal('register')).toMatchObject({ code: 'net/unreachable', retry: 'auto' });
    const { message } = await sendText(alice, { to: 'sip:bob@lab.test', text: 'early' });
    const port = /:(\d+);/.exec(first.tcp)?.[1] ?? '';
    const network = chorus('network', ['network', '--tcp', port]);
    await network.until('the network is ready', () => network.lines[0]);
    const bob = await signedIn(first.tcp, 'bob');
    await alice.ask('register');
    await bob.event('message', { message, text: 'early' });
  });
});

describe('the trace', () => {
  it('holds every SIP and MSRP message of the client, byte for byte, to the very last', async () => {
    const core: { remote: string; line: string }[] = [];
    const network = await ownNetwork((record) => {
      if (record.role === 'core')
        core.push({ remote: record.remote, line: `${record.direction === 'in' ? 'out' : 'in'} ${utf8(record.bytes)}` });
    });
    const folder = newFolder('trace');
    const traces = { alice: join(folder, 'alice.ndjson'), bob: join(folder, 'bob.ndjson') };
    const [alice, bob] = await Promise.all([
      signedIn(network.uris.tcp, 'alice', ['--trace', traces.alice]),
      signedIn(network.uris.tcp, 'bob', ['--trace', traces.bob]),
    ]);
    const { message, conversation } = await sendText(alice, { to: 'sip:bob@lab.test', text: 'Grüße 🎉' });
    await alice.event('message', { message, state: 'delivered' });
    await sendText(bob, { to: 'sip:alice@lab.test', text: 'and back' });
    await bob.event('message', { text: 'and back', state: 'delivered' });
    const pager = await sendText(alice, { conversation, text: 'by pager', mode: 'pager' });
    await alice.event('message', { message: pager.message, state: 'delivered' });
    for (const one of [alice, bob]) {
      await one.ask('quit');
      expect(await exits(one)).toBe(0);
    }

    const readTrace = (file: string) =>
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map(
          (line) =>
            JSON.parse(line) as {
              at: number;
              direction: string;
              protocol: string;
              transport: string;
              local: string;
              remote: string;
              text: string;
            },
        );
    const [alices, bobs] = [readTrace(traces.alice), readTrace(traces.bob)];
    for (const [name, all] of Object.entries({ alice: alices, bob: bobs })) {
      const [head, ...trace] = all;
      expect(head).toMatchObject({
        trace: 1,
        role: 'client',
        lane: `${name}.${name}`,
        aor: `sip:${name}@lab.test`,
        instance: expect.stringMatching(/^urn:uuid:/),
      });
      expect(trace.every((line) => line.transport === 'tcp' && line.at > 0 && line.remote !== line.local)).toBe(true);
      const sip = trace.filter((line) => line.protocol === 'sip');
      const flow = sip[0]?.local ?? '';
      // What the core has had with this client is what the client says it has had: nothing missing, nothing added, in the same order.
      for (const direction of ['out', 'in'])
        expect(sip.filter((line) => line.direction === direction).map((line) => `${direction} ${line.text}`)).toEqual(
          core.filter((line) => line.remote === flow && line.line.startsWith(`${direction} `)).map((line) => line.line),
        );
      expect(sip.at(-1)?.text).toMatch(/^SIP\/2\.0 200 [\s\S]*CSeq: \d+ REGISTER/);
    }
    const msrp = (trace: typeof alices, direction: string) =>
      trace.filter((line) => line.protocol === 'msrp' && line.direction === direction).map((line) => line.text);
    expect(msrp(alices, 'out')).toEqual(msrp(bobs, 'in'));
    expect(msrp(bobs, 'out')).toEqual(msrp(alices, 'in'));
    expect(msrp(bobs, 'out').some((text) => text.includes('and back'))).toBe(true);
    expect(msrp(alices, 'out').some((text) => /^MSRP \S+ 200 OK/.test(text))).toBe(true);
    expect(statSync(traces.alice).mode & 0o077).toBe(0);
  });
});
