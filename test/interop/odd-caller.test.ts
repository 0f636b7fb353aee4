/** SIPp as somebody who calls in odd ways, through the embedded network, from `test/support/sipp/odd-caller.xml`. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import { closeClients, printLadderOnFailure, startClient, type TestClient } from '../support/clients';
import { Capture } from '../support/packet-judge';
import { callBySipp } from '../support/sipp';

let network: Network;
let capture: Capture;
let port: number;
beforeAll(async () => {
  // SIPp knows MD5 alone.
  network = await startNetwork({ auth: 'md5' });
  port = Number(/:(\d+);/.exec(network.uris.tcp)?.[1]);
  capture = await Capture.start([port]);
});
beforeEach(() => printLadderOnFailure());
afterEach(() => closeClients());
afterAll(async () => {
  capture?.dispose();
  await network?.close();
});

/** The final answers that a client gave to INVITE and BYE, in order. */
const finals = (one: TestClient) =>
  one.wire.flatMap(({ direction, protocol, bytes }) => {
    const text = new TextDecoder().decode(bytes);
    const method = /^CSeq: \d+ (INVITE|BYE)\r$/im.exec(text)?.[1];
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1]);
    return direction === 'out' && protocol === 'sip' && method !== undefined && status >= 200 ? [`${method} ${status}`] : [];
  });

it('each odd invitation has its own refusal and leaves nothing; one that is called off stops asking; a BYE of another dialog ends nothing', async () => {
  const alice = await startClient({
    ...{ name: 'alice', address: 'sip:alice@lab.test', proxy: network.uris.tcp, factory: network.factory },
    preferences: { accept: 'ask' },
  });
  const asked = () => alice.events.flatMap((event) => (event.event === 'invitation' ? [event] : []));
  const calling = callBySipp('odd-caller', network.uris.tcp);
  // The first that may be asked about is called off; the second is accepted.
  const second = await alice.until('she is asked again', () => asked()[1], 20_000);
  expect((await alice.call('snapshot', {})).invitations).toHaveLength(1);
  // SIPp has no MSRP: the session that is accepted ends before its media has begun.
  const answered = alice.tryCall('answer', { invitation: second.invitation, accept: true });
  expect(await calling).toBe('');
  expect(await answered).toMatchObject({ ok: false });
  expect(finals(alice)).toEqual(['INVITE 488', 'INVITE 400', 'INVITE 420', 'INVITE 606', 'INVITE 487', 'INVITE 200', 'BYE 481', 'BYE 200']);
  expect((await alice.call('conversations', {})).map(({ session, people }) => [session, people[0]?.address])).toEqual([
    ['ended', 'sip:bob@lab.test'],
  ]);
  expect(asked()).toHaveLength(2);
  const verdict = await capture.read({ sip: [port], msrp: [] });
  expect(verdict.faults).toEqual([]);
  // At the caller and at the called, and on the ways between.
  expect(verdict.counts.get('sip CANCEL')).toBeGreaterThanOrEqual(2);
});
