/**
 * The contract over NDJSON: one client that reads a command from each line and writes an answer or an event on each line. Scripts rely on
 * the names. They are those of the contract, with `id` and `do` around a call and `re` around its answer.
 */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Logger } from '../../base/log';
import type { AppEvent, ErrorValue } from '../../preload/contract';
import { AppError, type ErrorCode } from '../../preload/contract/errors';
import type { App } from '../app';
import { dispatch } from '../calls';

/** The longest command line, in UTF-16 code units. A longer one is answered with an error and skipped. */
const maxCommandLength = 1_000_000;

/**
 * One sentence for each code, for people who read the output of their script. The window has its own words, in `renderer/words/errors.ts`.
 */
const sentences: Record<ErrorCode, string> = {
  'ipc/refused': 'The command is unknown or its arguments do not fit; nothing was done.',
  'account/none': 'Nobody is signed in.',
  'account/bad-address': 'Nobody can be written to by this address.',
  'account/bad-option': 'One of the further settings of the sign-in cannot be used.',
  'account/bad-credentials': 'The registrar refuses the password.',
  'account/weak-sign-in': 'The network offers no sign-in that is as strong as this client demands.',
  'account/unproven-network': 'The network cannot prove that it knows the SIM.',
  'account/signed-out': 'This device was signed out.',
  'identity/unreadable': 'The instance ID of this profile cannot be read; put the file back or start with another data folder.',
  'identity/duplicate': 'Another computer is registered with the instance ID of this device; tell resolveClone what this one is.',
  'profile/copied': 'This profile was made elsewhere; tell resolveClone whether it was moved or is another device.',
  'profile/in-use': 'Another process uses this data folder.',
  'storage/full': 'The disk is full.',
  'storage/unreadable': 'The stored data cannot be read with this key or is damaged.',
  'storage/damaged': 'The history is damaged: exportConversation saves what can be read, beginHistory sets it aside and begins a new one.',
  'storage/newer': 'A newer version of this program has written the history; use that one.',
  'storage/failed': 'The data could not be stored.',
  'search/superseded': 'A newer search has taken the place of this one.',
  'export/failed': 'The file cannot be written; nothing was exported.',
  'net/unreachable': 'There is no connection to the next hop.',
  'net/untrusted': 'The certificate of the server is not trusted or is made out to another name; nothing was sent.',
  'net/timeout': 'The other side did not answer in time.',
  'sip/rejected': 'The other side refused the request.',
  'sip/not-registered': 'This device is not registered yet.',
  'sip/malformed': 'The other side sent something that cannot be understood.',
  'msrp/rejected': 'The other side refused the message.',
  'msrp/closed': 'The connection that carries the messages ended.',
  'msrp/relay': 'The media relay cannot be used; nothing goes past it.',
  'privacy/no-temporary-address': 'The network gives this device no address to hide behind; nothing was sent.',
  'privacy/leak': 'An anonymous message would have told who sends it; nothing was sent.',
  'message/undelivered': 'The message could not be delivered.',
  'message/expired': 'Nobody was there to take the message for as long as it was to wait.',
  'message/skipped': 'The message was given up, so that the next ones could leave.',
  'conversation/unknown': 'There is no such conversation, message or invitation.',
  'conversation/blocked': 'You have blocked this person; unblock them first.',
  'conversation/no-session': 'This needs a session, and there is none.',
  'group/unknown': 'No group has this address.',
  'group/not-a-member': 'The group takes its members alone, and you are none.',
  'group/full': 'The group has as many people as it may have.',
  'group/nobody-joined': 'Nobody joined the group.',
  'group/bad-icon': 'A picture of a group is a PNG, JPEG or WebP of 24 kB and 1,024 points at most.',
  'group/bad-nickname': 'A name in a group has 50 characters at most, on one line, all of which can be seen.',
  'group/nickname-taken': 'Somebody in the group has that name already.',
  'device/unknown': 'No such device is registered.',
  'device/wrong-code': 'These are not the digits that the new device shows; this pairing is over.',
  'device/paired': 'This device is paired already.',
  'device/unpaired': 'This device is not paired.',
  'device/refuses': 'That device cannot be signed out from here.',
  'device/stays': 'That device was asked to sign out, and is still signed in.',
  internal: 'A defect of this program; the log says more.',
};

/** Serves `app` until its input ends, `quit` is called, or `stop` resolves. Resolves after a clean de-registration. */
export async function serveHeadless(app: App, io: { input: Readable; output: Writable; log: Logger; stop: Promise<void> }): Promise<void> {
  const write = (value: unknown) => {
    // What is said at one moment leaves by one call of the system.
    io.output.cork();
    io.output.write(`${JSON.stringify(value)}\n`);
    process.nextTick(() => io.output.uncork());
  };
  const events = app.onEvent.on((event) => write(eventLine(event)));
  const lines = createInterface({ input: io.input, crlfDelay: Number.POSITIVE_INFINITY });
  const ended = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.trim() === '') return;
      void answer(app, line).then((reply) => {
        write(reply.line);
        if (reply.quits) resolve();
      });
    });
    lines.once('close', resolve);
  });
  await Promise.race([ended, io.stop]);
  lines.close();
  await app.quit();
  events.dispose();
  // The last lines may be corked still; the process exits right after this.
  await new Promise<void>((resolve) => void process.nextTick(() => io.output.write('', () => resolve())));
}

/** Runs one command line. Every line, whatever it contains, gets exactly one answer and does no harm. */
async function answer(app: App, line: string): Promise<{ line: unknown; quits: boolean }> {
  const command = parseCommand(line);
  if (command === null)
    return {
      line: failure(null, new AppError('ipc/refused', { cause: 'the line is no JSON object with id and do' }).toValue()),
      quits: false,
    };
  const { id, do: name, ...argument } = command;
  const result = await dispatch(app.handlers, name, argument);
  if (!result.ok) return { line: failure(id, result.error), quits: false };
  return { line: { re: id, ok: true, value: result.value }, quits: name === 'quit' };
}

function parseCommand(line: string): ({ id: string | number | null; do: unknown } & Record<string, unknown>) | null {
  if (line.length > maxCommandLength) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const fields = value as Record<string, unknown>;
  const id = fields.id;
  return { ...fields, id: typeof id === 'string' || typeof id === 'number' ? id : null, do: fields.do };
}

function failure(id: string | number | null, error: ErrorValue): unknown {
  return { re: id, ok: false, error: errorLine(error) };
}

/** An error with its sentence. */
export function errorLine(error: ErrorValue): ErrorValue & { text: string } {
  return { ...error, text: sentences[error.code] };
}

/** An event of the contract; if it has an error, the sentence is added. */
function eventLine(event: AppEvent): unknown {
  if (event.event === 'fatal') return { ...event, error: errorLine(event.error) };
  if (event.event === 'rescue' && event.rescue !== null)
    return { ...event, rescue: { ...event.rescue, error: errorLine(event.rescue.error) } };
  if (event.event === 'message' && event.error) return { ...event, error: errorLine(event.error) };
  if (event.event === 'registration' && event.error) {
    const { code, reason } = event.error;
    return { ...event, code, ...(reason === undefined ? {} : { reason }), error: errorLine(event.error) };
  }
  return event;
}
