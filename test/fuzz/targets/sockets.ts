/**
 * The sockets of the network and the media of the client, each as it runs in the product, over streams in memory. Every input is what one
 * connection says, in pieces. Nothing may be thrown out of a handler, or logged as an error, and somebody else must be served afterwards.
 */
import { EventEmitter } from 'node:events';
import type * as net from 'node:net';
import type WebSocket from 'ws';
import { MediaRelay } from '../../../network/msrp/relay';
import { MsrpSwitch } from '../../../network/msrp/switch';
import { SocketFlow } from '../../../network/sip/flow';
import { SipServer } from '../../../network/sip/sip-server';
import { encodeMsrp, type MsrpRequest } from '../../../protocol/msrp';
import { MsrpPeer, VirtualClock } from '../../support/doubles/network-doubles';
import { cut, hold, utf8 } from '../engine/properties';
import type { Target } from '../engine/target';
import { msrpMessages, msrpWords } from './msrp';
import { sipMessage, sipMessages } from './sip';

const HONEST = sipMessages[0] ?? '';

class FakeSocket extends EventEmitter {
  readonly connecting = false;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 5060;
  readonly writableLength = 0;
  isDestroyed = false;
  said = '';
  setNoDelay = () => this;
  write = (bytes: Uint8Array | string) => this.#hear(bytes);
  send = (bytes: Uint8Array | string) => this.#hear(bytes);
  destroy = () => {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.emit('close');
  };
  destroySoon = () => this.destroy();

  #hear(bytes: Uint8Array | string): boolean {
    this.said += Buffer.from(bytes).toString('latin1');
    return true;
  }
}

function sipConnection(server: SipServer, kind: 'tcp' | 'ws') {
  const socket = new FakeSocket();
  const webSocket = kind === 'ws' ? new FakeSocket() : null;
  const carrier = { transport: kind, socket: socket as unknown as net.Socket, webSocket: webSocket as unknown as WebSocket | null };
  const flow = new SocketFlow(server, carrier, 'main', '10.0.0.9:1');
  const wire = webSocket ?? socket;
  return { flow, wire, say: (bytes: Uint8Array) => wire.emit(kind === 'ws' ? 'message' : 'data', Buffer.from(bytes)) };
}

/** A server whose handler answers in all the ways that roles do. */
function sipServer(clock: VirtualClock, errors: string[]): SipServer {
  const log = (level: string, text: string, facts?: object) => level === 'error' && errors.push(`${text} ${JSON.stringify(facts)}`);
  const server = new SipServer({ clock, log, secret: { value: 'secret', covers: () => false } });
  server.onRequest = (transaction) => {
    const { request } = transaction;
    transaction.reply(request.method === 'INVITE' ? 180 : 200, { headers: request.all('contact').map((value) => ['Contact', value]) });
    if (request.method === 'INVITE') transaction.reply(486);
  };
  return server;
}

function sipSocket(kind: 'tcp' | 'ws'): Target {
  return {
    name: `sip-socket-${kind}`,
    seeds: [...sipMessages, sipMessages.join('\r\n\r\n')],
    words: sipMessage.words,
    long: [{ piece: HONEST }, { piece: '\r\n\r\n' }, { before: 'OPTIONS', piece: ' ' }],
    take(bytes) {
      const errors: string[] = [];
      const clock = new VirtualClock();
      const server = sipServer(clock, errors);
      const hostile = sipConnection(server, kind);
      // A WebSocket message is one SIP message.
      const pieces = kind === 'ws' ? [bytes, ...cut(bytes)] : cut(bytes);
      for (const piece of pieces) if (!hostile.wire.isDestroyed) hostile.say(piece);
      clock.advance(40_000);
      hold(errors.length === 0, 'an internal error', errors, utf8(bytes));
      const other = sipConnection(server, kind);
      other.say(Buffer.from(HONEST.replaceAll('z9hG4bK1', 'z9hG4bKother')));
      hold(other.wire.said.startsWith('SIP/2.0 200'), 'somebody else is not served', other.wire.said);
      other.flow.close();
      hostile.flow.close();
      clock.advance(70_000);
      hold(errors.length === 0, 'an internal error', errors, utf8(bytes));
      hold(server.transactionCount === 0, 'a transaction stays for ever', server.transactionCount);
    },
  };
}

export const sipSocketTcp = sipSocket('tcp');
export const sipSocketWs = sipSocket('ws');

const THERE = 'msrp://10.0.0.2:7002/there;tcp';
/** Stands in inputs for the path that this run's session has. */
const HERE = 'msrp://here:1/session;tcp';
const withPath = (bytes: Uint8Array, path: string) => Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(HERE, path), 'latin1');

