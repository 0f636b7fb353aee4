/** Senders that would fill the network's memory, and defects of ours at every socket handler of its media. */
import { describe, expect, it } from 'vitest';
import { MAX_MESSAGE_PAUSE_MS, MAX_OPEN_BYTES, MsrpAssembly, type MsrpRequest } from '../../../../network/msrp/assembly';
import { MAX_RELAY_WAITING_BYTES, MediaRelay, type RelayLeg } from '../../../../network/msrp/relay';
import { MAX_PERSON_BYTES, MAX_SWITCH_BYTES, MsrpSwitch, type SwitchSession } from '../../../../network/msrp/switch';
import { encodeMsrp, MSRP_PART_BYTES } from '../../../../protocol/msrp';
import { MsrpPeer, VirtualClock } from '../../../support/doubles/network-doubles';

const HERE = 'msrp://10.0.0.1:7001/here;tcp';
const THERE = 'msrp://10.0.0.2:7002/there;tcp';

let count = 0;
function send(to: string, from: string, body: Uint8Array | string | null, facts: Partial<MsrpRequest> = {}): MsrpRequest {
  count += 1;
  return {
    kind: 'request',
    transactionId: `tid${String(count).padStart(6, '0')}`,
    method: 'SEND',
    toPath: [to],
    fromPath: [from],
    headers: [],
    messageId: `m${count}`,
    byteRange: null,
    contentType: body === null ? null : 'message/cpim',
    successReport: false,
    failureReport: 'yes',
    status: null,
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    continuation: '$',
    ...facts,
  };
}

class RelayPeer extends MsrpPeer {
  pause(): void {}
  resume(): void {}
  once(): void {}
}

function pairOf(relay: MediaRelay, ends: (string | null)[] = []) {
  const pair = relay.pair({ onClose: (reason) => ends.push(reason) });
  if (pair === null) throw new Error('no pair');
  const connect = (leg: RelayLeg, path: string) => {
    const peer = new RelayPeer();
    relay.accept(peer);
    leg.expect([path], false);
    peer.say(send(leg.localPath, path, null));
    return peer;
  };
  const [caller, called] = [connect(pair.caller, HERE), connect(pair.called, THERE)];
  caller.received.length = 0;
  called.received.length = 0;
  return { pair, caller, called };
}

const cut = (bytes: Uint8Array, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size));

describe('the relay and a long chunk', () => {
  const body = new Uint8Array(20 * MSRP_PART_BYTES).map((_, index) => (index * 13) & 0xff);
  const long = (pair: { caller: RelayLeg }, facts: Partial<MsrpRequest> = {}) =>
    send(pair.caller.localPath, HERE, body, {
      transactionId: 'long1234',
      byteRange: { start: 1, end: null, total: body.length },
      ...facts,
    });
  const answer = (request: MsrpRequest | undefined, status = 200) => {
    if (request === undefined) throw new Error('no request');
    const { transactionId, toPath, fromPath } = request;
    return {
      kind: 'response' as const,
      transactionId,
      status,
      reason: 'x',
      toPath: fromPath.slice(0, 1),
      fromPath: toPath.slice(0, 1),
      continuation: '$' as const,
    };
  };

  it('hands it on while it comes, in chunks of its own, and makes one answer of theirs', () => {
    const { pair, caller, called } = pairOf(new MediaRelay({ clock: new VirtualClock() }));
    const pieces = cut(encodeMsrp(long(pair)), 50_000);
    for (const [index, piece] of pieces.entries()) {
      caller.sayBytes(piece);
      if (index === 10) expect(called.sends.length).toBeGreaterThan(3);
    }
    const chunks = called.sends;
    expect(new Set(chunks.map(({ transactionId }) => transactionId)).size).toBe(chunks.length);
    expect(Buffer.concat(chunks.map((chunk) => chunk.body ?? new Uint8Array(0))).equals(body)).toBe(true);
    expect(chunks.map(({ continuation }) => continuation)).toEqual([...Array(chunks.length - 1).fill('+'), '$']);
    let next = 1;
    for (const { byteRange, body: part } of chunks) {
      expect(byteRange).toMatchObject({ start: next, total: body.length });
      next += part?.length ?? 0;
    }
    for (const chunk of chunks.slice(0, -1)) called.say(answer(chunk));
    expect(caller.received).toEqual([]);
    called.say(answer(chunks.at(-1)));
    expect(caller.received).toMatchObject([{ kind: 'response', status: 200, transactionId: 'long1234', toPath: [HERE] }]);
  });

  it('hands a refusal back at once, and once', () => {
    const { pair, caller, called } = pairOf(new MediaRelay({ clock: new VirtualClock() }));
    const pieces = cut(encodeMsrp(long(pair)), 50_000);
    for (const piece of pieces.slice(0, 8)) caller.sayBytes(piece);
    called.say(answer(called.sends[1], 413));
    expect(caller.received).toMatchObject([{ status: 413, transactionId: 'long1234' }]);
    for (const piece of pieces.slice(8)) caller.sayBytes(piece);
    for (const [index, chunk] of called.sends.entries()) if (index !== 1) called.say(answer(chunk));
    expect(caller.received).toHaveLength(1);
    // The next chunk is one of its own again.
    caller.say(send(pair.caller.localPath, HERE, 'short', { transactionId: 'next1234' }));
    expect(called.sends.at(-1)?.transactionId).toBe('next1234');
  });

  it('hands on a body with the transaction id, or an end line that is none, in it', () => {
    const ends: (string | null)[] = [];
    const { pair, caller, called } = pairOf(new MediaRelay({ clock: new VirtualClock() }), ends);
    for (const text of ['-------evil1234', 'x-------evil1234$', '\r\n-------evil1234\r\n', '-------evil1234$ \r\n'])
      caller.say(send(pair.caller.localPath, HERE, text, { transactionId: 'evil1234' }));
    expect(called.sends.map(({ body: of }) => new TextDecoder().decode(of ?? new Uint8Array(0)))).toHaveLength(4);
    expect(ends).toEqual([]);
  });
});

