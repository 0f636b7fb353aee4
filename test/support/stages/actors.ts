import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/**
 * Runs parts of a story in this process so that each can die alone, as by `kill -9`: its connections break at once and without notice, and
 * whatever its code still does reaches nobody.
 *
 * A socket belongs to the actor in whose asynchronous context it was opened or accepted.
 */
const context = new AsyncLocalStorage<Actor>();

export class Actor {
  readonly #sockets = new Set<Socket>();
  #isAlive = true;

  constructor(readonly name: string) {}

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Runs a function as this actor; everything it starts belongs to this actor, too. */
  play<T>(act: () => T): T {
    return context.run(this, act);
  }

  /** Dies at once. Whoever started the actor must still close its memory and listeners. */
  die(): void {
    this.#isAlive = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Only used below. */
  own(socket: Socket): void {
    if (!this.#isAlive) {
      socket.on('error', () => undefined);
      // The actor learns of the socket before it connects, and connecting would revive a destroyed socket.
      process.nextTick(() => socket.destroy());
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/** A callback that runs as the actor that created it, and not at all when that actor is dead. */
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
