/** People whom the person has blocked: nothing of theirs gets through, and nothing goes to them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusals } from '../../../main/cpm/conversation/refusals';
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
