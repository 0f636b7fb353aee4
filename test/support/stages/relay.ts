import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP path between a client and a server that can be cut, frozen and restored, to simulate network failures. */
export class Relay {
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<{ near: Socket; far: Socket; isFrozen: boolean; left: { toServer: number; toClient: number } }>();
  #server: Server | null = null;
  #port = 0;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  /** `uri`: `sip:127.0.0.1:5070;transport=tcp`. */
  static async to(uri: string): Promise<Relay> {
    const found = /@?([0-9.]+):(\d+)/.exec(uri);
    if (found === null) throw new Error(`no address in ${uri}`);
    const relay = new Relay({ host: found[1] ?? '', port: Number(found[2]) });
    await relay.mend();
    return relay;
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.#port};transport=tcp`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Every connection open now silently swallows its bytes; new ones work. */
  freeze(): void {
    for (const pair of this.#pairs) pair.isFrozen = true;
  }

  /** Every connection open now breaks after this many more bytes in that direction, even in the middle of a message. */
  breakAfter(bytes: number, direction: 'toServer' | 'toClient'): void {
    for (const pair of this.#pairs) pair.left[direction] = bytes;
  }

  /** Closes every connection and refuses new ones. */
  async cut(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Accepts new connections again, at the same port. */
  async mend(): Promise<void> {
    const server = createServer((near) => this.#accept(near));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return this.cut();
  }

  #accept(near: Socket): void {
    const far = connect({ ...this.#target, noDelay: true });
    near.setNoDelay(true);
    const pair = { near, far, isFrozen: false, left: { toServer: Number.POSITIVE_INFINITY, toClient: Number.POSITIVE_INFINITY } };
    this.#pairs.add(pair);
    const pass = (from: Socket, to: Socket, direction: 'toServer' | 'toClient') => {
      from.on('data', (bytes) => {
        if (pair.isFrozen) return;
        const left = pair.left[direction];
        pair.left[direction] -= bytes.length;
        if (bytes.length < left) to.write(bytes);
        else {
          // The bytes let through arrive; then both ends see the connection break.
          to.end(bytes.subarray(0, left));
          from.destroy();
        }
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        // Only the side that ended a frozen connection notices its end.
        if (!pair.isFrozen) to.destroy();
        if (near.destroyed && far.destroyed) this.#pairs.delete(pair);
      });
    };
    pass(near, far, 'toServer');
    pass(far, near, 'toClient');
  }
}
