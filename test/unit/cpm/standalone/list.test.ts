/** One text to several people, who each get it in their own 1-1. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiptEnvelope } from '../../../../main/cpm/conversation/envelope';
import { pagerLimitBytes } from '../../../../main/cpm/courier';
import { gatherMs, noCopiesForMs } from '../../../../main/cpm/standalone/list';
import { AppError } from '../../../../preload/contract/errors';
import { parseCpim } from '../../../../protocol/cpim';
import { ICSI } from '../../../../protocol/feature-tags';
import { parseMultipart } from '../../../../protocol/multipart';
import { parseResourceLists } from '../../../../protocol/resource-lists';
import { createLab, incomingPager, type Lab, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const carol = 'sip:carol@lab.test';
const dave = 'sip:dave@lab.test';
const all = [bob, carol, dave];

const send = async (people: string[] = all, text = 'To each of you') => {
  const copies = lab.messenger.texts.sendSeparately(people, text);
  await lab.settle();
  await lab.clock.advance(gatherMs);
  await lab.settle();
  return copies;
};
const chatWith = (address: string) => lab.messenger.chats.all().find(({ people }) => people[0]?.address === address);
const receiptOf = (from: string, message: string, disposition: 'delivered' | 'displayed' = 'delivered') =>
  incomingPager(
    remoteParty(from),
    'message/cpim',
    receiptEnvelope({
      id: `${from}-${disposition}`,
      parties: { from, to: [lab.self] },
      message,
      payload: { to: lab.self, toInstance: null, disposition, at: lab.clock.now(), sentAt: 1 },
    }),
  );

describe('R99: a text to several people', () => {
  it('leaves as one request with a list, and stands in the 1-1 with each of them', async () => {
    const copies = await send();
    expect(lab.pagers).toHaveLength(1);
    const [request] = lab.pagers;
    expect(request).toMatchObject({
      target: 'sip:conference-factory@lab.test',
      icsi: ICSI.msgToList,
      require: ['recipient-list-message'],
    });
    const parts = parseMultipart(request?.contentType ?? '', request?.body ?? new Uint8Array());
    if (!parts.ok) throw new Error(parts.reason);
    const list = parseResourceLists(parts.value[0]?.body ?? '');
    expect(list.ok && list.value.map(({ uri, copyControl }) => [uri, copyControl])).toEqual(all.map((uri) => [uri, 'bcc']));
    const envelope = parseCpim(parts.value[1]?.body ?? new Uint8Array());
    expect(envelope.ok && envelope.value).toMatchObject({ messageId: copies[0]?.message, to: ['sip:conference-factory@lab.test'] });
    for (const address of all) {
      expect(chatWith(address)?.last).toMatchObject({ text: 'To each of you', direction: 'out', state: 'sent', standalone: 'list' });
      expect(chatWith(address)?.session).toBe('none');
    }
  });

  it('each person’s receipts, and failures, count for their copy alone', async () => {
    const [copy] = await send();
    const messageId = copy?.message ?? '';
    await lab.messenger.incoming.pager(receiptOf(carol, messageId));
    await lab.messenger.incoming.pager(receiptOf(carol, messageId, 'displayed'));
    const failed = new TextEncoder().encode(
      `From: <${dave}>\r\nTo: <${lab.self}>\r\nDateTime: 2026-01-01T00:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: f1\r\n\r\nContent-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>${messageId}</message-id><datetime>2026-01-01T00:00:00Z</datetime><delivery-notification><status><failed/></status></delivery-notification></imdn>`,
    );
    await lab.messenger.incoming.pager(incomingPager(remoteParty(dave), 'message/cpim', failed));
    await lab.settle();
    expect(all.map((address) => chatWith(address)?.last?.state)).toEqual(['sent', 'displayed', 'failed']);
  });

  it('a copy that failed is sent again by itself, under the Message-ID that all copies have', async () => {
    const copies = await send();
    lab.history.setMessageState(copies[2]?.message ?? '', 'failed', null, 'out');
    lab.messenger.outbox.retry(copies[2]?.message ?? '');
    await lab.settle();
    const envelope = parseCpim(lab.invites[0]?.request.parts?.[0]?.body ?? new Uint8Array());
    expect(lab.invites[0]?.request.target).toBe(dave);
    expect(envelope.ok && envelope.value.messageId).toBe(copies[0]?.message);
  });

  it.each([404, 405, 420])('goes to each by itself where the network makes no copies (%i), and for noCopiesForMs', async (status) => {
    lab.state.pagerFails = new AppError('sip/rejected', { status }, 'user');
    lab.messenger.texts.sendSeparately(all, 'One');
    await lab.settle();
    const advanced = lab.clock.advance(gatherMs);
    await Promise.resolve();
    await advanced;
    lab.state.pagerFails = null;
    await lab.clock.advance(60_000);
    await lab.settle();
    lab.pagers.length = 0;
    await send(all, 'Two');
    expect(lab.pagers.map(({ target, icsi }) => [target, icsi])).toEqual(all.map((address) => [address, ICSI.msg]));
    expect(all.map((address) => chatWith(address)?.last?.standalone)).toEqual(['pager', 'pager', 'pager']);
    await lab.clock.advance(noCopiesForMs);
    lab.pagers.length = 0;
    await send(all, 'Three');
    expect(lab.pagers.map(({ icsi }) => icsi)).toEqual([ICSI.msgToList]);
  });

  it('goes to each by itself where it is too long, or for one person', async () => {
    await send([bob, carol], 'x'.repeat(pagerLimitBytes));
    expect(lab.invites.map(({ request }) => request.target)).toEqual([bob, carol]);
    await send([dave], 'short');
    expect(lab.pagers.map(({ target }) => target)).toEqual([dave]);
  });

  it('is tried again when the network cannot be reached, and leaves once for each person', async () => {
    lab.state.pagerFails = new AppError('net/timeout', {}, 'auto');
    await send();
    expect(all.map((address) => chatWith(address)?.last?.state)).toEqual(['queued', 'queued', 'queued']);
    lab.state.pagerFails = null;
    await lab.clock.advance(10_000);
    await lab.settle();
    // Their pauses are not the same to the millisecond: who is late goes alone.
    const reached = lab.pagers.flatMap(({ target, contentType, body }) => {
      const parts = parseMultipart(contentType, body);
      const list = parts.ok ? parseResourceLists(parts.value[0]?.body ?? '') : null;
      return list?.ok === true ? list.value.map(({ uri }) => uri) : [target];
    });
    expect(reached.sort()).toEqual(all);
    expect(all.map((address) => chatWith(address)?.last?.state)).toEqual(['sent', 'sent', 'sent']);
  });

  it('names each person once and never this account, and nothing is kept where one of them is blocked or nobody', async () => {
    expect(() => lab.messenger.texts.sendSeparately([lab.self], 'hm')).toThrow('ipc/refused');
    lab.state.blocked.add(carol);
    expect(() => lab.messenger.texts.sendSeparately(all, 'hm')).toThrow('conversation/blocked');
    expect(() => lab.messenger.texts.sendSeparately([bob, 'no address at all'], 'hm')).toThrow('account/bad-address');
    expect(lab.messenger.chats.all()).toEqual([]);
    const copies = await send([bob, dave, 'bob', 'sip:bob@LAB.test', lab.self]);
    expect(copies.map(({ to }) => to)).toEqual([bob, dave]);
  });
});
