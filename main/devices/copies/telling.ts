/**
 * What happens here, as events for the other own devices, written in the transaction in which it happens. What the shared state says already is
 * never written, so nothing goes in circles.
 */
import type { Clock } from '../../../base/clock';
import { addressKey } from '../../../protocol/uri';
import type { History } from '../../history/history';
import type { ConversationRecord, Change as HistoryChange, MessageRecord } from '../../history/records';
import { MAX_KEYS_PER_EVENT, type MessageEvent, type RawEvent } from '../../own/events';
import { type RegisterElement, receiptKey } from '../../own/joins';
import { canonical } from '../../own/names';
import { type ChatState, differs, essenceOf, registersOf, writtenValue } from './registers';
import { sendingOf } from './sending';

export interface TellingDeps {
  clock: Clock;
  history: History;
  self: { aor: string; instanceId: string; deviceName(): string };
  /** The draft of a chat is another one: it is told once the person pauses. */
  draftChanged(state: ChatState): void;
}

/** What a transaction has to tell. */
export interface Told {
  events: RawEvent[];
  /** Messages that other own devices have had from the network as well. */
  shared: MessageEvent[];
}

/** The names of a message among own devices. */
type Names = { conversation: string; key: string };

/** LAB: the longest text that travels as an event. A longer one is not copied yet. */
const MAX_TEXT_CHARS = 32_000;
/** LAB: messages looked at together when a chat is emptied. */
const BATCH = 500;

export class Telling {
  readonly #deps: TellingDeps;
  /** The name of the chat with one's own address. */
  readonly #withOneself: string;
  /** What each group was here when it was last looked at: each device knows it from its own roster, and tells what changes there alone. */
  readonly #groups = new Map<string, string>();

  constructor(deps: TellingDeps) {
    this.#deps = deps;
    this.#withOneself = `1|${addressKey(deps.self.aor)}`;
  }

