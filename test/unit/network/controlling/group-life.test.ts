import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { afterEach, describe, expect, it } from 'vitest';
import { CLOSING_GRACE_MS, REST_AFTER_MS } from '../../../../network/controlling/focus';
import { FETCH_INTERVAL_MS } from '../../../../network/controlling/inviting';
import { MEDIA_RETURN_MS } from '../../../../network/controlling/leg';
import { GroupStore, KEPT_FOR_MS, LEASE_MS, MAX_KEPT_MESSAGES } from '../../../../network/controlling/store';
import { TRANSACTION_TIMEOUT_MS } from '../../../../network/sip/transaction';
import { MAX_SUBJECT_CHARACTERS } from '../../../../protocol/group-data';
import { MAX_ICON_BYTES } from '../../../../protocol/group-icon';
import { fingerprintsOf, parseSdp } from '../../../../protocol/sdp';
import {
  alice,
  cpim,
  creation,
  documentOf,
  fixture,
  groupData,
  leave,
  personOf,
  requestFrom,
  rosterOf,
  sdp,
  standing,
} from '../../../support/doubles/controlling-lab';
import { settle, VirtualClock } from '../../../support/doubles/network-doubles';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function stateFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'groups-'));
  folders.push(folder);
  return join(folder, 'groups.db');
}

type Lab = ReturnType<typeof fixture>;
const rejoin = (lab: Lab, focus: string, name: string, path = `${name}-again`) =>
  lab.final(requestFrom(name, 'INVITE', focus).setBody('application/sdp', sdp(path, 'actpass')));
const members = (lab: Lab) =>
  Object.fromEntries(lab.cf.groups()[0]?.participants.map((one) => [personOf(one.address), one.membership]) ?? []);
const refer = (to: string) => ['Refer-To', `<${to}>`] as const;

describe('a group that was made over TLS', () => {
  it('invites over TLS and admits nobody without it, also after a restart', async () => {
    const file = stateFile();
    const first = fixture({ stateFile: file });
    await first.send(creation(['sip:bob@lab.test', 'sip:carol@lab.test'], 'alice', 'TCP/TLS/MSRP'));
    const offered = parseSdp(sdpIn(first, 'bob'));
    expect(offered).toMatchObject({ ok: true, value: { transport: 'TCP/TLS/MSRP' } });
    expect(offered.ok && fingerprintsOf(offered.value)).toHaveLength(1);
    const focus = first.cf.groups()[0]?.focus ?? '';
    const carol = () => requestFrom('carol', 'INVITE', focus);
    const plain = await first.final(carol().setBody('application/sdp', sdp('carol', 'actpass')));
    expect([plain.status, plain.get('warning')]).toEqual([488, expect.stringContaining('This group runs over TLS alone')]);
    first.cf.close();

    const second = fixture({ stateFile: file });
    expect((await second.final(carol().setBody('application/sdp', sdp('carol', 'actpass')))).status).toBe(488);
    const secure = await second.final(carol().setBody('application/sdp', sdp('carol', 'actpass', 'TCP/TLS/MSRP')));
    expect([secure.status, parseSdp(secure.text)]).toMatchObject([200, { ok: true, value: { transport: 'TCP/TLS/MSRP' } }]);
  });
});

