/**
 * The CPM Controlling Function: makes groups at the factory URI and keeps one focus for each. It speaks SIP with the SIP/IP core alone;
 * every leg to a person goes through the core and that person's Participating Function.
 */
import { addressKey } from '../main/protocol/uri';
import { assertedIdentity } from './asserted-identity';
import type { NetworkLog } from './clock';
import type { Resolve } from './dialog';
import { Focus, refusalHeaders } from './focus';
import type { GroupState } from './group';
import { type GroupInvitation, type Refusal, readGroupInvitation } from './invitation';
import type { MsrpSwitch } from './media';
import { newToken, type SipServer, type Target } from './sip-server';
import type { ServerTransaction } from './transaction';

/** LAB: groups at a time. */
export const MAX_GROUPS = 1000;
/** LAB: ended groups whose state is still known. */
export const MAX_ENDED_GROUPS = 1000;
/** Bytes of chance in a focus URI: it cannot be guessed. */
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
  log?: NetworkLog;
}

export class ControllingFunction {
  readonly #options: ControllingOptions;
  readonly #factory: string | null;
  readonly #groups = new Map<string, Focus>();
  readonly #ended = new Map<string, GroupState>();

  constructor(options: ControllingOptions) {
    this.#options = options;
    this.#factory = addressKey(options.factory);
    options.server.onRequest = (transaction) => this.#receive(transaction);
  }

  /** The state of every group, ended ones among them, newest last. */
  groups(): GroupState[] {
    return [...this.#ended.values(), ...[...this.#groups.values()].map((focus) => focus.group.state())];
  }

  /** Lets go of all groups without a word: the network closes. */
  close(): void {
    for (const focus of this.#groups.values()) focus.abandon();
    this.#groups.clear();
  }

  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const key = addressKey(request.uri);
    const focus = key === null ? undefined : this.#groups.get(key);
    if (focus !== undefined) focus.handle(transaction);
    else if (request.toTag !== null) transaction.reply(481);
    else if (key !== this.#factory || key === null) transaction.reply(404);
    else if (request.method === 'INVITE') this.#create(transaction);
    else if (request.method === 'OPTIONS') transaction.reply(200, { headers: [['Allow', 'INVITE, OPTIONS']] });
    else transaction.reply(405, { headers: [['Allow', 'INVITE, OPTIONS']] });
  }

  #create(transaction: ServerTransaction): void {
    const inviter = assertedIdentity(transaction.request);
    if (inviter === null) {
      this.#refuse(transaction, { ok: false, status: 403, warning: 'The core asserts nobody' });
      return;
    }
    const invitation = readGroupInvitation(transaction.request, inviter.address);
    if (!invitation.ok) {
      this.#refuse(transaction, invitation);
      return;
    }
    const standing = this.#same(invitation.value, inviter.address);
    if (standing !== null) {
      standing.merge(transaction, inviter, invitation.value);
      return;
    }
    if (this.#groups.size >= MAX_GROUPS) {
      transaction.reply(503);
      return;
    }
    const focus = this.#newFocus(invitation.value);
    this.#groups.set(focus.uri, focus);
    this.#options.log?.('info', 'A group is created', { focus: focus.uri, invited: invitation.value.invitees.length });
    focus.create(transaction, inviter, invitation.value);
  }

  /** The living group of the same Contribution-ID of which the inviter is a participant: two restarts at once make one group. */
  #same(invitation: GroupInvitation, inviter: string): Focus | null {
    for (const focus of this.#groups.values()) {
      if (focus.group.facts.contributionId === invitation.contributionId && focus.state !== 'creating' && focus.group.has(inviter))
        return focus;
    }
    return null;
  }

  #newFocus(invitation: GroupInvitation): Focus {
    const { server, media, core, host, resolve, nameOf, log } = this.#options;
    const { conversationId, contributionId, subject } = invitation;
    return new Focus(
      {
        server,
        media,
        core,
        host,
        resolve,
        nameOf: nameOf ?? (() => null),
        onEnded: (ended) => {
          this.#groups.delete(ended.uri);
          this.#ended.set(ended.uri, ended.group.state());
          for (const oldest of this.#ended.keys()) {
            if (this.#ended.size <= MAX_ENDED_GROUPS) break;
            this.#ended.delete(oldest);
          }
          log?.('info', 'A group has ended', { focus: ended.uri });
        },
      },
      { focus: `sip:grp-${newToken(FOCUS_TOKEN_BYTES)}@${host}`, conversationId, contributionId, subject },
    );
  }

  #refuse(transaction: ServerTransaction, refusal: Refusal): void {
    transaction.reply(refusal.status, { headers: refusalHeaders(refusal, this.#options.host) });
  }
}
