/** A defect of ours, injected at every handler of a SIP connection and at the timers of the stack, costs that connection at most. */
import { EventEmitter } from 'node:events';
import type * as net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type WebSocket from 'ws';
import { FIRST_MESSAGE_TIMEOUT_MS, type FlowOwner, HALF_MESSAGE_TIMEOUT_MS, SocketFlow } from '../../../../network/sip/flow';
import { SipRequest } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import { VirtualClock } from '../../../support/doubles/network-doubles';

const OPTIONS = Buffer.from(
  'OPTIONS sip:lab.test SIP/2.0\r\nVia: SIP/2.0/TCP c.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@lab.test>;tag=1\r\nTo: <sip:lab.test>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n',
);

const defect = () => {
  throw new Error('injected');
};

class FakeSocket extends EventEmitter {
  connecting = false;
  destroyed = false;
  writableLength = 0;
  readonly written: Uint8Array[] = [];
  setNoDelay = () => this;
  write = (bytes: Uint8Array) => this.written.push(bytes) > 0;
  send = (bytes: Uint8Array) => this.written.push(bytes);
  destroy = () => {
    this.destroyed = true;
    this.emit('close');
  };
  destroySoon = () => this.destroy();
}

let clock: VirtualClock;
let errors: string[];
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeEach(() => {
  clock = new VirtualClock();
  errors = [];
  uncaught.length = 0;
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

function connection(kind: 'tcp' | 'ws', changes: Partial<FlowOwner> = {}, listener: string | null = 'main', connecting = false) {
  const socket = new FakeSocket();
  socket.connecting = connecting;
  const webSocket = kind === 'ws' ? new FakeSocket() : null;
  const owner: FlowOwner = {
    clock,
    log: (level, text) => level === 'error' && errors.push(text),
    tapped: () => undefined,
    received: () => undefined,
    refuseHead: () => undefined,
    ...changes,
  };
  const carrier = { transport: kind, socket: socket as unknown as net.Socket, webSocket: webSocket as unknown as WebSocket | null };
  const flow = new SocketFlow(owner, carrier, listener, '127.0.0.1:1');
  let ends = 0;
  flow.onClose(() => {
    ends += 1;
  });
  return { socket, flow, wire: webSocket ?? socket, ends: () => ends, event: kind === 'ws' ? 'message' : 'data' };
}

describe.each(['tcp', 'ws'] as const)('a throw at a handler of a %s connection', (kind) => {
  it.each<[string, () => ReturnType<typeof connection>]>([
    [
      'what takes a message',
      () => {
        const one = connection(kind, { received: defect });
        one.wire.emit(one.event, OPTIONS);
        return one;
      },
    ],
    [
      'what refuses a message that cannot be cut',
      () => {
        const one = connection('tcp', { refuseHead: defect });
        one.wire.emit('data', Buffer.from(`${OPTIONS.toString().replace('Content-Length: 0', 'Content-Length: x')}`));
        return one;
      },
    ],
    [
      'the answer to a ping',
      () => {
        const one = connection(kind);
        one.wire.write = defect;
        one.wire.send = defect;
        one.wire.emit(one.event, Buffer.from('\r\n\r\n'));
        return one;
      },
    ],
    [
      'the log of a failure',
      () => {
        const one = connection(kind, { log: (level) => level === 'debug' && defect() });
        one.wire.emit('error', new Error('reset'));
        errors.push('told');
        return one;
      },
    ],
    [
      'writing',
      () => {
        const one = connection(kind, { tapped: defect });
        expect(one.flow.send(new SipRequest('OPTIONS', 'sip:lab.test'))).toBe(false);
        return one;
      },
    ],
    [
      'what waits for the connection to open',
      () => {
        const one = connection(kind, { tapped: defect }, null, true);
        one.flow.send(new SipRequest('OPTIONS', 'sip:lab.test'));
        one.socket.emit('connect');
        return one;
      },
    ],
    [
      'one who waits for the end',
      () => {
        const one = connection(kind);
        one.flow.onClose(defect);
        one.socket.emit('close');
        return one;
      },
    ],
    [
      'closing a half message',
      () => {
        const one = connection('tcp');
        one.wire.emit('data', Buffer.from('OPTIONS'));
        one.socket.destroy = defect;
        clock.advance(HALF_MESSAGE_TIMEOUT_MS);
        return one;
      },
    ],
    [
      'closing a silent connection',
      () => {
        const one = connection(kind);
        one.socket.destroy = defect;
        clock.advance(FIRST_MESSAGE_TIMEOUT_MS);
        return one;
      },
    ],
  ])('%s', (_where, provoke) => {
    const { flow, ends } = provoke();
    expect(uncaught).toEqual([]);
    expect(errors.length).toBeGreaterThan(0);
    expect([flow.isOpen, ends()]).toEqual([false, 1]);
    expect(clock.pending).toBe(0);
  });
});

describe('a connection before its first message', () => {
  it('ends after FIRST_MESSAGE_TIMEOUT_MS, pings or not; one with a message, or one that this side opened, stays', () => {
    const [silent, pinging, speaking] = [connection('tcp'), connection('tcp'), connection('tcp')];
    const own = connection('tcp', {}, null);
    speaking.wire.emit('data', OPTIONS);
    clock.advance(FIRST_MESSAGE_TIMEOUT_MS - 1);
    pinging.wire.emit('data', Buffer.from('\r\n\r\n'));
    expect([silent, pinging, speaking, own].map(({ flow }) => flow.isOpen)).toEqual([true, true, true, true]);
    clock.advance(1);
    expect([silent, pinging, speaking, own].map(({ flow }) => flow.isOpen)).toEqual([false, false, true, true]);
  });
});

describe('a throw at a timer of the stack', () => {
  it('ends no process, and is told', async () => {
    const server = new SipServer({ clock, log: (level, text) => level === 'error' && errors.push(text) });
    server.clock.setTimer(1, defect);
    clock.advance(1);
    expect(errors).toEqual(['an internal error']);
    const request = new SipRequest('OPTIONS', 'sip:x').append('Call-ID', 'c').append('CSeq', '1 OPTIONS').append('From', '<sip:a@x>;tag=1');
    const socket = new FakeSocket();
    const carrier = { transport: 'tcp', socket: socket as unknown as net.Socket, webSocket: null } as const;
    const flow = new SocketFlow({ ...server, clock, log: () => undefined } as unknown as FlowOwner, carrier, null, '127.0.0.1:1');
    flow.close();
    server.request(request.append('To', '<sip:b@x>'), flow, { onFinal: defect });
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(uncaught).toEqual([]);
    expect(errors).toEqual(['an internal error', 'an internal error']);
  });
});