describe('a group that was made over TLS by somebody who also takes members without', () => {
  /** Alice's request, which says so (RFC 5939). */
  const tolerant = () => {
    const request = creation(['sip:bob@lab.test', 'sip:carol@lab.test'], 'alice', 'TCP/TLS/MSRP');
    return request.setBody(request.get('content-type') ?? '', request.text.replace('a=setup', 'a=tcap:1 TCP/MSRP\r\na=setup'));
  };
  const transportTo = (lab: Lab, name: string) => {
    const offered = parseSdp(sdpIn(lab, name));
    return offered.ok ? offered.value.transport : offered.reason;
  };
  const overTls = (name: string) => sdp(name, 'active', 'TCP/TLS/MSRP');

  it.each([488, 606])('invites a device that refuses TLS once more, without: %i', async (status) => {
    const lab = fixture();
    const { client } = await lab.send(tolerant());
    expect([transportTo(lab, 'bob'), transportTo(lab, 'carol')]).toEqual(['TCP/TLS/MSRP', 'TCP/TLS/MSRP']);
    await lab.answer('carol', 200, 'laptop', overTls('carol'));
    expect(parseSdp((await client.final).text)).toMatchObject({ ok: true, value: { transport: 'TCP/TLS/MSRP' } });
    const first = lab.invites.get('bob')?.request.callId;
    await lab.answer('bob', status);
    expect(transportTo(lab, 'bob')).toBe('TCP/MSRP');
    expect(lab.invites.get('bob')?.request.callId).not.toBe(first);
    await lab.answer('bob', 200);
    expect(lab.cf.groups()[0]?.participants.map(({ status }) => status)).toEqual(['connected', 'connected', 'connected']);
    lab.connectMedia(sdpIn(lab, 'bob'), 'bob');
  });

  it('lets a device that refuses both be, after two invitations', async () => {
    const lab = fixture();
    await lab.send(tolerant());
    await lab.answer('carol', 200, 'laptop', overTls('carol'));
    await lab.answer('bob', 488);
    lab.invites.delete('carol');
    const second = lab.invites.get('bob');
    await lab.answer('bob', 488);
    expect(lab.invites.get('bob')).toBe(second);
    expect(lab.cf.groups()[0]?.participants.map(({ status }) => status)).toContain('disconnected');
  });

  it('hangs up where a device accepts without TLS or without media, and invites it once more', async () => {
    const lab = fixture();
    await lab.send(tolerant());
    await lab.answer('carol', 200, 'laptop', overTls('carol'));
    await lab.answer('bob', 200);
    expect([lab.byes.length, transportTo(lab, 'bob')]).toEqual([1, 'TCP/MSRP']);
    await lab.answer('bob', 200);
    expect([lab.byes.length, lab.cf.groups()[0]?.participants.every(({ status }) => status === 'connected')]).toEqual([1, true]);
  });

  it('lets a member come back with TLS or without, also after a restart', async () => {
    const file = stateFile();
    const first = fixture({ stateFile: file });
    await first.send(tolerant());
    await first.answer('carol', 200, 'laptop', overTls('carol'));
    const focus = first.cf.groups()[0]?.focus ?? '';
    expect((await rejoin(first, focus, 'bob')).status).toBe(200);
    first.cf.close();
    const second = fixture({ stateFile: file });
    expect((await rejoin(second, focus, 'carol')).status).toBe(200);
    const bob = requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob', 'actpass', 'TCP/TLS/MSRP'));
    expect(parseSdp((await second.final(bob)).text)).toMatchObject({ ok: true, value: { transport: 'TCP/TLS/MSRP' } });
  });
});

describe('a group whose creator takes nothing but TLS', () => {
  it('invites nobody without', async () => {
    const lab = fixture();
    const { client } = await lab.send(creation(['sip:bob@lab.test'], 'alice', 'TCP/TLS/MSRP'));
    const first = lab.invites.get('bob');
    await lab.answer('bob', 488);
    expect(lab.invites.get('bob')).toBe(first);
    expect((await client.final).status).toBe(480);
  });
});

