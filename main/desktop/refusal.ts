/** A start that fails: the sentence about the reason, on the terminal and, as the person may have none, also in a window. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app, dialog } from 'electron';

/** Ends at once. Used for faults that only a terminal can have caused. */
export function refuse(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  app.exit(1);
}

/** Shows the sentence and ends once it was read. Not the blocking error box, which would not even react to a signal. */
export async function explain(sentence: string): Promise<void> {
  process.stderr.write(`${sentence}\n`);
  // Chromium needs a folder to show a window, and the profile's folder may be the cause of the failure.
  if (!app.isReady()) app.setPath('userData', join(tmpdir(), `chorus-refusal-${process.pid}`));
  await app.whenReady();
  await dialog.showMessageBox({ type: 'error', title: 'Chorus', message: 'Chorus cannot start', detail: sentence, buttons: ['Close'] });
  app.exit(1);
}
