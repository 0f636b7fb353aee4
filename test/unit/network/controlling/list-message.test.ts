/** One MESSAGE to several people at the factory of the Controlling Function. */
import { describe, expect, it } from 'vitest';
import {
  ListMessages,
  MAX_COPIES,
  MAX_COPIES_OF_SENDER,
  MAX_LIST_MESSAGE_BYTES,
  MAX_LIST_RECIPIENTS,
} from '../../../../network/controlling/list-message';
import type { SipRequest } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../../network/sip/transaction';
import { encodeCpim, parseCpim } from '../../../../protocol/cpim';
import { parseImdn } from '../../../../protocol/imdn';
import { encodeMultipart, parseMultipart } from '../../../../protocol/multipart';
import { encodeResourceLists, parseResourceLists, type ResourceEntryDraft } from '../../../../protocol/resource-lists';
import { personOf, requestFrom, utf8 } from '../../../support/doubles/controlling-lab';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const FACTORY = 'sip:conference-factory@lab.test';
const ALICE = 'sip:alice@lab.test';
const GRUU = `${ALICE};gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6`;

function lab() {
  const clock = new VirtualClock();
  const core = new SipServer({ clock });
  const server = new SipServer({ clock });
  const { atA: toCf, atB: toCore } = connectServers(core, server);
  const lists = new ListMessages({ server, core: toCore, host: 'cf.lab.test' });
  server.onRequest = (transaction) => lists.receive(transaction);
  const sent: SipRequest[] = [];
  const open: ServerTransaction[] = [];
  const state = { answers: new Map<string, number>(), isSlow: false };
  core.onRequest = (transaction) => {
    sent.push(transaction.request);
    if (state.isSlow) open.push(transaction);
    else transaction.reply(state.answers.get(personOf(transaction.request.uri)) ?? 200);
  };
  const send = async (request: SipRequest) => {
    const { final } = core.request(request, toCf);
    await settle();
    return (await final).status;
  };
  return { send, sent, state, open, to: (name: string) => sent.filter(({ uri }) => personOf(uri) === name) };
}

const entry = (name: string, copyControl: ResourceEntryDraft['copyControl'] = 'bcc', more: Partial<ResourceEntryDraft> = {}) => ({
  uri: `sip:${name}@lab.test`,
  copyControl,
  ...more,
});

function listMessage(entries: ResourceEntryDraft[], more: { from?: string; text?: string; name?: string } = {}): SipRequest {
  const { from = ALICE, text = 'to each of you', name = 'alice' } = more;
  const cpim = encodeCpim({
    from,
    fromName: 'Allie',
    to: [FACTORY],
    dateTime: 0,
    messageId: 'id-1',
    dispositions: ['positive-delivery', 'negative-delivery'],
    headers: [{ namespace: 'urn:chorus:device', name: 'Gruu', value: GRUU }],
    contentType: 'text/plain',
    body: utf8(text),
  });
  const parts = [
    {
      contentType: 'application/resource-lists+xml',
      headers: new Map([['content-disposition', 'recipient-list']]),
      body: utf8(encodeResourceLists(entries)),
    },
    { contentType: 'message/cpim', headers: new Map<string, string>(), body: cpim },
  ];
  return requestFrom(name, 'MESSAGE', FACTORY)
    .remove('Contact')
    .append('Require', 'recipient-list-message')
    .append('Reply-To', '<sip:desk@lab.test>')
    .setBody('multipart/mixed;boundary=b1', encodeMultipart(parts, 'b1'));
}