describe('a group outlives its connections', () => {
  it('rests when everybody is away, without an end, and the first to come back finds it', async () => {
    const lab = fixture();
    const { focus, dialog } = await lab.group();
    for (const name of ['alice', 'bob', 'carol']) await lab.final(lab.inDialog(dialog(name), 'BYE'));
    lab.clock.advance(10 * CLOSING_GRACE_MS);
    expect(lab.cf.groups()[0]).toMatchObject({ focus, active: true });
    expect((await rejoin(lab, focus, 'carol')).status).toBe(200);
    expect(lab.cf.groups()[0]?.participants.map((one) => one.status)).toEqual(['disconnected', 'disconnected', 'connected']);
    expect(lab.cf.groups()[0]?.subject).toBe('Lunch');
  });

  it('a message invites absent members again, and they read it in order and before anything newer', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    await lab.final(lab.inDialog(dialog('bob'), 'BYE'));
    lab.invites.clear();
    person('alice').say(cpim(alice, [focus], 'one'));
    person('alice').say(cpim(alice, [focus], 'two'));
    await settle();
    expect([...lab.invites.keys()]).toEqual(['bob']);
    expect(lab.invites.get('bob')?.request.get('contribution-id')).toBe('group-1');
    await lab.answer('bob', 200, 'phone');
    const bob = lab.connectMedia(sdpIn(lab, 'bob'), 'bob');
    person('alice').say(cpim(alice, [focus], 'three'));
    expect(bob.heard()).toEqual(['one', 'two', 'three']);
    expect(person('carol').heard()).toEqual(['one', 'two', 'three']);
  });

  it('invites an absent member at most every FETCH_INTERVAL_MS, and never a person who declined', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    await lab.final(lab.inDialog(dialog('bob'), 'BYE'));
    const say = async () => {
      lab.invites.clear();
      person('alice').say(cpim(alice, [focus], 'hello?'));
      await settle();
      return [...lab.invites.keys()];
    };
    expect(await say()).toEqual(['bob']);
    await lab.answer('bob', 480);
    expect(await say()).toEqual([]);
    lab.clock.advance(FETCH_INTERVAL_MS);
    expect(await say()).toEqual(['bob']);
    await lab.answer('bob', 603);
    lab.clock.advance(FETCH_INTERVAL_MS);
    expect(await say()).toEqual([]);
    expect(members(lab)).toEqual({ alice: 'member', bob: 'departed', carol: 'member' });
  });

  it('a message invites people who were not signed in when the group was created, but not those who declined', async () => {
    const lab = fixture();
    await lab.send(creation(['sip:bob@lab.test', 'sip:carol@lab.test', 'sip:dave@lab.test']));
    await lab.answer('bob', 200);
    await lab.answer('carol', 480);
    await lab.answer('dave', 603);
    expect(members(lab)).toEqual({ alice: 'member', bob: 'member', carol: 'invited', dave: 'declined' });
    const bob = lab.connectMedia(sdpIn(lab, 'bob'), 'bob');
    lab.invites.clear();
    bob.say(cpim('sip:bob@lab.test', [lab.cf.groups()[0]?.focus ?? ''], 'hello'));
    await settle();
    expect([...lab.invites.keys()]).toEqual(['carol']);
  });

  it('messages that a device has not answered for go to the next device of that person, once', async () => {
    const lab = fixture();
    const { focus, person } = await lab.group();
    const { peer } = person('bob');
    peer.answersSends = false;
    person('alice').say(cpim(alice, [focus], 'lost?'));
    peer.hangUp();
    lab.clock.advance(MEDIA_RETURN_MS);
    await settle();
    const back = lab.connectMedia((await rejoin(lab, focus, 'bob')).text, 'bob-again');
    expect(back.heard()).toEqual(['lost?']);
    await lab
      .final(requestFrom('bob', 'INVITE', focus, 'phone').setBody('application/sdp', sdp('bob-phone', 'actpass')))
      .then((response) => {
        expect(lab.connectMedia(response.text, 'bob-phone').heard()).toEqual([]);
      });
  });

  it('messages lost in a relay go to the next device of that person, reported ones do not', async () => {
    const lab = fixture();
    const { focus, person } = await lab.group();
    const comeBack = async (name: string) => {
      const offer = sdp(name, 'actpass', 'TCP/MSRP', ['msrp://127.0.0.1:7001/path;tcp']);
      const answer = await lab.final(requestFrom('bob', 'INVITE', focus).setBody('application/sdp', offer));
      return lab.connectMedia(answer.text, name);
    };
    const behind = await comeBack('bob-behind');
    person('alice').say(cpim(alice, [focus], 'one'));
    await settle();
    behind.report('one');
    person('alice').say(cpim(alice, [focus], 'two'));
    await settle();
    expect(behind.heard()).toEqual(['one', 'two']);
    // Its relay has answered 200 for both.
    behind.peer.hangUp();
    lab.clock.advance(MEDIA_RETURN_MS);
    await settle();
    expect((await comeBack('bob-again')).heard()).toEqual(['two']);
  });

  it('an IMDN for an absent member waits, a typing notice does not', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    await lab.final(lab.inDialog(dialog('bob'), 'BYE'));
    person('alice').say(cpim(alice, ['sip:bob@lab.test'], 'a receipt'));
    person('alice').say(cpim(alice, [focus], '<isComposing/>').replace('text/plain', 'application/im-iscomposing+xml'));
    const bob = lab.connectMedia((await rejoin(lab, focus, 'bob')).text, 'bob-again');
    expect(bob.heard()).toEqual(['a receipt']);
    expect(person('carol').heard()).toEqual(['<isComposing/>']);
  });

  it('a group in which nothing is said for REST_AFTER_MS ends its legs with 480, not the group', async () => {
    const lab = fixture();
    const { focus, person } = await lab.group();
    lab.clock.advance(REST_AFTER_MS - 1);
    person('alice').say(cpim(alice, [focus], 'still here'));
    await settle();
    lab.clock.advance(REST_AFTER_MS - 1);
    await settle();
    expect(lab.byes).toEqual([]);
    lab.clock.advance(1);
    await settle();
    expect(lab.byes.map((bye) => bye.get('reason'))).toEqual(Array(3).fill('SIP;cause=480;text="The group rests"'));
    expect((await rejoin(lab, focus, 'bob')).status).toBe(200);
  });
});

