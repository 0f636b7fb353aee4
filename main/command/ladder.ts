/** `chorus ladder`: joins the traces of several clients and of the network into one diagram in plain words. */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { ladderOf } from '../trace/ladder';
import { ladderText } from '../trace/ladder-text';
import { readTrace } from '../trace/record';
import { UsageError } from './command-line';

/** The largest trace file in bytes: all of it is held in memory. */
export const maxTraceBytes = 256 * 1024 * 1024;

const help = `chorus ladder TRACE… [options]

  TRACE                  a file of chorus client --trace or chorus network --trace; several are joined into one story
  --text                 the ladder as text, which is what it prints unless told otherwise
  --times on|off         off: no times, so that two runs of the same story can be compared; on
  --all                  also what only keeps the protocol going: 100, ACK, the 200 of an MSRP chunk
`;

const optionsOf = (argv: readonly string[]) => {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        text: { type: 'boolean' },
        times: { type: 'string', default: 'on' },
        all: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

/** Resolves with the exit status. Unreadable parts of a trace are reported on stderr; the rest is shown. */
export async function runLadder(argv: readonly string[]): Promise<number> {
  const { values, positionals } = optionsOf(argv);
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (positionals.length === 0) throw new UsageError('chorus ladder takes the traces to join');
  if (values.times !== 'on' && values.times !== 'off') throw new UsageError('--times takes on or off');
  const traces = positionals.map((file) => ({ file, ...readTrace(contentOf(file), basename(file).replace(/\.[^.]*$/, '')) }));
  for (const { file, dropped, unreadable } of traces) {
    if (dropped > 0) process.stderr.write(`chorus: ${file}: its writer had to leave out ${dropped} messages\n`);
    if (unreadable > 0) process.stderr.write(`chorus: ${file}: ${unreadable} lines cannot be read\n`);
  }
  const rows = ladderOf(traces.flatMap(({ records }) => records));
  process.stdout.write(`${ladderText(rows, { times: values.times === 'on', minor: values.all === true })}\n`);
  return 0;
}

function contentOf(file: string): string {
  try {
    if (statSync(file).size > maxTraceBytes) throw new UsageError(`${file} is larger than ${maxTraceBytes} bytes`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
