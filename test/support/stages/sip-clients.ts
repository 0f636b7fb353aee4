import { systemClock } from '../../../base/clock';
import type { Emitter } from '../../../base/emitter';
import type { Logger } from '../../../base/log';
import { type IncomingInvite, type IncomingPager, type SipAccount, SipClient } from '../../../main/sip/client';
import type { Resolver } from '../../../main/sip/flow/discovery';
import type { WireMessage } from '../../../protocol/wire-record';
import { silent } from '../doubles/sip-memory';
import { patienceMs, stir } from '../waiting';

export const ICSIS = {
  session: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session',
  group: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group',
  msg: 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg',
};

/** A person's device with real sockets, and everything that happened to it. */
export interface Device {
  client: SipClient;
  instanceId: string;
  invites: IncomingInvite[];
  messages: IncomingPager[];
  wire: WireMessage[];
  /** Its messages as text, `>` in front of those it sent. */
  ladder(): string[];
}

export class Devices {
  readonly #open: Device[] = [];

  /** `person` is the user part of an address in `domain`; every call creates another device. */
  make(person: string, proxy: string | null, changes: Partial<SipAccount> = {}, log: Logger = silent, resolver?: Resolver): Device {
    const instanceId = `urn:uuid:${systemClock.uuid()}`;
    const wire: WireMessage[] = [];
    const client = new SipClient(
      {
        aor: `sip:${person}@lab.test`,
        displayName: person,
        password: 'secret',
        proxy,
        instanceId,
        deviceName: `${person} ${this.#open.length + 1}`,
        expiresSeconds: 600,
        icsis: Object.values(ICSIS),
        ...changes,
      },
      { clock: systemClock, log, userAgent: 'Chorus/test', tap: (record) => wire.push(record), ...(resolver && { resolver }) },
    );
    const device: Device = {
      client,
      instanceId,
      invites: [],
      messages: [],
      wire,
      ladder: () => wire.map((record) => `${record.direction === 'out' ? '>' : '<'} ${Buffer.from(record.bytes).toString('utf8')}`),
    };
    client.onInvite.on((invite) => device.invites.push(invite));
    client.handleMessage = async (message) => {
      device.messages.push(message);
      stir();
      return 200;
    };
    // A registration may be lost and back between two looks of a wait.
    client.registration.onState.on(stir);
    client.onInvite.on(stir);
    this.#open.push(device);
    return device;
  }

  async registered(person: string, proxy: string, changes: Partial<SipAccount> = {}): Promise<Device> {
    const device = this.make(person, proxy, changes);
    await device.client.registration.register();
    return device;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((device) => device.client.close()));
  }
}

/** Resolves with the first value from `emitter` that `wanted` accepts; fails after `timeoutMs`. */
export function next<T>(emitter: Emitter<T>, wanted: (value: T) => boolean = () => true, timeoutMs = patienceMs): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      listener.dispose();
      reject(new Error(`nothing wanted was announced in ${timeoutMs} ms`));
    }, timeoutMs);
    const listener = emitter.on((value) => {
      if (!wanted(value)) return;
      clearTimeout(timer);
      listener.dispose();
      resolve(value);
    });
  });
}
