/**
 * The requests of one device of a person to another: take a test message, sign out. Each request goes to that device alone: by its
 * public GRUU, else by its instance ID in Accept-Contact (R8).
 *
 * LAB: the request to sign out is a MESSAGE with a content type of our own. It is honoured only when the network asserts that it comes from
 * the same address (RFC 3325), whose devices have all authenticated; without that assertion anybody could forge the From.
 */

import type { Clock } from '../../base/clock';
import type { Logger } from '../../base/log';
import type { DeviceValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { encodeCpim } from '../../protocol/cpim';
import { ICSI } from '../../protocol/feature-tags';
import { sameInstance } from '../../protocol/instance-urn';
import { parseContentType } from '../../protocol/multipart';
import { cpimType } from '../cpm/conversation/envelope';
import type { IncomingPager, SipClient } from '../sip/client';

/** LAB: see above. */
export const deviceControlType = 'application/vnd.chorus.device-control+json';
/** The longest request read, in bytes. */
export const maxControlBytes = 4_096;
/** The text of a test message, unless another is given. */
export const defaultTestText = 'Test';

interface Order {
  do: 'signOut';
  /** The device that shall do it. */
  instanceId: string;
  /** The name of the device that asks. */
  from: string;
}

/** Statuses that mean: that device, or the network, does not do this. */
const REFUSALS = new Set([400, 403, 405, 406, 415, 420, 488, 501, 603, 606]);
/** Statuses that mean: that device is not there. */
const ABSENCES = new Set([404, 408, 410, 430, 480, 486]);

export interface DeviceControlDeps {
  clock: Clock;
  log: Logger;
  sip: Pick<SipClient, 'sendPager'>;
  self: { aor: string; instanceId: string; deviceName(): string };
  /** Another device of the person asks this one to sign out. Resolves when the sign-out is on disk. */
  signOut(by: string): Promise<void>;
}

export class DeviceControl {
  readonly #deps: DeviceControlDeps;
  /** The Contribution-IDs of tests of this very device that are on their way. */
  readonly #ownTests = new Set<string>();

  constructor(deps: DeviceControlDeps) {
    this.#deps = deps;
  }

  /** Resolves when that device has the message. @throws AppError device/unknown, net/*, sip/* */
  async test(device: DeviceValue, text: string): Promise<{ message: string; by: 'gruu' | 'instance'; tookMs: number }> {
    const { clock, self } = this.#deps;
    const message = clock.uuid();
    const startedAt = clock.now();
    const body = encodeCpim({
      from: self.aor,
      to: [self.aor],
      dateTime: startedAt,
      messageId: message,
      dispositions: [],
      contentType: 'text/plain;charset=UTF-8',
      body: new TextEncoder().encode(text),
    });
    const by = await this.#send(device, cpimType, body);
    return { message, by, tookMs: clock.now() - startedAt };
  }

  /** Resolves when that device has agreed, which does not say that it has gone. @throws AppError device/refuses, device/unknown, net/*, sip/* */
  async signOut(device: DeviceValue): Promise<void> {
    const order: Order = { do: 'signOut', instanceId: device.instanceId, from: this.#deps.self.deviceName() };
    try {
      await this.#send(device, deviceControlType, new TextEncoder().encode(JSON.stringify(order)));
    } catch (error) {
      const status = error instanceof AppError ? (error.detail.status ?? 0) : 0;
      if (error instanceof AppError && REFUSALS.has(status)) throw new AppError('device/refuses', error.detail, 'never');
      throw error;
    }
  }

  /** Answers a message that is a request of another device, or a test of this one by itself; null for every other message. */
  async receive(pager: IncomingPager): Promise<number | null> {
    if (pager.remote.address === this.#deps.self.aor && this.#ownTests.has(pager.headers.contributionId ?? '')) return 200;
    if (parseContentType(pager.contentType).type !== deviceControlType) return null;
    const { log, self } = this.#deps;
    if (!pager.remote.asserted || pager.remote.address !== self.aor) {
      log.warn('A request to this device was refused', { from: pager.remote.address, asserted: pager.remote.asserted });
      return 403;
    }
    const order = readOrder(pager.body);
    if (order === null) return 400;
    if (!sameInstance(order.instanceId, self.instanceId)) return 404;
    await this.#deps.signOut(order.from);
    return 200;
  }

  async #send(device: DeviceValue, contentType: string, body: Uint8Array): Promise<'gruu' | 'instance'> {
    const { sip, clock, self } = this.#deps;
    // A contact that was registered without an instance ID has nothing to be addressed by.
    if (device.state !== 'active' || !device.instanceId.startsWith('urn:')) throw new AppError('device/unknown', {}, 'user');
    const contributionId = clock.uuid();
    if (device.self) this.#ownTests.add(contributionId);
    // What comes back to its sender is a loop, unless it names this device itself.
    const namesInstance = device.pubGruu === null || device.self;
    try {
      await sip.sendPager({
        target: device.pubGruu ?? self.aor,
        icsi: ICSI.msg,
        conversationId: clock.uuid(),
        contributionId,
        contentType,
        body,
        ...(namesInstance ? { acceptContactInstance: device.instanceId } : {}),
      });
    } catch (error) {
      if (error instanceof AppError && ABSENCES.has(error.detail.status ?? 0)) throw new AppError('device/unknown', error.detail, 'user');
      throw error;
    } finally {
      this.#ownTests.delete(contributionId);
    }
    return device.pubGruu === null ? 'instance' : 'gruu';
  }
}

function readOrder(body: Uint8Array): Order | null {
  if (body.length > maxControlBytes) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== 'object' || value === null) return null;
    const { do: what, instanceId, from } = value as Record<string, unknown>;
    return what === 'signOut' && typeof instanceId === 'string' && typeof from === 'string' ? { do: what, instanceId, from } : null;
  } catch {
    return null;
  }
}
