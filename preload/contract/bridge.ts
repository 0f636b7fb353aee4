/** The window's access to the contract: Electron IPC, as `window.chorus`. */
import type { CallArgument, CallName, CallValue } from './calls';
import type { Result } from './errors';
import type { AppEvent } from './events';

/** The interface of `window.chorus`. Failures are values: an Error thrown across Electron's IPC would arrive as a bare string. */
export interface ChorusBridge {
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<Result<CallValue<N>>>;
  /** Calls `listener` for every event. Returns a function that ends the subscription. */
  subscribe(listener: (event: AppEvent) => void): () => void;
}

export const ipcCallChannel = 'chorus:call';
export const ipcEventChannel = 'chorus:event';
