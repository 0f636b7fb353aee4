/**
 * The thread for what may take long in a history, with a connection of its own that reads, and folds in the log. Nothing imports this file; `read-queue.ts` starts it
 * and talks to it in the messages of `thread-messages.ts`. The key comes with the start, in memory, and is passed on to nobody.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Logger } from '../../../base/log';
import { toAppError } from '../../../preload/contract/errors';
import { openForReading } from './reader';
import type { FromThread, Reading, ReadQuestion, ThreadStart, ToThread } from './thread-messages';

function serve(port: NonNullable<typeof parentPort>, { file, key }: ThreadStart): void {
  const say = (message: FromThread) => port.postMessage(message);
  const tell = (log: keyof Logger) => (text: string, fields?: Record<string, unknown>) => say({ log, text, fields });
  const log: Logger = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') };
  let reading: ReturnType<typeof openForReading> | null = null;
  port.on('message', (message: ToThread) => {
    if ('close' in message) {
      reading?.dispose();
      port.close();
      return;
    }
    const { id, question } = message;
    try {
      // A file that does not open is an error of this question alone; it may open the next time.
      reading ??= openForReading({ file, key, log });
      say({ id, value: question.what === 'fold' ? reading.fold() : answer(reading.of(question.account), question) });
    } catch (error) {
      say({ id, error: toAppError(error).toValue() });
    }
  });
}

function answer(reading: Reading, question: ReadQuestion): unknown {
  switch (question.what) {
    case 'search':
      return reading.search(...question.given);
    case 'transcript':
      return reading.transcript(...question.given);
  }
}

if (parentPort !== null) serve(parentPort, workerData as ThreadStart);
