/** The upgrade of a 1-1 to a group as client B goes through it, in every order that the network allows, and the ways in which it can go wrong at A and B. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../../base/log';
import { rosterRetryMs } from '../../../../main/cpm/group/roster';
import { replacementGuardMs } from '../../../../main/cpm/upgrade/upgrade';
import { Upgrades } from '../../../../main/cpm/upgrade/upgrades';
import type { ParticipantValue } from '../../../../preload/contract';
import { AppError } from '../../../../preload/contract/errors';
import { encodeCpim } from '../../../../protocol/cpim';
import { createLab, FakeInvite, FakeMsrp, type FakeSession, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => {
  FakeMsrp.unbound = false;
  lab.dispose();
});

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';

const conversationOf = (id: string) => lab.messenger.chats.all().find((one) => one.conversation === id);
const groups = () => lab.messenger.chats.all().filter((one) => one.kind === 'group');
const textsIn = (conversation: string) => lab.messenger.chats.messages(conversation, {}, 50).map((one) => one.text);

function roster(focus: string, states: Record<string, string>): string {
  const users = Object.entries(states).map(([entity, state]) => {
    const [status, method] = state.split('/');
    const how = method === undefined ? '' : `<disconnection-method>${method}</disconnection-method>`;
    return `<user entity="${entity}" state="full"><endpoint entity="${entity};gr=x"><status>${status}</status>${how}</endpoint></user>`;
  });
  return `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><users>${users.join('')}</users></conference-info>`;
}

/** The focus invites this device, in the name of `inviter`, to replace a session. */
function invitation(inviter: string, sessionReplaces: string, name = '1'): FakeInvite {
  const focus = `sip:grp-${name}@cf.lab.test`;
  return new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: {
      contributionId: `group-${name}`,
      conversationId: `group-conv-${name}`,
      sessionReplaces,
      referredBy: inviter,
      subject: 'Lunch',
    },
  });
}

const envelope = (from: string, messageId: string, text: string) =>
  encodeCpim({ from, to: [lab.self], messageId, contentType: 'text/plain;charset=UTF-8', body: new TextEncoder().encode(text) });

/** Every order of some steps in which each comes after those that it needs. */
function orders(steps: readonly string[], needs: Readonly<Record<string, string>>): string[][] {
  if (steps.length === 0) return [[]];
  return steps
    .filter((step) => !steps.includes(needs[step] ?? ''))
    .flatMap((step) =>
      orders(
        steps.filter((other) => other !== step),
        needs,
      ).map((rest) => [step, ...rest]),
    );
}

