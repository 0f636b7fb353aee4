import { describe, expect, it } from 'vitest';
import type { CompleteMessage, MsrpRequest } from '../../../../network/msrp/assembly';
import { MAX_QUEUED_BYTES } from '../../../../network/msrp/connection';
import { CHUNK_BYTES, RESPONSE_TIMEOUT_MS, SentMessages } from '../../../../network/msrp/outgoing';
import { BIND_TIMEOUT_MS, MAX_WAITING_BYTES, MsrpSwitch, type SwitchSession, type Verdict } from '../../../../network/msrp/switch';
import type { MsrpMessage } from '../../../../protocol/msrp';
import { MsrpPeer, VirtualClock } from '../../../support/doubles/network-doubles';

const utf8 = (text: string) => new TextEncoder().encode(text);

let nextTransaction = 0;

function send(session: SwitchSession, body: string | null, facts: Partial<MsrpRequest> = {}): MsrpRequest {
  nextTransaction += 1;
  const bytes = body === null ? null : utf8(body);
  return {
    kind: 'request',
    transactionId: `t${String(nextTransaction).padStart(6, '0')}`,
    method: 'SEND',
    toPath: [session.localPath],
    fromPath: ['msrp://127.0.0.1:9/peer;tcp'],
    headers: [],
    messageId: `m${nextTransaction}`,
    byteRange: bytes === null ? null : { start: 1, end: bytes.length, total: bytes.length },
    contentType: bytes === null ? null : 'message/cpim',
    successReport: false,
    failureReport: 'yes',
    status: null,
    body: bytes,
    continuation: '$',
    ...facts,
  };
}

function fixture(verdict: Verdict = { status: 200, reason: 'OK' }) {
  const clock = new VirtualClock();
  const media = new MsrpSwitch({ clock });
  const messages: CompleteMessage[] = [];
  const nicknames: string[] = [];
  const ends: (string | null)[] = [];
  const prepare = () =>
    media.prepare({
      onMessage: (message) => {
        messages.push(message);
        return verdict;
      },
      onNickname: (nickname) => {
        nicknames.push(nickname);
        return verdict;
      },
      onClose: (reason) => ends.push(reason),
    });
  const connect = () => {
    const peer = new MsrpPeer();
    media.accept(peer);
    return peer;
  };
  const bound = () => {
    const session = prepare();
    const peer = connect();
    session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    peer.say(send(session, null));
    return { session, peer };
  };
  return { clock, media, messages, nicknames, ends, prepare, connect, bound };
}

