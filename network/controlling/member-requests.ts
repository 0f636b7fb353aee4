/**
 * What a member may ask of the focus: to bring people in or to remove them (REFER), to change the group's name or picture (group data in a
 * message), and to have a nickname (NICKNAME, RFC 7701).
 */
import { encodeCpim } from '../../protocol/cpim';
import {
  encodeGroupData,
  GROUP_DATA_CONTENT_TYPE,
  type GroupDataRequest,
  MAX_SUBJECT_CHARACTERS,
  parseGroupData,
} from '../../protocol/group-data';
import { parseGroupIcon } from '../../protocol/group-icon';
import { sameInstance } from '../../protocol/instance-urn';
import type { Verdict } from '../msrp/switch';
import { type Refusal, refuse } from '../sip/refusal';
import type { ServerTransaction } from '../sip/transaction';
import type { Group } from './group';
import { checkSize, type Invitee } from './invitation';
import type { Person } from './inviting';
import type { Leg, Legs } from './leg';
import { readReferral } from './referral';

export interface MemberRequestsDeps {
  group: Group;
  legs: Legs;
  /** The focus' own Contact value. */
  contact: string;
  /** Host in Warning headers. */
  host: string;
  invite(invitees: readonly Invitee[], inviter: Person): void;
  /** Removes a person, with all devices. */
  remove(address: string): void;
  onChanged(): void;
}

export class MemberRequests {
  constructor(private readonly deps: MemberRequestsDeps) {}

  /**
   * Does what a REFER asks, if it is allowed. LAB: the conference document shows the outcome, so the implicit subscription is declined (RFC
   * 4488).
   */
  refer(transaction: ServerTransaction, leg: Leg): void {
    const { group, contact, host } = this.deps;
    const referral = readReferral(transaction.request, leg.address);
    if (!referral.ok) {
      refuse(transaction, referral, host);
      return;
    }
    const { value } = referral;
    const newcomers = value.kind === 'invite' ? this.newcomers(value.invitees, leg) : [];
    const refusal = value.kind === 'remove' ? this.#checkRemoval(leg, value.address) : this.#checkGrowth(leg, newcomers);
    if (refusal !== null) {
      refuse(transaction, refusal, host);
      return;
    }
    transaction.reply(202, {
      headers: [
        ['Refer-Sub', 'false'],
        ['Contact', contact],
      ],
    });
    if (value.kind === 'invite') this.deps.invite(newcomers, { address: leg.address, name: group.nameIn(leg.address) });
    else this.deps.remove(value.address);
  }

  /**
   * Those who are neither connected nor being invited. The person who asks (`leg`) may also name a further device of theirs, by its GRUU
   * or, without one, by its instance (R8).
   */
  newcomers(invitees: readonly Invitee[], leg: Leg | null = null): Invitee[] {
    const { group, legs } = this.deps;
    return invitees.filter(({ address, target, instanceId }) => {
      const standing = group.endpointsOf(address).filter((endpoint) => endpoint.status !== 'disconnected');
      if (address !== leg?.address) return standing.length === 0;
      const ofPerson = legs.of(address);
      if (instanceId !== null && ofPerson.some((one) => one.instanceId !== null && sameInstance(one.instanceId, instanceId))) return false;
      if (target === address) return instanceId !== null;
      return ofPerson.every((one) => one.target !== target) && standing.every(({ entity }) => entity !== target);
    });
  }

  /** A group data request: everybody learns of the change from the conference document, the asking device also from a response. */
  groupData(leg: Leg, body: Uint8Array): Verdict {
    const data = parseGroupData(body);
    if (!data.ok || data.value.kind !== 'request') return { status: 400, reason: 'Not A Group Data Request' };
    const code = this.#change(leg, data.value);
    const answer = encodeCpim({
      from: this.deps.group.facts.focus,
      to: [leg.address],
      contentType: GROUP_DATA_CONTENT_TYPE,
      body: encodeGroupData({ kind: 'response', id: data.value.id, code }),
    });
    leg.media.send({ contentType: 'message/cpim', body: answer });
    return { status: 200, reason: 'OK' };
  }

  /** LAB: any member may name an open group and set its picture; in a closed one only the administrator. */
  #change(leg: Leg, { target, action, data }: GroupDataRequest): number {
    const { group } = this.deps;
    if (target !== 'subject' && target !== 'icon') return 404;
    if (group.facts.type === 'closed' && !group.isAdministrator(leg.address)) return 403;
    if (action === 'set' && data === null) return 400;
    const value = action === 'set' ? data : null;
    if (target === 'icon') {
      const icon = value === null ? null : parseGroupIcon(value);
      if (icon !== null && !icon.ok) return icon.code;
      group.picture(value);
    } else {
      if ((value?.length ?? 0) > MAX_SUBJECT_CHARACTERS) return 413;
      group.rename(value);
    }
    this.deps.onChanged();
    return 200;
  }

  /** LAB: the name that the network gives somebody else in the group counts as taken: nobody passes for another. */
  nickname(leg: Leg, nickname: string): Verdict {
    const { group } = this.deps;
    if (!group.setNickname(leg.address, nickname === '' ? null : nickname)) return { status: 425, reason: 'Nickname In Use' };
    this.deps.onChanged();
    return { status: 200, reason: 'OK' };
  }

  #checkGrowth(leg: Leg, newcomers: readonly Invitee[]): Refusal | null {
    const { group } = this.deps;
    const strangers = newcomers.filter((invitee) => !group.has(invitee.address));
    if (group.facts.type === 'closed' && strangers.length > 0)
      return { ok: false, status: 403, warning: 'The group is closed: nobody is added' };
    // Only an administrator brings back a person whom an administrator has removed.
    if (strangers.some(({ address }) => group.membership(address) === 'removed') && !group.isAdministrator(leg.address))
      return { ok: false, status: 403, warning: 'Only the administrator brings back who was removed' };
    return checkSize(group.size + strangers.length, group.maximum);
  }

  #checkRemoval(leg: Leg, address: string): Refusal | null {
    const { group } = this.deps;
    if (!group.isAdministrator(leg.address)) return { ok: false, status: 403, warning: 'Only the administrator removes people' };
    return group.has(address) ? null : { ok: false, status: 404, warning: 'Not a participant' };
  }
}
