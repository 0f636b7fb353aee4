/**
 * Between the history and the state that all own devices share: what happens in a 1-1 chat here becomes events, in the same transaction; what
 * events of other devices say becomes rows of the history. Each side is written only where it does not say so already, so nothing goes in circles.
 */
import type { Clock } from '../../../base/clock';
import { addressKey } from '../../../protocol/uri';
import { newConversation } from '../../cpm/conversation/record';
import type { History } from '../../history/history';
import type { Change as HistoryChange, MessageRecord } from '../../history/records';
import { MAX_KEYS_PER_EVENT, type MessageEvent, type RawEvent } from '../../own/events';
import { type Change, receiptKey, receiptOf } from '../../own/joins';

export interface ProjectionDeps {
  clock: Clock;
  history: History;
  self: { aor: string; instanceId: string; name(): string; deviceName(): string };
}

/** LAB: the longest text that travels as an event. A longer one is not copied yet. */
const MAX_TEXT_CHARS = 32_000;
/** LAB: messages looked at together when a chat is emptied. */
const BATCH = 500;

export class Projection {
  readonly #deps: ProjectionDeps;
  /** The name of the chat with one's own address. */
  readonly #withOneself: string;

  constructor(deps: ProjectionDeps) {
    this.#deps = deps;
    this.#withOneself = `1|${addressKey(deps.self.aor)}`;
  }

  /** The events that tell what a transaction has changed, without what the shared state knows already. */
  eventsOf(changes: readonly HistoryChange[]): RawEvent[] {
    return changes.flatMap((change) => {
      if (change.what === 'conversation') return change.how === 'emptied' ? this.#emptied(change.id) : [];
      const name = this.#deps.history.nameIn(change.conversation, change);
      // What a person writes to their own address reaches its devices by the network; a test message is for one of them alone.
      if (name === null || name.conversation === this.#withOneself) return [];
      const { own } = this.#deps.history;
      if (change.how === 'removed') {
        const isKnown = own.element('del', name.key) !== undefined || own.element('msg', name.key) === undefined;
        return isKnown ? [] : [{ e: 'del', k: [name.key] }];
      }
      const record = this.#deps.history.message(change.id, change.direction);
      return record === null || record.isDamaged === true ? [] : this.#events(record, name);
    });
  }

  #events(record: MessageRecord, { conversation, key }: { conversation: string; key: string }): RawEvent[] {
    const { own } = this.#deps.history;
    const events: RawEvent[] = [];
    if (own.element('msg', key) === undefined) {
      const message = this.#messageEvent(record, conversation, key);
      if (message === null) return [];
      events.push(message);
    }
    if (record.direction === 'in') {
      if (record.state === 'displayed' && own.element('read', key) === undefined) events.push({ e: 'read', k: [key] });
      return events;
    }
    for (const { address, device, disposition, at } of this.#deps.history.receipts(record.id)) {
      const receipt = { e: 'rcpt' as const, k: [key], a: address, x: disposition, at, ...(device ? { dev: device } : {}) };
      if (own.element('rcpt', receiptKey(key, receipt)) === undefined) events.push(receipt);
    }
    return events;
  }