describe('B', () => {
  const steps = ['INVITE', 'ACK', 'roster and text in the group', 'BYE of A', 'text in the 1-1', 'own text'];
  const all = orders(steps, { ACK: 'INVITE', 'roster and text in the group': 'ACK' });

  it.each([0, 1, 2, 3])(
    'R58 R59 R68: comes to the same end in each of the 120 orders of INVITE, ACK, roster, texts, and a BYE that comes first or crosses (quarter %i)',
    async (quarter) => {
      expect(all).toHaveLength(120);
      for (const [index, order] of all.entries()) {
        if (index % 4 !== quarter) continue;
        const name = `${index}`;
        const inviter = `sip:alice${name}@lab.test`;
        const { conversation, invite, media } = await lab.talkTo(inviter);
        const group = invitation(inviter, invite.request.contributionId, name);
        let acknowledge = () => {};
        group.accept = async (sdp) => {
          group.accepted = sdp;
          await new Promise<void>((resolve) => {
            acknowledge = resolve;
          });
          group.become('established');
        };
        let groupMedia: FakeMsrp | undefined;
        let typed = '';
        const again: FakeInvite[] = [];
        const act: Record<string, () => unknown> = {
          INVITE: async () => {
            lab.messenger.incoming.invite(group);
            await lab.settle();
            groupMedia = lab.media.at(-1);
          },
          ACK: () => acknowledge(),
          'roster and text in the group': async () => {
            const everybody = { [inviter]: 'connected', [lab.self]: 'connected', [carol]: 'connected' };
            const tell = () => lab.subscriptions.at(-1)?.onDocument.emit(roster(group.remote.address, everybody));
            const write = () => groupMedia?.deliver(envelope(carol, `g-${name}`, `to all ${name}`));
            // One comes by SIP, the other by MSRP: either may be the first.
            for (const one of index % 2 === 0 ? [tell, write] : [write, tell]) await one();
          },
          'BYE of A': () => invite.session.hangUp(200),
          'text in the 1-1': () => {
            const body = envelope(inviter, `d-${name}`, `to one ${name}`);
            if (media.state === 'established') return media.deliver(body);
            // A’s session is gone, too: her text opens the next one.
            const next = new FakeInvite({
              remote: remoteParty(inviter),
              headers: { contributionId: `next-${name}`, conversationId: `conv-${name}` },
              parts: [{ contentType: 'message/cpim', headers: new Map(), body }],
            });
            again.push(next);
            return lab.messenger.incoming.invite(next);
          },
          'own text': () => {
            typed = lab.messenger.texts.send({ conversation }, `of B ${name}`, 'session').message;
          },
        };
        for (const step of order) {
          await act[step]?.();
          await lab.settle();
        }
        for (const { request, session } of lab.invites) if (request.target === inviter && session.state === 'inviting') session.answer();
        await lab.settle();

        const what = order.join(', ');
        const joined = lab.history.groupByContribution(`group-${name}`)?.id ?? '';
        expect(conversationOf(joined)?.session, what).toBe('established');
        const first = order.indexOf('BYE of A') < order.indexOf('INVITE');
        expect(conversationOf(conversation)?.continuedBy ?? null, what).toBe(first ? null : joined);
        // B says BYE once, and not at all where A was faster.
        expect(invite.session.byes, what).toEqual(
          order.indexOf('BYE of A') < order.indexOf('ACK') ? [] : [{ cause: 200, text: 'Call completed' }],
        );
        expect(textsIn(joined), what).toEqual([`to all ${name}`]);
        expect(textsIn(conversation).sort(), what).toEqual(['Hello', `of B ${name}`, `to one ${name}`]);
        expect(['sent', 'delivered'], what).toContain(lab.stateOf(typed));
        // Frees the places of the sessions that are left.
        for (const one of [group, ...again, ...lab.invites.map(({ session }) => session)]) if (one.state === 'established') one.hangUp(200);
        await lab.settle();
      }
    },
  );

  it.each([
    ['the last session', true],
    ['another session', false],
  ])('R58: after its own death, a group that replaces %s continues the 1-1: %s', async (which, isContinued) => {
    const alice = 'sip:alice1@lab.test';
    const { conversation, invite } = await lab.talkTo(alice);
    lab.stop();
    lab = createLab({ after: lab });
    lab.messenger.incoming.invite(invitation(alice, which === 'the last session' ? invite.request.contributionId : 'some other'));
    await lab.settle();
    expect(groups()).toMatchObject([{ session: 'established', continues: isContinued ? conversation : null }]);
    expect(conversationOf(conversation)?.continuedBy ?? null).toBe(isContinued ? groups()[0]?.conversation : null);
  });

  it('R58: after its own death, nobody but the other side of the 1-1 can have it continued', async () => {
    const { conversation, invite } = await lab.talkTo('sip:alice1@lab.test');
    lab.stop();
    lab = createLab({ after: lab });
    lab.messenger.incoming.invite(invitation(carol, invite.request.contributionId));
    await lab.settle();
    expect([groups()[0]?.continues, conversationOf(conversation)?.continuedBy]).toEqual([null, null]);
  });

  it('R58: a person who does not answer in time is no longer asked, and stays in the 1-1', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    lab.setPreferences({ accept: 'ask' });
    const group = invitation(bob, invite.request.contributionId);
    lab.messenger.incoming.invite(group);
    await lab.settle();
    expect(lab.messenger.invitations.list()).toHaveLength(1);
    group.hangUp(408);
    await lab.settle();
    expect([lab.messenger.invitations.list(), groups(), invite.session.byes]).toEqual([[], [], []]);
    expect(conversationOf(conversation)).toMatchObject({ session: 'established', continuedBy: null });
  });

  it('R58: another device of B without that 1-1 joins like anybody else', async () => {
    lab.messenger.incoming.invite(invitation(bob, 'a session of the other device'));
    await lab.settle();
    expect(groups()).toMatchObject([{ session: 'established', continues: null }]);
  });

  it('R58 R59: two BYEs that cross end the 1-1 once, and it is replaced at both', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const group = invitation(bob, invite.request.contributionId);
    invite.session.bye = async (reason) => {
      invite.session.byes.push(reason);
      invite.session.hangUp(200);
    };
    lab.messenger.incoming.invite(group);
    await lab.settle();
    expect(invite.session.byes).toHaveLength(1);
    expect(conversationOf(conversation)).toMatchObject({ session: 'replaced', continuedBy: groups()[0]?.conversation });
  });

  it('R58: a replacement requested by somebody outside the 1-1 leaves the 1-1 untouched', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    lab.messenger.incoming.invite(invitation(carol, invite.request.contributionId));
    await lab.settle();
    expect(invite.session.byes).toEqual([]);
    expect(conversationOf(conversation)).toMatchObject({ session: 'established', continuedBy: null });
    expect(groups()).toMatchObject([{ session: 'established', continues: null }]);
  });

  it('R58: learns from the roster that the 1-1 has moved, when it went down between its 200 and its BYE', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const group = invitation(bob, invite.request.contributionId);
    group.accept = () => new Promise(() => {});
    lab.messenger.incoming.invite(group);
    await lab.settle();
    // Down, and up again: the sessions are gone, what was on disk is there.
    group.hangUp();
    invite.session.hangUp();
    const { id = '' } = lab.history.groupByContribution('group-1') ?? {};
    lab.history.addConversation({
      ...(lab.history.conversation(id) as NonNullable<ReturnType<Lab['history']['conversation']>>),
      joined: true,
    });
    lab.messenger.registered();
    await lab.settle();
    lab.invites.at(-1)?.session.answer('passive', { contactUri: group.remote.address });
    await lab.settle();
    expect(conversationOf(conversation)?.continuedBy).toBeNull();
    lab.subscriptions.at(-1)?.onDocument.emit(roster(group.remote.address, { [bob]: 'connected', [lab.self]: 'connected' }));
    expect(conversationOf(conversation)?.continuedBy).toBe(id);
  });
});

