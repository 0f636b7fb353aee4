/** What is acknowledged is shown, kept as a file, or refused. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maxPieces, maxWrappers } from '../../../../main/cpm/inbox/content';
import { maxFileBytes, maxFileBytesOfSender } from '../../../../main/cpm/inbox/file';
import type { MessageContentValue } from '../../../../preload/contract';
import { encodeCpim } from '../../../../protocol/cpim';
import { encodeImdn } from '../../../../protocol/imdn';
import { encodeIsComposing } from '../../../../protocol/is-composing';
import { createLab, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

const bob = 'sip:bob@lab.test';
let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const utf8 = (text: string) => new TextEncoder().encode(text);
let count = 0;
const cpim = (contentType: string, body: string | Uint8Array, contentHeaders: Record<string, string> = {}) => {
  count += 1;
  return encodeCpim({
    from: bob,
    to: [lab.self],
    dateTime: lab.clock.now(),
    messageId: `id-${count}`,
    dispositions: ['positive-delivery'],
    contentType,
    contentHeaders: new Map(Object.entries(contentHeaders)),
    body: typeof body === 'string' ? utf8(body) : body,
  });
};
const multipart = (type: string, ...parts: [head: string, body: string][]) =>
  [
    `multipart/${type};boundary=b`,
    `${parts.map(([head, body]) => `--b\r\n${head}${head === '' ? '' : '\r\n'}\r\n${body}\r\n`).join('')}--b--\r\n`,
  ] as const;
const html = ['Content-Type: text/html', '<p>Hi</p>'] as [string, string];
const plain = ['Content-Type: text/plain', 'Hi'] as [string, string];

const contents = (): MessageContentValue[] =>
  lab.messenger.chats
    .all()
    .flatMap(({ conversation }) => lab.messenger.chats.messages(conversation, {}, 50))
    .filter(({ direction }) => direction === 'in')
    .map(({ content }) => content);
const shown = () => contents().map((content) => (content.kind === 'text' ? content.text : `${content.type} ${content.size}`));
const overSession = async (body: Uint8Array | string, contentType?: string) => {
  const { media } = await lab.talkTo(bob);
  lab.pagers.length = 0;
  await media.deliver(body, contentType);
  return media;
};
const byPager = (body: Uint8Array | string, contentType = 'message/cpim') =>
  lab.messenger.incoming.pager(incomingPager(remoteParty(bob), contentType, body));

describe('text of other kinds than text/plain', () => {
  it.each(['text/markdown', 'text/csv', 'text/x-log; charset=utf-8', 'TEXT/ENRICHED', 'text/xml'])(
    '%s stands in the chat as it is',
    async (type) => {
      const media = await overSession(cpim(type, 'a;b\n*Grüße*'));
      await media.deliver('bare', type);
      expect(await byPager('by pager', type)).toBe(200);
      expect(shown()).toEqual(['a;b\n*Grüße*', 'bare', 'by pager']);
    },
  );

  it.each(['text/html', 'text/calendar', 'text/vcard', 'text/rtf'])('%s is written for programs, and becomes a file', async (type) => {
    await overSession(cpim(type, 'x'));
    expect(shown()).toEqual([`${type} 1`]);
  });

  it('sent as an attachment it is a file with its name', async () => {
    await overSession(cpim('text/csv', 'a;b', { 'content-disposition': 'attachment; filename=List.csv' }));
    expect(contents()).toMatchObject([{ kind: 'file', type: 'text/csv', name: 'List.csv' }]);
  });

  it('plain text is preferred in an alternative, since nobody lays the other kind out', async () => {
    await overSession(cpim(...multipart('alternative', plain, ['Content-Type: text/markdown', '**Hi**'])));
    expect(shown()).toEqual(['Hi']);
  });
});

describe('content that cannot be shown', () => {
  it.each<[string, string | Uint8Array, string]>([
    ['text/html', '<p>Hi</p>', 'text/html 9'],
    ['TEXT/HTML; charset=utf-8', '<p>Hi</p>', 'text/html 9'],
    ['image/png', Uint8Array.from([0x89, 0x50, 0, 0xff]), 'image/png 4'],
    ['application/x-strange+xml', '<a/>', 'application/x-strange+xml 4'],
    ['text', 'x', 'application/octet-stream 1'],
    ['multipart/mixed', 'no boundary', 'multipart/mixed 11'],
    ['multipart/encrypted;boundary=b', '--b\r\n\r\nx\r\n--b--', 'multipart/encrypted 15'],
    ['message/cpim', 'no envelope', 'message/cpim 11'],
  ])('of the type %s is kept as a file', async (type, body, expected) => {
    await overSession(cpim(type, body));
    expect(shown()).toEqual([expected]);
    const [message] = lab.history.messages(lab.messenger.chats.all()[0]?.conversation ?? '', { limit: 9 }).slice(-1);
    if (message === undefined) throw new Error('nothing is kept');
    expect(lab.history.fileOf(message)).toEqual(Buffer.from(typeof body === 'string' ? utf8(body) : body));
  });

  it('is found by its type and its name, is owed the receipt that it asks for, and goes with its message', async () => {
    const media = await overSession(
      cpim('text/html', '<p>Hi</p>', { 'content-disposition': 'attachment; filename="../Plan \u202Efdp.html"' }),
    );
    await lab.settle();
    expect(contents()).toEqual([{ kind: 'file', text: 'Plan fdp.html (text/html)', type: 'text/html', size: 9, name: 'Plan fdp.html' }]);
    for (const word of ['html', 'plan']) expect((await lab.messenger.search.find(word, 5)).map(({ snippet }) => snippet)).toHaveLength(1);
    expect(media.sent.filter(({ body }) => body.includes('<delivered/>'))).toHaveLength(1);
    const id = `id-${count}`;
    const message = lab.history.message(id, 'in');
    if (message === null) throw new Error('nothing is kept');
    lab.messenger.chats.deleteMessage(id, 'in');
    expect(lab.history.fileOf(message)).toBeNull();
  });

  it('by pager message begins a chat too', async () => {
    expect(await byPager(cpim('text/html', 'x'))).toBe(200);
    expect(shown()).toEqual(['text/html 1']);
  });

  it('is kept once, however often it comes', async () => {
    const message = cpim('text/html', 'x');
    const media = await overSession(message);
    await media.deliver(message);
    expect(shown()).toHaveLength(1);
  });

  it('with an encoding that nobody knows is kept as it came', async () => {
    await overSession(cpim('text/plain', 'begin 644', { 'content-transfer-encoding': 'x-uuencode' }));
    expect(shown()).toEqual(['application/octet-stream 9']);
  });

  it('is refused where it is too large, or where its sender has left too much already', async () => {
    const { media } = await lab.talkTo(bob);
    await media.deliver(cpim('image/png', new Uint8Array(maxFileBytes)));
    await expect(media.deliver(cpim('image/png', new Uint8Array(maxFileBytes + 1)))).rejects.toMatchObject({ detail: { status: 413 } });
    expect(lab.history.fileBytesOf(bob)).toBe(maxFileBytes);
    lab.history.fileBytesOf = (sender) => (sender === bob ? maxFileBytesOfSender - 1 : 0);
    await media.deliver(cpim('image/png', new Uint8Array(1)));
    await expect(media.deliver(cpim('image/png', new Uint8Array(2)))).rejects.toMatchObject({ detail: { status: 413 } });
  });

  it.each([
    ['application/conference-info+xml', {}],
    ['application/sdp', {}],
    ['application/vnd.oma.cpm-groupdata+xml', {}],
    ['application/x-other', { 'content-disposition': 'notification' }],
  ])('because it is for programs is refused: %s', async (type, headers) => {
    const { media } = await lab.talkTo(bob);
    await expect(media.deliver(cpim(type, '<a/>', headers))).rejects.toMatchObject({ detail: { status: 415 } });
    expect(shown()).toEqual([]);
  });
});

describe('wrapped content', () => {
  it.each<[string, readonly [string, string], string[]]>([
    ['an alternative', multipart('alternative', plain, html), ['Hi']],
    ['an alternative that begins with what cannot be shown', multipart('alternative', html, plain), ['Hi']],
    ['an alternative of nothing that can be shown', multipart('alternative', ['Content-Type: a/b', 'x'], html), ['text/html 9']],
    ['a mixture', multipart('mixed', plain, html, ['Content-Type: text/plain', 'there']), ['Hi', 'text/html 9', 'there']],
    ['related parts', multipart('related', html, ['Content-Type: image/png\r\nContent-ID: <1>', 'png']), ['text/html 9', 'image/png 3']],
    ['a signed text', multipart('signed', plain, ['Content-Type: application/pgp-signature', 'x']), ['Hi']],
    ['an encoded part', multipart('mixed', ['Content-Type: text/plain\r\nContent-Transfer-Encoding: base64', 'SGk=']), ['Hi']],
    ['a part without headers', multipart('mixed', ['', 'Hi']), ['Hi']],
    ['a part for programs', multipart('mixed', plain, ['Content-Type: application/sdp', 'v=0']), ['Hi']],
    ['a multipart in it', multipart('mixed', ['Content-Type: multipart/alternative;boundary=c', '--c\r\n\r\nHi\r\n--c--']), ['Hi']],
    ['too many parts', multipart('mixed', ...Array.from({ length: maxPieces + 1 }, () => plain)), ['multipart/mixed 340']],
  ])('%s', async (_, [type, body], expected) => {
    await overSession(cpim(type, body));
    expect(shown()).toEqual(expected);
  });

  it('is one message to its sender: one receipt, and nothing twice', async () => {
    const message = cpim(...multipart('mixed', plain, html));
    const media = await overSession(message);
    await media.deliver(message);
    await lab.settle();
    expect(shown()).toEqual(['Hi', 'text/html 9']);
    expect(media.sent.filter(({ body }) => body.includes('<delivered/>'))).toHaveLength(1);
  });

  it('is kept as a whole or not at all', async () => {
    const { media } = await lab.talkTo(bob);
    const big = 'x'.repeat(maxFileBytes + 1);
    await expect(media.deliver(cpim(...multipart('mixed', plain, ['Content-Type: a/b', big])))).rejects.toMatchObject({
      detail: { status: 413 },
    });
    expect(shown()).toEqual([]);
  });

  it('in further envelopes counts as said by whom the outer one names', async () => {
    const inner = encodeCpim({ from: 'sip:mallory@lab.test', to: [], messageId: 'inner', contentType: 'text/plain', body: utf8('Hi') });
    await overSession(encodeCpim({ from: bob, to: [], contentType: 'message/cpim', body: inner }));
    expect(shown()).toEqual(['Hi']);
    expect(lab.history.message('inner', 'in')?.from).toBe(bob);
  });

  it('is unwrapped maxWrappers times', async () => {
    const wrap = (times: number): Uint8Array => (times === 0 ? cpim('text/plain', 'Hi') : cpim('message/cpim', wrap(times - 1)));
    await overSession(wrap(maxWrappers));
    expect(shown()).toEqual(['Hi']);
    await byPager(wrap(maxWrappers + 1));
    expect(shown()).toEqual(['Hi', expect.stringContaining('message/cpim')]);
  });
});

describe('texts', () => {
  it.each(['', ' ', '\r\n', '\u200B', '\u200B\u200D \uFEFF', '\u2800\u3164', '\uFE0F'])(
    'in which nothing can be seen make no bubble: %j',
    async (text) => {
      expect(await byPager(text, 'text/plain')).toBe(200);
      expect(await byPager(cpim('text/plain', text))).toBe(200);
      expect(lab.messenger.chats.all()).toEqual([]);
      await overSession(cpim('text/plain', text));
      expect(shown()).toEqual([]);
    },
  );

  it('by their byte order mark', async () => {
    await overSession(cpim('text/plain;charset=UTF-16', Uint8Array.from([0xfe, 0xff, 0x04, 0x1f, 0x04, 0x40])));
    expect(shown()).toEqual(['Пр']);
  });

  it('encoded as in mail', async () => {
    await overSession(cpim('text/plain', 'Gr=C3=BC=C3=9Fe', { 'content-transfer-encoding': 'quoted-printable' }));
    expect(shown()).toEqual(['Grüße']);
  });

  it('with an empty type', async () => {
    await overSession(new TextDecoder().decode(cpim('text/plain', 'Hi')).replace('Content-Type: text/plain', 'Content-Type: '));
    expect(shown()).toEqual(['Hi']);
  });

  it('without an envelope, in a session', async () => {
    await overSession('Hi', 'text/plain');
    expect(shown()).toEqual(['Hi']);
    const { media } = await lab.talkTo('sip:carol@lab.test');
    await expect(media.deliver('<p>', 'text/html')).rejects.toMatchObject({ detail: { status: 415 } });
  });
});

describe('a receipt', () => {
  const receiptFor = (message: string) =>
    encodeImdn({ messageId: message, dateTime: 1, kind: 'display', status: 'displayed', recipient: bob });

  it('counts without an envelope, in a session and by pager message', async () => {
    const { message, conversation, media } = await lab.talkTo(bob);
    await media.deliver(receiptFor(message), 'message/imdn+xml');
    expect(lab.stateOf(message)).toBe('displayed');
    const next = lab.messenger.texts.send({ conversation }, 'Next', 'session');
    await lab.settle();
    expect(await byPager(receiptFor(next.message), 'message/imdn+xml')).toBe(200);
    expect(lab.stateOf(next.message)).toBe('displayed');
  });

  it('in a multipart beside what else it says', async () => {
    const { message, media } = await lab.talkTo(bob);
    const imdn = new TextDecoder().decode(receiptFor(message));
    await media.deliver(cpim(...multipart('report', ['Content-Type: message/imdn+xml', imdn])));
    expect(lab.stateOf(message)).toBe('displayed');
    expect(shown()).toEqual([]);
  });

  it('or a composing state of somebody who has never written makes no chat', async () => {
    const composing = encodeIsComposing({ state: 'active', refreshSeconds: null, contentType: null });
    expect(await byPager(receiptFor('nobody'), 'message/imdn+xml')).toBe(200);
    expect(await byPager(cpim('application/im-iscomposing+xml', composing))).toBe(200);
    expect(lab.messenger.chats.all()).toEqual([]);
  });
});
