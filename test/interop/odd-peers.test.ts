/** The real client and people whose network answers as SIPp has it from `test/support/sipp/`: refusals, odd answers, slow ones; and an odd caller. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readRefusal } from '../../main/cpm/conversation/refusals';
import { type Network, startNetwork } from '../../network/network';
import type { AppEvent } from '../../preload/contract';
import { detailsOf, explainLine } from '../../renderer/words/errors';
import { Capture } from '../support/peers/packet-judge';
import { callBySipp, freePorts, SippRegistrar } from '../support/peers/sipp';
import { refusalScenario } from '../support/peers/sipp/refusals';
import { closeClients, printLadderOnFailure, sipRequests, startClient, type TestClient } from '../support/stages/clients';

const scenarios = ['refusals', 'odd-peers'] as const;
type Scenario = (typeof scenarios)[number];

let capture: Capture;
/** Where SIPp calls from; it knows MD5 alone. */
let caller: { network: Network; port: number };
const sipp = new Map<Scenario, { playing: SippRegistrar; port: number }>();
const clients: TestClient[] = [];
let client: TestClient;

beforeAll(async () => {
  const ports = await freePorts(scenarios.length);
  const network = await startNetwork({ auth: 'md5' });
  caller = { network, port: Number(/:(\d+);/.exec(network.uris.tcp)?.[1]) };
  capture = await Capture.start([...ports, caller.port]);
  for (const [index, name] of scenarios.entries()) {
    const port = ports[index] ?? 0;
    sipp.set(name, { playing: await SippRegistrar.start(name === 'refusals' ? { xml: refusalScenario(statuses) } : name, port), port });
  }
});
/** The client of the stories that follow. */
const at = (scenario: Scenario) =>
  beforeAll(async () => {
    const proxy = sipp.get(scenario)?.playing.uri ?? '';
    client = await startClient({ name: 'alice', address: 'sip:alice@lab.test', proxy, factory: 'sip:conference-factory@lab.test' });
    clients.push(client);
  });
beforeEach(() => printLadderOnFailure());
afterAll(async () => {
  await closeClients();
  for (const { playing } of sipp.values()) playing.dispose();
  capture?.dispose();
  await caller?.network.close();
});

type MessageEvent = Extract<AppEvent, { event: 'message' }>;
const changes = (message: string): MessageEvent[] =>
  client.events.flatMap((event) => (event.event === 'message' && event.message === message ? event : []));

const writeTo = async (user: string, mode: 'session' | 'pager' = 'session') =>
  (await client.call('sendText', { to: `sip:${user}@lab.test`, text: `to ${user}`, mode })).message;

/**
 * What became of a message at its first refusal: it has failed, or is queued once more. That it was being sent need not have been told: what
 * changes while an event is on its way is told with the last state alone.
 */
const outcome = (message: string, user = message) =>
  client.until(
    () => `the text to ${user} is refused (it was ${changes(message).map(({ state }) => state)})`,
    () => changes(message).find((event, index) => event.state === 'failed' || (event.state === 'queued' && index > 0)),
  );

const invitesTo = (user: string) => sipRequests(client, 'out', 'INVITE').filter((text) => text.startsWith(`INVITE sip:${user}@`));
const sentAt = (text: string) => client.wire.find((record) => new TextDecoder().decode(record.bytes) === text)?.at ?? 0;

/** Refusals after which the program tries again by itself: nobody is there, or it may pass (486 once: two who call each other at once both hear it). */
const passing = new Set([408, 430, 480, 486, 491, 500, 503, 504]);
const statuses = [
  ...[300, 302, 305, 380],
  ...[400, 402, 403, 404, 405, 406, 408, 410, 413, 414, 415, 416, 420, 421, 422, 423, 430, 433, 436, 480, 481, 482, 483, 484, 485, 486],
  ...[487, 488, 489, 491, 493, 494, 499, 500, 501, 502, 503, 504, 505, 513, 580, 599, 600, 603, 604, 606, 607, 699],
];

describe.each(['session', 'pager'] as const)('somebody who refuses, by %s', (mode) => {
  at('refusals');

  it(`each of ${statuses.length} refusals is told in the words of who refused, and only what may pass is tried again`, async () => {
    const messages = await Promise.all(statuses.map((status) => writeTo(String(status), mode)));
    const outcomes = await Promise.all(messages.map((message, index) => outcome(message, String(statuses[index]))));
    expect(outcomes.map((event, index) => [statuses[index], event.state])).toEqual(
      statuses.map((status) => [status, passing.has(status) ? 'queued' : 'failed']),
    );
    for (const [index, { state, error }] of outcomes.entries()) {
      if (state !== 'failed') continue;
      const status = statuses[index] ?? 0;
      expect(error).toMatchObject({ code: 'sip/rejected', status, reason: 'Said by SIPp', retry: 'user' });
      const words = error === null ? '' : explainLine(error, 'Bob');
      // The answer belongs to the details, not to the sentence.
      expect(words).not.toContain('Said by SIPp');
      expect(error === null ? '' : detailsOf(error)).toBe(`${status} Said by SIPp`);
      // What the status means, where it means something, is said in other words than that it was refused.
      expect(words.startsWith('Bob did not accept the message.')).toBe(readRefusal({ status }).meaning === null);
      expect(mode === 'session' ? invitesTo(String(status)) : []).toHaveLength(mode === 'session' ? 1 : 0);
    }
    // What waits would come again for long.
    // What is tried only once more may have failed meanwhile.
    for (const [index, message] of messages.entries())
      if (outcomes[index]?.state === 'queued')
        await client.until(
          'it is given up',
          async () => (await client.tryCall('skip', { message })).ok || changes(message).at(-1)?.state === 'failed',
        );
  });
});

