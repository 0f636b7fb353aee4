/**
 * The `chorus` command: the client and the network without a window, and the ladder of their traces. Exit status: 0 success, 1 failure, 2
 * unusable arguments.
 */

import { toAppError } from '../../preload/contract/errors';
import { runClient } from './client';
import { UsageError } from './command-line';
import { errorLine } from './headless';
import { runLadder } from './ladder';
import { runNetwork } from './network';

const help = `chorus SUBCOMMAND [options]

  chorus network   the embedded network on loopback, until SIGINT or SIGTERM
  chorus client    one client on stdin and stdout, a JSON object a line
  chorus ladder    the traces of clients and network as one picture

chorus SUBCOMMAND --help tells its options.
`;

async function main(argv: readonly string[]): Promise<number> {
  const [subcommand, ...rest] = argv;
  switch (subcommand) {
    case 'network':
      return runNetwork(rest);
    case 'client':
      return runClient(rest);
    case 'ladder':
      return runLadder(rest);
    case undefined:
    case '--help':
    case '-h':
      process.stdout.write(help);
      return subcommand === undefined ? 2 : 0;
    default:
      throw new UsageError(`unknown subcommand ${subcommand}; chorus --help tells what there is`);
  }
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    if (error instanceof UsageError) {
      process.stderr.write(`chorus: ${error.message}\n`);
      process.exit(2);
    }
    const { code, detail } = toAppError(error);
    process.stderr.write(
      `chorus: ${errorLine({ code, retry: 'user', ...detail }).text}${detail.cause === undefined ? '' : ` ${detail.cause.split('\n')[0]}`}\n`,
    );
    process.exit(1);
  },
);
