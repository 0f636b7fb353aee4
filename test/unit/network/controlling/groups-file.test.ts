import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_OPERATOR_FILE_BYTES, OperatorFileError } from '../../../../base/json-reader';
import { CLOSING_GRACE_MS } from '../../../../network/controlling/focus';
import { MAX_PREDEFINED_GROUPS, parseGroups, readGroupsFile } from '../../../../network/controlling/groups-file';
import type { PredefinedGroup } from '../../../../network/controlling/predefined';
import { documentOf, fixture, groupData, leave, requestFrom, rosterOf, sdp, standing } from '../../../support/doubles/controlling-lab';
import { settle } from '../../../support/doubles/network-doubles';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'groups-'));
  folders.push(made);
  return made;
}

const options = { host: 'cf.lab.test', maxParticipants: 4 };
const TEAM = 'sip:team@cf.lab.test';
const address = (name: string) => `sip:${name}@lab.test`;
const whole = `{
  "sip:team@CF.lab.test": {
    "subject": "Team",
    "type": "closed",
    "members": ["sip:alice@lab.test", "sip:Bob@LAB.test", "tel:+1-555-0100"],
    "administrators": ["sip:alice@lab.test"]
  },
  "sip:all@cf.lab.test": { "members": ["sip:bob@lab.test", "sip:carol@lab.test", "sip:bob@lab.test"] }
}`;

function faultOf(text: string): string {
  try {
    parseGroups(text, options);
  } catch (error) {
    if (error instanceof OperatorFileError) return error.message;
    throw error;
  }
  return 'no fault';
}

describe('the groups file', () => {
  it('R78: names groups by their addresses, with subject, type, members and administrators', () => {
    expect(parseGroups(whole, options)).toEqual([
      {
        focus: TEAM,
        subject: 'Team',
        type: 'closed',
        members: ['sip:alice@lab.test', 'sip:Bob@lab.test', 'tel:+15550100'],
        administrators: ['sip:alice@lab.test'],
      },
      {
        focus: 'sip:all@cf.lab.test',
        subject: null,
        type: 'open',
        members: ['sip:bob@lab.test', 'sip:carol@lab.test'],
        administrators: [],
      },
    ]);
  });

  it.each([
    ['', 'line 1: not JSON'],
    ['{\n  "sip:team@cf.lab.test": {,}\n}', 'line 2: not JSON'],
    ['[]', 'line 1: the document takes an object'],
    ['{\n\n"sip:team@lab.test": {}}', 'line 3: "sip:team@lab.test" is no address of cf.lab.test, such as sip:team@cf.lab.test'],
    ['{"tel:+15550100": {}}', 'line 1: "tel:+15550100" is no address of cf.lab.test'],
    ['{"sip:team@cf.lab.test": {\n"members": ["sip:alice@lab.test"]}}', 'line 1: a group has two "members" at least'],
    ['{"sip:team@cf.lab.test": {\n"members": "sip:alice@lab.test"}}', 'line 2: "members" takes a list'],
    [
      '{"sip:team@cf.lab.test": {\n"members": ["sip:alice@lab.test",\n"bob"]}}',
      'line 3: "members" takes addresses such as sip:bob@lab.test',
    ],
    [whole.replace('["sip:alice@lab.test"]', '["sip:dave@lab.test"]'), 'line 6: sip:dave@lab.test is not among the "members"'],
    [whole.replace('"closed"', '"shut"'), 'line 4: "type" takes "open" or "closed"'],
    [whole.replace('"Team"', '7'), 'line 3: "subject" takes one line of 200 characters at most'],
    [whole.replace('"subject"', '"name"'), 'line 3: "name" is not known here: subject, type, members, administrators'],
    [whole.replace('sip:all@', 'sip:team@'), 'line 1: sip:team@cf.lab.test is the address of two groups'],
    [
      `{"${TEAM}": {"members": [${'abcde'.replace(/./g, (name) => `"${address(name)}",`)}"sip:f@x"]}}`,
      'line 1: a group has at most 4 "members"',
    ],
    [
      `{${Array.from({ length: MAX_PREDEFINED_GROUPS + 1 }, (_, index) => `"sip:g${index}@cf.lab.test": {}`)}}`,
      `line 1: at most ${MAX_PREDEFINED_GROUPS} groups`,
    ],
  ])('refuses %j with the line and what is wrong there', (text, fault) => {
    expect(faultOf(text)).toContain(fault);
  });

  it('says which file cannot be read, or is too large', () => {
    const file = join(folder(), 'groups.json');
    expect(() => readGroupsFile(file, options)).toThrow(new RegExp(`${file} cannot be read`));
    writeFileSync(file, ' '.repeat(MAX_OPERATOR_FILE_BYTES + 1));
    expect(() => readGroupsFile(file, options)).toThrow(`${file} is larger than ${MAX_OPERATOR_FILE_BYTES} bytes`);
    writeFileSync(file, '{\n"x": 1}');
    expect(() => readGroupsFile(file, options)).toThrow(`${file}, line 2: "x" is no address`);
  });
});

