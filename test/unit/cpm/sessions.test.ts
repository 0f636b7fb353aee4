import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textEnvelope } from '../../../main/cpm/conversation/envelope';
import { MAX_ASKED } from '../../../main/cpm/one-to-one/invitations';
import { replacementGuardMs } from '../../../main/cpm/upgrade/upgrade';
import { AppError } from '../../../preload/contract/errors';
import { parseResourceLists } from '../../../protocol/resource-lists';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const focus = 'sip:grp-1@cf.lab.test';

/** Every order of some steps. */
function orders(steps: readonly string[]): string[][] {
  if (steps.length <= 1) return [[...steps]];
  return steps.flatMap((step) => orders(steps.filter((other) => other !== step)).map((rest) => [step, ...rest]));
}

const conversationOf = (id: string) => lab.messenger.chats.all().find((one) => one.conversation === id);

function inviteFrom(address: string, contributionId: string, more: { conversationId?: string } = {}): FakeInvite {
  return new FakeInvite({ remote: remoteParty(address), headers: { contributionId, conversationId: more.conversationId ?? 'conv-bob' } });
}

function groupInvite(options: { sessionReplaces?: string; referredBy?: string; contributionId?: string } = {}): FakeInvite {
  return new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
    headers: {
      contributionId: options.contributionId ?? 'group-1',
      conversationId: 'group-conv',
      sessionReplaces: options.sessionReplaces ?? null,
      referredBy: options.referredBy ?? bob,
      subject: 'Lunch',
    },
    parts: [
      {
        contentType: 'application/resource-lists+xml',
        headers: new Map([['content-disposition', 'recipient-list-history;handling=optional']]),
        body: new TextEncoder().encode(
          `<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${lab.self}"/><entry uri="${carol}"/></list></resource-lists>`,
        ),
      },
    ],
  });
}

const roster = (states: Record<string, string>) =>
  `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><conference-description><subject>Lunch</subject></conference-description><users>${Object.entries(
    states,
  )
    .map(([entity, state]) => {
      const [status, how] = state.split('/');
      const method = how === undefined ? '' : `<disconnection-method>${how}</disconnection-method>`;
      return `<user entity="${entity}" state="full"><endpoint entity="${entity};gr=x"><display-text>Laptop</display-text><status>${status}</status>${method}</endpoint></user>`;
    })
    .join('')}</users></conference-info>`;

