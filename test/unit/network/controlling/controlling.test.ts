import { describe, expect, it } from 'vitest';
import { MAX_CHANGES_KEPT, spacingFor, UNPACED_WATCHERS } from '../../../../network/controlling/conference-events';
import { CLOSING_GRACE_MS } from '../../../../network/controlling/focus';
import { MAX_PARTICIPANTS } from '../../../../network/controlling/group';
import { INVITATION_TIMEOUT_MS } from '../../../../network/controlling/inviting';
import { MEDIA_RETURN_MS } from '../../../../network/controlling/leg';
import { MAX_HELD_MESSAGES } from '../../../../network/controlling/post';
import { uriOf } from '../../../../network/sip/header-value';
import { responseTo, type SipResponse } from '../../../../network/sip/message';
import { CONFERENCE_INFO_CONTENT_TYPE } from '../../../../protocol/conference-info';
import { acceptContact, ICSI } from '../../../../protocol/feature-tags';
import { parseSdp } from '../../../../protocol/sdp';
import {
  alice,
  BOB_ENTRY,
  BOB_GRUU,
  BOB_INSTANCE,
  cpim,
  creation,
  documentOf,
  fixture,
  groupData,
  leave,
  listXml,
  parsedCpim,
  partOf,
  personOf,
  requestFrom,
  rosterOf,
  sdp,
  standing,
  text,
  utf8,
} from '../../../support/doubles/controlling-lab';
import { settle } from '../../../support/doubles/network-doubles';
import { faultsOf } from '../../../support/schemas/validate';

