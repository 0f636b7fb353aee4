/** Doubles for the network's unit tests: a virtual clock, and connections in memory. */

import type { Timekeeper } from '../../../base/clock';
import type { MsrpStream } from '../../../network/msrp/connection';
import type { SipMessage } from '../../../network/sip/message';
import type { Flow, SipServer } from '../../../network/sip/sip-server';
import { encodeMsrp, type MsrpMessage } from '../../../protocol/msrp';
import { MsrpParser } from '../../../protocol/msrp-parser';

export class VirtualClock implements Timekeeper {
  #now = Date.UTC(2026, 0, 1);
  #timers = new Set<{ at: number; callback: () => void }>();

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, callback: () => void): { dispose(): void } {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return { dispose: () => this.#timers.delete(timer) };
  }

  /** Changes the wall clock; timers wait as long as before. */
  jump(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers) timer.at += ms;
  }

  /** Advances time; due timers run in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }
}

/** Lets everything run that is pending. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

let flows = 0;

class MemoryFlow implements Flow {
  readonly id: string;
  readonly transport = 'tcp';
  readonly listener = null;
  peer: MemoryFlow | null = null;
  isOpen = true;
  #listeners: (() => void)[] = [];

  constructor(
    private readonly server: SipServer,
    readonly local: string,
    readonly remote: string,
  ) {
    flows += 1;
    this.id = `flow-${flows}`;
  }

  send(message: SipMessage): boolean {
    const { peer } = this;
    if (!this.isOpen || peer === null) return false;
    const bytes = message.encode();
    queueMicrotask(() => peer.server.received(bytes, peer));
    return true;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const listener of this.#listeners) listener();
    this.peer?.close();
  }

  onClose(listener: () => void): void {
    this.#listeners.push(listener);
  }
}

/** Connects two servers; returns each one's end. */
export function connectServers(a: SipServer, b: SipServer): { atA: Flow; atB: Flow } {
  const atA = new MemoryFlow(a, '127.0.0.1:1001', '127.0.0.1:1002');
  const atB = new MemoryFlow(b, '127.0.0.1:1002', '127.0.0.1:1001');
  atA.peer = atB;
  atB.peer = atA;
  return { atA, atB };
}

/** The other end of a connection to the MSRP switch. */
export class MsrpPeer implements MsrpStream {
  readonly connecting = false;
  writableLength = 0;
  isDestroyed = false;
  /** Whether it answers every SEND with 200 automatically. */
  answersSends = false;
  readonly received: MsrpMessage[] = [];
  readonly #parser = new MsrpParser();
  readonly #listeners = { data: (_: Uint8Array) => {}, error: (_: Error) => {}, close: () => {} };

  setNoDelay(): void {}

  write(bytes: Uint8Array): boolean {
    const messages = this.#parser.push(bytes);
    if (!messages.ok) return true;
    this.received.push(...messages.value);
    if (this.answersSends) for (const message of messages.value) queueMicrotask(() => this.#answer(message));
    return true;
  }

  destroySoon(): void {
    this.isDestroyed = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  on(event: 'data' | 'error' | 'close', listener: (value: never) => void): void {
    Object.assign(this.#listeners, { [event]: listener });
  }

  say(message: MsrpMessage): MsrpMessage | undefined {
    this.#listeners.data(encodeMsrp(message));
    return this.received.at(-1);
  }

  #answer(message: MsrpMessage): void {
    if (message.kind !== 'request' || message.method !== 'SEND' || this.isDestroyed) return;
    const { transactionId, toPath, fromPath } = message;
    const paths = { toPath: fromPath.slice(0, 1), fromPath: toPath.slice(0, 1) };
    this.#listeners.data(encodeMsrp({ kind: 'response', transactionId, status: 200, reason: 'OK', ...paths, continuation: '$' }));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#listeners.data(bytes);
  }

  hangUp(): void {
    this.#listeners.close();
  }

  /** Why what was written to it cannot be read; null when all of it could. */
  get failure(): { reason: string } | null {
    return this.#parser.failure;
  }

  get sends(): Extract<MsrpMessage, { kind: 'request' }>[] {
    return this.received.filter((message) => message.kind === 'request').filter((message) => message.method === 'SEND');
  }
}
