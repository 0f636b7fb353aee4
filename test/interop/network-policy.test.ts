import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { ICSI } from '../../protocol/feature-tags';
import { parseSdp } from '../../protocol/sdp';
import { RawAgent } from '../support/peers/raw-agent';
import { closeClients, headerValues, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';
import { until } from '../support/waiting';

/** What the policy of the network lets through and where the media of sessions runs, with real clients and a policy file. */
let folder = '';
let network: Network;
/** What the roles received and sent: MSRP at the Participating Function is media that runs through it. */
let relayed: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorus-policy-'));
  relayed = [];
  printLadderOnFailure();
});
afterEach(async () => {
  await closeClients();
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(policy: object, log: Parameters<typeof startNetwork>[0] = {}): Promise<void> {
  const policyFile = join(folder, 'policy.json');
  writeFileSync(policyFile, JSON.stringify(policy, null, 2));
  network = await startNetwork({
    policyFile,
    tap: ({ role, protocol, bytes }) => {
      if (role === 'pf' && protocol === 'msrp') relayed.push(new TextDecoder().decode(bytes));
    },
    ...log,
  });
}

const client = (name: string, more: Partial<Parameters<typeof startClient>[0]> = {}): Promise<TestClient> =>
  startClient({ name, address: `sip:${name.replace(/-.*/, '')}@lab.test`, proxy: network.uris.tcp, factory: network.factory, ...more });

const arrived = (at: TestClient, text: string) =>
  at.until(`"${text}" is there`, () =>
    at.events.find((event) => event.event === 'message' && event.direction === 'in' && event.text === text),
  );
const became = (at: TestClient, message: string, state: string) =>
  at.until(`the message is ${state}`, () =>
    at.events.find((event) => event.event === 'message' && event.message === message && event.state === state),
  );

function sdpIn(invite: string | undefined) {
  const at = invite?.indexOf('v=0') ?? -1;
  const end = invite?.indexOf('\r\n--', at) ?? -1;
  const read = parseSdp(`${(invite ?? '').slice(at, end < 0 ? undefined : end)}\r\n`);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
}

describe('the policy of the network', () => {
  it('R49: without a preference media runs from device to device, and the offer reaches the other side unchanged', async () => {
    await start({});
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    await alice.call('sendText', { to: bob.address, text: 'one' });
    const { message } = await alice.call('sendText', { to: bob.address, text: 'two' });
    await became(alice, message, 'delivered');
    const [sent, received] = [sdpIn(sipRequests(alice, 'out', 'INVITE')[0]), sdpIn(sipRequests(bob, 'in', 'INVITE')[0])];
    expect(received).toEqual(sent);
    expect(relayed).toEqual([]);
  });

  it('R49: by a user`s preference media runs through the network: a different path at each side, texts and receipts both ways, an orderly end', async () => {
    await start({ users: { 'sip:bob@lab.test': { mediaPath: 'stay' } } });
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    const { conversation } = await alice.call('sendText', { to: bob.address, text: 'inside the invitation' });
    const first = await arrived(bob, 'inside the invitation');
    const { message } = await alice.call('sendText', { to: bob.address, text: 'through the relay' });
    await became(alice, message, 'delivered');
    const bobs = first.event === 'message' ? first.conversation : '';
    await bob.call('markDisplayed', { conversation: bobs, upTo: message });
    await became(alice, message, 'displayed');
    await bob.call('sendText', { conversation: bobs, text: 'and back' });
    await arrived(alice, 'and back');
    const [sent, received] = [sdpIn(sipRequests(alice, 'out', 'INVITE')[0]), sdpIn(sipRequests(bob, 'in', 'INVITE')[0])];
    expect(received.path).not.toEqual(sent.path);
    expect(received).toMatchObject({ acceptTypes: sent.acceptTypes, wrappedTypes: sent.wrappedTypes, sessionId: sent.sessionId });
    expect(relayed.join('\n')).toContain('through the relay');
    expect(relayed.join('\n')).toContain('and back');
    await alice.call('closeSession', { conversation });
    await bob.until('the session is over', async () =>
      (await bob.call('conversations', {})).find((one) => one.conversation === bobs && one.session === 'ended'),
    );
    // The next text makes another session by itself.
    await bob.call('sendText', { conversation: bobs, text: 'once more' });
    await arrived(alice, 'once more');
  });

  it('R49: one of several devices accepts the session, and only its media runs through the network', async () => {
    await start({ users: { 'sip:bob@lab.test': { mediaPath: 'stay' } } });
    const [alice, desk, phone] = await Promise.all([client('alice'), client('bob-desk'), client('bob-phone')]);
    const { message: first } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'who is there' });
    await became(alice, first, 'delivered');
    const { message } = await alice.call('sendText', { to: 'sip:bob@lab.test', text: 'only to one' });
    await became(alice, message, 'delivered');
    const took = [desk, phone].filter((one) => one.events.some((event) => event.event === 'message' && event.text === 'only to one'));
    expect(took).toHaveLength(1);
    expect(relayed.join('\n')).toContain('only to one');
  });

  it('R49: a lost side is noticed by the other, the media returns through the relay by a re-INVITE, and both legs end with the BYE', async () => {
    await start({ provider: { mediaPath: 'stay' } });
    const [alice, bob] = ['alice', 'bob'].map((name) => new RawAgent({ name, device: `${name} raw`, proxy: network.uris.tcp })) as [
      RawAgent,
      RawAgent,
    ];
    try {
      for (const one of [alice, bob]) expect(await one.register()).toBe(200);
      const media = alice.newMedia();
      const invite = alice.request('INVITE', 'sip:bob@lab.test', ICSI.session).setBody('application/sdp', alice.sdpOf(media, 'actpass'));
      const { call, answer } = await alice.invite(invite, media);
      const theirs = await until('a call at bob', () => bob.calls[0]);
      await Promise.all([media.connect(answer.text), theirs.media.connect(theirs.sdp)]);
      expect(await media.say('sip:bob@lab.test', 'there')).toBe(200);
      expect(await theirs.media.say('sip:alice@lab.test', 'and back')).toBe(200);
      expect([theirs.media.texts, media.texts]).toEqual([['there'], ['and back']]);

      theirs.media.hangUp();
      await until('alice misses her media', () => (media.isOver ? true : null));
      const again = alice.newMedia();
      const renew = call?.dialog.request('INVITE', alice.contact).setBody('application/sdp', alice.sdpOf(again, 'actpass'));
      if (call === null || renew === undefined) throw new Error('no call');
      const second = await call.dialog.send(renew).final;
      call.dialog.ack();
      expect(second.status).toBe(200);
      const renewed = await until('a re-INVITE at bob', () => bob.renewed[0]);
      await Promise.all([again.connect(second.text), renewed.media.connect(renewed.sdp)]);
      expect(await again.say('sip:bob@lab.test', 'once more')).toBe(200);
      expect(renewed.media.texts).toEqual(['once more']);
      expect((await call.dialog.bye().final).status).toBe(200);
      await until('both have ended', () => (again.isOver && renewed.media.isOver ? true : null));
    } finally {
      await Promise.all([alice.close(), bob.close()]);
    }
  });

  it('R98: the core asserts the service that the client prefers, the traces show it, and the recipient gets it', async () => {
    const records: { role: string; text: string }[] = [];
    const tap: NonNullable<Parameters<typeof startNetwork>[0]>['tap'] = ({ role, protocol, direction, bytes }) => {
      if (protocol === 'sip' && direction === 'in') records.push({ role, text: new TextDecoder().decode(bytes) });
    };
    await start({ provider: { unknownServices: 'refuse' } }, { tap });
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    await alice.call('sendText', { to: bob.address, text: 'Asserted' });
    await arrived(bob, 'Asserted');
    const [sent] = sipRequests(alice, 'out', 'INVITE');
    expect(headerValues(sent ?? '', 'P-Preferred-Service')).toEqual([ICSI.session]);
    const atFunction = records.find(({ role, text }) => role === 'pf' && text.startsWith('INVITE '))?.text ?? '';
    const [received] = sipRequests(bob, 'in', 'INVITE');
    for (const text of [atFunction, received ?? '']) {
      expect(headerValues(text, 'P-Asserted-Service')).toEqual([ICSI.session]);
      expect(headerValues(text, 'P-Preferred-Service')).toEqual([]);
    }
  });

  it('R43: an IMEI stays in its own network, whoever calls; a UUID and the GRUU go on, and both sides reach the device', async () => {
    await start({});
    const imei = 'urn:gsma:imei:90420156-025763-0';
    const [alice, bob] = await Promise.all([client('alice', { instanceUrn: imei }), client('bob')]);
    const { conversation } = await alice.call('sendText', { to: bob.address, text: 'from a phone' });
    const first = await arrived(bob, 'from a phone');
    expect(headerValues(sipRequests(alice, 'out', 'INVITE')[0] ?? '', 'Contact')[0]).toContain(imei);
    expect(headerValues(sipRequests(bob, 'in', 'INVITE')[0] ?? '', 'Contact')[0]).toMatch(/^"alice" <sip:alice@lab\.test;gr=urn:uuid:/);
    const bobs = first.event === 'message' ? first.conversation : '';
    const stands = (at: TestClient, id: string, session: string) =>
      at.until(`the session is ${session}`, async () =>
        (await at.call('conversations', {})).find((one) => one.conversation === id && one.session === session),
      );
    await stands(alice, conversation, 'established');
    await alice.call('closeSession', { conversation });
    await stands(bob, bobs, 'ended');
    const { message } = await bob.call('sendText', { conversation: bobs, text: 'to a phone' });
    await became(bob, message, 'delivered');
    await stands(bob, bobs, 'established');
    expect(headerValues(sipRequests(alice, 'in', 'INVITE')[0] ?? '', 'Contact')[0]).toContain('+sip.instance="<urn:uuid:');
    const received = bob.wire.filter((record) => record.direction === 'in').map((record) => new TextDecoder().decode(record.bytes));
    expect(received.filter((text) => text.includes('gsma:imei'))).toEqual([]);
    expect(received.some((text) => text.startsWith('SIP/2.0 200') && text.includes('CSeq: 1 INVITE'))).toBe(true);
  });

  it('R49: the provider records texts, and its policy overrides that of its users', async () => {
    await start({ provider: { record: true, recordTo: 'records' }, users: { 'sip:bob@lab.test': { mediaPath: 'out', record: false } } });
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    await alice.call('sendText', { to: bob.address, text: 'kept one' });
    const { message } = await alice.call('sendText', { to: bob.address, text: 'kept two' });
    await became(alice, message, 'delivered');
    // A record is written beside the session, which does not wait for it.
    const records = await until('both records hold both texts', () => {
      const files = readdirSync(join(folder, 'records')).map((name) => readFileSync(join(folder, 'records', name), 'utf8'));
      return files.filter((record) => record.includes('kept one') && record.includes('kept two')).length === 2 ? files : null;
    });
    // Each side's Participating Function keeps it for its own user.
    expect(records).toHaveLength(2);
    for (const record of records) {
      const lines = record
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; text?: string; from?: string });
      expect(lines[0]).toMatchObject({ event: 'begun', caller: 'sip:alice@lab.test', called: 'sip:bob@lab.test' });
      for (const text of ['kept one', 'kept two'])
        expect(
          lines.filter((line) => line.event === 'message' && line.from === 'sip:alice@lab.test' && line.text?.includes(text)),
        ).toHaveLength(1);
    }
  });

  it('R46 R56 R57: a blocked sender is refused once with the status in the list, and nothing reaches the other side; the file may change at any time', async () => {
    await start({ users: { 'sip:bob@lab.test': { blocked: [{ address: 'sip:alice@lab.test', status: 603 }] } } });
    const [alice, bob] = await Promise.all([client('alice'), client('bob')]);
    const { message } = await alice.call('sendText', { to: bob.address, text: 'let me in' });
    const failed = await became(alice, message, 'failed');
    expect(failed.event === 'message' && failed.error).toMatchObject({ code: 'sip/rejected', status: 603 });
    expect(sipRequests(bob, 'in', 'INVITE')).toEqual([]);
    expect(sipRequests(alice, 'out', 'INVITE')).toHaveLength(1);
    writeFileSync(join(folder, 'policy.json'), '{ "users": {} }');
    await until('the change has come through', () =>
      network.policy.decide('sip:bob@lab.test', 'term', alice.address) === null ? true : null,
    );
    await alice.call('retry', { message });
    await became(alice, message, 'delivered');
  });

  it('a text to a mail address is taken by the mail gateway once it is on disk, also when it was written in a session, which is refused', async () => {
    await start({ interworking: { mailOutbox: 'mail.jsonl' } });
    const alice = await client('alice');
    const { message } = await alice.call('sendText', { to: 'mailto:someone@example.org', text: 'Dear someone', mode: 'pager' });
    await became(alice, message, 'sent');
    expect(JSON.parse(readFileSync(join(folder, 'mail.jsonl'), 'utf8'))).toMatchObject({
      from: 'sip:alice@lab.test',
      to: 'someone@example.org',
      text: 'Dear someone',
    });
    const { message: second } = await alice.call('sendText', { to: 'mailto:someone@example.org', text: 'Let us talk' });
    await became(alice, second, 'sent');
    const lines = readFileSync(join(folder, 'mail.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).text)).toEqual(['Dear someone', 'Let us talk']);
    expect(sipRequests(alice, 'out', 'INVITE')).toHaveLength(1);
    expect(sipRequests(alice, 'out', 'MESSAGE')).toHaveLength(2);
  });

  it('R48: an unassigned telephone number goes to the interworking function, which has no route to it', async () => {
    await start({});
    const alice = await client('alice');
    const { message } = await alice.call('sendText', { to: 'tel:+15550177', text: 'Hello' });
    const failed = await became(alice, message, 'failed');
    expect(failed.event === 'message' && failed.error).toMatchObject({
      status: 404,
      warning: expect.stringContaining('No gateway serves tel'),
    });
  });
});
