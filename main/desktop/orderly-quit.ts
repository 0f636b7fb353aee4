/** Ends the process in order: sessions end, the device de-registers, the history closes. Slow peers do not delay the end. */
import { app } from 'electron';
import type { Logger } from '../../base/log';
import type { App } from '../app';
import { signalFurtherDevices } from './further-device';

/** De-registering may take 2 s of this; after it the process ends in any case. */
const quitLimitMs = 3_000;

/** Whatever asks for the end (last window, menu, call, signal), it happens once and in order. */
export function quitInOrder(chorus: App, log: Logger): void {
  let ending = false;
  app.on('window-all-closed', () => app.quit());
  app.on('before-quit', (event) => {
    event.preventDefault();
    if (ending) return;
    ending = true;
    const limit = new Promise((resolve) => setTimeout(resolve, quitLimitMs));
    Promise.race([chorus.quit(), limit])
      .catch((error: unknown) => log.error('The end was not orderly', { error: String(error) }))
      .finally(() => app.exit(0));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signalFurtherDevices(signal);
      app.quit();
    });
  }
}
