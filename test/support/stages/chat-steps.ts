/** Conditions that chat stories wait for at one client. */
import type { AppEvent } from '../../../preload/contract';
import type { TestClient } from './clients';

type MessageEvent = Extract<AppEvent, { event: 'message' }>;

/** The first received message with this text. */
export const received = (one: TestClient, text: string): Promise<MessageEvent> =>
  one.until(`it has received “${text}”`, () =>
    one.events.find((event): event is MessageEvent => event.event === 'message' && event.direction === 'in' && event.text === text),
  );

export const messageState = (one: TestClient, message: string, state: string): Promise<MessageEvent> =>
  one.until(`the message is ${state}`, () =>
    one.events.find((event): event is MessageEvent => event.event === 'message' && event.message === message && event.state === state),
  );

/** A conversation whose session is in this state. */
export const session = (one: TestClient, state: string) =>
  one.until(`its session is ${state}`, async () => (await one.call('conversations', {})).find((own) => own.session === state));
