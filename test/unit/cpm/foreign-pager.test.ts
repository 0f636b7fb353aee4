/** Pager messages of clients that know no CPM. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeCpim } from '../../../protocol/cpim';
import { encodeIsComposing } from '../../../protocol/is-composing';
import { createLab, incomingPager, remoteParty } from '../../support/doubles/cpm-lab';

const bob = 'sip:bob@lab.test';
const composingType = 'application/im-iscomposing+xml';
let lab: ReturnType<typeof createLab>;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const pager = (contentType: string, body: string | Uint8Array, requestId = crypto.randomUUID()) =>
  incomingPager(remoteParty(bob), contentType, body, requestId);
const composing = (state: 'active' | 'idle') => encodeIsComposing({ state, refreshSeconds: null, contentType: null });
const texts = () =>
  lab.messenger.chats.all().flatMap(({ conversation }) => lab.messenger.chats.messages(conversation, {}, 50).map((one) => one.text));
const typing = () => lab.events.flatMap((event) => (event.event === 'composing' ? event.active : []));

describe('a bare text', () => {
  it('is kept, and asks for no receipt', async () => {
    expect(await lab.messenger.incoming.pager(pager('text/plain;charset=UTF-8', 'Grüße 🎉'))).toBe(200);
    await lab.settle();
    expect(texts()).toEqual(['Grüße 🎉']);
    expect(lab.pagers).toEqual([]);
  });

  it('is known again by its request: a repetition is none, the same words once more are another message', async () => {
    const once = pager('text/plain', 'ok');
    for (const each of [once, once, pager('text/plain', 'ok')]) expect(await lab.messenger.incoming.pager(each)).toBe(200);
    expect(texts()).toEqual(['ok', 'ok']);
  });

  it.each([
    ['iso-8859-1', Uint8Array.from([0x47, 0x72, 0xfc, 0xdf, 0x65])],
    ['"UTF-8"', new TextEncoder().encode('Grüße')],
    ['x-nobody-knows', new TextEncoder().encode('Grüße')],
  ])('in %s is read', async (charset, body) => {
    await lab.messenger.incoming.pager(pager(`text/plain; charset=${charset}`, body));

    expect(texts()).toEqual(['Grüße']);
  });

  it('and nothing else: what cannot be shown is refused, and makes no conversation', async () => {
    for (const type of ['text/html', 'application/octet-stream', '', 'text']) {
      expect(await lab.messenger.incoming.pager(pager(type, 'x'))).toBe(415);
    }
    expect(lab.messenger.chats.all()).toEqual([]);
  });
});

describe('a composing state by pager', () => {
  it.each([
    ['bare', composingType, composing('active')],
    ['in CPIM', 'message/cpim', encodeCpim({ from: bob, to: [], contentType: composingType, body: composing('active') })],
  ])('%s is told, until the text comes', async (_how, type, body) => {
    await lab.messenger.incoming.pager(pager('text/plain', 'first'));
    expect(await lab.messenger.incoming.pager(pager(type, body))).toBe(200);
    expect(typing()).toEqual([true]);
    await lab.messenger.incoming.pager(pager('text/plain', 'second'));
    expect(typing()).toEqual([true, false]);
  });

  it('of somebody who has never written makes no conversation', async () => {
    expect(await lab.messenger.incoming.pager(pager(composingType, composing('active')))).toBe(200);
    expect([lab.messenger.chats.all(), lab.events]).toEqual([[], []]);
  });

  it('is answered in kind, and nobody else hears by pager that one types', async () => {
    await lab.messenger.incoming.pager(pager('text/plain', 'first'));
    const conversation = lab.messenger.chats.all()[0]?.conversation ?? '';
    lab.messenger.texts.composing(conversation, true);
    expect(lab.pagers).toEqual([]);
    await lab.messenger.incoming.pager(pager(composingType, composing('active')));
    lab.messenger.texts.composing(conversation, true);
    lab.messenger.texts.composing(conversation, false);
    const bodies = lab.pagers.map(({ target, contentType, body }) => [target, contentType, new TextDecoder().decode(body)]);
    expect(bodies).toEqual([
      [bob, 'message/cpim', expect.stringContaining('<state>active</state>')],
      [bob, 'message/cpim', expect.stringContaining('<state>idle</state>')],
    ]);
    lab.setPreferences({ composing: false });
    lab.messenger.texts.composing(conversation, true);
    expect(lab.pagers).toHaveLength(2);
  });

  it('goes over the session where one stands', async () => {
    const { conversation, media } = await lab.talkTo(bob);
    await lab.messenger.incoming.pager(pager(composingType, composing('active')));
    lab.messenger.texts.composing(conversation, true);
    await lab.settle();
    expect(media.sent.map((one) => one.contentType)).toContain(composingType);
    expect(lab.pagers).toEqual([]);
  });
});
