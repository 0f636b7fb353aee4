/**
 * What the Participating Function knows of registered devices. A third-party REGISTER says that somebody is registered; the function then
 * subscribes to the registration events of that address (R35). It does so once, and again only after that subscription ended, or when
 * another Call-ID shows that the core has restarted and knows of no subscription.
 *
 *   (none) --REGISTER--> subscribing --2xx--> active --NOTIFY terminated, refresh refused, REGISTER of another core--> (none)
 *                             \--refused--> (none)
 */
import { parseIcsi } from '../../protocol/feature-tags';
import { parseInstance } from '../../protocol/instance-urn';
import { mergeRegInfo, parseRegInfo, type RegInfo } from '../../protocol/reginfo';
import { addressKey } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import { Dialog, newRequest } from '../sip/dialog';
import { paramOf, uriOf } from '../sip/header-value';
import type { SipRequest, SipResponse } from '../sip/message';
import { addressTarget } from '../sip/proxy';
import type { SipServer, Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';

/** LAB: the lifetime asked for, seconds: longer than any registration (TS 24.229 asks for 600000). */
export const WATCH_SECONDS = 600_000;
/** TS 24.229 5.4.2.1: refreshed this long before it ends, or at half time when it is shorter than twice that; seconds. */
export const WATCH_REFRESH_BEFORE_SECONDS = 600;

/** LAB: temporary GRUUs of one address that are remembered. */
const MAX_KNOWN_TEMPORARY = 256;

/** One registered device, from registration events. */
export interface RegisteredDevice {
  instanceId: string | null;
  name: string | null;
  contact: string;
  pubGruu: string | null;
  /** The CPM services it offers. */
  icsis: string[];
  /** Contact parameters, names lower case, values unquoted. */
  params: ReadonlyMap<string, string | null>;
}

interface Watch {
  readonly address: string;
  readonly callId: string;
  readonly tag: string;
  dialog: Dialog | null;
  info: RegInfo | null;
  refresh: { dispose(): void } | null;
  /** The announced temporary GRUUs, the latest last. Earlier ones stay valid (RFC 5627 section 3.1.2.2). */
  readonly temporary: Set<string>;
}

export interface RegistrationWatchDeps {
  server: SipServer;
  core: Target;
  /** The function's own identity, `sip:pf.lab.test`. */
  identity: string;
  /** The core has told which devices of an address are registered. */
  onDevices?: (address: string, devices: readonly RegisteredDevice[]) => void;
  log?: NetworkLog;
}

export class RegistrationWatch {
  readonly #watches = new Map<string, Watch>();
  readonly #byCallId = new Map<string, Watch>();
  /** Address -> the end of its registration, as the core last announced it, epoch milliseconds. */
  readonly #until = new Map<string, number>();
  /** Address -> Call-ID of its last third-party REGISTER: the core keeps it as long as it lives (RFC 3261 section 10.2.4). */
  readonly #callIds = new Map<string, string>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(private readonly deps: RegistrationWatchDeps) {}

  /** Takes a third-party REGISTER. */
  registered(transaction: ServerTransaction): void {
    const { request } = transaction;
    const address = addressKey(uriOf(request.get('to') ?? ''));
    const expires = request.get('expires') ?? paramOf(request.get('contact'), 'expires') ?? '';
    if (address === null || !/^\d{1,10}$/.test(expires)) {
      transaction.reply(400, { reason: 'A third-party REGISTER names an address and Expires' });
      return;
    }
    transaction.reply(200, { headers: [['Expires', expires]] });
    if (expires === '0') {
      this.#until.delete(address);
      return;
    }
    this.#until.set(address, this.deps.server.clock.now() + Number(expires) * 1000);
    const watch = this.#watches.get(address);
    const known = this.#callIds.get(address);
    this.#callIds.set(address, request.callId);
    if (watch !== undefined && known !== undefined && known !== '' && known !== request.callId) this.#forget(watch);
    if (!this.#watches.has(address)) this.#subscribe(address);
  }

  /** The core says that an address is registered without having announced it here, as after a restart of this function. */
  heardOf(address: string): void {
    if (this.#watches.has(address) || this.#callIds.has(address)) return;
    this.#callIds.set(address, '');
    this.#subscribe(address);
  }

  /** Calls back once, at the next news of `address` or after `limitMs` without any. */
  afterNews(address: string, limitMs: number, call: () => void): void {
    const waiting = this.#waiting.get(address) ?? new Set();
    this.#waiting.set(address, waiting);
    const done = () => {
      timer.dispose();
      waiting.delete(done);
      call();
    };
    const timer = this.deps.server.clock.setTimer(limitMs, done);
    waiting.add(done);
  }

  /** Takes an in-dialog NOTIFY; false when it belongs to no subscription of this function. */
  notified(transaction: ServerTransaction): boolean {
    const { request } = transaction;
    const watch = this.#watchOf(request);
    if (watch === undefined) return false;
    const refusal = watch.dialog?.receive(request) ?? null;
    if (refusal !== null) {
      transaction.reply(refusal);
      return true;
    }
    const read = parseRegInfo(request.body);
    if (!read.ok) {
      transaction.reply(400, { reason: `reginfo: ${read.reason}` });
      return true;
    }
    transaction.reply(200);
    const merged = mergeRegInfo(watch.info, read.value);
    const state = request.get('subscription-state') ?? '';
    if (/^\s*terminated/i.test(state)) this.#ended(watch, paramOf(state, 'reason'));
    else if (merged !== null) {
      watch.info = merged;
      rememberTemporary(watch, merged);
      for (const told of [...(this.#waiting.get(watch.address) ?? [])]) told();
      const addresses = new Set(merged.registrations.flatMap((one) => addressKey(one.aor) ?? []));
      for (const address of addresses) this.deps.onDevices?.(address, this.devices(address) ?? []);
    } else if (watch.info !== null) {
      // A document is missing: a refresh brings a full one (RFC 3680 section 5.2). Until then partial ones are useless.
      watch.info = null;
      this.#refresh(watch);
    }
    return true;
  }

  /** The devices of an address; null when nothing is known (not registered, or never announced). */
  devices(address: string): RegisteredDevice[] | null {
    const key = addressKey(address);
    const own = key === null ? undefined : this.#watches.get(key);
    for (const { info } of own === undefined ? this.#watches.values() : [own]) {
      const registration = info?.registrations.find((one) => addressKey(one.aor) === key);
      if (registration === undefined) continue;
      return registration.contacts.map((contact) => ({
        instanceId: parseInstance(contact.params.get('+sip.instance') ?? ''),
        name: contact.displayName,
        contact: contact.uri,
        pubGruu: contact.pubGruu,
        icsis: parseIcsi(contact.params.get('+g.3gpp.icsi-ref') ?? ''),
        params: contact.params,
      }));
    }
    return null;
  }

  /** The addresses of the device that a temporary GRUU reaches; empty when it was never announced here. */
  ownersOfTemporary(gruu: string): string[] {
    for (const watch of this.#watches.values())
      if (watch.temporary.has(gruu))
        return [watch.address, ...(watch.info?.registrations.flatMap((one) => addressKey(one.aor) ?? []) ?? [])];
    return [];
  }

  /** Ends without a message: the network closes. */
  close(): void {
    for (const watch of this.#watches.values()) watch.refresh?.dispose();
    this.#watches.clear();
    this.#byCallId.clear();
    this.#waiting.clear();
  }

  #watchOf(request: SipRequest): Watch | undefined {
    const watch = this.#byCallId.get(request.callId);
    return watch?.tag === request.toTag ? watch : undefined;
  }

  #subscribe(address: string): void {
    const { server, core, identity, log } = this.deps;
    const request = newRequest('SUBSCRIBE', address, { from: `<${identity}>`, to: `<${address}>`, contact: `<${server.uri}>` })
      .append('Event', 'reg')
      .append('Accept', 'application/reginfo+xml')
      .append('Expires', String(WATCH_SECONDS))
      .append('P-Asserted-Identity', `<${identity}>`);
    const watch: Watch = {
      address,
      callId: request.callId,
      tag: request.fromTag ?? '',
      dialog: null,
      info: null,
      refresh: null,
      temporary: new Set(),
    };
    this.#watches.set(address, watch);
    this.#byCallId.set(watch.callId, watch);
    server.request(request, core, {
      onFinal: (response) => {
        if (this.#watches.get(address) !== watch) return;
        watch.dialog = response.status < 300 ? Dialog.ofSent(server, request, response, (uri) => addressTarget(uri) ?? core) : null;
        if (watch.dialog !== null) this.#refreshAfter(watch, response);
        else {
          log?.('warn', 'the core lets registrations not be watched', { address, status: response.status });
          this.#forget(watch);
        }
      },
    });
  }

  #refreshAfter(watch: Watch, response: SipResponse): void {
    const written = response.get('expires') ?? '';
    const granted = /^[1-9]\d{0,8}$/.test(written) ? Number(written) : WATCH_SECONDS;
    const seconds = granted > 2 * WATCH_REFRESH_BEFORE_SECONDS ? granted - WATCH_REFRESH_BEFORE_SECONDS : Math.max(1, granted / 2);
    watch.refresh?.dispose();
    watch.refresh = this.deps.server.clock.setTimer(seconds * 1000, () => this.#refresh(watch));
  }

  #refresh(watch: Watch): void {
    const { dialog } = watch;
    if (dialog === null || dialog.state === 'ended') return;
    const request = dialog
      .request('SUBSCRIBE')
      .append('Event', 'reg')
      .append('Accept', 'application/reginfo+xml')
      .append('Expires', String(WATCH_SECONDS));
    dialog.send(request, {
      onFinal: (response) => {
        if (this.#watches.get(watch.address) !== watch) return;
        if (response.status < 300) this.#refreshAfter(watch, response);
        else this.#ended(watch, 'timeout');
      },
    });
  }

  /**
   * RFC 6665 section 4.1.3: after `deactivated` and `timeout` the watcher may subscribe again; the core still has the address registered.
   */
  #ended(watch: Watch, reason: string | null): void {
    this.#forget(watch);
    const isRegistered = (this.#until.get(watch.address) ?? 0) > this.deps.server.clock.now();
    if (isRegistered && (reason === 'deactivated' || reason === 'timeout')) this.#subscribe(watch.address);
  }

  #forget(watch: Watch): void {
    watch.refresh?.dispose();
    if (watch.dialog !== null && watch.dialog.state !== 'ended') watch.dialog.end();
    this.#byCallId.delete(watch.callId);
    if (this.#watches.get(watch.address) === watch) this.#watches.delete(watch.address);
  }
}

function rememberTemporary(watch: Watch, info: RegInfo): void {
  for (const { tempGruu } of info.registrations.flatMap((registration) => registration.contacts)) {
    if (tempGruu === null) continue;
    watch.temporary.delete(tempGruu.uri);
    watch.temporary.add(tempGruu.uri);
  }
  for (const oldest of watch.temporary.keys()) {
    if (watch.temporary.size <= MAX_KNOWN_TEMPORARY) break;
    watch.temporary.delete(oldest);
  }
}
