/** R72: the other devices of this account follow it into its groups. A device that is in a group brings in one that registers later. */
import type { Disposable } from '../../../base/disposable';
import { drop } from '../../../base/log';
import type { CpmContext } from '../conversation/context';
import type { CpmSession } from '../session/session';
import type { Rosters } from './roster';

/** LAB: how long a device that has just registered may take to come back to its groups by itself, before another one brings it in. */
const bringDelayMs = 3_000;

export class OwnDevices implements Disposable {
  readonly #context: CpmContext;
  readonly #rosters: Rosters;
  readonly #groups: () => Iterable<{ conversation: string; session: CpmSession }>;
  /** The devices that were brought into a group, or came by themselves: `conversation instance`. */
  readonly #present = new Set<string>();
  #timer: Disposable | null = null;

  /** `groups`: those that this device is in now. */
  constructor(context: CpmContext, rosters: Rosters, groups: () => Iterable<{ conversation: string; session: CpmSession }>) {
    this.#context = context;
    this.#rosters = rosters;
    this.#groups = groups;
  }

  /** Another own device has come or gone. */
  changed(): void {
    const registered = this.#context.otherDevices().map(({ instanceId }) => instanceId);
    for (const key of this.#present) if (!registered.includes(key.split(' ')[1] ?? '')) this.#present.delete(key);
    this.dispose();
    if (registered.length === 0) return;
    this.#timer = this.#context.clock.setTimer(bringDelayMs, () => {
      this.#timer = null;
      for (const { conversation, session } of this.#groups()) this.#bring(conversation, session);
    });
  }

  /** Only a roster says which devices are missing. */
  rosterCame(): void {
    if (this.#timer === null) this.changed();
  }

  dispose(): void {
    this.#timer?.dispose();
    this.#timer = null;
  }

  /** Asks the focus to invite the devices that are not in the group (RFC 4579 section 5.5), each once while it is registered. */
  #bring(conversation: string, session: CpmSession): void {
    const own = this.#rosters.own(conversation);
    if (own === undefined || session.state !== 'established') return;
    const inside = own.endpoints.filter((endpoint) => endpoint.status !== 'disconnected').map((endpoint) => endpoint.entity);
    for (const { instanceId, target, isAt } of this.#context.otherDevices()) {
      const key = `${conversation} ${instanceId}`;
      if (this.#present.has(key)) continue;
      this.#present.add(key);
      if (inside.some(isAt)) continue;
      const asked = session.sip?.refer(target);
      if (asked !== undefined) drop(asked, { ...this.#context.log, error: this.#context.log.info }, 'bringing an own device into a group');
    }
  }
}
