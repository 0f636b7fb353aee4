/** How bytes reach a sibling is not known to the engine: whoever plugs it in gives it these ways. */
import type { Sum, Tick } from './messages';
import type { Question } from './pull';

/** The ways to a sibling. They end in SIP status codes: 200 taken and on disk, anything else not. */
export interface Wire {
  send(to: string, kind: 'tick' | 'sum', body: Tick | Sum): Promise<number>;
  /** A way for questions, which answers null where it is cut, `REFUSED` where the sibling refuses; null: there is none at present. */
  open(to: string): Promise<{ ask(question: Question): Promise<unknown>; close(): void } | null>;
  /** Whether a tick can travel in one request. */
  fits(tick: Tick): boolean;
}
