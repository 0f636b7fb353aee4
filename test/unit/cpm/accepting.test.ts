/** When an invitation to a 1-1 session is answered, and with what it is refused. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusals } from '../../../main/cpm/conversation/refusals';
import { pagerAfterMs, pagerLimitBytes } from '../../../main/cpm/courier';
import { MAX_ASKED_EACH } from '../../../main/cpm/one-to-one/invitations';
import { MAX_SESSIONS, STRANGER_PLACES } from '../../../main/cpm/one-to-one/places';
import { longestPauseMs } from '../../../main/cpm/outbox/remedy';
import { AppError } from '../../../preload/contract/errors';
import { createLab, FakeInvite, type Lab, remoteParty } from '../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';

const envelope = (id: string, text: string) =>
  `From: <${bob}>\r\nTo: <${lab.self}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ${id}\r\nDateTime: 2026-01-01T00:00:00Z\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\nContent-Type: text/plain\r\n\r\n${text}`;

function invitation(contributionId: string, first: string | null = `text of ${contributionId}`, from = bob): FakeInvite {
  const body = first === null ? null : new TextEncoder().encode(envelope(`m-${contributionId}`, first));
  return new FakeInvite({
    remote: remoteParty(from),
    headers: { contributionId, conversationId: `conversation of ${from}` },
    parts: body === null ? [] : [{ contentType: 'message/cpim', headers: new Map(), body }],
  });
}

async function receive(invite: FakeInvite): Promise<string> {
  lab.messenger.incoming.invite(invite);
  await lab.settle();
  return lab.messenger.chats.all()[0]?.conversation ?? '';
}

const sessionOf = (id: string) => lab.messenger.chats.all().find((one) => one.conversation === id)?.session;

describe('an invitation', () => {
  it.each(['auto', 'open', 'reply', 'ask'] as const)(
    'answered by preference "%s" has its first message kept, shown and acknowledged first',
    async (accept) => {
      lab.setPreferences({ accept });
      const invite = invitation('k1');
      const conversation = await receive(invite);
      expect(lab.messenger.chats.messages(conversation, {}, 9).map((one) => one.text)).toEqual(['text of k1']);
      const receipts = [
        ...lab.pagers.map((one) => new TextDecoder().decode(one.body)),
        ...lab.media.flatMap((one) => one.sent.map((sent) => sent.body)),
      ];
      expect(receipts.filter((body) => body.includes('<delivered/>'))).toHaveLength(1);
      expect(invite.accepted === null).toBe(accept !== 'auto');
      expect(invite.rang).toBe(accept === 'auto' ? 0 : 1);
    },
  );

  it('waits for the chat to be opened', async () => {
    lab.setPreferences({ accept: 'open' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    expect([sessionOf(conversation), invite.state]).toEqual(['pending', 'incoming']);
    lab.messenger.chats.open(bob);
    await lab.settle();
    expect([sessionOf(conversation), invite.state]).toEqual(['established', 'established']);
  });

  it('waits for what was said to be seen', async () => {
    lab.setPreferences({ accept: 'open' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    lab.messenger.texts.markDisplayed(conversation, 'm-k1');
    await lab.settle();
    expect(invite.state).toBe('established');
  });

  it('waits for a reply: opening is none, typing is one', async () => {
    lab.setPreferences({ accept: 'reply' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    lab.messenger.chats.open(bob);
    lab.messenger.texts.markDisplayed(conversation, 'm-k1');
    await lab.settle();
    expect(invite.state).toBe('incoming');
    lab.messenger.texts.composing(conversation, true);
    await lab.settle();
    expect(invite.state).toBe('established');
  });

  it('is answered by the text that replies to it, which goes over its session and makes no other', async () => {
    lab.setPreferences({ accept: 'reply' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    const { message } = lab.messenger.texts.send({ conversation }, 'here I am', 'session');
    await lab.settle();
    expect([invite.state, lab.stateOf(message), lab.invites.length]).toEqual(['established', 'sent', 0]);
    expect(lab.media.at(-1)?.sent.filter((one) => one.body.includes('here I am'))).toHaveLength(1);
  });

  it('that waits for the person’s word is answered by a text to its sender, which opens no second session', async () => {
    lab.setPreferences({ accept: 'ask' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    expect(sessionOf(conversation)).toBe('none');
    const { message } = lab.messenger.texts.send({ conversation }, 'here I am', 'session');
    await lab.settle();
    expect([invite.state, lab.stateOf(message), lab.invites.length]).toEqual(['established', 'sent', 0]);
    expect(lab.messenger.invitations.list()).toEqual([]);
    expect(lab.events.filter((one) => one.event === 'invitationEnded')).toMatchObject([{ why: 'answered' }]);
  });

  it.each(['open', 'reply', 'ask'] as const)('that waits ("%s") is refused with 480 when the account signs out', async (accept) => {
    lab.setPreferences({ accept });
    const invite = invitation('k1');
    await receive(invite);
    await lab.messenger.close();
    expect(invite.rejected).toBe(480);
  });

  it('that is withdrawn while it waits leaves its message, and the reply makes a session of its own', async () => {
    lab.setPreferences({ accept: 'reply' });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    invite.hangUp();
    expect(sessionOf(conversation)).toBe('none');
    lab.messenger.texts.send({ conversation }, 'too late', 'session');
    await lab.settle();
    expect(lab.invites).toHaveLength(1);
  });

  it('that waits gives way to a newer one of the same person', async () => {
    lab.setPreferences({ accept: 'open' });
    const [first, second] = [invitation('k1'), invitation('k2')];
    await receive(first);
    const conversation = await receive(second);
    expect([first.rejected, second.state]).toEqual([refusals.superseded, 'incoming']);
    lab.messenger.chats.open(bob);
    await lab.settle();
    expect([second.state, sessionOf(conversation)]).toEqual(['established', 'established']);
  });

  it.each([false, true])(
    'of ours that nobody has answered is not repeated for a text whose receipt has come; it has rung: %s',
    async (rings) => {
      const { message } = lab.messenger.texts.send({ to: bob }, 'read me', 'session');
      await lab.settle();
      if (rings) lab.invites[0]?.session.become('ringing');
      await hearReceipt(message);
      lab.invites[0]?.session.refuse(486);
      await lab.clock.advance(120_000);
      expect([lab.stateOf(message), lab.invites.length, lab.pagers.length]).toEqual(['delivered', 1, 0]);
    },
  );
});

const receiptFor = (message: string, disposition = 'delivered') =>
  `From: <${bob}>\r\nTo: <${lab.self}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: r-${message}\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>${message}</message-id><datetime>2026-01-01T00:00:00Z</datetime><delivery-notification><status><${disposition}/></status></delivery-notification></imdn>`;

function hearReceipt(message: string, disposition?: string): Promise<number> {
  return lab.messenger.incoming.pager({
    remote: remoteParty(bob),
    headers: invitation('r').headers,
    contentType: 'message/cpim',
    body: new TextEncoder().encode(receiptFor(message, disposition)),
    requestId: 'call 1 MESSAGE',
    icsis: [],
    hides: false,
  });
}

describe('an own invitation that nobody answers yet', () => {
  const write = (text: string) => lab.messenger.texts.send({ to: bob }, text, 'session').message;
  const pagerTexts = () => lab.pagers.map((one) => new TextDecoder().decode(one.body).split('\r\n').at(-1));

  it.each([
    ['its receipt', 'delivered'],
    ['the ringing of a device, where nobody tells receipts', 'sent'],
  ])('lets the next texts go as pager messages once its own is known to be there by %s, in order', async (_, state) => {
    const told = { delivered: state === 'delivered', displayed: state === 'delivered' };
    lab.setPreferences({ receipts: told });
    const [first, second, third] = [write('one'), write('two'), write('three')];
    await lab.settle();
    // Nothing is known to be anywhere yet.
    await lab.clock.advance(2 * pagerAfterMs);
    expect([lab.stateOf(first), pagerTexts()]).toEqual(['sending', []]);
    if (state === 'delivered') await hearReceipt(first);
    else lab.invites[0]?.session.become('ringing');
    await lab.clock.advance(1);
    expect([lab.stateOf(first), lab.stateOf(second), lab.stateOf(third)]).toEqual([state, 'sent', 'sent']);
    expect(pagerTexts()).toEqual(['two', 'three']);
    expect(lab.pagers.map((one) => one.conversationId)).toEqual(Array(2).fill(lab.invites[0]?.request.conversationId));
    expect(new Set([...lab.pagers, ...lab.invites.map((one) => one.request)].map((one) => one.contributionId)).size).toBe(3);
  });

  it('has the next text wait a moment for the answer, which brings it over the session', async () => {
    const [first, second] = [write('one'), write('two')];
    await lab.settle();
    await hearReceipt(first);
    await lab.clock.advance(pagerAfterMs - 1);
    expect([lab.stateOf(second), pagerTexts()]).toEqual(['sending', []]);
    lab.invites[0]?.session.answer();
    await lab.settle();
    await lab.clock.advance(2);
    expect([lab.stateOf(second), pagerTexts()]).toEqual(['sent', []]);
    expect(lab.media.at(-1)?.sent.map((one) => one.body.split('\r\n').at(-1))).toEqual(['two']);
  });

  it('rings for a while before the next text goes past it: who answers soon gets it over the session', async () => {
    const [first, second] = [write('one'), write('two')];
    await lab.settle();
    lab.invites[0]?.session.become('ringing');
    await lab.clock.advance(pagerAfterMs - 1);
    expect([lab.stateOf(first), lab.stateOf(second), pagerTexts()]).toEqual(['sending', 'queued', []]);
    lab.invites[0]?.session.answer();
    await lab.clock.advance(60_000);
    expect([lab.stateOf(first), lab.stateOf(second), pagerTexts()]).toEqual(['sent', 'sent', []]);
  });

  it.each([
    ['answered', 'sent', [], 0],
    ['refused after it has rung', 'sent', ['one'], 0],
    ['refused for good', 'failed', [], 0],
    ['lost', 'sent', [], 1],
  ] as const)('keeps the job of its own text until it is %s', async (end, state, repeated, anew) => {
    const [first] = [write('one'), write('two')];
    await lab.settle();
    lab.invites[0]?.session.become('ringing');
    await lab.clock.advance(pagerAfterMs);
    expect([lab.stateOf(first), pagerTexts(), lab.history.jobs().map((job) => job.message)]).toEqual(['sent', ['two'], [first]]);
    const session = lab.invites[0]?.session;
    if (end === 'answered') session?.answer();
    else if (end === 'lost') session?.fail(new AppError('net/timeout', {}, 'auto'));
    else session?.refuse(end === 'refused for good' ? 603 : 486);
    await lab.clock.advance(longestPauseMs);
    for (const { session: again } of lab.invites.slice(1)) again.answer();
    await lab.settle();
    expect([lab.stateOf(first), pagerTexts().slice(1), lab.invites.length - 1]).toEqual([state, repeated, anew]);
    expect(lab.history.jobs()).toEqual([]);
    const last = write('three');
    await lab.settle();
    lab.invites.at(-1)?.session.answer();
    await lab.settle();
    expect(lab.stateOf(last)).toBe('sent');
  });

  it('keeps a text that is too long for a pager message until there is a session', async () => {
    const [first, long] = [write('one'), write('x'.repeat(pagerLimitBytes))];
    await lab.settle();
    await hearReceipt(first);
    await lab.clock.advance(60_000);
    expect([lab.stateOf(long), pagerTexts()]).toEqual(['sending', []]);
    lab.invites[0]?.session.answer();
    await lab.settle();
    expect(lab.stateOf(long)).toBe('sent');
  });

  it('says whether it is still looking for a device or rings at one', async () => {
    write('one');
    await lab.settle();
    const pending = () => lab.messenger.chats.all()[0]?.pending;
    expect(pending()).toBe('reaching');
    lab.events.length = 0;
    lab.invites[0]?.session.become('ringing');
    expect([pending(), lab.events.at(-1)]).toMatchObject(['ringing', { event: 'conversation', pending: 'ringing' }]);
    lab.invites[0]?.session.answer();
    await lab.settle();
    expect(pending()).toBeNull();
  });
});

describe('a change of the preference while an invitation waits', () => {
  it.each(['open', 'reply', 'ask'] as const)('from "%s" to "auto" answers it', async (before) => {
    lab.setPreferences({ accept: before });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    lab.setPreferences({ accept: 'auto' });
    lab.messenger.preferencesChanged();
    await lab.settle();
    expect([invite.state, sessionOf(conversation), lab.messenger.invitations.list()]).toEqual(['established', 'established', []]);
  });

  it('from "reply" to "open" has it answered when the chat is opened; to "ask" has it asked about', async () => {
    lab.setPreferences({ accept: 'reply' });
    const [bobs, carols] = [invitation('k1'), invitation('k2', 'hi', 'sip:carol@lab.test')];
    await receive(bobs);
    await receive(carols);
    lab.setPreferences({ accept: 'open' });
    lab.messenger.preferencesChanged();
    expect(lab.messenger.chats.all().map((one) => one.pending)).toEqual(['open', 'open']);
    lab.messenger.chats.open(bob);
    await lab.settle();
    expect([bobs.state, carols.state]).toEqual(['established', 'incoming']);
    lab.setPreferences({ accept: 'ask' });
    lab.messenger.preferencesChanged();
    const [asked, ...more] = lab.messenger.invitations.list();
    expect([asked?.from.address, more]).toEqual(['sip:carol@lab.test', []]);
    await lab.messenger.invitations.answer(asked?.invitation ?? '', true, false);
    expect(carols.state).toBe('established');
  });
});

describe('an invitation that another device has answered', () => {
  it.each(['open', 'reply', 'ask'] as const)('says so, also where it waited for "%s"', async (accept) => {
    lab.setPreferences({ accept });
    const invite = invitation('k1');
    const conversation = await receive(invite);
    invite.hangUp(200);
    expect(lab.events.filter((one) => one.event === 'invitationEnded')).toMatchObject([{ why: 'elsewhere', from: { address: bob } }]);
    expect(sessionOf(conversation)).toBe('none');
  });

  it('is told from one that was taken back, of which only a question says anything', async () => {
    lab.setPreferences({ accept: 'open' });
    const invite = invitation('k1');
    await receive(invite);
    invite.hangUp();
    expect(lab.events.filter((one) => one.event === 'invitationEnded')).toEqual([]);
  });
});

describe('both invite at once', () => {
  it.each([
    { theirs: '0', rejected: null, texts: ['mine', 'theirs'] },
    { theirs: 'z', rejected: refusals.glare, texts: ['mine', 'theirs'] },
  ])('with a first message each: Contribution-ID $theirs; nothing is lost', async ({ theirs, rejected, texts }) => {
    const { conversation, message } = lab.messenger.texts.send({ to: bob }, 'mine', 'session');
    await lab.settle();
    const invite = invitation(theirs, 'theirs');
    await receive(invite);
    expect(invite.rejected).toBe(rejected);
    if (rejected !== null) lab.invites[0]?.session.answer();
    await lab.settle();
    await lab.clock.advance(5_000);
    expect(lab.stateOf(message)).toBe('sent');
    expect(
      lab.messenger.chats
        .messages(conversation, {}, 9)
        .map((one) => one.text)
        .sort(),
    ).toEqual(texts);
    expect(sessionOf(conversation)).toBe('established');
  });
});

describe('the status that refuses an invitation', () => {
  const refusedWith = async (invite: FakeInvite) => {
    await receive(invite);
    return invite.rejected;
  };

  it('is 606 without SDP', async () => {
    const invite = invitation('k1');
    Object.assign(invite, { sdp: null });
    expect(await refusedWith(invite)).toBe(606);
    expect(lab.messenger.chats.all()).toEqual([]);
  });

  it('is 488 for SDP without MSRP', async () => {
    const invite = invitation('k1');
    Object.assign(invite, { sdp: 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nm=audio 7394 RTP/AVP 0\r\n' });
    expect(await refusedWith(invite)).toBe(488);
    expect(lab.messenger.chats.all()).toEqual([]);
  });

  it('is 400 for a first message that cannot be read', async () => {
    const body = new TextEncoder().encode('nonsense');
    const invite = new FakeInvite({
      remote: remoteParty(bob),
      headers: { contributionId: 'k1', conversationId: 'c1' },
      parts: [{ contentType: 'message/cpim', headers: new Map(), body }],
    });
    expect(await refusedWith(invite)).toBe(400);
  });

  it.each(['auto', 'open', 'ask'] as const)(
    'is 486 when strangers have all the places that are theirs ("%s"); known people come in',
    async (accept) => {
      lab.setPreferences({ accept });
      lab.messenger.texts.send({ to: bob }, 'Hello', 'pager');
      const nobody = remoteParty('sip:anonymous@anonymous.invalid', { asserted: false, displayName: null });
      for (let count = 0; count < STRANGER_PLACES; count += 1) {
        const each = invitation(`k${count}`, null, `sip:p${count}@lab.test`);
        // Questions of the anonymous are few: MAX_ASKED_EACH.
        if (accept !== 'ask' && count % 2 === 1) Object.assign(each, { remote: { ...nobody, gruu: `sip:tgruu.${count}@lab.test;gr` } });
        each.headers.conversationId = `conv-${count}`;
        await receive(each);
      }
      const chats = lab.messenger.chats.all().length;
      for (const address of ['sip:last@lab.test', 'sip:anonymous@anonymous.invalid'])
        expect(await refusedWith(invitation('last', 'one too many', address))).toBe(486);
      expect(lab.messenger.chats.all()).toHaveLength(chats);
      const known = invitation('known', 'Hello', bob);
      await receive(known);
      expect(known.rejected).toBeNull();
    },
  );

  it('is 486 where known people have all places, too', async () => {
    lab.setPreferences({ accept: 'auto' });
    for (let count = 0; count < MAX_SESSIONS; count += 1) {
      lab.messenger.texts.send({ to: `sip:p${count}@lab.test` }, 'Hello', 'pager');
      await receive(invitation(`k${count}`, null, `sip:p${count}@lab.test`));
    }
    lab.messenger.texts.send({ to: bob }, 'Hello', 'pager');
    expect(await refusedWith(invitation('last', 'one too many', bob))).toBe(486);
  });

  it('is 486 for one inviter who asks more than MAX_ASKED_EACH questions', async () => {
    lab.setPreferences({ accept: 'ask' });
    const focus = (count: number) => `sip:grp-${count}@cf.lab.test`;
    const group = (count: number, referredBy: string) =>
      new FakeInvite({
        remote: remoteParty(focus(count), { isFocus: true, contactUri: focus(count) }),
        headers: { contributionId: `group-${count}`, conversationId: `conv-${count}`, referredBy },
      });
    for (let count = 0; count < MAX_ASKED_EACH; count += 1) await receive(group(count, 'sip:mallory@lab.test'));
    expect(await refusedWith(group(90, 'sip:mallory@lab.test'))).toBe(486);
    const other = group(91, bob);
    await receive(other);
    expect(other.rejected).toBeNull();
  });

  it('is a 6xx only where the person says "everywhere", and where the invitation could suit no device', () => {
    const six = Object.entries(refusals).filter(([, status]) => status >= 600);
    expect(six.map(([cause]) => cause)).toEqual(['declinedEverywhere', 'noOffer']);
  });
});
