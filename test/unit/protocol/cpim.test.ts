import { describe, expect, it } from 'vitest';
import {
  ANONYMOUS_URI,
  CPM_NAMESPACE,
  type CpimMessage,
  encodeCpim,
  IMDN_NAMESPACE,
  MAX_CPIM_HEADER_BYTES,
  MAX_CPIM_HEADERS,
  parseCpim,
} from '../../../protocol/cpim';
import { characters, octets, parsedValue, reasonOf, wire } from './wire-text';

const parse = (...lines: string[]): CpimMessage => parsedValue(parseCpim(octets(wire(...lines))));
const envelope = ['From: <sip:a@lab.test>', 'To: <sip:b@lab.test>'];

describe('CPIM', () => {
  it.each(['urn:ietf:params:\timdn', 'urn:ietf:params:i mdn', 'urn:ietf:"params:imdn'])(
    'reads no header of a namespace that is no URI, and writes none that it would read: %j',
    (namespace) => {
      for (const lines of [
        [`NS: i <${namespace}>`, 'i.Message-ID: forged'],
        [`NS: <${namespace}>`, 'Message-ID: forged'],
        ['NS: i <urn:ietf:params:other>', `NS: i <${namespace}>`, 'i.Message-ID: forged'],
        [`NS: imdn <${namespace}>`, 'imdn.Message-ID: forged'],
      ]) {
        const message = parse('From: <sip:a@b>', ...lines, '', 'Content-Type: text/plain', '', 'x');
        expect(message.messageId).toBeNull();
        expect(message.headers.filter((header) => header.namespace !== null)).toEqual([]);
        expect(parsedValue(parseCpim(encodeCpim(message))).messageId).toBeNull();
      }
    },
  );

  it('reads the headers of the next default namespace after one that is no URI', () => {
    const message = parse('NS: <urn: x>', 'A: lost', 'NS: <urn:y>', 'B: kept', '', 'Content-Type: text/plain', '', 'x');
    expect(message.headers).toEqual([{ namespace: 'urn:y', name: 'B', value: 'kept' }]);
  });

  it('reads the first message of a session', () => {
    const message = parse(
      `From: <${ANONYMOUS_URI}>`,
      `To: <${ANONYMOUS_URI}>`,
      'NS: imdn <urn:ietf:params:imdn>',
      'imdn.Message-ID: Msg0012345',
      'DateTime: 2026-11-23T14:12:02.000Z',
      'imdn.Disposition-Notification: positive-delivery, display',
      '',
      'Content-Type: text/plain;charset=UTF-8',
      'Content-Length: 5',
      '',
      'Hello',
    );
    expect(message).toMatchObject({
      from: ANONYMOUS_URI,
      fromName: null,
      to: [ANONYMOUS_URI],
      dateTime: Date.UTC(2026, 10, 23, 14, 12, 2),
      messageId: 'Msg0012345',
      dispositions: ['positive-delivery', 'display'],
      contentType: 'text/plain;charset=UTF-8',
    });
    expect(characters(message.body)).toBe('Hello');
  });

  it('reads what it writes, byte for byte in the body', () => {
    const message: CpimMessage = {
      from: 'sip:alice@lab.test',
      fromName: 'Alice "lap" \\ top',
      to: ['sip:bob@lab.test', 'tel:+15550100'],
      dateTime: 1_795_443_122_345,
      subject: 'Lunch \\ today\nor not',
      messageId: 'm-1',
      dispositions: ['positive-delivery', 'negative-delivery', 'display'],
      headers: [],
      contentType: 'text/plain;charset=UTF-8',
      contentHeaders: new Map([['content-disposition', 'notification']]),
      body: octets('grüße\r\n\r\n👋'),
    };
    const again = parsedValue(parseCpim(encodeCpim(message)));
    expect({ ...again, headers: [] }).toEqual(message);
    expect(characters(encodeCpim(message))).toContain('Content-Disposition: notification\r\nContent-Length: 15\r\n\r\n');
  });

  it('resolves namespaces by their URI, whatever the prefix', () => {
    const message = parse(
      ...envelope,
      'NS: x <urn:ietf:params:imdn>',
      'NS: imdn <urn:something:else>',
      'x.Message-ID: right',
      'imdn.Message-ID: wrong',
      'x.disposition-notification: Display',
      '',
      'Content-Type: text/plain',
      '',
      'x',
    );
    expect(message.messageId).toBe('right');
    expect(message.dispositions).toEqual(['display']);
    expect(message.headers).toContainEqual({ namespace: 'urn:something:else', name: 'Message-ID', value: 'wrong' });
  });

  it('knows the prefixes that everybody uses without their NS line, and no others', () => {
    const message = parse(
      ...envelope,
      'imdn.Message-ID: m',
      'imdn.Disposition-Notification: display',
      'other.Message-ID: no',
      '',
      'Content-Type: text/plain',
      '',
      'x',
    );
    expect(message).toMatchObject({ messageId: 'm', dispositions: ['display'] });
    expect(message.headers).toContainEqual({ namespace: null, name: 'other.Message-ID', value: 'no' });
    expect(parse(...envelope, 'NS: imdn <urn:else>', 'imdn.Message-ID: m', '', 'Content-Type: text/plain', '', 'x').messageId).toBeNull();
  });

  it.each([
    ['line ends', '\r\n\r\n\n'],
    ['a byte order mark', '\u{FEFF}'],
    ['both', '\u{FEFF}\r\n'],
  ])('reads an envelope after %s', (_, before) => {
    const message = parsedValue(parseCpim(octets(before + wire(...envelope, '', 'Content-Type: text/plain', '', 'x'))));
    expect(message).toMatchObject({ from: 'sip:a@lab.test', contentType: 'text/plain' });
    expect(characters(message.body)).toBe('x');
  });

  it('reads headers of the content after more than one blank line; content without headers begins with one', () => {
    const message = parse(...envelope, '', '', '', 'Content-Type: text/html', '', 'x');
    expect([message.contentType, characters(message.body)]).toEqual(['text/html', 'x']);
    const bare = parse(...envelope, '', '', 'Contents: x');
    expect([bare.contentType, characters(bare.body)]).toEqual(['text/plain', 'Contents: x']);
  });

  it('takes an empty type for that of plain text', () => {
    expect(parse(...envelope, '', 'Content-Type: ', '', 'x').contentType).toBe('text/plain');
  });

  it('undoes a transfer encoding, and names one that it cannot undo', () => {
    const content = (encoding: string, body: string) =>
      parse(
        ...envelope,
        '',
        'Content-Type: text/plain',
        `Content-Transfer-Encoding: ${encoding}`,
        `Content-Length: ${body.length}`,
        '',
        body,
      );
    const base64 = content('base64', 'R3LDvMOfZQ==');
    expect(characters(base64.body)).toBe('Grüße');
    expect([...base64.contentHeaders]).toEqual([]);
    expect(characters(parsedValue(parseCpim(encodeCpim(base64))).body)).toBe('Grüße');
    expect(characters(content('quoted-printable', 'Gr=C3=BC=C3=9Fe').body)).toBe('Grüße');
    const other = content('x-uuencode', 'begin 644');
    expect(characters(other.body)).toBe('begin 644');
    expect(other.contentHeaders.get('content-transfer-encoding')).toBe('x-uuencode');
  });

  it('takes the default namespace from an NS header without prefix', () => {
    const message = parse(
      ...envelope,
      `NS: <${IMDN_NAMESPACE}>`,
      'Message-ID: m',
      'NS: <urn:ietf:params:cpim-headers:>',
      'Subject: s',
      '',
      'Content-Type: a/b',
      '',
      '',
    );
    expect(message).toMatchObject({ messageId: 'm', subject: 's' });
  });

  it('writes foreign headers with their own NS line', () => {
    const text = characters(
      encodeCpim({
        from: null,
        to: [],
        contentType: 'text/plain',
        body: octets('x'),
        headers: [
          { namespace: CPM_NAMESPACE, name: 'Payload-Type', value: 'text/plain' },
          { namespace: 'urn:x', name: 'A', value: '1' },
          { namespace: 'urn:x', name: 'B', value: '2' },
          { namespace: IMDN_NAMESPACE, name: 'Original-To', value: '<sip:a@b>' },
          { namespace: null, name: 'From', value: 'evil' },
        ],
      }),
    );
    const message = parsedValue(parseCpim(octets(text)));
    expect(text).toContain(`NS: cpm <${CPM_NAMESPACE}>\r\ncpm.Payload-Type: text/plain`);
    expect(message.headers.filter((header) => header.namespace !== null)).toEqual([
      { namespace: CPM_NAMESPACE, name: 'Payload-Type', value: 'text/plain' },
      { namespace: 'urn:x', name: 'A', value: '1' },
      { namespace: 'urn:x', name: 'B', value: '2' },
      { namespace: IMDN_NAMESPACE, name: 'Original-To', value: '<sip:a@b>' },
    ]);
    expect(message.from).toBe(ANONYMOUS_URI);
  });

  it('counts Content-Length in UTF-8 octets', () => {
    const message = parse(...envelope, '', 'Content-Type: text/plain', 'Content-Length: 7', '', 'grüße\r\n');
    expect(characters(message.body)).toBe('grüße');
  });

  it('keeps the whole text of a sender that counted characters', () => {
    const message = parse(...envelope, '', 'Content-Type: text/plain', 'Content-Length: 5', '', 'grüße');
    expect(characters(message.body)).toBe('grüße');
  });

  it.each(['9', '5000', '9999999999'])('reads what is there where Content-Length: %s claims more', (length) => {
    const message = parse(...envelope, '', 'Content-Type: text/plain', `Content-Length: ${length}`, '', 'short');
    expect(characters(message.body)).toBe('short');
  });

  it('refuses an envelope that ends before its content begins', () => {
    expect(reasonOf(parseCpim(octets(wire(...envelope, '', 'Content-Type: text/plain', 'Content-Length: 9'))))).toContain('no blank line');
  });

  it('reads bare line feeds, folded headers, parameters and a missing content type', () => {
    const message = parsedValue(
      parseCpim(
        octets(
          'From: Bob\n  <sip:b@lab.test>\nTo: sip:a@lab.test\nSubject:;lang=en Hi \\u0041\\n\nDateTime: yesterday\n\nContent-ID: <1>\n\nbody',
        ),
      ),
    );
    expect(message).toMatchObject({
      from: 'sip:b@lab.test',
      fromName: 'Bob',
      to: ['sip:a@lab.test'],
      subject: 'Hi A\n',
      dateTime: null,
      contentType: 'text/plain',
    });
    expect(message.contentHeaders).toEqual(new Map([['content-id', '<1>']]));
    expect(characters(message.body)).toBe('body');
  });

  it('reads a message whose sender forgot the blank line between envelope and content', () => {
    const message = parse(...envelope, 'Content-Type: text/html', 'Content-Length: 2', '', 'ok');
    expect(message).toMatchObject({ contentType: 'text/html', from: 'sip:a@lab.test' });
    expect(characters(message.body)).toBe('ok');
  });

  it.each([
    ['nothing', ''],
    ['a blank line alone', '\r\n\r\nx'],
    ['no blank line at all', wire(...envelope)],
    ['a line that is no header', wire('hello', '', '')],
    ['content without headers', wire(...envelope, '', 'just text, no header', '')],
  ])('refuses %s as a value', (_, text) => {
    expect(parseCpim(octets(text)).ok).toBe(false);
  });

  it('does not fail on a bad address: it is simply not there', () => {
    expect(parse('From: <sip:a', 'To: "', '', 'Content-Type: a/b', '', '')).toMatchObject({ from: null, to: [] });
  });

  it('has limits', () => {
    const many = (count: number) => octets(wire(...Array.from({ length: count }, () => 'X: y'), '', 'Content-Type: a/b', '', ''));
    expect(parseCpim(many(MAX_CPIM_HEADERS)).ok).toBe(true);
    expect(reasonOf(parseCpim(many(MAX_CPIM_HEADERS + 1)))).toBe('too many headers');
    expect(reasonOf(parseCpim(octets(`X: ${'y'.repeat(MAX_CPIM_HEADER_BYTES)}\r\n\r\n`)))).toBe('header block too long');
  });

  it('lets no value add a header or end the envelope', () => {
    const evil = 'x>\r\nEvil: 1\r\n\r\nContent-Type: text/html\r\n\r\n';
    const text = characters(
      encodeCpim({
        from: evil,
        fromName: evil,
        to: [evil],
        subject: evil,
        messageId: evil,
        dateTime: 0,
        contentType: `text/plain${evil}`,
        contentHeaders: new Map([
          ['content-id', evil],
          [evil, 'x'],
        ]),
        headers: [{ namespace: `urn:x${evil}`, name: 'A', value: evil }],
        body: octets('ok'),
      }),
    );
    const lines = text.split('\r\n');
    expect(lines.filter((line) => /^(?:Evil|Content-Type: text\/html)/.test(line))).toEqual([]);
    expect(lines.filter((line) => line === '')).toHaveLength(2);
    expect(parsedValue(parseCpim(octets(text))).subject).toBe(evil);
  });
});
