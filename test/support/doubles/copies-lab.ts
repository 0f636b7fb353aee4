/** The devices of Alice, each with real history, chats and own copies, in one virtual time. Between them is a network that the test switches. */
import { silentLogger } from '../../../base/log';
import { textEnvelope } from '../../../main/cpm/conversation/envelope';
import { OwnCopies, type OwnCopiesDeps } from '../../../main/devices/copies/copies';
import type { ConversationRecord } from '../../../main/history/records';
import { Seal, sharedKey } from '../../../main/own/seal';
import { unpack } from '../../../main/own/wire';
import type { ConversationValue, DeviceValue, MessageValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { createLab, incomingPager, type Lab, remoteParty } from './cpm-lab';
import { conversationRecord, messageRecord } from './history-records';
import { settled, VirtualClock } from './virtual-clock';

const ALICE = 'sip:alice@lab.test';
const KEY = sharedKey('a1'.repeat(32));

export class CopiesDevice {
  readonly instance: string;
  readonly blocked = new Set<string>();
  mostBlocked = Number.POSITIVE_INFINITY;
  copies: OwnCopies;
  isOn = true;
  /** Groups of which this device is in a session. */
  readonly inGroups = new Set<string>();
  /** Requests to siblings. */
  sent = 0;

  constructor(
    readonly world: CopiesWorld,
    readonly name: string,
    public lab: Lab,
    joins: OwnCopiesDeps['joins'],
  ) {
    this.instance = `urn:uuid:${name}`;
    this.copies = this.#start(joins);
  }

  #start(joins: OwnCopiesDeps['joins']): OwnCopies {
    const { lab, world, instance } = this;
    return new OwnCopies({
      ...{ clock: world.clock, log: silentLogger, history: lab.history, key: KEY },
      self: { aor: ALICE, instanceId: instance, deviceName: () => this.name },
      door: lab.messenger.copied,
      isInGroup: (group) => this.inGroups.has(group),
      blocks: {
        list: () => [...this.blocked],
        keep: (address, isBlocked) => {
          if (isBlocked && this.blocked.size >= this.mostBlocked) throw new AppError('ipc/refused', { cause: 'the list is full' });
          if (isBlocked) this.blocked.add(address);
          else this.blocked.delete(address);
        },
        changed: () => undefined,
      },
      ...{ isKeyGiven: true, publicKey: '', joins, keysDiffer: () => undefined, changed: () => undefined },
      devices: () => world.values(this),
      refreshDevices: async () => world.refresh(this),
      sip: { sendPlain: (request) => world.carry(this, request) },
    });
  }

  off(): void {
    this.isOn = false;
    this.copies.dispose();
    this.world.presence();
  }

  /** The same device, started again. */
  on(): void {
    this.isOn = true;
    this.copies = this.#start(null);
    this.world.presence();
  }

  /** The focus of a group has sent a text. */
  async hearsInGroup(group: string, from: string, id: string): Promise<void> {
    await this.lab.messenger.groups.sessions.contentOf(group)('message/cpim', this.#envelope(from, id));
  }

  /** A pager message. @returns the status that answers it */
  hears(from: string, id: string): Promise<number> {
    return this.lab.messenger.incoming.pager(incomingPager(remoteParty(from), 'message/cpim', this.#envelope(from, id)));
  }

  #envelope(from: string, id: string): Uint8Array {
    const record = messageRecord(id, { direction: 'out', from, text: id, sentAt: this.world.clock.now(), wantsDelivered: true });
    return textEnvelope(record, { from, to: [] });
  }

  /** A group that this device has joined, with Bob and Carol. */
  joins(contributionId: string): string {
    const people = [
      { address: 'sip:bob@lab.test', name: 'Bob' },
      { address: 'sip:carol@lab.test', name: 'Carol' },
    ];
    const focus = `sip:${contributionId}@focus.lab.test`;
    const id = this.world.clock.uuid();
    const more = {
      kind: 'group',
      peer: null,
      subject: 'Garden',
      people,
      contributionId,
      focus,
      conversationId: `conversation of ${contributionId}`,
    };
    this.lab.history.addConversation(conversationRecord(id, more as Partial<ConversationRecord>));
    this.inGroups.add(id);
    return id;
  }

  get chats(): ConversationValue[] {
    return this.lab.messenger.chats.all();
  }

  /** What the chats show: all texts, in order. */
  shown(conversation: string): MessageValue[] {
    return this.lab.messenger.chats.messages(conversation, {}, 500);
  }

  texts(): string[] {
    return this.chats.flatMap(({ conversation }) => this.shown(conversation).map(({ text }) => text));
  }
}

export class CopiesWorld {
  readonly clock = new VirtualClock();
  readonly #seal = new Seal(KEY, () => this.clock.now());
  readonly devices: CopiesDevice[] = [];
  /** Whether the network brings a request to a device; `kind`: a member of what it says. */
  takes: (to: CopiesDevice, kind: string) => boolean = () => true;

  /** `joins`: a device that has just been paired, and how much it wants; null: one that was never without the others. */
  add(name: string, joins: OwnCopiesDeps['joins'] = null): CopiesDevice {
    const device = new CopiesDevice(this, name, createLab({ clock: this.clock, deviceName: name }), joins);
    this.devices.push(device);
    this.presence();
    return device;
  }

  presence(): void {
    for (const device of this.devices) if (device.isOn) device.copies.devicesChanged();
  }

  /** A core that does not tell of devices: `of` has this list until it asks, and is refused the first times. */
  readonly oldLists = new Map<CopiesDevice, { known: number; refusals: number }>();

  refresh(of: CopiesDevice): void {
    const list = this.oldLists.get(of);
    if (list === undefined) return;
    list.refusals -= 1;
    if (list.refusals >= 0) return;
    this.oldLists.delete(of);
    of.copies.devicesChanged();
  }

  values(of: CopiesDevice): DeviceValue[] {
    const known = this.oldLists.get(of)?.known ?? this.devices.length;
    return this.devices.slice(0, known).map(
      (device) =>
        ({
          ...{ instanceId: device.instance, name: device.name, self: device === of, state: device.isOn ? 'active' : 'terminated' },
          pubGruu: `${ALICE};gr=${device.instance}`,
        }) as DeviceValue,
    );
  }

  async carry(from: CopiesDevice, request: { target: string; contentType: string; body: Uint8Array }): Promise<{ status: number }> {
    from.sent += 1;
    const to = this.devices.find(({ instance }) => request.target.endsWith(instance));
    await new Promise<void>((resolve) => this.clock.setTimer(5, resolve));
    const { contentType, body } = request;
    if (to?.isOn !== true || !this.takes(to, this.#kindOf(to, body))) return { status: 480 };
    return { status: (await to.copies.receive(incomingPager(remoteParty(ALICE), contentType, body))) ?? 200 };
  }

  #kindOf(to: CopiesDevice, body: Uint8Array): string {
    const read = unpack(this.#seal, new TextDecoder().decode(body), to.instance);
    const said = 'value' in read ? Object.keys(read.value as object) : [];
    return said.find((name) => name !== 'q') ?? '';
  }

  /** Lets so much time pass, 10 s where nothing is said: more than the devices need to become level. */
  async pass(ms = 10_000): Promise<void> {
    await this.clock.advance(ms);
    await settled();
  }

  end(): void {
    for (const { copies, lab } of this.devices) {
      copies.dispose();
      lab.dispose();
    }
  }
}