describe('1-1 sessions', () => {
  it('R73/R74: keep the Conversation-ID and take a new Contribution-ID when they start again', async () => {
    const first = await lab.talkTo(bob);
    first.invite.session.hangUp();
    const second = await lab.talkTo(bob);
    expect(second.conversation).toBe(first.conversation);
    expect(second.invite.request.conversationId).toBe(first.invite.request.conversationId);
    expect(second.invite.request.contributionId).not.toBe(first.invite.request.contributionId);
  });

  it('say which device holds them', async () => {
    const { conversation } = await lab.talkTo(bob);
    expect(conversationOf(conversation)).toMatchObject({
      session: 'established',
      peerDevice: { name: 'Laptop', instanceId: 'urn:uuid:bbbb' },
    });
  });

  it('are one thread a person, whoever invites', async () => {
    const { conversation } = await lab.talkTo(bob);
    const invite = inviteFrom('sip:bob@LAB.test;gr=urn:uuid:2', 'zzz');
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(lab.messenger.chats.all().map((one) => one.conversation)).toEqual([conversation]);
  });

  it.each([
    ['the lower Contribution-ID is ours', 'ffffffff', true],
    ['the lower Contribution-ID is theirs', '!', false],
  ])('two invitations at once: %s', async (_title, theirs, oursLives) => {
    const { message } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    const invite = inviteFrom(bob, theirs);
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    if (oursLives) {
      expect(invite.rejected).toBe(486);
      lab.invites[0]?.session.answer();
    } else {
      expect(invite.accepted).not.toBeNull();
      expect(lab.invites[0]?.session.byes).toHaveLength(1);
    }
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.invites).toHaveLength(1);
  });

  it('give way to a second invitation of somebody whose first one never came to stand', async () => {
    const stuck = inviteFrom(bob, 'a');
    stuck.accept = () => new Promise(() => undefined);
    lab.messenger.incoming.invite(stuck);
    await lab.settle();
    const again = inviteFrom(bob, 'b');
    lab.messenger.incoming.invite(again);
    await lab.settle();
    expect([again.rejected, again.accepted === null]).toEqual([null, false]);
    expect(conversationOf(lab.messenger.chats.open(bob))?.session).toBe('established');
  });

  it('are given up while they open when the connection to the network is gone; the text waits for its return', async () => {
    const { message, conversation } = lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    expect(conversationOf(conversation)?.session).toBe('pending');
    lab.messenger.disconnected();
    await lab.settle();
    expect(lab.invites[0]?.session.byes).toHaveLength(1);
    expect(conversationOf(conversation)?.session).toBe('ended');
    expect(lab.stateOf(message)).toBe('queued');
  });

  it('show a chat at once when it is opened', () => {
    const conversation = lab.messenger.chats.open(bob);
    expect(lab.events.filter((event) => event.event === 'conversation').map((event) => event.conversation)).toEqual([conversation]);
  });

  it('give way to a new invitation once theirs was answered: a peer that invites again has lost the old session', async () => {
    lab.messenger.texts.send({ to: bob }, 'Hello', 'session');
    await lab.settle();
    const own = lab.invites[0];
    const media = lab.media[0];
    if (own === undefined || media === undefined) throw new Error('no invitation');
    // Answered, and then the other side never binds its media.
    media.start = () => new Promise(() => {});
    own.session.answer();
    await lab.settle();
    const invite = inviteFrom(bob, 'ffffffff');
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(invite.accepted).not.toBeNull();
    expect(own.session.byes).toHaveLength(1);
  });

  it('R60: ask first if the person wants it; declining sends 486, and 603 only when it is meant for every device', async () => {
    lab.setPreferences({ accept: 'ask' });
    for (const [everywhere, status] of [
      [false, 486],
      [true, 603],
    ] as const) {
      const invite = inviteFrom(bob, `c-${status}`);
      lab.messenger.incoming.invite(invite);
      await lab.settle();
      const waiting = lab.messenger.invitations.list();
      expect(waiting).toHaveLength(1);
      expect(invite.rang).toBe(1);
      await lab.messenger.invitations.answer(waiting[0]?.invitation ?? '', false, everywhere);
      expect(invite.rejected).toBe(status);
      expect(lab.messenger.invitations.list()).toEqual([]);
    }
  });

  it('take an invitation away when another device has answered it', async () => {
    lab.setPreferences({ accept: 'ask' });
    const invite = inviteFrom(bob, 'c1');
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    const id = lab.messenger.invitations.list()[0]?.invitation ?? '';
    invite.hangUp(200);
    expect(lab.messenger.invitations.list()).toEqual([]);
    expect(lab.events).toContainEqual({ event: 'invitationEnded', invitation: id, why: 'elsewhere', from: { address: bob, name: 'Bob' } });
    await expect(lab.messenger.invitations.answer(id, true, false)).rejects.toThrow(/conversation\/unknown/);
  });
});

