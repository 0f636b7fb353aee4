/** The picture of a group at its members: what is asked of the focus, what is taken from it, and what is kept. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupDataTimeoutMs } from '../../../../main/cpm/group/data';
import { restartSpreadMs } from '../../../../main/cpm/group/factory';
import { maxIconPoints, readableIcon } from '../../../../main/cpm/group/icon';
import { encodeConferenceInfo } from '../../../../protocol/conference-info';
import { encodeCpim } from '../../../../protocol/cpim';
import { encodeGroupData, GROUP_DATA_CONTENT_TYPE } from '../../../../protocol/group-data';
import { MAX_ICON_BYTES } from '../../../../protocol/group-icon';
import { createLab, FakeInvite, type FakeMsrp, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const focus = 'sip:grp-1@cf.lab.test';

/** As much of a PNG as is looked at. */
function png(points: number, octets = 40): string {
  const bytes = Buffer.alloc(octets);
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex').copy(bytes);
  bytes.writeUInt32BE(points, 16);
  bytes.writeUInt32BE(points, 20);
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

function tell(icon: string | null, version = 1): void {
  const users = [lab.self, bob].map((entity) => ({
    entity,
    state: 'full' as const,
    displayText: null,
    nickname: null,
    roles: [],
    yourOwn: entity === lab.self,
    endpoints: [],
  }));
  const document = {
    entity: focus,
    state: 'full' as const,
    version,
    subject: 'Lunch',
    icon,
    maximumUserCount: 50,
    userCount: 2,
    active: true,
    users,
  };
  lab.subscriptions.at(-1)?.onDocument.emit(encodeConferenceInfo(document));
}

async function joined(): Promise<{ group: string; media: FakeMsrp; invite: FakeInvite }> {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy: bob },
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  tell(null);
  const media = lab.media.at(-1);
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
  if (media === undefined || group === undefined) throw new Error('no group');
  return { group: group.conversation, media, invite };
}

const iconOf = (group: string) => lab.messenger.chats.one(group).icon;
const asked = (media: FakeMsrp) => media.sent.filter(({ body }) => body.includes(GROUP_DATA_CONTENT_TYPE)).map(({ body }) => body);

/** The focus answers what was asked last. */
async function answer(media: FakeMsrp, code: number): Promise<void> {
  const id = /<request id="([^"]+)"/.exec(asked(media).at(-1) ?? '')?.[1] ?? '';
  await media.deliver(
    encodeCpim({
      from: focus,
      to: [lab.self],
      contentType: GROUP_DATA_CONTENT_TYPE,
      body: encodeGroupData({ kind: 'response', id, code }),
    }),
  );
}

describe('the picture of a group', () => {
  it('is asked of the focus as it is written everywhere, and there when the focus tells it', async () => {
    const { group, media } = await joined();
    const done = lab.messenger.groups.requests.setIcon(group, png(128).replace('image/png', 'IMAGE/PNG'));
    await lab.settle();
    expect(asked(media)).toHaveLength(1);
    expect(asked(media)[0]).toContain(`To: <${focus}>`);
    expect(asked(media)[0]).toContain(`target="icon" action="set"><data>${png(128)}</data>`);
    await answer(media, 200);
    await done;
    expect(iconOf(group)).toBeNull();
    tell(png(128), 2);
    expect(lab.messenger.chats.groupIcon(group)).toBe(png(128));
    const name = iconOf(group);
    expect(lab.events.findLast((event) => event.event === 'conversation')).toMatchObject({ icon: name });
    tell(png(127), 3);
    expect(iconOf(group)).not.toBe(name);
    tell(png(128), 4);
    expect(iconOf(group)).toBe(name);
  });

  it('is taken away, by a member or in the document of a focus that tells none', async () => {
    const { group, media } = await joined();
    tell(png(128), 2);
    const done = lab.messenger.groups.requests.setIcon(group, null);
    await lab.settle();
    expect(asked(media)[0]).toContain('target="icon" action="delete">');
    await answer(media, 200);
    await done;
    tell(null, 3);
    expect(iconOf(group)).toBeNull();
    expect(lab.messenger.chats.groupIcon(group)).toBeNull();
  });

  it.each([403, 413, 415])('is refused by the focus with %i, which is told with that code', async (code) => {
    const { group, media } = await joined();
    const done = expect(lab.messenger.groups.requests.setIcon(group, png(128))).rejects.toMatchObject({
      code: 'sip/rejected',
      detail: { status: code },
    });
    await lab.settle();
    await answer(media, code);
    await done;
    expect(iconOf(group)).toBeNull();
  });

  it('is not waited for without an end', async () => {
    const { group } = await joined();
    const done = expect(lab.messenger.groups.requests.setIcon(group, png(128))).rejects.toMatchObject({ code: 'net/timeout' });
    await lab.settle();
    await lab.clock.advance(groupDataTimeoutMs);
    await done;
  });

  it.each([
    ['no data URI', 'https://example.org/a.png', 400],
    ['another kind', 'data:image/svg+xml;base64,PHN2Zy8+', 415],
    ['one that says another kind than it is', png(128).replace('image/png', 'image/jpeg'), 415],
    ['one that ends before its size', `data:image/png;base64,${btoa('\x89PNG\r\n\x1a\n')}`, 400],
    ['one without points', png(0), 400],
    ['one that would unfold to gigabytes', png(60_000), 413],
    ['one point too many', png(maxIconPoints + 1), 413],
    ['one octet too many', png(128, MAX_ICON_BYTES + 1), 413],
  ])('is not sent, and not taken from a focus, when it is %s', async (_what, icon, status) => {
    const { group, media } = await joined();
    tell(png(128), 2);
    await expect(lab.messenger.groups.requests.setIcon(group, icon)).rejects.toMatchObject({ code: 'group/bad-icon', detail: { status } });
    expect(asked(media)).toEqual([]);
    tell(icon, 3);
    expect(lab.messenger.chats.groupIcon(group)).toBe(png(128));
    expect(lab.messenger.chats.participants(group)).toHaveLength(2);
  });

  it('may be as large as is said', () => {
    expect(readableIcon(png(maxIconPoints, MAX_ICON_BYTES))).toBe(png(maxIconPoints, MAX_ICON_BYTES));
  });

  it('is given to a network that has forgotten the group, with the group', async () => {
    const { group, invite } = await joined();
    tell(png(128), 2);
    invite.hangUp();
    lab.messenger.registered();
    await lab.settle();
    lab.invites.at(-1)?.session.refuse(404);
    await lab.settle();
    await lab.clock.advance(restartSpreadMs);
    await lab.settle();
    lab.invites.at(-1)?.session.answer('passive', { contactUri: 'sip:grp-2@cf.lab.test' });
    await lab.settle();
    const media = lab.media.at(-1);
    if (media === undefined) throw new Error('no media');
    expect(asked(media)[0]).toContain(png(128));
    await answer(media, 200);
    expect(iconOf(group)).not.toBeNull();
  });
});
