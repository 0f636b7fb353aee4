import { describe, expect, it } from 'vitest';
import { encodeRegInfo, MAX_REGINFO_CONTACTS, mergeRegInfo, parseRegInfo, type RegInfo } from '../../../protocol/reginfo';
import { parsedValue, reasonOf } from './wire-text';

const document = `<?xml version="1.0" encoding="UTF-8"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="0" state="full">
 <registration aor="sip:alice@lab.example" id="a7" state="active">
  <contact id="76" state="active" event="registered" expires="3600" duration-registered="0" q="0.8" callid="1j9FpLxk3uxtm8tn@10.0.0.11" cseq="2">
   <uri>sip:alice@10.0.0.11:5071;transport=tls</uri>
   <display-name>Alice laptop</display-name>
   <unknown-param name="+sip.instance">"&lt;urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6&gt;"</unknown-param>
   <unknown-param name="reg-id">1</unknown-param>
   <unknown-param name="description">
     "&lt;Alice laptop&gt;"
   </unknown-param>
   <unknown-param name="isfocus"/>
   <unknown-param name="+g.3gpp.icsi-ref">"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"</unknown-param>
   <gr:pub-gruu uri="sip:alice@lab.example;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"/>
   <gr:temp-gruu uri="sip:tgruu.7hs3jd7vnzga5w7fajsc7ajd6fabz0f8g5@lab.example;gr" first-cseq="2"/>
  </contact>
 </registration>
 <registration aor="tel:+15550100" id="a8" state="active">
  <contact id="77" state="active" event="created"><uri>sip:alice@10.0.0.11:5071;transport=tls</uri></contact>
 </registration>
</reginfo>`;
const full = parsedValue(parseRegInfo(document));

const change = (version: number, registrations: string): RegInfo =>
  parsedValue(
    parseRegInfo(`<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="${version}" state="partial">${registrations}</reginfo>`),
  );
const contactIds = (info: RegInfo | null) => info?.registrations.map((registration) => registration.contacts.map((contact) => contact.id));

describe('reginfo', () => {
  it('reads devices with instance, capabilities and GRUUs', () => {
    const contact = full.registrations[0]?.contacts[0];
    expect(full).toMatchObject({ version: 0, state: 'full' });
    expect(contact).toMatchObject({
      id: '76',
      state: 'active',
      event: 'registered',
      uri: 'sip:alice@10.0.0.11:5071;transport=tls',
      displayName: 'Alice laptop',
      expires: 3600,
      durationRegistered: 0,
      q: '0.8',
      callId: '1j9FpLxk3uxtm8tn@10.0.0.11',
      cseq: 2,
      pubGruu: 'sip:alice@lab.example;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6',
      tempGruu: { uri: 'sip:tgruu.7hs3jd7vnzga5w7fajsc7ajd6fabz0f8g5@lab.example;gr', firstCseq: 2 },
    });
    expect([...(contact?.params ?? [])]).toEqual([
      ['+sip.instance', '<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>'],
      ['reg-id', '1'],
      ['description', '<Alice laptop>'],
      ['isfocus', null],
      ['+g.3gpp.icsi-ref', 'urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg'],
    ]);
    expect(full.registrations[1]).toMatchObject({
      aor: 'tel:+15550100',
      contacts: [{ event: 'created', pubGruu: null, tempGruu: null, params: new Map() }],
    });
  });

  it('reads what it writes, with the quoting of Contact', () => {
    const text = encodeRegInfo(full);
    expect(parsedValue(parseRegInfo(text))).toEqual(full);
    expect(text).toContain(
      '<unknown-param name="+sip.instance">&quot;&lt;urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6&gt;&quot;</unknown-param>',
    );
    expect(text).toContain('<unknown-param name="reg-id">1</unknown-param>');
    const evil = { ...full, registrations: full.registrations.map((one) => ({ ...one, aor: '"/><registration aor="x' })) };
    expect(parsedValue(parseRegInfo(encodeRegInfo(evil)))).toEqual(evil);
  });

  it('applies changes by contact, and forgets what is terminated', () => {
    const added = mergeRegInfo(
      full,
      change(
        1,
        '<registration aor="sip:alice@lab.example" id="a7" state="active"><contact id="90" state="active" event="registered"><uri>sip:x@y</uri></contact></registration>',
      ),
    );
    expect(contactIds(added)).toEqual([['76', '90'], ['77']]);
    const removed = mergeRegInfo(
      added,
      change(
        2,
        '<registration aor="sip:alice@lab.example" id="a7" state="active"><contact id="76" state="terminated" event="unregistered"><uri>sip:x@y</uri></contact></registration>',
      ),
    );
    expect(contactIds(removed)).toEqual([['90'], ['77']]);
    expect(contactIds(mergeRegInfo(removed, change(3, '<registration aor="tel:+15550100" id="a8" state="terminated"/>')))).toEqual([
      ['90'],
    ]);
  });

  it('passes over what it has seen and asks for a new start at a gap', () => {
    expect(mergeRegInfo(full, change(0, ''))).toBe(full);
    expect(mergeRegInfo(full, change(2, ''))).toBeNull();
    expect(mergeRegInfo(null, change(0, ''))).toBeNull();
    expect(mergeRegInfo({ ...full, version: 7, registrations: [] }, full)).toEqual(full);
  });

  it('has a limit', () => {
    const contact = '<contact id="1" state="active" event="created"><uri>x</uri></contact>';
    const text = (count: number) =>
      `<reginfo version="0" state="full"><registration aor="a" id="b" state="active">${contact.repeat(count)}</registration></reginfo>`;
    expect(parseRegInfo(text(MAX_REGINFO_CONTACTS)).ok).toBe(true);
    expect(reasonOf(parseRegInfo(text(MAX_REGINFO_CONTACTS + 1)))).toBe('too many contacts');
  });

  it.each([
    '',
    '<x/>',
    '<reginfo version="0"/>',
    '<reginfo state="full" version="x"/>',
    '<reginfo version="0" state="full"><registration aor="a" id="b"/></reginfo>',
    '<reginfo version="0" state="full"><registration aor="a" id="b" state="active"><contact id="1" state="active" event="dance"><uri>x</uri></contact></registration></reginfo>',
    '<reginfo version="0" state="full"><registration aor="a" id="b" state="active"><contact id="1" state="active" event="created"/></registration></reginfo>',
  ])('refuses %s', (text) => {
    expect(parseRegInfo(text).ok).toBe(false);
  });
});
