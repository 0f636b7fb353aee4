import { describe, expect, it } from 'vitest';
import type { MsrpRequest } from '../../../../network/msrp/assembly';
import {
  LEG_BIND_TIMEOUT_MS,
  MAX_LEG_WAITING_BYTES,
  MediaRelay,
  RELAY_HIGH_WATER_BYTES,
  type RelayLeg,
} from '../../../../network/msrp/relay';
import { MEDIA_LOST_GRACE_MS, MediaAnchor } from '../../../../network/participating/anchor';
import { anchoredSdp } from '../../../../network/participating/anchored-sdp';
import { SipRequest, SipResponse } from '../../../../network/sip/message';
import type { MsrpMessage } from '../../../../protocol/msrp';
import { parseSdp } from '../../../../protocol/sdp';
import { MsrpPeer, VirtualClock } from '../../../support/doubles/network-doubles';

const CALLER = 'msrp://10.0.0.1:7001/caller;tcp';
const CALLED = 'msrp://10.0.0.2:7002/called;tcp';

class RelayPeer extends MsrpPeer {
  isPaused = false;
  drain = () => {};
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  once(_event: 'drain' | 'connect', listener: () => void): void {
    this.drain = listener;
  }
}

let count = 0;
function send(to: string, from: string, body: string | null, facts: Partial<MsrpRequest> = {}): MsrpRequest {
  count += 1;
  const bytes = body === null ? null : new TextEncoder().encode(body);
  return {
    kind: 'request',
    transactionId: `tid${String(count).padStart(5, '0')}`,
    method: 'SEND',
    toPath: [to],
    fromPath: [from],
    headers: [],
    messageId: `m${count}`,
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

function answerTo(request: MsrpMessage | undefined, status = 200): MsrpMessage {
  if (request?.kind !== 'request') throw new Error('no request');
  const { transactionId, toPath, fromPath } = request;
  return {
    kind: 'response',
    transactionId,
    status,
    reason: 'OK',
    toPath: fromPath.slice(0, 1),
    fromPath: toPath.slice(0, 1),
    continuation: '$',
  };
}

function fixture() {
  const clock = new VirtualClock();
  const dialled: { to: string; peer: RelayPeer }[] = [];
  const relay = new MediaRelay({
    clock,
    dial: (host, port) => {
      const peer = new RelayPeer();
      dialled.push({ to: `${host}:${port}`, peer });
      return peer;
    },
  });
  const connect = () => {
    const peer = new RelayPeer();
    relay.accept(peer);
    return peer;
  };
  const ends: (string | null)[] = [];
  const newPair = () => {
    const pair = relay.pair({ onClose: (reason) => ends.push(reason) });
    if (pair === null) throw new Error('no pair');
    return pair;
  };
  const bind = (leg: RelayLeg, path: string) => {
    const peer = connect();
    leg.expect([path], false);
    peer.say(send(leg.localPath, path, null, { method: 'SEND' }));
    return peer;
  };
  return { clock, relay, dialled, connect, ends, newPair, bind };
}

describe('the media relay', () => {
  it('R49: forwards requests, reports and answers unchanged except for the paths, and answers nothing itself', () => {
    const { newPair, bind } = fixture();
    const pair = newPair();
    const called = bind(pair.called, CALLED);
    const caller = bind(pair.caller, CALLER);
    expect(caller.received).toHaveLength(1);
    expect(called.received).toHaveLength(1);
    const text = send(pair.caller.localPath, CALLER, 'Hello', {
      successReport: true,
      byteRange: { start: 1, end: 5, total: 9 },
      continuation: '+',
    });
    caller.say(text);
    expect(caller.received).toHaveLength(1);
    expect(called.received[1]).toEqual({ ...text, toPath: [CALLED], fromPath: [pair.called.localPath] });
    called.say(answerTo(called.received[1], 413));
    expect(caller.received[1]).toMatchObject({
      kind: 'response',
      status: 413,
      transactionId: text.transactionId,
      toPath: [CALLER],
      fromPath: [pair.caller.localPath],
    });
    const report = send(pair.called.localPath, CALLED, null, {
      method: 'REPORT',
      messageId: text.messageId,
      status: { code: 200, reason: 'OK' },
    });
    called.say(report);
    expect(caller.received[2]).toMatchObject({ method: 'REPORT', messageId: text.messageId, toPath: [CALLER] });
  });

  it('R49: a sender to a side behind its own relay learns of that relay, and the reports return along the path it was given', () => {
    const { newPair, connect, ends } = fixture();
    const pair = newPair();
    const behind = ['msrp://10.0.0.9:2855/path-1;tcp', CALLED];
    expect(pair.called.describes([CALLER])).toEqual([pair.called.localPath]);
    const told = pair.caller.describes(behind);
    expect(told).toEqual([pair.caller.localPath, expect.stringMatching(/^msrp:.*\.beyond;tcp$/)]);
    const relay = connect();
    pair.called.expect(behind, false);
    relay.say(send(pair.called.localPath, '', null, { fromPath: behind }));
    const caller = connect();
    pair.caller.expect([CALLER], false);
    caller.say(send(pair.caller.localPath, CALLER, null));
    expect(caller.received.at(-1)).toMatchObject({ kind: 'response', status: 481 });
    caller.say(send('', CALLER, null, { toPath: told }));
    const text = send('', CALLER, 'Hello', { toPath: told, successReport: true });
    caller.say(text);
    expect(relay.received.at(-1)).toEqual({ ...text, toPath: behind, fromPath: [pair.called.localPath] });
    relay.say(answerTo(relay.received.at(-1)));
    expect(caller.received.at(-1)).toMatchObject({ kind: 'response', status: 200, toPath: [CALLER], fromPath: [pair.caller.localPath] });
    // It looks for us by our URI, and not by the connection that it has.
    const further = connect();
    const about = { method: 'REPORT', messageId: text.messageId, status: { code: 200, reason: 'OK' }, fromPath: behind };
    further.say(send(pair.called.localPath, '', null, about));
    expect(caller.received.at(-1)).toMatchObject({ method: 'REPORT', messageId: text.messageId, toPath: [CALLER], fromPath: told });
    further.hangUp();
    expect(ends).toEqual([]);
  });

  it('keeps what comes before the other side is there, and calls a side that waits to be called', () => {
    const { newPair, bind, dialled } = fixture();
    const pair = newPair();
    const caller = bind(pair.caller, CALLER);
    caller.say(send(pair.caller.localPath, CALLER, 'early'));
    pair.called.expect([CALLED], true);
    expect(dialled.map((one) => one.to)).toEqual(['10.0.0.2:7002']);
    dialled[0]?.peer.drain();
    expect(dialled[0]?.peer.sends.map((one) => one.body?.length ?? 0)).toEqual([0, 5]);
  });

  it('R49: when two devices know the path, the leg belongs to the one whose path is in the answer', () => {
    const { newPair, connect } = fixture();
    const pair = newPair();
    const [winner, loser] = [connect(), connect()];
    loser.say(send(pair.called.localPath, 'msrp://10.0.0.3:7003/other;tcp', null));
    winner.say(send(pair.called.localPath, CALLED, null));
    expect(pair.called.state).toBe('offered');
    pair.called.expect([CALLED], false);
    expect(pair.called.state).toBe('bound');
    expect(loser.received).toMatchObject([{ kind: 'response', status: 506 }]);
    loser.say(send(pair.called.localPath, 'msrp://10.0.0.3:7003/other;tcp', 'x'));
    expect(loser.received[1]).toMatchObject({ status: 506 });
  });

  it('ends both sides when one is lost, does not connect, or leaves too much waiting', () => {
    const { clock, newPair, bind, ends } = fixture();
    const first = newPair();
    const called = bind(first.called, CALLED);
    const caller = bind(first.caller, CALLER);
    called.hangUp();
    expect(caller.isDestroyed).toBe(true);
    expect(first.isClosed).toBe(true);
    const second = newPair();
    bind(second.caller, CALLER);
    second.called.expect([CALLED], false);
    clock.advance(LEG_BIND_TIMEOUT_MS);
    expect(second.isClosed).toBe(true);
    const third = newPair();
    const eager = bind(third.caller, CALLER);
    for (let sent = 0; sent <= MAX_LEG_WAITING_BYTES; sent += 1_000_000)
      eager.say(send(third.caller.localPath, CALLER, 'x'.repeat(1_000_000)));
    expect(third.isClosed).toBe(true);
    expect(ends).toEqual(['the connection ended', 'a side did not connect its media', 'too much waits for a side that has not connected']);
  });

  it('lets the writer wait while the reader is behind', () => {
    const { newPair, bind } = fixture();
    const pair = newPair();
    const called = bind(pair.called, CALLED);
    const caller = bind(pair.caller, CALLER);
    called.writableLength = RELAY_HIGH_WATER_BYTES;
    caller.say(send(pair.caller.localPath, CALLER, 'much'));
    expect(caller.isPaused).toBe(true);
    called.drain();
    expect(caller.isPaused).toBe(false);
  });

  it('refuses a request without a session, and closes a silent connection', () => {
    const { clock, relay, connect } = fixture();
    const peer = connect();
    peer.say(send(`msrp://127.0.0.1:${relay.port}/nothing;tcp`, CALLER, 'x'));
    expect(peer.received).toMatchObject([{ status: 481 }]);
    clock.advance(LEG_BIND_TIMEOUT_MS);
    expect(peer.isDestroyed).toBe(true);
  });
});

const sdp = (path: string, setup: string, host = '10.0.0.1') =>
  `v=0\r\no=alice 17 1 IN IP4 ${host}\r\ns=Alice\r\ni=her laptop\r\nc=IN IP4 ${host}\r\nt=0 0\r\nm=message 7001 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=setup:${setup}\r\na=path:${path}\r\na=x-mine:1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 ${host}\r\na=rtpmap:0 PCMU/8000\r\n`;

const invite = (body: string) => new SipRequest('INVITE', 'sip:bob@lab.test').setBody('application/sdp', body);
const ok = (body: string) => new SipResponse(200).setBody('application/sdp', body);
const said = (message: { text: string }) => {
  const read = parseSdp(message.text);
  if (!read.ok) throw new Error(read.reason);
  return read.value;
};

describe('anchored media', () => {
  it('R49: writes the relay into an SDP, refuses other streams, and removes what identifies the sender', () => {
    const place = { host: '127.0.0.1', port: 9999, path: ['msrp://127.0.0.1:9999/leg;tcp'], setup: 'actpass' as const, fingerprint: null };
    const written = anchoredSdp(sdp(CALLER, 'actpass'), place, true);
    expect(written).not.toMatch(/10\.0\.0\.1|alice|laptop|PCMU/i);
    expect(written).toContain('m=audio 0 ');
    expect(written).toContain('a=x-mine:1');
    expect(anchoredSdp(sdp(CALLER, 'actpass'), place, false)).toContain('i=her laptop');
    const read = parseSdp(written);
    expect(read.ok && read.value).toMatchObject({ host: '127.0.0.1', port: 9999, path: place.path, setup: 'actpass', version: 1 });
  });

  it('R49: offer and answer name a leg each; a refresh keeps them, another path gets new ones, a refusal changes nothing, the end frees all', () => {
    const { relay, dialled } = fixture();
    let closed = 0;
    const anchor = new MediaAnchor({ relay, hides: 'caller', onClose: () => (closed += 1) });
    const offer = invite(sdp(CALLER, 'active'));
    expect(anchor.offer('caller', offer)).toBe(true);
    expect(said(offer)).toMatchObject({ setup: 'actpass', host: '127.0.0.1' });
    const answer = ok(sdp(CALLED, 'passive', '10.0.0.2'));
    anchor.answer(answer);
    expect(dialled).toHaveLength(1);
    expect(said(answer)).toMatchObject({ setup: 'passive', host: '127.0.0.1' });
    const [toCalled, toCaller] = [said(offer).path[0], said(answer).path[0]];
    expect(toCalled).not.toBe(toCaller);
    // A repeated 2xx, and one of another device of a fork, say the same.
    const again = ok(sdp('msrp://10.0.0.3:7003/other;tcp', 'passive'));
    anchor.answer(again);
    expect(said(again).path).toEqual([toCaller]);

    const refresh = invite(sdp(CALLER, 'active'));
    anchor.offer('caller', refresh);
    expect(said(refresh).path).toEqual([toCalled]);
    anchor.answer(ok(sdp(CALLED, 'passive')));
    expect(relay.pairCount).toBe(1);

    const moved = invite(sdp('msrp://10.0.0.2:7009/new;tcp', 'actpass'));
    anchor.offer('called', moved);
    expect(relay.pairCount).toBe(2);
    anchor.refused();
    expect(relay.pairCount).toBe(1);
    anchor.offer('called', moved);
    anchor.answer(ok(sdp(CALLER, 'active')));
    expect(relay.pairCount).toBe(1);
    expect(closed).toBe(0);
    anchor.close();
    expect([relay.pairCount, closed]).toEqual([0, 1]);
  });

  it('R49: accepts an offer over TLS at its own listener with its own certificate, and no answer or later offer without TLS', () => {
    const { relay } = fixture();
    const anchor = new MediaAnchor({ relay, hides: null, onClose: () => undefined });
    const secured = (text: string) =>
      `${text.replace('TCP/MSRP', 'TCP/TLS/MSRP').replace('path:msrp:', 'path:msrps:')}a=fingerprint:sha-256 AB:CD\r\n`;
    const offer = invite(secured(sdp(CALLER, 'actpass')));
    expect(anchor.offer('caller', offer)).toBe(true);
    const { transport, path, attributes } = said(offer);
    expect(transport).toBe('TCP/TLS/MSRP');
    expect(path[0]).toMatch(/^msrps:/);
    const { fingerprint } = relay.place(true);
    expect(attributes.filter(([name]) => name === 'fingerprint')).toEqual([['fingerprint', `sha-256 ${fingerprint?.value}`]]);
    const plain = ok(sdp(CALLED, 'active'));
    anchor.answer(plain);
    // As many m-lines as the offer, in its order (RFC 3264 section 6).
    expect(plain.text.match(/^m=.*$/gm)).toEqual(['m=message 0 TCP/TLS/MSRP *', 'm=audio 0 RTP/AVP 0']);
    const again = new MediaAnchor({ relay, hides: null, onClose: () => undefined });
    again.offer('caller', invite(secured(sdp(CALLER, 'actpass'))));
    again.answer(ok(secured(sdp(CALLED, 'active'))));
    expect(again.offer('called', invite(sdp(CALLED.replace('called', 'other'), 'actpass')))).toBe(false);
    again.close();
  });

  it('accepts no offer without MSRP, ends with its first refusal, and is forgotten when its media never connects', () => {
    const { clock, relay } = fixture();
    let closed = 0;
    const fresh = () => new MediaAnchor({ relay, hides: null, onClose: () => (closed += 1) });
    expect(fresh().offer('caller', invite('v=0'))).toBe(false);
    expect(fresh().offer('caller', new SipRequest('INVITE', 'sip:bob@lab.test'))).toBe(false);
    const refused = fresh();
    refused.offer('caller', invite(sdp(CALLER, 'active')));
    refused.refused();
    expect([relay.pairCount, closed]).toEqual([0, 1]);
    const lost = fresh();
    lost.offer('caller', invite(sdp(CALLER, 'active')));
    lost.answer(ok(sdp(CALLED, 'active')));
    clock.advance(LEG_BIND_TIMEOUT_MS + MEDIA_LOST_GRACE_MS);
    expect([relay.pairCount, closed]).toEqual([0, 2]);
  });
});
