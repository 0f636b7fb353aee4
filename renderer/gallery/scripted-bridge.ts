/** A `window.chorus` that follows a script: no main process, no network. The gallery and the window's tests draw with it. */
import type { CallArgument, CallName, ErrorValue, MessageValue, ParticipantValue, SearchHitValue, Snapshot } from '../../preload/contract';

export interface Scene {
  snapshot: Snapshot;
  messages?: Record<string, MessageValue[]>;
  participants?: Record<string, ParticipantValue[]>;
  /** What a call answers instead of its harmless default: always the same, or one after the other, the last again and again. `hang` never answers. */
  answers?: Partial<Record<CallName, { value: unknown } | { hits: SearchHitValue[] } | { error: ErrorValue } | 'hang'>>;
}

/**
 * Puts a bridge in the place of `window.chorus` that answers from the scene and keeps no state but the revision. An event is sent to the
 * window as a DOM event `act-event`. Self-contained: the tests hand its source to a page.
 */
export function actBridge(scene: Scene): void {
  const listeners = new Set<(event: never) => void>();
  let revision = scene.snapshot.revision;
  window.addEventListener('act-event', (event) => {
    revision += 1;
    const body = { ...(event as CustomEvent<object>).detail, revision };
    for (const listener of listeners) listener(body as never);
  });
  const note = (name: string, argument: unknown): void => {
    const key = `calls${name}`;
    const data = document.documentElement.dataset;
    data[key] = JSON.stringify([...JSON.parse(data[key] ?? '[]'), argument]);
  };
  const answer = (
    name: string,
    argument: { conversation?: string; before?: string; after?: string; around?: string; limit?: number; to?: string },
  ): unknown => {
    const scripted = scene.answers?.[name as CallName];
    if (scripted !== undefined && scripted !== 'hang' && 'value' in scripted) return scripted.value;
    if (scripted !== undefined && scripted !== 'hang' && 'hits' in scripted) {
      const asked = argument as object as CallArgument<'search'>;
      const found = scripted.hits.filter(({ snippet }) => asked.text.split(' ').every((word) => snippet.includes(word)));
      const start = found.findIndex(({ message }) => message === asked.before?.message) + 1;
      return found.slice(start, start + (asked.limit ?? 50));
    }
    switch (name) {
      case 'snapshot':
        return scene.snapshot;
      case 'messages': {
        const all = scene.messages?.[argument.conversation ?? ''] ?? [];
        const place = (message: string) => all.findIndex((one) => one.message === message);
        const limit = argument.limit ?? 50;
        if (argument.after !== undefined) return all.slice(place(argument.after) + 1, place(argument.after) + 1 + limit);
        if (argument.around !== undefined) {
          const start = Math.max(0, place(argument.around) - Math.floor((limit - 1) / 2));
          return all.slice(start, start + limit);
        }
        const end = argument.before === undefined ? all.length : all.findIndex((message) => message.message === argument.before);
        return all.slice(Math.max(0, end - limit), end);
      }
      case 'search':
        return [];
      case 'participants':
        return scene.participants?.[argument.conversation ?? ''] ?? [];
      case 'capabilities':
        return { capabilities: ['session', 'group'], instanceId: null, deviceName: null };
      case 'sendText':
        return { message: `sent-${revision}`, conversation: argument.conversation };
      case 'openConversation':
        return { conversation: scene.snapshot.conversations.find((each) => each.people[0]?.address === argument.to)?.conversation ?? '' };
      default:
        return {};
    }
  };
  Object.defineProperty(window, 'chorus', {
    value: {
      call: (name: string, argument: object) => {
        note(name, argument);
        const scripted = scene.answers?.[name as CallName];
        if (scripted === 'hang') return new Promise(() => undefined);
        if (scripted !== undefined && 'error' in scripted) return Promise.resolve({ ok: false, error: scripted.error });
        return Promise.resolve({ ok: true, value: answer(name, argument) });
      },
      subscribe: (listener: (event: never) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
}
