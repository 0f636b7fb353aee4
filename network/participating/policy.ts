/**
 * The rules of a provider and its users: who may reach whom (R46, R56), and whether the media of a session runs through the network (R49).
 * It only decides.
 *
 * A changed policy file replaces all rules of the one before; rules set at run time stay beside them.
 */
import { addressKey } from '../../protocol/uri';

export type SessionCase = 'orig' | 'term';
type MediaPath = 'stay' | 'out';

/** LAB: the status of a refusal whose rule names none. */
const REFUSAL_STATUS = 403;
/** RFC 5079: the called person does not accept anonymous callers. */
export const ANONYMITY_DISALLOWED = 433;

/** One refusal, set by a provider or a user. `*` stands for everybody. */
export interface DenyRule {
  /** The user whose Participating Function decides. */
  served: string;
  sescase: SessionCase;
  /** The other side: the person whom the served user calls, or who calls them. */
  peer: string;
  /** `REFUSAL_STATUS` when absent. */
  status?: number;
}

/** The wishes of one user. An absent one takes the network's default. */
export interface UserPreferences {
  /** Whether the media of their sessions runs through the network; `out` when absent. */
  mediaPath?: MediaPath;
  /** Keep a record of their sessions. */
  record?: boolean;
  /** When they are anonymous, hide the address of their media too; yes when absent. */
  hideMedia?: boolean;
  /** Refuse anonymous callers. */
  refuseAnonymous?: boolean;
}

/** The provider's rules, above every user's preferences. */
export interface ProviderRules {
  /** `preference`, when absent: as the user wishes. */
  mediaPath?: MediaPath | 'preference';
  /** True: every session is recorded; false: none, whatever users wish. */
  record?: boolean;
  hideMedia?: boolean;
  /** What becomes of a request whose asserted service is none of CPM; `pass` when absent. */
  unknownServices?: 'pass' | 'refuse';
}

/** A whole policy, as a file holds it. */
export interface PolicyDocument {
  deny: DenyRule[];
  provider: ProviderRules;
  users: ReadonlyMap<string, UserPreferences>;
  /** The folder for records; null: nothing is recorded. */
  recordTo: string | null;
  /** The file that the mail gateway writes; null: there is no such gateway. */
  mailOutbox: string | null;
}

/** Whether the media of one session runs through the network, and why. */
export interface MediaDecision {
  path: MediaPath;
  record: boolean;
  /** True: without the relay the session must be refused, since it would show what must stay hidden, or go unrecorded. */
  isRequired: boolean;
}

export class Policy {
  #rules: DenyRule[] = [];
  #document: PolicyDocument = { deny: [], provider: {}, users: new Map(), recordTo: null, mailOutbox: null };

  constructor(rules: readonly DenyRule[] = []) {
    for (const rule of rules) this.deny(rule);
  }

  get recordTo(): string | null {
    return this.#document.recordTo;
  }

  get refusesUnknownServices(): boolean {
    return this.#document.provider.unknownServices === 'refuse';
  }

  get mailOutbox(): string | null {
    return this.#document.mailOutbox;
  }

  /** Replaces the rules of the previous policy file. */
  adopt(document: PolicyDocument): void {
    this.#document = {
      ...document,
      deny: document.deny.map(comparable),
      users: new Map([...document.users].map(([address, wishes]) => [keyOf(address), wishes])),
    };
  }

  deny(rule: DenyRule): void {
    this.#rules.push(comparable(rule));
  }

  /** Removes every rule between the two that `deny` has set. */
  allow(rule: Omit<DenyRule, 'status'>): void {
    this.#rules = this.#rules.filter(
      (one) => one.served !== keyOf(rule.served) || one.peer !== keyOf(rule.peer) || one.sescase !== rule.sescase,
    );
  }

  /** The status of the refusal, or null to go on. */
  decide(served: string, sescase: SessionCase, peer: string): number | null {
    const fits = (rule: string, address: string) => rule === '*' || rule === keyOf(address);
    const rules = [...this.#rules, ...this.#document.deny];
    const rule = rules.find((one) => one.sescase === sescase && fits(one.served, served) && fits(one.peer, peer));
    return rule === undefined ? null : (rule.status ?? REFUSAL_STATUS);
  }

  refusesAnonymous(served: string): boolean {
    return this.#wishes(served).refuseAnonymous === true;
  }

  /**
   * Where the media of a session of `served` runs; `hides`: the served user is anonymous in it. The provider's rules override the user's.
   */
  media(served: string, hides: boolean): MediaDecision {
    const { provider, recordTo } = this.#document;
    const wishes = this.#wishes(served);
    const record = recordTo !== null && (provider.record ?? wishes.record ?? false);
    const conceals = hides && (provider.hideMedia ?? wishes.hideMedia ?? true);
    const wanted =
      provider.mediaPath === undefined || provider.mediaPath === 'preference' ? (wishes.mediaPath ?? 'out') : provider.mediaPath;
    const isRequired = record || conceals;
    return { path: isRequired ? 'stay' : wanted, record, isRequired };
  }

  #wishes(served: string): UserPreferences {
    return this.#document.users.get(keyOf(served)) ?? {};
  }
}

function comparable(rule: DenyRule): DenyRule {
  return { ...rule, served: keyOf(rule.served), peer: keyOf(rule.peer) };
}

function keyOf(address: string): string {
  return address === '*' ? address : (addressKey(address) ?? address);
}
