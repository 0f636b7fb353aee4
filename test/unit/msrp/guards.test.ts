/** A defect of ours, injected at every handler of a client's media socket, costs that connection and nothing else. */
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger } from '../../../base/log';
import { MsrpConnection, readPauseBytes, stalledPeerMs } from '../../../main/msrp/connection';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { encodeMsrp, type MsrpRequest } from '../../../protocol/msrp';
import { MemoryNetwork, ScriptedPeer, streamPair } from '../../support/doubles/msrp-memory';
import { settled, VirtualClock } from '../../support/doubles/virtual-clock';

const path = 'msrp://127.0.0.1:9/here;tcp';
let clock: VirtualClock;
let stream: Duplex;
let peer: ScriptedPeer;
let connection: MsrpConnection;
let errors: string[];
let reasons: string[];
let log: Logger;
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeEach(() => {
  clock = new VirtualClock();
  [errors, reasons] = [[], []];
  uncaught.length = 0;
  log = { debug() {}, info() {}, warn() {}, error: (text) => void errors.push(text) };
  const [here, there] = streamPair();
  stream = here;
  peer = new ScriptedPeer(there);
  connection = new MsrpConnection({ stream, local: 'a:1', remote: 'b:2' }, { clock, log });
  connection.onClose.on((reason) => reasons.push(reason));
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

const defect = () => {
  throw new Error('injected');
};
const broken = (name: 'write' | 'cork' | 'pause' | 'resume' | 'destroy' | 'end') => {
  const once = () => {
    Reflect.deleteProperty(stream, name);
    defect();
  };
  Object.defineProperty(stream, name, { value: once, configurable: true });
};
const request = (changes: Partial<MsrpRequest> = {}): MsrpRequest => ({
  ...{ kind: 'request', transactionId: 'a786hjs2', method: 'SEND', toPath: [path], fromPath: [path], headers: [], messageId: 'm' },
  ...{ byteRange: null, contentType: 'a/b', successReport: false, failureReport: 'yes', status: null, body: null, continuation: '$' },
  ...changes,
});

describe('a throw in', () => {
  it.each<[string, () => void]>([
    [
      'the handler of a request',
      () => {
        connection.onRequest = defect;
        peer.say(path);
      },
    ],
    [
      'the question whether a body is wanted',
      () => {
        connection.admits = defect;
        peer.write(peer.encode(path).subarray(0, -25));
      },
    ],
    [
      'the handler of a response',
      () => {
        connection.request(request(), defect);
        peer.answer(request());
      },
    ],
    [
      'the writing at the end of the turn',
      () => {
        broken('write');
        connection.send(request());
      },
    ],
    ['a message that cannot be written', () => connection.send(request({ transactionId: 'no' }))],
    ['the body of a message that cannot be written', () => connection.send(request({ body: encodeMsrp(request()).slice(-18) }))],
    [
      'pausing',
      () => {
        connection.onRequest = () => connection.hold(stream);
        broken('pause');
        peer.say(path);
      },
    ],
    [
      'resuming',
      () => {
        connection.onRequest = () => {
          connection.hold(stream);
          connection.release(stream);
        };
        broken('resume');
        peer.say(path);
      },
    ],
    [
      'the tap',
      () => {
        connection = tapped();
        peer.say(path);
      },
    ],
    [
      'closing after an error',
      () => {
        broken('destroy');
        stream.emit('error', new Error('reset'));
      },
    ],
    [
      'closing after the end',
      () => {
        broken('destroy');
        stream.emit('close');
      },
    ],
  ])('%s ends the connection, and neither the process nor the caller', async (_where, act) => {
    expect(act).not.toThrow();
    await settled();
    expect(uncaught).toEqual([]);
    expect([connection.isOpen, reasons.length]).toEqual([false, 1]);
  });

  function tapped(): MsrpConnection {
    stream.removeAllListeners();
    const made = new MsrpConnection({ stream, local: 'a:1', remote: 'b:2' }, { clock, log, tap: defect });
    made.onClose.on((reason) => reasons.push(reason));
    return made;
  }

  it('the timers', async () => {
    broken('destroy');
    peer.pause();
    connection.send(request({ body: new Uint8Array(2 * readPauseBytes) }));
    await clock.advance(stalledPeerMs + 1);
    expect([uncaught, connection.isOpen]).toEqual([[], false]);
  });

  it('the taking of a connection leaves the listener and the sessions as they were', async () => {
    const network = new MemoryNetwork();
    const endpoint = new MsrpEndpoint({ clock, log, transport: network });
    const session = await endpoint.prepare();
    const started = session.start([peer.path], 'passive');
    const accept = await network.connect('', session.port);
    expect(accept.stream.destroyed).toBe(false);
    const setTimer = clock.setTimer.bind(clock);
    clock.setTimer = defect;
    const lost = await network.connect('', session.port);
    clock.setTimer = setTimer;
    await settled();
    expect(lost.stream.destroyed).toBe(true);
    const good = new ScriptedPeer(accept.stream);
    good.say(session.localPath, { body: null, contentType: null });
    await started;
    expect(session.state).toBe('established');
    endpoint.dispose();
  });
});
