/**
 * The own copies of one account: the engine of `own`, the history on one side, SIP on the other. Everything between siblings is a MESSAGE to the
 * sibling's public GRUU, where there is none to its instance ID, with a content type of our own and without the service identifiers of CPM.
 */
import type { Clock } from '../../../base/clock';
import { DisposableStore } from '../../../base/disposable';
import { drop, type Logger } from '../../../base/log';
import type { DeviceValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { parseContentType } from '../../../protocol/multipart';
import type { History } from '../../history/history';
import { OwnDevices } from '../../own/engine';
import { REFUSED } from '../../own/pull';
import { type AccountKey, Seal } from '../../own/seal';
import { fitsInTick, OWN_DEVICES_TYPE, pack, unpack } from '../../own/wire';
import type { IncomingPager, SipClient } from '../../sip/client';
import { Projection } from './projection';

/** LAB: how long an answer is waited for, ms. */
const ANSWER_MS = 10_000;
/** LAB: a page of answers where it travels as a MESSAGE over a connection. */
const MESSAGE_PAGE = { events: 50, chars: 8_000 };

export interface OwnCopiesDeps {
  clock: Clock;
  log: Logger;
  history: History;
  sip: Pick<SipClient, 'sendPlain'>;
  self: { aor: string; instanceId: string; name(): string; deviceName(): string };
  key: AccountKey;
  /** The devices of the own address, as the network tells them. */
  devices(): readonly DeviceValue[];
}

/** What a body says. */
interface Said {
  tick?: unknown;
  sum?: unknown;
  /** A question, and the answer to one, by its name. */
  ask?: unknown;
  answer?: unknown;
  q?: unknown;
}

export class OwnCopies {
  readonly #deps: OwnCopiesDeps;
  readonly #seal: Seal;
  readonly #engine: OwnDevices;
  readonly #disposables = new DisposableStore();
  /** Questions that wait for their answers, by name. */
  readonly #waiting = new Map<string, (answer: unknown) => void>();

  constructor(deps: OwnCopiesDeps) {
    this.#deps = deps;
    const { clock, log, history, self } = deps;
    this.#seal = new Seal(deps.key, () => clock.now());
    const projection = new Projection({ clock, history, self });
    this.#engine = this.#disposables.add(
      new OwnDevices({
        ...{ clock, log, store: history.own, instance: self.instanceId },
        random: (bytes) => globalThis.crypto.getRandomValues(new Uint8Array(bytes)),
        page: MESSAGE_PAGE,
        // Every device that has the key was paired.
        isPaired: () => true,
        inside: (changes) => projection.apply(changes),
        wire: {
          fits: (tick) => fitsInTick({ tick }, self.instanceId),
          send: (to, kind, body) => this.#send(to, { [kind]: body }),
          open: async (to) => ({ ask: (question) => this.#ask(to, question), close: () => undefined }),
        },
      }),
    );
    this.#disposables.add(
      history.inside((changes) => {
        const events = projection.eventsOf(changes);
        if (events.length > 0) this.#engine.log.append(events);
      }),
    );
    this.#disposables.add(history.onChange.on(() => this.#engine.tell()));
    this.#engine.enlist(self.deviceName());
    this.devicesChanged();
  }

  /** The network knows other devices, or others of them are there. */
  devicesChanged(): void {
    const active = this.#deps
      .devices()
      .filter(({ state, self, instanceId }) => state === 'active' && !self && instanceId.startsWith('urn:'));
    this.#engine.setPresent(active.map(({ instanceId }) => instanceId));
  }

  /** Answers a message that another device of this person has sealed; null for every message that is none. */
  async receive(pager: IncomingPager): Promise<number | null> {
    if (parseContentType(pager.contentType).type !== OWN_DEVICES_TYPE) return null;
    const { self, log } = this.#deps;
    if (pager.remote.asserted && pager.remote.address !== self.aor) return 403;
    const read = unpack(this.#seal, new TextDecoder().decode(pager.body), self.instanceId);
    if ('refused' in read) {
      log.warn('A message of another device was not understood', { status: read.refused });
      return read.refused;
    }
    const { from, value } = read;
    if (typeof value !== 'object' || value === null) return 400;
    const { tick, sum, ask, answer, q } = value as Said;
    if (tick !== undefined) return this.#engine.receive(from, 'tick', tick);
    if (sum !== undefined) return this.#engine.receive(from, 'sum', sum);
    if (typeof q !== 'string') return 400;
    if (ask !== undefined) {
      const reply = this.#engine.serve(from, ask);
      if (reply === null) return 403;
      drop(this.#send(from, { q, answer: reply }), log, 'An answer to another device');
      return 200;
    }
    this.#waiting.get(q)?.(answer);
    return 200;
  }

  dispose(): void {
    this.#disposables.dispose();
    for (const answered of [...this.#waiting.values()]) answered(null);
  }

  async #ask(to: string, question: unknown): Promise<unknown> {
    const { clock } = this.#deps;
    const q = clock.uuid();
    const answered = new Promise<unknown>((resolve) => {
      const limit = clock.setTimer(ANSWER_MS, () => done(null));
      const done = (answer: unknown) => {
        limit.dispose();
        this.#waiting.delete(q);
        resolve(answer);
      };
      this.#waiting.set(q, done);
    });
    const status = await this.#send(to, { q, ask: question });
    if (status !== 200) this.#waiting.get(q)?.(status === 403 ? REFUSED : null);
    return answered;
  }

  /** @returns the status that answered; 408 for none */
  async #send(to: string, body: Said): Promise<number> {
    const { sip, self } = this.#deps;
    const device = this.#deps.devices().find(({ instanceId }) => instanceId === to);
    if (device === undefined) return 480;
    try {
      const { status } = await sip.sendPlain({
        target: device.pubGruu ?? self.aor,
        icsi: null,
        contentType: `${OWN_DEVICES_TYPE};v=1`,
        body: new TextEncoder().encode(pack(this.#seal, body, { from: self.instanceId, to })),
        ...(device.pubGruu === null ? { acceptContactInstance: to } : {}),
      });
      return status;
    } catch (error) {
      return error instanceof AppError ? (error.detail.status ?? 408) : 408;
    }
  }
}
