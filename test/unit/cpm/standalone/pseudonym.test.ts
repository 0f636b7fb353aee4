/** A name of one's own towards one person. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCpim } from '../../../../protocol/cpim';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const nameIn = (body: Uint8Array | undefined) => {
  const read = parseCpim(body ?? new Uint8Array());
  return read.ok ? read.value.fromName : 'unreadable';
};

describe('R97: a pseudonym towards one person', () => {
  it('is in From and in the envelope of every request of this chat, and of no other', async () => {
    const chat = lab.messenger.chats.open(bob);
    lab.messenger.chats.setPseudonym(chat, 'Raven');
    expect(lab.messenger.chats.one(chat).pseudonym).toBe('Raven');
    lab.messenger.texts.send({ conversation: chat }, 'as a pager message', 'pager');
    lab.messenger.texts.send({ to: carol }, 'by my own name', 'pager');
    await lab.settle();
    lab.messenger.texts.send({ conversation: chat }, 'in a session', 'session');
    await lab.settle();
    expect(lab.pagers.map(({ target, pseudonym, body }) => [target, pseudonym, nameIn(body)])).toEqual([
      [bob, 'Raven', 'Raven'],
      [carol, undefined, null],
    ]);
    const [invite] = lab.invites;
    expect([invite?.request.pseudonym, nameIn(invite?.request.parts?.[0]?.body)]).toEqual(['Raven', 'Raven']);
    expect(lab.messenger.chats.one(chat).last?.fromName).toBe('Raven');
  });

  it('ends a session that stands, so that no request goes on under the other name', async () => {
    const { conversation, invite } = await lab.talkTo(bob);
    lab.messenger.chats.setPseudonym(conversation, 'Raven');
    await lab.settle();
    expect(invite.session.byes).toHaveLength(1);
    lab.messenger.texts.send({ conversation }, 'again', 'session');
    await lab.settle();
    expect(lab.invites[1]?.request.pseudonym).toBe('Raven');
  });

  it('an invitation of theirs is answered without the name of this device', async () => {
    const chat = lab.messenger.chats.open(bob);
    const invited = async () => {
      const invite = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'k' } });
      lab.messenger.incoming.invite(invite);
      await lab.settle();
      invite.hangUp();
      return invite.namesDevice;
    };
    expect(await invited()).toBe(true);
    lab.messenger.chats.setPseudonym(chat, 'Raven');
    expect(await invited()).toBe(false);
  });

  it('goes over into the group that the chat becomes', async () => {
    const { conversation } = await lab.talkTo(bob);
    lab.messenger.chats.setPseudonym(conversation, 'Raven');
    const made = lab.messenger.groups.addPeople(conversation, [carol], undefined);
    await lab.settle();
    const request = lab.invites.at(-1)?.request;
    expect([request?.target, request?.pseudonym]).toEqual(['sip:conference-factory@lab.test', 'Raven']);
    lab.invites.at(-1)?.session.refuse(603);
    await expect(made).rejects.toThrow();
  });

  it('is taken back, and refused where no name is shown or nothing is left of it', async () => {
    const chat = lab.messenger.chats.open(bob);
    lab.messenger.chats.setPseudonym(chat, 'Raven');
    lab.messenger.chats.setPseudonym(chat, null);
    expect(lab.messenger.chats.one(chat)).not.toHaveProperty('pseudonym');
    const anonymous = lab.messenger.chats.open(bob, true);
    expect(() => lab.messenger.chats.setPseudonym(anonymous, 'Raven')).toThrow('ipc/refused');
    expect(() => lab.messenger.chats.setPseudonym(chat, '\u202e')).toThrow('ipc/refused');
  });
});