describe('somebody whose answer is odd', () => {
  at('odd-peers');

  const refused = async (user: string) => {
    const message = await writeTo(user);
    return (await outcome(message)).error;
  };

  it('provisional answers that nobody has registered change nothing', async () => {
    expect(await refused('crowded')).toMatchObject({ code: 'sip/rejected', status: 404 });
    expect(invitesTo('crowded')).toHaveLength(1);
  });

  it('200 without a session description is acknowledged and ended, and not taken for a session', async () => {
    expect(await refused('mute')).toMatchObject({ code: 'sip/malformed' });
    expect(sipRequests(client, 'out', 'BYE')).toHaveLength(1);
    expect((await client.call('conversations', {})).map((one) => one.session)).not.toContain('established');
  });

  it('302 is not followed: the words were meant for nobody else', async () => {
    expect(await refused('moved')).toMatchObject({ code: 'sip/rejected', status: 302, retry: 'user' });
    expect(invitesTo('603')).toEqual([]);
  });

  it('answers of another branch, another method or with another Via are nobody’s', async () => {
    expect(await refused('mistaken')).toMatchObject({ code: 'sip/rejected', status: 404 });
    expect(invitesTo('mistaken')).toHaveLength(1);
  });

  it('after 503 with Retry-After, nothing is sent for that long', async () => {
    const message = await writeTo('later');
    expect(await outcome(message)).toMatchObject({ state: 'queued' });
    await client.until('it is tried again', () => invitesTo('later')[1]);
    const [first = '', second = ''] = invitesTo('later');
    expect(sentAt(second) - sentAt(first)).toBeGreaterThanOrEqual(1_990);
    await client.until('it is refused again', () =>
      changes(message).filter((event) => event.state === 'queued').length > 2 ? true : null,
    );
    await client.call('skip', { message });
  });

  it('a slow person is waited for and asked once', async () => {
    const message = await writeTo('slow');
    expect((await outcome(message)).error).toMatchObject({ status: 603 });
    expect(invitesTo('slow')).toHaveLength(1);
  });
});

/** The final answers that a client gave to INVITE and BYE, in order. */
const finals = (one: TestClient) =>
  one.wire.flatMap(({ direction, protocol, bytes }) => {
    const text = new TextDecoder().decode(bytes);
    const method = /^CSeq: \d+ (INVITE|BYE)\r$/im.exec(text)?.[1];
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1]);
    return direction === 'out' && protocol === 'sip' && method !== undefined && status >= 200 ? [`${method} ${status}`] : [];
  });

describe('somebody who calls in odd ways, through the embedded network', () => {
  it('each odd invitation has its own refusal and leaves nothing; one that is called off stops asking; a BYE of another dialog ends nothing', async () => {
    const { network } = caller;
    const alice = await startClient({
      ...{ name: 'alice', address: 'sip:alice@lab.test', proxy: network.uris.tcp, factory: network.factory },
      preferences: { accept: 'ask' },
    });
    clients.push(alice);
    const asked = () => alice.events.flatMap((event) => (event.event === 'invitation' ? [event] : []));
    const calling = callBySipp('odd-caller', network.uris.tcp);
    // The first that may be asked about is called off; the second is accepted.
    const second = await alice.until('she is asked again', () => asked()[1], 20_000);
    expect((await alice.call('snapshot', {})).invitations).toHaveLength(1);
    // SIPp has no MSRP: the session that is accepted ends before its media has begun.
    const answered = alice.tryCall('answer', { invitation: second.invitation, accept: true });
    expect(await calling).toBe('');
    expect(await answered).toMatchObject({ ok: false });
    // The BYE of another dialog is refused by the core already.
    expect(finals(alice)).toEqual(['INVITE 488', 'INVITE 400', 'INVITE 420', 'INVITE 606', 'INVITE 487', 'INVITE 200', 'BYE 200']);
    expect((await alice.call('conversations', {})).map(({ session, people }) => [session, people[0]?.address])).toEqual([
      ['ended', 'sip:bob@lab.test'],
    ]);
    expect(asked()).toHaveLength(2);
  });
});

describe('SIPp and tshark', () => {
  it('have read every request of these stories, and found no fault', async () => {
    for (const { playing } of sipp.values()) expect(await playing.finish()).toBe('');
    const verdict = await capture.read({ sip: [...sipp.values(), caller].map(({ port }) => port), msrp: [] });
    expect(verdict.faults).toEqual([]);
    expect(verdict.counts.get('sip MESSAGE')).toBeGreaterThanOrEqual(statuses.length);
    for (const method of ['INVITE', 'MESSAGE', 'ACK', 'BYE']) {
      const sent = clients.reduce((sum, one) => sum + sipRequests(one, 'out', method).length, 0);
      // A message through the network is captured once on each hop.
      expect(verdict.counts.get(`sip ${method}`), method).toBeGreaterThanOrEqual(sent);
    }
  });
});
