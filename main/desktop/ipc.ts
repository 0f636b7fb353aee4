/** The window's access to the contract, and the only user of ipcMain. The sender is checked here, the call in `calls.ts`. */
import { type BrowserWindow, ipcMain, type WebFrameMain } from 'electron';
import { type Disposable, disposable } from '../../base/disposable';
import type { Emitter } from '../../base/emitter';
import type { Logger } from '../../base/log';
import { type AppEvent, ipcCallChannel, ipcEventChannel, type Result } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { dispatch, type Handlers } from '../calls';

/** The only origin that may make calls. */
const appOrigin = 'app://chorus';

export interface IpcOptions {
  /** The current window; null while there is none. */
  window: () => BrowserWindow | null;
  handlers: Handlers;
  onEvent: Emitter<AppEvent>;
  log: Logger;
}

/** Why this frame may not make calls. Null when it may: it is the main frame of our window and shows our own page. */
function refusal(frame: WebFrameMain | null, window: BrowserWindow | null): string | null {
  if (frame === null) return 'the frame that asked is gone';
  if (window === null || window.isDestroyed()) return 'there is no window';
  if (frame.parent !== null) return 'a frame inside the page asked';
  if (frame !== window.webContents.mainFrame) return 'another window asked';
  // For a custom scheme, `origin` of a URL object is "null", so the frame's own origin is used.
  if (frame.origin !== appOrigin) return `a page of ${frame.origin} asked`;
  return null;
}

/** Serves calls and sends events until disposed. */
export function bindIpc({ window, handlers, onEvent, log }: IpcOptions): Disposable {
  ipcMain.handle(ipcCallChannel, async (event, name: unknown, argument: unknown): Promise<Result<unknown>> => {
    const reason = refusal(event.senderFrame, window());
    if (reason === null) return dispatch(handlers, name, argument);
    log.warn('A call was refused', { reason, name: String(name).slice(0, 80) });
    return { ok: false, error: new AppError('ipc/refused', { cause: reason }).toValue() };
  });
  const subscription = onEvent.on((event) => {
    const target = window();
    if (target === null || target.isDestroyed() || target.webContents.isDestroyed() || target.webContents.isCrashed()) return;
    target.webContents.mainFrame.send(ipcEventChannel, event);
  });
  return disposable(() => {
    ipcMain.removeHandler(ipcCallChannel);
    subscription.dispose();
  });
}