  /** The registers that no other device has been told of, as after a time without them. */
  begin(): RawEvent[] {
    const { history } = this.#deps;
    return history.conversations().flatMap((record) =>
      this.#registers(record).flatMap((state) => {
        if (state.kind === 'group') this.#groups.set(state.name, canonical(essenceOf(state)));
        const told = this.#register(state.name);
        return differs(state, told) && (state.kind !== 'group' || told === undefined) ? [this.#event(state)] : [];
      }),
    );
  }

  /** What a transaction has changed, as events. */
  told(changes: readonly HistoryChange[]): Told {
    const { history } = this.#deps;
    const told: Told = { events: [], shared: [] };
    for (const change of changes) {
      if (change.what === 'conversation') {
        // What is gone goes before the word that the chat is: it is hidden where nothing else was said.
        if (change.how === 'emptied') told.events.push(...this.#emptied(change.id));
        const record = history.conversation(change.id);
        if (record !== null) told.events.push(...this.#changed(record));
      } else if (change.how === 'removed') told.events.push(...this.#removed(change));
      else this.#message(change, told);
    }
    return told;
  }

  #message(change: Extract<HistoryChange, { what: 'message' }>, told: Told): void {
    const { history } = this.#deps;
    const record = history.message(change.id, change.direction);
    if (record === null || record.isDamaged === true) return;
    const names = history.nameIn(record.conversation, record);
    // What a person writes to their own address reaches its devices by the network; a test message is for one of them alone.
    if (names === null || names.conversation === this.#withOneself) return;
    const isKnown = history.own.element('msg', names.key) !== undefined;
    const message = isKnown ? null : this.#messageEvent(record, names);
    if (!isKnown && message === null) return;
    if (change.how === 'added' && this.#register(`hide|${names.conversation}`)?.val === true)
      told.events.push(...this.#shownAgain(record.conversation));
    const later = this.#later(record, names.key);
    // The focus sends to each device of this person that is in the group: one of them tells the others, after what all say of a device is told at once.
    const isShared = message !== null && change.how === 'added' && names.conversation.startsWith('g|') && !isWrittenHere(record);
    if (message !== null && isShared && later.length === 0) told.shared.push(message);
    else told.events.push(...(message === null ? [] : [message]), ...later);
  }

  /** What has become of a message since it was told. */
  #later(record: MessageRecord, key: string): RawEvent[] {
    const { history } = this.#deps;
    const { own } = history;
    if (record.direction === 'in')
      return record.state === 'displayed' && own.element('read', key) === undefined ? [{ e: 'read', k: [key] }] : [];
    const events: RawEvent[] = [];
    const sending = isWrittenHere(record) ? sendingOf(record, key, own.element('st', key)) : null;
    if (sending !== null) events.push(sending);
    for (const { address, device, disposition, at } of history.receipts(record.id)) {
      const receipt = { e: 'rcpt' as const, k: [key], a: address, x: disposition, at, ...(device ? { dev: device } : {}) };
      if (own.element('rcpt', receiptKey(key, receipt)) === undefined) events.push(receipt);
    }
    return events;
  }

  #messageEvent(record: MessageRecord, { conversation, key }: Names): MessageEvent | null {
    const { self, history } = this.#deps;
    const { content, direction } = record;
    if (content.kind !== 'text' || content.text.length > MAX_TEXT_CHARS) return null;
    const isSentHere = isWrittenHere(record);
    const of = history.conversation(record.conversation);
    return {
      e: 'msg',
      k: key,
      c: conversation,
      d: direction === 'in' ? 'i' : 'o',
      // What follows a line end only tells it from others on this device.
      id: record.id.split('\n', 1)[0] ?? '',
      f: record.from,
      ...(isSentHere ? { fd: self.deviceName() } : record.fromDevice === null ? {} : { fd: record.fromDevice }),
      at: record.sentAt,
      po: record.sentAt + (record.movedBy ?? 0),
      ...(isSentHere ? {} : { pb: self.instanceId }),
      ct: 'text/plain',
      t: content.text,
      ...(record.onlyWith === undefined ? {} : { only: record.onlyWith }),
      wants: [...(record.wantsDelivered ? (['delivered'] as const) : []), ...(record.wantsDisplayed ? (['displayed'] as const) : [])],
      ...(of === null ? {} : { ids: { conversation: of.conversationId } }),
    };
  }

  #removed({ conversation, key }: Extract<HistoryChange, { what: 'message' }>): RawEvent[] {
    const { history } = this.#deps;
    const { own } = history;
    const name = history.nameIn(conversation, null)?.conversation;
    if (key === undefined || name === undefined || name === this.#withOneself || own.element('del', key) !== undefined) return [];
    const isTold = own.element('msg', key) !== undefined || own.owed().some((owed) => owed.key === key);
    return isTold ? [{ e: 'del', k: [key] }] : [];
  }

  /** The messages of a chat that was emptied are gone from the history; the shared state still knows which they were. */
  #emptied(id: string): RawEvent[] {
    const { history } = this.#deps;
    const { own } = history;
    const name = history.nameIn(id, null)?.conversation;
    const found = own.owed().flatMap(({ key, event }) => (event.c === name ? [key] : []));
    for (let after = '', keys = own.keys('msg', '', after, BATCH); keys.length > 0; keys = own.keys('msg', '', after, BATCH)) {
      found.push(...keys.filter((key) => (own.element('msg', key) as MessageEvent).c === name));
      after = keys.at(-1) ?? '';
    }
    const events: RawEvent[] = [];
    while (found.length > 0) events.push({ e: 'del', k: found.splice(0, MAX_KEYS_PER_EVENT) });
    return events;
  }

  // Registers.

  #changed(record: ConversationRecord): RawEvent[] {
    return this.#registers(record).flatMap((state) => {
      if (state.kind === 'group' && !this.#groupChanged(state)) return [];
      if (!differs(state, this.#register(state.name))) return [];
      if (state.kind !== 'draft') return [this.#event(state)];
      this.#deps.draftChanged(state);
      return [];
    });
  }

  /** Something was said in a chat that was deleted. */
  #shownAgain(conversation: string): RawEvent[] {
    const record = this.#deps.history.conversation(conversation);
    const hidden = record === null ? [] : this.#registers(record).filter(({ kind }) => kind === 'hide');
    return hidden.flatMap((state) => (differs(state, this.#register(state.name)) ? [this.#event(state)] : []));
  }

  #groupChanged(state: ChatState): boolean {
    const now = canonical(essenceOf(state));
    const isChanged = this.#groups.get(state.name) !== now;
    this.#groups.set(state.name, now);
    return isChanged;
  }

  #registers(record: ConversationRecord): ChatState[] {
    const { history } = this.#deps;
    return history.nameIn(record.id, null)?.conversation === this.#withOneself ? [] : registersOf(history, record);
  }

  #register(name: string): RegisterElement | undefined {
    return this.#deps.history.own.element('reg', name) as RegisterElement | undefined;
  }

  #event(state: ChatState): RawEvent {
    const { history, clock } = this.#deps;
    const before = this.#register(state.name)?.ver[0] ?? 0;
    return { e: 'reg', name: state.name, val: writtenValue(state), ver: [before + 1, clock.now(), history.own.head()?.writer ?? ''] };
  }
}

/** A text that this device sends, or has sent. */
function isWrittenHere({ direction, fromDevice, receivedAt }: MessageRecord): boolean {
  return direction === 'out' && fromDevice === null && receivedAt === null;
}
