/**
 * The CPM Controlling Function: makes groups at the factory URI and keeps one focus for each. It speaks SIP with the SIP/IP core alone;
 * every leg to a person goes through the core and that person's Participating Function.
 */
import { takesClear } from '../../protocol/sdp';
import { addressKey } from '../../protocol/uri';
import type { NetworkLog } from '../log';
import type { MsrpSwitch } from '../msrp/switch';
import { namedIdentity } from '../sip/asserted-identity';
import type { Resolve } from '../sip/dialog';
import { refuse } from '../sip/refusal';
import { newToken, type SipServer, type Target } from '../sip/sip-server';
import type { ServerTransaction } from '../sip/transaction';
import { Focus } from './focus';
import { Group, type GroupState, MAX_PARTICIPANTS } from './group';
import { type GroupInvitation, readGroupInvitation } from './invitation';
import { isOverTls } from './leg';
import { ListMessages } from './list-message';
import { type PredefinedGroup, provideGroups } from './predefined';
import { GroupStore, LEASE_MS } from './store';

/** LAB: groups at a time. */
const MAX_GROUPS = 1000;
/** LAB: ended groups whose state is still known. */
const MAX_ENDED_GROUPS = 1000;
/** Random bytes in a focus URI, so that it cannot be guessed. */
const FOCUS_TOKEN_BYTES = 12;

export interface ControllingOptions {
  server: SipServer;
  media: MsrpSwitch;
  /** The SIP/IP core. */
  core: Target;
  /** The factory URI, as provisioned to the clients. */
  factory: string;
  /** The host of every focus: `cf.lab.test`. */
  host: string;
  resolve: Resolve;
  nameOf?: (address: string) => string | null;
  /** The file that keeps the groups; in memory without it. */
  stateFile?: string;
  /** Pre-defined groups (see `provide`); without them those of the state file stay. */
  predefined?: readonly PredefinedGroup[];
  /** The most people of one group; MAX_PARTICIPANTS when absent. */
  maxParticipants?: number;
  log?: NetworkLog;
}

export class ControllingFunction {
  readonly #options: ControllingOptions;
  readonly #factory: string | null;
  /** The groups that somebody is in; the others rest in the store. */
  readonly #groups = new Map<string, Focus>();
  readonly #store: GroupStore;
  readonly #maximum: number;
  readonly #lists: ListMessages;
  /** True after `close`. */
  isClosed = false;
  #renewal: { dispose(): void } | null = null;

  /** @throws Error when the state file cannot be used */
  constructor(options: ControllingOptions) {
    this.#options = options;
    this.#factory = addressKey(options.factory);
    this.#maximum = options.maxParticipants ?? MAX_PARTICIPANTS;
    const { server, core, host, log } = options;
    const { clock } = server;
    this.#lists = new ListMessages({ server, core, host, log });
    this.#store = new GroupStore(options.stateFile ?? null, () => clock.now());
    if (options.predefined !== undefined) this.provide(options.predefined);
    options.server.onRequest = (transaction) => this.#receive(transaction);
  }

  /** The state of every group, including resting and ended ones. */
  groups(): GroupState[] {
    if (this.isClosed) return [];
    return this.#store.all().map((kept) => this.#groups.get(kept.focus)?.group.state() ?? resting(kept));
  }

  /** Groups that somebody is in or is joining. */
  get liveCount(): number {
    return this.#groups.size;
  }

