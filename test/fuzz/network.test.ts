/** The whole network over loopback: what strangers say on its SIP and media ports, in seeded pieces, ends nothing and is no internal error. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Network, startNetwork } from '../../network/network';
import { seededRandom } from '../support/doubles/seeded-random';
import { until } from '../support/waiting';
import { Mutator } from './engine/mutate';
import { cut } from './engine/properties';
import { targets } from './targets';

const CONNECTIONS = 150;
const target = (name: string) => {
  const found = targets.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no target ${name}`);
  return found;
};

let network: Network;
const errors: string[] = [];
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeAll(async () => {
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  network = await startNetwork({
    wsPort: 0,
    log: (level, text, facts) => level === 'error' && errors.push(`${text} ${JSON.stringify(facts)}`),
  });
});
afterAll(async () => {
  await network.close();
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

const portOf = (uri: string | null) => Number(/:(\d+);/.exec(uri ?? '')?.[1]);

/** Says everything and hangs up; resolves when the connection is over. */
function stranger(port: number, pieces: readonly Uint8Array[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      for (const piece of pieces) socket.write(piece);
      socket.end();
    });
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => resolve());
  });
}

/** A WebSocket whose messages are the pieces. */
function webStranger(port: number, pieces: readonly Uint8Array[]): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'sip');
    socket.on('open', () => {
      for (const piece of pieces) socket.send(piece, { binary: piece.length % 2 === 0 });
      socket.close();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

/** Inputs of a target, with the addresses that this network serves. */
function inputs(name: string, seed: number): Uint8Array[] {
  const random = seededRandom(seed);
  const { seeds, words } = target(name);
  const mutator = new Mutator(random, words);
  const draw = () => Buffer.from(seeds[Math.floor(random() * seeds.length)] ?? '');
  return Array.from({ length: CONNECTIONS }, () => mutator.mutated(draw(), draw()));
}

async function isServed(): Promise<string> {
  let heard = '';
  const socket = connect({ host: '127.0.0.1', port: portOf(network.uris.tcp) });
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  socket.write(Buffer.from(target('sip-message').seeds[1] ?? ''));
  await until('an answer to an honest REGISTER', () => heard.includes('\r\n\r\n'));
  socket.destroy();
  return heard.split('\r\n', 1)[0] ?? '';
}

describe('the network and seeded bytes', () => {
  it.each([
    ['SIP over TCP', () => inputs('sip-socket-tcp', 1).map((input) => stranger(portOf(network.uris.tcp), cut(input)))],
    ['SIP over WebSocket', () => inputs('sip-socket-ws', 2).map((input) => webStranger(portOf(network.uris.ws), [input, ...cut(input)]))],
    ['an HTTP port that hears SIP', () => inputs('sip-message', 3).map((input) => stranger(portOf(network.uris.ws), cut(input)))],
    [
      'SIP at the port of the Participating Function',
      () => inputs('sip-message', 4).map((input) => stranger(portOf(network.uris.pf), cut(input))),
    ],
    [
      'SIP at the port of the Controlling Function',
      () => inputs('sip-message', 5).map((input) => stranger(portOf(network.uris.cf), cut(input))),
    ],
  ])('%s', async (_, connections) => {
    await Promise.all(connections());
    expect(await isServed()).toMatch(/^SIP\/2\.0 401/);
    expect(errors).toEqual([]);
    expect(uncaught).toEqual([]);
  });
});