describe('adding people', () => {
  it('R50/R51/R52/R62: names B’s device and marks the 1-1 to be replaced, on B’s entry alone', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const adding = lab.messenger.groups.addPeople(conversation, [carol], 'Lunch');
    await lab.settle();
    const request = lab.invites[1]?.request;
    expect(request?.target).toBe('sip:conference-factory@lab.test');
    expect(request?.require).toEqual(['recipient-list-invite']);
    const body = request?.parts?.find((part) => part.contentType === 'application/resource-lists+xml')?.body;
    const list = parseResourceLists(new TextDecoder().decode(body));
    const uris = list.ok ? list.value.map((entry) => entry.uri) : [];
    expect(uris).toHaveLength(2);
    expect(uris[0]).toContain('bob@lab.test;gr=urn:uuid:bbbb');
    expect(uris[0]).toContain(`Session-Replaces=${invite.request.contributionId}`);
    expect(uris[1]).toBe(carol);
    lab.invites[1]?.session.answer('passive', { contactUri: focus });
    await adding;
  });

  it('R66: makes the group at the 200 and leaves the 1-1 to B, at whose BYE the media of the 1-1 closes', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    const adding = lab.messenger.groups.addPeople(
      conversation,
      ['carol'].map((name) => `sip:${name}@lab.test`),
      undefined,
    );
    await lab.settle();
    lab.invites[1]?.session.answer('passive', { contactUri: focus });
    const { conversation: group } = await adding;
    expect(conversationOf(group)).toMatchObject({ kind: 'group', continues: conversation, session: 'established' });
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: group, session: 'established' });
    expect(invite.session.byes).toEqual([]);
    expect(media.state).toBe('established');
    invite.session.hangUp(200);
    expect(media.state).toBe('closed');
    expect(conversationOf(conversation)?.session).toBe('replaced');
    expect(lab.subscriptions.map((one) => one.focus)).toEqual([focus]);
  });

  it('changes nothing when nobody joins', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
    await lab.settle();
    lab.invites[1]?.session.refuse(603, 'Decline');
    await expect(adding).rejects.toThrow(/group\/nobody-joined/);
    expect(lab.messenger.chats.all()).toHaveLength(1);
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, session: 'established' });
    expect(invite.session.byes).toEqual([]);
  });

  it('ends the 1-1 itself only when B is in the group and never said goodbye', async () => {
    for (const [status, ends] of [
      ['connected', true],
      ['disconnected', false],
    ] as const) {
      const { conversation, invite } = await lab.talkTo(bob);
      const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
      await lab.settle();
      lab.invites.at(-1)?.session.answer('passive', { contactUri: focus });
      await adding;
      lab.subscriptions.at(-1)?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: status, [carol]: 'connected' }));
      await lab.clock.advance(replacementGuardMs + 1);
      expect(invite.session.byes.length > 0, status).toBe(ends);
      invite.session.hangUp();
    }
  });

  it.each(orders(['the 200', 'the roster', 'the BYE of the 1-1', 'a text for Bob', 'a text for all']))(
    'R68: comes to the same end in every order: %s, %s, %s, %s, %s',
    async (...order) => {
      const { conversation, invite } = await lab.talkTo(bob);
      const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
      await lab.settle();
      const creation = lab.invites.at(-1)?.session;
      /** What the network cannot tell before the group stands waits for it. */
      const later: (() => void)[] = [];
      let group: string | null = null;
      const texts: string[] = [];
      const steps: Record<string, () => void> = {
        'the 200': () => creation?.answer('passive', { contactUri: focus }),
        'the roster': () =>
          lab.subscriptions.at(-1)?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: 'connected', [carol]: 'connected' })),
        'the BYE of the 1-1': () => invite.session.hangUp(200),
        'a text for Bob': () => texts.push(lab.messenger.texts.send({ conversation }, 'to Bob', 'session').message),
        'a text for all': () => texts.push(lab.messenger.texts.send({ conversation: group ?? '' }, 'to all', 'session').message),
      };
      for (const step of order) {
        const needsGroup = step === 'the roster' || step === 'a text for all';
        const act = steps[step] ?? (() => undefined);
        if (needsGroup && group === null) later.push(act);
        else act();
        await lab.settle();
        if (step !== 'the 200') continue;
        group = (await adding).conversation;
        for (const waiting of later.splice(0)) waiting();
        await lab.settle();
      }
      // A text that found no 1-1 any more has opened another one, as ever; Bob answers it.
      for (const { request, session } of lab.invites) if (request.target === bob && session.state === 'inviting') session.answer();
      await lab.clock.advance(replacementGuardMs + 1);
      expect(conversationOf(group ?? '')).toMatchObject({ session: 'established', continues: conversation });
      expect(conversationOf(conversation)?.continuedBy).toBe(group);
      expect(invite.session.byes).toEqual([]);
      expect(lab.participants(group ?? '')).toEqual(['connected', 'connected', 'connected']);
      expect(texts.map((message) => [lab.history.message(message)?.conversation, lab.stateOf(message)]).sort()).toEqual(
        [
          [conversation, 'sent'],
          [group, 'sent'],
        ].sort(),
      );
    },
  );

  it('R58: the 1-1 continues when Bob has declined the move, and the group continues with the others', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const adding = lab.messenger.groups.addPeople(conversation, [carol], undefined);
    await lab.settle();
    lab.invites.at(-1)?.session.answer('passive', { contactUri: focus });
    const { conversation: group } = await adding;
    const document = roster({ [lab.self]: 'connected', [bob]: 'disconnected', [carol]: 'connected' });
    lab.subscriptions
      .at(-1)
      ?.onDocument.emit(
        document.replace('<status>disconnected</status>', '<status>disconnected</status><disconnection-method>busy</disconnection-method>'),
      );
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, session: 'established' });
    expect(conversationOf(group)).toMatchObject({ continues: conversation, session: 'established' });
    await lab.clock.advance(replacementGuardMs + 1);
    expect(invite.session.byes).toEqual([]);
    const { message } = lab.messenger.texts.send({ conversation }, 'still here', 'session');
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    expect(lab.invites).toHaveLength(2);
    invite.session.hangUp();
    expect(conversationOf(conversation)?.session).toBe('ended');
  });

  it('refuses people who are there already, and addresses that are none', async () => {
    const { conversation } = await lab.talkTo(bob);
    await expect(lab.messenger.groups.addPeople(conversation, [bob, lab.self], undefined)).rejects.toThrow(AppError);
    await expect(lab.messenger.groups.addPeople(conversation, ['not an address'], undefined)).rejects.toThrow(/account\/bad-address/);
    expect(lab.invites).toHaveLength(1);
  });
});

