import { describe, expect, it } from 'vitest';
import {
  encodeReplacingEntry,
  encodeResourceLists,
  entryTarget,
  historyEntries,
  MAX_CALL_ID_CHARACTERS,
  MAX_LIST_ENTRIES,
  parseResourceLists,
  type ResourceEntry,
} from '../../../protocol/resource-lists';
import { octets, parsedValue, reasonOf } from './wire-text';

const BOB_GRUU = 'sip:bob@lab.example;gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const BOB_INSTANCE = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const CONTRIBUTION = '0f9d2c44-9d5e-4a57-8a55-6f4a6f0d1c11';

const document = `<?xml version="1.0" encoding="UTF-8"?>
<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol">
 <list>
  <entry uri="sip:bob@lab.example;gr=${BOB_INSTANCE};method=INVITE?Session-Replaces=${CONTRIBUTION}&amp;Accept-Contact=*%3B%2Bsip.instance%3D%22%3C${BOB_INSTANCE}%3E%22%3Brequire%3Bexplicit" cp:copyControl="to"/>
  <entry uri="sip:carol@lab.example" cp:copyControl="to"/>
 </list>
</resource-lists>`;

describe('resource lists', () => {
  it('names the device and the session to replace on that one entry', () => {
    const entries = parsedValue(parseResourceLists(document));
    expect(entries).toHaveLength(2);
    const [bob, carol] = entries.map((entry) => parsedValue(entryTarget(entry.uri)));
    expect(bob).toEqual({
      uri: BOB_GRUU,
      address: 'sip:bob@lab.example',
      method: 'INVITE',
      sessionReplaces: CONTRIBUTION,
      acceptContactInstance: BOB_INSTANCE,
      dialog: null,
      replaces: null,
    });
    expect(carol).toMatchObject({ uri: 'sip:carol@lab.example', sessionReplaces: null, acceptContactInstance: null, method: null });
  });

  it('writes exactly the entry of the field reference', () => {
    const bob = encodeReplacingEntry({ uri: BOB_GRUU, instanceId: BOB_INSTANCE, contributionId: CONTRIBUTION });
    expect(bob.uri).toBe(/uri="([^"]*)"/.exec(document)?.[1]?.replace('&amp;', '&'));
    const text = encodeResourceLists([bob, { uri: 'sip:carol@lab.example', copyControl: 'to' }]);
    expect(text.replace(/\r\n/g, '\n').trim()).toBe(document);
  });

  it('names only the session where no device is known, and turns tel into sip to carry the mark', () => {
    expect(encodeReplacingEntry({ uri: 'sip:bob@lab.example', instanceId: null, contributionId: CONTRIBUTION }).uri).toBe(
      `sip:bob@lab.example;method=INVITE?Session-Replaces=${CONTRIBUTION}`,
    );
    const tel = { uri: 'tel:+15550111', instanceId: null, contributionId: CONTRIBUTION };
    expect(encodeReplacingEntry({ ...tel, domain: 'lab.example' }).uri).toBe(
      `sip:+15550111@lab.example;user=phone;method=INVITE?Session-Replaces=${CONTRIBUTION}`,
    );
    expect(encodeReplacingEntry(tel).uri).toBe('tel:+15550111');
    expect(encodeReplacingEntry({ ...tel, uri: 'mailto:x@y' }).uri).toBe('mailto:x@y');
  });

  it('reads the dialog form of TS 24.147, whoever called', () => {
    const called = parsedValue(
      entryTarget('sip:b@lab.example?Call-ID=1a&From=sip:a@lab.example%3Btag%3Da1&To=sip:b@lab.example%3Btag%3Db1&Session-ID=1'),
    );
    expect(called.dialog).toEqual({
      callId: '1a',
      from: 'sip:a@lab.example',
      fromTag: 'a1',
      to: 'sip:b@lab.example',
      toTag: 'b1',
      sessionId: '1',
    });
    expect(called.replaces).toBe('1a;to-tag=b1;from-tag=a1');
    const caller = parsedValue(
      entryTarget('sip:b@lab.example?Call-ID=1a&From=%3Csip:b@lab.example%3E%3Btag%3Db1&To=%3Csip:a@lab.example%3E%3Btag%3Da1'),
    );
    expect(caller.replaces).toBe('1a;to-tag=b1;from-tag=a1');
    expect(parsedValue(entryTarget('sip:b@lab.example?Call-ID=1a&From=sip:a@x&To=sip:b@x')).replaces).toBeNull();
  });

  it('reads the instance from a URI parameter too', () => {
    expect(parsedValue(entryTarget('sip:bob@lab.example;+sip.instance=%3Curn:uuid:ABC%3E'))).toMatchObject({
      uri: 'sip:bob@lab.example',
      acceptContactInstance: 'urn:uuid:abc',
    });
  });

  it.each([
    'sip:b@c?Session-Replaces=1%0D%0AEvil:%201',
    'sip:b@c?Session-Replaces=',
    'sip:b@c?Session-Replaces=a%20b',
    'sip:b@c?Subject=1%0D%0AEvil:%201',
    'sip:b@c?Call-ID=1&From=%3Cx&To=y',
    'sip:b@c?Call-ID=1;to-tag=2&From=sip:a@x&To=sip:b@x',
    'sip:b@c?Call-ID=1&From=sip:a@x%3Btag%3D%221%3B2%22&To=sip:b@x%3Btag%3D1',
    `sip:b@c?Call-ID=${'1'.repeat(MAX_CALL_ID_CHARACTERS + 1)}&From=sip:a@x&To=sip:b@x`,
    'bob',
  ])('refuses %.60s', (uri) => {
    expect(entryTarget(uri).ok).toBe(false);
  });

  it('R1: treats a telephone number as a person but no other address, and leaves both unchanged', () => {
    expect(parsedValue(entryTarget('mailto:x@y?subject=z'))).toMatchObject({ uri: 'mailto:x@y?subject=z', address: null });
    expect(parsedValue(entryTarget('tel:+1-555'))).toMatchObject({ uri: 'tel:+1555', address: 'tel:+1555' });
  });

  it('reads inner lists, names, anonymity and both spellings of the copyControl namespace', () => {
    const text = `<r:resource-lists xmlns:r="urn:ietf:params:xml:ns:resource-lists" xmlns:c="urn:ietf:params:xml:ns:copyControl"><r:list name="x">
      <r:entry uri="sip:a@b" c:copyControl="BCC" c:anonymize="true"><r:display-name>A &amp; B</r:display-name></r:entry>
      <r:list><r:entry uri=" sip:c@d " copyControl="cc"/></r:list><r:entry-ref ref="x"/><r:external anchor="y"/></r:list></r:resource-lists>`;
    expect(parsedValue(parseResourceLists(octets(text)))).toEqual([
      { uri: 'sip:a@b', copyControl: 'bcc', anonymize: true, displayName: 'A & B' },
      { uri: 'sip:c@d', copyControl: 'cc', anonymize: false },
    ]);
  });

  it('reads what it writes, hostile text included', () => {
    const entries: ResourceEntry[] = [
      { uri: 'sip:a@b?x=1&y="<>', copyControl: 'cc', anonymize: true, displayName: '</entry><entry uri="sip:evil@x"/>\r\n&' },
      { uri: 'sip:c@d', copyControl: null, anonymize: false },
    ];
    expect(parsedValue(parseResourceLists(encodeResourceLists(entries)))).toEqual(entries);
  });

  it('shows the other recipients neither bcc, nor the anonymous, nor marks and devices', () => {
    const shown = historyEntries([
      { ...encodeReplacingEntry({ uri: BOB_GRUU, instanceId: BOB_INSTANCE, contributionId: CONTRIBUTION }), displayName: 'Bob' },
      { uri: 'sip:carol@lab.example', copyControl: 'bcc', anonymize: false },
      { uri: 'sip:dave@lab.example', copyControl: 'to', anonymize: true, displayName: 'Dave' },
      { uri: 'mailto:e@f?x=1', copyControl: 'cc', anonymize: false },
    ]);
    expect(shown).toEqual([
      { uri: 'sip:bob@lab.example', copyControl: 'to', anonymize: false, displayName: 'Bob' },
      { uri: 'sip:anonymous@anonymous.invalid', copyControl: 'to', anonymize: false },
      { uri: 'mailto:e@f', copyControl: 'cc', anonymize: false },
    ]);
  });

  it('refuses other documents, entries without uri, and too many entries', () => {
    const list = (count: number) => `<resource-lists><list>${'<entry uri="sip:a@b"/>'.repeat(count)}</list></resource-lists>`;
    expect(parseResourceLists(list(MAX_LIST_ENTRIES)).ok).toBe(true);
    expect(reasonOf(parseResourceLists(list(MAX_LIST_ENTRIES + 1)))).toBe('too many entries');
    expect(reasonOf(parseResourceLists('<resource-lists><list><entry/></list></resource-lists>'))).toBe('an entry without uri');
    expect(reasonOf(parseResourceLists('<list/>'))).toBe('not a resource-lists document');
    expect(parseResourceLists('').ok).toBe(false);
  });
});
