/**
 * The names by which this account knows people, and whether a name could be taken for somebody else's (docs/decisions/0027).
 *
 * There is no address book. A person is known once this person has written to them in a 1-1 or accepted their invitation, by the name that they had
 * then; everybody else is a stranger.
 */
import type { Disposable } from '../../../base/disposable';
import type { PersonValue } from '../../../preload/contract';
import { phoneNumberOf } from '../../../protocol/phone-number';
import { nameSkeletons } from '../../../protocol/shown-name';
import { parseUri } from '../../../protocol/uri';
import type { History } from '../../history/history';
import type { ConversationRecord, PersonRecord } from '../../history/records';

/** LAB: names whose skeletons are kept at hand. */
const MAX_SKELETONS = 5_000;
/** LAB: a number within a name is taken for a telephone number from so many digits on. */
const MIN_NUMBER_DIGITS = 5;

export interface PeopleDeps {
  history: History;
  /** People known beforehand. */
  knownPeople: readonly PersonRecord[];
  self: string;
  selfName: string;
  isSelf(address: string): boolean;
}

export class People {
  readonly #deps: PeopleDeps;
  readonly #known = new Map<string, PersonRecord>();
  /** By the skeleton of a name, or of its first word: the people who have such a name, and since when. */
  readonly #owners = new Map<string, Map<string, number>>();
  readonly #skeletons = new Map<string, readonly string[]>();
  readonly #watch: Disposable;

  /** `changed`: somebody has become known, or goes by another name, so others may now be mistaken for them. */
  constructor(deps: PeopleDeps, changed: () => void) {
    this.#deps = deps;
    for (const person of [{ address: deps.self, name: deps.selfName, knownSince: 0 }, ...deps.knownPeople]) this.#take(person);
    for (const record of deps.history.conversations()) this.#takeFrom(record);
    this.#watch = deps.history.onChange.on((changes) => {
      const ids = changes.flatMap((change) => (change.what === 'conversation' ? [change.id] : []));
      const isChanged = ids.map((id) => this.#takeFrom(deps.history.conversation(id))).includes(true);
      if (isChanged) changed();
    });
  }

  /** The person as they are known; null for a stranger. */
  known(address: string): PersonRecord | null {
    return this.#known.get(address) ?? null;
  }

  /** This person has written to somebody, or accepted their invitation: from now on they are known by the name that they have. */
  meet(conversation: ConversationRecord, now: number): void {
    const { history } = this.#deps;
    const [peer] = history.conversation(conversation.id)?.people ?? [];
    if (conversation.kind !== 'oneToOne' || conversation.hides !== undefined || peer === undefined || peer.knownSince !== undefined) return;
    history.updateConversation(conversation.id, { people: [{ ...peer, knownSince: now }] });
  }

  /** As a person is shown: with the address where the name alone could deceive. */
  shown<T extends PersonValue & { nickname?: string }>(person: T): T {
    const { address, name, nickname } = person;
    const misleads = this.isMistakable(address, name) || (nickname !== undefined && this.isMistakable(address, nickname));
    return misleads ? { ...person, showAddress: true } : person;
  }

  /**
   * Whether a name could be taken for that of somebody else who is known, or for an address or a number that is not this person's. Of two known people
   * with one name, the one known for longer has it.
   */
  isMistakable(address: string, name: string): boolean {
    if (this.#deps.isSelf(address)) return false;
    if (looksLikeAnotherAddress(name, address)) return true;
    const since = this.#known.get(address)?.knownSince ?? Number.POSITIVE_INFINITY;
    return this.#keysOf(name).some((key) =>
      [...(this.#owners.get(key) ?? [])].some(([owner, ownerSince]) => owner !== address && ownerSince < since),
    );
  }

  dispose(): void {
    this.#watch.dispose();
  }

  #takeFrom(record: ConversationRecord | null): boolean {
    const [peer] = record?.kind === 'oneToOne' && record.hides === undefined ? record.people : [];
    return peer?.knownSince !== undefined && this.#take(peer);
  }

  #take(person: PersonRecord): boolean {
    const { address, name, knownSince = 0 } = person;
    const before = this.#known.get(address);
    if (before !== undefined && before.name === name) return false;
    if (before !== undefined) for (const key of this.#keysOf(before.name)) this.#owners.get(key)?.delete(address);
    const since = Math.min(before?.knownSince ?? knownSince, knownSince);
    this.#known.set(address, { address, name, knownSince: since });
    for (const key of this.#keysOf(name)) {
      const owners = this.#owners.get(key) ?? new Map<string, number>();
      this.#owners.set(key, owners.set(address, since));
    }
    return true;
  }

  /** Sentences call people by the first word of their names, so that is compared as well. */
  #keysOf(name: string): readonly string[] {
    const kept = this.#skeletons.get(name);
    if (kept !== undefined) return kept;
    const [first = ''] = name.split(/\s+/);
    const keys = [...new Set([...nameSkeletons(name), ...nameSkeletons(first)])].filter((key) => key !== '');
    if (this.#skeletons.size >= MAX_SKELETONS) this.#skeletons.clear();
    this.#skeletons.set(name, keys);
    return keys;
  }
}

const ADDRESS = /[^\s@]@[^\s@]|^(?:sips?|tel|mailto|xmpp):/iu;
const NUMBER = /\+?\p{Nd}(?:[\s().\-/‐-―]{0,2}\p{Nd})+/gu;

/** `alice@lab.test` or `+49 170 5551234`, said by somebody who is reached elsewhere. */
function looksLikeAnotherAddress(name: string, address: string): boolean {
  const plain = name.normalize('NFKC').toLowerCase();
  const uri = parseUri(address);
  const user = uri.ok && uri.value.scheme !== 'other' ? (uri.value.scheme === 'tel' ? uri.value.number : (uri.value.user ?? '')) : '';
  const bare = (text: string) => text.replace(/^(?:sips?|tel|mailto|xmpp):/i, '').toLowerCase();
  if (bare(plain) === bare(address)) return false;
  if (ADDRESS.test(plain)) return true;
  const own = [phoneNumberOf(address)?.split(';')[0], user].map((one) => digitsOf(one ?? ''));
  return (plain.match(NUMBER) ?? []).some((number) => {
    const digits = digitsOf(number);
    return digits.length >= MIN_NUMBER_DIGITS && !own.includes(digits);
  });
}

/** The digits of a text, of whatever script: those that are not ASCII are kept as they are, and equal no address's. */
const digitsOf = (text: string): string => text.replace(/[^\p{Nd}]/gu, '');