describe('memory', () => {
  it('60 strangers who send long bodies to nobody make the switch and the relay hold nothing', () => {
    const clock = new VirtualClock();
    const media = [new MsrpSwitch({ clock }), new MediaRelay({ clock })];
    const bytes = encodeMsrp(send('msrp://127.0.0.1:9/nobody;tcp', HERE, new Uint8Array(1024 * 1024)));
    const pieces = cut(bytes.subarray(0, -30), 256 * 1024);
    for (const each of media) {
      const before = process.memoryUsage().arrayBuffers;
      const strangers = Array.from({ length: 60 }, () => new RelayPeer());
      for (const stranger of strangers) each.accept(stranger);
      for (const piece of pieces) for (const stranger of strangers) stranger.sayBytes(piece);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30 * 1024 * 1024);
      for (const stranger of strangers) stranger.sayBytes(bytes.subarray(-30));
      expect(strangers.every(({ received }) => received[0]?.kind === 'response' && received[0].status === 481)).toBe(true);
    }
  });

  it('one person in 34 groups has one share, all people together another, and dropped messages free their memory', async () => {
    const clock = new VirtualClock();
    const media = new MsrpSwitch({ clock });
    const events = {
      onMessage: () => ({ status: 200, reason: 'OK' }),
      onNickname: () => ({ status: 200, reason: 'OK' }),
      onClose: () => {},
    };
    const flood = (person: string) => {
      const session: SwitchSession = media.prepare(events, { person });
      session.start([HERE], 'passive');
      const peer = new MsrpPeer();
      media.accept(peer);
      peer.say(send(session.localPath, HERE, null));
      for (let index = 0; index < 5; index += 1)
        peer.say(
          send(session.localPath, HERE, new Uint8Array(1024 * 1024 - 2), {
            byteRange: { start: 1, end: null, total: 1024 * 1024 },
            continuation: '+',
          }),
        );
      return session;
    };
    const sessions = Array.from({ length: 34 }, () => flood('sip:mallory'));
    expect(media.heldBytes).toBeGreaterThan(MAX_PERSON_BYTES - MAX_OPEN_BYTES);
    expect(media.heldBytes).toBeLessThanOrEqual(MAX_PERSON_BYTES);
    for (let index = 0; index < 9; index += 1) for (let group = 0; group < 4; group += 1) flood(`sip:person-${index}`);
    expect(media.heldBytes).toBeLessThanOrEqual(MAX_SWITCH_BYTES);
    for (const session of sessions) session.close();
    expect(media.heldBytes).toBeLessThanOrEqual(MAX_SWITCH_BYTES - MAX_PERSON_BYTES + MAX_OPEN_BYTES);
    clock.advance(MAX_MESSAGE_PAUSE_MS + 1);
    expect(media.heldBytes).toBe(0);
  });

  it('messages in the relay for sides that never connect have one common limit', () => {
    const relay = new MediaRelay({ clock: new VirtualClock() });
    const body = new Uint8Array(60_000);
    for (let index = 0; index < 60; index += 1) {
      const pair = relay.pair({ onClose: () => {} });
      const peer = new RelayPeer();
      relay.accept(peer);
      if (index % 2 === 0) pair?.caller.expect([HERE], false);
      for (let sent = 0; sent < 30 && pair !== null; sent += 1) peer.say(send(pair.caller.localPath, HERE, body));
    }
    expect(relay.waiting.used).toBeGreaterThan(MAX_RELAY_WAITING_BYTES / 2);
    expect(relay.waiting.used).toBeLessThanOrEqual(MAX_RELAY_WAITING_BYTES);
  });
});

