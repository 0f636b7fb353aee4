import { describe, expect, it } from 'vitest';
import {
  type ConferenceInfo,
  type ConferenceUser,
  encodeConferenceInfo,
  MAX_CONFERENCE_USERS,
  mergeConferenceInfo,
  parseConferenceInfo,
} from '../../../protocol/conference-info';
import { parsedValue, reasonOf } from './wire-text';

const FOCUS = 'sip:grp-7f3@cf.lab.example';
const ALICE_GRUU = 'sip:alice@lab.example;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const document = `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${FOCUS}" state="full" version="1">
 <conference-description><subject>Lunch</subject><maximum-user-count>50</maximum-user-count></conference-description>
 <conference-state><user-count>3</user-count><active>true</active></conference-state>
 <users state="full">
  <user entity="sip:alice@lab.example" state="full" yourown="true"><display-text>Alice</display-text><roles><entry>Administrator</entry></roles>
   <endpoint entity="${ALICE_GRUU}" state="full"><display-text>Alice laptop</display-text><status>connected</status><joining-method>dialed-in</joining-method></endpoint></user>
  <user entity="sip:bob@lab.example" state="full"><endpoint entity="sip:bob@lab.example;gr=urn:uuid:BBBB"><status>disconnected</status><disconnection-method>departed</disconnection-method></endpoint></user>
 </users>
</conference-info>`;
const full = parsedValue(parseConferenceInfo(document));

const partial = (version: number, users: string, head = '') =>
  parsedValue(
    parseConferenceInfo(
      `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${FOCUS}" state="partial" version="${version}">${head}<users state="partial">${users}</users></conference-info>`,
    ),
  );
const merged = (previous: ConferenceInfo | null, next: ConferenceInfo): ConferenceInfo => {
  const info = mergeConferenceInfo(previous, next);
  if (info === null) throw new Error('documents are missing');
  return info;
};
const user = (info: ConferenceInfo, name: string): ConferenceUser | undefined => info.users.find((one) => one.entity.includes(name));

