/**
 * What runs on a thread of its own, with a connection of its own that only reads: everything of a history that may take long. Nothing here is imported
 * by the rest; `read-queue.ts` starts it, and speaks to it in the messages below. The key comes with the start, in memory, and goes nowhere.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Logger } from '../../../base/log';
import { toAppError } from '../../../preload/contract/errors';
import { openForReading } from './reader';
import type { FromThread, Question, Reading, ThreadStart, ToThread } from './thread-messages';

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
      // A file that does not open is an answer to who asks, and may open the next time.
      reading ??= openForReading({ file, key, log });
      say({ id, value: answer(reading, question) });
    } catch (error) {
      say({ id, error: toAppError(error).toValue() });
    }
  });
}

function answer(reading: Reading, question: Question): unknown {
  switch (question.what) {
    case 'search':
      return reading.search(...question.given);
    case 'transcript':
      return reading.transcript(...question.given);
  }
}

if (parentPort !== null) serve(parentPort, workerData as ThreadStart);