describe('the Controlling Function makes a group', () => {
  it('R54 R67 R72: mints a focus that cannot be guessed, rings with isfocus, and invites each entry once, never the inviter', async () => {
    const { send, invites } = fixture();
    const { provisional } = await send(creation(['sip:bob@lab.test', 'sip:carol@LAB.test', BOB_GRUU, alice]));
    const contact = provisional.at(-1)?.get('contact') ?? '';
    expect(contact).toMatch(
      /^<sip:grp-[0-9a-f]{24}@cf\.lab\.test>;isfocus;\+g\.3gpp\.icsi-ref="urn%3Aurn-7%3A3gpp-service\.ims\.icsi\.oma\.cpm\.session\.group"$/,
    );
    expect([...invites.keys()].sort()).toEqual(['bob', 'carol']);
    const other = await send(creation(['sip:bob@lab.test']));
    expect(other.provisional.at(-1)?.get('contact')).not.toBe(contact);
  });

  it('R55 R63: puts the replace mark and the device into the invitation of that person and removes both from what others read', async () => {
    const { send, invites } = fixture();
    await send(creation([BOB_ENTRY, 'sip:carol@lab.test']));
    const bob = invites.get('bob')?.request;
    const carol = invites.get('carol')?.request;
    expect(bob?.uri).toBe(BOB_GRUU);
    expect(bob?.get('session-replaces')).toBe('one-to-one-1');
    expect(bob?.all('accept-contact')).toEqual([
      '*;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group"',
      `*;+sip.instance="<${BOB_INSTANCE}>";require;explicit`,
    ]);
    expect(carol?.uri).toBe('sip:carol@lab.test');
    expect(carol?.has('session-replaces')).toBe(false);
    expect(carol?.all('accept-contact')).toHaveLength(1);
    for (const invite of [bob, carol]) {
      const focus = uriOf(invite?.get('contact') ?? '');
      expect(invite?.get('contact')).toContain(';isfocus');
      expect(uriOf(invite?.get('from') ?? '')).toBe(focus);
      expect(invite?.get('p-asserted-identity')).toBe(`<${focus}>`);
      expect(uriOf(invite?.get('referred-by') ?? '')).toBe(alice);
      expect(invite?.get('subject')).toBe('Lunch');
      expect(invite?.get('contribution-id')).toBe('group-1');
      expect(invite?.get('conversation-id')).toBe('conversation-1');
      if (invite === undefined) continue;
      const history = text(partOf(invite, 'application/resource-lists+xml'));
      expect(history).toContain('sip:bob@lab.test');
      expect(history).toContain('sip:carol@lab.test');
      expect(history).not.toMatch(/replaces|gr=|bbbbbbbb|method=/i);
      expect(text(invite.body)).toContain('recipient-list-history;handling=optional');
      expect(parseSdp(text(partOf(invite, 'application/sdp')))).toMatchObject({ ok: true, value: { setup: 'actpass' } });
    }
  });

  it('passes a replace mark in the form of a dialog on as Replaces', async () => {
    const { send, invites } = fixture();
    await send(
      creation([
        'sip:bob@lab.test?Call-ID=1a&amp;From=sip%3Aalice%40lab.test%3Btag%3Da1&amp;To=sip%3Abob%40lab.test%3Btag%3Db1',
        'sip:carol@lab.test',
      ]),
    );
    expect(invites.get('bob')?.request.get('replaces')).toMatch(/^1a;(?=.*to-tag=b1)(?=.*from-tag=a1)/);
    expect(invites.get('carol')?.request.has('replaces')).toBe(false);
  });

  it('a person invited in secret (bcc) is invited, and no invitation names them', async () => {
    const { send, invites } = fixture();
    const request = creation(['sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test']);
    const secret = '<entry uri="sip:dave@lab.test" cp:copyControl="';
    request.setBody(request.get('content-type') ?? '', request.text.replace(`${secret}to`, `${secret}bcc`));
    await send(request);
    expect([...invites.keys()].sort()).toEqual(['bob', 'carol', 'dave']);
    for (const name of ['bob', 'carol', 'dave']) {
      const body = invites.get(name)?.request.text ?? '';
      expect(body).toContain('sip:carol@lab.test');
      expect(body).not.toContain('sip:dave@lab.test');
    }
  });

  it('R65: tells the inviter 200 as soon as one has accepted, whoever it is, and nothing before', async () => {
    const { send, answer, acks } = fixture();
    const { client, provisional } = await send(creation(['sip:bob@lab.test', 'sip:carol@lab.test']));
    await answer('bob', 180);
    expect(client.state).toBe('proceeding');
    expect(provisional.every((response) => response.status < 200)).toBe(true);
    await answer('carol', 200);
    const response = await client.final;
    expect(response.status).toBe(200);
    expect(response.get('contact')).toContain(';isfocus');
    expect(response.get('contribution-id')).toBe('group-1');
    expect(parseSdp(response.text)).toMatchObject({ ok: true, value: { setup: 'passive' } });
    expect(acks).toHaveLength(1);
  });

  it('R61 R69: one refuses, another accepts: the group has those who accepted, and the document shows each outcome', async () => {
    const { send, answer, final, subscribe, notifies } = fixture();
    const { client } = await send(creation(['sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test']));
    await answer('bob', 486);
    await answer('dave', 404);
    await answer('carol', 200);
    const focus = uriOf((await client.final).get('contact') ?? '');
    expect((await final(subscribe('alice', focus))).status).toBe(200);
    expect(rosterOf(notifies.at(-1))).toEqual({
      alice: 'connected',
      bob: 'disconnected/busy',
      carol: 'connected',
      dave: 'disconnected/failed',
    });
    expect(documentOf(notifies.at(-1)).userCount).toBe(2);
  });

  it('R68: reaches the same result for any order of the answers', async () => {
    const rosters: unknown[] = [];
    for (const order of [
      ['bob', 'carol'],
      ['carol', 'bob'],
    ]) {
      const { send, answer, final, subscribe, notifies } = fixture();
      const { client } = await send(creation([BOB_ENTRY, 'sip:carol@lab.test']));
      for (const name of order) await answer(name, 200);
      const focus = uriOf((await client.final).get('contact') ?? '');
      await final(subscribe('alice', focus));
      rosters.push(rosterOf(notifies.at(-1)));
    }
    expect(rosters[0]).toEqual({ alice: 'connected', bob: 'connected', carol: 'connected' });
    expect(rosters[1]).toEqual(rosters[0]);
  });

  it('answers 603 when all declined everywhere, 486 when anybody declined, and 480 when nobody was there', async () => {
    for (const [statuses, expected] of [
      [[603, 603], 603],
      [[603, 486], 486],
      [[480, 486], 486],
      [[603, 480], 486],
      [[480, 408], 480],
      [[480, 404], 480],
    ] as const) {
      const { send, answer, cf } = fixture();
      const { client } = await send(creation(['sip:bob@lab.test', 'sip:carol@lab.test']));
      await answer('bob', statuses[0]);
      expect(client.state).toBe('proceeding');
      await answer('carol', statuses[1]);
      expect((await client.final).status).toBe(expected);
      expect(cf.groups().map((group) => group.active)).toEqual([false]);
    }
  });

  it('gives up on a person who does not answer within INVITATION_TIMEOUT_MS', async () => {
    const { clock, send, cancelled } = fixture();
    const { client } = await send(creation(['sip:bob@lab.test']));
    clock.advance(INVITATION_TIMEOUT_MS - 1);
    await settle();
    expect(cancelled).toEqual([]);
    clock.advance(1);
    await settle();
    expect(cancelled).toEqual(['bob']);
    expect((await client.final).status).toBe(480);
  });

  it('a CANCEL of the inviter stops every invitation', async () => {
    const { send, cancelled } = fixture();
    const { client } = await send(creation(['sip:bob@lab.test', 'sip:carol@lab.test']));
    client.cancel();
    await settle();
    expect(cancelled.sort()).toEqual(['bob', 'carol']);
    expect((await client.final).status).toBe(487);
  });

  it('sends BYE to a person who accepts after the group was given up', async () => {
    const { send, answer, invites, byes } = fixture();
    const { client } = await send(creation(['sip:bob@lab.test']));
    const bob = invites.get('bob');
    if (bob !== undefined) bob.onCancel = () => undefined;
    client.cancel();
    await settle();
    await answer('bob', 200);
    expect(byes).toHaveLength(1);
  });

  it.each([
    ['no recipient list', 400, () => creation([]).setBody('application/sdp', sdp('alice', 'actpass'))],
    ['nobody but the inviter in it', 400, () => creation([alice])],
    ['no offer', 606, () => creation(['sip:bob@lab.test']).setBody('text/plain', 'x')],
    ['no Contribution-ID', 400, () => creation(['sip:bob@lab.test']).remove('Contribution-ID')],
    ['an unknown extension required', 420, () => creation(['sip:bob@lab.test']).append('Require', 'telepathy')],
    ['an anonymous inviter', 433, () => creation(['sip:bob@lab.test']).append('Privacy', 'id')],
    ['an inviter that the core does not assert', 403, () => creation(['sip:bob@lab.test']).remove('P-Asserted-Identity')],
    ['a body that is no multipart', 400, () => creation(['sip:bob@lab.test']).setBody('multipart/mixed;boundary=b1', 'nothing')],
    ['a list that is no XML', 400, () => creation(['"<'])],
  ])('refuses %s with %i', async (_, status, request) => {
    const { final, invites } = fixture();
    expect((await final(request())).status).toBe(status);
    expect(invites.size).toBe(0);
  });

  it('refuses a group of more than MAX_PARTICIPANTS with 403 and a Warning', async () => {
    const people = (count: number) => Array.from({ length: count }, (_, index) => `sip:p${index}@lab.test`);
    const { final, send, invites } = fixture();
    const refusal = await final(creation(people(MAX_PARTICIPANTS)));
    expect(refusal.status).toBe(403);
    expect(refusal.get('warning')).toContain('Too many participants');
    expect(invites.size).toBe(0);
    await send(creation(people(MAX_PARTICIPANTS - 1)));
    expect(invites.size).toBe(MAX_PARTICIPANTS - 1);
  });

  it('two creations of one group at once make one', async () => {
    const { group, send, cf, invites } = fixture();
    const { focus } = await group();
    invites.clear();
    const { client } = await send(creation(['sip:alice@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test'], 'bob'));
    const response = await client.final;
    expect(response.status).toBe(200);
    expect(uriOf(response.get('contact') ?? '')).toBe(focus);
    expect([...invites.keys()]).toEqual(['dave']);
    expect(cf.groups()).toHaveLength(1);
  });
});

