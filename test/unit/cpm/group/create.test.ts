/** A group is wanted while nobody is there, or no network: it waits with its people and texts, and comes about when somebody comes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../../preload/contract/errors';
import { parseResourceLists } from '../../../../protocol/resource-lists';
import { createLab, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const [bob, carol] = ['sip:bob@lab.test', 'sip:carol@lab.test'];
const focus = 'sip:grp-1@cf.lab.test';
const factory = 'sip:conference-factory@lab.test';

const groups = () => lab.messenger.chats.all().filter((one) => one.kind === 'group');
const requests = () => lab.invites.filter(({ request }) => request.target === factory);
const last = () => requests().at(-1) ?? expect.unreachable('no group was asked for');
const answer = () => last().session.answer('passive', { contactUri: focus });

/** The entries of the last request for a group. */
function entries(): string[] {
  const body = last().request.parts?.find((part) => part.contentType === 'application/resource-lists+xml')?.body;
  const list = parseResourceLists(new TextDecoder().decode(body));
  return list.ok ? list.value.map(({ uri }) => uri) : [];
}

/** Alice wants a group with Bob, whom she is talking to, and Carol. */
async function wanting() {
  const { conversation, invite, media } = await lab.talkTo(bob);
  const adding = lab.messenger.groups.addPeople(conversation, [carol], 'Lunch');
  adding.catch(() => {});
  await lab.settle();
  return { conversation, invite, media, adding };
}

describe('a group for which nobody is there', () => {
  it('is a chat with its people, who have not come yet, and takes texts', async () => {
    const { adding } = await wanting();
    last().session.refuse(480);
    const { conversation: group } = await adding;
    expect(groups()).toMatchObject([{ conversation: group, subject: 'Lunch', joined: true }]);
    expect(groups()[0]?.people.map(({ address }) => address)).toEqual([bob, carol]);
    expect(lab.participants(group)).toEqual(['pending', 'pending', 'pending']);
    const { message } = lab.messenger.texts.send({ conversation: group }, 'At noon?', 'session');
    await lab.settle();
    last().session.refuse(480);
    await lab.settle();
    expect(lab.history.message(message)).toMatchObject({ state: 'queued', error: { waits: { for: 'group' } } });
  });

  it('R51 R52: is asked for again after a minute or so, as the same group, with the mark of the 1-1 that stands', async () => {
    const { conversation, adding, invite } = await wanting();
    const { contributionId } = last().request;
    last().session.refuse(480);
    const { conversation: group } = await adding;
    const { message } = lab.messenger.texts.send({ conversation: group }, 'At noon?', 'session');
    await lab.settle();
    last().session.refuse(480);
    await lab.clock.advance(40_000);
    expect(requests()).toHaveLength(2);
    await lab.clock.advance(50_000);
    expect(requests().length).toBeGreaterThan(2);
    expect(last().request.contributionId).toBe(contributionId);
    expect(entries()[0]).toContain(`Session-Replaces=${invite.request.contributionId}`);
    answer();
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
    invite.session.hangUp(200);
    expect(lab.messenger.chats.one(conversation)).toMatchObject({ session: 'replaced', continuedBy: group });
    expect(groups()).toMatchObject([{ conversation: group, session: 'established' }]);
  });

  it('is asked for at once when one of its people gives a sign of life', async () => {
    const { adding } = await wanting();
    last().session.refuse(480);
    await adding;
    await lab.messenger.incoming.pager(incomingPager(remoteParty(carol), 'text/plain', 'Back', 'call 1 MESSAGE'));
    await lab.settle();
    expect(requests()).toHaveLength(2);
    answer();
    await lab.settle();
    expect(groups()).toMatchObject([{ session: 'established' }]);
  });

  it('is asked for no more after the person has left it', async () => {
    const { adding } = await wanting();
    last().session.refuse(480);
    await lab.messenger.chats.leave((await adding).conversation);
    await lab.clock.advance(3 * 60 * 60_000);
    expect(requests()).toHaveLength(1);
  });

  it('is only there once it is answered, or waits: while people are being asked, no chat shows', async () => {
    const { adding } = await wanting();
    expect(groups()).toEqual([]);
    last().session.refuse(603);
    await expect(adding).rejects.toThrow('group/nobody-joined');
    expect(groups()).toEqual([]);
    expect(lab.history.conversations().map(({ kind }) => kind)).toEqual(['oneToOne']);
  });
});

describe('a group that is wanted without a network', () => {
  it('is asked for as soon as the account is registered', async () => {
    const { conversation } = await lab.talkTo(bob);
    lab.state.registered = false;
    const { conversation: group } = await lab.messenger.groups.addPeople(conversation, [carol], 'Lunch');
    expect(requests()).toHaveLength(0);
    lab.state.registered = true;
    lab.messenger.registered();
    await lab.settle();
    answer();
    await lab.settle();
    expect(groups()).toMatchObject([{ conversation: group, session: 'established' }]);
  });

  it('is asked for again within seconds when its server did not answer', async () => {
    const { adding } = await wanting();
    last().session.fail(new AppError('net/timeout', { cause: 'no answer' }, 'auto'));
    await adding;
    await lab.clock.advance(3_000);
    expect(requests()).toHaveLength(2);
  });
});

describe('a device that dies while it asks for a group', () => {
  it('asks again when it comes back, and shows the group when it stands', async () => {
    await wanting();
    const { contributionId } = last().request;
    lab.stop();
    lab = createLab({ after: lab });
    expect(groups()).toEqual([]);
    lab.messenger.registered();
    await lab.settle();
    expect(last().request.contributionId).toBe(contributionId);
    expect(entries()).toEqual([bob, carol]);
    answer();
    await lab.settle();
    expect(groups()).toMatchObject([{ session: 'established', subject: 'Lunch' }]);
  });

  it('forgets the group where somebody has declined since', async () => {
    await wanting();
    lab.stop();
    lab = createLab({ after: lab });
    lab.messenger.registered();
    await lab.settle();
    last().session.refuse(603);
    await lab.settle();
    expect(lab.history.conversations().map(({ kind }) => kind)).toEqual(['oneToOne']);
  });
});