  /** Takes a new list of pre-defined groups from the operator. Groups in use change with it, and end when they are no longer listed. */
  provide(listed: readonly PredefinedGroup[]): void {
    for (const focus of [...this.#groups.values()]) {
      const group = listed.find((one) => one.focus === focus.uri);
      if (group !== undefined) focus.relist(group);
      else if (focus.group.facts.predefined === true) focus.end();
    }
    provideGroups(this.#store, listed, this.#nameOf, (focus) => this.#groups.has(focus));
  }

  /** Drops all groups without a message: the network closes. */
  close(): void {
    for (const focus of this.#groups.values()) focus.abandon();
    this.#groups.clear();
    this.#renewal?.dispose();
    this.isClosed = true;
    this.#store.close();
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const key = addressKey(request.uri);
    const focus = key === null ? null : this.#focusOf(key);
    if (focus === 'elsewhere') transaction.reply(503, { headers: [['Retry-After', '1']] });
    else if (focus !== null) {
      focus.handle(transaction);
      // Nobody joined: the group keeps resting.
      if (focus.state === 'idle') this.#letGo(focus);
    } else if (request.toTag !== null) transaction.reply(481);
    else if (key !== this.#factory || key === null) transaction.reply(404);
    else if (request.method === 'INVITE') this.#create(transaction);
    else if (request.method === 'MESSAGE') this.#lists.receive(transaction);
    else transaction.reply(request.method === 'OPTIONS' ? 200 : 405, { headers: [['Allow', 'INVITE, MESSAGE, OPTIONS']] });
  }

  #create(transaction: ServerTransaction): void {
    const inviter = namedIdentity(transaction.request);
    if (inviter === null) {
      refuse(transaction, { ok: false, status: 403, warning: 'The core asserts nobody' }, this.#options.host);
      return;
    }
    const invitation = readGroupInvitation(transaction.request, inviter.address, this.#maximum);
    if (!invitation.ok) {
      refuse(transaction, invitation, this.#options.host);
      return;
    }
    const standing = this.#standing(invitation.value, inviter.address);
    if (standing === 'elsewhere') {
      transaction.reply(503, { headers: [['Retry-After', '1']] });
      return;
    }
    if (standing === 'strange') {
      refuse(transaction, { ok: false, status: 403, warning: 'This Contribution-ID is the identity of another group' }, this.#options.host);
      return;
    }
    if (standing !== null) {
      standing.merge(transaction, inviter, invitation.value);
      return;
    }
    if (this.#groups.size >= MAX_GROUPS) {
      transaction.reply(503);
      return;
    }
    const { conversationId, contributionId, subject, type, offer } = invitation.value;
    const focusUri = `sip:grp-${newToken(FOCUS_TOKEN_BYTES)}@${this.#options.host}`;
    const secured = isOverTls(offer) ? { isSecure: true, ...(takesClear(offer) ? { takesClear: true } : {}) } : {};
    const facts = { focus: focusUri, conversationId, contributionId, subject, type, ...secured };
    const focus = this.#hold(new Group(facts, this.#nameOf, this.#maximum), 'creating');
    this.#options.log?.('info', 'A group is created', { focus: focus.uri, invited: invitation.value.invitees.length });
    focus.create(transaction, inviter, invitation.value);
  }

  /** The focus of a URI, revived from the store if need be; null when there is no such group, or it has ended. */
  #focusOf(uri: string): Focus | 'elsewhere' | null {
    const live = this.#groups.get(uri);
    if (live !== undefined) return live;
    const kept = this.#store.find(uri);
    if (kept === null || !kept.active) return null;
    if (!this.#store.claim(uri)) return 'elsewhere';
    return this.#hold(Group.revive(kept, this.#nameOf, this.#maximum), 'idle');
  }

  /**
   * The group that has the Contribution-ID already. Its members may restart it, and two who do so at once come into one group; to anybody else
   * it is `strange`: with its identity they would take its members along.
   */
  #standing(invitation: GroupInvitation, inviter: string): Focus | 'elsewhere' | 'strange' | null {
    const kept = this.#store.findByContribution(invitation.contributionId);
    if (kept === null) return null;
    const focus = kept.active ? this.#focusOf(kept.focus) : null;
    if (focus === 'elsewhere') return focus;
    if (focus === null) return isFormerMember(kept, inviter) ? null : 'strange';
    if (focus.group.has(inviter)) return focus;
    if (focus.state === 'idle') this.#letGo(focus);
    return 'strange';
  }

  readonly #nameOf = (address: string) => this.#options.nameOf?.(address) ?? null;

  #hold(group: Group, state: 'creating' | 'idle'): Focus {
    const { server, media, core, host, resolve, log } = this.#options;
    const focus: Focus = new Focus(
      {
        server,
        media,
        core,
        host,
        resolve,
        store: this.#store,
        ...(log === undefined ? {} : { log }),
        onEnded: (gone) => this.#letGo(gone),
      },
      group,
      state,
    );
    this.#store.claim(focus.uri);
    this.#groups.set(focus.uri, focus);
    this.#renew();
    return focus;
  }

  #letGo(focus: Focus): void {
    this.#groups.delete(focus.uri);
    this.#store.release(focus.uri);
    if (focus.state === 'ended') this.#store.forgetEnded(MAX_ENDED_GROUPS);
    this.#options.log?.('info', focus.state === 'ended' ? 'A group has ended' : 'A group rests', { focus: focus.uri });
    if (this.#groups.size === 0) this.#renewal?.dispose();
  }

  /** Tells other instances, as long as groups are served here, that this one is alive. */
  #renew(): void {
    this.#renewal?.dispose();
    this.#renewal = this.#options.server.clock.setTimer(LEASE_MS / 3, () => {
      this.#store.renew();
      this.#renew();
    });
  }
}

/** Whether a person belonged to a group that is over: who was put out or refused did not, and may not bring it back. */
function isFormerMember({ participants }: GroupState, address: string): boolean {
  const found = participants.find((one) => one.address === address);
  return found !== undefined && found.membership !== 'removed' && found.membership !== 'declined';
}

/** The state of a group that nobody has come back to since it was kept: people shown as connected are not. */
function resting(kept: GroupState): GroupState {
  return { ...kept, participants: kept.participants.map((one) => ({ ...one, status: 'disconnected' as const })) };
}