describe('the group talks', () => {
  it('a message to the focus reaches everybody else, and not the sender', async () => {
    const { group } = fixture();
    const { focus, person } = await group();
    expect(person('alice').say(cpim(alice, [focus], 'hello all'))).toMatchObject({ kind: 'response', status: 200 });
    expect(person('bob').heard()).toEqual(['hello all']);
    expect(person('carol').heard()).toEqual(['hello all']);
    expect(person('alice').heard()).toEqual([]);
  });

  it('reaches the sender`s other devices, never the sending one', async () => {
    const { group, final, connectMedia } = fixture();
    const { focus, person } = await group();
    const tablet = await final(requestFrom('alice', 'INVITE', focus, 'tablet').setBody('application/sdp', sdp('tablet', 'actpass')));
    const second = connectMedia(tablet.text, 'tablet');
    person('alice').say(cpim(alice, [focus], 'from the laptop'));
    expect(second.heard()).toEqual(['from the laptop']);
    expect(person('alice').heard()).toEqual([]);
  });

  it('a message to one member goes to that one alone, and 404 answers one to somebody else', async () => {
    const { group } = fixture();
    const { person } = await group();
    expect(person('bob').say(cpim('sip:bob@lab.test', [alice], 'a receipt'))).toMatchObject({ status: 200 });
    expect(person('alice').heard()).toEqual(['a receipt']);
    expect(person('carol').heard()).toEqual([]);
    expect(person('bob').say(cpim('sip:bob@lab.test', ['sip:mallory@lab.test'], 'x'))).toMatchObject({ status: 404 });
  });

  it('a message to one member also goes to the sender`s other devices; a receipt or typing notice only to that member', async () => {
    const { group, final, connectMedia } = fixture();
    const { focus, person } = await group();
    const tablet = await final(requestFrom('alice', 'INVITE', focus, 'tablet').setBody('application/sdp', sdp('tablet', 'actpass')));
    const second = connectMedia(tablet.text, 'tablet');
    person('alice').say(cpim(alice, ['sip:bob@lab.test'], 'between us'));
    person('alice').say(cpim(alice, ['sip:bob@lab.test'], 'read', 'message/imdn+xml'));
    person('alice').say(cpim(alice, ['sip:bob@lab.test'], 'typing', 'application/im-iscomposing+xml'));
    expect(person('bob').heard()).toEqual(['between us', 'read', 'typing']);
    expect(second.heard()).toEqual(['between us']);
    expect([...person('alice').heard(), ...person('carol').heard()]).toEqual([]);
  });

  it('refuses a forged sender, fills in a missing one, and accepts only readable CPIM', async () => {
    const { group } = fixture();
    const { focus, person } = await group();
    expect(person('bob').say(cpim(alice, [focus], 'I am Alice'))).toMatchObject({ status: 403 });
    expect(person('alice').heard()).toEqual([]);
    expect(person('bob').say(cpim(null, [focus], 'who am I'))).toMatchObject({ status: 200 });
    expect(parsedCpim(person('alice').peer.sends[0]?.body ?? utf8('')).from).toBe('sip:bob@lab.test');
    expect(person('bob').say('plain', 'text/plain')).toMatchObject({ status: 415 });
    expect(person('bob').say('', 'message/cpim')).toMatchObject({ status: 400 });
  });
});

