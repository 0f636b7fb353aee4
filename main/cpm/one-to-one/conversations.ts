/**
 * Which 1-1 conversation something belongs to: one conversation for each person, and beside it one for each anonymous correspondence.
 *
 * An anonymous peer is known by the Conversation-ID alone, and has that conversation to themselves. A request to this device's temporary GRUU never
 * comes into the conversation that names the account.
 */
import type { PersonValue } from '../../../preload/contract';
import { ANONYMOUS_URI } from '../../../protocol/cpim';
import { shownName } from '../../../protocol/shown-name';
import { parseUri } from '../../../protocol/uri';
import type { ConversationRecord } from '../../history/records';
import type { IncomingPager, RemoteParty } from '../../sip/client';
import type { CpmContext } from '../conversation/context';
import { newConversation } from '../conversation/record';
import { person } from '../conversation/values';

type ConversationRequest = Pick<IncomingPager, 'remote' | 'headers' | 'hides'>;

/** How an anonymous peer is named. Nothing that they say about themselves is believed. */
const anonymousPerson: PersonValue = { address: ANONYMOUS_URI, name: 'Anonymous' };

export class OneToOneConversations {
  readonly #context: CpmContext;

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /** The conversation that a request belongs to; a new one where there is none. */
  of(request: ConversationRequest): ConversationRecord {
    const { remote, headers, hides = false } = request;
    if (!hides && !isAnonymous(remote)) return this.with(remote.address, remote);
    const conversationId = headers.conversationId ?? this.#context.clock.uuid();
    const known = this.known(request);
    if (hides) return known ?? this.#begin(remote.address, { hides: 'self', conversationId });
    // A MESSAGE has no Contact (RFC 3428 section 4); the peer is then assumed to be where it was before.
    const peer = remote.gruu ?? known?.peer ?? ANONYMOUS_URI;
    if (known === null) return this.#begin(peer, { hides: 'peer', conversationId, people: [anonymousPerson] });
    this.#context.history.updateConversation(known.id, { peer });
    return { ...known, peer };
  }

  /** The conversation that a request belongs to; null where there is none. */
  known({ remote, headers, hides = false }: ConversationRequest): ConversationRecord | null {
    const { history } = this.#context;
    if (!hides && !isAnonymous(remote)) return history.oneToOneWith(person(remote.address, null).address);
    return headers.conversationId === null ? null : history.hiddenBy(headers.conversationId, hides ? 'self' : 'peer');
  }

  /** The conversation with an address in which nobody is anonymous; a new one where there is none. `remote`: what they and the network say now. */
  with(address: string, remote: Pick<RemoteParty, 'displayName' | 'assertedName'> | null = null): ConversationRecord {
    const { history, knownPeople } = this.#context;
    const said = remote?.displayName ?? null;
    const known = history.oneToOneWith(person(address, null).address);
    if (known === null) return this.#begin(address, { people: [person(address, said, knownPeople)] });
    const before = known.people[0];
    const given = this.#givenName(address, remote?.assertedName);
    const peer = { ...before, ...person(address, said, [...known.people, ...knownPeople]), ...(given === null ? {} : { name: given }) };
    if (before?.name !== peer.name) history.updateConversation(known.id, { people: [peer] });
    return { ...known, people: [peer] };
  }

  /** LAB: the own network may give its own people another name; what it passes on of another network's people is hearsay. */
  #givenName(address: string, assertedName: string | undefined): string | null {
    const { self } = this.#context;
    return hostOf(address) !== null && hostOf(address) === hostOf(self) ? shownName(assertedName ?? '') || null : null;
  }

  /** The conversation with an address in which this account is anonymous; a new one where there is none. */
  anonymousWith(address: string): ConversationRecord {
    const key = person(address, null).address;
    return this.#context.history.oneToOneWith(key, 'self') ?? this.#begin(key, { hides: 'self' });
  }

  /** LAB: one Conversation-ID a person; whoever opened last names it. */
  adoptId(conversation: ConversationRecord, conversationId: string | null): ConversationRecord {
    if (conversationId === null || conversationId === conversation.conversationId) return conversation;
    this.#context.history.updateConversation(conversation.id, { conversationId });
    return { ...conversation, conversationId };
  }

  /** Only a named conversation is keyed by the person's address; an anonymous one by where its peer is reached. */
  #begin(address: string, more: Partial<Pick<ConversationRecord, 'hides' | 'conversationId' | 'people'>>): ConversationRecord {
    const { history, clock, knownPeople } = this.#context;
    const peer = more.hides === undefined ? person(address, null).address : address;
    const record = newConversation(clock, { kind: 'oneToOne', peer, people: [person(address, null, knownPeople)], ...more });
    history.addConversation(record);
    return record;
  }
}

/** The other person of a conversation, with the name that their network gives them now. */
export function otherSide(conversation: ConversationRecord, remote: RemoteParty | null): PersonValue {
  if (conversation.hides === 'peer') return anonymousPerson;
  return person(conversation.peer ?? '', remote?.displayName ?? null, conversation.people);
}

function hostOf(address: string): string | null {
  const uri = parseUri(address);
  return uri.ok && uri.value.scheme !== 'tel' && uri.value.scheme !== 'other' ? uri.value.host : null;
}

function isAnonymous(remote: RemoteParty): boolean {
  return !remote.asserted && remote.address === ANONYMOUS_URI;
}