describe('a pre-defined group', () => {
  const team: PredefinedGroup = {
    focus: TEAM,
    subject: 'Team',
    type: 'closed',
    members: ['alice', 'bob', 'carol'].map(address),
    administrators: [address('alice')],
  };
  type Lab = ReturnType<typeof fixture>;
  const call = (name: string) =>
    requestFrom(name, 'INVITE', TEAM)
      .set('Contribution-ID', 'of-the-caller')
      .setBody('application/sdp', sdp(`${name}-media`, 'actpass'));
  const members = (lab: Lab) => Object.fromEntries(lab.cf.groups()[0]?.participants.map((one) => [one.address, one.membership]) ?? []);

  it('a list that is read again adds, removes and appoints members in an active group, and changes nothing else', async () => {
    const lab = fixture({ predefined: [team] });
    await lab.final(call('bob'));
    await lab.answer('alice', 200);
    await lab.answer('carol', 200);
    await lab.final(lab.subscribe('bob', TEAM));
    lab.invites.clear();
    const notified = lab.notifies.length;
    // Reading the same file again notifies nobody.
    lab.cf.provide([team]);
    await settle();
    expect([lab.notifies.length - notified, lab.byes.length, lab.invites.size]).toEqual([0, 0, 0]);

    lab.cf.provide([
      { ...team, subject: 'Another', members: ['alice', 'bob', 'dave'].map(address), administrators: [address('bob'), address('dave')] },
    ]);
    await settle();
    expect([...lab.invites.keys()]).toEqual(['dave']);
    expect(lab.invites.get('dave')?.request.get('subject')).toBe('Team');
    expect(lab.byes.map((bye) => [bye.uri.split(/[:@]/)[1], bye.get('reason')])).toEqual([
      ['carol', 'SIP;cause=403;text="Removed from the group"'],
    ]);
    await lab.answer('dave', 200);
    expect(members(lab)).toEqual({
      [address('alice')]: 'member',
      [address('bob')]: 'member',
      [address('carol')]: 'removed',
      [address('dave')]: 'member',
    });
    const roles = lab.cf
      .groups()[0]
      ?.participants.filter((one) => one.administrator)
      .map((one) => one.address);
    expect(roles?.sort()).toEqual([address('bob'), address('dave')]);
    await lab.clock.advance(CLOSING_GRACE_MS);
    expect(standing(lab.notifies)).toMatchObject({ alice: 'connected', bob: 'connected', carol: 'disconnected/booted', dave: 'connected' });
    expect((await lab.final(call('carol'))).status).toBe(403);

    // Not listed any more, a group that stands is over, and so is one that rests; a new one can be called.
    const other: PredefinedGroup = { ...team, focus: 'sip:other@cf.lab.test' };
    lab.cf.provide([other]);
    await settle();
    expect(lab.byes.slice(1).map((bye) => bye.get('reason'))).toEqual(Array(3).fill('SIP;cause=410;text="Gone"'));
    expect((await lab.final(call('bob'))).status).toBe(404);
    const toOther = requestFrom('bob', 'INVITE', other.focus).setBody('application/sdp', sdp('bob-other', 'actpass'));
    expect((await lab.final(toOther)).status).toBe(200);
  });

  it('R72: a member who calls its address joins it, and the others are invited on that member’s behalf', async () => {
    const lab = fixture({ predefined: [team] });
    const answer = await lab.final(call('bob'));
    expect([answer.status, answer.get('subject')]).toEqual([200, 'Team']);
    expect(answer.get('contact')).toContain(`<${TEAM}>;isfocus`);
    const contribution = answer.get('contribution-id');
    expect(contribution).not.toBe('of-the-caller');
    expect([...lab.invites.keys()].sort()).toEqual(['alice', 'carol']);
    const invite = lab.invites.get('alice')?.request;
    expect([invite?.get('contribution-id'), invite?.get('subject'), invite?.get('referred-by')]).toEqual([
      contribution,
      'Team',
      '"bob" <sip:bob@lab.test>',
    ]);
    await lab.answer('alice', 200);
    await lab.final(lab.subscribe('bob', TEAM));
    expect(rosterOf(lab.notifies.at(-1))).toEqual({ alice: 'connected', bob: 'connected', carol: 'dialing-out' });
    expect(documentOf(lab.notifies.at(-1)).users.map((user) => user.roles)).toEqual([['Administrator'], ['Participant'], ['Participant']]);
    // Whoever comes while somebody is there invites nobody again.
    lab.invites.clear();
    expect((await lab.final(call('carol'))).status).toBe(200);
    expect([...lab.invites.keys()]).toEqual([]);
  });

  it('a person who is not on the list is refused with 403, an address without a group with 404', async () => {
    const lab = fixture({ predefined: [team] });
    expect((await lab.final(call('mallory'))).status).toBe(403);
    const other = requestFrom('alice', 'INVITE', 'sip:other@cf.lab.test').setBody('application/sdp', sdp('a', 'actpass'));
    expect((await lab.final(other)).status).toBe(404);
    expect([...lab.invites.keys()]).toEqual([]);
  });

  it('refuses what is written to its address as to a person, which nobody would read', async () => {
    const lab = fixture({ predefined: [team] });
    const body = `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp('a', 'actpass')}\r\n--b\r\nContent-Type: message/cpim\r\n\r\nHello\r\n--b--\r\n`;
    const refused = await lab.final(requestFrom('alice', 'INVITE', TEAM).setBody('multipart/mixed;boundary=b', body));
    expect([refused.status, refused.get('warning')]).toEqual([403, '399 cf.lab.test "A group is joined before anything is said"']);
  });

  it('never ends by itself: members who left or declined may come back, a member removed by the administrator may not', async () => {
    const lab = fixture({ predefined: [team] });
    const request = call('alice');
    const response = await lab.final(request);
    await lab.answer('bob', 603);
    await lab.answer('carol', 480);
    const dialog = { request, response, isCaller: true };
    await lab.final(lab.inDialog(dialog, 'REFER').append('Refer-To', '<sip:carol@lab.test;method=BYE>'));
    await lab.final(leave(lab.inDialog(dialog, 'BYE').set('CSeq', '3 BYE')));
    lab.clock.advance(10 * CLOSING_GRACE_MS);
    await settle();
    expect(lab.cf.groups()[0]?.active).toBe(true);
    expect((await lab.final(call('carol'))).status).toBe(403);
    for (const name of ['bob', 'alice']) expect((await lab.final(call(name))).status).toBe(200);
    expect(members(lab)).toEqual({ [address('alice')]: 'member', [address('bob')]: 'member', [address('carol')]: 'removed' });
  });

  it('R78: after a restart the list decides about membership, and other changes to the group are kept', async () => {
    const stateFile = join(folder(), 'groups.db');
    const first = fixture({ predefined: [{ ...team, type: 'open' }], stateFile });
    const request = call('alice');
    const response = await first.final(request);
    const media = first.connectMedia(response.text, 'alice-media');
    media.say(groupData('alice', TEAM, '<request id="1" target="subject" action="set"><data>Crew</data></request>'));
    await first.final(first.inDialog({ request, response, isCaller: true }, 'REFER').append('Refer-To', '<sip:erin@lab.test>'));
    await first.answer('erin', 200);
    first.cf.close();

    const listed = { ...team, members: ['alice', 'carol', 'dave'].map(address), administrators: [address('carol')] };
    const second = fixture({ predefined: [listed], stateFile });
    expect(second.cf.groups()[0]).toMatchObject({
      focus: TEAM,
      subject: 'Crew',
      type: 'closed',
      contributionId: response.get('contribution-id'),
    });
    expect(members(second)).toEqual({
      [address('alice')]: 'member',
      [address('bob')]: 'removed',
      [address('carol')]: 'member',
      [address('dave')]: 'member',
      [address('erin')]: 'member',
    });
    expect(
      second.cf
        .groups()[0]
        ?.participants.filter((one) => one.administrator)
        .map((one) => one.address),
    ).toEqual([address('carol')]);
    second.cf.close();

    const third = fixture({ predefined: [], stateFile });
    expect(third.cf.groups()[0]?.active).toBe(false);
    expect((await third.final(call('alice'))).status).toBe(404);
    third.cf.close();
    const fourth = fixture({ predefined: [team], stateFile });
    expect((await fourth.final(call('bob'))).status).toBe(200);
  });
});
