import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textEnvelope } from '../../../main/cpm/conversation/envelope';
import { AppError } from '../../../preload/contract/errors';
import { parseCpim } from '../../../protocol/cpim';
import { createLab, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const nobody = 'sip:anonymous@anonymous.invalid';
const gruu = 'sip:tgruu.x7@lab.test;gr';

const envelope = (bytes: Uint8Array | undefined) => {
  const read = parseCpim(bytes ?? new Uint8Array());
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

const textOf = (id: string) => textEnvelope(record(id), { from: null, to: [] });

const pager = (id: string, conversationId: string, contact: string | null = null) => ({
  remote: remoteParty(nobody, { asserted: false, gruu: contact, instanceId: null, deviceName: null, displayName: 'Bob, believe me' }),
  headers: {
    conversationId,
    contributionId: `c-${id}`,
    inReplyTo: null,
    sessionReplaces: null,
    subject: null,
    calledAs: null,
    referredBy: null,
  },
  contentType: 'message/cpim',
  body: textOf(id),
  requestId: 'call 1 MESSAGE',
  icsis: [],
});

describe('a conversation in which the account hides', () => {
  it('R44: asks for an anonymous session and names nobody in its envelopes and receipts', async () => {
    const { conversation } = lab.messenger.texts.send({ to: bob, anonymous: true }, 'Guess', 'session');
    await lab.settle();
    const [first] = lab.invites;
    expect(first?.request).toMatchObject({ target: bob, anonymous: true });
    expect(envelope(first?.request.parts?.[0]?.body)).toMatchObject({ from: nobody, to: [nobody] });
    first?.session.answer('active', {});
    await lab.settle();
    await lab.media[0]?.deliver(textEnvelope({ ...record('r1'), from: bob }, { from: bob, to: [] }));
    await lab.settle();
    lab.messenger.texts.markDisplayed(conversation, 'r1');
    await lab.settle();
    const receipts = lab.media[0]?.sent.map((one) => one.body) ?? [];
    expect(receipts).toHaveLength(2);
    for (const receipt of receipts) expect(receipt).not.toContain('alice');
  });

  it('fails the message, with its reason, when something in it would tell', async () => {
    const { message } = lab.messenger.texts.send({ to: bob, anonymous: true }, 'Guess', 'session');
    await lab.settle();
    lab.invites[0]?.session.fail(new AppError('privacy/leak', { reason: 'device name' }, 'never'));
    await lab.settle();
    expect(lab.history.message(message)).toMatchObject({ state: 'failed', error: { code: 'privacy/leak', reason: 'device name' } });
  });
});

describe('the media of one who hides', () => {
  it('carries nothing that would tell, which a named session does not look for', async () => {
    const named = await lab.talkTo('sip:carol@lab.test');
    const { conversation } = lab.messenger.texts.send({ to: bob, anonymous: true }, 'Guess', 'session');
    await lab.settle();
    lab.invites.at(-1)?.session.answer('active', {});
    await lab.settle();
    lab.state.leak = new AppError('privacy/leak', { reason: 'address' }, 'never');
    const hidden = lab.messenger.texts.send({ conversation }, 'over the session', 'session').message;
    const open = lab.messenger.texts.send({ conversation: named.conversation }, 'over the other', 'session').message;
    await lab.settle();
    expect(lab.media.at(-1)?.sent).toEqual([]);
    expect(lab.history.message(hidden)).toMatchObject({ state: 'failed', error: { code: 'privacy/leak', reason: 'address' } });
    expect(lab.stateOf(open)).toBe('sent');
  });
});

describe('somebody who hides', () => {
  it('has a conversation of their own by the Conversation-ID, by no name they give themselves, and is answered where they last were', async () => {
    expect(await lab.messenger.incoming.pager(pager('m1', 'hidden-1'))).toBe(200);
    expect(await lab.messenger.incoming.pager(pager('m2', 'hidden-1', gruu))).toBe(200);
    expect(await lab.messenger.incoming.pager(pager('m3', 'hidden-2', 'sip:tgruu.other@lab.test;gr'))).toBe(200);
    const all = lab.messenger.chats.all();
    expect(all.map((one) => [one.anonymous, one.people.map((each) => each.name).join()])).toEqual([
      ['peer', 'Anonymous'],
      ['peer', 'Anonymous'],
    ]);
    const mine = all.find((one) => one.last?.text === 'm2');
    lab.messenger.texts.send({ conversation: mine?.conversation ?? '' }, 'Who are you', 'session');
    await lab.settle();
    expect(lab.invites.at(-1)?.request).toMatchObject({ target: gruu, conversationId: 'hidden-1' });
    expect(lab.invites.at(-1)?.request.anonymous).toBeUndefined();
    // The receipts went to the same place.
    expect(lab.pagers.at(-1)?.target).toMatch(/^sip:tgruu\./);
  });

  it('is no person of the named conversations, and a call to the own temporary GRUU comes into none of them', async () => {
    const named = lab.messenger.texts.send({ to: bob }, 'It is me', 'session').conversation;
    const hidden = lab.messenger.texts.send({ to: bob, anonymous: true }, 'Guess', 'session').conversation;
    const id = lab.history.conversation(hidden)?.conversationId ?? '';
    const call = { ...pager('m4', id), remote: remoteParty(bob), hides: true };
    expect(await lab.messenger.incoming.pager(call)).toBe(200);
    expect(await lab.messenger.incoming.pager({ ...pager('m5', 'unknown'), remote: remoteParty(bob), hides: true })).toBe(200);
    const where = (message: string) => lab.history.message(message, 'in')?.conversation;
    expect(where('m4')).toBe(hidden);
    expect(where('m5')).not.toBe(named);
    expect(lab.history.conversation(where('m5') ?? '')?.hides).toBe('self');
  });

  it('no group grows out of either kind', async () => {
    const { conversation } = lab.messenger.texts.send({ to: bob, anonymous: true }, 'Guess', 'session');
    await expect(lab.messenger.groups.addPeople(conversation, ['sip:carol@lab.test'], undefined)).rejects.toMatchObject({
      code: 'ipc/refused',
    });
  });
});

function record(id: string) {
  return {
    id,
    conversation: '',
    direction: 'out' as const,
    from: nobody,
    fromName: '',
    fromDevice: null,
    content: { kind: 'text' as const, text: id },
    state: 'sent' as const,
    sentAt: 1,
    receivedAt: null,
    error: null,
    wantsDelivered: true,
    wantsDisplayed: true,
  };
}