describe('A', () => {
  /** A has asked for the group; the test plays the Controlling Function. */
  async function asking(): Promise<{
    conversation: string;
    oneToOne: FakeSession;
    creation: FakeSession;
    adding: Promise<{ conversation: string }>;
  }> {
    const { conversation, invite } = await lab.talkTo(bob);
    const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
    adding.catch(() => {});
    await lab.settle();
    const creation = lab.invites.at(-1)?.session;
    if (creation === undefined) throw new Error('no group was asked for');
    return { conversation, oneToOne: invite.session, creation, adding };
  }

  const goesOn = { session: 'established', continuedBy: null };

  it.each([
    [403, 'sip/rejected'],
    [404, 'sip/rejected'],
    [486, 'group/nobody-joined'],
    [603, 'group/nobody-joined'],
  ])(
    'R58: the Controlling Function refuses with %i, or somebody has declined and nobody joined: the 1-1 goes on, and a text in it arrives',
    async (status, code) => {
      const { conversation, oneToOne, creation, adding } = await asking();
      const { message } = lab.messenger.texts.send({ conversation }, 'still here', 'session');
      creation.refuse(status);
      await expect(adding).rejects.toThrow(code);
      await lab.clock.advance(replacementGuardMs + 1);
      expect(conversationOf(conversation)).toMatchObject(goesOn);
      expect([groups(), oneToOne.byes, lab.stateOf(message)]).toEqual([[], [], 'sent']);
    },
  );

  it.each([
    ['dies before it answers', (creation: FakeSession) => creation.fail(new AppError('net/timeout', { cause: 'no answer' }, 'auto'))],
    ['cannot be reached', (creation: FakeSession) => creation.refuse(503)],
    ['finds nobody there', (creation: FakeSession) => creation.refuse(480)],
  ])('R58: the Controlling Function %s: the 1-1 goes on beside a group that waits', async (_what, happen) => {
    const { conversation, oneToOne, creation, adding } = await asking();
    const { message } = lab.messenger.texts.send({ conversation }, 'still here', 'session');
    happen(creation);
    const { conversation: group } = await adding;
    expect(conversationOf(conversation)).toMatchObject(goesOn);
    expect(groups()).toMatchObject([{ conversation: group, joined: true, session: 'ended', continues: conversation }]);
    expect([oneToOne.byes, lab.stateOf(message)]).toEqual([[], 'sent']);
  });

  it('R58: it dies between its 200 and the media: no group continues the 1-1, even when the group turns out to be gone', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    FakeMsrp.unbound = true;
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    await lab.settle();
    lab.media.at(-1)?.lose();
    expect(conversationOf(conversation)).toMatchObject(goesOn);
    FakeMsrp.unbound = false;
    await adding;
    lab.messenger.registered();
    await lab.settle();
    // The group no longer exists, and this device may not create it again.
    lab.invites.at(-1)?.session.refuse(404);
    await lab.clock.advance(replacementGuardMs + 1);
    lab.invites.at(-1)?.session.refuse(403);
    await lab.settle();
    expect(groups()).toMatchObject([{ joined: false, session: 'ended' }]);
    expect(conversationOf(conversation)).toMatchObject(goesOn);
    expect(oneToOne.byes).toEqual([]);
  });

  it('a 1-1 that was deleted here after it continued in a group starts afresh: neither links to the other, whatever the roster says', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    const { conversation: group } = await adding;
    oneToOne.hangUp();
    await lab.settle();
    expect(groups()).toMatchObject([{ conversation: group, continues: conversation }]);
    lab.messenger.chats.delete(conversation);
    expect(groups()).toMatchObject([{ conversation: group, continues: null }]);
    lab.subscriptions
      .at(-1)
      ?.onDocument.emit(roster('sip:grp-1@cf.lab.test', { [lab.self]: 'connected', [bob]: 'connected', [carol]: 'connected' }));
    await lab.settle();
    expect(lab.messenger.chats.open(bob)).toBe(conversation);
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, last: null });
    expect(groups()).toMatchObject([{ continues: null, session: 'established' }]);
  });

  it('R58: the group ends before B has moved: the active 1-1 continues', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    const { conversation: group } = await adding;
    expect(conversationOf(conversation)?.continuedBy).toBe(group);
    creation.hangUp(410);
    await lab.settle();
    expect(conversationOf(conversation)).toMatchObject(goesOn);
    await lab.clock.advance(replacementGuardMs + 1);
    expect(oneToOne.byes).toEqual([]);
  });

  it.each(['busy', 'failed'])('R58: B is away or declines (%s): the 1-1 continues beside the group', async (method) => {
    const { conversation, oneToOne, creation, adding } = await asking();
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    await adding;
    lab.subscriptions
      .at(-1)
      ?.onDocument.emit(
        roster('sip:grp-1@cf.lab.test', { [lab.self]: 'connected', [bob]: `disconnected/${method}`, [carol]: 'connected' }),
      );
    await lab.clock.advance(replacementGuardMs + 1);
    expect(conversationOf(conversation)).toMatchObject(goesOn);
    expect(oneToOne.byes).toEqual([]);
  });

  describe('invites B again, who was away', () => {
    const focus = 'sip:grp-1@cf.lab.test';
    const tell = (state: string) =>
      lab.subscriptions.at(-1)?.onDocument.emit(roster(focus, { [lab.self]: 'connected', [bob]: state, [carol]: 'connected' }));
    const write = () =>
      lab.messenger.incoming.pager(incomingPager(remoteParty(bob), 'text/plain', 'Back', `call ${lab.clock.now()} MESSAGE`));

    it('R52: with the mark of the 1-1, for the device that holds it; and it has moved when he says BYE', async () => {
      const { conversation, oneToOne, creation, adding } = await asking();
      const { contributionId } = lab.invites[0]?.request ?? expect.unreachable();
      creation.answer('passive', { contactUri: focus });
      const { conversation: group } = await adding;
      tell('disconnected/failed');
      expect(conversationOf(conversation)).toMatchObject(goesOn);
      await write();
      await lab.settle();
      expect(creation.referred).toHaveLength(1);
      expect(creation.referred[0]).toContain(`bob@lab.test;gr=urn:uuid:bbbb;method=INVITE?Session-Replaces=${contributionId}`);
      tell('connected');
      oneToOne.hangUp(200);
      await lab.settle();
      expect(conversationOf(conversation)).toMatchObject({ session: 'replaced', continuedBy: group });
    });

    it('R52: with the mark of the session that broke, where none stands', async () => {
      const { oneToOne, creation, adding } = await asking();
      const { contributionId } = lab.invites[0]?.request ?? expect.unreachable();
      creation.answer('passive', { contactUri: focus });
      await adding;
      oneToOne.breakOff();
      tell('disconnected/failed');
      await write();
      await lab.settle();
      expect(creation.referred).toEqual([`${bob};method=INVITE?Session-Replaces=${contributionId}`]);
    });

    it('and no more once he has declined', async () => {
      const { creation, adding } = await asking();
      creation.answer('passive', { contactUri: focus });
      await adding;
      tell('disconnected/busy');
      await write();
      await lab.clock.advance(60 * 60_000);
      expect(creation.referred.filter((one) => one.includes('bob'))).toEqual([]);
    });
  });

  it('R58: the 1-1 was lost before the network gives B up: nobody has moved, and no group continues it', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    const focus = 'sip:grp-1@cf.lab.test';
    creation.answer('passive', { contactUri: focus });
    const { conversation: group } = await adding;
    const tell = (state: string) =>
      lab.subscriptions.at(-1)?.onDocument.emit(roster(focus, { [lab.self]: 'connected', [bob]: state, [carol]: 'connected' }));
    oneToOne.breakOff();
    expect(conversationOf(conversation)).toMatchObject({ session: 'ended', continuedBy: group });
    tell('disconnected/failed');
    expect(conversationOf(conversation)).toMatchObject({ session: 'ended', continuedBy: null });
    // Once he is back and in the group, he has moved after all.
    tell('connected');
    expect(conversationOf(conversation)).toMatchObject({ session: 'ended', continuedBy: group });
  });

  describe('after a restart in the middle', () => {
    const focus = 'sip:grp-1@cf.lab.test';

    /** A is in the group, the roster has said `seen`, and A starts again: everything but the disk is lost. */
    async function restarted(seen: Record<string, string>) {
      const { conversation, creation, adding } = await asking();
      creation.answer('passive', { contactUri: focus });
      const { conversation: group } = await adding;
      lab.subscriptions.at(-1)?.onDocument.emit(roster(focus, { [lab.self]: 'connected', [carol]: 'connected', ...seen }));
      lab.messenger.dispose();
      const upgrades = new Upgrades(
        { history: lab.history, clock: lab.clock, log: silentLogger },
        { live: () => new Map(), isKnown: () => false, leave: async () => expect.unreachable('no session is left') },
      );
      const record = () => lab.history.conversation(group) ?? expect.unreachable('the group is kept');
      const tell = (state: string) => {
        const [status, reason = null] = state.split('/');
        const one = { address: bob, name: 'Bob', self: false, administrator: false, devices: [], state: status, reason };
        upgrades.rosterCame(record(), [one as ParticipantValue]);
      };
      return { upgrades, group, tell, continuedBy: () => lab.history.conversation(conversation)?.continuedBy };
    }

    it.each(['disconnected/failed', 'disconnected/busy'])(
      'R58: B was still ringing and does not join (%s): the 1-1 continues',
      async (state) => {
        const { group, tell, continuedBy } = await restarted({ [bob]: 'pending' });
        expect(continuedBy()).toBe(group);
        tell(state);
        expect(continuedBy()).toBeNull();
        tell('connected');
        expect(continuedBy()).toBe(group);
      },
    );

    it('R58: the group ends before B has joined it: the 1-1 continues', async () => {
      const { upgrades, group, continuedBy } = await restarted({});
      upgrades.groupOver(group);
      expect(continuedBy()).toBeNull();
    });

    it('R58: B was once in the group: it continues the 1-1, whatever happens to him there', async () => {
      const { upgrades, group, tell, continuedBy } = await restarted({ [bob]: 'connected' });
      tell('disconnected/failed');
      upgrades.groupOver(group);
      expect(continuedBy()).toBe(group);
    });
  });

  it('R58: B has moved, and the network loses him there later: the group still continues the 1-1', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    const { conversation: group } = await adding;
    oneToOne.hangUp(200);
    lab.subscriptions.at(-1)?.onDocument.emit(roster('sip:grp-1@cf.lab.test', { [lab.self]: 'connected', [bob]: 'disconnected/failed' }));
    expect(conversationOf(conversation)).toMatchObject({ session: 'replaced', continuedBy: group });
  });

  it.each(['before', 'after'])('R58: B moves just %s A loses her connection to the group: the 1-1 has moved at A, too', async (order) => {
    const { conversation, oneToOne, creation, adding } = await asking();
    FakeMsrp.unbound = true;
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    await lab.settle();
    if (order === 'before') oneToOne.hangUp(200);
    lab.media.at(-1)?.lose();
    await adding;
    if (order === 'after') oneToOne.hangUp(200);
    expect(conversationOf(conversation)).toMatchObject({ session: 'replaced', continuedBy: groups()[0]?.conversation });
  });

  it('R58: a BYE of B long after A lost her connection to the group does not count as a move', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    FakeMsrp.unbound = true;
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    await lab.settle();
    lab.media.at(-1)?.lose();
    await adding;
    await lab.clock.advance(replacementGuardMs + 1);
    oneToOne.hangUp(200);
    expect(conversationOf(conversation)).toMatchObject({ session: 'ended', continuedBy: null });
  });

  it.each([
    ['is not answered', (_asked: FakeSession) => undefined],
    ['has failed, and the text waits before it tries again', (asked: FakeSession) => asked.refuse(503)],
  ])('its own way back into the group %s: a text that waits for it goes when the network calls A back', async (_what, answer) => {
    const { conversation, creation, adding } = await asking();
    const focus = 'sip:grp-1@cf.lab.test';
    creation.answer('passive', { contactUri: focus });
    const { conversation: group } = await adding;
    creation.hangUp();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'to all', 'session');
    await lab.settle();
    const back = lab.invites.at(-1)?.session;
    if (back === undefined || back === creation) throw new Error('A does not come back');
    answer(back);
    await lab.settle();
    expect(['queued', 'sending']).toContain(lab.stateOf(message));
    const { contributionId = '' } = lab.history.conversation(group) ?? {};
    const invite = new FakeInvite({
      remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
      headers: { contributionId, referredBy: bob },
    });
    await lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(conversationOf(conversation)?.continuedBy).toBe(group);
  });

  it('R69: a roster subscription that ends while the group is active is renewed', async () => {
    const { creation, adding } = await asking();
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    const { conversation: group } = await adding;
    const [first] = lab.subscriptions;
    first?.onEnd.emit();
    await lab.clock.advance(rosterRetryMs - 1);
    expect(lab.subscriptions).toHaveLength(1);
    await lab.clock.advance(1);
    expect(lab.subscriptions).toHaveLength(2);
    lab.subscriptions[1]?.onDocument.emit(roster('sip:grp-1@cf.lab.test', { [lab.self]: 'connected', [carol]: 'connected' }));
    expect(lab.participants(group)).toContain('connected');
    creation.hangUp();
    lab.subscriptions[1]?.onEnd.emit();
    await lab.clock.advance(rosterRetryMs + 1);
    expect(lab.subscriptions.filter(({ disposed }) => !disposed)).toEqual([first]);
  });

  it('R58: B has left before: the group is requested without a session to replace', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    invite.session.hangUp();
    const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
    await lab.settle();
    const list = new TextDecoder().decode(lab.invites.at(-1)?.request.parts?.[0]?.body);
    expect(list).toContain('bob@lab.test');
    expect(list).not.toContain('Session-Replaces');
    lab.invites.at(-1)?.session.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    expect(conversationOf((await adding).conversation)).toMatchObject({ session: 'established', continues: conversation });
  });

  it('R58: A hangs up first: the group exists, no second BYE is sent, and her next text to Bob opens another 1-1', async () => {
    const { conversation, oneToOne, creation, adding } = await asking();
    await lab.messenger.chats.closeSession(conversation);
    creation.answer('passive', { contactUri: 'sip:grp-1@cf.lab.test' });
    await adding;
    await lab.clock.advance(replacementGuardMs + 1);
    expect(oneToOne.byes).toHaveLength(1);
    const { message } = lab.messenger.texts.send({ conversation }, 'only you', 'session');
    await lab.settle();
    const next = lab.invites.at(-1);
    expect(next?.request.target).toBe(bob);
    next?.session.answer();
    await lab.settle();
    expect([lab.stateOf(message), lab.history.message(message)?.conversation]).toEqual(['sent', conversation]);
  });
});
