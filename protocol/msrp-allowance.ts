/**
 * Bounds the memory that peers can make this process hold: a limit in octets, within the limit of a parent. A message draws from its
 * connection's allowance, the connection from its sender's, the sender from the process's. So no sender takes more than its share, and the
 * total stays bounded.
 */
export class Allowance {
  #used = 0;

  constructor(
    readonly limit: number,
    private readonly parent: Allowance | null = null,
  ) {}

  get used(): number {
    return this.#used;
  }

  /** Takes this many octets here and from every parent. False, and nothing is taken, if any of them has too little left. */
  take(octets: number): boolean {
    if (this.#used + octets > this.limit || this.parent?.take(octets) === false) return false;
    this.#used += octets;
    return true;
  }

  give(octets: number): void {
    this.#used -= octets;
    this.parent?.give(octets);
  }
}

/** One allowance for each sender within a common one. A sender's allowance is dropped once nobody uses it. */
export class SharedAllowance {
  readonly #all: Allowance;
  readonly #senders = new Map<string, { allowance: Allowance; users: number }>();

  constructor(
    limit: number,
    private readonly eachSender: number,
  ) {
    this.#all = new Allowance(limit);
  }

  get used(): number {
    return this.#all.used;
  }

  /** The sender's allowance, valid until `release`. An unidentified sender gets an allowance of its own. */
  of(sender: string | null): { allowance: Allowance; release: () => void } {
    if (sender === null) return { allowance: new Allowance(this.eachSender, this.#all), release: () => undefined };
    const entry = this.#senders.get(sender) ?? { allowance: new Allowance(this.eachSender, this.#all), users: 0 };
    this.#senders.set(sender, entry);
    entry.users += 1;
    let isReleased = false;
    return {
      allowance: entry.allowance,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        entry.users -= 1;
        if (entry.users === 0) this.#senders.delete(sender);
      },
    };
  }
}