describe('who is in the group', () => {
  it('writes the mark of the own entry, which RFC 4575 does not know, only for CPM clients', async () => {
    const { group, final, subscribe, notifies } = fixture();
    const { focus } = await group();
    await final(subscribe('alice', focus));
    expect(notifies.at(-1)?.text).not.toContain('yourown');
    expect(faultsOf(CONFERENCE_INFO_CONTENT_TYPE, notifies.at(-1)?.text ?? '')).toEqual([]);
  });

  it('tells each watcher everybody, with names, devices, roles and who the watcher is', async () => {
    const { group, final, subscribe, notifies, invites } = fixture();
    const { focus } = await group();
    expect(invites.size).toBe(2);
    await final(subscribe('alice', focus).append('Accept-Contact', acceptContact({ icsis: [ICSI.group] })));
    const document = documentOf(notifies.at(-1));
    expect(notifies.at(-1)?.get('subscription-state')).toMatch(/^active;expires=600$/);
    expect(document).toMatchObject({ entity: focus, state: 'full', subject: 'Lunch', userCount: 3 });
    const [me, bob] = document.users;
    expect(me).toMatchObject({ entity: alice, displayText: 'alice', yourOwn: true, roles: ['Administrator'] });
    expect(me?.endpoints).toMatchObject([
      { entity: 'sip:alice@lab.test;gr=laptop', displayText: "alice's laptop", status: 'connected', joiningMethod: 'dialed-in' },
    ]);
    expect(bob).toMatchObject({ entity: 'sip:bob@lab.test', displayText: 'Bob', yourOwn: false });
    expect(bob?.endpoints).toMatchObject([
      { entity: 'sip:bob@lab.test;gr=laptop', displayText: "bob's laptop", status: 'connected', joiningMethod: 'dialed-out' },
    ]);
  });

  it('tells of every change with a rising version: ringing, there, gone', async () => {
    const { send, answer, final, subscribe, notifies, inDialog } = fixture();
    const request = creation(['sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test']);
    const { client } = await send(request);
    await answer('bob', 200);
    const response = await client.final;
    const focus = uriOf(response.get('contact') ?? '');
    await final(subscribe('bob', focus));
    await answer('carol', 180);
    await answer('carol', 200);
    await final(inDialog({ request, response, isCaller: true }, 'BYE').append('Reason', 'SIP;cause=200;text="Call completed"'));
    // The first document is the whole, the next ones what is new (RFC 4575 section 4.6).
    expect(notifies.map((notify) => [documentOf(notify).state, documentOf(notify).version, rosterOf(notify)])).toEqual([
      ['full', 1, { alice: 'connected', bob: 'connected', carol: 'dialing-out', dave: 'dialing-out' }],
      ['partial', 2, { carol: 'alerting' }],
      ['partial', 3, { carol: 'connected' }],
      ['partial', 4, { alice: 'disconnected/departed', bob: 'connected' }],
    ]);
    expect(standing(notifies)).toEqual({
      alice: 'disconnected/departed',
      bob: 'connected',
      carol: 'connected',
      dave: 'dialing-out',
    });
  });

  it('tells what changes in one turn in one document, and a subject once', async () => {
    const { group, final, subscribe, notifies } = fixture();
    const { focus, person } = await group();
    await final(subscribe('carol', focus));
    for (const name of ['Dinner', 'Supper'])
      person('bob').say(groupData('bob', focus, `<request id="1" target="subject" action="set"><data>${name}</data></request>`));
    await settle();
    expect(notifies.map((notify) => [documentOf(notify).version, documentOf(notify).subject])).toEqual([
      [1, 'Lunch'],
      [2, 'Supper'],
    ]);
    expect(documentOf(notifies.at(-1))).toMatchObject({ state: 'partial', users: [], maximumUserCount: 50 });
  });

  it('tells that a subject is gone by a full document, which alone can say so', async () => {
    const { group, final, subscribe, notifies } = fixture();
    const { focus, person } = await group();
    await final(subscribe('carol', focus));
    person('bob').say(groupData('bob', focus, '<request id="1" target="subject" action="delete"/>'));
    await settle();
    expect(documentOf(notifies.at(-1))).toMatchObject({ state: 'full', version: 2, subject: null });
  });

  it('answers a SUBSCRIBE in the dialog, as after a gap, with the full document', async () => {
    const { group, final, subscribe, notifies, inDialog } = fixture();
    const { focus, dialog } = await group();
    const request = subscribe('carol', focus);
    const response = await final(request);
    await final(inDialog(dialog('bob'), 'BYE'));
    expect(documentOf(notifies.at(-1)).state).toBe('partial');
    const again = inDialog({ request, response, isCaller: true }, 'SUBSCRIBE').append('Event', 'conference').append('Expires', '600');
    expect((await final(again)).status).toBe(200);
    expect(documentOf(notifies.at(-1))).toMatchObject({ state: 'full', version: 3 });
  });

  it('paces the documents of many watchers: at once first, then what has changed meanwhile together', async () => {
    const lab = fixture();
    const { focus, dialog } = await lab.group();
    const watchers = UNPACED_WATCHERS + 5;
    for (let count = 0; count < watchers; count += 1) await lab.final(lab.subscribe('carol', focus));
    lab.notifies.length = 0;
    await lab.final(lab.inDialog(dialog('bob'), 'BYE'));
    expect(lab.notifies).toHaveLength(watchers);
    await lab.final(requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob2', 'actpass')));
    await lab.final(lab.inDialog(dialog('alice'), 'BYE'));
    lab.clock.advance(spacingFor(watchers) - 1);
    await settle();
    expect(lab.notifies).toHaveLength(watchers);
    lab.clock.advance(1);
    await settle();
    expect(lab.notifies).toHaveLength(2 * watchers);
    expect(rosterOf(lab.notifies.at(-1))).toEqual({ bob: 'connected', alice: 'disconnected' });
    expect([spacingFor(3), spacingFor(100), spacingFor(500), spacingFor(100_000)]).toEqual([0, 800, 4_800, 5_000]);
  });

  it('sends a full document to a watcher more than MAX_CHANGES_KEPT behind', async () => {
    const { group, final, subscribe, notifies, slow } = fixture();
    const { focus, person } = await group();
    slow.isSlow = true;
    await final(subscribe('carol', focus));
    for (let count = 0; count <= MAX_CHANGES_KEPT; count += 1)
      person('bob').say(groupData('bob', focus, `<request id="1" target="subject" action="set"><data>${count}</data></request>`));
    slow.unanswered[0]?.reply(200);
    await settle();
    expect(documentOf(notifies.at(-1))).toMatchObject({ state: 'full', version: 2, subject: String(MAX_CHANGES_KEPT) });
  });

  it('lets participants watch, and nobody else', async () => {
    const { group, final, subscribe } = fixture();
    const { focus } = await group();
    expect((await final(subscribe('mallory', focus))).status).toBe(403);
    expect((await final(subscribe('bob', focus).set('Event', 'presence'))).status).toBe(489);
    expect((await final(subscribe('bob', focus).set('Accept', 'text/plain'))).status).toBe(406);
    expect((await final(subscribe('bob', focus))).status).toBe(200);
  });

  it('lets no former member watch', async () => {
    const { group, final, subscribe, inDialog } = fixture();
    const { focus, dialog } = await group();
    await final(inDialog(dialog('bob'), 'BYE'));
    expect((await final(subscribe('bob', focus))).status).toBe(403);
  });

  it('sends a slow watcher the newest document only, once the one before is answered', async () => {
    const { group, final, subscribe, inDialog, notifies, slow } = fixture();
    const { focus, dialog } = await group();
    slow.isSlow = true;
    await final(subscribe('carol', focus));
    await final(inDialog(dialog('alice'), 'BYE'));
    await final(inDialog(dialog('bob'), 'BYE'));
    expect(notifies).toHaveLength(1);
    slow.unanswered[0]?.reply(200);
    await settle();
    expect(notifies.map(rosterOf)).toEqual([
      { alice: 'connected', bob: 'connected', carol: 'connected' },
      { alice: 'disconnected', bob: 'disconnected' },
    ]);
    slow.unanswered[1]?.reply(481);
    await settle();
    await final(requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob2', 'actpass')));
    expect(notifies).toHaveLength(2);
  });

  it('ends a subscription by Expires 0 and when its time is over', async () => {
    const { clock, group, final, subscribe, notifies } = fixture();
    const { focus } = await group();
    expect((await final(subscribe('bob', focus).set('Expires', '0'))).get('expires')).toBe('0');
    expect(notifies.at(-1)?.get('subscription-state')).toBe('terminated;reason=timeout');
    await final(subscribe('carol', focus));
    clock.advance(600_000);
    await settle();
    expect(notifies.at(-1)?.get('subscription-state')).toBe('terminated;reason=timeout');
  });

  it('marks a member who only lost the connection as disconnected, without a method', async () => {
    const { group, final, subscribe, notifies, inDialog } = fixture();
    const { focus, dialog } = await group();
    await final(subscribe('alice', focus));
    expect((await final(inDialog(dialog('bob'), 'BYE'))).status).toBe(200);
    expect(rosterOf(notifies.at(-1)).bob).toBe('disconnected');
    expect((await final(inDialog(dialog('bob'), 'BYE').set('CSeq', '3 BYE'))).status).toBe(481);
  });

  it('acknowledges a 2xx that comes again once more, and ends nothing', async () => {
    const { group, invites, acks, byes, cf } = fixture();
    await group();
    const before = acks.length;
    const invite = invites.get('bob');
    if (invite === undefined) throw new Error('not invited');
    const again = responseTo(invite.request, 200, { toTag: 'bob-tag' }).set('Contact', '<sip:bob@lab.test;gr=laptop>');
    invite.respond(again.setBody('application/sdp', sdp('bob', 'active')));
    await settle();
    expect(acks).toHaveLength(before + 1);
    expect(byes).toEqual([]);
    expect(cf.groups()[0]?.participants.map((one) => one.status)).toEqual(['connected', 'connected', 'connected']);
  });

  it('says BYE to an endpoint whose media is dead and does not come back in time', async () => {
    const { clock, group, byes, cf } = fixture();
    const { person } = await group();
    person('bob').peer.hangUp();
    clock.advance(MEDIA_RETURN_MS - 1);
    await settle();
    expect(byes).toEqual([]);
    clock.advance(1);
    await settle();
    expect(byes.map((bye) => personOf(bye.uri))).toEqual(['bob']);
    expect(cf.groups()[0]?.participants.map((one) => one.status)).toEqual(['connected', 'disconnected', 'connected']);
  });

  it('ends after a grace when one is left, with 410 to that one and a last NOTIFY', async () => {
    const { clock, group, final, subscribe, notifies, inDialog, byes, cf } = fixture();
    const { focus, dialog } = await group();
    await final(subscribe('carol', focus));
    for (const name of ['alice', 'bob']) await final(leave(inDialog(dialog(name), 'BYE')));
    clock.advance(CLOSING_GRACE_MS - 1);
    await settle();
    expect(byes).toEqual([]);
    clock.advance(1);
    await settle();
    expect(byes.map((bye) => [personOf(bye.uri), bye.get('reason')])).toEqual([['carol', 'SIP;cause=410;text="Gone"']]);
    expect(notifies.at(-1)?.get('subscription-state')).toBe('terminated;reason=noresource');
    expect((await final(subscribe('carol', focus))).status).toBe(404);
    expect(cf.groups().map((state) => state.active)).toEqual([false]);
  });

  it('R72: a known person rejoins at the focus URI, also in the grace, and the group lives on', async () => {
    const { clock, group, final, inDialog, byes, cf } = fixture();
    const { focus, dialog } = await group();
    for (const name of ['alice', 'bob']) await final(inDialog(dialog(name), 'BYE'));
    const response = await final(requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob2', 'actpass')));
    expect(response.status).toBe(200);
    expect(response.get('contact')).toContain(`<${focus}>;isfocus`);
    clock.advance(CLOSING_GRACE_MS);
    await settle();
    expect(byes).toEqual([]);
    expect(cf.groups()[0]?.participants.find((one) => one.address === 'sip:bob@lab.test')?.status).toBe('connected');
  });

  it('refuses strangers with 403, an unknown focus with 404, and a list where only REFER adds people', async () => {
    const { group, final } = fixture();
    const { focus } = await group();
    const offer = sdp('x', 'actpass');
    expect((await final(requestFrom('mallory', 'INVITE', focus).setBody('application/sdp', offer))).status).toBe(403);
    expect((await final(requestFrom('bob', 'INVITE', 'sip:grp-00@cf.lab.test').setBody('application/sdp', offer))).status).toBe(404);
    const list = creation(['sip:dave@lab.test'], 'bob');
    list.uri = focus;
    expect((await final(list)).status).toBe(403);
    expect((await final(requestFrom('bob', 'INVITE', focus))).status).toBe(606);
  });

  it('a device that comes again takes the place of its former leg', async () => {
    const { group, final, byes, cf } = fixture();
    const { focus } = await group();
    await final(requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob2', 'actpass')));
    await settle();
    expect(byes.map((bye) => personOf(bye.uri))).toEqual(['bob']);
    expect(cf.groups()[0]?.participants).toHaveLength(3);
  });

  it('REFER adds people: one by Refer-To, several by a list; members are not invited again', async () => {
    const { group, final, inDialog, invites } = fixture();
    const { dialog } = await group();
    invites.clear();
    const one = inDialog(dialog('bob'), 'REFER').append('Refer-To', '<sip:dave@lab.test;method=INVITE>').append('Refer-Sub', 'false');
    const answer = await final(one);
    expect(answer.status).toBe(202);
    expect(answer.get('refer-sub')).toBe('false');
    expect([...invites.keys()]).toEqual(['dave']);
    expect(uriOf(invites.get('dave')?.request.get('referred-by') ?? '')).toBe('sip:bob@lab.test');
    invites.clear();
    const many = inDialog(dialog('bob'), 'REFER')
      .set('CSeq', '3 REFER')
      .append('Refer-To', '<cid:list@lab.test>')
      .append('Content-Disposition', 'recipient-list')
      .setBody('application/resource-lists+xml', listXml(['sip:erin@lab.test', 'sip:carol@lab.test', 'sip:frank@lab.test']));
    expect((await final(many)).status).toBe(202);
    expect([...invites.keys()]).toEqual(['erin', 'frank']);
    expect((await final(inDialog(dialog('bob'), 'REFER').set('CSeq', '4 REFER'))).status).toBe(400);
  });

  it('REFER outside a dialog does the same for whoever is connected, with the same rights (RFC 4579)', async () => {
    const { group, final, inDialog, invites, byes } = fixture();
    const { focus, dialog } = await group();
    invites.clear();
    const refer = (name: string, to: string) => requestFrom(name, 'REFER', focus).append('Refer-To', `<${to}>`);
    const answer = await final(refer('bob', 'sip:dave@lab.test'));
    expect([answer.status, answer.get('refer-sub')]).toEqual([202, 'false']);
    expect(uriOf(invites.get('dave')?.request.get('referred-by') ?? '')).toBe('sip:bob@lab.test');
    const many = requestFrom('bob', 'REFER', focus)
      .append('Refer-To', '<cid:list@lab.test>')
      .append('Content-Disposition', 'recipient-list');
    many.setBody('application/resource-lists+xml', listXml(['sip:erin@lab.test']));
    expect((await final(many)).status).toBe(202);
    expect([...invites.keys()]).toEqual(['dave', 'erin']);
    expect((await final(refer('bob', 'sip:carol@lab.test;method=BYE'))).status).toBe(403);
    expect((await final(refer('alice', 'sip:carol@lab.test;method=BYE'))).status).toBe(202);
    await settle();
    expect(byes.map((bye) => personOf(bye.uri))).toEqual(['carol']);
    expect((await final(refer('bob', 'sip:frank@lab.test').append('Require', 'magic'))).status).toBe(420);
    expect((await final(requestFrom('bob', 'REFER', focus))).status).toBe(400);
    // Neither a stranger nor a member who is not here may ask.
    await final(inDialog(dialog('bob'), 'BYE'));
    for (const name of ['mallory', 'carol', 'bob']) expect((await final(refer(name, 'sip:frank@lab.test'))).status).toBe(403);
    expect([...invites.keys()]).toEqual(['dave', 'erin']);
  });

  it('only the administrator removes people', async () => {
    const { group, final, inDialog, byes, cf } = fixture();
    const { dialog } = await group();
    const boot = (name: string) => inDialog(dialog(name), 'REFER').append('Refer-To', '<sip:carol@lab.test;method=BYE>');
    expect((await final(boot('bob'))).status).toBe(403);
    expect((await final(boot('alice'))).status).toBe(202);
    await settle();
    expect(byes.map((bye) => personOf(bye.uri))).toEqual(['carol']);
    expect(cf.groups()[0]?.participants[2]?.status).toBe('disconnected');
  });

  it('a re-INVITE with a new path moves the media, one with the old path changes nothing', async () => {
    const { group, final, inDialog, connectMedia } = fixture();
    const { focus, dialog, person } = await group();
    const again = (sequence: number, name: string) =>
      inDialog(dialog('bob'), 'INVITE')
        .set('CSeq', `${sequence} INVITE`)
        .append('Contact', '<sip:bob@lab.test;gr=laptop>')
        .setBody('application/sdp', sdp(name, 'actpass'));
    const same = await final(again(2, 'bob'));
    expect(same.status).toBe(200);
    expect(same.text).toContain(person('bob').path);
    const moved = await final(again(3, 'bob-moved'));
    expect(moved.text).not.toContain(person('bob').path);
    const media = connectMedia(moved.text, 'bob-moved');
    person('alice').say(cpim(alice, [focus], 'still there?'));
    expect(media.heard()).toEqual(['still there?']);
  });

  it('session timer: the caller renews by re-INVITE or UPDATE, too short is 422, and a leg that is not renewed ends', async () => {
    const { clock, group, final, inDialog, byes, cf } = fixture();
    const { dialog } = await group();
    const renewal = (method: string, sequence: number, ...[expires, ...more]: string[]) => {
      const request = inDialog(dialog('bob'), method)
        .set('CSeq', `${sequence} ${method}`)
        .append('Contact', '<sip:bob@lab.test;gr=laptop>')
        .append('Session-Expires', expires ?? '')
        .append('Supported', 'timer');
      for (const minSe of more) request.append('Min-SE', minSe);
      return method === 'INVITE' ? request.setBody('application/sdp', sdp('bob', 'actpass')) : request;
    };
    const terms = (response: SipResponse) => [response.status, response.get('session-expires'), response.get('require')];
    expect(terms(await final(renewal('INVITE', 2, '600', '900')))).toEqual([200, '900;refresher=uac', 'timer']);
    expect(terms(await final(renewal('UPDATE', 3, '600;refresher=uac')))).toEqual([200, '600;refresher=uac', 'timer']);
    const short = await final(renewal('UPDATE', 4, '30'));
    expect([short.status, short.get('min-se')]).toEqual([422, '90']);
    expect((await final(renewal('UPDATE', 5, 'soon'))).status).toBe(400);
    expect(terms(await final(renewal('UPDATE', 6, '600;refresher=uas')))).toEqual([200, null, null]);
    clock.advance(700_000);
    expect(byes).toEqual([]);
    await final(renewal('UPDATE', 7, '600'));
    clock.advance((600 - 32) * 1000 - 1);
    expect(byes).toEqual([]);
    clock.advance(1);
    await settle();
    expect(byes.map((bye) => [personOf(bye.uri), bye.get('reason')])).toEqual([['bob', 'SIP;cause=408;text="Session not renewed"']]);
    expect(cf.groups()[0]?.participants.find((one) => one.address.includes('bob'))?.status).toBe('disconnected');
  });

  const lostBob = async () => {
    const lab = fixture();
    const standing = await lab.group();
    standing.person('bob').peer.hangUp();
    const say = (text: string) => standing.person('alice').say(cpim(alice, [standing.focus], text));
    return { ...lab, ...standing, say };
  };

  it('messages during the media loss of a leg reach it over the media of its re-INVITE, in order', async () => {
    const { clock, final, inDialog, dialog, connectMedia, say, byes } = await lostBob();
    say('one');
    say('two');
    clock.advance(MEDIA_RETURN_MS - 1);
    const moved = await final(
      inDialog(dialog('bob'), 'INVITE')
        .set('CSeq', '2 INVITE')
        .append('Contact', '<sip:bob@lab.test;gr=laptop>')
        .setBody('application/sdp', sdp('bob-back', 'actpass')),
    );
    const media = connectMedia(moved.text, 'bob-back');
    say('three');
    clock.advance(2 * MEDIA_RETURN_MS);
    await settle();
    expect(media.heard()).toEqual(['one', 'two', 'three']);
    expect(byes).toEqual([]);
  });

  it('keeps no more than so many messages for a leg without media', async () => {
    const { say, byes } = await lostBob();
    for (let count = 0; count < MAX_HELD_MESSAGES; count += 1) say(`${count}`);
    await settle();
    expect(byes).toEqual([]);
    say('one too many');
    await settle();
    expect(byes.map((bye) => personOf(bye.uri))).toEqual(['bob']);
  });

  it('R78: keeps the state of a group after its end: members, type and focus', async () => {
    const { clock, group, final, inDialog, cf } = fixture();
    const { focus, dialog } = await group();
    const facts = { focus, type: 'open', contributionId: 'group-1', conversationId: 'conversation-1', subject: 'Lunch' };
    expect(cf.groups()[0]).toMatchObject({ ...facts, active: true });
    expect(cf.groups()[0]?.participants[0]).toEqual({
      address: alice,
      name: 'alice',
      administrator: true,
      membership: 'member',
      status: 'connected',
    });
    for (const name of ['alice', 'bob', 'carol']) await final(leave(inDialog(dialog(name), 'BYE')));
    clock.advance(CLOSING_GRACE_MS);
    expect(cf.groups()[0]).toMatchObject({ ...facts, active: false });
    expect(cf.groups()[0]?.participants.map((one) => one.status)).toEqual(['disconnected', 'disconnected', 'disconnected']);
  });
});

describe('the end of the Controlling Function', () => {
  it('leaves no timer of its own behind', async () => {
    const { clock, cf, media, final, subscribe, group, send } = fixture();
    const { focus } = await group();
    await final(subscribe('alice', focus));
    await send(creation(['sip:dave@lab.test']).set('Contribution-ID', 'group-2'));
    const before = clock.pending;
    cf.close();
    await media.close();
    await settle();
    expect(clock.pending).toBeLessThan(before);
    expect(cf.groups()).toEqual([]);
  });
});
