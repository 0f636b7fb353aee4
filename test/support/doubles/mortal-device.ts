/** One device in the fault campaign: real accounts over one disk, one process after another, each of which may die at any step. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock';
import { disposable } from '../../../base/disposable';
import { createStderrLogger, drop, silentLogger } from '../../../base/log';
import { Account } from '../../../main/account/account';
import type { MessageRecord } from '../../../main/history/records';
import { defaultPreferences } from '../../../main/profile/settings';
import type { RegistrationStore } from '../../../main/sip/client';
import type { PreferencesValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { FaultyMedia } from './faulty-media';
import type { FaultyProxy } from './faulty-proxy';
import { type Moment, mortalHistory, type PersistedStep, ProcessDied, SyncedState, survive } from './mortal-history';
import { type OneHistory, openOneHistory } from './one-history';
import type { VirtualClock } from './virtual-clock';

/** Shared by all devices, together with the decision about their death. */
export interface MortalWorld {
  readonly clock: VirtualClock;
  /** The folder of the databases. */
  readonly folder: string;
  readonly proxy: FaultyProxy;
  readonly media: FaultyMedia;
  dies(step: PersistedStep, moment: Moment): boolean;
  fills(step: PersistedStep): boolean;
  tell(what: string): void;
}

const key = 'ab'.repeat(32);
/** How long the disk takes for a sync. */
const syncMs = 20;
/** Longest time that a dead process stays dead. */
const longestDeathMs = 40_000;
const addressOf = (name: string) => `sip:${name}@lab.test`;

export class MortalDevice {
  /** The name of this device; two devices of one person have the same address. */
  readonly name: string;
  readonly person: string;
  readonly #accept: PreferencesValue['accept'];
  readonly #world: MortalWorld;
  /** Call-ID and CSeq of the registration, like those in settings.json. */
  #registration: ReturnType<RegistrationStore['load']> = null;
  readonly #instanceId: string;
  #generation = 0;
  #process: { account: Account; history: OneHistory; end: () => void } | null = null;

  constructor(name: string, world: MortalWorld, second: { of: string; accept: PreferencesValue['accept'] } | null = null) {
    this.name = name;
    this.person = second?.of ?? name;
    this.#accept = second?.accept ?? defaultPreferences.accept;
    this.#world = world;
    this.#instanceId = `urn:uuid:${world.clock.uuid()}`;
  }