describe('being added', () => {
  it('R58/R59/R66: B joins the group and then leaves the 1-1 on its own dialog, with the reason, and closes its media', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    const group = groupInvite({ sessionReplaces: invite.request.contributionId });
    const order: string[] = [];
    group.onState.on((state) => order.push(`group ${state}`));
    invite.session.onState.on((state) => order.push(`1-1 ${state}`));
    lab.messenger.incoming.invite(group);
    await lab.settle();
    expect(order).toEqual(['group established', '1-1 ended']);
    expect(invite.session.byes).toEqual([{ cause: 200, text: 'Call completed' }]);
    expect(media.state).toBe('closed');
    const joined = lab.messenger.chats.all().find((one) => one.kind === 'group');
    expect(joined).toMatchObject({ subject: 'Lunch', continues: conversation, session: 'established' });
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: joined?.conversation, session: 'replaced' });
    expect(joined?.people.map((one) => one.address)).toEqual([bob, carol]);
  });

  it('R58: the 1-1 stays when the group could not be joined after all', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const group = groupInvite({ sessionReplaces: invite.request.contributionId });
    group.withoutAck = true;
    lab.messenger.incoming.invite(group);
    await lab.settle();
    expect(invite.session.byes).toEqual([]);
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, session: 'established' });
  });

  it('takes a replacement that somebody else asks for as an ordinary invitation', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    const forged = groupInvite({ sessionReplaces: invite.request.contributionId, referredBy: 'sip:mallory@lab.test' });
    lab.messenger.incoming.invite(forged);
    await lab.settle();
    expect(invite.session.byes).toEqual([]);
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, session: 'established' });
  });

  it('R58: a person who wants to be asked is told which chat would be replaced, and stays in the 1-1 when declining', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    lab.setPreferences({ accept: 'ask' });
    const replacing = groupInvite({ sessionReplaces: invite.request.contributionId });
    lab.messenger.incoming.invite(replacing);
    await lab.settle();
    const [waiting] = lab.messenger.invitations.list();
    expect(waiting).toMatchObject({ kind: 'group', from: { address: bob }, replaces: conversation });
    expect([replacing.accepted, replacing.rang]).toEqual([null, 1]);
    await lab.messenger.invitations.answer(waiting?.invitation ?? '', false, false);
    expect(replacing.rejected).toBe(486);
    expect(invite.session.byes).toEqual([]);
    expect(conversationOf(conversation)).toMatchObject({ continuedBy: null, session: 'established' });
  });

  it('R58: a person who accepts after the 1-1 has ended still joins', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    lab.setPreferences({ accept: 'ask' });
    const replacing = groupInvite({ sessionReplaces: invite.request.contributionId });
    lab.messenger.incoming.invite(replacing);
    await lab.settle();
    invite.session.hangUp(200);
    await lab.messenger.invitations.answer(lab.messenger.invitations.list()[0]?.invitation ?? '', true, false);
    await lab.settle();
    expect(replacing.accepted).not.toBeNull();
    expect(invite.session.byes).toEqual([]);
    expect(lab.messenger.chats.all().find((one) => one.kind === 'group')).toMatchObject({
      continues: conversation,
      session: 'established',
    });
  });

  it('is asked about for so many groups at a time; one more is refused with 486 and leaves nothing', async () => {
    lab.setPreferences({ accept: 'ask' });
    const invites = Array.from({ length: MAX_ASKED + 1 }, (_, index) =>
      groupInvite({ contributionId: `group-${index}`, referredBy: `sip:inviter${index % 40}@lab.test` }),
    );
    for (const invite of invites) lab.messenger.incoming.invite(invite);
    await lab.settle();
    expect(invites.filter((one) => one.rejected !== null).map((one) => [one.headers.contributionId, one.rejected])).toEqual([
      [`group-${MAX_ASKED}`, 486],
    ]);
    expect([lab.messenger.invitations.list().length, lab.messenger.chats.all().length]).toEqual([MAX_ASKED, 0]);
  });

  it('R60: declining another group leaves the 1-1 alone', async () => {
    const { invite } = await lab.talkTo(bob);
    lab.setPreferences({ accept: 'ask' });
    lab.messenger.incoming.invite(groupInvite({ referredBy: carol, contributionId: 'other' }));
    await lab.settle();
    const [waiting] = lab.messenger.invitations.list();
    expect(waiting).toMatchObject({ kind: 'group', from: { address: carol, name: 'Carol' } });
    await lab.messenger.invitations.answer(waiting?.invitation ?? '', false, false);
    expect(invite.session.byes).toEqual([]);
  });
});