describe('conference-info', () => {
  it('reads who is in the group, with devices', () => {
    expect(full).toEqual({
      entity: FOCUS,
      state: 'full',
      version: 1,
      subject: 'Lunch',
      icon: null,
      maximumUserCount: 50,
      userCount: 3,
      active: true,
      usersState: 'full',
      users: [
        {
          entity: 'sip:alice@lab.example',
          state: 'full',
          displayText: 'Alice',
          nickname: null,
          roles: ['Administrator'],
          yourOwn: true,
          endpoints: [
            {
              entity: ALICE_GRUU,
              state: 'full',
              displayText: 'Alice laptop',
              status: 'connected',
              disconnectionMethod: null,
              joiningMethod: 'dialed-in',
            },
          ],
        },
        {
          entity: 'sip:bob@lab.example',
          state: 'full',
          displayText: null,
          nickname: null,
          roles: [],
          yourOwn: false,
          endpoints: [
            {
              entity: 'sip:bob@lab.example;gr=urn:uuid:BBBB',
              state: 'full',
              displayText: null,
              status: 'disconnected',
              disconnectionMethod: 'departed',
              joiningMethod: null,
            },
          ],
        },
      ],
    } satisfies ConferenceInfo);
  });

  it('reads what it writes, hostile text included', () => {
    const evil = '</users>"<x a="b">&\r\n';
    const info: ConferenceInfo = {
      ...full,
      subject: evil.trim(),
      icon: 'data:image/png;base64,iVBORw0KGgo=',
      users: full.users.map((one) => ({ ...one, entity: evil.trim(), displayText: 'a <b>', nickname: evil.trim() })),
    };
    expect(parsedValue(parseConferenceInfo(encodeConferenceInfo(info)))).toEqual(info);
    expect(parsedValue(parseConferenceInfo(encodeConferenceInfo({ ...full, version: null, userCount: null, active: null })))).toMatchObject(
      { version: null, active: null },
    );
  });

  it('applies a change to what is known, and leaves the rest', () => {
    const next = merged(
      full,
      partial(
        2,
        `<user entity="sip:bob@LAB.example" state="partial"><display-text>Bob</display-text><endpoint entity="sip:bob@lab.example;gr=urn:uuid:BBBB" state="partial"><status>connected</status></endpoint></user>
         <user entity="sip:carol@lab.example"><endpoint entity="c"><status>alerting</status></endpoint></user>`,
        '<conference-state><user-count>4</user-count></conference-state>',
      ),
    );
    expect(next).toMatchObject({ state: 'full', version: 2, subject: 'Lunch', userCount: 4, active: true });
    expect(next.users).toHaveLength(3);
    expect(user(next, 'bob')).toMatchObject({ displayText: 'Bob', endpoints: [{ status: 'connected', disconnectionMethod: null }] });
    expect(user(next, 'alice')).toEqual(user(full, 'alice'));
  });

  it('replaces a user whose element is full, and adds endpoints of one that is partial', () => {
    const replaced = merged(full, partial(2, '<user entity="sip:alice@lab.example" state="full"><endpoint entity="other"/></user>'));
    expect(user(replaced, 'alice')).toMatchObject({ displayText: null, yourOwn: false, endpoints: [{ entity: 'other' }] });
    const added = merged(full, partial(2, '<user entity="sip:alice@lab.example" state="partial"><endpoint entity="other"/></user>'));
    expect(user(added, 'alice')).toMatchObject({ displayText: 'Alice', yourOwn: true, roles: ['Administrator'] });
    expect(user(added, 'alice')?.endpoints).toHaveLength(2);
  });

  it('removes users and endpoints that are deleted', () => {
    const next = merged(
      full,
      partial(
        2,
        `<user entity="sip:bob@lab.example" state="deleted"/><user entity="sip:alice@lab.example" state="partial"><endpoint entity="${ALICE_GRUU}" state="deleted"/></user>`,
      ),
    );
    expect(next.users.map((one) => one.entity)).toEqual(['sip:alice@lab.example']);
    expect(user(next, 'alice')?.endpoints).toEqual([]);
    expect(merged(next, { ...partial(3, ''), state: 'deleted' })).toMatchObject({ state: 'deleted', users: [] });
  });

  it('takes a full list of users as everybody', () => {
    const next = merged(full, { ...partial(2, '<user entity="sip:dave@lab.example"/>'), usersState: 'full' });
    expect(next.users.map((one) => one.entity)).toEqual(['sip:dave@lab.example']);
  });

  it('changes no user where the document says nothing of users', () => {
    const text = `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${FOCUS}" state="partial" version="2"><conference-description><subject>Dinner</subject></conference-description></conference-info>`;
    const next = merged(full, parsedValue(parseConferenceInfo(text)));
    expect(next.subject).toBe('Dinner');
    expect(next.users).toEqual(full.users);
  });

  it('passes over what it has seen, asks for a new start at a gap, and takes every full document', () => {
    expect(mergeConferenceInfo(full, partial(1, '<user entity="sip:x@y"/>'))).toBe(full);
    expect(mergeConferenceInfo(full, partial(3, ''))).toBeNull();
    expect(mergeConferenceInfo(null, partial(1, ''))).toBeNull();
    expect(merged({ ...full, version: 9 }, full)).toEqual(full);
    expect(mergeConferenceInfo({ ...full, version: null }, partial(7, ''))).toMatchObject({ version: 7 });
  });

  it('does not grow past its limit', () => {
    const many = Array.from({ length: MAX_CONFERENCE_USERS }, (_, index) => `<user entity="sip:u${index}@x"/>`).join('');
    const crowd = merged(full, { ...partial(2, many), usersState: 'full' });
    expect(merged(crowd, partial(3, '<user entity="sip:late@x"/>')).users).toHaveLength(MAX_CONFERENCE_USERS);
    expect(
      reasonOf(parseConferenceInfo(`<conference-info entity="x"><users>${many}<user entity="sip:late@x"/></users></conference-info>`)),
    ).toBe('too many users');
    const devices = '<endpoint entity="x"/>'.repeat(MAX_CONFERENCE_USERS + 1);
    expect(
      reasonOf(parseConferenceInfo(`<conference-info entity="x"><users><user entity="a">${devices}</user></users></conference-info>`)),
    ).toBe('too many endpoints');
  });

  it.each([
    '',
    '<x/>',
    '<conference-info/>',
    '<conference-info entity="x"><users><user/></users></conference-info>',
    '<conference-info entity="x">',
  ])('refuses %s', (text) => {
    expect(parseConferenceInfo(text).ok).toBe(false);
  });

  it('reads unknown words as not told', () => {
    const text =
      '<conference-info entity="x" state="odd" version="-1"><users><user entity="a"><endpoint entity="e"><status>dancing</status></endpoint></user></users></conference-info>';
    expect(parsedValue(parseConferenceInfo(text))).toMatchObject({
      state: 'full',
      version: null,
      users: [{ endpoints: [{ status: null }] }],
    });
  });
});