  #messageEvent(record: MessageRecord, conversation: string, key: string): MessageEvent | null {
    const { self, history } = this.#deps;
    const { content, direction } = record;
    if (content.kind !== 'text' || content.text.length > MAX_TEXT_CHARS) return null;
    const isSentHere = direction === 'out' && record.fromDevice === null;
    const of = history.conversation(record.conversation);
    return {
      e: 'msg',
      k: key,
      c: conversation,
      d: direction === 'in' ? 'i' : 'o',
      id: record.id,
      f: record.from,
      ...(isSentHere ? { fd: self.deviceName() } : record.fromDevice === null ? {} : { fd: record.fromDevice }),
      at: record.sentAt,
      po: record.sentAt + (record.movedBy ?? 0),
      ...(isSentHere ? {} : { pb: self.instanceId }),
      ct: 'text/plain',
      t: content.text,
      wants: [...(record.wantsDelivered ? (['delivered'] as const) : []), ...(record.wantsDisplayed ? (['displayed'] as const) : [])],
      ...(of === null ? {} : { ids: { conversation: of.conversationId } }),
    };
  }

  /** The messages of a chat that was emptied are gone from the history; the shared state still knows which they were. */
  #emptied(id: string): RawEvent[] {
    const { own, ...history } = this.#deps.history;
    const name = history.nameIn(id, null)?.conversation;
    const found: string[] = [];
    for (let after = '', keys = own.keys('msg', '', after, BATCH); keys.length > 0; keys = own.keys('msg', '', after, BATCH)) {
      found.push(...keys.filter((key) => (own.element('msg', key) as MessageEvent).c === name));
      after = keys.at(-1) ?? '';
    }
    const events: RawEvent[] = [];
    while (found.length > 0) events.push({ e: 'del', k: found.splice(0, MAX_KEYS_PER_EVENT) });
    return events;
  }

  /** Brings what events have changed in the shared state into the history. To be called in the transaction that joins them. */
  apply(changes: readonly Change[]): void {
    for (const { kind, key } of changes) {
      if (kind === 'msg') this.#message(key);
      else if (kind === 'read') this.#read(key);
      else if (kind === 'rcpt') this.#receipt(key);
      else if (kind === 'del') {
        const here = this.#deps.history.messageByKey(key);
        if (here !== null) this.#deps.history.removeMessage(here.id, here.direction);
      }
    }
  }

  #message(key: string): void {
    const { history, clock, self } = this.#deps;
    if (history.messageByKey(key) !== null) return;
    const event = history.own.element('msg', key) as MessageEvent | undefined;
    if (event === undefined || event.t === undefined || !event.c.startsWith('1|')) return;
    const peer = event.c.slice(2);
    const isIn = event.d === 'i';
    let conversation = history.oneToOneWith(peer)?.id;
    if (conversation === undefined) {
      const conversationId = event.ids?.conversation;
      const people = [{ address: peer, name: peer }];
      const record = newConversation(clock, {
        kind: 'oneToOne',
        people,
        peer,
        ...(conversationId === undefined ? {} : { conversationId }),
      });
      history.addConversation(record);
      conversation = record.id;
    }
    const isRead = history.own.element('read', key) !== undefined;
    history.addMessage({
      id: event.id,
      conversation,
      direction: isIn ? 'in' : 'out',
      from: event.f,
      fromName: isIn ? (history.conversation(conversation)?.people[0]?.name ?? event.f) : self.name(),
      fromDevice: event.fd ?? null,
      content: { kind: 'text', text: event.t },
      state: isIn ? (isRead ? 'displayed' : 'received') : 'sent',
      sentAt: event.at,
      movedBy: event.po - event.at,
      receivedAt: isIn ? clock.now() : null,
      error: null,
      wantsDelivered: event.wants?.includes('delivered') ?? false,
      wantsDisplayed: event.wants?.includes('displayed') ?? false,
    });
    const activityAt = Math.max(history.conversation(conversation)?.activityAt ?? 0, event.po);
    history.updateConversation(conversation, { activityAt });
  }

  #read(key: string): void {
    const { history } = this.#deps;
    const here = history.messageByKey(key);
    if (here?.direction === 'in' && history.message(here.id, 'in')?.state === 'received')
      history.setMessageState(here.id, 'displayed', null, 'in');
  }

  #receipt(name: string): void {
    const { history } = this.#deps;
    const { key, x, a, dev } = receiptOf(name);
    const here = history.messageByKey(key);
    if (here === null || here.direction !== 'out') return;
    const at = history.own.element('rcpt', name) as number;
    history.addReceipt({ message: here.id, address: a, device: dev === '' ? null : dev, disposition: x, at });
    const state = history.message(here.id, 'out')?.state;
    if (x === 'displayed' ? state === 'sent' || state === 'delivered' : x === 'delivered' && state === 'sent')
      history.setMessageState(here.id, x, null, 'out');
  }
}
