import { describe, expect, it } from 'vitest';
import { encodeGroupData, type GroupData, MAX_GROUP_DATA_ID_CHARACTERS, parseGroupData } from '../../../protocol/group-data';

describe('group data', () => {
  it.each<GroupData>([
    { kind: 'request', id: 'a1', target: 'subject', action: 'set', data: 'Lunch & <dinner>' },
    { kind: 'request', id: 'a2', target: 'subject', action: 'delete', data: null },
    { kind: 'response', id: 'a1', code: 403 },
  ])('reads what it writes: %j', (value) => {
    expect(parseGroupData(encodeGroupData(value))).toEqual({ ok: true, value });
  });

  it('reads both shapes that were seen: attributes or children, any namespace, with or without a root of its own', () => {
    const flat =
      '<groupdata xmlns="urn:oma:xml:cpm:groupdata"><request><id>7</id><target>subject</target><action>set</action><data>Tea</data></request></groupdata>';
    const value = { kind: 'request', id: '7', target: 'subject', action: 'set', data: 'Tea' };
    expect(parseGroupData(flat)).toEqual({ ok: true, value });
    expect(parseGroupData('<x:request xmlns:x="urn:x" id="7" target="subject" action="set"><x:data>Tea</x:data></x:request>')).toEqual({
      ok: true,
      value,
    });
  });

  it('reads the shape with the id at the root, a further element around the request, and the value in an element of its own', () => {
    const nested =
      '<cpm-group-management xmlns="urn:oma:xml:cpm:groupdata:1.0" id="9"><group-data><request target="subject"><action>set</action><data><subject>Tea</subject></data></request></group-data></cpm-group-management>';
    expect(parseGroupData(nested)).toEqual({
      ok: true,
      value: { kind: 'request', id: '9', target: 'subject', action: 'set', data: 'Tea' },
    });
  });

  it.each([
    ['nothing', ''],
    ['another document', '<a/>'],
    ['no id', '<request target="subject" action="set"/>'],
    ['a long id', `<response id="${'a'.repeat(MAX_GROUP_DATA_ID_CHARACTERS + 1)}" code="200"/>`],
    ['no code', '<response id="1"/>'],
    ['an unknown action', '<request id="1" target="subject" action="sing"/>'],
  ])('refuses %s', (_what, document) => {
    expect(parseGroupData(document).ok).toBe(false);
  });
});