describe('the Controlling Function restarts', () => {
  it('R78: with its file every group is restored: members rejoin the same focus and read the waiting messages', async () => {
    const file = stateFile();
    const first = fixture({ stateFile: file });
    const { focus, dialog, person } = await first.group();
    await first.final(first.inDialog(dialog('bob'), 'BYE'));
    person('alice').say(cpim(alice, [focus], 'before the restart'));
    await settle();
    first.cf.close();
    const second = fixture({ stateFile: file });
    expect(second.cf.groups()[0]).toMatchObject({ focus, subject: 'Lunch', contributionId: 'group-1', active: true });
    expect(members(second)).toEqual({ alice: 'member', bob: 'member', carol: 'member' });
    expect(second.cf.groups()[0]?.participants.map((one) => one.status)).toEqual(Array(3).fill('disconnected'));
    const bob = second.connectMedia((await rejoin(second, focus, 'bob')).text, 'bob-again');
    expect(bob.heard()).toEqual(['before the restart']);
    expect((await rejoin(second, focus, 'mallory')).status).toBe(403);
  });

  it('a group whose making was cut short ends once its maker is back and nobody else is; a stranger wakes nobody', async () => {
    const file = stateFile();
    const first = fixture({ stateFile: file });
    await first.send(creation(['sip:bob@lab.test']));
    const focus = first.cf.groups()[0]?.focus ?? '';
    first.cf.close();
    const second = fixture({ stateFile: file });
    const before = second.clock.pending;
    expect((await rejoin(second, focus, 'mallory')).status).toBe(403);
    second.clock.advance(LEASE_MS);
    expect(second.clock.pending).toBe(before);
    expect((await rejoin(second, focus, 'alice')).status).toBe(200);
    second.clock.advance(CLOSING_GRACE_MS);
    await settle();
    expect(second.byes.map((bye) => bye.get('reason'))).toEqual(['SIP;cause=410;text="Gone"']);
    expect(second.cf.groups()[0]?.active).toBe(false);
  });

  it('a message is answered 200 only when it is kept, and 408 when it cannot be', async () => {
    const lab = fixture();
    const { focus, person } = await lab.group();
    lab.cf.close();
    const heard = person('alice').say(cpim(alice, [focus], 'too late'));
    expect(JSON.stringify(heard ?? '')).not.toContain(' 200 ');
    expect(person('carol').heard()).toEqual([]);
  });

  it('two restarts of one group by its members result in one group, even if it was idle', async () => {
    const lab = fixture();
    const { focus, dialog } = await lab.group();
    for (const name of ['alice', 'bob', 'carol']) await lab.final(lab.inDialog(dialog(name), 'BYE'));
    const response = await lab.final(creation(['sip:alice@lab.test', 'sip:carol@lab.test'], 'bob'));
    expect(response.status).toBe(200);
    expect(response.get('contact')).toContain(focus);
    expect(lab.cf.groups()).toHaveLength(1);
  });

  it('the identity of a group is its members’: not of one who was put out, of one who never was there, or of one who declined', async () => {
    const lab = fixture();
    const { dialog } = await lab.group();
    await lab.final(lab.inDialog(dialog('alice'), 'REFER').append(...refer('sip:carol@lab.test;method=BYE')));
    for (const name of ['carol', 'mallory']) {
      const response = await lab.final(creation(['sip:alice@lab.test', 'sip:bob@lab.test'], name));
      expect([response.status, response.get('warning')]).toEqual([403, expect.stringContaining('another group')]);
    }
    expect(lab.cf.groups()).toHaveLength(1);
    expect(
      lab.cf
        .groups()[0]
        ?.participants.filter((one) => one.membership === 'member')
        .map((one) => one.address),
    ).toEqual(['sip:alice@lab.test', 'sip:bob@lab.test']);
    await lab.final(leave(lab.inDialog(dialog('bob'), 'BYE')));
    await lab.final(leave(lab.inDialog(dialog('alice'), 'BYE').set('CSeq', '3 BYE')));
    lab.clock.advance(60_000);
    expect(lab.cf.groups()[0]?.active).toBe(false);
    expect((await lab.final(creation(['sip:bob@lab.test'], 'carol'))).status).toBe(403);
    expect((await lab.send(creation(['sip:bob@lab.test'], 'alice'))).provisional.at(-1)?.status).toBe(183);
  });

  it('another instance leaves a group to the one that serves it, and takes it over when that one is gone', async () => {
    const file = stateFile();
    const clock = new VirtualClock();
    const first = fixture({ stateFile: file }, clock);
    const second = fixture({ stateFile: file }, clock);
    const { focus } = await first.group();
    const refused = await rejoin(second, focus, 'bob');
    expect([refused.status, refused.get('retry-after')]).toEqual([503, '1']);
    clock.advance(3 * LEASE_MS);
    expect((await rejoin(second, focus, 'bob')).status).toBe(503);
    first.cf.close();
    expect((await rejoin(second, focus, 'bob')).status).toBe(200);
    expect(second.cf.groups()).toHaveLength(1);
  });
});

