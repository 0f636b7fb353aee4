/**
 * The own copies of one account: the engine of `own`, the history on one side, SIP on the other. Everything between siblings is a MESSAGE to the
 * sibling's public GRUU, where there is none to its instance ID, with a content type of our own and without the service identifiers of CPM.
 */
import type { Clock } from '../../../base/clock';
import { type Disposable, DisposableStore } from '../../../base/disposable';
import { drop, type Logger } from '../../../base/log';
import type { DeviceValue, FillingValue, GapValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { parseContentType } from '../../../protocol/multipart';
import type { History } from '../../history/history';
import { OwnDevices } from '../../own/engine';
import type { RawEvent } from '../../own/events';
import { REFUSED } from '../../own/pull';
import { type AccountKey, Seal } from '../../own/seal';
import { fitsInTick, OWN_DEVICES_TYPE, pack, senderOf, unpack } from '../../own/wire';
import type { IncomingPager, SipClient } from '../../sip/client';
import { type BlockList, Blocks } from './blocks';
import { Drafts } from './drafts';
import { OlderHistory } from './older-history';
import { Progress } from './progress';
import { registersOf, writtenValue } from './registers';
import { Taking, type TakingDeps } from './taking';
import { Telling } from './telling';

/** LAB: how long an answer is waited for, ms. */
const ANSWER_MS = 10_000;
/** LAB: how long a device that is signed out waits for the others to hear of it, ms. */
const LEAVE_MS = 5_000;
/** LAB: a page of answers where it travels as a MESSAGE over a connection. */
const MESSAGE_PAGE = { events: 100, chars: 20_000 };
/** LAB: how often the log is looked through for what nobody needs any more. */
const PRUNE_MS = 24 * 60 * 60_000;
/** LAB: the first time after the start, when everything else has settled. */
const FIRST_PRUNE_MS = 10 * 60_000;

export type { BlockList };

export interface OwnCopiesDeps {
  clock: Clock;
  log: Logger;
  history: History;
  sip: Pick<SipClient, 'sendPlain'>;
  self: { aor: string; instanceId: string; deviceName(): string };
  key: AccountKey;
  /** Whether every device that has the key counts as paired: it was given beforehand. Else those that are listed. */
  isKeyGiven: boolean;
  /** The X25519 key by which this device alone is written to. */
  publicKey: string;
  /** What the device has told that has just paired this one, and from when on messages are wanted; null: all. */
  joins: { devices: readonly RawEvent[]; since: number | null } | null;
  /** A device cannot open what this one sends, or the other way about: one of them has missed a key. */
  keysDiffer(instance: string): void;
  /** The list of devices, or how far a copy has come, is another one. */
  changed(): void;
  /** Where what other devices have told enters the chats. */
  door: TakingDeps['door'];
  isInGroup(conversation: string): boolean;
  blocks: BlockList;
  /** The devices of the own address, as the network tells them. */
  devices(): readonly DeviceValue[];
  /** Asks the network for them, where it does not tell by itself. */
  refreshDevices(): Promise<void>;
}

/** What a body says. */
interface Said {
  tick?: unknown;
  sum?: unknown;
  /** A question, and the answer to one, by its name. */
  ask?: unknown;
  answer?: unknown;
  q?: unknown;
  /** The device is signed out, and takes part no more. */
  bye?: unknown;
}

export class OwnCopies {
  readonly #deps: OwnCopiesDeps;
  readonly #seal: Seal;
  readonly #engine: OwnDevices;
  readonly #older: OlderHistory;
  readonly #progress: Progress;
  readonly #disposables = new DisposableStore();
  readonly #blocks: Blocks;
  #pruning: Disposable | null = null;
  /** Questions that wait for their answers, by name. */
  readonly #waiting = new Map<string, (answer: unknown) => void>();

  constructor(deps: OwnCopiesDeps) {
    this.#deps = deps;
    const { clock, log, history, self } = deps;
    this.#seal = new Seal(deps.key, () => clock.now());
    const set = (name: string, value: unknown) => this.#engine.set(name, value);
    this.#blocks = new Blocks(deps.blocks, history.own, set);
    const drafts = this.#disposables.add(new Drafts(clock, (name) => this.#tellDraft(name)));
    const telling = new Telling({
      ...{ clock, history, self },
      draftChanged: ({ name, value }) => drafts.changed(name, value === undefined),
    });
    const taking = new Taking({
      ...{ clock, history, door: deps.door, isInGroup: deps.isInGroup },
      register: (name, value) => this.#blocks.take(name, value),
    });
    this.#engine = this.#disposables.add(
      new OwnDevices({
        ...{ clock, log, store: history.own, instance: self.instanceId },
        random: (bytes) => globalThis.crypto.getRandomValues(new Uint8Array(bytes)),
        page: MESSAGE_PAGE,
        publicKey: deps.publicKey,
        isPaired: () => deps.isKeyGiven,
        inside: (changes, isState) => taking.take(changes, isState),
        changed: (changes) => {
          this.#blocks.settled();
          this.#progress.stateChanged();
          if (!changes.some(({ kind, key }) => kind === 'reg' && key.startsWith('dev|'))) return;
          this.#relist();
          deps.changed();
        },
        siblingsChanged: () => this.#progress.stateChanged(),
        wire: {
          fits: (tick) => fitsInTick({ tick }, self.instanceId),
          send: (to, kind, body) => this.#send(to, { [kind]: body }),
          open: async (to) => ({ ask: (question) => this.#ask(to, question), close: () => undefined }),
        },
      }),
    );
    this.#disposables.add(
      history.inside((changes) => {
        for (const change of changes)
          if (change.what === 'conversation' && change.how === 'added') {
            const record = history.conversation(change.id);
            if (record !== null) taking.began(record);
          }
        const { events, shared } = telling.told(changes);
        if (events.length > 0) this.#engine.log.append(events);
        for (const message of shared) this.#engine.came(message, { mayHave: true });
      }),
    );
    this.#disposables.add(history.onChange.on(() => this.#engine.tell()));
    this.#progress = this.#disposables.add(
      new Progress({ clock, log: this.#engine.log, devices: deps.devices, siblings: () => this.#engine.siblings, changed: deps.changed }),
    );
    if (deps.joins !== null) this.#engine.join(deps.joins.devices, self.deviceName(), deps.joins.since);
    else this.renamed();
    this.#older = this.#disposables.add(
      new OlderHistory({
        ...{ clock, log, history, own: this.#engine.log },
        eventsOf: (changes) => {
          const { events, shared } = telling.told(changes);
          return [...events, ...shared];
        },
        moved: (looked) => this.#progress.preparing(looked),
        done: () => {
          this.#progress.preparing(null);
          this.#engine.tell();
          this.devicesChanged();
        },
      }),
    );
    const untold = telling.begin();
    if (untold.length > 0) this.#engine.write(untold);
    this.#blocks.join();
    this.#pruneAfter(FIRST_PRUNE_MS);
    this.devicesChanged();
  }

  /** What the others know of this device is from before its log or its keys were begun again. */
  #relist(): void {
    const { self, publicKey } = this.#deps;
    const own = this.#engine.listed(self.instanceId);
    if (own === null || own.removed !== undefined) return;
    if (own.pk !== publicKey || !own.w.includes(this.#engine.log.head.writer)) this.#engine.enlist(self.deviceName());
  }

  /** What the devices agree on; null: that device never took part. */
  listed(instance: string) {
    return this.#engine.listed(instance);
  }

  /** Every device that takes part or did, with how it stands. */
  get list() {
    return this.#engine.listedDevices;
  }

  get filling(): FillingValue[] {
    return this.#progress.values;
  }

  get key(): AccountKey {
    return this.#seal.key;
  }

  /** Takes a newer account key. @returns false: ours is newer */
  renew(key: AccountKey): boolean {
    const isNewer = this.#seal.renew(key);
    if (isNewer) this.devicesChanged();
    return isNewer;
  }

  /** Lists a device that was paired here. @returns what it is told of all devices */
  admit(instance: string, name: string): RawEvent[] {
    return this.#engine.admit(instance, name);
  }

  remove(instance: string, erase?: boolean): void {
    this.#engine.remove(instance, erase);
  }

  /** A removed device has agreed to leave. */
  left(instance: string): void {
    const listed = this.#engine.listed(instance);
    if (listed?.removed !== undefined && listed.left !== true) this.#engine.set(`dev|${instance}`, { ...listed, left: true });
  }

  /** Copies more of the chats; null: all. */
  copyAgain(since: number | null): void {
    this.#engine.copyAgain(since);
    this.#progress.stateChanged();
  }

  /** This device is being signed out. Resolves when the others know, or cannot be told within a while. */
  async leave(): Promise<void> {
    const { clock } = this.#deps;
    const limit = new Promise<void>((resolve) => clock.setTimer(LEAVE_MS, resolve));
    const told = this.#present().map(({ instanceId }) => this.#send(instanceId, { bye: true }));
    await Promise.race([Promise.all(told), limit]);
    this.#engine.log.leave();
  }

  /** This device has another name. */
  renamed(): void {
    if (!this.#engine.isRemoved) this.#engine.enlist(this.#deps.self.deviceName());
  }

  /** The person has blocked or unblocked somebody on this device. */
  blocksChanged(): void {
    this.#blocks.listChanged();
  }

  /** What a chat may lack that no device can give at present. */
  gaps(conversation: string): GapValue[] {
    const { history } = this.#deps;
    if (history.nameIn(conversation, null) === null) return [];
    return this.#engine.gaps.map(({ before, mayHave }) => ({
      ...{ kind: 'gap', conversation, before },
      mayHave: mayHave.map((instanceId) => ({ instanceId, name: this.#nameOf(instanceId) })),
    }));
  }

  #nameOf(instance: string): string {
    const name = (this.#engine.log.register(`dev|${instance}`)?.val as { name?: unknown } | undefined)?.name;
    return typeof name === 'string' ? name : '';
  }

  #tellDraft(name: string): void {
    const { history, log } = this.#deps;
    const about = name.slice('draft|'.length);
    const record = history.conversationNamed(about);
    const draft = record === null ? undefined : registersOf(history, record).find((one) => one.name === name);
    try {
      if (draft !== undefined) this.#engine.set(name, writtenValue(draft));
    } catch (error) {
      log.warn('A draft was not told to the other devices', { error: String(error) });
    }
  }

  #pruneAfter(ms: number): void {
    const { clock, log } = this.#deps;
    const timer = clock.setTimer(ms, () => {
      this.#pruneAfter(PRUNE_MS);
      try {
        this.#engine.prune();
      } catch (error) {
        log.warn('The log of the own devices was not looked through', { error: String(error) });
      }
    });
    this.#pruning?.dispose();
    this.#pruning = timer;
  }

  /** The network knows other devices, or others of them are there. */
  devicesChanged(): void {
    // Before the older history is in the state, nobody could copy it whole.
    this.#engine.setPresent(this.#older.isDone ? this.#present().map(({ instanceId }) => instanceId) : []);
    if (this.#engine.log.head.wantsState === true) this.#engine.hurry();
    this.#progress.stateChanged();
  }

  #present(): DeviceValue[] {
    return this.#deps.devices().filter(({ state, self, instanceId }) => state === 'active' && !self && instanceId.startsWith('urn:'));
  }

  /** Answers a message that another device of this person has sealed; null for every message that is none. */
  async receive(pager: IncomingPager): Promise<number | null> {
    if (parseContentType(pager.contentType).type !== OWN_DEVICES_TYPE) return null;
    const { self, log } = this.#deps;
    if (pager.remote.asserted && pager.remote.address !== self.aor) return 403;
    const body = new TextDecoder().decode(pager.body);
    const read = unpack(this.#seal, body, self.instanceId);
    if ('refused' in read) {
      log.warn('A message of another device was not understood', { status: read.refused });
      if (read.refused === 493) this.#deps.keysDiffer(senderOf(body));
      return read.refused;
    }
    const { from, value } = read;
    this.#find(from);
    if (typeof value !== 'object' || value === null) return 400;
    const { tick, sum, ask, answer, q, bye } = value as Said;
    if (bye === true) {
      this.#engine.remove(from);
      this.left(from);
      return 200;
    }
    if (!this.#older.isDone) return 503;
    if (tick !== undefined) return this.#engine.receive(from, 'tick', tick);
    if (sum !== undefined) return this.#engine.receive(from, 'sum', sum);
    if (typeof q !== 'string') return 400;
    if (ask !== undefined) {
      const reply = this.#engine.serve(from, ask);
      if (reply === null) return 403;
      this.#progress.asked(from, ask, reply);
      drop(this.#send(from, { q, answer: reply }), log, 'An answer to another device');
      return 200;
    }
    this.#waiting.get(q)?.(answer);
    return 200;
  }

  dispose(): void {
    this.#pruning?.dispose();
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

  /** A core without registration events has not told of a new device: it is asked, also at the next attempt where the list was too fresh before. */
  #find(instance: string): DeviceValue | undefined {
    const device = this.#deps.devices().find(({ instanceId }) => instanceId === instance);
    if (device === undefined) drop(this.#deps.refreshDevices(), this.#deps.log, 'The list of devices');
    return device;
  }

  /** @returns the status that answered; 408 for none */
  async #send(to: string, body: Said): Promise<number> {
    const { sip, self } = this.#deps;
    const device = this.#find(to);
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
      const status = error instanceof AppError ? (error.detail.status ?? 408) : 408;
      if (status === 493) this.#deps.keysDiffer(to);
      return status;
    }
  }
}
