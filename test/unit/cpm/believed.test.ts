/** Who is believed about a message, what is told about one that the disk has damaged, and whom a group's invitation names. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeCpim } from '../../../protocol/cpim';
import { encodeImdn } from '../../../protocol/imdn';
import { parseResourceLists } from '../../../protocol/resource-lists';
import { createLab, FakeInvite, type FakeMsrp, incomingPager, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const mallory = 'sip:mallory@lab.test';
const focus = 'sip:grp-1@cf.lab.test';

/** “It did not arrive”, as RFC 5438 says it. */
const failed = (from: string, message: string) =>
  encodeCpim({
    from,
    to: [lab.self],
    messageId: `${from} ${message}`,
    contentType: 'message/imdn+xml',
    body: encodeImdn({ messageId: message, dateTime: 1, kind: 'delivery', status: 'failed', recipient: from }),
  });
const text = (from: string, id: string) =>
  encodeCpim({
    ...{ from, to: [lab.self], messageId: id, dispositions: ['positive-delivery', 'display'] as const },
    contentType: 'text/plain;charset=UTF-8',
    body: new TextEncoder().encode('Hello'),
  });

async function groupWith(listed: string): Promise<{ group: string; media: FakeMsrp }> {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy: bob },
    parts: [
      {
        contentType: 'application/resource-lists+xml',
        headers: new Map([['content-disposition', 'recipient-list-history;handling=optional']]),
        body: new TextEncoder().encode(
          `<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>${listed}</list></resource-lists>`,
        ),
      },
    ],
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
  const media = lab.media.at(-1);
  if (group === undefined || media === undefined) throw new Error('no group');
  return { group: group.conversation, media };
}

describe('a receipt that says that a message did not arrive', () => {
  it('counts from the one it was sent to', async () => {
    const { message, media } = await lab.talkTo(bob);
    await media.deliver(failed(bob, message));
    expect(lab.stateOf(message)).toBe('failed');
  });

  it('counts for nothing from anybody else, and is not kept', async () => {
    const { message, media } = await lab.talkTo(bob);
    await lab.messenger.incoming.pager(incomingPager(remoteParty(mallory), 'message/cpim', failed(mallory, message)));
    // Mallory's own session, and a name that is not the session's.
    const invite = new FakeInvite({ remote: remoteParty(mallory), headers: { contributionId: 'k-mallory', conversationId: 'c-mallory' } });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    await lab.media.at(-1)?.deliver(failed(mallory, message));
    expect([lab.stateOf(message), lab.history.receipts(message)]).toEqual(['sent', []]);
    await media.deliver(failed(bob, message));
    expect(lab.stateOf(message)).toBe('failed');
  });

  it('from one member of a group is theirs alone: the message has not failed for the others', async () => {
    const { group, media } = await groupWith(`<entry uri="${carol}"/>`);
    const { message } = lab.messenger.texts.send({ conversation: group }, 'For all', 'session');
    await lab.settle();
    await media.deliver(failed(bob, message));
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.history.receipts(message)).toMatchObject([{ address: bob, disposition: 'failed' }]);
  });
});

describe('a message that the disk has damaged', () => {
  it('is never reported as read, and counts as read here; the others are', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    for (const id of ['t-1', 't-2']) await media.deliver(text(bob, id));
    await lab.settle();
    const undisplayed = lab.history.undisplayed.bind(lab.history);
    lab.history.undisplayed = (chat, upTo) => undisplayed(chat, upTo).map((one) => (one.id === 't-1' ? { ...one, isDamaged: true } : one));
    lab.messenger.texts.markDisplayed(conversation, 't-2');
    await lab.settle();
    const told = media.sent.filter(({ body }) => body.includes('<displayed/>')).map(({ body }) => /t-\d/.exec(body)?.[0]);
    expect(told).toEqual(['t-2']);
    expect(['t-1', 't-2'].map((id) => lab.history.message(id, 'in')?.state)).toEqual(['displayed', 'displayed']);
  });
});

describe('people in a list', () => {
  it('are not shown where an invitation names them in secret (bcc), even if a focus should forget to leave them out', async () => {
    const entries = [`<entry uri="${carol}" cp:copyControl="to"/>`, `<entry uri="${mallory}" cp:copyControl="bcc"/>`];
    const { group } = await groupWith(entries.join(''));
    const shown = lab.messenger.chats
      .all()
      .find(({ conversation }) => conversation === group)
      ?.people.map(({ address }) => address);
    expect(shown).toEqual([bob, carol]);
  });

  it('R50: B is named with the device that holds the 1-1, by its GRUU and its instance', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    void lab.messenger.groups.addPeople(conversation, [carol]).catch(() => undefined);
    await lab.settle();
    const part = lab.invites.at(-1)?.request.parts?.find(({ contentType }) => contentType.startsWith('application/resource-lists'));
    const list = parseResourceLists(part?.body ?? new Uint8Array());
    if (!list.ok) throw new Error(list.reason);
    const [first] = list.value;
    expect(first?.uri).toContain(`${bob};gr=urn:uuid:bbbb`);
    expect(decodeURIComponent(first?.uri ?? '')).toContain('+sip.instance="<urn:uuid:bbbb>"');
    expect(first?.uri).toContain(`Session-Replaces=${invite.request.contributionId}`);
    lab.invites.at(-1)?.session.refuse(480);
    await lab.settle();
  });
});
