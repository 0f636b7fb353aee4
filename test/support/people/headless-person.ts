/** A person at a headless client. Like a window, it marks every message in the open chat as displayed. */
import type { ConversationValue, MessageState, MessageValue } from '../../../preload/contract';
import type { TestClient } from '../stages/clients';
import type { Person } from './person';

export class HeadlessPerson implements Person {
  #open: string | null = null;

  /** `addressOf` returns the address for a name, like the window's suggestions. */
  constructor(
    readonly client: TestClient,
    private readonly addressOf: (name: string) => string,
  ) {}

  async isRegistered(): Promise<void> {
    await this.client.until('they are signed in', () => {
      const last = this.client.events.findLast((event) => event.event === 'registration');
      return last?.event === 'registration' && last.state === 'registered' ? true : null;
    });
  }

  async newChat(person: string): Promise<void> {
    const { conversation } = await this.client.call('openConversation', { to: this.addressOf(person) });
    this.#open = conversation;
  }

  async openChat(title: string): Promise<void> {
    this.#open = (await this.#chat(title)).conversation;
    await this.#read();
  }

  async hasChat(title: string): Promise<void> {
    await this.#chat(title);
  }

  async say(text: string): Promise<void> {
    await this.client.call('sendText', { conversation: this.#conversation, text });
  }

  async hears(...texts: string[]): Promise<void> {
    for (const text of texts)
      await this.client.until(`they have “${text}”`, async () => (await this.#messages()).find((message) => message.text.includes(text)));
    await this.#read();
  }

  async sees(text: string, state: MessageState): Promise<void> {
    await this.client.until(`“${text}” is ${state}`, async () => {
      // Another message may have arrived in the open chat in the meantime.
      await this.#read();
      return (await this.#messages()).find((message) => message.text.includes(text) && message.state === state);
    });
  }

  async addPerson(person: string): Promise<void> {
    const { conversation } = await this.client.call('addPeople', { conversation: this.#conversation, people: [this.addressOf(person)] });
    this.#open = conversation;
  }

  async seesChatGoOn(): Promise<void> {
    const open = this.#conversation;
    await this.client.until('the chat goes on in a group', async () =>
      (await this.client.call('conversations', {})).find((one) => one.conversation === open && one.continuedBy !== null),
    );
  }

  async texts(): Promise<string[]> {
    return (await this.#messages()).map(({ text }) => text);
  }

  get #conversation(): string {
    if (this.#open === null) throw new Error(`${this.client.name} has no chat open`);
    return this.#open;
  }

  #chat(title: string): Promise<ConversationValue> {
    return this.client.until(`there is a chat “${title}”`, async () =>
      (await this.client.call('conversations', {})).find(
        ({ people }) => titleOf(people.map(({ name }) => name)) === titleOf(title.split(', ')),
      ),
    );
  }

  async #messages(): Promise<MessageValue[]> {
    return this.client.call('messages', { conversation: this.#conversation });
  }

  async #read(): Promise<void> {
    const last = (await this.#messages()).findLast(({ direction }) => direction === 'in');
    if (last !== undefined) await this.client.call('markDisplayed', { conversation: this.#conversation, upTo: last.message });
  }
}

/** The same title for any order of the people. */
const titleOf = (names: readonly string[]) =>
  [...names]
    .map((name) => name.toLowerCase())
    .sort()
    .join(', ');
