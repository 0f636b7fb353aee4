/** A member who was off when she was added: in the same chat, invited again until she comes; and texts of a group that cannot be reached. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLab, FakeInvite, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const [bob, carol] = ['sip:bob@lab.test', 'sip:carol@lab.test'];
const focus = 'sip:group-1@lab.test';

function roster(states: Record<string, string>): string {
  const users = Object.entries(states).map(([entity, state]) => {
    const [status, how] = state.split('/');
    const method = how === undefined ? '' : `<disconnection-method>${how}</disconnection-method>`;
    return `<user entity="${entity}" state="full"><endpoint entity="${entity};gr=x"><status>${status}</status>${method}</endpoint></user>`;
  });
  return `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${focus}" state="full" version="1"><users>${users.join('')}</users></conference-info>`;
}

const tell = (carols: string | null) =>
  lab.subscriptions
    .at(-1)
    ?.onDocument.emit(roster({ [lab.self]: 'connected', [bob]: 'connected', ...(carols === null ? {} : { [carol]: carols }) }));

/** In a group with Bob, to which Carol, who is off, was added. */
async function added() {
  const invite = new FakeInvite({
    remote: remoteParty(focus, { isFocus: true, contactUri: `${focus};isfocus` }),
    headers: { contributionId: 'g1', conversationId: 'gc1', subject: 'Lunch', referredBy: bob },
  });
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  const group = lab.messenger.chats.all().find((one) => one.kind === 'group')?.conversation ?? '';
  tell(null);
  await lab.messenger.groups.addPeople(group, [carol]);
  tell('disconnected/failed');
  await lab.settle();
  return { invite, group };
}

const carolIn = (group: string) => lab.messenger.chats.participants(group).find(({ address }) => address === carol);
const peopleOf = (group: string) =>
  lab.messenger.chats
    .all()
    .find(({ conversation }) => conversation === group)
    ?.people.map(({ address }) => address);

describe('somebody who is off and is added to a group', () => {
  it('is a pending member of the same chat, and no failure', async () => {
    const { group } = await added();
    expect(carolIn(group)).toMatchObject({ state: 'pending', reason: null, awaited: true });
    expect(peopleOf(group)).toEqual([bob, carol]);
    expect(lab.messenger.chats.all().map((one) => one.conversation)).toEqual([group]);
  });

  it('is invited again with growing pauses, until the roster has her', async () => {
    const { invite, group } = await added();
    expect(invite.referred).toEqual([carol]);
    await lab.clock.advance(8 * 60_000);
    // After one minute, then one, two and four more, each a quarter more or less.
    expect(invite.referred.length).toBeGreaterThanOrEqual(3);
    expect(invite.referred.length).toBeLessThanOrEqual(5);
    tell('connected');
    await lab.settle();
    expect(carolIn(group)).toMatchObject({ state: 'connected' });
    expect(carolIn(group)?.awaited).toBeUndefined();
    const before = invite.referred.length;
    await lab.clock.advance(3 * 60 * 60_000);
    expect(invite.referred).toHaveLength(before);
    expect(lab.history.jobs()).toEqual([]);
  });

  it('is invited at once when she gives a sign of life, and not while she is being asked', async () => {
    const { invite } = await added();
    const write = () =>
      lab.messenger.incoming.pager(incomingPager(remoteParty(carol), 'text/plain', 'Hi', `call ${lab.clock.now()} MESSAGE`));
    await write();
    await lab.settle();
    expect(invite.referred).toEqual([carol, carol]);
    tell('alerting');
    await lab.clock.advance(1);
    await write();
    await lab.settle();
    expect(invite.referred).toEqual([carol, carol]);
  });

  it.each(['busy', 'booted', 'departed'])('is invited no more after the roster has said "%s"', async (reason) => {
    const { invite, group } = await added();
    tell(`disconnected/${reason}`);
    await lab.settle();
    expect(carolIn(group)).toMatchObject({ state: 'disconnected', reason });
    await lab.clock.advance(2 * 60 * 60_000);
    expect(invite.referred).toEqual([carol]);
  });

  it('is invited no more when she is removed here, or the group is over', async () => {
    const { invite, group } = await added();
    await lab.messenger.groups.requests.remove(group, carol);
    expect(lab.history.jobs()).toEqual([]);
    await lab.messenger.groups.addPeople(group, [carol]);
    invite.hangUp(410);
    await lab.settle();
    const before = invite.referred.length;
    await lab.clock.advance(2 * 60 * 60_000);
    expect([invite.referred.length, lab.history.jobs()]).toEqual([before, []]);
  });
});

describe('a text in a group whose server cannot be reached', () => {
  it('waits for the group, and leaves when the group is there again', async () => {
    const { invite, group } = await added();
    lab.messenger.groups.requests.remove(group, carol).catch(() => {});
    await lab.settle();
    invite.hangUp(503);
    await lab.settle();
    const { message } = lab.messenger.texts.send({ conversation: group }, 'Anybody?', 'session');
    await lab.settle();
    lab.invites.at(-1)?.session.refuse(480, 'Gone');
    await lab.settle();
    expect(lab.history.message(message)).toMatchObject({ state: 'queued', error: { waits: { for: 'group' } } });
    await lab.clock.advance(90_000);
    lab.invites.at(-1)?.session.answer('active', { isFocus: true });
    await lab.settle();
    expect(lab.stateOf(message)).toBe('sent');
  });
});