describe('an assembly', () => {
  it('takes chunks in reverse order, and drops a message that does not go on', () => {
    const clock = new VirtualClock();
    const assembly = new MsrpAssembly({ clock });
    const chunk = (start: number, total: number | null, continuation: '+' | '$') =>
      send(HERE, THERE, 'ab', { messageId: 'm', byteRange: { start, end: start + 1, total }, continuation });
    for (let start = 3999; start > 1; start -= 2) expect(assembly.take(chunk(start, 4000, '+')).kind).toBe('more');
    const step = assembly.take(chunk(1, 4000, '+'));
    expect(step.kind === 'complete' && step.message.body.length).toBe(4000);
    assembly.take(chunk(1, 9, '+'));
    clock.advance(MAX_MESSAGE_PAUSE_MS - 1);
    assembly.take(chunk(3, 9, '+'));
    clock.advance(MAX_MESSAGE_PAUSE_MS - 1);
    expect(assembly.openCount).toBe(1);
    clock.advance(MAX_MESSAGE_PAUSE_MS);
    expect([assembly.openCount, assembly.heldBytes]).toEqual([0, 0]);
  });
});

describe('a throw at a socket of the network', () => {
  const defect = () => {
    throw new Error('injected');
  };
  const broken = ['write', 'destroySoon', 'destroy'] as const;

  it.each(broken)('in %s ends that connection alone', (name) => {
    const media = new MsrpSwitch({ clock: new VirtualClock() });
    const [bad, good] = [new MsrpPeer(), new MsrpPeer()];
    for (const peer of [bad, good]) media.accept(peer);
    Object.defineProperty(bad, name, { value: defect });
    expect(() => bad.say(send('msrp://127.0.0.1:9/nobody;tcp', HERE, null))).not.toThrow();
    expect(() => bad.sayBytes(new TextEncoder().encode('rubbish\r\n'))).not.toThrow();
    expect(() => bad.hangUp()).not.toThrow();
    good.say(send('msrp://127.0.0.1:9/nobody;tcp', HERE, null));
    expect([media.connectionCount, good.received.length, good.isDestroyed]).toEqual([1, 1, false]);
  });

  it.each(['onMessage', 'onNickname', 'onClose'] as const)(
    'in what the owner of a session does in %s ends that connection alone',
    (name) => {
      const media = new MsrpSwitch({ clock: new VirtualClock() });
      const calm = {
        onMessage: () => ({ status: 200, reason: 'OK' }),
        onNickname: () => ({ status: 200, reason: 'OK' }),
        onClose: () => {},
      };
      const session = media.prepare({ ...calm, [name]: defect });
      session.start([HERE], 'passive');
      const [bad, good] = [new MsrpPeer(), new MsrpPeer()];
      for (const peer of [bad, good]) media.accept(peer);
      bad.say(send(session.localPath, HERE, null));
      expect(() => bad.say(send(session.localPath, HERE, 'text'))).not.toThrow();
      expect(() => bad.say(send(session.localPath, HERE, null, { method: 'NICKNAME', headers: [['Use-Nickname', '"x"']] }))).not.toThrow();
      expect(() => bad.hangUp()).not.toThrow();
      good.say(send('msrp://127.0.0.1:9/nobody;tcp', HERE, null));
      expect([media.connectionCount, good.received.length]).toEqual([1, 1]);
    },
  );

  it('in what the relay tells of a SEND ends that connection, and its pair', () => {
    const relay = new MediaRelay({ clock: new VirtualClock() });
    const ends: (string | null)[] = [];
    const pair = relay.pair({ onSend: defect, onClose: (reason) => ends.push(reason) });
    const peer = new RelayPeer();
    relay.accept(peer);
    pair?.caller.expect([HERE], false);
    expect(() => peer.say(send(pair?.caller.localPath ?? '', HERE, 'text'))).not.toThrow();
    expect([peer.isDestroyed, ends.length]).toEqual([true, 1]);
  });
});
