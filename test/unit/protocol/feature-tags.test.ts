import { describe, expect, it } from 'vitest';
import { acceptContact, ICSI, icsiParam, matchesAcceptContact, matchesRejectContact, parseIcsi } from '../../../protocol/feature-tags';
import { parseNameAddr } from '../../../protocol/uri';
import { parsedValue } from './wire-text';

const UUID = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const contact = (params: string) => parsedValue(parseNameAddr(`<sip:a@b>;${params}`)).params;
const preference = (params: string) => parsedValue(parseNameAddr(`*;${params}`));

describe('ICSI', () => {
  it('writes colons as %3A inside the quotes and reads them back', () => {
    expect(icsiParam([ICSI.session, ICSI.msg])).toBe(
      '+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"',
    );
    expect(parseIcsi(contact(icsiParam([ICSI.session, ICSI.group])).get('+g.3gpp.icsi-ref') ?? '')).toEqual([ICSI.session, ICSI.group]);
    expect(parseIcsi('"URN%3aURN-7%3A3gpp-service.IMS.icsi.oma.cpm.msg"')).toEqual([ICSI.msg]);
    expect(parseIcsi('%zz,,%zz')).toEqual(['%zz']);
  });

  it('cannot be made to end its quotes', () => {
    expect(icsiParam(['urn:x"\r\nEvil: 1'])).toBe('+g.3gpp.icsi-ref="urn%3Ax%22%0D%0AEvil%3A%201"');
  });
});

describe('caller preferences (RFC 3841)', () => {
  it('tells a service from one whose name begins alike', () => {
    const group = contact(icsiParam([ICSI.group]));
    expect(matchesAcceptContact(group, preference(icsiParam([ICSI.session]))).matches).toBe(false);
    expect(matchesAcceptContact(group, preference(icsiParam([ICSI.group])))).toMatchObject({ matches: true, score: 1, dropped: false });
    expect(matchesAcceptContact(contact(icsiParam([ICSI.session, ICSI.group])), preference(icsiParam([ICSI.group]))).score).toBe(1);
  });

  it('addresses one device by its instance, absent or different being a drop', () => {
    const header = acceptContact({ icsis: [ICSI.session], instanceId: UUID });
    expect(header).toBe(`*;${icsiParam([ICSI.session])};+sip.instance="<${UUID}>";require;explicit`);
    const wanted = parsedValue(parseNameAddr(header));
    const features = icsiParam([ICSI.session]);
    expect(matchesAcceptContact(contact(`${features};+sip.instance="<${UUID.toUpperCase()}>"`), wanted)).toMatchObject({
      score: 1,
      dropped: false,
    });
    expect(matchesAcceptContact(contact(`${features};+sip.instance="<urn:uuid:other>"`), wanted).dropped).toBe(true);
    expect(matchesAcceptContact(contact(features), wanted).dropped).toBe(true);
  });

  it('scores by the share of features, all or nothing with explicit, and drops with require', () => {
    const one = contact('audio;q=1');
    expect(matchesAcceptContact(one, preference('audio;video'))).toMatchObject({ matches: true, score: 0.5, dropped: false });
    expect(matchesAcceptContact(one, preference('audio;video;explicit'))).toMatchObject({ score: 0, dropped: false });
    expect(matchesAcceptContact(one, preference('audio;video;require'))).toMatchObject({ score: 0.5, dropped: false });
    expect(matchesAcceptContact(one, preference('audio;video;require;explicit')).dropped).toBe(true);
    expect(matchesAcceptContact(contact('audio="FALSE"'), preference('audio;require'))).toMatchObject({ matches: false, dropped: true });
    expect(matchesAcceptContact(contact('audio="FALSE"'), preference('audio'))).toMatchObject({ matches: false, score: 0, dropped: false });
    expect(matchesAcceptContact(one, preference('require'))).toMatchObject({ matches: true, score: 1, dropped: false });
  });

  it.each([
    ['mobility="fixed"', 'mobility="fixed,mobile"', true],
    ['mobility="fixed"', 'mobility="!fixed"', false],
    ['mobility="!fixed"', 'mobility="mobile"', true],
    ['mobility="!fixed"', 'mobility="fixed"', false],
    ['mobility="!fixed"', 'mobility="!mobile"', true],
    ['priority="#1:5"', 'priority="#>=5"', true],
    ['priority="#1:5"', 'priority="#<=0"', false],
    ['priority="#=3"', 'priority="#=3"', true],
    ['priority="#x"', 'priority="#=3"', false],
    ['description="<PC>"', 'description="<PC>"', true],
    ['description="<PC>"', 'description="<pc>"', false],
    ['methods="INVITE,BYE"', 'methods="bye"', true],
    ['isfocus', 'isfocus="TRUE"', true],
  ])('contact %s against %s: %s', (offered, asked, matches) => {
    expect(matchesAcceptContact(contact(offered), preference(asked)).matches).toBe(matches);
  });

  it('rejects only what names every feature asked for', () => {
    const reject = preference(`+sip.instance="<${UUID}>"`);
    expect(matchesRejectContact(contact(`+sip.instance="<${UUID}>"`), reject)).toBe(true);
    expect(matchesRejectContact(contact('+sip.instance="<urn:uuid:other>"'), reject)).toBe(false);
    expect(matchesRejectContact(contact('audio'), reject)).toBe(false);
    expect(matchesRejectContact(contact('audio'), preference('x=1'))).toBe(false);
  });
});
