/** How people, devices and conversations are called and marked. Pure. */
import type { ConversationValue, PersonValue } from '../../preload/contract';
import { foldedText } from '../../protocol/folded-words';
import { typedAddress } from '../../protocol/typed-address';
import { isolated } from './isolated';
import { words } from './text';

export { isolated };

/** `sip:bob@lab.test` is shown as `bob@lab.test`, `tel:+4712` as `+4712`. */
export const plainAddress = (address: string): string => address.replace(/^(sips?|tel):/i, '');

/** The name alone, for what is drawn or searched and not read. */
const bareName = (person: PersonValue): string => plainAddress(person.name.trim() === '' ? person.address : person.name.trim());

/** With the address where the name could be taken for somebody else's. */
export function fullName(person: PersonValue): string {
  return withAddress(person, bareName(person));
}

/** What a sentence calls a person: the first word of the name; of a bare address the part before the @. With the address as in `fullName`. */
export function firstName(person: PersonValue): string {
  const name = bareName(person);
  if (person.showAddress === true) return withAddress(person, name);
  return isolated(name.includes('@') ? (name.split('@')[0] ?? name) : (name.split(/\s+/)[0] ?? name));
}

/** What a person is called in a group where they have chosen a nickname. */
export function nameInGroup(person: PersonValue, nickname: string | undefined): string {
  return nickname === undefined ? firstName(person) : withAddress(person, nickname);
}

/** The address comes first: where a line is too short, the name is cut off and not the address. */
function withAddress({ address, showAddress }: PersonValue, name: string): string {
  const plain = plainAddress(address);
  return showAddress === true && name !== plain ? `${isolated(plain)} (${isolated(name)})` : isolated(name);
}

/** The sender of a message, as they were called when it was written. */
export const senderOfMessage = ({
  from,
  fromName,
  showAddress,
}: {
  from: string;
  fromName: string;
  showAddress?: true | undefined;
}): PersonValue => ({ address: from, name: fromName, ...(showAddress === true ? { showAddress } : {}) });

export function initials(name: string): string {
  const parts =
    plainAddress(name)
      .split(/[@]/)[0]
      ?.split(/[\s._-]+/)
      .filter((part) => /[\p{L}\p{N}]/u.test(part)) ?? [];
  const first = letters(parts[0] ?? '');
  if (first.length === 0) return '?';
  const last = parts.length > 1 ? letters(parts[parts.length - 1] ?? '') : first.slice(1);
  return `${first[0]}${last[0] ?? ''}`.toLocaleUpperCase();
}

const letters = (word: string): string[] => [...word].filter((letter) => /[\p{L}\p{N}]/u.test(letter));

const hues = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
export type Hue = (typeof hues)[number];

/** A person keeps one hue everywhere and for ever: it comes from the address alone. */
export function hueOf(address: string): Hue {
  let sum = 6;
  for (const letter of plainAddress(address).toLowerCase()) sum = (sum * 137 + (letter.codePointAt(0) ?? 0)) % 65_521;
  return hues[sum % hues.length] ?? 'a';
}

/** "Bob’s Laptop", from the device's own name; a name that already says whose it is stays as it is. */
export function deviceOf(person: PersonValue, deviceName: string): string {
  const first = firstName(person);
  const device = isolated(deviceName);
  return deviceName.toLowerCase().startsWith(first.toLowerCase()) ? device : words.possessive(first, device);
}

/** A member of a conversation by address, also one who has left it. */
export const memberOf = (conversation: Pick<ConversationValue, 'people'> | undefined, address: string): PersonValue =>
  conversation?.people.find((other) => other.address === address) ?? { address, name: '' };

export type DeviceShape = 'laptop' | 'tablet' | 'phone' | 'desktop';

/** A guess for the icon alone, from the name its owner gave. */
export function deviceShape(name: string): DeviceShape {
  if (/tablet|ipad|\bpad\b/i.test(name)) return 'tablet';
  if (/phone|mobile|pixel|galaxy/i.test(name)) return 'phone';
  if (/laptop|notebook|book|thinkpad/i.test(name)) return 'laptop';
  return 'desktop';
}

export function conversationTitle(conversation: Pick<ConversationValue, 'kind' | 'subject' | 'people' | 'anonymous'>): string {
  if (conversation.subject !== null && conversation.subject.trim() !== '') return isolated(conversation.subject.trim());
  if (conversation.kind === 'oneToOne') {
    if (conversation.anonymous === 'peer') return words.anonymous.name;
    const name = conversation.people[0] === undefined ? words.nobody : fullName(conversation.people[0]);
    return conversation.anonymous === 'self' ? words.anonymous.with(name) : name;
  }
  return conversation.people.length === 0 ? words.emptyGroup : conversation.people.map(firstName).join(', ');
}

/** Folded as search folds; every word of the query must be found. */
export function matches(query: string, ...texts: readonly string[]): boolean {
  const hay = foldedText(texts.join('\n'));
  return foldedText(query)
    .split(/\s+/)
    .every((word) => hay.includes(word));
}

/**
 * Whether a typed text may be a group's address: no bare name and no number. `likely`: its host lies below the own domain, as a server for groups
 * does, and people do not.
 */
export function typedGroup(typed: string, ownAor: string): 'likely' | 'possible' | null {
  const address = typedAddress(typed, { aor: ownAor });
  if (address === null || !/[@\uFF20]/.test(typed)) return null;
  const [host, domain] = [address, ownAor].map((each) => each.split('@')[1]?.split(/[;:?]/)[0]?.toLowerCase() ?? '');
  return domain !== '' && host?.endsWith(`.${domain}`) === true ? 'likely' : 'possible';
}

/** Everybody this window has heard of, once each, without those in `except`. */
export function knownPeople(
  tryPeople: readonly PersonValue[],
  conversations: Iterable<ConversationValue>,
  except: ReadonlySet<string>,
): PersonValue[] {
  const people = new Map<string, PersonValue>();
  for (const person of tryPeople) people.set(person.address, person);
  for (const conversation of conversations) {
    // An anonymous person can be neither written to nor added.
    if (conversation.anonymous === 'peer') continue;
    for (const person of conversation.people) {
      const known = people.get(person.address);
      if (known === undefined || known.name === '') people.set(person.address, person);
    }
  }
  return [...people.values()].filter((person) => !except.has(person.address));
}