const envelopeOf = (request: SipRequest | undefined) => {
  const read = parseCpim(request?.body ?? new Uint8Array());
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

describe('R99: one message to several people', () => {
  it('is answered 202, and each person gets one copy, which names nobody else', async () => {
    const { send, sent, to } = lab();
    expect(await send(listMessage([entry('bob'), entry('carol'), entry('bob'), entry('alice')]))).toBe(202);
    expect(sent.map(({ uri }) => personOf(uri))).toEqual(['bob', 'carol']);
    const [copy] = to('bob');
    expect(copy?.get('content-type')).toBe('message/cpim');
    expect(envelopeOf(copy)).toMatchObject({ from: ALICE, fromName: 'Allie', to: ['sip:bob@lab.test'], messageId: 'id-1' });
    expect(copy?.text).not.toContain('carol');
    expect(copy?.get('p-asserted-identity')).toContain(`<${ALICE}>`);
    expect(copy?.get('p-asserted-service')).toContain('oma.cpm.msg');
    expect([copy?.get('conversation-id'), copy?.get('contribution-id'), copy?.get('reply-to')]).toEqual([
      'conversation-1',
      'group-1',
      '<sip:desk@lab.test>',
    ]);
    expect(copy?.has('require')).toBe(false);
  });

  it('whoever is listed as to or cc is seen by all, without those who do not want that, and never with bcc (RFC 5364)', async () => {
    const { send, to } = lab();
    await send(listMessage([entry('bob', 'to'), entry('carol', 'cc'), entry('dave', 'bcc'), entry('erin', 'to', { anonymize: true })]));
    for (const name of ['bob', 'carol', 'dave', 'erin']) {
      const [copy] = to(name);
      const parts = parseMultipart(copy?.get('content-type') ?? '', copy?.body ?? new Uint8Array());
      if (!parts.ok) throw new Error(parts.reason);
      const list = parseResourceLists(parts.value[1]?.body ?? '');
      expect(list.ok && list.value.map(({ uri }) => uri)).toEqual([
        'sip:bob@lab.test',
        'sip:carol@lab.test',
        'sip:anonymous@anonymous.invalid',
      ]);
      expect(parts.value[1]?.headers.get('content-disposition')).toBe('recipient-list-history;handling=optional');
    }
  });

  it('its sender hears of each person who did not get it, at the device that wrote', async () => {
    const { send, state, sent } = lab();
    state.answers.set('carol', 404).set('dave', 603);
    await send(listMessage([entry('bob'), entry('carol'), entry('dave')]));
    const reports = sent.filter(({ uri }) => uri === GRUU);
    expect(reports.map((report) => report.get('p-asserted-identity'))).toEqual(['<sip:carol@lab.test>', '<sip:dave@lab.test>']);
    const imdn = parseImdn(envelopeOf(reports[0]).body);
    expect(imdn.ok && imdn.value).toMatchObject({ messageId: 'id-1', kind: 'delivery', status: 'failed', recipient: 'sip:carol@lab.test' });
  });

  it('is refused where it is no such message, or speaks for somebody else', async () => {
    const { send, sent } = lab();
    const bare = requestFrom('alice', 'MESSAGE', FACTORY).setBody('text/plain', 'hello');
    const strange = listMessage([entry('bob')]).append('Require', 'teleport');
    const unasserted = listMessage([entry('bob')]).remove('P-Asserted-Identity');
    const statuses = [];
    for (const request of [bare, strange, unasserted, listMessage([]), listMessage([entry('bob')], { from: 'sip:bob@lab.test' })])
      statuses.push(await send(request));
    expect(statuses).toEqual([400, 420, 403, 400, 403]);
    expect(sent).toEqual([]);
  });

  it('MAX_LIST_RECIPIENTS and MAX_LIST_MESSAGE_BYTES hold', async () => {
    const { send, sent } = lab();
    const people = (count: number) => Array.from({ length: count }, (_, n) => entry(`p${n}`));
    expect(await send(listMessage(people(MAX_LIST_RECIPIENTS + 1)))).toBe(403);
    expect(await send(listMessage([entry('bob')], { text: 'x'.repeat(MAX_LIST_MESSAGE_BYTES) }))).toBe(413);
    expect(sent).toEqual([]);
    expect(await send(listMessage(people(MAX_LIST_RECIPIENTS)))).toBe(202);
    expect(sent).toHaveLength(MAX_LIST_RECIPIENTS);
  });

  it('MAX_COPIES are on their way at a time, MAX_COPIES_OF_SENDER of one sender', async () => {
    const { send, state, open } = lab();
    state.isSlow = true;
    const people = Array.from({ length: MAX_LIST_RECIPIENTS }, (_, n) => entry(`p${n}`));
    const ofOne = [];
    for (let n = 0; n <= MAX_COPIES_OF_SENDER / MAX_LIST_RECIPIENTS; n += 1) ofOne.push(await send(listMessage(people)));
    expect(ofOne).toEqual([202, 202, 202, 202, 503]);
    for (let n = MAX_COPIES_OF_SENDER; n < MAX_COPIES; n += MAX_LIST_RECIPIENTS)
      expect(await send(listMessage(people, { name: `s${n}`, from: `sip:s${n}@lab.test` }))).toBe(202);
    expect(await send(listMessage([entry('bob')], { name: 'zoe', from: 'sip:zoe@lab.test' }))).toBe(503);
    for (const one of open.splice(0)) one.reply(200);
    await settle();
    expect(await send(listMessage([entry('bob')]))).toBe(202);
  });
});
