/** The pictures of groups as this window draws them: each is asked for once, by its name, and becomes a blob, which the window's policy lets be drawn. */
import type { Store } from './store';

export class Icons {
  readonly #store: Store;
  readonly #urls = new Map<string, string>();
  readonly #asked = new Map<string, Promise<string | null>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Where a picture is drawn from, if it is here. */
  known(name: string): string | null {
    return this.#urls.get(name) ?? null;
  }

  /** Fetches the picture of a conversation, which has this name; null when there is none, or another one, any more. */
  fetch(conversation: string, name: string): Promise<string | null> {
    const asked = this.#asked.get(name) ?? this.#ask(conversation, name).finally(() => this.#asked.delete(name));
    this.#asked.set(name, asked);
    return asked;
  }

  async #ask(conversation: string, name: string): Promise<string | null> {
    const answer = await this.#store.call('groupIcon', { conversation });
    // The picture has changed in the meantime; the view asks again by the new name.
    if (!answer.ok || answer.value.icon === null || this.#store.cell.get().conversations.get(conversation)?.icon !== name) return null;
    const blob = blobOf(answer.value.icon);
    if (blob === null) return null;
    const url = URL.createObjectURL(blob);
    this.#urls.set(name, url);
    return url;
  }
}

function blobOf(uri: string): Blob | null {
  const [, type, octets] = /^data:(image\/(?:png|jpeg|webp));base64,([A-Za-z0-9+/=]+)$/.exec(uri) ?? [];
  if (type === undefined || octets === undefined) return null;
  return new Blob([Uint8Array.from(atob(octets), (character) => character.charCodeAt(0))], { type });
}
