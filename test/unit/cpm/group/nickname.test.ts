/** Nicknames at the members of a group: how one is asked for, refused and shown. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../../preload/contract/errors';
import { encodeConferenceInfo } from '../../../../protocol/conference-info';
import { createLab, FakeInvite, type FakeMsrp, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const focus = 'sip:grp-1@cf.lab.test';

async function joined(): Promise<{ group: string; media: FakeMsrp }> {
  const headers = { contributionId: 'group-1', conversationId: 'group-conv', referredBy: bob };
  lab.messenger.incoming.invite(new FakeInvite({ remote: remoteParty(focus, { isFocus: true, contactUri: focus }), headers }));
  await lab.settle();
  const media = lab.media.at(-1);
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
  if (media === undefined || group === undefined) throw new Error('no group');
  return { group: group.conversation, media };
}

function tell(nicknames: Record<string, string | null>): void {
  const users = Object.entries(nicknames).map(([entity, nickname]) => ({
    entity,
    state: 'full' as const,
    displayText: entity === bob ? 'Bob' : 'Alice',
    nickname,
    roles: [],
    yourOwn: entity === lab.self,
    endpoints: [],
  }));
  const counts = { maximumUserCount: 50, userCount: users.length, active: true };
  const document = { entity: focus, state: 'full' as const, version: 1, subject: null, icon: null, ...counts, users };
  lab.subscriptions.at(-1)?.onDocument.emit(encodeConferenceInfo(document));
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof AppError ? error.code : error),
  );

describe('a nickname in a group', () => {
  it('is asked of the switch as it will be shown, and given up by none', async () => {
    const { group, media } = await joined();
    await lab.messenger.groups.requests.setNickname(group, '  The   Builder ');
    await lab.messenger.groups.requests.setNickname(group, '');
    expect(media.nicknames).toEqual(['The Builder', '']);
  });

  it('is refused in words of its own: taken, no name at all, and anything else as it is', async () => {
    const { group, media } = await joined();
    for (const [status, expected] of [
      [425, 'group/nickname-taken'],
      [423, 'group/nickname-taken'],
      [424, 'group/bad-nickname'],
      [501, 'msrp/rejected'],
    ] as const) {
      media.failWith = new AppError('msrp/rejected', { status }, 'user');
      expect(await code(lab.messenger.groups.requests.setNickname(group, 'Bob'))).toBe(expected);
    }
    for (const bad of ['x'.repeat(51), 'evil\u202e', 'two\nlines'])
      expect(await code(lab.messenger.groups.requests.setNickname(group, bad))).toBe('group/bad-nickname');
    expect(media.nicknames).toEqual([]);
  });

  it('stands beside the name of each, in this group alone, and never where it could pass for another one', async () => {
    const { group } = await joined();
    tell({ [lab.self]: 'Al', [bob]: 'The Builder' });
    const shown = () => lab.messenger.chats.participants(group).map(({ name, nickname }) => [name, nickname]);
    expect(shown()).toEqual([
      ['Alice', 'Al'],
      ['Bob', 'The Builder'],
    ]);
    expect(lab.messenger.chats.one(group).people).toEqual([{ address: bob, name: 'Bob' }]);
    tell({ [lab.self]: null, [bob]: 'evil\u202ecilA' });
    expect(shown()).toEqual([
      ['Alice', undefined],
      ['Bob', undefined],
    ]);
  });
});