  /** Does nothing while it runs. */
  start(): void {
    if (this.#process !== null) return;
    const file = this.#file(this.#generation);
    let isAlive = true;
    const { clock: time, proxy, media } = this.#world;
    const own = openOneHistory({
      file,
      key,
      log: silentLogger,
      sync: (_descriptor, done) => {
        const end = synced.begin();
        time.setTimer(syncMs, () => {
          if (isAlive) end();
          done(null);
        });
      },
    });
    const synced = new SyncedState(file);
    // A process's timers end with it.
    const clock: Clock = {
      now: () => time.now(),
      random: () => time.random(),
      uuid: () => time.uuid(),
      setTimer: (ms, callback) => (isAlive ? time.setTimer(ms, () => isAlive && survive(callback)) : disposable(() => undefined)),
    };
    const end = () => {
      isAlive = false;
      this.#process = null;
      proxy.vanish(this.name);
      media.vanish(this.name);
      // Outside the call in which it died: a dead process executes nothing more.
      setImmediate(() => {
        account.dispose();
        own.dispose();
      });
    };
    const history = mortalHistory({
      history: own,
      file,
      relic: this.#file(this.#generation + 1),
      synced,
      dies: (step, moment) => isAlive && this.#world.dies(step, moment),
      fills: (step) => isAlive && this.#world.fills(step),
      onDeath: () => {
        this.#generation += 1;
        this.#world.tell(`${this.name} is dead`);
        end();
        time.setTimer(Math.floor(time.random() ** 2 * longestDeathMs), () => this.start());
      },
    });
    const account = new Account(
      {
        kind: 'sip',
        aor: addressOf(this.person),
        displayName: this.name,
        password: 'secret',
        proxy: 'sip:127.0.0.1:5070;transport=tcp',
        deviceName: this.name,
        instanceId: this.#instanceId,
        servicesOff: [],
        options: { factory: 'sip:factory@lab.test' },
      },
      {
        clock,
        log: process.env.CHORUS_LOG === 'debug' ? createStderrLogger(this.name, 'debug') : silentLogger,
        tap: null,
        userAgent: 'Chorus/test',
        history,
        knownPeople: [],
        preferences: () => ({ ...defaultPreferences, accept: this.#accept }),
        isBlocked: () => false,
        alsoBlock: () => {},
        registrationState: {
          load: () => this.#registration,
          save: (state) => {
            this.#registration = state;
          },
        },
        simState: { load: () => 0, save: () => undefined },
        announce: () => undefined,
        blocks: { list: () => [], keep: () => undefined, changed: () => undefined },
        ownKey: null,
        keys: { load: () => null, save: () => undefined },
        eraseChats: () => undefined,
        keep: () => undefined,
        signedOut: null,
        keepSignedOut: () => undefined,
        isForgotten: () => false,
        over: { connect: proxy.connectAs(this.name, this.person), media: media.mediaOf(this.name) },
      },
    );
    this.#process = { account, history, end };
    this.#world.tell(`${this.name} starts`);
    drop(account.register(), silentLogger, 'registration');
  }

  stop(): void {
    this.#process?.end();
  }

  /** The id of the text, or null when no process lived to accept it or to say so. */
  write(to: string, text: string, mode: 'session' | 'pager'): string | null {
    return this.#attempt((account) => account.messenger.texts.send({ to: addressOf(to) }, text, mode).message) ?? null;
  }

  retry(message: string): void {
    this.#attempt((account) => account.messenger.outbox.retry(message));
  }

  closeSessions(): void {
    this.#attempt((account) => {
      for (const { conversation } of account.messenger.chats.all())
        drop(account.messenger.chats.closeSession(conversation), silentLogger, 'closing a session');
    });
  }

  readAll(): void {
    this.#attempt((account) => {
      for (const { conversation, last } of account.messenger.chats.all())
        if (last !== null) account.messenger.texts.markDisplayed(conversation, last.message);
    });
  }

  sent(): MessageRecord[] {
    return this.#messages().filter(({ direction }) => direction === 'out');
  }

  sentTo(person: string): MessageRecord[] {
    return this.#messages(person).filter(({ direction }) => direction === 'out');
  }

  receivedFrom(person: string): MessageRecord[] {
    return this.#messages(person).filter(({ direction }) => direction === 'in');
  }

  jobs() {
    return this.#process?.history.jobs() ?? [];
  }

  /** In the order on the screen. */
  #messages(peer?: string): MessageRecord[] {
    const history = this.#process?.history;
    if (history === undefined) return [];
    const conversations = history.conversations().filter((each) => peer === undefined || each.peer === addressOf(peer));
    return conversations.flatMap(({ id }) => history.messages(id, { limit: 1000 }));
  }

  #attempt<T>(work: (account: Account) => T): T | undefined {
    if (this.#process === null) return undefined;
    try {
      return work(this.#process.account);
    } catch (error) {
      // The caller sees a full disk.
      if (error instanceof ProcessDied || (error instanceof AppError && error.code === 'storage/full')) return undefined;
      throw error;
    }
  }

  /** Each process starts with the disk as the previous one left it. */
  #file(generation: number): string {
    const file = join(this.#world.folder, `${this.name}-${generation}.db`);
    if (generation === 0 && !existsSync(file)) copyFileSync(emptyHistory(), file);
    return file;
  }
}

let template: string | null = null;

/** An empty history, created once: creating one takes longer than a whole run. */
function emptyHistory(): string {
  if (template !== null) return template;
  const folder = mkdtempSync(join(tmpdir(), 'chorus-faults-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  template = join(folder, 'empty.db');
  openOneHistory({ file: template, key, log: silentLogger }).dispose();
  return template;
}
