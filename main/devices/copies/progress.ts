/**
 * How far the copies of a state are, as a person is shown it, on both sides. The side that copies knows it from its own disk; the other side from what
 * it is asked, so that it is right after a restart as well.
 */
import type { Clock } from '../../../base/clock';
import type { Disposable } from '../../../base/disposable';
import type { DeviceValue, FillingValue } from '../../../preload/contract';
import type { SiblingValue } from '../../own/engine';
import type { OwnLog } from '../../own/log';
import { readReply, readRequest } from '../../own/pages';

/** LAB: how often at most a progress is told, and how long its end is shown. */
const TELL_MS = 250;
const END_MS = 6_000;

export interface ProgressDeps {
  clock: Clock;
  log: OwnLog;
  devices(): readonly DeviceValue[];
  siblings(): readonly SiblingValue[];
  changed(): void;
}

interface Count {
  got: number;
  of: number | null;
}

export class Progress implements Disposable {
  readonly #deps: ProgressDeps;
  /** What others copy from here, by their instance ID. */
  readonly #out = new Map<string, Count & { isDone: boolean }>();
  #in: (Count & { isDone: boolean }) | null = null;
  #looked: number | null = null;
  #timer: Disposable | null = null;
  readonly #ends = new Map<string, Disposable>();

  constructor(deps: ProgressDeps) {
    this.#deps = deps;
    this.#look();
  }

  get values(): FillingValue[] {
    const values: FillingValue[] = [...this.#out].map(([instance, { got, of, isDone }]) => ({
      direction: 'out',
      state: isDone ? 'done' : this.#isThere(instance) ? 'running' : 'waiting',
      name: this.#nameOf(instance),
      ...{ got, of },
    }));
    if (this.#in !== null) {
      const { got, of, isDone } = this.#in;
      const from = this.#deps.siblings().find(({ state }) => state === 'filling' || state === 'pulling');
      const state = isDone ? 'done' : from === undefined ? 'waiting' : of === null ? 'preparing' : 'running';
      values.push({ direction: 'in', state, name: from === undefined ? '' : this.#nameOf(from.instance), got, of });
    }
    if (this.#looked !== null) values.push({ direction: 'out', state: 'preparing', name: '', got: this.#looked, of: null });
    return values;
  }

  /** The state here has changed, or who is there. */
  stateChanged(): void {
    const before = this.#in;
    this.#look();
    if (before !== null || this.#in !== null || this.#out.size > 0) this.#soon();
  }

  /** The history from before is looked at: so many messages so far; null: no more. */
  preparing(looked: number | null): void {
    this.#looked = looked;
    this.#soon();
  }

  /** A sibling was answered. */
  asked(from: string, question: unknown, answer: unknown): void {
    const request = readRequest(question);
    const reply = readReply(answer);
    if (request === null || reply === null || !('full' in request) || !('state' in reply)) return;
    const brought = reply.state.filter(({ e }) => e === 'msg').length;
    const isDone = reply.next === null;
    this.#out.set(from, { got: (request.got ?? 0) + brought, of: request.of ?? reply.of ?? null, isDone });
    if (isDone) this.#forgetLater(from, () => this.#out.delete(from));
    this.#soon();
  }

  dispose(): void {
    this.#timer?.dispose();
    for (const end of this.#ends.values()) end.dispose();
  }

  #look(): void {
    const { filling, wantsState } = this.#deps.log.head;
    if (filling !== null || wantsState === true) {
      this.#in = { got: filling?.got ?? 0, of: filling?.of ?? null, isDone: false };
    } else if (this.#in !== null && !this.#in.isDone) {
      this.#in = { ...this.#in, got: this.#in.of ?? this.#in.got, isDone: true };
      this.#forgetLater('', () => {
        if (this.#in?.isDone) this.#in = null;
      });
    }
  }

  #forgetLater(which: string, forget: () => void): void {
    this.#ends.get(which)?.dispose();
    this.#ends.set(
      which,
      this.#deps.clock.setTimer(END_MS, () => {
        forget();
        this.#deps.changed();
      }),
    );
  }

  #soon(): void {
    this.#timer ??= this.#deps.clock.setTimer(TELL_MS, () => {
      this.#timer = null;
      this.#deps.changed();
    });
  }

  #isThere(instance: string): boolean {
    return this.#deps.devices().some((device) => device.instanceId === instance && device.state === 'active');
  }

  #nameOf(instance: string): string {
    return this.#deps.devices().find(({ instanceId }) => instanceId === instance)?.name ?? '';
  }
}
