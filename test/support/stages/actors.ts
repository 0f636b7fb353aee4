import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/**
 * Parts of a story that share this process and yet die alone, as by `kill -9`: their connections break in the same instant, without a word, and
 * whatever their code still does reaches nobody.
 *
 * Every socket belongs to the actor in whose asynchronous context it was opened, or in which the listener was that accepted it.
 */
const context = new AsyncLocalStorage<Actor>();

export class Actor {
  readonly #sockets = new Set<Socket>();
  #isAlive = true;

  constructor(readonly name: string) {}

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Runs something as this actor; what it starts in turn is this actor's, too. */
  play<T>(act: () => T): T {
    return context.run(this, act);
  }

  /** The end, in this very instant. What holds memory and listeners must still be closed, by whoever started it. */
  die(): void {
    this.#isAlive = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Used below. */
  own(socket: Socket): void {
    if (!this.#isAlive) {
      socket.on('error', () => undefined);
      // It is told of before it connects, and connecting brings a destroyed socket back to life.
      process.nextTick(() => socket.destroy());
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/** A callback of whoever asks for it: it runs as that actor, and not any more when that one is dead. */
export function ownCallback<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  const actor = context.getStore();
  if (actor === undefined) return callback;
  return (...args) => {
    if (actor.isAlive) actor.play(() => callback(...args));
  };
}

for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, (message) => context.getStore()?.own((message as { socket: Socket }).socket));
}
