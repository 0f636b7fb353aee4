import { createSocket, type Socket } from 'node:dgram';

const TYPES = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 } as const;
type Type = keyof typeof TYPES;

/** A name server on loopback with records set by a test (RFC 1035, RFC 2782, RFC 3403). */
export class LabDns {
  /** The queries it received, in order: `NAPTR lab.test`. */
  readonly asked: string[] = [];
  readonly #records = new Map<string, Buffer[]>();
  readonly #socket: Socket = createSocket('udp4');

  static async start(): Promise<LabDns> {
    const dns = new LabDns();
    dns.#socket.on('message', (query, from) => dns.#socket.send(dns.#answer(query), from.port, from.address));
    await new Promise<void>((resolve) => dns.#socket.bind(0, '127.0.0.1', resolve));
    return dns;
  }

  /** `address:port`. */
  get server(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  a(name: string, address: string): this {
    return this.#add('A', name, Buffer.from(address.split('.').map(Number)));
  }

  srv(name: string, priority: number, weight: number, port: number, target: string): this {
    return this.#add('SRV', name, Buffer.concat([numbers(priority, weight, port), domain(target)]));
  }

  naptr(name: string, order: number, preference: number, service: string, replacement: string, flags = 's'): this {
    const words = Buffer.concat([flags, service, ''].map(word));
    return this.#add('NAPTR', name, Buffer.concat([numbers(order, preference), words, domain(replacement)]));
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #add(type: Type, name: string, data: Buffer): this {
    const key = `${type} ${name}`;
    this.#records.set(key, [...(this.#records.get(key) ?? []), data]);
    return this;
  }

  #answer(query: Buffer): Buffer {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const end = at + 5;
    const type = query.readUInt16BE(at + 1);
    const name = Object.entries(TYPES).find(([, value]) => value === type)?.[0] ?? String(type);
    const key = `${name} ${labels.join('.').toLowerCase()}`;
    this.asked.push(key);
    const records = this.#records.get(key) ?? [];
    const isKnown = [...this.#records.keys()].some((each) => each.split(' ')[1] === labels.join('.').toLowerCase());
    const header = Buffer.concat([query.subarray(0, 2), numbers(0x8580 | (isKnown ? 0 : 3), 1, records.length, 0, 0)]);
    // The name in each answer is a pointer to the one in the question.
    const answers = records.map((data) => Buffer.concat([numbers(0xc00c, type, 1, 0, 60, data.length), data]));
    return Buffer.concat([header, query.subarray(12, end), ...answers]);
  }
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

function word(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}

function domain(name: string): Buffer {
  return Buffer.concat([
    ...name
      .split('.')
      .filter((label) => label !== '')
      .map(word),
    Buffer.from([0]),
  ]);
}
