/** People whom the person has blocked: nothing of theirs gets through, and nothing goes to them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Blocking, MAX_REMEMBERED_GRUUS } from '../../../main/cpm/blocking';
import { refusals } from '../../../main/cpm/conversation/refusals';
import { defaultPreferences } from '../../../main/profile/settings';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const block = () => {
  lab.state.blocked.add(bob);
  lab.messenger.blocked(bob);
};

const body = new TextEncoder().encode(
  `From: <${bob}>\r\nTo: <sip:alice@lab.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\nDateTime: 2026-01-01T00:00:00Z\r\nimdn.Disposition-Notification: positive-delivery, display\r\n\r\nContent-Type: text/plain\r\n\r\nlet me in`,
);
const headers = { contributionId: 'k1', conversationId: 'c1' };
const invitation = (more: Partial<FakeInvite['headers']> = {}, remote = remoteParty(bob)) =>
  new FakeInvite({ remote, headers: { ...headers, ...more }, parts: [{ contentType: 'message/cpim', headers: new Map(), body }] });

describe('somebody who is blocked', () => {
  it('has invitations refused with 486, whatever the preference, and leaves nothing behind', async () => {
    block();
    for (const accept of ['auto', 'open', 'reply', 'ask'] as const) {
      lab.setPreferences({ accept });
      const invite = invitation();
      lab.messenger.incoming.invite(invite);
      await lab.settle();
      expect([invite.rejected, invite.rang]).toEqual([486, 0]);
    }
    expect(refusals.blocked).toBe(486);
    expect([lab.messenger.chats.all(), lab.messenger.invitations.list(), lab.pagers, lab.history.jobs()]).toEqual([[], [], [], []]);
  });

  it('has messages refused with 486, kept nowhere and not told as delivered', async () => {
    block();
    const pager = {
      remote: remoteParty(bob),
      headers: invitation().headers,
      requestId: 'call 1 MESSAGE',
      contentType: 'message/cpim',
      body,
      icsis: [],
      hides: false,
    };
    expect(await lab.messenger.incoming.pager(pager)).toBe(486);
    await lab.settle();
    expect([lab.messenger.chats.all(), lab.pagers]).toEqual([[], []]);
    lab.state.blocked.clear();
    expect(await lab.messenger.incoming.pager(pager)).toBe(200);
  });

  it('brings nobody into a group', async () => {
    block();
    const focus = 'sip:grp-1@cf.lab.test';
    const invite = invitation({ referredBy: bob }, remoteParty(focus, { isFocus: true, contactUri: focus }));
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(invite.rejected).toBe(486);
  });

  it('is not written to: the call says so, and what waited is failed and kept', async () => {
    lab.state.registered = false;
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'waits', 'session');
    block();
    expect(() => lab.messenger.texts.send({ to: bob }, 'now', 'session')).toThrow(
      expect.objectContaining({ code: 'conversation/blocked' }),
    );
    expect(() => lab.messenger.texts.send({ conversation }, 'now', 'pager')).toThrow(
      expect.objectContaining({ code: 'conversation/blocked' }),
    );
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    expect(lab.invites).toEqual([]);
    expect(lab.history.message(message)).toMatchObject({
      state: 'failed',
      content: { text: 'waits' },
      error: { code: 'conversation/blocked' },
    });
    await expect(lab.messenger.groups.addPeople(conversation, [bob], undefined)).rejects.toMatchObject({ code: 'conversation/blocked' });
  });

  it('has the session ended in which they were, and their waiting invitation refused', async () => {
    const { invite } = await lab.talkTo(bob);
    block();
    await lab.settle();
    expect(invite.session.byes).toHaveLength(1);
    lab.state.blocked.clear();
    for (const accept of ['open', 'ask'] as const) {
      lab.setPreferences({ accept });
      const waiting = invitation({ contributionId: `k-${accept}` });
      lab.messenger.incoming.invite(waiting);
      await lab.settle();
      lab.messenger.blocked(bob);
      await lab.settle();
      expect(waiting.rejected).toBe(486);
    }
  });

  it('gets no receipts any more for what they wrote before', async () => {
    const { media, conversation } = await lab.talkTo(bob);
    await media.deliver(body);
    await lab.settle();
    block();
    await lab.settle();
    const before = lab.pagers.length;
    lab.messenger.texts.markDisplayed(conversation, 'm1');
    await lab.settle();
    expect(lab.pagers.length).toBe(before);
    expect(lab.history.jobs()).toEqual([]);
  });
});

describe('somebody who is blocked and hides', () => {
  const anonymousUri = 'sip:anonymous@anonymous.invalid';
  const nameless = (more: Parameters<typeof remoteParty>[1]) => remoteParty(anonymousUri, { asserted: false, ...more });
  const call = async (remote: ReturnType<typeof remoteParty>, contributionId: string) => {
    const invite = invitation({ contributionId, conversationId: `of ${contributionId}` }, remote);
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    return invite.rejected;
  };

  it('is known by the asserted identity, and by a Contact that names their address', async () => {
    block();
    expect(await call(remoteParty(bob, { displayName: 'Anonymous' }), 'a')).toBe(486);
    expect(await call(nameless({ gruu: `${bob};gr=urn:uuid:b`, contactUri: `${bob};gr=urn:uuid:b` }), 'b')).toBe(486);
    expect(await call(nameless({ contactUri: `${bob};transport=tcp` }), 'c')).toBe(486);
  });

  it('is known by a temporary GRUU that they have used under their own name, and not by another', async () => {
    const temporary = (name: string) => ({ gruu: `sip:${name}@lab.test;gr`, contactUri: `sip:${name}@lab.test;gr` });
    expect(await call(remoteParty(bob, temporary('tgruu.1')), 'named')).toBeNull();
    block();
    expect(await call(nameless(temporary('tgruu.1')), 'd')).toBe(486);
    expect(await call(nameless(temporary('tgruu.2')), 'e')).toBeNull();
    // Naming somebody else's GRUU does not make its owner blocked.
    expect(await call(remoteParty('sip:carol@lab.test', temporary('tgruu.3')), 'carol')).toBeNull();
    expect(await call(remoteParty(bob, temporary('tgruu.3')), 'f')).toBe(486);
    expect(await call(nameless(temporary('tgruu.3')), 'g')).toBeNull();
  });

  it('does not get through where nobody anonymous does; people who say who they are do', async () => {
    lab.setPreferences({ refuseAnonymous: true });
    expect(await call(nameless({}), 'h')).toBe(486);
    expect(await call(remoteParty('sip:carol@lab.test'), 'i')).toBeNull();
    const pager = { remote: nameless({}), headers: invitation().headers, requestId: '1', contentType: 'message/cpim', body, icsis: [] };
    expect(await lab.messenger.incoming.pager(pager)).toBe(486);
    expect(lab.messenger.chats.all().filter((one) => one.anonymous !== null)).toEqual([]);
  });

  it('is blocked under the addresses that the network asserts together with theirs', async () => {
    block();
    expect(await call(remoteParty(bob, { alsoAsserted: ['tel:+491705551234'] }), 'j')).toBe(486);
    expect(await call(remoteParty('tel:+491705551234'), 'k')).toBe(486);
  });
});

describe('the GRUUs that are remembered', () => {
  it('are the last ones, and no more than fit', () => {
    const blocking = new Blocking({ isBlocked: (address) => address === bob, alsoBlock: () => {}, preferences: () => defaultPreferences });
    const using = (at: number) => ({ gruu: `sip:t${at}@lab.test;gr`, contactUri: `sip:t${at}@lab.test;gr` });
    const hidden = (at: number) => remoteParty('sip:anonymous@anonymous.invalid', { asserted: false, ...using(at) });
    for (let at = 0; at < MAX_REMEMBERED_GRUUS; at += 1) blocking.refuses(remoteParty(bob, using(at)));
    expect([blocking.refuses(hidden(0)), blocking.refuses(hidden(MAX_REMEMBERED_GRUUS - 1))]).toEqual([true, true]);
    blocking.refuses(remoteParty(bob, using(MAX_REMEMBERED_GRUUS)));
    expect([blocking.refuses(hidden(0)), blocking.refuses(hidden(1)), blocking.refuses(hidden(MAX_REMEMBERED_GRUUS))]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('somebody who is blocked, in a common group', () => {
  const carol = 'sip:carol@lab.test';
  const focus = 'sip:grp-1@cf.lab.test';
  const says = (from: string, id: string, text: string) =>
    `From: <${from}>\r\nTo: <${focus}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ${id}\r\nimdn.Disposition-Notification: positive-delivery, display\r\n\r\nContent-Type: text/plain\r\n\r\n${text}`;
  const inGroup = async () => {
    const invite = new FakeInvite({
      remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
      headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy: carol },
    });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    const media = lab.media.at(-1);
    if (media === undefined) throw new Error('no media');
    const group = () => lab.messenger.chats.all().find((one) => one.kind === 'group');
    return { media, group, id: group()?.conversation ?? '' };
  };

  it('is kept out of the count, the last line, search and receipts, and is there to be shown', async () => {
    const { media, group, id } = await inGroup();
    await media.deliver(says(carol, 'c1', 'hello from Carol'));
    block();
    await lab.clock.advance(60_000);
    await media.deliver(says(bob, 'b1', 'hello from Bob'));
    await lab.settle();
    expect(group()).toMatchObject({ unread: 1, last: { message: 'c1' } });
    expect(lab.history.conversation(id)?.activityAt).toBe(lab.history.message('c1', 'in')?.receivedAt);
    expect((await lab.messenger.search.find('hello', 10)).map((hit) => hit.message)).toEqual(['c1']);
    expect((await lab.messenger.search.find('hello', 1)).map((hit) => hit.message)).toEqual(['c1']);
    lab.messenger.texts.markDisplayed(id, 'b1');
    await lab.settle();
    const sent = [...lab.pagers.map((one) => new TextDecoder().decode(one.body)), ...media.sent.map((one) => String(one.body))].join('\n');
    expect([sent.includes('<message-id>c1<'), sent.includes('<message-id>b1<')]).toEqual([true, false]);
    expect(lab.messenger.chats.messages(id, {}, 10).map((one) => [one.message, one.text])).toEqual([
      ['c1', 'hello from Carol'],
      ['b1', 'hello from Bob'],
    ]);
  });

  it('goes from the count when they are blocked, and stands in the list again when they are not', async () => {
    const { media, group } = await inGroup();
    await media.deliver(says(bob, 'b1', 'hello'));
    expect(group()).toMatchObject({ unread: 1, last: { message: 'b1' } });
    const before = lab.events.length;
    block();
    expect(group()).toMatchObject({ unread: 0, last: null });
    expect(lab.events.slice(before)).toContainEqual(expect.objectContaining({ event: 'conversation', unread: 0, last: null }));
    lab.state.blocked.clear();
    lab.messenger.unblocked();
    expect(group()).toMatchObject({ unread: 0, last: { message: 'b1' } });
    expect(lab.events.at(-1)).toMatchObject({ event: 'conversation', last: { message: 'b1' } });
  });

  it('brings no deleted group back, and nobody sees them typing', async () => {
    const { media, group, id } = await inGroup();
    block();
    lab.messenger.chats.delete(id);
    await media.deliver(says(bob, 'b2', 'hello'));
    const composing = `From: <${bob}>\r\nTo: <${focus}>\r\n\r\nContent-Type: application/im-iscomposing+xml\r\n\r\n<?xml version="1.0"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state></isComposing>`;
    await media.deliver(composing);
    await lab.settle();
    expect(group()).toBeUndefined();
    expect(lab.events.filter((event) => event.event === 'composing')).toEqual([]);
    await media.deliver(says(carol, 'c2', 'hello'));
    expect(group()).toMatchObject({ last: { message: 'c2' } });
  });
});