describe('who belongs to a group', () => {
  it('a person who leaves is out on every device: no message waits, no message invites them, and they need an invitation to return', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    await lab.final(requestFrom('bob', 'INVITE', focus, 'phone').setBody('application/sdp', sdp('bob-phone', 'actpass')));
    await lab.final(leave(lab.inDialog(dialog('bob'), 'BYE')));
    await settle();
    expect(lab.byes.map((bye) => personOf(bye.uri))).toEqual(['bob']);
    lab.invites.clear();
    person('alice').say(cpim(alice, [focus], 'he is gone'));
    await settle();
    expect([...lab.invites.keys()]).toEqual([]);
    expect((await rejoin(lab, focus, 'bob')).status).toBe(403);
    await lab.final(lab.inDialog(dialog('carol'), 'REFER').append(...refer('sip:bob@lab.test')));
    await lab.answer('bob', 200);
    expect(members(lab).bob).toBe('member');
    expect(lab.connectMedia(sdpIn(lab, 'bob'), 'bob').heard()).toEqual([]);
  });

  it('a removed person gets 403, is out, and returns only through an administrator', async () => {
    const lab = fixture();
    const { focus, dialog } = await lab.group();
    await lab.final(lab.subscribe('alice', focus));
    await lab.final(lab.inDialog(dialog('alice'), 'REFER').append(...refer('sip:carol@lab.test;method=BYE')));
    await settle();
    expect(lab.byes.map((bye) => [personOf(bye.uri), bye.get('reason')])).toEqual([
      ['carol', 'SIP;cause=403;text="Removed from the group"'],
    ]);
    expect(rosterOf(lab.notifies.at(-1)).carol).toBe('disconnected/booted');
    expect((await rejoin(lab, focus, 'carol')).status).toBe(403);
    const add = (name: string, sequence: number) =>
      lab.final(
        lab
          .inDialog(dialog(name), 'REFER')
          .set('CSeq', `${sequence} REFER`)
          .append(...refer('sip:carol@lab.test')),
      );
    expect((await add('bob', 2)).status).toBe(403);
    expect((await add('alice', 3)).status).toBe(202);
    expect(
      (
        await lab.final(
          lab
            .inDialog(dialog('alice'), 'REFER')
            .set('CSeq', '4 REFER')
            .append(...refer('sip:erin@lab.test;method=BYE')),
        )
      ).status,
    ).toBe(404);
  });

  it('a member who is away or never joined can be removed, too: the roster says so, and neither is admitted', async () => {
    const lab = fixture();
    const { focus, dialog } = await lab.group();
    await lab.final(lab.subscribe('alice', focus));
    let sequence = 1;
    const ask = async (target: string) => {
      sequence += 1;
      const request = lab.inDialog(dialog('alice'), 'REFER').set('CSeq', `${sequence} REFER`);
      const { status } = await lab.final(request.append(...refer(target)));
      await settle();
      return status;
    };
    await ask('sip:dave@lab.test');
    await lab.answer('dave', 480);
    await lab.final(lab.inDialog(dialog('bob'), 'BYE'));
    await settle();
    expect(standing(lab.notifies)).toMatchObject({ bob: 'disconnected', carol: 'connected', dave: 'disconnected/failed' });
    for (const name of ['bob', 'dave']) expect(await ask(`sip:${name}@lab.test;method=BYE`)).toBe(202);
    expect(standing(lab.notifies)).toMatchObject({ bob: 'disconnected/booted', dave: 'disconnected/booted' });
    for (const name of ['bob', 'dave']) expect((await rejoin(lab, focus, name)).status).toBe(403);
    expect(members(lab)).toMatchObject({ bob: 'removed', carol: 'member', dave: 'removed' });
  });

  it('a group is never without an administrator: when the last one leaves, the oldest member takes over', async () => {
    const lab = fixture();
    const { dialog } = await lab.group();
    await lab.final(leave(lab.inDialog(dialog('alice'), 'BYE')));
    expect(lab.cf.groups()[0]?.participants.map((one) => [personOf(one.address), one.administrator])).toEqual([
      ['alice', false],
      ['bob', true],
      ['carol', false],
    ]);
  });

  it('a closed group takes nobody in', async () => {
    const lab = fixture();
    const { client } = await lab.send(creation(['sip:bob@lab.test']).append('Group-Type', 'closed'));
    await lab.answer('bob', 200);
    const request = creation(['sip:bob@lab.test']);
    const standing = { request, response: await client.final, isCaller: true };
    expect(lab.cf.groups()[0]?.type).toBe('closed');
    const bob = lab.invites.get('bob')?.request;
    expect(bob).toBeDefined();
    const refusal = await lab.final(
      lab
        .inDialog(standing, 'REFER')
        .set('Call-ID', standing.response.callId)
        .set('From', standing.response.get('from') ?? '')
        .append(...refer('sip:dave@lab.test')),
    );
    expect([refusal.status, refusal.get('warning')]).toEqual([403, '399 cf.lab.test "The group is closed: nobody is added"']);
  });

  it('a person brings in an own further device by its GRUU; one that is there, or asked already, is not asked again', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    lab.invites.clear();
    const bring = (device: string, sequence: number) =>
      lab.final(
        lab
          .inDialog(dialog('bob'), 'REFER')
          .set('CSeq', `${sequence} REFER`)
          .append(...refer(`sip:bob@lab.test;gr=${device}`)),
      );
    expect((await bring('laptop', 2)).status).toBe(202);
    expect([...lab.invites.keys()]).toEqual([]);
    expect((await bring('phone', 3)).status).toBe(202);
    expect(lab.invites.get('bob')?.request.uri).toBe('sip:bob@lab.test;gr=phone');
    const asked = lab.invites.get('bob');
    await bring('phone', 4);
    expect(lab.invites.get('bob')).toBe(asked);
    await lab.answer('bob', 200, 'phone');
    const phone = lab.connectMedia(sdpIn(lab, 'bob'), 'bob');
    person('bob').say(cpim('sip:bob@lab.test', [focus], 'from my laptop'));
    person('alice').say(cpim(alice, [focus], 'to both'));
    expect(phone.heard()).toEqual(['from my laptop', 'to both']);
    expect(person('bob').heard()).toEqual(['to both']);
    expect(lab.cf.groups()[0]?.participants).toHaveLength(3);
  });

  it('R8: without GRUUs it names that device by its instance; one that is there, or asked already, is not asked again', async () => {
    const lab = fixture();
    const { dialog } = await lab.group();
    lab.invites.clear();
    const phone = 'urn:gsma:imei:90420156-025763-0';
    const bring = (instance: string, sequence: number) => {
      const preference = encodeURIComponent(`*;+sip.instance="<${instance}>";require;explicit`);
      const to = refer(`sip:bob@lab.test;method=INVITE?Accept-Contact=${preference}`);
      return lab.final(
        lab
          .inDialog(dialog('bob'), 'REFER')
          .set('CSeq', `${sequence} REFER`)
          .append(...to),
      );
    };
    expect((await bring(phone, 2)).status).toBe(202);
    const asked = lab.invites.get('bob');
    expect(asked?.request.uri).toBe('sip:bob@lab.test');
    expect(asked?.request.all('accept-contact').at(-1)).toBe(`*;+sip.instance="<${phone}>";require;explicit`);
    await bring(phone, 3);
    expect(lab.invites.get('bob')).toBe(asked);
    await lab.answer('bob', 200, 'phone');
    // The last digit of an IMEI is no part of it.
    await bring(phone.replace(/0$/, '7'), 4);
    expect(lab.invites.get('bob')).toBe(asked);
    await bring('urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6', 5);
    expect(lab.invites.get('bob')).not.toBe(asked);
  });

  it('a member renames the group: the sender gets an answer, the conference document tells everybody, and the name is stored', async () => {
    const lab = fixture();
    const { focus, dialog, person } = await lab.group();
    await lab.final(lab.subscribe('carol', focus));
    const ask = (data: string) => person('bob').say(groupData('bob', focus, data));
    ask('<request id="1" target="subject" action="set"><data>Dinner</data></request>');
    expect(person('bob').heard().at(-1)).toContain('<response id="1" code="200"/>');
    await settle();
    expect(lab.notifies.at(-1)?.text).toContain('<subject>Dinner</subject>');
    expect(person('carol').heard()).toEqual([]);
    ask(`<request id="2" target="subject" action="set"><data>${'x'.repeat(MAX_SUBJECT_CHARACTERS + 1)}</data></request>`);
    expect(person('bob').heard().at(-1)).toContain('code="413"');
    ask('<request id="3" target="weather" action="set"><data>sun</data></request>');
    expect(person('bob').heard().at(-1)).toContain('code="404"');
    expect(JSON.stringify(ask('no xml'))).toContain('400');
    expect(lab.cf.groups()[0]?.subject).toBe('Dinner');
    for (const name of ['alice', 'bob', 'carol']) await lab.final(lab.inDialog(dialog(name), 'BYE'));
    expect((await rejoin(lab, focus, 'carol')).get('subject')).toBe('Dinner');
  });

  it('a member gives the group a picture: told to all by the conference document, kept over a restart, and taken away again', async () => {
    const file = stateFile();
    const lab = fixture({ stateFile: file });
    const { focus, dialog, person } = await lab.group();
    await lab.final(lab.subscribe('carol', focus));
    const ask = (id: string, request: string) =>
      person('bob').say(groupData('bob', focus, `<request id="${id}" target="icon" ${request}</request>`));
    const set = (data: string) => `action="set"><data>${data}</data>`;
    const picture = 'data:image/png;base64,iVBORw0KGgoAAAA=';
    ask('1', set(picture));
    await settle();
    expect(person('bob').heard().at(-1)).toContain('<response id="1" code="200"/>');
    expect(documentOf(lab.notifies.at(-1)).icon).toBe(picture);
    for (const [refused, code] of [
      ['data:image/svg+xml;base64,PHN2Zy8+', 415],
      ['data:image/png;base64,PHN2Zy8+', 415],
      ['https://elsewhere.test/picture.png', 400],
      [`data:image/png;base64,iVBORw0KGgo${'A'.repeat(MAX_ICON_BYTES * 2)}`, 413],
    ] as const) {
      ask('2', set(refused));
      expect(person('bob').heard().at(-1)).toContain(`code="${code}"`);
    }
    for (const name of ['alice', 'bob', 'carol']) await lab.final(lab.inDialog(dialog(name), 'BYE'));
    lab.cf.close();
    const later = fixture({ stateFile: file });
    expect(later.cf.groups()[0]?.icon).toBe(picture);
    const carol = later.connectMedia((await rejoin(later, focus, 'carol')).text, 'carol-again');
    await later.final(later.subscribe('carol', focus));
    expect(documentOf(later.notifies.at(-1)).icon).toBe(picture);
    carol.say(groupData('carol', focus, '<request id="3" target="icon" action="delete"/>'));
    await settle();
    expect(documentOf(later.notifies.at(-1)).icon).toBeNull();
  });

  it('a member has a nickname in the group, which is nobody else’s: told in the conference document, kept over a restart, free again when it leaves', async () => {
    const file = stateFile();
    const lab = fixture({ stateFile: file });
    const { focus, dialog, person } = await lab.group();
    expect(lab.invites.get('bob')?.request.text).toContain('a=chatroom:nickname private-messages');
    await lab.final(lab.subscribe('carol', focus));
    const nicknames = () =>
      Object.fromEntries(documentOf(lab.notifies.at(-1)).users.map(({ entity, nickname }) => [personOf(entity), nickname]));
    expect(person('bob').call('The Builder')).toBe(200);
    await settle();
    expect([documentOf(lab.notifies.at(-1)).state, nicknames()]).toEqual(['partial', { bob: 'The Builder' }]);
    // Neither the name of another, in whatever letters, nor what the network calls somebody; the own once more is no matter.
    expect([person('carol').call('the  BUILDER'), person('carol').call('Bob'), person('bob').call('The Builder')]).toEqual([425, 425, 200]);
    expect([person('carol').call('Caz'), person('carol').call('Caroline'), person('alice').call('Caz')]).toEqual([200, 200, 200]);
    expect(person('alice').call('')).toBe(200);
    for (const name of ['bob', 'carol']) await lab.final(lab.inDialog(dialog(name), 'BYE'));
    lab.cf.close();

    const later = fixture({ stateFile: file });
    const carol = later.connectMedia((await rejoin(later, focus, 'carol')).text, 'carol-again');
    await later.final(later.subscribe('carol', focus));
    expect(documentOf(later.notifies.at(-1)).users.map((user) => user.nickname)).toEqual([null, 'The Builder', 'Caroline']);
    expect(carol.call('The Builder')).toBe(425);
    const request = requestFrom('bob', 'INVITE', focus).setBody('application/sdp', sdp('bob-again', 'actpass'));
    const response = await later.final(request);
    await later.final(leave(later.inDialog({ request, response, isCaller: true }, 'BYE')));
    expect(carol.call('The Builder')).toBe(200);
  });

  it('the operator says how large a group may be', async () => {
    const lab = fixture({ maxParticipants: 2 });
    const refused = await lab.final(creation(['sip:bob@lab.test', 'sip:carol@lab.test']));
    expect([refused.status, refused.get('warning')]).toEqual([403, '399 cf.lab.test "Too many participants: at most 2"']);
  });
});

