import { describe, expect, it } from 'vitest';
import { encodeImdn, type Imdn, parseImdn } from '../../../protocol/imdn';
import { encodeIsComposing, parseIsComposing } from '../../../protocol/is-composing';
import { characters, parsedValue, reasonOf } from './wire-text';

const NS = 'urn:ietf:params:xml:ns:imdn';
const inner = '<message-id>Msg0012345</message-id><datetime>2026-11-23T14:12:02.000Z</datetime>';

describe('IMDN', () => {
  it('reads one without recipient-uri', () => {
    const text = `<imdn xmlns="${NS}">${inner}<delivery-notification><status><delivered/></status></delivery-notification></imdn>`;
    expect(parsedValue(parseImdn(text))).toEqual({
      messageId: 'Msg0012345',
      dateTime: Date.UTC(2026, 10, 23, 14, 12, 2),
      kind: 'delivery',
      status: 'delivered',
      recipient: null,
    });
  });

  it('takes any prefix and none', () => {
    const body = inner.replace(/<(\/?)/g, '<$1i:');
    const prefixed = `<i:imdn xmlns:i="${NS}">${body}<i:recipient-uri> sip:b@c </i:recipient-uri><i:display-notification><i:status><i:displayed/></i:status></i:display-notification></i:imdn>`;
    expect(parsedValue(parseImdn(prefixed))).toMatchObject({ kind: 'display', status: 'displayed', recipient: 'sip:b@c' });
    expect(
      parsedValue(parseImdn(`<imdn>${inner}<delivery-notification><status><failed/></status></delivery-notification></imdn>`)).status,
    ).toBe('failed');
    const foreign = `<imdn xmlns="urn:other">${inner}<delivery-notification><status><failed/></status></delivery-notification></imdn>`;
    expect(reasonOf(parseImdn(foreign))).toBe('not an imdn document');
  });

  it.each<Imdn>([
    { messageId: 'a<b>&"c', dateTime: 1_795_443_122_345, kind: 'delivery', status: 'delivered', recipient: 'sip:b@c?x=1&y=2' },
    { messageId: 'm', dateTime: 0, kind: 'display', status: 'displayed', recipient: null },
    { messageId: 'm', dateTime: 0, kind: 'processing', status: 'stored', recipient: null },
    { messageId: 'm', dateTime: 0, kind: 'delivery', status: 'failed', recipient: null },
  ])('carries $kind $status both ways', (imdn) => {
    expect(parsedValue(parseImdn(encodeImdn(imdn)))).toEqual(imdn);
  });

  it.each([
    ['nothing', ''],
    ['another root', '<x/>'],
    ['no message-id', `<imdn xmlns="${NS}"><display-notification><status><displayed/></status></display-notification></imdn>`],
    ['no notification', `<imdn xmlns="${NS}">${inner}</imdn>`],
    ['no status', `<imdn xmlns="${NS}">${inner}<display-notification/></imdn>`],
    [
      'a status of another kind',
      `<imdn xmlns="${NS}">${inner}<display-notification><status><delivered/></status></display-notification></imdn>`,
    ],
    ['an entity bomb', `<!DOCTYPE imdn [<!ENTITY a "x">]><imdn>${inner}&a;</imdn>`],
  ])('refuses %s', (_, text) => {
    expect(parseImdn(text).ok).toBe(false);
  });
});

describe('isComposing', () => {
  it('carries both states', () => {
    for (const value of [
      { state: 'active', refreshSeconds: 60, contentType: 'text/plain' },
      { state: 'idle', refreshSeconds: null, contentType: null },
    ] as const) {
      expect(parsedValue(parseIsComposing(encodeIsComposing(value)))).toEqual(value);
    }
    expect(characters(encodeIsComposing({ state: 'active', refreshSeconds: 60, contentType: 'a/b<' }))).toContain(
      '<contenttype>a/b&lt;</contenttype>',
    );
  });

  it('reads lastactive, prefixes and unknown states without harm', () => {
    const text =
      '<c:isComposing xmlns:c="urn:ietf:params:xml:ns:im-iscomposing"><c:state> thinking </c:state><c:lastactive/><c:refresh>soon</c:refresh></c:isComposing>';
    expect(parsedValue(parseIsComposing(text))).toEqual({ state: 'idle', refreshSeconds: null, contentType: null });
    for (const bad of ['', '<isComposing/>', '<state>active</state>', '<isComposing xmlns="urn:x"><state>active</state></isComposing>']) {
      expect(parseIsComposing(bad).ok).toBe(false);
    }
  });
});
