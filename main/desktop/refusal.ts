/** A start that cannot be: the sentence that says why, on the terminal and, where a person may have no terminal, in a window. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app, dialog } from 'electron';

/** Ends at once, for what only a terminal can have asked for. */
export function refuse(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  app.exit(1);
}

/** Shows the sentence and ends when it was read. Never the blocking error box: it would not even hear a signal. */
export async function explain(sentence: string): Promise<void> {
  process.stderr.write(`${sentence}\n`);
  // Chromium needs some folder of its own to show a window, and the profile's may be the very trouble.
  if (!app.isReady()) app.setPath('userData', join(tmpdir(), `chorus-refusal-${process.pid}`));
  await app.whenReady();
  await dialog.showMessageBox({ type: 'error', title: 'Chorus', message: 'Chorus cannot start', detail: sentence, buttons: ['Close'] });
  app.exit(1);
}