describe('what is kept', () => {
  it('keeps the newest MAX_KEPT_MESSAGES for a person, and none longer than KEPT_FOR_MS', () => {
    const file = stateFile();
    let now = 1_000;
    const store = new GroupStore(file, () => now);
    const body = (count: number) => ({ contentType: 'message/cpim', body: new Uint8Array([count % 256]) });
    for (let count = 0; count <= MAX_KEPT_MESSAGES; count += 1) store.keep('sip:g', ['sip:a', 'sip:b'], body(count));
    const kept = store.waiting('sip:g', 'sip:a');
    expect(kept).toHaveLength(MAX_KEPT_MESSAGES);
    expect(kept[0]?.body).toEqual(new Uint8Array([1]));
    const answers = kept.map(({ id }) => ({ address: 'sip:a', id }));
    store.taken('sip:g', answers);
    expect(store.waiting('sip:g', 'sip:a')).toEqual([]);
    expect(store.waiting('sip:g', 'sip:b')).toHaveLength(MAX_KEPT_MESSAGES);
    store.close();
    now += KEPT_FOR_MS + 1;
    const later = new GroupStore(file, () => now);
    expect(later.waiting('sip:g', 'sip:b')).toEqual([]);
    later.close();
  });

  it('R78: reads a file from before each person had a row', () => {
    const file = stateFile();
    const person = (name: string, membership: string) => ({
      address: `sip:${name}@lab.test`,
      name,
      administrator: false,
      membership,
      status: 'connected',
    });
    const people = [person('zoe', 'member'), person('bob', 'departed')];
    const head = { focus: 'sip:g@cf', conversationId: 'c', contributionId: 'k', subject: 'Old', type: 'open', active: true };
    const old = new Libsql(file);
    old.exec(
      'CREATE TABLE groups (focus TEXT PRIMARY KEY, contribution TEXT NOT NULL, active INTEGER NOT NULL, changed_at INTEGER NOT NULL, state TEXT NOT NULL)',
    );
    old.prepare('INSERT INTO groups VALUES (?, ?, 1, 0, ?)').run(head.focus, 'k', JSON.stringify({ ...head, participants: people }));
    old.close();
    for (let opening = 0; opening < 2; opening += 1) {
      const store = new GroupStore(file, () => 0);
      expect(store.find(head.focus)).toEqual({ ...head, participants: people });
      store.close();
    }
  });

  it('says which file cannot be used', () => {
    expect(() => new GroupStore('/proc/none/groups.db', () => 0)).toThrow(/The groups cannot be kept in \/proc\/none\/groups\.db/);
  });
});

