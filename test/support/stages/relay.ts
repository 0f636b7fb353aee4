import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP path between a client and a server that can be cut, frozen and mended: the network's bad days. */
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

  /** Every connection that is open now swallows what it is given, and says nothing of it; new ones work. */
  freeze(): void {
    for (const pair of this.#pairs) pair.isFrozen = true;
  }

  /** After so many more bytes in that direction every connection that is open now breaks, in the middle of whatever it carries. */
  breakAfter(bytes: number, direction: 'toServer' | 'toClient'): void {
    for (const pair of this.#pairs) pair.left[direction] = bytes;
  }

  /** Nothing gets through any more, and new connections are refused. */
  async cut(): Promise<void> {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    const server = this.#server;
    this.#server = null;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** New connections are taken again, at the same port. */
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
          // What has been let through arrives; then both ends see the connection break.
          to.end(bytes.subarray(0, left));
          from.destroy();
        }
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        // Nobody hears of the end of a frozen path but who ended it.
        if (!pair.isFrozen) to.destroy();
        if (near.destroyed && far.destroyed) this.#pairs.delete(pair);
      });
    };
    pass(near, far, 'toServer');
    pass(far, near, 'toClient');
  }
}