export const msrpSwitch: Target = {
  name: 'msrp-switch',
  seeds: [...msrpMessages(HERE, THERE), msrpMessages(HERE, THERE).join('')],
  words: [...msrpWords, HERE],
  long: [
    { piece: msrpMessages(HERE, THERE)[0] ?? '' },
    { before: (msrpMessages(HERE, THERE)[1] ?? '').slice(0, -20), piece: '\r\n-------' },
  ],
  take(bytes) {
    const errors: string[] = [];
    const media = new MsrpSwitch({ clock: new VirtualClock(), log: (level, text) => level === 'error' && errors.push(text) });
    let received = 0;
    const verdict = { status: 200, reason: 'OK' };
    const onMessage = () => {
      received += 1;
      return verdict;
    };
    const sessions = ['alice', 'bob'].map((person) =>
      media.prepare({ onMessage, onNickname: () => verdict, onClose: () => undefined }, { person }),
    );
    for (const session of sessions) session.start([THERE], 'passive');
    const [mine, other] = sessions;
    if (mine === undefined || other === undefined) throw new Error('no session');
    const peer = new MsrpPeer();
    media.accept(peer);
    for (const piece of cut(withPath(bytes, mine.localPath))) if (!peer.isDestroyed) peer.sayBytes(piece);
    peer.hangUp();
    hold(peer.failure === null, 'it says what cannot be read', peer.failure);
    const honest = new MsrpPeer();
    media.accept(honest);
    const before = received;
    honest.say(honestSend(other.localPath));
    hold(received === before + 1, 'somebody else is not served', honest.received);
    for (const session of sessions) session.close();
    honest.hangUp();
    hold(errors.length === 0, 'an internal error', errors);
    hold(media.heldBytes === 0 && media.connectionCount === 0, 'memory or a connection is kept', media.heldBytes, media.connectionCount);
  },
};

const honestSend = (to: string): MsrpRequest => ({
  kind: 'request',
  transactionId: 'honest12',
  method: 'SEND',
  toPath: [to],
  fromPath: [THERE],
  headers: [],
  messageId: 'm1',
  byteRange: null,
  contentType: 'text/plain',
  successReport: false,
  failureReport: 'yes',
  status: null,
  body: Buffer.from('hello'),
  continuation: '$',
});

class RelayPeer extends MsrpPeer {
  pause(): void {}
  resume(): void {}
  once(): void {}
}

export const msrpRelay: Target = {
  name: 'msrp-relay',
  seeds: msrpSwitch.seeds,
  words: msrpSwitch.words,
  long: msrpSwitch.long ?? [],
  take(bytes) {
    const errors: string[] = [];
    const relay = new MediaRelay({ clock: new VirtualClock(), log: (level, text) => level === 'error' && errors.push(text) });
    const pairs = [0, 1].map(() => relay.pair({ onClose: () => undefined }));
    const ends = pairs.map((pair) => {
      if (pair === null) throw new Error('no pair');
      const [caller, called] = [new RelayPeer(), new RelayPeer()];
      for (const [peer, leg, path] of [
        [caller, pair.caller, THERE],
        [called, pair.called, 'msrp://10.0.0.3:7003/third;tcp'],
      ] as const) {
        relay.accept(peer);
        leg.expect([path], false);
        peer.say({ ...honestSend(leg.localPath), fromPath: [path], body: null, contentType: null });
      }
      return { pair, caller, called };
    });
    const [hostile, honest] = ends;
    if (hostile === undefined || honest === undefined) throw new Error('no pair');
    for (const piece of cut(withPath(bytes, hostile.pair.caller.localPath)))
      if (!hostile.caller.isDestroyed) hostile.caller.sayBytes(piece);
    hostile.caller.hangUp();
    hold(hostile.called.failure === null, 'the relay hands on what cannot be read', hostile.called.failure);
    honest.caller.sayBytes(encodeMsrp(honestSend(honest.pair.caller.localPath)));
    hold(Buffer.from(honest.called.sends.at(-1)?.body ?? '').toString() === 'hello', 'somebody else is not served', honest.called.received);
    for (const { pair, caller, called } of ends) {
      caller.hangUp();
      called.hangUp();
      pair.close();
    }
    hold(errors.length === 0, 'an internal error', errors);
    hold(relay.pairCount === 0 && relay.waiting.used === 0, 'memory or a pair is kept', relay.pairCount, relay.waiting.used);
  },
};