function sdpIn(lab: Lab, name: string): string {
  const body = new TextDecoder().decode(lab.invites.get(name)?.request.body ?? new Uint8Array());
  return /v=0[\s\S]*?(?=\r\n--)/.exec(body)?.[0] ?? '';
}

describe('what is left', () => {
  it('R69: after fifty ended groups, and one that was idle fifty times, no transaction, timer, session or connection is left', async () => {
    const lab = fixture();
    const left = () => ({
      groups: lab.cf.liveCount,
      transactions: lab.server.transactionCount,
      sessions: lab.media.sessionCount,
      connections: lab.media.connectionCount,
      timers: lab.clock.pending,
    });
    const nothing = { groups: 0, transactions: 0, sessions: 0, connections: 0, timers: 0 };
    for (let round = 0; round < 100; round += 1) {
      const { focus, dialog, person } = await lab.group();
      await lab.final(lab.subscribe('alice', focus));
      person('bob').say(cpim('sip:bob@lab.test', [focus], 'Hello'));
      await settle();
      if (round === 0) expect(left()).toMatchObject({ groups: 1, sessions: 3, connections: 3 });
      for (const name of ['alice', 'bob', 'carol']) {
        const bye = lab.inDialog(dialog(name), 'BYE');
        await lab.final(round < 50 ? leave(bye) : bye);
        person(name).peer.hangUp();
      }
      await settle();
      lab.clock.advance(CLOSING_GRACE_MS);
    }
    lab.clock.advance(TRANSACTION_TIMEOUT_MS);
    await settle();
    expect(left()).toEqual(nothing);
  });
});
