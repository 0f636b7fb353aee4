import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digest } from '../../../../base/digest';
import { silentLogger } from '../../../../base/log';
import { type History, openHistory, type ProfileHistory } from '../../../../main/history/history';
import type { MessageContent } from '../../../../main/history/records';
import { conversationRecord, messageRecord } from '../../../support/doubles/history-records';

const file = { file: '', key: 'ab'.repeat(32), log: silentLogger };
const octets = Uint8Array.from({ length: 1000 }, (_, index) => index % 256);
const content: MessageContent = { kind: 'file', text: 'a.bin (a/b)', type: 'a/b', size: 1000, name: 'a.bin', digest: digest(octets) };
const held = { direction: 'in', conversation: 'c', content } as const;
let folder: string;
let profile: ProfileHistory;
let history: History;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-files-'));
  file.file = join(folder, 'history.db');
  profile = openHistory(file);
  history = profile.of('sip:alice@lab.test');
  history.addConversation(conversationRecord('c', {}));
  history.addMessage(messageRecord('m', held));
  history.keepFile({ id: 'm', direction: 'in' }, octets);
});
afterEach(() => {
  profile.dispose();
  rmSync(folder, { recursive: true, force: true });
});
const kept = () => history.message('m', 'in');
const read = () => history.fileOf({ id: 'm', direction: 'in', content });

describe('a file', () => {
  it('is there again after a start, as it was', () => {
    profile.dispose();
    profile = openHistory(file);
    history = profile.of('sip:alice@lab.test');
    expect(kept()?.content).toEqual(content);
    expect(read()).toEqual(Buffer.from(octets));
  });

  it('is of one account, and counts for its sender', () => {
    expect(profile.of('sip:carol@lab.test').fileOf({ id: 'm', direction: 'in', content })).toBeNull();
    const { from } = messageRecord('m', held);
    expect([history.fileBytesOf(from), history.fileBytesOf('sip:nobody@lab.test')]).toEqual([1000, 0]);
  });

  it.each(['message', 'chat'])('goes with its %s', (what) => {
    if (what === 'message') history.removeMessage('m', 'in');
    else history.emptyConversation('c');
    expect(read()).toBeNull();
    expect(history.fileBytesOf(messageRecord('m', held).from)).toBe(0);
  });

  it('that is not as it was written is none', () => {
    expect(history.fileOf({ id: 'm', direction: 'in', content: { ...content, digest: digest('another') } })).toBeNull();
    expect(history.fileOf({ id: 'm', direction: 'in', content: { kind: 'text', text: 'x' } })).toBeNull();
  });
});