describe('the MSRP switch', () => {
  it('binds a session by the empty SEND that names it', () => {
    const { prepare, connect } = fixture();
    const session = prepare();
    const peer = connect();
    expect(peer.say(send(session, null))).toMatchObject({ kind: 'response', status: 200 });
    expect(session.state).toBe('bound');
  });

  it('answers 481 for a session that is not there, and 506 on a second connection', () => {
    const { bound, connect } = fixture();
    const { session } = bound();
    const other = connect();
    expect(other.say(send(session, null))).toMatchObject({ status: 506 });
    expect(other.say(send(session, null, { toPath: ['msrp://127.0.0.1:0/nobody;tcp'] }))).toMatchObject({ status: 481 });
  });

  it('hands a complete message on once, and answers every chunk', () => {
    const { bound, messages } = fixture();
    const { session, peer } = bound();
    expect(peer.say(send(session, 'hel', { messageId: 'x', byteRange: { start: 1, end: 3, total: 5 }, continuation: '+' }))).toMatchObject({
      status: 200,
    });
    expect(messages).toHaveLength(0);
    expect(peer.say(send(session, 'lo', { messageId: 'x', byteRange: { start: 4, end: 5, total: 5 } }))).toMatchObject({ status: 200 });
    expect(messages.map((message) => new TextDecoder().decode(message.body))).toEqual(['hello']);
  });

  it('hands a message on whose end comes without octets', () => {
    const { bound, messages } = fixture();
    const { session, peer } = bound();
    peer.say(send(session, 'hello', { messageId: 'x', byteRange: { start: 1, end: 5, total: null }, continuation: '+' }));
    expect(messages).toHaveLength(0);
    expect(peer.say(send(session, null, { messageId: 'x' }))).toMatchObject({ status: 200 });
    expect(messages.map((message) => new TextDecoder().decode(message.body))).toEqual(['hello']);
  });

  it('answers what its owner decides', () => {
    const { bound } = fixture({ status: 403, reason: 'No' });
    const { session, peer } = bound();
    expect(peer.say(send(session, 'x', { successReport: true }))).toMatchObject({ kind: 'response', status: 403 });
  });

  it('reports success when asked, and keeps silent when told so', () => {
    const { bound } = fixture();
    const { session, peer } = bound();
    expect(peer.say(send(session, 'hello', { successReport: true, messageId: 'r1' }))).toMatchObject({
      method: 'REPORT',
      messageId: 'r1',
      byteRange: { start: 1, end: 5, total: 5 },
      status: { code: 200 },
    });
    const before = peer.received.length;
    peer.say(send(session, 'quiet', { failureReport: 'no' }));
    peer.say(send(session, 'quiet', { failureReport: 'partial' }));
    peer.say(send(session, null, { method: 'REPORT' }));
    expect(peer.received.length).toBe(before);
    expect(peer.say(send(session, null, { method: 'AUTH' }))).toMatchObject({ status: 501 });
  });

  it('asks the owner for a nickname (RFC 7701), and answers 424 to an invalid one', () => {
    const { prepare, connect, nicknames } = fixture({ status: 425, reason: 'Nickname In Use' });
    const session = prepare();
    const peer = connect();
    const ask = (value: string | null) =>
      peer.say(send(session, null, { method: 'NICKNAME', messageId: null, headers: value === null ? [] : [['use-nickname', value]] }));
    expect(ask('"Alice \\"the\\" great"')).toMatchObject({ status: 425 });
    expect(ask('""')).toMatchObject({ status: 425 });
    expect(ask('Blinky')).toMatchObject({ status: 425 });
    expect(nicknames).toEqual(['Alice "the" great', '', 'Blinky']);
    for (const malformed of [null, '"Alice', '"a\u202eb"', `"${'x'.repeat(51)}"`]) expect(ask(malformed)).toMatchObject({ status: 424 });
    expect(nicknames).toHaveLength(3);
  });

  it('holds messages until the endpoint has connected, and splits them into chunks', () => {
    const { prepare, connect } = fixture();
    const session = prepare();
    session.start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    session.send({ contentType: 'message/cpim', body: new Uint8Array(2 * CHUNK_BYTES + 1).fill(65) });
    const peer = connect();
    peer.say(send(session, null));
    expect(peer.sends.map((chunk) => [chunk.byteRange, chunk.continuation])).toEqual([
      [{ start: 1, end: CHUNK_BYTES, total: 2 * CHUNK_BYTES + 1 }, '+'],
      [{ start: CHUNK_BYTES + 1, end: 2 * CHUNK_BYTES, total: 2 * CHUNK_BYTES + 1 }, '+'],
      [{ start: 2 * CHUNK_BYTES + 1, end: 2 * CHUNK_BYTES + 1, total: 2 * CHUNK_BYTES + 1 }, '$'],
    ]);
  });

  it('ends a session that does not connect within BIND_TIMEOUT_MS', () => {
    const { clock, prepare, ends } = fixture();
    prepare().start(['msrp://127.0.0.1:9/peer;tcp'], 'passive');
    clock.advance(BIND_TIMEOUT_MS - 1);
    expect(ends).toEqual([]);
    clock.advance(1);
    expect(ends).toEqual(['it did not connect its media']);
  });

  it('ends a session that does not answer within RESPONSE_TIMEOUT_MS', () => {
    const { clock, bound, ends } = fixture();
    const { session, peer } = bound();
    session.send({ contentType: 'message/cpim', body: utf8('one') });
    clock.advance(RESPONSE_TIMEOUT_MS - 1);
    const [first] = peer.sends;
    peer.say({
      kind: 'response',
      transactionId: first?.transactionId ?? '',
      status: 200,
      reason: 'OK',
      toPath: [session.localPath],
      fromPath: ['msrp://127.0.0.1:9/peer;tcp'],
      continuation: '$',
    });
    clock.advance(RESPONSE_TIMEOUT_MS);
    expect(ends).toEqual([]);
    session.send({ contentType: 'message/cpim', body: utf8('two') });
    clock.advance(RESPONSE_TIMEOUT_MS);
    expect(ends).toEqual(['its media does not answer']);
  });

  it('ends one that does not answer in time, even though the clock was set back meanwhile', () => {
    const { clock, bound, ends } = fixture();
    bound().session.send({ contentType: 'message/cpim', body: utf8('one') });
    clock.jump(-3_600_000);
    clock.advance(RESPONSE_TIMEOUT_MS);
    expect(ends).toEqual(['its media does not answer']);
  });

  it('tells the end of a connection, and not an end that the owner wished', () => {
    const { bound, ends } = fixture();
    bound().peer.hangUp();
    expect(ends).toEqual(['the connection ended']);
    const { session, peer } = bound();
    session.close();
    expect(ends).toEqual(['the connection ended', null]);
    expect(peer.isDestroyed).toBe(true);
  });

  it('disconnects a peer that does not read, at MAX_QUEUED_BYTES', () => {
    const { bound, ends } = fixture();
    const { session, peer } = bound();
    peer.writableLength = MAX_QUEUED_BYTES + 1;
    session.send({ contentType: 'message/cpim', body: utf8('x') });
    expect(ends).toEqual(['it does not read what it is sent']);
  });

  it('holds at most MAX_WAITING_BYTES for an endpoint that is not connected', () => {
    const { prepare, ends } = fixture();
    const session = prepare();
    session.send({ contentType: 'message/cpim', body: new Uint8Array(MAX_WAITING_BYTES) });
    expect(ends).toEqual([]);
    session.send({ contentType: 'message/cpim', body: new Uint8Array(1) });
    expect(ends).toEqual(['too much is waiting for it']);
  });

  it('closes a connection that talks no MSRP', () => {
    const { bound, ends } = fixture();
    const { peer } = bound();
    peer.sayBytes(utf8('GET / HTTP/1.1\r\n\r\n'));
    expect(ends[0]).toMatch(/malformed MSRP/);
    expect(peer.isDestroyed).toBe(true);
  });

  it('says along the path that it has called (RFC 4975 section 5.4), and ends where nobody is there', () => {
    const clock = new VirtualClock();
    const sent: MsrpMessage[] = [];
    const broken: string[] = [];
    const deps = { clock, localPath: 'msrp://127.0.0.1:8/us;tcp', send: (one: MsrpMessage) => sent.push(one) };
    const messages = new SentMessages({ ...deps, onBroken: (reason) => broken.push(reason) });
    messages.bind(['msrp://127.0.0.1:8/relay;tcp', 'msrp://127.0.0.1:9/peer;tcp']);
    expect(sent).toMatchObject([
      { method: 'SEND', body: null, toPath: ['msrp://127.0.0.1:8/relay;tcp', 'msrp://127.0.0.1:9/peer;tcp'], fromPath: [deps.localPath] },
    ]);
    messages.answered(sent[0]?.transactionId ?? '', 200);
    expect([broken, clock.pending]).toEqual([[], 0]);
    messages.bind(['msrp://127.0.0.1:9/peer;tcp']);
    messages.answered(sent[1]?.transactionId ?? '', 481);
    expect(broken).toEqual(['its media answered 481']);
    messages.close();
  });

  describe('where the endpoint is behind a relay (RFC 4976)', () => {
    const relayed = ['msrp://127.0.0.1:8/path-1;tcp', 'msrp://127.0.0.1:9/peer;tcp'];
    const behind = () => {
      const made = fixture();
      const session = made.prepare();
      const peer = made.connect();
      session.start(relayed, 'passive');
      peer.say(send(session, null, { fromPath: relayed }));
      const answer = (status = 200, of = peer.sends.at(-1)) =>
        peer.say({
          kind: 'response',
          transactionId: of?.transactionId ?? '',
          status,
          reason: '',
          toPath: [session.localPath],
          fromPath: relayed.slice(0, 1),
          continuation: '$',
        });
      const report = (range: { start: number; end: number; total: number }, code = 200, by = peer) =>
        by.say(
          send(session, null, {
            method: 'REPORT',
            messageId: peer.sends.at(-1)?.messageId ?? '',
            byteRange: range,
            status: { code, reason: '' },
            fromPath: relayed,
          }),
        );
      let taken = 0;
      const give = (length: number) =>
        session.send({ contentType: 'message/cpim', body: new Uint8Array(length).fill(65), onAnswered: () => (taken += 1) });
      return { ...made, session, peer, answer, report, give, taken: () => taken };
    };

    it('counts a message as accepted when the endpoint has reported all of it, not when the relay has it', () => {
      const { peer, answer, report, give, taken } = behind();
      give(CHUNK_BYTES + 5);
      expect(peer.sends.map(({ toPath, successReport, failureReport }) => [toPath, successReport, failureReport])).toEqual([
        [relayed, true, 'yes'],
        [relayed, true, 'yes'],
      ]);
      const [first, last] = peer.sends;
      answer(200, first);
      answer(200, last);
      expect(taken()).toBe(0);
      report({ start: 1, end: CHUNK_BYTES, total: CHUNK_BYTES + 5 });
      expect(taken()).toBe(0);
      report({ start: CHUNK_BYTES + 1, end: CHUNK_BYTES + 5, total: CHUNK_BYTES + 5 });
      expect(taken()).toBe(1);
      report({ start: 1, end: CHUNK_BYTES + 5, total: CHUNK_BYTES + 5 });
      expect(taken()).toBe(1);
    });

    it('a report may be faster than the answer of the relay', () => {
      const { answer, report, give, taken } = behind();
      give(5);
      report({ start: 1, end: 5, total: 5 });
      expect(taken()).toBe(0);
      answer();
      expect(taken()).toBe(1);
    });

    it('a refusal by the endpoint is an answer; a message that the relay cannot forward ends the session, and waits', () => {
      const { answer, report, give, taken, ends } = behind();
      give(5);
      answer();
      report({ start: 1, end: 5, total: 5 }, 413);
      expect([taken(), ends]).toEqual([1, []]);
      give(5);
      answer(413);
      expect([taken(), ends]).toEqual([2, []]);
      give(5);
      answer();
      report({ start: 1, end: 5, total: 5 }, 408);
      expect([taken(), ends]).toEqual([2, ['its media relay reported 408']]);
      const other = behind();
      other.give(5);
      other.answer(503);
      expect([other.taken(), other.ends]).toEqual([0, ['its media answered 503']]);
    });

    it('ends the session RESPONSE_TIMEOUT_MS after an answer that no report has followed', async () => {
      const { clock, media, answer, give, taken, ends } = behind();
      give(5);
      clock.advance(RESPONSE_TIMEOUT_MS - 1);
      answer();
      clock.advance(RESPONSE_TIMEOUT_MS - 1);
      expect(ends).toEqual([]);
      clock.advance(1);
      expect([taken(), ends]).toEqual([0, ['its media does not report']]);
      await media.close();
      expect(clock.pending).toBe(0);
    });

    it('hears the relay on any connection, answers where it was asked, and outlives all but the first', () => {
      const { session, peer, connect, report, answer, give, taken, messages, ends } = behind();
      const further = connect();
      expect(further.say(send(session, 'hello', { fromPath: relayed }))).toMatchObject({ status: 200 });
      expect(further.say(send(session, 'again', { fromPath: relayed, messageId: 'r', successReport: true }))).toMatchObject({
        method: 'REPORT',
        toPath: relayed,
      });
      expect(messages).toHaveLength(2);
      give(5);
      expect(peer.sends).toHaveLength(1);
      answer();
      report({ start: 1, end: 5, total: 5 }, 200, further);
      expect(taken()).toBe(1);
      further.hangUp();
      expect(ends).toEqual([]);
      const third = connect();
      third.say(send(session, 'more', { fromPath: relayed }));
      session.close();
      expect([peer.isDestroyed, third.isDestroyed]).toEqual([true, true]);
    });

    it('answers a SEND one hop, and any other request along the whole path', () => {
      const { session, peer } = behind();
      expect(peer.say(send(session, 'x', { fromPath: relayed }))).toMatchObject({ toPath: relayed.slice(0, 1) });
      const nickname = send(session, null, { method: 'NICKNAME', fromPath: relayed, headers: [['Use-Nickname', '"Al"']] });
      expect(peer.say(nickname)).toMatchObject({ status: 200, toPath: relayed });
    });
  });

  it('leaves no timer behind', async () => {
    const { clock, bound, media } = fixture();
    const { session } = bound();
    session.send({ contentType: 'message/cpim', body: utf8('x') });
    await media.close();
    expect(clock.pending).toBe(0);
  });
});