describe('life in a group', () => {
  async function joined() {
    const invite = groupInvite();
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    const group = lab.messenger.chats.all().find((one) => one.kind === 'group');
    const media = lab.media.at(-1);
    if (group === undefined || media === undefined) throw new Error('not joined');
    return { invite, group: group.conversation, media };
  }

  const textBy = (sender: string, id: string) =>
    textEnvelope(
      {
        id,
        conversation: '',
        direction: 'out',
        from: sender,
        fromName: '',
        fromDevice: null,
        content: { kind: 'text', text: `from ${sender}` },
        state: 'sent',
        sentAt: 1,
        receivedAt: null,
        error: null,
        wantsDelivered: true,
        wantsDisplayed: true,
      },
      { from: sender, to: [focus] },
    );

  it('names who wrote, and answers to that person through the group', async () => {
    const { group, media } = await joined();
    await media.deliver(textBy(carol, 'g-1'));
    await lab.settle();
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ from: carol, fromName: 'Carol', state: 'received' }]);
    const receipt = media.sent.find((sent) => sent.body.includes('<delivered/>'));
    expect(receipt?.body).toContain(`To: <${carol}>`);
  });

  it('shows what another device of one’s own wrote as one’s own', async () => {
    const { group, media } = await joined();
    await media.deliver(textBy(lab.self, 'g-2'));
    expect(lab.messenger.chats.messages(group, {}, 50)).toMatchObject([{ direction: 'out', state: 'sent' }]);
    expect(media.sent).toEqual([]);
  });

  it('R69: the roster comes from the focus, and the people are its members, connected or away', async () => {
    const { group } = await joined();
    lab.subscriptions[0]?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: 'connected', [carol]: 'disconnected' }));
    expect(lab.messenger.chats.participants(group).map((one) => [one.address, one.self, one.state])).toEqual([
      [lab.self, true, 'connected'],
      [bob, false, 'connected'],
      [carol, false, 'disconnected'],
    ]);
    expect(conversationOf(group)?.people.map((one) => one.name)).toEqual(['Bob', 'Carol']);
    for (const how of ['departed', 'booted', 'busy', 'failed']) {
      lab.subscriptions[0]?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: 'connected', [carol]: `disconnected/${how}` }));
      expect(
        conversationOf(group)?.people.map((one) => one.name),
        how,
      ).toEqual(['Bob']);
    }
  });

  it('R69: applies changes, and requests one full document when a change is missing', async () => {
    const { group } = await joined();
    const subscription = lab.subscriptions[0];
    const tell = (version: number, state: 'full' | 'partial', users: Record<string, string>) =>
      subscription?.onDocument.emit(
        roster(users)
          .replace('state="full" version="1"', `state="${state}" version="${version}"`)
          .replace('<users>', `<users state="${state}">`),
      );
    const people = () => Object.fromEntries(lab.messenger.chats.participants(group).map((one) => [one.address, one.state]));
    tell(1, 'full', { [lab.self]: 'connected', [bob]: 'connected', [carol]: 'alerting' });
    tell(2, 'partial', { [carol]: 'connected' });
    expect(people()).toEqual({ [lab.self]: 'connected', [bob]: 'connected', [carol]: 'connected' });
    tell(4, 'partial', { [bob]: 'disconnected' });
    tell(5, 'partial', { [bob]: 'connected' });
    expect(people()).toMatchObject({ [bob]: 'connected', [carol]: 'connected' });
    expect(subscription?.renewals).toBe(1);
    tell(6, 'full', { [lab.self]: 'connected', [bob]: 'disconnected', [carol]: 'connected' });
    expect(people()).toMatchObject({ [bob]: 'disconnected', [carol]: 'connected' });
    tell(8, 'partial', { [bob]: 'connected' });
    expect(subscription?.renewals).toBe(2);
  });

  it('grows through its focus, by people who are not in it', async () => {
    const { invite, group } = await joined();
    lab.subscriptions[0]?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: 'connected', [carol]: 'disconnected' }));
    expect(await lab.messenger.groups.addPeople(group, [carol, 'sip:dave@lab.test', bob], undefined)).toEqual({ conversation: group });
    expect(invite.referred).toEqual([carol, 'sip:dave@lab.test']);
    await expect(lab.messenger.groups.addPeople(group, [bob], undefined)).rejects.toThrow(AppError);
    expect(lab.invites).toHaveLength(0);
  });

  it('survives a document that is none', async () => {
    const { group } = await joined();
    lab.subscriptions[0]?.onDocument.emit('<!DOCTYPE x [<!ENTITY a "b">]><conference-info/>');
    expect(conversationOf(group)?.session).toBe('established');
  });

  it('R72: rejoins at the focus with the same Contribution-ID after an absence', async () => {
    const { invite, group } = await joined();
    invite.hangUp();
    expect(conversationOf(group)).toMatchObject({ session: 'ended', joined: true });
    lab.messenger.registered();
    await lab.settle();
    expect(lab.invites.at(-1)?.request).toMatchObject({ target: focus, contributionId: 'group-1' });
    lab.invites.at(-1)?.session.answer('passive', { contactUri: focus });
    await lab.settle();
    expect(conversationOf(group)?.session).toBe('established');
  });

  it('is come back to where the media never came, and where one has left it; who is not let in is told, and nothing has changed', async () => {
    const never = new FakeInvite({
      remote: remoteParty(focus, { isFocus: true, contactUri: focus }),
      headers: { contributionId: 'group-9', conversationId: 'group-conv-9', referredBy: bob },
    });
    never.withoutAck = true;
    lab.messenger.incoming.invite(never);
    await lab.settle();
    const group = lab.messenger.chats.all().find((one) => one.kind === 'group')?.conversation ?? '';
    expect(conversationOf(group)?.joined).toBe(false);

    const refused = expect(lab.messenger.groups.returning.comeBack(group)).rejects.toMatchObject({
      code: 'conversation/no-session',
      detail: { status: 403 },
    });
    await lab.settle();
    lab.invites.at(-1)?.session.refuse(403);
    await refused;
    expect(conversationOf(group)).toMatchObject({ joined: false, session: 'ended' });

    const lost = expect(lab.messenger.groups.returning.comeBack(group)).rejects.toMatchObject({ code: 'net/timeout' });
    await lab.settle();
    lab.invites.at(-1)?.session.fail(new AppError('net/timeout', {}, 'auto'));
    await lost;
    expect(conversationOf(group)).toMatchObject({ joined: false, session: 'ended' });

    const back = lab.messenger.groups.returning.comeBack(group);
    await lab.settle();
    expect(lab.invites.at(-1)?.request).toMatchObject({ target: focus, contributionId: 'group-9' });
    lab.invites.at(-1)?.session.answer('passive', { contactUri: focus });
    await back;
    expect(conversationOf(group)).toMatchObject({ joined: true, session: 'established' });
    await lab.messenger.chats.leave(group);
    const again = lab.messenger.groups.returning.comeBack(group);
    await lab.settle();
    lab.invites.at(-1)?.session.answer('passive', { contactUri: focus });
    await again;
    expect(conversationOf(group)).toMatchObject({ joined: true, session: 'established' });
  });

  it('moves to another focus only with one of its people: a stranger who uses its identity is refused, and it stays', async () => {
    const { group } = await joined();
    const elsewhere = 'sip:grp-2@cf.lab.test';
    const moved = (referredBy: string) =>
      new FakeInvite({
        remote: remoteParty(elsewhere, { isFocus: true, contactUri: elsewhere }),
        headers: { contributionId: 'group-1', conversationId: 'group-conv', referredBy },
      });
    const stolen = moved('sip:mallory@lab.test');
    lab.messenger.incoming.invite(stolen);
    await lab.settle();
    expect(stolen.rejected).toBe(480);
    expect(conversationOf(group)).toMatchObject({ session: 'established', joined: true });
    expect(lab.history.conversation(group)?.focus).toBe(focus);
    lab.messenger.incoming.invite(moved(carol));
    await lab.settle();
    expect(lab.history.conversation(group)?.focus).toBe(elsewhere);
  });

  it('is over when the network says so, or when one has left', async () => {
    const { invite, group } = await joined();
    invite.hangUp(410);
    expect(conversationOf(group)?.joined).toBe(false);
    lab.messenger.registered();
    await lab.settle();
    expect(lab.invites).toHaveLength(0);
    expect(() => lab.messenger.texts.send({ conversation: group }, 'x', 'session')).toThrow(/conversation\/no-session/);
    const again = await joined();
    await lab.messenger.chats.leave(again.group);
    expect(again.invite.byes).toEqual([{ cause: 200, text: 'Call completed' }]);
    expect(conversationOf(again.group)?.joined).toBe(false);
  });
});
