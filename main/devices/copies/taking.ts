/**
 * What other own devices have told becomes part of the history, in the transaction that joins it to the shared state. Messages go in by the one door
 * of all paths (main/cpm/inbox).
 */

import { newConversation } from '../../cpm/conversation/record';
import type { CopiedContent } from '../../cpm/inbox/copied';
import type { ConversationRecord } from '../../history/records';
import type { MessageEvent } from '../../own/events';
import { type Change, type RegisterElement, receiptOf } from '../../own/joins';
import { applyRegister, type RegisterDeps } from './registers';
import { sendingBy } from './sending';

export interface TakingDeps extends RegisterDeps {
  door: Pick<CopiedContent, 'text' | 'sending' | 'read' | 'receipt' | 'removed'>;
  /** A register has changed that is about no chat. */
  register(name: string, value: unknown): void;
}

export class Taking {
  readonly #deps: TakingDeps;

  constructor(deps: TakingDeps) {
    this.#deps = deps;
  }

  /** `isState`: they are from the whole state of another device. */
  take(changes: readonly Change[], isState: boolean): void {
    for (const { kind, key } of changes) {
      if (kind === 'msg') this.#message(key, !isState);
      else if (kind === 'st') this.#sending(key);
      else if (kind === 'read') this.#with(key, 'read');
      else if (kind === 'del') this.#with(key, 'removed');
      else if (kind === 'rcpt') this.#receipt(key);
      else if (kind === 'reg') this.#register(key);
    }
  }

  /** A chat has begun here of which the other devices know more. */
  began(record: ConversationRecord): void {
    const name = this.#deps.history.nameIn(record.id, null)?.conversation;
    if (name === undefined) return;
    for (const register of [`mark|${name}`, `draft|${name}`, ...(record.peer === null ? [] : [`card|${record.peer}`])])
      this.#register(register);
  }

  #with(key: string, what: 'read' | 'removed'): void {
    const here = this.#deps.history.messageByKey(key);
    if (here !== null) this.#deps.door[what](here);
  }

  #message(key: string, isNews: boolean): void {
    const { history, door } = this.#deps;
    const event = history.own.element('msg', key) as MessageEvent | undefined;
    if (event === undefined || event.t === undefined) return;
    const here = history.messageByKey(key);
    const conversation = here === null ? this.#conversation(event)?.id : history.message(here.id, here.direction)?.conversation;
    if (conversation === undefined) return;
    door.text(
      {
        conversation,
        id: event.id,
        direction: event.d === 'i' ? 'in' : 'out',
        from: event.f,
        fromDevice: event.fd ?? null,
        text: event.t,
        ...(typeof event.only === 'string' ? { onlyWith: event.only } : {}),
        sentAt: event.at,
        orderedAt: event.po,
        wantsDelivered: event.wants?.includes('delivered') ?? false,
        wantsDisplayed: event.wants?.includes('displayed') ?? false,
        isRead: history.own.element('read', key) !== undefined,
        sending: sendingBy(history.own.element('st', key)),
        isNews,
      },
      here,
    );
  }

  /** The chat of a message; it begins with the message where nothing else has told of it. */
  #conversation({ c, d, f, ids }: MessageEvent): ConversationRecord | null {
    const { history, clock } = this.#deps;
    const known = history.conversationNamed(c);
    if (known !== null) return known;
    const named = ids?.conversation === undefined ? {} : { conversationId: ids.conversation };
    const name = c.slice(2);
    const people = (address: string) => [{ address, name: address }];
    if (c.startsWith('1|'))
      history.addConversation(newConversation(clock, { kind: 'oneToOne', people: people(name), peer: name, ...named }));
    // Until its register comes, nobody knows where the group is.
    else if (c.startsWith('g|'))
      history.addConversation(
        newConversation(clock, { kind: 'group', people: d === 'i' ? people(f) : [], contributionId: name, joined: false, ...named }),
      );
    return history.conversationNamed(c);
  }

  #sending(key: string): void {
    const { history, door } = this.#deps;
    const here = history.messageByKey(key);
    if (here?.direction === 'out') door.sending(here, sendingBy(history.own.element('st', key)));
  }

  #receipt(name: string): void {
    const { history, door } = this.#deps;
    const { key, x, a, dev } = receiptOf(name);
    const here = history.messageByKey(key);
    if (here?.direction !== 'out') return;
    const at = history.own.element('rcpt', name) as number;
    door.receipt({ message: here.id, address: a, device: dev === '' ? null : dev, disposition: x, at });
  }

  #register(name: string): void {
    const element = this.#deps.history.own.element('reg', name) as RegisterElement | undefined;
    if (element === undefined) return;
    if (!applyRegister(this.#deps, name, element.val)) this.#deps.register(name, element.val);
  }
}
